//! The straight-through estimator: the forward pass is the binary net; the backward pass takes the sign of a weight for the
//! identity, and the sign of a sum for a step that has a derivative, one of the [`Surrogate`]s.

use super::{
    super::{
        choices::Surrogate,
        layer::{Cache, LayerState, Place},
    },
    Method, ScheduleState, backward_activated, surrogate,
};

/// The reference of the talk.
pub(crate) struct StraightThrough {
    pub(crate) surrogate: Surrogate,
}

/// The derivative of the hard tanh.
#[inline(always)]
pub(super) fn hard_tanh(u: f32) -> f32 {
    if u.abs() <= 1.0 { 1.0 } else { 0.0 }
}

/// The derivative of `2u − u|u|` within ±1.
#[inline(always)]
fn polynomial(u: f32) -> f32 {
    (2.0 - 2.0 * u.abs()).max(0.0)
}

impl Method for StraightThrough {
    fn is_binary(&self) -> bool {
        true
    }

    fn backward(
        &self,
        place: &Place,
        layer: &mut LayerState,
        cache: &mut Cache,
        schedule: &ScheduleState,
        wants_input: bool,
    ) {
        match self.surrogate {
            Surrogate::Identity => {
                backward_activated(place, layer, cache, wants_input, |_, _, _| 1.0);
            }
            Surrogate::HardTanh => {
                backward_activated(place, layer, cache, wants_input, |u, _, _| hard_tanh(u));
            }
            Surrogate::Polynomial => {
                backward_activated(place, layer, cache, wants_input, |u, _, _| polynomial(u));
            }
            Surrogate::HeavyTailed => {
                let inverse_width = 1.0 / schedule.width;
                backward_activated(place, layer, cache, wants_input, |u, _, _| {
                    surrogate(u, inverse_width)
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{hard_tanh, polynomial};

    #[test]
    fn surrogates_are_the_derivatives_of_what_they_are_named_after() {
        let clip = |u: f32| u.clamp(-1.0, 1.0);
        let parabola =
            |u: f32| 2.0 * u.clamp(-1.0, 1.0) - u.clamp(-1.0, 1.0) * u.clamp(-1.0, 1.0).abs();
        let slopes: [fn(f32) -> f32; 2] = [hard_tanh, polynomial];
        let steps: [fn(f32) -> f32; 2] = [clip, parabola];
        for (index, (slope, step)) in slopes.into_iter().zip(steps).enumerate() {
            // Between the corners.
            for u in [-3.0, -1.1, -0.9, -0.3, 0.2, 0.7, 0.9, 1.2] {
                let numeric = (step(u + 1e-2) - step(u - 1e-2)) / 2e-2;
                let difference = (numeric - slope(u)).abs();
                assert!(difference < 1e-3, "{index}, {u}: {numeric} {}", slope(u));
            }
        }
    }
}
