//! The layers with real weights, as [`crate::model::RealConv`] defines them: products added in double precision, in the order of the
//! weights' columns.
//!
//! Sums of different outputs side by side in a vector are each still added in that order; so the compiler may use any
//! vectors, and every level and thread gives the same bits. An all-black pixel adds 0 and is left out.

use crate::model::{Conv, RealConv, RealExpectation, RealThreshold};
use bernet_kernels::{
    bits::{BitMatrix, BitTensor, Shape, WORD},
    xnor::{Geometry, Options, Window},
};

/// A first layer: real weights on grey values.
#[derive(Debug)]
pub(super) struct RealConv2d {
    window: Window,
    /// One row of outputs for each tap and channel of a group.
    weights: Vec<f64>,
    thresholds: Vec<RealThreshold>,
}

/// A last layer: real weights on activations.
#[derive(Debug)]
pub(super) struct RealHead {
    pub(super) classes: usize,
    columns: usize,
    /// One row of classes for each column.
    weights: Vec<f64>,
}

/// Rows to columns.
fn transposed(weights: &[f32], rows: usize) -> Vec<f64> {
    let columns = weights.len() / rows;
    let column = |column| (0..rows).map(move |row| weights[row * columns + column]);
    (0..columns).flat_map(column).map(f64::from).collect()
}

impl RealConv2d {
    pub(super) fn new(conv: &RealConv) -> Self {
        Self {
            window: conv.window(),
            weights: transposed(&conv.weights, conv.geometry.outputs),
            thresholds: conv.thresholds.clone(),
        }
    }

    /// Weights of −1 and +1. Their sums are integers below 2⁵³, which double precision holds exactly.
    pub(super) fn of_bits(conv: &Conv) -> Self {
        let bits = &conv.weights;
        let sign = |row, column| if bits.get(row, column) { 1.0 } else { -1.0 };
        let mut weights = Vec::with_capacity(bits.rows() * bits.columns());
        for column in 0..bits.columns() {
            weights.extend((0..bits.rows()).map(|row| sign(row, column)));
        }
        let thresholds = conv.thresholds.iter().map(|threshold| RealThreshold {
            at_least: threshold.at_least.into(),
            invert: threshold.invert,
        });
        Self {
            window: conv.window(),
            weights,
            thresholds: thresholds.collect(),
        }
    }

    /// The activations of grey images of the given shape, in the order line, pixel, channel.
    pub(super) fn activations(
        &self,
        input: Shape,
        grey: &[u8],
        sums: &mut Vec<f64>,
        output: &mut BitTensor,
    ) {
        let shape = output.shape();
        let (outputs, columns) = (shape.channels, shape.width * shape.channels);
        let row_words = columns.div_ceil(WORD);
        let mut words = vec![0; shape.batch * shape.height * row_words];
        let images = grey.chunks_exact(input.height * input.width * input.channels);
        for (n, image) in images.enumerate() {
            for y in 0..shape.height {
                let line = &mut words[(n * shape.height + y) * row_words..][..row_words];
                for x in 0..shape.width {
                    sums.clear();
                    sums.resize(outputs, 0.0);
                    self.add_window(input, image, [y, x], sums);
                    for (output, (threshold, &sum)) in
                        self.thresholds.iter().zip(&*sums).enumerate()
                    {
                        let bit = x * outputs + output;
                        line[bit / WORD] |= u64::from(threshold.apply(sum)) << (bit % WORD);
                    }
                }
            }
        }
        let lines = BitMatrix::from_words(shape.batch * shape.height, columns, words)
            .expect("no bit was set after the last pixel");
        *output = BitTensor::from_lines(shape, lines).expect("the lines were made for this shape");
    }

    /// Adds the products of the taps that are inside.
    fn add_window(&self, input: Shape, image: &[u8], [y, x]: [usize; 2], sums: &mut [f64]) {
        let Window { geometry, options } = self.window;
        let Geometry {
            channels,
            kernel: [height, width],
            stride: [down, across],
            padding: [top, left, ..],
            ..
        } = geometry;
        let Options { dilation, groups } = options;
        let (each, outputs) = (channels / groups, sums.len() / groups);
        for ky in 0..height {
            let Some(line) = (y * down + ky * dilation[0])
                .checked_sub(top)
                .filter(|&line| line < input.height)
            else {
                continue;
            };
            for kx in 0..width {
                let pixel = (x * across + kx * dilation[1]).checked_sub(left);
                let Some(pixel) = pixel.filter(|&pixel| pixel < input.width) else {
                    continue;
                };
                let values = &image[(line * input.width + pixel) * channels..][..channels];
                let first = (ky * width + kx) * each;
                for (channel, &value) in values.iter().enumerate().filter(|&(_, &value)| value > 0)
                {
                    let group = channel / each;
                    let row = (first + channel % each) * sums.len() + group * outputs;
                    let weights = &self.weights[row..][..outputs];
                    let value = f64::from(value);
                    for (sum, weight) in sums[group * outputs..].iter_mut().zip(weights) {
                        *sum += value * weight;
                    }
                }
            }
        }
    }
}

impl RealHead {
    pub(super) fn new(last: &RealExpectation) -> Self {
        Self {
            classes: last.classes,
            columns: last.columns(),
            weights: transposed(&last.weights, last.classes),
        }
    }

    /// The logits of each image, `batch × classes`.
    pub(super) fn logits(&self, input: &BitTensor, logits: &mut [f64]) {
        let Shape {
            height,
            width,
            channels,
            ..
        } = input.shape();
        for (n, logits) in logits.chunks_exact_mut(self.classes).enumerate() {
            logits.fill(0.0);
            let lines = (0..height).map(|y| input.lines().row(n * height + y));
            let bits = lines.flat_map(|line| {
                (0..width * channels).map(|at| line[at / WORD] >> (at % WORD) & 1)
            });
            // Weights for the whole image, or for each position alike.
            let rows = self.weights.chunks_exact(self.classes);
            for (bit, weights) in bits.zip(rows.take(self.columns).cycle()) {
                // The sign bit of a number is its highest.
                let flip = (bit ^ 1) << 63;
                for (logit, weight) in logits.iter_mut().zip(weights) {
                    *logit += f64::from_bits(weight.to_bits() ^ flip);
                }
            }
        }
    }
}
