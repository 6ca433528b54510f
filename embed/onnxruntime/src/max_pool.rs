//! Maxima of bits.

use crate::{
    ending::text,
    host::{Context, Element, Info},
    operator::Operator,
    sign_pack::{copy, images},
};
use bernet_kernels::{
    bits::{BitTensor, Shape},
    xnor::{Geometry, PaddingValue, max_pool},
};
use ort_sys::ONNXTensorElementDataType as Type;
use std::ffi::CStr;

/// The largest bit of each window, channel by channel, packed as what comes in: `[N, H, ⌈W·C/64⌉]`.
pub(crate) struct MaxPool {
    geometry: Geometry,
    /// Pixels a line of the input, which its shape does not say.
    width: usize,
}

impl Operator for MaxPool {
    const NAME: &'static CStr = c"MaxPoolBits";
    const INPUTS: &'static [Type] = &[u64::TYPE];
    const REQUIRED: usize = 1;
    const OUTPUT: Type = u64::TYPE;

    fn new(info: &Info<'_>) -> Result<Self, String> {
        let channels = info.integer(c"channels", 0, 1)? as usize;
        Ok(Self {
            geometry: Geometry {
                channels,
                outputs: channels,
                kernel: info.integers(c"kernel_shape", [0, 0], 1)?,
                stride: info.integers(c"strides", [1, 1], 1)?,
                padding: info.integers(c"pads", [0; 4], 0)?,
                padding_value: PaddingValue::MinusOne,
            },
            width: info.integer(c"width", 0, 1)? as usize,
        })
    }

    fn compute(&self, context: Context<'_>) -> Result<(), String> {
        let Geometry {
            channels,
            kernel,
            stride,
            padding,
            ..
        } = self.geometry;
        let input = images(&context, self.width, channels)?;
        let shape = self.geometry.output_shape(input.shape()).map_err(text)?;
        let mut out = BitTensor::zeros(shape);
        max_pool(&input, kernel, stride, padding, &mut out).map_err(text)?;
        let Shape { batch, height, .. } = shape;
        let lines = out.lines();
        context.fill([batch, height, lines.row_words()], copy(lines))
    }
}
