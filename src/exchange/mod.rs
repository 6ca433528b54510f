//! Nets of other tools as graphs, and graphs for other tools.
//!
//! Each format has a folder of its own; it turns bytes into a
//! [`Graph`](bernet_runtime::graph::Graph) operator by operator and folds nothing: that is what the
//! passes of the runtime do.

use bernet_runtime::graph::{Graph, Pixels};

#[cfg(feature = "npy")]
pub mod npy;
#[cfg(feature = "onnx")]
pub mod onnx;
#[cfg(feature = "tflite")]
pub mod tflite;

/// What an importer is told beside the bytes.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// What a picture's pixels become at every float input; `None` leaves it unsaid.
    pub pixels: Option<Pixels>,
}

/// A net of another tool.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The net, valid.
    pub graph: Graph,
    /// What the importer assumed, one sentence each, for people.
    pub notes: Vec<String>,
}
