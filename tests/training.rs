//! Training from end to end, on a few thousand digits.

use bernet::{
    classify::{self, Classifier},
    data::{self, Dataset},
    train::{
        Activations, Binarise, Config, Distribution, Epoch, Freezing, HeldOut, MethodName, Network,
        Normalisation, Observer, Run, Surrogate, TALK_24, Trainer,
    },
};
use bernet_kernels::isa::Level;
use bernet_runtime::{format, graph::Graph};
use std::{ops::ControlFlow, path::Path};

/// Watches without a word, and breaks after so many steps.
struct Steps(usize);

impl Observer for Steps {
    fn step(&mut self, _: u32, _: f64) -> ControlFlow<()> {
        if self.0 == 0 {
            return ControlFlow::Break(());
        }
        self.0 -= 1;
        ControlFlow::Continue(())
    }

    fn epoch(&mut self, _: &Epoch) {}
}

fn digits() -> (Dataset, Dataset) {
    data::load_embedded()
        .train
        .subset(0..4_000)
        .split(1_000)
        .expect("a thousand of four")
}

fn config(method: MethodName, epochs: u32) -> Config {
    let network = Network::from_toml(TALK_24).expect("the embedded net is well-formed");
    Config {
        batch: 128,
        warm_up: 20,
        ..Config::new(method, network, epochs, 5)
    }
}

fn run<'a>(data: &'a (Dataset, Dataset), checkpoint: Option<&Path>) -> Run<'a> {
    Run {
        train: &data.0,
        validation: &data.1,
        level: Level::best(),
        checkpoint: checkpoint.map(Into::into),
    }
}

/// The share of images that a net answers right.
fn share_correct(graph: &Graph, data: &Dataset) -> f64 {
    let mut classifier = Classifier::new(graph, Level::best()).expect("a classifier");
    let images = classifier.images(data).expect("the images suit the net");
    let predictions = classifier.classify(&images).expect("its own images");
    classify::count_correct(&predictions, data.labels()) as f64 / data.len() as f64
}

/// Trains to the end; the net's bytes and the share of validation images that it answers right.
fn trained(config: Config, data: &(Dataset, Dataset)) -> (Vec<u8>, f64) {
    let run = run(data, None);
    let mut trainer = Trainer::new(config).expect("the net's layers fit");
    let end = run
        .train(&mut trainer, &mut Steps(usize::MAX))
        .expect("no step fails");
    assert!(end.is_continue());
    let graph = run.finish(&trainer).expect("the images suit the net");
    let share = share_correct(&graph, &data.1);
    (format::to_bytes(&graph).expect("a net that runs"), share)
}

fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .expect("threads")
        .install(work)
}

#[test]
fn bernoulli_learns_and_ends_binary() {
    let data = digits();
    let (_, share) = trained(config(MethodName::Bernoulli, 12), &data);
    assert!(share > 0.85, "{share}");
}

#[test]
fn straight_through_learns() {
    let data = digits();
    let mut models = std::collections::BTreeSet::new();
    for surrogate in Surrogate::ALL {
        let config = Config {
            surrogate,
            ..config(MethodName::Ste, 12)
        };
        let (model, share) = trained(config, &data);
        // The identity follows gradients that the net does not have, far from its thresholds.
        let least = if surrogate == Surrogate::Identity {
            0.6
        } else {
            0.8
        };
        assert!(share > least, "{}: {share}", surrogate.name());
        println!("{}: {share}", surrogate.name());
        models.insert(model);
    }
    assert_eq!(models.len(), Surrogate::ALL.len(), "each ends elsewhere");
}

/// What the model of integers answers is what the last epoch's evaluation said.
#[test]
fn every_method_learns_and_deploys() {
    let data = digits();
    for (method, least) in [
        (MethodName::Gaussian, 0.7),
        (MethodName::GaussianSampled, 0.8),
        (MethodName::Bnn, 0.8),
        (MethodName::BnnPlus, 0.8),
    ] {
        let run = run(&data, None);
        let mut trainer = Trainer::new(config(method, 12)).expect("the net's layers fit");
        let end = run.train(&mut trainer, &mut Steps(usize::MAX));
        assert!(end.expect("no step fails").is_continue());
        let last = *trainer.history().last().expect("twelve epochs");
        let graph = run.finish(&trainer).expect("the images suit the net");
        let share = share_correct(&graph, &data.1);
        println!("{}: {share}", method.name());
        assert_eq!(share, last.validation_accuracy, "{}", method.name());
        assert!(share > least, "{}: {share}", method.name());
        if method.is_probabilistic() {
            assert_eq!(
                (last.frozen, last.uncertainty),
                (1.0, 0.0),
                "{}",
                method.name()
            );
        }
    }
}

/// Another net than the talk's: one dense layer on the pixels of a small window's convolution.
#[test]
fn every_method_trains_any_net() {
    let (train, validation) = digits();
    let data = (train.subset(0..512), validation.subset(0..200));
    let text = r#"
        input = { height = 28, width = 28, channels = 1 }
        layer = [
            { kind = "conv", outputs = 5, kernel = [9, 7], stride = [4, 5] },
            { kind = "conv", outputs = 7, kernel = [5, 5], stride = [1, 1] },
            { kind = "expectation", classes = 10 },
        ]
    "#;
    let network = Network::from_toml(text).expect("well-formed");
    for method in MethodName::BINARY {
        let config = Config {
            network: network.clone(),
            ..config(method, 2)
        };
        let (model, _) = trained(config, &data);
        assert!(
            model.len() < 2_000,
            "{}: {} bytes",
            method.name(),
            model.len()
        );
    }
}

#[test]
fn every_way_to_binarise_ends_binary() {
    let data = digits();
    for way in Binarise::ALL {
        let config = Config {
            freezing: Some(Freezing::new(way)),
            ..config(MethodName::Bernoulli, 12)
        };
        let (_, share) = trained(config, &data);
        println!("{}: {share}", way.name());
        assert!(share > 0.75, "{}: {share}", way.name());
    }
}

/// Soft, it learns; its thresholds are gone when all is hard.
#[test]
fn normalised_probabilities_learn_while_they_are_soft() {
    let data = digits();
    let train = data.0.subset(0..1_024);
    let config = Config {
        distribution: Distribution::Spectral,
        ..config(MethodName::Bernoulli, 6).normalising(Normalisation::Literal)
    };
    let mut trainer = Trainer::new(config).expect("the net's layers fit");
    let mut epoch = || {
        let loss = trainer.epoch(&train, |_| ControlFlow::Continue(()));
        loss.expect("no step fails").expect("nobody breaks").loss
    };
    let (first, second) = (epoch(), epoch());
    assert!(second < 2.0 && second < first, "{first} {second}");
}

#[test]
fn real_net_learns() {
    let data = digits();
    let mut trainer = Trainer::new(config(MethodName::Real, 6)).expect("the net's layers fit");
    let _ = run(&data, None)
        .train(&mut trainer, &mut Steps(usize::MAX))
        .expect("no step fails");
    let share = trainer
        .evaluate_real(&data.0, &data.1)
        .expect("the images suit the net");
    assert!(share > 0.9, "{share}");
}

#[test]
fn pools_are_trained_through_by_every_method() {
    const POOLED: &str = r#"
        input = { height = 24, width = 24, channels = 1 }
        layer = [
            { kind = "conv", outputs = 8, kernel = [5, 5], stride = [2, 2] },
            { kind = "pool", kernel = [2, 2], stride = [2, 2] },
            { kind = "conv", outputs = 32, kernel = [5, 5], stride = [1, 1] },
            { kind = "expectation", classes = 10 },
        ]
    "#;
    let data = digits();
    for (method, distribution, least) in [
        (MethodName::Ste, Distribution::Sampled, 0.75),
        (MethodName::Bernoulli, Distribution::Sampled, 0.75),
        (MethodName::Bernoulli, Distribution::PowerSums, 0.6),
    ] {
        let config = Config {
            distribution,
            network: Network::from_toml(POOLED).expect("10×10 becomes 5×5"),
            ..config(method, 12)
        };
        // The share is the deployed net's, whose pools are ORs of bits.
        let (_, share) = trained(config, &data);
        assert!(share > least, "{method:?}, {distribution:?}: {share}");
        println!("{method:?}, {distribution:?}: {share}");
    }
}

/// By every gradient; the net that is deployed is as good as the one in training, because no real number was handed on.
#[test]
fn hard_activations_survive_binarisation() {
    let data = digits();
    for (distribution, activations) in [
        (Distribution::PowerSums, Activations::Mode),
        (Distribution::Three, Activations::Mode),
        (Distribution::Three, Activations::Sample),
    ] {
        let config = config(MethodName::Bernoulli, 12).exact(distribution, activations);
        let run = run(&data, None);
        let mut trainer = Trainer::new(config).expect("the net's layers fit");
        let end = run.train(&mut trainer, &mut Steps(usize::MAX));
        assert!(end.expect("no step fails").is_continue());
        let last = *trainer.history().last().expect("twelve epochs");
        println!("{distribution:?}, {activations:?}: {last:?}");
        assert_eq!((last.frozen, last.uncertainty), (1.0, 0.0));
        assert!(
            last.validation_accuracy > 0.8,
            "{distribution:?}, {activations:?}: {last:?}"
        );
        assert!(
            last.validation_accuracy > last.train_accuracy - 0.08,
            "{last:?}"
        );
    }
}

#[test]
fn the_other_gradients_train_hard_activations_too() {
    let (train, _) = digits();
    let train = train.subset(0..1_024);
    for distribution in [
        Distribution::Precise,
        Distribution::Five,
        Distribution::Extended,
        Distribution::Spectral,
        Distribution::Autograd,
    ] {
        let config = config(MethodName::Bernoulli, 6).exact(distribution, Activations::Mode);
        let mut trainer = Trainer::new(config).expect("the net's layers fit");
        let mut epoch = || {
            let loss = trainer.epoch(&train, |_| ControlFlow::Continue(()));
            loss.expect("no step fails").expect("nobody breaks").loss
        };
        let (first, second) = (epoch(), epoch());
        assert!(
            second < 2.0 && second < first,
            "{distribution:?}: {first} {second}"
        );
    }
}

#[test]
fn hard_activations_are_no_probabilities_to_normalise() {
    let config = config(MethodName::Bernoulli, 1).exact(Distribution::Three, Activations::Mode);
    let error = Trainer::new(config.normalising(Normalisation::Literal)).err();
    let error = error.expect("refused").to_string();
    assert!(error.contains("normalisation: expected moments"), "{error}");
}

#[test]
fn a_dataset_sorted_by_label_trains_as_well_as_a_shuffled_one() {
    let whole = data::load_embedded().train.subset(0..4_000);
    let mut places: Vec<usize> = (0..whole.len()).collect();
    places.sort_by_key(|&place| whole.labels()[place]);
    let config = Config {
        validation: 1_000,
        ..config(MethodName::Ste, 8)
    };
    let shares = [whole.clone(), whole.select(&places)].map(|data| {
        let split = config.split(&data).expect("a thousand of four");
        trained(config.clone(), &split).1
    });
    assert!(shares[0] > 0.75, "{shares:?}");
    assert!((shares[0] - shares[1]).abs() < 0.05, "{shares:?}");
    // The last images of a sorted source are of one class, and so are the first: nothing is learnt of the others' thresholds.
    let last = Config {
        held_out: HeldOut::Last,
        ..config
    };
    let (_, held_out) = last
        .split(&whole.select(&places))
        .expect("a thousand of four");
    assert!(held_out.class_counts()[0] == 0);
}

#[test]
fn exact_distributions_learn_by_three_equations() {
    let data = digits();
    let train = data.0.subset(0..1_024);
    let config = Config {
        distribution: Distribution::Three,
        ..config(MethodName::Bernoulli, 4)
    };
    let mut trainer = Trainer::new(config).expect("the net's layers fit");
    let mut epoch = || {
        let loss = trainer.epoch(&train, |_| ControlFlow::Continue(()));
        loss.expect("no step fails").expect("nobody breaks").loss
    };
    let (first, second) = (epoch(), epoch());
    assert!(second < 1.8 && second < first, "{first} {second}");
}

#[test]
fn the_same_seed_gives_the_same_bits_with_any_number_of_threads() {
    let data = digits();
    let model = |threads, seed| {
        let config = Config {
            seed,
            ..config(MethodName::Bernoulli, 3)
        };
        with_threads(threads, || trained(config, &data).0)
    };
    let one = model(1, 5);
    assert_eq!(one, model(2, 5));
    assert_eq!(one, model(3, 5));
    assert_ne!(one, model(1, 6));
}

#[test]
fn exact_distributions_give_the_same_bits_with_any_number_of_threads() {
    let data = digits();
    let small = (data.0.subset(0..256), data.1.subset(0..100));
    for activations in Activations::ALL {
        let model = |threads| {
            let config = config(MethodName::Bernoulli, 1);
            let config = config.exact(Distribution::Three, activations);
            with_threads(threads, || trained(config, &small).0)
        };
        assert_eq!(model(1), model(2), "{}", activations.name());
    }
}

#[test]
fn a_resumed_training_ends_in_the_same_bits() {
    let data = digits();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("checkpoint");
    let (whole, _) = trained(config(MethodName::Bernoulli, 4), &data);
    let run = run(&data, Some(&path));
    let steps = data.0.len() / 128;
    // Before the first epoch ends, in the middle of a later one, and between two.
    for stop in [3, 2 * steps + 5, 3 * steps] {
        let mut trainer =
            Trainer::new(config(MethodName::Bernoulli, 4)).expect("the net's layers fit");
        let end = run
            .train(&mut trainer, &mut Steps(stop))
            .expect("no step fails");
        assert!(end.is_break());
        let mut trainer = Trainer::load(&path).expect("the checkpoint is whole");
        assert_eq!(trainer.history().len(), stop / steps);
        let end = run
            .train(&mut trainer, &mut Steps(usize::MAX))
            .expect("no step fails");
        assert!(end.is_continue());
        let model = run.finish(&trainer).expect("the images suit the net");
        assert!(
            format::to_bytes(&model).expect("a net that runs") == whole,
            "stopped after {stop} steps"
        );
    }
}

#[test]
fn data_that_do_not_suit_the_net_are_named() {
    let (train, _) = digits();
    let error = |train: &Dataset, config: Config| {
        let mut trainer = Trainer::new(config).expect("the net's layers fit");
        let ended = trainer.epoch(train, |_| ControlFlow::Continue(()));
        ended.expect_err("refused").to_string()
    };
    let small = train.centre_crop(20, 20).expect("smaller than 28");
    assert_eq!(
        error(&small, config(MethodName::Bernoulli, 1)),
        "size of the images: expected at least 24×24×1, found 20×20×1"
    );
    assert_eq!(
        error(&train.subset(0..100), config(MethodName::Bernoulli, 1)),
        "number of images: expected at least a batch, 128, found 100"
    );
    let one = Config {
        batch: 1,
        ..config(MethodName::Bernoulli, 1)
    };
    assert_eq!(
        error(&train, one),
        "images a batch: expected at least 2, to measure how far their sums spread, found 1"
    );
    assert_eq!(
        error(&train, config(MethodName::Bernoulli, 0)),
        "epoch: expected at most 0, the last, found 1"
    );
    let places: Vec<usize> = (0..train.len())
        .filter(|&place| train.labels()[place] != 3)
        .collect();
    assert_eq!(
        error(&train.select(&places), config(MethodName::Bernoulli, 1)),
        "images a class: expected at least 1 in the training set, found none of class 3"
    );
    let rate = Config {
        learning_rate: f32::INFINITY,
        ..config(MethodName::Real, 1)
    };
    let refused = Trainer::new(rate).err().expect("refused").to_string();
    assert!(
        refused.contains("learning rate: expected 0 to 1000000000, found inf"),
        "{refused}"
    );
}
