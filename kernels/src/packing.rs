//! Packing numbers into ±1: signs of floats and integers, booleans, bytes against a threshold.
//!
//! Sixty-four comparisons make sixty-four bytes, which the compiler vectorises for the level, and one step of the level
//! makes a word of them.
//!
//! ```
//! use bernet_kernels::{bits::BitMatrix, isa::Level, packing};
//!
//! let mut matrix = BitMatrix::all_minus_one(2, 3);
//! packing::signs(Level::best(), &[0.5_f32, -1.0, -0.0, -2.0, f32::NAN, 7.0], &mut matrix)?;
//! assert_eq!((matrix.row(0), matrix.row(1)), (&[0b101][..], &[0b100][..]));
//! packing::at_least(Level::best(), &[0, 128, 255, 127, 129, 1], 128, &mut matrix)?;
//! assert_eq!((matrix.row(0), matrix.row(1)), (&[0b110][..], &[0b010][..]));
//! # Ok::<(), bernet_kernels::Error>(())
//! ```

use crate::{
    Error,
    arch::tile::Tile,
    bits::{BitMatrix, BitViewMut, Shape, WORD},
    isa::{Level, Token, dispatch},
};

/// A number with a sign: +1 where it is at least 0, of either zero, −1 where it is less or not a number.
pub trait Sign: Copy + Sync + sealed::Sealed {
    /// Whether it packs to +1.
    fn is_plus(self) -> bool;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! sign {
    ($($(#[$meta:meta])* $type:ty: $plus:expr;)*) => {
        $($(#[$meta])* impl sealed::Sealed for $type {}
        $(#[$meta])* impl Sign for $type {
            #[inline(always)]
            fn is_plus(self) -> bool {
                $plus(self)
            }
        })*
    };
}

sign! {
    f32: |value| value >= 0.0;
    i8: |value| value >= 0;
    bool: core::convert::identity;
    // Sign and magnitude: from +0 to infinity, or −0.
    #[cfg(feature = "half")] half::f16: |value: Self| matches!(value.to_bits(), 0..=0x7c00 | 0x8000);
    #[cfg(feature = "half")] half::bf16: |value: Self| matches!(value.to_bits(), 0..=0x7f80 | 0x8000);
}

/// The order of a tensor's numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Order {
    /// Image, line, pixel, channel.
    Nhwc,
    /// Image, channel, line, pixel.
    Nchw,
}

/// The signs of numbers, line by line.
///
/// # Errors
/// [`Error::Size`] where there are not as many as `out` has values.
pub fn signs<'a, T: Sign>(
    level: Level,
    values: &[T],
    out: impl Into<BitViewMut<'a>>,
) -> Result<(), Error> {
    lines(level, values, T::is_plus, out.into())
}

/// +1 where a byte is at least the threshold, line by line.
///
/// # Errors
/// [`Error::Size`] where there are not as many bytes as `out` has values.
pub fn at_least<'a>(
    level: Level,
    values: &[u8],
    threshold: u8,
    out: impl Into<BitViewMut<'a>>,
) -> Result<(), Error> {
    bytes_at_least(level, values, threshold, out.into())
}

// Compiled once, in this crate: the entry point is compiled where it is called.
fn bytes_at_least(
    level: Level,
    values: &[u8],
    threshold: u8,
    out: BitViewMut<'_>,
) -> Result<(), Error> {
    lines(level, values, |value| value >= threshold, out)
}

/// The signs of a tensor's numbers.
///
/// # Errors
/// [`Error::Size`] where there are not as many as the shape says.
pub fn tensor_signs<'a, T: Sign>(
    level: Level,
    order: Order,
    values: &[T],
    out: impl Into<BitViewMut<'a>>,
) -> Result<(), Error> {
    tensor(level, order, values, T::is_plus, out.into())
}

/// +1 where a byte of a tensor is at least the threshold.
///
/// # Errors
/// [`Error::Size`] where there are not as many bytes as the shape says.
pub fn tensor_at_least<'a>(
    level: Level,
    order: Order,
    values: &[u8],
    threshold: u8,
    out: impl Into<BitViewMut<'a>>,
) -> Result<(), Error> {
    tensor(level, order, values, |value| value >= threshold, out.into())
}

impl BitMatrix {
    /// The signs of `rows × columns` numbers, row by row; zero, of either sign, is +1, NaN is −1.
    ///
    /// # Errors
    /// [`Error::Size`] where `values` has another length.
    pub fn from_signs(rows: usize, columns: usize, values: &[f32]) -> Result<Self, Error> {
        Error::check_size("values", rows.saturating_mul(columns), values.len())?;
        let mut matrix = Self::all_minus_one(rows, columns);
        signs(Level::best(), values, &mut matrix)?;
        Ok(matrix)
    }

    /// Packs `rows × columns` booleans, row by row; `true` is +1.
    ///
    /// # Errors
    /// [`Error::Size`] where `values` has another length.
    pub fn from_bools(rows: usize, columns: usize, values: &[bool]) -> Result<Self, Error> {
        Error::check_size("values", rows.saturating_mul(columns), values.len())?;
        let mut matrix = Self::all_minus_one(rows, columns);
        signs(Level::best(), values, &mut matrix)?;
        Ok(matrix)
    }
}

fn lines<T: Copy>(
    level: Level,
    values: &[T],
    plus: impl Fn(T) -> bool,
    mut out: BitViewMut<'_>,
) -> Result<(), Error> {
    let (rows, columns) = (out.rows(), out.columns());
    Error::check_size("values", rows.saturating_mul(columns), values.len())?;
    if columns == 0 {
        return Ok(());
    }
    dispatch!(level, token => token.vectorize(#[inline(always)] || {
        let mut values = values;
        for row in 0..rows {
            let mut rest = columns;
            for word in out.row_mut(row) {
                let some = rest.min(WORD);
                // Values after the line's are read too where there are any, 64 at a time, and masked off.
                let bits = match values.first_chunk::<WORD>() {
                    Some(values) => token.bits(&values.map(|value| u8::from(plus(value)))),
                    None => {
                        let mut last = [values[0]; WORD];
                        last[..some].copy_from_slice(&values[..some]);
                        token.bits(&last.map(|value| u8::from(plus(value))))
                    }
                };
                *word = bits & u64::MAX >> (WORD - some);
                (values, rest) = (&values[some..], rest - some);
            }
        }
    }));
    Ok(())
}

fn tensor<T: Copy>(
    level: Level,
    order: Order,
    values: &[T],
    plus: impl Fn(T) -> bool,
    mut out: BitViewMut<'_>,
) -> Result<(), Error> {
    if order == Order::Nhwc {
        return lines(level, values, plus, out);
    }
    let Shape {
        batch,
        height,
        width,
        channels,
    } = out.shape();
    let count = out.rows().saturating_mul(out.columns());
    Error::check_size("values", count, values.len())?;
    if values.is_empty() {
        return Ok(());
    }
    dispatch!(level, token => token.vectorize(#[inline(always)] || {
        for line in 0..batch * height {
            let first = line / height * channels * height * width + line % height * width;
            let (mut pixel, mut channel) = (0, 0);
            for word in out.row_mut(line) {
                let mut flags = [0; WORD];
                for flag in &mut flags {
                    if pixel == width {
                        break;
                    }
                    *flag = u8::from(plus(values[first + channel * height * width + pixel]));
                    channel += 1;
                    if channel == channels {
                        (channel, pixel) = (0, pixel + 1);
                    }
                }
                *word = token.bits(&flags);
            }
        }
    }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bits::{BitMatrix, BitTensor},
        conformance::Generator,
    };
    use std::{vec, vec::Vec};

    #[test]
    fn every_type_order_and_level() {
        let mut generator = Generator(1);
        for columns in [1, 7, 63, 64, 65, 130, 192] {
            let rows = 3;
            let bytes: Vec<u8> = (0..rows * columns)
                .map(|_| generator.word() as u8)
                .collect();
            for level in Level::available() {
                let mut out = BitMatrix::from_fn(rows, columns, |_, _| true);
                let check = |expected: &dyn Fn(u8) -> bool, out: &BitMatrix| {
                    for (index, &byte) in bytes.iter().enumerate() {
                        let found = out.get(index / columns, index % columns);
                        assert_eq!(
                            found,
                            expected(byte),
                            "{level}, {columns} columns, {index}: {byte}"
                        );
                    }
                    let words = out.words().to_vec();
                    BitMatrix::from_words(rows, columns, words).expect("clear pad bits");
                };
                at_least(level, &bytes, 77, &mut out).unwrap();
                check(&|byte| byte >= 77, &out);
                let floats: Vec<f32> = bytes.iter().map(|&byte| f32::from(byte as i8)).collect();
                signs(level, &floats, &mut out).unwrap();
                check(&|byte| byte < 128, &out);
                let integers: Vec<i8> = bytes.iter().map(|&byte| byte as i8).collect();
                signs(level, &integers, &mut out).unwrap();
                check(&|byte| byte < 128, &out);
                let flags: Vec<bool> = bytes.iter().map(|&byte| byte % 3 == 0).collect();
                signs(level, &flags, &mut out).unwrap();
                check(&|byte| byte % 3 == 0, &out);
            }
        }
    }

    #[cfg(feature = "half")]
    #[test]
    fn every_short_float() {
        let all: Vec<u16> = (0..=u16::MAX).collect();
        let mut out = BitMatrix::all_minus_one(1, all.len());
        for level in Level::available() {
            let values: Vec<_> = all.iter().map(|&bits| half::f16::from_bits(bits)).collect();
            signs(level, &values, &mut out).unwrap();
            assert!(
                (0..all.len()).all(|index| out.get(0, index) == (values[index].to_f32() >= 0.0))
            );
            let values: Vec<_> = all
                .iter()
                .map(|&bits| half::bf16::from_bits(bits))
                .collect();
            signs(level, &values, &mut out).unwrap();
            assert!(
                (0..all.len()).all(|index| out.get(0, index) == (values[index].to_f32() >= 0.0))
            );
        }
    }

    #[test]
    fn channels_first() {
        let shape = Shape {
            batch: 2,
            height: 3,
            width: 5,
            channels: 33,
        };
        let mut generator = Generator(2);
        let values: Vec<u8> = (0..2 * 3 * 5 * 33)
            .map(|_| generator.word() as u8)
            .collect();
        for level in Level::available() {
            let (mut nchw, mut nhwc) = (
                BitTensor::all_minus_one(shape),
                BitTensor::all_minus_one(shape),
            );
            tensor_at_least(level, Order::Nchw, &values, 99, &mut nchw).unwrap();
            let mut turned = vec![0; values.len()];
            for (index, &value) in values.iter().enumerate() {
                let (image, channel, y, x) =
                    (index / 495, index / 15 % 33, index / 5 % 3, index % 5);
                turned[((image * 3 + y) * 5 + x) * 33 + channel] = value;
            }
            tensor_at_least(level, Order::Nhwc, &turned, 99, &mut nhwc).unwrap();
            assert_eq!(nchw, nhwc);
            assert!(
                (0..33).all(|channel| nhwc.get(1, 2, 3, channel)
                    == (values[(33 + channel) * 15 + 13] >= 99))
            );
        }
    }
}
