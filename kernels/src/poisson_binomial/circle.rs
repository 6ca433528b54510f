//! From a characteristic function back to probabilities, on a circle of as many numbers as carry mass.
//!
//! `K` is practically within `c₀ ± B` around the rounded mean `c₀`: by Bernstein's inequality each tail beyond `B` is below `e^−L` for
//! `B = L/3 + √(L²/9 + 2Lσ²)`. Take numbers modulo `M = 2B + 1`, an odd number: then the probabilities are a discrete Fourier transform
//! of `E exp(2iuK)` at `u_k = πk/M`, and with `C = E exp(iuS)`, `S = 2K − N`,
//!
//! ```text
//! P(K ≥ h)  = L/M + (1/M) Σ_k Im(C_k exp(iα_k) − C_k exp(iβ_k)) / sin u_k,     the sum of P(K = r) for h ≤ r ≤ c₀ + B
//! P(K = h)  = (1 + 2 Σ_k Re(C_k exp(iα_k − iu_k))) / M
//! α = u (N + 1 − 2h),  β = u (N − 1 − 2c₀ − 2B),  L = c₀ + B + 1 − h,  k = 1 … B
//! ```
//!
//! As `|C| ≤ exp(−2σ² sin² u)`, only angles up to `sin u = √7/σ` count, where that is below 1e-6 (and its weight in the sum below a
//! tenth): 11 to 14 frequencies, whatever `N`, once σ is above 5; never more than `B`. An even `M` would have `u = π/2`, where a
//! leave-one-out quotient may be 0/0.

use super::{
    block::MAX_LANES,
    functions::{round, sin_cos},
};
use crate::arch::float::Float;

/// The logarithm of the neglected tails: 1e-7.
const LOG_TAIL: f32 = 16.0;
/// Added to a number below 1 it leaves a multiple of 2⁻¹³.
const SPLIT: f32 = 1536.0;
/// `2σ² sin² u` beyond which a frequency does not count.
const LOG_FREQUENCY: f32 = 14.0;
/// `B` is 23 at σ = 2.7, below which every frequency counts.
pub(super) const MAX_FREQUENCIES: usize = 32;

/// The circle of each lane.
pub(super) struct Circle<F: Float> {
    /// `1/M`
    pub(super) per_period: F::Vector,
    /// `B`
    half: F::Vector,
    /// `L`
    pub(super) length: F::Vector,
    variance: F::Vector,
    /// `N + 1 − 2h`
    pub(super) at_cut: F::Vector,
    /// `N − 1 − 2c₀ − 2B`
    pub(super) at_end: F::Vector,
    /// Frequencies that count in some lane.
    pub(super) frequencies: usize,
}

/// The angle of one frequency.
pub(super) struct Frequency<F: Float> {
    /// `u`
    pub(super) turns: F::Vector,
    pub(super) sine: F::Vector,
    pub(super) cosine: F::Vector,
}

impl<F: Float> Circle<F> {
    /// For `factors` factors; a cut outside the window is moved to its end, where the survival is 0 or 1.
    #[inline(always)]
    pub(super) fn new(
        float: F,
        factors: F::Vector,
        mean: F::Vector,
        variance: F::Vector,
        cut: F::Vector,
    ) -> Self {
        let (one, two) = (float.splat(1.0), float.splat(2.0));
        let centre = round(float, mean);
        let half = round(float, float.add(half_width(float, LOG_TAIL, variance), one));
        let period = float.mul_add(two, half, one);
        let end = float.add(float.add(centre, half), one);
        let cut = float.min(float.max(cut, float.sub(centre, half)), end);
        let numbers = float.add(factors, one);
        Self {
            per_period: float.div(one, period),
            half,
            variance,
            length: float.sub(end, cut),
            at_cut: float.neg_mul_add(two, cut, numbers),
            at_end: float.neg_mul_add(two, end, numbers),
            frequencies: frequencies(float, variance, half),
        }
    }

    /// Frequency `k ≥ 1`, and the lanes in which it does not count or would repeat another.
    #[inline(always)]
    pub(super) fn frequency(&self, float: F, k: usize) -> (F::Mask, Frequency<F>) {
        let turns = float.mul(float.splat(0.5 * k as f32), self.per_period);
        let (sine, cosine) = sin_cos(float, turns);
        let size = float.mul(
            float.mul(sine, sine),
            float.mul(self.variance, float.splat(2.0 / LOG_FREQUENCY)),
        );
        let repeats = float.sub(float.splat(k as f32 + 0.5), self.half);
        let beyond = float.less(float.splat(1.0), float.max(size, repeats));
        (
            beyond,
            Frequency {
                turns,
                sine,
                cosine,
            },
        )
    }

    /// Sine and cosine of an angle times a whole number, which may be hundreds of turns: the angle is split, so that the whole
    /// turns of its larger part are taken off exactly. It must be the very angle of the factors, because their phases and
    /// this one, both large, are nearly opposite.
    #[inline(always)]
    pub(super) fn rotation(
        &self,
        float: F,
        turns: F::Vector,
        times: F::Vector,
    ) -> (F::Vector, F::Vector) {
        let grid = float.splat(SPLIT);
        let large = float.sub(float.add(turns, grid), grid);
        let small = float.sub(turns, large);
        let product = float.mul(large, times);
        let rest = float.sub(product, round(float, product));
        sin_cos(float, float.mul_add(small, times, rest))
    }

    /// [`rotation`](Self::rotation) to the cut and to the end of the sum.
    #[inline(always)]
    pub(super) fn ends(&self, float: F, turns: F::Vector) -> [(F::Vector, F::Vector); 2] {
        [
            self.rotation(float, turns, self.at_cut),
            self.rotation(float, turns, self.at_end),
        ]
    }
}

/// `L/3 + √(L²/9 + 2Lσ²)`: a sum is further than this above its mean, or below it, with a probability of at most `e^−L`
/// (Bernstein's inequality).
#[inline(always)]
pub(super) fn half_width<F: Float>(float: F, log_tail: f32, variance: F::Vector) -> F::Vector {
    let third = log_tail / 3.0;
    let square = float.mul_add(
        float.splat(2.0 * log_tail),
        variance,
        float.splat(third * third),
    );
    float.add(float.splat(third), float.sqrt(square))
}

/// The largest number of frequencies that count in a lane: `M·asin(√7/σ)/π`, or all `B`.
#[inline(always)]
fn frequencies<F: Float>(float: F, variance: F::Vector, half: F::Vector) -> usize {
    let (mut variances, mut halves) = ([0.0; MAX_LANES], [0.0; MAX_LANES]);
    float.store(float.sqrt(variance), &mut variances);
    float.store(half, &mut halves);
    let mut most: f32 = 1.0;
    for (&deviation, &half) in variances[..F::LANES].iter().zip(&halves) {
        let x = 2.645_751_3 / deviation; // √(LOG_FREQUENCY/2)
        let mut count = half;
        if x < 1.0 {
            // An upper bound of the arc sine, exact at 0 and 1.
            let square = x * x;
            let arc = x * (1.0 + square * (1.0 / 6.0 + square * (3.0 / 40.0 + square * 0.33)));
            count = count.min((2.0 * half + 1.0) * arc * core::f32::consts::FRAC_1_PI + 1.0);
        }
        most = most.max(count);
    }
    (most as usize).min(MAX_FREQUENCIES)
}
