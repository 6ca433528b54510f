//! Nets of other tools as graphs, and graphs for other tools.
//!
//! Each format has a folder of its own; it turns bytes into a
//! [`Graph`](bernet_runtime::graph::Graph) operator by operator and folds nothing: that is what the
//! passes of the runtime do.

use bernet_runtime::graph::Graph;

#[cfg(feature = "npy")]
pub mod array;
#[cfg(feature = "npy")]
pub mod npy;
#[cfg(feature = "onnx")]
pub mod onnx;
#[cfg(feature = "tflite")]
pub mod tflite;

/// A net of another tool.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The net, valid.
    pub graph: Graph,
    /// What the importer assumed, one sentence each, for people.
    pub notes: Vec<String>,
}
