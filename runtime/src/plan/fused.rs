//! A product with bits and the functions of its sums, as one step of the kernels.
//!
//! The kernels' epilogue is `last(activation(clamp(sum) · scale + bias + pixel bias) + residual)`, each part
//! optional, and the signs of that. It rounds after each operation, as the functions one by one do,
//! so that fusing changes no bit.

use super::{Element, Elementwise, Operand, SlotId};
use crate::graph::{BinaryOp, PixelBias, UnaryOp};
use alloc::{boxed::Box, vec::Vec};
use bernet_kernels::xnor::{Activation, Conv2d, Residual, Transform};

/// Sums up to this are floats without rounding, so that they may be clamped before or after.
const EXACT: usize = 1 << 24;

/// A product and its epilogue.
#[derive(Debug)]
pub(crate) struct Fused {
    pub(crate) conv: Conv2d,
    clamp: [i32; 2],
    offset: i32,
    scale: Option<Vec<f32>>,
    bias: Option<Vec<f32>>,
    pixel_bias: Option<PixelBias>,
    activation: Function,
    /// The value that is added.
    pub(crate) residual: Option<SlotId>,
    last: Function,
    /// Whether the floats are written: the first output.
    pub(crate) floats: bool,
    /// The least float of each channel that is +1, where bits are written: the last output.
    pub(crate) at_least: Option<Vec<f32>>,
}

/// A function of an element.
#[derive(Debug, Default)]
enum Function {
    #[default]
    None,
    Clamp(f32, f32),
    Prelu(Vec<f32>),
}

impl Function {
    fn activation(&self) -> Activation<'_> {
        match self {
            Self::None => Activation::None,
            &Self::Clamp(low, high) => Activation::Clamp(low, high),
            Self::Prelu(slopes) => Activation::Prelu(slopes),
        }
    }
}

/// How far the epilogue has been filled in.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Stage {
    Sum,
    Scaled,
    Shifted,
    PixelsShifted,
    Activated,
    Added,
    Ended,
}

/// A clamp to whole numbers as one of integers.
fn integers(function: UnaryOp) -> Option<[i32; 2]> {
    let (low, high) = match function {
        UnaryOp::Relu => (0.0, f32::INFINITY),
        UnaryOp::Clip { low, high } if low <= high => (low, high),
        _ => return None,
    };
    let integer = |bound: f32| {
        let whole = bound.is_infinite() || libm::truncf(bound) == bound;
        whole.then_some(bound as i32)
    };
    Some([integer(low)?, integer(high)?])
}

/// The whole number, far from the ends of what floats hold exactly, that all are.
fn whole(list: &[f32]) -> Option<i32> {
    let first = *list.first()?;
    let small = libm::fabsf(first) <= EXACT as f32 && libm::truncf(first) == first;
    (small && list.iter().all(|&other| other == first)).then_some(first as i32)
}

impl Fused {
    /// The product with the functions that follow it, if the kernels' epilogue can be those.
    pub(super) fn new(
        conv: Conv2d,
        depth: usize,
        functions: &Elementwise,
    ) -> Result<Self, Box<Conv2d>> {
        let channels = conv.outputs();
        let list = |list: &[f32]| list[..channels].to_vec();
        let mut fused = Self {
            conv,
            clamp: [i32::MIN, i32::MAX],
            offset: 0,
            scale: None,
            bias: None,
            pixel_bias: None,
            activation: Function::None,
            residual: None,
            last: Function::None,
            floats: functions.floats,
            at_least: None,
        };
        let mut stage = Stage::Sum;
        let mut elements = &functions.elements[..];
        if let [Element::Unary(function), rest @ ..] = elements
            && let Some(clamp) = integers(*function).filter(|_| depth <= EXACT)
        {
            (fused.clamp, elements) = (clamp, rest);
        }
        // k − sum is −(sum − k): whole numbers without rounding, and a sign that the scale takes.
        let mut negated = false;
        if let [
            Element::Scale(minus),
            Element::Shift(offset),
            Element::Scale(_),
            ..,
        ] = elements
            && let Some(offset) = whole(offset).filter(|_| depth <= EXACT)
            && minus.iter().all(|&scale| scale == -1.0)
        {
            (fused.offset, elements, negated) = (-offset, &elements[2..], true);
        }
        for element in elements {
            let next = match element {
                Element::Scale(scale) if stage < Stage::Scaled => {
                    let sign = if core::mem::take(&mut negated) {
                        -1.0
                    } else {
                        1.0
                    };
                    fused.scale = Some(list(scale).iter().map(|scale| sign * scale).collect());
                    Stage::Scaled
                }
                Element::Shift(bias) if stage < Stage::Shifted => {
                    fused.bias = Some(list(bias));
                    Stage::Shifted
                }
                Element::PixelBias(bias) if stage < Stage::PixelsShifted => {
                    fused.pixel_bias = Some(bias.clone());
                    Stage::PixelsShifted
                }
                Element::Binary(BinaryOp::Add, Operand { slot, .. }) if stage < Stage::Added => {
                    fused.residual = Some(*slot);
                    Stage::Added
                }
                element => {
                    let function = match element {
                        Element::Unary(UnaryOp::Relu) => Function::Clamp(0.0, f32::INFINITY),
                        &Element::Unary(UnaryOp::Clip { low, high }) if low <= high => {
                            Function::Clamp(low, high)
                        }
                        Element::Slope(slopes) => Function::Prelu(list(slopes)),
                        _ => return Err(Box::new(fused.conv)),
                    };
                    if stage < Stage::Activated {
                        fused.activation = function;
                        Stage::Activated
                    } else if stage < Stage::Ended {
                        fused.last = function;
                        Stage::Ended
                    } else {
                        return Err(Box::new(fused.conv));
                    }
                }
            };
            stage = next;
        }
        if let Some(bits) = &functions.bits {
            if bits.has_inverted() {
                return Err(Box::new(fused.conv));
            }
            fused.at_least = Some(bits.at_least().to_vec());
        }
        Ok(fused)
    }

    /// The functions, with what is added.
    pub(crate) fn transform<'a>(&'a self, residual: Residual<'a>) -> Transform<'a> {
        Transform {
            clamp: self.clamp,
            offset: self.offset,
            scale: self.scale.as_deref(),
            bias: self.bias.as_deref(),
            pixel_bias: self.pixel_bias.as_ref().map(PixelBias::view),
            activation: self.activation.activation(),
            residual,
            last: self.last.activation(),
        }
    }
}
