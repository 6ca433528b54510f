//! The ways to train a net, one file each, behind one trait.

mod bernoulli;
mod bnn;
mod bnn_plus;
mod distinct;
mod exact;
mod gaussian;
mod gaussian_sampled;
mod hard;
mod real;
mod straight_through;
#[cfg(test)]
mod testing;

use bernoulli::Sampled;
use bnn::Bnn;
use bnn_plus::BnnPlus;
use exact::{Exact, Literal};
use gaussian::Gaussian;
use gaussian_sampled::GaussianSampled;
use hard::Hard;
use real::Real;
use straight_through::StraightThrough;

use super::{
    choices::{Activations, Distribution, MethodName},
    config::Config,
    layer::{self, Cache, EPSILON, LayerState, Place},
    matrix,
    max_pool::Pooling,
    random::Random,
};
use bernet_kernels::isa::Level;

/// The method that a configuration asks for.
pub(crate) fn method(config: &Config) -> Box<dyn Method> {
    let level = Level::best();
    match config.method {
        MethodName::Bernoulli => match config.distribution {
            Distribution::Sampled => Box::new(Sampled),
            exact if config.activations != Activations::Mean => {
                Box::new(Hard::new(exact, config.activations, config.noise))
            }
            exact => {
                let exact = Exact::new(level, exact);
                if config.normalises_probabilities() {
                    Box::new(Literal(exact))
                } else {
                    Box::new(exact)
                }
            }
        },
        MethodName::Gaussian => Box::new(Gaussian { level }),
        MethodName::GaussianSampled => Box::new(GaussianSampled { level }),
        MethodName::Ste => Box::new(StraightThrough {
            surrogate: config.surrogate,
        }),
        MethodName::Bnn => Box::new(Bnn),
        MethodName::BnnPlus => Box::new(BnnPlus {
            sharpness: 1.0 / config.width.from,
        }),
        MethodName::Real => Box::new(Real),
    }
}

/// Where the training stands, as far as a method wants to know.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct ScheduleState {
    /// τ: a weight's mean is `tanh(latent/τ)`.
    pub(crate) temperature: f32,
    /// The floor of the width over which an activation's derivative spreads, in deviations of the sum.
    pub(crate) width: f32,
    /// λ: the strength of the regulariser.
    pub(crate) strength: f32,
}

/// What distinguishes one trainer from another: how a step's weights follow from the latents, and how a hidden layer
/// computes its activations and their derivatives.
pub(crate) trait Method: Sync + Send {
    /// Sets `layer.weights`, and `layer.uncertainty` where the method uses it: to those that settle, unless weights are random.
    fn sample_weights(&self, layer: &mut LayerState, _: &ScheduleState, _: &mut Random) {
        self.settle(layer);
    }

    /// Sets `layer.weights` to those without randomness that a net in use would have: the signs of the latents, unless the
    /// method is for another kind of net.
    fn settle(&self, layer: &mut LayerState) {
        for (weight, latent) in layer.weights.iter_mut().zip(&layer.latent.values) {
            *weight = layer::sign(*latent);
        }
    }

    /// Whether weights and activations are ±1 in training already. The sums then come from the binary kernels.
    fn is_binary(&self) -> bool {
        false
    }

    /// Whether sums are the products of windows and `layer.weights`. [`forward`](Self::forward) then begins with them.
    fn is_linear(&self) -> bool {
        self.is_binary()
    }

    /// From `cache.patches`, or `cache.sums` of a method that is linear, to `cache.output`. With `measure`, the sums' moments are the batch's
    /// own and are kept in the layer; without, those kept are used. Activations are the signs of normalised sums, unless the method has others.
    fn forward(
        &self,
        _: &Place,
        layer: &mut LayerState,
        cache: &mut Cache,
        _: &ScheduleState,
        measure: bool,
    ) {
        activate(layer, cache, measure, layer::sign);
    }

    /// From dLoss/d(output) in `cache.gradient` to all gradients of the layer and, where it `wants_input`,
    /// `cache.patch_gradient`.
    fn backward(
        &self,
        place: &Place,
        layer: &mut LayerState,
        cache: &mut Cache,
        schedule: &ScheduleState,
        wants_input: bool,
    );

    /// What a max pool makes of the activations.
    fn pooling(&self) -> Pooling {
        Pooling::Values
    }

    /// What a latent may be, where it is bounded.
    fn bound(&self) -> Option<f32> {
        Some(1.0)
    }

    /// What the learning rate of a layer's latents is multiplied by.
    fn pace(&self, _: &Place) -> f32 {
        1.0
    }

    /// How the numbers start that the method learns of each layer besides weights and normalisation.
    fn learned(&self) -> Vec<f32> {
        Vec::new()
    }

    /// Adds the gradient of λ times the layer's regulariser, if the method has one; what the regulariser is.
    fn regularise(&self, _: &mut LayerState, _: &ScheduleState) -> f64 {
        0.0
    }

    /// Whether λ is learnt, by descent on the loss it is part of.
    fn learns_strength(&self) -> bool {
        false
    }
}

/// tanh to 1e-7, by one exponential: the library's is right to the last place also next to 0, which no mean needs.
fn tanh(x: f32) -> f32 {
    let e = (-2.0 * x.abs()).exp();
    ((1.0 - e) / (1.0 + e)).copysign(x)
}

/// Mean-field weights: `layer.weights` are the means of the latents' distributions, the signs of those that are frozen.
pub(crate) fn use_means(layer: &mut LayerState, schedule: &ScheduleState) {
    let n = layer.uncertainty.len();
    layer.uncertainty.fill(0.0);
    for (index, weight) in layer.weights.iter_mut().enumerate() {
        let latent = layer.latent.values[index];
        *weight = if layer.frozen[index] {
            layer::sign(latent)
        } else {
            tanh(latent / schedule.temperature)
        };
        layer.uncertainty[index % n] += 1.0 - *weight * *weight;
    }
}

/// The regulariser of random weights, `Σ (1 − m²)`: their variance, which is 0 where all are certain. Its gradient is that by the
/// means, as the loss's is: the natural gradient.
pub(crate) fn regularise_means(layer: &mut LayerState, schedule: &ScheduleState) -> f64 {
    let mut total = 0.0;
    let gradients = layer.latent.gradient.iter_mut();
    for ((gradient, latent), frozen) in gradients.zip(&layer.latent.values).zip(&layer.frozen) {
        if !frozen {
            let mean = tanh(latent / schedule.temperature);
            *gradient -= 2.0 * schedule.strength * mean;
            total += f64::from(1.0 - mean * mean);
        }
    }
    total
}

/// One over the width of each output's activation, in deviations of its sums: `width² = a² + γ² Σ(1 − m²)/σ²`.
pub(crate) fn inverse_widths(layer: &LayerState, schedule: &ScheduleState) -> Vec<f32> {
    let norm = layer.norm.as_ref().expect("a hidden layer is normalised");
    (0..norm.variance.len())
        .map(|j| {
            let gamma = norm.gamma.values[j];
            let weights = gamma * gamma * layer.uncertainty[j] / (norm.variance[j] + EPSILON);
            1.0 / (schedule.width * schedule.width + weights).sqrt()
        })
        .collect()
}

/// From the sums to the activations: normalisation, activation.
pub(crate) fn activate(
    layer: &mut LayerState,
    cache: &mut Cache,
    measure: bool,
    activate: impl Fn(f32) -> f32 + Sync,
) {
    let norm = layer.norm.as_mut().expect("a hidden layer is normalised");
    if measure {
        layer::measure(norm, &cache.sums);
    }
    layer::normalise(norm, cache, activate);
}

/// The backward pass of sums that are a matrix product and their activation, whose derivative at `u` with the result `output` is `slope(u, output, channel)`.
pub(crate) fn backward_activated(
    place: &Place,
    layer: &mut LayerState,
    cache: &mut Cache,
    wants_input: bool,
    slope: impl Fn(f32, f32, usize) -> f32 + Sync,
) {
    let norm = layer.norm.as_mut().expect("a hidden layer is normalised");
    layer::normalise_backward(norm, cache, slope);
    if !cache.totals_gradient.is_empty() {
        matrix::add(&mut cache.gradient, &cache.totals_gradient);
    }
    layer::linear_backward(place, layer, cache, wants_input);
}

/// The derivative that stands in for that of `sign`: `(1 + 2t²)⁻²` for `t = u/width`, smooth and heavy-tailed, so that a unit
/// far from its threshold still learns. It is not scaled by 1/width: Adam would undo it.
#[inline(always)]
pub(crate) fn surrogate(u: f32, inverse_width: f32) -> f32 {
    let t = u * inverse_width;
    let bell = 1.0 / (1.0 + 2.0 * t * t);
    bell * bell
}
