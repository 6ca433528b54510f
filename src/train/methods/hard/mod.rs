//! Exact distributions over the weights, activations that are hard from the first step.
//!
//! Inputs are `x = ±1`, weights independent Bernoulli variables of means `m`: the product `x_k w_k` is +1 with probability
//! `v_k = (1 + x_k m_k)/2`, the number `J` of products that are +1 is Poisson-binomial, and the sum is `S = 2J − K`. With noise `ξ` on the
//! threshold, the layer's probability and its output bit are
//!
//! ```text
//! z = P(S + ξ ≥ t),    t = μ − β σ/γ,    width of ξ: T σ/|γ|
//! bit = +1 where z ≥ ½ (the mode), or with probability z (a sample);  inverted where γ < 0
//! ```
//!
//! where μ and σ² are the mean and the whole variance of the channel's sums: the variance of their means over the batch and that about
//! their means, `Σ_k (1 − m_k²)`, which is the same for every sample. So `z` is the probability of `γ (S − μ)/σ + β + T·noise ≥ 0`. T falls
//! in the course of training; the noise keeps gradients alive where weights are certain. Once all are, the bit is the deployed net's.
//! No real number is handed on, so that there is none to be lost when the net is deployed.
//!
//! **Distribution.** `P(J = j)` is exact ([`distribution`]), convolved with the noise at the threshold ([`noise`]).
//!
//! **Backward.** The bit's derivative is that of `2z − 1`: `∂z/∂v_k` by the chosen form ([`leave_one_out`]), and `∂z/∂t` and the one by
//! the width, which move γ and β and, through μ and σ, all the batch:
//!
//! ```text
//! ∂t/∂μ = 1   ∂t/∂σ = −β/γ   ∂t/∂β = −σ/γ   ∂t/∂γ = βσ/γ²      ∂width/∂σ = width/σ   ∂width/∂γ = −width/γ
//! ∂σ/∂E S_r = (E S_r − μ)/(R σ)   ∂σ/∂m_k = −m_k/σ
//! ```

mod distribution;
mod leave_one_out;
mod noise;
mod series;

use super::{
    super::{
        layer::{self, Cache, EPSILON, Layer, Place},
        matrix,
        random::{Purpose, Random},
    },
    Method, Moment,
    distinct::Distinct,
    draw_means, regularise_means,
};
use crate::train::choices::{Activations, Distribution, Noise};
use distribution::{Buffers, Groups, LANES, groups, patterns};
use leave_one_out::{Form, Nodes, TERMS};
use noise::{Curve, Tables};
use rayon::prelude::*;
use series::{Cumulants, FEWEST, Series};

/// Rows of a task.
const ROWS: usize = 64;

/// Training by exact distributions over the weights and hard activations.
pub(crate) struct Hard {
    form: Form,
    noise: Noise,
    /// Whether the bit is drawn; else it is the mode.
    samples: bool,
    nodes: Nodes,
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

/// How a channel's probabilities are had from a sample.
enum Source {
    /// By the sample's own distribution.
    Exact(Groups, Tables),
    /// By that of one sample, moved.
    Series(Series),
}

/// What the forward pass leaves for the backward pass: rows are samples, or the distinct ones.
#[derive(Default, Debug)]
pub(crate) struct Kept {
    distinct: Option<Distinct>,
    /// z, `R × N`.
    probability: Vec<f32>,
    /// −∂z/∂t, t in successes, `R × N`.
    density: Vec<f32>,
    /// ∂z/∂w, w in successes, `R × N`.
    by_width: Vec<f32>,
    /// `R × terms · N`.
    terms: Vec<f32>,
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
            form,
            noise,
            samples: activations == Activations::Sample,
            nodes: Nodes::new(),
        }
    }

    fn channels(&self, place: &Place, layer: &Layer, moment: &Moment) -> Vec<Channel> {
        let norm = layer.norm.as_ref().expect("a hidden layer is normalised");
        (0..place.outputs())
            .map(|j| {
                let gamma = f64::from(norm.gamma.values[j]);
                let direction = if gamma < 0.0 { -1.0 } else { 1.0 };
                // Without a slope the noise is as wide as can be, and the probability that of β alone.
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
                        width: 0.5 * f64::from(moment.width) * deviation / gamma.abs(),
                    },
                }
            })
            .collect()
    }

    /// The form that gradients have in a layer of this depth.
    fn form(&self, depth: usize) -> Form {
        if depth < FEWEST {
            self.form
        } else {
            Series::form(self.form)
        }
    }

    /// Fills in everything of `kept` but the distinct rows.
    fn distributions(&self, weights: &[f32], channels: &[Channel], rows: &[f32], kept: &mut Kept) {
        let n = channels.len();
        let depth = weights.len() / n;
        let (form, deep) = (self.form(depth), depth >= FEWEST);
        let (count, terms) = (rows.len() / depth, form.terms());
        for values in [&mut kept.probability, &mut kept.density, &mut kept.by_width] {
            values.resize(count * n, 0.0);
        }
        kept.terms.resize(count * n * terms, 0.0);
        let cumulants = if deep {
            cumulants(weights, rows, depth, n)
        } else {
            Vec::new()
        };
        let sources: Vec<Source> = channels
            .par_iter()
            .enumerate()
            .map(|(j, channel)| {
                let means: Vec<f32> = weights.iter().skip(j).step_by(n).copied().collect();
                let groups = Groups::new(&means);
                if deep {
                    let samples = cumulants.iter().skip(j).step_by(n).copied();
                    if let Some(series) = series(form, channel.curve, &groups, samples, rows) {
                        return Source::Series(series);
                    }
                }
                Source::Exact(groups, Tables::new(channel.curve, depth))
            })
            .collect();
        let own_distributions = sources
            .iter()
            .any(|source| matches!(source, Source::Exact(..)));
        let results = kept
            .probability
            .par_chunks_mut(ROWS * n)
            .zip(kept.density.par_chunks_mut(ROWS * n))
            .zip(kept.by_width.par_chunks_mut(ROWS * n))
            .zip(kept.terms.par_chunks_mut(ROWS * n * terms))
            .enumerate();
        rows.par_chunks(ROWS * depth).zip(results).for_each_init(
            || Buffers::new(depth),
            |buffers, (rows, (block, (((probability, density), by_width), terms)))| {
                let patterns: Vec<u8> = if own_distributions {
                    rows.chunks_exact(depth).flat_map(patterns).collect()
                } else {
                    Vec::new()
                };
                let width = groups(depth);
                distribution::vectorised(|| {
                    for (j, source) in sources.iter().enumerate() {
                        for row in 0..rows.len() / depth {
                            let mut found = [0.0; TERMS];
                            let found = &mut found[..form.terms()];
                            let [z, f, w] = match source {
                                Source::Exact(groups, tables) => {
                                    let patterns = &patterns[row * width..][..width];
                                    let (first, y) = groups.distribution(patterns, buffers);
                                    form.evaluate(&self.nodes, (first, y), &tables.cell, found);
                                    tables.expect(first, y)
                                }
                                Source::Series(series) => {
                                    let sample = cumulants[(block * ROWS + row) * n + j];
                                    series.evaluate(sample, found)
                                }
                            };
                            let at = row * n + j;
                            (probability[at], density[at], by_width[at]) = (z, f, w);
                            let terms = &mut terms[row * n * found.len()..][..n * found.len()];
                            for (d, term) in found.iter().enumerate() {
                                terms[d * n + j] = *term;
                            }
                        }
                    }
                });
            },
        );
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

/// How many successes each sample of each channel expects, and the third cumulants, `R × N`.
fn cumulants(weights: &[f32], rows: &[f32], depth: usize, n: usize) -> Vec<Cumulants> {
    let count = rows.len() / depth;
    // Both products at once.
    let mut both = Vec::with_capacity(2 * weights.len());
    for weights in weights.chunks_exact(n) {
        both.extend_from_slice(weights);
        both.extend(weights.iter().map(|m| m * (1.0 - m * m)));
    }
    let mut sums = vec![0.0; count * 2 * n];
    matrix::multiply(rows, &both, depth, 2 * n, &mut sums);
    let sums = sums.chunks_exact(2 * n);
    let cumulants = sums.flat_map(|sums| {
        let (first, third) = sums.split_at(n);
        first.iter().zip(third).map(|(first, third)| Cumulants {
            mean: 0.5 * (depth as f32 + first),
            third: -0.25 * third,
        })
    });
    cumulants.collect()
}

/// The series of a channel, about the sample whose third cumulant is nearest the average.
fn series(
    form: Form,
    curve: Curve,
    groups: &Groups,
    samples: impl Iterator<Item = Cumulants> + Clone,
    rows: &[f32],
) -> Option<Series> {
    let (mut count, mut total) = (0, 0.0);
    let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
    for sample in samples.clone() {
        (count, total) = (count + 1, total + f64::from(sample.third));
        (low, high) = (low.min(sample.mean), high.max(sample.mean));
    }
    let average = (total / f64::from(count)) as f32;
    let distance = |sample: &Cumulants| (sample.third - average).abs();
    let (nearest, sample) = samples
        .enumerate()
        .min_by(|(_, a), (_, b)| distance(a).total_cmp(&distance(b)))?;
    let depth = rows.len() / count as usize;
    let patterns: Vec<u8> = patterns(&rows[nearest * depth..][..depth]).collect();
    let reference = (groups, &patterns[..], sample);
    Series::new(
        form,
        curve,
        [low, high],
        reference,
        &mut Buffers::new(depth),
    )
}

impl Method for Hard {
    fn draw(&self, layer: &mut Layer, moment: &Moment, random: &mut Random) {
        draw_means(layer, moment);
        layer.noise = random.key();
    }

    fn forward(
        &self,
        place: &Place,
        layer: &mut Layer,
        cache: &mut Cache,
        moment: &Moment,
        measure: bool,
    ) {
        let (k, n) = (place.depth(), place.outputs());
        let kept = &mut cache.hard;
        kept.distinct = Distinct::of(&cache.patches, k);
        match &kept.distinct {
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
        let channels = self.channels(place, layer, moment);
        let distinct = kept.distinct.take();
        let rows = distinct.as_ref().map_or(&cache.patches, |rows| &rows.rows);
        self.distributions(&layer.weights, &channels, rows, kept);
        match &distinct {
            Some(distinct) => distinct.spread(&kept.probability, n, &mut cache.output),
            None => cache.output.copy_from_slice(&kept.probability),
        }
        kept.distinct = distinct;
        self.bits(layer.noise, &channels, &mut cache.output);
    }

    fn backward(
        &self,
        place: &Place,
        layer: &mut Layer,
        cache: &mut Cache,
        moment: &Moment,
        wants_input: bool,
    ) {
        let (k, n) = (place.depth(), place.outputs());
        let channels = self.channels(place, layer, moment);
        let kept = &mut cache.hard;
        if wants_input && kept.distinct.take().is_some() {
            // Equal rows hand on gradients of their own.
            self.distributions(&layer.weights, &channels, &cache.patches, kept);
        }
        let (rows, upstream) = match &kept.distinct {
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
            let density = kept.density[range.clone()].chunks_exact(n);
            let by_width = kept.by_width[range].chunks_exact(n);
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
                matrix::vectorised(|| {
                    let [by_mean, scale, mean] =
                        [&by_mean, &scale, &norm.mean].map(|channels| &channels[..n]);
                    for (gradient, sums) in gradient.chunks_exact_mut(n).zip(sums.chunks_exact(n)) {
                        for j in 0..n {
                            gradient[j] = by_mean[j] + scale[j] * (sums[j] - mean[j]);
                        }
                    }
                });
            });
        let by_sums = kept
            .distinct
            .as_ref()
            .map(|distinct| distinct.sum(&cache.gradient, n));
        let by_sums = by_sums.as_ref().unwrap_or(&cache.gradient);

        let weights = &layer.weights;
        let product = Product::new(self.form(k), weights, by_sums, &by_probability, kept, n);
        let gradient = &mut layer.latent.gradient;
        product.by_weights(rows, k, gradient);
        for (gradient, weights) in gradient.chunks_exact_mut(n).zip(weights.chunks_exact(n)) {
            for j in 0..n {
                gradient[j] -= by_deviation[j] / channels[j].deviation as f32 * weights[j];
            }
        }
        if wants_input {
            product.by_inputs(rows, weights, k, &mut cache.patch_gradient);
        }
    }

    fn regularise(&self, layer: &mut Layer, moment: &Moment) -> f64 {
        regularise_means(layer, moment)
    }
}

/// The matrix products of a layer's gradients.
///
/// ```text
/// dL/dm = ½ Σ_d even_d(m) (Xᵀ U_d) + odd_d(m) (1ᵀ U_d)  +  Xᵀ G
/// dL/dx = ½ Σ_d U_d (m even_d(m))ᵀ + x (U_d (m odd_d(m))ᵀ)  +  G mᵀ
/// ```
///
/// with `U_d = dL/dz · term_d` and `G` the gradient by the sums' means.
struct Product {
    n: usize,
    /// `R × (even + 1) · N`: of each even term `U_d`, then `G`.
    upstream: Vec<f32>,
    /// `R × odd · N`.
    odd_upstream: Vec<f32>,
    /// `K × (even + 1) · N`: `½ even_d`, then 1.
    even: Vec<f32>,
    /// `K × odd · N`: `½ odd_d`.
    odd: Vec<f32>,
}

impl Product {
    fn new(
        form: Form,
        weights: &[f32],
        by_sums: &[f32],
        by_probability: &[f32],
        kept: &Kept,
        n: usize,
    ) -> Self {
        let [evens, odds] = form.parities();
        let rows = by_sums.len() / n;
        let (width, odd_width) = ((evens.len() + 1) * n, odds.len() * n);
        let mut upstream = vec![0.0; rows * width];
        let mut odd_upstream = vec![0.0; rows * odd_width];
        let inputs = by_sums
            .par_chunks(n)
            .zip(by_probability.par_chunks(n))
            .zip(kept.terms.par_chunks(n * form.terms()));
        upstream
            .par_chunks_mut(width)
            .zip(odd_upstream.par_chunks_mut(odd_width))
            .zip(inputs)
            .with_min_len(matrix::BLOCK)
            .for_each(|((upstream, odd_upstream), ((sums, probability), terms))| {
                for (list, out) in [(&evens, &mut *upstream), (&odds, odd_upstream)] {
                    for (d, out) in list.iter().zip(out.chunks_exact_mut(n)) {
                        let terms = terms[d * n..][..n].iter().zip(probability);
                        for (out, (term, probability)) in out.iter_mut().zip(terms) {
                            *out = probability * term;
                        }
                    }
                }
                upstream[evens.len() * n..].copy_from_slice(sums);
            });
        let depth = weights.len() / n;
        let (mut even, mut odd) = (vec![1.0; depth * width], vec![0.0; depth * odd_width]);
        even.par_chunks_mut(width)
            .zip(odd.par_chunks_mut(odd_width))
            .zip(weights.par_chunks(n))
            .with_min_len(LANES)
            .for_each(|((even, odd), weights)| {
                for (j, weight) in weights.iter().enumerate() {
                    let [even_parts, odd_parts] = form.parts(*weight);
                    for (at, d) in evens.iter().enumerate() {
                        even[at * n + j] = 0.5 * even_parts[*d];
                    }
                    for (at, d) in odds.iter().enumerate() {
                        odd[at * n + j] = 0.5 * odd_parts[*d];
                    }
                }
            });
        Self {
            n,
            upstream,
            odd_upstream,
            even,
            odd,
        }
    }

    /// `dL/dm [K × N]` for inputs `rows [R × K]`.
    fn by_weights(&self, rows: &[f32], k: usize, gradient: &mut [f32]) {
        let n = self.n;
        let (width, odd_width) = (self.even.len() / k, self.odd.len() / k);
        let mut products = vec![0.0; k * width];
        matrix::transposed_multiply(rows, &self.upstream, k, width, &mut products);
        let count = self.odd_upstream.len() / odd_width;
        let totals = matrix::column_sums::<1>(count, odd_width, |range, [total]| {
            let rows = &self.odd_upstream[range.start * odd_width..range.end * odd_width];
            for row in rows.chunks_exact(odd_width) {
                matrix::add(total, row);
            }
        });
        let totals: Vec<f32> = totals.into_iter().map(|[total]| total as f32).collect();
        let parts = self
            .even
            .par_chunks(width)
            .zip(self.odd.par_chunks(odd_width));
        let lines = gradient.par_chunks_mut(n).zip(products.par_chunks(width));
        lines
            .zip(parts)
            .with_min_len(LANES)
            .for_each(|((gradient, products), (even, odd))| {
                gradient.fill(0.0);
                for (parts, factors) in [(even, products), (odd, &totals[..])] {
                    for (parts, factors) in parts.chunks_exact(n).zip(factors.chunks_exact(n)) {
                        for j in 0..n {
                            gradient[j] += parts[j] * factors[j];
                        }
                    }
                }
            });
    }

    /// `dL/dx [R × K]` for inputs `rows` and means `weights [K × N]`.
    fn by_inputs(mut self, rows: &[f32], weights: &[f32], k: usize, gradient: &mut [f32]) {
        let n = self.n;
        let (width, odd_width) = (self.even.len() / k, self.odd.len() / k);
        let parts = self
            .even
            .par_chunks_mut(width)
            .zip(self.odd.par_chunks_mut(odd_width));
        parts
            .zip(weights.par_chunks(n))
            .with_min_len(LANES)
            .for_each(|((even, odd), weights)| {
                for parts in even.chunks_exact_mut(n).chain(odd.chunks_exact_mut(n)) {
                    for (part, weight) in parts.iter_mut().zip(weights) {
                        *part *= weight;
                    }
                }
            });
        matrix::multiply_transposed(&self.upstream, &self.even, k, width, gradient);
        let mut signed = vec![0.0; gradient.len()];
        matrix::multiply_transposed(&self.odd_upstream, &self.odd, k, odd_width, &mut signed);
        let lines = gradient.par_chunks_mut(k).zip(signed.par_chunks(k));
        lines
            .zip(rows.par_chunks(k))
            .with_min_len(matrix::BLOCK)
            .for_each(|((gradient, signed), inputs)| {
                for ((gradient, signed), input) in gradient.iter_mut().zip(signed).zip(inputs) {
                    *gradient += input * signed;
                }
            });
    }
}
