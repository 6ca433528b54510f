//! Inference: every level and any number of threads against the reference, on every activation.

use crate::{any::any_model, nets};
use bernet::{
    infer::{Session, reference},
    model::{Input, Layer, Model},
};
use bernet_kernels::{
    bits::{BitTensor, Shape},
    isa::Level,
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
        assert_eq!(trace.real_logits, expected.real_logits, "{level}");
        if expected.logits.is_empty() && images.shape().batch > 0 {
            let error = session.logits(images).unwrap_err().to_string();
            assert!(
                error.contains("real weights and no integer logits"),
                "{error}"
            );
        } else {
            assert_eq!(session.logits(images).unwrap(), expected.logits, "{level}");
        }
        let real = session.real_logits(images).unwrap();
        assert_eq!(real, expected.real_logits, "{level}");
        for (said, logits) in session
            .classify(images)
            .unwrap()
            .iter()
            .zip(real.chunks(session.classes()))
        {
            let first = logits
                .iter()
                .position(|&logit| logits.iter().all(|&other| other <= logit));
            assert_eq!(Some(said.class), first, "{level}");
        }
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

/// Grey values by hand: every level, and an image against its sums.
#[test]
fn grey_values_meet_the_first_layer() {
    let random = &mut nets::generator(7);
    let model = nets::grey_net(random);
    for batch in [0, 1, 300] {
        compare(&model, &nets::images(&model, batch, random));
    }

    let model = nets::grey_groups_net(random);
    compare(&model, &nets::images(&model, 2, random));

    let mut conv = nets::conv(nets::geometry(1, 2, 1, 1), random);
    let Layer::Conv(inner) = &mut conv else {
        unreachable!()
    };
    inner.geometry.kernel = [1, 3];
    inner.weights =
        bernet_kernels::bits::BitMatrix::from_signs(2, 3, &[1.0, 1.0, 1.0, 1.0, -1.0, 1.0])
            .unwrap();
    for (threshold, at_least) in inner.thresholds.iter_mut().zip([700, 256]) {
        *threshold = bernet_kernels::xnor::Threshold {
            at_least,
            invert: false,
        };
    }
    let model = Model {
        input: Input {
            height: 1,
            width: 4,
            channels: 1,
            threshold: None,
        },
        layers: vec![
            conv,
            Layer::Expectation {
                weights: nets::bits(2, 2, random),
            },
        ],
        metadata: Default::default(),
    };
    let images = model.input.binarise(&[255, 254, 255, 190]).unwrap();
    assert_eq!(images.lines().row(0), [0xbe_ff_fe_ff]);
    // Sums: 764 and 256, 699 and 189.
    let mut session = Session::new(&model, Level::best()).unwrap();
    let bits = reference::unpack(&session.trace(&images).unwrap().activations[0]);
    assert_eq!(bits, [1, 1, -1, -1]);
}

/// Real weights by hand, on the image and for the logits: every level and thread, and sums against arithmetic.
#[test]
fn real_weights_first_and_last() {
    let random = &mut nets::generator(8);
    let model = nets::real_net(random);
    for batch in [0, 1, 300] {
        let images = nets::images(&model, batch, random);
        compare(&model, &images);
        let whole = Session::new(&model, Level::best())
            .unwrap()
            .real_logits(&images);
        let mut split = Session::new(&model, Level::best())
            .unwrap()
            .with_threads(3)
            .unwrap();
        assert_eq!(split.real_logits(&images).unwrap(), whole.unwrap());
    }

    let mut conv = model.layers[0].clone();
    let Layer::RealConv(inner) = &mut conv else {
        unreachable!()
    };
    inner.geometry = nets::geometry(1, 2, 1, 1);
    inner.geometry.padding_value = bernet_kernels::xnor::PaddingValue::Zero;
    // 3 · 0.1 as float32 is above 0.3, 2 · 0.1 is not.
    inner.weights = vec![0.1, -1.0];
    inner.thresholds = [(0.3, false), (-2.0, true)]
        .map(|(at_least, invert)| bernet::model::RealThreshold { at_least, invert })
        .to_vec();
    let model = Model {
        input: Input {
            height: 1,
            width: 2,
            channels: 1,
            threshold: None,
        },
        layers: vec![
            conv,
            Layer::RealExpectation(bernet::model::RealExpectation {
                classes: 2,
                weights: vec![0.5, 4.0, 0.0, -1.0],
            }),
        ],
        metadata: Default::default(),
    };
    let images = model.input.binarise(&[2, 3]).unwrap();
    let trace = Session::new(&model, Level::best())
        .unwrap()
        .trace(&images)
        .unwrap();
    assert_eq!(reference::unpack(&trace.activations[0]), [-1, -1, 1, 1]);
    assert_eq!(trace.real_logits, [0.0, 0.0]);
    let images = model.input.binarise(&[255, 255]).unwrap();
    let said = Session::new(&model, Level::best())
        .unwrap()
        .classify(&images)
        .unwrap();
    assert_eq!((said[0].class, said[0].margin), (0, 11));
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
            threshold: Some(128),
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
    assert!(error.starts_with("threads: expected 1 to "), "{error}");
    assert!(error.ends_with("found 0"), "{error}");
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
