//! Whole layers from power sums: right to 1e-6 at the cost of a few matrix products, whatever the depth. The kernel itself takes
//! the exact forms where a layer is shallow or its factors are too certain for the series.

use super::{
    Cut, Gradients,
    recursion::{ROWS, transpose, transpose_back},
};
use crate::train::matrix;
use bernet_kernels::{
    isa::Level,
    poisson_binomial::{Activations, Layer, Scratch},
};
use rayon::prelude::*;

/// The most that a survival may be wrong by.
const ACCURACY: f32 = 1e-6;

/// As [`super::recursion::forward`].
pub(super) fn forward(
    level: Level,
    weights: &[f32],
    cuts: &[Cut],
    patches: &[f32],
    output: &mut [f32],
) {
    let n = cuts.len();
    let k = weights.len() / n;
    let blocks = output
        .par_chunks_mut(ROWS * n)
        .zip(patches.par_chunks(ROWS * k));
    blocks.for_each_init(Scratch::default, |scratch, (output, patches)| {
        let rows = patches.len() / k;
        let activations = survivals(level, &transpose(patches, k), weights, cuts, scratch);
        for (channel, cut) in cuts.iter().enumerate() {
            for (row, z) in activations.survival[channel * rows..][..rows]
                .iter()
                .enumerate()
            {
                output[row * n + channel] = cut.direction * (2.0 * z - 1.0);
            }
        }
    });
}

fn survivals(
    level: Level,
    inputs: &[f32],
    weights: &[f32],
    cuts: &[Cut],
    scratch: &mut Scratch,
) -> Activations {
    let least: Vec<i32> = cuts.iter().map(|cut| cut.least).collect();
    let mut activations = Activations::default();
    layer(inputs, weights, cuts.len())
        .forward(level, &least, ACCURACY, &mut activations, scratch)
        .expect("a cut for each output, and an accuracy that f32 has");
    activations
}

fn layer<'a>(inputs: &'a [f32], weights: &'a [f32], outputs: usize) -> Layer<'a> {
    let rows = inputs.len() * outputs / weights.len();
    Layer::new(inputs, weights, rows, outputs).expect("means lie in [−1, 1]")
}

/// As [`super::recursion::backward`].
pub(super) fn backward(
    level: Level,
    weights: &[f32],
    cuts: &[Cut],
    patches: &[f32],
    upstream: &[f32],
    wants_input: bool,
) -> Gradients {
    let n = cuts.len();
    let k = weights.len() / n;
    let blocks = patches
        .par_chunks(ROWS * k)
        .zip(upstream.par_chunks(ROWS * n));
    let partials: Vec<_> = blocks
        .map_init(Scratch::default, |scratch, (patches, upstream)| {
            let rows = patches.len() / k;
            let inputs = transpose(patches, k);
            let activations = survivals(level, &inputs, weights, cuts, scratch);
            let mut by_survival = vec![0.0; rows * n];
            let mut thresholds = vec![0.0; n];
            for (channel, cut) in cuts.iter().enumerate() {
                let mass = &activations.mass[channel * rows..][..rows];
                for row in 0..rows {
                    // The output is direction · (2z − 1), and z falls by half the mass as the threshold rises.
                    let upstream = cut.direction * upstream[row * n + channel];
                    by_survival[channel * rows + row] = 2.0 * upstream;
                    thresholds[channel] -= upstream * mass[row];
                }
            }
            let (mut by_inputs, mut by_weights) = (vec![0.0; inputs.len()], vec![0.0; k * n]);
            layer(&inputs, weights, n)
                .backward(
                    level,
                    &activations,
                    &by_survival,
                    &mut by_inputs,
                    &mut by_weights,
                    scratch,
                )
                .expect("the results have the shapes of the means");
            (by_weights, thresholds, by_inputs)
        })
        .collect();
    let mut sum = Gradients {
        weights: vec![0.0; k * n],
        thresholds: vec![0.0; n],
        inputs: Vec::new(),
    };
    for (weights, thresholds, inputs) in partials {
        matrix::add(&mut sum.weights, &weights);
        for (total, threshold) in sum.thresholds.iter_mut().zip(thresholds) {
            *total += f64::from(threshold);
        }
        if wants_input {
            sum.inputs.extend(transpose_back(&inputs, k));
        }
    }
    sum
}
