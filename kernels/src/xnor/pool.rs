//! Pooling on bits.
//!
//! The maximum of ±1 is +1 where any is: an OR. The average is a count.
//!
//! ```
//! use bernet_kernels::{bits::{BitMatrix, BitTensor, Shape}, xnor::{max_pool, sum_pool}};
//!
//! let shape = Shape { batch: 1, height: 2, width: 2, channels: 2 };
//! let lines = BitMatrix::from_signs(2, 4, &[1.0, -1.0, 1.0, -1.0, -1.0, -1.0, 1.0, -1.0])?;
//! let input = BitTensor::from_lines(shape, lines)?;
//! let mut out = BitTensor::zeros(Shape { height: 1, width: 1, ..shape });
//! max_pool(&input, [2, 2], [2, 2], [0; 4], &mut out)?;
//! assert!(out.get(0, 0, 0, 0) && !out.get(0, 0, 0, 1));
//! let mut sums = [0; 2];
//! sum_pool(&input, &mut sums)?;
//! assert_eq!(sums, [2, -4]); // of four pixels: averages of 1/2 and −1
//! # Ok::<(), bernet_kernels::Error>(())
//! ```

use super::{Geometry, PaddingValue};
use crate::{
    Error,
    bits::{BitTensor, Shape, WORD, copy_bits, read_bits},
};
use alloc::vec;

/// The maximum of each channel under each window of a kernel. A tap on the padding (top, left, bottom, right) is −1, which is to say
/// it does not count.
///
/// A window's lines are joined first, whole words at a time (the rows of all channels side by side), and then the pixels of that
/// one line; so the work for a pixel of the output is that of the window's width alone.
///
/// # Errors
/// [`Error::Dimension`] where the kernel does not fit or a dimension is 0; [`Error::Size`] where `out` does not have the shape that
/// follows.
pub fn max_pool(
    input: &BitTensor,
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 4],
    out: &mut BitTensor,
) -> Result<(), Error> {
    let Shape {
        height,
        width,
        channels,
        ..
    } = input.shape();
    let geometry = Geometry {
        channels,
        outputs: channels,
        kernel,
        stride,
        padding,
        padding_value: PaddingValue::MinusOne,
    };
    let shape = geometry.output_shape(input.shape())?;
    out.check_shape(shape)?;
    out.lines_mut().words_mut().fill(0);
    // The lines (axis 0) or pixels (axis 1) of the input that a window covers.
    let taps = |window: usize, axis: usize, size: usize| {
        let start = window * stride[axis];
        let end = (start + kernel[axis])
            .saturating_sub(padding[axis])
            .min(size);
        start.saturating_sub(padding[axis])..end
    };
    let mut joined = vec![0; input.lines().row_words()];
    for line in 0..shape.batch * shape.height {
        let (image, y) = (line / shape.height, line % shape.height);
        joined.fill(0);
        for from in taps(y, 0, height).map(|y| input.lines().row(image * height + y)) {
            joined
                .iter_mut()
                .zip(from)
                .for_each(|(all, one)| *all |= one);
        }
        let to = out.lines_mut().row_mut(line);
        for x in 0..shape.width {
            for pixel in taps(x, 1, width) {
                copy_bits(to, x * channels, &joined, pixel * channels, channels);
            }
        }
    }
    Ok(())
}

/// The sum of each channel over all of an image's pixels, `batch · channels` of them: `height · width` times the global average.
///
/// # Errors
/// [`Error::Size`] where `out` has another length.
pub fn sum_pool(input: &BitTensor, out: &mut [i32]) -> Result<(), Error> {
    let Shape {
        batch,
        height,
        width,
        channels,
    } = input.shape();
    Error::check_size("out (batch · channels)", batch * channels, out.len())?;
    out.fill(-((height * width) as i32));
    for line in 0..batch * height {
        let (from, image) = (input.lines().row(line), line / height);
        for pixel in 0..width {
            for channel in (0..channels).step_by(WORD) {
                let some = WORD.min(channels - channel);
                let bits = read_bits(from, pixel * channels + channel, some);
                for (bit, sum) in out[image * channels + channel..][..some]
                    .iter_mut()
                    .enumerate()
                {
                    *sum += 2 * (bits >> bit & 1) as i32;
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{bits::BitMatrix, conformance::Generator};
    use std::vec;

    #[test]
    fn pools_equal_loops_over_values() {
        let mut generator = Generator(1);
        for channels in [1, 33, 64, 100, 130] {
            let shape = Shape {
                batch: 2,
                height: 7,
                width: 6,
                channels,
            };
            let lines = BitMatrix::from_fn(14, 6 * channels, |_, _| generator.below(5) == 0);
            let input = BitTensor::from_lines(shape, lines).unwrap();
            let mut out = BitTensor::zeros(Shape {
                height: 3,
                width: 2,
                ..shape
            });
            max_pool(&input, [3, 2], [2, 3], [0; 4], &mut out).unwrap();
            let mut padded = BitTensor::zeros(Shape {
                height: 4,
                width: 3,
                ..shape
            });
            max_pool(&input, [3, 2], [2, 3], [1, 1, 2, 2], &mut padded).unwrap();
            let mut sums = vec![0; 2 * channels];
            sum_pool(&input, &mut sums).unwrap();
            for image in 0..2 {
                for channel in 0..channels {
                    let get = |y, x| input.get(image, y, x, channel);
                    for (y, x) in [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)] {
                        let any = (0..3).any(|i| (0..2).any(|j| get(2 * y + i, 3 * x + j)));
                        assert_eq!(out.get(image, y, x, channel), any);
                    }
                    for (y, x) in (0..12).map(|window| (window / 3, window % 3)) {
                        let taps = (0..6).map(|tap| (2 * y + tap / 2, 3 * x + tap % 2));
                        let inside = |(y, x)| (1..8).contains(&y) && (1..7).contains(&x);
                        let any = taps
                            .filter(|tap| inside(*tap))
                            .any(|(y, x)| get(y - 1, x - 1));
                        assert_eq!(padded.get(image, y, x, channel), any);
                    }
                    let plus = (0..42).filter(|pixel| get(pixel / 6, pixel % 6)).count() as i32;
                    assert_eq!(sums[image * channels + channel], 2 * plus - 42);
                }
            }
        }
        let mut small = BitTensor::zeros(Shape {
            batch: 1,
            height: 1,
            width: 1,
            channels: 1,
        });
        assert!(max_pool(&small.clone(), [2, 1], [1, 1], [0; 4], &mut small).is_err());
    }
}
