//! AVX-512, with and without VPOPCNTDQ.

use super::tile::{Counts, MAX_COLUMNS, Patches, Strided, Tile};
use super::{
    avx512_popcount::{
        spin_popcount, xnor_count_popcount, xnor_popcount_le_bits, xnor_popcount_sums,
    },
    avx512_words,
    bytes::{self, Bytes},
    nibbles,
    products::{self, NEIGHBOURS, Products},
};
use crate::{
    isa::{Avx512, Avx512Vpopcnt, compiled_for},
    threshold::Threshold,
};
use core::{arch::x86_64::*, mem::offset_of};

impl Tile for Avx512Vpopcnt {
    const LANES: usize = 16;
    const REGISTERS: usize = 2;
    const ROWS: usize = 6;
    const STEP: usize = 4;

    #[inline(always)]
    fn count<const R: usize, const V: usize>(
        self,
        patches: &Patches<'_>,
        starts: &[usize; R],
        panel: &[u8],
        counts: &mut [Counts; R],
    ) {
        // SAFETY: the token exists only where the CPU has the level's features.
        unsafe { xnor_count_popcount::<R, V>(patches, starts, panel, counts) }
    }

    const FUSED: bool = true;

    #[inline(always)]
    fn count_and_le_bits<const R: usize, const V: usize>(
        self,
        patches: &Patches<'_>,
        starts: &[usize; R],
        panel: &[u8],
        limits: &[i32; MAX_COLUMNS],
    ) -> [u64; R] {
        // SAFETY: the token exists only where the CPU has the level's features.
        unsafe { xnor_popcount_le_bits::<R, V>(patches, starts, panel, limits) }
    }

    const PARTS: bool = true;

    const SUMS: bool = true;

    #[inline(always)]
    fn count_sums<const R: usize, const V: usize>(
        self,
        patches: &Patches<'_>,
        starts: &[usize; R],
        panel: &[u8],
        base: &[i32; MAX_COLUMNS],
        to: (usize, usize, &[usize; R]),
        out: &mut [i32],
    ) {
        // SAFETY: the token exists only where the CPU has the level's features.
        unsafe { xnor_popcount_sums::<R, V>(patches, starts, panel, base, to, out) }
    }

    const WORDS: bool = true;

    #[inline(always)]
    fn column_words(self, panel: &[u8], registers: usize, steps: usize) -> [[u64; 8]; 4] {
        avx512_words::column_words(self, panel, registers, steps)
    }

    #[inline(always)]
    fn words_below<const G: usize>(
        self,
        rows: Strided<'_>,
        weights: &[[u64; 8]; G],
        bounds: &[[u64; 8]; G],
        out: &mut [u8],
        out_bytes: usize,
    ) {
        avx512_words::words_below(self, rows, weights, bounds, out, out_bytes);
    }

    fn peak_throughput(self, rounds: u64) -> u64 {
        // SAFETY: the token exists only where the CPU has the level's features.
        unsafe { spin_popcount(rounds) };
        12 * 32 * Self::LANES as u64
    }

    #[inline(always)]
    fn bits(self, flags: &[u8; 64]) -> u64 {
        // SAFETY: the token exists only where the CPU has the level's features.
        unsafe { bits(flags) }
    }

    #[inline(always)]
    fn split_thresholds(self, thresholds: &[Threshold], at_least: &mut [i32; MAX_COLUMNS]) -> u64 {
        // SAFETY: the token exists only where the CPU has the level's features.
        unsafe { split_thresholds(thresholds, at_least) }
    }

    #[inline(always)]
    fn count_le_bits<const R: usize, const V: usize>(
        self,
        counts: &[Counts; R],
        limits: &[i32; MAX_COLUMNS],
    ) -> [u64; R] {
        // SAFETY: the token exists only where the CPU has the level's features.
        unsafe { xnor_le_bits::<R, V, { Self::LANES }>(self.avx512(), counts, limits) }
    }

    const BYTE_LANES: usize = 16;
    const BYTE_STEP: usize = NEIGHBOURS;

    #[inline(always)]
    fn count_bytes<const R: usize, const V: usize>(
        self,
        base: i32,
        patches: &Patches<'_>,
        starts: &[usize; R],
        panel: &[u8],
        counts: &mut [Counts; R],
    ) {
        // SAFETY: the token exists only where the CPU has the level's features.
        unsafe { multiply_bytes::<R, V>(self.avx512(), base, patches, starts, panel, counts) }
    }
}

/// The bytes of eight thresholds that mean something, a bit each.
const THRESHOLD_BYTES: u64 = {
    assert!(
        size_of::<Threshold>() == 8
            && offset_of!(Threshold, at_least) == 0
            && offset_of!(Threshold, invert) == 4
    );
    u64::from_ne_bytes([0b1_1111; 8])
};

compiled_for! { Avx512,
    /// Sixteen thresholds are two registers, whose even lanes are one. A single row has all of this to itself: written one by one and read back
    /// as a register, the least sums took as long as the count of a thousand bits.
    #[inline]
    fn split_thresholds(thresholds: &[Threshold], at_least: &mut [i32; MAX_COLUMNS]) -> u64 {
        let even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
        let flag = _mm512_set1_epi64(0xff << 32);
        let mut inverted = 0;
        for (index, (some, at_least)) in thresholds.chunks(16).zip(at_least.as_chunks_mut::<16>().0).enumerate() {
            let mut halves = [_mm512_setzero_si512(); 2];
            for (half, some) in halves.iter_mut().zip(some.chunks(8)) {
                let mask = THRESHOLD_BYTES >> (64 - 8 * some.len());
                // SAFETY: the mask has the bytes of these thresholds, less those that are padding.
                *half = unsafe { _mm512_maskz_loadu_epi8(mask, some.as_ptr().cast()) };
            }
            let [low, high] = halves;
            let flags = _mm512_test_epi64_mask(low, flag) as u64 | (_mm512_test_epi64_mask(high, flag) as u64) << 8;
            inverted |= flags << (16 * index);
            let least = _mm512_permutex2var_epi32(low, even, high);
            // SAFETY: a store of at most sixteen sums.
            unsafe { _mm512_mask_storeu_epi32(at_least.as_mut_ptr(), u16::MAX >> (16 - some.len()), least) }
        }
        inverted
    }
}

impl Products for Avx512 {
    type Vector = __m512i;
    const WIDE: usize = 16;

    #[inline(always)]
    fn splat(self, x: i32) -> __m512i {
        intrinsic!(_mm512_set1_epi32(x))
    }
    #[inline(always)]
    unsafe fn weights(self, from: *const u8) -> __m512i {
        // SAFETY: the caller's register; the token proves AVX-512 F.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    fn add_products(self, sums: __m512i, step: __m512i, weights: __m512i) -> __m512i {
        intrinsic!(_mm512_add_epi16(
            sums,
            intrinsic!(_mm512_maddubs_epi16(step, weights))
        ))
    }
    #[inline(always)]
    fn add_neighbours(self, wide: __m512i, sums: __m512i) -> __m512i {
        let ones = intrinsic!(_mm512_set1_epi16(1));
        intrinsic!(_mm512_add_epi32(
            wide,
            intrinsic!(_mm512_madd_epi16(sums, ones))
        ))
    }
    #[inline(always)]
    fn store(self, wide: __m512i, counts: &mut [u32]) {
        let counts = &mut counts[..Self::WIDE];
        // SAFETY: an unaligned store of sixteen counts; the token proves AVX-512 F.
        unsafe { _mm512_storeu_si512(counts.as_mut_ptr().cast(), wide) }
    }
}

compiled_for! { Avx512,
    /// As on AVX2, in registers twice as wide: 35 instructions for 768 multiply-accumulates. Where a register is two halves to the
    /// core (Zen 4), the bound is the same 64 a cycle; the planes of 8 bits would have 341/8 of VPOPCNTDQ's. (VNNI's `vpdpbusd` is the
    /// two in one, but no level requires it.)
    #[inline]
    fn multiply_bytes<const R: usize, const V: usize>(
        level: Avx512,
        base: i32,
        patches: &Patches<'_>,
        starts: &[usize; R],
        panel: &[u8],
        counts: &mut [Counts; R],
    ) {
        products::count_bytes::<_, R, V>(level, base, patches, starts, panel, counts);
    }
}

impl Tile for Avx512 {
    const LANES: usize = 64;
    const REGISTERS: usize = 1;
    const ROWS: usize = 6;
    const STEP: usize = 1;

    /// Even bytes hold the first half of the channels, odd bytes the second: widening by mask and shift then leaves
    /// both halves in order.
    fn lay(lane: usize, step: &[u8], bytes: &mut [u8]) {
        bytes[lane % 32 * 2 + lane / 32] = step[0];
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
        unsafe { spin_nibbles(rounds) };
        8 * 4 * Self::LANES as u64
    }

    #[inline(always)]
    fn bits(self, flags: &[u8; 64]) -> u64 {
        // SAFETY: the token exists only where the CPU has the level's features.
        unsafe { bits(flags) }
    }

    #[inline(always)]
    fn split_thresholds(self, thresholds: &[Threshold], at_least: &mut [i32; MAX_COLUMNS]) -> u64 {
        // SAFETY: the token exists only where the CPU has the level's features.
        unsafe { split_thresholds(thresholds, at_least) }
    }

    #[inline(always)]
    fn count_le_bits<const R: usize, const V: usize>(
        self,
        counts: &[Counts; R],
        limits: &[i32; MAX_COLUMNS],
    ) -> [u64; R] {
        // SAFETY: the token exists only where the CPU has the level's features.
        unsafe { xnor_le_bits::<R, V, { Self::LANES }>(self, counts, limits) }
    }

    const BYTE_LANES: usize = 16;
    const BYTE_STEP: usize = NEIGHBOURS;

    #[inline(always)]
    fn count_bytes<const R: usize, const V: usize>(
        self,
        base: i32,
        patches: &Patches<'_>,
        starts: &[usize; R],
        panel: &[u8],
        counts: &mut [Counts; R],
    ) {
        // SAFETY: the token exists only where the CPU has the level's features.
        unsafe { multiply_bytes::<R, V>(self, base, patches, starts, panel, counts) }
    }
}

impl Bytes for Avx512 {
    type Vector = __m512i;
    type Wide = __m512i;
    /// Low nibbles and high nibbles.
    type Weights = [__m512i; 2];
    /// The tables of the low nibble and of the high one.
    type Step = [__m512i; 2];
    const STEPS: usize = nibbles::STEPS;
    const TOGETHER: usize = 16;

    #[inline(always)]
    fn zero(self) -> __m512i {
        intrinsic!(_mm512_setzero_si512())
    }
    #[inline(always)]
    fn zero_wide(self) -> __m512i {
        intrinsic!(_mm512_setzero_si512())
    }
    #[inline(always)]
    unsafe fn weights(self, from: *const u8) -> [__m512i; 2] {
        // SAFETY: the caller's register; the token proves AVX-512 F.
        let weights = unsafe { _mm512_loadu_si512(from.cast()) };
        let nibble = intrinsic!(_mm512_set1_epi8(15));
        let high = intrinsic!(_mm512_srli_epi16::<4>(weights));
        [
            intrinsic!(_mm512_and_si512(weights, nibble)),
            intrinsic!(_mm512_and_si512(high, nibble)),
        ]
    }
    #[inline(always)]
    fn step(self, byte: &u8) -> [__m512i; 2] {
        let [low, high] = &nibbles::TABLES.0[usize::from(*byte)];
        [broadcast(self, low), broadcast(self, high)]
    }
    #[inline(always)]
    fn add_differing(self, counts: __m512i, weights: [__m512i; 2], step: [__m512i; 2]) -> __m512i {
        let low = intrinsic!(_mm512_shuffle_epi8(step[0], weights[0]));
        let high = intrinsic!(_mm512_shuffle_epi8(step[1], weights[1]));
        let counts = intrinsic!(_mm512_add_epi8(counts, low));
        intrinsic!(_mm512_add_epi8(counts, high))
    }
    #[inline(always)]
    fn widen(self, [first, second]: [__m512i; 2], counts: __m512i) -> [__m512i; 2] {
        let even = intrinsic!(_mm512_and_si512(counts, intrinsic!(_mm512_set1_epi16(255))));
        let odd = intrinsic!(_mm512_srli_epi16::<8>(counts));
        [
            intrinsic!(_mm512_add_epi16(first, even)),
            intrinsic!(_mm512_add_epi16(second, odd)),
        ]
    }
    #[inline(always)]
    fn flush(self, wide: __m512i, counts: &mut [u32], add: bool) {
        let low = intrinsic!(_mm512_castsi512_si256(wide));
        let high = intrinsic!(_mm512_extracti64x4_epi64::<1>(wide));
        let counts = counts.as_chunks_mut::<16>().0;
        for (half, counts) in [low, high]
            .into_iter()
            .zip(counts.first_chunk_mut::<2>().expect("32 counts"))
        {
            let half = intrinsic!(_mm512_cvtepu16_epi32(half));
            let counts: *mut __m512i = counts.as_mut_ptr().cast();
            // SAFETY: an unaligned load and store of sixteen counts; the token proves AVX-512 F.
            unsafe {
                let before = if add {
                    _mm512_loadu_si512(counts)
                } else {
                    _mm512_setzero_si512()
                };
                _mm512_storeu_si512(counts, _mm512_add_epi32(before, half));
            }
        }
    }
    #[inline(always)]
    fn le_bits(self, counts: &[u32], limits: &[i32]) -> u32 {
        let (counts, limits) = (&counts[..16], &limits[..16]);
        // SAFETY: unaligned loads of sixteen counts and limits; the token proves AVX-512 F.
        let (counts, limits) = unsafe {
            (
                _mm512_loadu_si512(counts.as_ptr().cast()),
                _mm512_loadu_si512(limits.as_ptr().cast()),
            )
        };
        intrinsic!(_mm512_cmple_epi32_mask(counts, limits)).into()
    }
}

/// The table in all quarters of a register.
#[inline(always)]
fn broadcast(_: Avx512, table: &[u8; 16]) -> __m512i {
    // SAFETY: an unaligned load of the array; the token proves AVX-512 F.
    unsafe { _mm512_broadcast_i32x4(_mm_loadu_si128(table.as_ptr().cast())) }
}

compiled_for! { Avx512,
    /// The nibble tables on one register of 64 channels. Where there is one byte shuffle a cycle, as on Skylake-X, the two
    /// shuffles of a row's step take two cycles for 512 multiply-accumulates, and everything else fits beside them.
    #[inline]
    fn xnor_count<const R: usize, const V: usize>(
        level: Avx512,
        patches: &Patches<'_>,
        starts: &[usize; R],
        panel: &[u8],
        counts: &mut [Counts; R],
    ) {
        bytes::count::<_, R, V>(level, patches, starts, panel, counts);
    }
}

compiled_for! { Avx512,
    #[inline]
    fn xnor_le_bits<const R: usize, const V: usize, const LANES: usize>(
        level: Avx512,
        counts: &[Counts; R],
        limits: &[i32; MAX_COLUMNS],
    ) -> [u64; R] {
        bytes::count_le_bits::<_, R, V, LANES>(level, counts, limits)
    }
}

compiled_for! { Avx512,
    /// Eight shuffles and additions, independent of each other.
    fn spin_nibbles(rounds: u64) {
        let (table, nibbles) = (_mm512_set1_epi8(3), _mm512_set1_epi8(5));
        let mut sums = [_mm512_setzero_si512(); 8];
        for _ in 0..rounds {
            for sum in &mut sums {
                // SAFETY: computes on registers.
                unsafe {
                    core::arch::asm!(
                        "vpshufb {found}, {table}, {nibbles}",
                        "vpaddb {sum}, {sum}, {found}",
                        table = in(zmm_reg) table,
                        nibbles = in(zmm_reg) nibbles,
                        sum = inout(zmm_reg) *sum,
                        found = out(zmm_reg) _,
                        options(nomem, nostack, preserves_flags),
                    );
                }
            }
        }
        core::hint::black_box(sums);
    }
}

compiled_for! { Avx512,
    #[inline]
    fn bits(flags: &[u8; 64]) -> u64 {
        // SAFETY: loads the array.
        let flags = unsafe { _mm512_loadu_si512(flags.as_ptr().cast()) };
        _mm512_test_epi8_mask(flags, flags)
    }
}
