//! Reverse mode through the forward recursion.
//!
//! One step is `y′_i = y_i + v (y_{i−1} − y_i)`, and the loss's derivatives `λ` run backwards: `λ_i = λ′_i + v (λ′_{i+1} − λ′_i)`,
//! `∂z/∂v = Σ_i y_i (λ′_{i+1} − λ′_i)`. Only differences of `λ` occur, and they obey the same recursion, so it is the
//! differences `d_i = λ_{i+1} − λ_i` that are carried: at the end `λ` is a step at the cut and `d` is 1 just below it. That
//! keeps all terms positive where the difference of two values near 1 would cancel.
//!
//! At the place `i` below the cut, `d` is the probability that the factors to come bring exactly what is missing, which is 0 where
//! they are too few; and what has reached the cut has `d = 0`. So only the undecided parallelogram is computed, three
//! times: forward, forward again because the states are needed in reverse order, and back. Keeping all states takes `N²/4` vectors; every `√N`-th is
//! kept and the ones between are computed again.

use super::{block::Block, forward::Distribution};
use crate::arch::float::Float;
use core::ops::Range;

/// Steps between two kept states.
fn stride(factors: usize) -> usize {
    factors.isqrt().max(1)
}

/// How many vectors [`reverse`] asks for.
pub(super) fn vectors(factors: usize) -> usize {
    let stride = stride(factors);
    // Kept states, states between two of them, and `d`; a state has at most as many places as `top`.
    (factors / stride + 1 + stride + 1) * (factors + 5)
}

/// The derivatives of the survival, by the block's own numbering of factors.
#[inline(always)]
pub(super) fn reverse<F: Float>(
    float: F,
    block: &Block,
    y: &Distribution<'_, F>,
    rows: &[F::Vector],
    open: F::Vector,
    results: &mut [F::Vector],
    memory: &mut [F::Vector],
) {
    let count = block.count;
    if block.cut_range(float).1 < 1 {
        return results.fill(float.splat(0.0));
    }
    let (width, stride) = (y.top, stride(count));
    let rows = &rows[..count];
    let (kept, memory) = memory.split_at_mut((count / stride + 1) * width);
    let (between, memory) = memory.split_at_mut(stride * width);
    let d = &mut memory[..width];

    // Before factor j: no place below the lowest start or out of the reach of the factors to come, none further up than
    // the highest start and j.
    let starts = block.starts(float, y.top);
    let places = |j: usize| {
        let low = (width + j).saturating_sub(count).max(starts.start);
        low..(starts.end + j).min(width).max(low)
    };
    block.start(float, y.top, &mut kept[..width]);
    for (i, rows) in rows.chunks(stride).enumerate() {
        let (from, to) = kept[i * width..].split_at_mut(width);
        if let Some(to) = to.get_mut(..width) {
            to.copy_from_slice(from);
            for (j, &v) in rows.iter().enumerate() {
                step(float, v, to, places(i * stride + j + 1));
            }
        }
    }

    d.fill(float.splat(0.0));
    d[width - 1] = float.splat(1.0);
    for (i, (rows, results)) in rows
        .chunks(stride)
        .zip(results.chunks_mut(stride))
        .enumerate()
        .rev()
    {
        between[..width].copy_from_slice(&kept[i * width..][..width]);
        for (j, &v) in rows.iter().enumerate().take(rows.len() - 1) {
            let (from, to) = between[j * width..].split_at_mut(width);
            to[..width].copy_from_slice(from);
            step(float, v, &mut to[..width], places(i * stride + j + 1));
        }
        for (j, (&v, result)) in rows.iter().zip(results).enumerate().rev() {
            let Range { start, end } = places(i * stride + j);
            let mut sum = float.splat(0.0);
            for (&y, &d) in between[j * width..][start..end].iter().zip(&d[start..end]) {
                sum = float.mul_add(y, d, sum);
            }
            *result = float.mul(open, sum);
            step_back(float, v, d, start - 1..end);
        }
    }
}

/// `y_i ← y_i + v (y_{i−1} − y_i)` at the places of a range that does not begin at 0.
#[inline(always)]
fn step<F: Float>(float: F, v: F::Vector, y: &mut [F::Vector], places: Range<usize>) {
    let y = &mut y[places.start - 1..places.end];
    let mut above = y[y.len() - 1];
    for i in (1..y.len()).rev() {
        let below = y[i - 1];
        y[i] = float.mul_add(v, float.sub(below, above), above);
        above = below;
    }
}

/// `d_i ← d_i + v (d_{i+1} − d_i)` at the places of a range; past the last place `d` is 0.
#[inline(always)]
fn step_back<F: Float>(float: F, v: F::Vector, d: &mut [F::Vector], places: Range<usize>) {
    for i in places {
        let above = d.get(i + 1).copied().unwrap_or(float.splat(0.0));
        d[i] = float.mul_add(v, float.sub(above, d[i]), d[i]);
    }
}
