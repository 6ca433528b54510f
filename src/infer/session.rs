//! A model that is ready to run.

use super::{
    InferError,
    plan::{Images, Plan, Scratch},
};
use crate::model::{Input, Model};
use bernet_kernels::{
    bits::{BitTensor, Shape},
    isa::Level,
    threads::ThreadPool,
};
use rayon::prelude::*;
use std::{ops::Range, sync::Arc};

/// A model that is ready to run: laid out for one level, with the memory that it works in.
#[derive(Debug)]
pub struct Session {
    level: Level,
    plan: Arc<Plan>,
    /// One for each thread.
    scratch: Vec<Scratch>,
    /// Only for more than one thread.
    pool: Option<Arc<ThreadPool>>,
    logits: Vec<i32>,
}

/// What a model says of an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prediction {
    /// The class with the largest logit; of several, the first.
    pub class: usize,
    /// By how much its logit exceeds the next: 0 for a tie. It is counted in sums as long as all classes share one scale
    /// and one bias; where they don't, or where weights are real, it is the difference of the real logits, rounded down.
    pub margin: i32,
}

/// How many predictions are the image's label.
pub fn right(predictions: &[Prediction], labels: &[u8]) -> usize {
    predictions
        .iter()
        .zip(labels)
        .filter(|(prediction, label)| prediction.class == usize::from(**label))
        .count()
}

/// Every tensor that a batch went through.
#[derive(Clone, PartialEq, Debug)]
pub struct Trace {
    /// The output of every layer before the expectation, in their order.
    pub activations: Vec<BitTensor>,
    /// `batch × classes`: the sums before an affine layer. None where the last layer has real weights.
    pub logits: Vec<i32>,
    /// `batch × classes`: after an affine layer, or the sums.
    pub real_logits: Vec<f64>,
}

impl Session {
    /// Plans a model for a level, to be run by the calling thread.
    ///
    /// # Errors
    /// [`InferError::Model`] where the model does not fit together, or where its weights laid out and the activations of an image would
    /// take more than sixteen times its file and 256 MiB.
    pub fn new(model: &Model, level: Level) -> Result<Self, InferError> {
        let plan = Plan::new(model, level)?;
        Ok(Self {
            level,
            plan: Arc::new(plan),
            scratch: scratch(1),
            pool: None,
            logits: Vec::new(),
        })
    }

    /// Splits batches over so many threads. The results are the same.
    ///
    /// # Errors
    /// [`InferError::Threads`] where the number is 0 or too large, or the threads cannot be had.
    pub fn with_threads(mut self, number: usize) -> Result<Self, InferError> {
        self.pool = match number {
            1 => None,
            _ => Some(Arc::new(ThreadPool::new(number)?)),
        };
        self.scratch = scratch(number);
        Ok(self)
    }

    /// The level whose kernels run.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The number of threads.
    pub fn threads(&self) -> usize {
        self.scratch.len()
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.plan.classes()
    }

    /// The integer logits of each image, `batch × classes`: the sums before an affine layer.
    ///
    /// # Errors
    /// [`InferError::Images`] where height, width or channels are not those of the model's
    /// [`Input::bits_shape`](crate::model::Input::bits_shape), [`InferError::RealWeights`] where the last layer has real weights.
    pub fn logits(&mut self, images: &BitTensor) -> Result<&[i32], InferError> {
        let batch = self.check(images)?;
        self.logits_of(Images::Bits(images), batch)
    }

    /// As [`Session::logits`], of grey images, which are packed as [`Input::binarise`] does, a few at a time.
    pub(super) fn logits_of_grey(
        &mut self,
        input: &Input,
        grey: &[u8],
    ) -> Result<&[i32], InferError> {
        self.logits_of(Images::Grey(input, grey), input.count(grey)?)
    }

    fn logits_of(&mut self, images: Images<'_>, batch: usize) -> Result<&[i32], InferError> {
        let mut logits = std::mem::take(&mut self.logits);
        self.share(images, batch, &mut logits, Plan::integers)?;
        self.logits = logits;
        Ok(&self.logits)
    }

    /// The logits of each image as real numbers, `batch × classes`: `scale · sum + bias` of an affine layer, in f64, or the sums.
    ///
    /// # Errors
    /// [`InferError::Images`] as [`Session::logits`].
    pub fn real_logits(&mut self, images: &BitTensor) -> Result<Vec<f64>, InferError> {
        let batch = self.check(images)?;
        self.real_logits_of(Images::Bits(images), batch)
    }

    /// As [`Session::real_logits`], of grey images.
    pub(super) fn real_logits_of_grey(
        &mut self,
        input: &Input,
        grey: &[u8],
    ) -> Result<Vec<f64>, InferError> {
        self.real_logits_of(Images::Grey(input, grey), input.count(grey)?)
    }

    fn real_logits_of(&mut self, images: Images<'_>, batch: usize) -> Result<Vec<f64>, InferError> {
        let mut logits = Vec::new();
        self.share(images, batch, &mut logits, Plan::reals)?;
        Ok(logits)
    }

    /// The class of each image. Integer sums decide where all classes share one scale and one bias, which is exact, and real logits
    /// where they don't.
    ///
    /// # Errors
    /// As [`Session::real_logits`].
    pub fn classify(&mut self, images: &BitTensor) -> Result<Vec<Prediction>, InferError> {
        let batch = self.check(images)?;
        self.classify_all(Images::Bits(images), batch)
    }

    /// As [`Session::classify`], of grey images.
    pub(super) fn classify_grey(
        &mut self,
        input: &Input,
        grey: &[u8],
    ) -> Result<Vec<Prediction>, InferError> {
        self.classify_all(Images::Grey(input, grey), input.count(grey)?)
    }

    fn classify_all(
        &mut self,
        images: Images<'_>,
        batch: usize,
    ) -> Result<Vec<Prediction>, InferError> {
        let classes = self.plan.classes();
        if self.plan.integers_decide() {
            let logits = self.logits_of(images, batch)?.chunks_exact(classes);
            return Ok(logits.map(Prediction::of).collect());
        }
        let logits = self.real_logits_of(images, batch)?;
        Ok(logits
            .chunks_exact(classes)
            .map(Prediction::of_real)
            .collect())
    }

    /// The output of every layer for each image; unlike [`Session::logits`] it holds the whole batch's at once.
    ///
    /// # Errors
    /// As [`Session::real_logits`].
    pub fn trace(&mut self, images: &BitTensor) -> Result<Trace, InferError> {
        self.check(images)?;
        self.plan.trace(images)
    }

    /// Has each thread compute the logits of one contiguous share of the images; the work of an image does not depend on what is in it.
    fn share<Logit: Copy + Default + Send>(
        &mut self,
        images: Images<'_>,
        batch: usize,
        logits: &mut Vec<Logit>,
        run: impl Fn(&Plan, &BitTensor, &mut Scratch, &mut [Logit]) -> Result<(), InferError> + Sync,
    ) -> Result<(), InferError> {
        logits.resize(batch * self.plan.classes(), Logit::default());
        let share = batch.div_ceil(self.scratch.len()).max(1);
        let (level, plan, scratch) = (self.level, &*self.plan, &mut self.scratch);
        let run_share = |first, scratch: &mut Scratch, logits: &mut [Logit]| {
            // A chunk at a time.
            for (index, logits) in logits.chunks_mut(plan.chunk * plan.classes()).enumerate() {
                let start = first + index * plan.chunk;
                let range: Range<usize> = start..start + logits.len() / plan.classes();
                // What is kept is taken out for as long as the rest of the scratch is at work on it.
                let mut kept = std::mem::take(&mut scratch.images);
                run(plan, images.some(level, range, &mut kept)?, scratch, logits)?;
                scratch.images = kept;
            }
            Ok(())
        };
        let logits = logits.chunks_mut(share * plan.classes());
        match &self.pool {
            None => logits
                .zip(scratch)
                .try_for_each(|(logits, scratch)| run_share(0, scratch, logits)),
            Some(pool) => {
                let shares: Vec<_> = logits.zip(scratch).enumerate().collect();
                pool.install(|| {
                    shares
                        .into_par_iter()
                        .try_for_each(|(index, (logits, scratch))| {
                            run_share(index * share, scratch, logits)
                        })
                })?
            }
        }
    }

    /// The number of images, if they are of the right shape.
    fn check(&self, images: &BitTensor) -> Result<usize, InferError> {
        let (expected, found) = (self.plan.input, images.shape());
        if expected == (Shape { batch: 1, ..found }) {
            Ok(found.batch)
        } else {
            Err(InferError::Images { expected, found })
        }
    }
}

impl Clone for Session {
    /// Another session of the same plan and the same threads: only the memory that it works in is its own.
    fn clone(&self) -> Self {
        Self {
            level: self.level,
            plan: Arc::clone(&self.plan),
            scratch: scratch(self.threads()),
            pool: self.pool.clone(),
            logits: Vec::new(),
        }
    }
}

/// One for each of so many threads.
fn scratch(threads: usize) -> Vec<Scratch> {
    std::iter::repeat_with(Scratch::default)
        .take(threads)
        .collect()
}

impl Prediction {
    /// The prediction from at least two logits. Which is the largest nobody can foresee, so that nothing branches on it.
    fn of(logits: &[i32]) -> Self {
        let (mut class, mut largest, mut next) = (0, i32::MIN, i32::MIN);
        for (index, &logit) in logits.iter().enumerate() {
            let larger = logit > largest;
            next = next.max(if larger { largest } else { logit });
            class = if larger { index } else { class };
            largest = largest.max(logit);
        }
        Self {
            class,
            margin: largest - next,
        }
    }

    /// The prediction from at least two real logits.
    fn of_real(logits: &[f64]) -> Self {
        let (mut class, mut largest, mut next) = (0, f64::NEG_INFINITY, f64::NEG_INFINITY);
        for (index, &logit) in logits.iter().enumerate() {
            if logit > largest {
                (class, largest, next) = (index, logit, largest);
            } else {
                next = next.max(logit);
            }
        }
        Self {
            class,
            margin: (largest - next).floor() as i32,
        }
    }
}
