//! Types and shapes of convolutions, dense layers and pools.

use super::{
    BinaryConv, Conv, ConvParams, Dense, GraphError, Kind, Place, PoolKind, PoolParams, Shape,
    VALUES_LIMIT, Value,
    rules::{check_depth, check_finite, check_kind, check_shape},
};
use alloc::format;
use bernet_kernels::{bits::BitMatrix, xnor::PaddingValue};

/// The type of sums of such values.
pub(super) fn sum_kind(kind: Kind) -> Kind {
    match kind {
        Kind::F32 => Kind::F32,
        _ => Kind::I32,
    }
}

fn check_columns(place: &Place, expected: usize, found: usize) -> Result<(), GraphError> {
    place.check(expected == found, "columns of weights", expected, found)
}

/// Size of an axis after windows went over it.
fn positions(
    place: &Place,
    what: &str,
    size: usize,
    span: usize,
    stride: usize,
    padding: [usize; 2],
) -> Result<usize, GraphError> {
    let padded = size.saturating_add(padding[0]).saturating_add(padding[1]);
    place.check(
        stride > 0 && span > 0 && padded >= span && padded <= VALUES_LIMIT,
        what,
        format!("at least the window's {span} after padding, and a stride of at least 1"),
        format!("{size} with padding {padding:?} and stride {stride}"),
    )?;
    Ok((padded - span) / stride + 1)
}

/// The shape that windows give, but for the channels.
fn windows(
    place: &Place,
    input: Shape,
    span: [usize; 2],
    stride: [usize; 2],
    [top, left, bottom, right]: [usize; 4],
) -> Result<Shape, GraphError> {
    let [tall, wide] = span;
    let height = positions(
        place,
        "height",
        input.height,
        tall,
        stride[0],
        [top, bottom],
    )?;
    let width = positions(place, "width", input.width, wide, stride[1], [left, right])?;
    Ok(Shape {
        height,
        width,
        channels: input.channels,
    })
}

fn check_conv(
    params: &ConvParams,
    input: Value,
    outputs: usize,
    columns: usize,
    place: &Place,
) -> Result<Shape, GraphError> {
    let (groups, channels) = (params.groups, input.shape.channels);
    place.check(
        groups > 0 && channels.is_multiple_of(groups.max(1)),
        "groups",
        format!("a divisor of {channels} channels"),
        groups,
    )?;
    place.check(
        outputs > 0 && outputs.is_multiple_of(groups),
        "outputs",
        format!("a positive multiple of {groups} groups"),
        outputs,
    )?;
    place.check(
        params.dilation[0] > 0 && params.dilation[1] > 0,
        "dilation",
        "at least 1",
        format!("{:?}", params.dilation),
    )?;
    place.check(
        params.kernel[0] > 0 && params.kernel[1] > 0,
        "kernel",
        "at least 1×1",
        format!("{:?}", params.kernel),
    )?;
    let depth = params.kernel[0]
        .saturating_mul(params.kernel[1])
        .saturating_mul(channels / groups);
    check_columns(place, depth, columns)?;
    let shape = windows(
        place,
        input.shape,
        params.span(),
        params.stride,
        params.padding,
    )?;
    // So that no place in the padded image overflows.
    let [top, left, bottom, right] = params.padding;
    let padded = Shape {
        height: input.shape.height + top + bottom,
        width: input.shape.width + left + right,
        channels,
    };
    check_shape(place, padded)?;
    Ok(Shape {
        channels: outputs,
        ..shape
    })
}

pub(super) fn binary_conv(
    conv: &BinaryConv,
    input: Value,
    place: &Place,
) -> Result<Value, GraphError> {
    check_kind(place, "input", input, &[Kind::Bit, Kind::U8])?;
    let (outputs, columns) = (conv.weights.rows(), conv.weights.columns());
    let shape = check_conv(&conv.params, input, outputs, columns, place)?;
    check_depth(place, input.kind, columns)?;
    place.check(
        input.kind == Kind::Bit || conv.params.padding_value == PaddingValue::Zero,
        "padding of bytes",
        "0",
        format!("{:?}", conv.params.padding_value),
    )?;
    Ok(Value {
        kind: Kind::I32,
        shape,
    })
}

pub(super) fn binary_dense(
    weights: &BitMatrix,
    input: Value,
    place: &Place,
) -> Result<Value, GraphError> {
    check_kind(place, "input", input, &[Kind::Bit, Kind::U8])?;
    place.check(weights.rows() > 0, "rows of weights", "at least 1", 0)?;
    check_columns(place, input.shape.len(), weights.columns())?;
    check_depth(place, input.kind, weights.columns())?;
    Ok(Value {
        kind: Kind::I32,
        shape: Shape::flat(weights.rows()),
    })
}

pub(super) fn real_conv(conv: &Conv, input: Value, place: &Place) -> Result<Value, GraphError> {
    check_kind(place, "input", input, &[Kind::F32])?;
    place.check(
        conv.outputs > 0 && conv.weights.len().is_multiple_of(conv.outputs.max(1)),
        "weights",
        format!("a multiple of {} outputs", conv.outputs),
        conv.weights.len(),
    )?;
    let columns = conv.weights.len() / conv.outputs;
    let shape = check_conv(&conv.params, input, conv.outputs, columns, place)?;
    place.check(
        conv.params.padding_value == PaddingValue::Zero,
        "padding of floats",
        "0",
        format!("{:?}", conv.params.padding_value),
    )?;
    check_bias(place, conv.bias.len(), conv.outputs)?;
    check_finite(place, "weight", &conv.weights)?;
    check_finite(place, "bias", &conv.bias)?;
    Ok(Value {
        kind: Kind::F32,
        shape,
    })
}

pub(super) fn real_dense(dense: &Dense, input: Value, place: &Place) -> Result<Value, GraphError> {
    check_kind(place, "input", input, &[Kind::F32])?;
    place.check(dense.outputs > 0, "outputs", "at least 1", 0)?;
    place.check(
        dense.outputs.checked_mul(input.shape.len()) == Some(dense.weights.len()),
        "weights",
        format!("{} · {}", dense.outputs, input.shape.len()),
        dense.weights.len(),
    )?;
    check_bias(place, dense.bias.len(), dense.outputs)?;
    check_finite(place, "weight", &dense.weights)?;
    check_finite(place, "bias", &dense.bias)?;
    Ok(Value {
        kind: Kind::F32,
        shape: Shape::flat(dense.outputs),
    })
}

fn check_bias(place: &Place, found: usize, outputs: usize) -> Result<(), GraphError> {
    place.check(
        found == 0 || found == outputs,
        "biases",
        format!("none or {outputs}"),
        found,
    )
}

pub(super) fn max_or_average(
    pool: &PoolParams,
    input: Value,
    place: &Place,
) -> Result<Value, GraphError> {
    let [tall, wide] = pool.kernel;
    let [top, left, bottom, right] = pool.padding;
    place.check(
        top < tall && bottom < tall && left < wide && right < wide,
        "padding",
        format!("less than the window, {tall}×{wide}"),
        format!("{:?}", pool.padding),
    )?;
    Ok(Value {
        kind: match pool.kind {
            PoolKind::Max => input.kind,
            PoolKind::Sum => sum_kind(input.kind),
            PoolKind::Average | PoolKind::AveragePadded => Kind::F32,
        },
        shape: windows(place, input.shape, pool.kernel, pool.stride, pool.padding)?,
    })
}
