//! WebAssembly's 128-bit vectors. A function of any feature may be called from anywhere there: a module with an instruction that
//! the engine does not have would not have been loaded.

use super::{
    bytes::{self, Bytes},
    tile::{Counts, MAX_COLUMNS, Patches, Tile},
};
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
        xnor_count::<R, V>(self, patches, starts, panel, counts)
    }

    const SHALLOW: usize = 8 * <Self as Bytes>::STEPS;

    #[inline(always)]
    fn below<const R: usize, const V: usize>(
        self,
        patches: &Patches<'_>,
        starts: &[usize; R],
        panel: &[u8],
        bounds: &[u8; MAX_COLUMNS],
    ) -> [u64; R] {
        xnor_below::<R, V>(self, patches, starts, panel, bounds)
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
        bytes::count_le_bits::<_, R, V, { Self::LANES }>(self, counts, limits)
    }
}

impl Bytes for Simd128 {
    type Vector = v128;
    type Wide = v128;
    type Weights = v128;
    type Step = v128;
    const TOGETHER: usize = 4;

    #[inline(always)]
    fn zero(self) -> v128 {
        u8x16_splat(0)
    }
    #[inline(always)]
    fn zero_wide(self) -> v128 {
        u16x8_splat(0)
    }
    #[inline(always)]
    unsafe fn weights(self, from: *const u8) -> v128 {
        // SAFETY: the caller's register.
        unsafe { v128_load(from.cast()) }
    }
    #[inline(always)]
    fn step(self, byte: &u8) -> v128 {
        // SAFETY: a load of the byte.
        unsafe { v128_load8_splat(byte) }
    }
    #[inline(always)]
    fn add_differing(self, counts: v128, weights: v128, step: v128) -> v128 {
        u8x16_add(counts, u8x16_popcnt(v128_xor(weights, step)))
    }
    #[inline(always)]
    fn widen(self, [first, second]: [v128; 2], counts: v128) -> [v128; 2] {
        [
            u16x8_add(first, u16x8_extend_low_u8x16(counts)),
            u16x8_add(second, u16x8_extend_high_u8x16(counts)),
        ]
    }
    #[inline(always)]
    fn flush(self, wide: v128, counts: &mut [u32], add: bool) {
        let halves = [u32x4_extend_low_u16x8(wide), u32x4_extend_high_u16x8(wide)];
        let counts = counts.as_chunks_mut::<4>().0;
        for (half, counts) in halves
            .into_iter()
            .zip(counts.first_chunk_mut::<2>().expect("8 counts"))
        {
            let before = if add { load(counts) } else { u32x4_splat(0) };
            // SAFETY: a store of four counts.
            unsafe { v128_store(counts.as_mut_ptr().cast(), u32x4_add(before, half)) };
        }
    }
    #[inline(always)]
    fn le_bits(self, counts: &[u32], limits: &[i32]) -> u32 {
        i32x4_bitmask(i32x4_le(load(&counts[..4]), load(&limits[..4]))).into()
    }
}

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
        level: Simd128,
        patches: &Patches<'_>,
        starts: &[usize; R],
        panel: &[u8],
        counts: &mut [Counts; R],
    ) {
        bytes::count::<_, R, V>(level, patches, starts, panel, counts);
    }
}

compiled_for! { Simd128,
    /// As [`xnor_count`], for so little depth that no byte of counts overflows: a comparison of bytes is the result, and
    /// nothing is widened.
    #[inline]
    fn xnor_below<const R: usize, const V: usize>(
        level: Simd128,
        patches: &Patches<'_>,
        starts: &[usize; R],
        panel: &[u8],
        bounds: &[u8; MAX_COLUMNS],
    ) -> [u64; R] {
        bytes::shallow::<_, R, V>(level, patches, starts, panel).map(|counts| {
            let pairs = counts.iter().zip(bounds.as_chunks::<16>().0).enumerate();
            pairs.fold(0, |bits, (v, (&count, bounds))| {
                bits | u64::from(u8x16_bitmask(u8x16_lt(count, load(bounds)))) << (v * Simd128::LANES)
            })
        })
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
