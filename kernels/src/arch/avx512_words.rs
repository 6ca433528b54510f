//! AVX-512 with VPOPCNTDQ, rows of a word each: eight columns a register, and no sum to keep.
//!
//! A row is broadcast, and each eight columns take an exclusive or, a population count, a comparison and the mask's way to memory:
//! `1 + 4 G` instructions a row, with weights and bounds in registers (16 of 32 at `G = 4`). At 64 columns of 64 bits that is 17 for half of
//! the 4096 multiply-accumulates; a 6×32 tile of two steps takes 13 for as many and has its counts yet to compare.

use super::tile::{Strided, Tile};
use crate::isa::{Avx512Vpopcnt, compiled_for};
use core::arch::x86_64::*;

/// A panel is its first 32 bits of depth, sixteen columns a register, and then the other 32, if there are.
#[inline(always)]
pub(super) fn column_words(
    _: Avx512Vpopcnt,
    panel: &[u8],
    registers: usize,
    steps: usize,
) -> [[u64; 8]; 4] {
    const HALF: usize = 8 * Avx512Vpopcnt::STEP;
    let mut words = [[0; 8]; 4];
    for step in 0..steps {
        let halves = panel[step * registers * 2 * HALF..].as_chunks::<HALF>().0;
        for (words, halves) in words.iter_mut().zip(&halves[..2 * registers]) {
            for (word, half) in words.iter_mut().zip(halves.as_chunks().0) {
                *word |= u64::from(u32::from_le_bytes(*half)) << (step * HALF);
            }
        }
    }
    words
}

#[inline(always)]
pub(super) fn words_below<const G: usize>(
    _: Avx512Vpopcnt,
    rows: Strided<'_>,
    weights: &[[u64; 8]; G],
    bounds: &[[u64; 8]; G],
    out: &mut [u8],
    out_bytes: usize,
) {
    // SAFETY: the token exists only where the CPU has the level's features.
    unsafe { xnor_words_below(rows, weights, bounds, out, out_bytes) }
}

compiled_for! { Avx512Vpopcnt,
    #[inline]
    fn xnor_words_below<const G: usize>(
        rows: Strided<'_>,
        weights: &[[u64; 8]; G],
        bounds: &[[u64; 8]; G],
        out: &mut [u8],
        out_bytes: usize,
    ) {
        let Some(last) = rows.count.checked_sub(1) else { return };
        assert!(last * rows.stride < rows.words.len(), "rows within the words");
        assert!(last * out_bytes + G <= out.len(), "outputs within the bytes");
        let (mut weight, mut bound) = ([_mm512_setzero_si512(); G], [_mm512_setzero_si512(); G]);
        for g in 0..G {
            // SAFETY: unaligned loads of eight words.
            unsafe {
                weight[g] = _mm512_loadu_si512(weights[g].as_ptr().cast());
                bound[g] = _mm512_loadu_si512(bounds[g].as_ptr().cast());
            }
        }
        for row in 0..rows.count {
            // SAFETY: the last row is within the words, and this one is not after it.
            let word = unsafe { *rows.words.get_unchecked(row * rows.stride) };
            let word = _mm512_set1_epi64(word as i64);
            let mut bits = [0; G];
            for g in 0..G {
                let differing = _mm512_popcnt_epi64(_mm512_xor_si512(word, weight[g]));
                bits[g] = _mm512_cmplt_epu64_mask(differing, bound[g]);
            }
            // SAFETY: so are the last outputs, and these are not after them.
            unsafe { out.as_mut_ptr().add(row * out_bytes).cast::<[u8; G]>().write(bits) }
        }
    }
}
