//! A model that is ready to run.

use super::{
    InferError,
    plan::{self, Affine, Plan, Scratch},
};
use crate::model::Model;
use bernet_kernels::{
    bits::{BitTensor, Shape},
    isa::Level,
    xnor::on_this_thread,
};
use rayon::{ThreadPool, ThreadPoolBuilder, prelude::*};
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
    /// and one bias; where they don't, it is the difference of the real logits, rounded down.
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
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trace {
    /// The output of every layer before the expectation, in their order.
    pub activations: Vec<BitTensor>,
    /// `batch × classes`.
    pub logits: Vec<i32>,
}

impl Session {
    /// Plans a model for a level, to be run by the calling thread.
    ///
    /// # Errors
    /// [`InferError::Model`] where the model does not fit together.
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
    /// [`InferError::Threads`] where the number is 0 or the threads cannot be had.
    pub fn with_threads(mut self, number: usize) -> Result<Self, InferError> {
        let error = |cause: String| InferError::Threads { number, cause };
        if number == 0 {
            return Err(error("expected at least 1".into()));
        }
        self.pool = match number {
            1 => None,
            _ => Some(Arc::new(
                ThreadPoolBuilder::new()
                    .num_threads(number)
                    .build()
                    .map_err(|cause| error(cause.to_string()))?,
            )),
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
    /// [`Input::bits_shape`](crate::model::Input::bits_shape).
    pub fn logits(&mut self, images: &BitTensor) -> Result<&[i32], InferError> {
        let batch = self.check(images)?;
        self.logits.resize(batch * self.plan.classes(), 0);
        // Each thread has one contiguous share; the work of an image does not depend on what is in it.
        let share = batch.div_ceil(self.scratch.len()).max(1);
        let (plan, scratch) = (&*self.plan, &mut self.scratch);
        let logits = self.logits.chunks_mut(share * plan.classes());
        match &self.pool {
            None => on_this_thread(|| {
                logits
                    .zip(scratch)
                    .try_for_each(|(logits, scratch)| run_share(plan, images, 0, scratch, logits))
            })?,
            Some(pool) => {
                let shares: Vec<_> = logits.zip(scratch).enumerate().collect();
                pool.install(|| {
                    shares
                        .into_par_iter()
                        .try_for_each(|(index, (logits, scratch))| {
                            run_share(plan, images, index * share, scratch, logits)
                        })
                })?;
            }
        }
        Ok(&self.logits)
    }

    /// The real logits of each image, `batch × classes`: `scale · sum + bias` of an affine layer, in f64, or the sums.
    ///
    /// # Errors
    /// As [`Session::logits`].
    pub fn real_logits(&mut self, images: &BitTensor) -> Result<Vec<f64>, InferError> {
        self.logits(images)?;
        let classes = self.plan.classes();
        let images = self.logits.chunks_exact(classes);
        Ok(match self.plan.affine() {
            Some(affine) => images.flat_map(|sums| affine.logits(sums)).collect(),
            None => images.flatten().map(|&sum| sum.into()).collect(),
        })
    }

    /// The class of each image. Sums decide where all classes share one scale and one bias, which is exact, and real logits
    /// where they don't.
    ///
    /// # Errors
    /// As [`Session::logits`].
    pub fn classify(&mut self, images: &BitTensor) -> Result<Vec<Prediction>, InferError> {
        self.logits(images)?;
        let images = self.logits.chunks_exact(self.plan.classes());
        Ok(
            match self.plan.affine().filter(|affine| !affine.is_shared()) {
                Some(affine) => images
                    .map(|sums| Prediction::of_real(affine.logits(sums)))
                    .collect(),
                None => images.map(Prediction::of).collect(),
            },
        )
    }

    /// The output of every layer for each image; unlike [`Session::logits`] it holds the whole batch's at once.
    ///
    /// # Errors
    /// As [`Session::logits`].
    pub fn trace(&mut self, images: &BitTensor) -> Result<Trace, InferError> {
        let batch = self.check(images)?;
        let mut logits = vec![0; batch * self.plan.classes()];
        let mut scratch = Scratch::default();
        self.plan.run(images, &mut scratch, &mut logits)?;
        Ok(Trace {
            activations: scratch.tensors,
            logits,
        })
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

/// Runs as many images, from `first` on, as there are logits for, a chunk at a time.
fn run_share(
    plan: &Plan,
    images: &BitTensor,
    first: usize,
    scratch: &mut Scratch,
    logits: &mut [i32],
) -> Result<(), InferError> {
    for (index, logits) in logits.chunks_mut(plan.chunk * plan.classes()).enumerate() {
        let start = first + index * plan.chunk;
        let range: Range<usize> = start..start + logits.len() / plan.classes();
        if range.len() == images.shape().batch {
            plan.run(images, scratch, logits)?;
        } else {
            plan.run(&plan::images(images, range), scratch, logits)?;
        }
    }
    Ok(())
}

impl Affine {
    /// Whether all classes have the same scale and bias, so that the order of the sums is that of the logits.
    fn is_shared(&self) -> bool {
        let same = |reals: &[f64]| reals.iter().all(|&real| real == reals[0]);
        same(&self.scale) && same(&self.bias)
    }

    /// The real logits of an image.
    fn logits(&self, sums: &[i32]) -> impl Iterator<Item = f64> {
        let maps = self.scale.iter().zip(&self.bias);
        maps.zip(sums)
            .map(|((scale, bias), &sum)| scale * f64::from(sum) + bias)
    }
}

impl Prediction {
    /// The prediction from at least two logits.
    fn of(logits: &[i32]) -> Self {
        let mut best = Self {
            class: 0,
            margin: i32::MAX,
        };
        for (class, &logit) in logits.iter().enumerate().skip(1) {
            let lead = logits[best.class] - logit;
            if lead < 0 {
                best = Self {
                    class,
                    margin: -lead,
                };
            } else {
                best.margin = best.margin.min(lead);
            }
        }
        best
    }

    /// The prediction from at least two real logits.
    fn of_real(logits: impl Iterator<Item = f64>) -> Self {
        let (mut class, mut largest, mut next) = (0, f64::NEG_INFINITY, f64::NEG_INFINITY);
        for (index, logit) in logits.enumerate() {
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
