//! Virtual im2col: the rows of a convolution's product, one for each output position, without the matrix of all of them.
//!
//! Output lines are worked on in bands. A band's input lines are copied, with their padding, into a scratch of a few tens
//! of kilobytes (once, where a patch matrix would hold each pixel kernel height · kernel width times), or, unpadded, are used where
//! they are. In a line, the pixels under one kernel line are neighbouring bits. So where a pixel is a whole number of
//! steps the tile reads them in place, a segment for each kernel line; otherwise they are gathered (`gather.rs`), a block of
//! rows at a time.

use super::{
    params::{ConvSpec, PaddingValue},
    product::{Block, Group, Places, Rows, Starts},
};
use crate::{
    arch::tile::{BLOCK, Tile},
    bits::{BitView, Shape, WORD, copy_bits, set_bits},
};
use alloc::vec::Vec;
use core::ops::Range;

/// Output positions of a band, about: ten blocks of rows.
pub(super) const BAND: usize = 10 * BLOCK;

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

    /// Input lines, padded, that a band of such an output takes at most.
    pub(super) fn most_lines(spec: &ConvSpec, output: Shape) -> usize {
        let lines = |images: usize, lines: usize| {
            let last = lines.max(1) - 1;
            let lines = last.saturating_mul(spec.params.stride[0]);
            lines
                .saturating_add(spec.params.span()[0])
                .saturating_mul(images)
        };
        let most = (BAND / output.width.max(1)).max(1);
        let images = (most / output.height.max(1)).min(output.batch);
        let whole = lines(images, output.height);
        whole.max(lines(1, most.min(output.height)))
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

/// The input lines of a band, padded.
#[derive(Clone, Copy)]
pub(super) struct Lines<'a> {
    pub(super) words: &'a [u64],
    pub(super) line_words: usize,
    /// Lines from one image to the next.
    pub(super) image_lines: usize,
}

impl<'a> Lines<'a> {
    /// Words that a copy takes at most.
    pub(super) fn most_words(spec: &ConvSpec, input: Shape, output: Shape, reach: usize) -> usize {
        let [_, left, _, right] = spec.params.padding;
        let line = (left + input.width + right) * spec.channels;
        let line_words = reach.max(line).div_ceil(WORD);
        Band::most_lines(spec, output).saturating_mul(line_words)
    }

    /// Lines in which `reach` bits can be read.
    pub(super) fn new(
        spec: &ConvSpec,
        input: BitView<'a>,
        band: &Band,
        reach: usize,
        scratch: &'a mut Vec<u64>,
    ) -> Self {
        let shape = input.shape();
        let params = &spec.params;
        let [top, left, _, right] = params.padding;
        let first = band.lines.start * params.stride[0];
        // What lies between lines may be read, and is masked off; nothing lies after the last.
        if params.padding == [0; 4] && reach <= input.row_words() * WORD {
            let line_words = input.stride();
            let words = &input.words()[(band.images.start * shape.height + first) * line_words..];
            return Self {
                words,
                line_words,
                image_lines: shape.height,
            };
        }
        let image_lines = (band.lines.len() - 1) * params.stride[0] + spec.params.span()[0];
        let padded = [left, shape.width, right].map(|pixels| pixels * spec.channels);
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
            if params.padding_value == PaddingValue::PlusOne {
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
pub(super) struct Windows<'a> {
    pub(super) spec: &'a ConvSpec,
    pub(super) group: usize,
    /// Output lines of an image within the band, and pixels a line.
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) image_lines: usize,
}

impl Windows<'_> {
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
        let stride = self.spec.params.stride[0];
        let across = self.across();
        let channel = self.group * self.spec.group_channels();
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

    /// Where the rows go: output lines are counted within the band.
    #[inline(always)]
    pub(super) fn places(self, rows: Range<usize>, places: &mut Places) {
        let (mut line, mut pixel) = (0, 0);
        // Divisions take longer than small products.
        if rows.start > 0 {
            (line, pixel) = (rows.start / self.width, rows.start % self.width);
        }
        for place in &mut places[..rows.len()] {
            *place = [line, pixel];
            pixel += 1;
            if pixel == self.width {
                (line, pixel) = (line + 1, 0);
            }
        }
    }

    /// Bits from the window of one row to that of the next in its line.
    pub(super) fn across(self) -> usize {
        self.spec.params.stride[1] * self.spec.channels
    }
}

/// Rows that the tile reads where they are.
pub(super) struct InPlace<'a> {
    lines: Lines<'a>,
    windows: Windows<'a>,
    group: Group,
}

impl<'a> InPlace<'a> {
    pub(super) fn new(lines: Lines<'a>, windows: Windows<'a>, run: Run) -> Self {
        let params = &windows.spec.params;
        Self {
            lines,
            windows,
            group: Group {
                segments: params.kernel[0],
                stride: lines.line_words * size_of::<u64>() * params.dilation[0],
                steps: run.steps,
                tail_mask: run.tail_mask,
                ..Group::default()
            },
        }
    }
}

/// A kernel line of a window that is read in place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Run {
    pub(super) steps: usize,
    /// The bits of the last step that count.
    pub(super) tail_mask: u32,
    /// Bits of all steps.
    pub(super) bits: usize,
}

impl Run {
    /// A kernel line, if it is neighbouring bits and begins with a byte wherever it begins, and is whole steps or, on levels that can have a
    /// step in part, not much less.
    pub(super) fn new<T: Tile>(_: T, spec: &ConvSpec) -> Option<Self> {
        let (channels, kernel) = (spec.channels, spec.params.kernel);
        let neighbours =
            kernel[1] == 1 || (spec.params.dilation[1] == 1 && spec.params.groups == 1);
        let (step, run) = (8 * T::STEP, kernel[1] * spec.group_channels());
        let (steps, rest) = (run.div_ceil(step), run % step);
        let bits = steps * step;
        let multiples =
            |of: usize| channels.is_multiple_of(of) && spec.group_channels().is_multiple_of(of);
        // Gathering costs as much as some more steps. (Up to a word it costs less: `words.rs`.)
        let part = T::PARTS
            && cfg!(target_endian = "little")
            && multiples(8)
            && spec.depth() > WORD
            && 3 * bits <= 4 * run;
        (neighbours && (multiples(step) || part)).then_some(Self {
            steps,
            // Levels that have none have longer steps too.
            tail_mask: if T::PARTS && rest > 0 {
                u32::MAX >> (u32::BITS as usize - rest)
            } else {
                u32::MAX
            },
            bits,
        })
    }

    /// Bits of a line that are read, from its first to its last window's last step.
    pub(super) fn reach(&self, spec: &ConvSpec, width: usize) -> usize {
        let (channels, stride) = (spec.channels, spec.params.stride);
        (width - 1) * stride[1] * channels + channels - spec.group_channels() + self.bits
    }
}

impl Rows for InPlace<'_> {
    #[inline(always)]
    fn block(&mut self, rows: Range<usize>, starts: &mut Starts, places: &mut Places) -> Block<'_> {
        self.windows.places(rows.clone(), places);
        self.group.rows = rows.len();
        let stride = self.lines.line_words * size_of::<u64>();
        for (start, (line, bit, _)) in starts.iter_mut().zip(self.windows.groups(rows, 1)) {
            *start = line * stride + bit / 8;
        }
        Block {
            words: self.lines.words,
            groups: core::slice::from_ref(&self.group),
        }
    }
}
