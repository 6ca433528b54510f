//! Which form to take.
//!
//! What the recursions cost grows with the square of the number of *uncertain* factors, what the characteristic function costs
//! with their number; so the choice is made where that number is known, block by block.
//!
//! | | uncertain factors | [`strain`] | form |
//! |---|---|---|---|
//! | survival | up to 128 | | undecided parallelogram |
//! | | more | above 1 | band of 6σ |
//! | | more | up to 1 | spectral |
//! | survival and gradient | up to 72 | | full triangle and one-sided recursions |
//! | | more | above 1 | the same in a band of 6σ |
//! | | more | up to 1 | spectral |
//!
//! The limits are where the two met on a Zen 3 (AVX2). The normal approximation is never chosen: how wrong it is depends on the
//! variance, and with all factors certain it says nothing. Neither are power sums, which are for whole layers and report
//! their error themselves.
//!
//! ```
//! use bernet_kernels::poisson_binomial::{Form, Gradient, Plan, strain};
//!
//! let plan = Plan::new(800, 1e-6)?;
//! assert_eq!(plan.form(), Form::Fastest);
//! assert_eq!(Form::Fastest.for_block(800, strain(800, 400.0, 133.0)), Form::Spectral);
//! assert_eq!(plan.to_string(), "800 factors to 1e-6: survival fastest, with gradient fastest");
//! assert_eq!(Plan::new(36, 1e-6)?.gradient(), Gradient::Precise);
//! assert!(Plan::new(36, 1e-9).is_err());
//! # Ok::<(), bernet_kernels::Error>(())
//! ```

use super::{Form, Gradient};
use crate::Error;
use core::fmt;

/// Up to so many uncertain factors the undecided parallelogram is the cheapest survival.
pub(super) const UNDECIDED: usize = 128;
/// Up to so many uncertain factors the recursions are the cheapest gradient.
pub(super) const PRECISE: usize = 72;
/// What the exact forms promise, in f32.
const ACCURACY: f32 = 1e-6;

/// Below this variance a band is narrow, and the gradient's power series does not converge.
pub(super) const LEAST_VARIANCE: f32 = 6.0;
/// `|2μ − N|/2σ` up to which the rounding of equal factors' phases stays below 1e-6: about 4e-8 of it is what was measured.
const MOST_TURNED: f32 = 20.0;
/// By what the square of `2μ − N` is divided in the strain.
pub(super) const PER_IMBALANCE: f32 = 1.0 / (4.0 * MOST_TURNED * MOST_TURNED);

/// How far a sum of so many factors, mean and variance is from where the characteristic function is right to 1e-6, which it is
/// up to 1: the larger of `6/σ²` and `((2μ − N)/40σ)²`.
///
/// The phase at the angles that count is about `(2μ − N)/2σ`, and factors that are all alike are all rounded alike.
pub fn strain(factors: usize, mean: f32, variance: f32) -> f32 {
    let imbalance = 2.0 * mean - factors as f32;
    (imbalance * imbalance * PER_IMBALANCE).max(LEAST_VARIANCE) / variance
}

/// The band that is taken then.
const BAND: Form = Form::Banded { sigmas: 6.0 };

impl Form {
    /// What [`Form::Fastest`] is for a block with so many uncertain factors, whose largest [`strain`] is `strain`; any other
    /// form is itself.
    pub fn for_block(self, factors: usize, strain: f32) -> Self {
        match self {
            Self::Fastest if factors <= UNDECIDED => Self::Undecided,
            Self::Fastest if strain > 1.0 => BAND,
            Self::Fastest => Self::Spectral,
            forced => forced,
        }
    }
}

impl Gradient {
    /// What [`Gradient::Fastest`] is for a block with so many uncertain factors, whose largest [`strain`] is `strain`, and the form
    /// of the distribution that it starts from; any other method is itself.
    pub fn for_block(self, factors: usize, strain: f32) -> (Self, Form) {
        match self {
            Self::Fastest if factors <= PRECISE => (Self::Precise, Form::Full),
            Self::Fastest if strain > 1.0 => (Self::Precise, BAND),
            Self::Fastest | Self::Spectral => (Self::Spectral, Form::Spectral),
            Self::Normal => (Self::Normal, Form::Normal),
            forced => (forced, Form::Full),
        }
    }
}

/// The cheapest form and method for sums of a number of factors, whatever their probabilities.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Plan {
    factors: usize,
    accuracy: f32,
}

impl Plan {
    /// For sums of `factors` factors, the survival right to `accuracy` and the gradient to ten times that of its largest value.
    ///
    /// # Errors
    /// [`Error::Accuracy`] where `accuracy` is below 1e-6, or NaN: no form in f32 promises more.
    pub fn new(factors: usize, accuracy: f32) -> Result<Self, Error> {
        if accuracy >= ACCURACY {
            Ok(Self { factors, accuracy })
        } else {
            Err(Error::Accuracy { least: ACCURACY })
        }
    }

    /// The form of the survival.
    pub fn form(&self) -> Form {
        if self.factors <= UNDECIDED {
            Form::Undecided
        } else {
            Form::Fastest
        }
    }

    /// The method of the gradient.
    pub fn gradient(&self) -> Gradient {
        if self.factors <= PRECISE {
            Gradient::Precise
        } else {
            Gradient::Fastest
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { factors, accuracy } = self;
        write!(
            f,
            "{factors} factors to {accuracy:e}: survival {}, with gradient {}",
            self.form(),
            self.gradient()
        )
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("full"),
            Self::Undecided => f.write_str("undecided"),
            Self::Banded { sigmas } => write!(f, "banded {sigmas}σ"),
            Self::Spectral => f.write_str("spectral"),
            Self::Normal => f.write_str("normal"),
            Self::Fastest => f.write_str("fastest"),
        }
    }
}

impl fmt::Display for Gradient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Precise => "precise",
            Self::Thomas => "thomas",
            Self::Three => "three",
            Self::Five => "five",
            Self::Extended => "extended",
            Self::Autograd => "autograd",
            Self::Spectral => "spectral",
            Self::Normal => "normal",
            Self::Fastest => "fastest",
        })
    }
}
