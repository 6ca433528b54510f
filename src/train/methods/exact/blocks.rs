//! A layer in blocks of rows, each a task, whose distributions are computed channel by channel.

use super::{
    Cut, Gradients,
    block::{Block, BlockGradients},
    recursion::Recursion,
};
use crate::train::matrix;
use bernet_kernels::poisson_binomial::Workspace;
use rayon::prelude::*;

/// Rows of a task: the factors of one channel for so many rows stay in the second-level cache.
const ROWS: usize = 64;

/// `output[r][j] = direction_j · (2P − 1)`, for inputs `patches [R × K]` and means `weights [K × N]`.
pub(super) fn forward(
    way: &Recursion,
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
    blocks.for_each_init(Workspace::default, |workspace, (output, patches)| {
        let inputs = &transpose(patches, k);
        let block = Block {
            inputs,
            weights,
            cuts,
        };
        let survival = way.survival(&block, workspace);
        for (channel, (cut, survival)) in cuts
            .iter()
            .zip(survival.chunks_exact(block.rows()))
            .enumerate()
        {
            for (row, z) in survival.iter().enumerate() {
                output[row * n + channel] = cut.direction * (2.0 * z - 1.0);
            }
        }
    });
}

/// The gradients through the factors, from `upstream [R × N]`, dLoss/d(output).
pub(super) fn backward(
    way: &Recursion,
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
    let partials: Vec<BlockGradients> = blocks
        .map_init(Workspace::default, |workspace, (patches, upstream)| {
            let inputs = &transpose(patches, k);
            way.backward(
                &Block {
                    inputs,
                    weights,
                    cuts,
                },
                upstream,
                workspace,
            )
        })
        .collect();
    let mut sum = Gradients {
        weights: vec![0.0; k * n],
        thresholds: vec![0.0; n],
        inputs: Vec::new(),
    };
    for partial in partials {
        matrix::add(&mut sum.weights, &partial.weights);
        for (total, threshold) in sum.thresholds.iter_mut().zip(partial.thresholds) {
            *total += f64::from(threshold);
        }
        if wants_input {
            let rows = partial.inputs.len() / k;
            sum.inputs.extend(transpose(&partial.inputs, rows));
        }
    }
    sum
}

/// A matrix of rows of `width`, transposed.
fn transpose(matrix: &[f32], width: usize) -> Vec<f32> {
    let height = matrix.len() / width;
    let mut out = vec![0.0; matrix.len()];
    for (row, values) in matrix.chunks_exact(width).enumerate() {
        for (column, value) in values.iter().enumerate() {
            out[column * height + row] = *value;
        }
    }
    out
}
