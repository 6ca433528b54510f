//! Products, pools and functions of many values.

use super::{
    Number, number,
    shapes::{index, places},
    tensor,
};
use crate::{
    graph::{BinaryConv, Conv, ConvParams, Dense, PoolKind, PoolParams, ReduceKind, Shape},
    tensor::{Data, Tensor, sign},
};
use alloc::vec::Vec;
use bernet_kernels::{bits::BitMatrix, xnor::PaddingValue};

/// A tap of a window: the column of the weights, and the input's element, none on the padding.
type Tap = (usize, Option<usize>);

/// The taps of the window of an output.
fn taps(
    params: &ConvParams,
    input: Shape,
    [item, y, x, output]: [usize; 4],
    outputs: usize,
) -> impl Iterator<Item = Tap> {
    let params = *params;
    let [tall, wide] = params.kernel;
    let depth = input.channels / params.groups;
    let group = output / (outputs / params.groups);
    (0..tall * wide * depth).map(move |column| {
        let (tap, channel) = (column / depth, column % depth);
        let place = |axis: usize, at: usize, tap: usize, size: usize| {
            (at * params.stride[axis] + tap * params.dilation[axis])
                .checked_sub(params.padding[axis])
                .filter(|&place| place < size)
        };
        let line = place(0, y, tap / wide, input.height);
        let pixel = place(1, x, tap % wide, input.width);
        let found = line
            .zip(pixel)
            .map(|(line, pixel)| index(input, [item, line, pixel, group * depth + channel]));
        (column, found)
    })
}

pub(super) fn binary_conv(conv: &BinaryConv, input: &Tensor, shape: Shape) -> Tensor {
    let outside = match conv.params.padding_value {
        PaddingValue::MinusOne => -1,
        PaddingValue::Zero => 0,
        PaddingValue::PlusOne => 1,
    };
    let sums = places(input.batch(), shape).map(|place| {
        taps(&conv.params, input.shape(), place, shape.channels)
            .map(|(column, found)| {
                let value = found.map_or(outside, |index| number(input, index).int());
                value as i32 * sign(conv.weights.get(place[3], column))
            })
            .sum()
    });
    tensor(input.batch(), shape, Data::I32(sums.collect()))
}

pub(super) fn binary_dense(weights: &BitMatrix, input: &Tensor, shape: Shape) -> Tensor {
    let columns = weights.columns();
    let sums = places(input.batch(), shape).map(|[item, _, _, row]| {
        (0..columns)
            .map(|column| {
                let value = number(input, item * columns + column).int() as i32;
                value * sign(weights.get(row, column))
            })
            .sum()
    });
    tensor(input.batch(), shape, Data::I32(sums.collect()))
}

pub(super) fn conv(conv: &Conv, input: &Tensor, shape: Shape) -> Tensor {
    let columns = conv.weights.len() / conv.outputs;
    let sums = places(input.batch(), shape).map(|place| {
        let weights = &conv.weights[place[3] * columns..][..columns];
        let bias = conv.bias.get(place[3]).copied().unwrap_or(0.0);
        let sum: f64 = taps(&conv.params, input.shape(), place, shape.channels)
            .filter_map(|(column, found)| {
                let value = number(input, found?).real();
                Some(f64::from(value) * f64::from(weights[column]))
            })
            .sum();
        (sum + f64::from(bias)) as f32
    });
    tensor(input.batch(), shape, Data::F32(sums.collect()))
}

pub(super) fn dense(dense: &Dense, input: &Tensor, shape: Shape) -> Tensor {
    let columns = input.shape().len();
    let sums = places(input.batch(), shape).map(|[item, _, _, row]| {
        let weights = &dense.weights[row * columns..][..columns];
        let bias = dense.bias.get(row).copied().unwrap_or(0.0);
        let product = |(column, &weight): (usize, &f32)| {
            let value = number(input, item * columns + column).real();
            f64::from(value) * f64::from(weight)
        };
        let sum: f64 = weights.iter().enumerate().map(product).sum();
        (sum + f64::from(bias)) as f32
    });
    tensor(input.batch(), shape, Data::F32(sums.collect()))
}

/// The largest of some elements.
fn largest(input: &Tensor, elements: impl Iterator<Item = usize>, smallest: bool) -> Number {
    elements
        .map(|index| number(input, index))
        .reduce(|a, b| match (a, b) {
            (Number::Int(a), Number::Int(b)) => {
                Number::Int(if smallest { a.min(b) } else { a.max(b) })
            }
            (a, b) => {
                let (a, b) = (a.real(), b.real());
                let first = if smallest { a <= b } else { a >= b };
                Number::Real(if first || a.is_nan() { a } else { b })
            }
        })
        .expect("no window is empty")
}

/// A tensor of the input's type.
fn like(input: &Tensor, shape: Shape, numbers: impl Iterator<Item = Number>) -> Tensor {
    let data = match input.data() {
        Data::Bit(_) => Data::Bit(numbers.map(|number| number.int() > 0).collect()),
        Data::U8(_) => Data::U8(numbers.map(|number| number.int() as u8).collect()),
        Data::I32(_) => Data::I32(numbers.map(|number| number.int() as i32).collect()),
        Data::F32(_) => Data::F32(numbers.map(Number::real).collect()),
    };
    tensor(input.batch(), shape, data)
}

/// Sums over groups of elements: of floats in double precision, else of integers that wrap.
fn sums(input: &Tensor, shape: Shape, groups: impl Iterator<Item = Vec<usize>>) -> Tensor {
    let data = if let Data::F32(values) = input.data() {
        let sum = |group: Vec<usize>| {
            let sum: f64 = group.iter().map(|&index| f64::from(values[index])).sum();
            sum as f32
        };
        Data::F32(groups.map(sum).collect())
    } else {
        let sum = |group: Vec<usize>| {
            let sum: i64 = group.iter().map(|&index| number(input, index).int()).sum();
            sum as i32
        };
        Data::I32(groups.map(sum).collect())
    };
    tensor(input.batch(), shape, data)
}

/// Sums over groups of elements divided by a number for each group, rounded once.
fn means(
    input: &Tensor,
    shape: Shape,
    groups: impl Iterator<Item = (Vec<usize>, usize)>,
) -> Tensor {
    let mean = |(group, count): (Vec<usize>, usize)| {
        let value = |&index: &usize| match number(input, index) {
            Number::Int(value) => value as f64,
            Number::Real(value) => value.into(),
        };
        let sum: f64 = group.iter().map(value).sum();
        (sum / count as f64) as f32
    };
    tensor(input.batch(), shape, Data::F32(groups.map(mean).collect()))
}

pub(super) fn pool(pool: &PoolParams, input: &Tensor, shape: Shape) -> Tensor {
    let params = ConvParams {
        stride: pool.stride,
        padding: pool.padding,
        groups: shape.channels,
        ..ConvParams::valid(pool.kernel)
    };
    let window = |place| {
        taps(&params, input.shape(), place, shape.channels)
            .filter_map(|(_, found)| found)
            .collect::<Vec<_>>()
    };
    let windows = places(input.batch(), shape).map(window);
    match pool.kind {
        PoolKind::Max => like(
            input,
            shape,
            windows.map(|window| largest(input, window.into_iter(), false)),
        ),
        PoolKind::Sum => sums(input, shape, windows),
        PoolKind::Average => means(
            input,
            shape,
            windows.map(|window| {
                let count = window.len();
                (window, count)
            }),
        ),
        PoolKind::AveragePadded => {
            let count = pool.kernel[0] * pool.kernel[1];
            means(input, shape, windows.map(|window| (window, count)))
        }
    }
}

pub(super) fn reduce(kind: ReduceKind, axes: [bool; 3], input: &Tensor, shape: Shape) -> Tensor {
    let dims = input.shape().dims();
    let count = [0, 1, 2].map(|axis| if axes[axis] { dims[axis] } else { 1 });
    let group = |place: [usize; 4]| {
        places(1, count.into())
            .map(|[_, y, x, channel]| {
                let [item, top, left, first] = place;
                index(input.shape(), [item, top + y, left + x, first + channel])
            })
            .collect::<Vec<_>>()
    };
    let groups = places(input.batch(), shape).map(group);
    let size = count.iter().product();
    match kind {
        ReduceKind::Mean => means(input, shape, groups.map(|group| (group, size))),
        ReduceKind::Sum => sums(input, shape, groups),
        ReduceKind::Max | ReduceKind::Min => {
            let smallest = kind == ReduceKind::Min;
            like(
                input,
                shape,
                groups.map(|group| largest(input, group.into_iter(), smallest)),
            )
        }
    }
}

pub(super) fn softmax(input: &Tensor, logarithm: bool) -> Tensor {
    let values = input.to_f32();
    let mut results = Vec::with_capacity(values.len());
    for row in values.chunks_exact(input.shape().channels) {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let power = |value: f32| libm::exp(f64::from(value) - f64::from(largest));
        let sum: f64 = row.iter().map(|&value| power(value)).sum();
        results.extend(row.iter().map(|&value| {
            if logarithm {
                (f64::from(value) - f64::from(largest) - libm::log(sum)) as f32
            } else {
                (power(value) / sum) as f32
            }
        }));
    }
    tensor(input.batch(), input.shape(), Data::F32(results))
}

pub(super) fn argmax(input: &Tensor, shape: Shape) -> Tensor {
    let channels = input.shape().channels;
    let places = (0..input.batch() * shape.len()).map(|row| {
        let mut best = 0;
        for channel in 1..channels {
            let at = |channel| number(input, row * channels + channel);
            let larger = match (at(channel), at(best)) {
                (Number::Int(a), Number::Int(b)) => a > b,
                (a, b) => a.real() > b.real(),
            };
            if larger {
                best = channel;
            }
        }
        best as i32
    });
    tensor(input.batch(), shape, Data::I32(places.collect()))
}
