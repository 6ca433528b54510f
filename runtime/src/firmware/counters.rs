//! 32 sums at once: bit *p* of every sum is in word *p*, a plane.
//!
//! A lane is one sum, an output channel or an output position. A tap adds 1 to the lanes where its
//! word, or the complement of it, has a 1. Taps come two by two as `a ^ b` and `b`, and so do the
//! bits that they are compared with: then two taps and a plane are added by four operations.
//! Planes begin with a power of two less what is needed, so that the top plane is the result.

use super::layout::PLANES;

/// Planes that are kept in registers.
pub(super) const KEPT: usize = 6;

/// Adds two words to a plane; returns what is carried.
#[inline(always)]
fn add(plane: &mut u32, either: u32, second: u32) -> u32 {
    let carry = second ^ (either & (second ^ *plane));
    *plane ^= either;
    carry
}

/// Adds a word to planes, the lowest first.
#[inline(always)]
fn ripple(planes: &mut [u32], mut carry: u32) {
    for plane in planes {
        let before = *plane;
        *plane = before ^ carry;
        carry &= before;
    }
}

/// 32 bits that are all bit `at`.
#[inline(always)]
pub(super) fn mask(bits: u32, at: usize) -> u32 {
    0_u32.wrapping_sub(bits >> at & 1)
}

/// Adds taps `at` to `at + 7`; returns what is carried into plane 3.
#[inline(always)]
fn eight(planes: &mut [u32; KEPT], lanes: &[u32], bits: u32, at: usize) -> u32 {
    let [ones, twos, fours, ..] = planes;
    let mut pair = |at: usize| {
        let either = lanes[at] ^ mask(bits, at);
        let second = lanes[at + 1] ^ mask(bits, at + 1);
        add(ones, either, second)
    };
    let (a, b) = (pair(at), pair(at + 2));
    let first = add(twos, a ^ b, b);
    let (a, b) = (pair(at + 4), pair(at + 6));
    let second = add(twos, a ^ b, b);
    add(fours, first ^ second, second)
}

/// Adds 32 taps; returns what is carried into plane 5.
#[inline(always)]
fn thirty_two(planes: &mut [u32; KEPT], lanes: &[u32; 32], bits: u32) -> u32 {
    let (a, b) = (eight(planes, lanes, bits, 0), eight(planes, lanes, bits, 8));
    let first = add(&mut planes[3], a ^ b, b);
    let (a, b) = (
        eight(planes, lanes, bits, 16),
        eight(planes, lanes, bits, 24),
    );
    let second = add(&mut planes[3], a ^ b, b);
    add(&mut planes[4], first ^ second, second)
}

/// Of 32 sums, those that reach what they need.
///
/// `lanes` has a word for each tap, a multiple of eight; `bits` a bit for each, neighbours not yet
/// combined; `starts` the planes before the first tap, at least [`KEPT`].
pub(super) fn count(lanes: &[u32], bits: &[u32], starts: &[u32]) -> u32 {
    let mut planes = [0; KEPT];
    let mut high = [0; PLANES - KEPT];
    planes.copy_from_slice(&starts[..KEPT]);
    let high = &mut high[..starts.len() - KEPT];
    high.copy_from_slice(&starts[KEPT..]);
    let mut waits = None;
    let (whole, rest) = lanes.as_chunks::<32>();
    for (lanes, &bits) in whole.iter().zip(bits) {
        let carry = thirty_two(&mut planes, lanes, combine(bits));
        // Carries go up two by two.
        waits = match waits {
            None => Some(carry),
            Some(other) => {
                let carry = add(&mut planes[5], carry ^ other, other);
                ripple(high, carry);
                None
            }
        };
    }
    if let Some(other) = waits {
        let carry = add(&mut planes[5], other, 0);
        ripple(high, carry);
    }
    if let Some(&bits) = bits.get(whole.len()) {
        let mut bits = combine(bits);
        for lanes in rest.as_chunks::<8>().0 {
            let mut carry = eight(&mut planes, lanes, bits, 0);
            for plane in &mut planes[3..] {
                let before = *plane;
                *plane = before ^ carry;
                carry &= before;
            }
            ripple(high, carry);
            bits >>= 8;
        }
    }
    high.last().copied().unwrap_or(planes[KEPT - 1])
}

/// The bits of taps as [`count`] compares them: of two, the first is the xor of both.
#[inline(always)]
fn combine(bits: u32) -> u32 {
    bits ^ (bits >> 1 & 0x5555_5555)
}

/// Eight words of 32 lanes, so that byte `lane / 8` of word `lane % 8` has a bit for each word.
pub(super) fn transpose(words: &mut [u32; 8]) {
    for (apart, mask) in [(4, 0x0f0f_0f0f_u32), (2, 0x3333_3333), (1, 0x5555_5555)] {
        for low in (0..8).filter(|low| low & apart == 0) {
            let swap = (words[low] >> apart ^ words[low + apart]) & mask;
            words[low + apart] ^= swap;
            words[low] ^= swap << apart;
        }
    }
}
