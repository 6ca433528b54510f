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
//! naming; rounded to f64 at each step, equal factors would add up to `2m·2⁻⁵³`, 2.2e-10 for a million. The `t_j` are rounded to 3 units `u = 2⁻⁵³`; that changes the mean of `P̃` by at most `3uΣt_j`, which is what
//! the error of `P̃` at its middle, of second order in it, comes from.
//!
//! **Saddle point.** `ln(mean/(m − mean))` as a function of `θ = ln r` has slope 1 for equal probabilities, and is close to a line
//! for others; Newton's method on it, within a bracket, needs few steps from any start. The result need not be exact: any `r`
//! is right, and one whose mean is within a quarter of `σ̃` of `k` is good.
//!
//! Odds beyond `2^±120` (probabilities of 1e-45 and less, in the upper tail) go through the same formulas in [`Wide`], one
//! factor after the other.

use super::{
    check::Broad,
    lanes::{self, Loop, Moments, Odds, Pass, Sums, Values},
    wide::{Wide, two_product, two_sum},
};
use crate::isa::Level;
use alloc::{vec, vec::Vec};

/// `|ln r|` up to which f64 does: 2^±120.
const PLAIN: f64 = 83.0;
/// Steps after which whatever has been reached is taken.
const STEPS: usize = 200;

/// The factors of a sum, and those that are neither 0 nor 1 for certain in two groups.
#[derive(Clone, Debug, Default)]
pub(super) struct Groups {
    /// All probabilities, in their order.
    pub(super) all: Vec<f64>,
    /// What is needed near the mean, if the sum is broad.
    pub(super) broad: Option<Broad>,
    /// Factors that are 1.
    pub(super) ones: i64,
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

/// Divides probabilities into those of both groups, and counts those that are 1; see [`Groups::divide`].
struct Divide<'a>(&'a [f64]);

impl Loop for Divide<'_> {
    type Output = ([Vec<f64>; 2], usize);

    #[inline(always)]
    fn run(self) -> Self::Output {
        let low = |p: f64| usize::from(p > 0.0) & usize::from(p <= 0.5);
        let high = |p: f64| usize::from(p > 0.5) & usize::from(p < 1.0);
        let mut counts = [0; 3];
        for &p in self.0 {
            counts[0] += low(p);
            counts[1] += high(p);
            counts[2] += usize::from(p == 1.0);
        }
        // One more than there are, for what is written and not kept.
        let mut groups = [vec![0.0; counts[0] + 1], vec![0.0; counts[1] + 1]];
        let (mut lows, mut highs) = (0, 0);
        for &p in self.0 {
            // Both are written and one is kept, because a branch would be guessed wrong every other time.
            (groups[0][lows], groups[1][highs]) = (p, 1.0 - p);
            lows += low(p);
            highs += high(p);
        }
        groups[0].truncate(lows);
        groups[1].truncate(highs);
        (groups, counts[2])
    }
}

impl Groups {
    /// The groups of these probabilities; `None` where one is not from 0 to 1.
    pub(super) fn divide(probabilities: &[f64]) -> Option<Self> {
        let found = Broad::find(probabilities);
        if !found.valid {
            return None;
        }
        let ([low, high], ones) = lanes::run(Level::best(), Divide(probabilities));
        Some(Self {
            all: probabilities.to_vec(),
            broad: found.broad,
            ones: ones as i64,
            low,
            high,
        })
    }

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

    /// Tilted such that the mean is next to `target`, which lies between 0 and the number of factors; from a start.
    pub(super) fn saddle(&self, target: f64, start: f64) -> Tilted<'_> {
        let above = self.count() as f64 - target;
        let (mut least, mut most) = (f64::NEG_INFINITY, f64::INFINITY);
        let mut theta = start;
        for step in 0.. {
            let middle = self.middle(theta);
            let Middle { mean, variance, .. } = middle;
            let near = (mean - target).abs() <= (0.25 * libm::sqrt(variance)).max(0.05);
            if near || step == STEPS {
                return Tilted::new(self, theta, middle);
            }
            if mean < target {
                least = theta;
            } else {
                most = theta;
            }
            let wanted = libm::log(target / above) - libm::log(mean / middle.above);
            let slope = (variance / mean) * (self.count() as f64 / middle.above);
            let mut next = theta + (wanted / slope).clamp(-700.0, 700.0);
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
                return Tilted::new(self, theta, middle);
            }
            theta = next;
        }
        unreachable!("the last step returns")
    }
}

/// `x r/f` and `(1 − x)/f` with `f = 1 − x + x r`, and `f`.
pub(super) fn pair(x: f64, r: Wide) -> ([f64; 2], Wide) {
    let (with, without) = (r.scaled(x), Wide::complement(x));
    let f = with.plus(without);
    ([with.over(f).value(), without.over(f).value()], f)
}

/// A tilted sum: the same numbers in other proportions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tilted<'a> {
    pub(super) groups: &'a Groups,
    pub(super) theta: f64,
    pub(super) r: Wide,
    /// Of the tilted sum.
    pub(super) middle: Middle,
}

impl<'a> Tilted<'a> {
    /// The sum as it is.
    pub(super) fn untilted(groups: &'a Groups, middle: &Middle) -> Self {
        Self {
            groups,
            theta: 0.0,
            r: Wide::ONE,
            middle: *middle,
        }
    }

    /// Tilted by `e^theta`, which leads to this middle.
    pub(super) fn new(groups: &'a Groups, theta: f64, middle: Middle) -> Self {
        Self {
            groups,
            theta,
            r: Wide::exp(theta),
            middle,
        }
    }

    /// `1/r`.
    pub(super) fn per_step(&self) -> Wide {
        Wide::ONE.over(self.r)
    }

    /// Power sums of the tilted probabilities; those above `small` are put into `middle`. See [`Pass`].
    pub(super) fn pass(&self, degree: usize, small: f64, middle: &mut Vec<f64>) -> Sums {
        let parts = [&self.groups.low, &self.groups.high];
        let mut run = |groups| {
            let pass = Pass {
                groups,
                degree,
                small,
                middle,
            };
            lanes::run(Level::best(), pass)
        };
        if self.theta == 0.0 {
            return run(parts.map(|part| Values::Plain(part)));
        }
        if self.theta.abs() <= PLAIN {
            let [low, high] = self.odds();
            return run([
                Values::Tilted(parts[0], low),
                Values::Tilted(parts[1], high),
            ]);
        }
        let mut product = Wide::ONE;
        let mut done = [Vec::new(), Vec::new()];
        for ((part, r), done) in parts.iter().zip([self.r, self.per_step()]).zip(&mut done) {
            done.extend(part.iter().map(|&x| {
                let (pair, f) = pair(x, r);
                product = product.times(f);
                pair
            }));
        }
        let sums = run([Values::Done(&done[0]), Values::Done(&done[1])]);
        Sums { product, ..sums }
    }

    /// `r` and `1/r`, with their distances from 1 as sums of two.
    fn odds(&self) -> [Odds; 2] {
        let r = self.r.value();
        let (above, below) = two_sum(1.0, -r);
        let quotient = above / r;
        let (product, error) = two_product(quotient, r);
        [
            Odds {
                r,
                gain: two_sum(r, -1.0),
            },
            Odds {
                r: 1.0 / r,
                gain: (quotient, (((above - product) - error) + below) / r),
            },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean, complement and variance keep their digits however small they are, for any count of
    /// values beside whole vectors of them.
    #[test]
    fn middles_far_out() {
        for count in 1..20 {
            let x = 0.5f64.powi(53);
            let of = |low: usize, high: usize| Groups {
                low: vec![x; low],
                high: vec![x; high],
                ..Groups::default()
            };
            for theta in [0.0, -20.0, -36.7, -79.0, -82.0, -90.0] {
                let (t, not) = {
                    let (with, without) = (x, (1.0 - x) * libm::exp(theta));
                    (without / (with + without), with / (with + without))
                };
                let middle = of(0, count).middle(theta);
                let turned = of(count, 0).middle(-theta);
                for found in [
                    (middle.mean, middle.above, middle.variance),
                    (turned.above, turned.mean, turned.variance),
                ] {
                    let count = count as f64;
                    let right = [count * t, count * not, count * t * not];
                    for (found, right) in [found.0, found.1, found.2].into_iter().zip(right) {
                        assert!(
                            (found - right).abs() <= 1e-14 * right,
                            "{count} values, {theta}: {found:e}, expected {right:e}"
                        );
                    }
                }
            }
        }
    }
}
