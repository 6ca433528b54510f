//! Operators that join, cut, repeat and reorder the values of arrays.

use super::{
    net::{Dynamic, Net},
    operand::{Operand, Operands},
    reshape::{expanded_dims, one_size, permuted},
};
use crate::exchange::onnx::constant::{Constant, count, normal_axis, slice_ranges, split_sizes};
use bernet_runtime::graph::{Kind, Op, VALUES_LIMIT};

/// The most pieces that one node becomes.
const PIECES_LIMIT: usize = 4096;

/// Arrays one after the other along an axis.
fn join(net: &mut Net, arrays: &[Dynamic], axis: usize) -> Result<Dynamic, String> {
    // An array that is not a constant says where the batch is.
    let first = arrays
        .iter()
        .find(|array| array.batch.is_some())
        .or(arrays.first())
        .ok_or("expected inputs, found none")?;
    let mut dims = first.dims.clone();
    dims[axis] = 0;
    for array in arrays {
        let mut others = array.dims.clone();
        let along = *others.get(axis).unwrap_or(&0);
        if axis < others.len() {
            others[axis] = dims[axis];
        }
        if others != dims || array.batch.is_some_and(|batch| first.batch != Some(batch)) {
            return Err(format!(
                "expected arrays like {} but for axis {axis}, found {}",
                first.describe(),
                array.describe()
            ));
        }
        dims[axis] += along;
    }
    let (groups, along) = net.expose(first, axis);
    let values: Result<Vec<_>, String> = arrays
        .iter()
        .map(|array| net.arrange(array, &groups))
        .collect();
    let value = net.node(Op::Concat(along), &values?)?;
    let ones = (0..dims.len()).filter(|other| !groups.iter().flatten().any(|axis| axis == other));
    let order = ones.chain(groups.iter().flatten().copied()).collect();
    Ok(Dynamic {
        value,
        dims,
        batch: first.batch,
        order,
    })
}

/// `Concat`.
pub(super) fn concat(net: &mut Net, operands: &Operands) -> Result<Dynamic, String> {
    let dynamic = operands
        .list
        .iter()
        .flatten()
        .find_map(|operand| match operand {
            Operand::Dynamic(dynamic) => Some(dynamic.clone()),
            Operand::Known(_) => None,
        });
    let dynamic = dynamic.ok_or("expected inputs, found none")?;
    let axis = dynamic.item_axis(operands.node.integer("axis", 0))?;
    let kind = net.kind(dynamic.value);
    let arrays = operands.arrays(net, kind)?;
    if let [one] = &arrays[..] {
        return Ok(one.clone());
    }
    join(net, &arrays, axis)
}

/// Places of an axis at equal distances; all of them are the array itself.
fn cut(
    net: &mut Net,
    x: &Dynamic,
    axis: usize,
    start: usize,
    length: usize,
    step: usize,
) -> Result<Dynamic, String> {
    x.check_item_axis(axis)?;
    if length == 0 {
        return Err("the result is empty".into());
    }
    if (start, length, step) == (0, x.dims[axis], 1) {
        return Ok(x.clone());
    }
    let (groups, along) = net.expose(x, axis);
    let value = net.arrange(x, &groups)?;
    let slice = Op::Slice {
        axis: along,
        start,
        length,
        step,
    };
    let value = net.node(slice, &[value])?;
    let mut dims = x.dims.clone();
    dims[axis] = length;
    let ones = (0..x.rank()).filter(|other| !groups.iter().flatten().any(|one| one == other));
    let order = ones.chain(groups.iter().flatten().copied()).collect();
    Ok(Dynamic {
        value,
        dims,
        batch: x.batch,
        order,
    })
}

/// Places of an axis, which are taken in runs of equal distance.
pub(super) fn take(
    net: &mut Net,
    x: &Dynamic,
    axis: usize,
    places: &[usize],
) -> Result<Dynamic, String> {
    x.check_item_axis(axis)?;
    if places.is_empty() {
        return Err("the result is empty".into());
    }
    if places.iter().copied().eq(0..x.dims[axis]) {
        return Ok(x.clone());
    }
    let mut runs: Vec<[usize; 3]> = Vec::new();
    for &place in places {
        match runs.last_mut() {
            Some([start, length, step]) if *length == 1 && place > *start => {
                (*length, *step) = (2, place - *start);
            }
            Some([start, length, step]) if *length > 1 && place == *start + *length * *step => {
                *length += 1;
            }
            _ => runs.push([place, 1, 1]),
        }
    }
    if runs.len() > PIECES_LIMIT {
        return Err(format!(
            "expected at most {PIECES_LIMIT} runs of neighbouring places, found {}",
            runs.len()
        ));
    }
    let mut parts = Vec::with_capacity(runs.len());
    for [start, length, step] in runs {
        parts.push(cut(net, x, axis, start, length, step)?);
    }
    if let [one] = &parts[..] {
        return Ok(one.clone());
    }
    join(net, &parts, axis)
}

/// `Slice`.
pub(super) fn slice(net: &mut Net, operands: &Operands) -> Result<Dynamic, String> {
    let mut x = operands.dynamic(0)?.clone();
    let mut lists = [None, None, None, None];
    for (index, list) in lists.iter_mut().enumerate() {
        *list = operands.constant(index + 1)?;
    }
    let lists = [0, 1, 2, 3].map(|index: usize| lists[index].as_deref());
    let full = one_size(net, &x);
    let ranges = slice_ranges(operands.node, lists, &full)?;
    for (axis, range) in ranges.into_iter().enumerate() {
        if x.batch == Some(axis) {
            if (range.start, range.length, range.step) != (0, full[axis], 1) {
                return Err("it cuts the batch, which a net cannot".into());
            }
            continue;
        }
        if let Ok(step) = usize::try_from(range.step) {
            // A step is not taken where there is one place.
            let step = if range.length > 1 { step } else { 1 };
            x = cut(net, &x, axis, range.start, range.length, step)?;
            continue;
        }
        if range.length > PIECES_LIMIT {
            return Err(format!(
                "places of a negative step: expected at most {PIECES_LIMIT}, found {}",
                range.length
            ));
        }
        let place = |index: usize| range.start.wrapping_add_signed(index as isize * range.step);
        let places: Vec<usize> = match range.length {
            0 | 1 => vec![range.start; range.length],
            length => (0..length).map(place).collect(),
        };
        x = take(net, &x, axis, &places)?;
    }
    Ok(x)
}

/// `Split`.
pub(super) fn split(net: &mut Net, operands: &Operands) -> Result<Vec<Dynamic>, String> {
    let x = operands.dynamic(0)?.clone();
    let axis = x.item_axis(operands.node.integer("axis", 0))?;
    let list = operands.constant(1)?;
    let sizes = split_sizes(operands.node, list.as_deref(), x.dims[axis])?;
    let mut start = 0;
    let mut parts = Vec::new();
    for (size, output) in sizes.into_iter().zip(operands.node.outputs()) {
        // A part that nobody reads may be empty.
        if output.is_empty() {
            parts.push(x.clone());
        } else {
            parts.push(cut(net, &x, axis, start, size, 1)?);
        }
        start += size;
    }
    Ok(parts)
}

/// `Gather` with constant places.
pub(super) fn gather(net: &mut Net, operands: &Operands) -> Result<Dynamic, String> {
    let x = operands.dynamic(0)?.clone();
    let axis = x.item_axis(operands.node.integer("axis", 0))?;
    let indices = operands.needed(1)?;
    let places: Result<Vec<usize>, String> = indices
        .to_integers()?
        .iter()
        .map(|&place| normal_axis(place, x.dims[axis]))
        .collect();
    let places = places.map_err(|error| format!("place of {error}"))?;
    if indices.dims.len() > 1 {
        return Err(format!(
            "places: expected one number or a list, found an array {:?}",
            indices.dims
        ));
    }
    let result = take(net, &x, axis, &places)?;
    if !indices.dims.is_empty() {
        return Ok(result);
    }
    let removed: Vec<bool> = (0..x.rank()).map(|other| other == axis).collect();
    Ok(result.without(&removed))
}

/// `Pad` by a number, the edge or a reflection.
pub(super) fn pad(net: &mut Net, operands: &Operands) -> Result<Dynamic, String> {
    let node = operands.node;
    let mut x = operands.dynamic(0)?.clone();
    let listed = match operands.constant(1)? {
        Some(list) => list.to_integers()?.to_vec(),
        None => node.integers("pads").unwrap_or_default().to_vec(),
    };
    let axes: Vec<usize> = match operands.constant(3)? {
        Some(list) => {
            let axes: Result<_, String> = list
                .to_integers()?
                .iter()
                .map(|&axis| normal_axis(axis, x.rank()))
                .collect();
            axes?
        }
        None => (0..x.rank()).collect(),
    };
    if listed.len() != 2 * axes.len() {
        return Err(format!(
            "pads: expected two for each of {} axes, found {}",
            axes.len(),
            listed.len()
        ));
    }
    let value = match operands.constant(2)? {
        Some(value) => value.single().unwrap_or(0.0),
        None => node.float("value", 0.0),
    };
    let value = match net.kind(x.value) {
        Kind::Bit if value == 0.0 => -1.0,
        _ => value,
    };
    let mode = node.text("mode", "constant")?.to_owned();
    let mut padding = Vec::new();
    for (index, &axis) in axes.iter().enumerate() {
        let (before, after) = (listed[index], listed[index + axes.len()]);
        if before == 0 && after == 0 {
            continue;
        }
        x.check_item_axis(axis)?;
        let size = x.dims[axis] as i64;
        let limit = VALUES_LIMIT as i64;
        let fits = |pad: i64| (-size..=limit).contains(&pad);
        if !fits(before) || !fits(after) || before + after + size < 1 {
            return Err(format!(
                "pads of axis {axis}: {before} and {after} of {size} places"
            ));
        }
        if mode != "constant" {
            let places = padded_places(&mode, before, after, size)?;
            x = take(net, &x, axis, &places)?;
            continue;
        }
        if before < 0 || after < 0 {
            let (start, end) = ((-before).max(0), size - (-after).max(0));
            let length = usize::try_from(end - start).unwrap_or(0);
            x = cut(net, &x, axis, start as usize, length, 1)?;
        }
        padding.push((axis, before.max(0) as usize, after.max(0) as usize));
    }
    // All at once where each axis is a height, a width or channels by itself.
    let own = net.groups(&x).filter(|groups| {
        padding
            .iter()
            .all(|(axis, ..)| groups.iter().any(|group| group[..] == [*axis]))
    });
    let rounds = match &own {
        Some(_) if !padding.is_empty() => vec![padding],
        _ => padding.into_iter().map(|one| vec![one]).collect(),
    };
    for round in rounds {
        let groups = match (&own, &round[..]) {
            (Some(groups), _) => groups.clone(),
            (None, [(axis, ..), ..]) => net.expose(&x, *axis).0,
            _ => continue,
        };
        let (mut before, mut after) = ([0; 3], [0; 3]);
        let mut dims = x.dims.clone();
        for (axis, first, last) in round {
            if let Some(index) = groups.iter().position(|group| group[..] == [axis]) {
                (before[index], after[index]) = (first, last);
                dims[axis] += first + last;
            }
        }
        if count(&dims).is_none_or(|len| len > VALUES_LIMIT) {
            return Err(format!("the result {dims:?} is too large"));
        }
        let arranged = net.arrange(&x, &groups)?;
        let pad = Op::Pad {
            before,
            after,
            value,
        };
        let padded = net.node(pad, &[arranged])?;
        let ones = (0..x.rank()).filter(|other| !groups.iter().flatten().any(|one| one == other));
        let order = ones.chain(groups.iter().flatten().copied()).collect();
        x = Dynamic {
            value: padded,
            dims,
            batch: x.batch,
            order,
        };
    }
    Ok(x)
}

/// The place that each place of a padded axis repeats.
fn padded_places(mode: &str, before: i64, after: i64, size: i64) -> Result<Vec<usize>, String> {
    if before + after + size > PIECES_LIMIT as i64 {
        return Err(format!(
            "expected at most {PIECES_LIMIT} places of a padded axis"
        ));
    }
    let places = -before..size + after;
    let place = |place: i64| match mode {
        "edge" => place.clamp(0, size - 1),
        "wrap" => place.rem_euclid(size),
        "reflect" if size > 1 => {
            let period = 2 * (size - 1);
            let place = place.rem_euclid(period);
            place.min(period - place)
        }
        _ => 0,
    };
    match mode {
        "edge" | "wrap" | "reflect" => Ok(places.map(|index| place(index) as usize).collect()),
        _ => Err(format!(
            "mode: expected constant, edge, reflect or wrap, found {mode:?}"
        )),
    }
}

/// The array `repeats` times along an axis.
fn repeat(net: &mut Net, x: &Dynamic, axis: usize, repeats: usize) -> Result<Dynamic, String> {
    if repeats == 1 {
        return Ok(x.clone());
    }
    x.check_item_axis(axis)?;
    if repeats == 0 || repeats > PIECES_LIMIT {
        return Err(format!(
            "repeats: expected 1 to {PIECES_LIMIT}, found {repeats}"
        ));
    }
    join(net, &vec![x.clone(); repeats], axis)
}

/// `Expand`.
pub(super) fn expand(net: &mut Net, operands: &Operands) -> Result<Dynamic, String> {
    let x = operands.dynamic(0)?.clone();
    let Operand::Known(target) = operands.get(1)? else {
        return Err("shape: expected a constant".into());
    };
    let (mut x, dims) = expanded_dims(net, &x, target)?;
    for (axis, &size) in dims.iter().enumerate() {
        if x.dims[axis] != size {
            x = repeat(net, &x, axis, size)?;
        }
    }
    Ok(x)
}

/// `Tile`.
pub(super) fn tile(net: &mut Net, operands: &Operands) -> Result<Dynamic, String> {
    let mut x = operands.dynamic(0)?.clone();
    let repeats = operands.needed(1)?;
    let repeats = repeats.to_integers()?;
    if repeats.len() != x.rank() {
        return Err("expected a number of repeats for each axis".into());
    }
    for (axis, &repeats) in repeats.iter().enumerate() {
        x = repeat(net, &x, axis, usize::try_from(repeats).unwrap_or(0))?;
    }
    Ok(x)
}

/// `DepthToSpace` and `SpaceToDepth`.
pub(super) fn depth_and_space(
    net: &mut Net,
    op: &str,
    operands: &Operands,
) -> Result<Dynamic, String> {
    let node = operands.node;
    let x = operands.dynamic(0)?.clone();
    let block = usize::try_from(node.integer("blocksize", 0)).unwrap_or(0);
    let [one, channels, height, width] = x.dims[..] else {
        return Err(format!("expected [N, C, H, W], found {}", x.describe()));
    };
    if x.batch.unwrap_or(0) != 0 || one != 1 {
        return Err("expected the batch on the first axis".into());
    }
    let square = block.saturating_mul(block);
    let fits = if op == "DepthToSpace" {
        block > 0 && channels % square == 0
    } else {
        block > 0 && height % block == 0 && width % block == 0
    };
    if !fits {
        return Err(format!(
            "blocksize {block} does not divide {}",
            x.describe()
        ));
    }
    let (dims, perm, result) = if op == "DepthToSpace" {
        let deep = channels / square;
        let result = vec![1, deep, height * block, width * block];
        if node.text("mode", "DCR")? == "DCR" {
            let dims = vec![1, block, block, deep, height, width];
            (dims, [0, 3, 4, 1, 5, 2], result)
        } else {
            let dims = vec![1, deep, block, block, height, width];
            (dims, [0, 1, 4, 2, 5, 3], result)
        }
    } else {
        let (height, width) = (height / block, width / block);
        let dims = vec![1, channels, height, block, width, block];
        let result = vec![1, channels * square, height, width];
        (dims, [0, 3, 5, 1, 2, 4], result)
    };
    let parts = net.regroup(&x, dims, x.batch)?;
    net.regroup(&permuted(&parts, &perm), result, x.batch)
}

/// `Resize` and `Upsample` by the nearest place.
pub(super) fn resize(net: &mut Net, op: &str, operands: &Operands) -> Result<Dynamic, String> {
    let node = operands.node;
    let mut x = operands.dynamic(0)?.clone();
    let mode = node.text("mode", "nearest")?;
    if mode != "nearest" {
        return Err(format!(
            "mode {mode:?}: expected nearest; other modes are not known"
        ));
    }
    let filled = |constant: Option<std::rc::Rc<Constant>>| constant.filter(|one| one.len() > 0);
    let (scales, sizes) = if op == "Upsample" || node.opset < 11 {
        (filled(operands.constant(1)?), None)
    } else {
        (filled(operands.constant(2)?), filled(operands.constant(3)?))
    };
    if node.integers("axes").is_some() {
        return Err("axes of a resize are not known".into());
    }
    let old = op == "Upsample" || node.opset < 11;
    let coordinates = node
        .text(
            "coordinate_transformation_mode",
            if old { "asymmetric" } else { "half_pixel" },
        )?
        .to_owned();
    let rounding = node
        .text(
            "nearest_mode",
            if old { "floor" } else { "round_prefer_floor" },
        )?
        .to_owned();
    for axis in 0..x.rank() {
        let size = x.dims[axis];
        let (new, scale) = if let Some(sizes) = &sizes {
            let new = sizes.to_integers()?.get(axis).copied().unwrap_or(0);
            let new = usize::try_from(new).unwrap_or(0);
            if x.batch == Some(axis) {
                continue;
            }
            (new, new as f32 / size as f32)
        } else {
            let list = match (&scales, node.attribute("scales")) {
                (Some(scales), _) => scales.to_f32(),
                (None, Some(attribute)) => attribute.floats.clone(),
                _ => return Err("expected scales or sizes, found none".into()),
            };
            let scale = list.get(axis).copied().unwrap_or(0.0);
            ((size as f32 * scale).floor() as usize, scale)
        };
        if new == size && (scale - 1.0).abs() < 1e-6 {
            continue;
        }
        if !scale.is_finite() || scale <= 0.0 || new == 0 || new > PIECES_LIMIT {
            return Err(format!(
                "axis {axis} of {size} places becomes {new}, scale {scale}"
            ));
        }
        let mut places = Vec::with_capacity(new);
        for index in 0..new {
            let index = index as f32;
            let place = match coordinates.as_str() {
                "asymmetric" => index / scale,
                "half_pixel" => (index + 0.5) / scale - 0.5,
                "pytorch_half_pixel" if new > 1 => (index + 0.5) / scale - 0.5,
                "pytorch_half_pixel" => 0.0,
                "align_corners" if new > 1 => index * (size as f32 - 1.0) / (new as f32 - 1.0),
                "align_corners" => 0.0,
                other => return Err(format!("coordinate_transformation_mode {other:?}")),
            };
            let place = match rounding.as_str() {
                "floor" => place.floor(),
                "ceil" => place.ceil(),
                "round_prefer_floor" => (place - 0.5).ceil(),
                "round_prefer_ceil" => (place + 0.5).floor(),
                other => return Err(format!("nearest_mode {other:?}")),
            };
            places.push(place.clamp(0.0, size as f32 - 1.0) as usize);
        }
        x = take(net, &x, axis, &places)?;
    }
    Ok(x)
}
