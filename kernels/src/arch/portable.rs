//! Plain Rust, left to the compiler's own vectoriser.

use super::tile::{Counts, MAX_COLUMNS, Patches, Tile};
use crate::isa::Portable;

impl Tile for Portable {
    const LANES: usize = 4;
    const REGISTERS: usize = 1;
    const ROWS: usize = 2;
    const STEP: usize = 8;

    fn count<const R: usize, const V: usize>(
        self,
        patches: &Patches<'_>,
        starts: &[usize; R],
        panel: &[u8],
        counts: &mut [Counts; R],
    ) {
        let mut sums = [[0_u64; Self::LANES]; R];
        let mut panel = panel
            .as_chunks::<{ Self::STEP }>()
            .0
            .as_chunks::<{ Self::LANES }>()
            .0
            .iter();
        for segment in 0..patches.segments {
            if segment > 0 && patches.gap > 0 {
                panel.nth(patches.gap - 1);
            }
            let rows = starts.map(|start| {
                &patches.words[(start + segment * patches.stride) / 8..][..patches.steps]
            });
            for (step, weights) in panel.by_ref().take(patches.steps).enumerate() {
                for (sums, row) in sums.iter_mut().zip(rows) {
                    for (sum, weights) in sums.iter_mut().zip(weights) {
                        *sum += u64::from((row[step] ^ u64::from_ne_bytes(*weights)).count_ones());
                    }
                }
            }
        }
        for (counts, sums) in counts.iter_mut().zip(sums) {
            for (count, sum) in counts.iter_mut().zip(sums) {
                *count = sum as u32;
            }
        }
    }

    fn peak_throughput(self, rounds: u64) -> u64 {
        let mut sums = [0_u64; Self::LANES];
        for _ in 0..rounds {
            let weights = core::hint::black_box([0x5555_5555_5555_5555_u64; Self::LANES]);
            for (sum, weights) in sums.iter_mut().zip(weights) {
                *sum += u64::from((weights ^ 0x3333_3333_3333_3333).count_ones());
            }
        }
        core::hint::black_box(sums);
        64 * Self::LANES as u64
    }

    fn bits(self, flags: &[u8; 64]) -> u64 {
        // Eight flags at a time: each product moves byte `i` of the eight to bit `56 + i`, and no two meet.
        let eights = flags.as_chunks::<8>().0.iter().rev();
        eights.fold(0, |bits, eight| {
            bits << 8 | u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56
        })
    }

    fn count_le_bits<const R: usize, const V: usize>(
        self,
        counts: &[Counts; R],
        limits: &[i32; MAX_COLUMNS],
    ) -> [u64; R] {
        counts.each_ref().map(|counts| {
            let pairs = counts.iter().zip(limits).take(V * Self::LANES).enumerate();
            pairs.fold(0, |bits, (column, (&count, &limit))| {
                bits | u64::from(count as i32 <= limit) << column
            })
        })
    }
}
