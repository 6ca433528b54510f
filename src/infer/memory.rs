//! What a model takes laid out, and one image's activations, known before any of it is taken: a small file that asks for much more than
//! it is must be refused rather than have its way.
//!
//! These are bounds for every level, so that a model that runs on one runs on all. Weights of a bit take about as much laid out as
//! they do in the file, or, where outputs do not fill a register or there are many groups, some tens of times as much.

use super::plan::is_repeated;
use crate::model::{Conv, GREY_DEPTH_LIMIT, Layer, Model, ModelError, Place};
use bernet_kernels::{
    bits::Shape,
    xnor::{PaddingValue, Window},
};

/// What a session may take in all, beyond [`TIMES`] its weights.
const LIMIT: u64 = 256 << 20;

/// How much more than in the file weights may take laid out.
const TIMES: u64 = 16;

/// Bytes of the weights of a first layer on grey values that are laid out whatever they are.
const SMALL: u64 = 16 << 20;

/// The most bytes of a register and of a cache line.
const LINE: u64 = 64;

/// Outputs that a line has room for, of a byte of depth, on the level that needs most.
const LANES: u64 = 32;

/// Of a group, besides its weights.
const GROUP: u64 = 128;

/// The most that a convolution's tables take.
const TABLES: u64 = 32 << 10;

/// Whether a valid model and one image of its input take no more than its size justifies. `shapes` are those of [`Model::shapes`].
pub(super) fn check(model: &Model, shapes: &[Shape]) -> Result<(), ModelError> {
    let (mut taken, mut limit) = (0u64, LIMIT);
    let mut input = model.input.shape();
    for (index, (layer, &shape)) in model.layers.iter().zip(shapes).enumerate() {
        let grey = index == 0 && model.input.threshold.is_none();
        let bits = layer
            .weights()
            .map_or(0, |bits| (bits.rows() * bits.columns()).div_ceil(8));
        limit += TIMES * (bits + size_of_val(layer.real_weights())) as u64;
        let laid_out = match layer {
            Layer::Conv(conv) if grey => grey_conv(conv),
            Layer::Conv(conv) => bit_conv(&conv.window()),
            Layer::Expectation { weights } => {
                let depth = input.height * input.width * input.channels;
                let (rows, columns) = (weights.rows() as u64, weights.columns());
                let (columns, copy) = match is_repeated(columns, depth) {
                    true => (depth as u64, depth.div_ceil(64) as u64 * 8),
                    false => (columns as u64, 0),
                };
                rows.saturating_mul(copy)
                    .saturating_add(panels(rows, columns))
            }
            _ => 2 * size_of_val(layer.real_weights()) as u64,
        };
        let row = (shape.width * shape.channels).div_ceil(64) * 8;
        taken = taken
            .saturating_add(laid_out)
            .saturating_add((shape.height * row) as u64 + GROUP);
        if taken > limit {
            return Err(ModelError {
                place: Place::Layer {
                    number: index + 1,
                    kind: layer.kind(),
                },
                what: "bytes of the layers up to here and of an image's activations",
                expected: format!("at most {limit}"),
                found: taken.to_string(),
            });
        }
        input = shape;
    }
    Ok(())
}

/// Whether a convolution of grey values is laid out for the kernel of bytes, whose lines hold what lies between a window's taps, and the
/// channels of all groups: no more than a few times what its weights are.
pub(super) fn suits_bytes(conv: &Conv) -> bool {
    let panels = byte_panels(&conv.window());
    let depth = panels / register(conv.geometry.outputs);
    depth <= GREY_DEPTH_LIMIT as u64 && panels <= SMALL.max(4 * reals(conv))
}

fn grey_conv(conv: &Conv) -> u64 {
    if suits_bytes(conv) {
        2 * byte_panels(&conv.window())
    } else {
        reals(conv)
    }
}

/// The weights in double precision.
fn reals(conv: &Conv) -> u64 {
    8 * (conv.weights.rows() * conv.weights.columns()) as u64
}

/// A byte for each weight, lines filled up to whole steps, outputs to whole registers.
fn byte_panels(window: &Window) -> u64 {
    let line = (window.span()[1] as u64).saturating_mul(window.geometry.channels as u64);
    let depth = line.div_ceil(LINE).saturating_mul(LINE);
    depth
        .saturating_mul(window.geometry.kernel[0] as u64)
        .saturating_mul(register(window.geometry.outputs))
}

/// Outputs of bytes, filled up to a register.
fn register(outputs: usize) -> u64 {
    (outputs as u64).next_multiple_of(8)
}

/// Weights of so many outputs of one group.
fn panels(outputs: u64, depth: u64) -> u64 {
    let lines = depth.div_ceil(8).saturating_mul(outputs.div_ceil(LANES));
    lines.saturating_mul(LINE).saturating_add(GROUP)
}

fn bit_conv(window: &Window) -> u64 {
    let (geometry, groups) = (&window.geometry, window.options.groups as u64);
    let (depth, outputs) = (window.depth() as u64, geometry.outputs as u64);
    // Kernel lines may be lengthened by a third of what they are.
    let weights = panels(window.outputs() as u64, depth + depth.div_ceil(3));
    let border = match geometry.padding_value {
        PaddingValue::Zero if geometry.padding != [0; 4] => {
            let corners = (geometry.kernel[0] as u64 + 1) * (geometry.kernel[1] as u64 + 1);
            corners.saturating_mul(4 * outputs)
        }
        _ => 0,
    };
    // Tables, or words with their bounds, which short rows have.
    let short = if groups == 1 && depth < 128 {
        TABLES.min(depth * 1024).max(32 * outputs)
    } else {
        0
    };
    groups
        .saturating_mul(weights)
        .saturating_add(border)
        .saturating_add(short + 8 * outputs)
}
