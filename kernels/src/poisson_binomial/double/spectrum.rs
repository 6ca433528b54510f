//! The middle of a distribution from its characteristic function, in time proportional to the number of factors.
//!
//! Let `t_j` be probabilities whose sum `K` has mean near `k` and variance `σ²`, and `C(u) = E exp(iu(K − k))`. On a circle of `M` numbers
//!
//! ```text
//! (1/M) Σ_n C(2πn/M) e^−iuj  =  Σ_i P(K = k + j + iM),      n = −(M−1)/2 … (M−1)/2
//! ```
//!
//! which is `P(K = k + j)` but for the terms `i ≠ 0`. Three things are left out, each below `ε = e^−37` (9e-17) of the total mass:
//!
//! 1. **Other turns of the circle.** By Bernstein's inequality `P(|K − μ| ≥ B) ≤ 2ε` for `B = L/3 + √(L²/9 + 2Lσ²)`, `L = 37`. `M` is chosen
//!    such that what falls on a wanted number from another turn lies beyond `B`. For one number `M ≈ B`; never more than `m + 1`.
//! 2. **High frequencies.** `|1 + t(e^iu − 1)|² = 1 − 4t(1 − t) sin²(u/2) ≤ exp(−4t(1 − t) sin²(u/2))`, so that `|C| ≤ exp(−2σ² sin²(u/2))`. What
//!    is below `ε` is not computed: 12 to 25 frequencies are left, whatever `m`; for small `σ` at most `M/2 < 60`.
//! 3. **The series' tail.** With `z = e^iu − 1` and `x_j ≤ ½` (the complement for `t_j > ½`, which has `z̄`)
//!
//! ```text
//! ln C(u) = Σ_d (−1)^(d+1)/d (z^d S_d + z̄^d S'_d) + iu(H − k),     S_d = Σ_low x^d,  S'_d = Σ_high x^d
//! ```
//!
//!    Cut after degree `D`, it is off by at most `Σ x^(D+1) |z|^(D+1) / ((D+1)(1 − x|z|))`, at a frequency that counts for
//!    `exp(−σ²|z|²/2)`; `D` is the least for which the product of the two is below `ε` everywhere. As `|z|` is at most `8.6/σ`,
//!    `D` is about 20 for a thousand factors, 8 for a million: so many products and sums a factor, for all frequencies together.
//!    Where `σ` is below 5, `x|z|` may come near 1; the factors with larger `x`, fewer than `6σ²`, are then multiplied one by one.
//!
//! **Rounding.** The leading phase `u(S_1 − S'_1 + H − k)` is the small difference of the mean and `k`, and `u − sin u` takes what is
//! large out of the rest. What is left has a rounding error of a few `u·√m` at `|u| ≈ 1/σ`, where `C` counts: 1e-15 for a thousand
//! factors, 1e-13 for a million. The absolute error of `P` is at most this over `σ`, so at its middle the relative error is the
//! same, and at a distance of `a` standard deviations `exp(a²/2)` times that: [`REACH`] bounds it to a factor of 100.
//!
//! **Tails** need no sum over many numbers. For the weights `e^−θj` that tilting has left (`θ ≥ 0`), the geometric series
//!
//! ```text
//! Σ_{j=0}^b e^−θj P(K = k + j) = (1/M) Σ_n C_n (1 − w^(b+1))/(1 − w),      w = e^(−θ − iu)
//! ```
//!
//! has all terms up to `b` = the lesser of `B` and `L/θ`, and downwards the same with `w̄`.
//!
//! **One factor left out** divides `C` by `1 + t(e^iu − 1)`; `M` is odd, so that `u = π`, where this may be 0, is never met.

use super::{
    anchor::Shift,
    check::LOG_EPSILON,
    functions::{exp, sin_cos},
    lanes::{self, DEGREES, LANES, Lanes, Loop, Sums},
    tilt::Tilted,
    wide::Wide,
};
use crate::isa::Level;
use alloc::vec::Vec;
use core::f64::consts::TAU;

/// The most frequencies that can count.
const FREQUENCIES: usize = 64;
/// Standard deviations to which a window is right: there a mass is 1/90 of the middle's.
pub(super) const REACH: f64 = 3.0;
/// `x|z|` up to which power sums are used where σ is small.
const SMALL: f64 = 0.4;

/// What is asked of a spectrum.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Purpose {
    /// Masses up to so far from the middle.
    Window(i64),
    /// A tail, upwards or downwards by the sign of θ, either way if it is 0.
    Tail,
}

/// The characteristic function about a number `k`, at the frequencies that count.
pub(super) struct Spectrum {
    /// 1/M
    per_turn: f64,
    /// The terms of a tail, less 1.
    last: i64,
    theta: f64,
    /// Frequencies, without 0.
    pub(super) count: usize,
    /// `e^iu − 1` and `C(u)`.
    pub(super) z: [[f64; FREQUENCIES]; 2],
    c: [[f64; FREQUENCIES]; 2],
    /// The distance of the frequencies.
    pub(super) step: f64,
    /// `G(r)` without `r^H`, `r`, and `H`.
    product: Wide,
    r: Wide,
    turned: i64,
}

/// Bernstein's bound on the distance that `1 − 2e^−37` of the mass keeps from the mean.
fn reach(variance: f64) -> f64 {
    let third = LOG_EPSILON / 3.0;
    third + libm::sqrt(third * third + 2.0 * LOG_EPSILON * variance)
}

/// What decides at which frequencies a sum is read.
pub(super) struct Frame {
    pub(super) trials: f64,
    pub(super) variance: f64,
    /// The distance of the mean from the number that is asked for.
    pub(super) from_mean: f64,
    pub(super) theta: f64,
}

impl Spectrum {
    /// About `k`, which is near the mean of `tilted`.
    pub(super) fn new(tilted: &Tilted<'_>, k: i64, purpose: Purpose) -> Self {
        let mut spectrum = Self::of(tilted, k, purpose);
        spectrum.evaluate(tilted, k);
        spectrum
    }

    /// About `k`, from power sums that are known already.
    pub(super) fn shifted(shift: &Shift<'_>, k: i64, purpose: Purpose) -> Self {
        let mut spectrum = Self::of(&shift.tilted, k, purpose);
        spectrum.product = shift.sums.product;
        spectrum.combine(&shift.sums, shift.degree, k, &[]);
        spectrum
    }

    fn of(tilted: &Tilted<'_>, k: i64, purpose: Purpose) -> Self {
        let frame = Frame {
            trials: tilted.groups.count() as f64,
            variance: tilted.middle.variance,
            from_mean: (tilted.middle.mean - k as f64).abs(),
            theta: tilted.theta,
        };
        Self {
            r: tilted.r,
            turned: tilted.groups.high.len() as i64,
            ..Self::empty(&frame, purpose)
        }
    }

    /// The frequencies, without the characteristic function there.
    pub(super) fn empty(frame: &Frame, purpose: Purpose) -> Self {
        let (count, variance) = (frame.trials, frame.variance);
        let size = frame.theta.abs();
        let bound = libm::ceil(reach(variance) + frame.from_mean);
        let (last, wanted) = match purpose {
            Purpose::Window(half) => (0, bound + half as f64),
            Purpose::Tail => {
                let last = bound
                    .min(libm::ceil(LOG_EPSILON / size.max(1e-9)))
                    .min(count);
                (last as i64, bound + last)
            }
        };
        // An odd number of at least all that is wanted; the whole support fits on m + 1.
        let half_turn = libm::ceil(0.5 * wanted.min(count));
        let turn = 2.0 * half_turn + 1.0;
        let step = TAU / turn;
        let mut spectrum = Self {
            per_turn: 1.0 / turn,
            last,
            theta: size,
            count: frequencies(variance, turn, half_turn),
            z: [[0.0; FREQUENCIES]; 2],
            c: [[0.0; FREQUENCIES]; 2],
            step,
            product: Wide::ONE,
            r: Wide::ONE,
            turned: 0,
        };
        lanes::run(Level::best(), Circle(&mut spectrum));
        spectrum
    }

    /// `G(r) r^−k`.
    pub(super) fn scale(&self, k: i64) -> Wide {
        self.product.times(self.r.power(self.turned - k))
    }

    /// `C` at every frequency.
    fn evaluate(&mut self, tilted: &Tilted<'_>, k: i64) {
        let last = self.count.checked_sub(1);
        let most = last.map_or(0.0, |last| libm::sqrt(-2.0 * self.z[0][last]));
        // Where power sums would not reach, the larger values are taken one by one.
        let small = if 0.5 * most > 2.0 * SMALL {
            SMALL / most
        } else {
            0.5
        };
        let degree = degrees(tilted, small, most);
        let mut middle = Vec::new();
        let sums = tilted.pass(degree, small, &mut middle);
        self.product = sums.product;
        self.combine(&sums, degree, k, &middle);
    }

    fn combine(&mut self, sums: &Sums, degree: usize, k: i64, middle: &[f64]) {
        let kernel = Combine {
            turned: sums.turned - k,
            spectrum: self,
            sums,
            degree,
            middle,
        };
        lanes::run(Level::best(), kernel);
    }

    /// Writes `C` at eight frequencies, from its logarithm and argument; 0 beyond the last one.
    #[inline(always)]
    pub(super) fn put(&mut self, first: usize, log: &[f64; LANES], angle: &[f64; LANES]) {
        let size = exp(log);
        let [sine, cosine] = sin_cos(angle);
        for l in 0..LANES {
            let n = first + l;
            let counts = if n < self.count { size[l] } else { 0.0 };
            self.c[0][n] = counts * cosine[l];
            self.c[1][n] = counts * sine[l];
        }
    }

    /// `P(K = k)`.
    pub(super) fn mass(&self) -> f64 {
        let sum: f64 = self.c[0][..self.count].iter().sum();
        self.per_turn * (1.0 + 2.0 * sum)
    }

    /// `P(K = k + j)` and `P(K = k − j)` for `j` = 0 … half.
    pub(super) fn window(&self, half: i64) -> Vec<[f64; 2]> {
        /// Steps after which the rotation is computed anew, so that its rounding does not add up.
        const ANEW: i64 = 32;
        let mut turned = [[0.0; FREQUENCIES]; 2];
        let mut masses = Vec::with_capacity(half as usize + 1);
        for j in 0..=half {
            if j % ANEW == 0 {
                let [sine, cosine] = lanes::run(Level::best(), Turn(self, j));
                turned = [cosine, sine];
            }
            let (mut even, mut odd) = ([0.0; 8], [0.0; 8]);
            for first in (0..self.count).step_by(8) {
                for l in 0..8 {
                    let n = first + l;
                    let (x, y) = (turned[0][n], turned[1][n]);
                    even[l] += self.c[0][n] * x;
                    odd[l] += self.c[1][n] * y;
                    let (a, b) = (self.z[0][n], self.z[1][n]);
                    turned[0][n] = x + (x * a - y * b);
                    turned[1][n] = y + (x * b + y * a);
                }
            }
            let (even, odd) = (even.iter().sum::<f64>(), odd.iter().sum::<f64>());
            masses.push([
                self.per_turn * (1.0 + 2.0 * (even + odd)),
                self.per_turn * (1.0 + 2.0 * (even - odd)),
            ]);
        }
        masses
    }

    /// `Σ_j e^−|θ|j P(K = k ± j)`, upwards or downwards.
    pub(super) fn tail(&self, upwards: bool) -> f64 {
        let decay = libm::exp(-self.theta);
        let terms = (self.last + 1) as f64;
        let whole = if self.theta == 0.0 {
            terms
        } else {
            libm::expm1(-self.theta * terms) / libm::expm1(-self.theta)
        };
        let rest = libm::exp(-self.theta * terms);
        let rise = -libm::expm1(-self.theta);
        let kernel = Series {
            spectrum: self,
            upwards,
            weights: [decay, rest, rise],
        };
        let sum = lanes::run(Level::best(), kernel);
        self.per_turn * (whole + 2.0 * sum)
    }

    /// `P(K − X = k)` for a factor `X` of probability `t`.
    pub(super) fn without(&self, t: f64) -> f64 {
        let mut sum = 0.0;
        for n in 0..self.count {
            let (a, b) = (1.0 + t * self.z[0][n], t * self.z[1][n]);
            sum += (self.c[0][n] * a + self.c[1][n] * b) / (a * a + b * b);
        }
        self.per_turn * (1.0 + 2.0 * sum)
    }
}

/// How many frequencies count.
fn frequencies(variance: f64, turn: f64, half_turn: f64) -> usize {
    let sine = libm::sqrt(0.5 * LOG_EPSILON / variance);
    let mut count = half_turn;
    if sine < 1.0 {
        count = count.min(libm::ceil(turn * 2.0 * libm::asin(sine) / TAU));
    }
    (count as usize).min(FREQUENCIES)
}

/// How many power sums are needed for values up to `x` and `|z|` up to `most`.
fn degrees(tilted: &Tilted<'_>, x: f64, most: f64) -> usize {
    let (count, variance) = (tilted.groups.count() as f64, tilted.middle.variance);
    // Of values up to ½ with the same Σ x(1 − x), Σ x is at most 2σ².
    let count = count.min(2.0 * variance / x);
    let room = 1.0 - x * most;
    for degree in 2..DEGREES {
        let next = (degree + 1) as f64;
        // Where |z|^(D+1) exp(−σ²|z|²/2) is largest.
        let z = libm::sqrt(next / variance).min(most);
        let log =
            libm::log(count / (next * room)) + next * libm::log(x * z) - 0.5 * variance * z * z;
        if !(log > -LOG_EPSILON) {
            return degree;
        }
    }
    DEGREES
}

/// `e^iu − 1` at every frequency: `−2 sin²(u/2) + i sin u`.
struct Circle<'a>(&'a mut Spectrum);

impl Loop for Circle<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let spectrum = self.0;
        for first in (0..spectrum.count).step_by(LANES) {
            let half = core::array::from_fn(|l| 0.5 * spectrum.step * (first + l + 1) as f64);
            let [sine, cosine] = sin_cos(&half);
            for l in 0..LANES {
                spectrum.z[0][first + l] = -2.0 * sine[l] * sine[l];
                spectrum.z[1][first + l] = 2.0 * sine[l] * cosine[l];
            }
        }
    }
}

/// Sine and cosine of `j` times every frequency.
struct Turn<'a>(&'a Spectrum, i64);

impl Loop for Turn<'_> {
    type Output = [[f64; FREQUENCIES]; 2];

    #[inline(always)]
    fn run(self) -> [[f64; FREQUENCIES]; 2] {
        let Self(spectrum, j) = self;
        let mut results = [[0.0; FREQUENCIES]; 2];
        for first in (0..spectrum.count).step_by(LANES) {
            let angles =
                core::array::from_fn(|l| spectrum.step * ((first + l + 1) as i64 * j) as f64);
            let [sine, cosine] = sin_cos(&angles);
            results[0][first..first + LANES].copy_from_slice(&sine);
            results[1][first..first + LANES].copy_from_slice(&cosine);
        }
        results
    }
}

/// `Σ_n C_n (1 − w^(b+1))/(1 − w)` with `w` = decay·(1 + z̄), the real part; the weights are the decay, `decay^(b+1)` and 1 − decay.
struct Series<'a> {
    spectrum: &'a Spectrum,
    upwards: bool,
    weights: [f64; 3],
}

impl Loop for Series<'_> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        let Self {
            spectrum: of,
            upwards,
            weights: [decay, rest, rise],
        } = self;
        let [one, decay, rest, rise] = [1.0, decay, rest, rise].map(Lanes::from);
        let side = Lanes::from(if upwards { 1.0 } else { -1.0 });
        let mut sums = Lanes::from(0.0);
        for first in (0..of.count).step_by(LANES) {
            let turns = |l: usize| (first + l + 1) as i64 * (of.last + 1);
            let [sine, cosine] =
                sin_cos(&core::array::from_fn(|l| of.step * turns(l) as f64)).map(Lanes);
            let [a, b, c0, c1] =
                [&of.z[0], &of.z[1], &of.c[0], &of.c[1]].map(|x| Lanes::at(x, first));
            let above = [one - rest * cosine, rest * sine];
            let below = [rise - decay * a, decay * b];
            let per = one / (below[0] * below[0] + below[1] * below[1]);
            let real = (above[0] * below[0] + above[1] * below[1]) * per;
            let imaginary = (above[1] * below[0] - above[0] * below[1]) * per;
            let mut term = c0 * real - side * c1 * imaginary;
            // Beyond the last frequency it may be 0/0.
            for l in (of.count - first).min(LANES)..LANES {
                term.0[l] = 0.0;
            }
            sums = sums + term;
        }
        let sums = sums.0;
        lanes::total(sums)
    }
}

struct Combine<'a> {
    spectrum: &'a mut Spectrum,
    sums: &'a Sums,
    degree: usize,
    turned: i64,
    middle: &'a [f64],
}

impl Loop for Combine<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self {
            spectrum,
            sums: Sums {
                even, odd, rest, ..
            },
            degree,
            turned,
            middle,
        } = self;
        let count = spectrum.count.next_multiple_of(8).min(FREQUENCIES);
        let [zr, zi] = spectrum.z;
        let (mut log, mut phase) = ([0.0; FREQUENCIES], [0.0; FREQUENCIES]);
        let (mut power_r, mut power_i) = (zr, zi);
        let mean = odd[0];
        // μ − k
        let from_mean = (mean + turned as f64) + rest[1][0];
        for n in 0..count {
            let u = spectrum.step * (n + 1) as f64;
            log[n] = zr[n] * even[0];
            // u (S_1 − S'_1 + H − k) − (u − sin u)(S_1 − S'_1)
            phase[n] = u * from_mean - (u - zi[n]) * mean;
        }
        for d in 2..=degree {
            let sign = if d % 2 == 0 { -1.0 } else { 1.0 };
            let (even, odd) = (sign / d as f64 * even[d - 1], sign / d as f64 * odd[d - 1]);
            for n in 0..count {
                let (a, b) = (power_r[n], power_i[n]);
                power_r[n] = a * zr[n] - b * zi[n];
                power_i[n] = a * zi[n] + b * zr[n];
                log[n] += even * power_r[n];
                phase[n] += odd * power_i[n];
            }
        }
        let (mut real, mut imaginary) = ([1.0; FREQUENCIES], [0.0; FREQUENCIES]);
        for &t in middle {
            for n in 0..count {
                // Times 1 + t z, so that what is rounded is small where z is.
                let (a, b) = (t * zr[n], t * zi[n]);
                let (x, y) = (real[n], imaginary[n]);
                real[n] = x + (x * a - y * b);
                imaginary[n] = y + (x * b + y * a);
            }
        }
        for first in (0..spectrum.count).step_by(LANES) {
            let of = |from: &[f64; FREQUENCIES]| core::array::from_fn(|l| from[first + l]);
            let size = exp(&of(&log));
            let [sine, cosine] = sin_cos(&of(&phase));
            for l in 0..LANES {
                let n = first + l;
                spectrum.c[0][n] = size[l] * (real[n] * cosine[l] - imaginary[n] * sine[l]);
                spectrum.c[1][n] = size[l] * (real[n] * sine[l] + imaginary[n] * cosine[l]);
            }
        }
        // Frequencies beyond the last, up to a whole vector.
        for n in spectrum.count..count {
            (spectrum.c[0][n], spectrum.c[1][n]) = (0.0, 0.0);
        }
    }
}
