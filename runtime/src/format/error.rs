//! Why bytes are not a net.

use super::{MAGIC, VERSION};
use crate::graph::GraphError;
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt::Display;
use thiserror::Error;

/// Why bytes are not a net, or a graph has no bytes.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The file is of another kind.
    #[error("not a .bnet file: at offset 0: expected \"{}\", found \"{}\"", MAGIC.escape_ascii(), found.escape_ascii())]
    Magic {
        /// Its first bytes, at most eight.
        found: Vec<u8>,
    },
    /// The file has a version that this crate does not know.
    #[error("at offset 8: version of .bnet: expected 1 to {VERSION}, found {found}")]
    Version {
        /// Its version.
        found: u32,
    },
    /// The file is damaged.
    #[error(
        "the file is damaged: at offset {offset}: checksum: expected {computed:08x}, found {stored:08x}"
    )]
    Checksum {
        /// Where the checksum is.
        offset: usize,
        /// The checksum in the file.
        stored: u32,
        /// The checksum of what is there.
        computed: u32,
    },
    /// A field has a value that it cannot have.
    #[error("at offset {offset}: {what}: expected {expected}, found {found}")]
    Field {
        /// Where the field begins.
        offset: usize,
        /// The field, in the words of the specification.
        what: String,
        /// What would be right.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The fields are well formed, but the graph does not fit together.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The metadata of a graph is too long to be written.
    #[error(
        "metadata: expected at most {} bytes of keys and values, found {found}",
        super::METADATA_LIMIT
    )]
    Metadata {
        /// Its bytes.
        found: usize,
    },
}

pub(super) fn field(
    offset: usize,
    what: impl Display,
    expected: impl Display,
    found: impl Display,
) -> FormatError {
    FormatError::Field {
        offset,
        what: what.to_string(),
        expected: expected.to_string(),
        found: found.to_string(),
    }
}

pub(super) fn check(
    fits: bool,
    offset: usize,
    what: impl Display,
    expected: impl Display,
    found: impl Display,
) -> Result<(), FormatError> {
    if fits {
        Ok(())
    } else {
        Err(field(offset, what, expected, found))
    }
}

pub(super) fn at_most(limit: impl Display) -> String {
    format!("at most {limit}")
}
