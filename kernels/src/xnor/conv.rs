//! Convolutions by virtual im2col.

use super::{PackedWeights, Threshold};
use crate::{
    Error,
    bits::{BitMatrix, BitTensor, Shape},
    isa::Level,
};
use alloc::vec;

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
        self.kernel[0] * self.kernel[1] * self.channels
    }

    /// The shape of the output for an input shape.
    ///
    /// # Errors
    /// [`Error::Size`] where the channels differ; [`Error::Dimension`] where a dimension is 0 or the kernel does not fit.
    pub fn output_shape(&self, input: Shape) -> Result<Shape, Error> {
        Error::check_size("channels", self.channels, input.channels)?;
        let [top, left, bottom, right] = self.padding;
        let positions = |what, size: usize, kernel: usize, stride: usize| {
            if kernel == 0 || stride == 0 || size < kernel {
                return Err(Error::Dimension { what, found: size, expected: "at least the kernel, which is at least 1" });
            }
            Ok((size - kernel) / stride + 1)
        };
        Ok(Shape {
            batch: input.batch,
            height: positions("height", input.height + top + bottom, self.kernel[0], self.stride[0])?,
            width: positions("width", input.width + left + right, self.kernel[1], self.stride[1])?,
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
        Error::check_size("rows of the weights (outputs)", geometry.outputs, weights.rows())?;
        Error::check_size("columns of the weights (depth)", geometry.depth(), weights.columns())?;
        Ok(Self { geometry, weights: PackedWeights::new(level, weights) })
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
        Error::check_size("out", shape.batch * shape.height * shape.width * shape.channels, out.len())?;
        let _ = &self.weights;
        todo!("sums")
    }

    /// The activations, packed.
    ///
    /// # Errors
    /// As [`Geometry::output_shape`]; [`Error::Size`] where thresholds or the shape of `out` differ.
    pub fn activations(&self, input: &BitTensor, thresholds: &[Threshold], out: &mut BitTensor) -> Result<(), Error> {
        let shape = self.geometry.output_shape(input.shape())?;
        let mut sums = vec![0; shape.batch * shape.height * shape.width * shape.channels];
        self.sums(input, &mut sums)?;
        let _ = (thresholds, out);
        todo!("activations")
    }
}
