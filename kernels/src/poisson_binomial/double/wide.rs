//! Numbers of 100 bits and any exponent, for products of many factors.
//!
//! A [`Wide`] is `(hi + lo)·2^exponent` with `|lo| ≤ ulp(hi)/2`. The product of a million factors near 10⁻³ is far below what an
//! f64 holds, and each f64 product would add half a unit of the last place: a million equal factors would repeat that error a
//! million times. Here a product has a relative error of about `4·2⁻¹⁰⁶`, so that what is left is the rounding of the final f64.
//!
//! Without fused multiply-add, so that every CPU gives the same bits: the error of a product is had by splitting both operands
//! (Dekker 1971), that of a sum by Knuth's six operations. Both are exact while nothing overflows.

use core::{
    f64::consts::LN_2,
    ops::{Add, Mul, Sub},
};

/// A number, or several side by side.
pub(super) trait Number:
    Copy + From<f64> + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self>
{
}

impl<T> Number for T where
    T: Copy + From<f64> + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self>
{
}

/// `a + b` and what its rounding leaves out.
#[inline(always)]
pub(super) fn two_sum<T: Number>(a: T, b: T) -> (T, T) {
    let sum = a + b;
    let of_b = sum - a;
    (sum, (a - (sum - of_b)) + (b - of_b))
}

/// The upper 26 bits, and the rest.
#[inline(always)]
fn split<T: Number>(a: T) -> (T, T) {
    let scaled = T::from(134_217_729.0) * a; // 2²⁷ + 1
    let hi = scaled - (scaled - a);
    (hi, a - hi)
}

/// `a·b` and what its rounding leaves out; for `|a|, |b| < 2⁹⁹⁶`.
#[inline(always)]
pub(super) fn two_product<T: Number>(a: T, b: T) -> (T, T) {
    let product = a * b;
    let ((a1, a2), (b1, b2)) = (split(a), split(b));
    (product, ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2)
}

/// `(a + a_lo)(b + b_lo)` as a sum of two.
#[inline(always)]
pub(super) fn multiply<T: Number>(a: (T, T), b: (T, T)) -> (T, T) {
    let (hi, lo) = two_product(a.0, b.0);
    let lo = lo + (a.0 * b.1 + a.1 * b.0);
    let sum = hi + lo;
    (sum, lo - (sum - hi))
}

/// `2^exponent`, for exponents from −1022 to 1023.
#[inline(always)]
pub(super) fn power_of_two(exponent: i64) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

/// The binary exponent of a normal number: 0 for 1 ≤ x < 2.
#[inline(always)]
pub(super) fn exponent_of(x: f64) -> i64 {
    ((x.to_bits() >> 52) & 0x7ff) as i64 - 1023
}

/// A number `(hi + lo)·2^exponent`, not negative.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wide {
    hi: f64,
    lo: f64,
    exponent: i64,
}

impl Wide {
    pub(super) const ONE: Self = Self {
        hi: 1.0,
        lo: 0.0,
        exponent: 0,
    };

    /// `hi + lo`, for finite `hi ≥ 0`, `lo` small against it.
    pub(super) fn new(hi: f64, lo: f64) -> Self {
        Self {
            hi,
            lo,
            exponent: 0,
        }
        .normal()
    }

    /// `e^x`, as exact as an f64; for `|x|` up to 10⁶.
    pub(super) fn exp(x: f64) -> Self {
        let exponent = libm::rint(x / LN_2);
        let rest = (x - exponent * LN_2_HI) - exponent * LN_2_LO;
        Self::new(libm::exp(rest), 0.0).shifted(exponent as i64)
    }

    /// Times `2^by`.
    pub(super) fn shifted(self, by: i64) -> Self {
        Self {
            exponent: self.exponent + by,
            ..self
        }
    }

    /// With `hi` in 1 ≤ hi < 2, or 0.
    fn normal(self) -> Self {
        if self.hi == 0.0 {
            return Self {
                exponent: 0,
                ..self
            };
        }
        let (mut hi, mut lo, mut exponent) = (self.hi, self.lo, self.exponent);
        if hi < f64::MIN_POSITIVE {
            // A subnormal number has no exponent of its own.
            (hi, lo, exponent) = (hi * TWO_60, lo * TWO_60, exponent - 60);
        }
        let by = exponent_of(hi);
        // In two steps: 2^−by alone may be subnormal.
        let (first, second) = (power_of_two(-by / 2), power_of_two(-by - -by / 2));
        Self {
            hi: hi * first * second,
            lo: lo * first * second,
            exponent: exponent + by,
        }
    }

    pub(super) fn times(self, other: Self) -> Self {
        let (hi, lo) = multiply((self.hi, self.lo), (other.hi, other.lo));
        Self {
            hi,
            lo,
            exponent: self.exponent + other.exponent,
        }
        .normal()
    }

    /// Times an f64 that is not negative.
    pub(super) fn scaled(self, by: f64) -> Self {
        self.times(Self::new(by, 0.0))
    }

    pub(super) fn plus(self, other: Self) -> Self {
        let (large, small) = if other.hi == 0.0 || self.hi != 0.0 && self.exponent >= other.exponent
        {
            (self, other)
        } else {
            (other, self)
        };
        let by = large.exponent - small.exponent;
        if small.hi == 0.0 || by > 200 {
            return large;
        }
        let scale = power_of_two(-by);
        let (hi, error) = two_sum(large.hi, small.hi * scale);
        let lo = error + (large.lo + small.lo * scale);
        let sum = hi + lo;
        Self {
            hi: sum,
            lo: lo - (sum - hi),
            exponent: large.exponent,
        }
        .normal()
    }

    /// `1 − x`, for 0 ≤ x ≤ 1.
    pub(super) fn complement(x: f64) -> Self {
        let (not, error) = two_sum(1.0, -x);
        Self::new(not, error)
    }

    /// `self / other`, to a few units of an f64.
    pub(super) fn over(self, other: Self) -> Self {
        let quotient = self.hi / other.hi;
        let (product, error) = two_product(quotient, other.hi);
        let rest = ((self.hi - product) - error) + (self.lo - quotient * other.lo);
        Self {
            hi: quotient,
            lo: rest / other.hi,
            exponent: self.exponent - other.exponent,
        }
        .normal()
    }

    /// To a whole power, by squaring.
    pub(super) fn power(self, n: i64) -> Self {
        let (mut base, mut left) = (
            if n < 0 { Self::ONE.over(self) } else { self },
            n.unsigned_abs(),
        );
        let mut power = Self::ONE;
        while left > 0 {
            if left & 1 == 1 {
                power = power.times(base);
            }
            left >>= 1;
            if left > 0 {
                base = base.times(base);
            }
        }
        power
    }

    /// The nearest f64, subnormal or 0 or infinite where there is no other.
    pub(super) fn value(self) -> f64 {
        libm::scalbn(self.hi + self.lo, self.exponent.clamp(-5000, 5000) as i32)
    }

    /// Whether it is below `2^exponent`.
    pub(super) fn is_below(self, exponent: i64) -> bool {
        self.hi == 0.0 || self.exponent < exponent
    }

    /// The natural logarithm; −∞ for 0.
    pub(super) fn ln(self) -> f64 {
        if self.hi == 0.0 {
            return f64::NEG_INFINITY;
        }
        // Near 1 the exponent must be 0, or two large parts cancel.
        let (hi, lo, exponent) = if self.hi > core::f64::consts::SQRT_2 {
            (0.5 * self.hi, 0.5 * self.lo, self.exponent + 1)
        } else {
            (self.hi, self.lo, self.exponent)
        };
        let exponent = exponent as f64;
        let fraction = libm::log1p((hi - 1.0) + lo);
        exponent * LN_2_HI + (exponent * LN_2_LO + fraction)
    }

    /// The product of numbers, exponents apart.
    pub(super) fn product(factors: impl Iterator<Item = Self>) -> Self {
        factors.fold(Self::ONE, Self::times)
    }
}

/// Both tails from the smaller one.
pub(super) fn beside(upper: bool, tail: Wide) -> [Wide; 2] {
    let rest = Wide::complement(tail.value().min(1.0));
    if upper { [rest, tail] } else { [tail, rest] }
}

const TWO_60: f64 = (1u64 << 60) as f64;
/// ln 2 in 33 bits, so that its product with an exponent of 20 bits is exact, and the rest.
const LN_2_HI: f64 = f64::from_bits(0x3fe6_2e42_fee0_0000);
const LN_2_LO: f64 = f64::from_bits(0x3dea_39ef_3579_3c76);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_and_logarithms() {
        // (1 + 2⁻⁵²)^(2⁵²) is e, less half a relative 2⁻⁵².
        let near = Wide::new(1.0, f64::EPSILON / 2.0).power(1 << 53);
        assert!((near.value() - core::f64::consts::E).abs() < 1e-15);
        let small = Wide::new(0.1, 0.0).power(100_000);
        assert_eq!(small.value(), 0.0);
        assert!((small.ln() + 230_258.509_299_404_57).abs() < 1e-9);
        assert_eq!(Wide::new(5e-324, 0.0).value(), 5e-324);
        assert_eq!(Wide::new(0.0, 0.0).ln(), f64::NEG_INFINITY);
        assert_eq!(Wide::new(1.0, 1e-20).ln(), 1e-20);
        assert!((Wide::exp(-1000.0).times(Wide::exp(1000.0)).value() - 1.0).abs() < 1e-15);
    }

    #[test]
    fn sums_and_quotients() {
        let third = Wide::ONE.over(Wide::new(3.0, 0.0));
        let whole = third.plus(third).plus(third);
        assert_eq!((whole.value(), whole.ln().abs() < 1e-30), (1.0, true));
        let tiny = Wide::exp(-5000.0);
        assert_eq!(tiny.plus(Wide::ONE).value(), 1.0);
        assert_eq!(Wide::new(0.0, 0.0).plus(tiny).ln(), tiny.ln());
        assert!((tiny.plus(tiny).ln() + 5000.0 - LN_2).abs() < 1e-12);
    }
}
