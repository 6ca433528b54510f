//! NEON.

use super::{
    bytes::{self, Bytes},
    tile::{Counts, MAX_COLUMNS, Patches, Tile},
};
use crate::isa::{Neon, compiled_for};
use core::arch::aarch64::*;

impl Tile for Neon {
    const LANES: usize = 16;
    const REGISTERS: usize = 4;
    const ROWS: usize = 4;
    const STEP: usize = 1;

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
        16 * 8 * Self::LANES as u64
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
}

impl Bytes for Neon {
    type Vector = uint8x16_t;
    type Wide = uint16x8_t;
    type Weights = uint8x16_t;
    type Step = uint8x16_t;
    const TOGETHER: usize = 16;

    #[inline(always)]
    fn zero(self) -> uint8x16_t {
        intrinsic!(vdupq_n_u8(0))
    }
    #[inline(always)]
    fn zero_wide(self) -> uint16x8_t {
        intrinsic!(vdupq_n_u16(0))
    }
    #[inline(always)]
    unsafe fn weights(self, from: *const u8) -> uint8x16_t {
        // SAFETY: the caller's register.
        unsafe { vld1q_u8(from) }
    }
    #[inline(always)]
    fn step(self, byte: &u8) -> uint8x16_t {
        // SAFETY: a load of the byte.
        unsafe { vld1q_dup_u8(byte) }
    }
    #[inline(always)]
    fn add_differing(
        self,
        counts: uint8x16_t,
        weights: uint8x16_t,
        step: uint8x16_t,
    ) -> uint8x16_t {
        let differing = intrinsic!(veorq_u8(weights, step));
        intrinsic!(vaddq_u8(counts, intrinsic!(vcntq_u8(differing))))
    }
    #[inline(always)]
    fn widen(self, [first, second]: [uint16x8_t; 2], counts: uint8x16_t) -> [uint16x8_t; 2] {
        [
            intrinsic!(vaddw_u8(first, intrinsic!(vget_low_u8(counts)))),
            intrinsic!(vaddw_high_u8(second, counts)),
        ]
    }
    #[inline(always)]
    fn flush(self, wide: uint16x8_t, counts: &mut [u32], add: bool) {
        let zero = intrinsic!(vdupq_n_u32(0));
        let counts = counts[..8].as_mut_ptr();
        // SAFETY: a load and a store of eight counts.
        unsafe {
            let before = if add {
                vld1q_u32_x2(counts)
            } else {
                uint32x4x2_t(zero, zero)
            };
            vst1q_u32(counts, vaddw_u16(before.0, vget_low_u16(wide)));
            vst1q_u32(counts.add(4), vaddw_high_u16(before.1, wide));
        }
    }
    #[inline(always)]
    fn le_bits(self, counts: &[u32], limits: &[i32]) -> u32 {
        const BITS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];
        let (counts, limits) = (&counts[..16], &limits[..16]);
        let four = [0, 4, 8, 12].map(
            #[inline(always)]
            |at| {
                // SAFETY: loads of four of sixteen counts and limits.
                let (counts, limits) = unsafe {
                    (
                        vld1q_s32(counts.as_ptr().cast::<i32>().add(at)),
                        vld1q_s32(limits.as_ptr().add(at)),
                    )
                };
                intrinsic!(vmovn_u32(intrinsic!(vcleq_s32(counts, limits))))
            },
        );
        let low = intrinsic!(vmovn_u16(intrinsic!(vcombine_u16(four[0], four[1]))));
        let high = intrinsic!(vmovn_u16(intrinsic!(vcombine_u16(four[2], four[3]))));
        // SAFETY: a load of the array.
        let bits = unsafe { vld1q_u8(BITS.as_ptr()) };
        let set = intrinsic!(vandq_u8(intrinsic!(vcombine_u8(low, high)), bits));
        let low = intrinsic!(vaddv_u8(intrinsic!(vget_low_u8(set))));
        let high = intrinsic!(vaddv_u8(intrinsic!(vget_high_u8(set))));
        u32::from(u16::from_le_bytes([low, high]))
    }
}

compiled_for! { Neon,
    /// Lanes of bytes: sixteen channels a register, depth in steps of a byte, each activation byte loaded to all lanes. Three
    /// instructions a register and step (eor, cnt, add): on n vector pipes 128·n/3 multiply-accumulates a cycle. Four rows
    /// by four registers keep sixteen sums, and each load of an activation serves four registers: 48 vector operations a step
    /// for 2048 multiply-accumulates, six loads and the loop's four. llvm-mca has a step in 27.6 cycles on Neoverse N1 (bound: 48
    /// on two pipes, 24; 0.87 of it), 13.5 on Neoverse V2 (four pipes, 12; 0.89), 17.5 on Apple M1 (modelled with three, 16; 0.91).
    ///
    /// What newer CPUs add does not help. `udot` with ones in place of `add` is as many instructions, which llvm-mca has in the same
    /// cycles on all three; it would save the widening, 32 of each 1520 instructions, at most 2 %. A carry-save adder with `eor3` is
    /// three instructions (eor3, eor, bsl), which take in two steps and leave one to be counted; the `cnt` and `add` saved are two.
    #[inline]
    fn xnor_count<const R: usize, const V: usize>(
        level: Neon,
        patches: &Patches<'_>,
        starts: &[usize; R],
        panel: &[u8],
        counts: &mut [Counts; R],
    ) {
        bytes::count::<_, R, V>(level, patches, starts, panel, counts);
    }
}

compiled_for! { Neon,
    #[inline]
    fn xnor_le_bits<const R: usize, const V: usize>(
        level: Neon,
        counts: &[Counts; R],
        limits: &[i32; MAX_COLUMNS],
    ) -> [u64; R] {
        bytes::count_le_bits::<_, R, V, { Neon::LANES }>(level, counts, limits)
    }
}

compiled_for! { Neon,
    /// Sixteen exclusive ors, population counts and additions, independent of each other.
    fn peak_throughput(rounds: u64) {
        let (weights, step) = (vdupq_n_u8(3), vdupq_n_u8(5));
        let mut sums = [vdupq_n_u8(0); 16];
        for _ in 0..rounds {
            for sum in &mut sums {
                // SAFETY: computes on registers.
                unsafe {
                    core::arch::asm!(
                        "eor {found:v}.16b, {weights:v}.16b, {step:v}.16b",
                        "cnt {found:v}.16b, {found:v}.16b",
                        "add {sum:v}.16b, {sum:v}.16b, {found:v}.16b",
                        weights = in(vreg) weights,
                        step = in(vreg) step,
                        sum = inout(vreg) *sum,
                        found = out(vreg) _,
                        options(nomem, nostack, preserves_flags),
                    );
                }
            }
        }
        core::hint::black_box(sums);
    }
}

compiled_for! { Neon,
    #[inline]
    fn bits(flags: &[u8; 64]) -> u64 {
        const PLACES: [i8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7];
        let parts: [uint8x16_t; 4] = core::array::from_fn(|part| {
            // SAFETY: loads a quarter of one array, and the other.
            let (flags, places) = unsafe { (vld1q_u8(flags.as_ptr().add(part * 16)), vld1q_s8(PLACES.as_ptr())) };
            vshlq_u8(flags, places)
        });
        // Three rounds of sums of neighbours leave a byte for each eight flags.
        let sums = vpaddq_u8(vpaddq_u8(parts[0], parts[1]), vpaddq_u8(parts[2], parts[3]));
        vgetq_lane_u64::<0>(vreinterpretq_u64_u8(vpaddq_u8(sums, sums)))
    }
}
