//! A product with bits and the functions of its sums, as one step of the kernels.
//!
//! The kernels' epilogue is `last(activation(clamp(sum) · scale + bias) + residual)`, each part
//! optional, and the signs of that. It rounds after each operation, as the functions one by one do,
//! so that fusing changes no bit.

use super::{Element, Elementwise, Operand, SlotId};
use crate::graph::{BinaryOp, UnaryOp};
use alloc::vec::Vec;
use bernet_kernels::xnor::{Activation, Conv2d, Residual, Transform};

/// Sums up to this are floats without rounding, so that they may be clamped before or after.
const EXACT: usize = 1 << 24;

/// A product and its epilogue.
#[derive(Debug)]
pub(crate) struct Fused {
    pub(crate) conv: Conv2d,
    clamp: [i32; 2],
    scale: Option<Vec<f32>>,
    bias: Option<Vec<f32>>,
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
    Clamped,
    Scaled,
    Shifted,
    Activated,
    Added,
    Ended,
}

impl Fused {
    /// The product with the functions that follow it, if the kernels' epilogue can be those.
    pub(super) fn new(conv: Conv2d, depth: usize, functions: &Elementwise) -> Result<Self, Conv2d> {
        let channels = conv.geometry().outputs;
        let list = |list: &[f32]| list[..channels].to_vec();
        let mut fused = Self {
            conv,
            clamp: [i32::MIN, i32::MAX],
            scale: None,
            bias: None,
            activation: Function::None,
            residual: None,
            last: Function::None,
            floats: functions.floats,
            at_least: None,
        };
        let mut stage = Stage::Sum;
        for element in &functions.elements {
            let next = match element {
                Element::Unary(UnaryOp::Relu) if stage == Stage::Sum && depth <= EXACT => {
                    fused.clamp = [0, i32::MAX];
                    Stage::Clamped
                }
                Element::Scale(scale) if stage < Stage::Scaled => {
                    fused.scale = Some(list(scale));
                    Stage::Scaled
                }
                Element::Shift(bias) if stage < Stage::Shifted => {
                    fused.bias = Some(list(bias));
                    Stage::Shifted
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
                        _ => return Err(fused.conv),
                    };
                    if stage < Stage::Activated {
                        fused.activation = function;
                        Stage::Activated
                    } else if stage < Stage::Ended {
                        fused.last = function;
                        Stage::Ended
                    } else {
                        return Err(fused.conv);
                    }
                }
            };
            stage = next;
        }
        if let Some(bits) = &functions.bits {
            if bits.iter().any(|threshold| threshold.invert) {
                return Err(fused.conv);
            }
            let least = bits[..channels].iter().map(|threshold| threshold.at_least);
            fused.at_least = Some(least.collect());
        }
        Ok(fused)
    }

    /// The functions, with what is added.
    pub(crate) fn transform<'a>(&'a self, residual: Residual<'a>) -> Transform<'a> {
        Transform {
            clamp: self.clamp,
            scale: self.scale.as_deref(),
            bias: self.bias.as_deref(),
            activation: self.activation.activation(),
            residual,
            last: self.last.activation(),
        }
    }
}
