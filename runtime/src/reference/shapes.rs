//! Operators that move values and do not change them.

use super::tensor;
use crate::{
    graph::{Axis, Shape},
    tensor::{Data, Tensor},
};
use alloc::{vec, vec::Vec};

/// Item, line, pixel, channel of every element, in the order of a tensor.
pub(super) fn places(batch: usize, shape: Shape) -> impl Iterator<Item = [usize; 4]> {
    let [height, width, channels] = shape.dims();
    (0..batch * shape.len()).map(move |index| {
        let (rest, channel) = (index / channels, index % channels);
        let (rest, x) = (rest / width, rest % width);
        [rest / height, rest % height, x, channel]
    })
}

/// Where a tensor holds an element.
pub(super) fn index(shape: Shape, [item, y, x, channel]: [usize; 4]) -> usize {
    ((item * shape.height + y) * shape.width + x) * shape.channels + channel
}

/// As [`index`], where an axis of size 1 serves every place.
pub(super) fn broadcast_index(tensor: &Tensor, place: [usize; 4]) -> usize {
    let shape = tensor.shape();
    let sizes = [tensor.batch(), shape.height, shape.width, shape.channels];
    let place = [0, 1, 2, 3].map(|axis| if sizes[axis] == 1 { 0 } else { place[axis] });
    index(shape, place)
}

/// The elements at these places of these tensors, in turn. All are of one type.
fn gather<'a>(
    batch: usize,
    shape: Shape,
    sources: impl Iterator<Item = (&'a Tensor, usize)>,
    kind_of: &Tensor,
) -> Tensor {
    let data = match kind_of.data() {
        Data::Bit(_) => Data::Bit(
            sources
                .map(|(tensor, index)| match tensor.data() {
                    Data::Bit(values) => values[index],
                    _ => unreachable!("inputs are of one type"),
                })
                .collect(),
        ),
        Data::U8(_) => Data::U8(
            sources
                .map(|(tensor, index)| match tensor.data() {
                    Data::U8(values) => values[index],
                    _ => unreachable!("inputs are of one type"),
                })
                .collect(),
        ),
        Data::I32(_) => Data::I32(
            sources
                .map(|(tensor, index)| match tensor.data() {
                    Data::I32(values) => values[index],
                    _ => unreachable!("inputs are of one type"),
                })
                .collect(),
        ),
        Data::F32(_) => Data::F32(
            sources
                .map(|(tensor, index)| match tensor.data() {
                    Data::F32(values) => values[index],
                    _ => unreachable!("inputs are of one type"),
                })
                .collect(),
        ),
    };
    tensor(batch, shape, data)
}

pub(super) fn select(inputs: &[&Tensor], batch: usize, shape: Shape) -> Tensor {
    let [condition, a, b] = [inputs[0], inputs[1], inputs[2]];
    let Data::Bit(holds) = condition.data() else {
        unreachable!("a condition is bits");
    };
    let sources = places(batch, shape).map(|place| {
        let chosen = if holds[broadcast_index(condition, place)] {
            a
        } else {
            b
        };
        (chosen, broadcast_index(chosen, place))
    });
    gather(batch, shape, sources, a)
}

pub(super) fn concat(axis: Axis, inputs: &[&Tensor], batch: usize, shape: Shape) -> Tensor {
    let along = axis.index() + 1;
    let sources = places(batch, shape).map(|mut place| {
        let mut inputs = inputs.iter();
        let mut tensor: &Tensor = inputs.next().expect("at least one input");
        while place[along] >= tensor.shape().dims()[axis.index()] {
            place[along] -= tensor.shape().dims()[axis.index()];
            tensor = inputs.next().expect("the place is in one of them");
        }
        if tensor.batch() == 1 {
            place[0] = 0;
        }
        (tensor, index(tensor.shape(), place))
    });
    gather(batch, shape, sources, inputs[0])
}

pub(super) fn slice(input: &Tensor, axis: Axis, start: usize, step: usize, shape: Shape) -> Tensor {
    let sources = places(input.batch(), shape).map(|mut place| {
        let along = &mut place[axis.index() + 1];
        *along = start + *along * step;
        (input, index(input.shape(), place))
    });
    gather(input.batch(), shape, sources, input)
}

pub(super) fn pad(input: &Tensor, before: [usize; 3], value: f32, shape: Shape) -> Tensor {
    let border = match input.data() {
        Data::Bit(_) => Data::Bit(vec![value >= 0.0]),
        Data::U8(_) => Data::U8(vec![value as u8]),
        Data::I32(_) => Data::I32(vec![value as i32]),
        Data::F32(_) => Data::F32(vec![value]),
    };
    let border = tensor(1, Shape::flat(1), border);
    let dims = input.shape().dims();
    let sources = places(input.batch(), shape).map(|mut place| {
        for axis in 0..3 {
            let inside = place[axis + 1].checked_sub(before[axis]);
            match inside.filter(|&inside| inside < dims[axis]) {
                Some(inside) => place[axis + 1] = inside,
                None => return (&border, 0),
            }
        }
        (input, index(input.shape(), place))
    });
    gather(input.batch(), shape, sources, input)
}

pub(super) fn reshape(input: &Tensor, shape: Shape) -> Tensor {
    tensor(input.batch(), shape, input.data().clone())
}

pub(super) fn transpose(input: &Tensor, dims: &[usize], perm: &[usize], shape: Shape) -> Tensor {
    // Distance of neighbours along each axis of the result.
    let mut strides = vec![1; dims.len()];
    for axis in (1..dims.len()).rev() {
        strides[axis - 1] = strides[axis] * dims[axis];
    }
    let axes: Vec<_> = perm
        .iter()
        .map(|&axis| (dims[axis], strides[axis]))
        .collect();
    let len = shape.len();
    let sources = (0..input.batch() * len).map(|at| {
        let (item, mut rest) = (at / len, at % len);
        let mut from = item * len;
        for &(size, stride) in axes.iter().rev() {
            from += rest % size * stride;
            rest /= size;
        }
        (input, from)
    });
    gather(input.batch(), shape, sources, input)
}
