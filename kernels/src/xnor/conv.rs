//! Convolutions by virtual im2col.

use super::{PackedWeights, Threshold};
use crate::{
    Error,
    bits::{BitMatrix, BitTensor, Shape},
    isa::Level,
    portable,
};

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
        Error::check_size("channels", self.channels, input.channels)?;
        Error::check_product(
            "outputs · batch · channels",
            &[self.outputs, input.batch, self.channels],
        )?;
        let [top, left, bottom, right] = self.padding;
        let positions = |what, size: usize, padding: [usize; 2], kernel: usize, stride: usize| {
            let padded = size
                .checked_add(padding[0])
                .and_then(|size| size.checked_add(padding[1]));
            match padded {
                Some(padded) if size > 0 && kernel > 0 && stride > 0 && padded >= kernel => {
                    Ok((padded - kernel) / stride + 1)
                }
                _ => Err(Error::Dimension {
                    what,
                    found: size,
                    expected: "at least 1 and, padded, at least the kernel; kernel and stride at least 1",
                }),
            }
        };
        let height = positions(
            "height",
            input.height,
            [top, bottom],
            self.kernel[0],
            self.stride[0],
        )?;
        let width = positions(
            "width",
            input.width,
            [left, right],
            self.kernel[1],
            self.stride[1],
        )?;
        Error::check_product("the output", &[input.batch, height, width, self.outputs])?;
        Ok(Shape {
            batch: input.batch,
            height,
            width,
            channels: self.outputs,
        })
    }
}

/// A convolution with its weights laid out for one level.
#[derive(Clone, Debug)]
pub struct Conv2d {
    geometry: Geometry,
    weights: PackedWeights,
}

impl Conv2d {
    /// Lays out `weights`: a row for each output channel, in the order kernel line, kernel column, channel.
    ///
    /// # Errors
    /// [`Error::Size`] where the rows are not the output channels or the columns not the depth.
    pub fn new(level: Level, geometry: Geometry, weights: &BitMatrix) -> Result<Self, Error> {
        Error::check_size(
            "rows of the weights (outputs)",
            geometry.outputs,
            weights.rows(),
        )?;
        Error::check_size(
            "columns of the weights (depth)",
            geometry.depth(),
            weights.columns(),
        )?;
        Ok(Self {
            geometry,
            weights: PackedWeights::new(level, weights),
        })
    }

    /// Its geometry.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// The sums, in NHWC order.
    ///
    /// # Errors
    /// As [`Geometry::output_shape`]; [`Error::Size`] where `out` is not as long as the output shape.
    pub fn sums(&self, input: &BitTensor, out: &mut [i32]) -> Result<(), Error> {
        let shape = self.geometry.output_shape(input.shape())?;
        Error::check_size(
            "out",
            shape.batch * shape.height * shape.width * shape.channels,
            out.len(),
        )?;
        for (place, sum) in out.iter_mut().enumerate() {
            let (pixel, channel) = (place / shape.channels, place % shape.channels);
            let (line, x) = (pixel / shape.width, pixel % shape.width);
            let place = [line / shape.height, line % shape.height, x, channel];
            *sum = portable::convolution_sum(&self.geometry, self.weights.rows(), input, place);
        }
        Ok(())
    }

    /// The activations, packed.
    ///
    /// # Errors
    /// As [`Geometry::output_shape`]; [`Error::Size`] where thresholds or the shape of `out` differ.
    pub fn activations(
        &self,
        input: &BitTensor,
        thresholds: &[Threshold],
        out: &mut BitTensor,
    ) -> Result<(), Error> {
        let shape = self.geometry.output_shape(input.shape())?;
        Error::check_size("thresholds (outputs)", shape.channels, thresholds.len())?;
        out.check_shape(shape)?;
        for image in 0..shape.batch {
            for y in 0..shape.height {
                for x in 0..shape.width {
                    for (channel, threshold) in thresholds.iter().enumerate() {
                        let place = [image, y, x, channel];
                        let sum = portable::convolution_sum(
                            &self.geometry,
                            self.weights.rows(),
                            input,
                            place,
                        );
                        out.set(image, y, x, channel, threshold.apply(sum));
                    }
                }
            }
        }
        Ok(())
    }
}
