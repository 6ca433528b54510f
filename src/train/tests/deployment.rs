//! Deployed nets against the nets that were trained, for every method.

use super::super::{
    choices::{Activations, Distribution, MethodName},
    config::Config,
    network::Network,
    random::{Purpose, Random},
    schedule::Geometric,
    trainer::Trainer,
};
use super::{NETS, RESIDUAL, digits, train, ways};
use crate::{classify::Classifier, data::Dataset};
use bernet_kernels::{bits::Shape, isa::Level};
use bernet_runtime::graph::Pixels;

/// Integers and bits against the method's own forward pass with the weights' signs, at a
/// temperature near 0.
#[test]
fn every_method_deploys_to_the_net_that_it_evaluates() {
    let data = digits(&mut Random::new(1, Purpose::Initial, 0));
    let (ways, mut varied) = (ways(), 0);
    let count = ways.len();
    for config in ways {
        let what = format!("{} {:?}", config.method.name(), config.normalisation);
        let mut trainer = Trainer::new(config).expect("its layers fit");
        train(&mut trainer, &data, |_| {});
        // Normalised probabilities are learnt by while they are soft, and lost in the end.
        let literal = trainer.config.normalises_probabilities();
        let losses: Vec<f64> = trainer.history.iter().map(|epoch| epoch.loss).collect();
        let best = losses
            .iter()
            .fold(f64::INFINITY, |best, loss| best.min(*loss));
        let reached = if literal {
            best
        } else {
            losses[losses.len() - 1]
        };
        // The net with pools is too small to learn these images by every method; what it has become
        // is deployed all the same.
        let pools = trainer.pools.iter().any(Option::is_some);
        assert!(reached < losses[0] || pools, "{what}: {losses:?}");
        trainer.config.width = Geometric {
            from: 1e-6,
            to: 1e-6,
            until: 1.0,
        };
        let evaluated = trainer.answers(&data, &data);
        let mut classifier = deployed(&trainer, &data);
        let predicted = predicted(&mut classifier, &data);
        assert_eq!(predicted, evaluated, "{what}");
        let distinct: std::collections::BTreeSet<_> = predicted.into_iter().collect();
        varied += usize::from(distinct.len() > 1);
    }
    // The last channels of so small a net may well end as constants.
    assert!(
        2 * varied > count,
        "{varied} of {count} nets say more than one thing"
    );
}

/// The net that a training has come to, its moments measured on these images.
fn deployed(trainer: &Trainer, data: &Dataset) -> Classifier {
    let model = trainer.binarise(data, crate::data::THRESHOLD, Level::best());
    let model = model.expect("the images suit the net");
    Classifier::new(&model, Level::best()).expect("a classifier")
}

/// The classes that a deployed net says of images.
fn predicted(classifier: &mut Classifier, data: &Dataset) -> Vec<usize> {
    let images = classifier.images(data).expect("the images suit the net");
    let predictions = classifier.classify(&images).expect("its own images");
    let classes = predictions.into_iter().map(|prediction| prediction.class);
    classes.collect()
}

/// The same where the first layer adds and subtracts grey values: integers against numbers between
/// −1 and 1.
#[test]
fn grey_values_deploy_to_the_net_that_is_evaluated() {
    let mut random = Random::new(1, Purpose::Initial, 0);
    let bits = digits(&mut random);
    // Ink is 128 and more.
    let bytes = bits.bytes().into_owned().into_iter();
    let grey = bytes.map(|byte| (byte & 128) + random.below(128) as u8);
    let (images, labels) = (bits.images().clone(), bits.labels().to_vec());
    let data = Dataset::new(images, labels, Some(grey.collect()), 3).expect("a value a pixel");
    let net = NETS[0].replace("channels = 1", "channels = 1, grey = true");
    let network = Network::from_toml(&net).expect("well-formed");
    for method in [
        MethodName::Ste,
        MethodName::Bnn,
        MethodName::BnnPlus,
        MethodName::Bernoulli,
    ] {
        let config = Config {
            batch: 10,
            ..Config::new(method, network.clone(), 6, 3)
        };
        let mut trainer = Trainer::new(config).expect("its layers fit");
        train(&mut trainer, &data, |_| {});
        let evaluated = trainer.answers(&data, &data);
        let model = trainer.binarise(&data, crate::data::THRESHOLD, Level::best());
        let model = model.expect("the images suit the net");
        assert_eq!(model.inputs[0].pixels, Pixels::Bytes);
        let mut classifier = Classifier::new(&model, Level::best()).expect("a classifier");
        assert_eq!(
            predicted(&mut classifier, &data),
            evaluated,
            "{}",
            method.name()
        );
        // It is not their bits alone that count.
        let distinct: std::collections::BTreeSet<_> = evaluated.iter().collect();
        let same = predicted(&mut classifier, &bits) == evaluated;
        assert!(distinct.len() > 1 && !same, "{}", method.name());
    }
}

/// Colours of one bit and of eight: pools, and a dense layer over all that they leave.
#[test]
fn colours_deploy_to_the_net_that_is_evaluated() {
    let mut random = Random::new(1, Purpose::Initial, 0);
    let bits = digits(&mut random);
    let shape = Shape {
        channels: 3,
        ..bits.images().shape()
    };
    // The labels are those of the blue values, from 128 on; red and green say nothing.
    let bytes = bits.bytes().into_owned().into_iter();
    let values = bytes.flat_map(|byte| {
        let blue = (byte & 128) + random.below(128) as u8;
        [random.below(256) as u8, random.below(256) as u8, blue]
    });
    let labels = bits.labels().to_vec();
    let data = Dataset::from_values(shape, values.collect(), labels, crate::data::THRESHOLD, 3);
    let data = data.expect("three values a pixel");
    let net = |input: &str| {
        let text = format!(
            r#"
            input = {{ height = 7, width = 6, {input} }}
            layer = [
                {{ kind = "conv", outputs = 6, kernel = [2, 2] }},
                {{ kind = "pool", kernel = [2, 2] }},
                {{ kind = "conv", outputs = 8, kernel = [2, 1] }},
                {{ kind = "dense", outputs = 7 }},
                {{ kind = "dense", outputs = 5 }},
                {{ kind = "expectation", classes = 3 }},
            ]"#
        );
        Network::from_toml(&text).expect("well-formed")
    };
    let by_method = |method, distribution, network| Config {
        batch: 10,
        distribution,
        ..Config::new(method, network, 6, 3)
    };
    let sampled = Distribution::Sampled;
    let mut configs = Vec::new();
    for method in MethodName::BINARY {
        configs.push(by_method(method, sampled, net("channels = 3")));
        if !matches!(method, MethodName::Gaussian | MethodName::GaussianSampled) {
            configs.push(by_method(
                method,
                sampled,
                net("channels = 3, bytes = true"),
            ));
        }
    }
    let exact = by_method(MethodName::Bernoulli, sampled, net("channels = 3"));
    configs.push(exact.exact(Distribution::Three, Activations::Mode));
    for config in configs {
        let what = format!(
            "{} {} {}",
            config.method.name(),
            config.distribution.name(),
            config.network.input.grey
        );
        let mut trainer = Trainer::new(config).expect("its layers fit");
        train(&mut trainer, &data, |_| {});
        trainer.config.width = Geometric {
            from: 1e-6,
            to: 1e-6,
            until: 1.0,
        };
        let evaluated = trainer.answers(&data, &data);
        let mut classifier = deployed(&trainer, &data);
        let predicted = predicted(&mut classifier, &data);
        assert_eq!(predicted, evaluated, "{what}");
    }
}

/// Residual sums, sums of windows, padding of bits and of bytes, and scaled logits.
#[test]
fn sums_of_several_layers_deploy_to_the_net_that_is_evaluated() {
    let data = digits(&mut Random::new(1, Purpose::Initial, 0));
    // Sums of bytes are no summands of those of bits.
    let grey = RESIDUAL
        .replace("channels = 1", "channels = 1, grey = true")
        .replacen("residual = true", "residual = false", 1);
    let (mut learnt, mut varied) = (0, 0);
    for net in [RESIDUAL, &grey] {
        let network = Network::from_toml(net).expect("well-formed");
        for method in [
            MethodName::Ste,
            MethodName::Bnn,
            MethodName::BnnPlus,
            MethodName::Bernoulli,
        ] {
            let config = Config {
                batch: 10,
                ..Config::new(method, network.clone(), 20, 3)
            };
            let text = config.to_toml();
            assert_eq!(Config::from_toml(&text).as_ref(), Ok(&config), "{text}");
            let mut trainer = Trainer::new(config).expect("its layers fit");
            train(&mut trainer, &data, |_| {});
            let loss = |epoch: usize| trainer.history[epoch].loss;
            learnt += usize::from(loss(19) < loss(0));
            let scaling = trainer.scaling().expect("its last layer is scaled");
            assert!(
                scaling
                    .iter()
                    .all(|[factor, summand]| *factor != 1.0 && *summand != 0.0)
            );
            let evaluated = trainer.answers(&data, &data);
            let mut classifier = deployed(&trainer, &data);
            assert_eq!(
                predicted(&mut classifier, &data),
                evaluated,
                "{}",
                method.name()
            );
            let distinct: std::collections::BTreeSet<_> = evaluated.iter().collect();
            varied += usize::from(distinct.len() > 1);
        }
    }
    // So small a net does not learn these images by every method; what it has become is deployed all the same.
    assert!(learnt >= 5 && varied >= 5, "{learnt} and {varied} of 8");
}
