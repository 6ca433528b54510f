//! The blocking, written once: blocks of rows, panels of columns, tiles within.
//!
//! A block's rows are gathered (or merely located) once and meet every panel; a panel meets all the block's rows before
//! the next, so that it stays in the first-level cache while it is used. Depth is not cut: a tile reads its panel and its rows
//! front to back, `LANES · REGISTERS · STEP` bytes of weights for the whole tile's work on a step, which is a few bytes a cycle and
//! streams from the second-level cache as well as from the first.

use super::{
    border::{BandBorder, Corners},
    pack::{Panel, Panels},
    writer::{EpilogueWriter, Place, Prepared, count},
};
use crate::arch::tile::{BLOCK, Counts, MAX_COLUMNS, Patches, Tile};
use core::ops::Range;

/// Byte offsets into the patches of a block's rows.
pub(crate) type Starts = [usize; BLOCK];

/// Where a block's rows go.
pub(crate) type Places = [Place; BLOCK];

/// Rows that are ready to be counted.
pub(crate) struct Block<'a> {
    /// What they lie in.
    pub(crate) words: &'a [u64],
    /// All of them, in their order.
    pub(crate) groups: &'a [Group],
}

/// Neighbouring rows of a block of which the same part of the depth is counted.
#[derive(Clone, Copy, Default)]
pub(crate) struct Group {
    /// How many they are.
    pub(crate) rows: usize,
    /// Runs a row, and bytes from one to the next.
    pub(crate) segments: usize,
    pub(crate) stride: usize,
    /// Steps a run; none where nothing counts.
    pub(crate) steps: usize,
    /// Bits of a run's last step that count.
    pub(crate) tail_mask: u32,
    /// Steps of the panel before the first run, and between two.
    pub(crate) skip: usize,
    pub(crate) gap: usize,
    /// Bits that count, where those are not all of the panel's.
    pub(crate) bits: Option<usize>,
}

/// Where the rows of a product come from.
pub(crate) trait Rows {
    /// Makes a block of rows ready: all that are asked for, or the first of them.
    fn block(&mut self, rows: Range<usize>, starts: &mut Starts, places: &mut Places) -> Block<'_>;
}

/// Multiplies `rows` rows with the weights of the panels, which are laid out for tile `T`, and
/// hands each sum to the writer.
pub(crate) fn product<T: Tile>(
    token: T,
    panels: Panels<'_>,
    rows: usize,
    mut source: impl Rows,
    border: Option<&BandBorder<'_>>,
    writer: &mut impl EpilogueWriter,
) {
    token.vectorize(
        // Left to itself, the compiler makes so large a closure a function of its own, without the level's features.
        #[inline(always)]
        || {
            let mut starts = [0; BLOCK];
            let mut places = [[0; 2]; BLOCK];
            let mut counts = [[0; MAX_COLUMNS]; 8];
            // (Room for what most products do without is not worth clearing for a small one.)
            let mut corners = None;
            let mut first = 0;
            while first < rows {
                let block = rows.min(first + BLOCK);
                let block = source.block(first..block, &mut starts, &mut places);
                let taken = block.groups.iter().map(|group| group.rows).sum();
                writer.begin(&places[..taken]);
                let bordered = match border {
                    Some(border) => border.rows(first..first + taken, &mut corners),
                    None => 0,
                };
                let sweep = Sweep {
                    token,
                    block,
                    starts: &starts,
                    border,
                    bordered,
                    corners: &corners,
                    depth: panels.bits,
                };
                // (Constants of their own keep what a level never does from being compiled for it.)
                for panel in panels.iter::<T>() {
                    match panel.registers {
                        1 => sweep.panel::<1>(&panel, writer, &mut counts),
                        2 if const { T::REGISTERS >= 2 } => {
                            sweep.panel::<2>(&panel, writer, &mut counts)
                        }
                        3 if const { T::REGISTERS >= 3 } => {
                            sweep.panel::<3>(&panel, writer, &mut counts)
                        }
                        4 if const { T::REGISTERS >= 4 } => {
                            sweep.panel::<4>(&panel, writer, &mut counts)
                        }
                        registers => {
                            unreachable!("a tile has at most 4 registers, not {registers}")
                        }
                    }
                }
                first += taken;
            }
        },
    );
}

/// A block of rows on its way across the panels.
struct Sweep<'a, T> {
    token: T,
    block: Block<'a>,
    starts: &'a Starts,
    border: Option<&'a BandBorder<'a>>,
    /// Which rows have bases of their own.
    bordered: u64,
    corners: &'a Corners,
    depth: usize,
}

impl<T: Tile> Sweep<'_, T> {
    /// The block's rows meet a panel. Whatever the rows come from, this is one function, with the level's features.
    #[inline(never)]
    fn panel<const V: usize>(
        &self,
        panel: &Panel<'_>,
        writer: &mut impl EpilogueWriter,
        counts: &mut [Counts; 8],
    ) {
        self.token.vectorize(
            #[inline(always)]
            || {
                let mut prepared = writer.prepare(self.token, panel.first, panel.columns);
                let mut first = 0;
                for group in self.block.groups {
                    let rows = first..first + group.rows;
                    let weights = &panel.weights[group.skip * V * T::STEP_BYTES..];
                    first = rows.end;
                    self.group::<V>(rows, group, weights, writer, &mut prepared, counts);
                }
            },
        );
    }

    #[inline(always)]
    fn group<const V: usize>(
        &self,
        rows: Range<usize>,
        group: &Group,
        weights: &[u8],
        writer: &mut impl EpilogueWriter,
        prepared: &mut Prepared,
        counts: &mut [Counts; 8],
    ) {
        let depth = group.bits.unwrap_or(self.depth);
        writer.set_base::<T>(prepared, &[T::base(depth); MAX_COLUMNS]);
        if group.steps == 0 {
            counts[0] = [0; MAX_COLUMNS];
            for row in rows {
                writer.store::<T, 1, V>(
                    self.token,
                    row,
                    prepared,
                    core::array::from_ref(&counts[0]),
                );
            }
            return;
        }
        let patches = Patches {
            words: self.block.words,
            segments: group.segments,
            stride: group.stride,
            steps: group.steps,
            gap: group.gap,
            tail_mask: group.tail_mask,
        };
        let mut row = rows.start;
        if V == 1 && self.bordered == 0 && group.gap == 0 {
            let starts = &self.starts[rows.clone()];
            row += writer.store_narrow(self.token, row, prepared, (&patches, starts, weights));
        }
        let bounds = if const { T::SHALLOW > 0 } && depth <= T::SHALLOW && self.bordered == 0 {
            writer.bounds::<T>(prepared)
        } else {
            None
        };
        while row < rows.end {
            let some = T::ROWS.min(rows.end - row);
            macro_rules! tile {
                ($($rows:literal)*) => {
                    match some {
                        $($rows if const { T::ROWS >= $rows } => {
                            let starts = self.starts[row..].first_chunk().expect("as many rows as a tile has");
                            if const { T::SHALLOW > 0 }
                                && let Some(bounds) = &bounds
                            {
                                let bits = self.token.below::<$rows, V>(&patches, starts, weights, bounds);
                                writer.store_bits::<T>(row, prepared, &bits);
                                row += some;
                                continue;
                            }
                            let counts = counts.first_chunk_mut::<$rows>().expect("as many rows as a tile has");
                            if self.bordered >> row & ((1 << $rows) - 1) == 0 {
                                writer.count::<T, $rows, V>(self.token, row, prepared, (&patches, starts, weights), counts);
                            } else {
                                count::<T, $rows, V>(self.token, (&patches, starts, weights), counts);
                                self.store_bordered::<V>(row, writer, prepared, counts);
                            }
                        })*
                        rows => unreachable!("a tile has at most 8 rows, not {rows}"),
                    }
                };
            }
            tile!(1 2 3 4 5 6 7 8);
            row += some;
        }
    }

    /// Stores rows of which some have bases of their own. There are few: this is a function of its own, though with the level's
    /// features.
    #[inline(never)]
    fn store_bordered<const V: usize>(
        &self,
        row: usize,
        writer: &mut impl EpilogueWriter,
        prepared: &mut Prepared,
        counts: &[Counts],
    ) {
        self.token.vectorize(
            #[inline(always)]
            || {
                let depth = [T::base(self.depth); MAX_COLUMNS];
                let mut is_depth = true;
                for (row, counts) in (row..).zip(counts) {
                    if let (Some(border), Some(corners)) = (self.border, self.corners)
                        && self.bordered >> row & 1 == 1
                    {
                        let mut base = depth;
                        border.base(&corners[row], prepared.first, &mut base);
                        writer.set_base::<T>(prepared, &base);
                        is_depth = false;
                    } else if !is_depth {
                        writer.set_base::<T>(prepared, &depth);
                        is_depth = true;
                    }
                    writer.store::<T, 1, V>(
                        self.token,
                        row,
                        prepared,
                        core::array::from_ref(counts),
                    );
                }
                writer.set_base::<T>(prepared, &depth);
            },
        );
    }
}
