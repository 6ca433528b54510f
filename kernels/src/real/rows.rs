//! Where the rows of a product lie: one after the other, or as the windows of a convolution.

use crate::Error;

/// Rows of floats that lie in a slice, in lines of as many rows each.
///
/// A row is one or more runs of neighbouring values; rows may overlap, as the windows of a
/// convolution do, of which each kernel line is a run.
#[derive(Clone, Copy, Debug)]
pub struct RealRows<'a> {
    /// What the rows lie in.
    pub values: &'a [f32],
    /// Where each run of a row begins, counted from where the row begins.
    pub runs: &'a [usize],
    /// Values of a run.
    pub run: usize,
    /// How many rows there are.
    pub count: usize,
    /// Rows of a line, at least 1.
    pub width: usize,
    /// Values from where a row begins to where the next of its line does.
    pub step: usize,
    /// Values from where a line begins to where the next does.
    pub line: usize,
}

impl<'a> RealRows<'a> {
    /// Rows of `depth` values, one after the other; values after the last whole row are no row.
    ///
    /// # Panics
    /// Where `depth` is 0.
    pub fn new(values: &'a [f32], depth: usize) -> Self {
        let count = values.len() / depth;
        Self {
            values,
            runs: &[0],
            run: depth,
            count,
            width: count.max(1),
            step: depth,
            line: 0,
        }
    }

    /// Rows must be `depth` values each, and lie within the slice.
    pub(super) fn check(&self, depth: usize) -> Result<(), Error> {
        let found = self.run.saturating_mul(self.runs.len());
        Error::check_size("values of a row (runs · run)", depth, found)?;
        Error::check_size("rows of a line (at least 1)", self.width.max(1), self.width)?;
        let (Some(last), Some(run)) = (self.count.checked_sub(1), self.runs.iter().max()) else {
            return Ok(());
        };
        let end = (last / self.width)
            .saturating_mul(self.line)
            .saturating_add((self.width.min(self.count) - 1).saturating_mul(self.step))
            .saturating_add(*run)
            .saturating_add(self.run);
        let found = self.values.len();
        Error::check_size("values that rows lie in (at least)", end.max(found), found)
    }

    /// Where `R` rows from `row` on begin.
    #[inline(always)]
    pub(super) fn starts<const R: usize>(&self, row: usize) -> [usize; R] {
        let (mut line, mut place) = (row / self.width * self.line, row % self.width);
        let mut starts = [0; R];
        for start in &mut starts {
            *start = line + place * self.step;
            place += 1;
            if place == self.width {
                (line, place) = (line + self.line, 0);
            }
        }
        starts
    }
}
