//! Arithmetic on constants, in the type that the values have.

use super::{
    movement::{Places, broadcast_dims},
    value::{Constant, Data},
};
use bernet_runtime::{graph::UnaryOp, scalar};

/// What the operator of a name computes of two floats.
fn float(op: &str, a: f64, b: f64) -> Option<f64> {
    Some(match op {
        "Add" | "Sum" | "Mean" => a + b,
        "Sub" => a - b,
        "Mul" => a * b,
        "Div" => a / b,
        "Pow" => a.powf(b),
        "Min" => {
            if b < a || b.is_nan() {
                b
            } else {
                a
            }
        }
        "Max" => {
            if b > a || b.is_nan() {
                b
            } else {
                a
            }
        }
        "Mod" => a % b,
        _ => return None,
    })
}

/// As [`float`], of integers.
fn integer(op: &str, a: i64, b: i64) -> Option<Result<i64, String>> {
    Some(Ok(match op {
        "Add" | "Sum" => a.wrapping_add(b),
        "Sub" => a.wrapping_sub(b),
        "Mul" => a.wrapping_mul(b),
        "Div" | "Mod" if b == 0 => return Some(Err("an integer is divided by 0".into())),
        "Div" => a.wrapping_div(b),
        "Mod" => a.wrapping_rem_euclid(b) + if b < 0 && a % b != 0 { b } else { 0 },
        "Pow" => match u32::try_from(b) {
            Ok(b) => a.wrapping_pow(b),
            Err(_) => (a as f64).powf(b as f64) as i64,
        },
        "Min" => a.min(b),
        "Max" => a.max(b),
        _ => return None,
    }))
}

fn compare<T: PartialOrd>(op: &str, a: T, b: T) -> Option<bool> {
    Some(match op {
        "Greater" => a > b,
        "GreaterOrEqual" => a >= b,
        "Less" => a < b,
        "LessOrEqual" => a <= b,
        "Equal" => a == b,
        _ => return None,
    })
}

fn logic(op: &str, a: bool, b: bool) -> Option<bool> {
    Some(match op {
        "And" => a && b,
        "Or" => a || b,
        "Xor" | "BitwiseXor" => a != b,
        "Equal" => a == b,
        _ => return None,
    })
}

/// Pairs of elements, broadcast.
fn pairs<'a, T: Copy>(
    a: (&'a [T], &[usize]),
    b: (&'a [T], &[usize]),
    dims: &[usize],
) -> impl Iterator<Item = (T, T)> {
    let of_a = Places::broadcast(a.1, dims).map(move |place| a.0[place]);
    let of_b = Places::broadcast(b.1, dims).map(move |place| b.0[place]);
    of_a.zip(of_b)
}

/// An operator on two constants.
pub(in super::super) fn binary(op: &str, a: &Constant, b: &Constant) -> Result<Constant, String> {
    let dims = broadcast_dims(&a.dims, &b.dims)?;
    let unknown = || format!("{op} of {} and {}", a.data.kind(), b.data.kind());
    let data = match (&a.data, &b.data) {
        (Data::F32(x), Data::F32(y)) => {
            let pairs = || pairs((x, &a.dims), (y, &b.dims), &dims);
            if compare(op, 0.0, 0.0).is_some() {
                let bits: Option<_> = pairs().map(|(x, y)| compare(op, x, y)).collect();
                Data::Bool(bits.ok_or_else(unknown)?)
            } else {
                // Sums, products and quotients of floats are rounded correctly by way of doubles.
                let values: Option<_> = pairs()
                    .map(|(x, y)| float(op, x.into(), y.into()).map(|value| value as f32))
                    .collect();
                Data::F32(values.ok_or_else(unknown)?)
            }
        }
        (Data::F64(x), Data::F64(y)) => {
            let pairs = || pairs((x, &a.dims), (y, &b.dims), &dims);
            if compare(op, 0.0, 0.0).is_some() {
                let bits: Option<_> = pairs().map(|(x, y)| compare(op, x, y)).collect();
                Data::Bool(bits.ok_or_else(unknown)?)
            } else {
                let values: Option<_> = pairs().map(|(x, y)| float(op, x, y)).collect();
                Data::F64(values.ok_or_else(unknown)?)
            }
        }
        (Data::I64(x), Data::I64(y)) => {
            let pairs = || pairs((x, &a.dims), (y, &b.dims), &dims);
            if compare(op, 0, 0).is_some() {
                let bits: Option<_> = pairs().map(|(x, y)| compare(op, x, y)).collect();
                Data::Bool(bits.ok_or_else(unknown)?)
            } else {
                let values: Result<_, String> = pairs()
                    .map(|(x, y)| integer(op, x, y).unwrap_or_else(|| Err(unknown())))
                    .collect();
                Data::I64(values?)
            }
        }
        (Data::Bool(x), Data::Bool(y)) => {
            let bits: Option<_> = pairs((x, &a.dims), (y, &b.dims), &dims)
                .map(|(x, y)| logic(op, x, y))
                .collect();
            Data::Bool(bits.ok_or_else(unknown)?)
        }
        // The exponent of a power may be of another type.
        (Data::F32(x), _) if op == "Pow" => {
            let exponents = b.to_f32();
            let powers = pairs((x, &a.dims), (&exponents, &b.dims), &dims)
                .map(|(x, y)| f64::from(x).powf(y.into()) as f32);
            Data::F32(powers.collect())
        }
        _ => return Err(unknown()),
    };
    Ok(Constant::new(dims, data))
}

/// `if condition then a else b`.
pub(in super::super) fn select(
    condition: &Constant,
    a: &Constant,
    b: &Constant,
) -> Result<Constant, String> {
    let Data::Bool(holds) = &condition.data else {
        return Err("expected a condition of bool".into());
    };
    let dims = broadcast_dims(&a.dims, &b.dims)?;
    let dims = broadcast_dims(&condition.dims, &dims)?;
    let holds = || Places::broadcast(&condition.dims, &dims).map(|place| holds[place]);
    macro_rules! choose {
        ($variant:ident, $x:expr, $y:expr) => {{
            let values = holds().zip(pairs(($x, &a.dims), ($y, &b.dims), &dims));
            Data::$variant(
                values
                    .map(|(holds, (x, y))| if holds { x } else { y })
                    .collect(),
            )
        }};
    }
    let data = match (&a.data, &b.data) {
        (Data::F32(x), Data::F32(y)) => choose!(F32, x, y),
        (Data::F64(x), Data::F64(y)) => choose!(F64, x, y),
        (Data::I64(x), Data::I64(y)) => choose!(I64, x, y),
        (Data::Bool(x), Data::Bool(y)) => choose!(Bool, x, y),
        (x, y) => return Err(format!("a choice between {} and {}", x.kind(), y.kind())),
    };
    Ok(Constant::new(dims, data))
}

/// The function of single elements that an operator without attributes is.
pub(in super::super) fn unary_op(op: &str) -> Option<UnaryOp> {
    Some(match op {
        "Relu" => UnaryOp::Relu,
        "Sigmoid" => UnaryOp::Sigmoid,
        "Tanh" => UnaryOp::Tanh,
        "Sign" => UnaryOp::Sign,
        "Abs" => UnaryOp::Abs,
        "Neg" => UnaryOp::Neg,
        "Exp" => UnaryOp::Exp,
        "Log" => UnaryOp::Log,
        "Sqrt" => UnaryOp::Sqrt,
        "Reciprocal" => UnaryOp::Reciprocal,
        "Floor" => UnaryOp::Floor,
        "Ceil" => UnaryOp::Ceil,
        "Round" => UnaryOp::Round,
        "Erf" => UnaryOp::Erf,
        _ => return None,
    })
}

/// A function of each element.
pub(super) fn unary(op: &str, input: &Constant) -> Result<Constant, String> {
    let unknown = || format!("{op} of {}", input.data.kind());
    let data = match &input.data {
        Data::F32(values) => {
            let op = unary_op(op).ok_or_else(unknown)?;
            Data::F32(values.iter().map(|&x| scalar::unary(op, x)).collect())
        }
        Data::F64(values) => {
            let function: fn(f64) -> f64 = match op {
                "Relu" => |x| if x < 0.0 { 0.0 } else { x },
                "Sign" => |x| if x == 0.0 { 0.0 } else { x.signum() },
                "Abs" => f64::abs,
                "Neg" => |x| -x,
                "Exp" => f64::exp,
                "Log" => f64::ln,
                "Sqrt" => f64::sqrt,
                "Reciprocal" => f64::recip,
                "Floor" => f64::floor,
                "Ceil" => f64::ceil,
                "Round" => f64::round_ties_even,
                "Tanh" => f64::tanh,
                _ => return Err(unknown()),
            };
            Data::F64(values.iter().map(|&x| function(x)).collect())
        }
        Data::I64(values) => {
            let function: fn(i64) -> i64 = match op {
                "Relu" => |x| x.max(0),
                "Sign" => i64::signum,
                "Abs" => i64::wrapping_abs,
                "Neg" => i64::wrapping_neg,
                _ => return Err(unknown()),
            };
            Data::I64(values.iter().map(|&x| function(x)).collect())
        }
        Data::Bool(values) => match op {
            "Not" => Data::Bool(values.iter().map(|&x| !x).collect()),
            _ => return Err(unknown()),
        },
    };
    Ok(Constant::new(input.dims.clone(), data))
}
