//! Counts to activations, packed.
//!
//! `base − 2·count ≥ t` is `count ≤ ⌊(base − t)/2⌋` (see `writer.rs`): a comparison of counts with
//! limits is the packed output.

use super::{
    epilogue::Threshold,
    pack::Panels,
    words::{self, Folded},
    writer::{Columns, EpilogueWriter, Offsets, Place, Prepared, count, count_limit, each},
};
use crate::{
    Error,
    arch::tile::{BLOCK, Counts, MAX_COLUMNS, NARROW_ROWS, Patches, Strided, Tile},
    bits::{BitViewMut, Shape, WORD, bytes_mut, put_bits},
};

/// Lines of bits to be written. They are 0 before the first store.
pub(crate) struct BitLines<'a> {
    words: &'a mut [u64],
    /// From one line to the next; after the last there may be fewer.
    line_words: usize,
    line_rows: usize,
    outputs: usize,
    /// Whether each row begins with a byte.
    in_bytes: bool,
    offsets: Offsets,
}

impl<'a> BitLines<'a> {
    /// Lines of `shape`, of as many rows as pixels; clears them.
    pub(crate) fn new(mut out: BitViewMut<'a>, shape: Shape) -> Result<Self, Error> {
        out.check_shape(shape)?;
        out.clear();
        Ok(Self {
            line_words: out.stride(),
            words: out.into_words(),
            line_rows: shape.width,
            outputs: shape.channels,
            in_bytes: cfg!(target_endian = "little")
                && (shape.width == 1 || shape.channels.is_multiple_of(8)),
            offsets: [0; BLOCK],
        })
    }

    pub(crate) fn split(self, lines: usize) -> (Self, Self) {
        let end = self.words.len().min(lines * self.line_words);
        self.split_words(end)
    }

    /// Of a single row, after some columns.
    pub(crate) fn split_columns(self, columns: usize) -> (Self, Self) {
        self.split_words(columns / WORD)
    }

    fn split_words(self, words: usize) -> (Self, Self) {
        let (before, after) = self.words.split_at_mut(words);
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

    #[inline(always)]
    pub(crate) fn begin(&mut self, places: &[Place]) {
        for (offset, [line, pixel]) in self.offsets.iter_mut().zip(places) {
            *offset = line * self.line_words * WORD + pixel * self.outputs;
        }
    }

    /// Stores some columns of neighbouring rows of the block, those of `invert` the other way round.
    #[inline(always)]
    pub(crate) fn store<T: Tile>(
        &mut self,
        row: usize,
        [first, columns]: [usize; 2],
        bits: &[u64],
        invert: u64,
    ) {
        let offsets = &self.offsets[row..][..bits.len()];
        // A full panel has a constant number of bytes.
        let full = T::LANES * T::REGISTERS;
        if self.in_bytes && full.is_multiple_of(8) && columns == full && first.is_multiple_of(8) {
            let bytes = &mut bytes_mut(self.words)[first / 8..];
            for (offset, bits) in offsets.iter().zip(bits) {
                let bits = (bits ^ invert).to_le_bytes();
                bytes[offset / 8..][..full / 8].copy_from_slice(&bits[..full / 8]);
            }
            return;
        }
        for (offset, bits) in offsets.iter().zip(bits) {
            put_bits(self.words, offset + first, columns, bits ^ invert);
        }
    }

    /// The lines.
    pub(crate) fn lines(&mut self) -> impl Iterator<Item = &mut [u64]> {
        self.words.chunks_mut(self.line_words)
    }
}

/// Activations, packed.
pub(crate) struct Bits<'a> {
    lines: BitLines<'a>,
    thresholds: &'a [Threshold],
    /// Of each panel, for rows of a word; none where that is yet to be done.
    folded: &'a [Folded],
}

impl<'a> Bits<'a> {
    /// Those of an output of that shape, which is cleared.
    pub(crate) fn new(
        out: BitViewMut<'a>,
        shape: Shape,
        thresholds: &'a [Threshold],
        folded: &'a [Folded],
    ) -> Result<Self, Error> {
        Error::check_size("thresholds (outputs)", shape.channels, thresholds.len())?;
        Ok(Self {
            lines: BitLines::new(out, shape)?,
            thresholds,
            folded,
        })
    }

    /// The thresholds, and the lines.
    pub(crate) fn lines(&mut self) -> (&'a [Threshold], impl Iterator<Item = &mut [u64]>) {
        (self.thresholds, self.lines.lines())
    }
}

impl EpilogueWriter for Bits<'_> {
    fn split(self, lines: usize) -> (Self, Self) {
        let Self {
            lines: whole,
            thresholds,
            folded,
        } = self;
        each(whole.split(lines), |lines| Self {
            lines,
            thresholds,
            folded,
        })
    }

    fn split_columns(self, columns: usize) -> (Self, Self) {
        let (before, after) = self.lines.split_columns(columns);
        let (first, second) = self.thresholds.split_at(columns);
        each(((before, first), (after, second)), |(lines, thresholds)| {
            Self {
                lines,
                thresholds,
                folded: &[],
            }
        })
    }

    #[inline(always)]
    fn begin(&mut self, places: &[Place]) {
        self.lines.begin(places);
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
        let bits = token.count_le_bits::<R, V>(counts, &prepared.values);
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
        if const { T::FUSED } {
            let limits = &prepared.values;
            let bits = token.count_and_le_bits::<R, V>(patches, starts, panel, limits);
            self.store_bits::<T>(row, prepared, &bits);
        } else {
            count::<T, R, V>(token, (patches, starts, panel), counts);
            self.store::<T, R, V>(token, row, prepared, counts);
        }
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
            line_words: self.lines.line_words,
            line_rows: self.lines.line_rows,
        };
        place.activations(token, rows, line, panels, self.lines.words);
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
        let columns = [prepared.first, prepared.columns];
        self.lines.store::<T>(row, columns, bits, prepared.invert);
    }

    #[inline(always)]
    fn store_narrow<T: Tile>(
        &mut self,
        token: T,
        row: usize,
        prepared: &Prepared,
        (patches, starts, panel): (&Patches<'_>, &[usize], &[u8]),
    ) -> usize {
        let mut done = 0;
        // Half the lanes are enough to be faster.
        while starts.len() - done >= NARROW_ROWS / 2 {
            // Lanes beyond the last row repeat the first.
            let mut lanes = [starts[done]; NARROW_ROWS];
            let rows = NARROW_ROWS.min(starts.len() - done);
            lanes[..rows].copy_from_slice(&starts[done..][..rows]);
            let (columns, limits) = (prepared.columns, &prepared.values);
            let Some(bits) = token.narrow(patches, &lanes, panel, columns, limits) else {
                break;
            };
            let bits = bits.map(u64::from);
            self.store_bits::<T>(row + done, prepared, &bits[..rows]);
            done += rows;
        }
        done
    }
}
