//! ONNX files: nets from elsewhere, and nets for elsewhere.
//!
//! [`import`] takes graphs of standard ONNX and QONNX operators and folds batch normalisation, scales and signs into integer
//! thresholds. It follows the tensors that depend on the image node by node and knows of each value the exact map, `scale · n +
//! bias`, from an integer; an activation is then a threshold that a bisection in exact arithmetic finds. What cannot be expressed in
//! a [`Model`](super::Model) is an error that names the node; nothing is left out in silence. [`export`] writes graphs that other
//! engines run.
//!
//! **What is exact.** The real numbers that the file's constants are, and real arithmetic on them: rounding in an engine's
//! float32 arithmetic is not imitated, since its order is that engine's own. Where a sum meets a threshold to the last bit, the graph's
//! comparison decides: `BipolarQuant` and `MultiThreshold` take "at least", `Greater` takes "above", a rounding takes its mode's
//! side; an ONNX `Sign` is refused if it can meet 0, whose sign is 0. Expressions of constants alone, as in
//! `Pow(variance, 0.5)`, have the value that the graph's own types give them.
//!
//! **The image.** A float32 input is taken as pixel/255, rounded to float32 as it would be handed to an engine, and an input of
//! bytes as the pixels. It becomes bits by one threshold, which goes to [`Input::threshold`](super::Input::threshold); or the first
//! layer multiplies it with ±1 weights, after arithmetic that is the same in all channels and, maybe, an 8-bit `Quant`. Then
//! that layer reads the grey values, and pixel/255 in its sums is the real number: its rounding is one of those that are not imitated.
//!
//! **Real weights.** The first layer, on the image, and the last one may have any weights, of float32 or through a `Quant` to any number of bits: a
//! [`RealConv`](super::RealConv) and a [`RealExpectation`](super::RealExpectation), whose sums are of double precision. The threshold of
//! such a sum is the first number of that precision that reaches the graph's limit.
//!
//! **Files are not trusted.** Messages are counted before they are allocated, sizes are checked against the data that is there,
//! data in other files is refused, and work is limited; so a crafted file costs an error.
//!
//! ```
//! use bernet::model::{
//!     Input, Layer, Model,
//!     onnx::{self, Dialect},
//! };
//! use bernet_kernels::bits::BitMatrix;
//!
//! let model = Model {
//!     input: Input { height: 2, width: 2, channels: 1, threshold: Some(100) },
//!     layers: vec![Layer::Expectation { weights: BitMatrix::from_fn(3, 4, |class, k| class == k) }],
//!     metadata: [("licence".into(), "MIT".into())].into(),
//! };
//! let file = onnx::export(&model, Dialect::Standard)?;
//! assert_eq!(onnx::import(&file)?, model);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod constant;
mod exact;
mod export;
mod folding;
mod graph;
mod import;
mod proto;
mod signal;

pub use export::{Dialect, ExportError, export, export_file};
pub use import::import;
pub use proto::ProtoError;

use super::ModelError;
use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};
use thiserror::Error;

/// The most bytes of a file that is read.
const FILE_LIMIT: u64 = 1 << 29;

/// Why a file is not a model that can be imported.
#[derive(Clone, PartialEq, Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// It is no ONNX file.
    #[error("not an ONNX file: {0}")]
    Proto(#[from] ProtoError),
    /// The graph as a whole is not what is expected.
    #[error("graph: {why}")]
    Graph {
        /// What is wrong.
        why: String,
    },
    /// A tensor in the file is damaged or cannot be had.
    #[error("tensor {name:?}: {why}")]
    Tensor {
        /// Its name.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// A node does what a model cannot.
    #[error("node {name:?} ({op}): {why}")]
    Node {
        /// Its name.
        name: String,
        /// Its operator.
        op: String,
        /// What is wrong.
        why: String,
    },
    /// The layers do not fit together.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// Why a file could not be imported.
#[derive(Debug, Error)]
#[error("{}: {cause}", path.display())]
pub struct ImportFileError {
    /// The file.
    pub path: PathBuf,
    /// What went wrong; not a `source`, since the text above has it already.
    pub cause: ImportFileCause,
}

/// What went wrong in importing a file.
#[derive(Debug, Error)]
pub enum ImportFileCause {
    /// The file system.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is larger than any file of this kind may be.
    #[error("more than {FILE_LIMIT} bytes")]
    Size,
    /// What is in it.
    #[error(transparent)]
    Import(#[from] ImportError),
}

/// Imports a file; no other file is opened, whatever it says.
///
/// # Errors
/// [`ImportFileError`], with the path.
pub fn import_file(path: impl AsRef<Path>) -> Result<super::Model, ImportFileError> {
    let path = path.as_ref();
    let read = || {
        let mut bytes = Vec::new();
        File::open(path)?
            .take(FILE_LIMIT + 1)
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > FILE_LIMIT {
            return Err(ImportFileCause::Size);
        }
        Ok(import(&bytes)?)
    };
    read().map_err(|cause| ImportFileError {
        path: path.into(),
        cause,
    })
}
