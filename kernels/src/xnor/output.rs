//! What becomes of a sum.
//!
//! With `count` differing bits of `K`, the dot product is `K − 2·count`. A stage therefore starts from a base for each
//! column, usually `K`: the sum is `base − 2·count`, and `base − 2·count ≥ t` is `count ≤ ⌊(base − t)/2⌋`, one comparison of
//! the count itself. (Products with bytes have a base of their own, and a 1 in place of the 2: [`Tile::PER_COUNT`].)

use super::{
    pack::{Panel, Panels},
    tile::{Counts, MAX_COLUMNS, Patches, Strided, Tile},
};
use crate::Error;
use core::ops::Range;

/// The activation of one output channel: `+1` where the sum is at least `at_least` (or, inverted, where it is less).
///
/// Batch normalisation and sign fold into it: `sign(γ (S − μ)/σ + β)` with `c = μ − β σ/γ` is `S ≥ ⌈c⌉` for γ > 0, and
/// `S ≤ ⌊c⌋`, that is not `S ≥ ⌊c⌋ + 1`, for γ < 0.
///
/// ```
/// use bernet_kernels::xnor::Threshold;
///
/// assert!(Threshold { at_least: 3, invert: false }.apply(3));
/// assert!(!Threshold { at_least: 3, invert: true }.apply(3));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(C)]
pub struct Threshold {
    /// The least sum that counts.
    pub at_least: i32,
    /// Whether the result is inverted.
    pub invert: bool,
}

impl Threshold {
    /// The activation of a sum; `true` is +1.
    pub fn apply(self, sum: i32) -> bool {
        (sum >= self.at_least) != self.invert
    }
}

/// The largest count with which the sum `base − per_count · count` is at least so large. Half of what saturates is still more than any
/// count, as the depth is below 2³⁰.
#[inline(always)]
pub(crate) fn count_limit(base: i32, at_least: i32, per_count: i32) -> i32 {
    base.saturating_sub(at_least).div_euclid(per_count)
}

/// One number for each column of a panel.
pub(crate) type Columns = [i32; MAX_COLUMNS];

/// The columns that a stage is about to be handed, and what it needs to know of them.
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
    /// For a stage that needs nothing but the bases.
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

/// Takes counts, a row of a panel at a time.
pub(crate) trait Stage: Sized + Send {
    /// The first `lines` lines, and the rest. A line is one row of a matrix, or the pixels of a line of a tensor.
    fn split(self, lines: usize) -> (Self, Self);

    /// Of a single row, the first `columns` columns and the rest; they are a multiple of [`WORD`].
    fn split_columns(self, columns: usize) -> (Self, Self);

    /// Called before the rows of each block.
    fn begin(&mut self, _rows: Range<usize>) {}

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
        (patches, starts, panel): (&Patches<'_>, &[usize; R], &[u8]),
        counts: &mut [Counts; R],
    ) {
        token.count::<R, V>(patches, starts, panel, counts);
        self.store::<T, R, V>(token, row, prepared, counts);
    }

    /// For a stage that needs no more than a bit of each count, where counts fit in bytes: the columns' bounds, counts below which set it, at
    /// [`Tile::place`].
    #[inline(always)]
    fn bounds<T: Tile>(&self, _prepared: &Prepared) -> Option<[u8; MAX_COLUMNS]> {
        None
    }

    /// Stores those bits, of rows from `row` on.
    #[inline(always)]
    fn store_bits<T: Tile>(&mut self, _row: usize, _prepared: &Prepared, _bits: &[u64]) {}

    /// Whether it takes rows that are a word each ([`Stage::store_words`]).
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

    /// Counts and stores rows of the block, whose patches are at `starts`, for a panel of one register, if that is faster this
    /// way; how many of them it has done.
    #[inline(always)]
    fn store_narrow<T: Tile>(
        &mut self,
        _token: T,
        _patches: &Patches<'_>,
        _starts: &[usize],
        _panel: &Panel<'_>,
        _prepared: &Prepared,
    ) -> usize {
        0
    }
}

/// The numbers of an output, the rows `outputs` apart, `line_rows` rows to a line.
pub(crate) struct Numbers<'a, T> {
    pub(crate) out: &'a mut [T],
    pub(crate) outputs: usize,
    pub(crate) line_rows: usize,
}

impl<T> Numbers<'_, T> {
    /// After some lines.
    pub(crate) fn split(self, lines: usize) -> (Self, Self) {
        // After the last row there may be fewer numbers than to the next.
        let place = lines * self.line_rows * self.outputs;
        let place = place.min(self.out.len());
        self.split_columns(place)
    }

    /// Of a single row, after some columns.
    pub(crate) fn split_columns(self, columns: usize) -> (Self, Self) {
        let (before, after) = self.out.split_at_mut(columns);
        (
            Self {
                out: before,
                ..self
            },
            Self { out: after, ..self },
        )
    }

    /// The prepared columns of a row.
    #[inline(always)]
    pub(crate) fn row(&mut self, row: usize, prepared: &Prepared) -> &mut [T] {
        &mut self.out[row * self.outputs + prepared.first..][..prepared.columns]
    }
}

/// The sums themselves.
pub(crate) struct Sums<'a>(pub(crate) Numbers<'a, i32>);

impl Stage for Sums<'_> {
    fn split(self, lines: usize) -> (Self, Self) {
        let (before, after) = self.0.split(lines);
        (Self(before), Self(after))
    }

    fn split_columns(self, columns: usize) -> (Self, Self) {
        let (before, after) = self.0.split_columns(columns);
        (Self(before), Self(after))
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
        if T::SUMS {
            let Numbers { out, outputs, .. } = &mut self.0;
            let out = &mut out[row * *outputs + prepared.first..];
            let to = (prepared.columns, *outputs);
            token.count_sums::<R, V>(patches, starts, panel, &prepared.values, to, out);
        } else {
            token.count::<R, V>(patches, starts, panel, counts);
            self.store::<T, R, V>(token, row, prepared, counts);
        }
    }

    #[inline(always)]
    fn store<T: Tile, const R: usize, const V: usize>(
        &mut self,
        _: T,
        row: usize,
        prepared: &Prepared,
        counts: &[Counts; R],
    ) {
        for (row, counts) in (row..).zip(counts) {
            let out = self.0.row(row, prepared);
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
    }
}

/// A number that a sum can be written as.
pub trait Real: Copy + Send + sealed::Sealed {
    /// The nearest one.
    fn from_f32(value: f32) -> Self;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! real {
    ($($(#[$meta:meta])* $type:ty: $from:expr;)*) => {
        $($(#[$meta])* impl sealed::Sealed for $type {}
        $(#[$meta])* impl Real for $type {
            #[inline(always)]
            fn from_f32(value: f32) -> Self {
                $from(value)
            }
        })*
    };
}

real! {
    f32: core::convert::identity;
    #[cfg(feature = "half")] half::f16: half::f16::from_f32;
    #[cfg(feature = "half")] half::bf16: half::bf16::from_f32;
}

/// A scale and a bias for each output channel: `out = scale · sum + bias`, computed in `f32` and rounded once more for shorter
/// types.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Affine<'a> {
    /// The scale of each output channel.
    pub scale: &'a [f32],
    /// The bias of each output channel.
    pub bias: &'a [f32],
}

impl Affine<'_> {
    pub(crate) fn check(&self, outputs: usize) -> Result<(), Error> {
        Error::check_size("scale (outputs)", outputs, self.scale.len())?;
        Error::check_size("bias (outputs)", outputs, self.bias.len())
    }
}

/// Sums, scaled.
pub(crate) struct Scaled<'a, T> {
    pub(crate) numbers: Numbers<'a, T>,
    pub(crate) affine: Affine<'a>,
}

impl<T: Real> Stage for Scaled<'_, T> {
    fn split(self, lines: usize) -> (Self, Self) {
        let (before, after) = self.numbers.split(lines);
        (
            Self {
                numbers: before,
                ..self
            },
            Self {
                numbers: after,
                ..self
            },
        )
    }

    fn split_columns(self, columns: usize) -> (Self, Self) {
        let (before, after) = self.numbers.split_columns(columns);
        let (scale, bias) = (
            self.affine.scale.split_at(columns),
            self.affine.bias.split_at(columns),
        );
        let [first, second] =
            [(scale.0, bias.0), (scale.1, bias.1)].map(|(scale, bias)| Affine { scale, bias });
        (
            Self {
                numbers: before,
                affine: first,
            },
            Self {
                numbers: after,
                affine: second,
            },
        )
    }

    #[inline(always)]
    fn store<U: Tile, const R: usize, const V: usize>(
        &mut self,
        _: U,
        row: usize,
        prepared: &Prepared,
        counts: &[Counts; R],
    ) {
        for (row, counts) in (row..).zip(counts) {
            let affine = self.affine.scale[prepared.first..]
                .iter()
                .zip(&self.affine.bias[prepared.first..]);
            let out = self.numbers.row(row, prepared).iter_mut();
            for ((out, (scale, bias)), sum) in out.zip(affine).zip(prepared.sums::<U>(counts)) {
                *out = T::from_f32(scale * sum as f32 + bias);
            }
        }
    }
}
