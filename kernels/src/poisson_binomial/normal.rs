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

use super::{block::Block, functions};
use crate::arch::float::Float;

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
        let density = float.mul(bell, float.mul(per_deviation, float.splat(0.398_942_3)));
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
    let bell = functions::exp(float, float.mul(float.splat(-0.5), float.mul(size, size)));
    let tail = float.mul(
        float.mul(bell, float.splat(0.398_942_3)),
        float.mul(t, functions::polynomial(float, t, series)),
    );
    float.select(float.less(x, zero), tail, float.sub(one, tail))
}
