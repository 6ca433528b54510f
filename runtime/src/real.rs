//! Products of floats: windows are rows where they lie, in the input or in a padded copy of some lines.

use crate::channels::{self, Channels};
use crate::graph::{Conv, ConvParams, Dense, Shape};
use crate::parallel;
use alloc::vec::Vec;
use bernet_kernels::{
    Error,
    isa::Level,
    real::{RealRows, RealWeights},
};
use core::ops::Range;

/// Floats that padded lines may take, unless one line of outputs needs more: a quarter of a
/// second-level cache.
const LINES: usize = 64 << 10;
/// Multiply-accumulates worth a thread, about 20 µs.
const PART: usize = 1 << 20;

/// A convolution of floats.
#[derive(Debug)]
pub(crate) struct RealConv {
    params: ConvParams,
    input: Shape,
    output: Shape,
    weights: Weights,
    bias: Vec<f32>,
}

#[derive(Debug)]
enum Weights {
    /// A row of channels for each tap.
    Depthwise(Vec<f32>),
    Rows {
        /// Of each group.
        groups: Vec<RealWeights>,
        /// Where the runs of a window begin, and their length.
        runs: Vec<usize>,
        run: usize,
    },
}

/// The sums of a depthwise convolution at an output.
struct Depthwise<'a> {
    conv: &'a RealConv,
    input: &'a [f32],
    weights: &'a [f32],
    /// Line and column of the output.
    at: [usize; 2],
    /// The taps that are inside the input.
    lines: Range<usize>,
    columns: Range<usize>,
}

impl Channels for Depthwise<'_> {
    #[inline(always)]
    fn some<const N: usize>(&self, first: usize) -> [f32; N] {
        let RealConv {
            params,
            input,
            output,
            bias,
            ..
        } = self.conv;
        let ([y, x], channels) = (self.at, output.channels);
        let ([_, wide], [down, right]) = (params.kernel, params.dilation);
        let [above, left, ..] = params.padding;
        let bias = bias.get(first..).and_then(|bias| bias.first_chunk());
        let mut sums = *bias.unwrap_or(&[0.0; N]);
        for tap_y in self.lines.clone() {
            let line = (y * params.stride[0] + tap_y * down - above) * input.width;
            for tap_x in self.columns.clone() {
                let pixel = line + x * params.stride[1] + tap_x * right - left;
                let tap = tap_y * wide + tap_x;
                let values: &[f32; N] = self.input[pixel * channels + first..]
                    .first_chunk()
                    .expect("a pixel");
                let weights: &[f32; N] = self.weights[tap * channels + first..]
                    .first_chunk()
                    .expect("a tap");
                for lane in 0..N {
                    sums[lane] += values[lane] * weights[lane];
                }
            }
        }
        sums
    }
}

/// A dense layer of floats.
#[derive(Debug)]
pub(crate) struct RealDense {
    weights: RealWeights,
    bias: Vec<f32>,
}

impl RealConv {
    pub(crate) fn new(conv: &Conv, input: Shape, output: Shape) -> Result<Self, Error> {
        let (groups, channels) = (conv.params.groups, output.channels);
        let mut real = Self {
            params: conv.params,
            input,
            output,
            weights: Weights::Depthwise(Vec::new()),
            bias: conv.bias.clone(),
        };
        let [tall, wide] = conv.params.kernel;
        real.weights = if groups == channels && input.channels == channels {
            let taps = tall * wide;
            let weight = |index: usize| conv.weights[index % channels * taps + index / channels];
            Weights::Depthwise((0..taps * channels).map(weight).collect())
        } else {
            let rows = conv.weights.chunks_exact(conv.weights.len() / groups);
            let rows = rows.map(|rows| RealWeights::new(channels / groups, rows));
            let [down, right] = conv.params.dilation;
            let line = |y: usize| y * down * real.line();
            let (runs, run) = if right == 1 && groups == 1 {
                // A kernel line is neighbouring values.
                ((0..tall).map(line).collect(), wide * input.channels)
            } else {
                let tap = |tap: usize| line(tap / wide) + tap % wide * right * input.channels;
                ((0..tall * wide).map(tap).collect(), input.channels / groups)
            };
            Weights::Rows {
                groups: rows.collect::<Result<_, _>>()?,
                runs,
                run,
            }
        };
        Ok(real)
    }

    fn is_padded(&self) -> bool {
        self.params.padding != [0; 4]
    }

    /// Lines, or pixels of a line, under the windows of so many outputs.
    fn under(&self, axis: usize, outputs: usize) -> usize {
        let span = (self.params.kernel[axis] - 1) * self.params.dilation[axis] + 1;
        (outputs - 1) * self.params.stride[axis] + span
    }

    /// Values of a line that windows lie in.
    fn line(&self) -> usize {
        let width = match self.is_padded() {
            true => self.under(1, self.output.width),
            false => self.input.width,
        };
        width.saturating_mul(self.input.channels)
    }

    /// Lines of outputs whose padded lines are copied together.
    fn band(&self) -> usize {
        let fits = |band: &usize| self.under(0, *band).saturating_mul(self.line()) <= LINES;
        (1..=self.output.height).rev().find(fits).unwrap_or(1)
    }

    /// Floats that a thread works in.
    pub(crate) fn scratch(&self) -> usize {
        match &self.weights {
            Weights::Rows { .. } if self.is_padded() => {
                self.under(0, self.band()).saturating_mul(self.line())
            }
            _ => 0,
        }
    }

    /// Convolves `batch` items. The parts have [`scratch`](Self::scratch) floats each, one for each
    /// thread.
    pub(crate) fn run(
        &self,
        level: Level,
        batch: usize,
        input: &[f32],
        output: &mut [f32],
        scratch: &mut [f32],
        threads: usize,
    ) {
        let (from, to) = (self.input.len(), self.output.len());
        let line = self.output.width * self.output.channels;
        let depth = self.params.kernel[0]
            * self.params.kernel[1]
            * (self.input.channels / self.params.groups);
        let parts = parallel::parts(to.saturating_mul(depth) / PART, threads);
        let own = self.scratch();
        for (input, output) in input
            .chunks_exact(from)
            .zip(output.chunks_exact_mut(to))
            .take(batch)
        {
            parallel::over(
                parts,
                0..self.output.height,
                (output, &mut scratch[..parts * own]),
                &|(output, scratch), lines, parts| {
                    let (first, second) = output.split_at_mut(lines * line);
                    let (own, others) = scratch.split_at_mut(parts * own);
                    ((first, own), (second, others))
                },
                &|lines, (output, scratch)| match &self.weights {
                    Weights::Depthwise(weights) => {
                        let sums = output.chunks_exact_mut(line);
                        for (y, sums) in lines.zip(sums) {
                            self.depthwise_line(level, weights, input, y, sums);
                        }
                    }
                    Weights::Rows { .. } => self.windows(level, lines, input, output, scratch),
                },
            );
        }
    }

    /// The taps along an axis that are inside the input, for an output.
    #[inline(always)]
    fn inside(&self, axis: usize, at: usize) -> Range<usize> {
        let (stride, dilation) = (self.params.stride[axis], self.params.dilation[axis]);
        let (padding, size) = (
            self.params.padding[axis],
            [self.input.height, self.input.width][axis],
        );
        let start = at * stride;
        let span = (self.params.kernel[axis] - 1) * dilation + 1;
        if start >= padding && start + span <= size + padding {
            return 0..self.params.kernel[axis];
        }
        let first = padding.saturating_sub(start).div_ceil(dilation);
        let end = (size + padding).saturating_sub(start).div_ceil(dilation);
        let end = end.min(self.params.kernel[axis]);
        first.min(end)..end
    }

    /// One line of outputs.
    fn depthwise_line(
        &self,
        level: Level,
        weights: &[f32],
        input: &[f32],
        y: usize,
        line: &mut [f32],
    ) {
        let channels = self.output.channels;
        let lines = self.inside(0, y);
        level.vectorize(
            #[inline(always)]
            || {
                for (x, sums) in line.chunks_exact_mut(channels).enumerate() {
                    let sums_of = Depthwise {
                        conv: self,
                        input,
                        weights,
                        at: [y, x],
                        lines: lines.clone(),
                        columns: self.inside(1, x),
                    };
                    channels::write(&sums_of, sums);
                }
            },
        );
    }

    /// Some lines of outputs, from windows where they lie, or in padded lines, a band at a time.
    fn windows(
        &self,
        level: Level,
        lines: Range<usize>,
        input: &[f32],
        output: &mut [f32],
        scratch: &mut [f32],
    ) {
        let (line, stride) = (self.line(), self.params.stride[0]);
        if !self.is_padded() {
            let input = &input[lines.start * stride * line..];
            return self.products(level, lines.len(), input, output);
        }
        let band = self.band();
        let sums = output.chunks_mut(band * self.output.width * self.output.channels);
        for (y, output) in lines.clone().step_by(band).zip(sums) {
            let count = band.min(lines.end - y);
            let padded = &mut scratch[..self.under(0, count) * line];
            self.pad(input, y * stride, padded);
            self.products(level, count, padded, output);
        }
    }

    /// Copies lines of the input with their padding, from line `top` of the padded input on.
    fn pad(&self, input: &[f32], top: usize, padded: &mut [f32]) {
        let [above, left, ..] = self.params.padding;
        let (channels, line) = (self.input.channels, self.line());
        let left = (left * channels).min(line);
        let inside = (self.input.width * channels).min(line - left);
        for (y, padded) in padded.chunks_exact_mut(line).enumerate() {
            let from = (top + y).checked_sub(above);
            let Some(from) = from.filter(|&from| from < self.input.height) else {
                padded.fill(0.0);
                continue;
            };
            let (before, rest) = padded.split_at_mut(left);
            let (values, after) = rest.split_at_mut(inside);
            before.fill(0.0);
            values.copy_from_slice(&input[from * self.input.width * channels..][..inside]);
            after.fill(0.0);
        }
    }

    /// Products of the windows of `lines` lines of outputs.
    fn products(&self, level: Level, lines: usize, values: &[f32], output: &mut [f32]) {
        let Weights::Rows { groups, runs, run } = &self.weights else {
            unreachable!("a depthwise convolution has no rows");
        };
        for (group, weights) in groups.iter().enumerate() {
            let rows = RealRows {
                values: &values[group * (self.input.channels / self.params.groups)..],
                runs,
                run: *run,
                count: lines * self.output.width,
                width: self.output.width,
                step: self.params.stride[1] * self.input.channels,
                line: self.params.stride[0] * self.line(),
            };
            let first = group * weights.outputs();
            let bias = self.bias.get(first..first + weights.outputs());
            let (bias, out) = (bias.unwrap_or(&[]), &mut output[first..]);
            weights
                .product_of(level, &rows, bias, out, self.output.channels)
                .expect("shapes were checked when the program was planned");
        }
    }
}

impl RealDense {
    pub(crate) fn new(dense: &Dense) -> Result<Self, Error> {
        Ok(Self {
            weights: RealWeights::new(dense.outputs, &dense.weights)?,
            bias: dense.bias.clone(),
        })
    }

    pub(crate) fn run(&self, level: Level, input: &[f32], output: &mut [f32]) {
        let stride = self.weights.outputs();
        self.weights
            .product(level, input, &self.bias, output, stride)
            .expect("shapes were checked when the program was planned");
    }
}
