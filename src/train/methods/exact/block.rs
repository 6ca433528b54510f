//! A block of a layer's rows, and its share of the gradients.

use super::Cut;

/// The means that a block's sums are made of.
pub(super) struct Block<'a> {
    /// Inputs, `K × rows`.
    pub(super) inputs: &'a [f32],
    /// Weights, `K × N`.
    pub(super) weights: &'a [f32],
    /// The cut of each of the `N` channels.
    pub(super) cuts: &'a [Cut],
}

impl Block<'_> {
    pub(super) fn depth(&self) -> usize {
        self.weights.len() / self.cuts.len()
    }

    pub(super) fn rows(&self) -> usize {
        self.inputs.len() / self.depth()
    }
}

/// What one block of rows adds to the gradients.
pub(super) struct BlockGradients {
    /// `K × N`.
    pub(super) weights: Vec<f32>,
    /// `N`.
    pub(super) thresholds: Vec<f32>,
    /// `K × rows`.
    pub(super) inputs: Vec<f32>,
}
