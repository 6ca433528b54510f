//! Inference: every level and any number of threads against the reference, on every activation.

use crate::nets;
use bernet::{
    infer::{Session, reference},
    model::{Conv, Input, Layer, Model},
};
use bernet_kernels::{
    bits::{BitTensor, Shape},
    isa::Level,
    xnor::{Geometry, PaddingValue, Threshold},
};
use proptest::prelude::*;

/// Compares every level with the reference on every activation, and the logits of split batches too.
fn compare(model: &Model, images: &BitTensor) {
    let expected = reference::trace(model, &reference::unpack(images)).unwrap();
    for level in Level::available() {
        let mut session = Session::new(model, level).unwrap();
        let trace = session.trace(images).unwrap();
        let activations: Vec<_> = trace.activations.iter().map(reference::unpack).collect();
        for (index, (found, expected)) in activations.iter().zip(&expected.activations).enumerate()
        {
            assert_eq!(found, expected, "{level}, layer {}", index + 1);
        }
        assert_eq!(activations.len(), expected.activations.len());
        assert_eq!(trace.logits, expected.logits, "{level}");
        assert_eq!(session.logits(images).unwrap(), expected.logits, "{level}");
    }
}

#[test]
fn the_seed_net_equals_the_reference() {
    let levels: Vec<_> = Level::available().into_iter().map(Level::name).collect();
    println!("levels: {}", levels.join(", "));
    for cropped in [false, true] {
        let random = &mut nets::generator(3);
        let model = nets::seed_net(cropped, random);
        for batch in [0, 1, 5] {
            compare(&model, &nets::images(&model, batch, random));
        }
    }
}

/// A batch of several chunks, split over threads, equals its images one by one.
#[test]
fn threads_and_chunks_change_nothing() {
    let random = &mut nets::generator(4);
    let model = nets::seed_net(true, random);
    let images = nets::images(&model, 1203, random);
    let one = |index: usize| {
        let shape = Shape {
            batch: 1,
            ..images.shape()
        };
        let mut image = BitTensor::zeros(shape);
        for (y, x) in (0..shape.height).flat_map(|y| (0..shape.width).map(move |x| (y, x))) {
            image.set(0, y, x, 0, images.get(index, y, x, 0));
        }
        image
    };
    for level in Level::available() {
        let mut session = Session::new(&model, level).unwrap();
        let whole = session.logits(&images).unwrap().to_vec();
        for index in [0, 1, 399, 800, 1202] {
            let classes = session.classes();
            assert_eq!(
                session.logits(&one(index)).unwrap(),
                &whole[index * classes..][..classes],
                "{level} {index}"
            );
        }
        for threads in [2, 3, 8] {
            let mut session = Session::new(&model, level)
                .unwrap()
                .with_threads(threads)
                .unwrap();
            assert_eq!(
                session.logits(&images).unwrap(),
                whole,
                "{level}, {threads} threads"
            );
            assert_eq!(
                session.logits(&one(7)).unwrap(),
                &whole[70..80],
                "{level}, {threads} threads, one image"
            );
        }
    }
}

#[test]
fn the_first_of_equal_logits_wins() {
    let model = Model {
        input: Input {
            height: 1,
            width: 1,
            channels: 3,
            threshold: 128,
        },
        layers: vec![Layer::Expectation {
            // Logits of (+1, +1, +1): −1, 3, 3, 1.
            weights: bernet_kernels::bits::BitMatrix::from_fn(4, 3, |class, k| {
                k < [1, 3, 3, 2][class]
            }),
        }],
        metadata: Default::default(),
    };
    let mut session = Session::new(&model, Level::best()).unwrap();
    let mut images = model.input.binarise(&[255, 255, 255, 255, 0, 0]).unwrap();
    assert_eq!(
        session.logits(&images).unwrap(),
        [-1, 3, 3, 1, 3, -1, -1, 1]
    );
    let predictions = session.classify(&images).unwrap();
    assert_eq!(
        predictions
            .iter()
            .map(|p| (p.class, p.margin))
            .collect::<Vec<_>>(),
        [(1, 0), (0, 2)]
    );

    images = BitTensor::zeros(Shape {
        batch: 1,
        height: 1,
        width: 3,
        channels: 1,
    });
    let error = session.logits(&images).unwrap_err().to_string();
    assert_eq!(error, "images: expected 1×1×3, found 1×3×1");
    let error = session.with_threads(0).unwrap_err().to_string();
    assert_eq!(error, "0 threads: expected at least 1");
}

/// A convolution that fits the input: kernel, stride and padding drawn, thresholds from certain −1 to certain +1.
fn any_conv(input: Shape) -> impl Strategy<Value = Layer> {
    let padding = proptest::array::uniform4(prop_oneof![3 => Just(0usize), 1 => 0..3usize]);
    padding.prop_flat_map(move |padding| {
        let height = input.height + padding[0] + padding[2];
        let width = input.width + padding[1] + padding[3];
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
            any::<u64>(),
        )
            .prop_map(move |(kernel, stride, padding_value, outputs, seed)| {
                let geometry = Geometry {
                    channels: input.channels,
                    outputs,
                    kernel,
                    stride,
                    padding,
                    padding_value,
                };
                let random = &mut nets::generator(seed);
                let Layer::Conv(mut conv) = nets::conv(geometry, random) else {
                    unreachable!()
                };
                extremes(&mut conv);
                Layer::Conv(conv)
            })
    })
}

/// Every third threshold where sums just reach it, or never do, or always.
fn extremes(conv: &mut Conv) {
    let depth = conv.geometry.depth() as i32;
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

fn any_model() -> impl Strategy<Value = Model> {
    let channels = prop_oneof![4 => 1..5usize, 1 => 63..66usize];
    let input = (1..12usize, 1..12usize, channels).prop_map(|(height, width, channels)| Input {
        height,
        width,
        channels,
        threshold: 128,
    });
    let crop = |input: Input| {
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
    };
    let cropped =
        input.prop_flat_map(move |input| (Just(input), proptest::option::of(crop(input))));
    let grown = cropped.prop_flat_map(|(input, crop)| {
        let mut shape = input.shape();
        if let Some(Layer::Crop { height, width, .. }) = crop {
            shape = Shape {
                height,
                width,
                ..shape
            };
        }
        let first = any_conv(shape).prop_flat_map(move |first| {
            let Layer::Conv(conv) = &first else {
                unreachable!()
            };
            let shape = conv.geometry.output_shape(shape).unwrap();
            (Just(first), proptest::option::of(any_conv(shape)))
        });
        (
            Just(input),
            Just(crop),
            proptest::option::of(first),
            2..12usize,
            any::<u64>(),
        )
    });
    grown.prop_map(|(input, crop, convs, classes, seed)| {
        let mut layers = Vec::from_iter(crop);
        if let Some((first, second)) = convs {
            layers.push(first);
            layers.extend(second);
        }
        let channels = layers.iter().rev().find_map(|layer| match layer {
            Layer::Conv(conv) => Some(conv.geometry.outputs),
            _ => None,
        });
        let weights = nets::bits(
            classes,
            channels.unwrap_or(input.channels),
            &mut nets::generator(seed),
        );
        layers.push(Layer::Expectation { weights });
        Model {
            input,
            layers,
            metadata: Default::default(),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_models_equal_the_reference(model in any_model(), batch in 1..4usize, seed in any::<u64>()) {
        prop_assert_eq!(model.validate(), Ok(()));
        compare(&model, &nets::images(&model, batch, &mut nets::generator(seed)));
    }

    #[test]
    fn random_models_survive_their_file(model in any_model()) {
        let bytes = model.to_bytes().unwrap();
        prop_assert_eq!(bytes.len() as u64, model.file_layout().unwrap().total());
        prop_assert_eq!(Model::from_bytes(&bytes), Ok(model));
    }
}
