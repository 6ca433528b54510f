//! Windows over images: their places, and pools.

use super::{
    net::{Dynamic, Net},
    operand::Operands,
    product::{check_batch_first, image, image_groups},
};
use crate::exchange::onnx::node::Node;
use bernet_runtime::graph::{Axis, BinaryOp, Op, PoolKind, PoolParams, ReduceKind};

/// Where windows are, of two dimensions; one has a height of 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Windows {
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) dilation: [usize; 2],
    /// Top, left, bottom, right.
    pub(super) padding: [usize; 4],
    /// What rounding up adds to the bottom and right.
    extra: [usize; 2],
}

/// Sizes of an attribute; the default for each axis where it is left out.
fn sizes(node: &Node, name: &str, count: usize, default: usize) -> Result<Vec<usize>, String> {
    let Some(listed) = node.integers(name) else {
        return Ok(vec![default; count]);
    };
    let sizes: Option<Vec<usize>> = listed
        .iter()
        .map(|&size| u32::try_from(size).ok().map(|size| size as usize))
        .collect();
    sizes
        .filter(|sizes| sizes.len() == count)
        .ok_or_else(|| format!("{name}: expected {count} sizes, found {listed:?}"))
}

impl Windows {
    /// The attributes of a node, for images of this height and width, or lines of this length.
    pub(super) fn of(
        node: &Node,
        kernel: &[usize],
        image: &[usize],
        ceil: bool,
    ) -> Result<Self, String> {
        let count = image.len();
        if !(1..=2).contains(&count) || kernel.len() != count {
            return Err(format!(
                "expected windows of one or two dimensions, found {kernel:?}"
            ));
        }
        let stride = sizes(node, "strides", count, 1)?;
        let dilation = sizes(node, "dilations", count, 1)?;
        let mut padding = sizes(node, "pads", 2 * count, 0)?;
        if stride.contains(&0) || dilation.contains(&0) || kernel.contains(&0) {
            return Err("kernel, strides and dilations: expected at least 1, found 0".into());
        }
        let mut extra = vec![0; count];
        let automatic = node.text("auto_pad", "NOTSET")?;
        for axis in 0..count {
            let span = (kernel[axis] - 1)
                .checked_mul(dilation[axis])
                .and_then(|far| far.checked_add(1))
                .ok_or("the window is too large")?;
            match automatic {
                "NOTSET" | "" => {}
                "VALID" => (padding[axis], padding[axis + count]) = (0, 0),
                "SAME_UPPER" | "SAME_LOWER" => {
                    let places = image[axis].div_ceil(stride[axis]);
                    let needed = ((places - 1) * stride[axis] + span).saturating_sub(image[axis]);
                    let (less, more) = (needed / 2, needed - needed / 2);
                    let upper = automatic == "SAME_UPPER";
                    padding[axis] = if upper { less } else { more };
                    padding[axis + count] = if upper { more } else { less };
                }
                other => return Err(format!("auto_pad: {other:?} is not known")),
            }
            let padded = image[axis] + padding[axis] + padding[axis + count];
            if ceil && padded >= span {
                let mut places = (padded - span).div_ceil(stride[axis]) + 1;
                // No window begins in the padding after the image.
                if (places - 1) * stride[axis] >= image[axis] + padding[axis] {
                    places -= 1;
                }
                let reached = (places - 1) * stride[axis] + span;
                extra[axis] = reached.saturating_sub(padded);
            }
        }
        let two = |list: &[usize], default: usize| match *list {
            [width] => [default, width],
            _ => [list[0], list[1]],
        };
        let [top, left] = two(&padding[..count], 0);
        let [bottom, right] = two(&padding[count..], 0);
        Ok(Self {
            kernel: two(kernel, 1),
            stride: two(&stride, 1),
            dilation: two(&dilation, 1),
            padding: [top, left, bottom, right],
            extra: two(&extra, 0),
        })
    }
}

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
fn dilated_max(
    net: &mut Net,
    value: bernet_runtime::graph::ValueId,
    windows: &Windows,
) -> Result<bernet_runtime::graph::ValueId, String> {
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
    super::reduce::reduce(net, &x, kind, &axes)
}
