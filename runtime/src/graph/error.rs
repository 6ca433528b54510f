//! What is wrong with a graph, and where.

use alloc::string::{String, ToString};
use core::fmt::{self, Display};
use thiserror::Error;

/// A part of a graph.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// The graph as a whole.
    Graph,
    /// An input by its name.
    Input(String),
    /// An output by its name.
    Output(String),
    /// A node.
    Node {
        /// Its place in the order of nodes.
        index: usize,
        /// Its name, which may be empty.
        name: String,
        /// The name of its operator.
        op: &'static str,
    },
}

impl Place {
    /// An error at this place.
    pub fn error(
        &self,
        what: impl Display,
        expected: impl Display,
        found: impl Display,
    ) -> GraphError {
        GraphError {
            place: self.clone(),
            what: what.to_string(),
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }

    /// An error unless a condition holds.
    pub(crate) fn check(
        &self,
        holds: bool,
        what: impl Display,
        expected: impl Display,
        found: impl Display,
    ) -> Result<(), GraphError> {
        if holds {
            Ok(())
        } else {
            Err(self.error(what, expected, found))
        }
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Graph => write!(f, "graph"),
            Self::Input(name) => write!(f, "input \"{name}\""),
            Self::Output(name) => write!(f, "output \"{name}\""),
            Self::Node { index, name, op } if name.is_empty() => write!(f, "node {index} ({op})"),
            Self::Node { name, op, .. } => write!(f, "node \"{name}\" ({op})"),
        }
    }
}

/// A graph that does not fit together.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{place}: {what}: expected {expected}, found {found}")]
pub struct GraphError {
    /// Where.
    pub place: Place,
    /// What is wrong there.
    pub what: String,
    /// What it must be.
    pub expected: String,
    /// What it is.
    pub found: String,
}
