//! Weights as independent Bernoulli variables, sums drawn from their central limit: the local reparameterisation (Kingma et al. 2015;
//! for binary weights Shayer et al. 2018).
//!
//! With hard inputs `x = ±1` the sum `S` has the mean `m = Σ x w` and the variance `s² = Σ (1 − w²)`, whatever the inputs. Instead of the
//! weights, each sum of the batch is drawn: `S = m + s ε` with its own standard normal `ε`. So samples are independent from image to image and
//! from position to position, and a gradient's variance falls with the batch. The draw is differentiable in the weights' means,
//!
//! ```text
//! ∂S/∂w_k = x_k − ε w_k/s
//! ```
//!
//! while the activation, `sign(γ (S − μ)/σ + β)`, has the surrogate derivative of [`bernoulli`](super::bernoulli), as wide as the weights
//! are uncertain. The last layer puts out the mean of its sums. Once the weights are certain this is the deployed net.

use super::{
    super::{
        layer::{self, Cache, LayerState, Place, sign},
        matrix,
        random::{Purpose, Random},
    },
    Method, ScheduleState, backward_activated, inverse_widths, regularise_means, surrogate,
    use_means,
};
use bernet_kernels::{isa::Level, poisson_binomial::normal_samples};
use rayon::prelude::*;

/// Training by normal samples of the sums.
pub(crate) struct GaussianSampled {
    pub(crate) level: Level,
}

impl GaussianSampled {
    /// Standard normal numbers, `R × N`: a stream for each block of rows.
    fn noise(&self, key: u64, n: usize, noise: &mut [f32]) {
        let blocks = noise.par_chunks_mut(matrix::BLOCK * n);
        blocks.enumerate().for_each(|(block, noise)| {
            let mut random = Random::new(key, Purpose::Noise, block as u64);
            let mut values = vec![0.0; noise.len().next_multiple_of(2)];
            values.fill_with(|| random.uniform());
            normal_samples(self.level, &mut values).expect("an even number");
            noise.copy_from_slice(&values[..noise.len()]);
        });
    }
}

/// `s` of each output.
fn deviations(layer: &LayerState) -> Vec<f32> {
    layer.uncertainty.iter().map(|sum| sum.sqrt()).collect()
}

impl Method for GaussianSampled {
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
        _: &ScheduleState,
        measure: bool,
    ) {
        let n = place.outputs();
        layer::linear(place, layer, cache);
        cache.spread.resize(cache.sums.len(), 0.0);
        let deviations = deviations(layer);
        if deviations.iter().any(|deviation| *deviation > 0.0) {
            self.noise(layer.noise, n, &mut cache.spread);
        } else {
            cache.spread.fill(0.0);
        }
        let rows = cache.sums.par_chunks_mut(n).zip(cache.spread.par_chunks(n));
        rows.with_min_len(matrix::BLOCK).for_each(|(sums, noise)| {
            for j in 0..n {
                sums[j] += deviations[j] * noise[j];
            }
        });
        let norm = layer.norm.as_mut().expect("a hidden layer is normalised");
        if measure {
            layer::measure(norm, &cache.sums);
        }
        layer::normalise(norm, cache, sign);
    }

    fn backward(
        &self,
        place: &Place,
        layer: &mut LayerState,
        cache: &mut Cache,
        schedule: &ScheduleState,
        wants_input: bool,
    ) {
        let inverse_width = inverse_widths(layer, schedule);
        backward_activated(place, layer, cache, wants_input, |u, _, j| {
            surrogate(u, inverse_width[j])
        });
        let n = place.outputs();
        let rows = cache.spread.len() / n;
        let by_deviation = matrix::column_sums::<1>(rows, n, |range, [total]| {
            let range = range.start * n..range.end * n;
            let rows = cache.gradient[range.clone()].chunks_exact(n);
            for (gradient, noise) in rows.zip(cache.spread[range].chunks_exact(n)) {
                for j in 0..n {
                    total[j] += gradient[j] * noise[j];
                }
            }
        });
        let scale: Vec<f32> = deviations(layer)
            .iter()
            .zip(by_deviation)
            .map(|(deviation, [total])| {
                if *deviation > 0.0 {
                    total as f32 / deviation
                } else {
                    0.0
                }
            })
            .collect();
        let gradients = layer.latent.gradient.chunks_exact_mut(n);
        for (gradient, weights) in gradients.zip(layer.weights.chunks_exact(n)) {
            for j in 0..n {
                gradient[j] -= scale[j] * weights[j];
            }
        }
    }

    fn regularise(&self, layer: &mut LayerState, schedule: &ScheduleState) -> f64 {
        regularise_means(layer, schedule)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing, GaussianSampled, inverse_widths};
    use crate::train::layer::EPSILON;
    use bernet_kernels::isa::Level;
    use testing::{OUTPUTS, SCHEDULE};

    const SAMPLED: GaussianSampled = GaussianSampled {
        level: Level::Portable(bernet_kernels::isa::Portable),
    };

    /// The integral of `(1 + 2t²)⁻²`.
    fn step(t: f64) -> f64 {
        let root = std::f64::consts::SQRT_2;
        t / (2.0 * (1.0 + 2.0 * t * t)) + (root * t).atan() / (2.0 * root)
    }

    /// Of the drawn sums, normalised and put through a step that has the surrogate for its derivative, the noise and the widths held.
    #[test]
    fn gradients_are_those_of_finite_differences() {
        testing::assert_gradients(&SAMPLED, 30, |numbers, layer, cache| {
            let widths = inverse_widths(layer, &SCHEDULE);
            let variances = numbers.sums(|_, w| 1.0 - w * w);
            let mut sums = numbers.sums(|x, w| x * w);
            for (index, sum) in sums.iter_mut().enumerate() {
                *sum += variances[index].sqrt() * f64::from(cache.spread[index]);
            }
            let moments = testing::moments(&sums);
            sums.iter()
                .enumerate()
                .map(|(index, sum)| {
                    let j = index % OUTPUTS;
                    let [mean, variance] = moments[j];
                    let normalised = (sum - mean) / (variance + f64::from(EPSILON)).sqrt();
                    let width = 1.0 / f64::from(widths[j]);
                    let u = numbers.gamma[j] * normalised + numbers.beta[j];
                    width * step(u / width)
                })
                .collect()
        });
    }

    #[test]
    fn drawn_sums_have_the_moments_of_the_weights() {
        let (_, layer, ..) = testing::setting(&SAMPLED, 30);
        let mut noise = vec![0.0; 30_001 * OUTPUTS];
        SAMPLED.noise(layer.noise, OUTPUTS, &mut noise);
        let noise: Vec<f64> = noise.into_iter().map(f64::from).collect();
        for [mean, variance] in testing::moments(&noise) {
            assert!(
                mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03,
                "{mean} {variance}"
            );
        }
        let mut other = vec![0.0; 3];
        SAMPLED.noise(layer.noise + 1, OUTPUTS, &mut other);
        assert_ne!(f64::from(other[0]), noise[0]);
    }
}
