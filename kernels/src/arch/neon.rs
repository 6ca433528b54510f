//! NEON.

use super::tile::{Counts, MAX_COLUMNS, Patches, Tile};
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
        unsafe { xnor_count::<R, V>(patches, starts, panel, counts) }
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
        unsafe { xnor_le_bits::<R, V>(counts, limits) }
    }
}

/// Steps until a byte of counts could overflow: each step adds at most 8.
const STEPS: usize = 255 / 8;

/// Such chunks until 16 bits of counts could overflow.
const CHUNKS: usize = 65535 / (8 * STEPS);

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
        patches: &Patches<'_>,
        starts: &[usize; R],
        panel: &[u8],
        counts: &mut [Counts; R],
    ) {
        let rows = patches.pointers(starts, Neon::STEP);
        assert!(panel.len() >= patches.panel_steps() * V * Neon::LANES, "a panel as deep as the rows");
        let mut panel = panel.as_ptr();
        let mut wide = [[[vdupq_n_u16(0); 2]; V]; R];
        let (mut flushed, mut room) = (false, CHUNKS);
        for segment in 0..patches.segments {
            if segment > 0 {
                panel = panel.wrapping_add(patches.gap * V * Neon::LANES);
            }
            let mut step = segment * patches.stride;
            let end = step + patches.steps;
            while step < end {
                let stop = end.min(step + STEPS);
                let mut sums = [[vdupq_n_u8(0); V]; R];
                while step < stop {
                    let weights: [_; V] = core::array::from_fn(|v| {
                        // SAFETY: the panel is as deep as the rows, whose steps are counted here.
                        unsafe { vld1q_u8(panel.add(v * Neon::LANES)) }
                    });
                    panel = panel.wrapping_add(V * Neon::LANES);
                    for r in 0..R {
                        // SAFETY: `pointers` has checked that all steps of all segments lie within the words.
                        let byte = unsafe { vld1q_dup_u8(rows[r].add(step)) };
                        for v in 0..V {
                            sums[r][v] = vaddq_u8(sums[r][v], vcntq_u8(veorq_u8(weights[v], byte)));
                        }
                    }
                    step += 1;
                }
                for r in 0..R {
                    for v in 0..V {
                        wide[r][v][0] = vaddw_u8(wide[r][v][0], vget_low_u8(sums[r][v]));
                        wide[r][v][1] = vaddw_high_u8(wide[r][v][1], sums[r][v]);
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

compiled_for! { Neon,
    /// Adds 16-bit counts to those of 32 bits, if there are any yet, and clears them.
    #[inline]
    fn flush<const R: usize, const V: usize>(wide: &mut [[[uint16x8_t; 2]; V]; R], counts: &mut [Counts; R], add: bool) {
        for (wide, counts) in wide.iter_mut().zip(counts) {
            for (wide, counts) in wide.as_flattened_mut().iter_mut().zip(counts.as_chunks_mut::<8>().0) {
                let counts = counts.as_mut_ptr();
                // SAFETY: a load and a store of eight counts.
                unsafe {
                    let before = if add { vld1q_u32_x2(counts) } else { uint32x4x2_t(vdupq_n_u32(0), vdupq_n_u32(0)) };
                    vst1q_u32(counts, vaddw_u16(before.0, vget_low_u16(*wide)));
                    vst1q_u32(counts.add(4), vaddw_high_u16(before.1, *wide));
                }
                *wide = vdupq_n_u16(0);
            }
        }
    }
}

compiled_for! { Neon,
    #[inline]
    fn xnor_le_bits<const R: usize, const V: usize>(
        counts: &[Counts; R],
        limits: &[i32; MAX_COLUMNS],
    ) -> [u64; R] {
        counts.each_ref().map(|counts| row_le_bits::<V>(counts, limits))
    }
}

compiled_for! { Neon,
    #[inline]
    fn row_le_bits<const V: usize>(counts: &Counts, limits: &[i32; MAX_COLUMNS]) -> u64 {
        const BITS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];
        let pairs = counts.as_chunks::<16>().0.iter().zip(limits.as_chunks::<16>().0).take(V);
        let mut bits = 0;
        for (sixteen, (counts, limits)) in pairs.enumerate() {
            let count_le = |four: usize| {
                // SAFETY: loads of four of sixteen counts and limits.
                let (counts, limits) = unsafe {
                    (vld1q_s32(counts.as_ptr().cast::<i32>().add(four * 4)), vld1q_s32(limits.as_ptr().add(four * 4)))
                };
                vmovn_u32(vcleq_s32(counts, limits))
            };
            let low = vmovn_u16(vcombine_u16(count_le(0), count_le(1)));
            let high = vmovn_u16(vcombine_u16(count_le(2), count_le(3)));
            // SAFETY: a load of the array.
            let set = vandq_u8(vcombine_u8(low, high), unsafe { vld1q_u8(BITS.as_ptr()) });
            let (low, high) = (vaddv_u8(vget_low_u8(set)), vaddv_u8(vget_high_u8(set)));
            bits |= u64::from(u16::from_le_bytes([low, high])) << (sixteen * 16);
        }
        bits
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
