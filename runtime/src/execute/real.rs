//! Products of floats: windows are laid out as rows of a matrix, a few lines at a time.
//!
//! Weights are laid out once in panels of [`COLUMNS`] outputs: for each value of a row, one number
//! for each output of the panel. A tile of rows times a panel is added up in registers. Products
//! and sums are rounded one after the other, not fused, so that every level gives the same bits.

use crate::graph::{Conv, ConvParams, Dense, Shape};
use alloc::{vec, vec::Vec};
use bernet_kernels::isa::Level;

/// Floats that rows laid out may take, unless one line of outputs takes more: half of a
/// second-level cache.
const ROWS: usize = 64 << 10;

/// A convolution of floats.
#[derive(Debug)]
pub(crate) struct RealConv {
    params: ConvParams,
    input: Shape,
    output: Shape,
    /// Depthwise: a row of channels for each tap. Otherwise panels of each group.
    weights: Vec<f32>,
    bias: Vec<f32>,
}

/// A dense layer of floats.
#[derive(Debug)]
pub(crate) struct RealDense {
    outputs: usize,
    /// Panels.
    weights: Vec<f32>,
    bias: Vec<f32>,
}

/// Outputs of a panel.
const COLUMNS: usize = 16;
/// Rows of a tile: with 16 outputs it takes 12 of 16 AVX2 registers.
const TILE: usize = 6;

/// Lays out rows of weights in panels, the last filled up with 0.
fn panels(weights: &[f32], rows: usize) -> Vec<f32> {
    let depth = weights.len() / rows;
    let mut panels = vec![0.0; rows.div_ceil(COLUMNS) * COLUMNS * depth];
    for (row, weights) in weights.chunks_exact(depth.max(1)).enumerate() {
        let panel = &mut panels[row / COLUMNS * COLUMNS * depth..];
        for (at, &weight) in weights.iter().enumerate() {
            panel[at * COLUMNS + row % COLUMNS] = weight;
        }
    }
    panels
}

impl RealConv {
    pub(crate) fn new(conv: &Conv, input: Shape, output: Shape) -> Self {
        let mut this = Self {
            params: conv.params,
            input,
            output,
            weights: conv.weights.clone(),
            bias: conv.bias.clone(),
        };
        if this.is_depthwise() {
            let channels = output.channels;
            let taps: usize = conv.params.kernel.iter().product();
            let weight = |index: usize| conv.weights[index % channels * taps + index / channels];
            this.weights = (0..taps * channels).map(weight).collect();
        } else {
            let columns = output.channels / conv.params.groups;
            let groups = conv.weights.chunks_exact(columns * this.depth());
            this.weights = groups.flat_map(|group| panels(group, columns)).collect();
        }
        this
    }

    /// One input channel for each output channel.
    fn is_depthwise(&self) -> bool {
        self.params.groups == self.output.channels && self.input.channels == self.output.channels
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
        if self.is_depthwise() || self.is_pointwise() {
            0
        } else {
            self.band() * self.output.width * self.depth()
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
            if self.is_depthwise() {
                self.depthwise(level, input, output);
            } else if self.is_pointwise() {
                let rows = self.output.height * self.output.width;
                self.product(level, 0, rows, input, output);
            } else {
                self.windows(level, input, output, scratch);
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

    fn depthwise(&self, level: Level, input: &[f32], output: &mut [f32]) {
        let channels = self.output.channels;
        let [tall, wide] = self.params.kernel;
        for (index, sums) in output.chunks_exact_mut(channels).enumerate() {
            let (y, x) = (index / self.output.width, index % self.output.width);
            match self.bias.is_empty() {
                true => sums.fill(0.0),
                false => sums.copy_from_slice(&self.bias),
            }
            for line in 0..tall {
                let Some(from_y) = self.place(0, y, line) else {
                    continue;
                };
                for pixel in 0..wide {
                    let Some(from_x) = self.place(1, x, pixel) else {
                        continue;
                    };
                    let from = (from_y * self.input.width + from_x) * channels;
                    let values = &input[from..][..channels];
                    let weights = &self.weights[(line * wide + pixel) * channels..][..channels];
                    level.vectorize(|| {
                        for ((sum, value), weight) in sums.iter_mut().zip(values).zip(weights) {
                            *sum += value * weight;
                        }
                    });
                }
            }
        }
    }

    /// Lays out windows and multiplies them, a band of lines at a time.
    fn windows(&self, level: Level, input: &[f32], output: &mut [f32], scratch: &mut [f32]) {
        let (width, depth) = (self.output.width, self.depth());
        let (band, line) = (self.band(), self.output.width * self.output.channels);
        for (index, output) in output.chunks_mut(band * line).enumerate() {
            let lines = output.len() / line;
            let rows = &mut scratch[..lines * width * depth];
            for group in 0..self.params.groups {
                for (row, window) in rows.chunks_exact_mut(depth).enumerate() {
                    let (y, x) = (index * band + row / width, row % width);
                    self.window(input, [y, x], group, window);
                }
                self.product(level, group, lines * width, rows, output);
            }
        }
    }

    /// The values under the window of an output.
    fn window(&self, input: &[f32], [y, x]: [usize; 2], group: usize, window: &mut [f32]) {
        let channels = self.input.channels / self.params.groups;
        let [_, wide] = self.params.kernel;
        for (tap, values) in window.chunks_exact_mut(channels).enumerate() {
            let place = self
                .place(0, y, tap / wide)
                .zip(self.place(1, x, tap % wide));
            match place {
                Some((y, x)) => {
                    let from = (y * self.input.width + x) * self.input.channels + group * channels;
                    values.copy_from_slice(&input[from..][..channels]);
                }
                None => values.fill(0.0),
            }
        }
    }

    /// Products of rows with the weights of a group.
    fn product(&self, level: Level, group: usize, rows: usize, input: &[f32], output: &mut [f32]) {
        let outputs = self.output.channels;
        let columns = outputs / self.params.groups;
        let size = columns.div_ceil(COLUMNS) * COLUMNS * self.depth();
        let first = group * columns;
        Product {
            depth: self.depth(),
            columns,
            weights: &self.weights[group * size..][..size],
            bias: self.bias.get(first..first + columns).unwrap_or(&[]),
            stride: outputs,
        }
        .run(level, rows, input, &mut output[first..]);
    }
}

impl RealDense {
    pub(crate) fn new(dense: &Dense) -> Self {
        Self {
            outputs: dense.outputs,
            weights: panels(&dense.weights, dense.outputs),
            bias: dense.bias.clone(),
        }
    }

    pub(crate) fn run(&self, level: Level, batch: usize, input: &[f32], output: &mut [f32]) {
        Product {
            depth: self.weights.len() / self.outputs.next_multiple_of(COLUMNS),
            columns: self.outputs,
            weights: &self.weights,
            bias: &self.bias,
            stride: self.outputs,
        }
        .run(level, batch, input, output);
    }
}

/// `output = input · weightsᵀ + bias`.
#[derive(Clone, Copy)]
struct Product<'a> {
    /// Values of a row.
    depth: usize,
    /// Outputs of a row.
    columns: usize,
    /// Panels.
    weights: &'a [f32],
    /// One for each output, or none.
    bias: &'a [f32],
    /// From one row of outputs to the next.
    stride: usize,
}

impl Product<'_> {
    fn run(self, level: Level, rows: usize, input: &[f32], output: &mut [f32]) {
        let panel = COLUMNS * self.depth;
        let mut row = 0;
        while row < rows {
            let count = TILE.min(rows - row);
            let input = &input[row * self.depth..][..count * self.depth];
            let output = &mut output[row * self.stride..];
            for (index, weights) in self.weights.chunks_exact(panel).enumerate() {
                let first = index * COLUMNS;
                let mut sums = [[0.0; COLUMNS]; TILE];
                level.vectorize(|| match count {
                    TILE => tile::<TILE>(input, weights, &mut sums),
                    _ => {
                        for (input, sums) in input.chunks_exact(self.depth).zip(&mut sums) {
                            tile::<1>(input, weights, core::array::from_mut(sums));
                        }
                    }
                });
                let columns = COLUMNS.min(self.columns - first);
                let bias = self.bias.get(first..).unwrap_or(&[]);
                for (at, sums) in sums[..count].iter().enumerate() {
                    let output = &mut output[at * self.stride + first..][..columns];
                    output.copy_from_slice(&sums[..columns]);
                    output
                        .iter_mut()
                        .zip(bias)
                        .for_each(|(sum, bias)| *sum += bias);
                }
            }
            row += count;
        }
    }
}

/// Sums of a tile: `R` rows of values, one panel.
#[inline(always)]
fn tile<const R: usize>(input: &[f32], weights: &[f32], sums: &mut [[f32; COLUMNS]]) {
    let depth = input.len() / R;
    let rows: [&[f32]; R] = core::array::from_fn(|row| &input[row * depth..][..depth]);
    let mut tile = [[0.0; COLUMNS]; R];
    for (at, weights) in weights.as_chunks::<COLUMNS>().0[..depth].iter().enumerate() {
        for (sums, row) in tile.iter_mut().zip(rows) {
            let value = row[at];
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum += value * weight;
            }
        }
    }
    sums[..R].copy_from_slice(&tile);
}
