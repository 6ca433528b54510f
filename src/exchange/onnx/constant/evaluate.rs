//! Nodes that read constants alone.

use super::{
    arithmetic,
    movement::{self, Range, broadcast_dims, normal_axis},
    reduce,
    value::{Constant, Data, RANK_LIMIT, count, type_of},
};
use crate::exchange::onnx::{external::Refuse, node::Node, proto::data_type};
use half::{bf16, f16};

/// How much may be computed of constants, so that a small file costs little.
pub(in super::super) struct Budget {
    left: usize,
    largest: usize,
}

impl Budget {
    /// For a file with so many values.
    pub(in super::super) fn new(elements: usize) -> Self {
        let largest = elements.saturating_mul(4).max(1 << 20);
        Self {
            left: largest.saturating_mul(16),
            largest,
        }
    }

    /// Charges a result of so many values.
    pub(in super::super) fn take(&mut self, dims: &[usize]) -> Result<(), String> {
        let len = count(dims).filter(|&len| len <= self.largest);
        let left = len.and_then(|len| self.left.checked_sub(len + 16));
        self.left = left.ok_or_else(|| {
            format!(
                "a constant of {dims:?} is too large for a file of this size; fold the constants \
                 of the file, for instance by onnxsim"
            )
        })?;
        Ok(())
    }
}

/// The outputs of a node whose inputs are these constants.
pub(in super::super) fn evaluate(
    node: &Node,
    inputs: &[Option<&Constant>],
    budget: &mut Budget,
) -> Result<Vec<Constant>, String> {
    let op = node.op()?;
    let input = |index: usize| {
        inputs
            .get(index)
            .copied()
            .flatten()
            .ok_or_else(|| format!("expected an input {index}, found none"))
    };
    let optional = |index: usize| inputs.get(index).copied().flatten();
    let given: Vec<&Constant> = inputs.iter().copied().flatten().collect();
    // Most results are no larger than the inputs together after broadcasting.
    let mut broadcast = Vec::new();
    for constant in &given {
        if let Ok(dims) = broadcast_dims(&broadcast, &constant.dims) {
            broadcast = dims;
        }
        budget.take(&constant.dims)?;
    }
    budget.take(&broadcast)?;
    let one = |constant| Ok(vec![constant]);
    match op {
        "Constant" => one(constant_node(node)?),
        "Identity" | "Dropout" => one(input(0)?.clone()),
        "Shape" => {
            let dims: Vec<i64> = input(0)?.dims.iter().map(|&dim| dim as i64).collect();
            one(shape(node, &dims))
        }
        "Size" => one(Constant::new(
            vec![],
            Data::I64(vec![input(0)?.len() as i64]),
        )),
        "Cast" => one(cast(input(0)?, node.integer("to", 0))?),
        "ConstantOfShape" => {
            let dims = movement::reshape_target(input(0)?)?;
            budget.take(&dims)?;
            let value = match node.attribute("value").and_then(|value| value.t.as_ref()) {
                Some(tensor) => of_tensor(tensor)?,
                None => Constant::new(vec![1], Data::F32(vec![0.0])),
            };
            if value.len() != 1 {
                return Err("its attribute value: expected one number".into());
            }
            let scalar = Constant::new(vec![], value.data);
            one(movement::expand(&scalar, &dims))
        }
        "Range" => one(range(input(0)?, input(1)?, input(2)?, budget)?),
        "Reshape" => {
            let x = input(0)?;
            let target = match node.integers("shape") {
                Some(shape) => shape,
                None => input(1)?.to_integers()?,
            };
            let allow_zero = node.integer("allowzero", 0) != 0;
            let dims = movement::reshape_dims(&x.dims, target, allow_zero)?;
            one(Constant::new(dims, x.data.clone()))
        }
        "Flatten" => {
            let x = input(0)?;
            let axis = flatten_axis(node.integer("axis", 1), x.dims.len())?;
            let rows = x.dims[..axis].iter().product();
            let columns = x.dims[axis..].iter().product();
            one(Constant::new(vec![rows, columns], x.data.clone()))
        }
        "Transpose" => {
            let x = input(0)?;
            one(movement::transpose(x, &permutation(node, x.dims.len())?))
        }
        "Squeeze" => {
            let x = input(0)?;
            let removed = squeezed(node, optional(1), &x.dims)?;
            let kept = (0..x.dims.len()).filter(|&axis| !removed[axis]);
            let dims = kept.map(|axis| x.dims[axis]).collect();
            one(Constant::new(dims, x.data.clone()))
        }
        "Unsqueeze" => {
            let x = input(0)?;
            let added = unsqueezed(node, optional(1), x.dims.len())?;
            let mut old = x.dims.iter();
            let size = |&added: &bool| {
                if added {
                    1
                } else {
                    old.next().copied().unwrap_or(1)
                }
            };
            let dims = added.iter().map(size).collect();
            one(Constant::new(dims, x.data.clone()))
        }
        "Concat" => {
            let dims = [given.iter().map(|constant| constant.len()).sum()];
            budget.take(&dims)?;
            one(movement::concat(&given, node.integer("axis", 0))?)
        }
        "Slice" => {
            let x = input(0)?;
            let lists = [1, 2, 3, 4].map(optional);
            let ranges = slice_ranges(node, lists, &x.dims)?;
            one(movement::slice(x, &ranges))
        }
        "Split" => {
            let x = input(0)?;
            let axis = normal_axis(node.integer("axis", 0), x.dims.len())?;
            let parts = split_sizes(node, optional(1), x.dims[axis])?;
            let mut start = 0;
            let part = |length| {
                let mut ranges: Vec<_> = x.dims.iter().map(|&dim| Range::whole(dim)).collect();
                (ranges[axis].start, ranges[axis].length) = (start, length);
                start += length;
                movement::slice(x, &ranges)
            };
            Ok(parts.into_iter().map(part).collect())
        }
        "Gather" => {
            let (x, indices) = (input(0)?, input(1)?);
            let axis = normal_axis(node.integer("axis", 0), x.dims.len())?;
            let others = x.len() / x.dims[axis].max(1);
            budget.take(&[others, indices.len()])?;
            one(movement::gather(x, indices, axis)?)
        }
        "Expand" => {
            let x = input(0)?;
            let target = movement::reshape_target(input(1)?)?;
            let dims = broadcast_dims(&x.dims, &target)?;
            budget.take(&dims)?;
            one(movement::expand(x, &dims))
        }
        "Tile" => {
            let x = input(0)?;
            let repeats = movement::reshape_target(input(1)?)?;
            one(tile(x, &repeats, budget)?)
        }
        "Where" => one(arithmetic::select(input(0)?, input(1)?, input(2)?)?),
        "Sum" | "Mean" | "Min" | "Max" => {
            let mut result = input(0)?.clone();
            for other in &given[1..] {
                result = arithmetic::binary(op, &result, other)?;
            }
            if op == "Mean" {
                let count = Constant::new(vec![], Data::F32(vec![given.len() as f32]));
                result = arithmetic::binary("Div", &result, &count)?;
            }
            one(result)
        }
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Mod" | "Greater" | "GreaterOrEqual" | "Less"
        | "LessOrEqual" | "Equal" | "And" | "Or" | "Xor" => {
            one(arithmetic::binary(op, input(0)?, input(1)?)?)
        }
        "Not" => one(arithmetic::unary(op, input(0)?)?),
        "Clip" => one(clip(node, input(0)?, optional(1), optional(2))?),
        "MatMul" => {
            let (a, b) = (input(0)?, input(1)?);
            let work = a.len().saturating_mul(b.dims.last().copied().unwrap_or(1));
            budget.take(&[work])?;
            one(reduce::matmul(a, b)?)
        }
        "ReduceSum" | "ReduceMean" | "ReduceProd" | "ReduceMax" | "ReduceMin" | "ReduceL1"
        | "ReduceL2" | "ReduceSumSquare" => {
            let x = input(0)?;
            let axes = reduced_axes(node, optional(1), x.dims.len())?;
            let keep = node.integer("keepdims", 1) != 0;
            one(reduce::reduce(op, x, &axes, keep)?)
        }
        _ if arithmetic::unary_op(op).is_some() => one(arithmetic::unary(op, input(0)?)?),
        _ => Err(
            "this operator on constants alone is not known; fold the constants of the file, \
                  for instance by onnxsim"
                .into(),
        ),
    }
}

fn of_tensor(tensor: &crate::exchange::onnx::proto::TensorProto) -> Result<Constant, String> {
    Constant::of_message(
        tensor.clone(),
        &mut Refuse("which is not opened for a node's attribute; save the model with it inside"),
    )
}

fn constant_node(node: &Node) -> Result<Constant, String> {
    let attribute = |name| node.attribute(name);
    if let Some(tensor) = attribute("value").and_then(|value| value.t.as_ref()) {
        return of_tensor(tensor);
    }
    if attribute("value_float").is_some() {
        let value = node.float("value_float", 0.0);
        return Ok(Constant::new(vec![], Data::F32(vec![value])));
    }
    if attribute("value_int").is_some() {
        let value = node.integer("value_int", 0);
        return Ok(Constant::new(vec![], Data::I64(vec![value])));
    }
    if let Some(value) = attribute("value_floats") {
        let floats = value.floats.clone();
        return Ok(Constant::new(vec![floats.len()], Data::F32(floats)));
    }
    if let Some(value) = attribute("value_ints") {
        return Ok(Constant::integers(value.ints.clone()));
    }
    Err("expected a value of floats or integers; sparse tensors and texts are not known".into())
}

/// Sizes of an array between the attributes `start` and `end`.
pub(in super::super) fn shape(node: &Node, dims: &[i64]) -> Constant {
    let rank = dims.len() as i64;
    let place = |name, default| {
        let place = node.integer(name, default);
        let place = if place < 0 {
            place.saturating_add(rank)
        } else {
            place
        };
        place.clamp(0, rank) as usize
    };
    let (start, end) = (place("start", 0), place("end", rank));
    Constant::integers(dims[start..end.max(start)].to_vec())
}

/// Another type for the same values.
pub(in super::super) fn cast(input: &Constant, to: i64) -> Result<Constant, String> {
    let to = i32::try_from(to).unwrap_or(0);
    let (name, _) = type_of(to)?;
    let doubles = || -> Vec<f64> {
        match &input.data {
            Data::F32(values) => values.iter().map(|&value| value.into()).collect(),
            Data::F64(values) => values.clone(),
            Data::I64(values) => values.iter().map(|&value| value as f64).collect(),
            Data::Bool(values) => values.iter().map(|&value| f64::from(value)).collect(),
        }
    };
    let integers = || -> Vec<i64> {
        match &input.data {
            Data::I64(values) => values.clone(),
            _ => doubles().into_iter().map(|value| value as i64).collect(),
        }
    };
    let wrapped = |wrap: fn(i64) -> i64| Data::I64(integers().into_iter().map(wrap).collect());
    let data = match to {
        data_type::FLOAT => Data::F32(input.to_f32()),
        data_type::FLOAT16 => {
            let round = |value: f64| f32::from(f16::from_f64(value));
            Data::F32(doubles().into_iter().map(round).collect())
        }
        data_type::BFLOAT16 => {
            let round = |value: f64| f32::from(bf16::from_f64(value));
            Data::F32(doubles().into_iter().map(round).collect())
        }
        data_type::DOUBLE => Data::F64(doubles()),
        data_type::BOOL => Data::Bool(match &input.data {
            Data::Bool(values) => values.clone(),
            Data::I64(values) => values.iter().map(|&value| value != 0).collect(),
            _ => doubles().into_iter().map(|value| value != 0.0).collect(),
        }),
        data_type::INT64 | data_type::UINT64 => Data::I64(integers()),
        data_type::INT32 => wrapped(|value| (value as i32).into()),
        data_type::UINT32 => wrapped(|value| (value as u32).into()),
        data_type::INT16 => wrapped(|value| (value as i16).into()),
        data_type::UINT16 => wrapped(|value| (value as u16).into()),
        data_type::INT8 => wrapped(|value| (value as i8).into()),
        data_type::UINT8 => wrapped(|value| (value as u8).into()),
        _ => return Err(format!("a cast to {name} is not known")),
    };
    Ok(Constant::new(input.dims.clone(), data))
}

fn range(
    start: &Constant,
    limit: &Constant,
    delta: &Constant,
    budget: &mut Budget,
) -> Result<Constant, String> {
    let number = |constant: &Constant| {
        constant
            .single()
            .map(f64::from)
            .ok_or("expected three numbers")
    };
    let (first, last, step) = (number(start)?, number(limit)?, number(delta)?);
    let length = ((last - first) / step).ceil().max(0.0);
    if !length.is_finite() || length > 1e9 {
        return Err(format!("a range from {first} to {last} by {step}"));
    }
    let length = length as usize;
    budget.take(&[length])?;
    let data = match (&start.data, &delta.data) {
        (Data::I64(start), Data::I64(delta)) => {
            let at = |index: usize| start[0].wrapping_add(delta[0].wrapping_mul(index as i64));
            Data::I64((0..length).map(at).collect())
        }
        _ => Data::F32(
            (0..length)
                .map(|index| (first + step * index as f64) as f32)
                .collect(),
        ),
    };
    Ok(Constant::new(vec![length], data))
}

fn tile(input: &Constant, repeats: &[usize], budget: &mut Budget) -> Result<Constant, String> {
    if repeats.len() != input.dims.len() {
        return Err("expected a number of repeats for each axis".into());
    }
    let sizes = input.dims.iter().zip(repeats);
    let dims: Vec<_> = sizes.map(|(&dim, &n)| dim.saturating_mul(n)).collect();
    budget.take(&dims)?;
    let mut result = input.clone();
    for (axis, &repeat) in repeats.iter().enumerate() {
        if repeat == 0 {
            result.dims[axis] = 0;
            result.data = result.data.gather(std::iter::empty());
        } else if repeat > 1 {
            let copies = vec![&result; repeat];
            result = movement::concat(&copies, axis as i64)?;
        }
    }
    Ok(result)
}

fn clip(
    node: &Node,
    input: &Constant,
    low: Option<&Constant>,
    high: Option<&Constant>,
) -> Result<Constant, String> {
    let attribute = |name| {
        node.attribute(name)
            .map(|attribute| Constant::new(vec![], Data::F32(vec![attribute.f.unwrap_or(0.0)])))
    };
    let (least, most) = (attribute("min"), attribute("max"));
    let mut result = input.clone();
    for (op, limit) in [
        ("Max", low.or(least.as_ref())),
        ("Min", high.or(most.as_ref())),
    ] {
        if let Some(limit) = limit {
            result = arithmetic::binary(op, &result, limit)?;
        }
    }
    Ok(result)
}

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
