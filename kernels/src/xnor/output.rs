//! What becomes of a sum.
//!
//! With `count` differing bits of `K`, the dot product is `K − 2·count`. A stage therefore starts from a base for each
//! column, usually `K`: the sum is `base − 2·count`, and `base − 2·count ≥ t` is `count ≤ ⌊(base − t)/2⌋`, one comparison of
//! the count itself.

use super::tile::{Counts, MAX_COLUMNS, Tile};
use crate::bits::set_bits;

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

/// One number for each column of a panel.
pub(crate) type Columns = [i32; MAX_COLUMNS];

/// The columns that a stage is about to be handed, and what it needs to know of them.
pub(crate) struct Prepared {
    first: usize,
    columns: usize,
    registers: usize,
    /// The base of each column, or the limit of its count.
    values: Columns,
    invert: u64,
}

/// Takes counts, a row of a panel at a time.
pub(crate) trait Stage {
    /// What it needs for `columns` columns from `first` on, in `registers` registers, with these bases.
    fn prepare(&self, first: usize, columns: usize, registers: usize, base: &Columns) -> Prepared;

    /// The counts of a row.
    fn store<T: Tile>(&mut self, token: T, row: usize, prepared: &Prepared, counts: &Counts);
}

/// The sums themselves, rows of `outputs`.
pub(crate) struct Sums<'a> {
    pub(crate) out: &'a mut [i32],
    pub(crate) outputs: usize,
}

impl Stage for Sums<'_> {
    #[inline(always)]
    fn prepare(&self, first: usize, columns: usize, registers: usize, base: &Columns) -> Prepared {
        Prepared {
            first,
            columns,
            registers,
            values: *base,
            invert: 0,
        }
    }

    #[inline(always)]
    fn store<T: Tile>(&mut self, _: T, row: usize, prepared: &Prepared, counts: &Counts) {
        let out = &mut self.out[row * self.outputs + prepared.first..][..prepared.columns];
        let sums = prepared.values.iter().zip(counts);
        // A full panel has a constant number of columns, which the compiler then unrolls.
        let full = T::LANES * T::REGISTERS;
        let sum = |(base, count): (&i32, &u32)| base.wrapping_sub((*count as i32).wrapping_mul(2));
        if prepared.columns == full {
            out[..full]
                .iter_mut()
                .zip(sums)
                .for_each(|(out, pair)| *out = sum(pair));
        } else {
            out.iter_mut()
                .zip(sums)
                .for_each(|(out, pair)| *out = sum(pair));
        }
    }
}

/// Activations, packed. The words are 0 before the first store.
pub(crate) struct Bits<'a> {
    pub(crate) words: &'a mut [u64],
    /// Words from one line to the next.
    pub(crate) line_words: usize,
    /// Rows of the product in a line: 1, or the pixels of an output line.
    pub(crate) line_rows: usize,
    pub(crate) thresholds: &'a [Threshold],
}

impl Stage for Bits<'_> {
    #[inline(always)]
    fn prepare(&self, first: usize, columns: usize, registers: usize, base: &Columns) -> Prepared {
        let mut prepared = Prepared {
            first,
            columns,
            registers,
            values: [-1; MAX_COLUMNS],
            invert: 0,
        };
        for (column, threshold) in self.thresholds[first..][..columns].iter().enumerate() {
            let limit = (i64::from(base[column]) - i64::from(threshold.at_least)) >> 1;
            prepared.values[column] = limit.clamp(-1, i64::from(i32::MAX)) as i32;
            prepared.invert |= u64::from(threshold.invert) << column;
        }
        prepared
    }

    #[inline(always)]
    fn store<T: Tile>(&mut self, token: T, row: usize, prepared: &Prepared, counts: &Counts) {
        // The columns after the last are of weights 0 and limit −1, so never set, and not inverted either.
        let bits = token.at_most(counts, &prepared.values, prepared.registers) ^ prepared.invert;
        let (line, pixel) = if self.line_rows == 1 {
            (row, 0)
        } else {
            (row / self.line_rows, row % self.line_rows)
        };
        let bit = pixel * self.thresholds.len() + prepared.first;
        set_bits(
            &mut self.words[line * self.line_words..],
            bit,
            prepared.columns,
            bits,
        );
    }
}
