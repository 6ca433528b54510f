//! What nodes are told besides their arrays: axes, places and sizes, in inputs or attributes.

use super::{
    movement::{Range, normal_axis},
    value::{Constant, RANK_LIMIT},
};
use crate::exchange::onnx::node::Node;

/// The axis before which `Flatten` and older softmaxes put everything into rows.
pub(in super::super) fn flatten_axis(axis: i64, rank: usize) -> Result<usize, String> {
    if axis == rank as i64 {
        return Ok(rank);
    }
    normal_axis(axis, rank)
}

/// The attribute `perm`, or the reverse order.
pub(in super::super) fn permutation(node: &Node, rank: usize) -> Result<Vec<usize>, String> {
    let Some(perm) = node.integers("perm") else {
        return Ok((0..rank).rev().collect());
    };
    let mut seen = vec![false; rank];
    let axes: Option<Vec<_>> = perm
        .iter()
        .map(|&axis| {
            let axis = normal_axis(axis, rank).ok()?;
            (!std::mem::replace(&mut seen[axis], true)).then_some(axis)
        })
        .collect();
    axes.filter(|axes| axes.len() == rank)
        .ok_or_else(|| format!("perm: expected each of {rank} axes once, found {perm:?}"))
}

/// A list of axes: an input since opset 13 or 18, before that an attribute.
pub(in super::super) fn axes(
    node: &Node,
    input: Option<&Constant>,
) -> Result<Option<Vec<i64>>, String> {
    match input {
        Some(axes) => Ok(Some(axes.to_integers()?.to_vec())),
        None => Ok(node.integers("axes").map(<[i64]>::to_vec)),
    }
}

/// Which axes a reduction goes over.
pub(in super::super) fn reduced_axes(
    node: &Node,
    input: Option<&Constant>,
    rank: usize,
) -> Result<Vec<bool>, String> {
    let listed = axes(node, input)?.unwrap_or_default();
    if listed.is_empty() {
        let all = node.integer("noop_with_empty_axes", 0) == 0;
        return Ok(vec![all; rank]);
    }
    let mut reduced = vec![false; rank];
    for axis in listed {
        reduced[normal_axis(axis, rank)?] = true;
    }
    Ok(reduced)
}

/// Which axes `Squeeze` removes.
pub(in super::super) fn squeezed(
    node: &Node,
    input: Option<&Constant>,
    dims: &[usize],
) -> Result<Vec<bool>, String> {
    let Some(listed) = axes(node, input)? else {
        return Ok(dims.iter().map(|&dim| dim == 1).collect());
    };
    let mut removed = vec![false; dims.len()];
    for axis in listed {
        let axis = normal_axis(axis, dims.len())?;
        if dims[axis] != 1 {
            return Err(format!(
                "axis {axis}: expected size 1, found {}",
                dims[axis]
            ));
        }
        removed[axis] = true;
    }
    Ok(removed)
}

/// Which axes of the result `Unsqueeze` adds.
pub(in super::super) fn unsqueezed(
    node: &Node,
    input: Option<&Constant>,
    rank: usize,
) -> Result<Vec<bool>, String> {
    let listed = axes(node, input)?.ok_or("expected axes, found none")?;
    let rank = rank + listed.len();
    if rank > RANK_LIMIT {
        return Err(format!("rank: expected at most {}", RANK_LIMIT));
    }
    let mut added = vec![false; rank];
    for axis in listed {
        let axis = normal_axis(axis, rank)?;
        if std::mem::replace(&mut added[axis], true) {
            return Err(format!("axis {axis}: expected each once, found it twice"));
        }
    }
    Ok(added)
}

/// The places of each axis that `Slice` takes; starts, ends, axes, steps are inputs since opset
/// 10, attributes before.
pub(in super::super) fn slice_ranges(
    node: &Node,
    [starts, ends, axes, steps]: [Option<&Constant>; 4],
    dims: &[usize],
) -> Result<Vec<Range>, String> {
    let list = |input: Option<&Constant>, name| -> Result<Option<Vec<i64>>, String> {
        match input {
            Some(list) => Ok(Some(list.to_integers()?.to_vec())),
            None => Ok(node.integers(name).map(<[i64]>::to_vec)),
        }
    };
    let starts = list(starts, "starts")?.ok_or("expected starts, found none")?;
    let ends = list(ends, "ends")?.ok_or("expected ends, found none")?;
    let all = || (0..starts.len() as i64).collect();
    let axes = list(axes, "axes")?.unwrap_or_else(all);
    let steps = list(steps, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err("expected as many starts, ends, axes and steps".into());
    }
    let mut ranges: Vec<_> = dims.iter().map(|&dim| Range::whole(dim)).collect();
    for (index, &axis) in axes.iter().enumerate() {
        let axis = normal_axis(axis, dims.len())?;
        ranges[axis] = Range::new(dims[axis], starts[index], ends[index], steps[index])?;
    }
    Ok(ranges)
}

/// The sizes of the parts of `Split`.
pub(in super::super) fn split_sizes(
    node: &Node,
    input: Option<&Constant>,
    size: usize,
) -> Result<Vec<usize>, String> {
    let listed = match input {
        Some(list) => Some(list.to_integers()?),
        None => node.integers("split"),
    };
    let parts = node.outputs().len();
    let sizes: Vec<usize> = match listed {
        Some(list) => {
            let sizes: Option<_> = list
                .iter()
                .map(|&part| usize::try_from(part).ok())
                .collect();
            sizes.ok_or_else(|| format!("parts: expected sizes, found {list:?}"))?
        }
        None => {
            let part = size.div_ceil(parts.max(1));
            (0..parts)
                .map(|index| part.min(size.saturating_sub(index * part)))
                .collect()
        }
    };
    let sum = sizes
        .iter()
        .try_fold(0_usize, |sum, &part| sum.checked_add(part));
    if sum != Some(size) || sizes.len() < parts {
        return Err(format!(
            "parts: expected {parts} whose sum is {size}, found {sizes:?}"
        ));
    }
    Ok(sizes)
}
