//! Sums of more factors than the forms in f32 are right for.
//!
//! In f32 the mean of a sum is known to 2⁻²⁴ of itself: at 10⁵ factors to a hundredth, which moves a survival by `0.4/σ` times that.
//! Rounding errors of equal factors add up besides. The forms in f32 are therefore stated, tested and taken for up to
//! [`MAX_FACTORS`]; beyond, [`Form::Fastest`](super::Form::Fastest) and [`Gradient::Fastest`](super::Gradient::Fastest) are computed in f64, one sum
//! after the other, by [`double`](super::double), and rounded once. Its time is proportional to the number of factors, too.

use super::Factors;
#[cfg(feature = "double")]
use super::double::PoissonBinomial;
use crate::Error;

/// The most factors for which a form that is asked for by name is right, and taken.
pub const MAX_FACTORS: usize = 4096;

/// Refuses a form for more than [`MAX_FACTORS`].
pub(super) fn refuse(factors: usize) -> Error {
    Error::Dimension {
        what: "factors",
        found: factors,
        expected: "at most 4096 for this form (the fastest takes more, with the feature `double`)",
    }
}

/// Survival and mass of every sum.
#[cfg(feature = "double")]
pub(super) fn survival(
    factors: Factors<'_>,
    cut: i32,
    survival: &mut [f32],
    mass: &mut [f32],
) -> Result<(), Error> {
    for (s, (survival, mass)) in survival.iter_mut().zip(mass).enumerate() {
        let sum = column(factors, s)?;
        *survival = sum.survival(cut.into()) as f32;
        *mass = sum.pmf(cut.into()) as f32;
    }
    Ok(())
}

/// Besides, the derivatives of the survival.
#[cfg(feature = "double")]
pub(super) fn gradient(
    factors: Factors<'_>,
    cut: i32,
    survival: &mut [f32],
    mass: &mut [f32],
    dz_dv: &mut [f32],
) -> Result<(), Error> {
    let sums = factors.sums();
    let mut slopes = alloc::vec![0.0; factors.count()];
    for (s, (survival, mass)) in survival.iter_mut().zip(mass).enumerate() {
        let sum = column(factors, s)?;
        *survival = sum.survival_gradient(cut.into(), &mut slopes)? as f32;
        *mass = sum.pmf(cut.into()) as f32;
        for (j, slope) in slopes.iter().enumerate() {
            dz_dv[j * sums + s] = *slope as f32;
        }
    }
    Ok(())
}

#[cfg(feature = "double")]
fn column(factors: Factors<'_>, s: usize) -> Result<PoissonBinomial, Error> {
    let column = (0..factors.count()).map(|j| f64::from(factors.row(j)[s]));
    PoissonBinomial::new(&column.collect::<alloc::vec::Vec<_>>())
}

#[cfg(not(feature = "double"))]
pub(super) fn survival(
    factors: Factors<'_>,
    _: i32,
    _: &mut [f32],
    _: &mut [f32],
) -> Result<(), Error> {
    Err(refuse(factors.count()))
}

#[cfg(not(feature = "double"))]
pub(super) fn gradient(
    factors: Factors<'_>,
    _: i32,
    _: &mut [f32],
    _: &mut [f32],
    _: &mut [f32],
) -> Result<(), Error> {
    Err(refuse(factors.count()))
}
