//! Reverse mode through the forward recursion.
//!
//! One step is `y′_i = y_i + v (y_{i−1} − y_i)`, and the loss's derivatives `λ` run backwards: `λ_i = λ′_i + v (λ′_{i+1} − λ′_i)`,
//! `∂z/∂v = Σ_i y_i (λ′_{i+1} − λ′_i)`. Only differences of `λ` occur, and they obey the same recursion, so it is the
//! differences `d_i = λ_{i+1} − λ_i` that are carried: at the end `λ` is a step at the cut and `d` is 1 just below it. That
//! keeps all terms positive where the difference of two values near 1 would cancel.
//!
//! As in the forward direction four factors are one polynomial `c`: `y′_i = Σ_a c_a y_{i−a}`, `d_i = Σ_a c_a d′_{i+a}`. The gradient of one
//! of them is the product with the polynomial of the other three, `Σ_a c_{−j,a} D_a`, where `D_a = Σ_i y_i d′_{i+a}` for
//! `a` = 0 … 3 is shared by all four.
//!
//! `d_i` is the probability that the factors to come bring exactly what is missing at the place `i`, which is 0 where they are
//! too few; and what has reached the cut has `d = 0`. So only the undecided parallelogram is computed: forward, forward again
//! because the states are needed in reverse order, and back. Keeping all states takes `N²/16` vectors; where there are
//! many groups, only every `√(N/4)`-th is kept, and the ones between are computed again.

use super::{
    block::{self, Block, GROUP},
    forward::{TILE, pair, polynomial, product, taps, tile, window},
};
use crate::arch::float::Float;
use core::ops::Range;

/// Zeros before and after the places of a state.
const GUARD: usize = GROUP;
/// Up to so many groups all states are kept.
const FEW: usize = 32;

/// Groups between two kept states.
fn stride(groups: usize) -> usize {
    if groups <= FEW {
        groups.max(1)
    } else {
        groups.isqrt()
    }
}

/// How many vectors [`reverse`] asks for.
pub(super) fn vectors(factors: usize) -> usize {
    let groups = block::rows(factors) / GROUP;
    // Kept states, states between two of them, and d.
    let states = |groups: usize| groups.div_ceil(stride(groups)) + stride(groups) + 1;
    // Certain factors leave fewer groups, and few keep more states than many; `top` is at most factors + 4.
    states(groups).max(states(groups.min(FEW))) * (factors + 4 + 2 * GUARD)
}

/// The places that matter before each group: none below the lowest start or out of the reach of the factors to come, none
/// further up than the highest start and the factors so far.
struct Places {
    starts: Range<usize>,
    width: usize,
    factors: usize,
}

impl Places {
    #[inline(always)]
    fn before(&self, group: usize) -> Range<usize> {
        let done = group * GROUP;
        let low = (self.width + done)
            .saturating_sub(self.factors)
            .max(self.starts.start);
        low..(self.starts.end + done).min(self.width).max(low)
    }
}

/// The derivatives of the survival, by the block's own numbering of factors; the cut's place is `top`.
#[inline(always)]
pub(super) fn reverse<F: Float>(
    float: F,
    block: &Block,
    top: usize,
    rows: &[F::Vector],
    open: F::Vector,
    results: &mut [F::Vector],
    memory: &mut [F::Vector],
) {
    let zero = float.splat(0.0);
    let groups = rows.len() / GROUP;
    if block.cut_range(float).1 < 1 || groups == 0 {
        return results.fill(zero);
    }
    let places = Places {
        starts: block.starts(float, top),
        width: top,
        factors: rows.len(),
    };
    let (size, stride) = (top + 2 * GUARD, stride(groups));
    let (kept, memory) = memory.split_at_mut(groups.div_ceil(stride) * size);
    let (between, memory) = memory.split_at_mut(stride * size);
    let d = &mut memory[..size];

    kept[..size].fill(zero);
    block.start(float, top, &mut kept[GUARD..GUARD + top]);
    for i in 1..groups.div_ceil(stride) {
        let (from, to) = kept[(i - 1) * size..].split_at_mut(size);
        states(
            float,
            &places,
            rows,
            (i - 1) * stride..i * stride,
            from,
            between,
        );
        let last = &between[(stride - 1) * size..][..size];
        advance(
            float,
            &rows[(i * stride - 1) * GROUP..],
            last,
            &mut to[..size],
            places.before(i * stride),
        );
    }

    d.fill(zero);
    d[GUARD + top - 1] = float.splat(1.0);
    for i in (0..groups.div_ceil(stride)).rev() {
        let run = i * stride..((i + 1) * stride).min(groups);
        states(
            float,
            &places,
            rows,
            run.clone(),
            &kept[i * size..][..size],
            between,
        );
        for group in run.clone().rev() {
            let rows = &rows[group * GROUP..][..GROUP];
            let y = &between[(group - run.start) * size..][..size];
            let shared = dots(float, y, d, places.before(group));
            leave_one_out(
                float,
                rows,
                shared,
                open,
                &mut results[group * GROUP..][..GROUP],
            );
            if group > 0 {
                // The dots of the group before look three places further than its states reach.
                let Range { start, end } = places.before(group - 1);
                retreat(
                    float,
                    polynomial(float, rows),
                    d,
                    start..(end + GROUP - 1).min(top),
                );
            }
        }
    }
}

/// The states before each group of a run, of which `first` is given.
#[inline(always)]
fn states<F: Float>(
    float: F,
    places: &Places,
    rows: &[F::Vector],
    run: Range<usize>,
    first: &[F::Vector],
    between: &mut [F::Vector],
) {
    let size = first.len();
    between[..size].copy_from_slice(first);
    for (i, group) in run.clone().enumerate().skip(1) {
        let (from, to) = between[(i - 1) * size..].split_at_mut(size);
        let rows = &rows[(group - 1) * GROUP..];
        advance(float, rows, from, &mut to[..size], places.before(group));
    }
}

/// `to_i = Σ_a c_a from_{i−a}` for a range of places, and zeros around it.
#[inline(always)]
fn advance<F: Float>(
    float: F,
    rows: &[F::Vector],
    from: &[F::Vector],
    to: &mut [F::Vector],
    places: Range<usize>,
) {
    let c = polynomial(float, &rows[..GROUP]);
    let zero = float.splat(0.0);
    to[places.start..places.start + GUARD].fill(zero);
    to[GUARD + places.end..][..GUARD].fill(zero);
    let from = &from[GUARD + places.start - GROUP..GUARD + places.end];
    let to = &mut to[GUARD + places.start..GUARD + places.end];
    let reversed = [c[4], c[3], c[2], c[1], c[0]];
    correlate(float, reversed, from, to);
}

/// `d_i ← Σ_a c_a d_{i+a}` for a range of places, from the lowest up so that it can be done in place.
#[inline(always)]
fn retreat<F: Float>(
    float: F,
    c: [F::Vector; GROUP + 1],
    d: &mut [F::Vector],
    places: Range<usize>,
) {
    let taps = taps(float, c);
    let d = &mut d[GUARD + places.start..GUARD + places.end + GROUP];
    let tiled = places.len() / TILE * TILE;
    for k in (0..tiled).step_by(TILE) {
        let next = tile(float, &taps, window(&d[k..]));
        d[k..][..TILE].copy_from_slice(&next);
    }
    for k in tiled..places.len() {
        d[k] = product(float, &taps, window(&d[k..]));
    }
}

/// `to_i = Σ_a c_a from_{i+a}`.
#[inline(always)]
fn correlate<F: Float>(
    float: F,
    c: [F::Vector; GROUP + 1],
    from: &[F::Vector],
    to: &mut [F::Vector],
) {
    let taps = taps(float, c);
    let tiled = to.len() / TILE * TILE;
    let (tiles, rest) = to.split_at_mut(tiled);
    for (to, from) in tiles
        .chunks_exact_mut(TILE)
        .zip(from.windows(TILE + GROUP).step_by(TILE))
    {
        to.copy_from_slice(&tile(float, &taps, window(from)));
    }
    for (to, from) in rest.iter_mut().zip(from[tiled..].windows(GROUP + 1)) {
        *to = product(float, &taps, window(from));
    }
}

/// `D_a = Σ_i y_i d_{i+a}` over a range of places.
#[inline(always)]
fn dots<F: Float>(
    float: F,
    y: &[F::Vector],
    d: &[F::Vector],
    places: Range<usize>,
) -> [F::Vector; GROUP] {
    let y = &y[GUARD + places.start..GUARD + places.end];
    let d = &d[GUARD + places.start..GUARD + places.end + GROUP];
    // Two sums of each, because one multiply-add has to wait for the one before.
    let mut sums = [[float.splat(0.0); GROUP]; 2];
    let windows = d.windows(GROUP + 1).step_by(2);
    for (y, d) in y.chunks_exact(2).zip(windows) {
        for i in 0..2 {
            for a in 0..GROUP {
                sums[i][a] = float.mul_add(y[i], d[i + a], sums[i][a]);
            }
        }
    }
    if y.len() % 2 == 1 {
        for a in 0..GROUP {
            sums[0][a] = float.mul_add(y[y.len() - 1], d[y.len() - 1 + a], sums[0][a]);
        }
    }
    let [mut total, other] = sums;
    for a in 0..GROUP {
        total[a] = float.add(total[a], other[a]);
    }
    total
}

/// The gradient of each factor of a group: the polynomial of the other three times the shared sums.
#[inline(always)]
fn leave_one_out<F: Float>(
    float: F,
    rows: &[F::Vector],
    shared: [F::Vector; GROUP],
    open: F::Vector,
    results: &mut [F::Vector],
) {
    let one = float.splat(1.0);
    let pairs = [pair(float, rows[0], rows[1]), pair(float, rows[2], rows[3])];
    for j in 0..GROUP {
        // The one beside it, and the pair that it does not belong to.
        let (v, others) = (rows[j ^ 1], pairs[1 - j / 2]);
        // Σ_a (q + v x)·others: first the pair's sums, without and with a success of the one beside it.
        let (mut without, mut with) = (float.splat(0.0), float.splat(0.0));
        for a in 0..3 {
            without = float.mul_add(others[a], shared[a], without);
            with = float.mul_add(others[a], shared[a + 1], with);
        }
        let sum = float.mul_add(float.sub(one, v), without, float.mul(v, with));
        results[j] = float.mul(open, sum);
    }
}
