//! Models end to end: what fits together, the file format, inference against the reference, ONNX.

mod any;
mod crafted;
mod crafted_layers;
mod format;
mod graph;
mod inference;
mod metadata;
mod mutated;
mod nets;
mod onnx;
mod shapes;
