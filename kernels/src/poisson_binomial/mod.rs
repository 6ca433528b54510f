//! The Poisson-binomial distribution: the number of successes among independent trials of unequal probabilities.
//!
//! A *sum* is `K = Σ_j X_j` of `N` independent 0/1 *factors* with `v_j = P(X_j = 1)`. In a layer of ±1 values the factor
//! is a product `x_j·w_j`, success is +1, and the neuron's output is `S = 2K − N`. Wanted is, for a cut `h`,
//!
//! ```text
//! survival      z = P(K ≥ h)
//! mass              P(K = h)
//! gradient  ∂z/∂v_j = P(K without factor j = h − 1)
//! ```
//!
//! The last line holds because `z` is linear in each `v_j`: `z = (1 − v_j)·P(K′ ≥ h) + v_j·P(K′ ≥ h − 1)` for the sum `K′` of
//! the other factors, and the difference of the two is `P(K′ = h − 1)`.
//!
//! Many sums are worked on together, one per vector lane, which is why the probabilities are stored factor by factor:
//! `v[j · sums + s]`. The sums of a call are one neuron on many samples, or a convolution's positions.
//!
//! | wanted | function | by |
//! |---|---|---|
//! | `P(K = k)`, `P(K ≤ k)`, `P(K ≥ k)` for all `k` | [`pmf`], [`cdf`], [`survivals`] | the whole recursion; tails to a relative error, however small |
//! | mean and variance | [`moments`] | f64 |
//! | `P(K ≥ h)` and `P(K = h)` at one cut | [`survival`](fn@survival) | any [`Form`]; [`Form::Fastest`] picks the cheapest that is right to 1e-6 |
//! | these and all `∂z/∂v_j` | [`gradient`] | any [`Gradient`]; [`Gradient::Fastest`] likewise, to 1e-5 of the largest |
//! | any of it with all digits: tails, logarithms, quantiles, samples | [`double::PoissonBinomial`] | f64 |
//! | a dense layer, forward and backward | [`Layer`] | power sums, and the exact forms where those do not reach |
//! | survival from power sums | [`PowerSums`] | as above, with a bound of its own error |
//! | what will be taken | [`Plan`] | |
//!
//! **Accuracy.** 1e-6 absolutely, for up to [`MAX_FACTORS`] factors; [`Form::Fastest`] and [`Gradient::Fastest`] for up to 2²⁴, by f64 beyond
//! [`MAX_FACTORS`]. The gradient is right to 1e-5 of its largest entry, or to 5e-7 where that is below 0.05. Only [`pmf`], [`cdf`],
//! [`survivals`], [`Form::Full`] and [`Gradient::Autograd`] keep a small *relative* error in tails; the other forms end at about 1e-7: a
//! survival of 5e-13 may be 0, and survivals at neighbouring cuts need not be monotone. Tails are what [`double`] is for.
//!
//! # Distributions
//!
//! ```
//! use bernet_kernels::{isa::Level, poisson_binomial::*};
//!
//! // Three components fail with these probabilities. How many do?
//! let factors = Factors::new(&[0.1, 0.2, 0.5], 1)?;
//! let (level, mut workspace) = (Level::best(), Workspace::default());
//! let (mut exactly, mut at_most) = ([0.0; 4], [0.0; 4]);
//! pmf(level, factors, &mut exactly, &mut workspace)?;
//! cdf(level, factors, &mut at_most, &mut workspace)?;
//! let near = |x: f32, right: f32| (x - right).abs() < 1e-6;
//! assert!(near(exactly[0], 0.36) && near(exactly[1], 0.49) && near(exactly[2], 0.14) && near(exactly[3], 0.01));
//! assert!(near(at_most[1], 0.85));
//! let (mut mean, mut variance) = ([0.0], [0.0]);
//! moments(factors, &mut mean, &mut variance)?;
//! assert!(near(mean[0], 0.8) && near(variance[0], 0.5));
//!
//! // Not a probability: the error says which one, and what is expected.
//! let error = Factors::new(&[0.1, 1.2, f32::NAN], 1).unwrap_err();
//! assert_eq!(error.to_string(), "probability 1 is 1.2, expected 0 to 1");
//! # Ok::<(), bernet_kernels::Error>(())
//! ```
//!
//! # Survival and gradient at a cut
//!
//! ```
//! use bernet_kernels::{isa::Level, poisson_binomial::*};
//!
//! // Two sums of three factors: P(at least two of three coins), fair and not.
//! let v = [0.5, 0.1, 0.5, 0.2, 0.5, 0.3];
//! let factors = Factors::new(&v, 2)?;
//! let (mut z, mut mass) = ([0.0; 2], [0.0; 2]);
//! let (level, mut workspace) = (Level::best(), Workspace::default());
//! survival(level, Form::Fastest, factors, 2, &mut z, &mut mass, &mut workspace)?;
//! assert!((z[0] - 0.5).abs() < 1e-6);
//! assert!((z[1] - 0.098).abs() < 1e-6);
//!
//! let mut dz_dv = [0.0; 6];
//! gradient(level, Gradient::Fastest, factors, 2, &mut z, &mut mass, &mut dz_dv, &mut workspace)?;
//! // Without its first factor the second sum is 1 with probability .2·.7 + .8·.3.
//! assert!((dz_dv[1] - 0.38).abs() < 1e-6);
//!
//! // The planner says what it takes; every form and every gradient can be asked for by name, the biased ones too.
//! assert_eq!(Plan::new(3, 1e-6)?.to_string(), "3 factors to 1e-6: survival undecided, with gradient precise");
//! survival(level, Form::Banded { sigmas: 6.0 }, factors, 2, &mut z, &mut mass, &mut workspace)?;
//! gradient(level, Gradient::Three, factors, 2, &mut z, &mut mass, &mut dz_dv, &mut workspace)?;
//! # Ok::<(), bernet_kernels::Error>(())
//! ```
//!
//! # Files
//!
//! Each form is derived where it is written: the recursion in `forward.rs`, one-sided recursions in
//! `recursion.rs`, the systems of equations in `equations.rs`, reverse mode in `autograd.rs`, the
//! characteristic function in `spectral.rs` and `circle.rs`, power sums in `power_sums.rs`, the
//! normal approximation in `normal.rs`, layers in `layer/`, f64 in `double/`. `reference.rs` is the
//! scalar text that all are tested against, on every instruction set, by `conformance`;
//! `ceiling.rs` counts operations.
//!
//! # Probabilities of 16 bits
//!
//! There is no storage in f16 or bf16. A probability rounded to f16 is off by up to 2⁻¹² of itself, which moves the survival of 36
//! uniform factors by up to 2.9e-4 and that of 800 by 2.6e-4, bf16 by 1.5e-3 and 2.0e-3 (the worst of 64 sums each): 1e-6 is lost before
//! anything is computed. Nor is the traffic a limit, because all forms work on a value for long: the fastest takes about a nanosecond for
//! each factor, four bytes (AVX2, Zen 3). Values that 16 bits hold exactly, as sampled 0 and 1 are, lose nothing by being converted where they are read.

mod autograd;
mod block;
mod ceiling;
mod circle;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
#[cfg(feature = "double")]
pub mod double;
mod equations;
mod forward;
mod functions;
mod gradient;
mod layer;
mod many;
mod normal;
mod plan;
mod pmf;
mod power_sums;
mod recursion;
pub mod reference;
mod spectral;
#[cfg(test)]
mod tests;

use crate::{
    Error,
    arch::float::{Float, Line},
    isa::{Level, dispatch},
};
use alloc::{string::ToString, vec::Vec};

pub use ceiling::{peak_throughput, places};
pub use layer::{Activations, Layer};
pub use many::MAX_FACTORS;
pub use normal::{normal_distribution, normal_samples};
pub use plan::{Plan, strain};
pub use pmf::{cdf, moments, pmf, survivals};
pub use power_sums::{Inverse, PowerSums};

/// The success probabilities of the factors of many independent sums, checked.
#[derive(Clone, Copy, Debug)]
pub struct Factors<'a> {
    probabilities: &'a [f32],
    sums: usize,
}

impl<'a> Factors<'a> {
    /// `probabilities[j · sums + s]` is the probability of factor `j` of sum `s`.
    ///
    /// # Errors
    /// [`Error::Dimension`] where `sums` is 0, [`Error::Size`] where it does not divide the length,
    /// [`Error::Probability`] for a value outside [0, 1], or NaN.
    pub fn new(probabilities: &'a [f32], sums: usize) -> Result<Self, Error> {
        if sums == 0 {
            return Err(Error::Dimension {
                what: "sums",
                found: 0,
                expected: "at least 1",
            });
        }
        let whole = probabilities.len() / sums * sums;
        Error::check_size("probabilities (factors · sums)", whole, probabilities.len())?;
        // Without an early exit the check is a vector loop; the position is looked for only when there is one.
        let right = |p: &f32| (0.0..=1.0).contains(p);
        if !probabilities.iter().fold(true, |all, p| all & right(p)) {
            let index = probabilities.iter().position(|p| !right(p)).unwrap_or(0);
            return Err(Error::Probability {
                index,
                found: probabilities[index].to_string(),
            });
        }
        Ok(Self {
            probabilities,
            sums,
        })
    }

    /// How many sums there are.
    pub fn sums(&self) -> usize {
        self.sums
    }

    /// How many factors each sum has.
    pub fn count(&self) -> usize {
        self.probabilities.len() / self.sums
    }

    /// The probabilities of factor `j`, one per sum.
    pub fn row(&self, j: usize) -> &'a [f32] {
        &self.probabilities[j * self.sums..][..self.sums]
    }
}

/// Which part of the triangle (factors so far × successes so far) the forward recursion computes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Form {
    /// All of it: the whole distribution, `N²/2` steps.
    Full,
    /// What can still fall on either side of the cut, the undecided parallelogram: `N²/4` steps for a central cut, and the
    /// same result.
    Undecided,
    /// Within a band about the running mean, of `c` = `sigmas` standard deviations and a little more where there are few: of half
    /// width `c²/6 + √(c⁴/36 + c²σ²)`. By Bernstein's inequality a step loses at most `2·exp(−c²/2)`; at `c` = 6 all steps together lose
    /// below 1e-6 in every case measured.
    Banded {
        /// The half width of the band.
        sigmas: f32,
    },
    /// From the characteristic function at a few angles: 1e-6 up to a [`strain`] of 1, else up to 5e-5 (4096 equal factors); in time proportional to `N`.
    Spectral,
    /// The normal approximation, with continuity correction.
    Normal,
    /// The cheapest of those that are right to 1e-6, by the number of factors that are not certain and their [`strain`]; in f64 above
    /// [`MAX_FACTORS`].
    Fastest,
}

/// How the gradient is had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gradient {
    /// One-sided recursion from the side on which rounding errors shrink: exact.
    Precise,
    /// The whole system through its tridiagonal normal equations (Thomas): exact, but its condition number
    /// `(2v − 1)^−2` costs two to three digits around `v = ½`.
    Thomas,
    /// The three central equations of the system, minimum norm: biased.
    Three,
    /// The five central equations of the system, minimum norm: less biased.
    Five,
    /// The three central normal equations, the unknowns next to them taken equal to the outermost: an error of the
    /// order of 1/σ².
    Extended,
    /// Reverse mode through the forward recursion: exact, and the dearest.
    Autograd,
    /// From the characteristic function: exact, in time proportional to `N`.
    Spectral,
    /// The derivative of the normal approximation.
    Normal,
    /// The cheapest of those that are exact, by the number of factors that are not certain and their [`strain`]; in f64 above
    /// [`MAX_FACTORS`].
    Fastest,
}

impl Gradient {
    /// Every method.
    pub const ALL: [Self; 9] = [
        Self::Precise,
        Self::Thomas,
        Self::Three,
        Self::Five,
        Self::Extended,
        Self::Autograd,
        Self::Spectral,
        Self::Normal,
        Self::Fastest,
    ];
}

/// Memory that the calls work in; it grows to what the largest of them needs.
#[derive(Clone, Default, Debug)]
pub struct Workspace {
    lines: Vec<Line>,
}

impl Workspace {
    /// At least `count` vectors, whatever is in them.
    #[inline(always)]
    fn vectors<F: Float>(&mut self, float: F, count: usize) -> &mut [F::Vector] {
        let lines = (count * F::LANES).div_ceil(16);
        if self.lines.len() < lines {
            self.lines.resize(lines, Line::default());
        }
        float.vectors(&mut self.lines)
    }
}

/// `survival[s] = P(K_s ≥ cut)` and `mass[s] = P(K_s = cut)` for every sum `s`. The cut may lie outside 0 to N.
///
/// Lanes are sums; a factor that is certain in a sum costs it nothing: it only shifts the cut. (By the fastest form, one of few factors costs nothing
/// where it is certain in all lanes.)
///
/// The mass is never above the survival. Neither is monotone in the cut beyond 1e-6: for tails see [`double`].
///
/// # Errors
/// [`Error::Size`] where `survival` or `mass` is not as long as there are sums; [`Error::Dimension`] for more than [`MAX_FACTORS`] by
/// another form than the fastest, which computes them in f64.
pub fn survival(
    level: Level,
    form: Form,
    factors: Factors<'_>,
    cut: i32,
    survival: &mut [f32],
    mass: &mut [f32],
    workspace: &mut Workspace,
) -> Result<(), Error> {
    check_outputs(factors, survival, mass)?;
    if factors.count() > MAX_FACTORS {
        return match form {
            Form::Fastest => many::survival(factors, cut, survival, mass),
            _ => Err(many::refuse(factors.count())),
        };
    }
    dispatch!(level, float => float.run(forward::Survival { form, factors, cut, survival, mass, workspace }));
    Ok(())
}

/// Besides [`survival`](fn@survival) and mass, `dz_dv[j · sums + s] = ∂ survival[s] / ∂ v[j · sums + s]`.
///
/// # Errors
/// [`Error::Size`] where `survival`, `mass` or `dz_dv` (factors · sums) has another length; [`Error::Dimension`] for more than
/// [`MAX_FACTORS`] by another method than the fastest.
#[allow(
    clippy::too_many_arguments,
    reason = "three results and the workspace are written in place"
)]
pub fn gradient(
    level: Level,
    method: Gradient,
    factors: Factors<'_>,
    cut: i32,
    survival: &mut [f32],
    mass: &mut [f32],
    dz_dv: &mut [f32],
    workspace: &mut Workspace,
) -> Result<(), Error> {
    check_outputs(factors, survival, mass)?;
    Error::check_size(
        "dz_dv (factors · sums)",
        factors.probabilities.len(),
        dz_dv.len(),
    )?;
    if factors.count() > MAX_FACTORS {
        return match method {
            Gradient::Fastest => many::gradient(factors, cut, survival, mass, dz_dv),
            _ => Err(many::refuse(factors.count())),
        };
    }
    dispatch!(level, float => float.run(gradient::WithGradient { method, factors, cut, survival, mass, dz_dv, workspace }));
    Ok(())
}

fn check_outputs(factors: Factors<'_>, survival: &[f32], mass: &[f32]) -> Result<(), Error> {
    Error::check_size("survival (sums)", factors.sums, survival.len())?;
    Error::check_size("mass (sums)", factors.sums, mass.len())
}
