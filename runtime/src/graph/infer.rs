//! Types and shapes of what an operator computes, and what it asks of its inputs.

use super::{
    Axis, BinaryConv, Conv, ConvParams, Dense, GraphError, Kind, Op, Place, PoolKind, PoolParams,
    ReduceKind, Shape, Value,
    check::{check_channels, check_depth, check_finite, check_shape},
};
use alloc::{format, vec, vec::Vec};
use bernet_kernels::xnor::PaddingValue;

/// Types and shapes of the outputs of an operator on inputs of these types.
///
/// ```
/// use bernet_runtime::graph::{infer, Axis, Kind, Op, Place, Shape, Value};
///
/// let value = |channels| Value { kind: Kind::F32, shape: Shape::new(2, 2, channels) };
/// let outputs = infer(&Op::Concat(Axis::Channels), &[value(3), value(5)], &Place::Graph)?;
/// assert_eq!(outputs, [value(8)]);
/// # Ok::<(), bernet_runtime::graph::GraphError>(())
/// ```
///
/// # Errors
/// [`GraphError`] at `place` where number, types or shapes of the inputs, or the operator's own
/// options, do not fit together.
pub fn infer(op: &Op, inputs: &[Value], place: &Place) -> Result<Vec<Value>, GraphError> {
    let arity = match op {
        Op::Constant(_) => 0..=0,
        Op::Binary(_) => 2..=2,
        Op::Select => 3..=3,
        Op::Concat(_) => 1..=usize::MAX,
        _ => 1..=1,
    };
    place.check(
        arity.contains(&inputs.len()),
        "number of inputs",
        if *arity.end() == usize::MAX {
            format!("at least {}", arity.start())
        } else {
            format!("{}", arity.start())
        },
        inputs.len(),
    )?;
    let output = match op {
        Op::Constant(tensor) => {
            place.check(tensor.batch() == 1, "items", 1, tensor.batch())?;
            Value {
                kind: tensor.kind(),
                shape: tensor.shape(),
            }
        }
        Op::Binary(operation) => {
            let [a, b] = [inputs[0], inputs[1]];
            let numbers = if operation.is_comparison() {
                &[Kind::U8, Kind::I32, Kind::F32][..]
            } else if *operation == super::BinaryOp::Div {
                &[Kind::F32][..]
            } else {
                &[Kind::I32, Kind::F32]
            };
            check_kind(place, "first input", a, numbers)?;
            check_kind(place, "second input", b, &[a.kind])?;
            Value {
                kind: if operation.is_comparison() {
                    Kind::Bit
                } else {
                    a.kind
                },
                shape: broadcast(place, &[a.shape, b.shape])?,
            }
        }
        Op::Select => {
            let [condition, a, b] = [inputs[0], inputs[1], inputs[2]];
            check_kind(place, "condition", condition, &[Kind::Bit])?;
            check_kind(place, "third input", b, &[a.kind])?;
            Value {
                kind: a.kind,
                shape: broadcast(place, &[condition.shape, a.shape, b.shape])?,
            }
        }
        Op::Concat(axis) => concat(*axis, inputs, place)?,
        _ => of_one(op, inputs[0], place)?,
    };
    check_shape(place, output.shape)?;
    Ok(vec![output])
}

/// The output of an operator with one input.
fn of_one(op: &Op, input: Value, place: &Place) -> Result<Value, GraphError> {
    let shape = input.shape;
    let numbers = [Kind::U8, Kind::I32, Kind::F32];
    let same = |kind| Ok(Value { kind, shape });
    let flat = |kind, channels| {
        Ok(Value {
            kind,
            shape: Shape::flat(channels),
        })
    };
    match op {
        Op::Sign => {
            check_kind(place, "input", input, &numbers)?;
            same(Kind::Bit)
        }
        Op::Threshold(thresholds) => {
            check_kind(place, "input", input, &[Kind::I32, Kind::U8])?;
            check_channels(place, "thresholds", thresholds.len(), shape, false)?;
            same(Kind::Bit)
        }
        Op::RealThreshold(thresholds) => {
            check_kind(place, "input", input, &[Kind::F32])?;
            check_channels(place, "thresholds", thresholds.len(), shape, false)?;
            let nan = thresholds.iter().any(|one| one.at_least.is_nan());
            place.check(!nan, "threshold", "a number or an infinity", "NaN")?;
            same(Kind::Bit)
        }
        Op::Cast(kind) => {
            let allowed = matches!(
                (input.kind, kind),
                (_, Kind::I32 | Kind::F32) | (Kind::U8, Kind::U8) | (Kind::Bit, Kind::Bit)
            );
            place.check(
                allowed,
                "cast",
                "to i32 or f32",
                format!("{} to {}", input.kind.name(), kind.name()),
            )?;
            same(*kind)
        }
        Op::BinaryConv(conv) => binary_conv(conv, input, place),
        Op::BinaryDense(weights) => {
            check_kind(place, "input", input, &[Kind::Bit, Kind::U8])?;
            place.check(weights.rows() > 0, "rows of weights", "at least 1", 0)?;
            check_columns(place, shape.len(), weights.columns())?;
            check_depth(place, input.kind, weights.columns())?;
            flat(Kind::I32, weights.rows())
        }
        Op::Conv(conv) => real_conv(conv, input, place),
        Op::Dense(dense) => real_dense(dense, input, place),
        Op::Affine { scale, bias } => {
            check_channels(place, "scales", scale.len(), shape, true)?;
            check_channels(place, "biases", bias.len(), shape, true)?;
            check_finite(place, "scale", scale)?;
            check_finite(place, "bias", bias)?;
            same(Kind::F32)
        }
        Op::Unary(_) => {
            check_kind(place, "input", input, &[Kind::F32])?;
            same(Kind::F32)
        }
        Op::Prelu(prelu) => {
            check_kind(place, "input", input, &[Kind::F32])?;
            check_channels(place, "shifts before", prelu.before.len(), shape, true)?;
            check_channels(place, "slopes", prelu.slope.len(), shape, false)?;
            check_channels(place, "shifts after", prelu.after.len(), shape, true)?;
            check_finite(place, "shift before", &prelu.before)?;
            check_finite(place, "slope", &prelu.slope)?;
            check_finite(place, "shift after", &prelu.after)?;
            same(Kind::F32)
        }
        Op::Quantize(quantize) => {
            check_kind(place, "input", input, &[Kind::F32])?;
            let (scale, zero) = (&quantize.scale, &quantize.zero_point);
            check_channels(place, "scales", scale.len(), shape, false)?;
            check_channels(place, "zero points", zero.len(), shape, false)?;
            check_finite(place, "scale", scale)?;
            check_finite(place, "zero point", zero)?;
            let least = scale.iter().copied().fold(f32::INFINITY, f32::min);
            place.check(least > 0.0, "scale", "above 0", least)?;
            place.check(
                quantize.low <= quantize.high,
                "range",
                "a least integer not above the largest",
                format!("{} to {}", quantize.low, quantize.high),
            )?;
            same(Kind::F32)
        }
        Op::Pool(pool) => max_or_average(pool, input, place),
        Op::Reduce { kind, axes } => {
            let dims = shape.dims();
            let kept = [0, 1, 2].map(|axis| if axes[axis] { 1 } else { dims[axis] });
            Ok(Value {
                kind: match kind {
                    ReduceKind::Mean => Kind::F32,
                    ReduceKind::Sum => sum_kind(input.kind),
                    ReduceKind::Max | ReduceKind::Min => input.kind,
                },
                shape: kept.into(),
            })
        }
        Op::Softmax | Op::LogSoftmax => {
            check_kind(place, "input", input, &[Kind::F32])?;
            same(Kind::F32)
        }
        Op::ArgMax => {
            check_kind(place, "input", input, &numbers)?;
            Ok(Value {
                kind: Kind::I32,
                shape: Shape {
                    channels: 1,
                    ..shape
                },
            })
        }
        &Op::Slice {
            axis,
            start,
            length,
            step,
        } => {
            let mut dims = shape.dims();
            let size = dims[axis.index()];
            let last = length
                .checked_sub(1)
                .and_then(|steps| steps.checked_mul(step))
                .and_then(|far| far.checked_add(start));
            place.check(
                step > 0 && last.is_some_and(|last| last < size),
                "slice",
                format!("within {size} places"),
                format!("{length} from {start} on, {step} apart"),
            )?;
            dims[axis.index()] = length;
            Ok(Value {
                kind: input.kind,
                shape: dims.into(),
            })
        }
        Op::Pad {
            before,
            after,
            value,
        } => {
            place.check(!value.is_nan(), "padding value", "a number", "NaN")?;
            let dims = shape.dims();
            let padded = [0, 1, 2].map(|axis| {
                dims[axis]
                    .saturating_add(before[axis])
                    .saturating_add(after[axis])
            });
            Ok(Value {
                kind: input.kind,
                shape: padded.into(),
            })
        }
        Op::Reshape(to) => {
            place.check(
                to.len() == shape.len(),
                "values",
                format!("{} of {shape}", shape.len()),
                format!("{} of {to}", to.len()),
            )?;
            Ok(Value {
                kind: input.kind,
                shape: *to,
            })
        }
        Op::Transpose {
            dims,
            perm,
            shape: to,
        } => {
            let len = dims
                .iter()
                .fold(1_usize, |len, &dim| len.saturating_mul(dim));
            place.check(
                len == shape.len() && to.len() == len,
                "values",
                shape.len(),
                format!("{dims:?} and {to}"),
            )?;
            super::check::check_permutation(place, perm, dims.len())?;
            Ok(Value {
                kind: input.kind,
                shape: *to,
            })
        }
        Op::Constant(_) | Op::Binary(_) | Op::Select | Op::Concat(_) => {
            Err(place.error("number of inputs", "another", 1))
        }
    }
}

fn sum_kind(kind: Kind) -> Kind {
    match kind {
        Kind::F32 => Kind::F32,
        _ => Kind::I32,
    }
}

fn check_kind(place: &Place, what: &str, value: Value, allowed: &[Kind]) -> Result<(), GraphError> {
    if allowed.contains(&value.kind) {
        return Ok(());
    }
    let names: Vec<_> = allowed.iter().map(|kind| kind.name()).collect();
    Err(place.error(what, names.join(" or "), value))
}

fn check_columns(place: &Place, expected: usize, found: usize) -> Result<(), GraphError> {
    place.check(expected == found, "columns of weights", expected, found)
}

fn broadcast(place: &Place, shapes: &[Shape]) -> Result<Shape, GraphError> {
    let mut result = [1; 3];
    for shape in shapes {
        for (to, from) in result.iter_mut().zip(shape.dims()) {
            let fits = *to == from || *to == 1 || from == 1;
            place.check(
                fits,
                "shapes",
                "axes that are equal or 1",
                shapes
                    .iter()
                    .map(|shape| format!("{shape}"))
                    .collect::<Vec<_>>()
                    .join(" and "),
            )?;
            *to = (*to).max(from);
        }
    }
    Ok(result.into())
}

fn concat(axis: Axis, inputs: &[Value], place: &Place) -> Result<Value, GraphError> {
    let first = inputs[0];
    let mut dims = first.shape.dims();
    for input in &inputs[1..] {
        let mut others = input.shape.dims();
        let along = others[axis.index()];
        others[axis.index()] = dims[axis.index()];
        place.check(
            others == dims && input.kind == first.kind,
            "inputs",
            format!("values like {first} but for one axis"),
            input,
        )?;
        dims[axis.index()] = dims[axis.index()].saturating_add(along);
    }
    Ok(Value {
        kind: first.kind,
        shape: dims.into(),
    })
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
        stride > 0 && span > 0 && padded >= span && padded <= super::VALUES_LIMIT,
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

fn binary_conv(conv: &BinaryConv, input: Value, place: &Place) -> Result<Value, GraphError> {
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

fn real_conv(conv: &Conv, input: Value, place: &Place) -> Result<Value, GraphError> {
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

fn real_dense(dense: &Dense, input: Value, place: &Place) -> Result<Value, GraphError> {
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

fn max_or_average(pool: &PoolParams, input: Value, place: &Place) -> Result<Value, GraphError> {
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
