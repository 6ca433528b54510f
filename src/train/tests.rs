//! Whole nets: gradients against finite differences, what binarisation leaves alone, and deployment of every method.

use super::{
    batch,
    choices::{Activations, Distribution, MethodName, Normalisation},
    config::Config,
    methods::ScheduleState,
    network::Network,
    random::{Purpose, Random},
    schedule::{Binarise, Freezing, Geometric},
    trainer::Trainer,
};
use crate::{classify::Classifier, data::Dataset};
use bernet_kernels::{
    bits::{BitMatrix, BitTensor, Shape},
    isa::Level,
};
use bernet_runtime::graph::Pixels;
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

fn trainer(net: &str, random: &mut Random) -> Trainer {
    let network = Network::from_toml(net).expect("well-formed");
    let config = Config::new(MethodName::Real, network, 1, 3);
    let mut trainer = Trainer::new(config).expect("its layers fit");
    for layer in &mut trainer.layers {
        if let Some(norm) = &mut layer.norm {
            for gamma in &mut norm.gamma.values {
                *gamma = 0.5 + random.uniform();
            }
            norm.gamma.values[0] *= -1.0;
            for beta in &mut norm.beta.values {
                *beta = random.uniform() - 0.5;
            }
        }
    }
    trainer
}

const SCHEDULE: ScheduleState = ScheduleState {
    temperature: 0.3,
    width: 1.0,
    strength: 0.0,
};

impl Trainer {
    /// The mean loss of all images with the weights as they are, and all gradients.
    fn loss(&mut self, data: &Dataset) -> f64 {
        let picks = batch::still(0..data.len());
        self.forward(data, &picks, &SCHEDULE, true);
        self.backward(data, &picks, &SCHEDULE, 0).total / data.len() as f64
    }
}

/// The slopes of the mean loss by one number, below and above.
fn numeric(
    trainer: &mut Trainer,
    data: &Dataset,
    number: impl Fn(&mut Trainer) -> &mut f32,
) -> [f64; 2] {
    const STEP: f32 = 2e-3;
    let start = *number(trainer);
    let middle = trainer.loss(data);
    *number(trainer) = start + STEP;
    let above = trainer.loss(data);
    *number(trainer) = start - STEP;
    let below = trainer.loss(data);
    *number(trainer) = start;
    [middle - below, above - middle].map(|difference| difference / f64::from(STEP))
}

/// Counts gradients that agree with the mean of the two slopes, and numbers at which a maximum changes hands between the two.
#[derive(Default)]
struct Agreement {
    smooth: usize,
    kinks: usize,
}

impl Agreement {
    fn check(&mut self, [below, above]: [f64; 2], gradient: f32, what: &str) {
        if (below - above).abs() > 2e-3 + 0.1 * above.abs() {
            self.kinks += 1;
            return;
        }
        let numeric = 0.5 * (below + above);
        let difference = (numeric - f64::from(gradient)).abs();
        assert!(
            difference < 2e-4 + 0.02 * numeric.abs(),
            "{what}: {below} and {above} by differences, {gradient} found"
        );
        self.smooth += 1;
    }
}

#[test]
fn every_gradient_of_a_real_net_is_that_of_finite_differences() {
    for (net, most) in NETS.into_iter().zip([0, 10]) {
        let agreement = check_gradients(net);
        assert!(
            agreement.kinks <= most && agreement.smooth >= 20,
            "{} kinks",
            agreement.kinks
        );
    }
}

fn check_gradients(net: &str) -> Agreement {
    let mut random = Random::new(1, Purpose::Initial, 0);
    let data = digits(&mut random);
    let mut trainer = trainer(net, &mut random);
    for layer in &mut trainer.layers {
        layer.weights.copy_from_slice(&layer.latent.values);
    }
    trainer.loss(&data);
    let layers = trainer.layers.clone();
    let mut agreement = Agreement::default();
    for (index, layer) in layers.iter().enumerate() {
        for (k, gradient) in layer.latent.gradient.iter().enumerate() {
            let slope = numeric(&mut trainer, &data, |trainer| {
                &mut trainer.layers[index].weights[k]
            });
            agreement.check(slope, *gradient, &format!("layer {index}, weight {k}"));
        }
        let Some(norm) = &layer.norm else { continue };
        for j in 0..norm.mean.len() {
            let slope = numeric(&mut trainer, &data, |trainer| {
                &mut trainer.layers[index]
                    .norm
                    .as_mut()
                    .expect("normalised")
                    .gamma
                    .values[j]
            });
            agreement.check(
                slope,
                norm.gamma.gradient[j],
                &format!("layer {index}, γ {j}"),
            );
            let slope = numeric(&mut trainer, &data, |trainer| {
                &mut trainer.layers[index]
                    .norm
                    .as_mut()
                    .expect("normalised")
                    .beta
                    .values[j]
            });
            agreement.check(
                slope,
                norm.beta.gradient[j],
                &format!("layer {index}, β {j}"),
            );
        }
    }
    agreement
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
            // 0 and 100 %, and between them as many steps as there are layers or parts (of which an epoch has several).
            let steps = match way {
                Binarise::All => 2..=2,
                Binarise::Layer => 4..=4,
                Binarise::Part => 6..=21,
            };
            assert!(steps.contains(&shares.len()), "{what}: {shares:?}");
        }
    }
}

/// Integers and bits against the method's own forward pass with the weights' signs, at a temperature near 0.
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
        // The net with pools is too small to learn these images by every method; what it has become is deployed all the same.
        let pools = trainer.pools.iter().any(Option::is_some);
        assert!(reached < losses[0] || pools, "{what}: {losses:?}");
        trainer.config.width = Geometric {
            from: 1e-6,
            to: 1e-6,
            until: 1.0,
        };
        let evaluated = trainer.answers(&data, &data);
        let model = trainer.binarise(&data, crate::data::THRESHOLD, Level::best());
        let model = model.expect("the images suit the net");
        let mut classifier = Classifier::new(&model, Level::best()).expect("a classifier");
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

/// The classes that a deployed net says of images.
fn predicted(classifier: &mut Classifier, data: &Dataset) -> Vec<usize> {
    let images = classifier.images(data).expect("the images suit the net");
    let predictions = classifier.classify(&images).expect("its own images");
    let classes = predictions.into_iter().map(|prediction| prediction.class);
    classes.collect()
}

/// The same where the first layer adds and subtracts grey values: integers against numbers between −1 and 1.
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
        let model = trainer.binarise(&data, crate::data::THRESHOLD, Level::best());
        let model = model.expect("the images suit the net");
        let mut classifier = Classifier::new(&model, Level::best()).expect("a classifier");
        let predicted = predicted(&mut classifier, &data);
        assert_eq!(predicted, evaluated, "{what}");
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
