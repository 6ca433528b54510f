//! Darabi, Belbahri, Courbariaux and Partovi Nia, *BNN+: Improved Binary Network Training* (2018): three additions to real and binary
//! weights in parallel.
//!
//! **A smooth sign.** The derivative of a sum's sign is that of the SignSwish with sharpness β, learnt for each layer as `e^b`:
//!
//! ```text
//! SS_β(u)  = 2 s(βu) (1 + βu (1 − s(βu))) − 1,      s the logistic function
//! SS_β′(u) = β (2 − βu tanh(βu/2))/(1 + cosh βu),   ∂SS_β(u)/∂b = u SS_β′(u)   (a function of βu alone)
//! ```
//!
//! Far from its threshold (`|βu| > 2.4`) a unit is moved back towards it: the derivative is negative there.
//!
//! **A regulariser** towards two values, `R = Σ |α − |w||`, with an α that each layer learns, from 1.
//!
//! **A learnt strength.** The loss is `L + λ Σ_layers R`, and λ = `e^ℓ` descends it too. As written, its derivative `λ Σ R` is never
//! negative: λ can only fall, by `dλ/dt = −rate λ² Σ R`, the faster the farther weights are from ±α. It is a push at the start of training that fades.

use super::{
    super::layer::{Cache, LayerState, Place, sign},
    Method, ScheduleState, backward_activated,
};

/// BNN+.
pub(crate) struct BnnPlus {
    /// β at the start.
    pub(crate) sharpness: f32,
}

/// Where in the learnt numbers `b` is, and α.
const LN_SHARPNESS: usize = 0;
const ALPHA: usize = 1;

/// `SS_β′(u)`, even in `u`; with `e = exp(−|βu|)` it is `2βe (2 − |βu| (1 − e)/(1 + e))/(1 + e)²`, which takes one exponential and does
/// not overflow.
#[inline(always)]
fn slope(u: f32, sharpness: f32) -> f32 {
    let t = (sharpness * u).abs();
    let e = (-t).exp();
    let inverse = 1.0 / (1.0 + e);
    2.0 * sharpness * e * inverse * inverse * (2.0 - t * (1.0 - e) * inverse)
}

impl Method for BnnPlus {
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
        let sharpness = layer.learned.values[LN_SHARPNESS].exp();
        backward_activated(place, layer, cache, wants_input, |u, _, _| {
            slope(u, sharpness)
        });
        // Σ dL/du u with u = γn + β, of which normalisation has the two sums already.
        let norm = layer.norm.as_ref().expect("a hidden layer is normalised");
        let by_sharpness: f32 = [&norm.gamma, &norm.beta]
            .into_iter()
            .flat_map(|parameter| parameter.values.iter().zip(&parameter.gradient))
            .map(|(value, gradient)| value * gradient)
            .sum();
        layer.learned.gradient[LN_SHARPNESS] = by_sharpness;
    }

    fn learned(&self) -> Vec<f32> {
        vec![self.sharpness.ln(), 1.0]
    }

    fn regularise(&self, layer: &mut LayerState, schedule: &ScheduleState) -> f64 {
        let alpha = layer.learned.values[ALPHA];
        let (mut total, mut by_alpha) = (0.0, 0.0);
        for (gradient, latent) in layer.latent.gradient.iter_mut().zip(&layer.latent.values) {
            let missing = alpha - latent.abs();
            total += f64::from(missing.abs());
            by_alpha += sign(missing);
            *gradient -= schedule.strength * sign(missing) * sign(*latent);
        }
        layer.learned.gradient[ALPHA] = schedule.strength * by_alpha;
        total
    }

    fn learns_strength(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{ALPHA, BnnPlus, LN_SHARPNESS, Method, slope};
    use crate::train::methods::{ScheduleState, testing};

    fn smooth_sign(u: f64, sharpness: f64) -> f64 {
        let t = sharpness * u;
        let logistic = 1.0 / (1.0 + (-t).exp());
        2.0 * logistic * (1.0 + t * (1.0 - logistic)) - 1.0
    }

    #[test]
    fn slope_is_the_derivative_of_the_smooth_sign() {
        for sharpness in [0.5, 1.0, 5.0] {
            for u in [-9.0, -2.0, -0.7, -0.1, 0.0, 0.3, 1.1, 4.0, 50.0] {
                let by = 1e-6;
                let by_u =
                    (smooth_sign(u + by, sharpness) - smooth_sign(u - by, sharpness)) / (2.0 * by);
                let found = f64::from(slope(u as f32, sharpness as f32));
                assert!(
                    (by_u - found).abs() < 1e-5,
                    "β {sharpness} u {u}: {by_u} {found}"
                );
                let [above, below] = [by, -by].map(|by| smooth_sign(u, sharpness * by.exp()));
                let by_ln = (above - below) / (2.0 * by);
                assert!(
                    (by_ln - u * found).abs() < 5e-5,
                    "β {sharpness} u {u}: {by_ln}"
                );
            }
        }
    }

    /// As if the forward pass had been the smooth sign: that is what straight-through means.
    #[test]
    fn sharpness_has_the_gradient_of_finite_differences() {
        let method = BnnPlus { sharpness: 1.7 };
        let (place, mut layer, mut cache, upstream) = testing::setting(&method, 6);
        let schedule = testing::SCHEDULE;
        method.forward(&place, &mut layer, &mut cache, &schedule, true);
        let norm = layer.norm.clone().expect("a hidden layer is normalised");
        let n = place.outputs();
        let sums: Vec<f64> = cache.sums.iter().map(|sum| f64::from(*sum)).collect();
        let loss = |ln: f64| -> f64 {
            (0..sums.len())
                .map(|i| {
                    let [gamma, beta] =
                        [&norm.gamma, &norm.beta].map(|p| f64::from(p.values[i % n]));
                    f64::from(upstream[i]) * smooth_sign(gamma * sums[i] + beta, ln.exp())
                })
                .sum()
        };
        cache.gradient.copy_from_slice(&upstream);
        method.backward(&place, &mut layer, &mut cache, &schedule, true);
        let start = 1.7_f64.ln();
        let numeric = (loss(start + 1e-6) - loss(start - 1e-6)) / 2e-6;
        let found = f64::from(layer.learned.gradient[LN_SHARPNESS]);
        assert!(
            (numeric - found).abs() < 1e-4,
            "{numeric} by differences, {found}"
        );
    }

    #[test]
    fn regulariser_has_the_gradients_of_finite_differences() {
        let method = BnnPlus { sharpness: 1.0 };
        let (_, mut layer, ..) = testing::setting(&method, 6);
        layer.learned.values[ALPHA] = 0.3;
        let strength = 0.25;
        let schedule = ScheduleState {
            strength,
            ..testing::SCHEDULE
        };
        layer.latent.gradient.fill(0.0);
        let total = method.regularise(&mut layer, &schedule);
        let value = |latents: &[f64], alpha: f64| -> f64 {
            latents.iter().map(|w| (alpha - w.abs()).abs()).sum()
        };
        let latents: Vec<f64> = layer.latent.values.iter().map(|w| f64::from(*w)).collect();
        let alpha = f64::from(layer.learned.values[ALPHA]);
        assert!((total - value(&latents, alpha)).abs() < 1e-5);
        let step = 1e-6;
        for index in 0..latents.len() {
            let moved = |by: f64| {
                let mut latents = latents.clone();
                latents[index] += by;
                value(&latents, alpha)
            };
            let numeric = f64::from(strength) * (moved(step) - moved(-step)) / (2.0 * step);
            let found = f64::from(layer.latent.gradient[index]);
            assert!((numeric - found).abs() < 1e-5, "{index}: {numeric} {found}");
        }
        let numeric = f64::from(strength)
            * (value(&latents, alpha + step) - value(&latents, alpha - step))
            / (2.0 * step);
        let found = f64::from(layer.learned.gradient[ALPHA]);
        assert!((numeric - found).abs() < 1e-4, "α: {numeric} {found}");
    }
}
