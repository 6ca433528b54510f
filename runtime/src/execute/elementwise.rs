//! Functions of single elements, a line at a time.

use super::{Context, TensorRef, buffers::Split};
use crate::{
    graph::{BinaryOp, RealThreshold, Shape, UnaryOp},
    plan::{Element, Elementwise, Operand, Step},
    scalar,
};
use bernet_kernels::isa::Level;

pub(super) fn run(
    step: &Step,
    elementwise: &Elementwise,
    context: &Context<'_>,
    arena: &mut [u64],
    scratch: &mut [f32],
) {
    match (elementwise.floats, &elementwise.bits) {
        (true, None) => {
            let (split, [floats]) = Split::around(arena, [context.range(step.outputs[0])]);
            lines(
                step,
                elementwise,
                context,
                &split,
                Some(floats),
                None,
                scratch,
            );
        }
        (false, Some(_)) => {
            let (split, [bits]) = Split::around(arena, [context.range(step.outputs[0])]);
            lines(
                step,
                elementwise,
                context,
                &split,
                None,
                Some(bits),
                scratch,
            );
        }
        (true, Some(_)) => {
            let ranges = [0, 1].map(|index| context.range(step.outputs[index]));
            let (split, [floats, bits]) = Split::around(arena, ranges);
            lines(
                step,
                elementwise,
                context,
                &split,
                Some(floats),
                Some(bits),
                scratch,
            );
        }
        (false, None) => unreachable!("a step has an output"),
    }
}

fn lines<'s>(
    step: &Step,
    elementwise: &Elementwise,
    context: &Context<'s>,
    split: &Split<'s>,
    floats: Option<&mut [u64]>,
    mut bits: Option<&mut [u64]>,
    scratch: &mut [f32],
) {
    let level = context.program.level;
    let shape = context.program.slots[step.inputs[0].0].shape;
    let columns = shape.width * shape.channels;
    let line_words = columns.div_ceil(u64::BITS as usize);
    let source = context.try_items(split, step.inputs[0], 0..context.items.len());
    let is_int = context.program.slots[step.inputs[0].0].kind == crate::graph::Kind::I32;
    let mut floats: Option<&mut [f32]> = floats.map(bytemuck::cast_slice_mut);
    for item in 0..context.items.len() {
        for y in 0..shape.height {
            let row = item * shape.height + y;
            let line: &mut [f32] = match &mut floats {
                Some(floats) => &mut floats[row * columns..][..columns],
                None => &mut scratch[..columns],
            };
            match source {
                Some(source) => load(level, source, row, columns, line_words, line),
                // The value is replaced where it lies.
                None if is_int => level.vectorize(
                    #[inline(always)]
                    || {
                        for value in line.iter_mut() {
                            *value = value.to_bits() as i32 as f32;
                        }
                    },
                ),
                None => {}
            }
            for element in &elementwise.elements {
                match element {
                    Element::Binary(op, operand) => {
                        let other = context.items_of(split, operand.slot, item..item + 1);
                        let from = context.program.slots[operand.slot.0].shape;
                        binary(level, (*op, *operand), other, from, (shape, y), line);
                    }
                    element => apply(level, element, shape.channels, line),
                }
            }
            if let (Some(bits), Some(thresholds)) = (&mut bits, &elementwise.bits) {
                let words = &mut bits[row * line_words..][..line_words];
                pack(level, thresholds, line, words);
            }
        }
    }
}

/// A line of any type as floats.
fn load(
    level: Level,
    source: TensorRef<'_>,
    row: usize,
    columns: usize,
    line_words: usize,
    line: &mut [f32],
) {
    match source {
        TensorRef::F32(values) => line.copy_from_slice(&values[row * columns..][..columns]),
        TensorRef::I32(values) => {
            let values = &values[row * columns..][..columns];
            level.vectorize(
                #[inline(always)]
                || {
                    for (to, &from) in line.iter_mut().zip(values) {
                        *to = from as f32;
                    }
                },
            );
        }
        TensorRef::U8(values) => {
            let values = &values[row * columns..][..columns];
            level.vectorize(
                #[inline(always)]
                || {
                    for (to, &from) in line.iter_mut().zip(values) {
                        *to = f32::from(from);
                    }
                },
            );
        }
        TensorRef::Bit(words) => {
            let words = &words[row * line_words..][..line_words];
            level.vectorize(
                #[inline(always)]
                || {
                    for (to, word) in line.chunks_mut(64).zip(words) {
                        for (bit, to) in to.iter_mut().enumerate() {
                            *to = if word >> bit & 1 == 1 { 1.0 } else { -1.0 };
                        }
                    }
                },
            );
        }
    }
}

/// `f(value, number)` for every value and its number in a list that repeats.
#[inline(always)]
fn periodic(line: &mut [f32], list: &[f32], f: impl Fn(f32, f32) -> f32) {
    for line in line.chunks_mut(list.len()) {
        for (value, &number) in line.iter_mut().zip(list) {
            *value = f(*value, number);
        }
    }
}

fn apply(level: Level, element: &Element, channels: usize, line: &mut [f32]) {
    match element {
        Element::Scale(list) => level.vectorize(
            #[inline(always)]
            || periodic(line, list, |x, scale| x * scale),
        ),
        Element::Shift(list) => level.vectorize(
            #[inline(always)]
            || periodic(line, list, |x, shift| x + shift),
        ),
        Element::Slope(list) => level.vectorize(
            #[inline(always)]
            || periodic(line, list, scalar::prelu),
        ),
        Element::Unary(UnaryOp::Relu) => level.vectorize(
            #[inline(always)]
            || {
                for value in line.iter_mut() {
                    *value = scalar::clip(*value, 0.0, f32::INFINITY);
                }
            },
        ),
        &Element::Unary(UnaryOp::Clip { low, high }) => level.vectorize(
            #[inline(always)]
            || {
                for value in line.iter_mut() {
                    *value = scalar::clip(*value, low, high);
                }
            },
        ),
        Element::Unary(op) => {
            for value in line.iter_mut() {
                *value = scalar::unary(*op, *value);
            }
        }
        Element::Quantize(quantize) => {
            for pixel in line.chunks_exact_mut(channels) {
                for (channel, value) in pixel.iter_mut().enumerate() {
                    *value = scalar::quantize(
                        *value,
                        scalar::of_channel(&quantize.scale, channel, 1.0),
                        scalar::of_channel(&quantize.zero_point, channel, 0.0),
                        [quantize.low, quantize.high],
                        quantize.rounding,
                    );
                }
            }
        }
        Element::Binary(..) => unreachable!("operations with another value have their own way"),
    }
}

/// An operation of a line with another value, whose axes are of the same size or 1.
fn binary(
    level: Level,
    (op, operand): (BinaryOp, Operand),
    other: TensorRef<'_>,
    from: Shape,
    (shape, y): (Shape, usize),
    line: &mut [f32],
) {
    let TensorRef::F32(values) = other else {
        unreachable!("the graph was checked: both values are floats");
    };
    let y = if from.height == 1 { 0 } else { y };
    let columns = from.width * from.channels;
    let values = &values[y * columns..][..columns];
    let function = |a, b| {
        if operand.first {
            scalar::binary(op, b, a)
        } else {
            scalar::binary(op, a, b)
        }
    };
    if from.channels != shape.channels {
        // One value for all channels of a pixel.
        for (x, pixel) in line.chunks_exact_mut(shape.channels).enumerate() {
            let other = values[if from.width == 1 { 0 } else { x }];
            pixel
                .iter_mut()
                .for_each(|value| *value = function(*value, other));
        }
        return;
    }
    // A whole line, or one pixel for all.
    match op {
        BinaryOp::Add => level.vectorize(
            #[inline(always)]
            || periodic(line, values, |a, b| a + b),
        ),
        BinaryOp::Mul => level.vectorize(
            #[inline(always)]
            || periodic(line, values, |a, b| a * b),
        ),
        _ => periodic(line, values, function),
    }
}

/// Bits of a line, by thresholds that repeat.
fn pack(level: Level, thresholds: &[RealThreshold], line: &[f32], words: &mut [u64]) {
    let first = thresholds[0];
    if thresholds.iter().all(|threshold| *threshold == first) {
        return level.vectorize(
            #[inline(always)]
            || {
                for (word, values) in words.iter_mut().zip(line.chunks(64)) {
                    *word = word_of(values, |value| value >= first.at_least);
                    if first.invert {
                        *word = !*word & u64::MAX >> (64 - values.len());
                    }
                }
            },
        );
    }
    words.fill(0);
    let mut at = 0;
    for line in line.chunks(thresholds.len()) {
        for (value, threshold) in line.iter().zip(thresholds) {
            words[at / 64] |= u64::from(threshold.apply(*value)) << (at % 64);
            at += 1;
        }
    }
}

/// A bit of each of at most 64 values.
#[inline(always)]
fn word_of(values: &[f32], bit: impl Fn(f32) -> bool) -> u64 {
    let mut word = 0;
    for (byte, values) in values.chunks(8).enumerate() {
        let mut eight = 0_u64;
        for (at, &value) in values.iter().enumerate() {
            eight |= u64::from(bit(value)) << at;
        }
        word |= eight << (8 * byte);
    }
    word
}
