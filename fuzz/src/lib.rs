//! What the targets share: checksums made right, small nets.

use bernet::{
    model::{Conv, Input, Layer, MaxPool, Model, RealConv, RealExpectation, RealThreshold},
    train::{Config, MethodName, Network, TALK_24, Trainer},
};
use bernet_kernels::{
    bits::{BitMatrix, BitTensor, Shape},
    conformance::Generator,
    xnor::{Geometry, Options, PaddingValue, Threshold, Window},
};
use bernet_runtime::format::{MAGIC, VERSION};
use std::sync::LazyLock;

/// A model's bytes with length and checksum made right, so that what lies behind those checks is reached.
pub fn seal_model(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.len() >= 64 {
        let length = bytes.len() as u64;
        bytes[40..48].copy_from_slice(&length.to_le_bytes());
        let body = bytes.len() - 4;
        let checksum = crc32fast::hash(&bytes[..body]);
        bytes[body..].copy_from_slice(&checksum.to_le_bytes());
    }
    bytes
}

/// The parts of a file of version 5 between the length and the checksum, with those made right. What does not begin as such a
/// file is taken for the parts between.
pub fn seal_graph(bytes: &[u8]) -> Vec<u8> {
    let mut body = bytes;
    if let Some(rest) = bytes.strip_prefix(&MAGIC)
        && let Some(rest) = rest.get(4..rest.len().saturating_sub(4))
    {
        let length = rest.iter().position(|byte| byte & 0x80 == 0);
        body = &rest[length.map_or(0, |last| last + 1)..];
    }
    let mut file = MAGIC.to_vec();
    file.extend(VERSION.to_le_bytes());
    let mut length = body.len() + 4;
    while length >= 0x80 {
        file.push(length as u8 | 0x80);
        length >>= 7;
    }
    file.push(length as u8);
    file.extend(body);
    let checksum = crc32fast::hash(&file);
    file.extend(checksum.to_le_bytes());
    file
}

/// Magic and version of a checkpoint, from a whole one.
static CHECKPOINT: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let network = Network::from_toml(TALK_24).expect("the embedded net is well-formed");
    let trainer = Trainer::new(Config::new(MethodName::Bernoulli, network, 1, 1));
    trainer.expect("its layers fit").to_checkpoint()[..12].to_vec()
});

/// A checkpoint around a payload.
pub fn seal_checkpoint(payload: &[u8]) -> Vec<u8> {
    let mut bytes = CHECKPOINT.clone();
    bytes.extend(crc32fast::hash(payload).to_le_bytes());
    bytes.extend((payload.len() as u64).to_le_bytes());
    bytes.extend(payload);
    bytes
}

/// Gzip around bytes that are stored as they are (RFC 1952 and 1951): a packer would take most of an execution's time.
pub fn stored_gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let blocks = bytes.len().div_ceil(usize::from(u16::MAX)).max(1);
    for block in 0..blocks {
        let rest = &bytes[block * usize::from(u16::MAX)..];
        let length = rest.len().min(u16::MAX.into()) as u16;
        gzip.push(u8::from(block + 1 == blocks));
        gzip.extend(length.to_le_bytes());
        gzip.extend((!length).to_le_bytes());
        gzip.extend(&rest[..length.into()]);
    }
    gzip.extend(crc32fast::hash(bytes).to_le_bytes());
    gzip.extend((bytes.len() as u32).to_le_bytes());
    gzip
}

/// Random images of a model's size.
pub fn images(generator: &mut Generator, model: &Model, batch: usize) -> BitTensor {
    let shape = Shape {
        batch,
        ..model.input.bits_shape()
    };
    let lines = generator.matrix(batch * shape.height, shape.width * shape.channels);
    BitTensor::from_lines(shape, lines).expect("the lines were made for this shape")
}

/// Dilation, and groups that both kinds of channels are a multiple of; half of the time none.
pub fn options(generator: &mut Generator, channels: usize, outputs: usize) -> Options {
    let mut options = Options::default();
    if generator.below(3) == 0 {
        options.dilation = [1 + generator.below(3), 1 + generator.below(3)];
    }
    if generator.below(3) == 0 {
        let fit =
            |groups: &usize| channels.is_multiple_of(*groups) && outputs.is_multiple_of(*groups);
        let groups: Vec<usize> = (1..=channels.min(outputs)).filter(fit).collect();
        options.groups = groups[generator.below(groups.len())];
    }
    options
}

/// A convolution with groups of any size, from one channel to more than a word, and as many outputs a group as come up: what
/// [`conformance::random_convolution`](bernet_kernels::conformance::random_convolution) has two cases of.
pub fn grouped_convolution(generator: &mut Generator) -> (Geometry, Options, Shape) {
    const CHANNELS: [usize; 9] = [1, 2, 3, 7, 8, 31, 32, 64, 65];
    let mut below = |end: usize| generator.below(end);
    let groups = 1 + below(9);
    let channels = groups * CHANNELS[below(CHANNELS.len())];
    let outputs = groups * (1 + below(17));
    let mut pair = |from: usize, end: usize| [from + below(end), from + below(end)];
    let (kernel, stride, dilation) = (pair(1, 4), pair(1, 3), pair(1, 4));
    let (before, after, size) = (pair(0, 3), pair(0, 3), pair(1, 9));
    let enough = |axis: usize| {
        let span = (kernel[axis] - 1) * dilation[axis] + 1;
        after[axis].max(span.saturating_sub(size[axis] + before[axis]))
    };
    let geometry = Geometry {
        channels,
        outputs,
        kernel,
        stride,
        padding: [before[0], before[1], enough(0), enough(1)],
        padding_value: PADDING[below(PADDING.len())],
    };
    let shape = Shape {
        batch: 1 + below(3),
        height: size[0],
        width: size[1],
        channels,
    };
    (geometry, Options { dilation, groups }, shape)
}

const PADDING: [PaddingValue; 3] = [
    PaddingValue::MinusOne,
    PaddingValue::Zero,
    PaddingValue::PlusOne,
];

/// A convolution whose thresholds lie about the middle of its sums.
pub fn conv(generator: &mut Generator, geometry: Geometry, options: Options) -> Layer {
    let depth = Window { geometry, options }.depth();
    let spread = depth.isqrt() + 2;
    let thresholds = (0..geometry.outputs).map(|_| Threshold {
        at_least: match generator.below(12) {
            0 => i32::MIN,
            1 => i32::MAX,
            2 => depth as i32,
            3 => -(depth as i32),
            _ => generator.below(2 * spread) as i32 - spread as i32,
        },
        invert: generator.below(2) == 1,
    });
    let thresholds = thresholds.collect();
    Layer::Conv(Conv {
        geometry,
        options,
        weights: generator.matrix(geometry.outputs, depth),
        thresholds,
    })
}

/// A small net with every kind of layer among its relatives; the last layers fit what comes before, the first may not.
pub fn net(generator: &mut Generator) -> Model {
    let mut below = |end: usize| generator.below(end);
    let input = Input {
        height: 1 + below(9),
        width: 1 + below(9),
        channels: [1, 1, 2, 3, 64, 65][below(6)],
        threshold: Some(below(256) as u8),
    };
    let mut model = Model {
        input,
        layers: Vec::new(),
        metadata: [("a".into(), "b".into())].into(),
    };
    let mut shape = input.shape();
    for _ in 0..generator.below(4) {
        let mut pair =
            |from: usize, end: usize| [from + generator.below(end), from + generator.below(end)];
        let (kernel, stride, before, after) = (pair(1, 3), pair(1, 2), pair(0, 2), pair(0, 2));
        let padding = [before[0], before[1], after[0], after[1]];
        let layer = match generator.below(4) {
            0 => Layer::MaxPool(MaxPool {
                kernel,
                stride,
                padding,
            }),
            1 => Layer::Crop {
                top: before[0],
                left: before[1],
                height: shape.height.saturating_sub(before[0]).max(1),
                width: shape.width.saturating_sub(before[1]).max(1),
            },
            _ => {
                let outputs = [1, 3, 8, 16, 33, 64, 70][generator.below(7)];
                let geometry = Geometry {
                    channels: shape.channels,
                    outputs,
                    kernel,
                    stride,
                    padding,
                    padding_value: PADDING[generator.below(PADDING.len())],
                };
                let options = options(generator, shape.channels, outputs);
                conv(generator, geometry, options)
            }
        };
        // What does not fit is left out.
        let mut longer = model.clone();
        longer.layers.push(layer);
        if let Some(after) = end(&longer) {
            (model, shape) = (longer, after);
        }
    }
    let classes = 2 + generator.below(9);
    let positions = if generator.below(2) == 0 {
        1
    } else {
        shape.height * shape.width
    };
    model.layers.push(Layer::Expectation {
        weights: generator.matrix(classes, positions * shape.channels),
    });
    if generator.below(3) == 0 {
        let mut real = || generator.below(1 << 16) as f64 / 4096.0;
        let scale = (0..classes).map(|_| real() + 1e-3).collect();
        model.layers.push(Layer::Affine {
            scale,
            bias: (0..classes).map(|_| real() - 8.0).collect(),
        });
    }
    if generator.below(4) == 0 {
        model = grey(&model).unwrap_or(model);
    }
    if generator.below(4) == 0 {
        real(generator, &mut model);
    }
    model
}

/// Real weights for the last layer, and for the first one if it reads grey values.
fn real(generator: &mut Generator, model: &mut Model) {
    let mut real = || generator.below(1 << 16) as f64 / 4096.0 - 8.0;
    let grey = model.input.threshold.is_none();
    for (index, layer) in model.layers.iter_mut().enumerate() {
        match layer {
            Layer::Conv(conv) if grey && index == 0 => {
                let weights = conv.weights.rows() * conv.weights.columns();
                let thresholds = conv.thresholds.iter().map(|threshold| RealThreshold {
                    at_least: 100.0 * real(),
                    invert: threshold.invert,
                });
                *layer = Layer::RealConv(RealConv {
                    geometry: conv.geometry,
                    options: conv.options,
                    thresholds: thresholds.collect(),
                    weights: (0..weights).map(|_| real() as f32).collect(),
                });
            }
            Layer::Expectation { weights } => {
                let (classes, columns) = (weights.rows(), weights.columns());
                let weights = (0..classes * columns).map(|_| real() as f32).collect();
                *layer = Layer::RealExpectation(RealExpectation { classes, weights });
            }
            _ => {}
        }
    }
}

/// The net with a first layer that reads grey values, if that is one that can.
fn grey(model: &Model) -> Option<Model> {
    let mut grey = model.clone();
    grey.input.threshold = None;
    if let Layer::Conv(conv) = &mut grey.layers[0] {
        conv.geometry.padding_value = PaddingValue::Zero;
        for threshold in &mut conv.thresholds {
            threshold.at_least = threshold.at_least.saturating_mul(100);
        }
    }
    grey.validate().is_ok().then_some(grey)
}

/// The shape that a net without its last layer puts out, if its layers fit.
fn end(model: &Model) -> Option<Shape> {
    let channels = model.layers.iter().rev().find_map(|layer| match layer {
        Layer::Conv(conv) => Some(conv.geometry.outputs),
        _ => None,
    });
    let mut whole = model.clone();
    let weights = BitMatrix::zeros(2, channels.unwrap_or(model.input.channels));
    whole.layers.push(Layer::Expectation { weights });
    let shapes = whole.shapes().ok()?;
    Some(shapes[model.layers.len() - 1])
}
