//! AVX-512 with VPOPCNTDQ: the inner tile, and what becomes of its counts while they are in registers.

use super::tile::{Counts, MAX_COLUMNS, Patches, Tile};
use crate::isa::{Avx512Vpopcnt, compiled_for};
use core::arch::x86_64::*;

compiled_for! { Avx512Vpopcnt,
    /// One step of a tile; where it counts in part, the mask is one instruction with the exclusive or.
    ///
    /// # Safety
    /// The rows must hold the step at byte `at`, and the panel a step from where it points to.
    #[inline]
    unsafe fn popcount_step<const R: usize, const V: usize, const PART: bool>(
        rows: &[*const u8; R],
        at: usize,
        panel: *const u8,
        tail_mask: __m512i,
        sums: &mut [[__m512i; V]; R],
    ) {
        let weights: [_; V] = core::array::from_fn(|v| {
            // SAFETY: the caller's panel holds the step.
            unsafe { _mm512_loadu_si512(panel.add(v * size_of::<__m512i>()).cast()) }
        });
        for r in 0..R {
            // SAFETY: the caller's rows hold the step.
            let step = _mm512_set1_epi32(unsafe { rows[r].add(at).cast::<i32>().read_unaligned() });
            for v in 0..V {
                let differing = match PART {
                    // (a ^ b) & c, a bit of the table for each a, b, c.
                    true => _mm512_ternarylogic_epi32::<0x28>(weights[v], step, tail_mask),
                    false => _mm512_xor_si512(weights[v], step),
                };
                sums[r][v] = _mm512_add_epi32(sums[r][v], _mm512_popcnt_epi32(differing));
            }
        }
    }
}

compiled_for! { Avx512Vpopcnt,
    /// Lanes of 32 bits: sixteen channels a register, depth in steps of 32 bits, each activation step broadcast from memory
    /// by the exclusive or itself. Three instructions a register and step (xor, popcount, add), six half-operations on
    /// four pipes: 341 multiply-accumulates a cycle on Zen 4. Six rows by two registers are twelve independent sums, enough
    /// to cover the latency of the chain, and leave two registers of weights to be loaded for every thirty-six operations.
    #[inline]
    fn popcount_sums<const R: usize, const V: usize>(
        patches: &Patches<'_>,
        starts: &[usize; R],
        panel: &[u8],
    ) -> [[__m512i; V]; R] {
        const STEP: usize = Avx512Vpopcnt::STEP;
        const REGISTER: usize = size_of::<__m512i>();
        let rows = patches.pointers(starts, STEP);
        assert!(panel.len() >= patches.panel_steps() * V * REGISTER, "a panel as deep as the rows");
        let mut panel = panel.as_ptr();
        let mut sums = [[_mm512_setzero_si512(); V]; R];
        let whole = if patches.tail_mask == u32::MAX { patches.steps } else { patches.steps - 1 };
        let tail_mask = _mm512_set1_epi32(patches.tail_mask as i32);
        for segment in 0..patches.segments {
            if segment > 0 {
                panel = panel.wrapping_add(patches.gap * V * REGISTER);
            }
            let first = segment * patches.stride;
            for at in (first..first + whole * STEP).step_by(STEP) {
                // SAFETY: `pointers` has checked that all steps of all segments lie within the words; the panel is as deep.
                unsafe { popcount_step::<R, V, false>(&rows, at, panel, tail_mask, &mut sums) };
                panel = panel.wrapping_add(V * REGISTER);
            }
            if whole < patches.steps {
                // SAFETY: as above, of the last step.
                unsafe { popcount_step::<R, V, true>(&rows, first + whole * STEP, panel, tail_mask, &mut sums) };
                panel = panel.wrapping_add(V * REGISTER);
            }
        }
        sums
    }
}

compiled_for! { Avx512Vpopcnt,
    #[inline]
    pub(super) fn xnor_count_popcount<const R: usize, const V: usize>(
        patches: &Patches<'_>,
        starts: &[usize; R],
        panel: &[u8],
        counts: &mut [Counts; R],
    ) {
        let sums = popcount_sums::<R, V>(patches, starts, panel);
        // (An iterator over the sums by value would move them through memory several times.)
        for r in 0..R {
            let counts = &mut counts[r].as_chunks_mut::<16>().0[..V];
            for v in 0..V {
                // SAFETY: a store of sixteen counts.
                unsafe { _mm512_storeu_si512(counts[v].as_mut_ptr().cast(), sums[r][v]) }
            }
        }
    }
}

compiled_for! { Avx512Vpopcnt,
    /// The sums are compared where they are.
    #[inline]
    pub(super) fn xnor_popcount_le_bits<const R: usize, const V: usize>(
        patches: &Patches<'_>,
        starts: &[usize; R],
        panel: &[u8],
        limits: &[i32; MAX_COLUMNS],
    ) -> [u64; R] {
        let sums = popcount_sums::<R, V>(patches, starts, panel);
        let limits = limits.as_chunks::<16>().0;
        let mut bits = [0; R];
        for v in 0..V {
            // SAFETY: a load of sixteen limits.
            let limits = unsafe { _mm512_loadu_si512(limits[v].as_ptr().cast()) };
            for r in 0..R {
                bits[r] |= u64::from(_mm512_cmple_epi32_mask(sums[r][v], limits)) << (v * 16);
            }
        }
        bits
    }
}

compiled_for! { Avx512Vpopcnt,
    /// The sums are stored from where they are; a mask keeps columns that are none out of `out`.
    #[inline]
    pub(super) fn xnor_popcount_sums<const R: usize, const V: usize>(
        patches: &Patches<'_>,
        starts: &[usize; R],
        panel: &[u8],
        base: &[i32; MAX_COLUMNS],
        (first, columns, offsets): (usize, usize, &[usize; R]),
        out: &mut [i32],
    ) {
        let room = out.len().checked_sub(first + columns).expect("room for the sums");
        assert!(columns <= V * 16 && offsets.iter().all(|&offset| offset <= room), "room for the sums");
        let sums = popcount_sums::<R, V>(patches, starts, panel);
        let base = base.as_chunks::<16>().0;
        for v in 0..V {
            // SAFETY: a load of sixteen bases.
            let base = unsafe { _mm512_loadu_si512(base[v].as_ptr().cast()) };
            let mask = (u64::MAX >> (64 - columns) >> (v * 16)) as u16;
            for r in 0..R {
                let sum = _mm512_sub_epi32(base, _mm512_slli_epi32::<1>(sums[r][v]));
                let to = out.as_mut_ptr().wrapping_add(offsets[r] + first + v * 16);
                // SAFETY: all columns of each row are within `out`, and what is masked out is not written. (A store with a mask takes
                // longer.)
                unsafe {
                    match mask {
                        u16::MAX => _mm512_storeu_si512(to.cast(), sum),
                        _ => _mm512_mask_storeu_epi32(to, mask, sum),
                    }
                }
            }
        }
    }
}

compiled_for! { Avx512Vpopcnt,
    /// Twelve exclusive ors, population counts and additions, independent of each other.
    pub(super) fn spin_popcount(rounds: u64) {
        let (weights, step) = (_mm512_set1_epi32(3), _mm512_set1_epi32(5));
        let mut sums = [_mm512_setzero_si512(); 12];
        for _ in 0..rounds {
            for sum in &mut sums {
                // SAFETY: computes on registers.
                unsafe {
                    core::arch::asm!(
                        "vpxord {found}, {weights}, {step}",
                        "vpopcntd {found}, {found}",
                        "vpaddd {sum}, {sum}, {found}",
                        weights = in(zmm_reg) weights,
                        step = in(zmm_reg) step,
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
