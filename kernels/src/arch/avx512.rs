//! AVX-512, with and without VPOPCNTDQ.

use super::tile::{Counts, MAX_COLUMNS, Patches, Strided, Tile};
use super::{
    avx2::{NEIGHBOURS, ROOM},
    avx512_popcount::{
        spin_popcount, xnor_count_popcount, xnor_popcount_le_bits, xnor_popcount_sums,
    },
    avx512_words, nibbles,
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
        unsafe {
            if V == 1 {
                xnor_le_bits::<R, 16>(counts, limits)
            } else {
                xnor_le_bits::<R, 32>(counts, limits)
            }
        }
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
        unsafe { multiply_bytes::<R, V>(base, patches, starts, panel, counts) }
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

compiled_for! { Avx512,
    /// As on AVX2, in registers twice as wide: 35 instructions for 768 multiply-accumulates. Where a register is two halves to the
    /// core (Zen 4), the bound is the same 64 a cycle; the planes of 8 bits would have 341/8 of VPOPCNTDQ's. (VNNI's `vpdpbusd` is the
    /// two in one, but no level requires it.)
    #[inline]
    fn multiply_bytes<const R: usize, const V: usize>(
        base: i32,
        patches: &Patches<'_>,
        starts: &[usize; R],
        panel: &[u8],
        counts: &mut [Counts; R],
    ) {
        const REGISTER: usize = size_of::<__m512i>();
        let rows = patches.pointers(starts, NEIGHBOURS);
        assert!(panel.len() >= patches.segments * patches.steps * V * REGISTER, "a panel as deep as the rows");
        assert_eq!(patches.gap, 0, "bytes are counted to their full depth");
        let mut panel = panel.as_ptr();
        let mut wide = [[_mm512_set1_epi32(base); V]; R];
        let mut sums = [[_mm512_setzero_si512(); V]; R];
        let mut room = ROOM;
        for segment in 0..patches.segments {
            let (mut at, mut rest) = (segment * patches.stride, patches.steps);
            while rest > 0 {
                let some = rest.min(room);
                for _ in 0..some {
                    let weights: [_; V] = core::array::from_fn(|v| {
                        // SAFETY: the panel is as deep as the rows, whose steps are counted here.
                        unsafe { _mm512_loadu_si512(panel.wrapping_add(v * REGISTER).cast()) }
                    });
                    panel = panel.wrapping_add(V * REGISTER);
                    for r in 0..R {
                        // SAFETY: `pointers` has checked that all steps of all segments lie within the words.
                        let step = _mm512_set1_epi32(unsafe { rows[r].add(at).cast::<i32>().read_unaligned() });
                        for v in 0..V {
                            sums[r][v] = _mm512_add_epi16(sums[r][v], _mm512_maddubs_epi16(step, weights[v]));
                        }
                    }
                    at += NEIGHBOURS;
                }
                (rest, room) = (rest - some, room - some);
                if room == 0 {
                    widen(&mut sums, &mut wide);
                    room = ROOM;
                }
            }
        }
        widen(&mut sums, &mut wide);
        for (counts, wide) in counts.iter_mut().zip(wide) {
            for (counts, wide) in counts.as_chunks_mut::<16>().0.iter_mut().zip(wide) {
                // SAFETY: an unaligned store of sixteen counts.
                unsafe { _mm512_storeu_si512(counts.as_mut_ptr().cast(), wide) }
            }
        }
    }
}

compiled_for! { Avx512,
    /// Adds neighbours of 16 bits to lanes of 32, and clears them.
    #[inline]
    fn widen<const R: usize, const V: usize>(sums: &mut [[__m512i; V]; R], wide: &mut [[__m512i; V]; R]) {
        for (sum, wide) in sums.as_flattened_mut().iter_mut().zip(wide.as_flattened_mut()) {
            *wide = _mm512_add_epi32(*wide, _mm512_madd_epi16(*sum, _mm512_set1_epi16(1)));
            *sum = _mm512_setzero_si512();
        }
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
        unsafe { xnor_count_nibbles::<R>(patches, starts, panel, counts) }
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
        unsafe { xnor_le_bits::<R, 64>(counts, limits) }
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
        unsafe { multiply_bytes::<R, V>(base, patches, starts, panel, counts) }
    }
}

compiled_for! { Avx512,
    /// The nibble tables on one register of 64 channels. Where there is one byte shuffle a cycle, as on Skylake-X, the two
    /// shuffles of a row's step take two cycles for 512 multiply-accumulates, and everything else fits beside them.
    #[inline]
    fn xnor_count_nibbles<const R: usize>(
        patches: &Patches<'_>,
        starts: &[usize; R],
        panel: &[u8],
        counts: &mut [Counts; R],
    ) {
        let rows = patches.pointers(starts, Avx512::STEP);
        assert!(panel.len() >= patches.panel_steps() * Avx512::LANES, "a panel as deep as the rows");
        let mut panel = panel.as_ptr();
        let low_nibbles = _mm512_set1_epi8(15);
        let mut wide = [[_mm512_setzero_si512(); 2]; R];
        let (mut flushed, mut room) = (false, nibbles::CHUNKS);
        for segment in 0..patches.segments {
            if segment > 0 {
                panel = panel.wrapping_add(patches.gap * Avx512::LANES);
            }
            let mut step = segment * patches.stride;
            let end = step + patches.steps;
            while step < end {
                let stop = end.min(step + nibbles::STEPS);
                let mut sums = [_mm512_setzero_si512(); R];
                while step < stop {
                    // SAFETY: the panel is as deep as the rows, whose steps are counted here.
                    let weights = unsafe { _mm512_loadu_si512(panel.cast()) };
                    panel = panel.wrapping_add(Avx512::LANES);
                    let low = _mm512_and_si512(weights, low_nibbles);
                    let high = _mm512_and_si512(_mm512_srli_epi16::<4>(weights), low_nibbles);
                    for r in 0..R {
                        // SAFETY: `pointers` has checked that all steps of all segments lie within the words.
                        let byte = unsafe { *rows[r].add(step) };
                        let [low_table, high_table] = &nibbles::TABLES.0[usize::from(byte)];
                        let low = _mm512_shuffle_epi8(broadcast(low_table), low);
                        let high = _mm512_shuffle_epi8(broadcast(high_table), high);
                        sums[r] = _mm512_add_epi8(_mm512_add_epi8(sums[r], low), high);
                    }
                    step += 1;
                }
                for r in 0..R {
                    let even = _mm512_and_si512(sums[r], _mm512_set1_epi16(255));
                    wide[r][0] = _mm512_add_epi16(wide[r][0], even);
                    wide[r][1] = _mm512_add_epi16(wide[r][1], _mm512_srli_epi16::<8>(sums[r]));
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

compiled_for! { Avx512,
    #[inline]
    fn broadcast(table: &[u8; 16]) -> __m512i {
        // SAFETY: an unaligned load of the array.
        _mm512_broadcast_i32x4(unsafe { _mm_loadu_si128(table.as_ptr().cast()) })
    }
}

compiled_for! { Avx512,
    /// Adds 16-bit counts to those of 32 bits, if there are any yet, and clears them.
    #[inline]
    fn flush<const R: usize>(wide: &mut [[__m512i; 2]; R], counts: &mut [Counts; R], add: bool) {
        for (wide, counts) in wide.iter_mut().zip(counts) {
            for (wide, counts) in wide.iter_mut().zip(counts.as_chunks_mut::<32>().0) {
                let (low, high) = (_mm512_castsi512_si256(*wide), _mm512_extracti64x4_epi64::<1>(*wide));
                for (half, counts) in [low, high].into_iter().zip(counts.as_chunks_mut::<16>().0) {
                    let counts: *mut __m512i = counts.as_mut_ptr().cast();
                    // SAFETY: an unaligned load and store of sixteen counts.
                    unsafe {
                        let before = if add { _mm512_loadu_si512(counts) } else { _mm512_setzero_si512() };
                        _mm512_storeu_si512(counts, _mm512_add_epi32(before, _mm512_cvtepu16_epi32(half)));
                    }
                }
                *wide = _mm512_setzero_si512();
            }
        }
    }
}

compiled_for! { Avx512,
    #[inline]
    fn xnor_le_bits<const R: usize, const COLUMNS: usize>(
        counts: &[Counts; R],
        limits: &[i32; MAX_COLUMNS],
    ) -> [u64; R] {
        let mut bits = [0; R];
        for (sixteen, limits) in limits.as_chunks::<16>().0[..COLUMNS / 16].iter().enumerate() {
            // SAFETY: a load of sixteen limits.
            let limits = unsafe { _mm512_loadu_si512(limits.as_ptr().cast()) };
            for (bits, counts) in bits.iter_mut().zip(counts) {
                // SAFETY: a load of sixteen of 64 counts.
                let counts = unsafe { _mm512_loadu_si512(counts.as_chunks::<16>().0[sixteen].as_ptr().cast()) };
                *bits |= u64::from(_mm512_cmple_epi32_mask(counts, limits)) << (sixteen * 16);
            }
        }
        bits
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
