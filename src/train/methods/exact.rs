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

use super::{
    super::{
        layer::{self, Cache, EPSILON, Layer, Place, sign},
        matrix,
        random::Random,
    },
    Method, Moment,
};
use bernet_kernels::{
    isa::Level,
    poisson_binomial::{self, Factors, Form, Gradient, Scratch},
};
use rayon::prelude::*;

/// Rows of a task: the factors of one channel for so many rows stay in the second-level cache.
const ROWS: usize = 64;

/// Mean-field training through exact distributions.
pub(crate) struct Exact {
    pub(crate) level: Level,
    pub(crate) gradient: Gradient,
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
    fn cuts(place: &Place, layer: &Layer) -> Vec<Cut> {
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
    let sums = matrix::column_sums::<1>(rows, depth, |range, total| {
        for row in patches[range.start * depth..range.end * depth].chunks_exact(depth) {
            for (total, value) in total.iter_mut().zip(row) {
                total[0] += value * value;
            }
        }
    });
    sums.into_iter()
        .map(|[sum]| (sum / rows as f64) as f32)
        .collect()
}

/// A block of rows of `patches`, transposed: `[K × rows]`.
fn transpose(block: &[f32], depth: usize) -> Vec<f32> {
    let rows = block.len() / depth;
    let mut out = vec![0.0; block.len()];
    for (row, values) in block.chunks_exact(depth).enumerate() {
        for (k, value) in values.iter().enumerate() {
            out[k * rows + row] = *value;
        }
    }
    out
}

/// `v[k · rows + r]` of one channel.
fn factors(
    inputs: &[f32],
    weights: &[f32],
    channel: usize,
    outputs: usize,
    rows: usize,
    out: &mut [f32],
) {
    for (k, (out, inputs)) in out
        .chunks_exact_mut(rows)
        .zip(inputs.chunks_exact(rows))
        .enumerate()
    {
        let half = 0.5 * weights[k * outputs + channel];
        for (out, input) in out.iter_mut().zip(inputs) {
            *out = 0.5 + half * input;
        }
    }
}

/// What one block of rows adds to the gradients.
struct Partial {
    weights: Vec<f32>,
    threshold: Vec<f32>,
}

impl Method for Exact {
    fn draw(&self, layer: &mut Layer, moment: &Moment, _: &mut Random) {
        let n = layer.uncertainty.len();
        layer.uncertainty.fill(0.0);
        for (index, weight) in layer.weights.iter_mut().enumerate() {
            let latent = layer.latent.values[index];
            *weight = if layer.frozen[index] {
                sign(latent)
            } else {
                (latent / moment.temperature).tanh()
            };
            layer.uncertainty[index % n] += 1.0 - *weight * *weight;
        }
    }

    fn settle(&self, layer: &mut Layer, _: &Moment) {
        for (weight, latent) in layer.weights.iter_mut().zip(&layer.latent.values) {
            *weight = sign(*latent);
        }
    }

    fn forward(&self, place: &Place, layer: &mut Layer, cache: &mut Cache, measure: bool) {
        let (k, n) = (place.depth(), place.outputs());
        layer::linear(place, layer, cache);
        if measure {
            let squares = mean_squares(&cache.patches, k);
            let norm = layer.norm.as_mut().expect("a hidden layer is normalised");
            layer::measure(norm, &cache.sums);
            for (weights, square) in layer.weights.chunks_exact(n).zip(squares) {
                for (variance, weight) in norm.variance.iter_mut().zip(weights) {
                    *variance += 1.0 - weight * weight * square;
                }
            }
        }
        let cuts = Self::cuts(place, layer);
        let blocks = cache
            .output
            .par_chunks_mut(ROWS * n)
            .zip(cache.patches.par_chunks(ROWS * k));
        blocks.for_each_init(Scratch::default, |scratch, (output, patches)| {
            let rows = patches.len() / k;
            let inputs = transpose(patches, k);
            let mut v = vec![0.0; k * rows];
            let (mut survival, mut mass) = (vec![0.0; rows], vec![0.0; rows]);
            for (channel, cut) in cuts.iter().enumerate() {
                factors(&inputs, &layer.weights, channel, n, rows, &mut v);
                let factors = Factors::new(&v, rows).expect("means lie in [−1, 1]");
                let (z, y) = (&mut survival, &mut mass);
                poisson_binomial::survival(
                    self.level,
                    Form::Undecided,
                    factors,
                    cut.least,
                    z,
                    y,
                    scratch,
                )
                .expect("the results have the length of the block");
                for (row, z) in survival.iter().enumerate() {
                    output[row * n + channel] = cut.direction * (2.0 * z - 1.0);
                }
            }
        });
    }

    fn backward(
        &self,
        place: &Place,
        layer: &mut Layer,
        cache: &mut Cache,
        _: &Moment,
        wants_input: bool,
    ) {
        let (k, n) = (place.depth(), place.outputs());
        let rows = cache.sums.len() / n;
        let cuts = Self::cuts(place, layer);
        let mut input_gradient = vec![0.0; if wants_input { cache.patches.len() } else { 0 }];
        let blocks = cache
            .patches
            .par_chunks(ROWS * k)
            .zip(cache.gradient.par_chunks(ROWS * n));
        let block = |(patches, gradient): (&[f32], &[f32]), input_gradient: Option<&mut [f32]>| {
            self.backward_block(layer, &cuts, patches, gradient, input_gradient)
        };
        let partials: Vec<Partial> = if wants_input {
            let inputs = input_gradient.par_chunks_mut(ROWS * k);
            blocks
                .zip(inputs)
                .map(|(values, input)| block(values, Some(input)))
                .collect()
        } else {
            blocks.map(|values| block(values, None)).collect()
        };
        let mut weight_gradient = vec![0.0; k * n];
        let mut threshold_gradient = vec![0.0f64; n];
        for partial in partials {
            matrix::add(&mut weight_gradient, &partial.weights);
            for (total, partial) in threshold_gradient.iter_mut().zip(partial.threshold) {
                *total += f64::from(partial);
            }
        }

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
                threshold_gradient[j] as f32,
            );
            norm.beta.gradient[j] = -total * deviation[j] / gamma;
            norm.gamma.gradient[j] = total * beta * deviation[j] / (gamma * gamma);
            by_mean[j] = total / rows as f32;
            by_deviation[j] = -total * beta / gamma / (rows as f32 * deviation[j]);
        }
        for (gradient, sums) in cache
            .gradient
            .chunks_exact_mut(n)
            .zip(cache.sums.chunks_exact(n))
        {
            for j in 0..n {
                gradient[j] = by_mean[j] + by_deviation[j] * (sums[j] - norm.mean[j]);
            }
        }
        layer::linear_backward(place, layer, cache, wants_input);

        // Through the variance about the means, −Σ x² w² in each row, half of whose gradient is by_deviation.
        let squares = mean_squares(&cache.patches, k);
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
            let terms = cache
                .patches
                .par_chunks(k)
                .zip(input_gradient.par_chunks(k));
            cache.patch_gradient.par_chunks_mut(k).zip(terms).for_each(
                |(out, (inputs, gradient))| {
                    for index in 0..k {
                        out[index] += gradient[index] + by_square[index] * inputs[index];
                    }
                },
            );
        }
    }
}

impl Exact {
    /// The gradients of one block of rows through the factors, and those of its channels' thresholds.
    fn backward_block(
        &self,
        layer: &Layer,
        cuts: &[Cut],
        patches: &[f32],
        gradient: &[f32],
        input_gradient: Option<&mut [f32]>,
    ) -> Partial {
        let n = cuts.len();
        let k = layer.weights.len() / n;
        let rows = patches.len() / k;
        let inputs = transpose(patches, k);
        let mut scratch = Scratch::default();
        let (mut v, mut dz_dv) = (vec![0.0; k * rows], vec![0.0; k * rows]);
        let (mut survival, mut mass) = (vec![0.0; rows], vec![0.0; rows]);
        let mut input_columns = vec![0.0; k * rows];
        let mut partial = Partial {
            weights: vec![0.0; k * n],
            threshold: vec![0.0; n],
        };
        for (channel, cut) in cuts.iter().enumerate() {
            factors(&inputs, &layer.weights, channel, n, rows, &mut v);
            let factors = Factors::new(&v, rows).expect("means lie in [−1, 1]");
            let (z, y) = (&mut survival, &mut mass);
            poisson_binomial::gradient(
                self.level,
                self.gradient,
                factors,
                cut.least,
                z,
                y,
                &mut dz_dv,
                &mut scratch,
            )
            .expect("the results have the length of the block");
            let upstream: Vec<f32> = (0..rows)
                .map(|row| cut.direction * gradient[row * n + channel])
                .collect();
            partial.threshold[channel] = -upstream
                .iter()
                .zip(&mass)
                .map(|(upstream, mass)| upstream * mass)
                .sum::<f32>();
            for (index, dz_dv) in dz_dv.chunks_exact(rows).enumerate() {
                let weight = layer.weights[index * n + channel];
                let mut total = 0.0;
                for row in 0..rows {
                    let by_product = upstream[row] * dz_dv[row];
                    total += by_product * inputs[index * rows + row];
                    input_columns[index * rows + row] += by_product * weight;
                }
                partial.weights[index * n + channel] = total;
            }
        }
        if let Some(out) = input_gradient {
            for (row, out) in out.chunks_exact_mut(k).enumerate() {
                for (index, out) in out.iter_mut().enumerate() {
                    *out = input_columns[index * rows + row];
                }
            }
        }
        partial
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::{layer::Initial, random::Purpose};
    use bernet_kernels::{
        bits::Shape,
        isa::Portable,
        xnor::{Geometry, PaddingValue},
    };

    const ROWS: usize = 9;
    const DEPTH: usize = 6;
    const OUTPUTS: usize = 3;
    const MOMENT: Moment = Moment {
        temperature: 0.5,
        width: 1.0,
    };
    const EXACT: Exact = Exact {
        level: Level::Portable(Portable),
        gradient: Gradient::Precise,
    };

    /// A layer with one flipped channel, and a batch of soft inputs.
    fn setting() -> (Place, Layer, Cache, Vec<f32>) {
        let shape = |channels| Shape {
            batch: 1,
            height: 1,
            width: 1,
            channels,
        };
        let geometry = Geometry {
            channels: DEPTH,
            outputs: OUTPUTS,
            kernel: [1, 1],
            stride: [1, 1],
            padding: [0; 4],
            padding_value: PaddingValue::MinusOne,
        };
        let place = Place {
            geometry,
            input: shape(DEPTH),
            output: shape(OUTPUTS),
        };
        let mut random = Random::new(9, Purpose::Initial, 0);
        let mut layer = Layer::new(place, false, Initial::Uniform(0.5), &mut random);
        EXACT.draw(&mut layer, &MOMENT, &mut random);
        let norm = layer.norm.as_mut().expect("a hidden layer is normalised");
        norm.gamma.values.copy_from_slice(&[1.2, -0.8, 0.6]);
        norm.beta.values.copy_from_slice(&[0.2, 0.1, -0.3]);
        let mut cache = Cache::default();
        cache.reserve(&place, ROWS);
        cache.patches.fill_with(|| 2.0 * random.uniform() - 1.0);
        let upstream = (0..ROWS * OUTPUTS).map(|_| random.normal()).collect();
        (place, layer, cache, upstream)
    }

    fn differences(values: usize, mut loss: impl FnMut(usize, f32) -> f64) -> Vec<f64> {
        const STEP: f32 = 1e-2;
        (0..values)
            .map(|index| (loss(index, STEP) - loss(index, -STEP)) / f64::from(2.0 * STEP))
            .collect()
    }

    fn assert_close(numeric: &[f64], found: impl IntoIterator<Item = f32>, what: &str) {
        for (index, (numeric, found)) in numeric.iter().zip(found).enumerate() {
            let difference = (numeric - f64::from(found)).abs();
            assert!(
                difference < 1e-3 + 0.01 * numeric.abs(),
                "{what} {index}: {numeric} by differences, {found} found"
            );
        }
    }

    fn weighted(values: &[f32], weights: &[f32]) -> f64 {
        values
            .iter()
            .zip(weights)
            .map(|(value, weight)| f64::from(value * weight))
            .sum()
    }

    /// With the thresholds held, the outputs are polynomials in weights and inputs.
    #[test]
    fn factors_have_the_gradients_of_finite_differences() {
        let (place, mut layer, mut cache, upstream) = setting();
        EXACT.forward(&place, &mut layer, &mut cache, true);
        let cuts = Exact::cuts(&place, &layer);
        let mut inputs = vec![0.0; ROWS * DEPTH];
        let found =
            EXACT.backward_block(&layer, &cuts, &cache.patches, &upstream, Some(&mut inputs));
        let by_weight = differences(DEPTH * OUTPUTS, |index, step| {
            let mut layer = layer.clone();
            layer.weights[index] += step;
            EXACT.forward(&place, &mut layer, &mut cache, false);
            weighted(&cache.output, &upstream)
        });
        assert_close(&by_weight, found.weights, "weight");
        let by_input = differences(ROWS * DEPTH, |index, step| {
            cache.patches[index] += step;
            EXACT.forward(&place, &mut layer, &mut cache, false);
            cache.patches[index] -= step;
            weighted(&cache.output, &upstream)
        });
        assert_close(&by_input, inputs, "input");
    }

    /// What the whole backward pass adds to that of the factors is the thresholds' own dependence on the batch.
    #[test]
    fn thresholds_have_the_gradients_of_finite_differences() {
        let (place, mut layer, mut cache, upstream) = setting();
        EXACT.forward(&place, &mut layer, &mut cache, true);
        let cuts = Exact::cuts(&place, &layer);
        let mut inputs = vec![0.0; ROWS * DEPTH];
        let factors =
            EXACT.backward_block(&layer, &cuts, &cache.patches, &upstream, Some(&mut inputs));
        cache.gradient.copy_from_slice(&upstream);
        EXACT.backward(&place, &mut layer, &mut cache, &MOMENT, true);
        let through = |whole: &[f32], factors: &[f32]| -> Vec<f32> {
            whole
                .iter()
                .zip(factors)
                .map(|(whole, factors)| whole - factors)
                .collect()
        };
        let by_weight = through(&layer.latent.gradient, &factors.weights);
        let by_input = through(&cache.patch_gradient, &inputs);
        let norm = layer.norm.clone().expect("a hidden layer is normalised");

        // Σ_j G_j t_j, where G_j = dLoss/dt_j is what the thresholds were given.
        let total = |layer: &Layer| -> f64 {
            let norm = layer.norm.as_ref().expect("a hidden layer is normalised");
            (0..OUTPUTS)
                .map(|j| {
                    let deviation = (norm.variance[j] + EPSILON).sqrt();
                    let threshold =
                        norm.mean[j] - norm.beta.values[j] * deviation / norm.gamma.values[j];
                    f64::from(factors.threshold[j] * threshold)
                })
                .sum()
        };
        let numeric = differences(DEPTH * OUTPUTS, |index, step| {
            let mut layer = layer.clone();
            layer.weights[index] += step;
            EXACT.forward(&place, &mut layer, &mut cache, true);
            total(&layer)
        });
        assert_close(&numeric, by_weight, "weight");
        let numeric = differences(ROWS * DEPTH, |index, step| {
            cache.patches[index] += step;
            EXACT.forward(&place, &mut layer, &mut cache, true);
            cache.patches[index] -= step;
            total(&layer)
        });
        assert_close(&numeric, by_input, "input");
        for (what, found) in [("γ", &norm.gamma.gradient), ("β", &norm.beta.gradient)] {
            let numeric = differences(OUTPUTS, |index, step| {
                let mut layer = layer.clone();
                layer.norm = Some(norm.clone());
                let norm = layer.norm.as_mut().expect("just put there");
                let parameter = if what == "γ" {
                    &mut norm.gamma
                } else {
                    &mut norm.beta
                };
                parameter.values[index] += step;
                total(&layer)
            });
            assert_close(&numeric, found.iter().copied(), what);
        }
    }
}
