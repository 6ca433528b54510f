//! Products with bits, thresholds and functions of many values.

use super::{Context, TensorRef, buffers::Split, elements::Elements};
use crate::{
    graph::{BinaryOp, Kind, ReduceKind, Shape},
    plan::{Fused, Kernel, Slot, Step},
    scalar,
};
use bernet_kernels::{
    bits::{self, BitView, BitViewMut},
    xnor::{Epilogue, Residual, Rows, Signs, Threshold, Workspace},
};

/// The shape of some items as the kernels have it.
#[inline(always)]
pub(super) fn shape(slot: &Slot, batch: usize) -> bits::Shape {
    let Shape {
        height,
        width,
        channels,
    } = slot.shape;
    bits::Shape {
        batch,
        height,
        width,
        channels,
    }
}

/// The bits of some items, which the runtime packed itself: what pads their lines is 0.
#[inline(always)]
pub(super) fn bit_view<'a>(slot: &Slot, batch: usize, words: &'a [u64]) -> BitView<'a> {
    let shape = shape(slot, batch);
    BitView::with_clear_pads(words, shape, shape.row_words()).expect("the words of the slot")
}

/// As [`bit_view`], to be written.
#[inline(always)]
pub(super) fn bit_view_mut<'a>(slot: &Slot, batch: usize, words: &'a mut [u64]) -> BitViewMut<'a> {
    let shape = shape(slot, batch);
    BitViewMut::new(words, shape, shape.row_words()).expect("the words of the slot")
}

/// Convolutions and dense layers with weights of a bit.
pub(super) fn product(
    step: &Step,
    context: &Context<'_>,
    arena: &mut [u64],
    kernels: &mut Workspace,
) {
    let batch = context.items.len();
    let slots = &context.program.slots;
    let (input, output) = (&slots[step.inputs[0].0], &slots[step.outputs[0].0]);
    let (split, [out]) = Split::around(arena, [context.range(step.outputs[0])]);
    let values = output.shape.len() * batch;
    let done = match (&step.kernel, context.all(&split, step.inputs[0])) {
        (Kernel::BitConv(conv), TensorRef::Bit(words)) => {
            let sums: &mut [i32] = &mut bytemuck::cast_slice_mut(out)[..values];
            conv.sums_in(kernels, bit_view(input, batch, words), sums)
        }
        (Kernel::BitConvBits(conv), TensorRef::Bit(words)) => {
            let out = bit_view_mut(output, batch, out);
            conv.activations_in(kernels, bit_view(input, batch, words), out)
        }
        (Kernel::ByteConv(conv), TensorRef::U8(values_in)) => {
            let sums: &mut [i32] = &mut bytemuck::cast_slice_mut(out)[..values];
            conv.sums(kernels, shape(input, batch), values_in, sums)
        }
        (Kernel::ByteConvBits(conv, thresholds), TensorRef::U8(values_in)) => {
            let out = bit_view_mut(output, batch, out);
            conv.activations(kernels, shape(input, batch), values_in, thresholds, out)
        }
        _ => unreachable!("the graph was checked: bits or bytes go in"),
    };
    done.expect("shapes were checked when the program was planned");
}

/// Products of bits whose sums become floats, bits of them, or both.
pub(super) fn fused(
    step: &Step,
    fused: &Fused,
    context: &Context<'_>,
    arena: &mut [u64],
    kernels: &mut Workspace,
) {
    let batch = context.items.len();
    let slots = &context.program.slots;
    let input = &slots[step.inputs[0].0];
    let output = &slots[step.outputs[step.outputs.len() - 1].0];
    let range = |index: usize| context.range(step.outputs[index]);
    let (split, floats, bits) = match (fused.floats, &fused.at_least) {
        (true, None) => {
            let (split, [floats]) = Split::around(arena, [range(0)]);
            (split, Some(floats), None)
        }
        (false, _) => {
            let (split, [bits]) = Split::around(arena, [range(0)]);
            (split, None, Some(bits))
        }
        (true, Some(_)) => {
            let (split, [floats, bits]) = Split::around(arena, [range(0), range(1)]);
            (split, Some(floats), Some(bits))
        }
    };
    let TensorRef::Bit(words) = context.all(&split, step.inputs[0]) else {
        unreachable!("the graph was checked: bits go in");
    };
    let residual = match fused
        .residual
        .map(|slot| context.try_items(&split, slot, 0..batch))
    {
        None => Residual::None,
        Some(Some(TensorRef::F32(values))) => Residual::Rows(Rows::from(values)),
        // The value is replaced where it lies.
        Some(_) => Residual::Out,
    };
    let transform = fused.transform(residual);
    let signs = bits.map(|bits| Signs {
        at_least: fused.at_least.as_deref(),
        out: bit_view_mut(output, batch, bits),
    });
    let values = output.shape.len() * batch;
    let out = floats.map(|floats| &mut bytemuck::cast_slice_mut::<_, f32>(floats)[..values]);
    let epilogue = match (out, signs) {
        (Some(out), None) => Epilogue::Numbers {
            transform,
            out: out.into(),
        },
        (Some(out), Some(signs)) => Epilogue::NumbersAndSigns {
            transform,
            out: out.into(),
            signs,
        },
        (None, Some(signs)) => Epilogue::Signs { transform, signs },
        (None, None) => unreachable!("a step has an output"),
    };
    fused
        .conv
        .run(kernels, bit_view(input, batch, words), epilogue)
        .expect("shapes were checked when the program was planned");
}

/// Bits of integers or bytes.
pub(super) fn threshold(
    step: &Step,
    thresholds: &[Threshold],
    context: &Context<'_>,
    arena: &mut [u64],
) {
    let output = &context.program.slots[step.outputs[0].0];
    let (split, [out]) = Split::around(arena, [context.range(step.outputs[0])]);
    let columns = output.shape.width * output.shape.channels;
    let line_words = columns.div_ceil(64);
    let pack = |row: usize, words: &mut [u64], value: &dyn Fn(usize) -> i32| {
        words.fill(0);
        for at in 0..columns {
            let bit = thresholds[at % thresholds.len()].apply(value(row * columns + at));
            words[at / 64] |= u64::from(bit) << (at % 64);
        }
    };
    let input = context.all(&split, step.inputs[0]);
    for (row, words) in out.chunks_exact_mut(line_words).enumerate() {
        match input {
            TensorRef::I32(values) => pack(row, words, &|at| values[at]),
            TensorRef::U8(values) => pack(row, words, &|at| values[at].into()),
            _ => unreachable!("the graph was checked: integers or bytes go in"),
        }
    }
}

pub(super) fn reduce(step: &Step, kind: ReduceKind, context: &Context<'_>, arena: &mut [u64]) {
    let batch = context.items.len();
    let slots = &context.program.slots;
    let (from, to) = (&slots[step.inputs[0].0], &slots[step.outputs[0].0]);
    let (split, [out]) = Split::around(arena, [context.range(step.outputs[0])]);
    let elements = Elements::new(context.all(&split, step.inputs[0]), from.shape);
    let (dims, kept) = (from.shape.dims(), to.shape.dims());
    // The places of the group of an output.
    let group = move |index: usize| {
        let (rest, channel) = (index / kept[2], index % kept[2]);
        let (rest, x) = (rest / kept[1], rest % kept[1]);
        let (item, y) = (rest / kept[0], rest % kept[0]);
        let range = |axis: usize, at: usize| {
            if kept[axis] == dims[axis] {
                at..at + 1
            } else {
                0..dims[axis]
            }
        };
        let (lines, pixels, channels) = (range(0, y), range(1, x), range(2, channel));
        lines.flat_map(move |y| {
            let channels = channels.clone();
            pixels.clone().flat_map(move |x| {
                let start = ((item * dims[0] + y) * dims[1] + x) * dims[2];
                channels.clone().map(move |channel| start + channel)
            })
        })
    };
    let outputs = 0..batch * to.shape.len();
    let size = from.shape.len() / to.shape.len();
    match (kind, to.kind) {
        (ReduceKind::Mean, _) | (ReduceKind::Sum, Kind::F32) => {
            let out: &mut [f32] = bytemuck::cast_slice_mut(out);
            let divisor = if kind == ReduceKind::Mean {
                size as f64
            } else {
                1.0
            };
            for index in outputs {
                let sum: f64 = group(index)
                    .map(|at| match elements {
                        Elements::F32(values) => f64::from(values[at]),
                        _ => f64::from(elements.int(at)),
                    })
                    .sum();
                out[index] = (sum / divisor) as f32;
            }
        }
        (ReduceKind::Sum, _) => {
            let out: &mut [i32] = bytemuck::cast_slice_mut(out);
            let add = |sum: i32, value: i32| sum.wrapping_add(value);
            if let (Elements::I32(values), true) = (elements, kept == [1, 1, dims[2]]) {
                let items = values.chunks_exact(from.shape.len());
                for (item, out) in items.zip(out.chunks_exact_mut(dims[2])) {
                    out.fill(0);
                    for pixel in item.chunks_exact(dims[2]) {
                        out.iter_mut()
                            .zip(pixel)
                            .for_each(|(sum, &value)| *sum = add(*sum, value));
                    }
                }
                return;
            }
            for index in outputs {
                out[index] = group(index).fold(0, |sum, at| add(sum, elements.int(at)));
            }
        }
        (_, Kind::F32) => {
            let out: &mut [f32] = bytemuck::cast_slice_mut(out);
            let op = extreme(kind);
            for index in outputs {
                let values = group(index).map(|at| elements.real(at));
                out[index] = values
                    .reduce(|a, b| scalar::binary(op, a, b))
                    .expect("no group is empty");
            }
        }
        (_, of) => {
            let op = extreme(kind);
            let columns = to.shape.width * to.shape.channels;
            let line = columns.div_ceil(64);
            if of == Kind::Bit {
                out.fill(0);
            }
            for index in outputs {
                let values = group(index).map(|at| elements.int(at));
                let value = values
                    .reduce(|a, b| scalar::binary_i32(op, a, b))
                    .expect("no group is empty");
                match of {
                    Kind::Bit => {
                        let (y, x) = (index / columns, index % columns);
                        out[y * line + x / 64] |= u64::from(value > 0) << (x % 64);
                    }
                    Kind::U8 => bytemuck::cast_slice_mut::<_, u8>(out)[index] = value as u8,
                    _ => bytemuck::cast_slice_mut::<_, i32>(out)[index] = value,
                }
            }
        }
    }
}

fn extreme(kind: ReduceKind) -> BinaryOp {
    if kind == ReduceKind::Min {
        BinaryOp::Min
    } else {
        BinaryOp::Max
    }
}

pub(super) fn softmax(channels: usize, logarithm: bool, input: &[f32], output: &mut [f32]) {
    for (row, out) in input
        .chunks_exact(channels)
        .zip(output.chunks_exact_mut(channels))
    {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let power = |value: f32| libm::exp(f64::from(value) - f64::from(largest));
        let sum: f64 = row.iter().map(|&value| power(value)).sum();
        for (out, &value) in out.iter_mut().zip(row) {
            *out = if logarithm {
                (f64::from(value) - f64::from(largest) - libm::log(sum)) as f32
            } else {
                (power(value) / sum) as f32
            };
        }
    }
}

pub(super) fn argmax(step: &Step, context: &Context<'_>, arena: &mut [u64]) {
    let from = &context.program.slots[step.inputs[0].0];
    let (split, [out]) = Split::around(arena, [context.range(step.outputs[0])]);
    let elements = Elements::new(context.all(&split, step.inputs[0]), from.shape);
    let channels = from.shape.channels;
    let rows = from.shape.height * from.shape.width * context.items.len();
    let out: &mut [i32] = bytemuck::cast_slice_mut(out);
    for (row, out) in out.iter_mut().take(rows).enumerate() {
        let mut best = 0;
        for channel in 1..channels {
            let (a, b) = (row * channels + channel, row * channels + best);
            let larger = match elements {
                Elements::F32(values) => values[a] > values[b],
                _ => elements.int(a) > elements.int(b),
            };
            if larger {
                best = channel;
            }
        }
        *out = best as i32;
    }
}

/// Operations on two values that are not functions of a line of floats.
pub(super) fn binary(step: &Step, op: BinaryOp, context: &Context<'_>, arena: &mut [u64]) {
    let slots = &context.program.slots;
    let to = &slots[step.outputs[0].0];
    let (split, [out]) = Split::around(arena, [context.range(step.outputs[0])]);
    let operands = [0, 1].map(|index| {
        let slot = &slots[step.inputs[index].0];
        let elements = Elements::new(context.all(&split, step.inputs[index]), slot.shape);
        (elements, slot)
    });
    let columns = to.shape.width * to.shape.channels;
    let line = columns.div_ceil(64);
    if to.kind == Kind::Bit {
        out.fill(0);
    }
    for index in 0..context.items.len() * to.shape.len() {
        let [(a, i), (b, j)] = operands
            .map(|(elements, slot)| (elements, super::moves::broadcast(index, to.shape, slot)));
        let real = slots[step.inputs[0].0].kind == Kind::F32;
        match to.kind {
            Kind::F32 => {
                bytemuck::cast_slice_mut::<_, f32>(out)[index] =
                    scalar::binary(op, a.real(i), b.real(j));
            }
            Kind::Bit => {
                let bit = if real {
                    scalar::binary(op, a.real(i), b.real(j)) > 0.0
                } else {
                    scalar::binary_i32(op, a.int(i), b.int(j)) > 0
                };
                let (y, x) = (index / columns, index % columns);
                out[y * line + x / 64] |= u64::from(bit) << (x % 64);
            }
            _ => {
                bytemuck::cast_slice_mut::<_, i32>(out)[index] =
                    scalar::binary_i32(op, a.int(i), b.int(j));
            }
        }
    }
}
