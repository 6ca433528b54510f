//! Operators with their options and weights.
//!
//! What is written and what is read of each operator stand side by side; the number of an operator
//! is in [`code`] and in [`read`], and in the table of `docs/bnet-format.md`.

use super::{
    error::{FormatError, at_most, check, field},
    lists,
    sink::Sink,
    source::Source,
};
use crate::{
    graph::{
        Axis, BinaryConv, BinaryOp, Conv, ConvParams, Dense, Kind, Op, PixelBias, PoolKind,
        PoolParams, Prelu, Quantize, ReduceKind, Rounding, Shape, UnaryOp, VALUES_LIMIT, Value,
    },
    tensor::{Data, Tensor},
};
use alloc::vec::Vec;
use bernet_kernels::xnor::PaddingValue;

pub(super) const KINDS: [Kind; 4] = [Kind::Bit, Kind::U8, Kind::I32, Kind::F32];
const AXES: [Axis; 3] = [Axis::Height, Axis::Width, Axis::Channels];
const PADDING: [PaddingValue; 3] = [
    PaddingValue::MinusOne,
    PaddingValue::Zero,
    PaddingValue::PlusOne,
];
const BINARY: [BinaryOp; 9] = [
    BinaryOp::Add,
    BinaryOp::Sub,
    BinaryOp::Mul,
    BinaryOp::Div,
    BinaryOp::Min,
    BinaryOp::Max,
    BinaryOp::Greater,
    BinaryOp::GreaterOrEqual,
    BinaryOp::Equal,
];
const POOLS: [PoolKind; 4] = [
    PoolKind::Max,
    PoolKind::Sum,
    PoolKind::Average,
    PoolKind::AveragePadded,
];
const REDUCTIONS: [ReduceKind; 4] = [
    ReduceKind::Mean,
    ReduceKind::Sum,
    ReduceKind::Max,
    ReduceKind::Min,
];
const ROUNDINGS: [Rounding; 5] = [
    Rounding::HalfEven,
    Rounding::HalfAway,
    Rounding::Floor,
    Rounding::Ceil,
    Rounding::Truncate,
];

/// The place in a list.
pub(super) fn number<T: PartialEq>(list: &[T], one: T) -> u8 {
    let place = list.iter().position(|other| *other == one);
    place.expect("the list has every value of its type") as u8
}

/// The number of an operator in the file.
pub(super) fn code(op: &Op) -> u8 {
    match op {
        Op::Constant(_) => 0,
        Op::Sign => 1,
        Op::Threshold(_) => 2,
        Op::RealThreshold(_) => 3,
        Op::Cast(_) => 4,
        Op::BinaryConv(_) => 5,
        Op::BinaryDense(_) => 6,
        Op::Conv(_) => 7,
        Op::Dense(_) => 8,
        Op::Affine { .. } => 9,
        Op::Binary(_) => 10,
        Op::Select => 11,
        Op::Unary(_) => 12,
        Op::Prelu(_) => 13,
        Op::Quantize(_) => 14,
        Op::Pool(_) => 15,
        Op::Reduce { .. } => 16,
        Op::Softmax => 17,
        Op::LogSoftmax => 18,
        Op::ArgMax => 19,
        Op::Concat(_) => 20,
        Op::Slice { .. } => 21,
        Op::Pad { .. } => 22,
        Op::Reshape(_) => 23,
        Op::Transpose { .. } => 24,
        Op::PixelBias(_) => 25,
    }
}

/// How many values an operator reads; `None` where the file says it.
pub(super) fn arity(code: u8) -> Option<usize> {
    match code {
        0 => Some(0),
        10 => Some(2),
        11 => Some(3),
        20 => None,
        _ => Some(1),
    }
}

/// Writes what comes after an operator's number and inputs.
pub(super) fn put(sink: &mut impl Sink, op: &Op) {
    match op {
        Op::Sign | Op::Select | Op::Softmax | Op::LogSoftmax | Op::ArgMax => {}
        Op::Constant(tensor) => put_tensor(sink, tensor),
        Op::Threshold(thresholds) => lists::put_thresholds(sink, thresholds),
        Op::RealThreshold(thresholds) => lists::put_real_thresholds(sink, thresholds),
        Op::Cast(kind) => sink.byte(number(&KINDS, *kind)),
        Op::BinaryConv(BinaryConv { params, weights }) => {
            put_conv(sink, params);
            sink.size(weights.rows());
            lists::put_matrix(sink, weights);
        }
        Op::BinaryDense(weights) => {
            sink.size(weights.rows());
            lists::put_matrix(sink, weights);
        }
        Op::Conv(conv) => {
            put_conv(sink, &conv.params);
            sink.size(conv.outputs);
            lists::put_floats(sink, &conv.weights);
            lists::put_counted(sink, &conv.bias);
        }
        Op::Dense(dense) => {
            sink.size(dense.outputs);
            lists::put_floats(sink, &dense.weights);
            lists::put_counted(sink, &dense.bias);
        }
        Op::Affine { scale, bias } => {
            lists::put_counted(sink, scale);
            lists::put_counted(sink, bias);
        }
        Op::PixelBias(bias) => {
            lists::put_runs(sink, &bias.lines);
            lists::put_runs(sink, &bias.pixels);
            lists::put_counted(sink, &bias.bias);
        }
        Op::Binary(op) => sink.byte(number(&BINARY, *op)),
        Op::Unary(op) => put_unary(sink, *op),
        Op::Prelu(prelu) => {
            lists::put_counted(sink, &prelu.before);
            lists::put_counted(sink, &prelu.slope);
            lists::put_counted(sink, &prelu.after);
        }
        Op::Quantize(quantize) => {
            lists::put_counted(sink, &quantize.scale);
            lists::put_counted(sink, &quantize.zero_point);
            sink.float(quantize.low);
            sink.float(quantize.high);
            sink.byte(number(&ROUNDINGS, quantize.rounding));
        }
        Op::Pool(pool) => {
            sink.byte(number(&POOLS, pool.kind));
            sink.sizes(&pool.kernel);
            sink.sizes(&pool.stride);
            sink.sizes(&pool.padding);
        }
        Op::Reduce { kind, axes } => {
            sink.byte(number(&REDUCTIONS, *kind));
            let bits = (0..3).map(|axis| u8::from(axes[axis]) << axis);
            sink.byte(bits.sum());
        }
        Op::Concat(axis) => sink.byte(number(&AXES, *axis)),
        Op::Slice {
            axis,
            start,
            length,
            step,
        } => {
            sink.byte(number(&AXES, *axis));
            sink.sizes(&[*start, *length, *step]);
        }
        Op::Pad {
            before,
            after,
            value,
        } => {
            sink.sizes(before);
            sink.sizes(after);
            sink.float(*value);
        }
        Op::Reshape(shape) => sink.sizes(&shape.dims()),
        Op::Transpose { dims, perm, shape } => {
            sink.size(dims.len());
            sink.sizes(dims);
            sink.sizes(perm);
            sink.sizes(&shape.dims());
        }
    }
}

/// Reads the operator of a number, given the types of its inputs, as many as [`arity`] says.
pub(super) fn read(source: &mut Source, code: u8, inputs: &[Value]) -> Result<Op, FormatError> {
    let at = source.at();
    Ok(match code {
        0 => Op::Constant(tensor(source)?),
        1 => Op::Sign,
        2 => Op::Threshold(lists::thresholds(source)?),
        3 => Op::RealThreshold(lists::real_thresholds(source)?),
        4 => Op::Cast(source.choice("type of a cast", &KINDS)?),
        5 => {
            let (params, depth) = conv(source, inputs[0].shape)?;
            let rows = source.size("output channels")?;
            let weights = lists::matrix(source, rows, depth)?;
            Op::BinaryConv(BinaryConv { params, weights })
        }
        6 => {
            let rows = source.size("rows of weights")?;
            Op::BinaryDense(lists::matrix(source, rows, inputs[0].shape.len())?)
        }
        7 => {
            let (params, depth) = conv(source, inputs[0].shape)?;
            let outputs = source.size("output channels")?;
            Op::Conv(Conv {
                params,
                outputs,
                weights: lists::floats(source, "weights", outputs.saturating_mul(depth))?,
                bias: lists::counted(source, "biases")?,
            })
        }
        8 => {
            let outputs = source.size("rows of weights")?;
            let weights = outputs.saturating_mul(inputs[0].shape.len());
            Op::Dense(Dense {
                outputs,
                weights: lists::floats(source, "weights", weights)?,
                bias: lists::counted(source, "biases")?,
            })
        }
        9 => Op::Affine {
            scale: lists::counted(source, "scales")?,
            bias: lists::counted(source, "biases")?,
        },
        10 => Op::Binary(source.choice("operation on two values", &BINARY)?),
        11 => Op::Select,
        12 => Op::Unary(unary(source)?),
        13 => Op::Prelu(Prelu {
            before: lists::counted(source, "shifts before")?,
            slope: lists::counted(source, "slopes")?,
            after: lists::counted(source, "shifts after")?,
        }),
        14 => Op::Quantize(Quantize {
            scale: lists::counted(source, "scales")?,
            zero_point: lists::counted(source, "zero points")?,
            low: source.float("least integer")?,
            high: source.float("largest integer")?,
            rounding: source.choice("rounding", &ROUNDINGS)?,
        }),
        15 => Op::Pool(PoolParams {
            kind: source.choice("kind of a pool", &POOLS)?,
            kernel: source.sizes("window")?,
            stride: source.sizes("stride")?,
            padding: source.sizes("padding")?,
        }),
        16 => {
            let kind = source.choice("kind of a reduction", &REDUCTIONS)?;
            let at = source.at();
            let bits = source.byte("axes")?;
            check(bits < 8, at, "axes", at_most(7), bits)?;
            let axes = [0, 1, 2].map(|axis| bits >> axis & 1 == 1);
            Op::Reduce { kind, axes }
        }
        17 => Op::Softmax,
        18 => Op::LogSoftmax,
        19 => Op::ArgMax,
        20 => Op::Concat(source.choice("axis", &AXES)?),
        21 => {
            let axis = source.choice("axis", &AXES)?;
            let [start, length, step] = source.sizes("slice")?;
            Op::Slice {
                axis,
                start,
                length,
                step,
            }
        }
        22 => Op::Pad {
            before: source.sizes("padding before")?,
            after: source.sizes("padding after")?,
            value: source.float("padding value")?,
        },
        23 => Op::Reshape(shape(source)?),
        24 => {
            let [dims, perm] = array(source)?;
            let shape = shape(source)?;
            Op::Transpose { dims, perm, shape }
        }
        25 => {
            let Shape { height, width, .. } = inputs[0].shape;
            Op::PixelBias(PixelBias {
                lines: lists::runs(source, "kinds of lines", height)?,
                pixels: lists::runs(source, "kinds of pixels", width)?,
                bias: lists::counted(source, "terms")?,
            })
        }
        _ => return Err(field(at - 1, "operator", at_most(25), code)),
    })
}

pub(super) fn shape(source: &mut Source) -> Result<Shape, FormatError> {
    Ok(source.sizes("shape")?.into())
}

/// Sizes of an array and a permutation of its axes.
pub(super) fn array(source: &mut Source) -> Result<[Vec<usize>; 2], FormatError> {
    let count = source.size("number of axes")?;
    source.take_memory("axes", count, 2 * size_of::<usize>())?;
    // Each takes a byte at least.
    check(
        count <= source.left(),
        source.at(),
        "number of axes",
        at_most(source.left()),
        count,
    )?;
    let mut list = |what| (0..count).map(|_| source.size(what)).collect();
    let dims: Result<_, _> = list("size of an axis");
    Ok([dims?, { list("axis of a permutation") as Result<_, _> }?])
}

fn put_tensor(sink: &mut impl Sink, tensor: &Tensor) {
    sink.byte(number(&KINDS, tensor.kind()));
    sink.sizes(&tensor.shape().dims());
    match tensor.data() {
        Data::Bit(values) => lists::put_bits(sink, values.iter().copied()),
        Data::U8(values) => sink.bytes(values),
        Data::I32(values) => lists::put_integers(sink, values),
        Data::F32(values) => lists::put_floats(sink, values),
    }
}

/// A tensor of one item.
fn tensor(source: &mut Source) -> Result<Tensor, FormatError> {
    let kind = source.choice("type of a constant", &KINDS)?;
    let at = source.at();
    let shape = shape(source)?;
    let count = shape.len();
    let fits = (1..=VALUES_LIMIT).contains(&count);
    check(
        fits,
        at,
        "values of a constant",
        format_args!("1 to {VALUES_LIMIT}"),
        shape,
    )?;
    let data = match kind {
        Kind::Bit => Data::Bit(lists::bits(source, "bits", count)?),
        Kind::U8 => Data::U8(source.bytes("bytes", count)?.to_vec()),
        Kind::I32 => Data::I32(lists::integers(source, count)?),
        Kind::F32 => Data::F32(lists::floats(source, "floats", count)?),
    };
    Ok(Tensor::new(1, shape, data)?)
}

/// Which of the options of a convolution are there; the lowest two bits are the padding value.
const STRIDE: u8 = 1 << 2;
const DILATION: u8 = 1 << 3;
const PADDED: u8 = 1 << 4;
const GROUPS: u8 = 1 << 5;

fn put_conv(sink: &mut impl Sink, params: &ConvParams) {
    let flag = |is_there, flag| if is_there { flag } else { 0 };
    let flags = flag(params.stride != [1, 1], STRIDE)
        | flag(params.dilation != [1, 1], DILATION)
        | flag(params.padding != [0; 4], PADDED)
        | flag(params.groups != 1, GROUPS);
    sink.byte(number(&PADDING, params.padding_value) | flags);
    sink.sizes(&params.kernel);
    if flags & STRIDE != 0 {
        sink.sizes(&params.stride);
    }
    if flags & DILATION != 0 {
        sink.sizes(&params.dilation);
    }
    if flags & PADDED != 0 {
        sink.sizes(&params.padding);
    }
    if flags & GROUPS != 0 {
        sink.size(params.groups);
    }
}

/// The parameters of a convolution, and the products in each of its sums.
fn conv(source: &mut Source, input: Shape) -> Result<(ConvParams, usize), FormatError> {
    let at = source.at();
    let flags = source.byte("flags of a convolution")?;
    let (value, options) = (flags & 3, flags & !3);
    let known = STRIDE | DILATION | PADDED | GROUPS;
    check(
        value < 3 && options & !known == 0,
        at,
        "flags of a convolution",
        "a padding value of 0 to 2 and no unknown flag",
        format_args!("{flags:#010b}"),
    )?;
    let mut params = ConvParams::valid(source.sizes("kernel")?);
    params.padding_value = PADDING[usize::from(value)];
    if options & STRIDE != 0 {
        params.stride = source.sizes("stride")?;
    }
    if options & DILATION != 0 {
        params.dilation = source.sizes("dilation")?;
    }
    if options & PADDED != 0 {
        params.padding = source.sizes("padding")?;
    }
    if options & GROUPS != 0 {
        let at = source.at();
        params.groups = source.size("groups")?;
        check(params.groups > 0, at, "groups", "at least 1", 0)?;
    }
    let [tall, wide] = params.kernel;
    let area = tall.saturating_mul(wide);
    Ok((params, area.saturating_mul(input.channels / params.groups)))
}

fn put_unary(sink: &mut impl Sink, op: UnaryOp) {
    let (code, numbers): (u8, &[f32]) = match &op {
        UnaryOp::Relu => (0, &[]),
        UnaryOp::Clip { low, high } => (1, &[*low, *high]),
        UnaryOp::LeakyRelu(slope) => (2, &[*slope]),
        UnaryOp::Elu(alpha) => (3, &[*alpha]),
        UnaryOp::Sigmoid => (4, &[]),
        UnaryOp::HardSigmoid { alpha, beta } => (5, &[*alpha, *beta]),
        UnaryOp::Tanh => (6, &[]),
        UnaryOp::Sign => (7, &[]),
        UnaryOp::Abs => (8, &[]),
        UnaryOp::Neg => (9, &[]),
        UnaryOp::Exp => (10, &[]),
        UnaryOp::Log => (11, &[]),
        UnaryOp::Sqrt => (12, &[]),
        UnaryOp::Reciprocal => (13, &[]),
        UnaryOp::Floor => (14, &[]),
        UnaryOp::Ceil => (15, &[]),
        UnaryOp::Round => (16, &[]),
        UnaryOp::Erf => (17, &[]),
    };
    sink.byte(code);
    for &number in numbers {
        sink.float(number);
    }
}

fn unary(source: &mut Source) -> Result<UnaryOp, FormatError> {
    let at = source.at();
    let code = source.byte("function of a float")?;
    let mut float = |what| source.float(what);
    Ok(match code {
        0 => UnaryOp::Relu,
        1 => UnaryOp::Clip {
            low: float("least value")?,
            high: float("largest value")?,
        },
        2 => UnaryOp::LeakyRelu(float("slope")?),
        3 => UnaryOp::Elu(float("alpha")?),
        4 => UnaryOp::Sigmoid,
        5 => UnaryOp::HardSigmoid {
            alpha: float("alpha")?,
            beta: float("beta")?,
        },
        6 => UnaryOp::Tanh,
        7 => UnaryOp::Sign,
        8 => UnaryOp::Abs,
        9 => UnaryOp::Neg,
        10 => UnaryOp::Exp,
        11 => UnaryOp::Log,
        12 => UnaryOp::Sqrt,
        13 => UnaryOp::Reciprocal,
        14 => UnaryOp::Floor,
        15 => UnaryOp::Ceil,
        16 => UnaryOp::Round,
        17 => UnaryOp::Erf,
        _ => return Err(field(at, "function of a float", at_most(17), code)),
    })
}
