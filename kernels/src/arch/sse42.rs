//! SSE4.2: x86-64 without AVX2.

use super::{
    nibbles,
    tile::{Counts, MAX_COLUMNS, Patches, Tile},
};
use crate::isa::{Sse42, compiled_for};
use core::arch::x86_64::*;

impl Tile for Sse42 {
    const LANES: usize = 16;
    const REGISTERS: usize = 2;
    const ROWS: usize = 4;
    const STEP: usize = 1;

    /// The low nibbles of a register's lanes, then the high ones.
    const STEP_BYTES: usize = 2 * Self::LANES;

    fn lay(lane: usize, step: &[u8], bytes: &mut [u8]) {
        bytes[lane] = step[0] & 15;
        bytes[Self::LANES + lane] = step[0] >> 4;
    }

    #[inline(always)]
    fn count<const R: usize, const V: usize>(
        self,
        patches: &Patches<'_>,
        starts: &[usize; R],
        panel: &[u8],
        counts: &mut [Counts; R],
    ) {
        // SAFETY: the token exists only where the CPU has the level's features.
        unsafe { xnor_count::<R, V>(patches, starts, panel, counts) }
    }

    fn peak_throughput(self, rounds: u64) -> u64 {
        // SAFETY: the token exists only where the CPU has the level's features.
        unsafe { peak_throughput(rounds) };
        8 * 4 * Self::LANES as u64
    }

    #[inline(always)]
    fn bits(self, flags: &[u8; 64]) -> u64 {
        // SAFETY: the token exists only where the CPU has the level's features.
        unsafe { bits(flags) }
    }

    #[inline(always)]
    fn count_le_bits<const R: usize, const V: usize>(
        self,
        counts: &[Counts; R],
        limits: &[i32; MAX_COLUMNS],
    ) -> [u64; R] {
        // SAFETY: the token exists only where the CPU has the level's features.
        unsafe { xnor_le_bits::<R, V>(counts, limits) }
    }
}

compiled_for! { Sse42,
    /// The nibble tables of AVX2 on registers of half the width: a step loads four registers of weights, and each row's two tables
    /// once for each register, as a shuffle overwrites its table: at most 14 registers of 16. Each row costs a byte's load, a
    /// shift, four tables loaded, four shuffles and four additions: 63 instructions, with the loop's three, for 4 · 32 · 8 = 1024
    /// multiply-accumulates. Measured at 259 · 10⁹ a second on a Zen 3 core, 256 × 256 × 2304, where the portable tile does 88 compiled for
    /// any x86-64, and 102 for this level; shuffles, additions and copies of the table alone, on registers, do 344.
    #[inline]
    fn xnor_count<const R: usize, const V: usize>(
        patches: &Patches<'_>,
        starts: &[usize; R],
        panel: &[u8],
        counts: &mut [Counts; R],
    ) {
        let rows = patches.pointers(starts, Sse42::STEP);
        assert!(panel.len() >= patches.panel_steps() * V * Sse42::STEP_BYTES, "a panel as deep as the rows");
        let mut panel = panel.as_ptr();
        let mut wide = [[[_mm_setzero_si128(); 2]; V]; R];
        let (mut flushed, mut room) = (false, nibbles::CHUNKS);
        for segment in 0..patches.segments {
            if segment > 0 {
                panel = panel.wrapping_add(patches.gap * V * Sse42::STEP_BYTES);
            }
            let mut step = segment * patches.stride;
            let end = step + patches.steps;
            while step < end {
                let stop = end.min(step + nibbles::STEPS);
                let mut sums = [[_mm_setzero_si128(); V]; R];
                while step < stop {
                    let weights: [_; V] = core::array::from_fn(|v| {
                        let nibbles = panel.wrapping_add(v * Sse42::STEP_BYTES).cast::<__m128i>();
                        // SAFETY: the panel is as deep as the rows, whose steps are counted here.
                        unsafe { [_mm_loadu_si128(nibbles), _mm_loadu_si128(nibbles.add(1))] }
                    });
                    panel = panel.wrapping_add(V * Sse42::STEP_BYTES);
                    for r in 0..R {
                        // SAFETY: `pointers` has checked that all steps of all segments lie within the words.
                        let byte = unsafe { *rows[r].add(step) };
                        let [low_table, high_table] = &nibbles::TABLES.0[usize::from(byte)];
                        let (low_table, high_table) = (load(low_table), load(high_table));
                        for v in 0..V {
                            let low = _mm_shuffle_epi8(low_table, weights[v][0]);
                            let high = _mm_shuffle_epi8(high_table, weights[v][1]);
                            sums[r][v] = _mm_add_epi8(_mm_add_epi8(sums[r][v], low), high);
                        }
                    }
                    step += 1;
                }
                for r in 0..R {
                    for v in 0..V {
                        wide[r][v][0] = _mm_add_epi16(wide[r][v][0], _mm_cvtepu8_epi16(sums[r][v]));
                        wide[r][v][1] = _mm_add_epi16(wide[r][v][1], _mm_cvtepu8_epi16(_mm_srli_si128::<8>(sums[r][v])));
                    }
                }
                room -= 1;
                if room == 0 {
                    flush(&mut wide, counts, flushed);
                    flushed = true;
                    room = nibbles::CHUNKS;
                }
            }
        }
        flush(&mut wide, counts, flushed);
    }
}

compiled_for! { Sse42,
    /// An array as a vector.
    #[inline]
    fn load<T>(array: &[T]) -> __m128i {
        assert_eq!(size_of_val(array), size_of::<__m128i>(), "sixteen bytes");
        // SAFETY: an unaligned load of sixteen bytes.
        unsafe { _mm_loadu_si128(array.as_ptr().cast()) }
    }
}

compiled_for! { Sse42,
    /// Adds 16-bit counts to those of 32 bits, if there are any yet, and clears them.
    #[inline]
    fn flush<const R: usize, const V: usize>(wide: &mut [[[__m128i; 2]; V]; R], counts: &mut [Counts; R], add: bool) {
        for (wide, counts) in wide.iter_mut().zip(counts) {
            for (wide, counts) in wide.as_flattened_mut().iter_mut().zip(counts.as_chunks_mut::<8>().0) {
                let halves = [_mm_cvtepu16_epi32(*wide), _mm_cvtepu16_epi32(_mm_srli_si128::<8>(*wide))];
                for (half, counts) in halves.into_iter().zip(counts.as_chunks_mut::<4>().0) {
                    let before = if add { load(counts) } else { _mm_setzero_si128() };
                    // SAFETY: a store of four counts.
                    unsafe { _mm_storeu_si128(counts.as_mut_ptr().cast(), _mm_add_epi32(before, half)) };
                }
                *wide = _mm_setzero_si128();
            }
        }
    }
}

compiled_for! { Sse42,
    #[inline]
    fn xnor_le_bits<const R: usize, const V: usize>(counts: &[Counts; R], limits: &[i32; MAX_COLUMNS]) -> [u64; R] {
        counts.each_ref().map(|counts| row_le_bits::<V>(counts, limits))
    }
}

compiled_for! { Sse42,
    #[inline]
    fn row_le_bits<const V: usize>(counts: &Counts, limits: &[i32; MAX_COLUMNS]) -> u64 {
        let pairs = counts.as_chunks::<4>().0.iter().zip(limits.as_chunks::<4>().0).take(V * Sse42::LANES / 4);
        pairs.enumerate().fold(0, |bits, (four, (counts, limits))| {
            let above = _mm_movemask_ps(_mm_castsi128_ps(_mm_cmpgt_epi32(load(counts), load(limits))));
            bits | ((above ^ 15) as u64) << (four * 4)
        })
    }
}

compiled_for! { Sse42,
    /// Eight lookups and additions, independent of each other.
    fn peak_throughput(rounds: u64) {
        let (table, nibbles) = (_mm_set1_epi8(3), _mm_set1_epi8(5));
        let mut sums = [_mm_setzero_si128(); 8];
        for _ in 0..rounds {
            for sum in &mut sums {
                // SAFETY: computes on registers.
                unsafe {
                    core::arch::asm!(
                        "movdqa {found}, {table}",
                        "pshufb {found}, {nibbles}",
                        "paddb {sum}, {found}",
                        table = in(xmm_reg) table,
                        nibbles = in(xmm_reg) nibbles,
                        sum = inout(xmm_reg) *sum,
                        found = out(xmm_reg) _,
                        options(nomem, nostack, preserves_flags),
                    );
                }
            }
        }
        core::hint::black_box(sums);
    }
}

compiled_for! { Sse42,
    #[inline]
    fn bits(flags: &[u8; 64]) -> u64 {
        let parts = flags.as_chunks::<16>().0.iter().rev();
        parts.fold(0, |bits, part| bits << 16 | _mm_movemask_epi8(_mm_slli_epi16::<7>(load(part))) as u64)
    }
}
