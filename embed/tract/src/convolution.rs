//! Convolutions.

use crate::{
    epilogue::{Epilogue, Scaled, sign},
    magnitude,
};
use bernet_kernels::{
    bits::{BitMatrix, BitTensor, Shape},
    isa::Level,
    packing::{self, Order},
    xnor::{Conv2d, ConvParams, PaddingValue, Workspace},
};
use std::sync::Arc;
use tract_onnx::tract_hir::{
    internal::*,
    tract_core::ops::cnn::{Conv, KernelFormat},
};

/// `scale · Σ ± + bias` over the windows of an image; taps on padding count nothing.
#[derive(Clone, Debug)]
pub(crate) struct XnorConvolution {
    kernel: Arc<Conv2d>,
    order: Order,
    /// Whether the first axis is that of the images of a batch.
    batched: bool,
    epilogue: Epilogue,
}

impl PartialEq for XnorConvolution {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.kernel, &other.kernel)
            && (self.order, self.batched) == (other.order, other.batched)
            && self.epilogue == other.epilogue
    }
}

impl Eq for XnorConvolution {}

impl XnorConvolution {
    /// Lines, pixels and channels of dimensions, and the other way round.
    fn split<D: Clone>(&self, dims: &[D]) -> [D; 3] {
        let image = &dims[usize::from(self.batched)..];
        let order = match self.order {
            Order::Nchw => [1, 2, 0],
            Order::Nhwc => [0, 1, 2],
        };
        order.map(|axis| image[axis].clone())
    }

    fn joined<D: Clone>(&self, batch: Option<D>, [height, width, channels]: [D; 3]) -> Vec<D> {
        let image = match self.order {
            Order::Nchw => [channels, height, width],
            Order::Nhwc => [height, width, channels],
        };
        batch.into_iter().chain(image).collect()
    }
}

impl XnorConvolution {
    /// Scales, depth, the axis of channels and that of lines, where sums come out.
    pub(crate) fn layer(&self) -> Option<(&Scaled, usize, Vec<usize>, usize)> {
        let Epilogue::Scaled(scaled) = &self.epilogue else {
            return None;
        };
        let first = usize::from(self.batched);
        let (channels, lines) = match self.order {
            Order::Nchw => (first, first + 1),
            Order::Nhwc => (first + 2, first),
        };
        let depth = self.kernel.params().depth(self.kernel.channels());
        Some((scaled, depth, vec![channels], lines))
    }

    pub(crate) fn with_epilogue(&self, epilogue: Epilogue) -> Self {
        Self {
            epilogue,
            ..self.clone()
        }
    }
}

impl Op for XnorConvolution {
    fn name(&self) -> StaticName {
        "XnorConvolution".into()
    }

    fn info(&self) -> TractResult<Vec<String>> {
        let (params, level) = (self.kernel.params(), self.kernel.level());
        Ok(vec![format!("{params:?}, {level:?}")])
    }

    op_as_typed_op!();
}

impl EvalOp for XnorConvolution {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let dims = input.shape();
        let [height, width, channels] = self.split(dims);
        let shape = Shape {
            batch: if self.batched { dims[0] } else { 1 },
            height,
            width,
            channels,
        };
        let mut bits = BitTensor::all_minus_one(shape);
        let values = input.try_as_plain_ram()?;
        let level = self.kernel.level();
        packing::tensor_signs(level, self.order, values.as_slice::<f32>()?, &mut bits)?;

        let shape = self.kernel.output_shape(shape)?;
        let batch = self.batched.then_some(shape.batch);
        let dims = self.joined(batch, [shape.height, shape.width, shape.channels]);
        let mut output = Tensor::zero::<f32>(&dims)?;
        let mut values = output.try_as_plain_ram_mut()?;
        let values = values.as_slice_mut::<f32>()?;
        let (kernel, workspace) = (&self.kernel, &mut Workspace::default());
        match (&self.epilogue, self.order) {
            (Epilogue::Scaled(scaled), Order::Nhwc) => {
                kernel.affine(workspace, &bits, scaled.affine(), values)?
            }
            (Epilogue::Scaled(scaled), Order::Nchw) => {
                let mut pixels = vec![0.0; values.len()];
                kernel.affine(workspace, &bits, scaled.affine(), &mut pixels)?;
                planes(&pixels, shape, values);
            }
            (
                Epilogue::Signs {
                    thresholds,
                    magnitude,
                },
                order,
            ) => {
                let mut out = BitTensor::all_minus_one(shape);
                kernel.activations_in(workspace, &bits, thresholds, &mut out)?;
                unpack(&out, order, *magnitude, values);
            }
        }
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for XnorConvolution {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let dims = inputs[0].shape.to_tvec();
        let batch = self.batched.then(|| dims[0].clone());
        let image = self.split(&dims);
        let sizes: Result<Vec<usize>, _> = image.iter().map(DimLike::to_usize).collect();
        let &[height, width, channels] = &sizes?[..] else {
            bail!("an image of three dimensions was expected");
        };
        let shape = Shape {
            batch: 1,
            height,
            width,
            channels,
        };
        let shape = self.kernel.output_shape(shape)?;
        let image = [shape.height, shape.width, shape.channels].map(|size| size.to_dim());
        Ok(tvec!(f32::fact(self.joined(batch, image))))
    }

    as_op!();
}

/// The numbers of a tensor's bits, in an order.
fn unpack(bits: &BitTensor, order: Order, magnitude: f32, out: &mut [f32]) {
    let Shape {
        batch,
        height,
        width,
        channels,
    } = bits.shape();
    for line in 0..batch * height {
        let words = bits.lines().row(line);
        match order {
            Order::Nhwc => {
                let values = &mut out[line * width * channels..][..width * channels];
                for (bit, value) in values.iter_mut().enumerate() {
                    *value = sign(words, bit, magnitude);
                }
            }
            Order::Nchw => {
                let (image, y) = (line / height, line % height);
                for channel in 0..channels {
                    let first = ((image * channels + channel) * height + y) * width;
                    for (x, value) in out[first..][..width].iter_mut().enumerate() {
                        *value = sign(words, x * channels + channel, magnitude);
                    }
                }
            }
        }
    }
}

/// From pixels of channels to channels of pixels, image by image.
fn planes(pixels: &[f32], shape: Shape, out: &mut [f32]) {
    let (positions, channels) = (shape.height * shape.width, shape.channels);
    let images = out.chunks_exact_mut(positions * channels);
    for (out, pixels) in images.zip(pixels.chunks_exact(positions * channels)) {
        for (channel, plane) in out.chunks_exact_mut(positions).enumerate() {
            let values = pixels[channel..].iter().step_by(channels);
            plane
                .iter_mut()
                .zip(values)
                .for_each(|(to, &value)| *to = value);
        }
    }
}

/// Replaces the convolution of images of `±s` with constant weights of `±α`.
pub(crate) fn rule(
    _: &(),
    model: &TypedModel,
    node: &TypedNode,
    name: &str,
    op: &Conv,
) -> TractResult<Option<TypedModelPatch>> {
    let pool = &op.pool_spec;
    let plain = op.q_params.is_none() && op.kernel_fmt == KernelFormat::OIHW && pool.rank() == 2;
    rule_if!(plain);
    rule_if_some!(activation = magnitude::of(model, node.inputs[0])?);
    let constant =
        |input: usize| Ok::<_, TractError>(model.outlet_fact(node.inputs[input])?.konst.clone());
    rule_if_some!(weights = constant(1)?);
    rule_if_some!(bias = constant(2)?);
    let float = |tensor: &Tensor| tensor.datum_type() == f32::datum_type();
    rule_if!(float(&weights) && float(&bias));

    let dims = model.outlet_fact(node.inputs[0])?.shape.to_tvec();
    let shape = pool.data_format.shape(&dims[..])?;
    let sizes: Result<Vec<usize>, _> = shape.hw_dims().iter().map(DimLike::to_usize).collect();
    let Ok(sizes) = sizes else { return Ok(None) };
    let padding = pool.computed_padding(&sizes);
    let pair = |values: &[usize]| [values[0], values[1]];
    let params = ConvParams {
        kernel: pair(&pool.kernel_shape),
        stride: pair(&pool.strides()),
        dilation: pair(&pool.dilations()),
        padding: [
            padding[0].pad_before,
            padding[1].pad_before,
            padding[0].pad_after,
            padding[1].pad_after,
        ],
        padding_value: PaddingValue::Zero,
        groups: op.group,
    };

    let outputs = pool.output_channels;
    let plain = weights.try_as_plain_ram()?;
    let values = plain.as_slice::<f32>()?;
    let depth = values.len() / outputs.max(1);
    let magnitudes: Option<Vec<f32>> = values
        .chunks_exact(depth.max(1))
        .map(|row| magnitude::of_all(row.iter().copied()))
        .collect();
    rule_if_some!(magnitudes = magnitudes);
    // From channel, line, pixel to line, pixel, channel.
    let taps = params.kernel[0] * params.kernel[1];
    let channels = depth / taps;
    let bits = BitMatrix::from_fn(outputs, depth, |output, column| {
        let (tap, channel) = (column / channels, column % channels);
        values[output * depth + channel * taps + tap] > 0.0
    });
    let plain = bias.try_as_plain_ram()?;
    let bias = match plain.as_slice::<f32>()? {
        &[bias] => vec![bias; outputs],
        bias => bias.to_vec(),
    };
    rule_if!(bias.len() == outputs);
    let replacement = XnorConvolution {
        kernel: Arc::new(Conv2d::new(
            Level::best(),
            pool.input_channels,
            params,
            &bits,
        )?),
        order: if pool.data_format.c_is_last() {
            Order::Nhwc
        } else {
            Order::Nchw
        },
        batched: pool.data_format.has_n(),
        epilogue: Epilogue::Scaled(Scaled {
            scale: magnitudes.iter().map(|alpha| alpha * activation).collect(),
            bias,
        }),
    };
    let mut patch = TypedModelPatch::default();
    let input = patch.tap_model(model, node.inputs[0])?;
    let output = patch.wire_node(name, replacement, &[input])?;
    patch.shunt_outside(model, node.id.into(), output[0])?;
    Ok(Some(patch))
}
