//! Products of floats: windows are laid out as rows of a matrix, a few lines at a time.

use crate::graph::{Conv, ConvParams, Dense, Shape};
use alloc::vec::Vec;
use bernet_kernels::{Error, isa::Level, real::RealWeights};

/// Floats that rows laid out may take, unless one line of outputs takes more: half of a
/// second-level cache.
const ROWS: usize = 64 << 10;

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
    /// Of each group.
    Rows(Vec<RealWeights>),
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
        let weights = if groups == channels && input.channels == channels {
            let taps: usize = conv.params.kernel.iter().product();
            let weight = |index: usize| conv.weights[index % channels * taps + index / channels];
            Weights::Depthwise((0..taps * channels).map(weight).collect())
        } else {
            let rows = conv.weights.chunks_exact(conv.weights.len() / groups);
            let rows = rows.map(|rows| RealWeights::new(channels / groups, rows));
            Weights::Rows(rows.collect::<Result<_, _>>()?)
        };
        Ok(Self {
            params: conv.params,
            input,
            output,
            weights,
            bias: conv.bias.clone(),
        })
    }

    /// Whether the input's pixels are the rows.
    fn is_pointwise(&self) -> bool {
        let ConvParams {
            kernel,
            stride,
            padding,
            groups,
            ..
        } = self.params;
        kernel == [1, 1] && stride == [1, 1] && padding == [0; 4] && groups == 1
    }

    /// Values of a row.
    fn depth(&self) -> usize {
        self.params.kernel[0] * self.params.kernel[1] * (self.input.channels / self.params.groups)
    }

    /// Lines of outputs whose rows are laid out together.
    fn band(&self) -> usize {
        let line = self.output.width.saturating_mul(self.depth()).max(1);
        (ROWS / line).clamp(1, self.output.height)
    }

    /// Floats that it works in.
    pub(crate) fn scratch(&self) -> usize {
        match &self.weights {
            Weights::Rows(_) if !self.is_pointwise() => {
                self.band() * self.output.width * self.depth()
            }
            _ => 0,
        }
    }

    pub(crate) fn run(
        &self,
        level: Level,
        batch: usize,
        input: &[f32],
        output: &mut [f32],
        scratch: &mut [f32],
    ) {
        let (from, to) = (self.input.len(), self.output.len());
        for (input, output) in input
            .chunks_exact(from)
            .zip(output.chunks_exact_mut(to))
            .take(batch)
        {
            match &self.weights {
                Weights::Depthwise(weights) => self.depthwise(level, weights, input, output),
                Weights::Rows(weights) if self.is_pointwise() => {
                    self.product(level, 0, &weights[0], input, output);
                }
                Weights::Rows(weights) => self.windows(level, weights, input, output, scratch),
            }
        }
    }

    /// The place of a tap in the input along an axis, if it is inside.
    fn place(&self, axis: usize, at: usize, tap: usize) -> Option<usize> {
        let place = at * self.params.stride[axis] + tap * self.params.dilation[axis];
        let size = [self.input.height, self.input.width][axis];
        place
            .checked_sub(self.params.padding[axis])
            .filter(|&place| place < size)
    }

    fn depthwise(&self, level: Level, weights: &[f32], input: &[f32], output: &mut [f32]) {
        let line = self.output.width * self.output.channels;
        for (y, sums) in output.chunks_exact_mut(line).enumerate() {
            level.vectorize(
                #[inline(always)]
                || self.depthwise_line(weights, input, y, sums),
            );
        }
    }

    /// One line of outputs.
    #[inline(always)]
    fn depthwise_line(&self, weights: &[f32], input: &[f32], y: usize, line: &mut [f32]) {
        let channels = self.output.channels;
        let [tall, wide] = self.params.kernel;
        for (x, sums) in line.chunks_exact_mut(channels).enumerate() {
            match self.bias.is_empty() {
                true => sums.fill(0.0),
                false => sums.copy_from_slice(&self.bias),
            }
            for tap in 0..tall * wide {
                let place = self
                    .place(0, y, tap / wide)
                    .zip(self.place(1, x, tap % wide));
                let Some((from_y, from_x)) = place else {
                    continue;
                };
                let values = &input[(from_y * self.input.width + from_x) * channels..][..channels];
                let weights = &weights[tap * channels..][..channels];
                for ((sum, value), weight) in sums.iter_mut().zip(values).zip(weights) {
                    *sum += value * weight;
                }
            }
        }
    }

    /// Lays out windows and multiplies them, a band of lines at a time.
    fn windows(
        &self,
        level: Level,
        weights: &[RealWeights],
        input: &[f32],
        output: &mut [f32],
        scratch: &mut [f32],
    ) {
        let (width, depth) = (self.output.width, self.depth());
        let (band, line) = (self.band(), self.output.width * self.output.channels);
        for (index, output) in output.chunks_mut(band * line).enumerate() {
            let lines = output.len() / line;
            let rows = &mut scratch[..lines * width * depth];
            for (group, weights) in weights.iter().enumerate() {
                for (row, window) in rows.chunks_exact_mut(depth).enumerate() {
                    let (y, x) = (index * band + row / width, row % width);
                    self.window(input, [y, x], group, window);
                }
                self.product(level, group, weights, rows, output);
            }
        }
    }

    /// The values under the window of an output.
    fn window(&self, input: &[f32], [y, x]: [usize; 2], group: usize, window: &mut [f32]) {
        let channels = self.input.channels / self.params.groups;
        let [_, wide] = self.params.kernel;
        let neighbours = self.params.dilation[1] == 1 && self.params.groups == 1;
        for (line, values) in window.chunks_exact_mut(wide * channels).enumerate() {
            let Some(y) = self.place(0, y, line) else {
                values.fill(0.0);
                continue;
            };
            let start =
                |x: usize| (y * self.input.width + x) * self.input.channels + group * channels;
            if let (true, Some(first), Some(_)) =
                (neighbours, self.place(1, x, 0), self.place(1, x, wide - 1))
            {
                values.copy_from_slice(&input[start(first)..][..wide * channels]);
                continue;
            }
            for (tap, values) in values.chunks_exact_mut(channels).enumerate() {
                match self.place(1, x, tap) {
                    Some(x) => values.copy_from_slice(&input[start(x)..][..channels]),
                    None => values.fill(0.0),
                }
            }
        }
    }

    /// Products of rows with the weights of a group.
    fn product(
        &self,
        level: Level,
        group: usize,
        weights: &RealWeights,
        input: &[f32],
        output: &mut [f32],
    ) {
        let first = group * weights.outputs();
        let bias = self.bias.get(first..first + weights.outputs());
        weights
            .product(
                level,
                input,
                bias.unwrap_or(&[]),
                &mut output[first..],
                self.output.channels,
            )
            .expect("shapes were checked when the program was planned");
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
