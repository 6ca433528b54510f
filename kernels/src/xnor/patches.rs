//! Virtual im2col: the rows of a convolution's product, one for each output position, without the matrix of all of them.
//!
//! Output lines are worked on in bands. A band's input lines are copied, with their padding, into a scratch of a few tens
//! of kilobytes (once, where a patch matrix would hold each pixel kernel height · kernel width times), or, unpadded, are used where
//! they are. In a line, the pixels under one kernel line are neighbouring bits. So where a pixel is a whole number of
//! steps the tile reads them in place, a segment for each kernel line; otherwise they are gathered (`gather.rs`), a block of
//! rows at a time.

use super::{
    Geometry, Options, PaddingValue,
    geometry::Window,
    output::Columns,
    product::{BLOCK, Border, Corners, Rows, Starts},
    tile::{Patches, Tile},
};
use crate::bits::{BitMatrix, BitView, Shape, WORD, copy_bits, read_bits, set_bits};
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
    /// The one band of a whole output, where it is as little as that. (The divisions below take longer than a small product.)
    pub(super) fn one(output: Shape) -> Option<Self> {
        let Shape {
            batch,
            height,
            width,
            ..
        } = output;
        (batch * height * width <= BAND).then_some(Self {
            images: 0..batch,
            lines: 0..height,
        })
    }

    /// The bands of some output lines, counted over all images, in their order.
    pub(super) fn all(output: Shape, lines: Range<usize>) -> impl Iterator<Item = Self> {
        let most = (BAND / output.width).max(1);
        let mut next = lines.start;
        core::iter::from_fn(move || {
            let (image, line) = (next / output.height, next % output.height);
            let rest = lines.end - next;
            let whole = if line == 0 {
                most.min(rest) / output.height
            } else {
                0
            };
            let band = if whole > 0 {
                Self {
                    images: image..image + whole,
                    lines: 0..output.height,
                }
            } else {
                Self {
                    images: image..image + 1,
                    lines: line..output.height.min(line + most.min(rest)),
                }
            };
            next += band.images.len() * band.lines.len();
            (rest > 0).then_some(band)
        })
    }
}

/// What one thread works in.
#[derive(Clone, Debug, Default)]
pub(super) struct Worker {
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
    /// Lines in which `reach` bits can be read.
    pub(super) fn new(
        window: &Window,
        input: BitView<'a>,
        band: &Band,
        reach: usize,
        scratch: &'a mut Vec<u64>,
    ) -> Self {
        let shape = input.shape();
        let geometry = &window.geometry;
        let [top, left, _, right] = geometry.padding;
        let first = band.lines.start * geometry.stride[0];
        // What lies between lines may be read, and is masked off; nothing lies after the last.
        if geometry.padding == [0; 4] && reach <= input.row_words() * WORD {
            let line_words = input.stride();
            let words = &input.words()[(band.images.start * shape.height + first) * line_words..];
            return Self {
                words,
                line_words,
                image_lines: shape.height,
            };
        }
        let image_lines = (band.lines.len() - 1) * geometry.stride[0] + window.span()[0];
        let padded = [left, shape.width, right].map(|pixels| pixels * geometry.channels);
        let line_words = reach.max(padded.iter().sum()).div_ceil(WORD);
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
                    input.row(image * shape.height + line - top),
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
    pub(super) window: &'a Window,
    pub(super) group: usize,
    /// Output lines of an image within the band, and pixels a line.
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) image_lines: usize,
}

impl Places<'_> {
    /// The line, the bit in it, and how many of `rows` follow it in that line, `most` of them together.
    #[inline(always)]
    pub(super) fn groups(
        self,
        rows: Range<usize>,
        most: usize,
    ) -> impl Iterator<Item = (usize, usize, usize)> {
        let (mut image, mut y, mut x) = (0, 0, 0);
        // Divisions take longer than small products.
        if rows.start > 0 {
            let line = rows.start / self.width;
            (image, y) = (line / self.height, line % self.height);
            x = rows.start % self.width;
        }
        let mut rest = rows.len();
        let stride = self.window.geometry.stride[0];
        let across = self.across();
        let channel = self.group * self.window.channels();
        core::iter::from_fn(move || {
            let some = most.min(self.width - x).min(rest);
            let line = image * self.image_lines + y * stride;
            let place = (line, x * across + channel, some);
            rest -= some;
            x += some;
            if x == self.width {
                (x, y) = (0, y + 1);
            }
            if y == self.height {
                (y, image) = (0, image + 1);
            }
            (some > 0).then_some(place)
        })
    }

    /// Bits from the window of one row to that of the next in its line.
    pub(super) fn across(self) -> usize {
        let Geometry {
            stride, channels, ..
        } = self.window.geometry;
        stride[1] * channels
    }
}

/// Rows that the tile reads where they are.
pub(super) struct InPlace<'a> {
    pub(super) lines: Lines<'a>,
    pub(super) places: Places<'a>,
    pub(super) run: Run,
}

/// A kernel line of a window that is read in place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Run {
    steps: usize,
    /// The bits of the last step that count.
    last: u32,
    /// Bits of all steps.
    pub(super) bits: usize,
}

impl Run {
    /// A kernel line, if it is neighbouring bits and begins with a byte wherever it begins, and is whole steps or, on levels that can have a
    /// step in part, not much less.
    pub(super) fn new<T: Tile>(_: T, window: &Window) -> Option<Self> {
        let Geometry {
            channels, kernel, ..
        } = window.geometry;
        let neighbours =
            kernel[1] == 1 || (window.options.dilation[1] == 1 && window.options.groups == 1);
        let (step, run) = (8 * T::STEP, kernel[1] * window.channels());
        let (steps, rest) = (run.div_ceil(step), run % step);
        let bits = steps * step;
        let multiples =
            |of: usize| channels.is_multiple_of(of) && window.channels().is_multiple_of(of);
        // Gathering costs as much as some more steps. (Up to a word it costs less: `words.rs`.)
        let part = T::PARTS
            && cfg!(target_endian = "little")
            && multiples(8)
            && window.depth() > WORD
            && 3 * bits <= 4 * run;
        (neighbours && (multiples(step) || part)).then_some(Self {
            steps,
            // Levels that have none have longer steps too.
            last: if T::PARTS && rest > 0 {
                u32::MAX >> (u32::BITS as usize - rest)
            } else {
                u32::MAX
            },
            bits,
        })
    }

    /// Bits of a line that are read, from its first to its last window's last step.
    pub(super) fn reach(&self, window: &Window, width: usize) -> usize {
        let Geometry {
            channels, stride, ..
        } = window.geometry;
        (width - 1) * stride[1] * channels + channels - window.channels() + self.bits
    }
}

impl Rows for InPlace<'_> {
    #[inline(always)]
    fn block(&mut self, rows: Range<usize>, starts: &mut Starts) -> Patches<'_> {
        let stride = self.lines.line_words * size_of::<u64>();
        for (start, (line, bit, _)) in starts.iter_mut().zip(self.places.groups(rows, 1)) {
            *start = line * stride + bit / 8;
        }
        let Window { geometry, options } = self.places.window;
        let stride = stride * options.dilation[0];
        Patches {
            words: self.lines.words,
            segments: geometry.kernel[0],
            stride,
            steps: self.run.steps,
            last: self.run.last,
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
    pub(super) fn new(window: &Window, weights: &BitMatrix) -> Self {
        let Geometry {
            kernel, outputs, ..
        } = window.geometry;
        let channels = window.channels();
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
    pub(super) window: &'a Window,
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
        let Window {
            geometry:
                Geometry {
                    kernel,
                    stride,
                    padding,
                    ..
                },
            options: Options { dilation, .. },
        } = *self.window;
        let inside = |axis: usize, position: usize, size: usize| {
            let taps = |end: usize| {
                end.saturating_sub(position * stride[axis])
                    .div_ceil(dilation[axis])
                    .min(kernel[axis])
            };
            [taps(padding[axis]), taps(padding[axis] + size)]
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

    /// The output lines, or pixels, whose taps are all inside the image.
    fn whole(&self, axis: usize, size: usize) -> Range<usize> {
        let Geometry {
            stride, padding, ..
        } = self.window.geometry;
        let room = (padding[axis] + size).checked_sub(self.window.span()[axis]);
        padding[axis].div_ceil(stride[axis])..room.map_or(0, |room| room / stride[axis] + 1)
    }
}

impl Border for Option<BandBorder<'_>> {
    #[inline(always)]
    fn rows(&self, rows: Range<usize>, corners: &mut Corners) -> u64 {
        let Some(border) = self else { return 0 };
        let Shape { height, width, .. } = border.input;
        let (lines, pixels) = (border.whole(0, height), border.whole(1, width));
        let mut x = rows.start % border.width;
        let mut y = rows.start / border.width % border.lines.len();
        let mut bits = 0;
        for row in 0..rows.len() {
            let line = border.lines.start + y;
            if !(lines.contains(&line) && pixels.contains(&x)) {
                bits |= 1 << row;
                corners.get_or_insert([[0; 4]; BLOCK])[row] = border.corners(line, x);
            }
            x += 1;
            if x == border.width {
                (x, y) = (0, (y + 1) % border.lines.len());
            }
        }
        bits
    }

    #[inline(always)]
    fn base(&self, corners: &[usize; 4], first: usize, base: &mut Columns) {
        let Some(border) = self else { return };
        let (table, outputs) = (&border.sums.table, border.sums.outputs);
        let sums = |at: usize| &table[at + first..][..outputs - first];
        let all = sums(table.len() - outputs).iter();
        let [a, b, c, d] = corners.map(sums);
        let depth = border.window.depth() as i32;
        for (base, ((all, (a, b)), (c, d))) in base
            .iter_mut()
            .zip(all.zip(a.iter().zip(b)).zip(c.iter().zip(d)))
        {
            *base = depth + (all - (a + b - c - d));
        }
    }
}
