//! Functions of single elements, a line at a time.

use super::{Context, TensorRef, buffers::Split};
use crate::parallel;
use crate::{
    graph::{BinaryOp, Kind, PixelBias, Shape, UnaryOp},
    plan::{Element, Elementwise, Operand, Step},
    scalar,
};
use bernet_kernels::isa::Level;
use core::ops::Range;

/// Values worth a thread.
const PART: usize = 1 << 16;

pub(super) fn run(
    step: &Step,
    elementwise: &Elementwise,
    context: &Context<'_>,
    arena: &mut [u64],
    scratch: &mut [f32],
    threads: usize,
) {
    let range = |index: usize| context.range(step.outputs[index]);
    let (split, floats, bits) = match (elementwise.floats, &elementwise.bits) {
        (true, None) => {
            let (split, [floats]) = Split::around(arena, [range(0)]);
            (split, Some(floats), None)
        }
        (false, Some(_)) => {
            let (split, [bits]) = Split::around(arena, [range(0)]);
            (split, None, Some(bits))
        }
        (true, Some(_)) => {
            let (split, [floats, bits]) = Split::around(arena, [range(0), range(1)]);
            (split, Some(floats), Some(bits))
        }
        (false, None) => unreachable!("a step has an output"),
    };
    let shape = context.program.slots[step.inputs[0].0].shape;
    let columns = shape.width * shape.channels;
    let line_words = columns.div_ceil(u64::BITS as usize);
    let rows = context.items.len() * shape.height;
    let floats: Option<&mut [f32]> = floats.map(bytemuck::cast_slice_mut);
    let floats = floats.map(|floats| &mut floats[..rows * columns]);
    let parts = parallel::parts(rows * columns / PART, threads);
    let lines = Lines {
        step,
        elementwise,
        context,
        split,
        shape,
    };
    parallel::over(
        parts,
        0..rows,
        (floats, bits, scratch),
        &|(floats, bits, scratch), lines, parts| {
            let (floats, later_floats) = halves(floats, lines * columns);
            let (bits, later_bits) = halves(bits, lines * line_words);
            let (own, others) = scratch.split_at_mut(parts * columns);
            ((floats, bits, own), (later_floats, later_bits, others))
        },
        &|rows, (floats, bits, scratch)| lines.run(rows, floats, bits, &mut scratch[..columns]),
    );
}

/// Both parts of what may not be there.
fn halves<T>(values: Option<&mut [T]>, middle: usize) -> (Option<&mut [T]>, Option<&mut [T]>) {
    match values.map(|values| values.split_at_mut(middle)) {
        Some((first, second)) => (Some(first), Some(second)),
        None => (None, None),
    }
}

/// A step, and what its lines read.
struct Lines<'s> {
    step: &'s Step,
    elementwise: &'s Elementwise,
    context: &'s Context<'s>,
    split: Split<'s>,
    shape: Shape,
}

impl Lines<'_> {
    /// Some lines, which are written to `floats` and `bits` from their beginning on.
    fn run(
        &self,
        rows: Range<usize>,
        mut floats: Option<&mut [f32]>,
        mut bits: Option<&mut [u64]>,
        scratch: &mut [f32],
    ) {
        let (context, shape) = (self.context, self.shape);
        let level = context.program.level;
        let columns = shape.width * shape.channels;
        let line_words = columns.div_ceil(u64::BITS as usize);
        let input = self.step.inputs[0];
        let source = context.try_items(&self.split, input, 0..context.items.len());
        let is_int = context.program.slots[input.0].kind == Kind::I32;
        let elements = &self.elementwise.elements[..];
        for (index, row) in rows.enumerate() {
            let words = bits
                .as_deref_mut()
                .map(|bits| &mut bits[index * line_words..][..line_words]);
            let pack = |line: &[f32]| {
                if let (Some(words), Some(thresholds)) = (words, &self.elementwise.bits) {
                    thresholds
                        .pack(level, line, words)
                        .expect("a line has as many words as it fills");
                }
            };
            let line: &mut [f32] = match (&mut floats, source) {
                (Some(floats), _) => &mut floats[index * columns..][..columns],
                (None, Some(TensorRef::F32(values))) if elements.is_empty() => {
                    pack(&values[row * columns..][..columns]);
                    continue;
                }
                (None, _) => &mut *scratch,
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
            let (item, y) = (row / shape.height, row % shape.height);
            for element in elements {
                match element {
                    Element::Binary(op, operand) => {
                        let other = context.items_of(&self.split, operand.slot, item..item + 1);
                        let from = context.program.slots[operand.slot.0].shape;
                        binary(level, (*op, *operand), other, from, (shape, y), line);
                    }
                    Element::PixelBias(bias) => pixel_bias(bias, (shape, y), line),
                    element => apply(level, element, shape.channels, line),
                }
            }
            pack(line);
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
        Element::PixelBias(_) | Element::Binary(..) => {
            unreachable!("what depends on the line has its own way")
        }
    }
}

/// The terms of a line's pixels.
fn pixel_bias(bias: &PixelBias, (shape, y): (Shape, usize), line: &mut [f32]) {
    let terms = bias.view().terms(shape.channels);
    for (x, pixel) in line.chunks_exact_mut(shape.channels).enumerate() {
        if let Some(terms) = terms([y, x]) {
            for (value, term) in pixel.iter_mut().zip(terms) {
                *value += term;
            }
        }
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
