//! Operators on single elements, of one array or several that are broadcast.

use super::{
    dynamic::Dynamic,
    net::Net,
    operand::{Operand, Operands, array},
};
use crate::exchange::onnx::{
    constant::{Constant, Data, type_of, unary_op},
    node::Node,
    proto::data_type,
};
use bernet_kernels::xnor::Threshold;
use bernet_runtime::graph::{BinaryOp, Kind, Op, Prelu, RealThreshold, UnaryOp};

/// A number for each channel, or one for all, of a constant that broadcasts to the array without
/// enlarging it; and the array with those axes on its channels.
pub(super) fn channels(
    net: &mut Net,
    x: &Dynamic,
    constant: &Constant,
) -> Result<Option<(Dynamic, Vec<f32>)>, String> {
    if constant.len() == 1 && constant.dims.len() <= x.rank() {
        return Ok(Some((x.clone(), constant.to_f32())));
    }
    let Some(ahead) = x.rank().checked_sub(constant.dims.len()) else {
        return Ok(None);
    };
    let mut padded = vec![1; ahead];
    padded.extend(&constant.dims);
    let varying = |axis: &usize| padded[*axis] != 1;
    if (0..x.rank()).any(|axis| padded[axis] != 1 && padded[axis] != x.dims[axis]) {
        return Ok(None);
    }
    let order = x.wide_order();
    let count = order.iter().filter(|axis| varying(axis)).count();
    let (rest, last) = order.split_at(order.len() - count);
    if !last.iter().all(varying) {
        return Ok(None);
    }
    let groups = match net.groups(x) {
        Some(groups) if groups[2] == last => groups,
        _ => [vec![], rest.to_vec(), last.to_vec()],
    };
    let value = net.arrange(x, &groups)?;
    let constant = Constant::new(padded, constant.data.clone());
    let list = crate::exchange::onnx::constant::transpose(&constant, &x.order).to_f32();
    Ok(Some((x.with(value, x.dims.clone()), list)))
}

/// A value times one number for each channel plus another, as two operators of the file at most.
fn affine(
    net: &mut Net,
    x: &Dynamic,
    scale: Vec<f32>,
    bias: Vec<f32>,
) -> Result<Option<Dynamic>, String> {
    let finite = scale.iter().chain(&bias).all(|number| number.is_finite());
    if !finite {
        return Ok(None);
    }
    net.map(x, Op::Affine { scale, bias }).map(Some)
}

/// An arithmetic operator or a comparison on two operands.
pub(super) fn binary(net: &mut Net, op: &str, a: &Operand, b: &Operand) -> Result<Dynamic, String> {
    if let Some(result) = with_constant(net, op, a, b)? {
        return Ok(result);
    }
    let (operation, swapped) = match op {
        "Add" | "Sum" | "Mean" => (BinaryOp::Add, false),
        "Sub" => (BinaryOp::Sub, false),
        "Mul" => (BinaryOp::Mul, false),
        "Div" => (BinaryOp::Div, false),
        "Min" => (BinaryOp::Min, false),
        "Max" => (BinaryOp::Max, false),
        "Greater" => (BinaryOp::Greater, false),
        "GreaterOrEqual" => (BinaryOp::GreaterOrEqual, false),
        "Less" => (BinaryOp::Greater, true),
        "LessOrEqual" => (BinaryOp::GreaterOrEqual, true),
        "Equal" => (BinaryOp::Equal, false),
        _ => return Err("this operator is not known".into()),
    };
    let kind = kind(net, a).or(kind(net, b)).unwrap_or(Kind::F32);
    if kind == Kind::U8 && !operation.is_comparison() || kind == Kind::Bit {
        return Err(format!(
            "arithmetic on {} is not known; cast to float before it",
            if kind == Kind::Bit { "bool" } else { "uint8" }
        ));
    }
    if operation == BinaryOp::Div && kind != Kind::F32 {
        return Err("division of integers is not known; cast to float before it".into());
    }
    let mut arrays = vec![array(net, a, kind)?, array(net, b, kind)?];
    if swapped {
        arrays.swap(0, 1);
    }
    apply(net, Op::Binary(operation), &arrays)
}

/// An operator on arrays that are broadcast.
pub(super) fn apply(net: &mut Net, op: Op, arrays: &[Dynamic]) -> Result<Dynamic, String> {
    let (values, result) = net.align(arrays)?;
    let value = net.node(op, &values)?;
    Ok(Dynamic { value, ..result })
}

fn kind(net: &Net, operand: &Operand) -> Option<Kind> {
    match operand {
        Operand::Dynamic(dynamic) => Some(net.kind(dynamic.value)),
        Operand::Known(_) => None,
    }
}

/// Arithmetic of floats with a constant that has one number for each channel, where a single node
/// computes the same.
fn with_constant(
    net: &mut Net,
    op: &str,
    a: &Operand,
    b: &Operand,
) -> Result<Option<Dynamic>, String> {
    let (x, known, first) = match (a, b) {
        (Operand::Dynamic(x), Operand::Known(known)) => (x, known, true),
        (Operand::Known(known), Operand::Dynamic(x)) => (x, known, false),
        _ => return Ok(None),
    };
    if net.kind(x.value) != Kind::F32 {
        return Ok(None);
    }
    let constant = known.single()?;
    let Some((x, list)) = channels(net, x, &constant)? else {
        return Ok(None);
    };
    let negated = || list.iter().map(|number| -number).collect::<Vec<_>>();
    // What is on the other side of a comparison.
    let op = match (op, first) {
        ("Greater", false) => "Less",
        ("GreaterOrEqual", false) => "LessOrEqual",
        ("Less", false) => "Greater",
        ("LessOrEqual", false) => "GreaterOrEqual",
        (op, _) => op,
    };
    match op {
        "Add" | "Sum" | "Mean" => affine(net, &x, vec![], list),
        "Sub" if first => affine(net, &x, vec![], negated()),
        "Sub" => affine(net, &x, vec![-1.0], list),
        "Mul" => affine(net, &x, list, vec![]),
        // A quotient by a power of two is a product, exactly.
        "Div" if first && list.iter().all(|&number| is_power_of_two(number)) => {
            let scale = list.iter().map(|number| 1.0 / number).collect();
            affine(net, &x, scale, vec![])
        }
        "Div" if !first && list[..] == [1.0] => {
            net.map(&x, Op::Unary(UnaryOp::Reciprocal)).map(Some)
        }
        "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual"
            if list.iter().all(|number| number.is_finite()) =>
        {
            // x < t is −x > −t, for NaN too.
            let less = op.starts_with("Less");
            let (x, list) = if less {
                (affine(net, &x, vec![-1.0], vec![])?.unwrap_or(x), negated())
            } else {
                (x, list)
            };
            let strict = !op.ends_with("OrEqual");
            let threshold = |limit: f32| RealThreshold {
                at_least: if strict { limit.next_up() } else { limit },
                invert: false,
            };
            let thresholds = list.into_iter().map(threshold).collect();
            net.map(&x, Op::RealThreshold(thresholds)).map(Some)
        }
        _ => Ok(None),
    }
}

/// Whether a number has an exact reciprocal.
fn is_power_of_two(number: f32) -> bool {
    number.is_normal() && number.to_bits() & 0x007f_ffff == 0 && (1.0 / number).is_normal()
}

/// A bool operator on two operands, as bits.
pub(super) fn logic(net: &mut Net, op: &str, operands: &Operands) -> Result<Dynamic, String> {
    let mut arrays = Vec::new();
    for array in operands.arrays(net, Kind::Bit)? {
        arrays.push(net.map(&array, Op::Cast(Kind::I32))?);
    }
    let (operation, invert) = match op {
        "And" => (BinaryOp::Min, false),
        "Or" => (BinaryOp::Max, false),
        // The product is −1 where they differ.
        "Xor" => (BinaryOp::Mul, true),
        "Equal" => (BinaryOp::Mul, false),
        // Of one array: 1 becomes −1.
        _ => return net.map(&arrays[0], threshold(true)),
    };
    let result = apply(net, Op::Binary(operation), &arrays)?;
    net.map(&result, threshold(invert))
}

fn threshold(invert: bool) -> Op {
    Op::Threshold(vec![Threshold {
        at_least: 0,
        invert,
    }])
}

/// `if condition then a else b`.
pub(super) fn select(net: &mut Net, operands: &Operands) -> Result<Dynamic, String> {
    let condition = array(net, operands.get(0)?, Kind::Bit)?;
    let (a, b) = (operands.get(1)?, operands.get(2)?);
    if let (Operand::Known(a), Operand::Known(b)) = (a, b) {
        let (a, b) = (a.single()?, b.single()?);
        // The bits themselves as floats.
        if a.single() == Some(1.0)
            && b.single() == Some(-1.0)
            && matches!(a.data, Data::F32(_) | Data::F64(_))
            && a.dims.len().max(b.dims.len()) <= condition.rank()
        {
            return net.map(&condition, Op::Cast(Kind::F32));
        }
    }
    let of_constant = |operand: &Operand| match operand {
        Operand::Known(known) => match known.0[0].data {
            Data::F32(_) | Data::F64(_) => Some(Kind::F32),
            Data::I64(_) => Some(Kind::I32),
            Data::Bool(_) => Some(Kind::Bit),
        },
        Operand::Dynamic(_) => None,
    };
    let kind = kind(net, a)
        .or(kind(net, b))
        .or(of_constant(a))
        .unwrap_or(Kind::F32);
    let arrays = [condition, array(net, a, kind)?, array(net, b, kind)?];
    apply(net, Op::Select, &arrays)
}

/// The bits of significand of floats shorter than float32.
pub(super) fn significand(data_type: i32) -> Option<u32> {
    match data_type {
        data_type::FLOAT16 => Some(11),
        data_type::BFLOAT16 => Some(8),
        _ => None,
    }
}

/// Another type for the same values.
pub(super) fn cast(net: &mut Net, node: &Node, x: &Dynamic) -> Result<Dynamic, String> {
    let to = i32::try_from(node.integer("to", 0)).unwrap_or(0);
    let (name, _) = type_of(to)?;
    match (to, net.kind(x.value)) {
        (data_type::FLOAT | data_type::FLOAT16 | data_type::BFLOAT16 | data_type::DOUBLE, _) => {
            let x = net.float(x)?;
            if to != data_type::FLOAT {
                net.note(format!("{name} inside the net is computed in float32"));
            }
            match significand(to) {
                Some(bits) => net.shorten(&x, bits),
                None => Ok(x),
            }
        }
        (data_type::BOOL, Kind::Bit) | (data_type::UINT8, Kind::U8) => Ok(x.clone()),
        (data_type::BOOL, _) => {
            // Not equal to 0.
            let x = net.float(x)?;
            let zero = net.array(&Constant::new(vec![], Data::F32(vec![0.0])), Kind::F32)?;
            let equal = apply(net, Op::Binary(BinaryOp::Equal), &[x, zero])?;
            let equal = net.map(&equal, Op::Cast(Kind::I32))?;
            net.map(&equal, threshold(true))
        }
        (data_type::INT32 | data_type::INT64, Kind::Bit) => {
            // 0 and 1.
            let x = net.float(x)?;
            net.map(&x, Op::Cast(Kind::I32))
        }
        (data_type::INT32 | data_type::INT64, _) => net.map(x, Op::Cast(Kind::I32)),
        _ => Err(format!(
            "a cast to {name} is not known; cast to int32 or float"
        )),
    }
}

/// A number from an attribute or a constant input.
fn limit(operands: &Operands, index: usize, attribute: &str, default: f32) -> Result<f32, String> {
    match operands.constant(index)? {
        Some(constant) => constant
            .single()
            .ok_or_else(|| format!("its input {index}: expected one number")),
        None => Ok(operands.node.float(attribute, default)),
    }
}

/// A function of one array, by name; `None` where the operator is another.
pub(super) fn function(
    net: &mut Net,
    op: &str,
    operands: &Operands,
) -> Result<Option<Dynamic>, String> {
    let node = operands.node;
    let number = |value: f32| Constant::new(vec![], Data::F32(vec![value]));
    let unary = match op {
        "Clip" => UnaryOp::Clip {
            low: limit(operands, 1, "min", f32::NEG_INFINITY)?,
            high: limit(operands, 2, "max", f32::INFINITY)?,
        },
        "LeakyRelu" => UnaryOp::LeakyRelu(node.float("alpha", 0.01)),
        "Elu" => UnaryOp::Elu(node.float("alpha", 1.0)),
        "HardSigmoid" => UnaryOp::HardSigmoid {
            alpha: node.float("alpha", 0.2),
            beta: node.float("beta", 0.5),
        },
        "Selu" => {
            let x = operands.dynamic(0)?;
            let alpha = node.float("alpha", 1.673_263_2);
            let x = net.unary(x, UnaryOp::Elu(alpha))?;
            return affine(net, &x, vec![node.float("gamma", 1.050_701)], vec![]);
        }
        "HardSwish" => {
            let x = net.float(operands.dynamic(0)?)?;
            let (alpha, beta) = (1.0 / 6.0, 0.5);
            let factor = net.unary(&x, UnaryOp::HardSigmoid { alpha, beta })?;
            return apply(net, Op::Binary(BinaryOp::Mul), &[x, factor]).map(Some);
        }
        "Softsign" => {
            let x = net.float(operands.dynamic(0)?)?;
            let size = net.unary(&x, UnaryOp::Abs)?;
            let one = net.array(&number(1.0), Kind::F32)?;
            let divisor = apply(net, Op::Binary(BinaryOp::Add), &[size, one])?;
            return apply(net, Op::Binary(BinaryOp::Div), &[x, divisor]).map(Some);
        }
        "Softplus" => {
            // max(x, 0) + ln(1 + e^−|x|)
            let x = net.float(operands.dynamic(0)?)?;
            let positive = net.unary(&x, UnaryOp::Relu)?;
            let size = net.unary(&x, UnaryOp::Abs)?;
            let size = net.unary(&size, UnaryOp::Neg)?;
            let power = net.unary(&size, UnaryOp::Exp)?;
            let one = net.array(&number(1.0), Kind::F32)?;
            let sum = apply(net, Op::Binary(BinaryOp::Add), &[power, one])?;
            let rest = net.unary(&sum, UnaryOp::Log)?;
            return apply(net, Op::Binary(BinaryOp::Add), &[positive, rest]).map(Some);
        }
        "Gelu" => return gelu(net, operands).map(Some),
        _ => match unary_op(op) {
            Some(unary) => unary,
            None => return Ok(None),
        },
    };
    let x = operands.dynamic(0)?;
    if net.kind(x.value) == Kind::I32 {
        return integer_function(net, unary, x).map(Some);
    }
    net.unary(x, unary).map(Some)
}

/// A function of integers that stay such.
fn integer_function(net: &mut Net, op: UnaryOp, x: &Dynamic) -> Result<Dynamic, String> {
    let with = |net: &mut Net, operation, value: f32| {
        let constant = Constant::new(vec![], Data::I64(vec![value as i64]));
        let constant = net.array(&constant, Kind::I32)?;
        apply(net, Op::Binary(operation), &[x.clone(), constant])
    };
    match op {
        UnaryOp::Relu => with(net, BinaryOp::Max, 0.0),
        UnaryOp::Neg => with(net, BinaryOp::Mul, -1.0),
        _ => Err("this function of integers is not known; cast to float before it".into()),
    }
}

fn gelu(net: &mut Net, operands: &Operands) -> Result<Dynamic, String> {
    let x = net.float(operands.dynamic(0)?)?;
    let scaled = |net: &mut Net, x: &Dynamic, scale: f32, bias: f32| {
        let (scale, bias) = (vec![scale], vec![bias]);
        net.map(x, Op::Affine { scale, bias })
    };
    let inner = if operands.node.text("approximate", "none")? == "tanh" {
        let mul = Op::Binary(BinaryOp::Mul);
        let square = apply(net, mul.clone(), &[x.clone(), x.clone()])?;
        let factor = scaled(net, &square, 0.044_715, 1.0)?;
        let cubic = apply(net, mul, &[x.clone(), factor])?;
        let cubic = scaled(net, &cubic, (2.0 / std::f32::consts::PI).sqrt(), 0.0)?;
        net.unary(&cubic, UnaryOp::Tanh)?
    } else {
        let inner = scaled(net, &x, std::f32::consts::FRAC_1_SQRT_2, 0.0)?;
        net.unary(&inner, UnaryOp::Erf)?
    };
    let factor = scaled(net, &inner, 0.5, 0.5)?;
    apply(net, Op::Binary(BinaryOp::Mul), &[x, factor])
}

/// `x` where `x ≥ 0`, else `slope · x`.
pub(super) fn prelu(net: &mut Net, operands: &Operands) -> Result<Dynamic, String> {
    let x = net.float(operands.dynamic(0)?)?;
    if let Operand::Known(known) = operands.get(1)? {
        let slope = known.single()?;
        if let Some((x, slope)) = channels(net, &x, &slope)?
            && slope.iter().all(|slope| slope.is_finite())
        {
            let prelu = Prelu {
                before: vec![],
                slope,
                after: vec![],
            };
            return net.map(&x, Op::Prelu(prelu));
        }
    }
    let slope = array(net, operands.get(1)?, Kind::F32)?;
    let positive = net.unary(&x, UnaryOp::Relu)?;
    let (low, high) = (f32::NEG_INFINITY, 0.0);
    let negative = net.unary(&x, UnaryOp::Clip { low, high })?;
    let negative = apply(net, Op::Binary(BinaryOp::Mul), &[negative, slope])?;
    apply(net, Op::Binary(BinaryOp::Add), &[positive, negative])
}

/// A power with a constant exponent.
pub(super) fn power(net: &mut Net, operands: &Operands) -> Result<Dynamic, String> {
    let x = net.float(operands.dynamic(0)?)?;
    let exponent = operands.needed(1)?;
    let mul = Op::Binary(BinaryOp::Mul);
    match exponent.single() {
        Some(1.0) => Ok(x),
        Some(2.0) => apply(net, mul, &[x.clone(), x]),
        Some(3.0) => {
            let square = apply(net, mul.clone(), &[x.clone(), x.clone()])?;
            apply(net, mul, &[square, x])
        }
        Some(0.5) => net.unary(&x, UnaryOp::Sqrt),
        Some(-1.0) => net.unary(&x, UnaryOp::Reciprocal),
        Some(-0.5) => {
            let root = net.unary(&x, UnaryOp::Sqrt)?;
            net.unary(&root, UnaryOp::Reciprocal)
        }
        found => Err(format!(
            "exponent: expected one of 1, 2, 3, 0.5, -1 and -0.5, found {}",
            found.map_or("an array".into(), |found| found.to_string())
        )),
    }
}

/// The sum, mean, least or largest of several arrays.
pub(super) fn several(net: &mut Net, op: &str, operands: &Operands) -> Result<Dynamic, String> {
    let given: Vec<&Operand> = operands.list.iter().flatten().collect();
    let (first, others) = given.split_first().ok_or("expected inputs, found none")?;
    let mut result = (*first).clone();
    for other in others {
        result = match (&result, other) {
            (Operand::Known(a), Operand::Known(b)) => {
                let (a, b) = (a.single()?, b.single()?);
                let op = if op == "Mean" { "Add" } else { op };
                let both = crate::exchange::onnx::constant::binary(op, &a, &b)?;
                Operand::Known(super::operand::Known::of(both))
            }
            _ => Operand::Dynamic(binary(net, op, &result, other)?),
        };
    }
    let Operand::Dynamic(result) = result else {
        return Err("expected an input that depends on the net's inputs".into());
    };
    if op != "Mean" {
        return Ok(result);
    }
    let divisor = Constant::new(vec![], Data::F32(vec![given.len() as f32]));
    let divisor = super::operand::Known::of(divisor);
    binary(
        net,
        "Div",
        &Operand::Dynamic(result),
        &Operand::Known(divisor),
    )
}
