//! Exact numbers: `a + b·√s` with rational `a`, `b` and `s`.
//!
//! Every constant of a graph is a binary fraction, and pixel/255 is rational; the only irrational numbers are the standard
//! deviations `√(variance + ε)` of batch normalisation. For one `s` these numbers are a field, and their sign is decided by
//! comparing `a²` with `b²·s`. So a threshold is never a matter of rounding.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Signed, ToPrimitive, Zero};
use std::cmp::Ordering;

/// The most bits of a numerator or denominator: far more than a net's constants need, and few enough that a long chain of
/// factors in a crafted file takes no time.
const BITS_LIMIT: u64 = 1 << 13;

/// `rational + factor·√square`; where the factor is 0 the square is 1.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Exact {
    rational: BigRational,
    factor: BigRational,
    square: BigRational,
}

/// Why a result is not a number of this kind.
#[derive(Clone, Copy, PartialEq, Debug, thiserror::Error)]
pub(super) enum Inexact {
    #[error("the constant {0} is not finite")]
    NotFinite(f64),
    #[error("a division by 0")]
    DivisionByZero,
    #[error("the square root of a negative number")]
    Negative,
    #[error("standard deviations that are different square roots, one after the other")]
    Roots,
    #[error("factors whose product has more than {BITS_LIMIT} bits")]
    Bits,
}

impl Exact {
    fn new(
        rational: BigRational,
        factor: BigRational,
        square: BigRational,
    ) -> Result<Self, Inexact> {
        let bits = |number: &BigRational| number.numer().bits().max(number.denom().bits());
        if bits(&rational).max(bits(&factor)) > BITS_LIMIT {
            return Err(Inexact::Bits);
        }
        let square = if factor.is_zero() {
            BigRational::one()
        } else {
            square
        };
        Ok(Self {
            rational,
            factor,
            square,
        })
    }

    fn rational(rational: BigRational) -> Self {
        Self {
            rational,
            factor: BigRational::zero(),
            square: BigRational::one(),
        }
    }

    pub(super) fn integer(integer: i64) -> Self {
        Self::rational(BigInt::from(integer).into())
    }

    pub(super) fn fraction(numerator: i64, denominator: i64) -> Self {
        Self::rational(BigRational::new(numerator.into(), denominator.into()))
    }

    pub(super) fn from_f64(real: f64) -> Result<Self, Inexact> {
        BigRational::from_float(real)
            .map(Self::rational)
            .ok_or(Inexact::NotFinite(real))
    }

    /// The square root of a rational number.
    pub(super) fn sqrt(&self) -> Result<Self, Inexact> {
        if !self.factor.is_zero() {
            return Err(Inexact::Roots);
        }
        if self.rational.is_negative() {
            return Err(Inexact::Negative);
        }
        let (numerator, denominator) = (self.rational.numer(), self.rational.denom());
        let root = BigRational::new(numerator.sqrt(), denominator.sqrt());
        if &root * &root == self.rational {
            return Ok(Self::rational(root));
        }
        Self::new(
            BigRational::zero(),
            BigRational::one(),
            self.rational.clone(),
        )
    }

    /// The square that both numbers' roots have.
    fn common_square(&self, other: &Self) -> Result<BigRational, Inexact> {
        if self.factor.is_zero() {
            Ok(other.square.clone())
        } else if other.factor.is_zero() || self.square == other.square {
            Ok(self.square.clone())
        } else {
            Err(Inexact::Roots)
        }
    }

    pub(super) fn add(&self, other: &Self) -> Result<Self, Inexact> {
        let square = self.common_square(other)?;
        Self::new(
            &self.rational + &other.rational,
            &self.factor + &other.factor,
            square,
        )
    }

    pub(super) fn subtract(&self, other: &Self) -> Result<Self, Inexact> {
        self.add(&other.negate())
    }

    pub(super) fn negate(&self) -> Self {
        Self {
            rational: -&self.rational,
            factor: -&self.factor,
            square: self.square.clone(),
        }
    }

    pub(super) fn multiply(&self, other: &Self) -> Result<Self, Inexact> {
        let square = self.common_square(other)?;
        let rational = &self.rational * &other.rational + &self.factor * &other.factor * &square;
        let factor = &self.rational * &other.factor + &self.factor * &other.rational;
        Self::new(rational, factor, square)
    }

    /// `self / other`, that is `self · (a − b√s) / (a² − b²s)`; the denominator is 0 only for 0, as √s is irrational where b is
    /// not 0.
    pub(super) fn divide(&self, other: &Self) -> Result<Self, Inexact> {
        let norm =
            &other.rational * &other.rational - &other.factor * &other.factor * &other.square;
        if norm.is_zero() {
            return Err(Inexact::DivisionByZero);
        }
        let inverse = Self::new(
            &other.rational / &norm,
            -&other.factor / &norm,
            other.square.clone(),
        )?;
        self.multiply(&inverse)
    }

    /// The first f64 that is at least this number, or above it; beyond the largest, infinity.
    pub(super) fn ceiling(&self, above: bool) -> Result<f64, Inexact> {
        // The bits of a number count its order, backwards below 0.
        let key = |real: f64| {
            let bits = real.to_bits() as i64;
            if bits < 0 {
                i64::MIN.wrapping_sub(bits)
            } else {
                bits
            }
        };
        let real = |key: i64| {
            let bits = if key < 0 {
                i64::MIN.wrapping_sub(key)
            } else {
                key
            };
            f64::from_bits(bits as u64)
        };
        let (mut first, mut end) = (key(f64::MIN), key(f64::INFINITY));
        while first < end {
            // The sum of the two halves may overflow, their difference may too.
            let middle = ((i128::from(first) + i128::from(end)) >> 1) as i64;
            let order = Self::from_f64(real(middle))?.subtract(self)?.sign();
            if order == Ordering::Greater || !above && order == Ordering::Equal {
                end = middle;
            } else {
                first = middle + 1;
            }
        }
        Ok(real(first))
    }

    /// The sum of float32 numbers, which are integers times 2⁻¹⁴⁹.
    pub(super) fn sum(reals: impl Iterator<Item = f32>) -> Result<Self, Inexact> {
        let mut sum = BigInt::zero();
        for real in reals {
            if !real.is_finite() {
                return Err(Inexact::NotFinite(real.into()));
            }
            let bits = real.to_bits();
            let (exponent, fraction) = (bits >> 23 & 0xff, bits & 0x7f_ffff);
            let integer = if exponent == 0 {
                BigInt::from(fraction)
            } else {
                BigInt::from(fraction | 0x80_0000) << (exponent - 1)
            };
            if real < 0.0 {
                sum -= integer;
            } else {
                sum += integer;
            }
        }
        let unit = BigInt::one() << 149;
        Ok(Self::rational(BigRational::new(sum, unit)))
    }

    /// Less than, equal to or greater than 0.
    pub(super) fn sign(&self) -> Ordering {
        let (rational, factor) = (
            self.rational.cmp(&BigRational::zero()),
            self.factor.cmp(&BigRational::zero()),
        );
        if factor == Ordering::Equal || rational == factor {
            return rational;
        }
        if rational == Ordering::Equal {
            return factor;
        }
        // Of different signs: the one that is larger in magnitude has its way. They cannot be equal.
        let squares =
            (&self.rational * &self.rational).cmp(&(&self.factor * &self.factor * &self.square));
        if squares == Ordering::Greater {
            rational
        } else {
            factor
        }
    }

    pub(super) fn is_zero(&self) -> bool {
        self.sign() == Ordering::Equal
    }

    pub(super) fn absolute(&self) -> Self {
        match self.sign() {
            Ordering::Less => self.negate(),
            _ => self.clone(),
        }
    }

    /// The nearest f64 for a rational number, and within some units in the last place of the larger term for others.
    pub(super) fn to_f64(&self) -> f64 {
        let real = |number: &BigRational| number.to_f64().unwrap_or(f64::NAN);
        real(&self.rational) + real(&self.factor) * real(&self.square).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(square: i64) -> Exact {
        Exact::integer(square).sqrt().unwrap()
    }

    #[test]
    fn signs_next_to_zero() {
        // 665857/470832 is a convergent of √2, 1.6e-12 above it.
        let close = Exact::fraction(665_857, 470_832);
        let above = close.subtract(&root(2)).unwrap();
        assert_eq!(above.sign(), Ordering::Greater);
        assert_eq!(above.negate().sign(), Ordering::Less);
        assert_eq!(root(2).sign(), Ordering::Greater);
        assert!(root(2).subtract(&root(2)).unwrap().is_zero());
        assert_eq!(root(4), Exact::integer(2));
    }

    #[test]
    fn a_field() {
        let a = Exact::fraction(3, 7).add(&root(5)).unwrap();
        let b = Exact::integer(-2)
            .add(&root(5).multiply(&Exact::fraction(1, 3)).unwrap())
            .unwrap();
        assert_eq!(a.multiply(&b).unwrap().divide(&b).unwrap(), a);
        assert_eq!(a.divide(&a).unwrap(), Exact::integer(1));
        assert!((a.to_f64() - (3.0 / 7.0 + 5f64.sqrt())).abs() < 1e-15);
    }

    #[test]
    fn sums_and_ceilings_are_exact() {
        let reals = [
            1.5,
            -0.1,
            f32::MIN_POSITIVE / 4.0,
            -f32::MAX,
            f32::MAX,
            0.0,
            3e-20,
        ];
        let mut sum = Exact::integer(0);
        for real in reals {
            sum = sum.add(&Exact::from_f64(real.into()).unwrap()).unwrap();
        }
        assert_eq!(Exact::sum(reals.into_iter()).unwrap(), sum);
        assert!(Exact::sum([f32::NAN].into_iter()).is_err());

        for real in [
            0.0,
            1.0,
            -1.0,
            0.1,
            f64::MIN_POSITIVE,
            -5e-324,
            f64::MAX,
            f64::MIN,
        ] {
            let exact = Exact::from_f64(real).unwrap();
            assert_eq!(exact.ceiling(false), Ok(real));
            assert_eq!(exact.ceiling(true), Ok(real.next_up()));
        }
        let found = root(2).ceiling(true).unwrap();
        for (real, order) in [
            (found, Ordering::Greater),
            (found.next_down(), Ordering::Less),
        ] {
            let difference = Exact::from_f64(real).unwrap().subtract(&root(2)).unwrap();
            assert_eq!(difference.sign(), order);
        }
    }

    #[test]
    fn what_is_no_such_number() {
        assert_eq!(root(2).add(&root(3)), Err(Inexact::Roots));
        assert_eq!(
            root(2).divide(&Exact::integer(0)),
            Err(Inexact::DivisionByZero)
        );
        assert_eq!(Exact::integer(-1).sqrt(), Err(Inexact::Negative));
        assert!(matches!(
            Exact::from_f64(f64::NAN),
            Err(Inexact::NotFinite(_))
        ));
        let mut long = Exact::from_f64(f64::MIN_POSITIVE).unwrap();
        let grown = (0..10).try_for_each(|_| {
            long = long.multiply(&long.clone())?;
            Ok(())
        });
        assert_eq!(grown, Err(Inexact::Bits));
    }
}
