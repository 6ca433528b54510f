//! A net as data: its layers, their weights and thresholds, and the checks that make it runnable.
//!
//! A [`Model`] is what training produces, what a `.bnet` file holds (see [`mod@format`]) and what inference plans from. Its
//! fields are public and may be put together by hand; [`Model::validate`] says whether they fit together, and everything
//! that runs or writes a model asks it first.
//!
//! ```
//! use bernet::model::{Conv, Input, Layer, Model};
//! use bernet_kernels::{
//!     bits::BitMatrix,
//!     xnor::{Geometry, Options, PaddingValue, Threshold},
//! };
//!
//! let geometry = Geometry {
//!     channels: 1,
//!     outputs: 2,
//!     kernel: [3, 3],
//!     stride: [1, 1],
//!     padding: [0; 4],
//!     padding_value: PaddingValue::MinusOne,
//! };
//! let model = Model {
//!     input: Input { height: 4, width: 4, channels: 1, threshold: Some(128) },
//!     layers: vec![
//!         Layer::Conv(Conv {
//!             geometry,
//!             options: Options::default(),
//!             weights: BitMatrix::zeros(2, 9),
//!             thresholds: vec![Threshold { at_least: 0, invert: false }; 2],
//!         }),
//!         Layer::Expectation { weights: BitMatrix::zeros(10, 2) },
//!     ],
//!     metadata: Default::default(),
//! };
//! let shapes = model.shapes()?;
//! assert_eq!((shapes[0].height, shapes[0].width, shapes[0].channels), (2, 2, 2));
//! assert_eq!(shapes[1].channels, 10);
//! # Ok::<(), bernet::model::ModelError>(())
//! ```

mod check;
pub mod format;
pub mod onnx;
mod real;
mod summary;
mod to_graph;

pub use check::{
    DILATION_LIMIT, DIMENSION_LIMIT, GREY_DEPTH_LIMIT, LAYERS_LIMIT, METADATA_LIMIT, ModelError,
    Place, VALUES_LIMIT,
};
pub use real::{RealConv, RealExpectation, RealThreshold};
pub use summary::{LayerSummary, Summary};
pub use to_graph::ToGraphError;

use bernet_kernels::{
    bits::{BitMatrix, BitTensor, Shape},
    isa::Level,
    packing::{self, Order},
    xnor::{Geometry, Options, Threshold, Window},
};
use std::collections::BTreeMap;

/// A binary net: an image goes through the layers in turn, and the last one gives the logits.
#[derive(Clone, PartialEq, Debug)]
pub struct Model {
    /// The images it reads.
    pub input: Input,
    /// The layers, first to last. The only [`Layer::Expectation`] or [`Layer::RealExpectation`] is the last of them, or the last but
    /// a [`Layer::Affine`].
    pub layers: Vec<Layer>,
    /// What else is known about the net, by name: the command that trained it, its accuracy, its licence.
    pub metadata: BTreeMap<String, String>,
}

/// The images that a model reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Input {
    /// Lines an image.
    pub height: usize,
    /// Pixels a line.
    pub width: usize,
    /// Values a pixel.
    pub channels: usize,
    /// A grey value of at least this is +1. Without it the values stay as they are, 0 to 255, and the first layer, which is then
    /// a [`Layer::Conv`] or a [`Layer::RealConv`], multiplies them with its weights.
    pub threshold: Option<u8>,
}

/// A layer.
#[derive(Clone, PartialEq, Debug)]
pub enum Layer {
    /// Keeps a rectangle of the image.
    Crop {
        /// Its first line.
        top: usize,
        /// Its first pixel in each line.
        left: usize,
        /// Its lines.
        height: usize,
        /// Its pixels a line.
        width: usize,
    },
    /// A convolution and its activations.
    Conv(Conv),
    /// The largest activation of each window, channel by channel: +1 where there is one.
    MaxPool(MaxPool),
    /// The logits `Σ_positions Σ_k x_k w_k`, which are integers.
    Expectation {
        /// One row for each class. One column for each input channel, which serves every position; or one for each value
        /// of the image, in the order line, pixel, channel.
        weights: BitMatrix,
    },
    /// A first convolution with real weights, and its activations.
    RealConv(RealConv),
    /// Logits with real weights.
    RealExpectation(RealExpectation),
    /// What makes real logits of the sums, `scale · sum + bias`; after the expectation, in nets that were trained
    /// with it. Where all classes share one scale and one bias it has no say in which class wins.
    Affine {
        /// One for each class: finite, above 0. (Weights take a negative sign.)
        scale: Vec<f64>,
        /// One for each class: finite.
        bias: Vec<f64>,
    },
}

/// A convolution and its activations. A dense layer is one whose kernel is 1×1 (the same layer on every position) or
/// covers the whole image.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Conv {
    /// Channels, kernel, stride, padding.
    pub geometry: Geometry,
    /// Dilation and groups, of which most layers have none.
    pub options: Options,
    /// One row for each output channel; columns in the order kernel line, kernel column, input channel of its group.
    pub weights: BitMatrix,
    /// One for each output channel.
    pub thresholds: Vec<Threshold>,
}

/// Windows over each channel. A tap on the padding counts as −1, which is to say not at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MaxPool {
    /// Height and width of the window.
    pub kernel: [usize; 2],
    /// From one window to the next, down and across.
    pub stride: [usize; 2],
    /// At the top, left, bottom and right; less than the window, so that every window has a tap inside.
    pub padding: [usize; 4],
}

impl Input {
    /// The shape of one image.
    pub fn shape(&self) -> Shape {
        Shape {
            batch: 1,
            height: self.height,
            width: self.width,
            channels: self.channels,
        }
    }

    /// The shape of one image as [`Input::binarise`] packs it: without a threshold, each value is eight channels, its bits from the
    /// least significant on. So the words of a line are its bytes.
    pub fn bits_shape(&self) -> Shape {
        let bits = if self.threshold.is_some() {
            1
        } else {
            u8::BITS as usize
        };
        Shape {
            channels: bits * self.channels,
            ..self.shape()
        }
    }

    /// Packs grey images, one after the other, each in the order line, pixel, channel: a bit for each value, or, without a
    /// threshold, its eight.
    ///
    /// # Errors
    /// [`ModelError`] where `grey` is not a whole number of images.
    pub fn binarise(&self, grey: &[u8]) -> Result<BitTensor, ModelError> {
        let mut images = BitTensor::default();
        self.binarise_into(Level::best(), grey, &mut images)?;
        Ok(images)
    }

    /// As [`Input::binarise`], by a level's kernels, into a tensor that is kept where it is of the right shape.
    ///
    /// # Errors
    /// As [`Input::binarise`].
    pub fn binarise_into(
        &self,
        level: Level,
        grey: &[u8],
        images: &mut BitTensor,
    ) -> Result<(), ModelError> {
        let shape = Shape {
            batch: self.count(grey)?,
            ..self.bits_shape()
        };
        if let Some(threshold) = self.threshold {
            if images.shape() != shape {
                *images = BitTensor::zeros(shape);
            }
            packing::tensor_at_least(level, Order::Nhwc, grey, threshold, images)
                .expect("there are as many grey values as pixels");
            return Ok(());
        }
        let word = |bytes: &[u8]| {
            let mut word = [0; size_of::<u64>()];
            word[..bytes.len()].copy_from_slice(bytes);
            u64::from_le_bytes(word)
        };
        let lines = grey.chunks_exact(self.width * self.channels);
        let words = lines.flat_map(|line| line.chunks(size_of::<u64>()).map(word));
        let (rows, columns) = (shape.batch * self.height, shape.width * shape.channels);
        let lines = BitMatrix::from_words(rows, columns, words.collect())
            .expect("a line takes whole words, the rest of the last is 0");
        *images = BitTensor::from_lines(shape, lines).expect("the lines were made for this shape");
        Ok(())
    }

    /// How many images so many grey values are.
    ///
    /// # Errors
    /// [`ModelError`] where they are not a whole number of images.
    pub fn count(&self, grey: &[u8]) -> Result<usize, ModelError> {
        let image = [self.height, self.width, self.channels]
            .into_iter()
            .try_fold(1, usize::checked_mul)
            .filter(|&image| image > 0 && grey.len().is_multiple_of(image));
        image
            .map(|image| grey.len() / image)
            .ok_or_else(|| ModelError {
                place: Place::Input,
                what: "number of grey values",
                expected: format!(
                    "a multiple of {}×{}×{}",
                    self.height, self.width, self.channels
                ),
                found: grey.len().to_string(),
            })
    }
}

impl Conv {
    /// Geometry and options, which know the columns of the weights and the shape of the output.
    pub fn window(&self) -> Window {
        let (geometry, options) = (self.geometry, self.options);
        Window { geometry, options }
    }
}

impl Layer {
    /// The name of its kind, as errors and tables call it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Crop { .. } => "crop",
            Self::Conv(_) => "conv",
            Self::MaxPool(_) => "max pool",
            Self::Expectation { .. } => "expectation",
            Self::RealConv(_) => "real conv",
            Self::RealExpectation(_) => "real expectation",
            Self::Affine { .. } => "affine",
        }
    }

    /// Its weights of one bit, where it has some.
    pub fn weights(&self) -> Option<&BitMatrix> {
        match self {
            Self::Conv(conv) => Some(&conv.weights),
            Self::Expectation { weights } => Some(weights),
            _ => None,
        }
    }

    /// Its real weights, where it has some.
    pub fn real_weights(&self) -> &[f32] {
        match self {
            Self::RealConv(conv) => &conv.weights,
            Self::RealExpectation(last) => &last.weights,
            _ => &[],
        }
    }

    /// Geometry and options of a convolution, real or not.
    pub fn window(&self) -> Option<Window> {
        match self {
            Self::Conv(conv) => Some(conv.window()),
            Self::RealConv(conv) => Some(conv.window()),
            _ => None,
        }
    }

    /// Whether it makes logits of activations.
    fn is_expectation(&self) -> bool {
        matches!(self, Self::Expectation { .. } | Self::RealExpectation(_))
    }

    /// Its thresholds on integer sums; only a convolution has some.
    pub fn thresholds(&self) -> &[Threshold] {
        match self {
            Self::Conv(conv) => &conv.thresholds,
            _ => &[],
        }
    }
}
