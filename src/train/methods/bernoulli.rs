//! Weights as independent Bernoulli variables, trained through one sample a step.
//!
//! A latent λ ∈ [−1, 1] stands for `P(w = +1) = (1 + m)/2` with `m = tanh(λ/τ)`. A step draws every weight, so that the forward
//! pass is a binary net, and the sums are what the deployed kernels will compute. The unit it trains is the probability
//! `P(S ≥ t)` over the weights' distribution: its derivative with respect to the sum spreads over the deviation that the
//! weights still have, `√Σ(1 − m²)`. With the sum measured in its own deviations `σ` over the data, and a floor `a` for what
//! the weights' distribution does not say (the data's), the width is
//!
//! ```text
//! width² = a² + γ² Σ(1 − m²)/σ²
//! ```
//!
//! and the derivative `(1 + 2t²)⁻²` in units of it. As τ falls the weights' part goes to 0 and the floor remains.
//!
//! The gradient is the natural one: with `dm/dλ = (1 − m²)/τ` the Fisher information of λ is `(1 − m²)/τ²`, so that
//! `F⁻¹ dL/dλ = τ dL/dm`; Adam takes away the τ. Certain weights so stay as movable as uncertain ones.

use super::{
    super::{
        layer::{Cache, LayerState, Place, sign},
        random::Random,
    },
    Method, ScheduleState, backward_activated, inverse_widths, regularise_means, surrogate,
};

/// One sample of the weights a step.
pub(crate) struct Sampled;

impl Method for Sampled {
    fn is_binary(&self) -> bool {
        true
    }

    fn sample_weights(
        &self,
        layer: &mut LayerState,
        schedule: &ScheduleState,
        random: &mut Random,
    ) {
        let n = layer.uncertainty.len();
        layer.uncertainty.fill(0.0);
        let inverse_temperature = 1.0 / schedule.temperature;
        for (index, weight) in layer.weights.iter_mut().enumerate() {
            let latent = layer.latent.values[index];
            *weight = if layer.frozen[index] {
                sign(latent)
            } else {
                let mean = (latent * inverse_temperature).tanh();
                layer.uncertainty[index % n] += 1.0 - mean * mean;
                if 2.0 * random.uniform() - 1.0 < mean {
                    1.0
                } else {
                    -1.0
                }
            };
        }
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
    }

    fn regularise(&self, layer: &mut LayerState, schedule: &ScheduleState) -> f64 {
        regularise_means(layer, schedule)
    }
}
