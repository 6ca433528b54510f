//! What can be wrong with a data file or a picture.

use std::io;
use std::path::PathBuf;

/// Data that cannot be used. The message names the file, the byte, what was expected there and what
/// was found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be opened or read.
    #[error("{}: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder lacks one of its files.
    #[error("{}: no file {name}, plain or .gz, in this folder", folder.display())]
    Missing {
        /// The folder.
        folder: PathBuf,
        /// The usual name of the file.
        name: &'static str,
    },
    /// A folder has no dataset of a known kind.
    #[error(
        "{}: no file train-images-idx3-ubyte (IDX, plain or .gz), no data_batch_1.bin (CIFAR-10) and no folder train with \
         PNG files in a folder for each class: expected one of these",
        folder.display()
    )]
    Unknown {
        /// The folder.
        folder: PathBuf,
    },
    /// Bytes that do not follow the format.
    #[error("{}: byte {offset}: {what}: expected {expected}, found {found}", file.display())]
    Format {
        /// The file.
        file: PathBuf,
        /// Where; in a compressed file, the offset in its unpacked contents.
        offset: u64,
        /// The field, in the words of the format's documentation.
        what: &'static str,
        /// What would be right.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// A picture that shows no digit.
    #[error("{}: {problem}", file.display())]
    Picture {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Parts of a dataset, or a request to one, that do not fit together.
    #[error("{what}: expected {expected}, found {found}")]
    Mismatch {
        /// The quantity.
        what: &'static str,
        /// What would fit.
        expected: String,
        /// What was handed in.
        found: String,
    },
}

impl Error {
    pub(crate) fn mismatch(
        what: &'static str,
        expected: impl ToString,
        found: impl ToString,
    ) -> Self {
        Self::Mismatch {
            what,
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }
}
