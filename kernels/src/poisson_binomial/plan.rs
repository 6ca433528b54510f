//! Which form to take.
//!
//! What the recursions cost grows with the square of the number of *uncertain* factors, what the characteristic function costs
//! with their number; so the choice is made where that number is known, block by block, and no choice needs to know the variance.
//!
//! | | uncertain factors | form |
//! |---|---|---|
//! | survival | up to 128 | undecided parallelogram |
//! | | more | spectral |
//! | survival and gradient | up to 72 | full triangle and one-sided recursions |
//! | | more | spectral |
//!
//! The limits are where the two met on a Zen 3 (AVX2). The normal approximation is never chosen: how wrong it is depends on the
//! variance, and with all factors certain it says nothing. Neither are power sums, which are for whole layers and report
//! their error themselves.
//!
//! ```
//! use bernet_kernels::poisson_binomial::{Form, Gradient, Plan};
//!
//! let plan = Plan::new(800, 1e-6)?;
//! assert_eq!(plan.form(), Form::Fastest);
//! assert_eq!(Form::Fastest.for_uncertain(800), Form::Spectral);
//! assert_eq!(plan.to_string(), "800 factors to 1e-6: survival fastest, with gradient fastest");
//! assert_eq!(Plan::new(36, 1e-6)?.gradient(), Gradient::Precise);
//! assert!(Plan::new(36, 1e-9).is_err());
//! # Ok::<(), bernet_kernels::Error>(())
//! ```

use super::{Form, Gradient};
use crate::Error;
use core::fmt;

/// Up to so many uncertain factors the undecided parallelogram is the cheapest survival.
const UNDECIDED: usize = 128;
/// Up to so many uncertain factors the recursions are the cheapest gradient.
const PRECISE: usize = 72;
/// What the exact forms promise, in f32.
const ACCURACY: f32 = 1e-6;

impl Form {
    /// What [`Form::Fastest`] is for a block with so many uncertain factors; any other form is itself.
    pub fn for_uncertain(self, factors: usize) -> Self {
        match self {
            Self::Fastest if factors <= UNDECIDED => Self::Undecided,
            Self::Fastest => Self::Spectral,
            forced => forced,
        }
    }
}

impl Gradient {
    /// What [`Gradient::Fastest`] is for a block with so many uncertain factors; any other method is itself.
    pub fn for_uncertain(self, factors: usize) -> Self {
        match self {
            Self::Fastest if factors <= PRECISE => Self::Precise,
            Self::Fastest => Self::Spectral,
            forced => forced,
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
