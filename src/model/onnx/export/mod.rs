//! A model to a graph that other engines run.
//!
//! Tensors are `[batch, channels, height, width]`, weights and activations are the numbers −1 and +1. Sums are integers of at most
//! 2²⁴, which float32 holds exactly, so that any order of summation gives the same bits; real logits are float64.

mod builder;

use super::proto::data_type;
use crate::{
    durable,
    model::{Conv, Layer, MaxPool, Model, ModelError},
};
use bernet_kernels::{
    bits::{BitMatrix, Shape},
    xnor::{PaddingValue, Threshold},
};
use builder::{Builder, integer, integers};
use std::{io, path::Path};
use thiserror::Error;

/// The most bytes of a file: what a protocol buffer may have.
const BYTES_LIMIT: u64 = i32::MAX as u64;

/// Which operators a graph is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    /// Standard ones only, of version 13: an activation is `GreaterOrEqual` and `Where`.
    Standard,
    /// QONNX: weights and activations are marked as bits by `BipolarQuant` of the domain `qonnx.custom_op.general`.
    Qonnx,
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
    /// The file system; what was there before is untouched.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The bytes of an ONNX file.
///
/// Its input `image` is `[batch, channels, height, width]` of pixel/255 as float32, its output `[batch, classes]` the logits:
/// float32 integers, or, where the model has an affine layer, its float64 logits. The model's metadata become the file's.
/// [`import`](super::import()) gives back the model, up to least sums that no sum can reach or go below.
///
/// # Errors
/// [`ExportError::Model`] as [`Model::validate`], [`ExportError::Size`] where the weights are too many.
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

    let mut shape = model.input.shape();
    let mut graph = Builder::new("image", &[shape.channels, shape.height, shape.width]);
    binarise(&mut graph, dialect, model.input.threshold);
    let mut output = data_type::FLOAT;
    for (index, (layer, after)) in model.layers.iter().zip(&shapes).enumerate() {
        let number = index + 1;
        match layer {
            &Layer::Crop {
                top,
                left,
                height,
                width,
            } => {
                crop(
                    &mut graph,
                    number,
                    [top, left],
                    [top + height, left + width],
                );
            }
            Layer::Conv(conv) => convolution(&mut graph, dialect, number, conv),
            Layer::MaxPool(pool) => {
                graph.node("MaxPool", format!("pool_{number}"), &[], windows(pool))
            }
            Layer::Expectation { weights } => {
                expectation(&mut graph, dialect, number, weights, shape)
            }
            Layer::Affine { scale, bias } => {
                let names = ["scale", "bias"].map(|name| format!("{name}_{number}"));
                graph.doubles(&names[0], scale);
                graph.doubles(&names[1], bias);
                let double = integer("to", data_type::DOUBLE.into());
                graph.node("Cast", format!("double_{number}"), &[], vec![double]);
                graph.node("Mul", format!("scaled_{number}"), &[&names[0]], vec![]);
                graph.node("Add", format!("real_logits_{number}"), &[&names[1]], vec![]);
                output = data_type::DOUBLE;
            }
        }
        shape = *after;
    }
    Ok(graph.finish(output, &[shape.channels], &model.metadata))
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

/// ±1 of pixel/255. The limit is in the middle between two grey values, out of reach of any rounding.
fn binarise(graph: &mut Builder, dialect: Dialect, threshold: u8) {
    let limit = (f32::from(threshold) - 0.5) / 255.0;
    match dialect {
        Dialect::Standard => {
            graph.floats("grey_limit", &[], [limit].into_iter());
            choose(
                graph,
                "grey_limit",
                "bits_0".into(),
                ["plus_one", "minus_one"],
            );
        }
        Dialect::Qonnx => {
            graph.floats("grey_offset", &[], [-limit].into_iter());
            graph.node("Add", "grey_0".into(), &["grey_offset"], vec![]);
            sign(graph, "bits_0".into());
        }
    }
}

/// One of two constants, the first where the last tensor reaches a limit.
fn choose(graph: &mut Builder, limit: &str, name: String, [yes, no]: [&str; 2]) {
    graph.floats("plus_one", &[], [1.0].into_iter());
    graph.floats("minus_one", &[], [-1.0].into_iter());
    graph.node(
        "GreaterOrEqual",
        format!("reached_{name}"),
        &[limit],
        vec![],
    );
    graph.node("Where", name, &[yes, no], vec![]);
}

fn sign(graph: &mut Builder, name: String) {
    graph.floats("plus_one", &[], [1.0].into_iter());
    graph.node("BipolarQuant", name, &["plus_one"], vec![]);
}

fn crop(graph: &mut Builder, number: usize, starts: [usize; 2], ends: [usize; 2]) {
    let names = ["starts", "ends"].map(|name| format!("{name}_{number}"));
    graph.integers(&names[0], &starts);
    graph.integers(&names[1], &ends);
    graph.integers("image_axes", &[2, 3]);
    graph.node(
        "Slice",
        format!("crop_{number}"),
        &[&names[0], &names[1], "image_axes"],
        vec![],
    );
}

fn convolution(graph: &mut Builder, dialect: Dialect, number: usize, conv: &Conv) {
    let geometry = &conv.geometry;
    let [top, left, bottom, right] = geometry.padding;
    let value = match geometry.padding_value {
        PaddingValue::MinusOne => "minus_one",
        PaddingValue::Zero => "",
        PaddingValue::PlusOne => "plus_one",
    };
    let mut windows = MaxPool {
        kernel: geometry.kernel,
        stride: geometry.stride,
        padding: geometry.padding,
    };
    // A convolution's own padding is 0.
    if geometry.padding != [0; 4] && !value.is_empty() {
        let pads = format!("pads_{number}");
        graph.integers(&pads, &[0, 0, top, left, 0, 0, bottom, right]);
        graph.floats("plus_one", &[], [1.0].into_iter());
        graph.floats("minus_one", &[], [-1.0].into_iter());
        graph.node("Pad", format!("padded_{number}"), &[&pads, value], vec![]);
        windows.padding = [0; 4];
    }
    sums(
        graph,
        dialect,
        number,
        &conv.weights,
        geometry.channels,
        &windows,
    );
    activations(graph, dialect, number, &conv.thresholds, geometry.depth());
}

/// The convolution itself, with weights `[outputs, channels, height, width]`.
fn sums(
    graph: &mut Builder,
    dialect: Dialect,
    number: usize,
    weights: &BitMatrix,
    channels: usize,
    windows_of: &MaxPool,
) {
    let [height, width] = windows_of.kernel;
    let mut name = format!("weights_{number}");
    let values = (0..weights.rows()).flat_map(|output| {
        (0..channels).flat_map(move |channel| {
            (0..height * width).map(move |tap| {
                if weights.get(output, tap * channels + channel) {
                    1.0
                } else {
                    -1.0
                }
            })
        })
    });
    graph.floats(&name, &[weights.rows(), channels, height, width], values);
    if dialect == Dialect::Qonnx {
        graph.floats("plus_one", &[], [1.0].into_iter());
        let marked = format!("bit_{name}");
        graph.raw_node(
            "BipolarQuant",
            &marked,
            vec![name, "plus_one".into()],
            vec![],
        );
        name = marked;
    }
    graph.node(
        "Conv",
        format!("sums_{number}"),
        &[&name],
        windows(windows_of),
    );
}

fn windows(windows: &MaxPool) -> Vec<builder::Attribute> {
    vec![
        integers("kernel_shape", &windows.kernel),
        integers("strides", &windows.stride),
        integers("pads", &windows.padding),
    ]
}

/// ±1 of sums, whose magnitude is at most the depth. A least sum out of their reach is brought to its edge, where float32
/// holds it exactly.
fn activations(
    graph: &mut Builder,
    dialect: Dialect,
    number: usize,
    thresholds: &[Threshold],
    depth: usize,
) {
    let depth = depth as i32;
    let at_least = |threshold: &Threshold| threshold.at_least.clamp(-depth, depth + 1) as f32;
    let dims = [thresholds.len(), 1, 1];
    let inverted = thresholds.iter().any(|threshold| threshold.invert);
    let name = format!("bits_{number}");
    match dialect {
        Dialect::Standard => {
            let limit = format!("least_{number}");
            graph.floats(&limit, &dims, thresholds.iter().map(at_least));
            if inverted {
                let signs = ["reached", "missed"].map(|name| format!("{name}_{number}"));
                let sign = |yes: bool| {
                    move |threshold: &Threshold| if threshold.invert == yes { -1.0 } else { 1.0 }
                };
                graph.floats(&signs[0], &dims, thresholds.iter().map(sign(true)));
                graph.floats(&signs[1], &dims, thresholds.iter().map(sign(false)));
                choose(graph, &limit, name, [&signs[0], &signs[1]]);
            } else {
                choose(graph, &limit, name, ["plus_one", "minus_one"]);
            }
        }
        Dialect::Qonnx => {
            // S ≥ t is S − t ≥ 0, and its inversion S ≤ t − 1 is t − 1 − S ≥ 0.
            if inverted {
                let signs = format!("signs_{number}");
                let sign = |threshold: &Threshold| if threshold.invert { -1.0 } else { 1.0 };
                graph.floats(&signs, &dims, thresholds.iter().map(sign));
                graph.node("Mul", format!("signed_{number}"), &[&signs], vec![]);
            }
            let offsets = format!("offsets_{number}");
            let offset = |threshold: &Threshold| {
                let least = at_least(threshold);
                if threshold.invert {
                    least - 1.0
                } else {
                    -least
                }
            };
            graph.floats(&offsets, &dims, thresholds.iter().map(offset));
            graph.node("Add", format!("centred_{number}"), &[&offsets], vec![]);
            sign(graph, name);
        }
    }
}

/// Weights for the whole image are its convolution; those for every position a 1×1 convolution, whose sums are added up.
fn expectation(
    graph: &mut Builder,
    dialect: Dialect,
    number: usize,
    weights: &BitMatrix,
    image: Shape,
) {
    let shared = weights.columns() == image.channels;
    let kernel = if shared {
        [1, 1]
    } else {
        [image.height, image.width]
    };
    let windows = MaxPool {
        kernel,
        stride: [1, 1],
        padding: [0; 4],
    };
    sums(graph, dialect, number, weights, image.channels, &windows);
    let name = format!("logits_{number}");
    if shared && image.height * image.width > 1 {
        graph.integers("image_axes", &[2, 3]);
        graph.node(
            "ReduceSum",
            name,
            &["image_axes"],
            vec![integer("keepdims", 0)],
        );
    } else {
        graph.node("Flatten", name, &[], vec![]);
    }
}
