//! Runs of bits of packed values, the first in the lowest bit of the first word.

/// `count` bits from `at` on, 1 to 32.
#[inline(always)]
pub(super) fn read(words: &[u32], at: usize, count: usize) -> u32 {
    let (word, shift) = (at / 32, at % 32);
    let mut bits = words[word] >> shift;
    if shift + count > 32 {
        bits |= words[word + 1] << (32 - shift);
    }
    bits & (u32::MAX >> (32 - count))
}

/// Sets those of `count` bits from `at` on that are 1; they were 0.
#[inline(always)]
pub(super) fn put(words: &mut [u32], at: usize, bits: u32, count: usize) {
    let (word, shift) = (at / 32, at % 32);
    words[word] |= bits << shift;
    if shift + count > 32 {
        words[word + 1] |= bits >> (32 - shift);
    }
}

/// Sets those of `count` bits from `to` on that are 1 from `from` on; they were 0.
pub(super) fn copy(target: &mut [u32], to: usize, source: &[u32], from: usize, count: usize) {
    for done in (0..count).step_by(32) {
        let some = (count - done).min(32);
        put(target, to + done, read(source, from + done, some), some);
    }
}
