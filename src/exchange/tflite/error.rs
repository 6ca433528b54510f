//! Why a file is not imported.

use bernet_runtime::graph::GraphError;
use std::fmt::Display;
use thiserror::Error;

/// A file that is not imported: where, what was expected, what was found.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The bytes are something else.
    #[error("not a TFLite file: bytes 4 to 7: expected \"TFL3\", found {found:?}")]
    Format {
        /// What stands in the place of the identifier.
        found: String,
    },
    /// Parts of the file point out of it, overlap or repeat beyond measure.
    #[error("damaged TFLite file: {reason}")]
    Damaged {
        /// What the check of the flatbuffer says.
        reason: String,
    },
    /// A part that is missing, contradicts others, or is not supported.
    #[error("{place}: {what}: expected {expected}, found {found}")]
    Unsupported {
        /// Which operator or tensor.
        place: String,
        /// What of it.
        what: String,
        /// What can be imported.
        expected: String,
        /// What the file has.
        found: String,
    },
    /// The operators do not fit together.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

impl ImportError {
    /// A part that does not fit.
    pub(super) fn at(
        place: impl Display,
        what: impl Display,
        expected: impl Display,
        found: impl Display,
    ) -> Self {
        Self::Unsupported {
            place: place.to_string(),
            what: what.to_string(),
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }
}
