//! Nets of other tools as graphs, and graphs for other tools.
//!
//! Each format has a folder of its own; it turns bytes into a
//! [`Graph`] operator by operator and folds nothing: that is what the
//! passes of the runtime do.

use bernet_runtime::graph::{Graph, Pixels};
use std::collections::BTreeMap;

#[cfg(feature = "npy")]
pub mod array;
#[cfg(feature = "c")]
pub mod c;
#[cfg(feature = "npy")]
pub mod npy;
#[cfg(feature = "onnx")]
pub mod onnx;
pub mod pixels;
mod read;
#[cfg(feature = "tflite")]
pub mod tflite;

pub use read::{BytesError, Format, ReadError, from_bytes, read};

/// What an importer is told beside the bytes.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// What a picture's pixels become at every float input; `None` leaves it unsaid.
    pub pixels: Option<Pixels>,
    /// Sizes of inputs by name, the batch first, for those that a file leaves open (ONNX).
    pub input_shapes: BTreeMap<String, Vec<usize>>,
    /// Whether files beside a model that have its weights stay closed (ONNX).
    pub no_external_data: bool,
}

/// A net of another tool.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The net, valid.
    pub graph: Graph,
    /// What the importer assumed, one sentence each, for people.
    pub notes: Vec<String>,
}
