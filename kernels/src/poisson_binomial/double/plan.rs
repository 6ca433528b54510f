//! Which form is taken, and why.
//!
//! | uncertain trials | one number | all numbers |
//! |---|---|---|
//! | up to 128 | convolution | convolution |
//! | up to 1024 | tilted spectrum | convolution |
//! | more | tilted spectrum | windows of tilted spectra |
//!
//! A convolution takes `m²/2` multiplications and additions, a spectrum about `60 m`; the limits are about where the two met (AVX2). Beyond 1024 the
//! bound of a convolution's relative error, `3m·2⁻⁵³`, comes near what is promised, too. Several numbers are had one by one where they are few and
//! from all numbers otherwise.
//!
//! ```
//! use bernet_kernels::poisson_binomial::double::{Form, PoissonBinomial};
//!
//! let plan = PoissonBinomial::new(&[0.25; 3000])?.plan();
//! assert_eq!((plan.one(), plan.all()), (Form::Spectrum, Form::Windows));
//! assert_eq!(
//!     plan.to_string(),
//!     "3000 uncertain trials of 3000: one number by a tilted spectrum (more than 128 trials), all by windows of tilted spectra (more than 1024)"
//! );
//! # Ok::<(), bernet_kernels::Error>(())
//! ```

use super::{check::FEW, direct};
use core::fmt;

/// How numbers are computed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Form {
    /// The whole distribution, factor by factor.
    Convolution,
    /// The characteristic function of the sum tilted to the wanted number.
    Spectrum,
    /// As many tilted spectra as reach over all numbers.
    Windows,
}

/// What is computed by which form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    trials: usize,
    uncertain: usize,
}

impl Plan {
    pub(super) fn new(trials: usize, uncertain: usize) -> Self {
        Self { trials, uncertain }
    }

    /// The trials whose probability is neither 0 nor 1: the others take no time.
    pub fn uncertain(&self) -> usize {
        self.uncertain
    }

    /// The form for one number.
    pub fn one(&self) -> Form {
        if self.uncertain <= FEW {
            Form::Convolution
        } else {
            Form::Spectrum
        }
    }

    /// The form for all numbers.
    pub fn all(&self) -> Form {
        if self.uncertain <= direct::MOST {
            Form::Convolution
        } else {
            Form::Windows
        }
    }
}

/// Up to so many numbers are had one by one.
pub(super) fn few_numbers(uncertain: usize) -> usize {
    match uncertain {
        0..=FEW => 1,
        129..=direct::MOST => 4,
        _ => 12,
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trials, uncertain } = self;
        let than = |limit: usize| {
            if *uncertain <= limit {
                "at most"
            } else {
                "more than"
            }
        };
        let (few, most) = (FEW, direct::MOST);
        write!(
            f,
            "{uncertain} uncertain trials of {trials}: one number by {} ({} {few} trials), all by {} ({} {most})",
            self.one(),
            than(few),
            self.all(),
            than(most),
        )
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Convolution => "convolution",
            Self::Spectrum => "a tilted spectrum",
            Self::Windows => "windows of tilted spectra",
        })
    }
}
