//! The real-valued net of the same layers: the line that binary ones are held against.

use super::{
    super::layer::{Cache, LayerState, Place},
    Method, ScheduleState, activate, backward_activated,
};

/// Real weights, `tanh` activations.
pub(crate) struct Real;

/// tanh within 4e-7, as a quotient of polynomials (those of Eigen's `ptanh`): a loop over it is one of vectors, which a call of the library is
/// not, and takes an eighth of the time.
#[inline(always)]
fn tanh(x: f32) -> f32 {
    const ODD: [f32; 7] = [
        -2.760_768_5e-16,
        2.000_188e-13,
        -8.604_672e-11,
        5.122_297_1e-8,
        1.485_722_4e-5,
        6.372_619_3e-4,
        4.893_524_6e-3,
    ];
    const EVEN: [f32; 4] = [1.198_258_4e-6, 1.185_347_1e-4, 2.268_434_6e-3, 4.893_525e-3];
    // Beyond, it is 1 to f32.
    let x = x.clamp(-7.905_311, 7.905_311);
    let square = x * x;
    let horner = |sum: f32, coefficient: &f32| sum * square + coefficient;
    x * ODD.iter().fold(0.0, horner) / EVEN.iter().fold(0.0, horner)
}

impl Method for Real {
    fn settle(&self, layer: &mut LayerState) {
        layer.weights.copy_from_slice(&layer.latent.values);
    }

    fn is_linear(&self) -> bool {
        true
    }

    fn forward(
        &self,
        _: &Place,
        layer: &mut LayerState,
        cache: &mut Cache,
        _: &ScheduleState,
        measure: bool,
    ) {
        activate(layer, cache, measure, tanh);
    }

    fn backward(
        &self,
        place: &Place,
        layer: &mut LayerState,
        cache: &mut Cache,
        _: &ScheduleState,
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

#[cfg(test)]
mod tests {
    use super::tanh;

    #[test]
    fn tanh_is_that_of_the_library() {
        for step in -100_000..=100_000 {
            let x = step as f32 * 1e-4;
            let error = f64::from(tanh(x)) - f64::from(x).tanh();
            assert!(error.abs() < 4e-7, "{x}: {error}");
            assert!(tanh(x).abs() <= 1.0, "{x}");
        }
        assert!(tanh(f32::NAN).is_nan());
    }
}
