//! The largest activation of each window: since +1 is a set bit, the disjunction of its pixels.
//!
//! A window's lines are joined first, whole words at a time (the rows of all channels side by side), and then the pixels of
//! that one line. So the work for a pixel of the output is that of its width alone.

use crate::model::MaxPool;
use bernet_kernels::bits::{BitMatrix, BitTensor, Shape, WORD};
use std::ops::Range;

pub(super) fn max_pool(input: &BitTensor, pool: MaxPool, shape: Shape) -> BitTensor {
    let channels = shape.channels;
    let Shape { height, width, .. } = input.shape();
    let row_words = (shape.width * channels).div_ceil(WORD);
    let mut words = vec![0; shape.batch * shape.height * row_words];
    let mut joined = vec![0; input.lines().row_words()];
    let mut outputs = words.chunks_exact_mut(row_words);
    for image in 0..shape.batch {
        for y in 0..shape.height {
            joined.fill(0);
            for line in taps(y, 0, pool, height) {
                let line = input.lines().row(image * height + line);
                joined
                    .iter_mut()
                    .zip(line)
                    .for_each(|(all, one)| *all |= one);
            }
            let Some(output) = outputs.next() else { break };
            for x in 0..shape.width {
                for pixel in taps(x, 1, pool, width) {
                    or_bits(output, x * channels, &joined, pixel * channels, channels);
                }
            }
        }
    }
    let lines = BitMatrix::from_words(shape.batch * shape.height, shape.width * channels, words)
        .expect("only bits of pixels were set");
    BitTensor::from_lines(shape, lines).expect("the lines were made for this shape")
}

/// The lines (axis 0) or pixels (axis 1) of the input that a window covers.
fn taps(index: usize, axis: usize, pool: MaxPool, size: usize) -> Range<usize> {
    let start = index * pool.stride[axis];
    let end = start + pool.kernel[axis];
    let padding = pool.padding[axis];
    start.saturating_sub(padding)..end.saturating_sub(padding).min(size)
}

/// Sets those of `count` bits from `to_start` on that are set among the `count` bits from `from_start` on.
fn or_bits(to: &mut [u64], to_start: usize, from: &[u64], from_start: usize, count: usize) {
    for done in (0..count).step_by(WORD) {
        let some = WORD.min(count - done);
        let (word, shift) = ((from_start + done) / WORD, (from_start + done) % WORD);
        let mut bits = u128::from(from[word]);
        bits |= u128::from(from.get(word + 1).copied().unwrap_or(0)) << WORD;
        let bits = (bits >> shift) as u64 & u64::MAX >> (WORD - some);
        let (word, shift) = ((to_start + done) / WORD, (to_start + done) % WORD);
        let bits = u128::from(bits) << shift;
        to[word] |= bits as u64;
        if let Some(next) = to.get_mut(word + 1) {
            *next |= (bits >> WORD) as u64;
        }
    }
}
