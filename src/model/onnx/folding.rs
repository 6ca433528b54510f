//! Operators on constants: their value is what the graph's own arithmetic gives, rounded as it rounds.

use super::{
    constant::{Constant, Kind},
    graph::Node,
    signal::strided,
};

/// An operator of two numbers.
pub(super) fn binary(op: &str, a: &Constant, b: &Constant) -> Result<Constant, String> {
    let kind = if a.kind == Kind::Integer {
        b.kind
    } else {
        a.kind
    };
    let rank = a.dims.len().max(b.dims.len());
    let dim = |constant: &Constant, axis: usize| {
        let missing = rank - constant.dims.len();
        axis.checked_sub(missing)
            .map_or(1, |axis| constant.dims[axis])
    };
    let mut dims = Vec::with_capacity(rank);
    for axis in 0..rank {
        dims.push(match (dim(a, axis), dim(b, axis)) {
            (a, b) if a == b => a,
            (1, size) | (size, 1) => size,
            _ => {
                return Err(format!(
                    "constants of dimensions {:?} and {:?}",
                    a.dims, b.dims
                ));
            }
        });
    }
    // No more values than the larger one has: nothing grows without bound by two axes being repeated.
    let values = dims
        .iter()
        .try_fold(1usize, |product, &dim| product.checked_mul(dim));
    if values != Some(a.values.len().max(b.values.len())) {
        return Err(format!(
            "constants of dimensions {:?} and {:?}",
            a.dims, b.dims
        ));
    }
    let strides = |constant: &Constant| {
        let mut stride = 1;
        let mut strides = vec![0; rank];
        for axis in (0..rank).rev() {
            let dim = dim(constant, axis);
            strides[axis] = if dim == 1 { 0 } else { stride };
            stride *= dim;
        }
        strides
    };
    let (left, right) = (
        strided(&dims, &strides(a), 0),
        strided(&dims, &strides(b), 0),
    );
    let values = left.zip(right).map(|(left, right)| {
        let (a, b) = (a.values[left], b.values[right]);
        let value = match op {
            "Add" => a + b,
            "Sub" => a - b,
            "Mul" => a * b,
            "Div" if kind == Kind::Integer => (a / b).trunc(),
            "Div" => a / b,
            "Pow" => a.powf(b),
            _ => unreachable!("no such operator is asked for"),
        };
        round(kind, value)
    });
    Ok(Constant::new(kind, dims.clone(), values.collect()))
}

/// An f32 operation is its f64 operation rounded: with 53 bits, double rounding cannot show for the four basic ones and
/// the square root.
fn round(kind: Kind, value: f64) -> f64 {
    match kind {
        Kind::Single => f64::from(value as f32),
        Kind::Double | Kind::Integer => value,
    }
}

/// An operator of one number.
pub(super) fn unary(op: &str, a: &Constant) -> Constant {
    let value = |&value: &f64| match op {
        "Neg" => -value,
        "Sqrt" => round(a.kind, value.sqrt()),
        "Sign" if value == 0.0 => 0.0,
        "Sign" => value.signum(),
        _ => value,
    };
    Constant::new(a.kind, a.dims.clone(), a.values.iter().map(value).collect())
}

/// ±scale by the sign of each value, 0 counting as positive.
pub(super) fn bipolar(a: &Constant, scale: &Constant) -> Result<Constant, String> {
    let signs = a
        .values
        .iter()
        .map(|&value| if value >= 0.0 { 1.0 } else { -1.0 });
    let signs = Constant::new(a.kind, a.dims.clone(), signs.collect());
    binary("Mul", &signs, scale)
}

/// A quantiser of constants, `(q(x / scale + zero) − zero) · scale`, where `q` rounds and stays within the integers of the bits.
pub(super) fn quantised(
    a: &Constant,
    scale: &Constant,
    zero: &Constant,
    bits: f64,
    node: &Node,
) -> Result<Constant, String> {
    if !(2.0..=24.0).contains(&bits) || bits.fract() != 0.0 {
        return Err(format!("a quantiser to {bits} bits, expected 1 to 24"));
    }
    let narrow = f64::from(u8::from(node.integer("narrow", 0) != 0));
    let [least, most] = if node.integer("signed", 1) != 0 {
        [narrow - (bits - 1.0).exp2(), (bits - 1.0).exp2() - 1.0]
    } else {
        [0.0, bits.exp2() - 1.0 - narrow]
    };
    let round: fn(f64) -> f64 = match node.text("rounding_mode", "ROUND")?.to_uppercase().as_str() {
        "ROUND" | "HALF_EVEN" => f64::round_ties_even,
        "HALF_UP" => f64::round,
        "HALF_DOWN" => |value| (value.abs() - 0.5).ceil().copysign(value),
        "CEIL" => f64::ceil,
        "FLOOR" => f64::floor,
        "UP" => |value| value.abs().ceil().copysign(value),
        "DOWN" => f64::trunc,
        mode => return Err(format!("the rounding mode {mode:?} is not known")),
    };
    let mut levels = binary("Add", &binary("Div", a, scale)?, zero)?;
    for value in &mut levels.values {
        *value = round(value.clamp(least, most));
    }
    binary("Mul", &binary("Sub", &levels, zero)?, scale)
}

pub(super) fn transpose(a: &Constant, node: &Node) -> Result<Constant, String> {
    let order = permutation(node, a.dims.len())?;
    let (dims, strides) = permuted(&a.dims, &order);
    let values = strided(&dims, &strides, 0)
        .map(|index| a.values[index])
        .collect();
    Ok(Constant::new(a.kind, dims, values))
}

/// The order of axes that a `Transpose` says; without, the reverse.
pub(super) fn permutation(node: &Node, rank: usize) -> Result<Vec<usize>, String> {
    let Some(order) = node.integers("perm") else {
        return Ok((0..rank).rev().collect());
    };
    let axes: Vec<_> = order
        .iter()
        .filter_map(|&axis| usize::try_from(axis).ok())
        .collect();
    let mut sorted = axes.clone();
    sorted.sort_unstable();
    if axes.len() == order.len() && sorted.iter().copied().eq(0..rank) {
        Ok(axes)
    } else {
        Err(format!("perm {order:?} for a tensor of {rank} axes"))
    }
}

/// Dimensions in another order, and the strides of a tensor of the old ones in it.
pub(super) fn permuted(dims: &[usize], order: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let mut strides = vec![1; dims.len()];
    for axis in (1..dims.len()).rev() {
        strides[axis - 1] = strides[axis] * dims[axis];
    }
    order
        .iter()
        .map(|&axis| (dims[axis], strides[axis]))
        .unzip()
}

pub(super) fn gather(a: &Constant, indices: &Constant, node: &Node) -> Result<Constant, String> {
    if node.integer("axis", 0) != 0 || a.dims.len() != 1 {
        return Err(format!(
            "constants of {} axes are not gathered from",
            a.dims.len()
        ));
    }
    let size = a.values.len() as i64;
    let value = |index: i64| {
        let index = if index < 0 { index + size } else { index };
        usize::try_from(index)
            .ok()
            .and_then(|index| a.values.get(index))
            .copied()
    };
    let indices_found = indices
        .to_integers()
        .ok_or("indices that are not integers")?;
    let values: Option<_> = indices_found.into_iter().map(value).collect();
    let values = values.ok_or_else(|| format!("an index outside of {size} values"))?;
    Ok(Constant::new(a.kind, indices.dims.clone(), values))
}

pub(super) fn concat(parts: &[&Constant]) -> Result<Constant, String> {
    if parts.iter().any(|part| part.dims.len() != 1) {
        return Err("only constants of one axis are concatenated".into());
    }
    let values: Vec<_> = parts
        .iter()
        .flat_map(|part| part.values.iter().copied())
        .collect();
    let kind = parts.first().map_or(Kind::Integer, |part| part.kind);
    Ok(Constant::new(kind, vec![values.len()], values))
}
