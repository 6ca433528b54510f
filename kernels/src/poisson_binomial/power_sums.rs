//! The survival from a few power sums of the factors' means: the form whose cost is that of a matrix product.
//!
//! With `m_j = 2v_j − 1`, `S = 2K − N` and the angle `u`, the characteristic function and its logarithm are
//!
//! ```text
//! E exp(iuS) = Π_j (cos u + i m_j sin u) = exp(R + iΨ)
//! R = N ln cos u + ½ Σ_j ln(1 + m_j² t²),   Ψ = Σ_j atan(m_j t),   t = tan u
//! ```
//!
//! Both are power series in `m_j t`, so they depend on the factors through the power sums `S_d = Σ_j m_j^d` alone. In a layer
//! `m_j = m_x·m_w` and so `S_d = Σ_j m_x^d·m_w^d`: for all neurons and samples at once that is a matrix product of element-wise
//! powers, and the way back, `∂z/∂m_x = Σ_d ∂z/∂S_d · d·m_x^{d−1}·m_w^d`, is another.
//!
//! **Cutting the series after `S_D`.** A factor with `|m| = 1` is certain and must leave no error, however many there are; one
//! with `m = 0` leaves none by itself. Both hold if each dropped power `m^d` is replaced by the highest kept power of the
//! same parity, which puts all that is left of the series onto `S_D` and `S_{D−1}`:
//!
//! ```text
//! R = Σ_{d even < D} ±(N − S_d) t^d/d + (N − S_D)·(ln cos u − Σ_{d even < D} ±t^d/d)
//! Ψ = Σ_{d odd < D−1} ±S_d t^d/d + S_{D−1}·(u − Σ_{d odd < D−1} ±t^d/d)        (for even D)
//! ```
//!
//! What is neglected is at most `(S_{D−2} − S_D) (t^{D+1}/(D+1) + t^{D+2}/(D+2)) / (1 − t²)²`, and [`Inverse::error`] reports what that does to the
//! survival: small where the standard deviation is large, so that only small angles matter. Where it is too large for the
//! caller's purpose, the exact forms remain.
//!
//! **Inversion** is that of `circle.rs`. The first power sum is most of the phase, `Ψ ≈ u S_1`, and meets `u (N + 1 − 2h)` before
//! the rounding, so that what is rounded is small.
//!
//! ```
//! use bernet_kernels::{isa::Level, poisson_binomial::*};
//!
//! // One output of 200 factors of mean .5: S_d = 200 · .5^d. P(at least 150 successes), each of probability ¾:
//! let sums = [1, 2, 3, 4, 5, 6].map(|d| 200.0 * 0.5f32.powi(d));
//! let (mut survival, mut mass, mut slopes, mut error) = ([0.0], [0.0], [0.0; 6], [0.0]);
//! let out = Inverse { survival: &mut survival, mass: &mut mass, slopes: &mut slopes, error: &mut error };
//! PowerSums::new(&sums, 1, 200)?.invert(Level::best(), &[150], out)?;
//! assert!((survival[0] - 0.537_906).abs() < 2e-6 && error[0] < 1e-5);
//! # Ok::<(), bernet_kernels::Error>(())
//! ```

use crate::{
    Error,
    arch::float::{Float, Kernel},
    isa::{Level, dispatch},
};

use super::{
    block::{self, MAX_LANES},
    circle::Circle,
    functions::{exp, ln_cos, sin_cos},
};

/// The most power sums that are used.
const MAX_DEGREE: usize = 8;
/// Power sums of many sums' factors: `sums[(d − 1) · outputs + o] = Σ_j m_j^d` for output `o` and `d` from 1 to the degree.
#[derive(Clone, Copy, Debug)]
pub struct PowerSums<'a> {
    sums: &'a [f32],
    outputs: usize,
    factors: usize,
}

/// Where [`PowerSums::invert`] puts its results; all but `slopes` have one value per output.
#[derive(Debug)]
pub struct Inverse<'a> {
    /// `P(K ≥ cut)`.
    pub survival: &'a mut [f32],
    /// `P(K = cut)`.
    pub mass: &'a mut [f32],
    /// `slopes[(d − 1) · outputs + o]` is the derivative of the survival of output `o` by its `S_d`.
    pub slopes: &'a mut [f32],
    /// The most that cutting the series can have changed the survival, as far as a term of first order says; rounding
    /// comes on top. Outputs where it is too much want an exact form.
    pub error: &'a mut [f32],
}

impl<'a> PowerSums<'a> {
    /// Power sums of `outputs` sums of `factors` factors each; the degree is the number of rows of `sums`.
    ///
    /// # Errors
    /// [`Error::Dimension`] where `outputs` is 0 or the degree is not 2, 4, 6 or 8; [`Error::Size`] where the last row of
    /// `sums` is incomplete.
    pub fn new(sums: &'a [f32], outputs: usize, factors: usize) -> Result<Self, Error> {
        if outputs == 0 {
            return Err(Error::Dimension {
                what: "outputs",
                found: 0,
                expected: "at least 1",
            });
        }
        let degree = sums.len() / outputs;
        Error::check_size("sums (degree · outputs)", degree * outputs, sums.len())?;
        if !matches!(degree, 2 | 4 | 6 | 8) {
            return Err(Error::Dimension {
                what: "degree",
                found: degree,
                expected: "2, 4, 6 or 8",
            });
        }
        Ok(Self {
            sums,
            outputs,
            factors,
        })
    }

    /// How many power sums each output has.
    pub fn degree(&self) -> usize {
        self.sums.len() / self.outputs
    }

    /// Survival, mass and slopes of output `o` at `cuts[o]`, with a bound of the error.
    ///
    /// # Errors
    /// [`Error::Size`] where `cuts` or a result has another length.
    pub fn invert(self, level: Level, cuts: &[i32], out: Inverse<'_>) -> Result<(), Error> {
        Error::check_size("cuts (outputs)", self.outputs, cuts.len())?;
        Error::check_size("survival (outputs)", self.outputs, out.survival.len())?;
        Error::check_size("mass (outputs)", self.outputs, out.mass.len())?;
        Error::check_size(
            "slopes (degree · outputs)",
            self.sums.len(),
            out.slopes.len(),
        )?;
        Error::check_size("error (outputs)", self.outputs, out.error.len())?;
        match self.degree() {
            2 => dispatch!(level, float => float.run(Invert::<2> { sums: self, cuts, out })),
            4 => dispatch!(level, float => float.run(Invert::<4> { sums: self, cuts, out })),
            6 => dispatch!(level, float => float.run(Invert::<6> { sums: self, cuts, out })),
            _ => {
                dispatch!(level, float => float.run(Invert::<MAX_DEGREE> { sums: self, cuts, out }))
            }
        }
        Ok(())
    }
}

struct Invert<'a, const DEGREE: usize> {
    sums: PowerSums<'a>,
    cuts: &'a [i32],
    out: Inverse<'a>,
}

impl<const DEGREE: usize> Kernel for Invert<'_, DEGREE> {
    type Output = ();

    #[inline(always)]
    fn call<F: Float>(self, float: F) {
        let outputs = self.sums.outputs;
        for first in (0..outputs).step_by(F::LANES) {
            let range = first..(first + F::LANES).min(outputs);
            let sums: [F::Vector; DEGREE] = core::array::from_fn(|d| {
                block::load(float, &self.sums.sums[d * outputs..][range.clone()])
            });
            let mut cuts = [0.0; MAX_LANES];
            for (to, &cut) in cuts.iter_mut().zip(&self.cuts[range.clone()]) {
                // Beyond the reach of the factors all cuts are alike, and within it they are exact in f32.
                *to = cut.clamp(-1, self.sums.factors as i32 + 1) as f32;
            }
            let inverse = invert(float, self.sums.factors as f32, &sums, float.load(&cuts));
            block::store(
                float,
                inverse.survival,
                &mut self.out.survival[range.clone()],
            );
            block::store(float, inverse.mass, &mut self.out.mass[range.clone()]);
            block::store(float, inverse.error, &mut self.out.error[range.clone()]);
            for (d, slope) in inverse.slopes.into_iter().enumerate() {
                block::store(
                    float,
                    slope,
                    &mut self.out.slopes[d * outputs..][range.clone()],
                );
            }
        }
    }
}

/// [`Inverse`] of a vector of outputs.
pub(super) struct Lanes<F: Float, const DEGREE: usize> {
    pub(super) survival: F::Vector,
    pub(super) mass: F::Vector,
    pub(super) error: F::Vector,
    pub(super) slopes: [F::Vector; DEGREE],
}

/// Survival, mass and slopes from power sums, one output per lane.
#[inline(always)]
pub(super) fn invert<F: Float, const DEGREE: usize>(
    float: F,
    factors: f32,
    sums: &[F::Vector; DEGREE],
    cut: F::Vector,
) -> Lanes<F, DEGREE> {
    let (zero, one) = (float.splat(0.0), float.splat(1.0));
    let factors = float.splat(factors);
    // N − S_d for even d: how far the factors are from being certain.
    let doubt = |d: usize| float.max(zero, float.sub(factors, sums[d - 1]));
    let variance = float.mul(float.splat(0.25), doubt(2));
    let mean = float.mul(float.splat(0.5), float.add(factors, sums[0]));
    let circle = Circle::new(float, factors, mean, variance, cut);
    let per_period = circle.per_period;
    // Ψ + αu and Ψ + βu without the odd terms from the third on.
    let to_cut = float.add(sums[0], circle.at_cut);
    let to_end = float.add(sums[0], circle.at_end);

    let mut survival = zero;
    let mut mass = float.splat(0.5);
    let mut error = zero;
    let mut slopes = [zero; DEGREE];
    for k in 1..=circle.frequencies {
        let (beyond, frequency) = circle.frequency(float, k);
        let (turns, cosine) = (frequency.turns, frequency.cosine);
        let sine = float.select(beyond, one, frequency.sine);
        let u = float.mul(turns, float.splat(core::f32::consts::TAU));
        let tangent = float.div(sine, cosine);

        // log_weights[d − 1]: what S_d contributes to R (even d) or Ψ (odd d).
        let mut log_weights = [zero; DEGREE];
        let mut even_rest = ln_cos(float, u);
        let mut odd_rest = u;
        let mut power = tangent;
        let mut r = zero;
        let mut psi = zero;
        for d in 1..=DEGREE {
            let sign = if d % 4 < 2 { 1.0 } else { -1.0 };
            let term = float.mul(power, float.splat(sign / d as f32));
            if d % 2 == 0 {
                // ln cos u = −t²/2 + t⁴/4 − …
                let kept = if d == DEGREE { even_rest } else { term };
                even_rest = float.sub(even_rest, term);
                r = float.mul_add(doubt(d), kept, r);
                log_weights[d - 1] = float.sub(zero, kept);
            } else {
                // u = t − t³/3 + …; what belongs to S_1 is split off so that its large value meets the small u − t.
                let kept = if d == DEGREE - 1 { odd_rest } else { term };
                odd_rest = float.sub(odd_rest, term);
                let beyond_u = if d == 1 { float.sub(kept, u) } else { kept };
                psi = float.mul_add(sums[d - 1], beyond_u, psi);
                log_weights[d - 1] = kept;
            }
            power = float.mul(power, tangent);
        }

        // The true R is at most −2σ² sin² u; the cut series may be anything once t is above 1.
        let ceiling = float.mul(
            float.mul(variance, float.splat(-2.0)),
            float.mul(sine, sine),
        );
        let r = float.min(r, ceiling);
        let modulus = float.select(beyond, zero, exp(float, r));
        let weight = float.div(modulus, sine);
        let psi = float.mul(psi, float.splat(core::f32::consts::TAU.recip()));
        let a = float.mul_add(turns, to_cut, psi);
        let b = float.mul_add(turns, to_end, psi);
        let (sin_a, cos_a) = sin_cos(float, a);
        let (sin_b, cos_b) = sin_cos(float, b);
        let real = float.mul(weight, float.sub(sin_a, sin_b));
        let imaginary = float.mul(weight, float.sub(cos_a, cos_b));
        survival = float.add(survival, real);
        mass = float.mul_add(
            modulus,
            float.mul_add(cos_a, cosine, float.mul(sin_a, sine)),
            mass,
        );
        for d in 1..=DEGREE {
            let part = if d % 2 == 0 { real } else { imaginary };
            slopes[d - 1] = float.mul_add(log_weights[d - 1], part, slopes[d - 1]);
        }
        let neglected = neglected(float, factors, sums, modulus, ceiling, tangent, power);
        error = float.add(
            error,
            float.select(beyond, zero, float.div(neglected, sine)),
        );
    }
    let survival = float.mul(per_period, float.add(circle.length, survival));
    Lanes {
        survival: float.min(one, float.max(zero, survival)),
        mass: float.min(
            one,
            float.max(zero, float.mul(float.add(per_period, per_period), mass)),
        ),
        error: float.mul(float.add(per_period, per_period), error),
        slopes: slopes.map(|slope| float.mul(per_period, slope)),
    }
}

/// How much `exp(R + iΨ)` may be wrong at one frequency; `ceiling` is `−2σ² sin² u`, `power` is `t^{D+1}`.
///
/// With `ε` neglected in the exponent the modulus is off by at most `exp(R)·(e^ε − 1) ≤ 1.72 ε exp(R)` for `ε ≤ 1`. For larger `ε` what
/// holds is that neither the computed nor the true modulus, at most `exp(−2σ² sin² u)`, can contribute more than itself.
#[inline(always)]
fn neglected<F: Float, const DEGREE: usize>(
    float: F,
    factors: F::Vector,
    sums: &[F::Vector; DEGREE],
    modulus: F::Vector,
    ceiling: F::Vector,
    tangent: F::Vector,
    power: F::Vector,
) -> F::Vector {
    let (zero, one) = (float.splat(0.0), float.splat(1.0));
    let before = if DEGREE == 2 {
        factors
    } else {
        sums[DEGREE.saturating_sub(3)]
    };
    // The difference, and what rounding can have hidden of it.
    let mixed = float.max(zero, float.sub(before, sums[DEGREE - 1]));
    let mixed = float.mul_add(factors, float.splat(2.0 * f32::EPSILON), mixed);
    let room = float.max(float.splat(1e-3), float.neg_mul_add(tangent, tangent, one));
    // The first neglected odd power and the first neglected even one.
    let odd = float.splat(1.0 / (DEGREE + 1) as f32);
    let even = float.mul(tangent, float.splat(1.0 / (DEGREE + 2) as f32));
    let terms = float.mul(power, float.add(odd, even));
    let epsilon = float.div(float.mul(mixed, terms), float.mul(room, room));
    let bound = exp(float, ceiling);
    float.select(
        float.less(epsilon, one),
        float.mul(modulus, float.mul(float.splat(1.72), epsilon)),
        float.add(modulus, bound),
    )
}
