//! Products with ±1 weights, and what pools their sums.

use super::{Importer, Value, Why, layout, source::Source};
use crate::model::{
    Layer, MaxPool, VALUES_LIMIT,
    onnx::{
        constant::Constant,
        exact::{Exact, Inexact},
        graph::Node,
        signal::{self, Base, Map, Product, Signal},
    },
};
use bernet_kernels::{
    bits::Shape,
    xnor::{Geometry, PaddingValue},
};
use std::{cmp::Ordering, rc::Rc};

impl Importer {
    pub(super) fn matmul(&mut self, node: &Node) -> Result<Value, Why> {
        let weights = self
            .constant(node, 1)
            .map_err(|why| format!("weights: {why}"))?;
        let [rows, columns] = *weights.dims else {
            return Err(format!(
                "weights of dimensions {:?}, expected two",
                weights.dims
            ));
        };
        let weights = weights.values.clone();
        let signal = self.signal(node, 0)?.clone();
        self.dense(&signal, [rows, columns], |input, output| {
            weights[input * columns + output]
        })
        .map(Value::Signal)
    }

    /// `alpha · A · B + beta · C`
    pub(super) fn gemm(&mut self, node: &Node) -> Result<Value, Why> {
        if node.integer("transA", 0) != 0 {
            return Err("transA: the axis of the batch has to stay the first".into());
        }
        let weights = self
            .constant(node, 1)
            .map_err(|why| format!("weights: {why}"))?;
        let [rows, columns] = *weights.dims else {
            return Err(format!(
                "weights of dimensions {:?}, expected two",
                weights.dims
            ));
        };
        let weights = weights.values.clone();
        let signal = self.signal(node, 0)?.clone();
        if signal.dims.len() != 2 {
            return Err(format!("dimensions {:?}, expected two", signal.dims));
        }
        let sums = if node.integer("transB", 0) != 0 {
            self.dense(&signal, [columns, rows], |input, output| {
                weights[output * columns + input]
            })?
        } else {
            self.dense(&signal, [rows, columns], |input, output| {
                weights[input * columns + output]
            })?
        };
        let exact = |value: f32| Exact::from_f64(value.into()).map_err(|error| error.to_string());
        let (alpha, beta) = (
            exact(node.float("alpha", 1.0))?,
            exact(node.float("beta", 1.0))?,
        );
        let added = match self.optional(node, 2)? {
            Some(constant) => sums.per_channel(constant)?,
            None => vec![Exact::integer(0); sums.maps.len()],
        };
        let map = |channel: usize, map: &Map| {
            Ok(Map {
                scale: map.scale.multiply(&alpha)?,
                bias: map
                    .bias
                    .multiply(&alpha)?
                    .add(&added[channel].multiply(&beta)?)?,
            })
        };
        sums.mapped(map).map(Value::Signal)
    }

    /// A dense layer over a whole image or, of a tensor with positions before its last axis, over each pixel.
    fn dense(
        &mut self,
        signal: &Signal,
        [inputs, outputs]: [usize; 2],
        weight: impl Fn(usize, usize) -> f64,
    ) -> Result<Signal, Why> {
        let (&last, before) = signal.dims.split_last().ok_or("a tensor without axes")?;
        if last != inputs {
            return Err(format!(
                "weights for {inputs} values on a tensor of {:?}",
                signal.dims
            ));
        }
        let dims: Vec<_> = before.iter().copied().chain([outputs]).collect();
        signal::check_size(&dims)?;
        let whole = signal.values() == inputs;
        let source = self.source(signal)?;
        signal.check_unpadded()?;
        let Shape {
            height,
            width,
            channels,
            ..
        } = source.shape;
        // Which value of the tensor each bit is.
        let mut inverse = vec![0; inputs];
        if whole {
            for (value, &place) in source.places.iter().enumerate() {
                inverse[place as usize] = value;
            }
        } else if source.is_in_order() && inputs == channels {
            inverse = (0..channels).collect();
        } else {
            return Err(
                "an axis of the product that is neither a whole image nor the channels of a pixel"
                    .into(),
            );
        }
        let geometry = Geometry {
            channels,
            outputs,
            kernel: if whole && !source.total {
                [height, width]
            } else {
                [1, 1]
            },
            stride: [1, 1],
            padding: [0; 4],
            padding_value: PaddingValue::MinusOne,
        };
        let mut sums = self.product(&source, geometry, |output, column| {
            weight(inverse[column], output)
        })?;
        sums.dims = dims;
        sums.places = (0..(sums.shape.height * sums.shape.width * outputs) as u32).collect();
        Ok(sums)
    }

    pub(super) fn conv(&mut self, node: &Node) -> Result<Value, Why> {
        let mut signal = self.signal(node, 0)?.clone();
        let weights = self
            .constant(node, 1)
            .map_err(|why| format!("weights: {why}"))?;
        let ([_, _, height, width], &[outputs, inputs, kernel_height, kernel_width]) =
            (&signal.dims[..], &weights.dims[..])
        else {
            return Err(format!(
                "dimensions {:?} and weights of {:?}, expected four each",
                signal.dims, weights.dims
            ));
        };
        if node.integer("group", 1) != 1 {
            return Err("groups of channels are not known".into());
        }
        let weights = weights.values.clone();
        let bias = self.optional(node, 2)?.cloned();
        let kernel = [kernel_height, kernel_width];
        let windows = windows(node, kernel, [*height, *width])?;
        // One position of what has been reshaped or averaged; else the geometry is that of the image.
        let planes = matches!(signal.base, Base::Bits(_)) && inputs == signal.shape.channels;
        let dense = [*height, *width, kernel_height, kernel_width] == [1; 4] && !planes;
        let [top, left, bottom, right] = windows.padding;
        if windows.padding != [0; 4] {
            signal = signal.padded(&[[0, 0], [0, 0], [top, bottom], [left, right]], 0.0)?;
        }
        let weight = |output: usize, input: usize, ky: usize, kx: usize| {
            weights[((output * inputs + input) * kernel_height + ky) * kernel_width + kx]
        };
        let sums = if dense && windows.padding == [0; 4] {
            let flat = signal.reshaped(vec![signal.dims[0], signal.dims[1]])?;
            let sums = self.dense(&flat, [inputs, outputs], |input, output| {
                weight(output, input, 0, 0)
            })?;
            sums.reshaped(vec![signal.dims[0], outputs, 1, 1])?
        } else {
            let source = self.source(&signal)?;
            let geometry = Geometry {
                channels: inputs,
                outputs,
                kernel,
                stride: windows.stride,
                padding: source.planes_padding(&signal.dims)?,
                padding_value: match signal.padding {
                    None => PaddingValue::MinusOne,
                    Some(value) => source.padding_value(value)?,
                },
            };
            if inputs != source.shape.channels {
                return Err(format!(
                    "weights for {inputs} channels on a tensor of {:?}",
                    signal.dims
                ));
            }
            self.product(&source, geometry, |output, column| {
                let (tap, input) = (column / inputs, column % inputs);
                weight(output, input, tap / kernel_width, tap % kernel_width)
            })?
        };
        let Some(bias) = bias else {
            return Ok(Value::Signal(sums));
        };
        let dims = bias.dims.iter().copied().chain([1, 1]).collect();
        let bias = sums.per_channel(&Constant::new(bias.kind, dims, bias.values))?;
        let map = |channel: usize, map: &Map| {
            Ok(Map {
                scale: map.scale.clone(),
                bias: map.bias.add(&bias[channel])?,
            })
        };
        sums.mapped(map).map(Value::Signal)
    }

    /// Sums of products: weights are ±α for each output, activations ±s around o for each channel, with one s for all. Then
    /// `Σ w · (s x + o) = α s Σ ±x + Σ w o`, where a negative s takes part in the sign.
    fn product(
        &self,
        source: &Source,
        geometry: Geometry,
        weight: impl Fn(usize, usize) -> f64,
    ) -> Result<Signal, Why> {
        let exactly = |error: Inexact| error.to_string();
        let shape = if source.total {
            Shape {
                height: 1,
                width: 1,
                channels: geometry.outputs,
                batch: 1,
            }
        } else {
            geometry
                .output_shape(source.shape)
                .map_err(|error| error.to_string())?
        };
        signal::check_size(&[1, shape.height, shape.width, shape.channels])?;
        let depth = geometry.depth();
        signal::check_size(&[1, depth])?;
        let channels = geometry.channels;
        let scale = source.maps[0].scale.absolute();
        let negative: Vec<_> = source
            .maps
            .iter()
            .map(|map| map.scale.sign() == Ordering::Less)
            .collect();
        if scale.is_zero() || source.maps.iter().any(|map| map.scale.absolute() != scale) {
            return Err("the activations' scale is 0 or differs between channels".into());
        }
        let offsets: Vec<_> = source
            .maps
            .iter()
            .map(|map| (!map.bias.is_zero()).then_some(&map.bias))
            .collect();
        let centred = offsets.iter().all(Option::is_none);

        if geometry.outputs.saturating_mul(depth) > VALUES_LIMIT.saturating_mul(16) {
            return Err("more weights than a net may have".into());
        }
        let mut weights = Vec::with_capacity(geometry.outputs * depth);
        let mut maps = Vec::with_capacity(geometry.outputs);
        let mut sums = vec![0; channels];
        for output in 0..geometry.outputs {
            let alpha = weight(output, 0).abs();
            sums.fill(0);
            for column in 0..depth {
                let weight = weight(output, column);
                if weight.abs() != alpha || weight == 0.0 || weight.is_nan() {
                    return Err(format!(
                        "weights of output {output} are {alpha} and {weight} in magnitude: expected one that is not 0"
                    ));
                }
                let channel = column % channels;
                sums[channel] += if weight > 0.0 { 1 } else { -1 };
                weights.push((weight > 0.0) != negative[channel]);
            }
            let alpha = Exact::from_f64(alpha).map_err(exactly)?;
            let mut bias = Exact::integer(0);
            if !centred {
                for (offset, &sum) in offsets.iter().zip(&sums) {
                    if let Some(offset) = offset {
                        bias = offset
                            .multiply(&Exact::integer(sum))
                            .and_then(|term| bias.add(&term))
                            .map_err(exactly)?;
                    }
                }
            }
            maps.push(Map {
                scale: scale.multiply(&alpha).map_err(exactly)?,
                bias: bias.multiply(&alpha).map_err(exactly)?,
            });
        }
        let product = Product {
            source: source.layer,
            image: source.shape,
            geometry,
            weights,
            pool: None,
            total: source.total,
        };
        Ok(Signal::planes(Base::Sums(Rc::new(product)), shape, maps))
    }

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
        let pool = windows(node, kernel, [*height, *width])?;
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
                let depth = product.geometry.depth();
                let mut product = Product {
                    pool: Some(pool),
                    ..(**product).clone()
                };
                let mut maps = signal.maps.to_vec();
                let rows = product.weights.chunks_exact_mut(depth);
                for (map, row) in maps.iter_mut().zip(rows).filter(|(map, _)| falls(map)) {
                    row.iter_mut().for_each(|weight| *weight = !*weight);
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

/// Windows of a convolution or a pool over an image of a height and width; the padding is made explicit.
fn windows(node: &Node, kernel: [usize; 2], size: [usize; 2]) -> Result<MaxPool, Why> {
    if node
        .integers("dilations")
        .is_some_and(|dilations| dilations.iter().any(|&dilation| dilation != 1))
    {
        return Err("dilations are not known".into());
    }
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
        ((windows - 1) * stride[axis] + kernel[axis]).saturating_sub(size[axis])
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
            let rest = padded.saturating_sub(kernel[axis]);
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
