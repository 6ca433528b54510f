//! Products of floats with weights.
//!
//! Weights are laid out once in panels of 16 outputs: for each value of a row, one number for each
//! output of the panel. A last panel of 8 outputs or fewer is half as wide. A tile of rows times a
//! panel is added up in registers, beginning with the bias, in the order of the values. Levels with
//! a fused multiply-add round once a step, the others twice: results differ by a few units in the
//! last place. (This is the order of XNNPACK, so that a sign of a sum near 0 is most often that of
//! TensorFlow Lite.)
//!
//! Count for AVX2, a tile of 6×16 and one value of its rows: 2 loads, 6 broadcasts and 12
//! multiply-adds on two pipes: 6 cycles for 96 multiply-accumulates, 16 a cycle. AVX-512 does the
//! same with 12×16 on pipes of which two are one; a narrow panel is computed with vectors of 8
//! lanes, 12×8, so that no lane is idle.

use super::RealRows;
use crate::{
    Error,
    arch::float::{Float, Kernel},
    isa::{Level, dispatch},
};
use alloc::{vec, vec::Vec};

/// Outputs of a panel.
const COLUMNS: usize = 16;
/// Most outputs of a narrow panel, which is the last.
const NARROW: usize = 8;

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
        let wide = wide(outputs);
        let mut panels = vec![0.0; (wide + narrow(outputs)) * depth];
        for (row, weights) in weights.chunks_exact(depth).enumerate() {
            let width = if row < wide { COLUMNS } else { NARROW };
            let column = row % COLUMNS;
            let panel = &mut panels[(row - column) * depth..];
            for (at, &weight) in weights.iter().enumerate() {
                panel[at * width + column] = weight;
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
        let rows = RealRows::new(input, self.depth);
        let values = rows.count * self.depth;
        Error::check_size("input (rows · depth)", values, input.len())?;
        self.product_of(level, &rows, bias, out, stride)
    }

    /// As [`product`](Self::product), of rows wherever they lie.
    ///
    /// # Errors
    /// [`Error::Size`] where the lengths do not fit together, or rows leave their slice.
    pub fn product_of(
        &self,
        level: Level,
        rows: &RealRows<'_>,
        bias: &[f32],
        out: &mut [f32],
        stride: usize,
    ) -> Result<(), Error> {
        rows.check(self.depth)?;
        if !bias.is_empty() {
            Error::check_size("biases (outputs)", self.outputs, bias.len())?;
        }
        Error::check_size("stride (outputs)", self.outputs, stride.min(self.outputs))?;
        let needed = match rows.count {
            0 => 0,
            count => (count - 1) * stride + self.outputs,
        };
        Error::check_size("out (rows · stride)", needed, out.len().min(needed))?;
        let product = Product {
            weights: self,
            rows,
            bias,
            out,
            stride,
        };
        dispatch!(level, token => token.run(product));
        Ok(())
    }
}

/// Columns of the wide panels.
fn wide(outputs: usize) -> usize {
    match outputs % COLUMNS {
        1..=NARROW => outputs - outputs % COLUMNS,
        _ => outputs.next_multiple_of(COLUMNS),
    }
}

/// Columns of the narrow panel, if there is one.
fn narrow(outputs: usize) -> usize {
    if wide(outputs) < outputs { NARROW } else { 0 }
}

struct Product<'a> {
    weights: &'a RealWeights,
    rows: &'a RealRows<'a>,
    bias: &'a [f32],
    out: &'a mut [f32],
    stride: usize,
}

impl Kernel for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn call<F: Float>(mut self, float: F) {
        let weights = self.weights;
        let columns = wide(weights.outputs);
        let (wide, narrow) = weights.panels.split_at(columns * weights.depth);
        // As many sums as registers hold beside a row of the panel.
        if !wide.is_empty() {
            match F::LANES {
                16 => self.tiles::<F, 12, 4, 1, COLUMNS>(float, 0, wide),
                8 => self.tiles::<F, 6, 2, 2, COLUMNS>(float, 0, wide),
                _ => self.tiles::<F, 3, 1, 4, COLUMNS>(float, 0, wide),
            }
        }
        if !narrow.is_empty() {
            let float = float.narrow();
            match F::Narrow::LANES {
                8 => self.tiles::<F::Narrow, 12, 4, 1, NARROW>(float, columns, narrow),
                _ => self.tiles::<F::Narrow, 6, 2, 2, NARROW>(float, columns, narrow),
            }
        }
    }
}

impl Product<'_> {
    /// All rows, `R` at a time and `S` where few are left, with panels of `C` columns, which are `V`
    /// vectors.
    #[inline(always)]
    fn tiles<F: Float, const R: usize, const S: usize, const V: usize, const C: usize>(
        &mut self,
        float: F,
        first: usize,
        panels: &[f32],
    ) {
        let rows = self.rows.count;
        let panels = panels.chunks_exact(C * self.weights.depth);
        let mut row = 0;
        while row < rows {
            // A last tile computes rows of the one before again, to the same sums.
            let left = rows - row;
            row += if left >= R || left > 2 * S && rows >= R {
                self.panels::<F, R, V, C>(float, row.min(rows - R), first, panels.clone());
                R
            } else if rows >= S {
                self.panels::<F, S, V, C>(float, row.min(rows - S), first, panels.clone());
                S
            } else {
                self.panels::<F, 1, V, C>(float, row, first, panels.clone());
                1
            };
        }
    }

    /// `R` rows with all panels.
    #[inline(always)]
    fn panels<'p, F: Float, const R: usize, const V: usize, const C: usize>(
        &mut self,
        float: F,
        row: usize,
        first: usize,
        panels: impl Iterator<Item = &'p [f32]>,
    ) {
        let starts = self.rows.starts::<R>(row);
        for (index, panel) in panels.enumerate() {
            let first = first + index * C;
            let columns = C.min(self.weights.outputs - first);
            let mut start = [0.0; C];
            if let Some(bias) = self.bias.get(first..first + columns) {
                start[..columns].copy_from_slice(bias);
            }
            let sums = sum::<F, R, V, C>(float, self.rows, &starts, panel, &start);
            let out = &mut self.out[row * self.stride + first..];
            for (r, sums) in sums.iter().enumerate() {
                let out = &mut out[r * self.stride..][..columns];
                if columns == C {
                    for (v, &vector) in sums.iter().enumerate() {
                        float.store(vector, &mut out[v * F::LANES..]);
                    }
                } else {
                    let mut all = [0.0; C];
                    for (v, &vector) in sums.iter().enumerate() {
                        float.store(vector, &mut all[v * F::LANES..]);
                    }
                    out.copy_from_slice(&all[..columns]);
                }
            }
        }
    }
}

/// The products of `R` rows with a panel, added to `start`.
#[inline(always)]
fn sum<F: Float, const R: usize, const V: usize, const C: usize>(
    float: F,
    rows: &RealRows<'_>,
    starts: &[usize; R],
    panel: &[f32],
    start: &[f32; C],
) -> [[F::Vector; V]; R] {
    let start: [F::Vector; V] = core::array::from_fn(|v| float.load(&start[v * F::LANES..]));
    let mut sums = [start; R];
    let panel = panel.as_chunks::<C>().0;
    for (run, panel) in rows.runs.iter().zip(panel.chunks_exact(rows.run)) {
        let rows: [&[f32]; R] =
            core::array::from_fn(|row| &rows.values[starts[row] + run..][..rows.run]);
        for (at, panel) in panel.iter().enumerate() {
            let weights: [F::Vector; V] =
                core::array::from_fn(|v| float.load(&panel[v * F::LANES..]));
            for row in 0..R {
                // SAFETY: rows are cut to `run` values, and as many steps of the panel are gone through.
                // (Checks would take the registers that the sums are in.)
                let value = float.splat(unsafe { *rows[row].get_unchecked(at) });
                for v in 0..V {
                    sums[row][v] = float.mul_add(value, weights[v], sums[row][v]);
                }
            }
        }
    }
    sums
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
            (11, 8, 5, 8),
            (12, 9, 5, 9),
            (13, 24, 27, 30),
            (49, 20, 33, 20),
        ] {
            let number = |index: usize| ((index * 7919) % 1009) as f32 / 127.0 - 3.7;
            let input: Vec<f32> = (0..rows * depth).map(number).collect();
            let weights: Vec<f32> = (0..outputs * depth).map(|at| number(at + 11)).collect();
            let bias: Vec<f32> = (0..outputs).map(|at| number(at + 5)).collect();
            let mut expected = vec![9.0; rows * stride];
            for row in 0..rows {
                for output in 0..outputs {
                    let mut sum = f64::from(bias[output]);
                    for at in 0..depth {
                        let product = input[row * depth + at] * weights[output * depth + at];
                        sum += f64::from(product);
                    }
                    expected[row * stride + output] = sum as f32;
                }
            }
            let weights = RealWeights::new(outputs, &weights).expect("whole rows");
            for level in Level::available() {
                let mut out = vec![9.0; rows * stride];
                weights
                    .product(level, &input, &bias, &mut out, stride)
                    .expect("sizes that fit");
                for (found, expected) in out.iter().zip(&expected) {
                    assert!(
                        (found - expected).abs() < 1e-3,
                        "{level}: {found}, {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn windows_are_rows_as_if_they_were_laid_out() {
        // 7×9 places of 3 channels; windows of 3×2, every second place.
        let (depth, stride) = (3 * 2 * 3, 11);
        let number = |index: usize| ((index * 7919) % 1009) as f32 / 127.0 - 3.7;
        let values: Vec<f32> = (0..7 * 9 * 3).map(number).collect();
        let runs = [0, 27, 54];
        let rows = RealRows {
            values: &values,
            runs: &runs,
            run: 6,
            count: 12,
            width: 4,
            step: 6,
            line: 54,
        };
        let mut laid_out = Vec::new();
        for row in 0..12 {
            for run in runs {
                let start = row / 4 * 54 + row % 4 * 6 + run;
                laid_out.extend_from_slice(&values[start..start + 6]);
            }
        }
        let weights: Vec<f32> = (0..11 * depth).map(|at| number(at + 11)).collect();
        let weights = RealWeights::new(11, &weights).expect("whole rows");
        for level in Level::available() {
            let [mut found, mut expected] = [(); 2].map(|()| vec![9.0; 12 * stride]);
            weights
                .product_of(level, &rows, &[], &mut found, stride)
                .expect("rows that fit");
            weights
                .product(level, &laid_out, &[], &mut expected, stride)
                .expect("sizes that fit");
            assert_eq!(found, expected, "{level}");
            let outside = RealRows { count: 13, ..rows };
            let refused = weights.product_of(level, &outside, &[], &mut [0.0; 200], stride);
            assert!(refused.is_err(), "{level}");
            // The last value of the last row is number 185.
            for (len, fits) in [(185, false), (186, true)] {
                let values = &values[..len];
                let rows = RealRows { values, ..rows };
                let result = weights.product_of(level, &rows, &[], &mut found, stride);
                assert_eq!(result.is_ok(), fits, "{level}");
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
