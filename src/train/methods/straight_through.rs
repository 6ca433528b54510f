//! The straight-through estimator: the forward pass is the binary net; the backward pass takes the sign of a weight for the
//! identity, and the sign of a sum for a smooth step whose width falls in the course of training.

use super::{
    super::{
        layer::{Cache, Layer, Place, sign},
        random::Random,
    },
    Method, Moment, backward_activated, forward_activated, surrogate,
};

/// The reference of the talk.
pub(crate) struct StraightThrough;

impl Method for StraightThrough {
    fn draw(&self, layer: &mut Layer, _: &Moment, _: &mut Random) {
        self.settle(layer);
    }

    fn forward(&self, place: &Place, layer: &mut Layer, cache: &mut Cache, measure: bool) {
        forward_activated(place, layer, cache, measure, sign);
    }

    fn backward(
        &self,
        place: &Place,
        layer: &mut Layer,
        cache: &mut Cache,
        moment: &Moment,
        wants_input: bool,
    ) {
        let inverse_width = 1.0 / moment.width;
        backward_activated(place, layer, cache, wants_input, |u, _, _| {
            surrogate(u, inverse_width)
        });
    }
}
