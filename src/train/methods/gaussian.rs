//! Weights and activations as independent Bernoulli variables, sums by their central limit.
//!
//! With means `x` of the inputs and `w` of the weights, the sum `S` has the mean `m = Σ x w` and the variance `s² = Σ (1 − x² w²)`, from one
//! matrix product each, and is taken for a normal variable of these moments (Soudry et al. 2014; Peters and Welling 2018). Batch
//! normalisation works on the sums as in [`exact`](super::exact): `μ` is the batch's mean of `m`, `σ²` its variance plus its mean of `s²`. With
//! `n = (m − μ)/σ` and `v = s²/σ²` the layer puts out the mean of `sign(γ(S − μ)/σ + β + T·noise)`, propagated exactly:
//!
//! ```text
//! 2Φ(q) − 1,   q = a/d,   a = γ n + β,   d² = T² + γ² v
//! ```
//!
//! The noise is standard normal; its deviation, the activations' temperature, falls in the course of training and keeps gradients alive
//! where weights and inputs are certain (`v = 0`). No threshold is rounded to what the sum can be: with the threshold anywhere
//! between two such values the continuity correction is 0 on average, and all is differentiable.
//!
//! Backward, with `g_a = 2φ(q)/d · dL/doutput` and `g_d = −½ g_a a/d²` (by `d²`), sums over the batch's `R` rows:
//!
//! ```text
//! dL/dβ = Σ g_a      dL/dγ = Σ g_a n + 2γ Σ g_d v      D := dL/dσ² = −(½ γ Σ g_a n + γ² Σ g_d v)/σ²
//! dL/dm = γ/σ (g_a − Σ g_a/R) + 2 D σ n/R              dL/ds² = γ² g_d/σ² + D/R
//! dL/dw = xᵀ dL/dm − 2 w (x²)ᵀ dL/ds²                  dL/dx = dL/dm wᵀ − 2 x dL/ds² (w²)ᵀ
//! ```

use super::{
    super::{
        layer::{self, Cache, LayerState, Place},
        matrix,
        max_pool::Pooling,
        random::Random,
    },
    Method, ScheduleState, regularise_means, use_means,
};
use bernet_kernels::{isa::Level, poisson_binomial::normal_distribution};
use rayon::prelude::*;

/// Mean-field training by the central limit.
pub(crate) struct Gaussian {
    pub(crate) level: Level,
}

/// The squares of all values.
fn squares(values: &[f32]) -> Vec<f32> {
    values
        .par_chunks(1 << 14)
        .flat_map_iter(|values| values.iter().map(|value| value * value))
        .collect()
}

/// `out −= 2 · factors · squares`, value by value.
fn add_square_gradient(out: &mut [f32], factors: &[f32], squares: &[f32]) {
    const PIECE: usize = 1 << 14;
    let terms = factors.par_chunks(PIECE).zip(squares.par_chunks(PIECE));
    out.par_chunks_mut(PIECE)
        .zip(terms)
        .for_each(|(out, (factors, squares))| {
            for ((out, factor), square) in out.iter_mut().zip(factors).zip(squares) {
                *out -= 2.0 * factor * square;
            }
        });
}

impl Method for Gaussian {
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
        schedule: &ScheduleState,
        measure: bool,
    ) {
        let (k, n) = (place.depth(), place.outputs());
        layer::linear(place, layer, cache);
        let (inputs, weights) = (squares(&cache.patches), squares(&layer.weights));
        cache.spread.resize(cache.sums.len(), 0.0);
        matrix::multiply(&inputs, &weights, k, n, &mut cache.spread);
        for square in &mut cache.spread {
            *square = (k as f32 - *square).max(0.0);
        }
        let norm = layer.norm.as_mut().expect("a hidden layer is normalised");
        if measure {
            layer::measure(norm, &cache.sums);
            let rows = cache.spread.len() / n;
            let spread = matrix::column_sums::<1>(rows, n, |range, [total]| {
                for row in cache.spread[range.start * n..range.end * n].chunks_exact(n) {
                    matrix::add(total, row);
                }
            });
            for (variance, [spread]) in norm.variance.iter_mut().zip(spread) {
                *variance += (spread / rows as f64) as f32;
            }
        }
        layer::normalise(norm, cache, |u| u);
        let inverse = norm.inverse_deviation();
        let gamma = &norm.gamma.values;
        let block = matrix::BLOCK * n;
        let blocks = cache.spread.par_chunks_mut(block);
        blocks
            .zip(cache.output.par_chunks_mut(block))
            .for_each(|(spread, output)| {
                let mut distance = output.to_vec();
                let rows = distance.chunks_exact_mut(n).zip(spread.chunks_exact_mut(n));
                for (distance, spread) in rows {
                    for j in 0..n {
                        spread[j] *= inverse[j] * inverse[j];
                        let square =
                            schedule.width * schedule.width + gamma[j] * gamma[j] * spread[j];
                        distance[j] /= square.sqrt();
                    }
                }
                let mut density = vec![0.0; distance.len()];
                normal_distribution(self.level, &distance, output, &mut density)
                    .expect("the three have one length");
                for output in output {
                    *output = 2.0 * *output - 1.0;
                }
            });
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
        let rows = cache.sums.len() / n;
        let norm = layer.norm.as_mut().expect("a hidden layer is normalised");
        let inverse = norm.inverse_deviation();
        let (gamma, beta) = (&norm.gamma.values, &norm.beta.values);

        // From dL/d(output) to g_a and g_d.
        let block = matrix::BLOCK * n;
        let mut by_square = vec![0.0; cache.spread.len()];
        let remembered = cache
            .sums
            .par_chunks(block)
            .zip(cache.spread.par_chunks(block));
        cache
            .gradient
            .par_chunks_mut(block)
            .zip(by_square.par_chunks_mut(block))
            .zip(remembered)
            .for_each(|((gradient, by_square), (sums, spread))| {
                let (mut a, mut per_d) = (vec![0.0; sums.len()], vec![0.0; sums.len()]);
                for (index, (sum, spread)) in sums.iter().zip(spread).enumerate() {
                    let j = index % n;
                    a[index] = gamma[j] * sum + beta[j];
                    let square = schedule.width * schedule.width + gamma[j] * gamma[j] * spread;
                    per_d[index] = 1.0 / square.sqrt();
                }
                let q: Vec<f32> = a.iter().zip(&per_d).map(|(a, per_d)| a * per_d).collect();
                let (mut survival, mut density) = (vec![0.0; q.len()], vec![0.0; q.len()]);
                normal_distribution(self.level, &q, &mut survival, &mut density)
                    .expect("the three have one length");
                for index in 0..q.len() {
                    gradient[index] *= 2.0 * density[index] * per_d[index];
                    by_square[index] =
                        -0.5 * gradient[index] * a[index] * per_d[index] * per_d[index];
                }
            });

        let totals = matrix::column_sums::<3>(rows, n, |range, [by_beta, by_gamma, by_spread]| {
            for row in range {
                let row = row * n..(row + 1) * n;
                let (gradient, by_square) = (&cache.gradient[row.clone()], &by_square[row.clone()]);
                let (sums, spread) = (&cache.sums[row.clone()], &cache.spread[row]);
                for j in 0..n {
                    by_beta[j] += gradient[j];
                    by_gamma[j] += gradient[j] * sums[j];
                    by_spread[j] += by_square[j] * spread[j];
                }
            }
        });
        let (mut mean, mut by_variance) = (vec![0.0; n], vec![0.0; n]);
        for (j, [by_beta, by_gamma, by_spread]) in totals.into_iter().enumerate() {
            let gamma = f64::from(gamma[j]);
            norm.beta.gradient[j] = by_beta as f32;
            norm.gamma.gradient[j] = (by_gamma + 2.0 * gamma * by_spread) as f32;
            let by_variance_total = -(0.5 * gamma * by_gamma + gamma * gamma * by_spread)
                * f64::from(inverse[j] * inverse[j]);
            by_variance[j] = (by_variance_total / rows as f64) as f32;
            mean[j] = (by_beta / rows as f64) as f32;
        }
        let sums = cache.sums.par_chunks(block);
        cache
            .gradient
            .par_chunks_mut(block)
            .zip(by_square.par_chunks_mut(block))
            .zip(sums)
            .for_each(|((gradient, by_square), sums)| {
                let rows = gradient
                    .chunks_exact_mut(n)
                    .zip(by_square.chunks_exact_mut(n));
                for ((gradient, by_square), sums) in rows.zip(sums.chunks_exact(n)) {
                    for j in 0..n {
                        let scale = gamma[j] * inverse[j];
                        gradient[j] = scale * (gradient[j] - mean[j])
                            + 2.0 * by_variance[j] / inverse[j] * sums[j];
                        by_square[j] = scale * scale * by_square[j] + by_variance[j];
                    }
                }
            });

        layer::linear_backward(place, layer, cache, wants_input);
        let mut product = vec![0.0; k * n];
        let inputs = squares(&cache.patches);
        matrix::transposed_multiply(&inputs, &by_square, k, n, &mut product);
        add_square_gradient(&mut layer.latent.gradient, &layer.weights, &product);
        if wants_input {
            let weights = squares(&layer.weights);
            let mut product = inputs;
            matrix::multiply_transposed(&by_square, &weights, k, n, &mut product);
            add_square_gradient(&mut cache.patch_gradient, &cache.patches, &product);
        }
    }

    fn regularise(&self, layer: &mut LayerState, schedule: &ScheduleState) -> f64 {
        regularise_means(layer, schedule)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing, Gaussian, Method};
    use crate::train::layer::EPSILON;
    use bernet_kernels::isa::Level;
    use testing::{Numbers, OUTPUTS, SCHEDULE};

    const GAUSSIAN: Gaussian = Gaussian {
        level: Level::Portable(bernet_kernels::isa::Portable),
    };

    /// The layer as the first lines of this file define it.
    fn outputs(numbers: &Numbers) -> Vec<f64> {
        let means = numbers.sums(|x, w| x * w);
        let variances = numbers.sums(|x, w| 1.0 - x * x * w * w);
        let (over_batch, about_means) = (testing::moments(&means), testing::moments(&variances));
        let temperature = f64::from(SCHEDULE.width);
        means
            .iter()
            .zip(&variances)
            .enumerate()
            .map(|(index, (mean, variance))| {
                let j = index % OUTPUTS;
                let square = over_batch[j][1] + about_means[j][0] + f64::from(EPSILON);
                let normalised = (mean - over_batch[j][0]) / square.sqrt();
                let a = numbers.gamma[j] * normalised + numbers.beta[j];
                let d = temperature.powi(2) + numbers.gamma[j].powi(2) * variance / square;
                2.0 * testing::normal(a / d.sqrt()) - 1.0
            })
            .collect()
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        for depth in [6, 50] {
            testing::assert_gradients(&GAUSSIAN, depth, |numbers, _, cache| {
                let outputs = outputs(numbers);
                // At the numbers themselves it is what the forward pass gives; the largest step moves it by 1e-5.
                for (expected, found) in outputs.iter().zip(&cache.output) {
                    assert!((expected - f64::from(*found)).abs() < 3e-5);
                }
                outputs
            });
        }
    }

    /// The approximation against the exact probabilities, where the sums are many.
    #[test]
    fn outputs_are_near_those_of_exact_distributions() {
        let (place, mut layer, mut cache, _) = testing::setting(&GAUSSIAN, 200);
        let schedule = super::ScheduleState {
            width: 1e-3,
            ..SCHEDULE
        };
        GAUSSIAN.forward(&place, &mut layer, &mut cache, &schedule, true);
        let near = cache.output.clone();
        let distribution = crate::train::Distribution::Precise;
        let exact = super::super::Exact::new(GAUSSIAN.level, distribution);
        exact.forward(&place, &mut layer, &mut cache, &schedule, true);
        for (exact, near) in cache.output.iter().zip(&near) {
            // The exact threshold is rounded to the next sum, up to 2 in 13 deviations away.
            assert!((exact - near).abs() < 0.08, "{exact} {near}");
        }
    }
}
