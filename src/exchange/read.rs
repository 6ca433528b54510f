//! Files of any format that nets come in.

use super::{ImportOptions, Imported, pixels};
use bernet_runtime::{
    format::{self, FileError, FormatError},
    graph::Graph,
};
use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};
use thiserror::Error;

/// The most bytes of a TFLite file that is read.
#[cfg(feature = "tflite")]
const FILE_LIMIT: u64 = 1 << 31;

/// The format of a file with a net.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// bernet's own.
    Bnet {
        /// The version that the file says; 0 where it says none.
        version: u32,
    },
    /// ONNX, QONNX included.
    Onnx,
    /// TFLite, Larq's included.
    Tflite,
}

/// Why the bytes of a whole file are no net.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BytesError {
    /// A `.bnet` file, or what is of no known format.
    #[error(transparent)]
    Bnet(#[from] FormatError),
    /// An ONNX file.
    #[cfg(feature = "onnx")]
    #[error(transparent)]
    Onnx(#[from] super::onnx::ImportError),
    /// A TFLite file.
    #[cfg(feature = "tflite")]
    #[error(transparent)]
    Tflite(#[from] super::tflite::ImportError),
    /// The net has no input for such pixels.
    #[error(transparent)]
    Pixels(#[from] pixels::ReadingMismatch),
    /// The library was built without the part that reads the format.
    #[error("{0} files need a feature that this build lacks")]
    Feature(Format),
}

/// Why a file with a net could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// A `.bnet` file, or what is of no known format.
    #[error(transparent)]
    Bnet(#[from] FileError),
    /// An ONNX file.
    #[cfg(feature = "onnx")]
    #[error(transparent)]
    Onnx(#[from] super::onnx::ImportFileError),
    /// What is in the file.
    #[error("{}: {cause}", path.display())]
    Bytes {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: Box<BytesError>,
    },
    /// The file system.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        cause: io::Error,
    },
    /// The file is too large.
    #[error("{}: expected at most {limit} bytes, found more", path.display())]
    Size {
        /// The file.
        path: PathBuf,
        /// The most bytes.
        limit: u64,
    },
}

impl Format {
    /// The format of a file by its first bytes, or by its name where they do not tell; what is of no
    /// format is left to the reader of [`Format::Bnet`], which says so.
    ///
    /// # Errors
    /// [`ReadError::Io`] where the file cannot be read.
    pub fn of(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let path = path.as_ref();
        let mut beginning = Vec::new();
        File::open(path)
            .and_then(|file| file.take(12).read_to_end(&mut beginning))
            .map_err(|cause| io_error(path, cause))?;
        let is_named = path.extension().is_some_and(|ending| ending == "onnx");
        Ok(match Self::of_bytes(&beginning) {
            Self::Bnet { version: 0 } if is_named && !beginning.starts_with(&format::MAGIC) => {
                Self::Onnx
            }
            format => format,
        })
    }

    /// The format of a file that begins with these bytes, of which twelve are enough. What is of no
    /// format is left to the reader of [`Format::Bnet`], which says so.
    pub fn of_bytes(beginning: &[u8]) -> Self {
        match beginning.split_at_checked(8) {
            Some((magic, rest)) if *magic == format::MAGIC => {
                let version = rest
                    .first_chunk()
                    .map_or(0, |bytes| u32::from_le_bytes(*bytes));
                Self::Bnet { version }
            }
            Some((name, _)) if name.ends_with(b"TFL3") => Self::Tflite,
            // An ONNX file is a message whose first field, as everybody writes it, is an integer.
            _ if beginning.starts_with(&[8]) => Self::Onnx,
            _ => Self::Bnet { version: 0 },
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bnet { version } => write!(f, ".bnet version {version}"),
            Self::Onnx => f.write_str("ONNX"),
            Self::Tflite => f.write_str("TFLite"),
        }
    }
}

/// Reads the net of a file in any format. Nothing is folded: that is what passes do.
///
/// ```
/// use bernet::exchange::{self, ImportOptions};
///
/// let net = exchange::read("models/mnist.bnet", &ImportOptions::default())?;
/// assert_eq!(net.graph.outputs[0].name, "logits");
/// # Ok::<(), exchange::ReadError>(())
/// ```
///
/// # Errors
/// [`ReadError`], with the path.
pub fn read(path: impl AsRef<Path>, options: &ImportOptions) -> Result<Imported, ReadError> {
    let path = path.as_ref();
    let cause = |cause: BytesError| ReadError::Bytes {
        path: path.into(),
        cause: Box::new(cause),
    };
    match Format::of(path)? {
        Format::Bnet { .. } => own(format::read(path)?, options).map_err(cause),
        #[cfg(feature = "onnx")]
        Format::Onnx => Ok(super::onnx::import_file(path, options)?),
        #[cfg(feature = "tflite")]
        Format::Tflite => from_bytes(&read_limited(path)?, options).map_err(cause),
        #[cfg(not(all(feature = "onnx", feature = "tflite")))]
        format => Err(cause(BytesError::Feature(format))),
    }
}

/// As [`read`], of the bytes of a whole file. What an ONNX model keeps in files beside it is missing.
///
/// ```
/// use bernet::exchange::{self, ImportOptions};
///
/// let bytes = include_bytes!("../../models/mnist.bnet");
/// let net = exchange::from_bytes(bytes, &ImportOptions::default())?;
/// assert_eq!(net.graph.outputs[0].name, "logits");
/// # Ok::<(), exchange::BytesError>(())
/// ```
///
/// # Errors
/// [`BytesError`].
pub fn from_bytes(bytes: &[u8], options: &ImportOptions) -> Result<Imported, BytesError> {
    match Format::of_bytes(bytes) {
        Format::Bnet { .. } => own(format::from_bytes(bytes)?, options),
        #[cfg(feature = "onnx")]
        Format::Onnx => Ok(super::onnx::import(bytes, options)?),
        #[cfg(feature = "tflite")]
        Format::Tflite => {
            let Imported { graph, mut notes } = super::tflite::import(bytes)?;
            let read = own(graph, options)?;
            notes.extend(read.notes);
            let graph = read.graph;
            Ok(Imported { graph, notes })
        }
        #[cfg(not(all(feature = "onnx", feature = "tflite")))]
        format => Err(BytesError::Feature(format)),
    }
}

/// A net with what the options say of its pixels.
fn own(mut graph: Graph, options: &ImportOptions) -> Result<Imported, BytesError> {
    if let Some(pixels) = &options.pixels {
        pixels::set(&mut graph, pixels)?;
    }
    let notes = pixels::notes(&graph);
    Ok(Imported { graph, notes })
}

#[cfg(feature = "tflite")]
fn read_limited(path: &Path) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_LIMIT + 1).read_to_end(&mut bytes))
        .map_err(|cause| io_error(path, cause))?;
    if bytes.len() as u64 > FILE_LIMIT {
        return Err(ReadError::Size {
            path: path.into(),
            limit: FILE_LIMIT,
        });
    }
    Ok(bytes)
}

fn io_error(path: &Path, cause: io::Error) -> ReadError {
    ReadError::Io {
        path: path.into(),
        cause,
    }
}
