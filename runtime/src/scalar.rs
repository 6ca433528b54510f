//! The functions of single elements, as every part of the runtime computes them.
//!
//! ```
//! use bernet_runtime::{graph::UnaryOp, scalar::unary};
//!
//! assert_eq!(unary(UnaryOp::Clip { low: -1.0, high: 1.0 }, 3.0), 1.0);
//! ```

use crate::graph::{BinaryOp, Rounding, UnaryOp};

/// A function of one float. NaN stays NaN, but for [`UnaryOp::Sign`], where it gives 0.
#[inline]
pub fn unary(op: UnaryOp, x: f32) -> f32 {
    match op {
        UnaryOp::Relu => clip(x, 0.0, f32::INFINITY),
        UnaryOp::Clip { low, high } => clip(x, low, high),
        UnaryOp::LeakyRelu(slope) => prelu(x, slope),
        UnaryOp::Elu(alpha) => {
            if x >= 0.0 {
                x
            } else {
                alpha * libm::expm1f(x)
            }
        }
        UnaryOp::Sigmoid => sigmoid(x),
        UnaryOp::HardSigmoid { alpha, beta } => clip(alpha * x + beta, 0.0, 1.0),
        UnaryOp::Tanh => libm::tanhf(x),
        UnaryOp::Sign => {
            if x > 0.0 {
                1.0
            } else if x < 0.0 {
                -1.0
            } else {
                0.0
            }
        }
        UnaryOp::Abs => libm::fabsf(x),
        UnaryOp::Neg => -x,
        UnaryOp::Exp => libm::expf(x),
        UnaryOp::Log => libm::logf(x),
        UnaryOp::Sqrt => libm::sqrtf(x),
        UnaryOp::Reciprocal => 1.0 / x,
        UnaryOp::Floor => libm::floorf(x),
        UnaryOp::Ceil => libm::ceilf(x),
        UnaryOp::Round => libm::rintf(x),
        UnaryOp::Erf => libm::erff(x),
    }
}

/// Clamps; NaN stays NaN.
#[inline]
pub fn clip(x: f32, low: f32, high: f32) -> f32 {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

/// `x` where `x ≥ 0`, else `slope · x`.
#[inline]
pub fn prelu(x: f32, slope: f32) -> f32 {
    if x >= 0.0 { x } else { slope * x }
}

/// `1 / (1 + e⁻ˣ)`.
#[inline]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + libm::expf(-x))
}

/// An arithmetic operation on two floats; comparisons give 1 or −1.
#[inline]
pub fn binary(op: BinaryOp, a: f32, b: f32) -> f32 {
    let bit = |holds| if holds { 1.0 } else { -1.0 };
    match op {
        BinaryOp::Add => a + b,
        BinaryOp::Sub => a - b,
        BinaryOp::Mul => a * b,
        BinaryOp::Div => a / b,
        BinaryOp::Min => {
            if b < a || b.is_nan() {
                b
            } else {
                a
            }
        }
        BinaryOp::Max => {
            if b > a || b.is_nan() {
                b
            } else {
                a
            }
        }
        BinaryOp::Greater => bit(a > b),
        BinaryOp::GreaterOrEqual => bit(a >= b),
        BinaryOp::Equal => bit(a == b),
    }
}

/// An arithmetic operation on two integers, which wraps; comparisons give 1 or −1.
///
/// # Panics
/// For [`BinaryOp::Div`], which no valid graph has on integers.
#[inline]
pub fn binary_i32(op: BinaryOp, a: i32, b: i32) -> i32 {
    let bit = |holds| if holds { 1 } else { -1 };
    match op {
        BinaryOp::Add => a.wrapping_add(b),
        BinaryOp::Sub => a.wrapping_sub(b),
        BinaryOp::Mul => a.wrapping_mul(b),
        BinaryOp::Div => unreachable!("a valid graph divides floats only"),
        BinaryOp::Min => a.min(b),
        BinaryOp::Max => a.max(b),
        BinaryOp::Greater => bit(a > b),
        BinaryOp::GreaterOrEqual => bit(a >= b),
        BinaryOp::Equal => bit(a == b),
    }
}

/// An integer of a float.
#[inline]
pub fn round(rounding: Rounding, x: f32) -> f32 {
    match rounding {
        Rounding::HalfEven => libm::rintf(x),
        Rounding::HalfAway => libm::roundf(x),
        Rounding::Floor => libm::floorf(x),
        Rounding::Ceil => libm::ceilf(x),
        Rounding::Truncate => libm::truncf(x),
    }
}

/// `(clamp(round(x / scale + zero), low, high) − zero) · scale`.
#[inline]
pub fn quantize(x: f32, scale: f32, zero: f32, [low, high]: [f32; 2], rounding: Rounding) -> f32 {
    (clip(round(rounding, x / scale + zero), low, high) - zero) * scale
}

/// One number of a list with one for each channel, one for all, or none.
#[inline]
pub fn of_channel(list: &[f32], channel: usize, absent: f32) -> f32 {
    match list {
        [] => absent,
        [one] => *one,
        _ => list[channel],
    }
}
