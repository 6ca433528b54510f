//! AVX2.

use super::{
    avx2_narrow, nibbles,
    tile::{Counts, MAX_COLUMNS, NARROW_ROWS, Patches, Tile},
};
use crate::isa::{Avx2, compiled_for};
use core::arch::x86_64::*;

/// Bytes of depth that a lane of `vpmaddubsw`'s sums holds, and steps of them until its 16 bits could overflow: each adds at
/// most 2 · 255.
pub(super) const NEIGHBOURS: usize = 4;
pub(super) const ROOM: usize = 64;

impl Tile for Avx2 {
    const LANES: usize = 32;
    const REGISTERS: usize = 2;
    const ROWS: usize = 4;
    const STEP: usize = 1;

    /// The low nibbles of a register's lanes, then the high ones.
    const STEP_BYTES: usize = 2 * Self::LANES;

    /// Even bytes hold the first half of the channels, odd bytes the second: widening by mask and shift then leaves
    /// both halves in order.
    fn lay(lane: usize, step: &[u8], bytes: &mut [u8]) {
        let place = Self::place(lane);
        bytes[place] = step[0] & 15;
        bytes[Self::LANES + place] = step[0] >> 4;
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

    const SHALLOW: usize = 31 * 8;

    #[inline(always)]
    fn place(column: usize) -> usize {
        let lane = column % Self::LANES;
        column - lane + lane % 16 * 2 + lane / 16
    }

    #[inline(always)]
    fn below<const R: usize, const V: usize>(
        self,
        patches: &Patches<'_>,
        starts: &[usize; R],
        panel: &[u8],
        bounds: &[u8; MAX_COLUMNS],
    ) -> [u64; R] {
        // SAFETY: the token exists only where the CPU has the level's features.
        unsafe { xnor_below::<R, V>(patches, starts, panel, bounds) }
    }

    const BYTE_LANES: usize = 8;
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

    #[inline(always)]
    fn narrow(
        self,
        patches: &Patches<'_>,
        starts: &[usize; NARROW_ROWS],
        panel: &[u8],
        columns: usize,
        limits: &[i32; MAX_COLUMNS],
    ) -> Option<[u32; NARROW_ROWS]> {
        avx2_narrow::narrow(self, patches, starts, panel, columns, limits)
    }
}

compiled_for! { Avx2,
    /// The nibble tables on two registers of 32 channels, whose nibbles lie apart already, and four rows. A step loads four
    /// registers of weights; each row costs a byte's load, a shift, two tables broadcast from memory, four shuffles and four
    /// additions: 55 instructions, with the loop's three, for 4 · 64 · 8 = 2048 multiply-accumulates. On Zen 3 and 4 sixteen
    /// shuffles on two pipes take 8 cycles, 55 instructions at six a cycle 9.2: at most 223 a cycle. Shuffles and additions alone,
    /// on registers, were measured at 216, the tile in its product at 150 to 170 (best of many runs, one Zen 3 core).
    ///
    /// Cutting the weights' nibbles apart here would halve the panel, but takes six of the instructions that are scarce (5 %
    /// slower); steps unrolled by hand let the compiler reorder the additions and spill sums (also slower).
    ///
    /// # Safety
    /// The rows must hold `steps`, and the panel as many steps from where it points to.
    #[inline]
    unsafe fn add_steps<const R: usize, const V: usize>(
        rows: &[*const u8; R],
        steps: core::ops::Range<usize>,
        panel: &mut *const u8,
        sums: &mut [[__m256i; V]; R],
    ) {
        for step in steps {
            let weights: [_; V] = core::array::from_fn(|v| {
                let nibbles = panel.wrapping_add(v * Avx2::STEP_BYTES).cast::<__m256i>();
                // SAFETY: the caller's panel has as many steps.
                unsafe { [_mm256_loadu_si256(nibbles), _mm256_loadu_si256(nibbles.add(1))] }
            });
            *panel = panel.wrapping_add(V * Avx2::STEP_BYTES);
            for r in 0..R {
                // SAFETY: the caller's rows hold all steps.
                let byte = unsafe { *rows[r].add(step) };
                let [low_table, high_table] = &nibbles::TABLES.0[usize::from(byte)];
                let (low_table, high_table) = (broadcast(low_table), broadcast(high_table));
                for v in 0..V {
                    let low = _mm256_shuffle_epi8(low_table, weights[v][0]);
                    let high = _mm256_shuffle_epi8(high_table, weights[v][1]);
                    sums[r][v] = _mm256_add_epi8(_mm256_add_epi8(sums[r][v], low), high);
                }
            }
        }
    }
}

compiled_for! { Avx2,
    /// Counts that fit in bytes are compared as bytes: seven instructions for 32 columns (a maximum, a comparison, a mask, and four to
    /// part the even bits from the odd, as `lay` has placed the channels), where widening them, storing them and comparing lanes of
    /// 32 bits take 40. At 64 columns and a depth of 64, a tile's eight steps are 440 instructions, and this is 56.
    #[inline]
    fn xnor_below<const R: usize, const V: usize>(
        patches: &Patches<'_>,
        starts: &[usize; R],
        panel: &[u8],
        bounds: &[u8; MAX_COLUMNS],
    ) -> [u64; R] {
        let rows = patches.pointers(starts, Avx2::STEP);
        let steps = patches.segments * patches.steps;
        assert!(panel.len() >= patches.panel_steps() * V * Avx2::STEP_BYTES, "a panel as deep as the rows");
        assert!(steps * 8 < 256, "counts that fit in bytes");
        let mut panel = panel.as_ptr();
        let mut sums = [[_mm256_setzero_si256(); V]; R];
        for segment in 0..patches.segments {
            if segment > 0 {
                panel = panel.wrapping_add(patches.gap * V * Avx2::STEP_BYTES);
            }
            let first = segment * patches.stride;
            // SAFETY: `pointers` has checked that all steps of all segments lie within the words; the panel is as deep.
            unsafe { add_steps(&rows, first..first + patches.steps, &mut panel, &mut sums) };
        }
        let bounds = bounds.as_chunks::<{ Avx2::LANES }>().0;
        let mut bits = [0; R];
        // A closure for `map` would not be inlined.
        for r in 0..R {
            for v in 0..V {
                // SAFETY: an unaligned load of 32 bytes.
                let bounds = unsafe { _mm256_loadu_si256(bounds[v].as_ptr().cast()) };
                let reached = _mm256_cmpeq_epi8(_mm256_max_epu8(sums[r][v], bounds), sums[r][v]);
                let below = !_mm256_movemask_epi8(reached) as u32;
                let parted = _pext_u32(below, 0x5555_5555) | _pext_u32(below, 0xaaaa_aaaa) << 16;
                bits[r] |= u64::from(parted) << (v * Avx2::LANES);
            }
        }
        bits
    }
}

compiled_for! { Avx2,
    /// Sums in bytes are widened before they overflow, and again to 32 bits.
    #[inline]
    fn xnor_count<const R: usize, const V: usize>(
        patches: &Patches<'_>,
        starts: &[usize; R],
        panel: &[u8],
        counts: &mut [Counts; R],
    ) {
        let rows = patches.pointers(starts, Avx2::STEP);
        assert!(panel.len() >= patches.panel_steps() * V * Avx2::STEP_BYTES, "a panel as deep as the rows");
        let mut panel = panel.as_ptr();
        let mut wide = [[[_mm256_setzero_si256(); 2]; V]; R];
        let (mut flushed, mut room) = (false, nibbles::CHUNKS);
        for segment in 0..patches.segments {
            if segment > 0 {
                panel = panel.wrapping_add(patches.gap * V * Avx2::STEP_BYTES);
            }
            let mut step = segment * patches.stride;
            let end = step + patches.steps;
            while step < end {
                let stop = end.min(step + nibbles::STEPS);
                let mut sums = [[_mm256_setzero_si256(); V]; R];
                // SAFETY: `pointers` has checked that all steps of all segments lie within the words; the panel is as deep.
                unsafe { add_steps(&rows, step..stop, &mut panel, &mut sums) };
                step = stop;
                for r in 0..R {
                    for v in 0..V {
                        let even = _mm256_and_si256(sums[r][v], _mm256_set1_epi16(255));
                        wide[r][v][0] = _mm256_add_epi16(wide[r][v][0], even);
                        wide[r][v][1] = _mm256_add_epi16(wide[r][v][1], _mm256_srli_epi16::<8>(sums[r][v]));
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

compiled_for! { Avx2,
    /// A step of four bytes loads two registers of weights; each of six rows broadcasts its four bytes and costs two `vpmaddubsw`
    /// and two `vpaddw`: 35 instructions, with the loop's three, for 6 · 16 · 4 = 384 multiply-accumulates. On Zen 3 and 4 twenty-four
    /// of them share four pipes, 6 cycles, as do 35 instructions at six a cycle: at most 64 a cycle.
    #[inline]
    fn multiply_bytes<const R: usize, const V: usize>(
        base: i32,
        patches: &Patches<'_>,
        starts: &[usize; R],
        panel: &[u8],
        counts: &mut [Counts; R],
    ) {
        const REGISTER: usize = size_of::<__m256i>();
        let rows = patches.pointers(starts, NEIGHBOURS);
        assert!(panel.len() >= patches.segments * patches.steps * V * REGISTER, "a panel as deep as the rows");
        assert_eq!(patches.gap, 0, "bytes are counted to their full depth");
        let mut panel = panel.as_ptr();
        let mut wide = [[_mm256_set1_epi32(base); V]; R];
        let mut sums = [[_mm256_setzero_si256(); V]; R];
        let mut room = ROOM;
        for segment in 0..patches.segments {
            let (mut at, mut rest) = (segment * patches.stride, patches.steps);
            while rest > 0 {
                let some = rest.min(room);
                for _ in 0..some {
                    let weights: [_; V] = core::array::from_fn(|v| {
                        // SAFETY: the panel is as deep as the rows, whose steps are counted here.
                        unsafe { _mm256_loadu_si256(panel.wrapping_add(v * REGISTER).cast()) }
                    });
                    panel = panel.wrapping_add(V * REGISTER);
                    for r in 0..R {
                        // SAFETY: `pointers` has checked that all steps of all segments lie within the words.
                        let step = _mm256_set1_epi32(unsafe { rows[r].add(at).cast::<i32>().read_unaligned() });
                        for v in 0..V {
                            sums[r][v] = _mm256_add_epi16(sums[r][v], _mm256_maddubs_epi16(step, weights[v]));
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
            for (counts, wide) in counts.as_chunks_mut::<8>().0.iter_mut().zip(wide) {
                // SAFETY: an unaligned store of eight counts.
                unsafe { _mm256_storeu_si256(counts.as_mut_ptr().cast(), wide) }
            }
        }
    }
}

compiled_for! { Avx2,
    /// Adds neighbours of 16 bits to lanes of 32, and clears them.
    #[inline]
    fn widen<const R: usize, const V: usize>(sums: &mut [[__m256i; V]; R], wide: &mut [[__m256i; V]; R]) {
        for (sum, wide) in sums.as_flattened_mut().iter_mut().zip(wide.as_flattened_mut()) {
            *wide = _mm256_add_epi32(*wide, _mm256_madd_epi16(*sum, _mm256_set1_epi16(1)));
            *sum = _mm256_setzero_si256();
        }
    }
}

compiled_for! { Avx2,
    #[inline]
    pub(super) fn broadcast(table: &[u8; 16]) -> __m256i {
        // SAFETY: an unaligned load of the array.
        _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(table.as_ptr().cast()) })
    }
}

compiled_for! { Avx2,
    /// Adds 16-bit counts to those of 32 bits, if there are any yet, and clears them.
    #[inline]
    fn flush<const R: usize, const V: usize>(wide: &mut [[[__m256i; 2]; V]; R], counts: &mut [Counts; R], add: bool) {
        for (wide, counts) in wide.iter_mut().zip(counts) {
            for (wide, counts) in wide.as_flattened_mut().iter_mut().zip(counts.as_chunks_mut::<16>().0) {
                let (low, high) = (_mm256_castsi256_si128(*wide), _mm256_extracti128_si256::<1>(*wide));
                for (half, counts) in [low, high].into_iter().zip(counts.as_chunks_mut::<8>().0) {
                    let counts: *mut __m256i = counts.as_mut_ptr().cast();
                    // SAFETY: an unaligned load and store of eight counts.
                    unsafe {
                        let before = if add { _mm256_loadu_si256(counts) } else { _mm256_setzero_si256() };
                        _mm256_storeu_si256(counts, _mm256_add_epi32(before, _mm256_cvtepu16_epi32(half)));
                    }
                }
                *wide = _mm256_setzero_si256();
            }
        }
    }
}

compiled_for! { Avx2,
    #[inline]
    fn xnor_le_bits<const R: usize, const V: usize>(
        counts: &[Counts; R],
        limits: &[i32; MAX_COLUMNS],
    ) -> [u64; R] {
        let mut bits = [0; R];
        for (eight, limits) in limits.as_chunks::<8>().0[..V * Avx2::LANES / 8].iter().enumerate() {
            // SAFETY: an unaligned load of eight limits.
            let limits = unsafe { _mm256_loadu_si256(limits.as_ptr().cast()) };
            for (bits, counts) in bits.iter_mut().zip(counts) {
                // SAFETY: an unaligned load of eight of 64 counts.
                let counts = unsafe { _mm256_loadu_si256(counts.as_chunks::<8>().0[eight].as_ptr().cast()) };
                let above = _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(counts, limits)));
                *bits |= u64::from(!above as u8) << (eight * 8);
            }
        }
        bits
    }
}

compiled_for! { Avx2,
    /// Eight shuffles and additions, independent of each other.
    fn peak_throughput(rounds: u64) {
        let (table, nibbles) = (_mm256_set1_epi8(3), _mm256_set1_epi8(5));
        let mut sums = [_mm256_setzero_si256(); 8];
        for _ in 0..rounds {
            for sum in &mut sums {
                // SAFETY: computes on registers.
                unsafe {
                    core::arch::asm!(
                        "vpshufb {found}, {table}, {nibbles}",
                        "vpaddb {sum}, {sum}, {found}",
                        table = in(ymm_reg) table,
                        nibbles = in(ymm_reg) nibbles,
                        sum = inout(ymm_reg) *sum,
                        found = out(ymm_reg) _,
                        options(nomem, nostack, preserves_flags),
                    );
                }
            }
        }
        core::hint::black_box(sums);
    }
}

compiled_for! { Avx2,
    #[inline]
    fn bits(flags: &[u8; 64]) -> u64 {
        let [low, high] = [0, 32].map(|half| {
            // SAFETY: loads half of the array.
            let flags = unsafe { _mm256_loadu_si256(flags.as_ptr().add(half).cast()) };
            _mm256_movemask_epi8(_mm256_slli_epi16::<7>(flags)) as u32
        });
        u64::from(high) << 32 | u64::from(low)
    }
}
