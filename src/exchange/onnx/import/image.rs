//! Images and lines, and the windows that go over them.

use super::{dynamic::Dynamic, net::Net};
use crate::exchange::onnx::node::Node;
use bernet_runtime::graph::ValueId;

/// Where windows are, of two dimensions; one has a height of 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Windows {
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) dilation: [usize; 2],
    /// Top, left, bottom, right.
    pub(super) padding: [usize; 4],
    /// What rounding up adds to the bottom and right.
    pub(super) extra: [usize; 2],
}

/// Sizes of an attribute; the default for each axis where it is left out.
pub(super) fn sizes(
    node: &Node,
    name: &str,
    count: usize,
    default: usize,
) -> Result<Vec<usize>, String> {
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

/// The batch is the first axis, or there is one item.
pub(super) fn check_batch_first(x: &Dynamic) -> Result<(), String> {
    if x.batch.unwrap_or(0) == 0 && x.dims[0] == 1 {
        return Ok(());
    }
    Err(format!(
        "expected the batch on the first axis, found {}",
        x.describe()
    ))
}

/// Channels are axis 1, lines and pixels the axes after it.
pub(super) fn image_groups(spatial: &[usize]) -> [Vec<usize>; 3] {
    match *spatial {
        [height, width] => [vec![height], vec![width], vec![1]],
        [width] => [vec![], vec![width], vec![1]],
        _ => [vec![], spatial.to_vec(), vec![1]],
    }
}

/// The array `[N, C, H, W]` or `[N, C, L]` that a value is.
pub(super) fn image(net: &Net, x: &Dynamic, value: ValueId) -> Dynamic {
    let shape = net.shape(value);
    let mut dims = vec![1, shape.channels, shape.height, shape.width];
    let mut order = vec![0, 2, 3, 1];
    if x.rank() == 3 {
        (dims, order) = (vec![1, shape.channels, shape.width], vec![0, 2, 1]);
    }
    Dynamic {
        value,
        dims,
        batch: x.batch,
        order,
    }
}
