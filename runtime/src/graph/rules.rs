//! What several operators, inputs and outputs ask alike.

use super::{GraphError, Kind, Place, Shape, VALUES_LIMIT, Value};
use alloc::{format, vec, vec::Vec};

/// Largest depth of a binary product: a sum of bits fits in 31 bits with room to spare.
const DEPTH_LIMIT: usize = 1 << 30;
/// Largest depth of a product with bytes: sums stay far from the ends of 32 bits.
const BYTE_DEPTH_LIMIT: usize = 1 << 22;

pub(super) fn check_shape(place: &Place, shape: Shape) -> Result<(), GraphError> {
    place.check(
        !shape.is_empty() && shape.len() <= VALUES_LIMIT,
        "values of an item",
        format!("1 to {VALUES_LIMIT}"),
        shape,
    )
}

/// As many as channels, or one; `optional` also none.
pub(super) fn check_channels(
    place: &Place,
    what: &str,
    found: usize,
    shape: Shape,
    optional: bool,
) -> Result<(), GraphError> {
    let channels = shape.channels;
    place.check(
        found == channels || found == 1 || optional && found == 0,
        what,
        if optional {
            format!("none, 1 or {channels}, the channels")
        } else {
            format!("1 or {channels}, the channels")
        },
        found,
    )
}

pub(super) fn check_finite(place: &Place, what: &str, numbers: &[f32]) -> Result<(), GraphError> {
    // All of them without a jump, which the compiler does several at a time: nets are checked again
    // after each pass, and may hold millions of numbers.
    if numbers
        .iter()
        .fold(true, |all, number| all & number.is_finite())
    {
        return Ok(());
    }
    let found = numbers.iter().find(|number| !number.is_finite());
    Err(place.error(what, "a finite number", found.unwrap_or(&f32::NAN)))
}

pub(super) fn check_depth(place: &Place, kind: Kind, depth: usize) -> Result<(), GraphError> {
    let limit = if kind == Kind::U8 {
        BYTE_DEPTH_LIMIT
    } else {
        DEPTH_LIMIT
    };
    place.check(
        depth > 0 && depth < limit,
        "depth of a product",
        format!("1 to {}", limit - 1),
        depth,
    )
}

pub(super) fn check_permutation(
    place: &Place,
    perm: &[usize],
    axes: usize,
) -> Result<(), GraphError> {
    let mut seen = vec![false; axes];
    let fits = perm.len() == axes
        && perm.iter().all(|&axis| {
            seen.get_mut(axis)
                .is_some_and(|seen| !core::mem::replace(seen, true))
        });
    place.check(
        fits,
        "permutation",
        format!("each of {axes} axes once"),
        format!("{perm:?}"),
    )
}

pub(super) fn check_kind(
    place: &Place,
    what: &str,
    value: Value,
    allowed: &[Kind],
) -> Result<(), GraphError> {
    if allowed.contains(&value.kind) {
        return Ok(());
    }
    let names: Vec<_> = allowed.iter().map(|kind| kind.name()).collect();
    Err(place.error(what, names.join(" or "), value))
}
