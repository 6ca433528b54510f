//! Pools of windows, and of whole images.

use super::{
    dynamic::Dynamic,
    image::{Windows, check_batch_first, image, image_groups, sizes},
    net::Net,
    operand::Operands,
    reduce::reduce,
};
use bernet_runtime::graph::{Axis, BinaryOp, Op, PoolKind, PoolParams, ReduceKind, ValueId};

/// `MaxPool` and `AveragePool`.
pub(super) fn pool(net: &mut Net, op: &str, operands: &Operands) -> Result<Dynamic, String> {
    let node = operands.node;
    let x = net.float(operands.dynamic(0)?)?;
    let rank = x.rank();
    if !(3..=4).contains(&rank) {
        return Err(format!(
            "expected [N, C, H, W] or [N, C, L], found {}",
            x.describe()
        ));
    }
    check_batch_first(&x)?;
    if node
        .outputs()
        .iter()
        .skip(1)
        .any(|output| !output.is_empty())
        && op == "MaxPool"
    {
        net.note(format!(
            "{}: the places of the largest values, its second output, are left out",
            node.place
        ));
    }
    let kernel = sizes(node, "kernel_shape", rank - 2, 0)?;
    let ceil = node.integer("ceil_mode", 0) != 0;
    let windows = Windows::of(node, &kernel, &x.dims[2..], ceil)?;
    let spatial: Vec<usize> = (2..rank).collect();
    let mut value = net.arrange(&x, &image_groups(&spatial))?;
    let [mut top, mut left, mut bottom, mut right] = windows.padding;
    let counted = node.integer("count_include_pad", 0) != 0;
    let kind = match op {
        "MaxPool" => PoolKind::Max,
        _ if counted && windows.extra == [0, 0] => PoolKind::AveragePadded,
        _ => PoolKind::Average,
    };
    // Windows that lie in padding alone, dilation, and padding that counts where rounding up adds
    // some that does not, are laid out.
    let wide = top.max(bottom) >= windows.kernel[0] || left.max(right) >= windows.kernel[1];
    let dilated = windows.dilation != [1, 1];
    let counted_twice = op != "MaxPool" && counted && windows.extra != [0, 0];
    if wide && op != "MaxPool" && !counted {
        return Err(format!(
            "pads: expected less than the kernel {:?}, found {:?}",
            windows.kernel, windows.padding
        ));
    }
    if dilated && op != "MaxPool" {
        return Err("average pools with dilations are not known".into());
    }
    if dilated || wide || counted_twice {
        let after = if dilated {
            [bottom + windows.extra[0], right + windows.extra[1]]
        } else {
            [bottom, right]
        };
        let pad = Op::Pad {
            before: [top, left, 0],
            after: [after[0], after[1], 0],
            value: if op == "MaxPool" {
                f32::NEG_INFINITY
            } else {
                0.0
            },
        };
        value = net.node(pad, &[value])?;
        (top, left, bottom, right) = (0, 0, 0, 0);
    }
    if dilated {
        value = dilated_max(net, value, &windows)?;
        return Ok(image(net, &x, value));
    }
    let params = PoolParams {
        kind,
        kernel: windows.kernel,
        stride: windows.stride,
        padding: [
            top,
            left,
            bottom + windows.extra[0],
            right + windows.extra[1],
        ],
    };
    let value = net.node(Op::Pool(params), &[value])?;
    Ok(image(net, &x, value))
}

/// The largest of values some places apart, first down and then across.
fn dilated_max(net: &mut Net, value: ValueId, windows: &Windows) -> Result<ValueId, String> {
    let mut value = value;
    for (index, axis) in [Axis::Height, Axis::Width].into_iter().enumerate() {
        let (kernel, step) = (windows.kernel[index], windows.stride[index]);
        let size = net.shape(value).dims()[index];
        let span = (kernel - 1) * windows.dilation[index] + 1;
        let length = size
            .checked_sub(span)
            .map(|rest| rest / step + 1)
            .ok_or_else(|| {
                format!("expected at least {span} places after padding, found {size}")
            })?;
        if kernel > 256 {
            return Err(format!(
                "dilated kernel: expected at most 256, found {kernel}"
            ));
        }
        let mut largest = None;
        for tap in 0..kernel {
            let slice = Op::Slice {
                axis,
                start: tap * windows.dilation[index],
                length,
                step,
            };
            let shifted = net.node(slice, &[value])?;
            largest = Some(match largest {
                None => shifted,
                Some(known) => net.node(Op::Binary(BinaryOp::Max), &[known, shifted])?,
            });
        }
        value = largest.unwrap_or(value);
    }
    Ok(value)
}

/// Pools over the whole image.
pub(super) fn global_pool(net: &mut Net, op: &str, operands: &Operands) -> Result<Dynamic, String> {
    let x = net.float(operands.dynamic(0)?)?;
    let kind = if op == "GlobalMaxPool" {
        ReduceKind::Max
    } else {
        ReduceKind::Mean
    };
    let axes: Vec<bool> = (0..x.rank()).map(|axis| axis > 1).collect();
    reduce(net, &x, kind, &axes)
}
