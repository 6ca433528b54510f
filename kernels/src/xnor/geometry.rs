//! The geometry of convolutions.
//!
//! ```
//! use bernet_kernels::{bits::Shape, xnor::{Geometry, PaddingValue}};
//!
//! let geometry = Geometry {
//!     channels: 64,
//!     outputs: 128,
//!     kernel: [3, 3],
//!     stride: [2, 2],
//!     padding: [1; 4],
//!     padding_value: PaddingValue::Zero,
//! };
//! let output = geometry.output_shape(Shape { batch: 1, height: 56, width: 56, channels: 64 })?;
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

/// The geometry of a convolution.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Geometry {
    /// Input channels.
    pub channels: usize,
    /// Output channels.
    pub outputs: usize,
    /// Kernel height and width.
    pub kernel: [usize; 2],
    /// Stride, down and across.
    pub stride: [usize; 2],
    /// Lines and pixels added at the top, left, bottom, right.
    pub padding: [usize; 4],
    /// What they count as.
    pub padding_value: PaddingValue,
}

impl Geometry {
    /// Values under one window: `kernel height · kernel width · channels`, in that order.
    pub fn depth(&self) -> usize {
        self.kernel[0]
            .saturating_mul(self.kernel[1])
            .saturating_mul(self.channels)
    }

    /// The shape of the output for an input shape.
    ///
    /// # Errors
    /// [`Error::Size`] where the channels differ; [`Error::Dimension`] where a dimension is 0, the kernel does not fit, or
    /// the padded size overflows.
    pub fn output_shape(&self, input: Shape) -> Result<Shape, Error> {
        Window {
            geometry: *self,
            options: Options::default(),
        }
        .output_shape(input)
    }
}

/// What few convolutions need.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Options {
    /// Input lines and pixels from one tap to the next, down and across.
    pub dilation: [usize; 2],
    /// Groups of channels: the first `outputs / groups` outputs see the first `channels / groups` channels, and so on. As many
    /// groups as channels is a depthwise convolution.
    pub groups: usize,
}

impl Default for Options {
    /// No dilation, one group.
    fn default() -> Self {
        Self {
            dilation: [1, 1],
            groups: 1,
        }
    }
}

/// All there is to say of a convolution but its weights.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Window {
    /// Channels, kernel, stride, padding.
    pub geometry: Geometry,
    /// Dilation and groups.
    pub options: Options,
}

impl Window {
    /// Of a convolution with these weights: a row for each output, as many columns as values under the window.
    pub(super) fn new(
        geometry: Geometry,
        options: Options,
        weights: &BitMatrix,
    ) -> Result<Self, Error> {
        let window = Self { geometry, options };
        window.check()?;
        Error::check_size(
            "rows of the weights (outputs)",
            geometry.outputs,
            weights.rows(),
        )?;
        Error::check_size(
            "columns of the weights (depth)",
            window.depth(),
            weights.columns(),
        )?;
        Ok(window)
    }

    /// Channels of a group; none where there is no group.
    pub fn channels(&self) -> usize {
        let channels = self.geometry.channels;
        channels.checked_div(self.options.groups).unwrap_or(0)
    }

    /// Outputs of a group; none where there is no group.
    pub fn outputs(&self) -> usize {
        let outputs = self.geometry.outputs;
        outputs.checked_div(self.options.groups).unwrap_or(0)
    }

    /// Values under one window of one group, `kernel height · kernel width · channels / groups`, in that order: the columns of the
    /// weights.
    pub fn depth(&self) -> usize {
        Geometry {
            channels: self.channels(),
            ..self.geometry
        }
        .depth()
    }

    /// Lines and pixels from the first tap to the last, both counted.
    pub fn span(&self) -> [usize; 2] {
        [0, 1].map(|axis| {
            self.geometry.kernel[axis]
                .saturating_sub(1)
                .saturating_mul(self.options.dilation[axis])
                .saturating_add(1)
        })
    }

    /// The taps of an axis that lie inside an image of that size, of the window at a position; none may.
    pub(super) fn inside(&self, axis: usize, position: usize, size: usize) -> Range<usize> {
        let Geometry {
            kernel,
            stride,
            padding,
            ..
        } = self.geometry;
        let taps = |end: usize| {
            end.saturating_sub(position * stride[axis])
                .div_ceil(self.options.dilation[axis])
                .min(kernel[axis])
        };
        taps(padding[axis])..taps(padding[axis] + size)
    }

    /// The positions of an axis whose taps all lie inside an image of that size.
    pub(super) fn whole(&self, axis: usize, size: usize) -> Range<usize> {
        let Geometry {
            stride, padding, ..
        } = self.geometry;
        let room = (padding[axis] + size).checked_sub(self.span()[axis]);
        padding[axis].div_ceil(stride[axis])..room.map_or(0, |room| room / stride[axis] + 1)
    }

    /// Groups and dilation must make sense.
    pub(super) fn check(&self) -> Result<(), Error> {
        let Options { dilation, groups } = self.options;
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
        for (what, found) in [
            ("channels", self.geometry.channels),
            ("outputs", self.geometry.outputs),
        ] {
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

    /// The shape of the output for an input shape.
    ///
    /// # Errors
    /// As [`Geometry::output_shape`], with the taps as far apart as they are.
    // A shape that is returned through memory and copied at once takes longer than to compute it.
    #[inline(always)]
    pub fn output_shape(&self, input: Shape) -> Result<Shape, Error> {
        let Geometry {
            channels,
            outputs,
            kernel,
            stride,
            padding: [top, left, bottom, right],
            ..
        } = self.geometry;
        Error::check_size("channels", channels, input.channels)?;
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
