//! Convolutions by virtual im2col.

use super::{
    PackedWeights, Threshold,
    output::{Bits, Stage, Sums},
    patches::{Band, BandBorder, Gathered, InPlace, Lines, Places, Scratch, ZeroBorder},
    product::product,
};
use crate::{
    Error,
    bits::{BitMatrix, BitTensor, Shape},
    isa::{Level, dispatch},
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
    border: Option<ZeroBorder>,
}

impl Conv2d {
    /// Lays out `weights`: a row for each output channel, in the order kernel line, kernel column, channel.
    ///
    /// # Errors
    /// [`Error::Size`] where the rows are not the output channels or the columns not the depth; [`Error::Dimension`] where one
    /// is 0 or the depth is above `i32::MAX`.
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
        Error::check_product("outputs", &[geometry.outputs])?;
        let packed = PackedWeights::new(level, weights);
        packed.check_depth()?;
        let counted_zeros =
            geometry.padding_value == PaddingValue::Zero && geometry.padding != [0; 4];
        let border = counted_zeros.then(|| ZeroBorder::new(&geometry, weights));
        Ok(Self {
            geometry,
            weights: packed,
            border,
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
        let outputs = shape.channels;
        let mut scratch = Scratch::default();
        for band in Band::all(shape) {
            let lines = band.output_lines(shape);
            let (start, end) = (
                lines.start * shape.width * outputs,
                lines.end * shape.width * outputs,
            );
            self.band(
                input,
                &band,
                shape,
                &mut scratch,
                &mut Sums {
                    out: &mut out[start..end],
                    outputs,
                },
            );
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
        let line_words = out.lines().row_words();
        let words = out.lines_mut().words_mut();
        words.fill(0);
        let mut scratch = Scratch::default();
        for band in Band::all(shape) {
            let lines = band.output_lines(shape);
            let words = &mut words[lines.start * line_words..lines.end * line_words];
            let mut stage = Bits::new(words, line_words, shape.width, thresholds);
            self.band(input, &band, shape, &mut scratch, &mut stage);
        }
        Ok(())
    }

    /// One band of output lines.
    fn band(
        &self,
        input: &BitTensor,
        band: &Band,
        output: Shape,
        scratch: &mut Scratch,
        stage: &mut impl Stage,
    ) {
        let geometry = &self.geometry;
        let lines = Lines::new(geometry, input, band, &mut scratch.lines);
        let (height, width) = (band.lines.len(), output.width);
        let rows = band.images.len() * height * width;
        let places = Places {
            geometry,
            height,
            width,
            image_lines: lines.image_lines,
        };
        let border = self.border.as_ref().map(|sums| BandBorder {
            sums,
            geometry,
            input: input.shape(),
            lines: band.lines.clone(),
            width,
        });
        dispatch!(self.weights.level(), token => {
            if let Some(steps) = InPlace::steps(token, geometry) {
                product(token, &self.weights, rows, InPlace { lines, places, steps }, &border, stage);
            } else {
                let source = Gathered::new(token, lines, places, &mut scratch.rows);
                product(token, &self.weights, rows, source, &border, stage);
            }
        });
    }
}
