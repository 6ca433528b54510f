//! AVX2, for few columns of little depth: the rows lie in the lanes, and the weights are what is broadcast.
//!
//! A panel's register has 32 lanes of columns; eight columns leave three quarters of them empty, and a row's 32 counts of 32 bits
//! take longer to widen and to compare than five bytes of depth to count. With roles swapped all lanes are full, and as long as
//! counts fit in bytes, so do limits: a column costs 32 rows a comparison, a mask and an `or`, and the eight bits of eight
//! columns end as a byte of the row's result.
//!
//! For 32 rows and eight columns: a read of 64 bits takes each row about ten instructions and the transposition of 32 words 48;
//! a step splits 32 bytes into nibbles (three), puts those of the weights together (five), and then costs each column a byte's
//! load, a shift, two tables broadcast, two shuffles and two additions: 64. Comparing takes six for each column, setting a row's
//! bits in the output about ten for each row. At five steps that is 320 + 48 + 5 · 72 + 48 + 320 ≈ 1100, or 34 a row, where the
//! tile takes 43 to count, 40 to widen and to compare all 32 lanes, and the same ten to set the bits.

use super::{
    bytes::Bytes,
    tile::{MAX_COLUMNS, NARROW_ROWS, Patches, Tile},
};
use crate::{
    bits::{WORD, read_bits},
    isa::{Avx2, compiled_for},
};
use core::arch::x86_64::*;

/// The most steps: a row is read as one word.
const STEPS: usize = WORD / (8 * Avx2::STEP);

/// Columns that are counted together, in as many registers.
const TOGETHER: usize = 8;

/// Bit `c` of result `r`: does row `r` differ from column `c` in at most `limits[c]` bits?
///
/// `None` where rows are more than one run, or longer than a word.
#[inline(always)]
pub(super) fn narrow(
    level: Avx2,
    patches: &Patches<'_>,
    starts: &[usize; NARROW_ROWS],
    panel: &[u8],
    columns: usize,
    limits: &[i32; MAX_COLUMNS],
) -> Option<[u32; NARROW_ROWS]> {
    if patches.segments != 1 || patches.steps > STEPS || columns > Avx2::LANES {
        return None;
    }
    // SAFETY: the token exists only where the CPU has the level's features.
    Some(unsafe { xnor_narrow(level, patches, starts, panel, columns, limits) })
}

compiled_for! { Avx2,
    #[inline]
    fn xnor_narrow(
        level: Avx2,
        patches: &Patches<'_>,
        starts: &[usize; NARROW_ROWS],
        panel: &[u8],
        columns: usize,
        limits: &[i32; MAX_COLUMNS],
    ) -> [u32; NARROW_ROWS] {
        let mut words = [0; NARROW_ROWS];
        for (word, start) in words.iter_mut().zip(starts) {
            *word = read_bits(patches.words, start * 8, WORD);
        }
        let rows = transpose(&words);
        // Of each step the weights' bytes, placed as `lay` does.
        let mut weights = [[0; Avx2::LANES]; STEPS];
        for (weights, step) in weights.iter_mut().zip(panel.as_chunks::<{ Avx2::STEP_BYTES }>().0) {
            let [low, high] = step.as_chunks().0 else { unreachable!("a step is two registers") };
            store(_mm256_or_si256(load(low), _mm256_slli_epi16::<4>(load(high))), weights);
        }
        // Of each column the limit, and its bit of a byte. No count is below 0, none above 255.
        let (mut most, mut bit) = ([0; Avx2::LANES], [0; Avx2::LANES]);
        for column in 0..Avx2::LANES {
            let limit = limits[column];
            most[column] = limit.clamp(0, 255) as u8;
            bit[column] = if limit < 0 { 0 } else { 1_u8 << (column % TOGETHER) };
        }

        let nibble = _mm256_set1_epi8(15);
        let mut flags = [[0; NARROW_ROWS]; Avx2::LANES / TOGETHER];
        for (group, flags) in flags[..columns.div_ceil(TOGETHER)].iter_mut().enumerate() {
            let place = group % 2 * 16 + group / 2;
            let mut sums = [_mm256_setzero_si256(); TOGETHER];
            for (bytes, weights) in rows[..patches.steps].iter().zip(&weights) {
                let low_nibbles = _mm256_and_si256(*bytes, nibble);
                let high_nibbles = _mm256_and_si256(_mm256_srli_epi16::<4>(*bytes), nibble);
                let weights = &weights[place..][..2 * TOGETHER - 1];
                for (sum, weight) in sums.iter_mut().zip(weights.iter().step_by(2)) {
                    *sum = level.add_differing(*sum, [low_nibbles, high_nibbles], level.step(weight));
                }
            }
            let mut bits = _mm256_setzero_si256();
            let columns = group * TOGETHER..(group + 1) * TOGETHER;
            for (sum, (most, bit)) in sums.iter().zip(most[columns.clone()].iter().zip(&bit[columns])) {
                let count_le = _mm256_cmpeq_epi8(_mm256_min_epu8(*sum, _mm256_set1_epi8(*most as i8)), *sum);
                bits = _mm256_or_si256(bits, _mm256_and_si256(count_le, _mm256_set1_epi8(*bit as i8)));
            }
            store(bits, flags);
        }
        let mut bits = [0; NARROW_ROWS];
        for row in 0..NARROW_ROWS {
            let [a, b, c, d] = &flags;
            bits[row] = u32::from_le_bytes([a[row], b[row], c[row], d[row]]);
        }
        bits
    }
}

compiled_for! { Avx2,
    /// Byte `b` of word `w` becomes byte `w` of result `b`.
    ///
    /// Each half of a register holds two words; the two halves are 16 words that never meet. Interleaved bytes make pairs, and
    /// eight registers of eight pairs are transposed as a butterfly: pairs, then twos, then fours of them.
    #[inline]
    fn transpose(words: &[u64; 32]) -> [__m256i; 8] {
        let interleave = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15));
        let twos = words.as_chunks::<2>().0;
        let a: [_; 8] = core::array::from_fn(|q| {
            let [low, high] = [twos[q], twos[8 + q]].map(|[first, second]| _mm_set_epi64x(second as i64, first as i64));
            _mm256_shuffle_epi8(_mm256_set_m128i(high, low), interleave)
        });
        // b[2 i + h] of registers 2 i and 2 i + 1: steps 4 h to 4 h + 3, four words each.
        let b: [_; 8] = core::array::from_fn(|k| {
            let (x, y) = (a[k & !1], a[k | 1]);
            if k % 2 == 0 { _mm256_unpacklo_epi16(x, y) } else { _mm256_unpackhi_epi16(x, y) }
        });
        // c[4 j + k], of registers 4 j to 4 j + 3: steps 2 k and 2 k + 1, eight words each.
        let c: [_; 8] = core::array::from_fn(|k| {
            let first = k & 4 | k >> 1 & 1;
            let (x, y) = (b[first], b[first + 2]);
            if k % 2 == 0 { _mm256_unpacklo_epi32(x, y) } else { _mm256_unpackhi_epi32(x, y) }
        });
        core::array::from_fn(|step| {
            let (x, y) = (c[step / 2], c[4 + step / 2]);
            if step % 2 == 0 { _mm256_unpacklo_epi64(x, y) } else { _mm256_unpackhi_epi64(x, y) }
        })
    }
}

compiled_for! { Avx2,
    #[inline]
    fn load(bytes: &[u8; 32]) -> __m256i {
        // SAFETY: an unaligned load of the array.
        unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
    }
}

compiled_for! { Avx2,
    #[inline]
    fn store(register: __m256i, bytes: &mut [u8; 32]) {
        // SAFETY: an unaligned store to the array.
        unsafe { _mm256_storeu_si256(bytes.as_mut_ptr().cast(), register) }
    }
}
