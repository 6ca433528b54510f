//! Products of 8-bit unsigned numbers with ±1 weights, exactly: first layers.
//!
//! Bit planes (eight binary products, plane `b` counting 2ᵇ) need no kernel of their own, but a pair of `vpshufb` and `vpaddb`
//! takes 32 · 4 bits, and eight planes of them are 16 multiply-accumulates. `vpmaddubsw` multiplies 32 unsigned bytes with signed
//! ones and adds neighbours; with `vpaddw` that is 32 for a pair, and a pixel's window is read where it is, where eight planes would
//! have to be packed and gathered. So weights are bytes here, `−w`, and a lane holds four of its channel, neighbours in
//! depth, which meet the same four bytes of the row.
//!
//! Other levels leave 16-bit products and sums to the compiler, a byte of depth a step (`arch/tile.rs`).
//!
//! A weight may also be 0. So a kernel line is padded to whole steps, and taps that lie apart (dilation) or
//! channels of other groups are gaps of zeros in it.
//!
//! What is counted is `255·K − Σ x w`, which is never below 0, so that writers need to know no more
//! than that its base is 255·K.

use crate::{
    arch::tile::{Counts, MAX_COLUMNS, Patches, Tile},
    bits::WORD,
    isa::Token,
};

/// The tile of a level for rows of bytes.
#[derive(Clone, Copy)]
pub(super) struct Bytes<T>(pub(super) T);

impl<T: Token> Token for Bytes<T> {
    #[inline(always)]
    fn vectorize<O>(self, body: impl FnOnce() -> O) -> O {
        self.0.vectorize(body)
    }
}

impl<T: Tile> Tile for Bytes<T> {
    const LANES: usize = T::BYTE_LANES;
    const REGISTERS: usize = 2;
    const ROWS: usize = 6;
    const STEP: usize = T::BYTE_STEP;
    const PER_COUNT: i32 = 1;

    fn base(bits: usize) -> i32 {
        255 * (bits / 8) as i32
    }

    #[inline(always)]
    fn count<const R: usize, const V: usize>(
        self,
        patches: &Patches<'_>,
        starts: &[usize; R],
        panel: &[u8],
        counts: &mut [Counts; R],
    ) {
        let base = Self::base(patches.segments * patches.steps * Self::STEP * 8);
        self.0
            .count_bytes::<R, V>(base, patches, starts, panel, counts);
    }

    fn peak_throughput(self, rounds: u64) -> u64 {
        const DEPTH: usize = 256;
        let words = core::hint::black_box([0x0123_4567_89ab_cdef; 6 * DEPTH / 8]);
        let panel = core::hint::black_box([1; DEPTH * MAX_COLUMNS]);
        let patches = Patches {
            words: &words,
            segments: 1,
            stride: 0,
            steps: DEPTH / Self::STEP,
            gap: 0,
            tail_mask: u32::MAX,
        };
        let starts = core::array::from_fn(|row| row * DEPTH);
        let mut counts = [[0; MAX_COLUMNS]; 6];
        self.vectorize(
            #[inline(always)]
            || {
                for _ in 0..rounds {
                    self.count::<6, 2>(&patches, &starts, &panel, &mut counts);
                    core::hint::black_box(&mut counts);
                }
            },
        );
        (6 * DEPTH * Self::REGISTERS * Self::LANES) as u64
    }

    #[inline(always)]
    fn bits(self, flags: &[u8; WORD]) -> u64 {
        self.0.bits(flags)
    }

    #[inline(always)]
    fn count_le_bits<const R: usize, const V: usize>(
        self,
        counts: &[Counts; R],
        limits: &[i32; MAX_COLUMNS],
    ) -> [u64; R] {
        let columns = V * Self::LANES;
        let bits = match columns.div_ceil(T::LANES) {
            1 if const { (V * T::BYTE_LANES).div_ceil(T::LANES) == 1 } => {
                self.0.count_le_bits::<R, 1>(counts, limits)
            }
            2 if const { (V * T::BYTE_LANES).div_ceil(T::LANES) == 2 } => {
                self.0.count_le_bits::<R, 2>(counts, limits)
            }
            4 if const { (V * T::BYTE_LANES).div_ceil(T::LANES) == 4 } => {
                self.0.count_le_bits::<R, 4>(counts, limits)
            }
            registers => unreachable!("no level has {registers} registers for {columns} columns"),
        };
        bits.map(|bits| bits & (u64::MAX >> (WORD - columns)))
    }
}
