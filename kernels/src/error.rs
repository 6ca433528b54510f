//! What a caller can get wrong.

use alloc::string::String;
use core::fmt;

/// A request that a kernel cannot carry out; nothing has been written when it is returned.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Error {
    /// A buffer or a dimension does not have the size that the others ask for.
    Size {
        /// The argument, in the words of the documentation.
        what: &'static str,
        /// The size that fits.
        expected: usize,
        /// The size that was handed in.
        found: usize,
    },
    /// A dimension is zero, or a product of dimensions does not fit.
    Dimension {
        /// The dimension, in the words of the documentation.
        what: &'static str,
        /// Its value.
        found: usize,
        /// What would be right.
        expected: &'static str,
    },
    /// A bit after the last column of a packed row is set.
    PadBits {
        /// The first such row.
        row: usize,
    },
    /// Packed weights are laid out for another level, or by another version.
    Layout {
        /// The level they are to be used with.
        level: &'static str,
        /// The number of its layout.
        expected: u64,
        /// The number that was handed in.
        found: u64,
    },
    /// A number that must be a probability is not in [0, 1].
    Probability {
        /// Its position in the argument.
        index: usize,
        /// Its value, as text (a NaN is not equal to itself).
        found: String,
    },
    /// A number that must be a mean of ±1 values is not in [−1, 1].
    Mean {
        /// The argument.
        what: &'static str,
        /// Its position in the argument.
        index: usize,
        /// Its value, as text.
        found: String,
    },
    /// Parts of an epilogue that contradict each other.
    Epilogue(
        /// What, and what was expected.
        &'static str,
    ),
    /// More accuracy is asked for than any form has.
    Accuracy {
        /// The least that can be asked for.
        least: f32,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size {
                what,
                expected,
                found,
            } => write!(f, "{what}: expected {expected}, found {found}"),
            Self::Dimension {
                what,
                found,
                expected,
            } => write!(f, "{what} is {found}, expected {expected}"),
            Self::PadBits { row } => write!(f, "row {row}: a bit after the last column is set"),
            Self::Layout {
                level,
                expected,
                found,
            } => write!(
                f,
                "packed weights: expected layout {expected:#018x} of level {level}, found {found:#018x}; pack them anew"
            ),
            Self::Probability { index, found } => {
                write!(f, "probability {index} is {found}, expected 0 to 1")
            }
            Self::Mean { what, index, found } => {
                write!(f, "{what}: mean {index} is {found}, expected −1 to 1")
            }
            Self::Epilogue(what) => f.write_str(what),
            Self::Accuracy { least } => write!(f, "accuracy: expected at least {least:e}"),
        }
    }
}

impl core::error::Error for Error {}

impl Error {
    pub(crate) fn check_size(
        what: &'static str,
        expected: usize,
        found: usize,
    ) -> Result<(), Self> {
        if expected == found {
            Ok(())
        } else {
            Err(Self::Size {
                what,
                expected,
                found,
            })
        }
    }

    /// The product of some dimensions, each at least 1.
    pub(crate) fn check_product(what: &'static str, dimensions: &[usize]) -> Result<usize, Self> {
        dimensions.iter().try_fold(1_usize, |product, &dimension| {
            product
                .checked_mul(dimension)
                .filter(|&product| product > 0)
                .ok_or(Self::Dimension {
                    what,
                    found: dimension,
                    expected: "at least 1, and a product that fits in memory",
                })
        })
    }
}
