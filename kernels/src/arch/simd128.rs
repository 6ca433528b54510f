//! WebAssembly's 128-bit vectors. A function of any feature may be called from anywhere there: a module with an instruction that
//! the engine does not have would not have been loaded.

use super::tile::{Counts, MAX_COLUMNS, Patches, Tile};
use crate::isa::{Simd128, compiled_for};
use core::arch::wasm32::*;

impl Tile for Simd128 {
    const LANES: usize = 16;
    const REGISTERS: usize = 2;
    const ROWS: usize = 2;
    const STEP: usize = 1;

    #[inline(always)]
    fn count<const R: usize, const V: usize>(
        self,
        patches: &Patches<'_>,
        starts: &[usize; R],
        panel: &[u8],
        counts: &mut [Counts; R],
    ) {
        xnor_count::<R, V>(patches, starts, panel, counts)
    }

    fn peak_throughput(self, rounds: u64) -> u64 {
        peak_throughput(rounds);
        8 * 8 * Self::LANES as u64
    }

    #[inline(always)]
    fn bits(self, flags: &[u8; 64]) -> u64 {
        bits(flags)
    }

    #[inline(always)]
    fn count_le_bits<const R: usize, const V: usize>(
        self,
        counts: &[Counts; R],
        limits: &[i32; MAX_COLUMNS],
    ) -> [u64; R] {
        counts
            .each_ref()
            .map(|counts| row_le_bits::<V>(counts, limits))
    }
}

/// Steps until a byte of counts could overflow: each step adds at most 8.
const STEPS: usize = 255 / 8;

/// Such chunks until 16 bits of counts could overflow.
const CHUNKS: usize = 65535 / (8 * STEPS);

compiled_for! { Simd128,
    /// Lanes of bytes: sixteen channels a register, depth in steps of a byte, each activation byte loaded to all lanes. Three
    /// instructions a register and step (xor, popcnt, add): two rows by two registers are 12 for 512 multiply-accumulates, with
    /// four loads and the loop's five.
    ///
    /// Engines make `popcnt` one instruction on Arm and eight on x86, two shuffles among them. In V8 11.3 on a Zen 3 core, 256 × 256 ×
    /// 2304, the tile does 140 · 10⁹ multiply-accumulates a second, 0.81 of those three instructions on registers alone (172); four
    /// rows by one register 137, by two 100, as V8 then spills. Nibble tables as in AVX2 did at most 128 (two rows by two registers),
    /// on twice as large panels: `swizzle` has to clear what its indices are not to reach, which is an instruction more on x86, and
    /// on Arm they would take four instructions where three do.
    #[inline]
    fn xnor_count<const R: usize, const V: usize>(
        patches: &Patches<'_>,
        starts: &[usize; R],
        panel: &[u8],
        counts: &mut [Counts; R],
    ) {
        let rows = patches.pointers(starts, Simd128::STEP);
        assert!(panel.len() >= patches.panel_steps() * V * Simd128::LANES, "a panel as deep as the rows");
        let mut panel = panel.as_ptr();
        let mut wide = [[[u16x8_splat(0); 2]; V]; R];
        let (mut flushed, mut room) = (false, CHUNKS);
        for segment in 0..patches.segments {
            if segment > 0 {
                panel = panel.wrapping_add(patches.gap * V * Simd128::LANES);
            }
            let mut step = segment * patches.stride;
            let end = step + patches.steps;
            while step < end {
                let stop = end.min(step + STEPS);
                let mut sums = [[u8x16_splat(0); V]; R];
                while step < stop {
                    let weights: [_; V] = core::array::from_fn(|v| {
                        // SAFETY: the panel is as deep as the rows, whose steps are counted here.
                        unsafe { v128_load(panel.wrapping_add(v * Simd128::LANES).cast()) }
                    });
                    panel = panel.wrapping_add(V * Simd128::LANES);
                    for r in 0..R {
                        // SAFETY: `pointers` has checked that all steps of all segments lie within the words.
                        let byte = unsafe { v128_load8_splat(rows[r].add(step)) };
                        for v in 0..V {
                            sums[r][v] = u8x16_add(sums[r][v], u8x16_popcnt(v128_xor(weights[v], byte)));
                        }
                    }
                    step += 1;
                }
                for r in 0..R {
                    for v in 0..V {
                        wide[r][v][0] = u16x8_add(wide[r][v][0], u16x8_extend_low_u8x16(sums[r][v]));
                        wide[r][v][1] = u16x8_add(wide[r][v][1], u16x8_extend_high_u8x16(sums[r][v]));
                    }
                }
                room -= 1;
                if room == 0 {
                    flush(&mut wide, counts, flushed);
                    flushed = true;
                    room = CHUNKS;
                }
            }
        }
        flush(&mut wide, counts, flushed);
    }
}

compiled_for! { Simd128,
    /// An array as a vector.
    #[inline]
    fn load<T>(array: &[T]) -> v128 {
        assert_eq!(size_of_val(array), size_of::<v128>(), "sixteen bytes");
        // SAFETY: an unaligned load of sixteen bytes.
        unsafe { v128_load(array.as_ptr().cast()) }
    }
}

compiled_for! { Simd128,
    /// Adds 16-bit counts to those of 32 bits, if there are any yet, and clears them.
    #[inline]
    fn flush<const R: usize, const V: usize>(wide: &mut [[[v128; 2]; V]; R], counts: &mut [Counts; R], add: bool) {
        for (wide, counts) in wide.iter_mut().zip(counts) {
            for (wide, counts) in wide.as_flattened_mut().iter_mut().zip(counts.as_chunks_mut::<8>().0) {
                let halves = [u32x4_extend_low_u16x8(*wide), u32x4_extend_high_u16x8(*wide)];
                for (half, counts) in halves.into_iter().zip(counts.as_chunks_mut::<4>().0) {
                    let before = if add { load(counts) } else { u32x4_splat(0) };
                    // SAFETY: a store of four counts.
                    unsafe { v128_store(counts.as_mut_ptr().cast(), u32x4_add(before, half)) };
                }
                *wide = u16x8_splat(0);
            }
        }
    }
}

compiled_for! { Simd128,
    #[inline]
    fn row_le_bits<const V: usize>(counts: &Counts, limits: &[i32; MAX_COLUMNS]) -> u64 {
        let pairs = counts.as_chunks::<4>().0.iter().zip(limits.as_chunks::<4>().0).take(V * Simd128::LANES / 4);
        pairs.enumerate().fold(0, |bits, (four, (counts, limits))| {
            bits | u64::from(i32x4_bitmask(i32x4_le(load(counts), load(limits)))) << (four * 4)
        })
    }
}

compiled_for! { Simd128,
    /// Eight lookups and additions, independent of each other.
    fn peak_throughput(rounds: u64) {
        let mut sums = [u8x16_splat(0); 8];
        for _ in 0..rounds {
            let weights = core::hint::black_box(u8x16_splat(3));
            for sum in &mut sums {
                *sum = u8x16_add(*sum, u8x16_popcnt(v128_xor(*sum, weights)));
            }
        }
        core::hint::black_box(sums);
    }
}

compiled_for! { Simd128,
    #[inline]
    fn bits(flags: &[u8; 64]) -> u64 {
        let parts = flags.as_chunks::<16>().0.iter().rev();
        parts.fold(0, |bits, part| bits << 16 | u64::from(u8x16_bitmask(u8x16_shl(load(part), 7))))
    }
}
