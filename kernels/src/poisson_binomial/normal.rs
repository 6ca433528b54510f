//! The central-limit approximation, for the methods that ask for it.
//!
//! `K` is taken for a normal variable of the same mean `μ` and variance `σ²`, with the continuity correction:
//!
//! ```text
//! z ≈ Φ(x),   x = (μ − h + ½)/σ
//! ∂z/∂v_j ≈ φ(x)/σ · (1 − x (1 − 2v_j)/(2σ)),   because ∂μ/∂v_j = 1 and ∂σ²/∂v_j = 1 − 2v_j
//! ```
//!
//! The worst error is of the order of the skewness over `σ`: 6e-3 at `N` = 36, 1e-4 at 800. The derivative is that of the
//! approximation, so that it agrees with finite differences of `z`.
//!
//! A layer whose inputs and weights have means `x` and `w` has the mean and the variance of all its sums from two matrix products,
//! `Σ x w` and `Σ (1 − x² w²)`; what is left for a kernel is [`normal_distribution`] of each sum's distance from its threshold or,
//! where the sums are to be drawn instead (Kingma et al. 2015: local reparameterisation), [`normal_samples`].

use super::{block, block::Block, functions};
use crate::{
    Error,
    arch::float::{Float, Kernel},
    isa::{Level, dispatch},
};

/// `survival[i] = Φ(x[i])`, the probability that a standard normal variable is below `x[i]` (or above `−x[i]`), to 2e-7, and
/// `density[i] = φ(x[i])`, its derivative.
///
/// ```
/// use bernet_kernels::{isa::Level, poisson_binomial::normal_distribution};
///
/// let (mut survival, mut density) = ([0.0; 2], [0.0; 2]);
/// normal_distribution(Level::best(), &[0.0, 1.0], &mut survival, &mut density)?;
/// assert!((survival[1] - 0.841345).abs() < 1e-6 && (density[0] - 0.398942).abs() < 1e-6);
/// # Ok::<(), bernet_kernels::Error>(())
/// ```
///
/// # Errors
/// [`Error::Size`] where the three differ in length.
pub fn normal_distribution(
    level: Level,
    x: &[f32],
    survival: &mut [f32],
    density: &mut [f32],
) -> Result<(), Error> {
    Error::check_size("survival", x.len(), survival.len())?;
    Error::check_size("density", x.len(), density.len())?;
    dispatch!(level, float => float.run(DistributionKernel { x, survival, density }));
    Ok(())
}

/// Turns uniform numbers in [0, 1) into as many independent standard normal ones, in place (Box and Muller): `values[i]` and
/// `values[i + n/2]` give a radius and an angle, and the two coordinates of that point.
///
/// # Errors
/// [`Error::Size`] where their number is odd.
pub fn normal_samples(level: Level, values: &mut [f32]) -> Result<(), Error> {
    let half = values.len() / 2;
    Error::check_size("values (an even number)", 2 * half, values.len())?;
    let (radii, angles) = values.split_at_mut(half);
    dispatch!(level, float => float.run(SamplesKernel { radii, angles }));
    Ok(())
}

struct DistributionKernel<'a> {
    x: &'a [f32],
    survival: &'a mut [f32],
    density: &'a mut [f32],
}

impl Kernel for DistributionKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn call<F: Float>(self, float: F) {
        let results = self
            .survival
            .chunks_mut(F::LANES)
            .zip(self.density.chunks_mut(F::LANES));
        for (x, (survival, density)) in self.x.chunks(F::LANES).zip(results) {
            let x = block::load(float, x);
            block::store(float, distribution(float, x), survival);
            block::store(float, bell(float, x), density);
        }
    }
}

struct SamplesKernel<'a> {
    radii: &'a mut [f32],
    angles: &'a mut [f32],
}

impl Kernel for SamplesKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn call<F: Float>(self, float: F) {
        let pairs = self
            .radii
            .chunks_mut(F::LANES)
            .zip(self.angles.chunks_mut(F::LANES));
        for (radii, angles) in pairs {
            // 1 − u is never 0; a u of 2⁻²⁴ less than 1 is the largest there is.
            let u = float.sub(float.splat(1.0), block::load(float, radii));
            let radius = float.sqrt(float.mul(float.splat(-2.0), functions::ln(float, u)));
            let (sine, cosine) = functions::sin_cos(float, block::load(float, angles));
            block::store(float, float.mul(radius, cosine), radii);
            block::store(float, float.mul(radius, sine), angles);
        }
    }
}

/// The normal variable of each lane.
pub(super) struct Normal<F: Float> {
    pub(super) survival: F::Vector,
    pub(super) mass: F::Vector,
    /// `φ(x)/σ`
    density: F::Vector,
    /// `x/(2σ)`
    slope: F::Vector,
}

impl<F: Float> Normal<F> {
    #[inline(always)]
    pub(super) fn new(float: F, block: &Block, rows: &[F::Vector]) -> Self {
        let (zero, one, half) = (float.splat(0.0), float.splat(1.0), float.splat(0.5));
        let (mut mean, mut variance) = (zero, zero);
        for &v in rows {
            mean = float.add(mean, v);
            variance = float.mul_add(v, float.sub(one, v), variance);
        }
        // A variance this small has no more than one outcome.
        let deviation = float.sqrt(float.max(variance, float.splat(1e-12)));
        let per_deviation = float.div(one, deviation);
        let distance = float.add(float.sub(mean, block.cuts(float)), half);
        let x = float.mul(distance, per_deviation);
        let square = float.mul(x, x);
        let bell = functions::exp(float, float.mul(float.splat(-0.5), square));
        let density = float.mul(bell, float.mul(per_deviation, float.splat(PER_ROOT)));
        // The probability of the unit interval about the cut.
        let above = float.mul(float.sub(distance, one), per_deviation);
        let survival = distribution(float, x);
        let mass = float.max(zero, float.sub(survival, distribution(float, above)));
        Self {
            survival: float.select(block.won(float), one, survival),
            mass,
            density,
            slope: float.mul(float.mul(half, x), per_deviation),
        }
    }

    /// `∂z/∂v_j` of every row.
    #[inline(always)]
    pub(super) fn gradient(
        &self,
        float: F,
        rows: &[F::Vector],
        open: F::Vector,
        results: &mut [F::Vector],
    ) {
        let density = float.mul(self.density, open);
        for (&v, result) in rows.iter().zip(results) {
            let by_variance = float.neg_mul_add(float.splat(2.0), v, float.splat(1.0));
            let factor = float.neg_mul_add(self.slope, by_variance, float.splat(1.0));
            *result = float.mul(density, factor);
        }
    }

    /// The gradients of factors that are 0 and 1 for certain.
    #[inline(always)]
    pub(super) fn beside(&self, float: F, open: F::Vector) -> [F::Vector; 2] {
        let one = float.splat(1.0);
        let density = float.mul(self.density, open);
        [
            float.mul(density, float.sub(one, self.slope)),
            float.mul(density, float.add(one, self.slope)),
        ]
    }
}

/// `Φ(x)`, to 2e-7: Abramowitz and Stegun, *Handbook of Mathematical Functions*, 26.2.17 (its better-known form for the error
/// function is 7.1.26).
#[inline(always)]
fn distribution<F: Float>(float: F, x: F::Vector) -> F::Vector {
    let (zero, one) = (float.splat(0.0), float.splat(1.0));
    let size = float.max(x, float.sub(zero, x));
    let t = float.div(one, float.mul_add(float.splat(0.231_641_9), size, one));
    #[rustfmt::skip]
    let series = [0.319_381_53, -0.356_563_78, 1.781_477_9, -1.821_255_9, 1.330_274_4];
    let tail = float.mul(
        bell(float, size),
        float.mul(t, functions::polynomial(float, t, series)),
    );
    float.select(float.less(x, zero), tail, float.sub(one, tail))
}

/// `1/√(2π)`
const PER_ROOT: f32 = 0.398_942_3;

/// `φ(x)`
#[inline(always)]
fn bell<F: Float>(float: F, x: F::Vector) -> F::Vector {
    let exponent = float.mul(float.splat(-0.5), float.mul(x, x));
    float.mul(functions::exp(float, exponent), float.splat(PER_ROOT))
}
