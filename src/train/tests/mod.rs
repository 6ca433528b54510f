//! Whole nets: gradients, what binarisation leaves alone, and deployment of every method.

mod deployment;
mod gradients;

use super::{
    choices::{Activations, Distribution, MethodName, Normalisation},
    config::Config,
    network::Network,
    random::{Purpose, Random},
    schedule::{Binarise, Freezing},
    trainer::Trainer,
};
use crate::data::Dataset;
use bernet_kernels::bits::{BitMatrix, BitTensor, Shape};
use std::ops::ControlFlow;

pub(super) const NETS: [&str; 2] = [
    r#"
    input = { height = 7, width = 6, channels = 1 }
    layer = [
        { kind = "conv", outputs = 3, kernel = [3, 2], stride = [2, 1] },
        { kind = "dense", outputs = 4 },
        { kind = "expectation", classes = 3 },
    ]
"#,
    r#"
    input = { height = 7, width = 6, channels = 1 }
    layer = [
        { kind = "conv", outputs = 3, kernel = [2, 2], stride = [1, 1] },
        { kind = "pool", kernel = [2, 3], stride = [2, 1] },
        { kind = "conv", outputs = 4, kernel = [1, 1] },
        { kind = "pool", kernel = [2, 2], stride = [1, 1] },
        { kind = "expectation", classes = 3 },
    ]
"#,
];

/// What sums of more than a layer's own weights and bits are made of: padding, residual sums, sums of windows; and logits with factors and
/// summands.
pub(super) const RESIDUAL: &str = r#"
    input = { height = 7, width = 6, channels = 1 }
    layer = [
        { kind = "conv", outputs = 3, kernel = [3, 3], padding = [1, 1] },
        { kind = "conv", outputs = 3, kernel = [3, 1], padding = [1, 0], residual = true },
        { kind = "pool", kernel = [2, 2] },
        { kind = "conv", outputs = 4, kernel = [2, 2], padding = [1, 0] },
        { kind = "average-pool", kernel = [2, 1], stride = [1, 1] },
        { kind = "conv", outputs = 4, kernel = [1, 1], residual = true },
        { kind = "conv", outputs = 4, kernel = [3, 1], stride = [2, 1], padding = [1, 0] },
        { kind = "expectation", classes = 3, scaled = true },
    ]
"#;

pub(super) fn digits(random: &mut Random) -> Dataset {
    let lines = BitMatrix::from_fn(40 * 7, 6, |_, _| random.uniform() < 0.5);
    let shape = Shape {
        batch: 40,
        height: 7,
        width: 6,
        channels: 1,
    };
    let images = BitTensor::from_lines(shape, lines).expect("40 images");
    // Which third of the columns has the most ink.
    let ink = |image: usize, third: usize| {
        let pixels = (0..7).flat_map(|y| [(y, 2 * third), (y, 2 * third + 1)]);
        pixels.filter(|(y, x)| images.get(image, *y, *x, 0)).count()
    };
    let label = |image| (0..3).max_by_key(|third| (ink(image, *third), 3 - third));
    let labels = (0..40)
        .map(|image| label(image).expect("one of three") as u8)
        .collect();
    Dataset::new(images, labels, None, 3).expect("labels below 3")
}

/// Every way to a binary net, of each of the nets: the methods, and those of `bernoulli`.
fn ways() -> Vec<Config> {
    NETS.into_iter().flat_map(ways_of).collect()
}

fn ways_of(net: &str) -> Vec<Config> {
    let network = Network::from_toml(net).expect("well-formed");
    let config = |method| Config {
        batch: 10,
        warm_up: 5,
        ..Config::new(method, network.clone(), 40, 3)
    };
    let exact = |normalisation| Config {
        distribution: Distribution::Precise,
        normalisation,
        ..config(MethodName::Bernoulli)
    };
    let mut ways: Vec<Config> = MethodName::BINARY.map(config).into();
    ways.extend(Normalisation::ALL.map(exact));
    let hard = config(MethodName::Bernoulli).exact(Distribution::Three, Activations::Mode);
    ways.push(hard);
    ways
}

fn train(trainer: &mut Trainer, data: &Dataset, mut after_epoch: impl FnMut(&Trainer)) {
    while !trainer.is_done() {
        let loss = trainer.epoch(data, |_| ControlFlow::Continue(()));
        let loss = loss.expect("no step fails").expect("nobody breaks");
        trainer.finish_epoch(loss, 0.0, 0.0);
        after_epoch(trainer);
    }
}

#[test]
fn what_is_binary_stays_binary_while_the_rest_is_trained() {
    let data = digits(&mut Random::new(1, Purpose::Initial, 0));
    for config in ways() {
        if !config.method.is_probabilistic() {
            continue;
        }
        for way in Binarise::ALL {
            let freezing = Some(Freezing::new(way));
            let what = format!("{} {}", config.method.name(), way.name());
            let config = Config {
                freezing,
                first_layer: None,
                ..config.clone()
            };
            let mut trainer = Trainer::new(config).expect("its layers fit");
            let mut before = trainer.layers.clone();
            let (mut moved, mut shares) = (0, std::collections::BTreeSet::new());
            train(&mut trainer, &data, |trainer| {
                for (before, after) in before.iter().zip(&trainer.layers) {
                    for index in 0..before.frozen.len() {
                        let [old, new] = [before, after].map(|layer| layer.latent.values[index]);
                        if before.frozen[index] {
                            assert!(after.frozen[index] && old == new, "{what}");
                        } else if old != new {
                            moved += 1;
                        }
                        if after.frozen[index] {
                            assert!(new.abs() == 1.0, "{what}: {new}");
                        }
                    }
                }
                before = trainer.layers.clone();
                shares.insert((100.0 * trainer.history[trainer.history.len() - 1].frozen) as u32);
            });
            assert!(
                moved > 0 && before.iter().all(|layer| layer.frozen.iter().all(|f| *f)),
                "{what}"
            );
            // 0 and 100 %, and between them as many steps as there are layers or parts (of which an
            // epoch has several).
            let steps = match way {
                Binarise::All => 2..=2,
                Binarise::Layer => 4..=4,
                Binarise::Part => 6..=21,
            };
            assert!(steps.contains(&shares.len()), "{what}: {shares:?}");
        }
    }
}

#[test]
fn grey_values_are_refused_where_they_cannot_be() {
    let network = |net: &str| Network::from_toml(net).expect("well-formed");
    let net = NETS[0].replace("channels = 1", "channels = 1, grey = true");
    let exact = Config {
        distribution: Distribution::PowerSums,
        ..Config::new(MethodName::Bernoulli, network(&net), 1, 1)
    };
    for config in [
        exact,
        Config::new(MethodName::Gaussian, network(&net), 1, 1),
        Config::new(MethodName::GaussianSampled, network(&net), 1, 1),
    ] {
        let error = Trainer::new(config).err().expect("refused").to_string();
        assert!(error.contains("network.input.grey"), "{error}");
    }
    let small = net.replace("height = 7", "height = 6");
    let config = Config {
        batch: 10,
        ..Config::new(MethodName::Ste, network(&small), 1, 1)
    };
    let mut trainer = Trainer::new(config).expect("its layers fit");
    let data = digits(&mut Random::new(1, Purpose::Initial, 0));
    let error = trainer.epoch(&data, |_| ControlFlow::Continue(()));
    let error = error.expect_err("refused").to_string();
    assert!(error.contains("6×6") && error.contains("7×6"), "{error}");
}

#[test]
fn what_is_no_sum_of_bits_is_refused_where_it_cannot_be() {
    let network = Network::from_toml(RESIDUAL).expect("well-formed");
    let average = RESIDUAL.replace("residual = true", "residual = false");
    let average = Network::from_toml(&average).expect("well-formed");
    for (network, says) in [
        (
            network,
            "network.layer 2: expected a conv that is not residual",
        ),
        (average, "network.layer 5: expected"),
    ] {
        for config in [
            Config::new(MethodName::Gaussian, network.clone(), 1, 1),
            Config::new(MethodName::GaussianSampled, network.clone(), 1, 1),
            Config::new(MethodName::Bernoulli, network.clone(), 1, 1)
                .exact(Distribution::Three, Activations::Mode),
        ] {
            let error = Trainer::new(config).err().expect("refused").to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}

#[test]
fn the_learnt_strength_of_a_regulariser_falls() {
    let data = digits(&mut Random::new(1, Purpose::Initial, 0));
    let network = Network::from_toml(NETS[0]).expect("well-formed");
    let config = Config {
        batch: 10,
        ..Config::new(MethodName::BnnPlus, network, 5, 3)
    };
    let config = config.with("regulariser = { from = 1e-3, to = 1e-3, until = 1.0 }");
    let mut trainer = Trainer::new(config.expect("a setting")).expect("its layers fit");
    let mut strengths = vec![trainer.strength];
    train(&mut trainer, &data, |trainer| {
        strengths.push(trainer.strength)
    });
    assert!(
        strengths.windows(2).all(|pair| pair[1] < pair[0]),
        "{strengths:?}"
    );
    let learned = |layer: &super::layer::LayerState| layer.learned.values.clone();
    assert!(
        trainer.layers.iter().all(|layer| learned(layer)[1] != 1.0),
        "α"
    );
    assert!(
        learned(&trainer.layers[0])[0] != learned(&trainer.layers[1])[0],
        "β"
    );
}
