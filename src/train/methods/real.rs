//! The real-valued net of the same layers: the line that binary ones are held against.

use super::{
    super::layer::{Cache, Layer, Place},
    Method, Moment, backward_activated, forward_activated,
};

/// Real weights, `tanh` activations.
pub(crate) struct Real;

impl Method for Real {
    fn settle(&self, layer: &mut Layer) {
        layer.weights.copy_from_slice(&layer.latent.values);
    }

    fn forward(
        &self,
        place: &Place,
        layer: &mut Layer,
        cache: &mut Cache,
        _: &Moment,
        measure: bool,
    ) {
        forward_activated(place, layer, cache, measure, f32::tanh);
    }

    fn backward(
        &self,
        place: &Place,
        layer: &mut Layer,
        cache: &mut Cache,
        _: &Moment,
        wants_input: bool,
    ) {
        backward_activated(place, layer, cache, wants_input, |_, output, _| {
            1.0 - output * output
        });
    }

    fn bound(&self) -> Option<f32> {
        None
    }
}
