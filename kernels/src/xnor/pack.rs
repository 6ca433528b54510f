//! Weight panels.

use crate::{bits::BitMatrix, isa::Level};

/// Weights of a matrix product, `N × K` ±1, laid out for one level's inner tile.
#[derive(Clone, Debug)]
pub struct PackedWeights {
    level: Level,
    rows: BitMatrix,
}

impl PackedWeights {
    /// Lays out `weights`, one row for each of the `N` outputs, `K` columns.
    pub fn new(level: Level, weights: &BitMatrix) -> Self {
        Self {
            level,
            rows: weights.clone(),
        }
    }

    /// The level whose kernel they are for.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Number of outputs `N`.
    pub fn outputs(&self) -> usize {
        self.rows.rows()
    }

    /// Depth `K`.
    pub fn depth(&self) -> usize {
        self.rows.columns()
    }

    pub(super) fn rows(&self) -> &BitMatrix {
        &self.rows
    }
}
