//! One number near the mean of a broad sum, straight from its probabilities as they were handed in.
//!
//! Where nothing is tilted and `σ` is not small, neither groups nor products are needed. With `q = 2p − 1` and `w = 4p(1 − p) = 1 − q²`
//!
//! ```text
//! 1 + p(e^iu − 1) = e^(iu/2) (cos(u/2) + i q sin(u/2))
//! ln |C(u)|  = ½ Σ ln(1 − w s)               = −½ Σ_d W_d s^d/d,                    s = sin²(u/2),  W_d = Σ w^d
//! arg C(u)   = Σ (u/2 + atan(q t)) − uk      = u(μ − k) + Q_0 (t − u/2) + t Σ_d (−1)^d Q_d t^2d/(2d + 1),   t = tan(u/2),  Q_d = Σ q^(2d+1)
//! ```
//!
//! so that one product and one sum a factor and degree do, where two groups with signs need two of each. `C` is read as in `spectrum.rs`, which
//! bounds what is left out. Here the series are cut after degree `D`: at a frequency that counts for `exp(−2σ²s)`, and with `s ≤ s₁ = L/2σ²`,
//!
//! ```text
//! n s^d exp(−2σ²s) ≤ n (d/2σ²e)^d ≤ n d!/(2σ²)^d,        t² ≤ s/(1 − s₁)
//! ```
//!
//! and `D` is the least for which the product of the first term that is left out is below `ε`; the others add at most half of it.
//!
//! **Rounding.** `w` has all its digits; `q` has the absolute error `2⁻⁵⁴` where `p` is small, and the phase is then the small difference of `u/2`
//! and `atan(|q|t)`. Both cost at most `n·2⁻⁵³/σ`, which is small while `n` is at most 64 times the variance (`check.rs`).

use super::{
    check::{Broad, DEGREES},
    lanes::{self, BLOCK, LANES, Lanes, Loop, Totals},
    spectrum::{Frame, Purpose, Spectrum},
    wide::{Wide, beside},
};
use crate::isa::Level;
use core::convert::identity;

impl Broad {
    /// `P(K = k)`, if `k` is near the mean.
    pub(super) fn mass(&self, probabilities: &[f64], k: i64) -> Option<Wide> {
        self.near(k).then(|| {
            let spectrum = self.spectrum(probabilities, k, Purpose::Window(0));
            Wide::new(spectrum.mass().max(0.0), 0.0)
        })
    }

    /// `P(K ≤ k)` and `P(K > k)`, if `k` is near the mean.
    pub(super) fn tails(&self, probabilities: &[f64], k: i64) -> Option<[Wide; 2]> {
        let next = k.saturating_add(1);
        (self.near(k) && self.near(next)).then(|| {
            let upper = k as f64 + 0.5 > self.mean.0;
            let k = if upper { next } else { k };
            // Of a broad sum this tail is below 0.6.
            let tail = self.spectrum(probabilities, k, Purpose::Tail).tail(upper);
            beside(upper, Wide::new(tail.max(0.0), 0.0))
        })
    }

    fn spectrum(&self, probabilities: &[f64], k: i64, purpose: Purpose) -> Spectrum {
        let frame = Frame {
            trials: self.trials,
            variance: self.variance,
            from_mean: (self.mean.0 - k as f64).abs(),
            theta: 0.0,
        };
        let mut spectrum = Spectrum::empty(&frame, purpose);
        let kernel = Combine {
            broad: self,
            spectrum: &mut spectrum,
            probabilities,
            phase: (self.mean.0 - k as f64) + self.mean.1,
        };
        lanes::run(Level::best(), kernel);
        spectrum
    }
}

/// The characteristic function at the frequencies of a spectrum.
struct Combine<'a> {
    broad: &'a Broad,
    spectrum: &'a mut Spectrum,
    probabilities: &'a [f64],
    /// `μ − k`
    phase: f64,
}

impl Loop for Combine<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self {
            broad,
            spectrum,
            probabilities,
            phase,
        } = self;
        let degree = broad.degree;
        let [mut w, mut q] = power_sums(probabilities, degree);
        // Of the first degree both are known better.
        w[0] = 4.0 * broad.variance;
        q[0] = 2.0 * broad.mean.0 - broad.trials;
        for d in 1..=degree {
            let d_real = d as f64;
            w[d - 1] *= -0.5 / d_real;
            q[d] *= (if d % 2 == 0 { 1.0 } else { -1.0 }) / (2.0 * d_real + 1.0);
        }
        let [half, two, from_mean, first_odd] = [0.5, 2.0, phase, q[0]].map(Lanes::from);
        for first in (0..spectrum.count).step_by(LANES) {
            let u = Lanes(core::array::from_fn(|l| {
                spectrum.step * (first + l + 1) as f64
            }));
            let [real, imaginary] = [0, 1].map(|part| Lanes::at(&spectrum.z[part], first));
            let (s, t) = (Lanes::from(-0.5) * real, imaginary / (two + real));
            let square = t * t;
            let (mut even, mut odd) = (Lanes::from(0.0), Lanes::from(0.0));
            for d in (1..=degree).rev() {
                even = (even + Lanes::from(w[d - 1])) * s;
                odd = (odd + Lanes::from(q[d])) * square;
            }
            let angle = u * from_mean + (first_odd * (t - half * u) + t * odd);
            spectrum.put(first, &even.0, &angle.0);
        }
    }
}

/// `W_d` for `d` = 1 … at `d − 1`, and `Q_d` for `d` = 0 … at `d`, without `W_1` and `Q_0`.
#[inline(always)]
fn power_sums(probabilities: &[f64], degree: usize) -> [[f64; DEGREES + 1]; 2] {
    let mut totals = [Totals::new(), Totals::new()];
    let mut add = identity(
        #[inline(always)]
        |p: &[f64; BLOCK], q: &[f64; BLOCK]| {
            let (mut w, mut x) = ([0.0; BLOCK], [0.0; BLOCK]);
            for i in 0..BLOCK {
                w[i] = 4.0 * (p[i] * (1.0 - p[i]));
                x[i] = w[i] * w[i];
            }
            totals[0].add_powers(1, degree, x, &w);
            totals[0].count(degree);
            for i in 0..BLOCK {
                w[i] = q[i] * q[i];
                x[i] = w[i] * q[i];
            }
            totals[1].add_powers(1, degree + 1, x, &w);
            totals[1].count(degree + 1);
        },
    );
    let (blocks, rest) = probabilities.as_chunks::<BLOCK>();
    for block in blocks {
        add(block, &block.map(|p| 2.0 * p - 1.0));
    }
    if !rest.is_empty() {
        let p = lanes::padded(rest);
        let mut q = p.map(|p| 2.0 * p - 1.0);
        // What fills up the block counts for nothing.
        q[rest.len()..].fill(0.0);
        add(&p, &q);
    }
    let [w, q] = totals;
    [w.totals(degree).0, q.totals(degree + 1).0]
}
