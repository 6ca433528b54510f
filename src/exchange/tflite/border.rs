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

/// The border of a convolution: kinds of pixels by the taps that lie inside.
pub(super) struct Border {
    kinds: Vec<u8>,
    /// For each kind but 0, the sum of each output's weights outside.
    outside: Vec<Vec<i32>>,
}

/// Taps of an axis that lie inside the image, of each position.
fn inside(params: &ConvParams, axis: usize, size: usize, positions: usize) -> Vec<Range<usize>> {
    let taps = |position: usize| {
        let reach = |end: usize| {
            let steps = end.saturating_sub(position * params.stride[axis]);
            steps
                .div_ceil(params.dilation[axis])
                .min(params.kernel[axis])
        };
        reach(params.padding[axis])..reach(params.padding[axis] + size)
    };
    (0..positions).map(taps).collect()
}

impl Border {
    /// Of a convolution with padding that does not count; `None` where no pixel has a tap outside,
    /// or where there are more kinds than a byte holds, which takes a kernel of more than 15×15.
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
        let lines = inside(params, 0, input.height, output.height);
        let pixels = inside(params, 1, input.width, output.width);
        let [tall, wide] = params.kernel;
        let mut found: Vec<(&Range<usize>, &Range<usize>)> = Vec::new();
        let mut kinds = Vec::new();
        for line in &lines {
            for pixel in &pixels {
                if *line == (0..tall) && *pixel == (0..wide) {
                    kinds.push(0);
                    continue;
                }
                let known = found.iter().position(|kind| *kind == (line, pixel));
                let kind = known.unwrap_or(found.len());
                if kind == found.len() {
                    found.push((line, pixel));
                }
                kinds.push(u8::try_from(kind + 1).ok()?);
            }
        }
        let depth = weights.columns() / (tall * wide);
        let outside = found.iter().map(|(line, pixel)| {
            let taps = (0..tall * wide)
                .filter(|tap| !(line.contains(&(tap / wide)) && pixel.contains(&(tap % wide))));
            let taps: Vec<_> = taps.collect();
            let sum = |row| {
                let values = taps.iter().flat_map(|tap| tap * depth..(tap + 1) * depth);
                values
                    .map(|column| if weights.get(row, column) { 1 } else { -1 })
                    .sum()
            };
            (0..weights.rows()).map(sum).collect()
        });
        let outside: Vec<_> = outside.collect();
        (!outside.is_empty()).then_some(Self { kinds, outside })
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
            kinds: self.kinds,
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
        let border = Border::new(&params, input, &weights).unwrap();
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
                let border = Border {
                    kinds: border.kinds.clone(),
                    outside: border.outside.clone(),
                };
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
