//! Reverse mode through the forward recursion.
//!
//! One step is `y′_i = y_i + v (y_{i−1} − y_i)`, and the loss's derivatives `λ` run backwards: `λ_i = λ′_i + v (λ′_{i+1} − λ′_i)`,
//! `∂z/∂v = Σ_i y_i (λ′_{i+1} − λ′_i)`. Only differences of `λ` occur, and they obey the same recursion, so it is the
//! differences `d_i = λ_{i+1} − λ_i` that are carried: at the end `λ` is a step at the cut and `d` is 1 just below it. That
//! keeps all terms positive where the difference of two values near 1 would cancel.
//!
//! The states before each step are needed again in reverse order. Keeping all takes `N²` vectors; every `√N`-th is kept
//! and the ones between are computed again.

use super::{
    block::Block,
    forward::{self, Distribution},
};
use crate::arch::float::Float;

/// Steps between two kept states.
fn stride(factors: usize) -> usize {
    factors.isqrt().max(1)
}

/// How many vectors [`reverse`] asks for.
pub(super) fn vectors(factors: usize) -> usize {
    let stride = stride(factors);
    (factors / stride + 1 + stride + 1) * forward::places(factors)
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
    let (width, stride) = (y.places.len(), stride(block.count));
    let rows = &rows[..block.count];
    let kept = block.count / stride + 1;
    let (kept, memory) = memory.split_at_mut(kept * width);
    let (between, memory) = memory.split_at_mut(stride * width);
    let d = &mut memory[..width];

    block.start(float, y.top, &mut kept[..width]);
    for (i, rows) in rows.chunks(stride).enumerate() {
        let (from, to) = kept[i * width..].split_at_mut(width);
        if let Some(to) = to.get_mut(..width) {
            to.copy_from_slice(from);
            rows.iter().for_each(|&v| step(float, v, to));
        }
    }

    d.fill(float.splat(0.0));
    d[y.top - 1] = float.splat(1.0);
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
            step(float, v, &mut to[..width]);
        }
        for (j, (&v, result)) in rows.iter().zip(results).enumerate().rev() {
            let mut sum = float.splat(0.0);
            for (&y, &d) in between[j * width..][..width].iter().zip(&*d) {
                sum = float.mul_add(y, d, sum);
            }
            *result = float.mul(open, sum);
            for i in 0..width - 1 {
                d[i] = float.mul_add(v, float.sub(d[i + 1], d[i]), d[i]);
            }
        }
    }
}

/// One factor, in place.
#[inline(always)]
fn step<F: Float>(float: F, v: F::Vector, y: &mut [F::Vector]) {
    for i in (1..y.len()).rev() {
        y[i] = float.mul_add(v, float.sub(y[i - 1], y[i]), y[i]);
    }
}
