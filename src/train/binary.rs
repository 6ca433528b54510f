//! The sums of a layer whose inputs and weights are ±1, by the kernels that a net in use is run by.
//!
//! A sum of K products of ±1 is a whole number of at most K, which f32 holds exactly: these are the bits of the matrix product of
//! [`layer::linear`](super::layer::linear), in a fraction of its time and without the windows.

use super::layer::Place;
use bernet_kernels::{
    bits::{BitMatrix, BitTensor, Shape},
    isa::Level,
    xnor::{Affine, Conv2d, Workspace},
};
use rayon::prelude::*;

/// Images of a task.
const IMAGES: usize = 32;

/// `sums [R × N]` of `input` (images in NHWC) and `weights [K × N]`, both ±1.
pub(crate) fn sums(place: &Place, input: &[f32], weights: &[f32], sums: &mut [f32]) {
    let (k, n) = (place.depth(), place.outputs());
    let rows = BitMatrix::from_fn(n, k, |output, depth| weights[depth * n + output] >= 0.0);
    let layer = Conv2d::new(Level::best(), place.input.channels, place.params, &rows);
    let layer = layer.expect("the place's own depth and outputs");
    let affine = Affine {
        scale: &vec![1.0; n],
        bias: &vec![0.0; n],
    };
    let Shape {
        height,
        width,
        channels,
        ..
    } = place.input;
    let inputs = input.par_chunks(IMAGES * height * width * channels);
    let sums = sums.par_chunks_mut(IMAGES * place.positions() * n);
    inputs
        .zip(sums)
        .for_each_init(Workspace::default, |workspace, (input, sums)| {
            let lines = input.len() / (width * channels);
            let shape = Shape {
                batch: lines / height,
                ..place.input
            };
            let bits = BitMatrix::from_signs(lines, width * channels, input)
                .and_then(|lines| BitTensor::from_lines(shape, lines));
            let done = bits.and_then(|bits| layer.affine(workspace, &bits, affine, sums));
            done.expect("whole images, and room for their sums");
        });
}

#[cfg(test)]
mod tests {
    use crate::train::{
        Network,
        layer::{self, Cache, Initial, LayerState},
        random::{Purpose, Random},
        tests::{NETS, RESIDUAL},
    };

    #[test]
    fn sums_are_those_of_the_matrix_product() {
        let mut random = Random::new(1, Purpose::Initial, 0);
        for text in NETS.into_iter().chain([RESIDUAL]) {
            let network = Network::from_toml(text).expect("well-formed");
            for stage in network.stages().expect("its layers fit") {
                let place = stage.place;
                if place.average.is_some() {
                    continue;
                }
                let mut sign = || if random.uniform() < 0.4 { 1.0 } else { -1.0 };
                let mut cache = Cache::default();
                // More than a task, and not a whole number of them.
                let images = super::IMAGES + 5;
                cache.reserve_forward(&place, images * place.positions());
                let size = place.input.height * place.input.width * place.input.channels;
                let input: Vec<f32> = (0..images * size).map(|_| sign()).collect();
                let weights = (0..place.depth() * place.outputs())
                    .map(|_| sign())
                    .collect();
                let layer = LayerState {
                    weights,
                    ..LayerState::new(
                        place,
                        false,
                        Initial::Normal,
                        &mut Random::new(1, Purpose::Initial, 1),
                    )
                };
                cache.unfold(&place, &input);
                layer::linear(&place, &layer, &mut cache);
                let mut found = vec![f32::NAN; cache.sums.len()];
                super::sums(&place, &input, &layer.weights, &mut found);
                assert_eq!(found, cache.sums);
            }
        }
    }
}
