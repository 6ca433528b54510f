//! Operators that give images another height and width.

use super::{
    dynamic::Dynamic,
    movement::{PIECES_LIMIT, take},
    net::Net,
    operand::Operands,
    reshape::permuted,
};
use crate::exchange::onnx::constant::Constant;

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
