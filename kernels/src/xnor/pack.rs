//! Weight panels.

use super::tile::Tile;
use crate::{
    Error,
    bits::{BitMatrix, bytes, bytes_mut},
    isa::{Level, dispatch},
};
use alloc::{vec, vec::Vec};
use core::ops::Range;

/// Weights of a matrix product, `N × K` ±1, laid out for one level's inner tile.
///
/// The `N` outputs are cut into panels of as many columns as the tile has; the last panel has only the registers it
/// needs. A panel is, step of depth after step, one step of each of its columns.
#[derive(Clone, Debug)]
pub struct PackedWeights {
    level: Level,
    outputs: usize,
    depth: usize,
    lines: Vec<CacheLine>,
}

/// So that no register of weights straddles two cache lines.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct CacheLine([u64; 8]);

const LINE: usize = size_of::<CacheLine>();

/// A few output channels: their weights, and which they are.
pub(crate) struct Panel<'a> {
    pub(crate) weights: &'a [u8],
    pub(crate) first: usize,
    pub(crate) columns: usize,
    pub(crate) registers: usize,
}

impl PackedWeights {
    /// Lays out `weights`, one row for each of the `N` outputs, `K` columns.
    pub fn new(level: Level, weights: &BitMatrix) -> Self {
        dispatch!(level, token => Self::pack(level, token, weights))
    }

    fn pack<T: Tile>(level: Level, _: T, weights: &BitMatrix) -> Self {
        let (outputs, depth) = (weights.rows(), weights.columns());
        let size = |registers| panel_lines::<T>(depth, registers);
        let full = T::LANES * T::REGISTERS;
        let rest = (outputs % full).div_ceil(T::LANES);
        let mut lines = vec![CacheLine([0; 8]); outputs / full * size(T::REGISTERS) + size(rest)];
        let steps = depth.div_ceil(8 * T::STEP);
        for (panel, lines) in lines.chunks_mut(size(T::REGISTERS).max(1)).enumerate() {
            let first = panel * full;
            let columns = full.min(outputs - first);
            let registers = columns.div_ceil(T::LANES);
            let panel = bytes_mut(as_words_mut(lines));
            for column in 0..columns {
                let row = bytes(weights.row(first + column));
                for (step, row) in row.chunks_exact(T::STEP).take(steps).enumerate() {
                    let register = step * registers + column / T::LANES;
                    let bytes = &mut panel[register * T::STEP_BYTES..][..T::STEP_BYTES];
                    T::lay(column % T::LANES, row, bytes);
                }
            }
        }
        Self {
            level,
            outputs,
            depth,
            lines,
        }
    }

    /// The level whose kernel they are for.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Number of outputs `N`.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Depth `K`.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Twice a sum must fit in `i32`.
    pub(crate) fn check_depth(&self) -> Result<(), Error> {
        if (1..1 << 30).contains(&self.depth) {
            return Ok(());
        }
        Err(Error::Dimension {
            what: "depth",
            found: self.depth,
            expected: "1 to 2³⁰ − 1",
        })
    }

    pub(crate) fn panels(&self) -> Panels<'_> {
        Panels {
            lines: &self.lines,
            first: 0,
            outputs: self.outputs,
            depth: self.depth,
        }
    }
}

/// Some of the outputs of packed weights, or all.
#[derive(Clone, Copy)]
pub(crate) struct Panels<'a> {
    lines: &'a [CacheLine],
    /// What the first of them is called.
    pub(crate) first: usize,
    pub(crate) outputs: usize,
    pub(crate) depth: usize,
}

impl<'a> Panels<'a> {
    /// Those of `columns`, which begin where a panel does, numbered from 0 on.
    pub(crate) fn columns<T: Tile>(self, _: T, columns: Range<usize>) -> Self {
        let panel =
            columns.start / (T::LANES * T::REGISTERS) * panel_lines::<T>(self.depth, T::REGISTERS);
        Self {
            lines: &self.lines[panel..],
            first: 0,
            outputs: columns.len(),
            depth: self.depth,
        }
    }

    /// The panels, laid out for tile `T`, which is that of the level.
    pub(crate) fn iter<T: Tile>(self) -> impl Iterator<Item = Panel<'a>> {
        let full = T::LANES * T::REGISTERS;
        let lines = panel_lines::<T>(self.depth, T::REGISTERS);
        (0..self.outputs).step_by(full).map(move |first| {
            let columns = full.min(self.outputs - first);
            let registers = columns.div_ceil(T::LANES);
            let lines =
                &self.lines[first / full * lines..][..panel_lines::<T>(self.depth, registers)];
            Panel {
                weights: bytes(as_words(lines)),
                first: self.first + first,
                columns,
                registers,
            }
        })
    }
}

/// Cache lines of a panel of `registers` registers.
fn panel_lines<T: Tile>(depth: usize, registers: usize) -> usize {
    (depth.div_ceil(8 * T::STEP) * registers * T::STEP_BYTES).div_ceil(LINE)
}

fn as_words(lines: &[CacheLine]) -> &[u64] {
    // SAFETY: a cache line is eight words, with no padding.
    unsafe { core::slice::from_raw_parts(lines.as_ptr().cast(), lines.len() * 8) }
}

fn as_words_mut(lines: &mut [CacheLine]) -> &mut [u64] {
    // SAFETY: a cache line is eight words, with no padding.
    unsafe { core::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), lines.len() * 8) }
}
