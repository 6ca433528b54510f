//! Nets as C99 for small devices: two files, no library, no heap, no floats.
//!
//! A graph with operators of bits and integers only becomes a header and a source with one function
//! for each node, specialised to its sizes. Weights and thresholds are constants; values share one
//! array of the caller's. Every logit is that of [`bernet_runtime::reference`]. What has no C is
//! refused by name.
//!
//! ```
//! use bernet::exchange::c::{self, Options};
//! use bernet_runtime::format;
//!
//! let graph = format::read("models/mnist.bnet")?;
//! let digit = Options { name: "digit".into(), ..Options::default() };
//! let files = c::export(&graph, &digit)?;
//! assert!(files.header.contains("int digit_classify(void *arena, const uint8_t *pixels);"));
//! assert!(files.arena_bytes < 700 && files.constant_bytes < 5000);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod arduino;
mod arena;
mod byte_lines;
mod channels;
mod code;
mod counts;
mod device;
mod elements;
mod entry;
mod error;
mod file;
mod helpers;
mod lines;
mod net;
mod options;
mod product;
mod products;
mod sliced;
mod sums;
mod vectors;

pub use arduino::arduino;
pub use device::{Device, DeviceLayer, device};
pub use error::ExportError;
pub use options::Options;
pub use vectors::test_vectors;

use arena::Arena;
use bernet_runtime::{
    graph::Graph,
    passes::{self, Passes},
};
use file::File;
use net::Net;

/// The text of both files, and what they take.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Files {
    /// `NAME.h`.
    pub header: String,
    /// `NAME.c`.
    pub source: String,
    /// Bytes of constants: weights and thresholds.
    pub constant_bytes: usize,
    /// Bytes of the caller's array.
    pub arena_bytes: usize,
    /// What was left out at the end of the net, a sentence each.
    pub notes: Vec<String>,
}

/// Writes a graph as C.
///
/// # Errors
/// [`ExportError`] where the graph is not valid, or has what is not written as C.
pub fn export(graph: &Graph, options: &Options) -> Result<Files, ExportError> {
    options.check()?;
    let graph = sums::merge(passes::run(graph, &Passes::default())?);
    let net = Net::new(&graph)?;
    let arena = Arena::new(&net);
    let file = File {
        net: &net,
        arena: &arena,
        options,
    };
    let arena_bytes = file.arena_bytes();
    if u32::try_from(arena_bytes).is_err() {
        return Err(ExportError::Memory(arena_bytes));
    }
    let (source, constant_bytes) = file.source();
    let header = file.header(constant_bytes);
    Ok(Files {
        header,
        source,
        constant_bytes,
        arena_bytes,
        notes: net.notes.clone(),
    })
}
