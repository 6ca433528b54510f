//! The gradients that solve the leave-one-out system as a linear system, all of it or its centre.
//!
//! The system (see `recursion.rs`) is `A x = y` with `p x_{k−1} + q x_k = y_k` in row `k`. Row `h − 1` and row `h` hold the wanted
//! `x_{h−1}`.
//!
//! * **Thomas**: `AᵀA x = Aᵀy`, tridiagonal with `p² + q²` on the diagonal and `pq` beside it, right side `q y_i + p y_{i+1}`.
//! * **Central**: only the `n` rows around row `h`, which have `n + 1` unknowns; of their solutions the shortest,
//!   `x = Bᵀ(B Bᵀ)⁻¹ y`, where `B Bᵀ` is the same tridiagonal matrix, `n` by `n`.
//! * **Extended**: only the three rows of the normal equations around `h − 1`, with `x_{h−3} = x_{h−2}` and `x_{h+1} = x_h`. Where `x` is
//!   nearly a parabola, which a distribution of deviation σ is on a scale of σ, the error is of the order of 1/σ².
//!
//! **Bias** against the exact gradient, the worst factor of uniform ones at the central cut (`bernet bench --kernel poisson-binomial`); a few
//! rows leave out that the unknowns beyond them are as large as those within, and the shortest solution makes all of them smaller:
//!
//! | factors | largest gradient | three | five | extended |
//! |---|---|---|---|---|
//! | 36 | .16 | 2.7e-2 | 1.1e-2 | 1.6e-2 |
//! | 800 | .035 | 8.0e-3 | 4.6e-3 | 1.9e-4 |
//! | 4096 | .015 | 3.6e-3 | 2.1e-3 | 1.7e-5 |

use super::{
    forward::Distribution,
    recursion::{TOGETHER, precise},
};
use crate::arch::float::Float;

/// The entry `offset` places above the cut; 0 outside the distribution.
#[inline(always)]
fn entry<F: Float>(float: F, y: &Distribution<'_, F>, offset: isize) -> F::Vector {
    y.top
        .checked_add_signed(offset)
        .and_then(|place| y.places.get(place).copied())
        .unwrap_or(float.splat(0.0))
}

/// The minimum-norm solution of the `ROWS` (odd) rows around row `cut` of a system of `factors` unknowns.
///
/// Where the first or the last row of the system is among them, the rows determine all their unknowns: then the one
/// solution is the exact one, and the recursion finds it.
#[inline(always)]
pub(super) fn central<F: Float, const ROWS: usize>(
    float: F,
    (factors, cut): (usize, i32),
    y: &Distribution<'_, F>,
    rows: &[F::Vector],
    open: F::Vector,
    results: &mut [F::Vector],
) {
    let (half, cut) = (ROWS as i64 / 2, i64::from(cut));
    if cut - half <= 0 || cut + half >= factors as i64 {
        return precise(float, y, rows, open, results);
    }
    let (zero, one) = (float.splat(0.0), float.splat(1.0));
    let right: [F::Vector; ROWS] =
        core::array::from_fn(|r| entry(float, y, r as isize - ROWS as isize / 2));
    for (&p, result) in rows.iter().zip(results) {
        let q = float.sub(one, p);
        let beside = float.mul(p, q);
        let diagonal = float.mul_add(p, p, float.mul(q, q));
        // Elimination downwards, then back: B Bᵀ is positive definite, so no pivoting is needed.
        let (mut ratio, mut multiplier) = ([zero; ROWS], [zero; ROWS]);
        let (mut previous_ratio, mut previous) = (zero, zero);
        for r in 0..ROWS {
            let inverse = float.div(one, float.neg_mul_add(beside, previous_ratio, diagonal));
            previous_ratio = float.mul(beside, inverse);
            previous = float.mul(float.neg_mul_add(beside, previous, right[r]), inverse);
            (ratio[r], multiplier[r]) = (previous_ratio, previous);
        }
        for r in (0..ROWS - 1).rev() {
            multiplier[r] = float.neg_mul_add(ratio[r], multiplier[r + 1], multiplier[r]);
        }
        // x = Bᵀ λ: row h has p at the wanted unknown and row h − 1 has q.
        let centre = ROWS / 2;
        let x = float.mul_add(q, multiplier[centre - 1], float.mul(p, multiplier[centre]));
        *result = float.mul(open, x);
    }
}

/// Three normal equations, the unknowns outside equal to the outermost: with `w = pq` and right sides `r`, the outer
/// unknowns are `(r − w x)/(1 − w)`, and the middle equation `(1 − 2w) x + w (x₋ + x₊) = r` remains.
#[inline(always)]
pub(super) fn extended<F: Float>(
    float: F,
    y: &Distribution<'_, F>,
    rows: &[F::Vector],
    open: F::Vector,
    results: &mut [F::Vector],
) {
    let one = float.splat(1.0);
    let near: [F::Vector; 4] = core::array::from_fn(|i| entry(float, y, i as isize - 2));
    for (&p, result) in rows.iter().zip(results) {
        let q = float.sub(one, p);
        let w = float.mul(p, q);
        let side = |i: usize| float.mul_add(q, near[i], float.mul(p, near[i + 1]));
        let share = float.div(w, float.sub(one, w));
        let right = float.neg_mul_add(share, float.add(side(0), side(2)), side(1));
        let left = float.neg_mul_add(float.add(w, w), float.add(one, share), one);
        *result = float.mul(open, float.div(right, left));
    }
}

/// The normal equations of a factor, eliminated from one end up to the last equation seen:
/// `x_k + ratio · (the next unknown) = value`.
#[derive(Clone, Copy)]
struct Elimination<F: Float> {
    beside: F::Vector,
    diagonal: F::Vector,
    ratio: F::Vector,
    value: F::Vector,
}

impl<F: Float> Elimination<F> {
    #[inline(always)]
    fn new(float: F, p: F::Vector) -> Self {
        let q = float.sub(float.splat(1.0), p);
        let zero = float.splat(0.0);
        Self {
            beside: float.mul(p, q),
            diagonal: float.mul_add(p, p, float.mul(q, q)),
            ratio: zero,
            value: zero,
        }
    }

    /// The next equation, whose right side is `right`.
    #[inline(always)]
    fn step(&mut self, float: F, right: F::Vector) {
        let pivot = float.neg_mul_add(self.beside, self.ratio, self.diagonal);
        let inverse = float.div(float.splat(1.0), pivot);
        self.value = float.mul(float.neg_mul_add(self.beside, self.value, right), inverse);
        self.ratio = float.mul(self.beside, inverse);
    }
}

/// All normal equations by elimination, from both ends to the wanted unknown, so that nothing is kept for a way back.
///
/// The lanes' systems have different sizes. Places below a lane's first or above its last only add unknowns whose
/// equations say that they are 0.
#[inline(always)]
pub(super) fn thomas<F: Float>(
    float: F,
    y: &Distribution<'_, F>,
    rows: &[F::Vector],
    open: F::Vector,
    results: &mut [F::Vector],
) {
    let wanted = y.top - 1;
    let unknowns = y.places.len() - 1;
    for (rows, results) in rows
        .chunks_exact(TOGETHER)
        .zip(results.chunks_exact_mut(TOGETHER))
    {
        let mut from_below = [Elimination::new(float, rows[0]); TOGETHER];
        for i in 1..TOGETHER {
            from_below[i] = Elimination::new(float, rows[i]);
        }
        let mut from_above = from_below;
        for k in 0..wanted {
            for i in 0..TOGETHER {
                from_below[i].step(float, right_side(float, y, rows[i], k));
            }
        }
        for k in (wanted + 1..unknowns).rev() {
            for i in 0..TOGETHER {
                from_above[i].step(float, right_side(float, y, rows[i], k));
            }
        }
        for i in 0..TOGETHER {
            let (below, above) = (&from_below[i], &from_above[i]);
            let values = float.add(below.value, above.value);
            let ratios = float.add(below.ratio, above.ratio);
            let right =
                float.neg_mul_add(below.beside, values, right_side(float, y, rows[i], wanted));
            let left = float.neg_mul_add(below.beside, ratios, below.diagonal);
            results[i] = float.mul(open, float.div(right, left));
        }
    }
}

/// `q y_k + p y_{k+1}`, the right side of normal equation `k`.
#[inline(always)]
fn right_side<F: Float>(float: F, y: &Distribution<'_, F>, p: F::Vector, k: usize) -> F::Vector {
    let q = float.sub(float.splat(1.0), p);
    float.mul_add(q, y.places[k], float.mul(p, y.places[k + 1]))
}
