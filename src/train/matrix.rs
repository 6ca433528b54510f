//! Products of f32 matrices, split over threads so that the result does not depend on how many there are.
//!
//! All matrices are row-major without gaps. Rows are cut into blocks of a fixed size; a block is one task, and partial
//! sums are added in the order of the blocks.

use bernet_kernels::isa::Level;
use rayon::prelude::*;
use std::{ops::Range, sync::LazyLock};

/// The level of loops over elements, found once, as the matrix product finds its own.
static LEVEL: LazyLock<Level> = LazyLock::new(Level::best);

/// Does a loop over elements with the widest vectors there are; its bits are those of any other level.
/// The closure says `#[inline(always)]`: one that the compiler does not inline is compiled for any CPU.
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

    /// Some of its columns.
    fn columns(self, range: Range<usize>) -> Self {
        assert!(range.end <= self.columns, "columns of {}", self.columns);
        Self {
            values: &self.values[(range.start * self.column_stride).min(self.values.len())..],
            columns: range.len(),
            ..self
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
    // set of offsets, and some of the columns have some of them), and `out` is as long as its row stride times its rows.
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

/// Whether a matrix with so few rows and so many columns has its columns shared among the tasks, not its rows. A sum has the
/// same terms in the same order either way.
fn is_wide(rows: usize, columns: usize) -> bool {
    rows <= BLOCK && columns > BLOCK
}

/// `out = a · b`, some columns a task.
fn product_by_columns(a: Operand<'_>, b: Operand<'_>, out: &mut [f32]) {
    let n = b.columns;
    let parts: Vec<(Range<usize>, Vec<f32>)> = (0..n.div_ceil(BLOCK))
        .into_par_iter()
        .map(|block| {
            let range = block * BLOCK..n.min((block + 1) * BLOCK);
            let mut part = vec![0.0; a.rows * range.len()];
            product(a, b.columns(range.clone()), &mut part);
            (range, part)
        })
        .collect();
    out.par_chunks_mut(n).enumerate().for_each(|(row, out)| {
        for (range, part) in &parts {
            out[range.clone()].copy_from_slice(&part[row * range.len()..][..range.len()]);
        }
    });
}

/// `out [rows × n] = a [rows × k] · b [k × n]`.
pub(crate) fn multiply(a: &[f32], b: &[f32], k: usize, n: usize, out: &mut [f32]) {
    let rows = a.len() / k;
    if is_wide(rows, n) {
        return product_by_columns(Operand::new(a, rows, k), Operand::new(b, k, n), out);
    }
    out.par_chunks_mut(BLOCK * n)
        .zip(a.par_chunks(BLOCK * k))
        .for_each(|(out, a)| {
            product(Operand::new(a, a.len() / k, k), Operand::new(b, k, n), out);
        });
}

/// `out [rows × k] = d [rows × n] · bᵀ`, for `b [k × n]`.
pub(crate) fn multiply_transposed(d: &[f32], b: &[f32], k: usize, n: usize, out: &mut [f32]) {
    let rows = d.len() / n;
    let b = Operand::new(b, k, n).transposed();
    if is_wide(rows, k) {
        return product_by_columns(Operand::new(d, rows, n), b, out);
    }
    out.par_chunks_mut(BLOCK * k)
        .zip(d.par_chunks(BLOCK * n))
        .for_each(|(out, d)| product(Operand::new(d, d.len() / n, n), b, out));
}

/// `out [k × n] = aᵀ · d`, for `a [rows × k]` and `d [rows × n]`: the sum over rows.
pub(crate) fn transposed_multiply(a: &[f32], d: &[f32], k: usize, n: usize, out: &mut [f32]) {
    let rows = a.len() / k;
    if is_wide(rows, k) {
        let (a, d) = (Operand::new(a, rows, k), Operand::new(d, rows, n));
        let parts = out.par_chunks_mut(BLOCK * n).enumerate();
        parts.for_each(|(block, out)| {
            let range = block * BLOCK..k.min((block + 1) * BLOCK);
            product(a.columns(range).transposed(), d, out);
        });
        return;
    }
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
        vectorised(
            #[inline(always)]
            || add(out, &partial),
        );
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
            vectorised(
                #[inline(always)]
                || term(range, sums.each_mut().map(Vec::as_mut_slice)),
            );
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

#[cfg(test)]
mod tests {
    use super::{BLOCK, multiply, multiply_transposed, transposed_multiply};
    use crate::train::random::{Purpose, Random};

    /// Entries are small integers, so that every sum is exact.
    #[test]
    fn products_are_exact_however_they_are_shared_among_tasks() {
        let mut random = Random::new(1, Purpose::Initial, 0);
        for (rows, k, n) in [
            (3, 2, 5),
            (BLOCK, BLOCK + 1, 3),
            (BLOCK - 1, 3, BLOCK + 1),
            (2, 2 * BLOCK + 3, 2 * BLOCK + 1),
            (BLOCK + 1, BLOCK + 1, 2),
        ] {
            let mut entries = |size: usize| -> Vec<f32> {
                (0..size).map(|_| random.below(7) as f32 - 3.0).collect()
            };
            let (a, b, d) = (entries(rows * k), entries(k * n), entries(rows * n));
            let mut out = vec![f32::NAN; rows * n];
            multiply(&a, &b, k, n, &mut out);
            let mut by_input = vec![f32::NAN; rows * k];
            multiply_transposed(&d, &b, k, n, &mut by_input);
            let mut by_weight = vec![f32::NAN; k * n];
            transposed_multiply(&a, &d, k, n, &mut by_weight);
            let sum = |count: usize, term: &dyn Fn(usize) -> f32| (0..count).map(term).sum::<f32>();
            for row in 0..rows {
                for j in 0..n {
                    let expected = sum(k, &|i| a[row * k + i] * b[i * n + j]);
                    assert_eq!(out[row * n + j], expected, "{rows}×{k}×{n}");
                }
                for i in 0..k {
                    let expected = sum(n, &|j| d[row * n + j] * b[i * n + j]);
                    assert_eq!(by_input[row * k + i], expected, "{rows}×{k}×{n}");
                }
            }
            for i in 0..k {
                for j in 0..n {
                    let expected = sum(rows, &|row| a[row * k + i] * d[row * n + j]);
                    assert_eq!(by_weight[i * n + j], expected, "{rows}×{k}×{n}");
                }
            }
        }
    }
}
