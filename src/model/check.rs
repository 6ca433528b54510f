//! Whether the layers of a model fit together.

use super::{Conv, Input, Layer, MaxPool, Model};
use bernet_kernels::{
    bits::Shape,
    xnor::{Options, PaddingValue, Window},
};
use std::fmt;
use thiserror::Error;

/// The most that a kernel's height or width, a stride or a padding may be.
pub const DIMENSION_LIMIT: usize = u16::MAX as usize;

/// The most that a kernel's height or width and a dilation may be in a convolution with dilation or groups.
pub const DILATION_LIMIT: usize = u8::MAX as usize;

/// The most values an image may have in any tensor of a net: input, padded input, activations, and the last layer's sums
/// before they are added up over the positions.
///
/// It bounds the memory that running a net can take, whatever a file says; and since a window lies within one padded
/// image, no sum comes near the ends of `i32`.
pub const VALUES_LIMIT: usize = 1 << 24;

/// The most products that a sum over grey values may have, each kernel line filled up to a multiple of 64.
pub const GREY_DEPTH_LIMIT: usize = (1 << 22) - 1;

const REGISTER_BYTES: usize = 64;

/// The most layers a net may have.
pub const LAYERS_LIMIT: usize = u16::MAX as usize;

/// The most bytes that the metadata may take in a file: every key, every value, and 8 for each pair.
pub const METADATA_LIMIT: usize = 1 << 20;

/// Something in a model does not fit.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{place}: {what}: expected {expected}, found {found}")]
pub struct ModelError {
    /// Where in the model.
    pub place: Place,
    /// Which of its properties.
    pub what: &'static str,
    /// What would fit.
    pub expected: String,
    /// What is there.
    pub found: String,
}

/// A place in a model.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// The description of the input.
    Input,
    /// The list of layers as a whole.
    Layers,
    /// One layer.
    Layer {
        /// Its number, from 1.
        number: usize,
        /// Its kind.
        kind: &'static str,
    },
    /// The metadata.
    Metadata,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input => f.write_str("input"),
            Self::Layers => f.write_str("layers"),
            Self::Layer { number, kind } => write!(f, "layer {number} ({kind})"),
            Self::Metadata => f.write_str("metadata"),
        }
    }
}

impl Place {
    pub(super) fn check(
        self,
        fits: bool,
        what: &'static str,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Result<(), ModelError> {
        if fits {
            return Ok(());
        }
        Err(ModelError {
            place: self,
            what,
            expected: expected.to_string(),
            found: found.to_string(),
        })
    }

    pub(super) fn check_equal(
        self,
        what: &'static str,
        expected: usize,
        found: usize,
    ) -> Result<(), ModelError> {
        self.check(expected == found, what, expected, found)
    }

    fn check_range(
        self,
        what: &'static str,
        least: usize,
        most: usize,
        found: usize,
    ) -> Result<(), ModelError> {
        self.check(
            (least..=most).contains(&found),
            what,
            format_args!("{least} to {most}"),
            found,
        )
    }

    /// The product of the dimensions of one image is at least 1 and within [`VALUES_LIMIT`].
    fn check_values(self, what: &'static str, dimensions: [usize; 3]) -> Result<(), ModelError> {
        let values = dimensions
            .iter()
            .try_fold(1usize, |product, &size| product.checked_mul(size));
        let fits = values.is_some_and(|values| (1..=VALUES_LIMIT).contains(&values));
        let [height, width, channels] = dimensions;
        self.check(
            fits,
            what,
            format_args!("1 to {VALUES_LIMIT} values"),
            format_args!("{height}×{width}×{channels}"),
        )
    }
}

impl Model {
    /// Whether everything fits together: a model that passes can be written to a file and run.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn validate(&self) -> Result<(), ModelError> {
        self.shapes().map(drop)
    }

    /// The shape of one image's tensor after each layer; the logits count as `1×1×classes`.
    ///
    /// # Errors
    /// As [`Model::validate`].
    pub fn shapes(&self) -> Result<Vec<Shape>, ModelError> {
        self.check_metadata()?;
        self.check_order()?;
        self.check_first()?;
        let mut shape = self.input.check()?;
        let after = |(index, layer): (usize, &Layer)| {
            let place = Place::Layer {
                number: index + 1,
                kind: layer.kind(),
            };
            shape = match layer {
                &Layer::Crop {
                    top,
                    left,
                    height,
                    width,
                } => check_crop(place, [top, left], [height, width], shape)?,
                Layer::Conv(conv) => conv.check(place, shape)?,
                Layer::MaxPool(pool) => pool.check(place, shape)?,
                Layer::Expectation { weights } => {
                    check_head(place, [weights.rows(), weights.columns()], shape)?
                }
                Layer::RealConv(conv) => conv.check(place, shape)?,
                Layer::RealExpectation(last) => last.check(place, shape)?,
                Layer::Affine { scale, bias } => check_affine(place, scale, bias, shape)?,
            };
            Ok(shape)
        };
        self.layers.iter().enumerate().map(after).collect()
    }

    /// Grey values are what a convolution reads, and around them there is nothing or 0; real weights of a convolution read grey
    /// values.
    fn check_first(&self) -> Result<(), ModelError> {
        let real = |layer: &Layer| matches!(layer, Layer::RealConv(_));
        let grey = usize::from(self.input.threshold.is_none());
        if let Some(index) = self.layers.iter().skip(grey).position(real) {
            let place = Place::Layer {
                number: grey + index + 1,
                kind: "real conv",
            };
            return place.check(false, "input", "grey values", "bits");
        }
        if grey == 0 {
            return Ok(());
        }
        let kind = self.layers[0].kind();
        let conv = match &self.layers[0] {
            Layer::RealConv(_) => return Ok(()),
            Layer::Conv(conv) => conv,
            _ => {
                return Place::Layers.check(
                    false,
                    "first layer, which reads grey values",
                    "conv or real conv",
                    kind,
                );
            }
        };
        let geometry = &conv.geometry;
        let place = Place::Layer { number: 1, kind };
        let padded = geometry.padding != [0; 4];
        place.check(
            !padded || geometry.padding_value == PaddingValue::Zero,
            "padding of grey values",
            "none, or padding that counts nothing",
            format_args!("{:?}", geometry.padding_value),
        )?;
        // Lines are filled up to whole registers. So a sum is far from the ends of `i32`.
        let line = geometry.kernel[1].saturating_mul(conv.window().channels());
        let depth = line
            .checked_next_multiple_of(REGISTER_BYTES)
            .and_then(|line| line.checked_mul(geometry.kernel[0]));
        let fits = depth.is_some_and(|depth| depth <= GREY_DEPTH_LIMIT);
        place.check(
            fits,
            "depth of a kernel on grey values, lines filled up to 64",
            format_args!("at most {GREY_DEPTH_LIMIT}"),
            format_args!("{}×{line}", geometry.kernel[0]),
        )
    }

    fn check_metadata(&self) -> Result<(), ModelError> {
        Place::Metadata.check(
            !self.metadata.contains_key(""),
            "key",
            "at least one byte",
            "an empty one",
        )?;
        Place::Metadata.check_range("bytes", 0, METADATA_LIMIT, self.metadata_bytes())
    }

    /// Bytes of the metadata in a file.
    pub(super) fn metadata_bytes(&self) -> usize {
        self.metadata
            .iter()
            .map(|(key, value)| 8 + key.len() + value.len())
            .sum()
    }

    /// The expectation layer is there, once, at the end or before an affine layer at the end.
    fn check_order(&self) -> Result<(), ModelError> {
        Place::Layers.check_range("number", 1, LAYERS_LIMIT, self.layers.len())?;
        let sums = match self.layers.as_slice() {
            [sums @ .., Layer::Affine { .. }] => sums,
            sums => sums,
        };
        let affine = sums
            .iter()
            .position(|layer| matches!(layer, Layer::Affine { .. }));
        if let Some(index) = affine {
            Place::Layers.check_equal(
                "number of the affine layer",
                self.layers.len(),
                index + 1,
            )?;
        }
        let last = sums.last().map_or("no layer", Layer::kind);
        let ends = sums.last().is_some_and(Layer::is_expectation);
        Place::Layers.check(ends, "last layer", "expectation", last)?;
        let early = self.layers.iter().position(Layer::is_expectation);
        Place::Layers.check_equal(
            "number of the first expectation layer",
            sums.len(),
            early.map_or(0, |i| i + 1),
        )
    }
}

impl Input {
    fn check(&self) -> Result<Shape, ModelError> {
        Place::Input.check_values("shape", [self.height, self.width, self.channels])?;
        Ok(self.shape())
    }
}

fn check_crop(
    place: Place,
    start: [usize; 2],
    size: [usize; 2],
    input: Shape,
) -> Result<Shape, ModelError> {
    for (what, start, size, all) in [
        ("lines", start[0], size[0], input.height),
        ("pixels a line", start[1], size[1], input.width),
    ] {
        let fits = size > 0 && start.checked_add(size).is_some_and(|end| end <= all);
        place.check(
            fits,
            what,
            format_args!("at least 1, within {all}"),
            format_args!("{size} from {start}"),
        )?;
    }
    Ok(Shape {
        height: size[0],
        width: size[1],
        ..input
    })
}

impl Conv {
    fn check(&self, place: Place, input: Shape) -> Result<Shape, ModelError> {
        let geometry = &self.geometry;
        let output = check_window(place, &self.window(), input)?;
        place.check_equal(
            "rows of the weights (outputs)",
            geometry.outputs,
            self.weights.rows(),
        )?;
        place.check_equal(
            "columns of the weights (depth)",
            self.window().depth(),
            self.weights.columns(),
        )?;
        place.check_equal("thresholds", geometry.outputs, self.thresholds.len())?;
        Ok(output)
    }
}

/// Whether a convolution fits its input; the shape of one image's output.
pub(super) fn check_window(
    place: Place,
    window: &Window,
    input: Shape,
) -> Result<Shape, ModelError> {
    let Window { geometry, options } = window;
    place.check_equal("input channels", input.channels, geometry.channels)?;
    for size in geometry.kernel {
        place.check_range("kernel", 1, DIMENSION_LIMIT, size)?;
    }
    for size in geometry.stride {
        place.check_range("stride", 1, DIMENSION_LIMIT, size)?;
    }
    for size in geometry.padding {
        place.check_range("padding", 0, DIMENSION_LIMIT, size)?;
    }
    if *options != Options::default() {
        check_options(place, window)?;
    }
    let [top, left, bottom, right] = geometry.padding;
    let [height, width] = [input.height + top + bottom, input.width + left + right];
    place.check_values("padded input", [height, width, input.channels])?;
    let [kernel_height, kernel_width] = window.span();
    place.check(
        kernel_height <= height && kernel_width <= width,
        "kernel",
        format_args!("within the padded input of {height}×{width}"),
        format_args!("{kernel_height}×{kernel_width}"),
    )?;
    let output = window.output_shape(input).map_err(|error| ModelError {
        place,
        what: "output",
        expected: "a shape that can be counted".into(),
        found: error.to_string(),
    })?;
    place.check_values("output", [output.height, output.width, output.channels])?;
    Ok(output)
}

/// Groups divide both kinds of channels; kernel and dilation are within what a file has room for.
fn check_options(place: Place, window: &Window) -> Result<(), ModelError> {
    let Window { geometry, options } = window;
    for size in geometry.kernel {
        place.check_range("kernel with dilation or groups", 1, DILATION_LIMIT, size)?;
    }
    for size in options.dilation {
        place.check_range("dilation", 1, DILATION_LIMIT, size)?;
    }
    place.check_range("groups", 1, DIMENSION_LIMIT, options.groups)?;
    for (what, channels) in [
        ("input channels", geometry.channels),
        ("output channels", geometry.outputs),
    ] {
        let fits = channels.is_multiple_of(options.groups);
        let expected = format_args!("a multiple of {} groups", options.groups);
        place.check(fits, what, expected, channels)?;
    }
    Ok(())
}

impl MaxPool {
    fn check(&self, place: Place, input: Shape) -> Result<Shape, ModelError> {
        for size in self.kernel {
            place.check_range("window", 1, DIMENSION_LIMIT, size)?;
        }
        for size in self.stride {
            place.check_range("stride", 1, DIMENSION_LIMIT, size)?;
        }
        for (index, size) in self.padding.into_iter().enumerate() {
            place.check_range("padding", 0, self.kernel[index % 2] - 1, size)?;
        }
        let [top, left, bottom, right] = self.padding;
        let [height, width] = [input.height + top + bottom, input.width + left + right];
        place.check_values("padded input", [height, width, input.channels])?;
        let [window_height, window_width] = self.kernel;
        place.check(
            window_height <= height && window_width <= width,
            "window",
            format_args!("within the padded input of {height}×{width}"),
            format_args!("{window_height}×{window_width}"),
        )?;
        Ok(Shape {
            height: (height - window_height) / self.stride[0] + 1,
            width: (width - window_width) / self.stride[1] + 1,
            ..input
        })
    }
}

fn check_affine(
    place: Place,
    scale: &[f64],
    bias: &[f64],
    input: Shape,
) -> Result<Shape, ModelError> {
    place.check_equal("scales", input.channels, scale.len())?;
    place.check_equal("biases", input.channels, bias.len())?;
    for &scale in scale {
        let fits = scale.is_finite() && scale > 0.0;
        place.check(fits, "scale", "a finite number above 0", scale)?;
    }
    for &bias in bias {
        place.check(bias.is_finite(), "bias", "a finite number", bias)?;
    }
    Ok(input)
}

/// Whether weights, rows and columns, make logits of an image: for each channel, or for each of its values.
pub(super) fn check_head(
    place: Place,
    [classes, columns]: [usize; 2],
    input: Shape,
) -> Result<Shape, ModelError> {
    place.check(
        classes >= 2,
        "classes (rows of the weights)",
        "at least 2",
        classes,
    )?;
    place.check_values("sums", [input.height, input.width, classes])?;
    // One position has as many values as channels.
    if columns != input.height * input.width * input.channels {
        place.check_equal(
            "columns of the weights (input channels)",
            input.channels,
            columns,
        )?;
    }
    Ok(Shape {
        batch: 1,
        height: 1,
        width: 1,
        channels: classes,
    })
}
