//! The TFLite importer: graphs that were worked out by hand, nets of Larq's zoo, damaged files.

#[path = "tflite/file.rs"]
mod file;
#[path = "tflite/lce.rs"]
mod lce;
#[path = "tflite/operators.rs"]
mod operators;
#[path = "tflite/zoo.rs"]
mod zoo;
