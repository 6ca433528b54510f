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
//! let mut out = BitTensor::all_minus_one(Shape { height: 1, width: 1, ..shape });
//! max_pool(&input, [2, 2], [2, 2], [0; 4], &mut out)?;
//! assert!(out.get(0, 0, 0, 0) && !out.get(0, 0, 0, 1));
//! let mut sums = [0; 2];
//! sum_pool(&input, &mut sums)?;
//! assert_eq!(sums, [2, -4]); // of four pixels: averages of 1/2 and −1
//! # Ok::<(), bernet_kernels::Error>(())
//! ```

use super::params::ConvParams;
use crate::{
    Error,
    bits::{BitView, BitViewMut, Shape, WORD, copy_bits, read_bits, set_bits},
};
use core::ops::Range;

/// Words of a line that are joined at a time.
const JOINED: usize = 64;

/// The maximum of each channel under each window of a kernel.
///
/// A tap on the padding (top, left, bottom, right) is −1: it does not count. Nothing is allocated.
///
/// # Errors
/// [`Error::Dimension`] where the kernel does not fit or a dimension is 0; [`Error::Size`] where `out` does not have the shape that
/// follows.
pub fn max_pool<'v>(
    input: impl Into<BitView<'v>>,
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 4],
    out: impl Into<BitViewMut<'v>>,
) -> Result<(), Error> {
    max_pool_of(input.into(), kernel, stride, padding, out.into())
}

fn max_pool_of(
    input: BitView<'_>,
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 4],
    mut out: BitViewMut<'_>,
) -> Result<(), Error> {
    let Shape {
        height,
        width,
        channels,
        ..
    } = input.shape();
    let params = ConvParams {
        stride,
        padding,
        ..ConvParams::valid(kernel)
    };
    let shape = params.output_shape(input.shape(), channels)?;
    out.check_shape(shape)?;
    out.clear();
    // The lines (axis 0) or pixels (axis 1) of the input that a window covers.
    let taps = |window: usize, axis: usize, size: usize| {
        let start = window * stride[axis];
        let end = (start + kernel[axis])
            .saturating_sub(padding[axis])
            .min(size);
        start.saturating_sub(padding[axis]).min(end)..end
    };
    // Windows that are joined together: as many as lie within the buffer, wherever in a word they begin.
    let room = (JOINED - 1) * WORD;
    let window = kernel[1].saturating_mul(channels);
    let together = match room.checked_sub(window) {
        Some(more) if channels < WORD => more / (stride[1].saturating_mul(channels)) + 1,
        _ => 0,
    };
    for line in 0..shape.batch * shape.height {
        let (image, y) = (line / shape.height, line % shape.height);
        let lines = taps(y, 0, height);
        let lines = lines.start + image * height..lines.end + image * height;
        let to = out.row_mut(line);
        if together == 0 {
            for x in 0..shape.width {
                pixel(input, lines.clone(), taps(x, 1, width), x, to);
            }
            continue;
        }
        for first in (0..shape.width).step_by(together) {
            let xs = first..shape.width.min(first + together);
            let from = taps(first, 1, width).start;
            let end = taps(xs.end - 1, 1, width).end.max(from);
            let words = from * channels / WORD..(end * channels).div_ceil(WORD);
            let mut joined = [0; JOINED];
            for line in lines.clone() {
                let line = &input.row(line)[words.clone()];
                joined
                    .iter_mut()
                    .zip(line)
                    .for_each(|(all, one)| *all |= one);
            }
            for x in xs {
                for pixel in taps(x, 1, width) {
                    let bit = pixel * channels - words.start * WORD;
                    copy_bits(to, x * channels, &joined, bit, channels);
                }
            }
        }
    }
    Ok(())
}

/// The maximum under one window, a word of channels at a time, into bits that are 0.
#[inline(always)]
fn pixel(input: BitView<'_>, lines: Range<usize>, pixels: Range<usize>, x: usize, to: &mut [u64]) {
    let channels = input.shape().channels;
    for first in (0..channels).step_by(WORD) {
        let some = WORD.min(channels - first);
        let mut bits = 0;
        for line in lines.clone() {
            let line = input.row(line);
            for pixel in pixels.clone() {
                bits |= read_bits(line, pixel * channels + first, some);
            }
        }
        set_bits(to, x * channels + first, some, bits);
    }
}

/// The sum of each channel over all of an image's pixels, `batch · channels` of them: `height · width` times the global average.
///
/// # Errors
/// [`Error::Size`] where `out` has another length.
pub fn sum_pool<'v>(input: impl Into<BitView<'v>>, out: &mut [i32]) -> Result<(), Error> {
    sum_pool_of(input.into(), out)
}

fn sum_pool_of(input: BitView<'_>, out: &mut [i32]) -> Result<(), Error> {
    let Shape {
        batch,
        height,
        width,
        channels,
    } = input.shape();
    let expected = batch.saturating_mul(channels);
    Error::check_size("out (batch · channels)", expected, out.len())?;
    out.fill(-((height * width) as i32));
    for line in 0..batch * height {
        let (from, image) = (input.row(line), line / height);
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
    use crate::{
        bits::{BitMatrix, BitTensor},
        conformance::Generator,
    };
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
            let mut out = BitTensor::all_minus_one(Shape {
                height: 3,
                width: 2,
                ..shape
            });
            max_pool(&input, [3, 2], [2, 3], [0; 4], &mut out).unwrap();
            let mut padded = BitTensor::all_minus_one(Shape {
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
        let mut small = BitTensor::all_minus_one(Shape {
            batch: 1,
            height: 1,
            width: 1,
            channels: 1,
        });
        assert!(max_pool(&small.clone(), [2, 1], [1, 1], [0; 4], &mut small).is_err());
    }
}
