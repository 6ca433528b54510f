//! Activations by table, for kernels whose lines are a few bits: mostly the first layers of images with one channel.
//!
//! Six bits of a kernel line have 64 values, and for each a table holds how many bits differ from the weights of every output: a byte
//! each, eight outputs a word. A window's counts are then the sum of its lines' entries, and no byte overflows while the depth is below
//! 128. As what is wanted is `count < bound`, each byte starts from `bound + 127` and has the entries taken away: its highest bit is left
//! where the count stayed below. A multiplication brings those of a word together (with `x = Σ b_i 2^{8i}`, the only term of
//! `x · Σ_{k=1}^{8} 2^{7k}` that reaches bit `56 + i` is `b_i 2^{8i + 7(8 − i)}`).
//!
//! A line of a window costs a mask, a shift, a load with its subtraction and a store, eight outputs at a time (32 in a 256-bit register),
//! and a window about twelve instructions at its end: 6 · 5 + 12 = 42 for the talk's first layer, 6×6 of one channel to 8 outputs. Gathering
//! it takes six lines 3½ each, and the product 34 and more: see `gather.rs` and `avx2_narrow.rs`, whose blocks the 12 positions of a line
//! do not fill.

use super::{
    Threshold,
    geometry::Window,
    output::Bits,
    patches::{Band, Lines, Worker},
    tile::Tile,
};
use crate::{
    bits::{BitMatrix, BitTensor, WORD, read_bits},
    isa::{Level, dispatch},
};
use alloc::{vec, vec::Vec};

/// Bytes of all tables: they share the first-level cache with the lines and the output.
const BYTES: usize = 16 << 10;
/// Bits that a table is looked up by, at most.
const INDEX: usize = 8;
/// Outputs of a word: a byte each.
const OUTPUTS: usize = 8;
/// Words of an entry, at most.
const WORDS: usize = 8;
/// The highest bit of each byte.
const HIGHEST: u64 = u64::from_ne_bytes([0x80; 8]);

/// A part of a kernel line, with a table of its own.
#[derive(Clone, Debug)]
struct Piece {
    /// The kernel line.
    line: usize,
    /// Where in it the piece begins, and its length, in bits.
    start: usize,
    bits: usize,
    /// `2^bits` entries of as many words as outputs take.
    entries: Vec<u64>,
}

/// The weights of a convolution as tables.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    pieces: Vec<Piece>,
    words: usize,
    depth: usize,
}

impl Tables {
    /// The tables, if they are small enough to be worth it.
    pub(super) fn new(window: &Window, weights: &BitMatrix) -> Option<Self> {
        let (geometry, options) = (&window.geometry, &window.options);
        let (depth, run) = (window.depth(), geometry.kernel[1] * geometry.channels);
        let words = geometry.outputs.div_ceil(OUTPUTS);
        let parts = run.div_ceil(INDEX);
        let bits = run.div_ceil(parts);
        let bytes = (geometry.kernel[0] * parts * words * size_of::<u64>()) << bits;
        let neighbours = options.groups == 1 && options.dilation[1] == 1;
        if !neighbours || depth > 127 || words > WORDS || bytes > BYTES {
            return None;
        }
        let pieces = (0..geometry.kernel[0]).flat_map(|line| {
            (0..run).step_by(bits).map(move |start| {
                let bits = bits.min(run - start);
                let mut entries = vec![0; words << bits];
                for output in 0..geometry.outputs {
                    let ours = read_bits(weights.row(output), line * run + start, bits);
                    let (word, shift) = (output / OUTPUTS, output % OUTPUTS * 8);
                    for (index, entry) in entries.chunks_exact_mut(words).enumerate() {
                        let differ = (index as u64 ^ ours).count_ones();
                        entry[word] |= u64::from(differ) << shift;
                    }
                }
                Piece {
                    line,
                    start,
                    bits,
                    entries,
                }
            })
        });
        Some(Self {
            pieces: pieces.collect(),
            words,
            depth,
        })
    }

    /// The activations of one band of output lines.
    pub(super) fn band(
        &self,
        level: Level,
        window: &Window,
        input: &BitTensor,
        band: &Band,
        width: usize,
        worker: &mut Worker,
        stage: &mut Bits<'_>,
    ) {
        let Worker { lines, rows } = worker;
        let lines = Lines::new(window, input, band, lines);
        macro_rules! words {
            ($($words:literal)*) => {
                match self.words {
                    $($words => dispatch!(level, token => {
                        self.lines::<_, $words>(token, window, lines, band, width, rows, stage)
                    }),)*
                    words => unreachable!("an entry has at most {WORDS} words, not {words}"),
                }
            };
        }
        words!(1 2 3 4 5 6 7 8);
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "what a band is, and what one thread works in"
    )]
    fn lines<T: Tile, const N: usize>(
        &self,
        token: T,
        window: &Window,
        lines: Lines<'_>,
        band: &Band,
        width: usize,
        sums: &mut Vec<u64>,
        stage: &mut Bits<'_>,
    ) {
        let (thresholds, out) = stage.lines();
        let start = self.start::<N>(thresholds);
        let inverted = inverted::<N>(thresholds);
        let across = window.geometry.stride[1] * window.geometry.channels;
        let outputs = thresholds.len();
        sums.resize(sums.len().max(width * N), 0);
        token.vectorize(
            #[inline(always)]
            || {
                let sums = sums[..width * N].as_chunks_mut::<N>().0;
                let all = band.images.clone().enumerate().flat_map(|(image, _)| {
                    (0..band.lines.len())
                        .map(move |y| image * lines.image_lines + y * window.geometry.stride[0])
                });
                for (first, out) in all.zip(out) {
                    sums.fill(start);
                    for piece in &self.pieces {
                        let line = first + piece.line * window.options.dilation[0];
                        let words = &lines.words[line * lines.line_words..][..lines.line_words];
                        piece.take_away(words, across, sums);
                    }
                    let mut bit = 0;
                    for sums in &*sums {
                        for (index, (sum, inverted)) in sums.iter().zip(&inverted).enumerate() {
                            let bits = highest(*sum) ^ inverted;
                            write(out, bit + index * OUTPUTS, bits);
                        }
                        bit += outputs;
                    }
                }
            },
        );
    }

    /// What the counts are taken away from: `bound + 127` in each byte, where the output is set for a count below `bound`.
    fn start<const N: usize>(&self, thresholds: &[Threshold]) -> [u64; N] {
        let mut start = [u64::from_ne_bytes([127; 8]); N];
        for (output, threshold) in thresholds.iter().enumerate() {
            // depth − 2 count ≥ t. Half of what saturates is still more than any count.
            let limit = (self.depth as i32)
                .saturating_sub(threshold.at_least)
                .div_euclid(2);
            let bound = limit.saturating_add(1).clamp(0, 128) as u64;
            start[output / OUTPUTS] += bound << (output % OUTPUTS * 8);
        }
        start
    }
}

impl Piece {
    /// Takes this piece's counts away from the sums of a line's windows, `across` bits apart.
    #[inline(always)]
    fn take_away<const N: usize>(&self, line: &[u64], across: usize, sums: &mut [[u64; N]]) {
        let entries = self.entries.as_chunks::<N>().0;
        let mask = (1 << self.bits) - 1;
        // As many windows as begin and end within 64 bits share a read.
        let together = (WORD - self.bits) / across + 1;
        let mut bit = self.start;
        for sums in sums.chunks_mut(together) {
            let mut bits = read_bits(line, bit, WORD);
            for sum in sums {
                let entry = &entries[(bits & mask) as usize];
                for (sum, entry) in sum.iter_mut().zip(entry) {
                    *sum -= entry;
                }
                bits = bits.checked_shr(across as u32).unwrap_or(0);
            }
            bit += together * across;
        }
    }
}

/// The outputs that are inverted.
fn inverted<const N: usize>(thresholds: &[Threshold]) -> [u64; N] {
    let mut inverted = [0; N];
    for (output, threshold) in thresholds.iter().enumerate() {
        inverted[output / OUTPUTS] |= u64::from(threshold.invert) << (output % OUTPUTS);
    }
    inverted
}

/// The highest bit of each byte.
#[inline(always)]
fn highest(bytes: u64) -> u64 {
    ((bytes & HIGHEST) >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// Sets eight bits or, at the end of the words, those of them that there are.
#[inline(always)]
fn write(words: &mut [u64], bit: usize, bits: u64) {
    let (word, shift) = (bit / WORD, bit % WORD);
    words[word] |= bits << shift;
    if shift > WORD - OUTPUTS && word + 1 < words.len() {
        words[word + 1] |= bits >> (WORD - shift);
    }
}
