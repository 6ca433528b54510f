//! Operators that move values: each element of the output is one of the inputs', or a border.

use super::{Context, TensorRef, buffers::Split, elements::Elements};
use crate::{
    graph::{Kind, Shape},
    plan::{Kernel, Slot, Step},
};

/// Where an operand of an operation holds the element at a place of the result; an axis of size 1,
/// and a constant's batch, serve every place.
pub(super) fn broadcast(index: usize, shape: Shape, slot: &Slot) -> usize {
    let [height, width, channels] = shape.dims();
    let (rest, channel) = (index / channels, index % channels);
    let (rest, x) = (rest / width, rest % width);
    let (item, y) = (rest / height, rest % height);
    let of = slot.shape;
    let at = |size: usize, place: usize| if size == 1 { 0 } else { place };
    let item = if slot.is_constant() { 0 } else { item };
    ((item * of.height + at(of.height, y)) * of.width + at(of.width, x)) * of.channels
        + at(of.channels, channel)
}

/// Where an element comes from: an input of the step and a place in it, or the border.
type Source = Option<(usize, usize)>;

pub(super) fn run(step: &Step, context: &Context<'_>, arena: &mut [u64]) {
    let slots = &context.program.slots;
    let to = slots[step.outputs[0].0];
    let from = slots[step.inputs[0].0];
    let (split, [out]) = Split::around(arena, [context.range(step.outputs[0])]);
    let operand = |index: usize| {
        let slot = &slots[step.inputs[index].0];
        Elements::new(context.all(&split, step.inputs[index]), slot.shape)
    };
    let (size, shape) = (to.shape.len(), to.shape);
    let place = |index: usize| {
        let (item, rest) = (index / size, index % size);
        let (rest, channel) = (rest / shape.channels, rest % shape.channels);
        (item, [rest / shape.width, rest % shape.width, channel])
    };
    let index_of = |slot: &Slot, item: usize, [y, x, channel]: [usize; 3]| {
        let of = slot.shape;
        let item = if slot.is_constant() { 0 } else { item };
        ((item * of.height + y) * of.width + x) * of.channels + channel
    };
    let source = |index: usize| -> Source {
        match &step.kernel {
            Kernel::Select => {
                let condition = broadcast(index, shape, &from);
                let chosen = if operand(0).bit(condition) { 1 } else { 2 };
                let slot = &slots[step.inputs[chosen].0];
                Some((chosen, broadcast(index, shape, slot)))
            }
            Kernel::Concat(axis) => {
                let (item, mut place) = place(index);
                let mut input = 0;
                loop {
                    let slot = &slots[step.inputs[input].0];
                    let size = slot.shape.dims()[axis.index()];
                    if place[axis.index()] < size {
                        return Some((input, index_of(slot, item, place)));
                    }
                    place[axis.index()] -= size;
                    input += 1;
                }
            }
            Kernel::Slice { axis, start, step } => {
                let (item, mut place) = place(index);
                place[axis.index()] = start + place[axis.index()] * step;
                Some((0, index_of(&from, item, place)))
            }
            Kernel::Pad { before, .. } => {
                let (item, mut place) = place(index);
                for axis in 0..3 {
                    place[axis] = place[axis].checked_sub(before[axis])?;
                    if place[axis] >= from.shape.dims()[axis] {
                        return None;
                    }
                }
                Some((0, index_of(&from, item, place)))
            }
            Kernel::Transpose(axes) => {
                let (item, mut rest) = (index / size, index % size);
                let item = if from.is_constant() { 0 } else { item };
                let mut at = item * size;
                for &(count, stride) in axes.iter().rev() {
                    at += rest % count * stride;
                    rest /= count;
                }
                Some((0, at))
            }
            _ => Some((
                0,
                if from.is_constant() {
                    index % size
                } else {
                    index
                },
            )),
        }
    };
    let border = match step.kernel {
        Kernel::Pad { value, .. } => value,
        _ => 0.0,
    };
    let elements = context.items.len() * size;
    match to.kind {
        Kind::Bit => {
            let columns = shape.width * shape.channels;
            let line = columns.div_ceil(64);
            out.fill(0);
            for index in 0..elements {
                let bit = match source(index) {
                    Some((input, at)) => operand(input).bit(at),
                    None => border >= 0.0,
                };
                let (y, x) = (index / columns, index % columns);
                out[y * line + x / 64] |= u64::from(bit) << (x % 64);
            }
        }
        Kind::U8 => {
            let out: &mut [u8] = &mut bytemuck::cast_slice_mut(out)[..elements];
            if blocks(step, context, &split, border as u8, out) {
                return;
            }
            for (index, out) in out.iter_mut().enumerate() {
                *out = match source(index) {
                    Some((input, at)) => operand(input).int(at) as u8,
                    None => border as u8,
                };
            }
        }
        Kind::I32 => {
            let out: &mut [i32] = &mut bytemuck::cast_slice_mut(out)[..elements];
            if blocks(step, context, &split, border as i32, out) {
                return;
            }
            for (index, out) in out.iter_mut().enumerate() {
                *out = match source(index) {
                    Some((input, at)) => operand(input).int(at),
                    None => border as i32,
                };
            }
        }
        Kind::F32 => {
            let out: &mut [f32] = &mut bytemuck::cast_slice_mut(out)[..elements];
            if blocks(step, context, &split, border, out) {
                return;
            }
            for (index, out) in out.iter_mut().enumerate() {
                *out = match source(index) {
                    Some((input, at)) => operand(input).real(at),
                    None => border,
                };
            }
        }
    }
}

/// A type of elements that lie one after the other.
trait Dense: Copy + 'static {
    fn slice(tensor: TensorRef<'_>) -> &[Self];
}

impl Dense for u8 {
    fn slice(tensor: TensorRef<'_>) -> &[Self] {
        match tensor {
            TensorRef::U8(values) => values,
            _ => unreachable!("inputs are of the output's type"),
        }
    }
}

impl Dense for i32 {
    fn slice(tensor: TensorRef<'_>) -> &[Self] {
        match tensor {
            TensorRef::I32(values) => values,
            _ => unreachable!("inputs are of the output's type"),
        }
    }
}

impl Dense for f32 {
    fn slice(tensor: TensorRef<'_>) -> &[Self] {
        match tensor {
            TensorRef::F32(values) => values,
            _ => unreachable!("inputs are of the output's type"),
        }
    }
}

/// Copies whole blocks of elements, where the operator is one that moves them; whether it is.
fn blocks<T: Dense>(
    step: &Step,
    context: &Context<'_>,
    split: &Split<'_>,
    border: T,
    out: &mut [T],
) -> bool {
    let slots = &context.program.slots;
    if step.inputs.iter().any(|slot| slots[slot.0].is_constant()) {
        return false;
    }
    let batch = context.items.len();
    let shape = slots[step.outputs[0].0].shape.dims();
    // Elements of a place of an axis, and how many such axes there are in a batch.
    let inner = |dims: [usize; 3], axis: usize| dims[axis + 1..].iter().product::<usize>();
    let outer = |dims: [usize; 3], axis: usize| batch * dims[..axis].iter().product::<usize>();
    match &step.kernel {
        Kernel::Concat(axis) => {
            let axis = axis.index();
            let (whole, mut first) = (shape[axis] * inner(shape, axis), 0);
            for slot in &step.inputs {
                let values = T::slice(context.all(split, *slot));
                let block = slots[slot.0].shape.dims()[axis] * inner(shape, axis);
                let to = out.chunks_exact_mut(whole);
                for (to, from) in to.zip(values.chunks_exact(block)) {
                    to[first..][..block].copy_from_slice(from);
                }
                first += block;
            }
        }
        Kernel::Slice {
            axis,
            start,
            step: apart,
        } => {
            let axis = axis.index();
            let from = slots[step.inputs[0].0].shape.dims();
            let values = T::slice(context.all(split, step.inputs[0]));
            let place = inner(from, axis);
            let (length, whole) = (shape[axis], from[axis] * place);
            let to = out.chunks_exact_mut(length * place);
            for (to, from) in to.zip(values.chunks_exact(whole)) {
                if *apart == 1 {
                    to.copy_from_slice(&from[start * place..][..length * place]);
                    continue;
                }
                for (at, to) in to.chunks_exact_mut(place).enumerate() {
                    to.copy_from_slice(&from[(start + at * apart) * place..][..place]);
                }
            }
            debug_assert_eq!(outer(shape, axis) * length * place, out.len());
        }
        Kernel::Pad { before, .. } => {
            let from = slots[step.inputs[0].0].shape.dims();
            let values = T::slice(context.all(split, step.inputs[0]));
            out.fill(border);
            for (row, pixel) in values.chunks_exact(from[2]).enumerate() {
                let (item, y) = (row / from[1] / from[0], row / from[1] % from[0]);
                let (line, x) = (y + before[0], row % from[1] + before[1]);
                let at = ((item * shape[0] + line) * shape[1] + x) * shape[2] + before[2];
                out[at..][..from[2]].copy_from_slice(pixel);
            }
        }
        _ => return false,
    }
    true
}
