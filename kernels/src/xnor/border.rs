//! Padding that does not count, where rows are gathered: each row at the border has a base of its own.

use super::{params::ConvSpec, writer::Columns};
use crate::{
    arch::tile::BLOCK,
    bits::{BitMatrix, Shape, WORD, read_bits},
};
use alloc::{vec, vec::Vec};
use core::ops::Range;

/// Where in a table of sums the base of each of a block's rows follows from; none where no row has had one yet.
pub(super) type Corners = Option<[[usize; 4]; BLOCK]>;

/// Padding that does not count: sums of weights from which the bases of border positions follow.
///
/// Padding is gathered as −1, so a tap outside the image adds −w where it should add nothing: the sum lacks the sum of the
/// weights outside, which is the sum of all of them less the sum of those inside. The taps inside are a rectangle of the
/// kernel, whose sum takes four look-ups in the summed-area table.
#[derive(Clone, Debug)]
pub(super) struct ZeroBorder {
    /// `[i][j][n]`: the sum of output `n`'s weights in kernel lines below `i`, kernel columns below `j`.
    table: Vec<i32>,
    outputs: usize,
}

impl ZeroBorder {
    pub(super) fn new(spec: &ConvSpec, weights: &BitMatrix) -> Self {
        let (kernel, outputs) = (spec.params.kernel, spec.outputs);
        let channels = spec.group_channels();
        let mut table = vec![0; (kernel[0] + 1) * (kernel[1] + 1) * outputs];
        let at = |i: usize, j: usize, n: usize| (i * (kernel[1] + 1) + j) * outputs + n;
        for i in 0..kernel[0] {
            for j in 0..kernel[1] {
                for n in 0..outputs {
                    let tap = (i * kernel[1] + j) * channels;
                    let ones: u32 = (0..channels)
                        .step_by(WORD)
                        .map(|c| {
                            read_bits(weights.row(n), tap + c, WORD.min(channels - c)).count_ones()
                        })
                        .sum();
                    table[at(i + 1, j + 1, n)] = table[at(i, j + 1, n)] + table[at(i + 1, j, n)]
                        - table[at(i, j, n)]
                        + 2 * ones as i32
                        - channels as i32;
                }
            }
        }
        Self { table, outputs }
    }
}

/// The border of one band.
pub(super) struct BandBorder<'a> {
    pub(super) sums: &'a ZeroBorder,
    pub(super) spec: &'a ConvSpec,
    pub(super) input: Shape,
    /// The band's lines of an image.
    pub(super) lines: Range<usize>,
    /// Pixels of an output line.
    pub(super) width: usize,
}

impl BandBorder<'_> {
    /// Where in the table the corners of the taps inside the image are, for the window at line `y` and pixel `x` of the output: those that
    /// count, then those that are taken off again.
    fn corners(&self, y: usize, x: usize) -> [usize; 4] {
        let kernel = self.spec.params.kernel;
        let inside = |axis: usize, position: usize, size: usize| {
            let taps = self.spec.params.inside(axis, position, size);
            [taps.start, taps.end]
        };
        let (lines, pixels) = (
            inside(0, y, self.input.height),
            inside(1, x, self.input.width),
        );
        let at = |line: usize, pixel: usize| {
            (lines[line] * (kernel[1] + 1) + pixels[pixel]) * self.sums.outputs
        };
        [at(0, 0), at(1, 1), at(0, 1), at(1, 0)]
    }

    /// Which of a block's rows have bases of their own, a bit each, and their corners; those of the others are the depth.
    #[inline(always)]
    pub(super) fn rows(&self, rows: Range<usize>, corners: &mut Corners) -> u64 {
        let Shape { height, width, .. } = self.input;
        let (lines, pixels) = (self.spec.whole(0, height), self.spec.whole(1, width));
        let mut x = rows.start % self.width;
        let mut y = rows.start / self.width % self.lines.len();
        let mut bits = 0;
        for row in 0..rows.len() {
            let line = self.lines.start + y;
            if !(lines.contains(&line) && pixels.contains(&x)) {
                bits |= 1 << row;
                corners.get_or_insert([[0; 4]; BLOCK])[row] = self.corners(line, x);
            }
            x += 1;
            if x == self.width {
                (x, y) = (0, (y + 1) % self.lines.len());
            }
        }
        bits
    }

    /// The bases of the columns from `first` on, for a row with these corners.
    #[inline(always)]
    pub(super) fn base(&self, corners: &[usize; 4], first: usize, base: &mut Columns) {
        let (table, outputs) = (&self.sums.table, self.sums.outputs);
        let sums = |at: usize| &table[at + first..][..outputs - first];
        let all = sums(table.len() - outputs).iter();
        let [a, b, c, d] = corners.map(sums);
        let depth = self.spec.depth() as i32;
        for (base, ((all, (a, b)), (c, d))) in base
            .iter_mut()
            .zip(all.zip(a.iter().zip(b)).zip(c.iter().zip(d)))
        {
            *base = depth + (all - (a + b - c - d));
        }
    }
}
