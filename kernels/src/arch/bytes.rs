//! Vectors of bytes, one file per instruction set: what the inner tiles are written in.
//!
//! A lane is an output channel, a step is a byte of depth. Counts of differing bits are kept in lanes of 8 bits, widened to 16
//! before they could overflow, and to 32 before those could. The methods belong to a level's token, as those of
//! [`Float`](super::float::Float).

use super::tile::{Counts, MAX_COLUMNS, Patches, Tile};
use core::ops::Range;

/// Counting of one level. Every method is inlined into a function that is compiled with the level's features.
pub(super) trait Bytes: Tile {
    /// [`Tile::LANES`] counts of 8 bits.
    type Vector: Copy;
    /// Half as many counts of 16 bits.
    type Wide: Copy;
    /// A step of the weights of a register's lanes.
    type Weights: Copy;
    /// A step of a row, for all lanes.
    type Step: Copy;
    /// Steps until 8 bits could overflow, as each adds at most 8.
    const STEPS: usize = 255 / 8;
    /// So many times [`STEPS`](Self::STEPS) until 16 bits could overflow.
    const CHUNKS: usize = 65535 / (8 * Self::STEPS);
    /// Counts that [`le_bits`](Self::le_bits) compares at once: at most 16, a divisor of [`Tile::LANES`].
    const TOGETHER: usize;

    /// Counts of 0.
    fn zero(self) -> Self::Vector;

    /// Counts of 0.
    fn zero_wide(self) -> Self::Wide;

    /// Loads a register's step.
    ///
    /// # Safety
    /// [`Tile::STEP_BYTES`] bytes must be readable.
    unsafe fn weights(self, from: *const u8) -> Self::Weights;

    /// What meets the weights of a step.
    fn step(self, byte: &u8) -> Self::Step;

    /// The counts, and each lane's differing bits of a step.
    fn add_differing(
        self,
        counts: Self::Vector,
        weights: Self::Weights,
        step: Self::Step,
    ) -> Self::Vector;

    /// The wide counts of the first half of the channels and of the second, and the counts.
    fn widen(self, wide: [Self::Wide; 2], counts: Self::Vector) -> [Self::Wide; 2];

    /// Writes the wide counts, or adds them to those that are there.
    ///
    /// # Panics
    /// Where `counts` is shorter than the vector.
    fn flush(self, wide: Self::Wide, counts: &mut [u32], add: bool);

    /// Bit `i`: `counts[i] <= limits[i]`, for [`TOGETHER`](Self::TOGETHER) of them.
    ///
    /// # Panics
    /// Where there are fewer.
    fn le_bits(self, counts: &[u32], limits: &[i32]) -> u32;
}

/// The address of a panel's first step, once it is certain that the panel is as deep as the rows.
#[inline(always)]
fn panel_start<B: Bytes, const V: usize>(patches: &Patches<'_>, panel: &[u8]) -> *const u8 {
    let deep = panel.len() >= patches.panel_steps() * V * B::STEP_BYTES;
    assert!(deep, "a panel as deep as the rows");
    panel.as_ptr()
}

/// Adds some steps of `R` rows and `V` registers of weights to the counts, and moves on in the panel.
///
/// # Safety
/// The rows must hold `steps`, and the panel as many steps from where it points to.
#[inline(always)]
unsafe fn add_steps<B: Bytes, const R: usize, const V: usize>(
    level: B,
    rows: &[*const u8; R],
    steps: Range<usize>,
    panel: &mut *const u8,
    counts: &mut [[B::Vector; V]; R],
) {
    for step in steps {
        let weights: [B::Weights; V] = core::array::from_fn(
            #[inline(always)]
            |v| {
                // SAFETY: the caller's panel has as many steps.
                unsafe { level.weights(panel.wrapping_add(v * B::STEP_BYTES)) }
            },
        );
        *panel = panel.wrapping_add(V * B::STEP_BYTES);
        for r in 0..R {
            // SAFETY: the caller's rows hold all steps.
            let step = level.step(unsafe { &*rows[r].add(step) });
            for v in 0..V {
                counts[r][v] = level.add_differing(counts[r][v], weights[v], step);
            }
        }
    }
}

/// [`Tile::count`].
#[inline(always)]
pub(super) fn count<B: Bytes, const R: usize, const V: usize>(
    level: B,
    patches: &Patches<'_>,
    starts: &[usize; R],
    panel: &[u8],
    counts: &mut [Counts; R],
) {
    let rows = patches.pointers(starts, B::STEP);
    let mut panel = panel_start::<B, V>(patches, panel);
    let mut wide = [[[level.zero_wide(); 2]; V]; R];
    let (mut flushed, mut room) = (false, B::CHUNKS);
    for segment in 0..patches.segments {
        if segment > 0 {
            panel = panel.wrapping_add(patches.gap * V * B::STEP_BYTES);
        }
        let mut step = segment * patches.stride;
        let end = step + patches.steps;
        while step < end {
            let stop = end.min(step + B::STEPS);
            let mut sums = [[level.zero(); V]; R];
            // SAFETY: `pointers` has checked that all steps of all segments lie within the words; the panel is as deep.
            unsafe { add_steps(level, &rows, step..stop, &mut panel, &mut sums) };
            step = stop;
            for r in 0..R {
                for v in 0..V {
                    wide[r][v] = level.widen(wide[r][v], sums[r][v]);
                }
            }
            room -= 1;
            if room == 0 {
                flush(level, &mut wide, counts, flushed);
                flushed = true;
                room = B::CHUNKS;
            }
        }
    }
    flush(level, &mut wide, counts, flushed);
}

/// Adds 16-bit counts to those of 32 bits, if there are any yet, and clears them.
#[inline(always)]
fn flush<B: Bytes, const R: usize, const V: usize>(
    level: B,
    wide: &mut [[[B::Wide; 2]; V]; R],
    counts: &mut [Counts; R],
    add: bool,
) {
    for (wide, counts) in wide.iter_mut().zip(counts) {
        let parts = counts.chunks_exact_mut(B::LANES / 2);
        for (wide, counts) in wide.as_flattened_mut().iter_mut().zip(parts) {
            level.flush(*wide, counts, add);
            *wide = level.zero_wide();
        }
    }
}

/// Counts that fit in bytes, of rows of at most 31 steps.
#[inline(always)]
#[allow(
    dead_code,
    reason = "not every architecture has a level that compares bytes"
)]
pub(super) fn shallow<B: Bytes, const R: usize, const V: usize>(
    level: B,
    patches: &Patches<'_>,
    starts: &[usize; R],
    panel: &[u8],
) -> [[B::Vector; V]; R] {
    let rows = patches.pointers(starts, B::STEP);
    assert!(
        patches.segments * patches.steps * 8 < 256,
        "counts that fit in bytes"
    );
    let mut panel = panel_start::<B, V>(patches, panel);
    let mut sums = [[level.zero(); V]; R];
    for segment in 0..patches.segments {
        if segment > 0 {
            panel = panel.wrapping_add(patches.gap * V * B::STEP_BYTES);
        }
        let first = segment * patches.stride;
        let steps = first..first + patches.steps;
        // SAFETY: `pointers` has checked that all steps of all segments lie within the words; the panel is as deep.
        unsafe { add_steps(level, &rows, steps, &mut panel, &mut sums) };
    }
    sums
}

/// [`Tile::count_le_bits`] of a tile with `LANES` columns a register.
#[inline(always)]
pub(super) fn count_le_bits<B: Bytes, const R: usize, const V: usize, const LANES: usize>(
    level: B,
    counts: &[Counts; R],
    limits: &[i32; MAX_COLUMNS],
) -> [u64; R] {
    let mut bits = [0; R];
    for first in (0..V * LANES).step_by(B::TOGETHER) {
        for (bits, counts) in bits.iter_mut().zip(counts) {
            *bits |= u64::from(level.le_bits(&counts[first..], &limits[first..])) << first;
        }
    }
    bits
}
