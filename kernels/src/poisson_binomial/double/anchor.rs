//! Power sums of one tilt for the tilts around it: a whole distribution without a pass over the factors for each of its windows.
//!
//! Let `t_j` be the tilted probabilities of a pass, its *anchor*, and `S_d`, `S'_d` their power sums (`lanes.rs`: `x ≤ ½`, complements apart). Tilted further
//! by odds of `ρ = 1 + g`, with `g' = 1/ρ − 1` for complements,
//!
//! ```text
//! Σ x̃^d = ρ^d Σ (x/(1 + xg))^d = ρ^d Σ_i C(d + i − 1, i) (−g)^i S_{d+i},       ln Π (1 + xg) = Σ_d (−1)^(d+1) g^d S_d/d
//! ```
//!
//! which are the coefficients of the polynomial `Σ_d (−1)^(d+1) z^d S_d/d` about `g` instead of 0: `D²/2` operations, however many factors.
//!
//! **Left out** is what the polynomial of degree `D` lacks at `z = g + ρ(e^iu − 1)`: at most `Σ x^(D+1) |z|^(D+1) / ((D+1)(1 − x|z|))`, at a
//! frequency that counts for `exp(−σ²|e^iu − 1|²/2)`. An anchor reaches as far as this is below `ε`.
//!
//! **Rounding.** Whatever the number of factors, the logarithm of the product is at most about 700 where masses are above 1e-300. Its first term is computed from sums
//! without rounding errors, in two f64; the others add about `350·2⁻⁵²`, a relative error of 1e-13 at 1e-300 and of less above.

use super::{
    check::LOG_EPSILON,
    lanes::{DEGREES, Sums},
    tilt::{Middle, Tilted},
    wide::{Wide, two_product, two_sum},
};
use alloc::vec::Vec;

/// The most degrees of a pass that serves several tilts.
const MOST: usize = 36;
/// The largest `g`.
const FARTHEST: f64 = 0.9;
/// The most steps to a saddle point.
const STEPS: usize = 20;

/// A tilted sum with power sums for its surroundings.
pub(super) struct Anchor<'a> {
    tilted: Tilted<'a>,
    sums: Sums,
    degree: usize,
}

/// A sum tilted away from an anchor.
pub(super) struct Shift<'a> {
    pub(super) tilted: Tilted<'a>,
    pub(super) sums: Sums,
    pub(super) degree: usize,
}

impl<'a> Anchor<'a> {
    /// With power sums for tilts up to `distance` (of `ln r`) away; `None` where that takes too many degrees.
    pub(super) fn new(tilted: Tilted<'a>, distance: f64) -> Option<Self> {
        let variance = tilted.middle.variance;
        let fits = |&degree: &usize| left_out(&tilted, degree, distance, variance) < -LOG_EPSILON;
        let degree = (2..=MOST).find(fits)?;
        let sums = tilted.pass(degree, 0.5, &mut Vec::new());
        Some(Self {
            tilted,
            sums,
            degree,
        })
    }

    /// The sum tilted such that its mean is next to `target`; `None` where that is out of reach.
    pub(super) fn saddle(&self, target: f64) -> Option<Shift<'a>> {
        let mut distance = 0.0;
        let mut shift = self.shift(distance);
        for _ in 0..STEPS {
            let Middle { mean, variance, .. } = shift.tilted.middle;
            if !(variance > 0.0) {
                return None;
            }
            if (mean - target).abs() <= 0.05 * libm::sqrt(variance) {
                let log = left_out(&self.tilted, self.degree, distance, variance);
                return (log < -LOG_EPSILON).then_some(shift);
            }
            distance += (target - mean) / variance;
            if !(libm::expm1(distance.abs()) <= FARTHEST) {
                return None;
            }
            shift = self.shift(distance);
        }
        None
    }

    /// Tilted further by about `e^distance`.
    fn shift(&self, distance: f64) -> Shift<'a> {
        let Self {
            tilted,
            sums,
            degree,
        } = self;
        let rho = libm::exp(distance);
        // g and g' as sums of two.
        let gain = two_sum(rho, -1.0);
        let quotient = -gain.0 / rho;
        let (product, error) = two_product(quotient, rho);
        let rest = (((-gain.0 - product) - error) - gain.1) / rho;
        let low = self.side(1.0, gain, rho);
        let high = self.side(-1.0, (quotient, rest), 1.0 / rho);
        let of = |sign: f64| {
            let mut powers: [f64; DEGREES] =
                core::array::from_fn(|d| low.powers[d] + sign * high.powers[d]);
            let (first, lost) = two_sum(low.powers[0], sign * high.powers[0]);
            powers[0] = first;
            (powers, [lost + (low.rest + sign * high.rest), 0.0])
        };
        let ((even, rest_even), (odd, rest_odd)) = (of(1.0), of(-1.0));
        let factor = Wide::new(rho, 0.0);
        let (groups, turned) = (tilted.groups, sums.turned);
        let log = two_sum(low.log.0, high.log.0);
        let product = Wide::exp(log.0).scaled(1.0 + (log.1 + (low.log.1 + high.log.1)));
        let product = product.times(factor.power(turned - groups.high.len() as i64));
        let mean = odd[0] + turned as f64;
        Shift {
            tilted: Tilted {
                groups,
                theta: tilted.theta + distance,
                r: tilted.r.times(factor),
                middle: Middle {
                    mean,
                    above: groups.count() as f64 - mean,
                    variance: even[0] - even[1],
                },
            },
            sums: Sums {
                even,
                odd,
                rest: [rest_even, rest_odd],
                turned,
                product: sums.product.times(product),
            },
            degree: *degree,
        }
    }

    /// The power sums of one sign after tilting by `ρ = 1 + g`, and `ln Π (1 + xg)`.
    fn side(&self, sign: f64, (g, g_rest): (f64, f64), rho: f64) -> Side {
        let (sums, degree) = (&self.sums, self.degree);
        // The coefficients of Σ x/(1 + xz), with a rest of the first.
        let mut c = [0.0; DEGREES];
        for d in 0..degree {
            let alternate = if d % 2 == 0 { 0.5 } else { -0.5 };
            c[d] = alternate * (sums.even[d] + sign * sums.odd[d]);
        }
        let (twice, lost) = two_sum(sums.even[0], sign * sums.odd[0]);
        c[0] = 0.5 * twice;
        let mut rest = 0.5 * (lost + (sums.rest[0][0] + sign * sums.rest[1][0]));
        // The integral from 0 to g.
        let mut integral = 0.0;
        for d in (1..degree).rev() {
            integral = (integral + c[d] / (d + 1) as f64) * g;
        }
        let (first, error) = two_product(c[0], g);
        let (log, lost) = two_sum(first, integral * g);
        let log = (log, lost + (error + (c[0] * g_rest + rest * g)));
        // About g.
        for start in 1..=degree {
            for d in (start.max(2) - 1..degree - 1).rev() {
                c[d] += g * c[d + 1];
            }
            if start == 1 {
                let (first, lost) = two_sum(c[0], g * c[1]);
                c[0] = first;
                rest += lost;
            }
        }
        let (first, error) = two_product(c[0], rho);
        let mut power = rho;
        for d in 0..degree {
            c[d] *= if d % 2 == 0 { power } else { -power };
            power *= rho;
        }
        c[0] = first;
        Side {
            powers: c,
            rest: error + rest * rho,
            log,
        }
    }
}

/// Of the values of one sign.
struct Side {
    powers: [f64; DEGREES],
    /// What rounding has left out of the first.
    rest: f64,
    /// As a sum of two.
    log: (f64, f64),
}

/// The logarithm of what a polynomial about `tilted` leaves out, after tilting further to this variance.
fn left_out(tilted: &Tilted<'_>, degree: usize, distance: f64, variance: f64) -> f64 {
    let g = libm::expm1(distance.abs());
    let most = 2.0 * libm::sqrt(0.5 * LOG_EPSILON / variance).min(1.0);
    let room = 1.0 - 0.5 * (g + (1.0 + g) * most);
    if !(g <= FARTHEST && room > 0.0) {
        return f64::INFINITY;
    }
    let next = (degree + 1) as f64;
    // Where |z|^(D+1) exp(−σ²|e^iu − 1|²/2) is largest.
    let half = 0.5 * g / (1.0 + g);
    let at = (libm::sqrt(half * half + next / variance) - half).min(most);
    // Of values up to ½ with the same Σ x(1 − x), Σ x is at most 2σ², and so is Σ (2x)^d/2.
    let count = (tilted.groups.count() as f64).min(4.0 * tilted.middle.variance);
    libm::log(count / (next * room)) + next * libm::log(0.5 * (g + (1.0 + g) * at))
        - 0.5 * variance * at * at
}
