//! One step of a training: weights, gradients of a batch or of its shards, the optimiser.

use super::{
    batch::{self, Pick},
    error::TrainError,
    layer::LayerState,
    loss::Loss,
    methods::ScheduleState,
    network::LayerSpec,
    parameter::Adam,
    random::{Purpose, Random},
    schedule,
    shards::Sum,
    trainer::Trainer,
};
use crate::data::Dataset;
use bernet_kernels::threads;

impl Trainer {
    /// One step on the images at `indices`: its loss, or nothing where a process wants to `stop`.
    pub(super) fn step(
        &mut self,
        train: &Dataset,
        indices: &[usize],
        (done, steps): (u64, u64),
        stop: bool,
    ) -> Result<Option<Loss>, TrainError> {
        let schedule = self.schedule(done as f32 / steps as f32);
        let picks = threads::install(|| self.begin(indices, (done, steps), &schedule))?;
        let held = self
            .config
            .first_layer
            .is_some_and(|first| first.is_held_at(done, steps));
        let lowest = usize::from(held);
        let loss = if self.config.shards == 1 {
            threads::install(|| {
                self.forward(train, &picks, &schedule, true);
                self.backward(train, &picks, &schedule, lowest)
            })?
        } else {
            let sum = self.shards(train, &picks, &schedule, lowest, stop)?;
            if sum.is_stopped() {
                return Ok(None);
            }
            sum.write(self.gradients());
            sum.loss(picks.len())
        };
        if !loss.total.is_finite() {
            return Err(self.diverged(loss.total, done + 1, steps));
        }
        threads::install(|| {
            self.regularise(&schedule, done, steps);
            self.descend(done, steps);
        })?;
        // A sign hides what it is taken of: a net of parameters that are no numbers still has a loss.
        if !self.is_finite() {
            return Err(self.diverged(loss.total, done + 1, steps));
        }
        Ok(Some(loss))
    }

    /// Freezes weights, draws those of the step, and picks its images.
    fn begin(
        &mut self,
        indices: &[usize],
        (done, steps): (u64, u64),
        schedule: &ScheduleState,
    ) -> Vec<Pick> {
        if let Some(freezing) = self.config.freezing {
            let layers = self.layers.len();
            for (index, layer) in self.layers.iter_mut().enumerate() {
                let share = match self.config.first_layer {
                    Some(first) if index == 0 => first.done(done, steps),
                    _ => done as f32 / steps as f32,
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
            self.method.sample_weights(layer, schedule, &mut random);
        }
        let seed = self.config.seed;
        let mut picks = batch::shifted(indices, self.config.shift_probability, seed, done);
        if let Some(warp) = self.config.warp {
            batch::warp(&mut picks, warp, seed, done);
        }
        picks
    }

    /// The sum of the gradients of all shards, of which this process computes its own.
    fn shards(
        &mut self,
        train: &Dataset,
        picks: &[Pick],
        schedule: &ScheduleState,
        lowest: usize,
        stop: bool,
    ) -> Result<Sum, TrainError> {
        let (rank, count) = (self.processes.rank(), self.processes.count());
        let shards = self.config.shards;
        let mut sum = Sum::new(self.gradients().map(|gradient| gradient.len()).sum(), stop);
        let keys: Vec<u64> = self.layers.iter().map(|layer| layer.noise).collect();
        let mut moments = Vec::new();
        for shard in (rank..shards).step_by(count) {
            for (layer, key) in self.layers.iter_mut().zip(&keys) {
                layer.noise = key.wrapping_add(shard as u64);
            }
            let at = |shard: usize| shard * picks.len() / shards;
            let own = &picks[at(shard)..at(shard + 1)];
            let loss = threads::install(|| {
                self.forward(train, own, schedule, true);
                self.backward(train, own, schedule, lowest)
            })?;
            let share = own.len() as f64 / picks.len() as f64;
            sum.add(
                loss,
                own.len(),
                share,
                self.gradients().map(|gradient| &*gradient),
            );
            if shard == 0 {
                let norms = self.layers.iter().filter_map(|layer| layer.norm.as_ref());
                moments = norms
                    .map(|norm| (norm.mean.clone(), norm.variance.clone()))
                    .collect();
            }
        }
        // Checkpoints hold the first shard's moments, whoever computed the others.
        let norms = self
            .layers
            .iter_mut()
            .filter_map(|layer| layer.norm.as_mut());
        for (norm, (mean, variance)) in norms.zip(moments) {
            (norm.mean, norm.variance) = (mean, variance);
        }
        Ok(sum.total(&*self.processes))
    }

    /// All gradients, in a fixed order.
    fn gradients(&mut self) -> impl Iterator<Item = &mut [f32]> {
        let layers = self.layers.iter_mut().flat_map(|layer| {
            let norm = layer.norm.iter_mut();
            let norm = norm.flat_map(|norm| [&mut norm.gamma, &mut norm.beta]);
            [&mut layer.latent, &mut layer.learned]
                .into_iter()
                .chain(norm)
        });
        std::iter::once(&mut self.scale)
            .chain(layers)
            .map(|parameter| &mut parameter.gradient[..])
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
        let mut layers = (1..).zip(&self.config.network.layers).filter(|(_, kind)| {
            !matches!(kind, LayerSpec::Pool { .. } | LayerSpec::AveragePool { .. })
        });
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
