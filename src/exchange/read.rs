//! Files of any format that nets come in.

use super::{ImportOptions, Imported, pixels};
use bernet_runtime::format::{self, FileError};
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
    /// A TFLite file.
    #[cfg(feature = "tflite")]
    #[error("{}: {cause}", path.display())]
    Tflite {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: Box<super::tflite::ImportError>,
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
    /// The net has no input for such pixels.
    #[error("{}: {cause}", path.display())]
    Pixels {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: pixels::ReadingMismatch,
    },
    /// The library was built without the part that reads the format.
    #[error("{}: {format} files need a feature that this build lacks", path.display())]
    Feature {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: Format,
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
        // An ONNX file is a message whose first field, as everybody writes it, is an integer.
        let is_message = beginning.starts_with(&[8]) || is_named;
        Ok(match beginning.split_at_checked(8) {
            Some((magic, rest)) if *magic == format::MAGIC => {
                let version = rest.try_into().map_or(0, u32::from_le_bytes);
                Self::Bnet { version }
            }
            Some((name, _)) if name.ends_with(b"TFL3") => Self::Tflite,
            _ if is_message => Self::Onnx,
            _ => Self::Bnet { version: 0 },
        })
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
    let mut imported = match Format::of(path)? {
        Format::Bnet { .. } => Imported {
            graph: format::read(path)?,
            notes: Vec::new(),
        },
        #[cfg(feature = "onnx")]
        Format::Onnx => return Ok(super::onnx::import_file(path, options)?),
        #[cfg(feature = "tflite")]
        Format::Tflite => read_tflite(path)?,
        #[cfg(not(feature = "onnx"))]
        format @ Format::Onnx => return Err(missing(path, format)),
        #[cfg(not(feature = "tflite"))]
        format @ Format::Tflite => return Err(missing(path, format)),
    };
    if let Some(pixels) = &options.pixels {
        pixels::set(&mut imported.graph, pixels).map_err(|cause| ReadError::Pixels {
            path: path.into(),
            cause,
        })?;
    }
    imported.notes.extend(pixels::notes(&imported.graph));
    Ok(imported)
}

#[cfg(feature = "tflite")]
fn read_tflite(path: &Path) -> Result<Imported, ReadError> {
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
    super::tflite::import(&bytes).map_err(|cause| ReadError::Tflite {
        path: path.into(),
        cause: Box::new(cause),
    })
}

#[cfg(not(all(feature = "onnx", feature = "tflite")))]
fn missing(path: &Path, format: Format) -> ReadError {
    ReadError::Feature {
        path: path.into(),
        format,
    }
}

fn io_error(path: &Path, cause: io::Error) -> ReadError {
    ReadError::Io {
        path: path.into(),
        cause,
    }
}
