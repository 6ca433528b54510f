//! The blocking, written once: blocks of rows, panels of columns, tiles within.
//!
//! A block's rows are gathered (or merely located) once and meet every panel; a panel meets all the block's rows before
//! the next, so that it stays in the first-level cache while it is used. Depth is not cut: a tile reads its panel and its rows
//! front to back, `LANES · REGISTERS · STEP` bytes of weights for the whole tile's work on a step, which is a few bytes a cycle and
//! streams from the second-level cache as well as from the first.

use super::{
    output::{Columns, Prepared, Stage},
    pack::{Panel, Panels},
    tile::{Counts, MAX_COLUMNS, Patches, Tile},
};
use core::ops::Range;

/// Rows of a block: at most 64, a multiple of every tile's, and enough to read the panel's weights from afar only once in a while.
pub(crate) const BLOCK: usize = 48;

/// Byte offsets into the patches of a block's rows.
pub(crate) type Starts = [usize; BLOCK];

/// Where the rows of a product come from.
pub(crate) trait Rows {
    /// Makes a block of rows ready.
    fn block(&mut self, rows: Range<usize>, starts: &mut Starts) -> Patches<'_>;
}

/// Where in a table of sums the base of each of a block's rows follows from; none where no row has had one yet.
pub(crate) type Corners = Option<[[usize; 4]; BLOCK]>;

/// The bases that rows have where not all of their depth counts.
pub(crate) trait Border {
    /// Which of a block's rows have bases of their own, a bit each, and their corners; those of the others are the depth.
    fn rows(&self, rows: Range<usize>, corners: &mut Corners) -> u64;

    /// The bases of the columns from `first` on, for a row with these corners.
    fn base(&self, corners: &[usize; 4], first: usize, base: &mut Columns);
}

/// Multiplies `rows` rows with the weights of the panels, which are laid out for tile `T`, and hands each sum to the stage.
pub(crate) fn product<T: Tile>(
    token: T,
    panels: Panels<'_>,
    rows: usize,
    mut source: impl Rows,
    border: &impl Border,
    stage: &mut impl Stage,
) {
    token.vectorize(
        // Left to itself, the compiler makes so large a closure a function of its own, without the level's features.
        #[inline(always)]
        || {
            let mut starts = [0; BLOCK];
            let mut counts = [[0; MAX_COLUMNS]; 8];
            // (Room for what most products do without is not worth clearing for a small one.)
            let mut corners = None;
            for first in (0..rows).step_by(BLOCK) {
                let block = first..rows.min(first + BLOCK);
                let patches = source.block(block.clone(), &mut starts);
                stage.begin(block.clone());
                let bordered = border.rows(block.clone(), &mut corners);
                let sweep = Sweep {
                    token,
                    patches,
                    starts: &starts,
                    first,
                    rows: block.len(),
                    bordered,
                    corners: &corners,
                    depth: panels.bits,
                };
                for panel in panels.iter::<T>() {
                    match panel.registers {
                        1 => sweep.panel::<1>(&panel, border, stage, &mut counts),
                        2 if T::REGISTERS >= 2 => {
                            sweep.panel::<2>(&panel, border, stage, &mut counts)
                        }
                        3 if T::REGISTERS >= 3 => {
                            sweep.panel::<3>(&panel, border, stage, &mut counts)
                        }
                        4 if T::REGISTERS >= 4 => {
                            sweep.panel::<4>(&panel, border, stage, &mut counts)
                        }
                        registers => {
                            unreachable!("a tile has at most 4 registers, not {registers}")
                        }
                    }
                }
            }
        },
    );
}

/// A block of rows on its way across the panels.
struct Sweep<'a, T> {
    token: T,
    patches: Patches<'a>,
    starts: &'a Starts,
    first: usize,
    rows: usize,
    bordered: u64,
    corners: &'a Corners,
    depth: usize,
}

impl<T: Tile> Sweep<'_, T> {
    #[inline(always)]
    fn panel<const V: usize>(
        &self,
        panel: &Panel<'_>,
        border: &impl Border,
        stage: &mut impl Stage,
        counts: &mut [Counts; 8],
    ) {
        let mut prepared = stage.prepare(self.token, panel.first, panel.columns);
        let depth = [T::base(self.depth); MAX_COLUMNS];
        stage.set_base::<T>(&mut prepared, &depth);
        let mut row = if V == 1 && self.bordered == 0 {
            let starts = &self.starts[..self.rows];
            stage.store_narrow(self.token, &self.patches, starts, panel, &prepared)
        } else {
            0
        };
        let bounds = if self.depth <= T::SHALLOW && self.bordered == 0 {
            stage.bounds::<T>(&prepared)
        } else {
            None
        };
        while row < self.rows {
            let rows = T::ROWS.min(self.rows - row);
            macro_rules! tile {
                ($($rows:literal)*) => {
                    match rows {
                        $($rows if T::ROWS >= $rows => {
                            let starts = self.starts[row..].first_chunk().expect("as many rows as a tile has");
                            if let Some(bounds) = &bounds {
                                let bits = self.token.below::<$rows, V>(&self.patches, starts, panel.weights, bounds);
                                stage.store_bits::<T>(self.first + row, &prepared, &bits);
                                row += rows;
                                continue;
                            }
                            let counts = counts.first_chunk_mut::<$rows>().expect("as many rows as a tile has");
                            if self.bordered >> row & ((1 << $rows) - 1) == 0 {
                                stage.count::<T, $rows, V>(self.token, self.first + row, &prepared, (&self.patches, starts, panel.weights), counts);
                            } else {
                                self.token.count::<$rows, V>(&self.patches, starts, panel.weights, counts);
                                self.store_bordered::<V>(row, panel.first, border, stage, &mut prepared, counts);
                            }
                        })*
                        rows => unreachable!("a tile has at most 8 rows, not {rows}"),
                    }
                };
            }
            tile!(1 2 3 4 5 6 7 8);
            row += rows;
        }
    }

    /// Stores rows of which some have bases of their own. There are few: this is a function of its own, though with the level's
    /// features.
    #[inline(never)]
    fn store_bordered<const V: usize>(
        &self,
        row: usize,
        first: usize,
        border: &impl Border,
        stage: &mut impl Stage,
        prepared: &mut Prepared,
        counts: &[Counts],
    ) {
        self.token.vectorize(
            #[inline(always)]
            || {
                let depth = [T::base(self.depth); MAX_COLUMNS];
                let mut is_depth = true;
                for (row, counts) in (row..).zip(counts) {
                    if let Some(corners) = self.corners
                        && self.bordered >> row & 1 == 1
                    {
                        let mut base = depth;
                        border.base(&corners[row], first, &mut base);
                        stage.set_base::<T>(prepared, &base);
                        is_depth = false;
                    } else if !is_depth {
                        stage.set_base::<T>(prepared, &depth);
                        is_depth = true;
                    }
                    stage.store::<T, 1, V>(
                        self.token,
                        self.first + row,
                        prepared,
                        core::array::from_ref(counts),
                    );
                }
                stage.set_base::<T>(prepared, &depth);
            },
        );
    }
}
