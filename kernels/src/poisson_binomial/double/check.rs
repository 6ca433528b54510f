//! The first pass over probabilities: whether they are some, and whether their sum is broad enough for `broad.rs`, which derives the limits.

use super::lanes::{self, BLOCK, LANES, Lanes, Loop, Totals};
use crate::isa::Level;
use core::convert::identity;

/// The logarithm of what series leave out.
pub(super) const LOG_EPSILON: f64 = 37.0;
/// Up to so many factors one number is had by convolution too.
pub(super) const FEW: usize = 128;
/// Standard deviations from the mean up to which nothing is tilted.
pub(super) const NEAR: f64 = 2.0;
/// The least variance: then `s₁` is at most ¼.
const VARIANCE: f64 = 2.0 * LOG_EPSILON;
/// The most trials, in parts of the variance.
const TRIALS: f64 = 64.0;
/// The most degrees.
pub(super) const DEGREES: usize = 18;
/// e^−37
const EPSILON: f64 = 8.5e-17;

/// A sum that is broad enough.
#[derive(Clone, Copy, Debug)]
pub(super) struct Broad {
    pub(super) trials: f64,
    /// The mean as a sum of two.
    pub(super) mean: (f64, f64),
    pub(super) variance: f64,
    pub(super) degree: usize,
}

/// What the first pass finds.
pub(super) struct Found {
    /// All probabilities are from 0 to 1.
    pub(super) valid: bool,
    pub(super) broad: Option<Broad>,
}

impl Broad {
    /// Of trials with these probabilities.
    pub(super) fn find(probabilities: &[f64]) -> Found {
        let (valid, open, [sums, rests]) = lanes::run(Level::best(), Check(probabilities));
        let (trials, variance) = (probabilities.len() as f64, sums[1]);
        let fits =
            valid && open > FEW as f64 && variance >= VARIANCE && trials <= TRIALS * variance;
        let degree = if fits { degree(trials, variance) } else { None };
        let broad = degree.map(|degree| Self {
            trials,
            mean: (sums[0], rests[0]),
            variance,
            degree,
        });
        Found { valid, broad }
    }

    /// Whether a number is near enough to the mean.
    pub(super) fn near(&self, k: i64) -> bool {
        (k as f64 - self.mean.0).abs() <= NEAR * libm::sqrt(self.variance)
    }
}

/// How many degrees are needed.
fn degree(trials: f64, variance: f64) -> Option<usize> {
    let room = 1.0 / (1.0 - 0.5 * LOG_EPSILON / variance);
    let mut term = trials;
    for d in 1..=DEGREES {
        let d_real = d as f64;
        term *= d_real * room / (2.0 * variance);
        if term < EPSILON * d_real {
            return Some((d - 1).max(1));
        }
    }
    None
}

/// Whether all are probabilities, how many are neither 0 nor 1, and `Σ p` and `Σ p(1 − p)` with their rounding errors.
struct Check<'a>(&'a [f64]);

impl Loop for Check<'_> {
    type Output = (bool, f64, [[f64; 2]; 2]);

    #[inline(always)]
    fn run(self) -> Self::Output {
        let mut totals = Totals::<2>::new();
        let mut counts = [Lanes([0.0; LANES]); 2];
        let mut add = identity(
            #[inline(always)]
            |p: &[f64; BLOCK]| {
                let mut variance = [0.0; BLOCK];
                for i in 0..BLOCK {
                    variance[i] = p[i] * (1.0 - p[i]);
                }
                for i in 0..BLOCK / LANES {
                    let product = Lanes::at(&variance, i * LANES);
                    // The product is below 0, or NaN, for what is no probability.
                    let valid = Lanes(product.0.map(|x| if x >= 0.0 { 1.0 } else { 0.0 }));
                    let open = Lanes(product.0.map(|x| if x > 0.0 { 1.0 } else { 0.0 }));
                    counts = [counts[0] + valid, counts[1] + open];
                }
                totals.add(0, p, 1.0);
                totals.add(1, &variance, 1.0);
                totals.count(2);
            },
        );
        let (blocks, rest) = self.0.as_chunks::<BLOCK>();
        for block in blocks {
            add(block);
        }
        add(&lanes::padded(rest));
        let (sums, rests) = totals.totals(2);
        let [valid, open] = counts.map(|count| lanes::total(count.0));
        let all = (blocks.len() + 1) * BLOCK;
        (valid == all as f64, open, [sums, rests])
    }
}
