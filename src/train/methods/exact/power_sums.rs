//! Whole layers from power sums: right to 1e-5 at the cost of a few matrix products, whatever the depth. The kernel itself takes
//! the exact forms where a layer is shallow or its factors are too certain for the series, and splits the rows over threads.

use super::{Cut, Gradients};
use bernet_kernels::{
    isa::Level,
    poisson_binomial::{Activations, Layer, Workspace},
};
use rayon::prelude::*;

/// The most that a survival may be wrong by: far below the noise of a batch, and the series reaches it even where most weights are
/// frozen, when it takes the exact forms for a third of a deep layer's outputs to reach 1e-6.
const ACCURACY: f32 = 1e-5;
/// Values of a cache line: columns that are transposed together.
const LINE: usize = 16;
/// Rows of a task that copies.
const ROWS: usize = 256;

/// A layer's distributions, from the way forward to the way back.
#[derive(Default, Debug)]
pub(super) struct Distributions {
    /// The inputs' means, `K × R`.
    inputs: Vec<f32>,
    activations: Activations,
    workspace: Workspace,
}

impl Distributions {
    /// `output[r][j] = direction_j · (2P − 1)`, for inputs `patches [R × K]` and means `weights [K × N]`.
    pub(super) fn forward(
        &mut self,
        level: Level,
        weights: &[f32],
        cuts: &[Cut],
        patches: &[f32],
        output: &mut [f32],
    ) {
        let (n, k) = (cuts.len(), weights.len() / cuts.len());
        let rows = patches.len() / k;
        self.inputs.resize(patches.len(), 0.0);
        transpose(patches, k, &mut self.inputs);
        let least: Vec<i32> = cuts.iter().map(|cut| cut.least).collect();
        let Self {
            inputs,
            activations,
            workspace,
        } = self;
        layer(inputs, weights, rows, n)
            .forward(level, &least, ACCURACY, activations, workspace)
            .expect("a cut for each output, and an accuracy that f32 has");
        let survival = &activations.survival;
        let tasks = output.par_chunks_mut(ROWS * n).enumerate();
        tasks.for_each(|(task, output)| {
            for (row, output) in (task * ROWS..).zip(output.chunks_exact_mut(n)) {
                for (j, (value, cut)) in output.iter_mut().zip(cuts).enumerate() {
                    *value = cut.direction * (2.0 * survival[j * rows + row] - 1.0);
                }
            }
        });
    }

    /// The gradients through the factors, from `upstream [R × N]`, dLoss/d(output), of what came forward last.
    pub(super) fn backward(
        &mut self,
        level: Level,
        weights: &[f32],
        cuts: &[Cut],
        upstream: &[f32],
        wants_input: bool,
    ) -> Gradients {
        let (n, k) = (cuts.len(), weights.len() / cuts.len());
        let rows = self.inputs.len() / k;
        let (mut by_survival, mut thresholds) = (vec![0.0; rows * n], vec![0.0; n]);
        let mass = self.activations.mass.par_chunks(rows);
        let channels = by_survival.par_chunks_mut(rows).zip(&mut thresholds);
        channels
            .zip(mass)
            .enumerate()
            .for_each(|(j, ((by_survival, threshold), mass))| {
                for (row, by_survival) in by_survival.iter_mut().enumerate() {
                    // The output is direction · (2z − 1), and z falls by half the mass as the threshold rises.
                    let upstream = cuts[j].direction * upstream[row * n + j];
                    *by_survival = 2.0 * upstream;
                    *threshold -= f64::from(upstream * mass[row]);
                }
            });
        let mut by_inputs = vec![0.0; if wants_input { self.inputs.len() } else { 0 }];
        let mut by_weights = vec![0.0; weights.len()];
        layer(&self.inputs, weights, rows, n)
            .backward(
                level,
                &self.activations,
                &by_survival,
                wants_input.then_some(&mut by_inputs),
                &mut by_weights,
                &mut self.workspace,
            )
            .expect("the results have the shapes of the means");
        let mut inputs = Vec::new();
        if wants_input {
            inputs.resize(by_inputs.len(), 0.0);
            transpose(&by_inputs, rows, &mut inputs);
        }
        Gradients {
            weights: by_weights,
            thresholds,
            inputs,
        }
    }
}

fn layer<'a>(inputs: &'a [f32], weights: &'a [f32], rows: usize, outputs: usize) -> Layer<'a> {
    Layer::new(inputs, weights, rows, outputs).expect("means lie in [−1, 1]")
}

/// A matrix of rows of `width`, transposed.
fn transpose(matrix: &[f32], width: usize, out: &mut [f32]) {
    let height = matrix.len() / width;
    let tasks = out.par_chunks_mut(LINE * height).enumerate();
    tasks.for_each(|(task, out)| {
        for (row, values) in matrix.chunks_exact(width).enumerate() {
            for (to, value) in out.chunks_exact_mut(height).zip(&values[task * LINE..]) {
                to[row] = *value;
            }
        }
    });
}
