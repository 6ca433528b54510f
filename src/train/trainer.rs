//! The training loop.

use super::{
    batch,
    config::Config,
    epoch::{Epoch, EpochLoss},
    error::TrainError,
    layer::{self, Cache, LayerState, Norm, Place},
    loss::Loss,
    max_pool::Pooled,
    methods::{self, Method, ScheduleState},
    network::Stage,
    parameter::Parameter,
    random::{Purpose, Random},
    schedule,
    shards::{Alone, Processes},
    state,
};
use crate::data::Dataset;
use std::{ops::ControlFlow, sync::Arc, time::Instant};

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
    /// Who shares the batches' shards.
    pub(super) processes: Arc<dyn Processes>,
    /// Whether this process wants the training to end.
    stops: bool,
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
            processes: Arc::new(Alone),
            stops: false,
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

    /// Shares the shards of each batch with other processes, all of which train this net on the same
    /// data.
    ///
    /// ```
    /// use bernet::train::{Alone, Config, MethodName, Network, TALK, Trainer};
    /// use std::sync::Arc;
    ///
    /// let config = Config::new(MethodName::Ste, Network::from_toml(TALK)?, 30, 1).with("shards = 4")?;
    /// let mut trainer = Trainer::new(config)?;
    /// trainer.set_processes(Arc::new(Alone))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`TrainError::Data`] where there are more processes than shards, or the configuration begins
    /// with a search, which one process does.
    pub fn set_processes(&mut self, processes: Arc<dyn Processes>) -> Result<(), TrainError> {
        let count = processes.count();
        let error = |expected: String| TrainError::Data {
            what: "processes",
            expected,
            found: count.to_string(),
        };
        if count > self.config.shards {
            let shards = self.config.shards;
            return Err(error(format!(
                "at most {shards}, one for each shard of a batch (shards = {shards})"
            )));
        }
        if count > 1 && self.config.search.is_some() && self.history.is_empty() {
            return Err(error(
                "1, as the search for a first layer is not shared".into(),
            ));
        }
        self.processes = processes;
        Ok(())
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
        if batch < 2 * self.config.shards {
            return Err(TrainError::Data {
                what: "images a batch",
                expected: format!("at least 2 for each of {} shards", self.config.shards),
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
            let Some(loss) = self.step(train, indices, (done, all), self.stops)? else {
                return Ok(None);
            };
            sum.total += loss.total;
            sum.right += loss.right;
            if step((index + 1) as f64 / steps as f64).is_break() {
                if self.processes.count() == 1 {
                    return Ok(None);
                }
                // The others hear of it in the next step, and all end there.
                self.stops = true;
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
}

fn places(config: &Config) -> Result<(Vec<Place>, Vec<Option<Pooled>>), TrainError> {
    let stages = config.network.stages()?;
    Ok(stages
        .into_iter()
        .map(|Stage { place, pool }| (place, pool.map(Pooled::new)))
        .unzip())
}
