//! Real and binary weights in parallel: Hubara, Courbariaux, Soudry, El-Yaniv and Bengio, *Binarized Neural Networks* (2016), with
//! deterministic signs.
//!
//! The forward pass takes the signs of the real weights; the gradient by a sign, in full precision, moves the real weight behind it,
//! which is clipped to ±1. A sum's sign has the derivative of the hard tanh. So far it is [`ste`](super::straight_through) with that
//! surrogate, which the later practice has made of it. What is distinct is how the real weights move and what they are moved by:
//!
//! * they start uniform in the whole of ±1, not in its middle;
//! * a layer's rate is multiplied by `√((inputs + outputs)/1.5)`, the inverse of Glorot's initial range (the authors' code), so that
//!   weights move tens of times faster than batch normalisation;
//! * the loss is the squared hinge, not the cross-entropy ([`Objective`](super::super::loss::Objective)).
//!
//! Of the paper's details these are left out: AdaMax and normalisation by shifts, which save multiplications in training, the real-valued first
//! layer's input, which here is binary, and a rate that falls exponentially: all methods have one schedule here.

use super::{
    super::layer::{Cache, LayerState, Place},
    Method, ScheduleState, backward_activated,
    straight_through::hard_tanh,
};

/// Binarised neural networks.
pub(crate) struct Bnn;

impl Method for Bnn {
    fn is_binary(&self) -> bool {
        true
    }

    fn backward(
        &self,
        place: &Place,
        layer: &mut LayerState,
        cache: &mut Cache,
        _: &ScheduleState,
        wants_input: bool,
    ) {
        backward_activated(place, layer, cache, wants_input, |u, _, _| hard_tanh(u));
    }

    fn pace(&self, place: &Place) -> f32 {
        let [height, width] = place.params.kernel;
        let ends = place.depth() + place.outputs() * height * width;
        (ends as f32 / 1.5).sqrt()
    }
}
