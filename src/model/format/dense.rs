//! Rows of bits without padding: bit `i` of a stream is bit `i % 8` of byte `i / 8`.

/// Bytes that `bits` take.
pub(super) fn bytes(bits: u64) -> u64 {
    bits.div_ceil(8)
}

/// The `count` ≤ 64 bits from bit `start` on, the first the least significant.
pub(super) fn get(stream: &[u8], start: u64, count: usize) -> u64 {
    let (range, shift) = window(start, count);
    let mut window = [0; 16];
    window[..range.len()].copy_from_slice(&stream[range]);
    let bits = (u128::from_le_bytes(window) >> shift) as u64;
    if count < 64 {
        bits & !(u64::MAX << count)
    } else {
        bits
    }
}

/// Writes `count` ≤ 64 bits from bit `start` on, over bits that are 0.
pub(super) fn put(stream: &mut [u8], start: u64, count: usize, bits: u64) {
    let (range, shift) = window(start, count);
    let window = (u128::from(bits) << shift).to_le_bytes();
    for (byte, bits) in stream[range].iter_mut().zip(window) {
        *byte |= bits;
    }
}

/// The bytes that hold the bits, at most nine, and how far into the first of them the first bit is.
fn window(start: u64, count: usize) -> (std::ops::Range<usize>, u32) {
    let first = start / 8;
    let end = bytes(start + count as u64);
    (first as usize..end as usize, (start % 8) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every start within a byte and every count, against a reading bit by bit.
    #[test]
    fn as_bit_by_bit() {
        let pattern = 0x9e37_79b9_7f4a_7c15_u64;
        for start in 0..16 {
            for count in 0..=64 {
                let bits = if count < 64 {
                    pattern & !(u64::MAX << count)
                } else {
                    pattern
                };
                let mut stream = [0; 11];
                put(&mut stream, start, count, bits);
                for bit in 0..88 {
                    let inside = bit >= start && bit < start + count as u64;
                    let expected = inside && bits >> (bit - start) & 1 == 1;
                    assert_eq!(
                        stream[bit as usize / 8] >> (bit % 8) & 1 == 1,
                        expected,
                        "{start} {count} {bit}"
                    );
                }
                stream.iter_mut().for_each(|byte| *byte ^= 0xff);
                let all = if count < 64 {
                    !(u64::MAX << count)
                } else {
                    u64::MAX
                };
                assert_eq!(get(&stream, start, count), bits ^ all, "{start} {count}");
            }
        }
    }
}
