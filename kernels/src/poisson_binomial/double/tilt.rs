//! Tilting: another distribution, in whose middle the wanted numbers lie.
//!
//! Let `K` be a sum of factors with probabilities `p_j` and generating function `G(z) = Π (1 − p_j + p_j z)`. For any `r > 0`
//!
//! ```text
//! P(K = k) = G(r) r^−k P̃(K = k),    P̃ with probabilities  t_j = p_j r / (1 − p_j + p_j r)
//! ```
//!
//! because the coefficient of `z^k` in `G(rz)` is `r^k P(K = k)`. With the `r` for which `Σ t_j = k` (the saddle point), `P̃(K = k)` is
//! next to the mode of `P̃`: at least of the order of `1/σ̃`, however small `P(K = k)` is. So an *absolute* error of `P̃` is a small
//! *relative* error of `P`, and the exponentially small part, `G(r) r^−k`, is a product of positive numbers that has a small relative
//! error by itself.
//!
//! **Two groups.** A factor with `p ≤ ½` is stored as `x = p`, one with `p > ½` as `x = 1 − p`, which is exact (Sterbenz), and counted
//! by its failures. Then `x ≤ ½` everywhere, both `x` and `1 − x` have all their digits, and with `ρ = 1/r`
//!
//! ```text
//! G(r) = Π_low (1 + x(r − 1)) · r^H Π_high (1 + x(ρ − 1)),    H factors in the high group
//! ```
//!
//! where no `1 + x(r − 1)` is below ½. `r − 1` and `ρ − 1` enter as sums of two f64, the product as [`Wide`]: it has no error worth
//! naming. The `t_j` are rounded to 3 units `u = 2⁻⁵³`; that changes the mean of `P̃` by at most `3uΣt_j`, which is what
//! the error of `P̃` at its middle, of second order in it, comes from.
//!
//! **Saddle point.** `ln(mean/(m − mean))` as a function of `θ = ln r` has slope 1 for equal probabilities, and is close to a line
//! for others; Newton's method on it, within a bracket, needs few steps from any start. The result need not be exact: any `r`
//! is right, and one whose mean is within a twentieth of `σ̃` of `k` is good.
//!
//! Odds beyond `2^±120` (probabilities of 1e-45 and less, in the upper tail) go through the same formulas in [`Wide`], one
//! factor after the other.

use super::{
    lanes::{self, Moments, Tilt},
    wide::{Wide, two_product, two_sum},
};
use crate::isa::Level;
use alloc::{borrow::Cow, vec::Vec};

/// `|ln r|` up to which f64 does: 2^±120.
const PLAIN: f64 = 83.0;
/// Steps after which whatever has been reached is taken.
const STEPS: usize = 200;

/// The factors that are neither 0 nor 1 for certain.
#[derive(Clone, Debug, Default)]
pub(super) struct Groups {
    /// The probabilities that are at most ½.
    pub(super) low: Vec<f64>,
    /// The complements of those above.
    pub(super) high: Vec<f64>,
}

/// Mean, complement of the mean (`m` less it) and variance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Middle {
    pub(super) mean: f64,
    pub(super) above: f64,
    pub(super) variance: f64,
}

impl Groups {
    pub(super) fn count(&self) -> usize {
        self.low.len() + self.high.len()
    }

    /// Mean and variance after tilting by `e^theta`.
    pub(super) fn middle(&self, theta: f64) -> Middle {
        let of = |values: &[f64], theta: f64| {
            if theta.abs() <= PLAIN {
                let r = libm::exp(theta);
                return lanes::run(Level::best(), Moments { values, r });
            }
            let r = Wide::exp(theta);
            values.iter().fold([0.0; 3], |sums, &x| {
                let [t, not] = pair(x, r).0;
                [sums[0] + t, sums[1] + not, sums[2] + t * not]
            })
        };
        let (low, high) = (of(&self.low, theta), of(&self.high, -theta));
        Middle {
            mean: low[0] + high[1],
            above: low[1] + high[0],
            variance: low[2] + high[2],
        }
    }

    /// A `θ` with which the mean is next to `target`, which lies between 0 and the number of factors; from a start.
    pub(super) fn saddle(&self, target: f64, start: f64) -> f64 {
        let above = self.count() as f64 - target;
        let (mut least, mut most) = (f64::NEG_INFINITY, f64::INFINITY);
        let mut theta = start;
        for _ in 0..STEPS {
            let middle = self.middle(theta);
            let Middle { mean, variance, .. } = middle;
            if (mean - target).abs() <= 0.05 * libm::sqrt(variance).max(1.0) {
                break;
            }
            if mean < target {
                least = theta;
            } else {
                most = theta;
            }
            let wanted = libm::log(target / above) - libm::log(mean / middle.above);
            let slope = (variance / mean) * (self.count() as f64 / middle.above);
            let step = (wanted / slope).clamp(-700.0, 700.0);
            let mut next = theta + step;
            if !(next > least && next < most) {
                next = if least.is_infinite() {
                    most - 100.0
                } else if most.is_infinite() {
                    least + 100.0
                } else {
                    0.5 * (least + most)
                };
            }
            if next == theta {
                break;
            }
            theta = next;
        }
        theta
    }
}

/// `x r/f` and `(1 − x)/f` with `f = 1 − x + x r`, and `f`.
pub(super) fn pair(x: f64, r: Wide) -> ([f64; 2], Wide) {
    let (with, without) = (r.scaled(x), Wide::complement(x));
    let f = with.plus(without);
    ([with.over(f).value(), without.over(f).value()], f)
}

/// A tilted sum: the same numbers in other proportions.
#[derive(Clone, Debug)]
pub(super) struct Tilted<'a> {
    pub(super) theta: f64,
    /// `G(r)`, without `r^H`.
    product: Wide,
    r: Wide,
    /// The high group's size before tilting.
    turned: i64,
    /// Tilted probabilities of at most ½, and complements of those above.
    pub(super) groups: Cow<'a, Groups>,
    pub(super) middle: Middle,
}

impl<'a> Tilted<'a> {
    /// The sum as it is.
    pub(super) fn untilted(groups: &'a Groups) -> Self {
        Self {
            theta: 0.0,
            product: Wide::ONE,
            r: Wide::ONE,
            turned: 0,
            groups: Cow::Borrowed(groups),
            middle: groups.middle(0.0),
        }
    }

    /// Tilted by `e^theta`.
    pub(super) fn new(groups: &Groups, theta: f64) -> Self {
        let mut of = Groups::default();
        let mut pairs = Vec::new();
        let r = Wide::exp(theta);
        let mut product = Wide::ONE;
        for (values, high) in [(&groups.low, false), (&groups.high, true)] {
            product = product.times(tilt(
                values,
                r,
                if high { -theta } else { theta },
                high,
                &mut pairs,
            ));
            let (low, top) = if high {
                (&mut of.high, &mut of.low)
            } else {
                (&mut of.low, &mut of.high)
            };
            divide(&pairs, low, top);
        }
        Self {
            theta,
            product,
            r,
            turned: groups.high.len() as i64,
            middle: of.middle(0.0),
            groups: Cow::Owned(of),
        }
    }

    /// `G(r) r^−k`.
    pub(super) fn scale(&self, k: i64) -> Wide {
        self.product.times(self.r.power(self.turned - k))
    }

    /// `1/r`.
    pub(super) fn per_step(&self) -> Wide {
        Wide::ONE.over(self.r)
    }
}

/// The tilted values of a group and the product of its `1 + x(r − 1)`; `inverse` for the high group, whose odds are divided.
fn tilt(values: &[f64], r: Wide, theta: f64, inverse: bool, tilted: &mut Vec<[f64; 2]>) -> Wide {
    if theta.abs() > PLAIN {
        let r = if inverse { Wide::ONE.over(r) } else { r };
        tilted.clear();
        return Wide::product(values.iter().map(|&x| {
            let (pair, f) = pair(x, r);
            tilted.push(pair);
            f
        }));
    }
    let plain = r.value();
    let (r, gain) = if inverse {
        // ρ − 1 = (1 − r)/r, as a sum of two.
        let (above, below) = two_sum(1.0, -plain);
        let quotient = above / plain;
        let (product, error) = two_product(quotient, plain);
        (
            1.0 / plain,
            (quotient, (((above - product) - error) + below) / plain),
        )
    } else {
        (plain, two_sum(plain, -1.0))
    };
    lanes::run(
        Level::best(),
        Tilt {
            values,
            r,
            gain,
            tilted,
        },
    )
}

/// Appends each pair's smaller part to its group.
fn divide(pairs: &[[f64; 2]], low: &mut Vec<f64>, high: &mut Vec<f64>) {
    let (lows, highs) = (low.len(), high.len());
    low.resize(lows + pairs.len(), 0.0);
    high.resize(highs + pairs.len(), 0.0);
    let (mut next_low, mut next_high) = (lows, highs);
    for &[t, not] in pairs {
        // Both are written and one is kept, because a branch would be guessed wrong every other time.
        low[next_low] = t;
        high[next_high] = not;
        let is_low = usize::from(t <= not);
        next_low += is_low;
        next_high += 1 - is_low;
    }
    low.truncate(next_low);
    high.truncate(next_high);
}
