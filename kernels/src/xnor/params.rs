//! Parameters of convolutions.
//!
//! ```
//! use bernet_kernels::{bits::Shape, xnor::ConvParams};
//!
//! let params = ConvParams { stride: [2, 2], padding: [1; 4], ..ConvParams::valid([3, 3]) };
//! let output = params.output_shape(Shape { batch: 1, height: 56, width: 56, channels: 64 }, 128)?;
//! assert_eq!(output, Shape { batch: 1, height: 28, width: 28, channels: 128 });
//! # Ok::<(), bernet_kernels::Error>(())
//! ```

use crate::{
    Error,
    bits::{BitMatrix, Shape},
};
use core::ops::Range;

/// What a tap outside the image counts as.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
pub enum PaddingValue {
    /// −1.
    #[default]
    MinusOne,
    /// Nothing: the tap does not count.
    Zero,
    /// +1.
    PlusOne,
}

/// Kernel, stride, dilation, padding and groups of a convolution.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct ConvParams {
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// From one window to the next, down and across.
    pub stride: [usize; 2],
    /// Input lines and pixels from one tap to the next, down and across.
    pub dilation: [usize; 2],
    /// Lines and pixels added at the top, left, bottom, right.
    pub padding: [usize; 4],
    /// What they count as, where the input is bits; otherwise [`PaddingValue::Zero`].
    pub padding_value: PaddingValue,
    /// Groups of channels: the first `outputs / groups` outputs see the first `channels / groups`
    /// channels, and so on. As many groups as channels is a depthwise convolution.
    pub groups: usize,
}

impl ConvParams {
    /// Stride and dilation 1, no padding, one group.
    pub fn valid(kernel: [usize; 2]) -> Self {
        Self {
            kernel,
            stride: [1, 1],
            dilation: [1, 1],
            padding: [0; 4],
            padding_value: PaddingValue::Zero,
            groups: 1,
        }
    }

    /// Values under one window of one group, which are the columns of the weights.
    ///
    /// They are `kernel height · kernel width · channels / groups`, in that order; 0 where there is
    /// no group.
    pub fn depth(&self, channels: usize) -> usize {
        self.kernel[0]
            .saturating_mul(self.kernel[1])
            .saturating_mul(channels.checked_div(self.groups).unwrap_or(0))
    }

    /// Lines and pixels from the first tap to the last, both counted.
    pub fn span(&self) -> [usize; 2] {
        [0, 1].map(|axis| {
            self.kernel[axis]
                .saturating_sub(1)
                .saturating_mul(self.dilation[axis])
                .saturating_add(1)
        })
    }

    /// The taps of an axis (0 down, 1 across) that lie inside an image of that size, of the window
    /// at a position; none may.
    pub fn inside(&self, axis: usize, position: usize, size: usize) -> Range<usize> {
        let Self {
            kernel,
            stride,
            dilation,
            padding,
            ..
        } = *self;
        let taps = |end: usize| {
            end.saturating_sub(position * stride[axis])
                .div_ceil(dilation[axis])
                .min(kernel[axis])
        };
        taps(padding[axis])..taps(padding[axis] + size)
    }

    /// The shape of the output for an input shape and a number of output channels.
    ///
    /// # Errors
    /// [`Error::Dimension`] where a dimension is 0, the kernel does not fit, or the padded size
    /// overflows.
    // A shape that is returned through memory and copied at once takes longer than to compute it.
    #[inline(always)]
    pub fn output_shape(&self, input: Shape, outputs: usize) -> Result<Shape, Error> {
        let channels = input.channels;
        let Self {
            kernel,
            stride,
            padding: [top, left, bottom, right],
            ..
        } = *self;
        Error::check_product(
            "outputs · batch · channels",
            &[outputs, input.batch, channels],
        )?;
        let span = self.span();
        let positions = |what, size: usize, padding: [usize; 2], axis: usize| {
            let padded = size
                .checked_add(padding[0])
                .and_then(|size| size.checked_add(padding[1]));
            match padded {
                Some(padded)
                    if size > 0 && kernel[axis] > 0 && stride[axis] > 0 && padded >= span[axis] =>
                {
                    // So that no place in the padded image overflows.
                    Error::check_product(what, &[padded, channels])?;
                    Ok((padded - span[axis]) / stride[axis] + 1)
                }
                _ => Err(Error::Dimension {
                    what,
                    found: size,
                    expected: "at least 1 and, padded, at least the kernel; kernel and stride at least 1",
                }),
            }
        };
        let height = positions("height", input.height, [top, bottom], 0)?;
        let width = positions("width", input.width, [left, right], 1)?;
        Error::check_product("the output", &[input.batch, height, width, outputs])?;
        Ok(Shape {
            batch: input.batch,
            height,
            width,
            channels: outputs,
        })
    }
}

/// What there is to say of a convolution but its weights.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ConvSpec {
    pub(super) params: ConvParams,
    /// Input channels.
    pub(super) channels: usize,
    /// Output channels.
    pub(super) outputs: usize,
}

impl ConvSpec {
    /// Of a convolution with these weights: a row for each output, as many columns as values under
    /// the window.
    pub(super) fn new(
        channels: usize,
        params: ConvParams,
        weights: &BitMatrix,
    ) -> Result<Self, Error> {
        let spec = Self {
            params,
            channels,
            outputs: weights.rows(),
        };
        spec.check()?;
        Error::check_size(
            "columns of the weights (depth)",
            spec.depth(),
            weights.columns(),
        )?;
        Ok(spec)
    }

    /// Channels of a group.
    pub(super) fn group_channels(&self) -> usize {
        self.channels / self.params.groups
    }

    /// Outputs of a group.
    pub(super) fn group_outputs(&self) -> usize {
        self.outputs / self.params.groups
    }

    /// Values under one window of one group.
    pub(super) fn depth(&self) -> usize {
        self.params.depth(self.channels)
    }

    /// The shape of the output for an input shape; an error where the channels differ.
    #[inline(always)]
    pub(super) fn output_shape(&self, input: Shape) -> Result<Shape, Error> {
        Error::check_size("channels", self.channels, input.channels)?;
        self.params.output_shape(input, self.outputs)
    }

    /// The positions of an axis whose taps all lie inside an image of that size.
    pub(super) fn whole(&self, axis: usize, size: usize) -> Range<usize> {
        let ConvParams {
            stride, padding, ..
        } = self.params;
        let room = (padding[axis] + size).checked_sub(self.params.span()[axis]);
        padding[axis].div_ceil(stride[axis])..room.map_or(0, |room| room / stride[axis] + 1)
    }

    /// Groups and dilation must make sense.
    fn check(&self) -> Result<(), Error> {
        let ConvParams {
            dilation, groups, ..
        } = self.params;
        for (what, found) in [
            ("groups", groups),
            ("dilation", dilation[0]),
            ("dilation", dilation[1]),
        ] {
            if found == 0 {
                return Err(Error::Dimension {
                    what,
                    found,
                    expected: "at least 1",
                });
            }
        }
        for (what, found) in [("channels", self.channels), ("outputs", self.outputs)] {
            if found == 0 || !found.is_multiple_of(groups) {
                return Err(Error::Dimension {
                    what,
                    found,
                    expected: "a positive multiple of the groups",
                });
            }
        }
        Ok(())
    }
}
