//! Writes what an epilogue makes of the counts of a tile.
//!
//! With `count` differing bits of `K`, the dot product is `K − 2·count`. A writer therefore starts
//! from a base for each column, usually `K`: the sum is `base − 2·count`, and `base − 2·count ≥ t`
//! is `count ≤ ⌊(base − t)/2⌋`, one comparison of the count itself. (Products with bytes have a
//! base of their own, and a 1 in place of the 2: [`Tile::PER_COUNT`].)

use super::{epilogue::RowsMut, pack::Panels};
use crate::{
    Error,
    arch::tile::{BLOCK, Counts, MAX_COLUMNS, Patches, Strided, Tile},
};

/// Largest `count` with `base − per_count · count ≥ at_least`. Saturation cannot change the result:
/// the depth is below 2³⁰.
#[inline(always)]
pub(crate) fn count_limit(base: i32, at_least: i32, per_count: i32) -> i32 {
    base.saturating_sub(at_least).div_euclid(per_count)
}

/// [`Tile::count`], compiled once for all writers and with the level's features.
#[inline(never)]
pub(crate) fn count<T: Tile, const R: usize, const V: usize>(
    token: T,
    (patches, starts, panel): (&Patches<'_>, &[usize; R], &[u8]),
    counts: &mut [Counts; R],
) {
    token.vectorize(
        #[inline(always)]
        || token.count::<R, V>(patches, starts, panel, counts),
    );
}

/// One number for each column of a panel.
pub(crate) type Columns = [i32; MAX_COLUMNS];

/// The columns that a writer is about to be handed, and what it needs to know of them.
pub(crate) struct Prepared {
    pub(crate) first: usize,
    pub(super) columns: usize,
    /// The least sum of each column that counts, where that matters.
    pub(super) at_least: Columns,
    pub(super) invert: u64,
    /// The base of each column, or the limit of its count.
    pub(crate) values: Columns,
}

impl Prepared {
    /// For a writer that needs nothing but the bases.
    #[inline(always)]
    pub(crate) fn bases(first: usize, columns: usize) -> Self {
        let zeros = [0; MAX_COLUMNS];
        Self {
            first,
            columns,
            at_least: zeros,
            invert: 0,
            values: zeros,
        }
    }

    /// The sums that follow from counts, where the values are bases. They fit, though steps on the way to them may wrap.
    #[inline(always)]
    pub(crate) fn sums<T: Tile>(&self, counts: &Counts) -> impl Iterator<Item = i32> {
        self.values
            .iter()
            .zip(counts)
            .map(|(base, count)| base.wrapping_sub((*count as i32).wrapping_mul(T::PER_COUNT)))
    }
}

/// Takes counts, a row of a panel at a time. Rows are counted within a block, whose places [`begin`](Self::begin) says.
pub(crate) trait EpilogueWriter: Sized + Send {
    /// The first `lines` lines, and the rest. A line is one row of a matrix, or the pixels of a line of a tensor.
    fn split(self, lines: usize) -> (Self, Self);

    /// Of a single row, the first `columns` columns and the rest; they are a multiple of [`WORD`](crate::bits::WORD).
    fn split_columns(self, columns: usize) -> (Self, Self);

    /// Called before the rows of each block: where they go.
    fn begin(&mut self, places: &[Place]);

    /// What it needs for `columns` columns from `first` on: the bases, unless it says otherwise.
    #[inline(always)]
    fn prepare<T: Tile>(&self, _token: T, first: usize, columns: usize) -> Prepared {
        Prepared::bases(first, columns)
    }

    /// Sets the bases of those columns.
    #[inline(always)]
    fn set_base<T: Tile>(&self, prepared: &mut Prepared, base: &Columns) {
        prepared.values = *base;
    }

    /// The counts of `R` rows from `row` on, of a panel of `V` registers.
    fn store<T: Tile, const R: usize, const V: usize>(
        &mut self,
        token: T,
        row: usize,
        prepared: &Prepared,
        counts: &[Counts; R],
    );

    /// Counts and stores: patches, where rows begin in them, and the panel.
    #[inline(always)]
    fn count<T: Tile, const R: usize, const V: usize>(
        &mut self,
        token: T,
        row: usize,
        prepared: &Prepared,
        rows: (&Patches<'_>, &[usize; R], &[u8]),
        counts: &mut [Counts; R],
    ) {
        count::<T, R, V>(token, rows, counts);
        self.store::<T, R, V>(token, row, prepared, counts);
    }

    /// For a writer that needs no more than a bit of each count, where counts fit in bytes: the
    /// columns' bounds, counts below which set it, at [`Tile::place`].
    #[inline(always)]
    fn bounds<T: Tile>(&self, _prepared: &Prepared) -> Option<[u8; MAX_COLUMNS]> {
        None
    }

    /// Stores those bits, of rows from `row` on.
    #[inline(always)]
    fn store_bits<T: Tile>(&mut self, _row: usize, _prepared: &Prepared, _bits: &[u64]) {}

    /// Whether it takes rows that are a word each ([`EpilogueWriter::store_words`]).
    const WORDS: bool = false;

    /// Counts and stores rows that are a word each: those of a line one after the other, lines `line` words apart.
    fn store_words<T: Tile>(
        &mut self,
        _token: T,
        _rows: Strided<'_>,
        _line: usize,
        _panels: Panels<'_>,
    ) {
        unreachable!("no row is taken as a word")
    }

    /// Counts and stores rows from `row` on, whose patches are at `starts`, for a panel of one register, if that is faster this
    /// way; how many of them it has done.
    #[inline(always)]
    fn store_narrow<T: Tile>(
        &mut self,
        _token: T,
        _row: usize,
        _prepared: &Prepared,
        (_patches, _starts, _panel): (&Patches<'_>, &[usize], &[u8]),
    ) -> usize {
        0
    }
}

/// Two writers, each with its part of the output.
#[inline(always)]
pub(crate) fn each<Part, S>((before, after): (Part, Part), writer: impl Fn(Part) -> S) -> (S, S) {
    (writer(before), writer(after))
}

/// Where a row goes: its line, and the pixel in it.
pub(crate) type Place = [usize; 2];

/// Of each row of a block, where its first number or bit goes.
pub(crate) type Offsets = [usize; BLOCK];

/// The numbers of an output, the rows `outputs` apart, `line_rows` rows to a line.
pub(crate) struct Numbers<'a, T> {
    out: &'a mut [T],
    outputs: usize,
    line_rows: usize,
    offsets: Offsets,
}

impl<'a, T> Numbers<'a, T> {
    /// Of `lines` lines of `line_rows` rows of `columns` numbers; none of them is 0.
    pub(crate) fn new(
        out: RowsMut<'a, T>,
        lines: usize,
        line_rows: usize,
        columns: usize,
    ) -> Result<Self, Error> {
        let outputs = out.check(lines * line_rows, columns)?;
        Ok(Self {
            out: out.values,
            outputs,
            line_rows,
            offsets: [0; BLOCK],
        })
    }

    /// After some lines.
    pub(crate) fn split(self, lines: usize) -> (Self, Self) {
        // After the last row there may be fewer numbers than to the next.
        let place = lines * self.line_rows * self.outputs;
        let place = place.min(self.out.len());
        self.split_columns(place)
    }

    /// Of a single row, after some columns.
    pub(crate) fn split_columns(self, columns: usize) -> (Self, Self) {
        let Self {
            out,
            outputs,
            line_rows,
            offsets,
        } = self;
        each(out.split_at_mut(columns), |out| Self {
            out,
            outputs,
            line_rows,
            offsets,
        })
    }

    #[inline(always)]
    pub(crate) fn begin(&mut self, places: &[Place]) {
        for (offset, [line, pixel]) in self.offsets.iter_mut().zip(places) {
            *offset = (line * self.line_rows + pixel) * self.outputs;
        }
    }

    /// Some columns of a row of the block.
    #[inline(always)]
    pub(crate) fn row(&mut self, row: usize, first: usize, columns: usize) -> &mut [T] {
        &mut self.out[self.offsets[row] + first..][..columns]
    }
}

/// The sums themselves.
pub(crate) struct Sums<'a>(pub(crate) Numbers<'a, i32>);

impl EpilogueWriter for Sums<'_> {
    fn split(self, lines: usize) -> (Self, Self) {
        each(self.0.split(lines), Self)
    }

    fn split_columns(self, columns: usize) -> (Self, Self) {
        each(self.0.split_columns(columns), Self)
    }

    #[inline(always)]
    fn begin(&mut self, places: &[Place]) {
        self.0.begin(places);
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
        if const { T::SUMS } {
            let Numbers { out, offsets, .. } = &mut self.0;
            let offsets: &[usize; R] = offsets[row..].first_chunk().expect("rows of the block");
            let to = (prepared.first, prepared.columns, offsets);
            token.count_sums::<R, V>(patches, starts, panel, &prepared.values, to, out);
        } else {
            count::<T, R, V>(token, (patches, starts, panel), counts);
            self.store::<T, R, V>(token, row, prepared, counts);
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
        self.rows(token, row, prepared, counts);
    }
}

impl Sums<'_> {
    /// Stores rows from `row` on; one function for any number of them.
    #[inline(never)]
    fn rows<T: Tile>(&mut self, token: T, row: usize, prepared: &Prepared, counts: &[Counts]) {
        token.vectorize(
            #[inline(always)]
            || {
                for (row, counts) in (row..).zip(counts) {
                    let out = self.0.row(row, prepared.first, prepared.columns);
                    // A full panel has a constant number of columns, which the compiler then unrolls.
                    let full = T::LANES * T::REGISTERS;
                    if out.len() == full {
                        out[..full]
                            .iter_mut()
                            .zip(prepared.sums::<T>(counts))
                            .for_each(|(out, sum)| *out = sum);
                    } else {
                        out.iter_mut()
                            .zip(prepared.sums::<T>(counts))
                            .for_each(|(out, sum)| *out = sum);
                    }
                }
            },
        );
    }
}
