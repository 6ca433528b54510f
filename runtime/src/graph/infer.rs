//! Types and shapes of what an operator computes, and what it asks of its inputs.

use super::{
    Axis, GraphError, Kind, Op, PixelBias, Place, ReduceKind, Shape, Value,
    products::{binary_conv, binary_dense, max_or_average, real_conv, real_dense, sum_kind},
    rules::{check_channels, check_finite, check_kind, check_permutation, check_shape},
};
use alloc::{format, vec, vec::Vec};

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
        Op::BinaryDense(weights) => binary_dense(weights, input, place),
        Op::Conv(conv) => real_conv(conv, input, place),
        Op::Dense(dense) => real_dense(dense, input, place),
        Op::Affine { scale, bias } => {
            check_channels(place, "scales", scale.len(), shape, true)?;
            check_channels(place, "biases", bias.len(), shape, true)?;
            check_finite(place, "scale", scale)?;
            check_finite(place, "bias", bias)?;
            same(Kind::F32)
        }
        Op::PixelBias(pixel_bias) => {
            let PixelBias {
                lines,
                pixels,
                bias,
            } = pixel_bias;
            check_kind(place, "input", input, &[Kind::F32])?;
            place.check(
                lines.len() == shape.height,
                "kinds of lines",
                shape.height,
                lines.len(),
            )?;
            place.check(
                pixels.len() == shape.width,
                "kinds of pixels",
                shape.width,
                pixels.len(),
            )?;
            let terms = pixel_bias.view().terms_len(shape.channels);
            place.check(bias.len() == terms, "terms", terms, bias.len())?;
            check_finite(place, "term", bias)?;
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
            // As in a layout; more would cost a step for each axis at each element.
            place.check(dims.len() <= 16, "axes", "at most 16", dims.len())?;
            check_permutation(place, perm, dims.len())?;
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
