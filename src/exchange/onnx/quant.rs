//! What QONNX's quantisers compute, on constants; and their options.
//!
//! The operators are those of <https://github.com/fastmachinelearning/qonnx>, whose Python code
//! defines them.

use super::{
    constant::{Constant, Data},
    node::Node,
};
use bernet_runtime::graph::Rounding;

/// How a number between two integers is rounded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    /// As the runtime has it.
    Plain(Rounding),
    /// Away from 0.
    Up,
    /// To the nearest, halves towards 0.
    HalfDown,
}

impl Mode {
    /// The attribute `rounding_mode`.
    pub(super) fn of(node: &Node, default: &str) -> Result<Self, String> {
        let name = node.text("rounding_mode", default)?.to_uppercase();
        Ok(match name.as_str() {
            "ROUND" | "HALF_EVEN" => Self::Plain(Rounding::HalfEven),
            "CEIL" => Self::Plain(Rounding::Ceil),
            "FLOOR" => Self::Plain(Rounding::Floor),
            "DOWN" => Self::Plain(Rounding::Truncate),
            "HALF_UP" => Self::Plain(Rounding::HalfAway),
            "UP" => Self::Up,
            "HALF_DOWN" => Self::HalfDown,
            _ => {
                return Err(format!(
                    "rounding_mode: expected ROUND, CEIL, FLOOR, UP, DOWN, HALF_UP or HALF_DOWN, \
                     found {name:?}"
                ));
            }
        })
    }

    fn apply(self, x: f32) -> f32 {
        let sign = |x: f32| if x == 0.0 { 0.0 } else { x.signum() };
        match self {
            Self::Plain(rounding) => bernet_runtime::scalar::round(rounding, x),
            Self::Up => sign(x) * x.abs().ceil(),
            Self::HalfDown => sign(x) * (x.abs() - 0.5).ceil(),
        }
    }
}

/// The integers that a `Quant` of so many bits reaches; `None` for the two values ±1.
pub(super) fn range(node: &Node, bits: &Constant) -> Result<Option<[f32; 2]>, String> {
    let found = bits.to_f32();
    let width = found.first().copied().unwrap_or(0.0);
    if found.iter().any(|&bits| bits != width) || width.fract() != 0.0 {
        return Err(format!(
            "bit width: expected one whole number, found {found:?}"
        ));
    }
    let signed = node.integer("signed", 1) != 0;
    let narrow = node.integer("narrow", 0) != 0;
    range_of(width, signed, narrow)
}

/// The integers of so many bits.
pub(super) fn range_of(width: f32, signed: bool, narrow: bool) -> Result<Option<[f32; 2]>, String> {
    if !(1.0..=24.0).contains(&width) {
        return Err(format!("bit width: expected 1 to 24, found {width}"));
    }
    if width == 1.0 && signed {
        return Ok(None);
    }
    let width = width as i32;
    let power = |bits: i32| (1_i64 << bits) as f32;
    let narrow = f32::from(u8::from(narrow));
    Ok(Some(if signed {
        [narrow - power(width - 1), power(width - 1) - 1.0]
    } else {
        [0.0, power(width) - 1.0 - narrow]
    }))
}

/// A quantiser of constants.
pub(super) fn of_constants(
    op: &str,
    node: &Node,
    inputs: &[&Constant],
) -> Result<Constant, String> {
    let input = |index: usize| {
        inputs
            .get(index)
            .copied()
            .ok_or_else(|| format!("expected an input {index}, found none"))
    };
    let sign = |x: f32| if x >= 0.0 { 1.0 } else { -1.0 };
    match op {
        "BipolarQuant" => {
            let bits = map(input(0)?, sign);
            binary("Mul", &bits, input(1)?)
        }
        "Quant" => {
            let (scale, zero) = (input(1)?, input(2)?);
            let range = range(node, input(3)?)?;
            let mode = Mode::of(node, "ROUND")?;
            let scaled = binary("Div", &map(input(0)?, |x| x), scale)?;
            let shifted = binary("Add", &scaled, zero)?;
            let rounded = match range {
                None => map(&shifted, sign),
                Some([low, high]) => map(&shifted, |x| mode.apply(x.clamp(low, high))),
            };
            binary("Mul", &binary("Sub", &rounded, zero)?, scale)
        }
        "DequantizeLinear" => {
            let x = map(input(0)?, |x| x);
            let along = |list: &Constant| along_axis(list, &x.dims, node.integer("axis", 1));
            let shifted = match inputs.get(2) {
                Some(zero) => binary("Sub", &x, &along(zero)?)?,
                None => x.clone(),
            };
            binary("Mul", &shifted, &along(input(1)?)?)
        }
        _ => Err("integer inference is not known; export the net in float32, or with QONNX".into()),
    }
}

/// A list with a number for each place of an axis as an array that is broadcast.
pub(super) fn along_axis(list: &Constant, dims: &[usize], axis: i64) -> Result<Constant, String> {
    if list.len() == 1 || list.dims.len() != 1 {
        return Ok(list.clone());
    }
    let axis = super::constant::normal_axis(axis, dims.len())?;
    let mut shape = vec![1; dims.len() - axis];
    shape[0] = list.len();
    Ok(Constant::new(shape, list.data.clone()))
}

fn map(input: &Constant, function: impl Fn(f32) -> f32) -> Constant {
    let values = input.to_f32().into_iter().map(function).collect();
    Constant::new(input.dims.clone(), Data::F32(values))
}

fn binary(op: &str, a: &Constant, b: &Constant) -> Result<Constant, String> {
    super::constant::binary(op, a, &map(b, |x| x))
}
