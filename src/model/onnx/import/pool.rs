//! Windows, and what makes one value of many: the largest of a window, the sum or mean of all positions.

use super::{Importer, Value, Why, layout};
use crate::model::{
    Layer, MaxPool,
    onnx::{
        exact::Exact,
        graph::Node,
        signal::{self, Base, Map, Product, Signal},
    },
};
use bernet_kernels::bits::Shape;
use std::{cmp::Ordering, rc::Rc};

impl Importer {
    /// The largest value of each window, of bits or of sums.
    pub(super) fn max_pool(&mut self, node: &Node) -> Result<Value, Why> {
        if node.outputs().filter(|name| !name.is_empty()).count() > 1 {
            return Err("the places of the largest values are not known".into());
        }
        let signal = self.signal(node, 0)?.clone();
        signal.check_unpadded()?;
        let ([_, _, height, width], Some(&[kernel_height, kernel_width])) =
            (&signal.dims[..], node.integers("kernel_shape"))
        else {
            return Err(format!(
                "dimensions {:?}, expected four, and a kernel_shape of two",
                signal.dims
            ));
        };
        let size = |size: i64| usize::try_from(size).map_err(|_| format!("a kernel of {size}"));
        let kernel = [size(kernel_height)?, size(kernel_width)?];
        if node.dilation()? != [1, 1] {
            return Err("dilations of a pool are not known".into());
        }
        let pool = windows(node, kernel, kernel, [*height, *width])?;
        let grown = |size: usize, axis: usize| {
            let padded = size + pool.padding[axis] + pool.padding[axis + 2];
            padded
                .checked_sub(pool.kernel[axis])
                .map(|rest| rest / pool.stride[axis] + 1)
        };
        let (Some(height), Some(width)) = (grown(*height, 0), grown(*width, 1)) else {
            return Err(format!(
                "windows of {kernel:?} on a tensor of {:?}",
                signal.dims
            ));
        };
        let shape = Shape {
            height,
            width,
            ..signal.shape
        };
        let falls = |map: &Map| map.scale.sign() == Ordering::Less;
        let (base, maps) = match &signal.base {
            Base::Bits(_) => {
                let source = self.source(&signal)?;
                source.planes_padding(&signal.dims)?;
                if signal.maps.iter().any(falls) {
                    return Err("the largest of values whose bit is inverted".into());
                }
                self.layers.push(Layer::MaxPool(pool));
                (Base::Bits(self.layers.len()), signal.maps.to_vec())
            }
            Base::Sums(product) if product.pool.is_none() && !product.total => {
                if signal.places[..] != signal::plane_places(signal.shape)[..]
                    || signal.dims[1] != signal.shape.channels
                {
                    return Err(
                        "sums that are pooled are not channels, lines and pixels of an image"
                            .into(),
                    );
                }
                // The largest of −S is had by weights of the other sign.
                let depth = product.window.depth();
                let mut product = Product {
                    pool: Some(pool),
                    ..(**product).clone()
                };
                let mut maps = signal.maps.to_vec();
                let negative: Vec<_> = maps.iter().map(falls).collect();
                product.weights.negate(&negative, depth);
                for map in maps.iter_mut().filter(|map| falls(map)) {
                    map.scale = map.scale.negate();
                }
                (Base::Sums(Rc::new(product)), maps)
            }
            _ => return Err("only bits and sums are pooled, and sums once".into()),
        };
        Ok(Value::Signal(Signal::planes(base, shape, maps)))
    }

    /// Sums and averages over all positions of an image.
    pub(super) fn reduce(&self, node: &Node) -> Result<Value, Why> {
        let signal = self.signal(node, 0)?;
        signal.check_unpadded()?;
        let rank = signal.dims.len();
        let pooling = node.op()? == "GlobalAveragePool";
        let axes = if pooling { None } else { self.axes(node)? };
        let mut axes = match axes {
            Some(axes) => axes
                .into_iter()
                .map(|at| layout::axis(at, rank))
                .collect::<Result<Vec<_>, _>>()?,
            None if pooling => (2..rank).collect(),
            None => return Err("a reduction over all axes".into()),
        };
        axes.sort_unstable();
        let channels = signal.shape.channels;
        let planes = rank == 4
            && axes == [2, 3]
            && signal.dims[1] == channels
            && signal.places[..] == signal::plane_places(signal.shape)[..];
        let pixels = rank == 4
            && axes == [1, 2]
            && signal.dims[3] == channels
            && signal.places.iter().copied().eq(0..signal.values() as u32);
        if !planes && !pixels {
            return Err(format!(
                "a reduction over axes {axes:?} of {:?}, which are not the positions of an image",
                signal.dims
            ));
        }
        let base = match &signal.base {
            Base::Bits(layer) => Base::BitTotals(*layer, signal.shape),
            Base::Sums(product) if product.pool.is_none() && !product.total => {
                Base::Sums(Rc::new(Product {
                    total: true,
                    ..(**product).clone()
                }))
            }
            _ => return Err("only bits and sums are reduced, and once".into()),
        };
        let positions = Exact::integer((signal.shape.height * signal.shape.width) as i64);
        let mean = node.op()? != "ReduceSum";
        let map = |_: usize, map: &Map| {
            Ok(if mean {
                Map {
                    scale: map.scale.divide(&positions)?,
                    bias: map.bias.clone(),
                }
            } else {
                Map {
                    scale: map.scale.clone(),
                    bias: map.bias.multiply(&positions)?,
                }
            })
        };
        let mapped = signal.mapped(map)?;
        let kept = pooling || node.integer("keepdims", 1) != 0;
        let dims = signal
            .dims
            .iter()
            .enumerate()
            .filter(|(axis, _)| kept || !axes.contains(axis));
        let dims = dims
            .map(|(axis, &dim)| if axes.contains(&axis) { 1 } else { dim })
            .collect();
        Ok(Value::Signal(Signal {
            dims,
            places: (0..channels as u32).collect(),
            base,
            shape: Shape {
                height: 1,
                width: 1,
                ..signal.shape
            },
            ..mapped
        }))
    }
}

/// Windows of a convolution or a pool over an image of a height and width; the padding is made explicit. The span is that from the first
/// tap of the kernel to its last.
pub(super) fn windows(
    node: &Node,
    kernel: [usize; 2],
    span: [usize; 2],
    size: [usize; 2],
) -> Result<MaxPool, Why> {
    let list = |name: &str, default: Vec<usize>| -> Result<Vec<usize>, Why> {
        let Some(sizes) = node.integers(name) else {
            return Ok(default);
        };
        let converted: Option<Vec<usize>> = sizes
            .iter()
            .map(|&size| u16::try_from(size).ok().map(usize::from))
            .collect();
        converted
            .filter(|sizes| sizes.len() == default.len())
            .ok_or_else(|| format!("{name} {sizes:?}"))
    };
    let strides = list("strides", vec![1; 2])?;
    let pads = list("pads", vec![0; 4])?;
    let stride = [strides[0], strides[1]];
    if stride.contains(&0) || kernel.contains(&0) {
        return Err(format!("kernel {kernel:?} and strides {stride:?}"));
    }
    let mut padding = [pads[0], pads[1], pads[2], pads[3]];
    // Padding such that there are ⌈size / stride⌉ windows; an odd one goes to one end.
    let same = |axis: usize| {
        let windows = size[axis].div_ceil(stride[axis]);
        ((windows - 1) * stride[axis] + span[axis]).saturating_sub(size[axis])
    };
    match node.text("auto_pad", "NOTSET")? {
        "NOTSET" => {}
        "VALID" => padding = [0; 4],
        mode @ ("SAME_UPPER" | "SAME_LOWER") => {
            for axis in 0..2 {
                let less = same(axis) / 2;
                let more = same(axis) - less;
                [padding[axis], padding[axis + 2]] = if mode == "SAME_UPPER" {
                    [less, more]
                } else {
                    [more, less]
                };
            }
        }
        mode => return Err(format!("auto_pad {mode:?} is not known")),
    }
    if node.integer("ceil_mode", 0) != 0 {
        for axis in 0..2 {
            let padded = size[axis] + padding[axis] + padding[axis + 2];
            let rest = padded.saturating_sub(span[axis]);
            // A last window that would begin in the padding is left out.
            let mut last = rest.div_ceil(stride[axis]) * stride[axis];
            if last >= size[axis] + padding[axis] {
                last -= stride[axis];
            }
            padding[axis + 2] += last.saturating_sub(rest);
        }
    }
    Ok(MaxPool {
        kernel,
        stride,
        padding,
    })
}
