//! Padding that does not count, where rows are read in place: taps outside the image are passed over.
//!
//! Outputs fall into classes by which kernel lines and pixels of their windows lie inside: at most nine for a 3×3 kernel. A class is
//! the same inner tile over fewer lines and steps: rows start at the first tap that is inside, the panel at its weights, and the panel's
//! steps of taps outside are passed over. Its depth, and so the bases or limits of its counts, is the same for all its rows. So the border
//! takes less work than the interior, and no line is copied to be padded. Outputs of one class from several lines share tiles.

use super::{
    params::{ConvParams, ConvSpec, PaddingValue},
    patches::{Band, Run},
    product::{Block, Group, Places, Rows, Starts},
};
use crate::bits::{BitView, Shape};
use core::ops::Range;

/// Classes of a block, at most.
const GROUPS: usize = 16;

/// Whether rows can be read so: padding does not count, and each tap is a whole number of steps.
pub(super) fn suits(spec: &ConvSpec, run: Run) -> bool {
    spec.params.padding_value == PaddingValue::Zero
        && spec.params.padding != [0; 4]
        && spec.group_channels().is_multiple_of(run.bits / run.steps)
}

/// The rows of a band, class after class.
pub(super) struct Inside<'a> {
    spec: &'a ConvSpec,
    input: BitView<'a>,
    band: &'a Band,
    /// The first channel of the group of channels.
    channel: usize,
    /// Steps of a tap.
    tap: usize,
    /// Output lines and pixels of the band, and those of them whose taps are all inside.
    positions: [Range<usize>; 2],
    whole: [Range<usize>; 2],
    /// The class in work: its lines and pixels, and the taps that are inside.
    class: [Range<usize>; 2],
    taps: [Range<usize>; 2],
    /// The next of its rows: image, line, pixel.
    next: [usize; 3],
    /// How many of its rows are yet to come.
    rest: usize,
    groups: [Group; GROUPS],
}

impl<'a> Inside<'a> {
    pub(super) fn new(
        spec: &'a ConvSpec,
        group: usize,
        run: Run,
        input: BitView<'a>,
        band: &'a Band,
        width: usize,
    ) -> Self {
        let positions = [band.lines.clone(), 0..width];
        let Shape { height, width, .. } = input.shape();
        let whole = [0, 1].map(|axis| {
            let whole = spec.whole(axis, [height, width][axis]);
            let Range { start, end } = positions[axis];
            let clipped = whole.start.max(start)..whole.end.min(end);
            if clipped.is_empty() {
                end..end
            } else {
                clipped
            }
        });
        let mut inside = Self {
            spec,
            input,
            band,
            channel: group * spec.group_channels(),
            tap: run.steps / spec.params.kernel[1],
            positions,
            whole,
            class: [0..0, 0..0],
            taps: [0..0, 0..0],
            next: [0; 3],
            rest: 0,
            groups: [Group::default(); GROUPS],
        };
        let lines = inside.first(0);
        inside.begin(lines, inside.first(1));
        inside
    }

    /// The first class of an axis: positions and taps. Those whose taps are all inside come first, as they fill whole blocks.
    fn first(&self, axis: usize) -> (Range<usize>, Range<usize>) {
        let whole = self.whole[axis].clone();
        if whole.is_empty() {
            let from = self.from(axis, self.positions[axis].start);
            return from.expect("a band is not empty");
        }
        (whole, 0..self.spec.params.kernel[axis])
    }

    /// The class of an axis after the one in work.
    fn after(&self, axis: usize) -> Option<(Range<usize>, Range<usize>)> {
        let class = &self.class[axis];
        let is_whole = *class == self.whole[axis];
        let start = if is_whole {
            self.positions[axis].start
        } else {
            class.end
        };
        self.from(axis, start)
    }

    /// The class that begins at a position of an axis, or after the whole ones.
    fn from(&self, axis: usize, start: usize) -> Option<(Range<usize>, Range<usize>)> {
        let (whole, positions) = (&self.whole[axis], &self.positions[axis]);
        let start = if start == whole.start {
            whole.end
        } else {
            start
        };
        if start >= positions.end {
            return None;
        }
        let stop = if start < whole.start {
            whole.start
        } else {
            positions.end
        };
        let Shape { height, width, .. } = self.input.shape();
        let taps = |position| {
            self.spec
                .params
                .inside(axis, position, [height, width][axis])
        };
        let of_class = taps(start);
        let mut end = start + 1;
        while end < stop && taps(end) == of_class {
            end += 1;
        }
        Some((start..end, of_class))
    }

    fn begin(&mut self, lines: (Range<usize>, Range<usize>), pixels: (Range<usize>, Range<usize>)) {
        self.next = [self.band.images.start, lines.0.start, pixels.0.start];
        self.rest = self.band.images.len() * lines.0.len() * pixels.0.len();
        self.class = [lines.0, pixels.0];
        self.taps = [lines.1, pixels.1];
    }

    /// Goes on to the next class, if there is one.
    fn advance(&mut self) {
        if let Some(pixels) = self.after(1) {
            let lines = (self.class[0].clone(), self.taps[0].clone());
            self.begin(lines, pixels);
        } else if let Some(lines) = self.after(0) {
            self.begin(lines, self.first(1));
        }
    }

    /// Some rows of the class in work.
    fn group(&self, rows: usize) -> Group {
        let kernel = self.spec.params.kernel;
        let line = kernel[1] * self.tap;
        let [lines, pixels] = [self.taps[0].len(), self.taps[1].len()];
        let steps = if lines == 0 { 0 } else { pixels * self.tap };
        Group {
            rows,
            segments: lines,
            stride: self.input.stride() * size_of::<u64>() * self.spec.params.dilation[0],
            steps,
            tail_mask: u32::MAX,
            skip: if steps == 0 {
                0
            } else {
                self.taps[0].start * line + self.taps[1].start * self.tap
            },
            gap: line - steps,
            bits: Some(lines * pixels * self.spec.group_channels()),
        }
    }

    /// The byte where the next row begins.
    #[inline(always)]
    fn start(&self) -> usize {
        let ConvParams {
            stride,
            dilation,
            padding: [top, left, ..],
            ..
        } = self.spec.params;
        let [image, y, x] = self.next;
        let line = y * stride[0] + self.taps[0].start * dilation[0] - top;
        let pixel = x * stride[1] + self.taps[1].start * dilation[1] - left;
        let line = image * self.input.shape().height + line;
        line * self.input.stride() * size_of::<u64>()
            + (pixel * self.spec.channels + self.channel) / 8
    }
}

impl Rows for Inside<'_> {
    #[inline(always)]
    fn block(&mut self, rows: Range<usize>, starts: &mut Starts, places: &mut Places) -> Block<'_> {
        let (mut row, mut groups) = (0, 0);
        while row < rows.len() && groups < GROUPS {
            let some = self.rest.min(rows.len() - row);
            let group = self.group(some);
            self.groups[groups] = group;
            groups += 1;
            for (start, place) in starts[row..].iter_mut().zip(&mut places[row..]).take(some) {
                *start = if group.steps == 0 { 0 } else { self.start() };
                let [image, y, x] = self.next;
                let line = (image - self.band.images.start) * self.band.lines.len();
                *place = [line + y - self.band.lines.start, x];
                self.next[2] += 1;
                if self.next[2] == self.class[1].end {
                    self.next[2] = self.class[1].start;
                    self.next[1] += 1;
                }
                if self.next[1] == self.class[0].end {
                    self.next[1] = self.class[0].start;
                    self.next[0] += 1;
                }
            }
            row += some;
            self.rest -= some;
            if self.rest == 0 {
                self.advance();
            }
        }
        Block {
            words: self.input.words(),
            groups: &self.groups[..groups],
        }
    }
}
