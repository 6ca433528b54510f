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
//!
//! No function here allocates. Activations are the lines of a view, [`BitView`], whatever lies between them; bits go to another,
//! and numbers to rows that may lie apart, [`RowsMut`].

use super::{
    Affine, PackedWeights, Real, Threshold,
    activations::Bits,
    output::{Numbers, Scaled, Stage, Sums},
    pack::Panels,
    parallel::{over, parts},
    patches::BandBorder,
    product::{Rows, Starts, product},
    tile::{Patches, Strided, Tile},
};
use crate::{
    Error,
    bits::{BitView, BitViewMut, WORD},
    isa::dispatch,
};
use alloc::vec::Vec;
use core::ops::Range;

/// Where numbers go, a row for each row of a product or pixel of a convolution: a slice of just these rows, one after the other (any `&mut` slice, array or vector
/// converts), or rows that lie further apart.
///
/// ```
/// use bernet_kernels::{bits::BitMatrix, isa::Level, xnor::{PackedWeights, RowsMut, gemm_i32}};
///
/// let weights = PackedWeights::new(Level::best(), &BitMatrix::zeros(1, 3));
/// let mut wide = [7; 5];
/// gemm_i32(&BitMatrix::zeros(2, 3), &weights, RowsMut::new(&mut wide, 3))?;
/// assert_eq!(wide, [3, 7, 7, 3, 7]);
/// # Ok::<(), bernet_kernels::Error>(())
/// ```
#[derive(Debug)]
pub struct RowsMut<'a, T> {
    values: &'a mut [T],
    stride: Option<usize>,
}

impl<'a, T> RowsMut<'a, T> {
    /// Rows `stride` numbers apart. What lies between them, or after the last, is not touched.
    pub fn new(values: &'a mut [T], stride: usize) -> Self {
        Self {
            values,
            stride: Some(stride),
        }
    }

    /// As `rows` rows of `columns`, both at least 1 and their product not too large.
    pub(super) fn numbers(self, rows: usize, columns: usize) -> Result<Numbers<'a, T>, Error> {
        let found = self.values.len();
        let stride = self.stride.unwrap_or(columns);
        if let Some(stride) = self.stride {
            let needed = (rows - 1).saturating_mul(stride).saturating_add(columns);
            Error::check_size(
                "stride of out (at least a row)",
                stride.max(columns),
                stride,
            )?;
            Error::check_size(
                "out (at least to the end of the last row)",
                needed.max(found),
                found,
            )?;
        } else {
            Error::check_size("out", rows * columns, found)?;
        }
        Ok(Numbers {
            out: self.values,
            outputs: stride,
            line_rows: 1,
        })
    }
}

impl<'a, T> From<&'a mut [T]> for RowsMut<'a, T> {
    fn from(values: &'a mut [T]) -> Self {
        Self {
            values,
            stride: None,
        }
    }
}

impl<'a, T, const N: usize> From<&'a mut [T; N]> for RowsMut<'a, T> {
    fn from(values: &'a mut [T; N]) -> Self {
        values.as_mut_slice().into()
    }
}

impl<'a, T> From<&'a mut Vec<T>> for RowsMut<'a, T> {
    fn from(values: &'a mut Vec<T>) -> Self {
        values.as_mut_slice().into()
    }
}

/// `out[m · N + n] = Σ_k a[m][k] · w[n][k]`, for `a` of `M × K` and weights of `N × K`.
///
/// # Errors
/// [`Error::Size`] where the depths differ, `out` is not `M · N` long, or its rows are too close or too few; [`Error::Dimension`] where a dimension is 0 or the depth
/// is 2³⁰ or above.
pub fn gemm_i32<'a>(
    a: impl Into<BitView<'a>>,
    weights: &PackedWeights,
    out: impl Into<RowsMut<'a, i32>>,
) -> Result<(), Error> {
    let a = a.into();
    check(a, weights)?;
    let numbers = out.into().numbers(a.rows(), weights.outputs())?;
    run(a, weights, Sums(numbers));
    Ok(())
}

/// `out[m · N + n] = scale[n] · Σ_k a[m][k] · w[n][k] + bias[n]`, as `f32` or, with the feature `half`, as `f16` or `bf16`.
///
/// # Errors
/// [`Error::Size`] where depths or the number of scales or biases differ, or `out` does not fit, as for [`gemm_i32`];
/// [`Error::Dimension`] as there.
pub fn gemm_affine<'a, T: Real + 'a>(
    a: impl Into<BitView<'a>>,
    weights: &PackedWeights,
    affine: Affine<'_>,
    out: impl Into<RowsMut<'a, T>>,
) -> Result<(), Error> {
    let a = a.into();
    affine.check(weights.outputs())?;
    check(a, weights)?;
    let numbers = out.into().numbers(a.rows(), weights.outputs())?;
    run(a, weights, Scaled { numbers, affine });
    Ok(())
}

/// `out[m][n] = threshold[n](Σ_k a[m][k] · w[n][k])`: the product and the activation, packed.
///
/// # Errors
/// [`Error::Size`] where depths, the number of thresholds, or lines of `out` (`M` of `N` values) differ; [`Error::Dimension`] as
/// [`gemm_i32`].
pub fn gemm_bits<'a>(
    a: impl Into<BitView<'a>>,
    weights: &PackedWeights,
    thresholds: &[Threshold],
    out: impl Into<BitViewMut<'a>>,
) -> Result<(), Error> {
    let (a, mut out) = (a.into(), out.into());
    check(a, weights)?;
    Error::check_size("thresholds (N)", weights.outputs(), thresholds.len())?;
    Error::check_size("rows of out (M)", a.rows(), out.rows())?;
    Error::check_size("columns of out (N)", weights.outputs(), out.columns())?;
    out.clear();
    let line_words = out.stride();
    run(
        a,
        weights,
        Bits::new(out.into_words(), line_words, 1, thresholds),
    );
    Ok(())
}

fn check(a: BitView<'_>, weights: &PackedWeights) -> Result<(), Error> {
    Error::check_size("columns of a (depth)", weights.depth(), a.columns())?;
    PackedWeights::check_depth(weights.depth())?;
    Error::check_product("M · N", &[a.rows(), weights.outputs()]).map(drop)
}

/// More threads than this do not share one product.
const MOST_PARTS: usize = 256;

fn run<S: Stage>(a: BitView<'_>, weights: &PackedWeights, stage: S) {
    let work = a
        .rows()
        .saturating_mul(weights.outputs())
        .saturating_mul(weights.depth());
    let words = weights.outputs().div_ceil(WORD);
    let parts = parts(if a.rows() == 1 { words } else { a.rows() }, work);
    let mut workers = [(); MOST_PARTS];
    let workers = &mut workers[..parts.min(MOST_PARTS)];
    dispatch!(weights.level(), token => {
        let panels = weights.panels();
        // One row is cut into columns, at whole words of the packed result.
        if a.rows() == 1 {
            let split = |stage: S, words| stage.split_columns(words * WORD);
            over(0..words, stage, workers, &split, &|words, stage, ()| {
                let columns = words.start * WORD..weights.outputs().min(words.end * WORD);
                rows(token, a, 0..1, panels.columns(token, columns), stage);
            });
        } else {
            over(0..a.rows(), stage, workers, &S::split, &|lines, stage, ()| {
                rows(token, a, lines, panels, stage);
            });
        }
    });
}

fn rows<T: Tile, S: Stage>(
    token: T,
    a: BitView<'_>,
    rows: Range<usize>,
    panels: Panels<'_>,
    mut stage: S,
) {
    if T::WORDS && a.columns() <= WORD && S::WORDS {
        let (stride, count) = (a.stride(), rows.len());
        let words = &a.words()[rows.start * stride..];
        let rows = Strided {
            words,
            stride,
            count,
        };
        return stage.store_words(token, rows, stride, panels);
    }
    let source = Matrix {
        a,
        first: rows.start,
        steps: a.columns().div_ceil(8 * T::STEP),
    };
    product(
        token,
        panels,
        rows.len(),
        source,
        &None::<BandBorder<'_>>,
        &mut stage,
    );
}

/// The rows of a matrix, where they are.
struct Matrix<'a> {
    a: BitView<'a>,
    first: usize,
    steps: usize,
}

impl Rows for Matrix<'_> {
    #[inline(always)]
    fn block(&mut self, rows: Range<usize>, starts: &mut Starts) -> Patches<'_> {
        let row_bytes = self.a.stride() * size_of::<u64>();
        for (start, row) in starts.iter_mut().zip(rows) {
            *start = (self.first + row) * row_bytes;
        }
        Patches {
            words: self.a.words(),
            segments: 1,
            stride: 0,
            steps: self.steps,
            last: u32::MAX,
        }
    }
}
