//! The `.bnet` file: a net as bytes.
//!
//! `docs/bnet-format.md` is the specification, written for a second implementation. A graph has one
//! file: what [`from_bytes`] reads, [`to_bytes`] writes again byte for byte, but for the way in which
//! its metadata are deflated. Values are numbered in the order in which they are made, inputs first.
//!
//! The checksum is there to catch damage, not an adversary: it finds every flipped bit and every
//! burst of up to 32. What is read need not be trusted; nothing in it can cause a panic, and memory
//! and time are bounded by its length.
//!
//! ```
//! use bernet_runtime::{format, graph::{Graph, Kind, Op, Shape}};
//!
//! let mut graph = Graph::default();
//! let x = graph.add_input("x", Kind::F32, Shape::flat(3))?;
//! let y = graph.add_node(Op::Sign, &[x])?;
//! graph.add_output("y", y)?;
//! graph.metadata.insert("licence".into(), "MIT".into());
//! let bytes = format::to_bytes(&graph)?;
//! assert_eq!(format::from_bytes(&bytes)?, graph);
//!
//! let damaged = format::from_bytes(&bytes[1..]).unwrap_err();
//! assert!(damaged.to_string().starts_with("not a .bnet file"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
#[cfg(feature = "std")]
mod file;
mod lists;
mod metadata;
mod net;
mod ops;
mod sink;
mod source;

pub use error::FormatError;
#[cfg(feature = "std")]
pub use file::{FileCause, FileError, read, write};

use crate::graph::Graph;
use alloc::vec::Vec;

/// The first eight bytes. As in PNG, the first has its high bit set and the last three are what a
/// transfer that takes the file for text would change.
pub const MAGIC: [u8; 8] = *b"\x89BNET\r\n\x1a";

/// The version that is written.
pub const VERSION: u32 = 5;

/// Most bytes of metadata in a file, before they are deflated.
pub const METADATA_LIMIT: usize = 1 << 20;

/// Bytes of the checksum.
const CHECKSUM: usize = 4;

/// The bytes of the `.bnet` file of a graph.
///
/// # Errors
/// [`FormatError::Graph`] where the graph is not valid; [`FormatError::Metadata`] where its metadata
/// are longer than [`METADATA_LIMIT`].
pub fn to_bytes(graph: &Graph) -> Result<Vec<u8>, FormatError> {
    net::write(graph)
}

/// Reads a graph from the bytes of a whole `.bnet` file.
///
/// The bytes need not be trusted: time is linear in their number, and the memory taken is at most
/// four times theirs and 64 MiB.
///
/// # Errors
/// [`FormatError`] for anything but the bytes that [`to_bytes`] writes for some graph.
pub fn from_bytes(bytes: &[u8]) -> Result<Graph, FormatError> {
    match version(bytes)? {
        VERSION => net::read(bytes),
        found => Err(FormatError::Version { found }),
    }
}

/// The version of a file that begins with the right magic.
fn version(bytes: &[u8]) -> Result<u32, FormatError> {
    if !bytes.starts_with(&MAGIC) {
        let found = bytes[..bytes.len().min(MAGIC.len())].to_vec();
        return Err(FormatError::Magic { found });
    }
    let mut version = [0; 4];
    version.copy_from_slice(source::Source::new(bytes, MAGIC.len()).bytes("version", 4)?);
    Ok(u32::from_le_bytes(version))
}
