//! Memory of weights as kernels lay them out, bounded before any of it is taken.
//!
//! A bit takes about as much laid out as in a file, or, where outputs do not fill a register or there
//! are many groups, some tens of times as much; of a product of bytes a byte for each channel of all
//! groups and for what lies between taps. These are bounds for every level, so that a graph that is
//! planned on one is planned on all.

use super::PlanError;
use crate::graph::{ConvParams, Kind, Value};
use bernet_kernels::{bits::BitMatrix, xnor::PaddingValue};

/// What all weights together may take, beyond [`TIMES`] their bits.
const LIMIT: u64 = 256 << 20;
/// How much more than their bits weights may take laid out.
const TIMES: u64 = 16;
/// The most bytes of a register and of a cache line.
const LINE: u64 = 64;
/// Outputs that a line has room for, of a byte of depth, on the level that needs most.
const LANES: u64 = 32;
/// Of a group, or of a layer, besides its weights.
const GROUP: u64 = 128;
/// The most that a convolution's tables take.
const TABLES: u64 = 32 << 10;

/// The products up to some node.
pub(super) struct Footprint {
    taken: u64,
    limit: u64,
}

impl Default for Footprint {
    fn default() -> Self {
        Self {
            taken: 0,
            limit: LIMIT,
        }
    }
}

impl Footprint {
    /// Adds a product with weights of ±1.
    pub(super) fn add(
        &mut self,
        node: usize,
        params: &ConvParams,
        weights: &BitMatrix,
        input: Value,
    ) -> Result<(), PlanError> {
        let bits = weights.rows() as u64 * weights.columns() as u64;
        let laid_out = if input.kind == Kind::Bit {
            of_bits(params, weights)
        } else {
            of_bytes(params, weights.rows() as u64, input.shape.channels as u64)
        };
        self.limit = self.limit.saturating_add(TIMES * bits.div_ceil(8));
        self.taken = self.taken.saturating_add(laid_out).saturating_add(GROUP);
        if self.taken > self.limit {
            return Err(PlanError::Weights {
                node,
                limit: self.limit,
                needed: self.taken,
            });
        }
        Ok(())
    }
}

/// A byte for each weight twice over, lines filled up to whole steps, outputs to whole registers.
fn of_bytes(params: &ConvParams, outputs: u64, channels: u64) -> u64 {
    let line = (params.span()[1] as u64).saturating_mul(channels);
    let depth = line.div_ceil(LINE).saturating_mul(LINE);
    depth
        .saturating_mul(params.kernel[0] as u64)
        .saturating_mul(outputs.next_multiple_of(8))
        .saturating_mul(2)
}

fn of_bits(params: &ConvParams, weights: &BitMatrix) -> u64 {
    let (depth, outputs) = (weights.columns() as u64, weights.rows() as u64);
    let groups = (params.groups as u64).max(1);
    // Kernel lines may be lengthened by a third of what they are.
    let bytes = (depth + depth.div_ceil(3)).div_ceil(8);
    let lines = bytes.saturating_mul((outputs / groups).div_ceil(LANES));
    let panels = lines.saturating_mul(LINE).saturating_add(GROUP);
    let is_border = params.padding_value == PaddingValue::Zero && params.padding != [0; 4];
    let border = if is_border {
        let corners = (params.kernel[0] as u64 + 1) * (params.kernel[1] as u64 + 1);
        corners.saturating_mul(4 * outputs)
    } else {
        0
    };
    // Tables, or words with their bounds, which short rows have.
    let short = if groups == 1 && depth < 128 {
        TABLES.min(depth * 1024).max(32 * outputs)
    } else {
        0
    };
    groups
        .saturating_mul(panels)
        .saturating_add(border)
        .saturating_add(short + 8 * outputs)
}
