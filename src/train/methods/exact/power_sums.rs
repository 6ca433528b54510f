//! Whole layers from power sums: right to 1e-6 at the cost of a few matrix products, whatever the depth. The kernel itself takes
//! the exact forms where a layer is shallow or its factors are too certain for the series.

use super::blocks::{Block, BlockGradients, Survival};
use bernet_kernels::{
    isa::Level,
    poisson_binomial::{Activations, Layer, Scratch},
};

/// The most that a survival may be wrong by.
const ACCURACY: f32 = 1e-6;

/// All channels of a block together.
pub(super) struct PowerSums {
    pub(super) level: Level,
}

impl PowerSums {
    fn activations(&self, block: &Block<'_>, scratch: &mut Scratch) -> Activations {
        let least: Vec<i32> = block.cuts.iter().map(|cut| cut.least).collect();
        let mut activations = Activations::default();
        layer(block)
            .forward(self.level, &least, ACCURACY, &mut activations, scratch)
            .expect("a cut for each output, and an accuracy that f32 has");
        activations
    }
}

impl Survival for PowerSums {
    fn survival(&self, block: &Block<'_>, scratch: &mut Scratch) -> Vec<f32> {
        self.activations(block, scratch).survival
    }

    fn backward(
        &self,
        block: &Block<'_>,
        upstream: &[f32],
        scratch: &mut Scratch,
    ) -> BlockGradients {
        let (n, rows) = (block.cuts.len(), block.rows());
        let activations = self.activations(block, scratch);
        let mut by_survival = vec![0.0; rows * n];
        let mut gradients = BlockGradients {
            weights: vec![0.0; block.weights.len()],
            thresholds: vec![0.0; n],
            inputs: vec![0.0; block.inputs.len()],
        };
        for (channel, cut) in block.cuts.iter().enumerate() {
            let mass = &activations.mass[channel * rows..][..rows];
            for row in 0..rows {
                // The output is direction · (2z − 1), and z falls by half the mass as the threshold rises.
                let upstream = cut.direction * upstream[row * n + channel];
                by_survival[channel * rows + row] = 2.0 * upstream;
                gradients.thresholds[channel] -= upstream * mass[row];
            }
        }
        let (inputs, weights) = (&mut gradients.inputs, &mut gradients.weights);
        layer(block)
            .backward(
                self.level,
                &activations,
                &by_survival,
                inputs,
                weights,
                scratch,
            )
            .expect("the results have the shapes of the means");
        gradients
    }
}

fn layer<'a>(block: &Block<'a>) -> Layer<'a> {
    Layer::new(block.inputs, block.weights, block.rows(), block.cuts.len())
        .expect("means lie in [−1, 1]")
}
