//! The operators, a closed list.
//!
//! [`infer`](super::infer()) says what each takes and gives, [`reference`](crate::reference) what it
//! computes.

use super::tensor::Tensor;
use super::{Kind, Shape};
use alloc::vec::Vec;
use bernet_kernels::{
    bits::BitMatrix,
    xnor::{self, ConvParams, Threshold},
};

/// An operator with its weights and options.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Op {
    /// A tensor that is the same for every item of a batch.
    Constant(Tensor),
    /// Bits of numbers: +1 where `x ≥ 0`, −1 otherwise and for NaN.
    Sign,
    /// Bits of integers (`i32`, `u8`) by a threshold for each channel.
    Threshold(Vec<Threshold>),
    /// Bits of floats by a threshold for each channel.
    RealThreshold(Vec<RealThreshold>),
    /// Another type for the same values: bits are ±1, floats are truncated to integers.
    Cast(Kind),
    /// Convolution of bits or bytes with weights of ±1: `i32` sums.
    BinaryConv(BinaryConv),
    /// Products of all values of an item, in NHWC order, with rows of ±1: `i32` sums, `1×1×rows`.
    BinaryDense(BitMatrix),
    /// Convolution of floats.
    Conv(Conv),
    /// Products of all values of an item, in NHWC order, with rows of floats: `1×1×rows`.
    Dense(Dense),
    /// `x · scale + bias` for each channel, of any type, bits as ±1: floats. The product is
    /// rounded, then the sum. One number serves all channels; none is 1 or 0.
    Affine {
        /// None, one, or one for each channel.
        scale: Vec<f32>,
        /// None, one, or one for each channel.
        bias: Vec<f32>,
    },
    /// `x + bias` at some pixels.
    PixelBias(PixelBias),
    /// An arithmetic operation on two values, each axis of equal size or 1 in one of them.
    Binary(BinaryOp),
    /// `if condition then a else b`: a bit, and two values of one type, broadcast as [`Op::Binary`].
    Select,
    /// A function of each float.
    Unary(UnaryOp),
    /// A piecewise linear function of each float, with shifts before and after.
    Prelu(Prelu),
    /// Rounding to a grid of integers times a scale.
    Quantize(Quantize),
    /// The largest, mean or sum of each window, channel by channel.
    Pool(PoolParams),
    /// The mean, sum, largest or smallest over axes, which become 1.
    Reduce {
        /// The function.
        kind: ReduceKind,
        /// Whether it is taken over height, width, channels.
        axes: [bool; 3],
    },
    /// `eˣ / Σ eˣ` over the channels.
    Softmax,
    /// The logarithm of [`Op::Softmax`].
    LogSoftmax,
    /// The channel of the largest value, the first of several: `i32`.
    ArgMax,
    /// Values one after the other along an axis.
    Concat(Axis),
    /// `length` places of an axis, from `start` on, `step` apart.
    Slice {
        /// The axis.
        axis: Axis,
        /// The first place.
        start: usize,
        /// How many.
        length: usize,
        /// From one to the next, at least 1.
        step: usize,
    },
    /// A border of one value; for bits its sign.
    Pad {
        /// Before the first line, pixel, channel.
        before: [usize; 3],
        /// After the last.
        after: [usize; 3],
        /// The value.
        value: f32,
    },
    /// The same values in the same order, in another shape.
    Reshape(Shape),
    /// The values of an item, read as an array of `dims`, with its axes permuted: axis `i` of the
    /// result is axis `perm[i]`. The result is read as `shape`.
    Transpose {
        /// Sizes whose product is the number of values.
        dims: Vec<usize>,
        /// A permutation of the axes.
        perm: Vec<usize>,
        /// The shape of the result.
        shape: Shape,
    },
}

/// An axis of an item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Axis {
    /// Lines.
    Height,
    /// Pixels of a line.
    Width,
    /// Values of a pixel.
    Channels,
}

impl Axis {
    /// Its place in [`Shape::dims`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// A convolution with weights of ±1.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BinaryConv {
    /// Kernel, stride and the like.
    pub params: ConvParams,
    /// A row for each output channel; columns in the order kernel line, kernel column, input
    /// channel of its group.
    pub weights: BitMatrix,
}

/// A convolution with weights of floats.
#[derive(Clone, PartialEq, Debug)]
pub struct Conv {
    /// Kernel, stride and the like.
    pub params: ConvParams,
    /// Output channels.
    pub outputs: usize,
    /// A row for each output channel; columns in the order kernel line, kernel column, input
    /// channel of its group.
    pub weights: Vec<f32>,
    /// One for each output channel, or none.
    pub bias: Vec<f32>,
}

/// A dense layer with weights of floats.
#[derive(Clone, PartialEq, Debug)]
pub struct Dense {
    /// Rows.
    pub outputs: usize,
    /// A row for each output; a column for each value of an item.
    pub weights: Vec<f32>,
    /// One for each output, or none.
    pub bias: Vec<f32>,
}

/// A bias that depends on the pixel: on the kind of its line and of its place in the line.
///
/// Larq's engine takes padding that does not count as +1 and takes away afterwards what that
/// added, a rounding more; with this its numbers are had to the bit.
#[derive(Clone, PartialEq, Debug)]
pub struct PixelBias {
    /// The kind of each line.
    pub lines: Vec<u8>,
    /// The kind of each pixel of a line.
    pub pixels: Vec<u8>,
    /// A term for each channel, for each kind of line and in it for each kind of pixel; none for
    /// kind 0 of both, to which nothing is added.
    pub bias: Vec<f32>,
}

impl PixelBias {
    /// As the kernels take it.
    pub fn view(&self) -> xnor::PixelBias<'_> {
        xnor::PixelBias {
            lines: &self.lines,
            pixels: &self.pixels,
            bias: &self.bias,
        }
    }
}

/// A threshold on floats: +1 where `x ≥ at_least`, −1 otherwise; the reverse where `invert`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct RealThreshold {
    /// Not NaN.
    pub at_least: f32,
    /// Whether the result is inverted.
    pub invert: bool,
}

impl RealThreshold {
    /// The bit of a value; `true` is +1.
    pub fn apply(self, value: f32) -> bool {
        (value >= self.at_least) != self.invert
    }
}

/// An operation on two values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BinaryOp {
    /// Sum. Of integers it wraps.
    Add,
    /// Difference. Of integers it wraps.
    Sub,
    /// Product. Of integers it wraps.
    Mul,
    /// Quotient, of floats only.
    Div,
    /// The smaller.
    Min,
    /// The larger.
    Max,
    /// A bit: +1 where the first is the greater.
    Greater,
    /// A bit: +1 where the first is not the less.
    GreaterOrEqual,
    /// A bit: +1 where both are equal.
    Equal,
}

impl BinaryOp {
    /// Whether the result is a bit.
    pub fn is_comparison(self) -> bool {
        matches!(self, Self::Greater | Self::GreaterOrEqual | Self::Equal)
    }
}

/// A function of one float.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum UnaryOp {
    /// `max(x, 0)`.
    Relu,
    /// Clamped to a range.
    Clip {
        /// The least; may be −∞.
        low: f32,
        /// The largest; may be ∞.
        high: f32,
    },
    /// `x` where `x ≥ 0`, else `slope · x`.
    LeakyRelu(f32),
    /// `x` where `x ≥ 0`, else `alpha · (eˣ − 1)`.
    Elu(f32),
    /// `1 / (1 + e⁻ˣ)`.
    Sigmoid,
    /// Clamp of `alpha · x + beta` to 0…1.
    HardSigmoid {
        /// The slope.
        alpha: f32,
        /// The value at 0.
        beta: f32,
    },
    /// Hyperbolic tangent.
    Tanh,
    /// −1, 0 or 1.
    Sign,
    /// `|x|`.
    Abs,
    /// `−x`.
    Neg,
    /// `eˣ`.
    Exp,
    /// Natural logarithm.
    Log,
    /// Square root.
    Sqrt,
    /// `1 / x`.
    Reciprocal,
    /// Largest integer not above.
    Floor,
    /// Smallest integer not below.
    Ceil,
    /// Nearest integer, halves to even.
    Round,
    /// The error function.
    Erf,
}

/// `f(x + before) + after` with `f(x) = x` where `x ≥ 0`, else `slope · x`, for each channel.
#[derive(Clone, PartialEq, Debug)]
pub struct Prelu {
    /// None, one, or one for each channel.
    pub before: Vec<f32>,
    /// One, or one for each channel.
    pub slope: Vec<f32>,
    /// None, one, or one for each channel.
    pub after: Vec<f32>,
}

/// `(clamp(round(x / scale + zero_point), low, high) − zero_point) · scale`.
#[derive(Clone, PartialEq, Debug)]
pub struct Quantize {
    /// One, or one for each channel; above 0.
    pub scale: Vec<f32>,
    /// One, or one for each channel.
    pub zero_point: Vec<f32>,
    /// The least integer.
    pub low: f32,
    /// The largest.
    pub high: f32,
    /// How a value between two integers is rounded.
    pub rounding: Rounding,
}

/// Rounding to an integer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rounding {
    /// To the nearest, halves to even.
    HalfEven,
    /// To the nearest, halves away from 0.
    HalfAway,
    /// Down.
    Floor,
    /// Up.
    Ceil,
    /// Towards 0.
    Truncate,
}

/// Windows over each channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PoolParams {
    /// What is computed of a window.
    pub kind: PoolKind,
    /// Height and width of the window.
    pub kernel: [usize; 2],
    /// From one window to the next, down and across.
    pub stride: [usize; 2],
    /// At the top, left, bottom, right; each less than the window, so that none is all padding.
    pub padding: [usize; 4],
}

/// What is computed of a window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PoolKind {
    /// The largest value inside the image.
    Max,
    /// The sum of the values inside the image; of bits and bytes an integer.
    Sum,
    /// The mean of the values inside the image: a float.
    Average,
    /// The sum over the window's size, padding counted as 0: a float.
    AveragePadded,
}

/// What is computed over axes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReduceKind {
    /// The mean: a float.
    Mean,
    /// The sum; of bits and bytes an integer.
    Sum,
    /// The largest.
    Max,
    /// The smallest.
    Min,
}

impl Op {
    /// Its name in errors, tables and the file format's document.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Constant(_) => "constant",
            Self::Sign => "sign",
            Self::Threshold(_) => "threshold",
            Self::RealThreshold(_) => "real threshold",
            Self::Cast(_) => "cast",
            Self::BinaryConv(_) => "binary conv",
            Self::BinaryDense(_) => "binary dense",
            Self::Conv(_) => "conv",
            Self::Dense(_) => "dense",
            Self::Affine { .. } => "affine",
            Self::PixelBias(_) => "pixel bias",
            Self::Binary(op) => match op {
                BinaryOp::Add => "add",
                BinaryOp::Sub => "sub",
                BinaryOp::Mul => "mul",
                BinaryOp::Div => "div",
                BinaryOp::Min => "min",
                BinaryOp::Max => "max",
                BinaryOp::Greater => "greater",
                BinaryOp::GreaterOrEqual => "greater or equal",
                BinaryOp::Equal => "equal",
            },
            Self::Select => "select",
            Self::Unary(op) => match op {
                UnaryOp::Relu => "relu",
                UnaryOp::Clip { .. } => "clip",
                UnaryOp::LeakyRelu(_) => "leaky relu",
                UnaryOp::Elu(_) => "elu",
                UnaryOp::Sigmoid => "sigmoid",
                UnaryOp::HardSigmoid { .. } => "hard sigmoid",
                UnaryOp::Tanh => "tanh",
                UnaryOp::Sign => "sign of floats",
                UnaryOp::Abs => "abs",
                UnaryOp::Neg => "neg",
                UnaryOp::Exp => "exp",
                UnaryOp::Log => "log",
                UnaryOp::Sqrt => "sqrt",
                UnaryOp::Reciprocal => "reciprocal",
                UnaryOp::Floor => "floor",
                UnaryOp::Ceil => "ceil",
                UnaryOp::Round => "round",
                UnaryOp::Erf => "erf",
            },
            Self::Prelu(_) => "prelu",
            Self::Quantize(_) => "quantize",
            Self::Pool(pool) => match pool.kind {
                PoolKind::Max => "max pool",
                PoolKind::Sum => "sum pool",
                PoolKind::Average | PoolKind::AveragePadded => "average pool",
            },
            Self::Reduce { kind, .. } => match kind {
                ReduceKind::Mean => "mean",
                ReduceKind::Sum => "sum",
                ReduceKind::Max => "largest",
                ReduceKind::Min => "smallest",
            },
            Self::Softmax => "softmax",
            Self::LogSoftmax => "log softmax",
            Self::ArgMax => "argmax",
            Self::Concat(_) => "concat",
            Self::Slice { .. } => "slice",
            Self::Pad { .. } => "pad",
            Self::Reshape(_) => "reshape",
            Self::Transpose { .. } => "transpose",
        }
    }
}
