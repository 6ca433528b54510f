//! The `.bnet` file: a model as bytes.
//!
//! `docs/bnet-format-4.md` is the specification, written for a second implementation; in short:
//!
//! ```text
//! header          64 bytes: magic, version, counts, the input, the file's length
//! layer table     32 bytes a layer
//! section table   24 bytes a section: kind, offset, length
//! weights         every layer's bits, row after row without padding; a layer begins on a byte
//! thresholds      for each convolution its least sums (i16, or i32 where one needs it), then a bit each for inversion;
//!                 for an affine layer its scales and biases (f64); real layers have f32 weights and f64 least sums
//! metadata        keys and values in UTF-8, each after its length, in the order of the keys
//! checksum        CRC-32 of everything before it
//! ```
//!
//! Numbers are little-endian. Sections begin on multiples of 64 bytes, the bytes between are 0, and nothing else may lie
//! there. There is one section for each kind of data rather than one for each layer, so that alignment costs at most
//! 3 · 63 bytes however many layers there are.
//!
//! A model has exactly one file: what [`Model::from_bytes`] accepts, [`Model::to_bytes`] gives back byte for byte.
//!
//! The checksum is CRC-32 (the one of gzip and PNG) because it is there to catch damage, not an adversary: it finds every
//! single-bit flip and every burst of up to 32 bits, costs four bytes, and any language's standard library has it. A
//! cryptographic hash without a signature would promise more and hold no more.
//!
//! ```
//! use bernet::model::{Input, Layer, Model};
//! use bernet_kernels::bits::BitMatrix;
//!
//! let model = Model {
//!     input: Input { height: 28, width: 28, channels: 1, threshold: Some(128) },
//!     layers: vec![Layer::Expectation { weights: BitMatrix::zeros(10, 1) }],
//!     metadata: [("licence".into(), "MIT".into())].into(),
//! };
//! let bytes = model.to_bytes()?;
//! assert_eq!(Model::from_bytes(&bytes)?, model);
//!
//! let damaged = Model::from_bytes(&bytes[1..]).unwrap_err();
//! assert!(damaged.to_string().starts_with("not a .bnet file"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod content;
mod dense;
mod layout;
mod parse;
mod record;
mod serialise;

pub use layout::FileLayout;
use record::Record;

use super::{Layer, Model, ModelError};
use crate::durable;
use bernet_kernels::xnor::Options;
use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};
use thiserror::Error;

/// The first eight bytes. As in PNG, the first has its high bit set and the last three are what a transfer that takes
/// the file for text would change.
pub const MAGIC: [u8; 8] = *b"\x89BNET\r\n\x1a";

/// The newest version that this crate reads and writes; it knows every one before. A model's file has the oldest version
/// that has all it needs, see [`FileLayout::version`].
pub const VERSION: u32 = 4;

/// Bytes of the header.
const HEADER: usize = 64;

/// Bytes of the checksum.
const CHECKSUM: usize = 4;

/// Why bytes are not a model.
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
        offset: u64,
        /// The checksum in the file.
        stored: u32,
        /// The checksum of what is there.
        computed: u32,
    },
    /// A field has a value that it cannot have.
    #[error("at offset {offset}: {what}: expected {expected}, found {found}")]
    Field {
        /// Where the field begins.
        offset: u64,
        /// The field, in the words of the specification.
        what: String,
        /// What would be right.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The fields are well formed, but the layers do not fit together.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// Why a file could not be read as a model.
#[derive(Debug, Error)]
#[error("{}: {cause}", path.display())]
pub struct ReadError {
    /// The file.
    pub path: PathBuf,
    /// What went wrong; not a `source`, since the text above has it already.
    pub cause: ReadCause,
}

/// What went wrong in reading a file.
#[derive(Debug, Error)]
pub enum ReadCause {
    /// The file system.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The bytes.
    #[error(transparent)]
    Format(#[from] FormatError),
}

/// Why a model could not be written to a file; what was there before is untouched.
#[derive(Debug, Error)]
#[error("{}: {cause}", path.display())]
pub struct WriteError {
    /// The file.
    pub path: PathBuf,
    /// What went wrong.
    pub cause: WriteCause,
}

/// What went wrong in writing a file.
#[derive(Debug, Error)]
pub enum WriteCause {
    /// The file system.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The model does not fit together.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl Model {
    /// The bytes of the `.bnet` file.
    ///
    /// # Errors
    /// As [`Model::validate`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, ModelError> {
        serialise::model(self)
    }

    /// Reads a model from the bytes of a whole `.bnet` file, which need not be trusted: time is linear in their number,
    /// and the memory taken is at most theirs and 48 MiB.
    ///
    /// # Errors
    /// [`FormatError`] for anything but the bytes that [`Model::to_bytes`] gives for some model.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        parse::model(bytes)
    }

    /// Reads a `.bnet` file.
    ///
    /// # Errors
    /// [`ReadError`], with the path.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let path = path.as_ref();
        read_bytes(path)
            .and_then(|bytes| Ok(Self::from_bytes(&bytes)?))
            .map_err(|cause| ReadError {
                path: path.into(),
                cause,
            })
    }

    /// As [`Model::read`], from the file mapped into memory rather than from a copy of its bytes. It pays for large files that
    /// are read often, such as those that the page cache holds; the model itself keeps nothing of the mapping.
    ///
    /// ```
    /// use bernet::model::Model;
    ///
    /// // SAFETY: nobody writes to the file while it is read.
    /// let model = unsafe { Model::read_mapped("models/mnist.bnet") }?;
    /// assert_eq!(model, Model::read("models/mnist.bnet")?);
    /// # Ok::<(), bernet::model::format::ReadError>(())
    /// ```
    ///
    /// # Safety
    /// Until this returns nothing may change or shorten the file, in this process or in any other. (What is written with
    /// [`Model::write`] replaces the file as a whole and leaves one that is being read as it is.)
    ///
    /// # Errors
    /// As [`Model::read`].
    #[cfg(feature = "memmap")]
    pub unsafe fn read_mapped(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let path = path.as_ref();
        let read = || {
            let file = File::open(path)?;
            // SAFETY: the caller promises that the bytes stay as they are while the mapping lives, which is until `read` returns.
            let bytes = unsafe { memmap2::Mmap::map(&file) }?;
            Ok(Self::from_bytes(&bytes)?)
        };
        read().map_err(|cause| ReadError {
            path: path.into(),
            cause,
        })
    }

    /// Writes a `.bnet` file. It appears whole or not at all: the bytes go to a temporary file in the same folder, are
    /// flushed to the disk, and take their name at the end.
    ///
    /// # Errors
    /// [`WriteError`], with the path.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), WriteError> {
        let path = path.as_ref();
        let written = self
            .to_bytes()
            .map_err(WriteCause::from)
            .and_then(|bytes| Ok(durable::write(path, &bytes)?));
        written.map_err(|cause| WriteError {
            path: path.into(),
            cause,
        })
    }

    /// What the parts of the model's file take.
    ///
    /// # Errors
    /// As [`Model::validate`].
    pub fn file_layout(&self) -> Result<FileLayout, ModelError> {
        FileLayout::of(self)
    }
}

/// The oldest version that has what a valid model needs.
pub(super) fn version(model: &Model) -> u32 {
    let options = |layer: &Layer| {
        layer
            .window()
            .is_some_and(|window| window.options != Options::default())
    };
    if model.layers.iter().any(options) {
        return 4;
    }
    let real = |layer: &Layer| !layer.real_weights().is_empty();
    if model.input.threshold.is_none() || model.layers.iter().any(real) {
        return 3;
    }
    let newer = model
        .layers
        .iter()
        .enumerate()
        .any(|(index, layer)| match layer {
            Layer::Crop { .. } | Layer::Conv(_) => false,
            Layer::MaxPool(_) | Layer::Affine { .. } => true,
            Layer::RealConv(_) | Layer::RealExpectation(_) => true,
            // In version 1 an expectation's weights serve every position.
            Layer::Expectation { weights } => {
                let shapes = model.shapes().expect("the model is valid");
                let input = index
                    .checked_sub(1)
                    .map_or(model.input.shape(), |at| shapes[at]);
                weights.columns() != input.channels
            }
        });
    if newer { 2 } else { 1 }
}

/// Bytes that the weights and the thresholds (or scales and biases) of a layer of a valid model take in a file.
pub(super) fn layer_bytes(layer: &Layer) -> (u64, u64) {
    let record = Record::of(layer);
    (
        record
            .weight_bytes()
            .expect("what is in memory can be counted"),
        record.threshold_bytes(),
    )
}

/// The bytes of a file that begins like a `.bnet` file: no more than its header announces (and one, to see that there is
/// more), so that neither a huge file nor an endless device fills the memory.
fn read_bytes(path: &Path) -> Result<Vec<u8>, ReadCause> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut bytes = Vec::with_capacity(HEADER);
    (&mut file).take(HEADER as u64).read_to_end(&mut bytes)?;
    let announced = parse::announced_length(&bytes)?;
    let rest = announced.saturating_add(1).saturating_sub(HEADER as u64);
    bytes.reserve_exact(usize::try_from(rest.min(size)).unwrap_or(0));
    file.take(rest).read_to_end(&mut bytes)?;
    Ok(bytes)
}
