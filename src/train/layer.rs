//! A layer in training: its parameters, and what a batch leaves behind between the forward and the backward pass.
//!
//! Shapes: a batch of `B` images gives `R = B · height · width` rows at the layer's output; `K` is the depth (values under a
//! window), `N` the number of outputs. All matrices are row-major.

use super::{
    matrix,
    parameter::Parameter,
    random::{Purpose, Random},
};
use bernet_kernels::{bits::Shape, xnor::ConvParams};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::{any::Any, fmt};

/// Added to a variance before its root is taken.
pub(crate) const EPSILON: f32 = 1e-4;

/// The windows of a pool: without padding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Window {
    /// Height and width.
    pub(crate) kernel: [usize; 2],
    /// From one to the next, down and across.
    pub(crate) stride: [usize; 2],
}

/// The place of a layer in its net; shapes are those of one image.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Place {
    pub(crate) params: ConvParams,
    pub(crate) input: Shape,
    /// The windows whose sums are added up before they are normalised.
    pub(crate) average: Option<Window>,
    pub(crate) output: Shape,
    /// Whether the sums of the layer before are added to this one's.
    pub(crate) residual: bool,
    /// Whether each of the last layer's logits has a factor and a summand.
    pub(crate) scaled: bool,
}

impl Place {
    /// K.
    pub(crate) fn depth(&self) -> usize {
        self.params.depth(self.input.channels)
    }

    /// N.
    pub(crate) fn outputs(&self) -> usize {
        self.output.channels
    }

    /// R for one image.
    pub(crate) fn positions(&self) -> usize {
        self.output.height * self.output.width
    }

    /// Whether a window is one pixel and the windows are all pixels, in order.
    fn is_pointwise(&self) -> bool {
        self.params.kernel == [1, 1]
            && self.params.stride == [1, 1]
            && self.params.padding == [0; 4]
            && self.average.is_none()
    }

    /// Convolution windows whose sums one sum of the layer is.
    fn windows(&self) -> Window {
        self.average.unwrap_or(Window {
            kernel: [1, 1],
            stride: [1, 1],
        })
    }

    /// What a summand of a logit is multiplied by: the deviation of a sum of random signs, so that summands move as fast as factors.
    pub(crate) fn unit(&self) -> f32 {
        ((self.depth() * self.positions()) as f32).sqrt()
    }
}

/// Batch normalisation of the sums: γ and β, and the moments of the sums.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Norm {
    pub(crate) gamma: Parameter,
    pub(crate) beta: Parameter,
    #[serde(skip)]
    pub(crate) mean: Vec<f32>,
    #[serde(skip)]
    pub(crate) variance: Vec<f32>,
}

impl Norm {
    fn new(outputs: usize) -> Self {
        Self {
            gamma: Parameter::new(vec![1.0; outputs]),
            beta: Parameter::new(vec![0.0; outputs]),
            mean: vec![0.0; outputs],
            variance: vec![1.0; outputs],
        }
    }

    /// The same γ and β, nothing of which the optimiser remembers.
    pub(crate) fn restarted(&self) -> Self {
        Self {
            gamma: Parameter::new(self.gamma.values.clone()),
            beta: Parameter::new(self.beta.values.clone()),
            ..Self::new(self.mean.len())
        }
    }

    /// 1/σ of each output.
    pub(crate) fn inverse_deviation(&self) -> Vec<f32> {
        self.variance
            .iter()
            .map(|variance| 1.0 / (variance + EPSILON).sqrt())
            .collect()
    }
}

/// A layer's parameters.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct LayerState {
    /// `K × N` latents; a weight's sign is its latent's.
    pub(crate) latent: Parameter,
    /// Which weights are binary for good, `K × N`.
    pub(crate) frozen: Vec<bool>,
    /// Batch normalisation; of the last layer, where it is scaled, the logits' factors γ and summands β alone.
    pub(crate) norm: Option<Norm>,
    /// What else the method learns of the layer; mostly nothing.
    pub(crate) learned: Parameter,
    /// The weights of this step, `K × N`.
    #[serde(skip)]
    pub(crate) weights: Vec<f32>,
    /// Each output's variance of the weights about their means, `Σ_k (1 − m²)`.
    #[serde(skip)]
    pub(crate) uncertainty: Vec<f32>,
    /// The key of this step's noise, where the method adds any.
    #[serde(skip)]
    pub(crate) noise: u64,
}

/// `+1` for 0 and above, else `−1`.
#[inline(always)]
pub(crate) fn sign(value: f32) -> f32 {
    if value >= 0.0 { 1.0 } else { -1.0 }
}

/// How latents start.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub enum Initial {
    /// Uniform in ± the number.
    Uniform(f32),
    /// Normal with variance 1/K.
    Normal,
}

impl LayerState {
    pub(crate) fn new(place: Place, last: bool, initial: Initial, random: &mut Random) -> Self {
        let (k, n) = (place.depth(), place.outputs());
        let values = (0..k * n)
            .map(|_| match initial {
                Initial::Uniform(spread) => (2.0 * random.uniform() - 1.0) * spread,
                Initial::Normal => random.normal() / (k as f32).sqrt(),
            })
            .collect();
        let mut layer = Self {
            latent: Parameter::new(values),
            frozen: vec![false; k * n],
            norm: (!last || place.scaled).then(|| Norm::new(n)),
            learned: Parameter::default(),
            weights: Vec::new(),
            uncertainty: Vec::new(),
            noise: 0,
        };
        layer.restore(place);
        layer
    }

    /// What is trained, part by part.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = (&'static str, &Parameter)> {
        let norm = self.norm.iter();
        std::iter::once(("latents", &self.latent))
            .chain(norm.flat_map(|norm| [("γ", &norm.gamma), ("β", &norm.beta)]))
    }

    pub(crate) fn is_finite(&self) -> bool {
        self.parameters()
            .all(|(_, parameter)| parameter.not_finite().is_none())
    }

    /// Makes room for what a checkpoint leaves out.
    pub(crate) fn restore(&mut self, place: Place) {
        let (k, n) = (place.depth(), place.outputs());
        self.latent.restore_gradient();
        self.learned.restore_gradient();
        self.weights.resize(k * n, 0.0);
        self.uncertainty.resize(n, 0.0);
        if let Some(norm) = &mut self.norm {
            norm.gamma.restore_gradient();
            norm.beta.restore_gradient();
            norm.mean.resize(n, 0.0);
            norm.variance.resize(n, 1.0);
        }
    }

    /// Freezes the most certain weights, those with the largest latents, until a share of them all is frozen. Their latents
    /// go to ±1 and stay there.
    pub(crate) fn freeze(&mut self, share: f32) {
        let wanted = (share * self.frozen.len() as f32).round() as usize;
        let frozen = self.frozen.iter().filter(|frozen| **frozen).count();
        if wanted <= frozen {
            return;
        }
        let mut free: Vec<usize> = (0..self.frozen.len())
            .filter(|&index| !self.frozen[index])
            .collect();
        let latent = &self.latent.values;
        // Ties go to the lower index, so that the choice is the same on every machine.
        free.sort_by(|&a, &b| latent[b].abs().total_cmp(&latent[a].abs()).then(a.cmp(&b)));
        for &index in &free[..(wanted - frozen).min(free.len())] {
            self.frozen[index] = true;
            self.latent.pin(index, sign(self.latent.values[index]));
        }
    }
}

/// What a batch leaves behind in a layer; the buffers are kept from batch to batch.
#[derive(Default, Debug)]
pub(crate) struct Cache {
    /// The windows, `R × K`.
    pub(crate) patches: Vec<f32>,
    /// The sums, `R × N`; after normalisation, `(S − μ)/σ`.
    pub(crate) sums: Vec<f32>,
    /// The sums as they were, where the next layer adds them to its own; else empty.
    pub(crate) totals: Vec<f32>,
    /// dLoss/d(totals) by the next layer's sums; else empty.
    pub(crate) totals_gradient: Vec<f32>,
    /// The activations, `R × N`.
    pub(crate) output: Vec<f32>,
    /// dLoss/d(output) on the way in, dLoss/d(sums) after it, `R × N`.
    pub(crate) gradient: Vec<f32>,
    /// dLoss/d(patches), `R × K`.
    pub(crate) patch_gradient: Vec<f32>,
    /// What a method leaves for its backward pass beside all this.
    pub(crate) saved: Saved,
    /// What a Gaussian method remembers of each sum, `R × N`: its variance, or the normal number that it was drawn with.
    pub(crate) spread: Vec<f32>,
}

/// Something of a type that only the method knows.
#[derive(Default)]
pub(crate) struct Saved(Option<Box<dyn Any + Send + Sync>>);

impl Saved {
    /// What was saved, or, where that is of another type or nothing, the default.
    pub(crate) fn of<T: Any + Default + Send + Sync>(&mut self) -> &mut T {
        if !self.0.as_ref().is_some_and(|saved| saved.is::<T>()) {
            self.0 = Some(Box::new(T::default()));
        }
        let saved = self.0.as_mut().and_then(|saved| saved.downcast_mut());
        saved.expect("it is of this type")
    }
}

impl fmt::Debug for Saved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Saved").field(&self.0.is_some()).finish()
    }
}

impl Cache {
    /// Room for `rows` rows of a layer.
    pub(crate) fn reserve(&mut self, place: &Place, rows: usize) {
        self.reserve_forward(place, rows);
        self.patches.resize(rows * place.depth(), 0.0);
        self.patch_gradient.resize(rows * place.depth(), 0.0);
        self.gradient.resize(rows * place.outputs(), 0.0);
    }

    /// The same for a forward pass alone, but for the windows, which not every method needs in it.
    pub(crate) fn reserve_forward(&mut self, place: &Place, rows: usize) {
        for buffer in [&mut self.sums, &mut self.output] {
            buffer.resize(rows * place.outputs(), 0.0);
        }
    }

    /// Fills in the windows of `input`, for as many rows as there is room for in `sums`.
    pub(crate) fn unfold(&mut self, place: &Place, input: &[f32]) {
        let rows = self.sums.len() / place.outputs();
        self.patches.resize(rows * place.depth(), 0.0);
        unfold(place, input, &mut self.patches);
    }
}

/// im2col: every window of `input` (`B` images, NHWC) as a row of `patches` (`R × K`); where sums are added up, the sum of their windows.
/// Padding is −1, as the values of paper are.
pub(crate) fn unfold(place: &Place, input: &[f32], patches: &mut [f32]) {
    if place.is_pointwise() {
        patches.copy_from_slice(input);
        return;
    }
    let Window {
        kernel: [down, across],
        ..
    } = place.windows();
    let padded = place.params.padding != [0; 4];
    let images = input.par_chunks(place.input.height * place.input.width * place.input.channels);
    let rows = patches.par_chunks_mut(place.positions() * place.depth());
    images.zip(rows).for_each(|(image, rows)| {
        if padded || place.average.is_some() {
            rows.fill(-((down * across) as f32));
        }
        for_each_run(place, |row, column, pixel, length| {
            let taps = &mut rows[row * place.depth() + column..][..length];
            let values = &image[pixel..][..length];
            if place.average.is_some() {
                // In place of the padding that was counted: whole numbers, hence exact, for bits.
                for (tap, value) in taps.iter_mut().zip(values) {
                    *tap += value + 1.0;
                }
            } else {
                taps.copy_from_slice(values);
            }
        });
    });
}

/// The transpose of [`unfold`]: adds every window's gradient to the pixels it covers.
pub(crate) fn fold(place: &Place, patches: &[f32], input: &mut [f32]) {
    if place.is_pointwise() {
        input.copy_from_slice(patches);
        return;
    }
    let images =
        input.par_chunks_mut(place.input.height * place.input.width * place.input.channels);
    let rows = patches.par_chunks(place.positions() * place.depth());
    images.zip(rows).for_each(|(image, rows)| {
        image.fill(0.0);
        matrix::vectorised(
            #[inline(always)]
            || {
                for_each_run(place, |row, column, pixel, length| {
                    matrix::add(
                        &mut image[pixel..][..length],
                        &rows[row * place.depth() + column..][..length],
                    );
                });
            },
        );
    });
}

/// Calls `run(row, column, pixel, length)` for each run of values that lie side by side both in an image and in a patch.
#[inline(always)]
fn for_each_run(place: &Place, mut run: impl FnMut(usize, usize, usize, usize)) {
    let ConvParams {
        kernel,
        stride,
        padding: [top, left, ..],
        ..
    } = place.params;
    let Shape {
        height,
        width,
        channels,
        ..
    } = place.input;
    let length = kernel[1] * channels;
    let windows = place.windows();
    for y in 0..place.output.height {
        for x in 0..place.output.width {
            for window in 0..windows.kernel[0] * windows.kernel[1] {
                let down = y * windows.stride[0] + window / windows.kernel[1];
                let across = x * windows.stride[1] + window % windows.kernel[1];
                // The first tap that lies inside, and the one after the last.
                let from = left.saturating_sub(across * stride[1]);
                let to = kernel[1].min((width + left).saturating_sub(across * stride[1]));
                for line in 0..kernel[0] {
                    let padded = down * stride[0] + line;
                    if padded < top || padded >= top + height || from >= to {
                        continue;
                    }
                    let first = (padded - top) * width + across * stride[1] + from - left;
                    run(
                        y * place.output.width + x,
                        line * length + from * channels,
                        first * channels,
                        (to - from) * channels,
                    );
                }
            }
        }
    }
}

/// `sums = patches · weights`.
pub(crate) fn linear(place: &Place, layer: &LayerState, cache: &mut Cache) {
    matrix::multiply(
        &cache.patches,
        &layer.weights,
        place.depth(),
        place.outputs(),
        &mut cache.sums,
    );
}

/// From dLoss/d(sums) in `cache.gradient`: the gradient of the weights, and of the patches where it is wanted.
pub(crate) fn linear_backward(
    place: &Place,
    layer: &mut LayerState,
    cache: &mut Cache,
    wants_input: bool,
) {
    let (k, n) = (place.depth(), place.outputs());
    matrix::transposed_multiply(
        &cache.patches,
        &cache.gradient,
        k,
        n,
        &mut layer.latent.gradient,
    );
    if wants_input {
        matrix::multiply_transposed(
            &cache.gradient,
            &layer.weights,
            k,
            n,
            &mut cache.patch_gradient,
        );
    }
}

/// Mean and variance of each output over the batch.
pub(crate) fn measure(norm: &mut Norm, sums: &[f32]) {
    let n = norm.mean.len();
    let rows = sums.len() / n;
    let moments = matrix::column_sums::<2>(rows, n, |range, [first, second]| {
        for row in sums[range.start * n..range.end * n].chunks_exact(n) {
            for ((first, second), sum) in first.iter_mut().zip(&mut *second).zip(row) {
                *first += sum;
                *second += sum * sum;
            }
        }
    });
    for (output, [first, second]) in moments.into_iter().enumerate() {
        let mean = first / rows as f64;
        norm.mean[output] = mean as f32;
        norm.variance[output] = (second / rows as f64 - mean * mean).max(0.0) as f32;
    }
}

/// `sums ← (sums − μ)/σ`, `output ← activate(γ sums + β)`.
pub(crate) fn normalise(norm: &Norm, cache: &mut Cache, activate: impl Fn(f32) -> f32 + Sync) {
    let n = norm.mean.len();
    let inverse = norm.inverse_deviation();
    let (mean, gamma, beta) = (&norm.mean, &norm.gamma.values, &norm.beta.values);
    let block = matrix::BLOCK * n;
    cache
        .sums
        .par_chunks_mut(block)
        .zip(cache.output.par_chunks_mut(block))
        .for_each(|(sums, output)| {
            matrix::vectorised(
                #[inline(always)]
                || {
                    let channels = [mean, &inverse, gamma, beta].map(|values| &values[..n]);
                    for (sums, output) in sums.chunks_exact_mut(n).zip(output.chunks_exact_mut(n)) {
                        let [mean, inverse, gamma, beta] = channels;
                        for j in 0..n {
                            sums[j] = (sums[j] - mean[j]) * inverse[j];
                            output[j] = activate(gamma[j] * sums[j] + beta[j]);
                        }
                    }
                },
            );
        });
}

/// The backward pass of batch normalisation with the batch's own moments: `cache.gradient` is dLoss/d(output) on the way
/// in and dLoss/d(sums) on the way out. `slope(u, output, j)` is the activation's derivative at `u = γ sums + β` of output `j`.
///
/// With `g = dLoss/du`: dLoss/dβ = Σ g, dLoss/dγ = Σ g·n, and `dLoss/dS = γ/σ · (g − mean(g) − n · mean(g·n))`.
pub(crate) fn normalise_backward(
    norm: &mut Norm,
    cache: &mut Cache,
    slope: impl Fn(f32, f32, usize) -> f32 + Sync,
) {
    let n = norm.mean.len();
    let rows = cache.sums.len() / n;
    let block = matrix::BLOCK * n;
    let (gamma, beta) = (&norm.gamma.values, &norm.beta.values);
    let inputs = cache
        .sums
        .par_chunks(block)
        .zip(cache.output.par_chunks(block));
    cache
        .gradient
        .par_chunks_mut(block)
        .zip(inputs)
        .for_each(|(gradient, (sums, output))| {
            matrix::vectorised(
                #[inline(always)]
                || {
                    let (gamma, beta) = (&gamma[..n], &beta[..n]);
                    let rows = sums.chunks_exact(n).zip(output.chunks_exact(n));
                    for (gradient, (sums, output)) in gradient.chunks_exact_mut(n).zip(rows) {
                        for j in 0..n {
                            gradient[j] *= slope(gamma[j] * sums[j] + beta[j], output[j], j);
                        }
                    }
                },
            );
        });
    let totals = matrix::column_sums::<2>(rows, n, |range, [by_beta, by_gamma]| {
        let (by_beta, by_gamma) = (&mut by_beta[..n], &mut by_gamma[..n]);
        let range = range.start * n..range.end * n;
        let rows = cache.gradient[range.clone()]
            .chunks_exact(n)
            .zip(cache.sums[range].chunks_exact(n));
        for (gradient, sums) in rows {
            for j in 0..n {
                by_beta[j] += gradient[j];
                by_gamma[j] += gradient[j] * sums[j];
            }
        }
    });
    let inverse = norm.inverse_deviation();
    let scale: Vec<f32> = inverse
        .iter()
        .zip(&norm.gamma.values)
        .map(|(inverse, gamma)| inverse * gamma)
        .collect();
    let (means, means_by_sum): (Vec<f32>, Vec<f32>) = totals
        .iter()
        .map(|[beta, gamma]| ((beta / rows as f64) as f32, (gamma / rows as f64) as f32))
        .unzip();
    for (j, [beta, gamma]) in totals.into_iter().enumerate() {
        norm.beta.gradient[j] = beta as f32;
        norm.gamma.gradient[j] = gamma as f32;
    }
    cache
        .gradient
        .par_chunks_mut(block)
        .zip(cache.sums.par_chunks(block))
        .for_each(|(gradient, sums)| {
            matrix::vectorised(
                #[inline(always)]
                || {
                    let channels = [&scale, &means, &means_by_sum].map(|values| &values[..n]);
                    for (gradient, sums) in gradient.chunks_exact_mut(n).zip(sums.chunks_exact(n)) {
                        let [scale, means, by_sum] = channels;
                        for j in 0..n {
                            gradient[j] = scale[j] * (gradient[j] - means[j] - sums[j] * by_sum[j]);
                        }
                    }
                },
            );
        });
}

/// A net's layers with fresh latents.
pub(crate) fn fresh(places: &[Place], initial: Initial, seed: u64) -> Vec<LayerState> {
    (0..)
        .zip(places)
        .map(|(index, place)| {
            let last = index as usize + 1 == places.len();
            LayerState::new(
                *place,
                last,
                initial,
                &mut Random::new(seed, Purpose::Initial, index),
            )
        })
        .collect()
}
