//! Layers of real weights: the first one, on grey values, and the last one. Nets from elsewhere have them; training here makes none.
//!
//! Their arithmetic is IEEE 754 double precision in a stated order, so that every level and any number of threads give the same
//! bits: a weight is a float32, its product with a grey value or a sign is exact in double precision, and products are added one after
//! the other, beginning with 0. What another engine's float32 arithmetic makes of the same weights differs by its rounding.
//!
//! ```
//! use bernet::{
//!     infer::Session,
//!     model::{Input, Layer, Model, RealConv, RealExpectation, RealThreshold},
//! };
//! use bernet_kernels::{isa::Level, xnor::{Geometry, Options, PaddingValue}};
//!
//! let geometry = Geometry {
//!     channels: 1,
//!     outputs: 2,
//!     kernel: [1, 2],
//!     stride: [1, 1],
//!     padding: [0; 4],
//!     padding_value: PaddingValue::Zero,
//! };
//! let model = Model {
//!     input: Input { height: 1, width: 2, channels: 1, threshold: None },
//!     layers: vec![
//!         Layer::RealConv(RealConv {
//!             geometry,
//!             options: Options::default(),
//!             weights: vec![0.5, -0.25, 1.0, 1.0],
//!             thresholds: vec![RealThreshold { at_least: 0.0, invert: false }; 2],
//!         }),
//!         Layer::RealExpectation(RealExpectation { classes: 2, weights: vec![0.5, 0.25, 1.5, -1.0] }),
//!     ],
//!     metadata: Default::default(),
//! };
//! // 10 · 0.5 − 40 · 0.25 is below 0, 10 + 40 is not.
//! let images = model.input.binarise(&[10, 40])?;
//! assert_eq!(Session::new(&model, Level::best())?.real_logits(&images)?, [-0.25, -2.5]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use super::{
    ModelError, Place,
    check::{check_head, check_window},
};
use bernet_kernels::{
    bits::Shape,
    xnor::{Geometry, Options, PaddingValue, Window},
};

/// A convolution with real weights on the image's grey values, and its activations: a net's first layer.
#[derive(Clone, PartialEq, Debug)]
pub struct RealConv {
    /// Channels, kernel, stride, padding. Padding, if there is some, counts as nothing ([`PaddingValue::Zero`]).
    pub geometry: Geometry,
    /// Dilation and groups, of which most layers have none.
    pub options: Options,
    /// One row for each output channel; columns in the order kernel line, kernel column, input channel of its group. All finite.
    pub weights: Vec<f32>,
    /// One for each output channel.
    pub thresholds: Vec<RealThreshold>,
}

/// Where a real sum becomes +1.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct RealThreshold {
    /// A sum of at least this is +1; infinities stand for never and always.
    pub at_least: f64,
    /// It is −1 instead, and smaller sums are +1.
    pub invert: bool,
}

impl RealThreshold {
    /// The activation of a sum, true for +1.
    pub fn apply(self, sum: f64) -> bool {
        (sum >= self.at_least) != self.invert
    }
}

/// Logits with real weights, `Σ_positions Σ_k x_k w_k`: a net's last layer, or the one before a
/// [`Layer::Affine`](super::Layer::Affine).
#[derive(Clone, PartialEq, Debug)]
pub struct RealExpectation {
    /// The classes: rows of the weights.
    pub classes: usize,
    /// One row for each class; columns as those of [`Layer::Expectation`](super::Layer::Expectation). All finite.
    pub weights: Vec<f32>,
}

impl RealConv {
    /// Geometry and options, which know the columns of the weights and the shape of the output.
    pub fn window(&self) -> Window {
        let (geometry, options) = (self.geometry, self.options);
        Window { geometry, options }
    }

    pub(super) fn check(&self, place: Place, input: Shape) -> Result<Shape, ModelError> {
        let geometry = &self.geometry;
        let output = check_window(place, &self.window(), input)?;
        place.check(
            geometry.padding_value == PaddingValue::Zero,
            "padding of grey values",
            "padding that counts nothing",
            format_args!("{:?}", geometry.padding_value),
        )?;
        let weights = geometry.outputs.saturating_mul(self.window().depth());
        place.check_equal("weights (outputs · depth)", weights, self.weights.len())?;
        check_weights(place, &self.weights)?;
        place.check_equal("thresholds", geometry.outputs, self.thresholds.len())?;
        let nan = self
            .thresholds
            .iter()
            .find(|threshold| threshold.at_least.is_nan());
        place.check(nan.is_none(), "least sum", "a number or an infinity", "NaN")?;
        Ok(output)
    }
}

impl RealExpectation {
    /// The columns of the weights: as many for each class.
    pub fn columns(&self) -> usize {
        self.weights.len() / self.classes.max(1)
    }

    pub(super) fn check(&self, place: Place, input: Shape) -> Result<Shape, ModelError> {
        place.check(
            self.classes > 0 && self.weights.len().is_multiple_of(self.classes),
            "weights",
            format_args!("a multiple of {} classes", self.classes),
            self.weights.len(),
        )?;
        check_weights(place, &self.weights)?;
        check_head(place, [self.classes, self.columns()], input)
    }
}

fn check_weights(place: Place, weights: &[f32]) -> Result<(), ModelError> {
    match weights.iter().find(|weight| !weight.is_finite()) {
        Some(weight) => place.check(false, "weight", "a finite number", weight),
        None => Ok(()),
    }
}
