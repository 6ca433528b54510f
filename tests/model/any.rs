//! Any net that a model can be, within small sizes.

use crate::nets;
use bernet::model::{Conv, Input, Layer, MaxPool, Model, RealExpectation};
use bernet_kernels::{
    bits::Shape,
    xnor::{Geometry, Options, PaddingValue, Threshold, Window},
};
use proptest::prelude::*;

/// A convolution that fits the input: kernel, stride, padding, dilation and groups drawn, thresholds from certain −1 to certain +1.
fn any_conv(input: Shape) -> impl Strategy<Value = Layer> {
    let padding = proptest::array::uniform4(prop_oneof![3 => Just(0usize), 1 => 0..3usize]);
    let dilation = proptest::array::uniform2(prop_oneof![3 => Just(1usize), 1 => 2..4usize]);
    (padding, dilation).prop_flat_map(move |(padding, dilation)| {
        let height = input.height + padding[0] + padding[2];
        let width = input.width + padding[1] + padding[3];
        let [height, width] = [(height, dilation[0]), (width, dilation[1])]
            .map(|(size, dilation)| (size - 1) / dilation + 1);
        let divisors = (1..=input.channels).filter(|&groups| input.channels.is_multiple_of(groups));
        let divisors: Vec<_> = divisors.collect();
        let groups = prop_oneof![2 => Just(1), 1 => proptest::sample::select(divisors)];
        let value = prop_oneof![
            Just(PaddingValue::MinusOne),
            Just(PaddingValue::Zero),
            Just(PaddingValue::PlusOne)
        ];
        let outputs = prop_oneof![4 => 1..20usize, 1 => 60..70usize, 1 => 127..130usize];
        (
            [1..=height, 1..=width],
            [1..4usize, 1..4usize],
            value,
            outputs,
            groups,
            any::<u64>(),
        )
            .prop_map(
                move |(kernel, stride, padding_value, outputs, groups, seed)| {
                    let geometry = Geometry {
                        channels: input.channels,
                        outputs: outputs.next_multiple_of(groups),
                        kernel,
                        stride,
                        padding,
                        padding_value,
                    };
                    let random = &mut nets::generator(seed);
                    let options = Options { dilation, groups };
                    let window = Window { geometry, options };
                    let Layer::Conv(mut conv) = nets::conv_of(window, random) else {
                        unreachable!()
                    };
                    extremes(&mut conv);
                    Layer::Conv(conv)
                },
            )
    })
}

/// Every third threshold where sums just reach it, or never do, or always.
fn extremes(conv: &mut Conv) {
    let depth = conv.window().depth() as i32;
    let extreme = [-depth, depth, 1 - depth, depth + 1, i32::MIN, i32::MAX];
    for (index, threshold) in conv.thresholds.iter_mut().enumerate() {
        if index % 3 == 0 {
            *threshold = Threshold {
                at_least: extreme[index / 3 % extreme.len()],
                ..*threshold
            };
        }
    }
}

/// Makes a convolution one of grey values.
fn grey(conv: &mut Conv) {
    conv.geometry.padding_value = PaddingValue::Zero;
    for threshold in &mut conv.thresholds {
        threshold.at_least = threshold.at_least.saturating_mul(100);
    }
}

/// A pool that fits the input: window, stride and padding drawn.
fn any_pool(input: Shape) -> impl Strategy<Value = Layer> {
    (
        [1..=input.height.min(4), 1..=input.width.min(4)],
        [1..4usize, 1..4usize],
        any::<[usize; 4]>(),
    )
        .prop_map(|(kernel, stride, padding)| {
            let padding = [0, 1, 2, 3].map(|end| padding[end] % kernel[end % 2]);
            Layer::MaxPool(MaxPool {
                kernel,
                stride,
                padding,
            })
        })
}

fn any_crop(input: Shape) -> impl Strategy<Value = Layer> {
    (0..input.height, 0..input.width).prop_flat_map(move |(top, left)| {
        (1..=input.height - top, 1..=input.width - left).prop_map(move |(height, width)| {
            Layer::Crop {
                top,
                left,
                height,
                width,
            }
        })
    })
}

/// The shape of an image after one layer.
fn after(input: Shape, layer: &Layer) -> Shape {
    let model = Model {
        input: Input {
            height: input.height,
            width: input.width,
            channels: input.channels,
            threshold: Some(0),
        },
        layers: vec![
            layer.clone(),
            Layer::Expectation {
                weights: bernet_kernels::bits::BitMatrix::zeros(2, outputs(layer, input.channels)),
            },
        ],
        metadata: Default::default(),
    };
    model.shapes().unwrap()[0]
}

fn outputs(layer: &Layer, channels: usize) -> usize {
    match layer {
        Layer::Conv(conv) => conv.geometry.outputs,
        _ => channels,
    }
}

/// Up to three layers of bits, each fitting the one before.
fn any_layers(input: Shape) -> BoxedStrategy<(Vec<Layer>, Shape)> {
    let more = move |(layers, shape): (Vec<Layer>, Shape)| {
        let layer = prop_oneof![
            3 => any_conv(shape).boxed(),
            1 => any_pool(shape).boxed(),
            1 => any_crop(shape).boxed(),
        ];
        proptest::option::weighted(0.8, layer).prop_map(move |layer| {
            let shape = layer.as_ref().map_or(shape, |layer| after(shape, layer));
            (layers.iter().cloned().chain(layer).collect(), shape)
        })
    };
    Just((Vec::new(), input))
        .prop_flat_map(more)
        .prop_flat_map(more)
        .prop_flat_map(more)
        .boxed()
}

pub(crate) fn any_model() -> impl Strategy<Value = Model> {
    any_net([any::<bool>().boxed(), any::<bool>().boxed()])
}

/// Any net without real weights.
pub(crate) fn any_binary_model() -> impl Strategy<Value = Model> {
    any_net([Just(false).boxed(), Just(false).boxed()])
}

/// Any net, whose first and last layers have real weights where that is drawn.
fn any_net(real: [BoxedStrategy<bool>; 2]) -> impl Strategy<Value = Model> {
    let channels = prop_oneof![4 => 1..5usize, 1 => 63..66usize];
    let threshold = proptest::option::weighted(0.8, any::<u8>());
    let input = (1..12usize, 1..12usize, channels, threshold).prop_map(
        |(height, width, channels, threshold)| Input {
            height,
            width,
            channels,
            threshold,
        },
    );
    let layers = input.prop_flat_map(|input| (Just(input), any_layers(input.shape())));
    (layers, 2..12usize, any::<[bool; 3]>(), real, any::<u64>()).prop_map(
        |((mut input, (mut layers, shape)), classes, drawn, real, seed)| {
            let [whole, affine, shared] = drawn;
            let [real_first, real_last] = real;
            let random = &mut nets::generator(seed);
            match layers.first_mut() {
                Some(Layer::Conv(conv)) if input.threshold.is_none() => {
                    grey(conv);
                    if real_first {
                        layers[0] = nets::real_conv(conv.window(), random);
                    }
                }
                // Nothing else reads grey values.
                _ => input.threshold = input.threshold.or(Some(128)),
            }
            let positions = if whole { shape.height * shape.width } else { 1 };
            let columns = positions * shape.channels;
            layers.push(if real_last {
                let weights = nets::singles(classes * columns, random);
                Layer::RealExpectation(RealExpectation { classes, weights })
            } else {
                let weights = nets::bits(classes, columns, random);
                Layer::Expectation { weights }
            });
            if affine {
                let drawn = nets::reals(2 * classes, random);
                let (scale, bias) = drawn.split_at(classes);
                let repeated = |reals: &[f64]| {
                    if shared {
                        vec![reals[0]; classes]
                    } else {
                        reals.to_vec()
                    }
                };
                layers.push(Layer::Affine {
                    scale: repeated(scale)
                        .iter()
                        .map(|scale| scale.abs() + 1e-3)
                        .collect(),
                    bias: repeated(bias),
                });
            }
            Model {
                input,
                layers,
                metadata: [("seed".into(), seed.to_string())].into(),
            }
        },
    )
}
