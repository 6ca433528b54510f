//! A model to a graph that other engines run.
//!
//! Tensors are `[batch, channels, height, width]`, weights and activations are the numbers −1 and +1. Sums are integers of at most
//! 2²⁴, which float32 holds exactly, so that any order of summation gives the same bits; real logits are float64.

mod builder;
mod packed;

use super::proto::data_type;
use crate::{
    durable,
    model::{Conv, Layer, MaxPool, Model, ModelError},
};
use bernet_kernels::{
    bits::{BitMatrix, Shape},
    xnor::{Options, PaddingValue, Threshold},
};
use builder::{Attribute, Builder, Output};
use std::{io, path::Path};
use thiserror::Error;

/// The most bytes of a file: what a protocol buffer may have.
const BYTES_LIMIT: u64 = i32::MAX as u64;

/// The most grey values whose sum is within 2²⁴.
const GREY_DEPTH: usize = (1 << 24) / 255;

/// Which operators a graph is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    /// Standard ones only, of version 13: an activation is `GreaterOrEqual` and `Where`.
    Standard,
    /// QONNX: weights and activations are marked as bits by `BipolarQuant` of the domain `qonnx.custom_op.general`. The
    /// batch is one image, since the `qonnx` package runs graphs of known shapes only.
    Qonnx,
    /// Operators of the domain `bernet` on packed bits, which the library `embed/onnxruntime` brings to ONNX Runtime.
    Bernet,
}

/// Why a model cannot be exported.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The model does not fit together.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The weights as float32 are more than a file may have.
    #[error("weights as float32: expected at most {BYTES_LIMIT} bytes, found {bytes}")]
    Size {
        /// What they take.
        bytes: u64,
    },
    /// Sums of grey values that float32 does not hold.
    #[error(
        "layer 1 (conv): depth on grey values: expected at most {GREY_DEPTH}, whose sums float32 holds, found {found}"
    )]
    Depth {
        /// The products of a sum.
        found: usize,
    },
    /// A layer has no operator in the dialect.
    #[error(
        "layer {number} (crop): expected before the first layer of weights, since there is no operator that crops bits"
    )]
    Crop {
        /// Its number, from 1.
        number: usize,
    },
    /// A layer has real weights: another engine's sums of them are rounded otherwise, which may change an activation.
    #[error(
        "layer {number} ({kind}): expected weights of one bit, since sums of real ones are not the same in every engine"
    )]
    Real {
        /// Its number, from 1.
        number: usize,
        /// Its kind.
        kind: &'static str,
    },
    /// The file system; what was there before is untouched.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The bytes of an ONNX file.
///
/// Its input `image` is `[batch, channels, height, width]` of pixel/255 as float32, or of pixels as bytes where the first layer
/// reads grey values; its output `[batch, classes]` the logits:
/// float32 integers, or, where the model has an affine layer, its float64 logits. The model's metadata become the file's.
/// [`import`](super::import()) gives back the model, but for least sums beyond ±(depth + 1), which become the edge of what a sum
/// can be.
///
/// # Errors
/// [`ExportError::Model`] as [`Model::validate`], [`ExportError::Size`] where the weights are too many, [`ExportError::Depth`] where
/// sums of grey values are too large, [`ExportError::Crop`] where the
/// dialect has no operator for a crop, [`ExportError::Real`] where a layer has real weights.
pub fn export(model: &Model, dialect: Dialect) -> Result<Vec<u8>, ExportError> {
    let shapes = model.shapes()?;
    let weights = |weights: &BitMatrix| 4 * weights.rows() as u64 * weights.columns() as u64;
    let bytes = model
        .layers
        .iter()
        .filter_map(Layer::weights)
        .map(weights)
        .sum();
    if bytes > BYTES_LIMIT / 2 {
        return Err(ExportError::Size { bytes });
    }

    let grey = model.input.threshold.is_none();
    if let (true, Layer::Conv(conv)) = (grey, &model.layers[0])
        && conv.window().depth() > GREY_DEPTH
    {
        let found = conv.window().depth();
        return Err(ExportError::Depth { found });
    }

    let kind = if grey {
        data_type::UINT8
    } else {
        data_type::FLOAT
    };
    let mut graph = Graph::new(
        dialect,
        Output(kind, planes(model.input.shape())),
        model.input.shape(),
    );
    match model.input.threshold {
        Some(threshold) => graph.binarise(threshold),
        None => {
            let float = vec![builder::integer("to", data_type::FLOAT.into())];
            graph.node("Cast", "pixels", &[], float);
        }
    }
    for (index, (layer, &shape)) in model.layers.iter().zip(&shapes).enumerate() {
        graph.number = index + 1;
        match layer {
            &Layer::Crop {
                top,
                left,
                height,
                width,
            } => graph.crop([top, left], [top + height, left + width], shape)?,
            Layer::Conv(conv) if grey && index == 0 => graph.convolution(conv, shape, 255),
            Layer::Conv(conv) if dialect == Dialect::Bernet => {
                graph.packed_convolution(conv, shape)
            }
            Layer::Conv(conv) => graph.convolution(conv, shape, 1),
            Layer::MaxPool(pool) if dialect == Dialect::Bernet => graph.packed_pool(pool, shape),
            Layer::MaxPool(pool) => {
                graph.shape = shape;
                graph.node("MaxPool", "pool", &[], windows(pool));
            }
            Layer::Expectation { weights } => graph.expectation(weights),
            Layer::RealConv(_) | Layer::RealExpectation(_) => {
                let (number, kind) = (graph.number, layer.kind());
                return Err(ExportError::Real { number, kind });
            }
            Layer::Affine { scale, bias } => graph.affine(scale, bias),
        }
    }
    Ok(graph.builder.finish(&model.metadata))
}

/// Exports to a file, which appears whole or not at all, and says how many bytes it has.
///
/// # Errors
/// As [`export`], and [`ExportError::Io`] where it cannot be written.
pub fn export_file(
    model: &Model,
    dialect: Dialect,
    path: impl AsRef<Path>,
) -> Result<usize, ExportError> {
    let bytes = export(model, dialect)?;
    durable::write(path.as_ref(), &bytes)?;
    Ok(bytes.len())
}

/// A graph up to some layer.
struct Graph {
    dialect: Dialect,
    builder: Builder,
    /// The number of the layer that is being written.
    number: usize,
    /// The shape of one image of what the last node put out.
    shape: Shape,
    /// Whether that is packed bits.
    packed: bool,
}

impl Graph {
    fn new(dialect: Dialect, input: Output, image: Shape) -> Self {
        let mut builder = Builder::new("image", &input, dialect == Dialect::Qonnx);
        builder.floats("plus_one", &[], [1.0].into_iter());
        builder.floats("minus_one", &[], [-1.0].into_iter());
        Self {
            dialect,
            builder,
            number: 0,
            shape: image,
            packed: false,
        }
    }

    /// A name with the number of the layer.
    fn name(&self, name: &str) -> String {
        format!("{name}_{}", self.number)
    }

    /// A node that puts out an image of the present shape.
    fn node(&mut self, op: &str, name: &str, constants: &[&str], attributes: Vec<Attribute>) {
        let kind = if op == "GreaterOrEqual" {
            data_type::BOOL
        } else {
            data_type::FLOAT
        };
        let output = Output(kind, planes(self.shape));
        self.builder
            .node(op, self.name(name), constants, attributes, &output);
    }

    /// ±1 of pixel/255. The limit is in the middle between two grey values, out of reach of any rounding.
    fn binarise(&mut self, threshold: u8) {
        let limit = (f32::from(threshold) - 0.5) / 255.0;
        self.bits(&[], [limit].into_iter());
    }

    /// +1 where the last tensor reaches a limit, else −1.
    fn bits(&mut self, dims: &[usize], limits: impl Iterator<Item = f32>) {
        match self.dialect {
            Dialect::Bernet => {
                // The sign of a difference survives every rounding; it is packed where the next layer wants it.
                let name = self.name("limit");
                self.builder.floats(&name, dims, limits);
                self.node("Sub", "centred", &[&name], vec![]);
            }
            Dialect::Standard => {
                let name = self.name("limit");
                self.builder.floats(&name, dims, limits);
                self.node("GreaterOrEqual", "reached", &[&name], vec![]);
                self.node("Where", "bits", &["plus_one", "minus_one"], vec![]);
            }
            Dialect::Qonnx => {
                let name = self.name("offset");
                self.builder.floats(&name, dims, limits.map(|limit| -limit));
                self.node("Add", "centred", &[&name], vec![]);
                self.node("BipolarQuant", "bits", &["plus_one"], vec![]);
            }
        }
    }

    fn crop(
        &mut self,
        starts: [usize; 2],
        ends: [usize; 2],
        shape: Shape,
    ) -> Result<(), ExportError> {
        if self.packed {
            let number = self.number;
            return Err(ExportError::Crop { number });
        }
        self.shape = shape;
        let names = ["starts", "ends"].map(|name| self.name(name));
        self.builder.integers(&names[0], &starts);
        self.builder.integers(&names[1], &ends);
        self.builder.integers("image_axes", &[2, 3]);
        self.node(
            "Slice",
            "crop",
            &[&names[0], &names[1], "image_axes"],
            vec![],
        );
        Ok(())
    }

    /// A convolution of numbers of at most this magnitude.
    fn convolution(&mut self, conv: &Conv, shape: Shape, most: usize) {
        let geometry = &conv.geometry;
        let mut pool = MaxPool {
            kernel: geometry.kernel,
            stride: geometry.stride,
            padding: geometry.padding,
        };
        // A convolution pads with 0 itself.
        let value = match geometry.padding_value {
            PaddingValue::MinusOne => Some("minus_one"),
            PaddingValue::Zero => None,
            PaddingValue::PlusOne => Some("plus_one"),
        };
        if let Some(value) = value.filter(|_| geometry.padding != [0; 4]) {
            let [top, left, bottom, right] = std::mem::take(&mut pool.padding);
            let pads = self.name("pads");
            self.builder
                .integers(&pads, &[0, 0, top, left, 0, 0, bottom, right]);
            self.shape.height += top + bottom;
            self.shape.width += left + right;
            self.node("Pad", "padded", &[&pads, value], vec![]);
        }
        let mut attributes = windows(&pool);
        attributes.extend(spread(&conv.options));
        self.sums(&conv.weights, pool.kernel, attributes, shape);
        self.activations(&conv.thresholds, most * conv.window().depth());
    }

    /// Weights as ±1 of the shape `[outputs, channels of a group, height, width]`, and their name.
    fn weights(
        &mut self,
        weights: &BitMatrix,
        [height, width]: [usize; 2],
    ) -> (String, [usize; 4]) {
        let channels = weights.columns() / (height * width);
        let name = self.name("weights");
        let values = (0..weights.rows()).flat_map(|output| {
            let weight = move |column| {
                if weights.get(output, column) {
                    1.0
                } else {
                    -1.0
                }
            };
            (0..channels).flat_map(move |channel| {
                (0..height * width).map(move |tap| weight(tap * channels + channel))
            })
        });
        let dims = [weights.rows(), channels, height, width];
        self.builder.floats(&name, &dims, values);
        (name, dims)
    }

    /// A convolution alone.
    fn sums(
        &mut self,
        weights: &BitMatrix,
        kernel: [usize; 2],
        attributes: Vec<Attribute>,
        shape: Shape,
    ) {
        let (name, dims) = self.weights(weights, kernel);
        self.shape = shape;
        match self.dialect {
            Dialect::Standard | Dialect::Bernet => self.node("Conv", "sums", &[&name], attributes),
            Dialect::Qonnx => {
                let bits = self.name("bit_weights");
                self.builder.constant_node(
                    "BipolarQuant",
                    bits.clone(),
                    &[&name, "plus_one"],
                    &dims,
                );
                self.node("Conv", "sums", &[&bits], attributes);
            }
        }
    }

    /// ±1 of sums of at most a magnitude: a least sum out of their reach is brought to its edge, so that
    /// float32 holds it exactly. An inverted threshold, S < t, is −S ≥ 1 − t.
    fn activations(&mut self, thresholds: &[Threshold], most: usize) {
        let most = most as i32;
        let dims = [thresholds.len(), 1, 1];
        if thresholds.iter().any(|threshold| threshold.invert) {
            let name = self.name("signs");
            let sign = |threshold: &Threshold| if threshold.invert { -1.0 } else { 1.0 };
            self.builder
                .floats(&name, &dims, thresholds.iter().map(sign));
            self.node("Mul", "signed", &[&name], vec![]);
        }
        let limit = |threshold: &Threshold| {
            let least = threshold.at_least.clamp(-most, most + 1);
            (if threshold.invert { 1 - least } else { least }) as f32
        };
        self.bits(&dims, thresholds.iter().map(limit));
    }

    /// Weights for the whole image are its convolution; those for every position a 1×1 convolution, whose sums are added up.
    fn expectation(&mut self, weights: &BitMatrix) {
        let image = self.shape;
        let classes = Shape {
            channels: weights.rows(),
            ..image
        };
        let shared = weights.columns() == image.channels;
        let (kernel, shape) = if shared {
            ([1, 1], classes)
        } else {
            let one = Shape {
                height: 1,
                width: 1,
                ..classes
            };
            ([image.height, image.width], one)
        };
        if self.dialect == Dialect::Bernet {
            self.packed_sums(weights, kernel, shape);
        } else {
            let attributes = windows(&MaxPool {
                kernel,
                stride: [1, 1],
                padding: [0; 4],
            });
            self.sums(weights, kernel, attributes, shape);
        }
        let logits = Output(data_type::FLOAT, vec![weights.rows()]);
        let name = self.name("logits");
        if shared && image.height * image.width > 1 {
            self.builder.integers("image_axes", &[2, 3]);
            let keepdims = vec![builder::integer("keepdims", 0)];
            self.builder
                .node("ReduceSum", name, &["image_axes"], keepdims, &logits);
        } else {
            self.builder.node("Flatten", name, &[], vec![], &logits);
        }
    }

    fn affine(&mut self, scale: &[f64], bias: &[f64]) {
        let names = ["scale", "bias"].map(|name| self.name(name));
        self.builder.doubles(&names[0], scale);
        self.builder.doubles(&names[1], bias);
        let double = vec![builder::integer("to", data_type::DOUBLE.into())];
        let output = Output(data_type::DOUBLE, vec![scale.len()]);
        let steps = [
            ("Cast", "double", vec![], double),
            ("Mul", "scaled", vec![&*names[0]], vec![]),
            ("Add", "real_logits", vec![&*names[1]], vec![]),
        ];
        for (op, name, constants, attributes) in steps {
            self.builder
                .node(op, self.name(name), &constants, attributes, &output);
        }
    }
}

/// The dimensions of one image.
fn planes(shape: Shape) -> Vec<usize> {
    vec![shape.channels, shape.height, shape.width]
}

/// Dilation and groups, where a convolution has some.
fn spread(options: &Options) -> Vec<Attribute> {
    if *options == Options::default() {
        return vec![];
    }
    vec![
        builder::integers("dilations", &options.dilation),
        builder::integer("group", options.groups as i64),
    ]
}

fn windows(pool: &MaxPool) -> Vec<Attribute> {
    vec![
        builder::integers("kernel_shape", &pool.kernel),
        builder::integers("strides", &pool.stride),
        builder::integers("pads", &pool.padding),
    ]
}
