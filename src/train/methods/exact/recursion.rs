//! The distribution of each channel's sums factor by factor, by the kernels' forms and gradients.

use super::block::{Block, BlockGradients};
use crate::train::matrix;
use bernet_kernels::{
    isa::Level,
    poisson_binomial::{self, Factors, Form, Gradient, Workspace},
};

/// Channel by channel, with one of the kernels' gradients.
pub(super) struct Recursion {
    pub(super) level: Level,
    pub(super) gradient: Gradient,
}

impl Recursion {
    /// `P(J ≥ h)` at `channel · rows + row`.
    pub(super) fn survival(&self, block: &Block<'_>, workspace: &mut Workspace) -> Vec<f32> {
        let rows = block.rows();
        let mut v = vec![0.0; block.inputs.len()];
        let mut survival = vec![0.0; rows * block.cuts.len()];
        let mut mass = vec![0.0; rows];
        let channels = block.cuts.iter().zip(survival.chunks_exact_mut(rows));
        for (channel, (cut, z)) in channels.enumerate() {
            let factors = factors(block, channel, &mut v);
            let (form, least) = (Form::Fastest, cut.least);
            poisson_binomial::survival(self.level, form, factors, least, z, &mut mass, workspace)
                .expect("the results have the length of the block");
        }
        survival
    }

    /// The gradients through the factors, from `upstream [rows × N]`, dLoss/d(output).
    pub(super) fn backward(
        &self,
        block: &Block<'_>,
        upstream: &[f32],
        workspace: &mut Workspace,
    ) -> BlockGradients {
        let (k, n, rows) = (block.depth(), block.cuts.len(), block.rows());
        let (mut v, mut dz_dv) = (vec![0.0; k * rows], vec![0.0; k * rows]);
        let (mut survival, mut mass) = (vec![0.0; rows], vec![0.0; rows]);
        let mut gradients = BlockGradients {
            weights: vec![0.0; k * n],
            thresholds: vec![0.0; n],
            inputs: vec![0.0; k * rows],
        };
        for (channel, cut) in block.cuts.iter().enumerate() {
            let factors = factors(block, channel, &mut v);
            let (z, y) = (&mut survival, &mut mass);
            let (level, method) = (self.level, self.gradient);
            poisson_binomial::gradient(
                level, method, factors, cut.least, z, y, &mut dz_dv, workspace,
            )
            .expect("the results have the length of the block");
            let upstream: Vec<f32> = (0..rows)
                .map(|row| cut.direction * upstream[row * n + channel])
                .collect();
            gradients.thresholds[channel] = -upstream
                .iter()
                .zip(&mass)
                .map(|(upstream, mass)| upstream * mass)
                .sum::<f32>();
            // Both sums go on in the order of the rows.
            matrix::vectorised(
                #[inline(always)]
                || {
                    let upstream = &upstream[..rows];
                    let inputs = block.inputs.chunks_exact(rows);
                    let by_inputs = gradients.inputs.chunks_exact_mut(rows);
                    let lines = dz_dv.chunks_exact(rows).zip(inputs).zip(by_inputs);
                    for (index, ((dz_dv, inputs), by_inputs)) in lines.enumerate() {
                        let weight = block.weights[index * n + channel];
                        let mut total = 0.0;
                        for row in 0..rows {
                            let by_product = upstream[row] * dz_dv[row];
                            total += by_product * inputs[row];
                            by_inputs[row] += by_product * weight;
                        }
                        gradients.weights[index * n + channel] = total;
                    }
                },
            );
        }
        gradients
    }
}

/// The probabilities of one channel, `v[k · rows + r]`.
fn factors<'a>(block: &Block<'_>, channel: usize, v: &'a mut [f32]) -> Factors<'a> {
    let (n, rows) = (block.cuts.len(), block.rows());
    let lines = v
        .chunks_exact_mut(rows)
        .zip(block.inputs.chunks_exact(rows));
    matrix::vectorised(
        #[inline(always)]
        || {
            for (k, (v, inputs)) in lines.enumerate() {
                let half = 0.5 * block.weights[k * n + channel];
                for (v, input) in v.iter_mut().zip(inputs) {
                    *v = 0.5 + half * input;
                }
            }
        },
    );
    Factors::new(v, rows).expect("means lie in [−1, 1]")
}
