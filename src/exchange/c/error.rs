//! Why a net has no C.

use bernet_runtime::graph::GraphError;
use thiserror::Error;

/// Why a net cannot be written as C.
#[derive(Clone, PartialEq, Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The graph is not valid.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The prefix is not one that C allows.
    #[error(
        "name {0:?}: expected a letter and up to 39 letters, digits and underscores, and no header of C"
    )]
    Name(String),
    /// The net has not one input and one output.
    #[error("{what}: expected 1, found {found}")]
    Count {
        /// Inputs or outputs.
        what: &'static str,
        /// How many.
        found: usize,
    },
    /// An input or output is not of a type that C without floats has.
    #[error("{what} {name:?}: expected {expected}, found {found}")]
    Edge {
        /// Input or output.
        what: &'static str,
        /// Its name.
        name: String,
        /// The types that are written.
        expected: &'static str,
        /// Its own.
        found: &'static str,
    },
    /// An operator is not one of bits and integers.
    #[error("node {index} {name:?} ({op}): {why}")]
    Node {
        /// Its place after the passes, from 0.
        index: usize,
        /// Its name, which may be empty.
        name: String,
        /// Its operator.
        op: &'static str,
        /// What is wrong, and what to do.
        why: String,
    },
    /// Images for a test are not the net's.
    #[error("images: expected {pixels} pixels for each of {labels} labels, found {found}")]
    Images {
        /// Of one image of the net.
        pixels: usize,
        /// Images.
        labels: usize,
        /// Pixels in all.
        found: usize,
    },
    /// The net does not run on the host.
    #[error("{0}")]
    Run(String),
    /// The working memory has more bytes than 32 bits count.
    #[error("working memory: expected at most 4294967295 bytes, found {0}")]
    Memory(usize),
}
