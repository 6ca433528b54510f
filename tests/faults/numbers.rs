//! Numbers that are infinite, none at all or far out: an error that names them, or a result that is defined.

use bernet::{
    data::Dataset,
    train::{
        Adam, Config, Distribution, Freezing, Geometric, Initial, MethodName, Network, Surrogate,
        TrainError, Trainer,
    },
};
use bernet_kernels::bits::{BitMatrix, BitTensor, Shape};
use std::ops::ControlFlow;

const NET: &str = r#"input = { height = 5, width = 4, channels = 1 }
layer = [
  { kind = "conv", outputs = 3, kernel = [3, 2], stride = [2, 1] },
  { kind = "dense", outputs = 4 },
  { kind = "expectation", classes = 3 },
]
"#;

fn config(method: MethodName) -> Config {
    let network = Network::from_toml(NET).unwrap();
    Config {
        batch: 8,
        warm_up: 0,
        ..Config::new(method, network, 3, 1)
    }
}

/// Every method, and of those that have variants, every one.
fn methods() -> impl Iterator<Item = Config> {
    let exact = Distribution::ALL.map(|distribution| Config {
        distribution,
        ..config(MethodName::Bernoulli)
    });
    let straight = Surrogate::ALL.map(|surrogate| Config {
        surrogate,
        ..config(MethodName::Ste)
    });
    exact
        .into_iter()
        .chain(straight)
        .chain([config(MethodName::Real)])
}

/// 24 images in three classes from a function of image, line and column.
fn images(ink: impl Fn(usize, usize, usize) -> bool) -> Dataset {
    let shape = Shape {
        batch: 24,
        height: 5,
        width: 4,
        channels: 1,
    };
    let lines = BitMatrix::from_fn(24 * 5, 4, |line, x| ink(line / 5, line % 5, x));
    let labels = (0..24).map(|image| image % 3).collect();
    Dataset::new(
        BitTensor::from_lines(shape, lines).unwrap(),
        labels,
        None,
        3,
    )
    .unwrap()
}

fn loss(trainer: &mut Trainer, data: &Dataset) -> Result<f64, TrainError> {
    let loss = trainer
        .epoch(data, |_| ControlFlow::Continue(()))?
        .expect("nobody breaks");
    Ok(loss.loss)
}

#[test]
fn a_configuration_of_numbers_that_are_none_is_refused() {
    type Change = fn(&mut Config, f32);
    let changes: [(&str, Change); 11] = [
        ("learning rate", |config, bad| config.learning_rate = bad),
        ("adam.first", |config, bad| config.adam.first = bad),
        ("adam.second", |config, bad| config.adam.second = bad),
        ("initial spread", |config, bad| {
            config.initial = Initial::Uniform(bad)
        }),
        ("shift probability", |config, bad| {
            config.shift_probability = bad
        }),
        ("temperature.from", |config, bad| {
            config.temperature.from = bad
        }),
        ("temperature.to", |config, bad| config.temperature.to = bad),
        ("temperature.until", |config, bad| {
            config.temperature.until = bad
        }),
        ("width.from", |config, bad| config.width.from = bad),
        ("freezing.from", |config, bad| {
            config.freezing = Some(Freezing {
                from: bad,
                to: 0.5,
                parts: 3,
                layer_by_layer: false,
            })
        }),
        ("freezing.to", |config, bad| {
            config.freezing = Some(Freezing {
                from: 0.5,
                to: bad,
                parts: 3,
                layer_by_layer: false,
            })
        }),
    ];
    let mut refused = 0;
    for (what, change) in changes {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1.0, f32::MAX] {
            let mut config = config(MethodName::Bernoulli);
            change(&mut config, bad);
            let text = config.to_toml();
            let error = Trainer::new(config).err().expect("refused").to_string();
            assert!(
                error.starts_with(&format!("configuration: {what}: expected ")),
                "{bad}: {error}"
            );
            // As from a checkpoint.
            assert!(Trainer::new(Config::from_toml(&text).unwrap()).is_err());
            refused += 1;
        }
    }
    let parts = Config {
        freezing: Some(Freezing {
            from: 0.1,
            to: 0.5,
            parts: 0,
            layer_by_layer: false,
        }),
        ..config(MethodName::Bernoulli)
    };
    assert!(Trainer::new(parts).is_err());
    println!("{refused} refused");
}

#[test]
fn nets_beyond_every_memory_are_refused() {
    for (from, to) in [
        ("outputs = 3", "outputs = 4000000000"),
        ("outputs = 4", "outputs = 9223372036854775807"),
        ("classes = 3", "classes = 9223372036854775807"),
        ("height = 5", "height = 9223372036854775807"),
        ("channels = 1", "channels = 4294967296"),
        ("kernel = [3, 2]", "kernel = [0, 2]"),
        ("stride = [2, 1]", "stride = [0, 1]"),
        ("outputs = 4", "outputs = 0"),
    ] {
        let error = Network::from_toml(&NET.replace(from, to))
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("layer "), "{to}: {error}");
    }
}

/// A rate that throws every parameter as far as it goes: the loss stays a number, or the error says where it was lost.
#[test]
fn steps_that_are_far_too_long() {
    let data = images(|image, y, x| (image * 7 + y * x + image / 5 * y) % 3 == 0);
    let (mut diverged, mut went_on) = (0, 0);
    for method in methods() {
        for learning_rate in [1e3, 1e6, 1e9] {
            let mut trainer = Trainer::new(Config {
                learning_rate,
                ..method.clone()
            })
            .unwrap();
            for _ in 0..3 {
                match loss(&mut trainer, &data) {
                    Ok(loss) => {
                        assert!(loss.is_finite());
                        went_on += 1;
                    }
                    Err(error) => {
                        let text = error.to_string();
                        assert!(
                            text.contains("first bad layer")
                                && text.contains("A lower learning rate"),
                            "{text}"
                        );
                        diverged += 1;
                        break;
                    }
                }
            }
        }
    }
    println!("{diverged} diverged, {went_on} epochs went on");
    assert!(diverged > 0 && went_on > 0);
}

/// Images that are all alike: no sum varies, and batch normalisation divides by the root of its ε.
#[test]
fn a_variance_of_nothing() {
    for (name, ink) in [("empty", false), ("full", true)] {
        let data = images(|_, _, _| ink);
        for method in methods() {
            let (method_name, distribution) = (method.method, method.distribution);
            let mut trainer = Trainer::new(method).unwrap();
            let first = loss(&mut trainer, &data).unwrap();
            assert!(
                first.is_finite(),
                "{method_name:?} {distribution:?}, {name}: {first}"
            );
            let model = trainer
                .binarise(&data, 128, bernet_kernels::isa::Level::best())
                .unwrap();
            model.validate().unwrap();
        }
    }
}

/// The smallest numbers that the configuration may hold, subnormal ones among them.
#[test]
fn the_smallest_numbers() {
    let data = images(|image, y, x| (image + y * x) % 2 == 0);
    for method in methods() {
        for small in [0.0, f32::from_bits(1), f32::MIN_POSITIVE] {
            let smallest = Geometric {
                from: 1e-9,
                to: 1e-9,
                until: small,
            };
            let mut trainer = Trainer::new(Config {
                learning_rate: small,
                adam: Adam {
                    first: small,
                    second: small,
                },
                initial: Initial::Uniform(small),
                shift_probability: small,
                temperature: smallest,
                width: smallest,
                ..method.clone()
            })
            .unwrap();
            match loss(&mut trainer, &data) {
                Ok(loss) => assert!(loss.is_finite(), "{small}"),
                Err(error) => assert!(error.to_string().contains("first bad layer"), "{error}"),
            }
        }
    }
}
