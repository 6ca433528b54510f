//! Matrix products.
//!
//! ```
//! use bernet_kernels::{bits::BitMatrix, isa::Level, xnor::{PackedWeights, gemm_i32}};
//!
//! let a = BitMatrix::from_signs(2, 3, &[1.0, -1.0, 1.0, 1.0, 1.0, 1.0])?;
//! let weights = PackedWeights::new(Level::best(), &BitMatrix::from_signs(1, 3, &[1.0, 1.0, -1.0])?);
//! let mut out = [0; 2];
//! gemm_i32(&a, &weights, &mut out)?;
//! assert_eq!(out, [-1, 1]);
//! # Ok::<(), bernet_kernels::Error>(())
//! ```

use super::{
    PackedWeights, Threshold,
    output::{Bits, Stage, Sums},
    patches::BandBorder,
    product::{Rows, Starts, product},
    tile::{Patches, Tile},
};
use crate::{Error, bits::BitMatrix, isa::dispatch};
use core::ops::Range;

/// `out[m · N + n] = Σ_k a[m][k] · w[n][k]`, for `a` of `M × K` and weights of `N × K`.
///
/// # Errors
/// [`Error::Size`] where the depths differ or `out` is not `M · N` long; [`Error::Dimension`] where a dimension is 0 or the depth
/// is 2³⁰ or above.
pub fn gemm_i32(a: &BitMatrix, weights: &PackedWeights, out: &mut [i32]) -> Result<(), Error> {
    let size = check(a, weights)?;
    Error::check_size("out (M · N)", size, out.len())?;
    run(
        a,
        weights,
        &mut Sums {
            out,
            outputs: weights.outputs(),
        },
    );
    Ok(())
}

/// `out[m][n] = threshold[n](Σ_k a[m][k] · w[n][k])`: the product and the activation, packed.
///
/// # Errors
/// [`Error::Size`] where depths, the number of thresholds, or the shape of `out` (`M × N`) differ; [`Error::Dimension`] as
/// [`gemm_i32`].
pub fn gemm_bits(
    a: &BitMatrix,
    weights: &PackedWeights,
    thresholds: &[Threshold],
    out: &mut BitMatrix,
) -> Result<(), Error> {
    check(a, weights)?;
    Error::check_size("thresholds (N)", weights.outputs(), thresholds.len())?;
    Error::check_size("rows of out (M)", a.rows(), out.rows())?;
    Error::check_size("columns of out (N)", weights.outputs(), out.columns())?;
    let line_words = out.row_words();
    let words = out.words_mut();
    words.fill(0);
    run(a, weights, &mut Bits::new(words, line_words, 1, thresholds));
    Ok(())
}

fn check(a: &BitMatrix, weights: &PackedWeights) -> Result<usize, Error> {
    Error::check_size("columns of a (depth)", weights.depth(), a.columns())?;
    weights.check_depth()?;
    Error::check_product("M · N", &[a.rows(), weights.outputs()])
}

fn run(a: &BitMatrix, weights: &PackedWeights, stage: &mut impl Stage) {
    dispatch!(weights.level(), token => {
        let source = Matrix { a, steps: steps(token, a.columns()) };
        product(token, weights, a.rows(), source, &None::<BandBorder<'_>>, stage);
    });
}

/// Steps of a row of `columns` bits.
fn steps<T: Tile>(_: T, columns: usize) -> usize {
    columns.div_ceil(8 * T::STEP)
}

/// The rows of a matrix, where they are.
struct Matrix<'a> {
    a: &'a BitMatrix,
    steps: usize,
}

impl Rows for Matrix<'_> {
    #[inline(always)]
    fn block(&mut self, rows: Range<usize>, starts: &mut Starts) -> Patches<'_> {
        let row_bytes = self.a.row_words() * size_of::<u64>();
        for (start, row) in starts.iter_mut().zip(rows) {
            *start = row * row_bytes;
        }
        Patches {
            words: self.a.words(),
            segments: 1,
            stride: 0,
            steps: self.steps,
        }
    }
}
