//! Why a graph has no plan, and why words are none.

use crate::graph::GraphError;
use alloc::string::String;
use thiserror::Error;

/// Why a graph cannot be planned for a device.
#[derive(Clone, PartialEq, Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The graph does not fit together.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A node is none of those that a plan can hold.
    #[error("node {index} \"{name}\" ({op}): {why}")]
    Node {
        /// Its place in the graph.
        index: usize,
        /// Its name.
        name: String,
        /// Its operator.
        op: &'static str,
        /// Expected and found.
        why: &'static str,
    },
    /// Inputs or outputs are not those that a plan can have.
    #[error("{what}: expected {expected}")]
    Edge {
        /// Inputs or outputs.
        what: &'static str,
        /// What a plan can have.
        expected: &'static str,
    },
    /// A size does not fit in a plan's words.
    #[error("node {index}: {what}: expected at most {most}, found {found}")]
    Size {
        /// Its place in the graph.
        index: usize,
        /// Of what.
        what: &'static str,
        /// What fits.
        most: usize,
        /// What the graph has.
        found: usize,
    },
}

/// Why words are not a plan, or a call does not suit it. Without texts of its own that a device
/// would have to keep: `Debug` and `Display` take no room where nothing prints them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The bytes do not begin at a multiple of four, or are not whole words.
    #[error("a plan's bytes: expected whole words at an address that is a multiple of 4")]
    Alignment,
    /// The first word is another.
    #[error("not a plan for firmware: its first word is another")]
    Magic,
    /// The version is not this crate's.
    #[error("a plan's version: expected {expected}, found {found}; write the plan anew")]
    Version {
        /// This crate's.
        expected: u32,
        /// The plan's.
        found: u32,
    },
    /// It has another length than it says, or its header does not fit together.
    #[error("a plan's header: the plan is cut off or damaged")]
    Header,
    /// A step does not fit together.
    #[error("step {0} of a plan does not fit together: the plan is damaged")]
    Step(usize),
    /// The arena is too small.
    #[error("the arena: expected at least {expected} words, found {found}")]
    Arena {
        /// Words that the plan needs.
        expected: usize,
        /// Words that there are.
        found: usize,
    },
    /// The image has another size.
    #[error("the image: expected {expected}, found {found}")]
    Image {
        /// Values, or words of packed bits; 0 where the plan takes no packed bits.
        expected: usize,
        /// What was handed in.
        found: usize,
    },
    /// There is room for another number of logits.
    #[error("the logits: expected {expected}, found {found}")]
    Logits {
        /// The plan's.
        expected: usize,
        /// What was handed in.
        found: usize,
    },
}
