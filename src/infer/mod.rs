//! Running a model: images in, logits out.
//!
//! A [`Session`] plans once (shapes, weights laid out for the CPU's level, scratch memory) and then runs any number of
//! batches; [`mod@reference`] is the definition that it is tested against. Inference is integer arithmetic (or, in a
//! layer of real weights, arithmetic in a stated order), so that every level and any number of threads give the same bits.
//!
//! ```
//! use bernet::{
//!     infer::Session,
//!     model::{Input, Layer, Model},
//! };
//! use bernet_kernels::{bits::BitMatrix, isa::Level};
//!
//! // Two classes, dark and bright: a pixel votes for one and against the other.
//! let model = Model {
//!     input: Input { height: 3, width: 3, channels: 1, threshold: Some(128) },
//!     layers: vec![Layer::Expectation { weights: BitMatrix::from_signs(2, 1, &[-1.0, 1.0])? }],
//!     metadata: Default::default(),
//! };
//! let images = model.input.binarise(&[0, 0, 0, 255, 255, 255, 255, 255, 255])?;
//!
//! let mut session = Session::new(&model, Level::best())?;
//! assert_eq!(session.logits(&images)?, [-3, 3]);
//! let predictions = session.classify(&images)?;
//! assert_eq!((predictions[0].class, predictions[0].margin), (1, 6));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod memory;
mod plan;
mod real;
pub mod reference;
mod session;
mod shared;

pub use session::{Prediction, Session, Trace, right};
pub use shared::SharedSession;

use crate::model::ModelError;
use bernet_kernels::{bits::Shape, threads::ThreadsError};
use thiserror::Error;

/// Why a model cannot be run, or not on these images.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InferError {
    /// The model does not fit together.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The images are not what the model reads.
    #[error("images: expected {}×{}×{}, found {}×{}×{}", expected.height, expected.width, expected.channels,
        found.height, found.width, found.channels)]
    Images {
        /// What the model reads.
        expected: Shape,
        /// What was handed in.
        found: Shape,
    },
    /// The last layer has real weights, so that there are no integer logits.
    #[error(
        "the last layer (real expectation) has real weights and no integer logits: ask for real logits or classes"
    )]
    RealWeights,
    /// A kernel refused.
    #[error(transparent)]
    Kernel(#[from] bernet_kernels::Error),
    /// There are no such threads.
    #[error(transparent)]
    Threads(#[from] ThreadsError),
}
