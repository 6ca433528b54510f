//! Rows of a convolution's product that are gathered from their lines, a block at a time, with shifts, so that 33 channels
//! cost 33.
//!
//! A block is written word after word of all its rows, so that how far the word is filled is the same for every row. Windows
//! that follow one another in a line overlap: where four of them lie within 64 bits, one read serves the four, and each lane of a
//! register shifts it to its own window. A run of bits (a kernel line of one channel, say) then costs four rows a read of seven
//! instructions, a broadcast, two shifts, a mask, and a load, an `or` and a store of the word: 3½ instructions a row, where
//! a row by itself takes 20.

use super::{
    params::{ConvParams, ConvSpec},
    patches::{Lines, Windows},
    product::{Block, Group, Places, Rows, Starts},
};
use crate::{
    arch::tile::{BLOCK, Tile},
    bits::{WORD, read_bits},
};
use alloc::vec::Vec;
use core::ops::Range;

/// Rows that share a read, where they lie close enough: the lanes of a 256-bit register.
const TOGETHER: usize = 4;

/// Rows that are gathered from their lines.
pub(super) struct Gathered<'a> {
    lines: Lines<'a>,
    windows: Windows<'a>,
    /// The rows of a block, and room for lanes that are no rows.
    rows: &'a mut [u64],
    row_words: usize,
    group: Group,
    /// The taps of a kernel line: so many runs of neighbouring bits, of so many bits.
    runs: usize,
    run: usize,
}

impl<'a> Gathered<'a> {
    pub(super) fn new<T: Tile>(
        _: T,
        lines: Lines<'a>,
        windows: Windows<'a>,
        rows: &'a mut Vec<u64>,
    ) -> Self {
        let ConvParams {
            kernel,
            dilation,
            groups,
            ..
        } = windows.spec.params;
        let channels = windows.spec.group_channels();
        // They are one run, unless something lies between them.
        let (runs, run) = match (dilation[1], groups) {
            (1, 1) => (1, kernel[1] * channels),
            _ => (kernel[1], channels),
        };
        let depth = windows.spec.depth();
        let row_words = depth.div_ceil(WORD);
        rows.resize(rows.len().max(Self::words(windows.spec)), 0);
        Self {
            lines,
            windows,
            rows,
            row_words,
            group: Group {
                segments: 1,
                steps: depth.div_ceil(8 * T::STEP),
                tail_mask: u32::MAX,
                ..Group::default()
            },
            runs,
            run,
        }
    }

    /// Words that a block of rows takes.
    pub(super) fn words(spec: &ConvSpec) -> usize {
        (BLOCK + TOGETHER - 1) * spec.depth().div_ceil(WORD)
    }

    /// Gathers the rows, up to `G` of a line at a time. More than one lie `across` bits apart, within a word.
    #[inline(always)]
    fn gather<const G: usize>(&mut self, rows: Range<usize>, across: usize) {
        let ConvSpec {
            params: ConvParams {
                kernel, dilation, ..
            },
            channels,
            ..
        } = *self.windows.spec;
        let line_bits = self.lines.line_words * WORD;
        let (down, tap) = (line_bits * dilation[0], channels * dilation[1]);
        let shifts: [usize; G] = core::array::from_fn(|lane| lane * across);
        // Of each group of rows: the bit where the first one's window begins, how many they are, and the word in work.
        let mut groups = [(0, 0, [0; G]); BLOCK];
        let mut count = 0;
        for (line, bit, rows) in self.windows.groups(rows, G) {
            groups[count] = (line * line_bits + bit, rows, [0; G]);
            count += 1;
        }
        let groups = &mut groups[..count];
        let (mut word, mut filled) = (0, 0);
        for run in 0..kernel[0] * self.runs {
            let mut start = run / self.runs * down + run % self.runs * tap;
            let mut rest = self.run;
            while rest > 0 {
                let some = rest.min(WORD - filled);
                let mask = u64::MAX >> (WORD - some);
                for (bit, _, words) in &mut *groups {
                    let bits = read_bits(self.lines.words, *bit + start, shifts[G - 1] + some);
                    for (word, shift) in words.iter_mut().zip(shifts) {
                        *word |= (bits >> shift & mask) << filled;
                    }
                }
                start += some;
                rest -= some;
                filled += some;
                if filled == WORD {
                    self.write(word, groups);
                    (word, filled) = (word + 1, 0);
                }
            }
        }
        if filled > 0 {
            self.write(word, groups);
        }
    }

    /// Writes a word of each row, and begins the next.
    #[inline(always)]
    fn write<const G: usize>(&mut self, word: usize, groups: &mut [(usize, usize, [u64; G])]) {
        let mut row = 0;
        for (_, rows, words) in groups {
            // What is in lanes after the group's rows, the next group overwrites.
            for (lane, word_of) in words.iter_mut().enumerate() {
                self.rows[(row + lane) * self.row_words + word] = core::mem::take(word_of);
            }
            row += *rows;
        }
    }
}

impl Rows for Gathered<'_> {
    #[inline(always)]
    fn block(&mut self, rows: Range<usize>, starts: &mut Starts, places: &mut Places) -> Block<'_> {
        self.windows.places(rows.clone(), places);
        self.group.rows = rows.len();
        for (row, start) in starts.iter_mut().enumerate() {
            *start = row * self.row_words * size_of::<u64>();
        }
        let across = self.windows.across();
        if across * (TOGETHER - 1) + self.run <= WORD {
            self.gather::<TOGETHER>(rows, across);
        } else {
            self.gather::<1>(rows, across);
        }
        Block {
            words: self.rows,
            groups: core::slice::from_ref(&self.group),
        }
    }
}
