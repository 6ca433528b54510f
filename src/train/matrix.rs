//! Products of f32 matrices, split over threads so that the result does not depend on how many there are.
//!
//! All matrices are row-major without gaps. Rows are cut into blocks of a fixed size; a block is one task, and partial
//! sums are added in the order of the blocks.

use bernet_kernels::isa::Level;
use rayon::prelude::*;
use std::sync::LazyLock;

/// The level of loops over elements, found once, as the matrix product finds its own.
static LEVEL: LazyLock<Level> = LazyLock::new(Level::best);

/// Does a loop over elements with the widest vectors there are; its bits are those of any other level.
#[inline]
pub(crate) fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    LEVEL.vectorize(work)
}

/// Rows of a task: enough work to be worth a thread's while, few enough to share a batch among a handful of threads.
pub(crate) const BLOCK: usize = 256;

/// An operand as it lies in memory: its values, and the distances between rows and between columns.
#[derive(Clone, Copy)]
struct Operand<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Operand<'a> {
    fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(
            values.len(),
            rows * columns,
            "a matrix of {rows} × {columns}"
        );
        Self {
            values,
            rows,
            columns,
            row_stride: columns,
            column_stride: 1,
        }
    }

    fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// `out = a · b` on the calling thread.
fn product(a: Operand<'_>, b: Operand<'_>, out: &mut [f32]) {
    assert_eq!(a.columns, b.rows, "inner dimensions");
    assert_eq!(out.len(), a.rows * b.columns, "the product's size");
    // SAFETY: `Operand::new` has checked that each operand's values cover its rows and columns (transposing keeps the
    // set of offsets), and `out` is as long as its row stride times its rows.
    unsafe {
        matrixmultiply::sgemm(
            a.rows,
            a.columns,
            b.columns,
            1.0,
            a.values.as_ptr(),
            a.row_stride as isize,
            a.column_stride as isize,
            b.values.as_ptr(),
            b.row_stride as isize,
            b.column_stride as isize,
            0.0,
            out.as_mut_ptr(),
            b.columns as isize,
            1,
        );
    }
}

/// `out [rows × n] = a [rows × k] · b [k × n]`.
pub(crate) fn multiply(a: &[f32], b: &[f32], k: usize, n: usize, out: &mut [f32]) {
    out.par_chunks_mut(BLOCK * n)
        .zip(a.par_chunks(BLOCK * k))
        .for_each(|(out, a)| {
            product(Operand::new(a, a.len() / k, k), Operand::new(b, k, n), out);
        });
}

/// `out [rows × k] = d [rows × n] · bᵀ`, for `b [k × n]`.
pub(crate) fn multiply_transposed(d: &[f32], b: &[f32], k: usize, n: usize, out: &mut [f32]) {
    out.par_chunks_mut(BLOCK * k)
        .zip(d.par_chunks(BLOCK * n))
        .for_each(|(out, d)| {
            product(
                Operand::new(d, d.len() / n, n),
                Operand::new(b, k, n).transposed(),
                out,
            );
        });
}

/// `out [k × n] = aᵀ · d`, for `a [rows × k]` and `d [rows × n]`: the sum over rows.
pub(crate) fn transposed_multiply(a: &[f32], d: &[f32], k: usize, n: usize, out: &mut [f32]) {
    let rows = a.len() / k;
    // Long sums get larger blocks, so that the partial results stay few.
    let block = rows.div_ceil(16).max(BLOCK);
    let partial: Vec<Vec<f32>> = a
        .par_chunks(block * k)
        .zip(d.par_chunks(block * n))
        .map(|(a, d)| {
            let rows = a.len() / k;
            let mut out = vec![0.0; k * n];
            product(
                Operand::new(a, rows, k).transposed(),
                Operand::new(d, rows, n),
                &mut out,
            );
            out
        })
        .collect();
    out.fill(0.0);
    for partial in partial {
        vectorised(|| add(out, &partial));
    }
}

/// `out += values`.
#[inline(always)]
pub(crate) fn add(out: &mut [f32], values: &[f32]) {
    for (out, value) in out.iter_mut().zip(values) {
        *out += value;
    }
}

/// For each of `n` columns, the sums over the rows of what `term` adds for a block of rows, one slice of `n` for each sum; blocks in
/// order.
pub(crate) fn column_sums<const SUMS: usize>(
    rows: usize,
    n: usize,
    term: impl Fn(std::ops::Range<usize>, [&mut [f32]; SUMS]) + Sync,
) -> Vec<[f64; SUMS]> {
    let partial: Vec<[Vec<f32>; SUMS]> = (0..rows.div_ceil(BLOCK))
        .into_par_iter()
        .map(|block| {
            let mut sums = std::array::from_fn(|_| vec![0.0; n]);
            let range = block * BLOCK..rows.min((block + 1) * BLOCK);
            vectorised(|| term(range, sums.each_mut().map(Vec::as_mut_slice)));
            sums
        })
        .collect();
    let mut total = vec![[0.0; SUMS]; n];
    for partial in partial {
        for (sum, partial) in partial.iter().enumerate() {
            for (total, partial) in total.iter_mut().zip(partial) {
                total[sum] += f64::from(*partial);
            }
        }
    }
    total
}
