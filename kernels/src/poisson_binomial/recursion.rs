//! Leave-one-out probabilities from the distribution, by recursion.
//!
//! With `p = v_j`, `q = 1 − p`, let `x` be the distribution without factor `j`. Putting the factor back gives `y`:
//!
//! ```text
//! p x_{k−1} + q x_k = y_k,   k = 0 … N   (x_{−1} = x_N = 0)
//! ```
//!
//! `N + 1` equations for `N` unknowns, of which `x_{h−1}` is wanted. **Precise:** solve from below, `x_k = (y_k − p x_{k−1})/q`, or
//! from above, `x_{k−1} = (y_k − q x_k)/p`. An error in one value is carried to the next times `p/q` from below and `q/p` from
//! above, so the recursion is stable from below where `p ≤ ½` and from above where `p ≥ ½`, and from the other side it is
//! useless. Scaled by `max(p, q)` both are `x ← y − r x` with the ratio `r ≤ 1`, and both end at the cut: counted by the
//! distance from it they differ only in which half of `y` they read, so one loop serves lanes of both kinds.

use super::forward::Distribution;
use crate::arch::float::Float;

/// Factors whose recursions run side by side, to hide the latency of each.
pub(super) const TOGETHER: usize = 4;

/// The one-sided recursions of all factors.
#[inline(always)]
pub(super) fn precise<F: Float>(
    float: F,
    y: &Distribution<'_, F>,
    rows: &[F::Vector],
    open: F::Vector,
    results: &mut [F::Vector],
) {
    let (zero, one, half) = (float.splat(0.0), float.splat(1.0), float.splat(0.5));
    let below = &y.places[y.computed.start.min(y.top)..y.top];
    let above = &y.places[y.top..y.computed.end.max(y.top)];
    let shared = below.len().min(above.len());
    for (rows, results) in rows
        .chunks_exact(TOGETHER)
        .zip(results.chunks_exact_mut(TOGETHER))
    {
        let from_below: [F::Mask; TOGETHER] = core::array::from_fn(|i| float.less(rows[i], half));
        let scale: [F::Vector; TOGETHER] =
            core::array::from_fn(|i| float.div(one, float.max(rows[i], float.sub(one, rows[i]))));
        let ratio: [F::Vector; TOGETHER] = core::array::from_fn(|i| {
            float.mul(float.min(rows[i], float.sub(one, rows[i])), scale[i])
        });
        let factors = (&ratio, &from_below);
        let mut x = [zero; TOGETHER];
        // The longer half begins alone.
        for &low in &below[..below.len() - shared] {
            step(float, factors, &mut x, [low, zero]);
        }
        for &high in above[shared..].iter().rev() {
            step(float, factors, &mut x, [zero, high]);
        }
        for (&low, &high) in below[below.len() - shared..]
            .iter()
            .zip(above[..shared].iter().rev())
        {
            step(float, factors, &mut x, [low, high]);
        }
        for i in 0..TOGETHER {
            // A probability; in a tail rounding may have left less than 0.
            let x = float.max(zero, x[i]);
            results[i] = float.mul(open, float.mul(scale[i], x));
        }
    }
}

/// One step of the recursions, with the places below and above. A function, because a closure is not
/// always compiled in line, and then not with the level's instructions.
#[inline(always)]
fn step<F: Float>(
    float: F,
    (ratio, from_below): (&[F::Vector; TOGETHER], &[F::Mask; TOGETHER]),
    x: &mut [F::Vector; TOGETHER],
    [low, high]: [F::Vector; 2],
) {
    for i in 0..TOGETHER {
        x[i] = float.neg_mul_add(ratio[i], x[i], float.select(from_below[i], low, high));
    }
}
