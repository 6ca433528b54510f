//! Forward and all leave-one-out gradients from the characteristic function, in `O(N)`.
//!
//! `C(u) = Π_j (cos u + i m_j sin u)` at the few angles that count (see `circle.rs`).
//!
//! **Forward.** Four factors are multiplied as one. With their elementary symmetric sums `e₁ … e₄`, `w = sin² u`, their product is
//!
//! ```text
//! 1 − w ((2 + e₂) − w (1 + e₂ + e₄))  +  i sin u cos u (e₁ − w (e₁ + e₃))
//! ```
//!
//! Equal factors repeat one another's rounding, which shows where the phase is many turns: see [`strain`](super::strain).
//! One frequency costs two operations per factor. No modulus exceeds 1: nothing overflows, whatever `N`.
//!
//! **Gradient.** Without factor `j` the characteristic function is `C/(cos u + i m_j sin u)`, so that with `D_k = C_k exp(iα_k)`
//!
//! ```text
//! ∂z/∂v_j = g(m_j),   g(m) = (1 + 2 Σ_k Re(D_k / (cos u_k + i m sin u_k))) / M
//! ```
//!
//! is *the same function of `m`* for all factors of a sum. It is smooth: its power series in `m` has the coefficients
//! `2/M Σ_k Re(D_k (−i tan u_k)^d / cos u_k)`, and as `|D|` falls like `exp(−2σ² sin² u)`, term `d` is at most of the order of
//! `(d/(4eσ²))^{d/2}`. So six to twelve multiply-adds per factor are all that a gradient costs once σ² is above 12; below, the
//! quotients are computed one by one. What the series leaves out is put onto its last even and its last odd term, which
//! makes it exact at `m = ±1`.

use super::{
    block::{Block, least},
    circle::{Circle, MAX_FREQUENCIES},
};
use crate::arch::float::Float;

/// Frequencies whose products run side by side.
const TOGETHER: usize = 4;
/// Vectors per four factors: their symmetric sums, combined.
const QUAD: usize = 4;

/// What the sums' characteristic functions say.
pub(super) struct Spectrum<F: Float> {
    pub(super) survival: F::Vector,
    pub(super) mass: F::Vector,
    per_period: F::Vector,
    variance: F::Vector,
    frequencies: usize,
    sine: [F::Vector; MAX_FREQUENCIES],
    cosine: [F::Vector; MAX_FREQUENCIES],
    /// `D_k`
    real: [F::Vector; MAX_FREQUENCIES],
    imaginary: [F::Vector; MAX_FREQUENCIES],
}

impl<F: Float> Spectrum<F> {
    /// Of the factors in `rows`, a whole number of fours; `memory` is as long.
    #[inline(always)]
    pub(super) fn new(
        float: F,
        block: &Block,
        rows: &[F::Vector],
        memory: &mut [F::Vector],
    ) -> Self {
        let (zero, one) = (float.splat(0.0), float.splat(1.0));
        let memory = &mut memory[..rows.len()];
        let (mean, variance) = symmetric_sums(float, rows, memory);
        let factors = float.splat(rows.len() as f32);
        let circle = Circle::new(float, factors, mean, variance, block.cuts(float));
        let mut spectrum = Self {
            survival: circle.length,
            mass: float.splat(0.5),
            per_period: circle.per_period,
            variance,
            frequencies: circle
                .frequencies
                .next_multiple_of(TOGETHER)
                .min(MAX_FREQUENCIES),
            sine: [zero; MAX_FREQUENCIES],
            cosine: [one; MAX_FREQUENCIES],
            real: [zero; MAX_FREQUENCIES],
            imaginary: [zero; MAX_FREQUENCIES],
        };
        for first in (0..spectrum.frequencies).step_by(TOGETHER) {
            let (mut present, mut turns) = ([one; TOGETHER], [zero; TOGETHER]);
            let (mut sines, mut cosines) = ([zero; TOGETHER], [one; TOGETHER]);
            for i in 0..TOGETHER {
                let (beyond, frequency) = circle.frequency(float, first + i + 1);
                present[i] = float.select(beyond, zero, one);
                turns[i] = frequency.turns;
                // Where there is none, any angle will do whose sine and cosine are not 0: here 30°.
                sines[i] = float.select(beyond, float.splat(0.5), frequency.sine);
                cosines[i] = float.select(beyond, float.splat(0.866_025_4), frequency.cosine);
            }
            spectrum.sine[first..first + TOGETHER].copy_from_slice(&sines);
            spectrum.cosine[first..first + TOGETHER].copy_from_slice(&cosines);
            let product = products(float, &sines, &cosines, memory);
            for i in 0..TOGETHER {
                let k = first + i;
                let (sine, cosine) = (spectrum.sine[k], spectrum.cosine[k]);
                let real = float.mul(present[i], product[i].0);
                let imaginary = float.mul(present[i], product[i].1);
                let [(sin_a, cos_a), (sin_b, cos_b)] = circle.ends(float, turns[i]);
                let a_real = float.neg_mul_add(imaginary, sin_a, float.mul(real, cos_a));
                let a_imaginary = float.mul_add(real, sin_a, float.mul(imaginary, cos_a));
                let b_imaginary = float.mul_add(real, sin_b, float.mul(imaginary, cos_b));
                let term = float.div(float.sub(a_imaginary, b_imaginary), sine);
                spectrum.survival = float.add(spectrum.survival, term);
                spectrum.mass = float.mul_add(a_real, cosine, spectrum.mass);
                spectrum.mass = float.mul_add(a_imaginary, sine, spectrum.mass);
                (spectrum.real[k], spectrum.imaginary[k]) = (a_real, a_imaginary);
            }
        }
        let survival = float.mul(spectrum.survival, circle.per_period);
        spectrum.survival = float.select(
            block.won(float),
            one,
            float.min(one, float.max(zero, survival)),
        );
        let twice = float.add(circle.per_period, circle.per_period);
        spectrum.mass = float.min(one, float.max(zero, float.mul(spectrum.mass, twice)));
        spectrum
    }

    /// `P(K = h − 1)` and `P(K = h)`: the rotation to `h − 1` is that to `h` and two times `u` more.
    #[inline(always)]
    pub(super) fn beside(&self, float: F) -> [F::Vector; 2] {
        let mut below = float.splat(0.5);
        for k in 0..self.frequencies {
            below = float.mul_add(self.real[k], self.cosine[k], below);
            below = float.neg_mul_add(self.imaginary[k], self.sine[k], below);
        }
        let below = float.mul(below, float.add(self.per_period, self.per_period));
        [float.max(float.splat(0.0), below), self.mass]
    }

    /// `∂z/∂v_j` of every row, by the series where it has converged, else by the quotients.
    #[inline(always)]
    pub(super) fn gradient(
        &self,
        float: F,
        rows: &[F::Vector],
        open: F::Vector,
        results: &mut [F::Vector],
    ) {
        // The least variances with which the series is right to 1e-6 of the largest gradient.
        let variance = least(float, self.variance);
        if variance > 60.0 {
            self.series::<6>(float, rows, open, results);
        } else if variance > 25.0 {
            self.series::<8>(float, rows, open, results);
        } else if variance > 12.0 {
            self.series::<12>(float, rows, open, results);
        } else {
            self.quotients(float, rows, open, results);
        }
    }

    /// `TERMS` terms of the power series, an even number.
    #[inline(always)]
    fn series<const TERMS: usize>(
        &self,
        float: F,
        rows: &[F::Vector],
        open: F::Vector,
        results: &mut [F::Vector],
    ) {
        let (one, two) = (float.splat(1.0), float.splat(2.0));
        let scale = float.mul(open, self.per_period);
        let mut coefficients = [float.splat(0.0); TERMS];
        for k in 0..self.frequencies {
            let per_cosine = float.div(one, self.cosine[k]);
            let tangent = float.mul(self.sine[k], per_cosine);
            let square = float.mul(tangent, tangent);
            // D/cos u · (1 − i m t − m² t² + i m³ t³ + …), of which the real part counts.
            let mut even = float.mul(self.real[k], per_cosine);
            let mut odd = float.mul(float.mul(self.imaginary[k], per_cosine), tangent);
            for d in (0..TERMS).step_by(2) {
                if d + 2 == TERMS {
                    let rest = float.div(one, float.add(one, square));
                    even = float.mul(even, rest);
                    odd = float.mul(odd, rest);
                }
                coefficients[d] = float.add(coefficients[d], even);
                coefficients[d + 1] = float.add(coefficients[d + 1], odd);
                even = float.neg_mul_add(even, square, float.splat(0.0));
                odd = float.neg_mul_add(odd, square, float.splat(0.0));
            }
        }
        coefficients[0] = float.add(coefficients[0], float.splat(0.5));
        for coefficient in &mut coefficients {
            *coefficient = float.mul(*coefficient, float.mul(scale, two));
        }
        for (&v, result) in rows.iter().zip(results) {
            let m = float.mul_add(two, v, float.splat(-1.0));
            // Even and odd terms apart: two chains of half the length.
            let square = float.mul(m, m);
            let (mut even, mut odd) = (coefficients[TERMS - 2], coefficients[TERMS - 1]);
            for d in (0..TERMS - 2).step_by(2).rev() {
                even = float.mul_add(even, square, coefficients[d]);
                odd = float.mul_add(odd, square, coefficients[d + 1]);
            }
            *result = float.max(float.splat(0.0), float.mul_add(odd, m, even));
        }
    }

    /// Every `Re(D/(cos u + i m sin u)) = (Re D cos u + Im D m sin u)/(cos² u + m² sin² u)`.
    #[inline(always)]
    fn quotients(&self, float: F, rows: &[F::Vector], open: F::Vector, results: &mut [F::Vector]) {
        let scale = float.mul(float.mul(open, self.per_period), float.splat(2.0));
        for (&v, result) in rows.iter().zip(results) {
            let m = float.mul_add(float.splat(2.0), v, float.splat(-1.0));
            let mut sum = float.splat(0.5);
            for k in 0..self.frequencies {
                let m_sine = float.mul(m, self.sine[k]);
                let above = float.mul_add(
                    self.imaginary[k],
                    m_sine,
                    float.mul(self.real[k], self.cosine[k]),
                );
                let below =
                    float.mul_add(m_sine, m_sine, float.mul(self.cosine[k], self.cosine[k]));
                sum = float.add(sum, float.div(above, below));
            }
            *result = float.max(float.splat(0.0), float.mul(scale, sum));
        }
    }
}

/// For each four factors `2 + e₂`, `1 + e₂ + e₄`, `e₁` and `e₁ + e₃`, in place of their rows; mean and variance of the sum.
#[inline(always)]
fn symmetric_sums<F: Float>(
    float: F,
    rows: &[F::Vector],
    memory: &mut [F::Vector],
) -> (F::Vector, F::Vector) {
    let (one, two) = (float.splat(1.0), float.splat(2.0));
    let (mut mean, mut variance) = (float.splat(0.0), float.splat(0.0));
    for (rows, sums) in rows.chunks_exact(QUAD).zip(memory.chunks_exact_mut(QUAD)) {
        let mut m = [one; QUAD];
        for i in 0..QUAD {
            m[i] = float.mul_add(two, rows[i], float.splat(-1.0));
            mean = float.add(mean, rows[i]);
            variance = float.mul_add(rows[i], float.sub(one, rows[i]), variance);
        }
        let (sum_a, product_a) = (float.add(m[0], m[1]), float.mul(m[0], m[1]));
        let (sum_b, product_b) = (float.add(m[2], m[3]), float.mul(m[2], m[3]));
        let e1 = float.add(sum_a, sum_b);
        let e2 = float.mul_add(sum_a, sum_b, float.add(product_a, product_b));
        let e3 = float.mul_add(sum_a, product_b, float.mul(product_a, sum_b));
        let e4 = float.mul(product_a, product_b);
        sums[0] = float.add(two, e2);
        sums[1] = float.add(float.add(one, e2), e4);
        sums[2] = e1;
        sums[3] = float.add(e1, e3);
    }
    (mean, variance)
}

/// `Π_j (cos u + i m_j sin u)` at [`TOGETHER`] angles.
#[inline(always)]
fn products<F: Float>(
    float: F,
    sines: &[F::Vector; TOGETHER],
    cosines: &[F::Vector; TOGETHER],
    sums: &[F::Vector],
) -> [(F::Vector, F::Vector); TOGETHER] {
    let (zero, one) = (float.splat(0.0), float.splat(1.0));
    let (mut square, mut mixed) = ([zero; TOGETHER], [zero; TOGETHER]);
    let mut minus_square = square;
    for i in 0..TOGETHER {
        square[i] = float.mul(sines[i], sines[i]);
        minus_square[i] = float.sub(zero, square[i]);
        mixed[i] = float.mul(sines[i], cosines[i]);
    }
    let (mut real, mut imaginary) = ([one; TOGETHER], [zero; TOGETHER]);
    for quad in sums.chunks_exact(QUAD) {
        for i in 0..TOGETHER {
            // The product less 1, so that what is rounded is small at small angles: many equal factors would
            // repeat one rounding of a number near 1 thousands of times.
            let inner = float.neg_mul_add(square[i], quad[1], quad[0]);
            let a = float.mul(minus_square[i], inner);
            let b = float.mul(mixed[i], float.neg_mul_add(square[i], quad[3], quad[2]));
            let next = float.neg_mul_add(imaginary[i], b, float.mul_add(real[i], a, real[i]));
            imaginary[i] = float.mul_add(real[i], b, float.mul_add(imaginary[i], a, imaginary[i]));
            real[i] = next;
        }
    }
    let mut products = [(zero, zero); TOGETHER];
    for i in 0..TOGETHER {
        products[i] = (real[i], imaginary[i]);
    }
    products
}
