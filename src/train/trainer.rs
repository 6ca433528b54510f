//! The training loop.

use super::{
    batch,
    config::Config,
    epoch::{Epoch, EpochLoss},
    error::TrainError,
    layer::{self, Cache, LayerState, Norm, Place},
    loss::Loss,
    methods::{self, Method, ScheduleState},
    network::{LayerSpec, Stage},
    parameter::{Adam, Parameter},
    pool::Pooled,
    random::{Purpose, Random},
    schedule, state,
};
use crate::data::Dataset;
use bernet_kernels::threads;
use std::{ops::ControlFlow, time::Instant};

/// The logits are divided by this much before the first step; it is trained from there.
const INITIAL_SCALE: f32 = 8.0;

/// A net in training.
pub struct Trainer {
    pub(crate) config: Config,
    pub(crate) places: Vec<Place>,
    /// For each layer, the pool that follows it.
    pub(crate) pools: Vec<Option<Pooled>>,
    pub(crate) layers: Vec<LayerState>,
    pub(crate) scale: Parameter,
    /// What the regulariser's strength is multiplied by, where that is learnt.
    pub(crate) strength: f32,
    pub(crate) history: Vec<Epoch>,
    /// What it is trained on, in words that the caller chose.
    pub(super) data: String,
    /// The images of a batch; the buffer is kept from batch to batch, as those of the caches are.
    pub(super) images: Vec<f32>,
    pub(super) caches: Vec<Cache>,
    pub(super) method: Box<dyn Method>,
}

impl Trainer {
    /// A net with fresh weights.
    ///
    /// # Errors
    /// [`TrainError::Network`] where the net's layers do not fit each other.
    pub fn new(config: Config) -> Result<Self, TrainError> {
        config.check()?;
        let (places, _) = places(&config)?;
        let mut layers = layer::fresh(&places, config.initial, config.seed);
        for layer in &mut layers {
            layer.learned = Parameter::new(methods::method(&config).learned());
        }
        let scale = Parameter::new(vec![INITIAL_SCALE.ln()]);
        Self::resume(config, layers, scale, 1.0, Vec::new())
    }

    /// A net as a checkpoint left it.
    pub(crate) fn resume(
        config: Config,
        layers: Vec<LayerState>,
        scale: Parameter,
        strength: f32,
        history: Vec<Epoch>,
    ) -> Result<Self, TrainError> {
        config.check()?;
        let (places, pools) = places(&config)?;
        state::check(&config, &places, &layers, &scale, &history)?;
        let method = methods::method(&config);
        let (mut layers, mut scale) = (layers, scale);
        scale.restore_gradient();
        for (layer, place) in layers.iter_mut().zip(&places) {
            layer.restore(*place);
        }
        let caches = places.iter().map(|_| Cache::default()).collect();
        Ok(Self {
            config,
            places,
            pools,
            layers,
            scale,
            strength,
            history,
            data: String::new(),
            images: Vec::new(),
            caches,
            method,
        })
    }

    /// Its configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What the epochs so far left behind.
    pub fn history(&self) -> &[Epoch] {
        &self.history
    }

    /// What it is trained on, as [`set_data`](Self::set_data) was told; empty where nobody said so.
    pub fn data(&self) -> &str {
        &self.data
    }

    /// Notes what it is trained on. Checkpoints keep the text, for who resumes from them to compare.
    pub fn set_data(&mut self, data: String) {
        self.data = data;
    }

    /// Whether the last epoch is done.
    pub fn is_done(&self) -> bool {
        self.history.len() >= self.config.epochs as usize
    }

    /// Trains one epoch. `step` is called after each step with the share of the epoch that is done; where it breaks, the epoch
    /// ends there, there is no result, and the trainer is no longer fit to be saved or trained on.
    ///
    /// # Errors
    /// [`TrainError::Data`] where the data do not suit the net, or where the last epoch is done; [`TrainError::Diverged`].
    pub fn epoch(
        &mut self,
        train: &Dataset,
        mut step: impl FnMut(f64) -> ControlFlow<()>,
    ) -> Result<Option<EpochLoss>, TrainError> {
        self.check(train)?;
        if self.is_done() {
            return Err(TrainError::Data {
                what: "epoch",
                expected: format!("at most {}, the last", self.config.epochs),
                found: (self.history.len() + 1).to_string(),
            });
        }
        let batch = self.config.batch;
        if batch < 2 {
            return Err(TrainError::Data {
                what: "images a batch",
                expected: "at least 2, to measure how far their sums spread".into(),
                found: batch.to_string(),
            });
        }
        if train.len() < batch {
            return Err(TrainError::Data {
                what: "number of images",
                expected: format!("at least a batch, {batch}"),
                found: train.len().to_string(),
            });
        }
        if let Some(class) = train.class_counts().iter().position(|&count| count == 0) {
            return Err(TrainError::Data {
                what: "images a class",
                expected: "at least 1 in the training set".into(),
                found: format!("none of class {class}"),
            });
        }
        let number = self.history.len() as u64;
        let steps = (train.len() / batch) as u64;
        let order = Random::new(self.config.seed, Purpose::Order, number).permutation(train.len());
        let start = Instant::now();
        let mut sum = Loss::default();
        for (index, indices) in order.chunks_exact(batch).enumerate() {
            let done = number * steps + index as u64;
            let all = steps * u64::from(self.config.epochs);
            let loss = threads::install(|| self.step(train, indices, done, all))??;
            sum.total += loss.total;
            sum.right += loss.right;
            if step((index + 1) as f64 / steps as f64).is_break() {
                return Ok(None);
            }
        }
        let images = steps as f64 * batch as f64;
        Ok(Some(EpochLoss {
            loss: sum.total / images,
            accuracy: sum.right as f64 / images,
            seconds: start.elapsed().as_secs_f64(),
        }))
    }

    /// Takes over a first layer, its latents times a scale, as one that nothing of has been decided yet.
    pub(super) fn adopt(&mut self, first: &LayerState, scale: f32) {
        let layer = &mut self.layers[0];
        layer.latent = Parameter::new(
            first
                .latent
                .values
                .iter()
                .map(|value| value * scale)
                .collect(),
        );
        layer.norm = first.norm.as_ref().map(Norm::restarted);
    }

    /// Ends an epoch: writes it into the history with what its evaluation gave, and with the seconds that went by besides its steps.
    pub fn finish_epoch(
        &mut self,
        loss: EpochLoss,
        validation_accuracy: f64,
        other_seconds: f64,
    ) -> Epoch {
        let number = self.history.len() as u32 + 1;
        let done = number as f32 / self.config.epochs as f32;
        let schedule = self.schedule(done);
        let weights: usize = self.layers.iter().map(|layer| layer.frozen.len()).sum();
        let frozen: usize = self
            .layers
            .iter()
            .flat_map(|layer| &layer.frozen)
            .filter(|&&frozen| frozen)
            .count();
        let uncertain: f64 = if self.config.method.is_probabilistic() {
            self.layers
                .iter()
                .flat_map(|layer| &layer.uncertainty)
                .map(|&sum| f64::from(sum))
                .sum()
        } else {
            0.0
        };
        let epoch = Epoch {
            number,
            loss: loss.loss,
            train_accuracy: loss.accuracy,
            validation_accuracy,
            frozen: frozen as f64 / weights as f64,
            uncertainty: uncertain / weights as f64,
            temperature: schedule.temperature,
            width: schedule.width,
            learning_rate: schedule::cosine(
                self.config.learning_rate,
                0,
                u64::from(number),
                u64::from(self.config.epochs),
            ),
            seconds: loss.seconds + other_seconds,
        };
        self.history.push(epoch);
        epoch
    }

    pub(super) fn check(&self, data: &Dataset) -> Result<(), TrainError> {
        let error = |what, expected: String, found: String| {
            Err(TrainError::Data {
                what,
                expected,
                found,
            })
        };
        let centre = self.places[0].input;
        let shape = data.images().shape();
        if !batch::fits(data, centre) {
            let size = |height, width, channels| format!("{height}×{width}×{channels}");
            return error(
                "size of the images",
                format!(
                    "at least {}",
                    size(centre.height, centre.width, centre.channels)
                ),
                size(shape.height, shape.width, shape.channels),
            );
        }
        let whole = (shape.height, shape.width) == (centre.height, centre.width);
        if self.config.network.input.grey && !whole {
            return error(
                "size of the images",
                format!(
                    "{}×{}, a net that reads grey values takes them whole",
                    centre.height, centre.width
                ),
                format!("{}×{}", shape.height, shape.width),
            );
        }
        let classes = self.classes();
        if let Some(label) = data
            .labels()
            .iter()
            .find(|label| usize::from(**label) >= classes)
        {
            return error(
                "labels",
                format!("below {classes}, the net's classes"),
                label.to_string(),
            );
        }
        Ok(())
    }

    pub(super) fn classes(&self) -> usize {
        self.places.last().expect("a net has layers").outputs()
    }

    pub(super) fn schedule(&self, done: f32) -> ScheduleState {
        ScheduleState {
            temperature: self.config.temperature.at(done),
            width: self.config.width.at(done),
            strength: self.strength
                * self
                    .config
                    .regulariser
                    .map_or(0.0, |strength| strength.at(done)),
        }
    }

    /// One step on the images at `indices`.
    fn step(
        &mut self,
        train: &Dataset,
        indices: &[usize],
        done: u64,
        steps: u64,
    ) -> Result<Loss, TrainError> {
        let share = done as f32 / steps as f32;
        let schedule = self.schedule(share);
        if let Some(freezing) = self.config.freezing {
            let layers = self.layers.len();
            for (index, layer) in self.layers.iter_mut().enumerate() {
                let share = match self.config.first_layer {
                    Some(first) if index == 0 => first.done(done, steps),
                    _ => share,
                };
                layer.freeze(freezing.share(share, index, layers));
            }
        }
        let layer_count = self.layers.len() as u64;
        for (index, layer) in (0..).zip(&mut self.layers) {
            let mut random = Random::new(
                self.config.seed,
                Purpose::Weights,
                done * layer_count + index,
            );
            self.method.sample_weights(layer, &schedule, &mut random);
        }
        let seed = self.config.seed;
        let mut picks = batch::shifted(indices, self.config.shift_probability, seed, done);
        if let Some(warp) = self.config.warp {
            batch::warp(&mut picks, warp, seed, done);
        }
        self.forward(train, &picks, &schedule, true);
        let held = self
            .config
            .first_layer
            .is_some_and(|first| first.is_held_at(done, steps));
        let loss = self.backward(train, &picks, &schedule, usize::from(held));
        if !loss.total.is_finite() {
            return Err(self.diverged(loss.total, done + 1, steps));
        }
        self.regularise(&schedule, done, steps);
        self.descend(done, steps);
        // A sign hides what it is taken of: a net of parameters that are no numbers still has a loss.
        if !self.is_finite() {
            return Err(self.diverged(loss.total, done + 1, steps));
        }
        Ok(loss)
    }

    /// Adds the regulariser's gradients.
    fn regularise(&mut self, schedule: &ScheduleState, done: u64, steps: u64) {
        if schedule.strength == 0.0 {
            return;
        }
        let mut total = 0.0;
        for layer in &mut self.layers {
            total += self.method.regularise(layer, schedule);
        }
        if self.method.learns_strength() {
            // dLoss/d(ln λ) = λ Σ is never negative: Adam would make of it a fall at full rate, however little is at stake.
            let rate =
                schedule::cosine(self.config.learning_rate, self.config.warm_up, done, steps);
            self.strength *= (-rate * schedule.strength * total as f32).exp();
        }
    }

    fn descend(&mut self, done: u64, steps: u64) {
        let (peak, warm_up) = (self.config.learning_rate, self.config.warm_up);
        let others = schedule::cosine(peak, warm_up, done, steps);
        let step = done + 1;
        self.scale.descend(Adam::PAPER, others, step);
        let bound = self.method.bound();
        for (index, (layer, place)) in self.layers.iter_mut().zip(&self.places).enumerate() {
            let rate = match self.config.first_layer {
                Some(first) if index == 0 => first.rate_at(done, steps, peak, warm_up),
                _ => others,
            };
            let latent = &mut layer.latent;
            if let Some(bound) = bound {
                // What cannot move must not gather momentum either.
                let states = latent
                    .gradient
                    .iter_mut()
                    .zip(&latent.values)
                    .zip(&layer.frozen);
                for ((gradient, value), frozen) in states {
                    let outward = (*value >= bound && *gradient < 0.0)
                        || (*value <= -bound && *gradient > 0.0);
                    if *frozen || outward {
                        *gradient = 0.0;
                    }
                }
            }
            latent.descend(self.config.adam, rate * self.method.pace(place), step);
            if let Some(bound) = bound {
                for value in &mut latent.values {
                    *value = value.clamp(-bound, bound);
                }
            }
            layer.learned.descend(Adam::PAPER, rate, step);
            if let Some(norm) = &mut layer.norm {
                norm.gamma.descend(Adam::PAPER, rate, step);
                norm.beta.descend(Adam::PAPER, rate, step);
            }
        }
    }

    fn is_finite(&self) -> bool {
        self.scale.not_finite().is_none() && self.layers.iter().all(LayerState::is_finite)
    }

    fn diverged(&self, loss: f64, step: u64, steps: u64) -> TrainError {
        let bad = self
            .caches
            .iter()
            .zip(&self.layers)
            .position(|(cache, layer)| {
                cache.sums.iter().any(|sum| !sum.is_finite()) || !layer.is_finite()
            });
        // As a person counts them, pools among them.
        let mut layers = (1..)
            .zip(&self.config.network.layers)
            .filter(|(_, kind)| !matches!(kind, LayerSpec::Pool { .. }));
        let layer = bad
            .and_then(|index| layers.nth(index))
            .map_or("none, but the loss itself".into(), |(number, kind)| {
                format!("{number} ({})", kind.name())
            });
        TrainError::Diverged {
            loss,
            step,
            steps,
            layer,
        }
    }
}

fn places(config: &Config) -> Result<(Vec<Place>, Vec<Option<Pooled>>), TrainError> {
    let stages = config.network.stages()?;
    Ok(stages
        .into_iter()
        .map(|Stage { place, pool }| (place, pool.map(Pooled::new)))
        .unzip())
}
