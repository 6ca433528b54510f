//! Functions of single elements, one after the other, as one step.

use super::SlotId;
use crate::graph::{BinaryOp, Op, PixelBias, Quantize, UnaryOp};
use alloc::{vec, vec::Vec};
use bernet_kernels::real::RealThresholds;

/// Reads a value of any type as floats, applies functions in turn, and writes the floats, bits of
/// them, or both.
#[derive(Debug, Default)]
pub(crate) struct Elementwise {
    pub(crate) elements: Vec<Element>,
    /// Whether the floats are written: the first output.
    pub(crate) floats: bool,
    /// How bits are made of the floats: the last output. None: no bits.
    pub(crate) bits: Option<RealThresholds>,
}

/// A function of each element. Lists have a number for each place of a period, a multiple of the
/// channels.
#[derive(Debug)]
pub(crate) enum Element {
    Scale(Vec<f32>),
    Shift(Vec<f32>),
    Unary(UnaryOp),
    /// The slope of what is below 0.
    Slope(Vec<f32>),
    Quantize(Quantize),
    PixelBias(PixelBias),
    /// With another value.
    Binary(BinaryOp, Operand),
}

/// The other value of an operation on two.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operand {
    pub(crate) slot: SlotId,
    /// Whether it is the first of the two.
    pub(crate) first: bool,
}

/// Least places of a period: enough for several registers.
const PERIOD: usize = 32;

/// One number for each place of a period.
pub(super) fn periodic<T: Copy>(list: &[T], channels: usize) -> Vec<T> {
    let repeats = PERIOD.div_ceil(channels);
    let channel = |channel: usize| list[if list.len() == 1 { 0 } else { channel }];
    let period: Vec<_> = (0..channels).map(channel).collect();
    period.repeat(repeats)
}

/// The functions of an operator on one value; none where it is not of that kind.
pub(super) fn elements(op: &Op, channels: usize) -> Option<Vec<Element>> {
    let list = |list: &[f32], element: fn(Vec<f32>) -> Element| {
        (!list.is_empty()).then(|| element(periodic(list, channels)))
    };
    Some(match op {
        Op::Cast(crate::graph::Kind::F32) => Vec::new(),
        Op::Affine { scale, bias } => list(scale, Element::Scale)
            .into_iter()
            .chain(list(bias, Element::Shift))
            .collect(),
        Op::Unary(op) => vec![Element::Unary(*op)],
        Op::Prelu(prelu) => list(&prelu.before, Element::Shift)
            .into_iter()
            .chain(list(&prelu.slope, Element::Slope))
            .chain(list(&prelu.after, Element::Shift))
            .collect(),
        Op::PixelBias(bias) => vec![Element::PixelBias(bias.clone())],
        Op::Quantize(quantize) => vec![Element::Quantize(quantize.clone())],
        _ => return None,
    })
}
