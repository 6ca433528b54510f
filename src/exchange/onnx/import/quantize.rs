//! QONNX's quantisers of arrays that depend on the inputs.

use super::{
    elementwise::{apply, binary, channels},
    net::{Dynamic, Net},
    operand::{Known, Operand, Operands},
};
use crate::exchange::onnx::{
    constant::{Constant, Data},
    node::Node,
    quant::{Mode, range, range_of},
};
use bernet_runtime::graph::{BinaryOp, Kind, Op, Quantize, RealThreshold, UnaryOp};

fn scalar(value: f32) -> Operand {
    Operand::Known(Known::of(Constant::new(vec![], Data::F32(vec![value]))))
}

/// An operand as a constant of floats.
fn floats(operands: &Operands, index: usize) -> Result<Constant, String> {
    let constant = operands.needed(index)?;
    Ok(Constant::new(
        constant.dims.clone(),
        Data::F32(constant.to_f32()),
    ))
}

/// ±1 of each number, +1 at 0.
fn bits(net: &mut Net, x: &Dynamic) -> Result<Dynamic, String> {
    let bits = net.map(x, Op::Sign)?;
    net.map(&bits, Op::Cast(Kind::F32))
}

/// An arithmetic step with a constant, which is left out where it changes nothing.
fn step(net: &mut Net, op: &str, x: Dynamic, constant: &Constant) -> Result<Dynamic, String> {
    let neutral = if matches!(op, "Mul" | "Div") {
        1.0
    } else {
        0.0
    };
    if constant.to_f32().iter().all(|&value| value == neutral)
        && constant.dims.len() <= x.rank()
        && constant.len() == 1
    {
        return Ok(x);
    }
    let constant = Operand::Known(Known::of(constant.clone()));
    binary(net, op, &Operand::Dynamic(x), &constant)
}

/// `BipolarQuant`: ±scale.
pub(super) fn bipolar(net: &mut Net, operands: &Operands) -> Result<Dynamic, String> {
    let x = net.float(operands.dynamic(0)?)?;
    let bits = bits(net, &x)?;
    step(net, "Mul", bits, &floats(operands, 1)?)
}

/// `Quant`.
pub(super) fn quant(net: &mut Net, operands: &Operands) -> Result<Dynamic, String> {
    let node = operands.node;
    let x = net.float(operands.dynamic(0)?)?;
    let (scale, zero) = (floats(operands, 1)?, floats(operands, 2)?);
    let range = range(node, &*operands.needed(3)?)?;
    let mode = Mode::of(node, "ROUND")?;
    let positive = scale
        .to_f32()
        .iter()
        .all(|scale| *scale > 0.0 && scale.is_finite());
    if !positive {
        return Err("scale: expected numbers above 0".into());
    }
    if let (Some([low, high]), Mode::Plain(rounding)) = (range, mode)
        && let Some((array, scale)) = channels(net, &x, &scale)?
        && let Some((array, zero_point)) = channels(net, &array, &zero)?
        && zero_point.iter().all(|zero| zero.is_finite())
    {
        return net.map(
            &array,
            Op::Quantize(Quantize {
                scale,
                zero_point,
                low,
                high,
                rounding,
            }),
        );
    }
    let scaled = step(net, "Div", x, &scale)?;
    let shifted = step(net, "Add", scaled, &zero)?;
    let rounded = match range {
        None => bits(net, &shifted)?,
        Some([low, high]) => {
            let clipped = net.unary(&shifted, UnaryOp::Clip { low, high })?;
            round(net, &clipped, mode)?
        }
    };
    let shifted = step(net, "Sub", rounded, &zero)?;
    step(net, "Mul", shifted, &scale)
}

/// Integers of numbers.
fn round(net: &mut Net, x: &Dynamic, mode: Mode) -> Result<Dynamic, String> {
    let by_size = |net: &mut Net, before: f32, op: UnaryOp| {
        let sign = net.unary(x, UnaryOp::Sign)?;
        let size = net.unary(x, UnaryOp::Abs)?;
        let size = if before == 0.0 {
            size
        } else {
            binary(net, "Add", &Operand::Dynamic(size), &scalar(before))?
        };
        let size = net.unary(&size, op)?;
        apply(net, Op::Binary(BinaryOp::Mul), &[sign, size])
    };
    match mode {
        Mode::Up => by_size(net, 0.0, UnaryOp::Ceil),
        Mode::HalfDown => by_size(net, -0.5, UnaryOp::Ceil),
        Mode::Plain(rounding) => {
            let limit = (1_u32 << 24) as f32;
            net.map(
                x,
                Op::Quantize(Quantize {
                    scale: vec![1.0],
                    zero_point: vec![0.0],
                    low: -limit,
                    high: limit,
                    rounding,
                }),
            )
        }
    }
}

/// `Trunc` of either version: fewer bits, the lower ones cut off.
pub(super) fn trunc(net: &mut Net, operands: &Operands) -> Result<Dynamic, String> {
    let node = operands.node;
    let x = net.float(operands.dynamic(0)?)?;
    let (scale, zero) = (floats(operands, 1)?, floats(operands, 2)?);
    let mode = Mode::of(node, "FLOOR")?;
    let number = |index: usize| {
        let constant = operands.needed(index)?;
        constant
            .single()
            .ok_or_else(|| format!("its input {index}: expected one number"))
    };
    let scaled = step(net, "Div", x, &scale)?;
    let shifted = step(net, "Add", scaled, &zero)?;
    let whole = net.unary(&shifted, UnaryOp::Round)?;
    // The second version has the scale of the output as a further input.
    let second = operands.optional(5).is_some();
    if !second {
        let factor = (number(3)? - number(4)?).exp2();
        let cut = step(net, "Div", whole, &constant(factor))?;
        let rounded = round(net, &cut, mode)?;
        let shifted = step(net, "Sub", rounded, &zero)?;
        return step(net, "Mul", shifted, &scale);
    }
    let (own, output) = (
        scale.single().ok_or("scale: expected one number")?,
        number(4)?,
    );
    let factor = (output / own).log2().round_ties_even().exp2();
    let cut = step(net, "Div", whole, &constant(factor))?;
    let signed = node.integer("signed", 1) != 0;
    let narrow = node.integer("narrow", 0) != 0;
    let Some([low, high]) = range_of(number(5)?, signed, narrow)? else {
        return Err("output bit width: expected at least 2, found 1".into());
    };
    let clipped = net.unary(&cut, UnaryOp::Clip { low, high })?;
    let rounded = round(net, &clipped, mode)?;
    let zero = zero.single().ok_or("zero point: expected one number")?;
    let shifted = step(net, "Sub", rounded, &constant(zero / factor))?;
    step(net, "Mul", shifted, &constant(output))
}

fn constant(value: f32) -> Constant {
    Constant::new(vec![], Data::F32(vec![value]))
}

/// The axis that `MultiThreshold` takes for the channels.
fn channel_axis(node: &Node, rank: usize) -> Result<usize, String> {
    let layout = node.text("data_layout", "")?;
    let layout = match (layout, rank) {
        ("", 3) => "NWC",
        ("", _) => "NC",
        (layout, _) => layout,
    };
    Ok(layout.find('C').unwrap_or(1))
}

/// `MultiThreshold`: the number of thresholds of its channel that each value reaches.
pub(super) fn multi_threshold(net: &mut Net, operands: &Operands) -> Result<Dynamic, String> {
    let node = operands.node;
    let x = net.float(operands.dynamic(0)?)?;
    let thresholds = floats(operands, 1)?;
    let axis = channel_axis(node, x.rank())?;
    let [rows, count] = thresholds.dims[..] else {
        return Err(format!(
            "thresholds: expected [channels, number], found {:?}",
            thresholds.dims
        ));
    };
    if axis >= x.rank() || rows != 1 && rows != x.dims[axis] || count == 0 || rows == 0 {
        return Err(format!(
            "thresholds: expected one row or one for each channel of {}, found {rows} rows of {count}",
            x.describe()
        ));
    }
    if count > 1024 {
        return Err(format!(
            "thresholds: expected at most 1024 a channel, found {count}"
        ));
    }
    let values = thresholds.to_f32();
    if values.iter().any(|value| value.is_nan()) {
        return Err("thresholds: expected numbers, found NaN".into());
    }
    let (value, order) = if rows == 1 {
        (x.value, x.order.clone())
    } else {
        net.on_channels(&x, axis)?
    };
    let x = Dynamic { value, order, ..x };
    // Each threshold gives ±1; their sum and number give the count.
    let mut sum: Option<Dynamic> = None;
    for index in 0..count {
        let list = (0..rows)
            .map(|row| RealThreshold {
                at_least: values[row * count + index],
                invert: false,
            })
            .collect();
        let bits = net.map(&x, Op::RealThreshold(list))?;
        sum = Some(match sum {
            None if count == 1 => bits,
            None => net.map(&bits, Op::Cast(Kind::I32))?,
            Some(sum) => {
                let bits = net.map(&bits, Op::Cast(Kind::I32))?;
                apply(net, Op::Binary(BinaryOp::Add), &[sum, bits])?
            }
        });
    }
    let sum = sum.ok_or("expected thresholds, found none")?;
    let count = net.map(
        &sum,
        Op::Affine {
            scale: vec![0.5],
            bias: vec![0.5 * count as f32],
        },
    )?;
    let scaled = step(net, "Mul", count, &constant(node.float("out_scale", 1.0)))?;
    step(net, "Add", scaled, &constant(node.float("out_bias", 0.0)))
}
