//! Weight panels.

use crate::{
    Error,
    arch::tile::{MAX_COLUMNS, Tile},
    bits::{BitMatrix, WORD, bytes, bytes_mut},
    isa::{Level, dispatch},
};
use alloc::{vec, vec::Vec};
use core::ops::Range;

/// Weights of a matrix product, `N × K` ±1, laid out for one level's inner tile.
///
/// The `N` outputs are cut into panels of as many columns as the tile has; the last panel has only the registers it
/// needs. A panel is, step of depth after step, one step of each of its columns.
///
/// An engine that keeps the panels, in a file or a cache, keeps their [`layout`](Self::layout) with them:
///
/// ```
/// use bernet_kernels::{bits::BitMatrix, isa::Level, xnor::PackedWeights};
///
/// let level = Level::best();
/// let packed = PackedWeights::new(level, &BitMatrix::from_fn(10, 100, |n, k| n * k % 3 == 0))?;
/// let (layout, bytes) = (PackedWeights::layout(level), packed.bytes().to_vec());
/// let again = PackedWeights::from_bytes(level, layout, [10, 100], &bytes)?;
/// assert_eq!(again.bytes(), bytes);
/// // Other panels than this level's, or those of another version, are refused.
/// assert!(PackedWeights::from_bytes(level, layout ^ 1, [10, 100], &bytes).is_err());
/// # Ok::<(), bernet_kernels::Error>(())
/// ```
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
    ///
    /// # Errors
    /// [`Error::Dimension`] where `K` is 0, or 2³⁰ or above, or the panels do not fit in memory.
    pub fn new(level: Level, weights: &BitMatrix) -> Result<Self, Error> {
        Self::check_depth(weights.columns())?;
        dispatch!(level, token => Self::pack(level, token, weights))
    }

    /// Lays them out for tile `T`, of that level.
    pub(super) fn pack<T: Tile>(level: Level, _: T, weights: &BitMatrix) -> Result<Self, Error> {
        let (outputs, depth) = (weights.rows(), weights.columns());
        let size = |registers| panel_lines::<T>(depth, registers);
        let full = T::LANES * T::REGISTERS;
        let too_large = Error::Dimension {
            what: "outputs",
            found: outputs,
            expected: "so many that the packed weights fit in memory",
        };
        let Some(count) = count_lines::<T>(outputs, depth) else {
            return Err(too_large);
        };
        let mut lines = Vec::new();
        if lines.try_reserve_exact(count).is_err() {
            return Err(too_large);
        }
        lines.resize(count, CacheLine([0; 8]));
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
        Ok(Self {
            level,
            outputs,
            depth,
            lines,
        })
    }

    /// Takes panels that were packed before, `outputs × depth` (`N × K`), from their [`bytes`](Self::bytes).
    ///
    /// The contents are not validated: arbitrary bytes give wrong sums, never undefined behaviour.
    ///
    /// # Errors
    /// [`Error::Layout`] where they were not laid out as the level's are; [`Error::Size`] where there are too few bytes or too many.
    pub fn from_bytes(
        level: Level,
        layout: u64,
        [outputs, depth]: [usize; 2],
        bytes: &[u8],
    ) -> Result<Self, Error> {
        let expected = Self::layout(level);
        if layout != expected {
            return Err(Error::Layout {
                level: level.name(),
                expected,
                found: layout,
            });
        }
        let count = dispatch!(level, token => count_lines_for(token, outputs, depth));
        let size = count.and_then(|count| count.checked_mul(LINE));
        Error::check_size("bytes of panels", size.unwrap_or(usize::MAX), bytes.len())?;
        let mut lines = vec![CacheLine([0; 8]); bytes.len() / LINE];
        bytes_mut(as_words_mut(&mut lines)).copy_from_slice(bytes);
        Ok(Self {
            level,
            outputs,
            depth,
            lines,
        })
    }

    /// Names the layout of a level's panels: the same number wherever packed bytes mean the same weights.
    ///
    /// It is a digest (FNV-1a: Fowler, Noll and Vo) of what packing makes of a fixed matrix that fills a panel and begins another:
    /// sizes, order and padding all show in it, and nobody can forget to change it with them.
    pub fn layout(level: Level) -> u64 {
        let mut word = 0_u64;
        let matrix = BitMatrix::from_fn(MAX_COLUMNS + 1, 2 * WORD + 1, |_, _| {
            // Knuth's generator: its high bits are as good as random.
            word = word
                .wrapping_mul(0x5851_f42d_4c95_7f2d)
                .wrapping_add(0x1405_7b7e_f767_814f);
            word >> 63 == 1
        });
        let packed = Self::new(level, &matrix).expect("a small matrix");
        packed
            .bytes()
            .iter()
            .fold(0xcbf2_9ce4_8422_2325, |digest, &byte| {
                (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            })
    }

    /// The panels, to be kept together with their [`layout`](Self::layout).
    pub fn bytes(&self) -> &[u8] {
        bytes(as_words(&self.lines))
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
    pub(crate) fn check_depth(depth: usize) -> Result<(), Error> {
        if (1..1 << 30).contains(&depth) {
            return Ok(());
        }
        Err(Error::Dimension {
            what: "depth",
            found: depth,
            expected: "1 to 2³⁰ − 1",
        })
    }

    pub(crate) fn panels(&self) -> Panels<'_> {
        Panels {
            lines: &self.lines,
            first: 0,
            outputs: self.outputs,
            depth: self.depth,
            bits: self.depth,
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
    /// Of a panel.
    depth: usize,
    /// Bits of it that count.
    pub(crate) bits: usize,
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
            ..self
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

/// Cache lines of all panels, if they fit in memory.
fn count_lines<T: Tile>(outputs: usize, depth: usize) -> Option<usize> {
    let full = T::LANES * T::REGISTERS;
    let rest = (outputs % full).div_ceil(T::LANES);
    // No panel is larger than this.
    depth.checked_mul(full * T::STEP_BYTES)?;
    let whole = (outputs / full).checked_mul(panel_lines::<T>(depth, T::REGISTERS))?;
    whole.checked_add(panel_lines::<T>(depth, rest))
}

fn count_lines_for<T: Tile>(_: T, outputs: usize, depth: usize) -> Option<usize> {
    count_lines::<T>(outputs, depth)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xnor::gemm_i32;

    #[test]
    fn panels_come_back_and_foreign_ones_do_not() {
        let a = BitMatrix::from_fn(3, 300, |m, k| (m + k) % 3 == 0);
        let w = BitMatrix::from_fn(77, 300, |n, k| n * k % 7 < 3);
        let layouts: Vec<_> = Level::available()
            .into_iter()
            .map(|level| (level, PackedWeights::layout(level)))
            .collect();
        for &(level, layout) in &layouts {
            let packed = PackedWeights::new(level, &w).unwrap();
            let again =
                PackedWeights::from_bytes(level, layout, [77, 300], packed.bytes()).unwrap();
            let (mut expected, mut found) = (vec![0; 3 * 77], vec![1; 3 * 77]);
            gemm_i32(&a, &packed, &mut expected).unwrap();
            gemm_i32(&a, &again, &mut found).unwrap();
            assert_eq!(found, expected, "{level}");
            for (shape, bytes) in [
                ([78, 300], &packed.bytes()[1..]),
                ([usize::MAX, 300], packed.bytes()),
                ([77, usize::MAX], packed.bytes()),
                ([usize::MAX; 2], packed.bytes()),
                ([0, 0], packed.bytes()),
            ] {
                let refused = PackedWeights::from_bytes(level, layout, shape, bytes);
                assert!(
                    matches!(refused, Err(Error::Size { .. })),
                    "{level}, {shape:?}"
                );
            }
            for &(other, foreign) in &layouts {
                let taken = PackedWeights::from_bytes(level, foreign, [77, 300], packed.bytes());
                let same = PackedWeights::new(other, &w).unwrap().bytes() == packed.bytes();
                assert_eq!(taken.is_ok(), same, "{level} takes panels of {other}");
            }
        }
    }
}
