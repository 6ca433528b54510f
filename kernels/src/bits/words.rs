//! Runs of bits in words: reading, setting, copying.
//!
//! ```
//! use bernet_kernels::bits::{copy_bits, read_bits};
//!
//! let mut to = [0; 2];
//! copy_bits(&mut to, 60, &[0b1011], 0, 8);
//! assert_eq!(to, [0b1011 << 60, 0]);
//! assert_eq!(read_bits(&to, 61, 7), 0b101);
//! ```

/// Bits in a word.
pub const WORD: usize = u64::BITS as usize;

/// Words as bytes, in the machine's order.
pub(crate) fn bytes(words: &[u64]) -> &[u8] {
    // SAFETY: any byte of a word is a byte; the length is that of the words.
    unsafe { core::slice::from_raw_parts(words.as_ptr().cast(), size_of_val(words)) }
}

/// Words as bytes, in the machine's order, to be written.
pub(crate) fn bytes_mut(words: &mut [u64]) -> &mut [u8] {
    // SAFETY: any byte of a word is a byte, and any eight bytes are a word; the length is that of the words.
    unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), size_of_val(words)) }
}

/// The `count ≤ 64` bits from bit `start` on, the others 0. Words after the last are taken as 0.
#[inline(always)]
pub fn read_bits(words: &[u64], start: usize, count: usize) -> u64 {
    let (word, shift) = (start / WORD, start % WORD);
    let mut bits = words[word] >> shift;
    if shift + count > WORD {
        bits |= words.get(word + 1).map_or(0, |next| next << (WORD - shift));
    }
    bits & u64::MAX >> (WORD - count)
}

/// Sets those bits from bit `start` on that are 1 in `bits`, whose bits from `count ≤ 64` on are 0.
#[inline(always)]
pub fn set_bits(words: &mut [u64], start: usize, count: usize, bits: u64) {
    let (word, shift) = (start / WORD, start % WORD);
    words[word] |= bits << shift;
    if shift + count > WORD {
        words[word + 1] |= bits >> (WORD - shift);
    }
}

/// As [`set_bits`], where all those bits were 0: whole bytes are stored and not read, which would wait for the last store beside them.
#[inline(always)]
pub(crate) fn put_bits(words: &mut [u64], start: usize, count: usize, bits: u64) {
    if cfg!(target_endian = "big") || !start.is_multiple_of(8) {
        return set_bits(words, start, count, bits);
    }
    let bytes = &mut bytes_mut(words)[start / 8..];
    match count {
        8 => bytes[0] = bits as u8,
        16 => bytes[..2].copy_from_slice(&(bits as u16).to_le_bytes()),
        32 => bytes[..4].copy_from_slice(&(bits as u32).to_le_bytes()),
        64 => bytes[..8].copy_from_slice(&bits.to_le_bytes()),
        _ => set_bits(words, start, count, bits),
    }
}

/// Sets those of `count` bits from `to_start` on that are 1 among the `count` bits from `from_start` on.
pub fn copy_bits(to: &mut [u64], to_start: usize, from: &[u64], from_start: usize, count: usize) {
    let mut done = 0;
    while done < count {
        let some = WORD.min(count - done);
        set_bits(
            to,
            to_start + done,
            some,
            read_bits(from, from_start + done, some),
        );
        done += some;
    }
}
