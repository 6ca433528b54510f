//! Counts to activations, packed.
//!
//! `base − 2·count ≥ t` is `count ≤ ⌊(base − t)/2⌋` (see `output.rs`): a comparison of counts with limits is the packed output.

use super::{
    output::{Columns, Prepared, Stage, Threshold, count_limit},
    pack::{Panel, Panels},
    tile::{Counts, MAX_COLUMNS, NARROW_ROWS, Patches, Strided, Tile},
    words::{self, Folded},
};
use crate::{
    Error,
    bits::{BitViewMut, Shape, WORD, bytes_mut, put_bits},
};
use core::ops::Range;

/// Activations, packed. The words are 0 before the first store.
pub(crate) struct Bits<'a> {
    words: &'a mut [u64],
    /// From one line to the next; after the last there may be fewer.
    line_words: usize,
    line_rows: usize,
    thresholds: &'a [Threshold],
    /// Of each panel, for rows of a word; none where that is yet to be done.
    folded: &'a [Folded],
    /// From one row to the next, where all are whole bytes one after the other, or 0.
    row_bytes: usize,
    /// The block's first row, and where it goes.
    block: (usize, Place),
    /// Where the next row goes.
    next: Place,
}

/// Where a row's bits go: the bit where its line begins, and its pixel.
#[derive(Clone, Copy, Default)]
struct Place {
    line: usize,
    pixel: usize,
}

impl<'a> Bits<'a> {
    /// `line_rows` rows of the product make a line, of `line_words` words: one row, or the pixels of an output line.
    pub(crate) fn new(
        words: &'a mut [u64],
        line_words: usize,
        line_rows: usize,
        thresholds: &'a [Threshold],
    ) -> Self {
        let bits = match line_rows {
            1 => line_words * WORD,
            _ if line_words * WORD == line_rows * thresholds.len() => thresholds.len(),
            _ => 0,
        };
        let in_bytes = cfg!(target_endian = "little") && bits.is_multiple_of(8);
        Self {
            words,
            line_words,
            line_rows,
            thresholds,
            folded: &[],
            row_bytes: if in_bytes { bits / 8 } else { 0 },
            block: Default::default(),
            next: Place::default(),
        }
    }

    /// Those of a convolution whose output is of that shape; clears `out`.
    pub(crate) fn of_tensor(
        mut out: BitViewMut<'a>,
        shape: Shape,
        thresholds: &'a [Threshold],
        folded: &'a [Folded],
    ) -> Result<Self, Error> {
        out.check_shape(shape)?;
        out.clear();
        let line_words = out.stride();
        Ok(Self {
            folded,
            ..Self::new(out.into_words(), line_words, shape.width, thresholds)
        })
    }
}

impl<'a> Bits<'a> {
    /// Stores some columns of the next row; rows come one after the other, from the block's first on.
    #[inline(always)]
    fn put(&mut self, prepared: &Prepared, bits: u64) {
        let Place { line, pixel } = self.next;
        let start = line + pixel * self.thresholds.len() + prepared.first;
        put_bits(self.words, start, prepared.columns, bits);
        self.next = match pixel + 1 == self.line_rows {
            true => Place {
                line: line + self.line_words * WORD,
                pixel: 0,
            },
            false => Place {
                line,
                pixel: pixel + 1,
            },
        };
    }

    /// The thresholds, and the lines.
    pub(crate) fn lines(&mut self) -> (&'a [Threshold], impl Iterator<Item = &mut [u64]>) {
        (self.thresholds, self.words.chunks_mut(self.line_words))
    }
}

impl Stage for Bits<'_> {
    fn split(self, lines: usize) -> (Self, Self) {
        let end = self.words.len().min(lines * self.line_words);
        let (before, after) = self.words.split_at_mut(end);
        (
            Self {
                words: before,
                ..self
            },
            Self {
                words: after,
                ..self
            },
        )
    }

    fn split_columns(self, columns: usize) -> (Self, Self) {
        let (before, after) = self.words.split_at_mut(columns / WORD);
        let (first, second) = self.thresholds.split_at(columns);
        (
            Self {
                words: before,
                thresholds: first,
                folded: &[],
                ..self
            },
            Self {
                words: after,
                thresholds: second,
                folded: &[],
                ..self
            },
        )
    }

    #[inline(always)]
    fn begin(&mut self, rows: Range<usize>) {
        let mut place = Place::default();
        // Divisions take longer than small products.
        if rows.start > 0 {
            place.pixel = rows.start % self.line_rows;
            place.line = rows.start / self.line_rows * self.line_words * WORD;
        }
        self.block = (rows.start, place);
    }

    #[inline(always)]
    fn prepare<T: Tile>(&self, token: T, first: usize, columns: usize) -> Prepared {
        // The columns after the last have weights of 0 and are never set: no sum is that large, nor are they inverted.
        let mut at_least = [i32::MAX; MAX_COLUMNS];
        let thresholds = &self.thresholds[first..][..columns];
        // A full panel has a constant number of columns, which the compiler then unrolls.
        let full = T::LANES * T::REGISTERS;
        let invert = match columns == full {
            true => token.split_thresholds(&thresholds[..full], &mut at_least),
            false => token.split_thresholds(thresholds, &mut at_least),
        };
        Prepared {
            first,
            columns,
            at_least,
            invert,
            values: [0; MAX_COLUMNS],
        }
    }

    #[inline(always)]
    fn set_base<T: Tile>(&self, prepared: &mut Prepared, base: &Columns) {
        // No level has more columns than it has lanes in a panel's registers.
        let full = T::LANES * T::REGISTERS;
        for column in 0..full {
            let (base, at_least) = (base[column], prepared.at_least[column]);
            prepared.values[column] = count_limit(base, at_least, T::PER_COUNT);
        }
    }

    #[inline(always)]
    fn store<T: Tile, const R: usize, const V: usize>(
        &mut self,
        token: T,
        row: usize,
        prepared: &Prepared,
        counts: &[Counts; R],
    ) {
        let bits = token.at_most::<R, V>(counts, &prepared.values);
        self.store_bits::<T>(row, prepared, &bits);
    }

    #[inline(always)]
    fn count<T: Tile, const R: usize, const V: usize>(
        &mut self,
        token: T,
        row: usize,
        prepared: &Prepared,
        (patches, starts, panel): (&Patches<'_>, &[usize; R], &[u8]),
        counts: &mut [Counts; R],
    ) {
        let limits = &prepared.values;
        let bits = token.count_at_most::<R, V>(patches, starts, panel, counts, limits);
        self.store_bits::<T>(row, prepared, &bits);
    }

    const WORDS: bool = true;

    fn store_words<T: Tile>(
        &mut self,
        token: T,
        rows: Strided<'_>,
        line: usize,
        panels: Panels<'_>,
    ) {
        let place = words::Place {
            thresholds: self.thresholds,
            folded: self.folded,
            line_words: self.line_words,
            line_rows: self.line_rows,
        };
        place.activations(token, rows, line, panels, self.words);
    }

    #[inline(always)]
    fn bounds<T: Tile>(&self, prepared: &Prepared) -> Option<[u8; MAX_COLUMNS]> {
        // A limit beyond a byte is beyond every count that fits in one: all counts are below 255 there.
        let mut bounds = [0; MAX_COLUMNS];
        for (column, limit) in prepared.values.iter().enumerate() {
            bounds[T::place(column)] = (limit + 1).clamp(0, 255) as u8;
        }
        Some(bounds)
    }

    #[inline(always)]
    fn store_bits<T: Tile>(&mut self, row: usize, prepared: &Prepared, bits: &[u64]) {
        // A full panel has a constant number of bytes.
        let full = T::LANES * T::REGISTERS;
        let in_bytes =
            self.row_bytes > 0 && full.is_multiple_of(8) && prepared.first.is_multiple_of(8);
        if in_bytes && prepared.columns == full {
            let mut bytes = &mut bytes_mut(self.words)[row * self.row_bytes + prepared.first / 8..];
            for (index, bits) in bits.iter().enumerate() {
                if index > 0 {
                    bytes = &mut bytes[self.row_bytes..];
                }
                let bits = (bits ^ prepared.invert).to_le_bytes();
                bytes[..full / 8].copy_from_slice(&bits[..full / 8]);
            }
            return;
        }
        if row == self.block.0 {
            self.next = self.block.1;
        }
        for bits in bits {
            self.put(prepared, bits ^ prepared.invert);
        }
    }

    #[inline(always)]
    fn store_narrow<T: Tile>(
        &mut self,
        token: T,
        patches: &Patches<'_>,
        starts: &[usize],
        panel: &Panel<'_>,
        prepared: &Prepared,
    ) -> usize {
        self.next = self.block.1;
        let mut done = 0;
        // Half the lanes are enough to be faster.
        while starts.len() - done >= NARROW_ROWS / 2 {
            // Lanes beyond the last row repeat the first.
            let mut lanes = [starts[done]; NARROW_ROWS];
            let rows = NARROW_ROWS.min(starts.len() - done);
            lanes[..rows].copy_from_slice(&starts[done..][..rows]);
            let limits = &prepared.values;
            let Some(bits) = token.narrow(patches, &lanes, panel.weights, panel.columns, limits)
            else {
                break;
            };
            for bits in &bits[..rows] {
                self.put(prepared, u64::from(*bits) ^ prepared.invert);
            }
            done += rows;
        }
        done
    }
}
