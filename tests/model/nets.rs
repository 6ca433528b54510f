//! Nets for the tests: the seed's architecture with random weights.

use bernet::model::{Conv, Input, Layer, MaxPool, Model, RealConv, RealExpectation, RealThreshold};
use bernet_kernels::{
    bits::{BitMatrix, BitTensor, Shape},
    xnor::{Geometry, Options, PaddingValue, Threshold, Window},
};
use rand_pcg::{Pcg32, rand_core::Rng};

/// The generator of a test, from the number of a case.
pub(crate) fn generator(seed: u64) -> Pcg32 {
    Pcg32::new(seed, 0xb1)
}

pub(crate) fn bits(rows: usize, columns: usize, random: &mut Pcg32) -> BitMatrix {
    BitMatrix::from_fn(rows, columns, |_, _| random.next_u32() >> 31 == 1)
}

/// A net of version 2: convolution, max pool, weights for the whole image, affine.
pub(crate) fn pooled_net(random: &mut Pcg32) -> Model {
    let pool = MaxPool {
        kernel: [3, 2],
        stride: [2, 2],
        padding: [1, 0, 0, 1],
    };
    let (scale, bias) = (reals(10, random), reals(10, random));
    Model {
        input: Input {
            height: 13,
            width: 13,
            channels: 1,
            threshold: Some(77),
        },
        layers: vec![
            conv(geometry(1, 70, 4, 1), random),
            Layer::MaxPool(pool),
            Layer::Expectation {
                weights: bits(10, 5 * 5 * 70, random),
            },
            Layer::Affine {
                scale: scale.iter().map(|scale| scale.abs()).collect(),
                bias,
            },
        ],
        metadata: Default::default(),
    }
}

/// A net of version 3: a padded convolution of two channels of grey values.
pub(crate) fn grey_net(random: &mut Pcg32) -> Model {
    let geometry = Geometry {
        padding: [1, 0, 2, 1],
        padding_value: PaddingValue::Zero,
        ..geometry(2, 37, 4, 1)
    };
    Model {
        input: Input {
            height: 9,
            width: 11,
            channels: 2,
            threshold: None,
        },
        layers: vec![
            grey_conv(plain(geometry), random),
            Layer::Expectation {
                weights: bits(10, 37, random),
            },
        ],
        metadata: Default::default(),
    }
}

/// A net of version 4: bits through dilation and groups, three channels each, then every channel by itself.
pub(crate) fn grouped_net(random: &mut Pcg32) -> Model {
    let window = |geometry, dilation, groups| Window {
        geometry,
        options: Options { dilation, groups },
    };
    let first = Geometry {
        padding: [1, 0, 2, 1],
        padding_value: PaddingValue::PlusOne,
        ..geometry(6, 70, 3, 1)
    };
    let second = Geometry {
        padding: [1; 4],
        padding_value: PaddingValue::Zero,
        ..geometry(70, 140, 3, 2)
    };
    Model {
        input: Input {
            height: 9,
            width: 11,
            channels: 6,
            threshold: Some(99),
        },
        layers: vec![
            conv_of(window(first, [2, 3], 2), random),
            conv_of(window(second, [1, 1], 70), random),
            Layer::Expectation {
                weights: bits(10, 140, random),
            },
        ],
        metadata: Default::default(),
    }
}

/// A net of version 4 whose grey values have so many groups that bytes for the channels of all of them would be some thousand times the
/// weights.
pub(crate) fn grey_groups_net(random: &mut Pcg32) -> Model {
    let geometry = Geometry {
        padding: [0, 1, 0, 0],
        padding_value: PaddingValue::Zero,
        ..geometry(2112, 2112, 2, 1)
    };
    let options = Options {
        dilation: [1, 2],
        groups: 2112,
    };
    Model {
        input: Input {
            height: 3,
            width: 4,
            channels: 2112,
            threshold: None,
        },
        layers: vec![
            grey_conv(Window { geometry, options }, random),
            Layer::Expectation {
                weights: bits(3, 2112, random),
            },
        ],
        metadata: Default::default(),
    }
}

/// A convolution of grey values, whose thresholds split its sums about evenly.
fn grey_conv(window: Window, random: &mut Pcg32) -> Layer {
    let mut layer = conv_of(window, random);
    if let Layer::Conv(conv) = &mut layer {
        for threshold in &mut conv.thresholds {
            threshold.at_least *= 128;
        }
    }
    layer
}

/// A net whose first and last layers have real weights, with a pool and an affine layer.
pub(crate) fn real_net(random: &mut Pcg32) -> Model {
    let geometry = Geometry {
        padding: [1, 0, 2, 1],
        padding_value: PaddingValue::Zero,
        ..geometry(2, 37, 4, 1)
    };
    let pool = MaxPool {
        kernel: [2, 2],
        stride: [2, 2],
        padding: [0; 4],
    };
    let (scale, bias) = (reals(10, random), reals(10, random));
    Model {
        input: Input {
            height: 9,
            width: 11,
            channels: 2,
            threshold: None,
        },
        layers: vec![
            real_conv(plain(geometry), random),
            Layer::MaxPool(pool),
            conv(self::geometry(37, 20, 2, 1), random),
            Layer::RealExpectation(RealExpectation {
                classes: 10,
                weights: singles(10 * 3 * 3 * 20, random),
            }),
            Layer::Affine {
                scale: scale.iter().map(|scale| scale.abs()).collect(),
                bias,
            },
        ],
        metadata: Default::default(),
    }
}

/// A convolution with real weights of grey values, whose thresholds split its sums about evenly.
pub(crate) fn real_conv(window: Window, random: &mut Pcg32) -> Layer {
    let Window { geometry, options } = window;
    let thresholds = reals(geometry.outputs, random).into_iter();
    let thresholds = thresholds.map(|real| RealThreshold {
        at_least: 128.0 * real * window.depth().isqrt() as f64,
        invert: random.next_u32() >> 31 == 1,
    });
    Layer::RealConv(RealConv {
        geometry,
        options,
        thresholds: thresholds.collect(),
        weights: singles(geometry.outputs * window.depth(), random),
    })
}

/// Float32 numbers from −2 to 2.
pub(crate) fn singles(count: usize, random: &mut Pcg32) -> Vec<f32> {
    reals(count, random)
        .into_iter()
        .map(|real| real as f32)
        .collect()
}

/// Numbers from −2 to 2.
pub(crate) fn reals(count: usize, random: &mut Pcg32) -> Vec<f64> {
    let real = || f64::from(random.next_u32() as i32) / f64::from(1 << 30);
    std::iter::repeat_with(real).take(count).collect()
}

pub(crate) fn images(model: &Model, batch: usize, random: &mut Pcg32) -> BitTensor {
    let shape = Shape {
        batch,
        ..model.input.bits_shape()
    };
    BitTensor::from_lines(
        shape,
        bits(batch * shape.height, shape.width * shape.channels, random),
    )
    .unwrap()
}

/// A convolution without dilation and groups.
pub(crate) fn conv(geometry: Geometry, random: &mut Pcg32) -> Layer {
    conv_of(plain(geometry), random)
}

fn plain(geometry: Geometry) -> Window {
    let options = Options::default();
    Window { geometry, options }
}

/// A convolution with thresholds that split its sums about evenly.
pub(crate) fn conv_of(window: Window, random: &mut Pcg32) -> Layer {
    let Window { geometry, options } = window;
    let spread = window.depth().isqrt() as i32 + 1;
    let thresholds = (0..geometry.outputs).map(|_| Threshold {
        at_least: (random.next_u32() % (2 * spread as u32 + 1)) as i32 - spread,
        invert: random.next_u32() >> 31 == 1,
    });
    let thresholds = thresholds.collect();
    Layer::Conv(Conv {
        geometry,
        options,
        weights: bits(geometry.outputs, window.depth(), random),
        thresholds,
    })
}

/// A square convolution without padding.
pub(crate) fn geometry(channels: usize, outputs: usize, kernel: usize, stride: usize) -> Geometry {
    Geometry {
        channels,
        outputs,
        kernel: [kernel; 2],
        stride: [stride; 2],
        padding: [0; 4],
        padding_value: PaddingValue::MinusOne,
    }
}

/// The seed's net on 28×28 images, or on their 24×24 centre.
pub(crate) fn seed_net(cropped: bool, random: &mut Pcg32) -> Model {
    let mut layers = Vec::new();
    if cropped {
        layers.push(Layer::Crop {
            top: 2,
            left: 2,
            height: 24,
            width: 24,
        });
    }
    layers.extend([
        conv(geometry(1, 8, 6, 2), random),
        conv(geometry(8, 32, 10, 2), random),
        conv(geometry(32, 64, 1, 1), random),
        conv(geometry(64, 80, 1, 1), random),
        Layer::Expectation {
            weights: bits(10, 80, random),
        },
    ]);
    Model {
        input: Input {
            height: 28,
            width: 28,
            channels: 1,
            threshold: Some(128),
        },
        layers,
        metadata: [
            ("licence", "MIT OR Apache-2.0"),
            ("name", "the seed's net, random"),
        ]
        .map(|(key, value)| (key.into(), value.into()))
        .into(),
    }
}
