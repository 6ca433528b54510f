//! Models end to end: the file format, and inference against the reference.

mod format;
mod inference;
mod nets;
