//! AVX2.

use super::{
    avx2_narrow,
    bytes::{self, Bytes},
    nibbles,
    products::{self, NEIGHBOURS, Products},
    tile::{Counts, MAX_COLUMNS, NARROW_ROWS, Patches, Tile},
};
use crate::isa::{Avx2, compiled_for};
use core::arch::x86_64::*;

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
        unsafe { bits(flags) }
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
        unsafe { xnor_below::<R, V>(self, patches, starts, panel, bounds) }
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
        unsafe { multiply_bytes::<R, V>(self, base, patches, starts, panel, counts) }
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

impl Bytes for Avx2 {
    type Vector = __m256i;
    type Wide = __m256i;
    /// Low nibbles and high nibbles.
    type Weights = [__m256i; 2];
    /// The tables of the low nibble and of the high one.
    type Step = [__m256i; 2];
    const STEPS: usize = nibbles::STEPS;
    const TOGETHER: usize = 8;

    #[inline(always)]
    fn zero(self) -> __m256i {
        intrinsic!(_mm256_setzero_si256())
    }
    #[inline(always)]
    fn zero_wide(self) -> __m256i {
        intrinsic!(_mm256_setzero_si256())
    }
    #[inline(always)]
    unsafe fn weights(self, from: *const u8) -> [__m256i; 2] {
        let from: *const __m256i = from.cast();
        // SAFETY: the caller's two registers, and the token proves AVX.
        unsafe { [_mm256_loadu_si256(from), _mm256_loadu_si256(from.add(1))] }
    }
    #[inline(always)]
    fn step(self, byte: &u8) -> [__m256i; 2] {
        let [low, high] = &nibbles::TABLES.0[usize::from(*byte)];
        [broadcast(self, low), broadcast(self, high)]
    }
    #[inline(always)]
    fn add_differing(self, counts: __m256i, weights: [__m256i; 2], step: [__m256i; 2]) -> __m256i {
        let low = intrinsic!(_mm256_shuffle_epi8(step[0], weights[0]));
        let high = intrinsic!(_mm256_shuffle_epi8(step[1], weights[1]));
        let counts = intrinsic!(_mm256_add_epi8(counts, low));
        intrinsic!(_mm256_add_epi8(counts, high))
    }
    #[inline(always)]
    fn widen(self, [first, second]: [__m256i; 2], counts: __m256i) -> [__m256i; 2] {
        let even = intrinsic!(_mm256_and_si256(counts, intrinsic!(_mm256_set1_epi16(255))));
        let odd = intrinsic!(_mm256_srli_epi16::<8>(counts));
        [
            intrinsic!(_mm256_add_epi16(first, even)),
            intrinsic!(_mm256_add_epi16(second, odd)),
        ]
    }
    #[inline(always)]
    fn flush(self, wide: __m256i, counts: &mut [u32], add: bool) {
        let low = intrinsic!(_mm256_castsi256_si128(wide));
        let high = intrinsic!(_mm256_extracti128_si256::<1>(wide));
        let counts = counts.as_chunks_mut::<8>().0;
        for (half, counts) in [low, high]
            .into_iter()
            .zip(counts.first_chunk_mut::<2>().expect("16 counts"))
        {
            let half = intrinsic!(_mm256_cvtepu16_epi32(half));
            let counts: *mut __m256i = counts.as_mut_ptr().cast();
            // SAFETY: an unaligned load and store of eight counts; the token proves AVX2.
            unsafe {
                let before = if add {
                    _mm256_loadu_si256(counts)
                } else {
                    _mm256_setzero_si256()
                };
                _mm256_storeu_si256(counts, _mm256_add_epi32(before, half));
            }
        }
    }
    #[inline(always)]
    fn le_bits(self, counts: &[u32], limits: &[i32]) -> u32 {
        let (counts, limits) = (&counts[..8], &limits[..8]);
        // SAFETY: unaligned loads of eight counts and limits; the token proves AVX.
        let (counts, limits) = unsafe {
            (
                _mm256_loadu_si256(counts.as_ptr().cast()),
                _mm256_loadu_si256(limits.as_ptr().cast()),
            )
        };
        let above = intrinsic!(_mm256_cmpgt_epi32(counts, limits));
        let above = intrinsic!(_mm256_movemask_ps(intrinsic!(_mm256_castsi256_ps(above))));
        u32::from(!above as u8)
    }
}

/// The table in both halves of a register.
#[inline(always)]
fn broadcast(_: Avx2, table: &[u8; 16]) -> __m256i {
    // SAFETY: an unaligned load of the array; the token proves AVX2.
    unsafe { _mm256_broadcastsi128_si256(_mm_loadu_si128(table.as_ptr().cast())) }
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
    #[inline]
    fn xnor_count<const R: usize, const V: usize>(
        level: Avx2,
        patches: &Patches<'_>,
        starts: &[usize; R],
        panel: &[u8],
        counts: &mut [Counts; R],
    ) {
        bytes::count::<_, R, V>(level, patches, starts, panel, counts);
    }
}

compiled_for! { Avx2,
    /// Counts that fit in bytes are compared as bytes: seven instructions for 32 columns (a maximum, a comparison, a mask, and four to
    /// part the even bits from the odd, as `lay` has placed the channels), where widening them, storing them and comparing lanes of
    /// 32 bits take 40. At 64 columns and a depth of 64, a tile's eight steps are 440 instructions, and this is 56.
    #[inline]
    fn xnor_below<const R: usize, const V: usize>(
        level: Avx2,
        patches: &Patches<'_>,
        starts: &[usize; R],
        panel: &[u8],
        bounds: &[u8; MAX_COLUMNS],
    ) -> [u64; R] {
        let counts = bytes::shallow::<_, R, V>(level, patches, starts, panel);
        let bounds = bounds.as_chunks::<{ Avx2::LANES }>().0;
        let mut bits = [0; R];
        // A closure for `map` would not be inlined.
        for r in 0..R {
            for v in 0..V {
                // SAFETY: an unaligned load of 32 bytes.
                let bounds = unsafe { _mm256_loadu_si256(bounds[v].as_ptr().cast()) };
                let reached = _mm256_cmpeq_epi8(_mm256_max_epu8(counts[r][v], bounds), counts[r][v]);
                let below = !_mm256_movemask_epi8(reached) as u32;
                let parted = _pext_u32(below, 0x5555_5555) | _pext_u32(below, 0xaaaa_aaaa) << 16;
                bits[r] |= u64::from(parted) << (v * Avx2::LANES);
            }
        }
        bits
    }
}

impl Products for Avx2 {
    type Vector = __m256i;
    const WIDE: usize = 8;

    #[inline(always)]
    fn splat(self, x: i32) -> __m256i {
        intrinsic!(_mm256_set1_epi32(x))
    }
    #[inline(always)]
    unsafe fn weights(self, from: *const u8) -> __m256i {
        // SAFETY: the caller's register; the token proves AVX.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }
    #[inline(always)]
    fn add_products(self, sums: __m256i, step: __m256i, weights: __m256i) -> __m256i {
        intrinsic!(_mm256_add_epi16(
            sums,
            intrinsic!(_mm256_maddubs_epi16(step, weights))
        ))
    }
    #[inline(always)]
    fn add_neighbours(self, wide: __m256i, sums: __m256i) -> __m256i {
        let ones = intrinsic!(_mm256_set1_epi16(1));
        intrinsic!(_mm256_add_epi32(
            wide,
            intrinsic!(_mm256_madd_epi16(sums, ones))
        ))
    }
    #[inline(always)]
    fn store(self, wide: __m256i, counts: &mut [u32]) {
        let counts = &mut counts[..Self::WIDE];
        // SAFETY: an unaligned store of eight counts; the token proves AVX.
        unsafe { _mm256_storeu_si256(counts.as_mut_ptr().cast(), wide) }
    }
}

compiled_for! { Avx2,
    /// A step of four bytes loads two registers of weights; each of six rows broadcasts its four bytes and costs two `vpmaddubsw`
    /// and two `vpaddw`: 35 instructions, with the loop's three, for 6 · 16 · 4 = 384 multiply-accumulates. On Zen 3 and 4 twenty-four
    /// of them share four pipes, 6 cycles, as do 35 instructions at six a cycle: at most 64 a cycle.
    #[inline]
    fn multiply_bytes<const R: usize, const V: usize>(
        level: Avx2,
        base: i32,
        patches: &Patches<'_>,
        starts: &[usize; R],
        panel: &[u8],
        counts: &mut [Counts; R],
    ) {
        products::count_bytes::<_, R, V>(level, base, patches, starts, panel, counts);
    }
}

compiled_for! { Avx2,
    #[inline]
    fn xnor_le_bits<const R: usize, const V: usize>(
        level: Avx2,
        counts: &[Counts; R],
        limits: &[i32; MAX_COLUMNS],
    ) -> [u64; R] {
        bytes::count_le_bits::<_, R, V, { Avx2::LANES }>(level, counts, limits)
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
