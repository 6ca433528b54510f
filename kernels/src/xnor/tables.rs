//! Activations by table, for kernels whose lines are a few bits: mostly the first layers of images with one channel.
//!
//! Six bits of a kernel line have 64 values, and for each a table holds how many bits differ from the weights of every output: a byte
//! each, eight outputs a word. A window's counts are then the sum of its lines' entries, and no byte overflows while the depth is below
//! 128. As what is wanted is `count < bound`, each byte starts from `bound + 127` and has the entries taken away: its highest bit is left
//! where the count stayed below. A multiplication brings those of a word together (with `x = Σ b_i 2^{8i}`, the only term of
//! `x · Σ_{k=1}^{8} 2^{7k}` that reaches bit `56 + i` is `b_i 2^{8i + 7(8 − i)}`).
//!
//! Two pieces are taken at a time, over all windows of a line that begin within 64 bits, which share the reads. Two shifts, two masks, a load,
//! an addition from memory, a subtraction from memory and a store make eight instructions a window, eight outputs at a time (32 in a 256-bit
//! register), and about twelve are at its end: 3 · 8 + 12 = 36 for the talk's first layer, 6×6 of one channel to 8 outputs. Gathering it
//! takes six lines 3½ each, and the product 34 and more (see `gather.rs` and `avx2_narrow.rs`, whose blocks the 12 positions of a line do
//! not fill).

use super::{
    bits_out::Bits,
    epilogue::Threshold,
    params::ConvSpec,
    patches::{Band, Lines},
    workspace::Worker,
    writer::count_limit,
};
use crate::{
    arch::tile::Tile,
    bits::{BitMatrix, BitView, WORD, read_bits},
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

/// Pieces that are taken at a time.
const TOGETHER: usize = 2;

/// The weights of a convolution as tables.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    level: Level,
    /// Where the pieces of the kernel begin: the kernel line, and the bit in it. Where they would be an odd number, there is one whose
    /// entries are 0.
    pieces: Vec<(usize, usize)>,
    /// The bits that a piece's table is looked up by. In the last piece of a line some may be beyond it, and do not count.
    bits: usize,
    /// Of each piece, `2^bits` entries of as many words as outputs take.
    entries: Vec<u64>,
    words: usize,
    depth: usize,
}

impl Tables {
    /// The tables, if they are small enough to be worth it.
    pub(super) fn new(level: Level, spec: &ConvSpec, weights: &BitMatrix) -> Option<Self> {
        let params = &spec.params;
        let (depth, run) = (spec.depth(), params.kernel[1] * spec.channels);
        // Few sizes, each of which is compiled for every level.
        let words = spec.outputs.div_ceil(OUTPUTS).next_power_of_two();
        let parts = run.div_ceil(INDEX);
        let bits = run.div_ceil(parts);
        let bytes = (params.kernel[0] * parts * words * size_of::<u64>()) << bits;
        let neighbours = params.groups == 1 && params.dilation[1] == 1;
        if !neighbours || depth > 127 || words > WORDS || bytes > BYTES {
            return None;
        }
        let mut pieces: Vec<(usize, usize)> = (0..params.kernel[0])
            .flat_map(|line| (0..run).step_by(bits).map(move |start| (line, start)))
            .collect();
        let count = pieces.len();
        pieces.resize(count.next_multiple_of(TOGETHER), (0, 0));
        let mut entries = vec![0; (pieces.len() * words) << bits];
        for (&(line, start), entries) in pieces[..count]
            .iter()
            .zip(entries.chunks_exact_mut(words << bits))
        {
            let within = bits.min(run - start);
            let mask = u64::MAX >> (WORD - within);
            for output in 0..spec.outputs {
                let ours = read_bits(weights.row(output), line * run + start, within);
                let (word, shift) = (output / OUTPUTS, output % OUTPUTS * 8);
                for (index, entry) in (0..).zip(entries.chunks_exact_mut(words)) {
                    let differ = ((index ^ ours) & mask).count_ones();
                    entry[word] |= u64::from(differ) << shift;
                }
            }
        }
        Some(Self {
            level,
            pieces,
            bits,
            entries,
            words,
            depth,
        })
    }

    /// Words of the sums of a line's windows.
    pub(super) fn line_words(&self, width: usize) -> usize {
        width * self.words
    }

    /// The activations of one band of output lines.
    pub(super) fn band(
        &self,
        spec: &ConvSpec,
        input: BitView<'_>,
        band: &Band,
        width: usize,
        worker: &mut Worker,
        writer: &mut Bits<'_>,
    ) {
        let Worker { lines, rows } = worker;
        let lines = Lines::new(spec, input, band, 0, lines);
        macro_rules! words {
            ($($words:literal)*) => {
                match self.words {
                    $($words => dispatch!(self.level, token => {
                        self.lines::<_, $words>(token, spec, lines, band, width, rows, writer)
                    }),)*
                    words => unreachable!("an entry has 1, 2, 4 or 8 words, not {words}"),
                }
            };
        }
        words!(1 2 4 8);
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "what a band is, and what one thread works in"
    )]
    fn lines<T: Tile, const N: usize>(
        &self,
        token: T,
        spec: &ConvSpec,
        lines: Lines<'_>,
        band: &Band,
        width: usize,
        sums: &mut Vec<u64>,
        writer: &mut Bits<'_>,
    ) {
        let (thresholds, out) = writer.lines();
        let start = self.start::<N>(thresholds);
        let inverted = inverted::<N>(thresholds);
        let across = spec.params.stride[1] * spec.channels;
        let outputs = thresholds.len();
        let down = spec.params.dilation[0];
        sums.resize(sums.len().max(width * N), 0);
        token.vectorize(
            #[inline(always)]
            || {
                let all = (0..band.images.len()).flat_map(|image| {
                    (0..band.lines.len())
                        .map(move |y| image * lines.image_lines + y * spec.params.stride[0])
                });
                let sums = sums[..width * N].as_chunks_mut::<N>().0;
                // Windows that begin and end within 64 bits.
                let within = (WORD - self.bits) / across + 1;
                for (first, out) in all.zip(out) {
                    sums.fill(start);
                    let entries = self.entries.chunks_exact((TOGETHER * N) << self.bits);
                    for (pieces, entries) in self.pieces.as_chunks().0.iter().zip(entries) {
                        let lines = pieces.map(|(line, start)| {
                            let line = (first + line * down) * lines.line_words;
                            (&lines.words[line..], start)
                        });
                        self.take_away(lines, entries, across, within, sums);
                    }
                    let mut out = Writer::new(out);
                    for sums in &*sums {
                        for (index, (sum, inverted)) in sums.iter().zip(&inverted).enumerate() {
                            let count = OUTPUTS.min(outputs.saturating_sub(index * OUTPUTS));
                            out.write(highest(*sum) ^ inverted, count);
                        }
                    }
                    out.finish();
                }
            },
        );
    }

    /// Takes the counts of some pieces away from the sums of a line's windows, `across` bits apart, of which some lie within a word's
    /// length of bits. The pieces begin at bits of lines, and have entries one after the other.
    #[inline(always)]
    fn take_away<const N: usize>(
        &self,
        lines: [(&[u64], usize); TOGETHER],
        entries: &[u64],
        across: usize,
        within: usize,
        sums: &mut [[u64; N]],
    ) {
        let [first, second] = [0, 1].map(|piece| {
            let entries = &entries[(piece * N) << self.bits..][..N << self.bits];
            entries.as_chunks::<N>().0
        });
        let mask = (1 << self.bits) - 1;
        let mut bit = 0;
        for sums in sums.chunks_mut(within) {
            let bits = lines.map(|(line, start)| read_bits(line, bit + start, WORD));
            let mut shift = 0;
            for sums in sums {
                let [one, other] = bits.map(|bits| (bits >> shift & mask) as usize);
                for (sum, (one, other)) in
                    sums.iter_mut().zip(first[one].iter().zip(&second[other]))
                {
                    *sum -= one + other;
                }
                shift += across;
            }
            bit += within * across;
        }
    }

    /// What the counts are taken away from: `bound + 127` in each byte, where the output is set for a count below `bound`.
    fn start<const N: usize>(&self, thresholds: &[Threshold]) -> [u64; N] {
        let mut start = [u64::from_ne_bytes([127; 8]); N];
        for (output, threshold) in thresholds.iter().enumerate() {
            let limit = count_limit(self.depth as i32, threshold.at_least, 2);
            let bound = limit.saturating_add(1).clamp(0, 128) as u64;
            start[output / OUTPUTS] += bound << (output % OUTPUTS * 8);
        }
        start
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

/// Writes bits one after the other. The word in work stays in a register.
struct Writer<'a> {
    words: core::slice::IterMut<'a, u64>,
    word: u64,
    filled: usize,
}

impl<'a> Writer<'a> {
    #[inline(always)]
    fn new(words: &'a mut [u64]) -> Self {
        Self {
            words: words.iter_mut(),
            word: 0,
            filled: 0,
        }
    }

    /// Writes `count ≤ 8` bits, those above which are 0.
    #[inline(always)]
    fn write(&mut self, bits: u64, count: usize) {
        self.word |= bits << self.filled;
        self.filled += count;
        if self.filled >= WORD {
            self.filled -= WORD;
            self.put();
            self.word = bits >> (count - self.filled);
        }
    }

    #[inline(always)]
    fn finish(mut self) {
        if self.filled > 0 {
            self.put();
        }
    }

    #[inline(always)]
    fn put(&mut self) {
        *self.words.next().expect("a line has room for its bits") = self.word;
    }
}
