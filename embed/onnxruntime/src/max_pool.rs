//! Maxima of bits.

use crate::{
    context::Context,
    epilogue::{fill_lines, text},
    host::Element,
    info::Info,
    operator::Operator,
    sign_pack::Images,
};
use bernet_kernels::{
    bits::Shape,
    xnor::{ConvParams, max_pool},
};
use ort_sys::ONNXTensorElementDataType as Type;
use std::ffi::CStr;

/// The largest bit of each window, channel by channel, packed as what comes in: `[N, H, ⌈W·C/64⌉]`.
pub(crate) struct MaxPool {
    params: ConvParams,
    channels: usize,
    /// Pixels a line of the input, which its shape does not say.
    width: usize,
}

impl Operator for MaxPool {
    const NAME: &'static CStr = c"MaxPoolBits";
    const INPUTS: &'static [Type] = &[u64::TYPE];
    const REQUIRED: usize = 1;
    const OUTPUT: Type = u64::TYPE;
    const ATTRIBUTES: &'static [&'static str] =
        &["channels", "kernel_shape", "pads", "strides", "width"];

    fn new(info: &Info<'_>) -> Result<Self, String> {
        Ok(Self {
            channels: info.integer(c"channels", 0, 1)? as usize,
            params: ConvParams {
                stride: info.integers(c"strides", [1, 1], 1)?,
                padding: info.integers(c"pads", [0; 4], 0)?,
                ..ConvParams::valid(info.integers(c"kernel_shape", [0, 0], 1)?)
            },
            width: info.integer(c"width", 0, 1)? as usize,
        })
    }

    fn compute(&self, context: Context<'_>) -> Result<(), String> {
        let ConvParams {
            kernel,
            stride,
            padding,
            ..
        } = self.params;
        let input = Images::of(&context, self.width, self.channels)?;
        let shape = self.params.output_shape(input.one(), self.channels);
        let shape = shape.map_err(text)?;
        let shape = Shape {
            batch: input.batch(),
            ..shape
        };
        if shape.batch == 0 {
            return fill_lines(context, shape, |_| Ok(()));
        }
        let input = input.bits()?;
        fill_lines(context, shape, |out| {
            max_pool(&input, kernel, stride, padding, out)
        })
    }
}
