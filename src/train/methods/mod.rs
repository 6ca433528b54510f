//! The ways to train a net, one file each, behind one trait.

mod bernoulli;
mod exact;
mod real;
mod straight_through;

pub(crate) use bernoulli::Sampled;
pub(crate) use exact::{Exact, Kept};
pub(crate) use real::Real;
pub(crate) use straight_through::StraightThrough;

use super::{
    layer::{self, Cache, Layer, Place},
    pool::Pooling,
    random::Random,
};

/// Where the training stands, as far as a method wants to know.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Moment {
    /// τ: a weight's mean is `tanh(latent/τ)`.
    pub(crate) temperature: f32,
    /// The floor of the width over which an activation's derivative spreads, in deviations of the sum.
    pub(crate) width: f32,
}

/// What distinguishes one trainer from another: how a step's weights follow from the latents, and how a hidden layer
/// computes its activations and their derivatives.
pub(crate) trait Method: Sync + Send {
    /// Sets `layer.weights`, and `layer.uncertainty` where the method uses it.
    fn draw(&self, layer: &mut Layer, moment: &Moment, random: &mut Random);

    /// Sets `layer.weights` to those without randomness that a net in use would have: the signs of the latents, unless the
    /// method is for another kind of net.
    fn settle(&self, layer: &mut Layer) {
        for (weight, latent) in layer.weights.iter_mut().zip(&layer.latent.values) {
            *weight = layer::sign(*latent);
        }
    }

    /// From `cache.patches` to `cache.output`. With `measure`, the sums' moments are the batch's own and are kept in the layer;
    /// without, those kept are used.
    fn forward(&self, place: &Place, layer: &mut Layer, cache: &mut Cache, measure: bool);

    /// From dLoss/d(output) in `cache.gradient` to all gradients of the layer and, where it `wants_input`,
    /// `cache.patch_gradient`.
    fn backward(
        &self,
        place: &Place,
        layer: &mut Layer,
        cache: &mut Cache,
        moment: &Moment,
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
}

/// The forward pass of every method that computes sums as a matrix product: product, normalisation, activation.
pub(crate) fn forward_activated(
    place: &Place,
    layer: &mut Layer,
    cache: &mut Cache,
    measure: bool,
    activate: impl Fn(f32) -> f32 + Sync,
) {
    layer::linear(place, layer, cache);
    let norm = layer.norm.as_mut().expect("a hidden layer is normalised");
    if measure {
        layer::measure(norm, &cache.sums);
    }
    layer::normalise(norm, cache, activate);
}

/// Its backward pass, for an activation whose derivative at `u` with the result `output` is `slope(u, output, channel)`.
pub(crate) fn backward_activated(
    place: &Place,
    layer: &mut Layer,
    cache: &mut Cache,
    wants_input: bool,
    slope: impl Fn(f32, f32, usize) -> f32 + Sync,
) {
    let norm = layer.norm.as_mut().expect("a hidden layer is normalised");
    layer::normalise_backward(norm, cache, slope);
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
