//! Convolutions.

use crate::{
    ending::{Ending, signs, text},
    host::{Context, Info},
    operator::Operator,
    sign_pack::images,
};
use bernet_kernels::{
    isa::Level,
    xnor::{Conv2d, Geometry, Options, PaddingValue, Workspace},
};
use ort_sys::ONNXTensorElementDataType as Type;
use std::{
    ffi::CStr,
    sync::{Mutex, PoisonError},
};

/// Packed `[N, H, ⌈W·C/64⌉]` with weights `[O, C/group, kernel height, kernel width]`, as the host's Conv has them.
pub(crate) struct Convolution<E> {
    kernel: Conv2d,
    /// Pixels a line of the input, which its shape does not say.
    width: usize,
    /// As many as have ever been at work at once.
    idle: Mutex<Vec<Workspace>>,
    ending: E,
}

impl<E: Ending> Operator for Convolution<E> {
    const NAME: &'static CStr = E::CONVOLUTION;
    const INPUTS: &'static [Type] = E::INPUTS;
    const REQUIRED: usize = E::REQUIRED;
    const OUTPUT: Type = E::OUTPUT;

    fn new(info: &Info<'_>) -> Result<Self, String> {
        let weights = info
            .constant::<f32>(1, "weights")?
            .ok_or("weights: there are none")?;
        let [outputs, channels, height, width] = weights.dimensions("weights")?;
        let groups = info.integer(c"group", 1, 1)? as usize;
        let geometry = Geometry {
            channels: channels.saturating_mul(groups),
            outputs,
            kernel: [height, width],
            stride: info.integers(c"strides", [1, 1], 1)?,
            padding: info.integers(c"pads", [0; 4], 0)?,
            padding_value: match info.integer(c"padding_value", 0, -1)? {
                -1 => PaddingValue::MinusOne,
                0 => PaddingValue::Zero,
                1 => PaddingValue::PlusOne,
                other => {
                    return Err(format!(
                        "\"padding_value\": expected -1, 0 or 1, found {other}"
                    ));
                }
            },
        };
        let options = Options {
            dilation: info.integers(c"dilations", [1, 1], 1)?,
            groups,
        };
        let ending = E::new(info, outputs)?;
        let depth = height * width * channels;
        let bits = signs(outputs, depth, weights.values, |output, column| {
            let (tap, channel) = (column / channels, column % channels);
            (output * channels + channel) * height * width + tap
        })?;
        Ok(Self {
            kernel: Conv2d::with_options(Level::best(), geometry, options, &bits).map_err(text)?,
            width: info.integer(c"width", 0, 1)? as usize,
            idle: Mutex::default(),
            ending,
        })
    }

    fn compute(&self, context: Context<'_>) -> Result<(), String> {
        let input = images(&context, self.width, self.kernel.geometry().channels)?;
        let output = self.kernel.output_shape(input.shape()).map_err(text)?;
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let mut scratch = taken.unwrap_or_default();
        let done = self
            .ending
            .convolve(&self.kernel, &input, &mut scratch, output, context);
        idle().push(scratch);
        done
    }
}
