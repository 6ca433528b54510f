//! How Larq Compute Engine takes padding that does not count.
//!
//! It pads with +1 and, once scale and bias have made a float of the sum, adds what the weights
//! outside the image are to add up to less: `(−m) · c` with `m` the multiplier and `c` the sum of
//! those weights. That is a product and a sum more, each of which rounds, so that a sum without
//! the padding gives other floats at the border. `c` depends on which taps are outside only.

use bernet_kernels::{
    bits::{BitMatrix, Shape as BatchShape},
    xnor::PaddingValue,
};
use bernet_runtime::graph::{ConvParams, PixelBias, Shape};
use core::ops::Range;

/// The border of a convolution: kinds of lines and pixels by the taps that lie inside.
pub(super) struct Border {
    lines: Vec<u8>,
    pixels: Vec<u8>,
    /// For each kind of line, then of pixel, the sum of each output's weights outside; none for
    /// kind 0 of both, where all are inside.
    outside: Vec<Vec<i32>>,
}

/// The kind of each position, and of each kind the taps inside: of kind 0 all of so many.
fn kinds(
    inside: impl Iterator<Item = Range<usize>>,
    taps: usize,
) -> Option<(Vec<u8>, Vec<Range<usize>>)> {
    let all = 0..taps;
    let mut kinds = vec![all];
    let kind_of = |taps: Range<usize>| {
        let known = kinds.iter().position(|known| *known == taps);
        let kind = known.unwrap_or(kinds.len());
        if known.is_none() {
            kinds.push(taps);
        }
        u8::try_from(kind).ok()
    };
    let positions = inside.map(kind_of).collect::<Option<_>>()?;
    Some((positions, kinds))
}

impl Border {
    /// Of a convolution with padding that does not count; `None` where no pixel has a tap outside,
    /// or where there are more kinds of lines or pixels than a byte holds.
    pub(super) fn new(params: &ConvParams, input: Shape, weights: &BitMatrix) -> Option<Self> {
        if params.padding == [0; 4] || params.padding_value != PaddingValue::Zero {
            return None;
        }
        let batch = BatchShape {
            batch: 1,
            height: input.height,
            width: input.width,
            channels: input.channels,
        };
        let output = params.output_shape(batch, weights.rows()).ok()?;
        let [tall, wide] = params.kernel;
        let lines = (0..output.height).map(|y| params.inside(0, y, input.height));
        let pixels = (0..output.width).map(|x| params.inside(1, x, input.width));
        let (lines, kinds_of_lines) = kinds(lines, tall)?;
        let (pixels, kinds_of_pixels) = kinds(pixels, wide)?;
        let depth = weights.columns() / (tall * wide);
        let mut outside = Vec::new();
        for line in &kinds_of_lines {
            for pixel in &kinds_of_pixels {
                let taps = (0..tall * wide)
                    .filter(|tap| !(line.contains(&(tap / wide)) && pixel.contains(&(tap % wide))));
                let columns: Vec<_> = taps
                    .flat_map(|tap| tap * depth..(tap + 1) * depth)
                    .collect();
                let sum = |row| {
                    let signs = columns.iter().map(|&column| weights.get(row, column));
                    signs.map(|plus| if plus { 1 } else { -1 }).sum()
                };
                outside.push((0..weights.rows()).map(sum).collect());
            }
        }
        // Of kind 0 of both.
        outside.remove(0);
        (!outside.is_empty()).then_some(Self {
            lines,
            pixels,
            outside,
        })
    }

    /// What is added to the floats of padding with +1.
    pub(super) fn bias(self, multiplier: &[f32]) -> PixelBias {
        let of_kind = |sums: &Vec<i32>| -> Vec<f32> {
            let terms = sums.iter().enumerate();
            terms
                .map(|(n, &sum)| -multiplier[n % multiplier.len()] * sum as f32)
                .collect()
        };
        PixelBias {
            lines: self.lines,
            pixels: self.pixels,
            bias: self.outside.iter().flat_map(of_kind).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bernet_runtime::{
        graph::{BinaryConv, Graph, Kind, Op},
        reference,
        tensor::{Data, Tensor},
    };

    /// With scales that round nothing, the two ways are the same.
    #[test]
    fn takes_out_what_padding_with_plus_one_adds() {
        let weights = BitMatrix::from_fn(3, 3 * 2 * 4, |row, column| {
            (row * 7 + column * column) % 3 > 0
        });
        let mut params = ConvParams::valid([3, 2]);
        (params.padding, params.stride, params.dilation) = ([2, 1, 1, 0], [1, 2], [2, 1]);
        params.padding_value = PaddingValue::Zero;
        let input = Shape::new(5, 4, 4);
        let zero = params;
        let signs: Vec<bool> = (0..input.len()).map(|at| at * at % 7 < 3).collect();
        let scale = vec![0.5, 2.0, -1.0];
        let mut floats = [true, false].map(|exact| {
            let mut graph = Graph::default();
            let x = graph.add_input("x", Kind::Bit, input).unwrap();
            let mut params = params;
            if exact {
                params.padding_value = PaddingValue::PlusOne;
            }
            let conv = BinaryConv {
                params,
                weights: weights.clone(),
            };
            let sums = graph.add_node(Op::BinaryConv(conv), &[x]).unwrap();
            let affine = Op::Affine {
                scale: scale.clone(),
                bias: vec![0.25],
            };
            let mut y = graph.add_node(affine, &[sums]).unwrap();
            if exact {
                let border = Border::new(&zero, input, &weights).unwrap();
                y = graph
                    .add_node(Op::PixelBias(border.bias(&scale)), &[y])
                    .unwrap();
            }
            graph.add_output("y", y).unwrap();
            let x = Tensor::new(1, input, Data::Bit(signs.clone())).unwrap();
            reference::run(&graph, &[x]).unwrap().remove(0)
        });
        let [exact, summed] = &mut floats;
        assert_eq!(exact.data(), summed.data());
    }

    #[test]
    fn there_is_none_without_padding_that_does_not_count() {
        let weights = BitMatrix::all_minus_one(1, 9);
        let mut params = ConvParams::valid([3, 3]);
        let input = Shape::new(4, 4, 1);
        params.padding_value = PaddingValue::Zero;
        assert!(Border::new(&params, input, &weights).is_none());
        params.padding = [1; 4];
        assert!(Border::new(&params, input, &weights).is_some());
        params.padding_value = PaddingValue::PlusOne;
        assert!(Border::new(&params, input, &weights).is_none());
    }
}
