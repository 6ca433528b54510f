//! Products of bytes with weights of −1, 0 and +1, by instructions that add neighbouring products to lanes of 16 bits.

use super::tile::{Counts, Patches};
use crate::isa::Token;

/// Bytes of depth that a lane of 32 bits meets in a step.
pub(super) const NEIGHBOURS: usize = 4;

/// Steps until a lane's 16 bits could overflow: each adds at most 2 · 255.
const ROOM: usize = 64;

/// Such products of one level. Every method is inlined into a function that is compiled with the level's features.
pub(super) trait Products: Token {
    /// A register: sums of 16 bits, or half as many of 32.
    type Vector: Copy;
    /// Sums of 32 bits in a register.
    const WIDE: usize;

    /// The number in every lane of 32 bits.
    fn splat(self, x: i32) -> Self::Vector;

    /// Loads a register of weights.
    ///
    /// # Safety
    /// The register's bytes must be readable.
    unsafe fn weights(self, from: *const u8) -> Self::Vector;

    /// Adds the products of neighbours, bytes of `step` with weights, to lanes of 16 bits.
    fn add_products(
        self,
        sums: Self::Vector,
        step: Self::Vector,
        weights: Self::Vector,
    ) -> Self::Vector;

    /// Adds neighbours of 16 bits to lanes of 32.
    fn add_neighbours(self, wide: Self::Vector, sums: Self::Vector) -> Self::Vector;

    /// Writes the lanes of 32 bits.
    ///
    /// # Panics
    /// Where `counts` is shorter than they are.
    fn store(self, wide: Self::Vector, counts: &mut [u32]);
}

/// [`Tile::count_bytes`](super::tile::Tile::count_bytes).
#[inline(always)]
pub(super) fn count_bytes<P: Products, const R: usize, const V: usize>(
    level: P,
    base: i32,
    patches: &Patches<'_>,
    starts: &[usize; R],
    panel: &[u8],
    counts: &mut [Counts; R],
) {
    let register = P::WIDE * size_of::<i32>();
    let rows = patches.pointers(starts, NEIGHBOURS);
    let steps = patches.segments * patches.steps;
    assert!(
        panel.len() >= steps * V * register,
        "a panel as deep as the rows"
    );
    assert_eq!(patches.gap, 0, "bytes are counted to their full depth");
    let mut panel = panel.as_ptr();
    let mut wide = [[level.splat(base); V]; R];
    let mut sums = [[level.splat(0); V]; R];
    let mut room = ROOM;
    for segment in 0..patches.segments {
        let (mut at, mut rest) = (segment * patches.stride, patches.steps);
        while rest > 0 {
            let some = rest.min(room);
            for _ in 0..some {
                let weights: [P::Vector; V] = core::array::from_fn(
                    #[inline(always)]
                    |v| {
                        // SAFETY: the panel is as deep as the rows, whose steps are counted here.
                        unsafe { level.weights(panel.wrapping_add(v * register)) }
                    },
                );
                panel = panel.wrapping_add(V * register);
                for r in 0..R {
                    // SAFETY: `pointers` has checked that all steps of all segments lie within the words.
                    let step = unsafe { rows[r].add(at).cast::<i32>().read_unaligned() };
                    let step = level.splat(step);
                    for v in 0..V {
                        sums[r][v] = level.add_products(sums[r][v], step, weights[v]);
                    }
                }
                at += NEIGHBOURS;
            }
            (rest, room) = (rest - some, room - some);
            if room == 0 {
                widen(level, &mut sums, &mut wide);
                room = ROOM;
            }
        }
    }
    widen(level, &mut sums, &mut wide);
    for (counts, wide) in counts.iter_mut().zip(wide) {
        for (counts, wide) in counts.chunks_exact_mut(P::WIDE).zip(wide) {
            level.store(wide, counts);
        }
    }
}

/// Adds neighbours of 16 bits to lanes of 32, and clears them.
#[inline(always)]
fn widen<P: Products, const R: usize, const V: usize>(
    level: P,
    sums: &mut [[P::Vector; V]; R],
    wide: &mut [[P::Vector; V]; R],
) {
    let lanes = wide.as_flattened_mut().iter_mut();
    for (wide, sum) in lanes.zip(sums.as_flattened_mut()) {
        *wide = level.add_neighbours(*wide, *sum);
        *sum = level.splat(0);
    }
}
