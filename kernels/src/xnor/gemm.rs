//! Matrix products.
//!
//! ```
//! use bernet_kernels::{bits::BitMatrix, isa::Level, xnor::{PackedWeights, gemm_i32}};
//!
//! let a = BitMatrix::from_signs(2, 3, &[1.0, -1.0, 1.0, 1.0, 1.0, 1.0])?;
//! let weights = PackedWeights::new(Level::best(), &BitMatrix::from_signs(1, 3, &[1.0, 1.0, -1.0])?)?;
//! let mut out = [0; 2];
//! gemm_i32(&a, &weights, &mut out)?;
//! assert_eq!(out, [-1, 1]);
//! # Ok::<(), bernet_kernels::Error>(())
//! ```
//!
//! No function here allocates. Activations are the lines of a view, [`BitView`], whatever lies between them; bits go to another,
//! and numbers to rows that may lie apart, [`RowsMut`]. A product is the calling thread's, unless threads are asked for
//! ([`gemm_threads`]).

use super::{
    bits_out::Bits,
    epilogue::{Affine, Epilogue, RowsMut, Signs, Threshold, Transform},
    pack::{PackedWeights, Panels},
    parallel::{over, parts},
    product::{Block, Group, Places, Rows, Starts, product},
    reals::{Real, Reals, RealsMut, with_reals},
    writer::{EpilogueWriter, Numbers, Sums},
};
use crate::{
    Error,
    arch::tile::{Strided, Tile},
    bits::{BitView, BitViewMut, Shape, WORD},
    isa::dispatch,
};
use core::ops::Range;

/// What the epilogue makes of the sums `Σ_k a[m][k] · w[n][k]`, for `a` of `M × K` and weights of `N × K`.
///
/// # Errors
/// [`Error::Size`] where the depths differ or a part of the epilogue does not suit `M × N`; [`Error::Epilogue`] where it contradicts
/// itself; [`Error::Dimension`] where a dimension is 0.
pub fn gemm<'a>(
    a: impl Into<BitView<'a>>,
    weights: &PackedWeights,
    epilogue: Epilogue<'_>,
) -> Result<(), Error> {
    gemm_threads(1, a, weights, epilogue)
}

/// As [`gemm`], shared by up to so many threads of Rayon's current pool, where the feature `rayon` is on. Results are the same for any
/// number.
///
/// # Errors
/// As [`gemm`].
pub fn gemm_threads<'a>(
    threads: usize,
    a: impl Into<BitView<'a>>,
    weights: &PackedWeights,
    epilogue: Epilogue<'_>,
) -> Result<(), Error> {
    write(threads, a.into(), weights, epilogue)
}

// What the entry points call is compiled once, in this crate: they themselves are compiled where they are called.
fn write(
    threads: usize,
    a: BitView<'_>,
    weights: &PackedWeights,
    epilogue: Epilogue<'_>,
) -> Result<(), Error> {
    let shape = check(a, weights)?;
    match epilogue {
        Epilogue::Sums(out) => {
            let numbers = numbers(shape, out)?;
            run(threads, a, weights, Sums(numbers));
        }
        Epilogue::Bits { thresholds, out } => {
            let writer = Bits::new(lines(out)?, shape, thresholds, &[])?;
            run(threads, a, weights, writer);
        }
        Epilogue::Numbers { transform, out } => {
            return reals(threads, a, weights, transform, RealsMut::F32(out));
        }
        Epilogue::NumbersAndSigns {
            transform,
            out,
            signs: Signs { at_least, out: to },
        } => {
            let out = numbers(shape, out)?;
            let signs = Signs {
                at_least,
                out: lines(to)?,
            };
            let writer = Reals::new(shape, transform, Some(out), Some(signs))?;
            run(threads, a, weights, writer);
        }
        Epilogue::Signs {
            transform,
            signs: Signs { at_least, out: to },
        } => {
            let signs = Signs {
                at_least,
                out: lines(to)?,
            };
            let writer = Reals::<f32>::new(shape, transform, None, Some(signs))?;
            run(threads, a, weights, writer);
        }
    }
    Ok(())
}

fn reals(
    threads: usize,
    a: BitView<'_>,
    weights: &PackedWeights,
    transform: Transform<'_>,
    out: RealsMut<'_>,
) -> Result<(), Error> {
    let shape = check(a, weights)?;
    with_reals!(out, out => {
        let out = numbers(shape, out)?;
        run(threads, a, weights, Reals::new(shape, transform, Some(out), None)?);
    });
    Ok(())
}

/// `out[m · N + n] = Σ_k a[m][k] · w[n][k]`, for `a` of `M × K` and weights of `N × K`.
///
/// # Errors
/// [`Error::Size`] where the depths differ, `out` is not `M · N` long, or its rows are too close or too few; [`Error::Dimension`] where
/// a dimension is 0.
pub fn gemm_i32<'a>(
    a: impl Into<BitView<'a>>,
    weights: &PackedWeights,
    out: impl Into<RowsMut<'a, i32>>,
) -> Result<(), Error> {
    gemm(a, weights, Epilogue::Sums(out.into()))
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
    reals(1, a.into(), weights, affine.into(), T::out(out.into()))
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
    let out = out.into();
    gemm(a, weights, Epilogue::Bits { thresholds, out })
}

/// The shape of the output: its rows are images of a pixel.
fn check(a: BitView<'_>, weights: &PackedWeights) -> Result<Shape, Error> {
    Error::check_size("columns of a (depth)", weights.depth(), a.columns())?;
    Error::check_product("M · N", &[a.rows(), weights.outputs()])?;
    Ok(Shape::matrix(a.rows(), weights.outputs()))
}

fn numbers<T>(shape: Shape, out: RowsMut<'_, T>) -> Result<Numbers<'_, T>, Error> {
    Numbers::new(out, shape.batch, 1, shape.channels)
}

/// The lines of some bits, whatever their shape, as rows of a matrix.
fn lines(out: BitViewMut<'_>) -> Result<BitViewMut<'_>, Error> {
    let (rows, columns, stride) = (out.rows(), out.columns(), out.stride());
    BitViewMut::matrix(out.into_words(), rows, columns, stride)
}

/// More threads than this do not share one product.
const MOST_PARTS: usize = 256;

fn run<W: EpilogueWriter>(threads: usize, a: BitView<'_>, weights: &PackedWeights, writer: W) {
    let work = a
        .rows()
        .saturating_mul(weights.outputs())
        .saturating_mul(weights.depth());
    let words = weights.outputs().div_ceil(WORD);
    let lines = if a.rows() == 1 { words } else { a.rows() };
    let parts = parts(lines, work, threads);
    let mut workers = [(); MOST_PARTS];
    let workers = &mut workers[..parts.min(MOST_PARTS)];
    dispatch!(weights.level(), token => {
        let panels = weights.panels();
        // One row is cut into columns, at whole words of the packed result.
        if a.rows() == 1 {
            let split = |writer: W, words| writer.split_columns(words * WORD);
            over(0..words, writer, workers, &split, &|words, writer, ()| {
                let columns = words.start * WORD..weights.outputs().min(words.end * WORD);
                rows(token, a, 0..1, panels.columns(token, columns), writer);
            });
        } else {
            over(0..a.rows(), writer, workers, &W::split, &|lines, writer, ()| {
                rows(token, a, lines, panels, writer);
            });
        }
    });
}

fn rows<T: Tile, W: EpilogueWriter>(
    token: T,
    a: BitView<'_>,
    rows: Range<usize>,
    panels: Panels<'_>,
    mut writer: W,
) {
    if const { T::WORDS && W::WORDS } && a.columns() <= WORD {
        let (stride, count) = (a.stride(), rows.len());
        let words = &a.words()[rows.start * stride..];
        let rows = Strided {
            words,
            stride,
            count,
        };
        return writer.store_words(token, rows, stride, panels);
    }
    let source = Matrix {
        a,
        first: rows.start,
        group: Group {
            segments: 1,
            steps: a.columns().div_ceil(8 * T::STEP),
            tail_mask: u32::MAX,
            ..Group::default()
        },
    };
    product(token, panels, rows.len(), source, None, &mut writer);
}

/// The rows of a matrix, where they are.
struct Matrix<'a> {
    a: BitView<'a>,
    first: usize,
    group: Group,
}

impl Rows for Matrix<'_> {
    #[inline(always)]
    fn block(&mut self, rows: Range<usize>, starts: &mut Starts, places: &mut Places) -> Block<'_> {
        self.group.rows = rows.len();
        let row_bytes = self.a.stride() * size_of::<u64>();
        for ((start, place), row) in starts.iter_mut().zip(places).zip(rows) {
            *start = (self.first + row) * row_bytes;
            *place = [row, 0];
        }
        Block {
            words: self.a.words(),
            groups: core::slice::from_ref(&self.group),
        }
    }
}
