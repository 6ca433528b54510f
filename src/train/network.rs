//! A net's layers as a person writes them, in TOML, and their shapes.

use super::{
    layer::{Place, Window},
    max_pool::Pool,
};
use bernet_kernels::{
    bits::Shape,
    xnor::{ConvParams, PaddingValue},
};
use serde::{Deserialize, Serialize};

mod spec;
pub(super) mod stored;

pub use spec::LayerSpec;

/// Most values of an image in any layer, and most weights of one.
const VALUES_LIMIT: usize = 1 << 24;

/// The talk's net on whole 28×28 images.
pub const TALK: &str = include_str!("../../nets/talk.toml");
/// The talk's net on the 24×24 centre.
pub const TALK_24: &str = include_str!("../../nets/talk-24.toml");

/// The nets that come with the crate, by name: the files of `nets/`.
pub const NETS: [(&str, &str); 14] = [
    ("talk", TALK),
    ("talk-24", TALK_24),
    ("talk-grey", include_str!("../../nets/talk-grey.toml")),
    ("small-grey", include_str!("../../nets/small-grey.toml")),
    (
        "small-grey-4k",
        include_str!("../../nets/small-grey-4k.toml"),
    ),
    (
        "small-grey-8k",
        include_str!("../../nets/small-grey-8k.toml"),
    ),
    ("lenet-binary", include_str!("../../nets/lenet-binary.toml")),
    ("lenet-wide", include_str!("../../nets/lenet-wide.toml")),
    ("dense-3x1024", include_str!("../../nets/dense-3x1024.toml")),
    ("lenet-grey", include_str!("../../nets/lenet-grey.toml")),
    ("digits", include_str!("../../nets/digits.toml")),
    ("cifar-small", include_str!("../../nets/cifar-small.toml")),
    ("cifar-cnv", include_str!("../../nets/cifar-cnv.toml")),
    (
        "cifar-residual",
        include_str!("../../nets/cifar-residual.toml"),
    ),
];

/// The names that nets of [`NETS`] had before, each with the one that it has now.
const FORMER: [(&str, &str); 3] = [
    ("seed", "talk"),
    ("seed-24", "talk-24"),
    ("seed-grey", "talk-grey"),
];

/// The description of a net that comes with the crate, by its name in [`NETS`] or the one it had before.
///
/// ```
/// use bernet::train::{TALK_24, net_by_name};
///
/// assert_eq!(net_by_name("talk-24"), Some(TALK_24));
/// assert_eq!(net_by_name("seed-24"), Some(TALK_24));
/// assert_eq!(net_by_name("sed"), None);
/// ```
pub fn net_by_name(name: &str) -> Option<&'static str> {
    let former = FORMER.iter().find(|(former, _)| *former == name);
    let name = former.map_or(name, |(_, name)| name);
    let known = NETS.iter().find(|(known, _)| *known == name);
    known.map(|(_, text)| *text)
}

/// A net: its input and its layers, the last one an expectation.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// What goes in.
    pub input: Input,
    /// The layers in the order of the data.
    #[serde(rename = "layer")]
    pub layers: Vec<LayerSpec>,
}

/// The size of an image as the first layer sees it; larger images are cropped to their centre.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Lines.
    pub height: usize,
    /// Pixels a line.
    pub width: usize,
    /// Values a pixel: 1 for grey, 3 for red, green and blue.
    #[serde(default = "one")]
    pub channels: usize,
    /// Whether values have 8 bits (TOML: `grey = true` or `bytes = true`); else they have one.
    #[serde(default, alias = "bytes", skip_serializing_if = "std::ops::Not::not")]
    pub grey: bool,
}

fn one() -> usize {
    1
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

impl Network {
    /// Reads a description.
    ///
    /// ```
    /// let net = bernet::train::Network::from_toml(bernet::train::TALK)?;
    /// assert_eq!(net.weights()?, 33_856);
    /// # Ok::<(), bernet::train::NetworkError>(())
    /// ```
    ///
    /// # Errors
    /// [`NetworkError`], which names the line or the layer.
    pub fn from_toml(text: &str) -> Result<Self, NetworkError> {
        let network: Self = toml::from_str(text)?;
        network.stages()?;
        Ok(network)
    }

    /// The shape of one input.
    pub fn input_shape(&self) -> Shape {
        let Input {
            height,
            width,
            channels,
            grey: _,
        } = self.input;
        Shape {
            batch: 1,
            height,
            width,
            channels,
        }
    }

    /// The layers with weights, each as a convolution, with the pools that follow it.
    ///
    /// # Errors
    /// [`NetworkError::Layer`] for the first layer that does not fit.
    pub(crate) fn stages(&self) -> Result<Vec<Stage>, NetworkError> {
        let mut shape = self.input_shape();
        let mut stages: Vec<Stage> = Vec::new();
        for (index, layer) in self.layers.iter().enumerate() {
            let error = |reason: String| NetworkError::Layer {
                number: index + 1,
                kind: layer.name(),
                reason,
            };
            let last = index + 1 == self.layers.len();
            if last != matches!(layer, LayerSpec::Expectation { .. }) {
                return Err(error(
                    "the last layer, and no other, is an expectation".into(),
                ));
            }
            if last && index == 0 && self.input.grey {
                return Err(error(
                    "expected a conv or dense layer before it, which makes bits of grey values, found none".into(),
                ));
            }
            shape = match *layer {
                LayerSpec::Pool { kernel, stride } => {
                    let stage = stages.last_mut().filter(|stage| stage.pool.is_none());
                    let stage = stage.ok_or_else(|| {
                        error("expected right after a conv or dense layer, found elsewhere".into())
                    })?;
                    let pool = pool(shape, kernel, stride).map_err(error)?;
                    stage.pool.insert(pool).output
                }
                LayerSpec::AveragePool { kernel, stride } => {
                    let stage = stages.last_mut().filter(|stage| {
                        let Place {
                            average, residual, ..
                        } = stage.place;
                        stage.pool.is_none() && average.is_none() && !residual
                    });
                    let stage = stage.ok_or_else(|| {
                        error("expected right after a conv layer that is not residual, found elsewhere".into())
                    })?;
                    let pool = pool(shape, kernel, stride).map_err(error)?;
                    stage.place.average = Some(pool.window);
                    stage.place.output = pool.output;
                    pool.output
                }
                LayerSpec::Conv { .. }
                | LayerSpec::Dense { .. }
                | LayerSpec::Expectation { .. } => {
                    let bytes = index == 0 && self.input.grey;
                    let place = place(layer, shape, bytes).map_err(error)?;
                    let before = stages.last().map(|stage| stage.place.output);
                    if place.residual && before != Some(place.output) {
                        return Err(error(residual_mismatch(before, place.output)));
                    }
                    if place.residual && self.input.grey && stages.len() == 1 {
                        return Err(error(
                            "residual: expected sums of bits before it, found those of values of 8 bits, which are on another scale".into(),
                        ));
                    }
                    stages.push(Stage { place, pool: None });
                    place.output
                }
            };
        }
        if stages.is_empty() {
            return Err(NetworkError::Layer {
                number: 1,
                kind: "none",
                reason: "the net has no layers".into(),
            });
        }
        Ok(stages)
    }

    /// Whether a layer's sums are not those of its own weights and of bits alone: the number of the first such layer, and what it
    /// is.
    pub(crate) fn beyond_bits(&self) -> Option<(usize, &'static str)> {
        let beyond = |layer: &LayerSpec| match layer {
            LayerSpec::Conv { residual: true, .. } => Some("a residual conv"),
            LayerSpec::AveragePool { .. } => Some("an average-pool"),
            _ => None,
        };
        (1..)
            .zip(&self.layers)
            .find_map(|(number, layer)| Some((number, beyond(layer)?)))
    }

    /// The shape of what goes into a layer; none where those before it do not fit.
    fn shape_before(&self, index: usize) -> Option<Shape> {
        let mut layers = self.layers[..index].to_vec();
        layers.push(LayerSpec::Expectation {
            classes: 1,
            scaled: false,
        });
        let input = Input {
            grey: false,
            ..self.input
        };
        let stages = Self { input, layers }.stages().ok()?;
        stages.last().map(|stage| stage.place.input)
    }

    /// The number of classes that it tells apart.
    ///
    /// # Errors
    /// As [`weights`](Self::weights).
    pub fn classes(&self) -> Result<usize, NetworkError> {
        let stages = self.stages()?;
        Ok(stages.last().map_or(0, |stage| stage.place.outputs()))
    }

    /// Number of weights.
    ///
    /// # Errors
    /// [`NetworkError::Layer`] for the first layer that does not fit.
    pub fn weights(&self) -> Result<usize, NetworkError> {
        let stages = self.stages()?;
        Ok(stages
            .iter()
            .map(|Stage { place, .. }| place.outputs() * place.depth())
            .sum())
    }
}

/// A layer with weights, and the pool that follows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage {
    pub(crate) place: Place,
    pub(crate) pool: Option<Pool>,
}

/// Where a layer with weights stands, on images of this shape (`bytes` where their values have 8 bits), or why it does not fit.
fn place(layer: &LayerSpec, shape: Shape, bytes: bool) -> Result<Place, String> {
    let (outputs, kernel, stride, padding) = match *layer {
        LayerSpec::Conv {
            outputs,
            kernel,
            stride,
            padding,
            ..
        } => (outputs, kernel, stride, padding),
        LayerSpec::Dense { outputs } => (outputs, [shape.height, shape.width], [1, 1], [0, 0]),
        LayerSpec::Expectation { classes, .. } => (classes, [1, 1], [1, 1], [0, 0]),
        LayerSpec::Pool { .. } | LayerSpec::AveragePool { .. } => unreachable!("it has no weights"),
    };
    if outputs == 0 {
        return Err("it has no outputs".into());
    }
    let [down, across] = padding;
    if down >= kernel[0].max(1) || across >= kernel[1].max(1) {
        return Err(format!(
            "expected a padding smaller than the kernel, {}×{}, found {down}×{across}",
            kernel[0], kernel[1]
        ));
    }
    let params = ConvParams {
        stride,
        padding: [down, across, down, across],
        padding_value: if bytes {
            PaddingValue::Zero
        } else {
            PaddingValue::MinusOne
        },
        ..ConvParams::valid(kernel)
    };
    let output = params
        .output_shape(shape, outputs)
        .map_err(|reason| reason.to_string())?;
    // What a model cannot be need not be trained; and no description can ask for the whole memory.
    let values = |shape: Shape| {
        shape
            .height
            .checked_mul(shape.width)?
            .checked_mul(shape.channels)
    };
    let sizes = [
        ("values an image", values(shape)),
        ("weights", outputs.checked_mul(params.depth(shape.channels))),
        ("activations an image", values(output)),
    ];
    for (what, size) in sizes {
        if size.is_none_or(|size| size > VALUES_LIMIT) {
            return Err(format!(
                "expected at most {VALUES_LIMIT} {what}, found {}",
                size.map_or("more".into(), |size| size.to_string())
            ));
        }
    }
    Ok(Place {
        params,
        input: shape,
        average: None,
        output,
        residual: matches!(layer, LayerSpec::Conv { residual: true, .. }),
        scaled: matches!(layer, LayerSpec::Expectation { scaled: true, .. }),
    })
}

fn residual_mismatch(before: Option<Shape>, own: Shape) -> String {
    let size = |shape: Shape| format!("{}×{}×{}", shape.height, shape.width, shape.channels);
    format!(
        "residual: expected {} sums of the layer before, found {}",
        size(own),
        before.map_or("no layer".into(), size)
    )
}

/// A pool on images of this shape, or why it does not fit.
fn pool(input: Shape, kernel: [usize; 2], stride: [usize; 2]) -> Result<Pool, String> {
    let fits =
        |size: usize, kernel: usize, stride: usize| (1..=size).contains(&kernel) && stride > 0;
    if !fits(input.height, kernel[0], stride[0]) || !fits(input.width, kernel[1], stride[1]) {
        return Err(format!(
            "expected a window of 1×1 to {}×{} and a stride of at least 1×1, found {}×{} and {}×{}",
            input.height, input.width, kernel[0], kernel[1], stride[0], stride[1]
        ));
    }
    Ok(Pool {
        window: Window { kernel, stride },
        input,
        output: Shape {
            height: (input.height - kernel[0]) / stride[0] + 1,
            width: (input.width - kernel[1]) / stride[1] + 1,
            ..input
        },
    })
}

#[cfg(test)]
mod tests {
    use super::Network;

    fn read(layers: &str) -> Result<Network, String> {
        let text = format!(
            "input = {{ height = 8, width = 8, channels = 1 }}\nlayer = [{layers}, {{ kind = \"expectation\", classes = 3 }}]"
        );
        Network::from_toml(&text).map_err(|error| error.to_string())
    }

    const CONV: &str = r#"{ kind = "conv", outputs = 4, kernel = [3, 3], stride = [1, 1] }"#;

    #[test]
    fn a_pool_shrinks_what_the_layers_after_it_see() {
        let pool = r#"{ kind = "pool", kernel = [2, 2], stride = [2, 2] }"#;
        let network = read(&format!("{CONV}, {pool}")).expect("6×6 becomes 3×3");
        let stages = network.stages().expect("they fit");
        assert_eq!(stages.len(), 2);
        assert_eq!(
            (stages[1].place.input.height, stages[1].place.input.width),
            (3, 3)
        );
        assert_eq!(network.weights().expect("they fit"), 4 * 9 + 3 * 4);
    }

    #[test]
    fn a_dense_layer_has_a_weight_for_every_value() {
        let network = read(&format!(r#"{CONV}, {{ kind = "dense", outputs = 5 }}"#));
        let stages = network.expect("a net").stages().expect("they fit");
        let sizes: Vec<_> = stages
            .iter()
            .map(|stage| (stage.place.depth(), stage.place.positions()))
            .collect();
        // 6×6 positions of 4 channels.
        assert_eq!(sizes, [(9, 36), (6 * 6 * 4, 1), (5, 1)]);
    }

    #[test]
    fn channels_and_strides_have_defaults() {
        let short = r#"
            input = { height = 8, width = 8 }
            layer = [
                { kind = "conv", outputs = 4, kernel = [3, 3] },
                { kind = "pool", kernel = [2, 3] },
                { kind = "expectation", classes = 3 },
            ]"#;
        let pool = r#"{ kind = "pool", kernel = [2, 3], stride = [2, 3] }"#;
        assert_eq!(
            Network::from_toml(short).expect("a net"),
            read(&format!("{CONV}, {pool}")).expect("a net")
        );
        let error = read(r#"{ kind = "dense", outputs = 4, stride = [1, 1] }"#);
        assert!(error.expect_err("refused").contains("unknown field"));
    }

    #[test]
    fn grey_values_want_a_layer_that_makes_bits_of_them() {
        let grey = |layers: &str| {
            let text = format!(
                "input = {{ height = 8, width = 8, channels = 1, grey = true }}\nlayer = [{layers} {{ kind = \"expectation\", classes = 3 }}]"
            );
            Network::from_toml(&text).map_err(|error| error.to_string())
        };
        let network = grey(&format!("{CONV},")).expect("a net");
        let text = toml::to_string(&network).expect("TOML");
        assert_eq!(Network::from_toml(&text).expect("as written"), network);
        let residual = CONV
            .replace("[3, 3]", "[1, 1]")
            .replace(" }", ", residual = true }");
        let error = grey(&format!("{CONV}, {residual},")).expect_err("refused");
        assert!(error.contains("values of 8 bits"), "{error}");
        grey(&format!("{CONV}, {CONV}, {residual},")).expect("sums of bits");
        let error = grey("").expect_err("refused");
        assert!(
            error.starts_with("layer 1 (expectation): expected a conv or dense layer"),
            "{error}"
        );
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (layers, says) in [
            (
                format!(r#"{CONV}, {{ kind = "pool", kernel = [7, 2], stride = [1, 1] }}"#),
                "layer 2 (pool): expected a window of 1×1 to 6×6 and a stride of at least 1×1, found 7×2 and 1×1",
            ),
            (
                format!(r#"{CONV}, {{ kind = "pool", kernel = [2, 2], stride = [0, 1] }}"#),
                "layer 2 (pool): expected a window",
            ),
            (
                format!(r#"{{ kind = "pool", kernel = [2, 2], stride = [2, 2] }}, {CONV}"#),
                "layer 1 (pool): expected right after a conv or dense layer",
            ),
            (
                format!(
                    r#"{CONV}, {CONV}, {{ kind = "conv", outputs = 4, kernel = [5, 1], stride = [1, 1] }}"#
                ),
                "layer 3 (conv): height",
            ),
            (
                format!(
                    r#"{CONV}, {{ kind = "conv", outputs = 4, kernel = [3, 3], residual = true }}"#
                ),
                "layer 2 (conv): residual: expected 4×4×4 sums of the layer before, found 6×6×4",
            ),
            (
                r#"{ kind = "conv", outputs = 4, kernel = [1, 1], residual = true }"#.into(),
                "layer 1 (conv): residual: expected 8×8×4 sums of the layer before, found no layer",
            ),
            (
                r#"{ kind = "conv", outputs = 4, kernel = [3, 2], padding = [1, 2] }"#.into(),
                "layer 1 (conv): expected a padding smaller than the kernel, 3×2, found 1×2",
            ),
            (
                format!(
                    r#"{CONV}, {{ kind = "conv", outputs = 4, kernel = [1, 1], residual = true }}, {{ kind = "average-pool", kernel = [2, 2] }}"#
                ),
                "layer 3 (average-pool): expected right after a conv layer that is not residual",
            ),
            (
                r#"{ kind = "dense", outputs = 300000 }"#.into(),
                "layer 1 (dense): expected at most 16777216 weights, found 19200000",
            ),
            (
                r#"{ kind = "dense", outputs = 9223372036854775807 }"#.into(),
                "layer 1 (dense): expected at most 16777216 weights, found more",
            ),
            (
                r#"{ kind = "dense", outputs = 0 }"#.into(),
                "layer 1 (dense): it has no outputs",
            ),
        ] {
            let error = read(&layers).expect_err("refused");
            assert!(error.starts_with(says), "{error}");
        }
    }
}
