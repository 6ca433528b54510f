//! Activations of products that are at most a word deep: mostly the first layers of images with one channel, and small dense layers.
//!
//! Where a level counts the bits of whole words (`Tile::WORDS`), a row that is one word needs no sum, no depth and no tile: it is broadcast,
//! and of each eight columns a comparison is the packed output. With weights `w` and `K` bits of depth, a count `d` sets the output where
//! `d < b`, `b = ⌊(K − t)/2⌋ + 1` for the threshold `t`. An inverted output is set where `d ≥ b`; with all of its weights turned round the count is
//! `d' = K − d`, and it is set where `d' < K + 1 − b`. So inversion is folded into weights and bounds, once for all rows.
//!
//! Rows of a convolution are gathered eight at a time, where they lie within one word of each line. The window below is the same word with
//! its upper lines shifted out at the lower end, and only the lines that are new to it enter: each costs a load, a broadcast, a
//! shift, a rotation and a mask for eight rows.

use super::{
    epilogue::Threshold,
    pack::{Panel, Panels},
    patches::{BAND, Lines, Windows},
};
use crate::{
    arch::tile::{Strided, Tile},
    bits::{Shape, WORD, bytes_mut, read_bits, set_bits},
};
use alloc::vec::Vec;

/// Columns of a group: the lanes of a register, a bit each of an output's byte.
const GROUP: usize = 8;

/// The weights and thresholds of a panel, a word and a bound for each column.
#[derive(Clone, Debug)]
pub(super) struct Folded {
    weights: [[u64; GROUP]; GROUPS],
    bounds: [[u64; GROUP]; GROUPS],
}

/// Groups of a panel, at most.
const GROUPS: usize = 4;

impl Folded {
    /// Of each panel, where the level has a way for words.
    pub(super) fn all<T: Tile>(
        token: T,
        panels: Panels<'_>,
        thresholds: &[Threshold],
    ) -> Vec<Self> {
        let fold = |panel| Self::new(token, &panel, panels.bits, thresholds);
        panels.iter::<T>().map(fold).collect()
    }

    #[inline(always)]
    fn new<T: Tile>(token: T, panel: &Panel<'_>, depth: usize, thresholds: &[Threshold]) -> Self {
        let steps = depth.div_ceil(8 * T::STEP);
        let mut weights = token.column_words(panel.weights, panel.registers, steps);
        // What comes after the last column is never set.
        let mut bounds = [[0; GROUP]; GROUPS];
        let mask = u64::MAX >> (WORD - depth);
        let depth = depth as i32;
        let columns = weights
            .as_flattened_mut()
            .iter_mut()
            .zip(bounds.as_flattened_mut());
        for ((weight, bound), threshold) in columns.zip(&thresholds[panel.first..][..panel.columns])
        {
            let below = ((depth - threshold.at_least.clamp(-depth, depth + 1)) >> 1) + 1;
            let turned = depth + 1 - below;
            let below = if threshold.invert { turned } else { below };
            *bound = below as u64;
            *weight ^= if threshold.invert { mask } else { 0 };
        }
        Self { weights, bounds }
    }
}

/// Where activations go.
pub(super) struct Place<'a> {
    pub(super) thresholds: &'a [Threshold],
    /// Of each panel, or none yet.
    pub(super) folded: &'a [Folded],
    pub(super) line_words: usize,
    pub(super) line_rows: usize,
}

impl Place<'_> {
    /// The activations of all panels, into words that are 0.
    pub(super) fn activations<T: Tile>(
        &self,
        token: T,
        rows: Strided<'_>,
        line: usize,
        panels: Panels<'_>,
        out: &mut [u64],
    ) {
        if const { !T::WORDS } {
            unreachable!("the level takes no row as a word");
        }
        token.vectorize(
            #[inline(always)]
            || {
                for (index, panel) in panels.iter::<T>().enumerate() {
                    let now;
                    let folded = match self.folded.get(index) {
                        Some(folded) => folded,
                        None => {
                            now = Folded::new(token, &panel, panels.bits, self.thresholds);
                            &now
                        }
                    };
                    match panel.columns.div_ceil(GROUP) {
                        1 => self.panel::<T, 1>(token, rows, line, &panel, folded, out),
                        2 => self.panel::<T, 2>(token, rows, line, &panel, folded, out),
                        3 => self.panel::<T, 3>(token, rows, line, &panel, folded, out),
                        4 => self.panel::<T, 4>(token, rows, line, &panel, folded, out),
                        groups => unreachable!("a panel has at most {GROUPS} groups, not {groups}"),
                    }
                }
            },
        );
    }

    #[inline(always)]
    fn panel<T: Tile, const G: usize>(
        &self,
        token: T,
        rows: Strided<'_>,
        line: usize,
        panel: &Panel<'_>,
        folded: &Folded,
        out: &mut [u64],
    ) {
        let weights = folded.weights.first_chunk::<G>().expect("at most 4 groups");
        let bounds = folded.bounds.first_chunk::<G>().expect("at most 4 groups");
        // All rows together, where they are as far apart as their outputs wherever a line ends, or else those of a line.
        let outputs = self.thresholds.len();
        let contiguous = line == self.line_rows * rows.stride
            && self.line_words * WORD == self.line_rows * outputs;
        let (stride, row_bits, count) = match self.line_rows {
            1 => (line, self.line_words * WORD, rows.count),
            _ if contiguous => (rows.stride, outputs, rows.count),
            line_rows => (rows.stride, outputs, line_rows),
        };
        let (from, to) = match count == rows.count {
            true => (rows.words.len(), out.len()),
            false => (line, self.line_words),
        };
        let at_bytes = row_bits.is_multiple_of(8) && panel.first.is_multiple_of(8);
        let in_bytes = at_bytes && panel.columns == G * GROUP;
        let mut words = rows.words;
        // (A zip with chunks of the words would divide.)
        for out in out.chunks_mut(to) {
            let rows = Strided {
                words,
                stride,
                count,
            };
            words = &words[from.min(words.len())..];
            if in_bytes {
                let out = &mut bytes_mut(out)[panel.first / 8..];
                token.words_below(rows, weights, bounds, out, row_bits / 8);
            } else {
                self.by_bits(token, rows, panel, weights, bounds, row_bits, out);
            }
        }
    }

    /// Outputs that are not whole bytes go through some that are.
    #[inline(always)]
    #[expect(
        clippy::too_many_arguments,
        reason = "a panel, folded, and where its outputs go"
    )]
    fn by_bits<T: Tile, const G: usize>(
        &self,
        token: T,
        rows: Strided<'_>,
        panel: &Panel<'_>,
        weights: &[[u64; GROUP]; G],
        bounds: &[[u64; GROUP]; G],
        row_bits: usize,
        out: &mut [u64],
    ) {
        let mut bytes = [[0; G]; 64];
        for first in (0..rows.count).step_by(bytes.len()) {
            let some = Strided {
                words: &rows.words[first * rows.stride..],
                count: bytes.len().min(rows.count - first),
                ..rows
            };
            token.words_below(some, weights, bounds, bytes.as_flattened_mut(), G);
            for (row, bytes) in (first..first + some.count).zip(&bytes) {
                let bits = bytes
                    .iter()
                    .rev()
                    .fold(0, |bits, &byte| bits << 8 | u64::from(byte));
                set_bits(out, row * row_bits + panel.first, panel.columns, bits);
            }
        }
    }
}

/// Words that the rows of a band take at most, a word each.
pub(super) fn most_words(output: Shape) -> usize {
    BAND.max(output.width)
        .saturating_mul(output.width.next_multiple_of(GROUP))
        .div_ceil(output.width)
}

/// The rows of a convolution, a word each, of `images` images, and the words from one line of them to the next.
pub(super) fn gather<'a, T: Tile>(
    token: T,
    lines: Lines<'a>,
    windows: Windows<'_>,
    images: usize,
    rows: &'a mut Vec<u64>,
) -> (Strided<'a>, usize) {
    if const { !T::WORDS } {
        unreachable!("the level takes no row as a word");
    }
    let Windows {
        height,
        width,
        image_lines,
        ..
    } = windows;
    let count = images * height * width;
    let (spec, channels) = (windows.spec, windows.spec.group_channels());
    let params = &spec.params;
    if windows.across() == WORD
        && params.kernel == [1, 1]
        && channels == WORD
        && params.stride[0] == 1
        && (images == 1 || image_lines == height)
    {
        let rows = Strided {
            words: lines.words,
            stride: 1,
            count,
        };
        return (rows, lines.line_words);
    }
    // Neighbouring taps are one run of bits, unless something lies between them.
    let (runs, run) = match (params.dilation[1], params.groups) {
        (1, 1) => (1, params.kernel[1] * channels),
        _ => (params.kernel[1], channels),
    };
    let gather = Gather {
        lines,
        windows,
        runs,
        run,
        tap: spec.channels * params.dilation[1],
    };
    let together = runs == 1 && (GROUP - 1) * windows.across() + run <= WORD;
    let line = if together {
        width.next_multiple_of(GROUP)
    } else {
        width
    };
    rows.resize(rows.len().max(images * height * line), 0);
    let rows = &mut rows[..images * height * line];
    token.vectorize(
        #[inline(always)]
        || {
            for (image, rows) in rows.chunks_exact_mut(height * line).enumerate() {
                if together {
                    gather.together(image * image_lines, line, rows);
                } else {
                    gather.singly(image * image_lines, rows);
                }
            }
        },
    );
    (
        Strided {
            words: rows,
            stride: 1,
            count,
        },
        line,
    )
}

struct Gather<'a, 'b> {
    lines: Lines<'a>,
    windows: Windows<'b>,
    /// The taps of a kernel line: so many runs of neighbouring bits, of so many bits, so far apart.
    runs: usize,
    run: usize,
    tap: usize,
}

impl Gather<'_, '_> {
    /// The rows of an image, eight columns of windows at a time, from its top to its bottom.
    #[inline(always)]
    fn together(&self, first: usize, line: usize, rows: &mut [u64]) {
        let spec = self.windows.spec;
        let (across, width) = (self.windows.across(), self.windows.width);
        let (height, stride, down) = (
            spec.params.kernel[0],
            spec.params.stride[0],
            spec.params.dilation[0],
        );
        // Kernel lines that a window does not share with the one above it.
        let fresh = if down == 1 {
            height.min(stride)
        } else {
            height
        };
        // New lines come together at the upper end of the depth; what was there moves down once they are.
        let (run, depth) = (self.run as u32, spec.depth() as u32);
        let entrance = (u64::MAX >> (WORD as u32 - run)) << (depth - run);
        let mut turns = [0; GROUP];
        for (lane, turn) in (0..).zip(&mut turns) {
            *turn = (lane * across as u32).wrapping_sub(depth - run) % WORD as u32;
        }
        // Where all are new, nothing of the last window is left.
        let (moved, stays) = match fresh < height {
            true => (run * fresh as u32, u64::MAX),
            false => (0, 0),
        };
        let line_words = self.lines.line_words;
        for x in (0..width).step_by(GROUP) {
            let start = self.windows.group * spec.group_channels() + x * across;
            let (word, shift) = (start / WORD, start % WORD);
            let last = GROUP.min(width - x) - 1;
            let straddles = shift + last * across + self.run > WORD;
            let from = &self.lines.words[first * line_words + word..];
            let mut words = [0; GROUP];
            for (y, rows) in rows.chunks_exact_mut(line).enumerate() {
                let taken = if y == 0 { 0 } else { height - fresh };
                let mut at = (y * stride + taken * down) * line_words;
                let mut entered = [0; GROUP];
                for _ in taken..height {
                    let mut bits = from[at] >> shift;
                    if straddles {
                        bits |= from[at + 1] << (WORD - shift);
                    }
                    for (word, turn) in entered.iter_mut().zip(&turns) {
                        *word = *word >> run | bits.rotate_right(*turn) & entrance;
                    }
                    at += down * line_words;
                }
                for (word, entered) in words.iter_mut().zip(entered) {
                    *word = *word >> moved & stays | entered;
                }
                rows[x..][..GROUP].copy_from_slice(&words);
            }
        }
    }

    /// The rows of an image, one after the other.
    #[inline(always)]
    fn singly(&self, first: usize, rows: &mut [u64]) {
        let spec = self.windows.spec;
        let across = self.windows.across();
        let (height, stride, down) = (
            spec.params.kernel[0],
            spec.params.stride[0],
            spec.params.dilation[0],
        );
        let line_words = self.lines.line_words;
        for (y, rows) in rows.chunks_exact_mut(self.windows.width).enumerate() {
            let mut start = self.windows.group * spec.group_channels();
            for word in rows {
                let mut filled = 0;
                *word = 0;
                for line in 0..height {
                    let at = (first + y * stride + line * down) * line_words;
                    let from = &self.lines.words[at..];
                    for tap in 0..self.runs {
                        *word |= read_bits(from, start + tap * self.tap, self.run) << filled;
                        filled += self.run;
                    }
                }
                start += across;
            }
        }
    }
}
