//! Exact distributions over the weights, activations that are hard from the first step.
//!
//! Inputs are `x = ±1`, weights independent Bernoulli variables of means `m`: the product `x_k w_k`
//! is +1 with probability `v_k = (1 + x_k m_k)/2`, the number `J` of products that are +1 is
//! Poisson-binomial, and the sum is `S = 2J − K`. With noise `ξ` on the threshold, the layer's
//! probability and its output bit are
//!
//! ```text
//! z = P(S + ξ ≥ t),    t = μ − β σ/γ,    width of ξ: T σ/|γ|
//! bit = +1 where z ≥ ½ (the mode), or with probability z (a sample);  inverted where γ < 0
//! ```
//!
//! where μ and σ² are the mean and the whole variance of the channel's sums: the variance of their
//! means over the batch and that about their means, `Σ_k (1 − m_k²)`, which is the same for every
//! sample. So `z` is the probability of `γ (S − μ)/σ + β + T·noise ≥ 0`. T falls in the course of
//! training; the noise keeps gradients alive where weights are certain. Once all are, the bit is
//! the deployed net's. No real number is handed on, so that there is none to be lost when the net
//! is deployed.
//!
//! **Distribution.** `P(J = j)` is exact ([`distribution`], [`lanes`]; of deep layers by
//! [`series`]), convolved with the noise at the threshold ([`noise`]).
//!
//! **Backward.** The bit's derivative is that of `2z − 1`: `∂z/∂v_k` by the chosen form
//! ([`leave_one_out`]), and `∂z/∂t` and the one by the width, which move γ and β and, through μ and
//! σ, all the batch.
//!
//! `∂z/∂v_k` as a function of `x_k m_k` has an even part, which is `∂z/∂m_k` by the sum's mean, and
//! an odd part, by its variance: it pulls a weight towards 0, whatever the input, where the bit is
//! wrong. A drawn bit follows it, a mode does not, because it does not depend on the variance. So
//! for the mode the odd part is left out. With it, weights gather at 0, where they serve the soft
//! net and are lost when they freeze (docs/experiment.md). The derivatives of threshold and width are
//!
//! ```text
//! ∂t/∂μ = 1   ∂t/∂σ = −β/γ   ∂t/∂β = −σ/γ   ∂t/∂γ = βσ/γ²      ∂width/∂σ = width/σ   ∂width/∂γ = −width/γ
//! ∂σ/∂E S_r = (E S_r − μ)/(R σ)   ∂σ/∂m_k = −m_k/σ
//! ```

mod distribution;
mod lanes;
mod leave_one_out;
mod noise;
mod probabilities;
mod product;
mod series;

use super::{
    super::{
        layer::{self, Cache, EPSILON, LayerState, Place},
        matrix,
        random::{Purpose, Random},
    },
    Method, ScheduleState,
    distinct::Distinct,
    regularise_means, use_means,
};
use crate::train::choices::{Activations, Distribution, Noise};
use leave_one_out::Form;
use noise::Curve;
use probabilities::{Found, Probabilities};
use product::Product;
use rayon::prelude::*;

/// Training by exact distributions over the weights and hard activations.
pub(crate) struct Hard {
    probabilities: Probabilities,
    noise: Noise,
    /// Whether the bit is drawn; else it is the mode.
    samples: bool,
}

/// A channel's threshold.
#[derive(Clone, Copy)]
struct Channel {
    /// +1, or −1 where the channel is inverted.
    direction: f32,
    /// σ.
    deviation: f64,
    /// The threshold and its noise.
    curve: Curve,
}

/// What the forward pass leaves for the backward pass: rows are samples, or the distinct ones.
#[derive(Default, Debug)]
struct Saved {
    distinct: Option<Distinct>,
    found: Found,
}

impl Hard {
    pub(crate) fn new(distribution: Distribution, activations: Activations, noise: Noise) -> Self {
        let form = match distribution {
            Distribution::Three => Form::Three,
            Distribution::Five => Form::Five,
            Distribution::Extended => Form::Extended,
            Distribution::Sampled
            | Distribution::Precise
            | Distribution::Autograd
            | Distribution::Spectral
            | Distribution::PowerSums => Form::Precise,
        };
        Self {
            probabilities: Probabilities::new(form),
            noise,
            samples: activations == Activations::Sample,
        }
    }

    fn channels(
        &self,
        place: &Place,
        layer: &LayerState,
        schedule: &ScheduleState,
    ) -> Vec<Channel> {
        let norm = layer.norm.as_ref().expect("a hidden layer is normalised");
        (0..place.outputs())
            .map(|j| {
                let gamma = f64::from(norm.gamma.values[j]);
                let direction = if gamma < 0.0 { -1.0 } else { 1.0 };
                // Without a slope the noise is as wide as can be, and the probability that of β
                // alone.
                let gamma = gamma.abs().max(1e-9) * direction;
                let deviation = f64::from(norm.variance[j] + EPSILON).sqrt();
                let shift = f64::from(norm.beta.values[j]) * deviation / gamma;
                let threshold = f64::from(norm.mean[j]) - shift;
                Channel {
                    direction: direction as f32,
                    deviation,
                    curve: Curve {
                        noise: self.noise,
                        threshold: 0.5 * (place.depth() as f64 + threshold),
                        width: 0.5 * f64::from(schedule.width) * deviation / gamma.abs(),
                    },
                }
            })
            .collect()
    }

    /// `bits [R × N]` from the probabilities of all rows.
    fn bits(&self, key: u64, channels: &[Channel], bits: &mut [f32]) {
        let n = channels.len();
        let blocks = bits.par_chunks_mut(matrix::BLOCK * n).enumerate();
        blocks.for_each(|(block, bits)| {
            let mut random = Random::new(key, Purpose::Noise, block as u64);
            for row in bits.chunks_exact_mut(n) {
                for (bit, channel) in row.iter_mut().zip(channels) {
                    let least = if self.samples { random.uniform() } else { 0.5 };
                    // A sample of 0 is below any probability but 0, which `>=` would take for +1.
                    let on = *bit > least || (!self.samples && *bit == least);
                    *bit = if on {
                        channel.direction
                    } else {
                        -channel.direction
                    };
                }
            }
        });
    }
}

impl Method for Hard {
    fn sample_weights(
        &self,
        layer: &mut LayerState,
        schedule: &ScheduleState,
        random: &mut Random,
    ) {
        use_means(layer, schedule);
        layer.noise = random.key();
    }

    fn forward(
        &self,
        place: &Place,
        layer: &mut LayerState,
        cache: &mut Cache,
        schedule: &ScheduleState,
        measure: bool,
    ) {
        let (k, n) = (place.depth(), place.outputs());
        let saved = cache.saved.of::<Saved>();
        saved.distinct = Distinct::of(&cache.patches, k);
        match &saved.distinct {
            Some(distinct) => {
                let mut sums = vec![0.0; distinct.kinds * n];
                matrix::multiply(&distinct.rows, &layer.weights, k, n, &mut sums);
                distinct.spread(&sums, n, &mut cache.sums);
            }
            None => matrix::multiply(&cache.patches, &layer.weights, k, n, &mut cache.sums),
        }
        if measure {
            let norm = layer.norm.as_mut().expect("a hidden layer is normalised");
            layer::measure(norm, &cache.sums);
            for weights in layer.weights.chunks_exact(n) {
                for (variance, weight) in norm.variance.iter_mut().zip(weights) {
                    *variance += 1.0 - weight * weight;
                }
            }
        }
        let channels = self.channels(place, layer, schedule);
        let distinct = saved.distinct.take();
        let rows = distinct.as_ref().map_or(&cache.patches, |rows| &rows.rows);
        let curves: Vec<Curve> = channels.iter().map(|channel| channel.curve).collect();
        let found = &mut saved.found;
        self.probabilities
            .compute(&layer.weights, &curves, rows, found);
        match &distinct {
            Some(distinct) => distinct.spread(&saved.found.probability, n, &mut cache.output),
            None => cache.output.copy_from_slice(&saved.found.probability),
        }
        saved.distinct = distinct;
        self.bits(layer.noise, &channels, &mut cache.output);
    }

    fn backward(
        &self,
        place: &Place,
        layer: &mut LayerState,
        cache: &mut Cache,
        schedule: &ScheduleState,
        wants_input: bool,
    ) {
        let (k, n) = (place.depth(), place.outputs());
        let channels = self.channels(place, layer, schedule);
        let saved = cache.saved.of::<Saved>();
        if wants_input && let Some(distinct) = saved.distinct.take() {
            // Equal rows hand on gradients of their own.
            saved.found.spread(&distinct);
        }
        let (rows, upstream) = match &saved.distinct {
            Some(distinct) => (&distinct.rows, distinct.sum(&cache.gradient, n)),
            None => (&cache.patches, cache.gradient.clone()),
        };

        // dLoss/dz, and what follows from it for the threshold and the width.
        let mut by_probability = upstream;
        for row in by_probability.chunks_exact_mut(n) {
            for (value, channel) in row.iter_mut().zip(&channels) {
                *value *= 2.0 * channel.direction;
            }
        }
        let totals = matrix::column_sums::<2>(by_probability.len() / n, n, |range, totals| {
            let [threshold, width] = totals;
            let range = range.start * n..range.end * n;
            let rows = by_probability[range.clone()].chunks_exact(n);
            let density = saved.found.density[range.clone()].chunks_exact(n);
            let by_width = saved.found.by_width[range].chunks_exact(n);
            for ((upstream, density), by_width) in rows.zip(density).zip(by_width) {
                for j in 0..n {
                    threshold[j] -= upstream[j] * density[j];
                    width[j] += upstream[j] * by_width[j];
                }
            }
        });
        let count = cache.sums.len() / n;
        let norm = layer.norm.as_mut().expect("a hidden layer is normalised");
        let (mut by_mean, mut by_deviation) = (vec![0.0; n], vec![0.0; n]);
        for (j, [threshold, width]) in totals.into_iter().enumerate() {
            let Channel {
                deviation,
                direction,
                ..
            } = channels[j];
            let gamma = f64::from(norm.gamma.values[j].abs().max(1e-9) * direction);
            let beta = f64::from(norm.beta.values[j]);
            // Half of a sum's threshold is the one in successes.
            let threshold = 0.5 * threshold;
            let width = width * channels[j].curve.width;
            norm.beta.gradient[j] = (-threshold * deviation / gamma) as f32;
            norm.gamma.gradient[j] =
                (threshold * beta * deviation / (gamma * gamma) - width / gamma) as f32;
            by_mean[j] = (threshold / count as f64) as f32;
            by_deviation[j] = (-threshold * beta / gamma + width / deviation) as f32;
        }

        // By the sums' means, through μ and σ.
        let scale: Vec<f32> = (0..n)
            .map(|j| by_deviation[j] / (count as f32 * channels[j].deviation as f32))
            .collect();
        let block = matrix::BLOCK * n;
        let blocks = cache.gradient.par_chunks_mut(block);
        blocks
            .zip(cache.sums.par_chunks(block))
            .for_each(|(gradient, sums)| {
                matrix::vectorised(
                    #[inline(always)]
                    || {
                        let [by_mean, scale, mean] =
                            [&by_mean, &scale, &norm.mean].map(|channels| &channels[..n]);
                        for (gradient, sums) in
                            gradient.chunks_exact_mut(n).zip(sums.chunks_exact(n))
                        {
                            for j in 0..n {
                                gradient[j] = by_mean[j] + scale[j] * (sums[j] - mean[j]);
                            }
                        }
                    },
                );
            });
        let by_sums = saved
            .distinct
            .as_ref()
            .map(|distinct| distinct.sum(&cache.gradient, n));
        let by_sums = by_sums.as_ref().unwrap_or(&cache.gradient);

        let (weights, form) = (&layer.weights, self.probabilities.form(k));
        let form = (form, self.samples);
        let product = Product::new(form, weights, by_sums, &by_probability, &saved.found, n);
        let gradient = &mut layer.latent.gradient;
        product.grad_weights(rows, k, gradient);
        for (gradient, weights) in gradient.chunks_exact_mut(n).zip(weights.chunks_exact(n)) {
            for j in 0..n {
                gradient[j] -= by_deviation[j] / channels[j].deviation as f32 * weights[j];
            }
        }
        if wants_input {
            product.grad_inputs(rows, weights, k, &mut cache.patch_gradient);
        }
    }

    fn regularise(&self, layer: &mut LayerState, schedule: &ScheduleState) -> f64 {
        regularise_means(layer, schedule)
    }
}

#[cfg(test)]
mod tests;
