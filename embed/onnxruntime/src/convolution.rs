//! Convolutions.

use crate::{
    context::Context,
    epilogue::{Epilogue, signs, text},
    host::Inputs,
    info::Info,
    operator::Operator,
    prepared::Prepared,
    sign_pack::Images,
};
use bernet_kernels::{
    bits::Shape,
    isa::Level,
    xnor::{Conv2d, ConvParams, PaddingValue, Workspace},
};
use ort_sys::ONNXTensorElementDataType as Type;
use std::{
    ffi::CStr,
    sync::{Mutex, PoisonError},
};

/// Packed `[N, H, ⌈W·C/64⌉]` with weights `[O, C/group, kernel height, kernel width]`, as the host's Conv has them.
pub(crate) struct Convolution<E> {
    attributes: Attributes,
    prepared: Prepared<(Conv2d, E)>,
    /// As many as have ever been at work at once.
    idle: Mutex<Vec<Workspace>>,
}

struct Attributes {
    groups: usize,
    stride: [usize; 2],
    padding: [usize; 4],
    padding_value: PaddingValue,
    dilation: [usize; 2],
    kernel: Option<[usize; 2]>,
    /// Pixels a line of the input, which its shape does not say.
    width: usize,
}

impl Attributes {
    fn read(info: &Info<'_>) -> Result<Self, String> {
        let kernel = info.integers(c"kernel_shape", [0, 0], 0)?;
        Ok(Self {
            groups: info.integer(c"group", 1, 1)? as usize,
            stride: info.integers(c"strides", [1, 1], 1)?,
            padding: info.integers(c"pads", [0; 4], 0)?,
            padding_value: match info.integer(c"padding_value", 0, -1)? {
                -1 => PaddingValue::MinusOne,
                0 => PaddingValue::Zero,
                1 => PaddingValue::PlusOne,
                other => {
                    return Err(format!(
                        "attribute \"padding_value\": expected -1, 0 or 1, found {other}"
                    ));
                }
            },
            dilation: info.integers(c"dilations", [1, 1], 1)?,
            kernel: (kernel != [0, 0]).then_some(kernel),
            width: info.integer(c"width", 0, 1)? as usize,
        })
    }

    fn prepare<E: Epilogue>(&self, inputs: &impl Inputs) -> Result<(Conv2d, E), String> {
        let weights = inputs
            .at::<f32>(1, "weights")?
            .ok_or("weights: there are none")?;
        let [outputs, channels, height, width] = weights.dimensions("weights")?;
        if let Some(kernel) = self.kernel
            && kernel != [height, width]
        {
            return Err(format!(
                "attribute \"kernel_shape\": expected {:?}, as the weights have it, found {kernel:?}",
                [height, width]
            ));
        }
        let params = ConvParams {
            kernel: [height, width],
            stride: self.stride,
            dilation: self.dilation,
            padding: self.padding,
            padding_value: self.padding_value,
            groups: self.groups,
        };
        let epilogue = E::new(inputs, outputs)?;
        let depth = height.saturating_mul(width).saturating_mul(channels);
        let bits = signs(outputs, depth, &weights.values, |output, column| {
            let (tap, channel) = (column / channels, column % channels);
            (output * channels + channel) * height * width + tap
        })?;
        let channels = channels.saturating_mul(self.groups);
        let conv = Conv2d::new(Level::best(), channels, params, &bits).map_err(text)?;
        Ok((conv, epilogue))
    }
}

impl<E: Epilogue> Operator for Convolution<E> {
    const NAME: &'static CStr = E::CONVOLUTION;
    const INPUTS: &'static [Type] = E::INPUTS;
    const REQUIRED: usize = E::REQUIRED;
    const OUTPUT: Type = E::OUTPUT;
    const ATTRIBUTES: &'static [&'static str] = &[
        "dilations",
        "group",
        "kernel_shape",
        "padding_value",
        "pads",
        "strides",
        "width",
    ];

    fn new(info: &Info<'_>) -> Result<Self, String> {
        let attributes = Attributes::read(info)?;
        let prepared = Prepared::new(info, Self::INPUTS, |inputs| attributes.prepare(inputs))?;
        Ok(Self {
            attributes,
            prepared,
            idle: Mutex::default(),
        })
    }

    fn compute(&self, context: Context<'_>) -> Result<(), String> {
        let prepared = self.prepared.get(&context, Self::INPUTS, |inputs| {
            self.attributes.prepare(inputs)
        })?;
        let (kernel, epilogue): &(Conv2d, E) = &prepared;
        let input = Images::of(&context, self.attributes.width, kernel.channels())?;
        let one = kernel.output_shape(input.one()).map_err(text)?;
        let output = Shape {
            batch: input.batch(),
            ..one
        };
        if output.batch == 0 {
            return epilogue.no_images(context, output);
        }
        let input = input.bits()?;
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let mut workspace = taken.unwrap_or_default();
        let done = epilogue.convolve(kernel, &input, &mut workspace, output, context);
        idle().push(workspace);
        done
    }
}
