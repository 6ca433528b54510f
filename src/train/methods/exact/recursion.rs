//! The distribution of each channel's sums by banded convolution, factor by factor.

use super::{Cut, Gradients};
use crate::train::matrix;
use bernet_kernels::{
    isa::Level,
    poisson_binomial::{self, Factors, Form, Gradient, Scratch},
};
use rayon::prelude::*;

/// Rows of a task: the factors of one channel for so many rows stay in the second-level cache.
pub(super) const ROWS: usize = 64;

/// `output[r][j] = direction_j · (2P − 1)`, for inputs `patches [R × K]` and means `weights [K × N]`.
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
        let inputs = transpose(patches, k);
        let mut v = vec![0.0; k * rows];
        let (mut survival, mut mass) = (vec![0.0; rows], vec![0.0; rows]);
        for (channel, cut) in cuts.iter().enumerate() {
            factors(&inputs, weights, channel, n, rows, &mut v);
            let factors = Factors::new(&v, rows).expect("means lie in [−1, 1]");
            let (z, y) = (&mut survival, &mut mass);
            poisson_binomial::survival(level, Form::Fastest, factors, cut.least, z, y, scratch)
                .expect("the results have the length of the block");
            for (row, z) in survival.iter().enumerate() {
                output[row * n + channel] = cut.direction * (2.0 * z - 1.0);
            }
        }
    });
}

/// The gradients through the factors, from `upstream [R × N]`, dLoss/d(output).
pub(super) fn backward(
    level: Level,
    method: Gradient,
    weights: &[f32],
    cuts: &[Cut],
    patches: &[f32],
    upstream: &[f32],
    wants_input: bool,
) -> Gradients {
    let n = cuts.len();
    let k = weights.len() / n;
    let mut inputs = vec![0.0; if wants_input { patches.len() } else { 0 }];
    let blocks = patches
        .par_chunks(ROWS * k)
        .zip(upstream.par_chunks(ROWS * n));
    let block = |(patches, upstream): (&[f32], &[f32]), input: Option<&mut [f32]>| {
        backward_block(level, method, weights, cuts, patches, upstream, input)
    };
    let partials: Vec<_> = if wants_input {
        blocks
            .zip(inputs.par_chunks_mut(ROWS * k))
            .map(|(values, input)| block(values, Some(input)))
            .collect()
    } else {
        blocks.map(|values| block(values, None)).collect()
    };
    let mut sum = Gradients {
        weights: vec![0.0; k * n],
        thresholds: vec![0.0; n],
        inputs,
    };
    for (weights, thresholds) in partials {
        matrix::add(&mut sum.weights, &weights);
        for (total, threshold) in sum.thresholds.iter_mut().zip(thresholds) {
            *total += f64::from(threshold);
        }
    }
    sum
}

/// What one block of rows adds to the gradients of weights and thresholds, and the gradient of its inputs.
fn backward_block(
    level: Level,
    method: Gradient,
    weights: &[f32],
    cuts: &[Cut],
    patches: &[f32],
    upstream: &[f32],
    input_gradient: Option<&mut [f32]>,
) -> (Vec<f32>, Vec<f32>) {
    let n = cuts.len();
    let k = weights.len() / n;
    let rows = patches.len() / k;
    let inputs = transpose(patches, k);
    let mut scratch = Scratch::default();
    let (mut v, mut dz_dv) = (vec![0.0; k * rows], vec![0.0; k * rows]);
    let (mut survival, mut mass) = (vec![0.0; rows], vec![0.0; rows]);
    let mut input_columns = vec![0.0; k * rows];
    let (mut weight_gradient, mut threshold_gradient) = (vec![0.0; k * n], vec![0.0; n]);
    for (channel, cut) in cuts.iter().enumerate() {
        factors(&inputs, weights, channel, n, rows, &mut v);
        let factors = Factors::new(&v, rows).expect("means lie in [−1, 1]");
        let (z, y) = (&mut survival, &mut mass);
        poisson_binomial::gradient(
            level,
            method,
            factors,
            cut.least,
            z,
            y,
            &mut dz_dv,
            &mut scratch,
        )
        .expect("the results have the length of the block");
        let upstream: Vec<f32> = (0..rows)
            .map(|row| cut.direction * upstream[row * n + channel])
            .collect();
        threshold_gradient[channel] = -upstream
            .iter()
            .zip(&mass)
            .map(|(upstream, mass)| upstream * mass)
            .sum::<f32>();
        for (index, dz_dv) in dz_dv.chunks_exact(rows).enumerate() {
            let weight = weights[index * n + channel];
            let mut total = 0.0;
            for row in 0..rows {
                let by_product = upstream[row] * dz_dv[row];
                total += by_product * inputs[index * rows + row];
                input_columns[index * rows + row] += by_product * weight;
            }
            weight_gradient[index * n + channel] = total;
        }
    }
    if let Some(out) = input_gradient {
        out.copy_from_slice(&transpose_back(&input_columns, k));
    }
    (weight_gradient, threshold_gradient)
}

/// A block of rows of `patches`, transposed: `[K × rows]`.
pub(super) fn transpose(block: &[f32], depth: usize) -> Vec<f32> {
    let rows = block.len() / depth;
    let mut out = vec![0.0; block.len()];
    for (row, values) in block.chunks_exact(depth).enumerate() {
        for (k, value) in values.iter().enumerate() {
            out[k * rows + row] = *value;
        }
    }
    out
}

/// The reverse of [`transpose`]: `[rows × K]`.
pub(super) fn transpose_back(columns: &[f32], depth: usize) -> Vec<f32> {
    transpose(columns, columns.len() / depth)
}

/// `v[k · rows + r]` of one channel.
fn factors(
    inputs: &[f32],
    weights: &[f32],
    channel: usize,
    outputs: usize,
    rows: usize,
    out: &mut [f32],
) {
    for (k, (out, inputs)) in out
        .chunks_exact_mut(rows)
        .zip(inputs.chunks_exact(rows))
        .enumerate()
    {
        let half = 0.5 * weights[k * outputs + channel];
        for (out, input) in out.iter_mut().zip(inputs) {
            *out = 0.5 + half * input;
        }
    }
}
