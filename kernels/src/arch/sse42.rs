//! SSE4.2: x86-64 without AVX2.

use super::{
    bytes::{self, Bytes},
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
        unsafe { xnor_count::<R, V>(self, patches, starts, panel, counts) }
    }

    fn peak_throughput(self, rounds: u64) -> u64 {
        // SAFETY: the token exists only where the CPU has the level's features.
        unsafe { peak_throughput(rounds) };
        8 * 4 * Self::LANES as u64
    }

    #[inline(always)]
    fn bits(self, flags: &[u8; 64]) -> u64 {
        // SAFETY: the token exists only where the CPU has the level's features.
        unsafe { bits(self, flags) }
    }

    #[inline(always)]
    fn count_le_bits<const R: usize, const V: usize>(
        self,
        counts: &[Counts; R],
        limits: &[i32; MAX_COLUMNS],
    ) -> [u64; R] {
        // SAFETY: the token exists only where the CPU has the level's features.
        unsafe { xnor_le_bits::<R, V>(self, counts, limits) }
    }
}

impl Bytes for Sse42 {
    type Vector = __m128i;
    type Wide = __m128i;
    /// Low nibbles and high nibbles.
    type Weights = [__m128i; 2];
    /// The tables of the low nibble and of the high one.
    type Step = [__m128i; 2];
    const STEPS: usize = nibbles::STEPS;
    const TOGETHER: usize = 4;

    #[inline(always)]
    fn zero(self) -> __m128i {
        intrinsic!(_mm_setzero_si128())
    }
    #[inline(always)]
    fn zero_wide(self) -> __m128i {
        intrinsic!(_mm_setzero_si128())
    }
    #[inline(always)]
    unsafe fn weights(self, from: *const u8) -> [__m128i; 2] {
        let from: *const __m128i = from.cast();
        // SAFETY: the caller's two registers.
        unsafe { [_mm_loadu_si128(from), _mm_loadu_si128(from.add(1))] }
    }
    #[inline(always)]
    fn step(self, byte: &u8) -> [__m128i; 2] {
        let [low, high] = &nibbles::TABLES.0[usize::from(*byte)];
        [load(self, low), load(self, high)]
    }
    #[inline(always)]
    fn add_differing(self, counts: __m128i, weights: [__m128i; 2], step: [__m128i; 2]) -> __m128i {
        let low = intrinsic!(_mm_shuffle_epi8(step[0], weights[0]));
        let high = intrinsic!(_mm_shuffle_epi8(step[1], weights[1]));
        let counts = intrinsic!(_mm_add_epi8(counts, low));
        intrinsic!(_mm_add_epi8(counts, high))
    }
    #[inline(always)]
    fn widen(self, [first, second]: [__m128i; 2], counts: __m128i) -> [__m128i; 2] {
        let low = intrinsic!(_mm_cvtepu8_epi16(counts));
        let high = intrinsic!(_mm_cvtepu8_epi16(intrinsic!(_mm_srli_si128::<8>(counts))));
        [
            intrinsic!(_mm_add_epi16(first, low)),
            intrinsic!(_mm_add_epi16(second, high)),
        ]
    }
    #[inline(always)]
    fn flush(self, wide: __m128i, counts: &mut [u32], add: bool) {
        let low = intrinsic!(_mm_cvtepu16_epi32(wide));
        let high = intrinsic!(_mm_cvtepu16_epi32(intrinsic!(_mm_srli_si128::<8>(wide))));
        let counts = counts.as_chunks_mut::<4>().0;
        for (half, counts) in [low, high]
            .into_iter()
            .zip(counts.first_chunk_mut::<2>().expect("8 counts"))
        {
            let before = if add {
                load(self, counts)
            } else {
                intrinsic!(_mm_setzero_si128())
            };
            let sum = intrinsic!(_mm_add_epi32(before, half));
            // SAFETY: an unaligned store of four counts.
            unsafe { _mm_storeu_si128(counts.as_mut_ptr().cast(), sum) };
        }
    }
    #[inline(always)]
    fn le_bits(self, counts: &[u32], limits: &[i32]) -> u32 {
        let above = intrinsic!(_mm_cmpgt_epi32(
            load(self, &counts[..4]),
            load(self, &limits[..4])
        ));
        (intrinsic!(_mm_movemask_ps(intrinsic!(_mm_castsi128_ps(above)))) ^ 15) as u32
    }
}

/// An array as a vector.
#[inline(always)]
fn load<T>(_: Sse42, array: &[T]) -> __m128i {
    assert_eq!(size_of_val(array), size_of::<__m128i>(), "sixteen bytes");
    // SAFETY: an unaligned load of sixteen bytes.
    unsafe { _mm_loadu_si128(array.as_ptr().cast()) }
}

compiled_for! { Sse42,
    /// The nibble tables of AVX2 on registers of half the width: a step loads four registers of weights, and each row's two tables
    /// once for each register, as a shuffle overwrites its table: at most 14 registers of 16. Each row costs a byte's load, a
    /// shift, four tables loaded, four shuffles and four additions: 63 instructions, with the loop's three, for 4 · 32 · 8 = 1024
    /// multiply-accumulates. Measured at 259 · 10⁹ a second on a Zen 3 core, 256 × 256 × 2304, where the portable tile does 88 compiled for
    /// any x86-64, and 102 for this level; shuffles, additions and copies of the table alone, on registers, do 344.
    #[inline]
    fn xnor_count<const R: usize, const V: usize>(
        level: Sse42,
        patches: &Patches<'_>,
        starts: &[usize; R],
        panel: &[u8],
        counts: &mut [Counts; R],
    ) {
        bytes::count::<_, R, V>(level, patches, starts, panel, counts);
    }
}

compiled_for! { Sse42,
    #[inline]
    fn xnor_le_bits<const R: usize, const V: usize>(
        level: Sse42,
        counts: &[Counts; R],
        limits: &[i32; MAX_COLUMNS],
    ) -> [u64; R] {
        bytes::count_le_bits::<_, R, V, { Sse42::LANES }>(level, counts, limits)
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
    fn bits(level: Sse42, flags: &[u8; 64]) -> u64 {
        let parts = flags.as_chunks::<16>().0.iter().rev();
        parts.fold(0, |bits, part| bits << 16 | _mm_movemask_epi8(_mm_slli_epi16::<7>(load(level, part))) as u64)
    }
}
