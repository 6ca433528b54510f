//! A session for any number of threads at once: what hosts embed.
//!
//! ```
//! use bernet::{data, infer::SharedSession, model::Model};
//! use bernet_kernels::isa::Level;
//!
//! let model = Model::from_bytes(include_bytes!("../../models/mnist.bnet"))?;
//! let session = SharedSession::new(&model, Level::best(), 1)?;
//! let white = [255; 28 * 28];
//! std::thread::scope(|scope| {
//!     let threads: Vec<_> = (0..2).map(|_| scope.spawn(|| session.logits(&white))).collect();
//!     for thread in threads {
//!         assert_eq!(thread.join().unwrap().unwrap().len(), 10);
//!     }
//! });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use super::{InferError, Prediction, Session};
use crate::model::{Input, Model};
use bernet_kernels::{isa::Level, threads::Idle};

/// A model that is ready to run on grey images, and that any number of threads may use at once.
///
/// A thread that calls takes an idle [`Session`], or has another one made, which shares the weights; none ever waits for
/// another one's batch. There are as many as have ever been at work at once.
#[derive(Debug)]
pub struct SharedSession {
    input: Input,
    /// The one that the others are made from.
    first: Session,
    idle: Idle<Session>,
}

impl SharedSession {
    /// Plans a model for a level; `threads` share the images of each call.
    ///
    /// # Errors
    /// As [`Session::new`] and [`Session::with_threads`].
    pub fn new(model: &Model, level: Level, threads: usize) -> Result<Self, InferError> {
        Ok(Self {
            input: model.input,
            first: Session::new(model, level)?.with_threads(threads)?,
            idle: Idle::default(),
        })
    }

    /// The images that it reads: `height · width · channels` bytes each, in the order line, pixel, channel.
    pub fn input(&self) -> Input {
        self.input
    }

    /// The level whose kernels run.
    pub fn level(&self) -> Level {
        self.first.level()
    }

    /// The number of threads that share the images of each call.
    pub fn threads(&self) -> usize {
        self.first.threads()
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.first.classes()
    }

    /// The integer logits of each image, `batch × classes`: the sums before an affine layer.
    ///
    /// # Errors
    /// [`InferError::Model`] where `grey` is not a whole number of images.
    pub fn logits(&self, grey: &[u8]) -> Result<Vec<i32>, InferError> {
        self.with(|session| {
            session
                .logits_of_grey(&self.input, grey)
                .map(<[i32]>::to_vec)
        })
    }

    /// The real logits of each image, `batch × classes`, as [`Session::real_logits`].
    ///
    /// # Errors
    /// As [`SharedSession::logits`].
    pub fn real_logits(&self, grey: &[u8]) -> Result<Vec<f64>, InferError> {
        self.with(|session| session.real_logits_of_grey(&self.input, grey))
    }

    /// The class of each image, as [`Session::classify`].
    ///
    /// # Errors
    /// As [`SharedSession::logits`].
    pub fn classify(&self, grey: &[u8]) -> Result<Vec<Prediction>, InferError> {
        self.with(|session| session.classify_grey(&self.input, grey))
    }

    /// Does some work with a session that nobody else uses. One whose work panics does not come back.
    fn with<R>(&self, work: impl FnOnce(&mut Session) -> R) -> R {
        let mut session = self.idle.take().unwrap_or_else(|| self.first.clone());
        let result = work(&mut session);
        self.idle.put(session);
        result
    }
}
