//! A net's layers as a person writes them, in TOML, and their shapes.

use crate::model::VALUES_LIMIT;
use bernet_kernels::{
    bits::Shape,
    xnor::{Geometry, PaddingValue},
};
use serde::{Deserialize, Serialize};

/// The seed's net on whole 28×28 images.
pub const SEED: &str = include_str!("../../nets/seed.toml");
/// The seed's net on the 24×24 centre.
pub const SEED_24: &str = include_str!("../../nets/seed-24.toml");

/// A net: its input and its layers, the last one an expectation.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// What goes in.
    pub input: Input,
    /// The layers in the order of the data.
    #[serde(rename = "layer")]
    pub layers: Vec<LayerKind>,
}

/// The size of an image as the first layer sees it; larger images are cropped to their centre.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Lines.
    pub height: usize,
    /// Pixels a line.
    pub width: usize,
    /// Values a pixel.
    pub channels: usize,
}

/// A layer of ±1 weights.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum LayerKind {
    /// A convolution without padding, batch normalisation and sign.
    Conv {
        /// Output channels.
        outputs: usize,
        /// Height and width.
        kernel: [usize; 2],
        /// Down and across.
        stride: [usize; 2],
    },
    /// The same weights at every position, that is a 1×1 convolution, batch normalisation and sign.
    Dense {
        /// Output channels.
        outputs: usize,
    },
    /// The last layer: its sums, over all positions, are the logits.
    Expectation {
        /// Number of classes.
        classes: usize,
    },
}

/// What is wrong with a description of a net.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// It is not the TOML that was expected.
    #[error("the net's description: {0}")]
    Toml(#[from] toml::de::Error),
    /// A layer cannot follow the one before.
    #[error("layer {number} ({kind}): {reason}")]
    Layer {
        /// From 1.
        number: usize,
        /// Its kind.
        kind: &'static str,
        /// Expected and found.
        reason: String,
    },
}

impl LayerKind {
    /// Its name in the description.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Conv { .. } => "conv",
            Self::Dense { .. } => "dense",
            Self::Expectation { .. } => "expectation",
        }
    }
}

impl Network {
    /// Reads a description.
    ///
    /// ```
    /// let net = bernet::train::Network::from_toml(bernet::train::SEED)?;
    /// assert_eq!(net.weights()?, 33_856);
    /// # Ok::<(), bernet::train::NetworkError>(())
    /// ```
    ///
    /// # Errors
    /// [`NetworkError`], which names the line or the layer.
    pub fn from_toml(text: &str) -> Result<Self, NetworkError> {
        let network: Self = toml::from_str(text)?;
        network.geometries()?;
        Ok(network)
    }

    /// The shape of one input.
    pub fn input_shape(&self) -> Shape {
        let Input {
            height,
            width,
            channels,
        } = self.input;
        Shape {
            batch: 1,
            height,
            width,
            channels,
        }
    }

    /// Each layer as a convolution, with the shapes (of one image) before and after it.
    ///
    /// # Errors
    /// [`NetworkError::Layer`] for the first layer that does not fit.
    pub fn geometries(&self) -> Result<Vec<(Geometry, Shape, Shape)>, NetworkError> {
        let mut shape = self.input_shape();
        let mut geometries = Vec::new();
        for (index, layer) in self.layers.iter().enumerate() {
            let error = |reason: String| NetworkError::Layer {
                number: index + 1,
                kind: layer.name(),
                reason,
            };
            let last = index + 1 == self.layers.len();
            if last != matches!(layer, LayerKind::Expectation { .. }) {
                return Err(error(
                    "the last layer, and no other, is an expectation".into(),
                ));
            }
            let (outputs, kernel, stride) = match *layer {
                LayerKind::Conv {
                    outputs,
                    kernel,
                    stride,
                } => (outputs, kernel, stride),
                LayerKind::Dense { outputs } | LayerKind::Expectation { classes: outputs } => {
                    (outputs, [1, 1], [1, 1])
                }
            };
            if outputs == 0 {
                return Err(error("it has no outputs".into()));
            }
            let geometry = Geometry {
                channels: shape.channels,
                outputs,
                kernel,
                stride,
                padding: [0; 4],
                padding_value: PaddingValue::MinusOne,
            };
            let after = geometry
                .output_shape(shape)
                .map_err(|reason| error(reason.to_string()))?;
            // What a model cannot be need not be trained; and no description can ask for the whole memory.
            for (what, values) in [
                (
                    "values an image",
                    shape.height * shape.width * shape.channels,
                ),
                (
                    "values an image after it",
                    after.height * after.width * outputs,
                ),
                ("weights", geometry.depth().saturating_mul(outputs)),
            ] {
                if values > VALUES_LIMIT {
                    return Err(error(format!(
                        "{what}: expected at most {VALUES_LIMIT}, found {values}"
                    )));
                }
            }
            geometries.push((geometry, shape, after));
            shape = after;
        }
        if geometries.is_empty() {
            return Err(NetworkError::Layer {
                number: 1,
                kind: "none",
                reason: "the net has no layers".into(),
            });
        }
        Ok(geometries)
    }

    /// Number of weights.
    ///
    /// # Errors
    /// As [`Network::geometries`].
    pub fn weights(&self) -> Result<usize, NetworkError> {
        Ok(self
            .geometries()?
            .iter()
            .map(|(geometry, ..)| geometry.outputs * geometry.depth())
            .sum())
    }
}
