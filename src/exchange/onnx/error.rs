//! Why a file does not become a graph.

use super::proto::ProtoError;
use crate::exchange::pixels::ReadingMismatch;
use bernet_runtime::graph::GraphError;
use std::{fmt, io, path::PathBuf};
use thiserror::Error;

/// A node of a file, for errors: its name, or its place and first output where it has none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodePlace {
    /// Its place in the file's order; those of functions follow the call.
    pub index: usize,
    /// Its name, which may be empty.
    pub name: String,
    /// Its first output.
    pub output: String,
    /// Its operator.
    pub op: String,
}

impl fmt::Display for NodePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            index,
            name,
            output,
            op,
        } = self;
        if name.is_empty() {
            write!(f, "node {index}, output {output:?} ({op})")
        } else {
            write!(f, "node {name:?} ({op})")
        }
    }
}

/// Why bytes are not a net that can be imported.
#[derive(Clone, PartialEq, Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// They are no ONNX file.
    #[error(
        "not an ONNX file: {0}; expected what torch.onnx.export or another tool wrote as .onnx"
    )]
    Proto(#[from] ProtoError),
    /// The file as a whole is not what is expected.
    #[error("{why}")]
    Model {
        /// What is wrong, and what to do.
        why: String,
    },
    /// An input is not one that a graph can have.
    #[error("input {name:?}: {why}")]
    Input {
        /// Its name.
        name: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// An output is not one that a graph can have.
    #[error("output {name:?}: {why}")]
    Output {
        /// Its name.
        name: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// A tensor in the file is damaged or cannot be had.
    #[error("tensor {name:?}: {why}")]
    Tensor {
        /// Its name.
        name: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// A node cannot be imported.
    #[error("{place}: {why}")]
    Node {
        /// Which.
        place: NodePlace,
        /// What is wrong, and what to do.
        why: String,
    },
    /// What was said of pixels does not suit the inputs.
    #[error(transparent)]
    Pixels(#[from] ReadingMismatch),
    /// The graph that came about does not fit together.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

impl ImportError {
    pub(super) fn model(why: impl Into<String>) -> Self {
        Self::Model { why: why.into() }
    }
}

/// Why a file could not be imported.
#[derive(Debug, Error)]
#[error("{}: {cause}", path.display())]
pub struct ImportFileError {
    /// The file.
    pub path: PathBuf,
    /// What went wrong; not a `source`, since the text above has it already.
    pub cause: Box<ImportFileCause>,
}

/// What went wrong in importing a file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportFileCause {
    /// The file system.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file is larger than any file of this kind may be.
    #[error("expected at most {limit} bytes, found more")]
    Size {
        /// The most bytes.
        limit: u64,
    },
    /// What is in it.
    #[error(transparent)]
    Import(#[from] ImportError),
}
