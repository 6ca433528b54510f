//! Nets of other tools as graphs, and graphs for other tools.
//!
//! Each format has a folder of its own; it turns bytes into a
//! [`Graph`](bernet_runtime::graph::Graph) operator by operator and folds nothing: that is what the
//! passes of the runtime do.

#[cfg(feature = "onnx")]
pub mod onnx;
pub mod pixels;
