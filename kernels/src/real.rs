//! Products of floats, for the layers of a net that are not binary.
//!
//! Weights are laid out once in panels of 16 outputs: for each value of a row, one number for each
//! output of the panel. A tile of rows times a panel is added up in registers. Products and sums
//! are rounded one after the other, in the order of the values, not fused: every level gives the
//! same bits.
//!
//! Count for AVX2, a tile of 6×16 and one value of its rows: 2 loads, 6 broadcasts, 12 products and
//! 12 sums, on two pipes each: 6 cycles for 96 multiply-accumulates, 16 a cycle.

use crate::{
    Error,
    arch::float::{Float, Kernel},
    isa::{Level, dispatch},
};
use alloc::{vec, vec::Vec};

/// Outputs of a panel.
const COLUMNS: usize = 16;
/// Most rows of a tile on any level.
const ROWS: usize = 12;

/// Weights of floats, laid out for products.
///
/// ```
/// use bernet_kernels::{isa::Level, real::RealWeights};
///
/// let weights = RealWeights::new(2, &[1.0, 2.0, 3.0, 4.0])?;
/// let mut sums = [0.0; 2];
/// weights.product(Level::best(), &[10.0, 1.0], &[0.5, 0.0], &mut sums, 2)?;
/// assert_eq!(sums, [12.5, 34.0]);
/// # Ok::<(), bernet_kernels::Error>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct RealWeights {
    outputs: usize,
    depth: usize,
    panels: Vec<f32>,
}

impl RealWeights {
    /// Lays out `weights`: a row for each output.
    ///
    /// # Errors
    /// [`Error::Dimension`] where `outputs` is 0 or there are no weights; [`Error::Size`] where the
    /// weights are not whole rows.
    pub fn new(outputs: usize, weights: &[f32]) -> Result<Self, Error> {
        let depth = weights.len().checked_div(outputs).unwrap_or(0);
        if depth == 0 {
            return Err(Error::Dimension {
                what: "outputs and depth of real weights",
                found: 0,
                expected: "at least 1",
            });
        }
        Error::check_size("weights (outputs · depth)", outputs * depth, weights.len())?;
        let mut panels = vec![0.0; outputs.div_ceil(COLUMNS) * COLUMNS * depth];
        for (row, weights) in weights.chunks_exact(depth).enumerate() {
            let panel = &mut panels[row / COLUMNS * COLUMNS * depth..];
            for (at, &weight) in weights.iter().enumerate() {
                panel[at * COLUMNS + row % COLUMNS] = weight;
            }
        }
        Ok(Self {
            outputs,
            depth,
            panels,
        })
    }

    /// Outputs of a row.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Values of a row.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// `out = input · weightsᵀ + bias` for rows of [`depth`](Self::depth) values, one after the
    /// other; rows of outputs begin `stride` apart. There is a bias for each output, or none.
    ///
    /// # Errors
    /// [`Error::Size`] where the lengths do not fit together.
    pub fn product(
        &self,
        level: Level,
        input: &[f32],
        bias: &[f32],
        out: &mut [f32],
        stride: usize,
    ) -> Result<(), Error> {
        let rows = input.len() / self.depth;
        Error::check_size("input (rows · depth)", rows * self.depth, input.len())?;
        if !bias.is_empty() {
            Error::check_size("biases (outputs)", self.outputs, bias.len())?;
        }
        Error::check_size("stride (outputs)", self.outputs, stride.min(self.outputs))?;
        let needed = match rows {
            0 => 0,
            _ => (rows - 1) * stride + self.outputs,
        };
        Error::check_size("out (rows · stride)", needed, out.len().min(needed))?;
        let product = Product {
            weights: self,
            input,
            bias,
            out,
            stride,
        };
        dispatch!(level, token => token.run(product));
        Ok(())
    }
}

struct Product<'a> {
    weights: &'a RealWeights,
    input: &'a [f32],
    bias: &'a [f32],
    out: &'a mut [f32],
    stride: usize,
}

impl Kernel for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn call<F: Float>(mut self, float: F) {
        // As many sums as registers hold beside a row of the panel.
        match F::LANES {
            16 => self.rows::<F, 12, 1>(float),
            8 => self.rows::<F, 6, 2>(float),
            4 => self.rows::<F, 3, 4>(float),
            _ => self.rows::<F, 1, 16>(float),
        }
    }
}

impl Product<'_> {
    #[inline(always)]
    fn rows<F: Float, const R: usize, const V: usize>(&mut self, float: F) {
        const { assert!(R <= ROWS) };
        let depth = self.weights.depth;
        let mut row = 0;
        for tile in self.input.chunks(R * depth) {
            let count = tile.len() / depth;
            let out = &mut self.out[row * self.stride..];
            for (index, panel) in self
                .weights
                .panels
                .chunks_exact(COLUMNS * depth)
                .enumerate()
            {
                let mut sums = [[0.0; COLUMNS]; ROWS];
                if count == R {
                    sum::<F, R, V>(float, tile, panel, &mut sums);
                } else {
                    for (row, sums) in tile.chunks_exact(depth).zip(&mut sums) {
                        sum::<F, 1, V>(float, row, panel, core::array::from_mut(sums));
                    }
                }
                let first = index * COLUMNS;
                let columns = COLUMNS.min(self.weights.outputs - first);
                let bias = self.bias.get(first..).unwrap_or(&[]);
                for (at, sums) in sums[..count].iter().enumerate() {
                    let out = &mut out[at * self.stride + first..][..columns];
                    out.copy_from_slice(&sums[..columns]);
                    out.iter_mut()
                        .zip(bias)
                        .for_each(|(sum, bias)| *sum += bias);
                }
            }
            row += count;
        }
    }
}

/// Sums of `R` rows of values with a panel of `V` vectors.
#[inline(always)]
fn sum<F: Float, const R: usize, const V: usize>(
    float: F,
    input: &[f32],
    panel: &[f32],
    sums: &mut [[f32; COLUMNS]],
) {
    let depth = input.len() / R;
    let rows: [&[f32]; R] = core::array::from_fn(|row| &input[row * depth..][..depth]);
    let mut tile = [[float.splat(0.0); V]; R];
    for (at, panel) in panel.as_chunks::<COLUMNS>().0[..depth].iter().enumerate() {
        let weights: [F::Vector; V] = core::array::from_fn(|v| float.load(&panel[v * F::LANES..]));
        for row in 0..R {
            let value = float.splat(rows[row][at]);
            for v in 0..V {
                tile[row][v] = float.add(tile[row][v], float.mul(value, weights[v]));
            }
        }
    }
    for (sums, tile) in sums[..R].iter_mut().zip(&tile) {
        for (v, &vector) in tile.iter().enumerate() {
            float.store(vector, &mut sums[v * F::LANES..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_those_of_the_sums_written_out() {
        for (rows, outputs, depth, stride) in [
            (1, 1, 1, 1),
            (5, 15, 7, 20),
            (6, 16, 9, 16),
            (13, 33, 31, 40),
            (25, 48, 64, 48),
        ] {
            let number = |index: usize| ((index * 7919) % 1009) as f32 / 127.0 - 3.7;
            let input: Vec<f32> = (0..rows * depth).map(number).collect();
            let weights: Vec<f32> = (0..outputs * depth).map(|at| number(at + 11)).collect();
            let bias: Vec<f32> = (0..outputs).map(|at| number(at + 5)).collect();
            let mut expected = vec![9.0; rows * stride];
            for row in 0..rows {
                for output in 0..outputs {
                    let mut sum = 0.0;
                    for at in 0..depth {
                        sum += input[row * depth + at] * weights[output * depth + at];
                    }
                    expected[row * stride + output] = sum + bias[output];
                }
            }
            let weights = RealWeights::new(outputs, &weights).expect("whole rows");
            for level in Level::available() {
                let mut out = vec![9.0; rows * stride];
                weights
                    .product(level, &input, &bias, &mut out, stride)
                    .expect("sizes that fit");
                assert_eq!(out, expected, "{level}");
            }
        }
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        assert!(RealWeights::new(0, &[]).is_err());
        assert!(RealWeights::new(2, &[1.0; 3]).is_err());
        let weights = RealWeights::new(2, &[1.0; 4]).expect("whole rows");
        let level = Level::best();
        let mut out = [0.0; 4];
        assert!(weights.product(level, &[1.0; 3], &[], &mut out, 2).is_err());
        assert!(
            weights
                .product(level, &[1.0; 4], &[1.0], &mut out, 2)
                .is_err()
        );
        assert!(weights.product(level, &[1.0; 4], &[], &mut out, 1).is_err());
        assert!(weights.product(level, &[1.0; 6], &[], &mut out, 2).is_err());
        assert!(weights.product(level, &[], &[], &mut [], 2).is_ok());
    }
}
