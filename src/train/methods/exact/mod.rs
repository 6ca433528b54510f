//! The talk's own layer: weights and activations as independent Bernoulli variables, sums by their exact distribution.
//!
//! With means `x` of the inputs and `w` of the weights, the product `x_k w_k` is +1 with probability `v_k = (1 + x_k w_k)/2`; the number
//! `J` of products that are +1 is Poisson-binomial, and the sum is `S = 2J − K`. The layer puts out
//!
//! ```text
//! P = P(S ≥ t) = P(J ≥ h),  h = ⌈(K + t)/2⌉,      output mean 2P − 1      (γ > 0)
//! 1 − P(S > t), the channel being flipped                                  (γ < 0)
//! t = μ − β σ/γ
//! ```
//!
//! where μ and σ² are the mean and the whole variance of the channel's sums: that of their means over the batch, and the mean over
//! the batch of that about their means, `Σ_k (1 − x_k² w_k²)`. Once weights and inputs are certain this is the integer threshold of the
//! deployed net.
//!
//! Backward: `∂P/∂v_k = P(J without k = h − 1)`, by the chosen gradient, and `∂P/∂t = −½ P(J = h)`, the density at the cut, which moves
//! γ and β and, through μ and σ, all the batch:
//!
//! ```text
//! ∂t/∂μ = 1   ∂t/∂σ = −β/γ   ∂t/∂β = −σ/γ   ∂t/∂γ = βσ/γ²
//! ∂σ/∂S_r = (S_r − μ)/(R σ)  ∂σ/∂(x_rk² w_k²) = −1/(2 R σ)
//! ```

mod block;
mod blocks;
mod literal;
mod power_sums;
mod recursion;

use super::{
    super::{
        layer::{self, Cache, EPSILON, LayerState, Place},
        matrix,
        max_pool::Pooling,
        random::Random,
    },
    Method, ScheduleState,
    distinct::Distinct,
    regularise_means, use_means,
};
use crate::train::choices::Distribution;
use power_sums::Distributions;
use recursion::Recursion;

pub(crate) use literal::Literal;

use bernet_kernels::{isa::Level, poisson_binomial::Gradient};
use rayon::prelude::*;

/// Mean-field training through exact distributions.
pub(crate) struct Exact {
    pub(crate) level: Level,
    /// By factors with this gradient, or from power sums.
    pub(crate) gradient: Option<Gradient>,
}

/// The cut of a channel.
#[derive(Clone, Copy)]
struct Cut {
    /// h.
    least: i32,
    /// +1, or −1 where the channel is flipped.
    direction: f32,
}

impl Exact {
    /// By the distribution's gradient.
    pub(crate) fn new(level: Level, distribution: Distribution) -> Self {
        let gradient = match distribution {
            Distribution::Sampled | Distribution::PowerSums => None,
            Distribution::Precise => Some(Gradient::Precise),
            Distribution::Three => Some(Gradient::Three),
            Distribution::Five => Some(Gradient::Five),
            Distribution::Extended => Some(Gradient::Extended),
            Distribution::Autograd => Some(Gradient::Autograd),
            Distribution::Spectral => Some(Gradient::Spectral),
        };
        Self { level, gradient }
    }

    /// `output[r][j] = direction_j · (2P − 1)`, for inputs `patches [R × K]` and means `weights [K × N]`.
    fn distributions(
        &self,
        weights: &[f32],
        cuts: &[Cut],
        patches: &[f32],
        output: &mut [f32],
        saved: &mut Saved,
    ) {
        let Some(distinct) = &saved.distinct else {
            return self.of_rows(weights, cuts, patches, output, &mut saved.distributions);
        };
        let mut kinds = vec![0.0; distinct.kinds * cuts.len()];
        let (rows, distributions) = (&distinct.rows, &mut saved.distributions);
        self.of_rows(weights, cuts, rows, &mut kinds, distributions);
        distinct.spread(&kinds, cuts.len(), output);
    }

    /// The same, row by row.
    fn of_rows(
        &self,
        weights: &[f32],
        cuts: &[Cut],
        rows: &[f32],
        output: &mut [f32],
        distributions: &mut Distributions,
    ) {
        let level = self.level;
        match self.gradient {
            Some(gradient) => {
                let way = Recursion { level, gradient };
                blocks::forward(&way, weights, cuts, rows, output);
            }
            None => distributions.forward(level, weights, cuts, rows, output),
        }
    }

    /// The gradients through the factors, from `upstream [R × N]`, dLoss/d(output).
    fn gradients(
        &self,
        weights: &[f32],
        cuts: &[Cut],
        patches: &[f32],
        upstream: &[f32],
        wants_input: bool,
        saved: &mut Saved,
    ) -> Gradients {
        // Equal rows hand on gradients of their own. Recursions compute the distributions again anyway.
        if wants_input && saved.distinct.take().is_some() && self.gradient.is_none() {
            let mut output = vec![0.0; upstream.len()];
            self.distributions(weights, cuts, patches, &mut output, saved);
        }
        let kinds;
        let (rows, upstream) = match &saved.distinct {
            Some(distinct) => {
                kinds = distinct.sum(upstream, cuts.len());
                (&distinct.rows[..], &kinds[..])
            }
            None => (patches, upstream),
        };
        let level = self.level;
        match self.gradient {
            Some(gradient) => {
                let way = Recursion { level, gradient };
                blocks::backward(&way, weights, cuts, rows, upstream, wants_input)
            }
            None => {
                let distributions = &mut saved.distributions;
                distributions.backward(level, weights, cuts, upstream, wants_input)
            }
        }
    }

    fn cuts(place: &Place, layer: &LayerState) -> Vec<Cut> {
        let norm = layer.norm.as_ref().expect("a hidden layer is normalised");
        let depth = place.depth() as f32;
        (0..place.outputs())
            .map(|j| {
                let gamma = norm.gamma.values[j];
                let threshold = norm.mean[j]
                    - norm.beta.values[j] * (norm.variance[j] + EPSILON).sqrt() / gamma;
                let middle = 0.5 * (depth + threshold);
                // Casts saturate; a cut beyond the ends is one that is always or never reached.
                if gamma >= 0.0 {
                    Cut {
                        least: middle.ceil() as i32,
                        direction: 1.0,
                    }
                } else {
                    Cut {
                        least: (middle.floor() + 1.0) as i32,
                        direction: -1.0,
                    }
                }
            })
            .collect()
    }
}

/// The mean square of each column of `patches [R × K]`.
fn mean_squares(patches: &[f32], depth: usize) -> Vec<f32> {
    let rows = patches.len() / depth;
    let sums = matrix::column_sums::<1>(rows, depth, |range, [total]| {
        for row in patches[range.start * depth..range.end * depth].chunks_exact(depth) {
            for (total, value) in total.iter_mut().zip(row) {
                *total += value * value;
            }
        }
    });
    sums.into_iter()
        .map(|[sum]| (sum / rows as f64) as f32)
        .collect()
}

/// What the forward pass leaves for the backward pass.
#[derive(Default, Debug)]
pub(super) struct Saved {
    distinct: Option<Distinct>,
    distributions: Distributions,
}

/// dLoss/d(…) through the factors alone, with the thresholds held, and of the thresholds.
struct Gradients {
    /// `K × N`.
    weights: Vec<f32>,
    /// `N`.
    thresholds: Vec<f64>,
    /// `R × K`, or nothing where nobody wants it.
    inputs: Vec<f32>,
}

impl Method for Exact {
    fn pooling(&self) -> Pooling {
        Pooling::Means
    }

    fn sample_weights(&self, layer: &mut LayerState, schedule: &ScheduleState, _: &mut Random) {
        use_means(layer, schedule);
    }

    fn forward(
        &self,
        place: &Place,
        layer: &mut LayerState,
        cache: &mut Cache,
        _: &ScheduleState,
        measure: bool,
    ) {
        let (k, n) = (place.depth(), place.outputs());
        let saved = cache.saved.of::<Saved>();
        saved.distinct = Distinct::of(&cache.patches, k);
        let patches = if let Some(distinct) = &saved.distinct {
            let mut sums = vec![0.0; distinct.kinds * n];
            matrix::multiply(&distinct.rows, &layer.weights, k, n, &mut sums);
            distinct.spread(&sums, n, &mut cache.sums);
            &distinct.rows
        } else {
            layer::linear(place, layer, cache);
            &cache.patches
        };
        if measure {
            // Rows that repeat have squares of 1, as often as they may.
            let squares = mean_squares(patches, k);
            let norm = layer.norm.as_mut().expect("a hidden layer is normalised");
            layer::measure(norm, &cache.sums);
            for (weights, square) in layer.weights.chunks_exact(n).zip(squares) {
                for (variance, weight) in norm.variance.iter_mut().zip(weights) {
                    *variance += 1.0 - weight * weight * square;
                }
            }
        }
        let cuts = Self::cuts(place, layer);
        let (output, saved) = (&mut cache.output, cache.saved.of());
        self.distributions(&layer.weights, &cuts, &cache.patches, output, saved);
    }

    fn backward(
        &self,
        place: &Place,
        layer: &mut LayerState,
        cache: &mut Cache,
        _: &ScheduleState,
        wants_input: bool,
    ) {
        let (k, n) = (place.depth(), place.outputs());
        let rows = cache.sums.len() / n;
        let cuts = Self::cuts(place, layer);
        let (patches, upstream) = (&cache.patches, &cache.gradient);
        let Gradients {
            weights: mut weight_gradient,
            thresholds,
            inputs,
        } = self.gradients(
            &layer.weights,
            &cuts,
            patches,
            upstream,
            wants_input,
            cache.saved.of(),
        );

        // Through the threshold to γ, β, μ and σ.
        let norm = layer.norm.as_mut().expect("a hidden layer is normalised");
        let deviation: Vec<f32> = norm
            .variance
            .iter()
            .map(|variance| (variance + EPSILON).sqrt())
            .collect();
        let (mut by_mean, mut by_deviation) = (vec![0.0; n], vec![0.0; n]);
        for j in 0..n {
            let (gamma, beta, total) = (
                norm.gamma.values[j],
                norm.beta.values[j],
                thresholds[j] as f32,
            );
            norm.beta.gradient[j] = -total * deviation[j] / gamma;
            norm.gamma.gradient[j] = total * beta * deviation[j] / (gamma * gamma);
            by_mean[j] = total / rows as f32;
            by_deviation[j] = -total * beta / gamma / (rows as f32 * deviation[j]);
        }
        let block = matrix::BLOCK * n;
        let blocks = cache.gradient.par_chunks_mut(block);
        blocks
            .zip(cache.sums.par_chunks(block))
            .for_each(|(gradient, sums)| {
                matrix::vectorised(
                    #[inline(always)]
                    || {
                        let [by_mean, by_deviation, mean] =
                            [&by_mean, &by_deviation, &norm.mean].map(|channels| &channels[..n]);
                        for (gradient, sums) in
                            gradient.chunks_exact_mut(n).zip(sums.chunks_exact(n))
                        {
                            for j in 0..n {
                                gradient[j] = by_mean[j] + by_deviation[j] * (sums[j] - mean[j]);
                            }
                        }
                    },
                );
            });
        let patches = if let Some(distinct) = &cache.saved.of::<Saved>().distinct {
            let (patches, gradient) = (&distinct.rows, distinct.sum(&cache.gradient, n));
            let by_weights = &mut layer.latent.gradient;
            matrix::transposed_multiply(patches, &gradient, k, n, by_weights);
            patches
        } else {
            layer::linear_backward(place, layer, cache, wants_input);
            &cache.patches
        };

        // Through the variance about the means, −Σ x² w² in each row, half of whose gradient is by_deviation.
        let squares = mean_squares(patches, k);
        let mut by_square = vec![0.0; k];
        for (index, weights) in layer.weights.chunks_exact(n).enumerate() {
            for (j, weight) in weights.iter().enumerate() {
                weight_gradient[index * n + j] -=
                    by_deviation[j] * rows as f32 * squares[index] * weight;
                by_square[index] -= by_deviation[j] * weight * weight;
            }
        }
        matrix::add(&mut layer.latent.gradient, &weight_gradient);
        if wants_input {
            let terms = cache.patches.par_chunks(k).zip(inputs.par_chunks(k));
            cache.patch_gradient.par_chunks_mut(k).zip(terms).for_each(
                |(out, (inputs, gradient))| {
                    for index in 0..k {
                        out[index] += gradient[index] + by_square[index] * inputs[index];
                    }
                },
            );
        }
    }

    fn regularise(&self, layer: &mut LayerState, schedule: &ScheduleState) -> f64 {
        regularise_means(layer, schedule)
    }
}

#[cfg(test)]
mod tests;
