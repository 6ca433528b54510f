//! Models end to end: what fits together, the file format, inference against the reference.

mod format;
mod hostile;
mod inference;
mod nets;
mod shapes;
