//! Products with weights: ±1 times a factor for each output, or real ones.

use super::{Importer, Value, Why, pool::windows, source::Source};
use crate::model::{
    VALUES_LIMIT,
    onnx::{
        constant::Constant,
        exact::{Exact, Inexact},
        graph::Node,
        signal::{self, Base, Map, Product, Signal, Weights},
    },
};
use bernet_kernels::{
    bits::Shape,
    xnor::{Geometry, Options, PaddingValue, Window},
};
use std::{cmp::Ordering, rc::Rc};

impl Importer {
    /// Dimensions and values of the second input, a constant matrix.
    fn weight_matrix(&self, node: &Node) -> Result<([usize; 2], Vec<f64>), Why> {
        let weights = self
            .constant(node, 1)
            .map_err(|why| format!("weights: {why}"))?;
        match *weights.dims {
            [rows, columns] => Ok(([rows, columns], weights.values.clone())),
            _ => Err(format!(
                "weights of dimensions {:?}, expected two",
                weights.dims
            )),
        }
    }

    pub(super) fn matmul(&mut self, node: &Node) -> Result<Value, Why> {
        let ([rows, columns], weights) = self.weight_matrix(node)?;
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
        let ([rows, columns], weights) = self.weight_matrix(node)?;
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
        let options = Options::default();
        let window = Window { geometry, options };
        let mut sums = self.product(&source, window, |output, column| {
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
        let groups = node.integer("group", 1);
        let groups = usize::try_from(groups)
            .ok()
            .filter(|&groups| groups > 0 && outputs.is_multiple_of(groups))
            .ok_or_else(|| format!("{groups} groups of {outputs} outputs"))?;
        let options = Options {
            dilation: node.dilation()?,
            groups,
        };
        let weights = weights.values.clone();
        let bias = self.optional(node, 2)?.cloned();
        let kernel = [kernel_height, kernel_width];
        let span = [0, 1].map(|axis| kernel[axis].saturating_sub(1) * options.dilation[axis] + 1);
        let windows = windows(node, kernel, span, [*height, *width])?;
        // One position of what has been reshaped or averaged; else the geometry is that of the image.
        let planes = matches!(signal.base, Base::Bits(_) | Base::Image { .. })
            && inputs.saturating_mul(groups) == signal.shape.channels;
        let dense = [*height, *width, kernel_height, kernel_width, groups] == [1; 5] && !planes;
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
                channels: inputs.saturating_mul(groups),
                outputs,
                kernel,
                stride: windows.stride,
                padding: source.planes_padding(&signal.dims)?,
                padding_value: match signal.padding {
                    None => PaddingValue::MinusOne,
                    Some(value) => source.padding_value(value)?,
                },
            };
            if geometry.channels != source.shape.channels {
                return Err(format!(
                    "weights for {} channels on a tensor of {:?}",
                    geometry.channels, signal.dims
                ));
            }
            let window = Window { geometry, options };
            self.product(&source, window, |output, column| {
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

    /// Sums of products with activations ±s around o for each channel, with one s for all. Weights are ±α for each output, so that
    /// `Σ w · (s x + o) = α s Σ ±x + Σ w o`, where a negative s takes part in the sign; or they are any numbers, and then α is
    /// not taken out. The x are activations of ±1, or grey values.
    fn product(
        &self,
        source: &Source,
        window: Window,
        weight: impl Fn(usize, usize) -> f64,
    ) -> Result<Signal, Why> {
        let geometry = window.geometry;
        let exactly = |error: Inexact| error.to_string();
        let shape = if source.total {
            Shape {
                height: 1,
                width: 1,
                channels: geometry.outputs,
                batch: 1,
            }
        } else {
            window
                .output_shape(source.shape)
                .map_err(|error| error.to_string())?
        };
        signal::check_size(&[1, shape.height, shape.width, shape.channels])?;
        signal::check_channels(shape.channels)?;
        let depth = window.depth();
        signal::check_size(&[1, depth])?;
        // Which channel a column of an output's weights is for.
        let (each, outputs) = (window.channels(), window.outputs());
        let channel = |output: usize, column: usize| output / outputs * each + column % each;
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
        // The first output whose weights are not of one magnitude.
        let uneven = (0..geometry.outputs).find_map(|output| {
            let alpha = weight(output, 0).abs();
            let other = (0..depth)
                .map(|column| weight(output, column))
                .find(|weight| weight.abs() != alpha || *weight == 0.0 || weight.is_nan())?;
            Some(format!(
                "weights of output {output} are {alpha} and {other} in magnitude: expected one that is not 0, since only ±1 weights \
                 times a factor for each output are known between the first layer, which reads grey values, and the last"
            ))
        });
        let real = |output: usize, column: usize| {
            let weight = weight(output, column);
            let rounded = weight as f32;
            if !rounded.is_finite() || f64::from(rounded) != weight {
                return Err(format!("the weight {weight} is no finite float32 number"));
            }
            Ok(if negative[channel(output, column)] {
                -rounded
            } else {
                rounded
            })
        };
        let mut maps = Vec::with_capacity(geometry.outputs);
        for output in 0..geometry.outputs {
            let alpha = match uneven {
                None => Exact::from_f64(weight(output, 0).abs()).map_err(exactly)?,
                Some(_) => Exact::integer(1),
            };
            let mut bias = Exact::integer(0);
            if !centred {
                let group = &offsets[channel(output, 0)..][..each];
                for (first, offset) in group.iter().enumerate() {
                    if let Some(offset) = offset {
                        let columns = (first..depth).step_by(each);
                        let weights = columns.map(|column| weight(output, column) as f32);
                        bias = Exact::sum(weights)
                            .and_then(|sum| bias.add(&offset.multiply(&sum)?))
                            .map_err(exactly)?;
                    }
                }
            }
            maps.push(Map {
                scale: scale.multiply(&alpha).map_err(exactly)?,
                bias,
            });
        }
        let places = (0..geometry.outputs).flat_map(|o| (0..depth).map(move |column| (o, column)));
        let weights = match uneven {
            None => Weights::Bits(
                places
                    .map(|(o, column)| (weight(o, column) > 0.0) != negative[channel(o, column)])
                    .collect(),
            ),
            Some(why) => {
                let reals: Result<_, Why> = places.map(|(o, column)| real(o, column)).collect();
                Weights::Reals(reals?, why)
            }
        };
        let product = Product {
            source: source.layer,
            image: source.shape,
            window,
            weights,
            pool: None,
            total: source.total,
            grey: source.grey,
        };
        Ok(Signal::planes(Base::Sums(Rc::new(product)), shape, maps))
    }
}
