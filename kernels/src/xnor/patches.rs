//! Virtual im2col: the rows of a convolution's product, one for each output position, without the matrix of all of them.
//!
//! Output lines are worked on in bands. A band's input lines are copied, with their padding, into a scratch of a few tens
//! of kilobytes (once, where a patch matrix would hold each pixel kernel height · kernel width times), or, unpadded, are used where
//! they are. In a line, the pixels under one kernel line are neighbouring bits. So where a pixel is a whole number of
//! steps the tile reads them in place, a segment for each kernel line; otherwise they are gathered, a block of rows at a
//! time, with shifts, so that 33 channels cost 33.

use super::{
    PaddingValue,
    conv::Geometry,
    output::Columns,
    product::{BLOCK, Border, Rows, Starts},
    tile::{Patches, Tile},
};
use crate::bits::{BitMatrix, BitTensor, Shape, WORD, copy_bits, read_bits, set_bits};
use alloc::{vec, vec::Vec};
use core::ops::Range;

/// Output positions of a band, about: ten blocks of rows.
const BAND: usize = 10 * BLOCK;

/// Some output lines of one image, or all those of some images.
#[derive(Clone, Debug)]
pub(super) struct Band {
    pub(super) images: Range<usize>,
    pub(super) lines: Range<usize>,
}

impl Band {
    /// The bands of an output, in its order.
    pub(super) fn all(output: Shape) -> impl Iterator<Item = Self> {
        let lines = (BAND / output.width).clamp(1, output.height);
        let images = if lines == output.height {
            (BAND / (output.width * output.height)).max(1)
        } else {
            1
        };
        (0..output.batch).step_by(images).flat_map(move |image| {
            let images = image..output.batch.min(image + images);
            (0..output.height).step_by(lines).map(move |line| Self {
                images: images.clone(),
                lines: line..output.height.min(line + lines),
            })
        })
    }

    /// The band's output lines, counted over all images.
    pub(super) fn output_lines(&self, output: Shape) -> Range<usize> {
        let first = self.images.start * output.height + self.lines.start;
        first..first + self.images.len() * self.lines.len()
    }
}

/// What a convolution works in: reused, it is not allocated again.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    pub(super) lines: Vec<u64>,
    pub(super) rows: Vec<u64>,
}

/// The input lines of a band, padded.
#[derive(Clone, Copy)]
pub(super) struct Lines<'a> {
    pub(super) words: &'a [u64],
    pub(super) line_words: usize,
    /// Lines from one image to the next.
    pub(super) image_lines: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn new(
        geometry: &Geometry,
        input: &'a BitTensor,
        band: &Band,
        scratch: &'a mut Vec<u64>,
    ) -> Self {
        let shape = input.shape();
        let [top, left, _, right] = geometry.padding;
        let first = band.lines.start * geometry.stride[0];
        if geometry.padding == [0; 4] {
            let line_words = input.lines().row_words();
            let words =
                &input.lines().words()[(band.images.start * shape.height + first) * line_words..];
            return Self {
                words,
                line_words,
                image_lines: shape.height,
            };
        }
        let image_lines = (band.lines.len() - 1) * geometry.stride[0] + geometry.kernel[0];
        let padded = [left, shape.width, right].map(|pixels| pixels * geometry.channels);
        let line_words = padded.iter().sum::<usize>().div_ceil(WORD);
        scratch.clear();
        scratch.resize(band.images.len() * image_lines * line_words, 0);
        let all = band
            .images
            .clone()
            .flat_map(|image| (first..first + image_lines).map(move |line| (image, line)));
        for (to, (image, line)) in scratch.chunks_exact_mut(line_words).zip(all) {
            let inside = (top..top + shape.height).contains(&line);
            if inside {
                copy_bits(
                    to,
                    padded[0],
                    input.lines().row(image * shape.height + line - top),
                    0,
                    padded[1],
                );
            }
            if geometry.padding_value == PaddingValue::PlusOne {
                let end = padded[0] + padded[1];
                let (before, after) = if inside {
                    (padded[0], end..end + padded[2])
                } else {
                    (0, 0..end + padded[2])
                };
                fill_ones(to, 0..before);
                fill_ones(to, after);
            }
        }
        Self {
            words: scratch,
            line_words,
            image_lines,
        }
    }
}

fn fill_ones(words: &mut [u64], bits: Range<usize>) {
    for start in bits.clone().step_by(WORD) {
        let count = WORD.min(bits.end - start);
        set_bits(words, start, count, u64::MAX >> (WORD - count));
    }
}

/// Where in its lines the window of each of a band's rows begins.
#[derive(Clone, Copy)]
pub(super) struct Places<'a> {
    pub(super) geometry: &'a Geometry,
    /// Output lines of an image within the band, and pixels a line.
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) image_lines: usize,
}

impl Places<'_> {
    /// The line and the bit in it, for rows from `first` on.
    #[inline(always)]
    fn from(self, first: usize) -> impl Iterator<Item = (usize, usize)> {
        let (line, mut x) = (first / self.width, first % self.width);
        let (mut image, mut y) = (line / self.height, line % self.height);
        let across = self.geometry.stride[1] * self.geometry.channels;
        core::iter::from_fn(move || {
            let place = (
                image * self.image_lines + y * self.geometry.stride[0],
                x * across,
            );
            x += 1;
            if x == self.width {
                (x, y) = (0, y + 1);
            }
            if y == self.height {
                (y, image) = (0, image + 1);
            }
            Some(place)
        })
    }
}

/// Rows that the tile reads where they are; a kernel line is `steps` steps.
pub(super) struct InPlace<'a> {
    pub(super) lines: Lines<'a>,
    pub(super) places: Places<'a>,
    pub(super) steps: usize,
}

impl InPlace<'_> {
    /// Steps under a kernel line, if a pixel is a whole number of them.
    pub(super) fn steps<T: Tile>(_: T, geometry: &Geometry) -> Option<usize> {
        geometry
            .channels
            .is_multiple_of(8 * T::STEP)
            .then(|| geometry.kernel[1] * geometry.channels / (8 * T::STEP))
    }
}

impl Rows for InPlace<'_> {
    #[inline(always)]
    fn block(&mut self, rows: Range<usize>, starts: &mut Starts) -> Patches<'_> {
        let stride = self.lines.line_words * size_of::<u64>();
        for (start, (line, bit)) in starts[..rows.len()]
            .iter_mut()
            .zip(self.places.from(rows.start))
        {
            *start = line * stride + bit / 8;
        }
        Patches {
            words: self.lines.words,
            segments: self.places.geometry.kernel[0],
            stride,
            steps: self.steps,
        }
    }
}

/// Rows that are gathered from their lines, a block at a time.
pub(super) struct Gathered<'a> {
    lines: Lines<'a>,
    places: Places<'a>,
    rows: &'a mut [u64],
    row_words: usize,
    steps: usize,
}

impl<'a> Gathered<'a> {
    pub(super) fn new<T: Tile>(
        _: T,
        lines: Lines<'a>,
        places: Places<'a>,
        rows: &'a mut Vec<u64>,
    ) -> Self {
        let depth = places.geometry.depth();
        let row_words = depth.div_ceil(WORD);
        rows.resize(BLOCK * row_words, 0);
        Self {
            lines,
            places,
            rows,
            row_words,
            steps: depth.div_ceil(8 * T::STEP),
        }
    }
}

impl Rows for Gathered<'_> {
    #[inline(always)]
    fn block(&mut self, rows: Range<usize>, starts: &mut Starts) -> Patches<'_> {
        let Geometry {
            kernel, channels, ..
        } = *self.places.geometry;
        let run = kernel[1] * channels;
        self.rows.fill(0);
        let places = self.places.from(rows.start).take(rows.len());
        for ((row, start), (place, (line, bit))) in self
            .rows
            .chunks_exact_mut(self.row_words)
            .zip(starts)
            .zip(places.enumerate())
        {
            *start = place * self.row_words * size_of::<u64>();
            let lines = self.lines.words[line * self.lines.line_words..]
                .chunks_exact(self.lines.line_words);
            for (i, line) in lines.take(kernel[0]).enumerate() {
                copy_bits(row, i * run, line, bit, run);
            }
        }
        Patches {
            words: self.rows,
            segments: 1,
            stride: 0,
            steps: self.steps,
        }
    }
}

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
    pub(super) fn new(geometry: &Geometry, weights: &BitMatrix) -> Self {
        let Geometry {
            kernel,
            channels,
            outputs,
            ..
        } = *geometry;
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
    pub(super) geometry: &'a Geometry,
    pub(super) input: Shape,
    /// The band's lines of an image.
    pub(super) lines: Range<usize>,
    /// Pixels of an output line.
    pub(super) width: usize,
}

impl BandBorder<'_> {
    /// The kernel lines and the kernel columns inside the image, for a row.
    fn inside(&self, row: usize) -> [Range<usize>; 2] {
        let Geometry {
            kernel,
            stride,
            padding,
            ..
        } = *self.geometry;
        let (y, x) = (
            self.lines.start + row / self.width % self.lines.len(),
            row % self.width,
        );
        let inside = |position: usize, kernel: usize, padding: usize, size: usize| {
            let start = padding.saturating_sub(position).min(kernel);
            start
                ..(padding + size)
                    .saturating_sub(position)
                    .clamp(start, kernel)
        };
        [
            inside(y * stride[0], kernel[0], padding[0], self.input.height),
            inside(x * stride[1], kernel[1], padding[1], self.input.width),
        ]
    }
}

impl Border for Option<BandBorder<'_>> {
    #[inline(always)]
    fn rows(&self, rows: Range<usize>) -> u64 {
        let Some(border) = self else { return 0 };
        let whole = border.geometry.kernel.map(|kernel| 0..kernel);
        rows.rev().fold(0, |bits, row| {
            bits << 1 | u64::from(border.inside(row) != whole)
        })
    }

    fn base(&self, row: usize, first: usize, base: &mut Columns) {
        let Some(border) = self else { return };
        let [lines, pixels] = border.inside(row);
        let (kernel, outputs) = (border.geometry.kernel, border.sums.outputs);
        let sums = |i: usize, j: usize| {
            &border.sums.table[(i * (kernel[1] + 1) + j) * outputs + first..][..outputs - first]
        };
        let all = sums(kernel[0], kernel[1]).iter();
        let (a, b) = (sums(lines.start, pixels.start), sums(lines.end, pixels.end));
        let (c, d) = (sums(lines.start, pixels.end), sums(lines.end, pixels.start));
        let depth = border.geometry.depth() as i32;
        for (base, ((all, (a, b)), (c, d))) in base
            .iter_mut()
            .zip(all.zip(a.iter().zip(b)).zip(c.iter().zip(d)))
        {
            *base = depth + (all - (a + b - c - d));
        }
    }
}
