//! Everything that decides a run besides the data: stored with the checkpoint and in the model.

use super::{
    choices::{Activations, Distribution, HeldOut, MethodName, Noise, Normalisation, Surrogate},
    error::TrainError,
    first_layer::{FirstLayer, Search},
    layer::Initial,
    loss::Objective,
    network::Network,
    parameter::Adam,
    schedule::{Binarise, Freezing, Geometric},
    warp::Warp,
};
use crate::data::Dataset;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// Far beyond any sensible number, and far from where f32 ends.
const LARGEST: f32 = 1e9;

/// Whether a setting is as it was before there was a choice; such a configuration is written as before.
pub(super) fn is_default<T: Default + PartialEq>(setting: &T) -> bool {
    *setting == T::default()
}

fn one() -> usize {
    1
}

fn is_one(number: &usize) -> bool {
    *number == 1
}

/// A run, resolved to the last number.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The trainer.
    pub method: MethodName,
    /// What the Bernoulli method computes; the others do not ask.
    pub distribution: Distribution,
    /// What a hidden layer hands on, where the Bernoulli method is exact.
    #[serde(default, skip_serializing_if = "is_default")]
    pub activations: Activations,
    /// The noise on thresholds, where activations are hard.
    #[serde(default, skip_serializing_if = "is_default")]
    pub noise: Noise,
    /// What the straight-through estimator differentiates; the others do not ask.
    #[serde(default)]
    pub surrogate: Surrogate,
    /// What batch normalisation works on, where the Bernoulli method is exact; the others normalise sums.
    #[serde(default)]
    pub normalisation: Normalisation,
    /// What the logits are judged by.
    #[serde(default)]
    pub objective: Objective,
    /// The seed of everything random, below 2⁶³.
    pub seed: u64,
    /// Passes over the training set.
    pub epochs: u32,
    /// Images a step.
    pub batch: usize,
    /// Parts of a batch, each with its own batch statistics; as many processes can train together.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub shards: usize,
    /// Images of the training set that are held out to choose by.
    pub validation: usize,
    /// Which images those are.
    #[serde(default)]
    pub held_out: HeldOut,
    /// The peak of the learning rate, for latents and batch normalisation alike.
    pub learning_rate: f32,
    /// Steps in which the rate rises to its peak.
    pub warm_up: u64,
    /// Adam's constants for the latents; batch normalisation has those of the paper.
    pub adam: Adam,
    /// How latents start.
    pub initial: Initial,
    /// The probability that an image is moved by up to one pixel each way.
    pub shift_probability: f32,
    /// How images are warped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warp: Option<Warp>,
    /// τ.
    pub temperature: Geometric,
    /// The floor of an activation's width.
    pub width: Geometric,
    /// How weights become binary for good in the course of training. Without it all take their signs after it.
    pub freezing: Option<Freezing>,
    /// λ, the strength of the regulariser that the method has, if any: of `Σ (1 − m²)` where weights have means `m`; of
    /// `Σ |α − |w||` in `bnn-plus`, which goes on to learn it.
    #[serde(default)]
    pub regulariser: Option<Geometric>,
    /// How the first layer is trained, where it is not as the others are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_layer: Option<FirstLayer>,
    /// How a first layer is searched for, before the training starts with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<Search>,
    /// The net.
    #[serde(with = "super::network::stored")]
    pub network: Network,
}

impl Config {
    /// A method as it was tuned on the validation split.
    pub fn new(method: MethodName, network: Network, epochs: u32, seed: u64) -> Self {
        let shared = Self {
            method,
            distribution: Distribution::Sampled,
            activations: Activations::Mean,
            noise: Noise::default(),
            surrogate: Surrogate::default(),
            normalisation: Normalisation::default(),
            objective: Objective::default(),
            network,
            seed,
            epochs,
            batch: 256,
            shards: 1,
            validation: 5000,
            held_out: HeldOut::Random,
            learning_rate: 0.05,
            warm_up: 300,
            adam: Adam {
                first: 0.95,
                second: 0.99,
            },
            initial: Initial::Uniform(0.5),
            shift_probability: 0.35,
            warp: None,
            temperature: Geometric {
                from: 0.15,
                to: 0.02,
                until: 0.9,
            },
            width: Geometric {
                from: 3.0,
                to: 0.8,
                until: 1.0,
            },
            freezing: method
                .is_probabilistic()
                .then(|| Freezing::new(Binarise::Part)),
            regulariser: None,
            first_layer: None,
            search: None,
        };
        match method {
            MethodName::Bernoulli | MethodName::GaussianSampled => shared,
            MethodName::Gaussian => Self {
                width: Geometric {
                    from: 1.0,
                    to: 0.3,
                    until: 0.9,
                },
                ..shared
            },
            MethodName::Ste => Self {
                learning_rate: 0.04,
                adam: Adam::PAPER,
                shift_probability: 0.25,
                ..shared
            },
            MethodName::Bnn => Self {
                objective: Objective::SquaredHinge,
                learning_rate: 0.003,
                adam: Adam::PAPER,
                initial: Initial::Uniform(1.0),
                shift_probability: 0.25,
                ..shared
            },
            MethodName::BnnPlus => Self {
                learning_rate: 0.04,
                adam: Adam::PAPER,
                shift_probability: 0.25,
                // 1/β at the start; from there on it is learnt.
                width: Geometric {
                    from: 1.0,
                    to: 1.0,
                    until: 1.0,
                },
                regulariser: Some(Geometric {
                    from: 1e-6,
                    to: 1e-6,
                    until: 1.0,
                }),
                ..shared
            },
            MethodName::Real => Self {
                learning_rate: 0.003,
                adam: Adam::PAPER,
                initial: Initial::Normal,
                shift_probability: 0.25,
                ..shared
            },
        }
    }

    /// Every number is one that a training can be run with: finite, and within its range.
    pub(super) fn check(&self) -> Result<(), TrainError> {
        let within = |what: &str, found: f32, range: RangeInclusive<f32>| {
            if range.contains(&found) {
                return Ok(());
            }
            Err(TrainError::Config {
                what: what.into(),
                expected: format!("{} to {}", range.start(), range.end()),
                found: found.to_string(),
            })
        };
        let takes_bits = match self.method {
            MethodName::Gaussian | MethodName::GaussianSampled => true,
            MethodName::Bernoulli => self.distribution != Distribution::Sampled,
            MethodName::Real | MethodName::Ste | MethodName::Bnn | MethodName::BnnPlus => false,
        };
        if takes_bits && self.network.input.grey {
            return Err(TrainError::Config {
                what: "network.input.grey".into(),
                expected: "false: the method computes with distributions of ±1; values of 8 bits are for ste, bnn, bnn-plus, \
                           real and the sampled bernoulli"
                    .into(),
                found: "true".into(),
            });
        }
        if takes_bits && let Some((number, what)) = self.network.beyond_bits() {
            return Err(TrainError::Config {
                what: format!("network.layer {number}"),
                expected: "a conv that is not residual, dense, or pool: the method computes with distributions of ±1; others are for ste, bnn, \
                           bnn-plus, real and the sampled bernoulli"
                    .into(),
                found: what.into(),
            });
        }
        let hard = self.activations != Activations::Mean;
        if hard && self.normalises_probabilities() {
            return Err(TrainError::Config {
                what: "normalisation".into(),
                expected: "moments, where activations are hard: bits are no probabilities".into(),
                found: self.normalisation.name().into(),
            });
        }
        within("shards", self.shards as f32, 1.0..=LARGEST)?;
        within("learning rate", self.learning_rate, 0.0..=LARGEST)?;
        // Adam divides by 1 − decay.
        let decay = 0.0..=1.0 - f32::EPSILON;
        within("adam.first", self.adam.first, decay.clone())?;
        within("adam.second", self.adam.second, decay)?;
        if let Initial::Uniform(spread) = self.initial {
            within("initial spread", spread, 0.0..=LARGEST)?;
        }
        within("shift probability", self.shift_probability, 0.0..=1.0)?;
        for (name, geometric) in [("temperature", self.temperature), ("width", self.width)] {
            let Geometric { from, to, until } = geometric;
            within(&format!("{name}.from"), from, 1.0 / LARGEST..=LARGEST)?;
            within(&format!("{name}.to"), to, 1.0 / LARGEST..=LARGEST)?;
            within(&format!("{name}.until"), until, 0.0..=1.0)?;
        }
        if let Some(FirstLayer { rate, until }) = self.first_layer {
            within("first_layer.rate", rate, 0.0..=LARGEST)?;
            within("first_layer.until", until, 0.0..=1.0)?;
        }
        if let Some(warp) = self.warp {
            within("warp.probability", warp.probability, 0.0..=1.0)?;
            within("warp.mirror", warp.mirror, 0.0..=1.0)?;
        }
        self.search.map_or(Ok(()), Search::check)?;
        if let Some(Freezing {
            from, to, parts, ..
        }) = self.freezing
        {
            within("freezing.to", to, 0.0..=1.0)?;
            within("freezing.from", from, 0.0..=to)?;
            within("freezing.parts", parts as f32, 1.0..=LARGEST)?;
        }
        Ok(())
    }

    /// The same by exact distributions with this gradient, and the settings tuned for what the layers hand on.
    ///
    /// ```
    /// use bernet::train::{Activations, Config, Distribution, MethodName, Network, TALK};
    ///
    /// let config = Config::new(MethodName::Bernoulli, Network::from_toml(TALK)?, 60, 1);
    /// let config = config.exact(Distribution::Three, Activations::Mode);
    /// assert_eq!((config.temperature.from, config.width.to), (0.3, 0.7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn exact(self, distribution: Distribution, activations: Activations) -> Self {
        let exact = Self {
            distribution,
            activations,
            ..self
        };
        if distribution == Distribution::Sampled || activations == Activations::Mean {
            return exact;
        }
        Self {
            shift_probability: 0.5,
            first_layer: Some(FirstLayer::FIRST_HALF),
            temperature: Geometric {
                from: 0.3,
                to: 0.02,
                until: 0.9,
            },
            width: Geometric {
                from: 3.0,
                to: 0.7,
                until: 0.9,
            },
            ..exact
        }
    }

    /// The images to train on, and those held out to choose by.
    ///
    /// # Errors
    /// [`data::Error::Mismatch`](crate::data::Error::Mismatch) where no training image would be left.
    pub fn split(&self, data: &Dataset) -> Result<(Dataset, Dataset), crate::data::Error> {
        match self.held_out {
            HeldOut::Last => data.split_last(self.validation),
            HeldOut::Random => data.split(self.validation),
        }
    }

    /// The same with batch normalisation of something else, and the activations' temperature that goes with it: the talk's T, where
    /// probabilities are normalised, has to end near 0.
    pub fn normalising(self, normalisation: Normalisation) -> Self {
        let width = match normalisation {
            Normalisation::Moments => self.width,
            Normalisation::Literal => Geometric {
                from: 0.5,
                to: 0.02,
                until: 0.9,
            },
        };
        Self {
            normalisation,
            width,
            ..self
        }
    }

    /// The same with the usual search for a first layer, which is then held.
    pub fn searching(self) -> Self {
        Self {
            search: Some(Search::default()),
            first_layer: Some(FirstLayer::HELD),
            ..self
        }
    }

    /// Whether batch normalisation works on probabilities rather than sums.
    pub(crate) fn normalises_probabilities(&self) -> bool {
        self.method == MethodName::Bernoulli
            && self.distribution != Distribution::Sampled
            && self.normalisation == Normalisation::Literal
    }

    /// The same but for one setting, in TOML's words.
    ///
    /// ```
    /// use bernet::train::{Config, MethodName, Network, TALK};
    ///
    /// let config = Config::new(MethodName::Ste, Network::from_toml(TALK)?, 30, 1);
    /// let config = config.with("width.to = 0.5")?.with("batch = 128")?;
    /// assert_eq!((config.width.to, config.width.from, config.batch), (0.5, 3.0, 128));
    /// assert!(config.with("widht.to = 0.5").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Where the text is no TOML, there is no such setting, or it has another type.
    pub fn with(&self, setting: &str) -> Result<Self, toml::de::Error> {
        fn merge(into: &mut toml::Table, from: toml::Table) {
            for (key, value) in from {
                match (into.get_mut(&key), value) {
                    (Some(toml::Value::Table(into)), toml::Value::Table(from)) => merge(into, from),
                    (_, value) => {
                        into.insert(key, value);
                    }
                }
            }
        }
        let mut whole: toml::Table = toml::from_str(&self.to_toml())?;
        merge(&mut whole, toml::from_str(setting)?);
        whole.try_into()
    }

    /// The settings, as [`Config::with`] takes them, that make this configuration of another one of the same net.
    pub fn beyond(&self, other: &Self) -> Vec<String> {
        fn leaves(prefix: &str, table: toml::Table, into: &mut Vec<String>) {
            for (key, value) in table {
                let key = format!("{prefix}{key}");
                match value {
                    toml::Value::Table(table) => leaves(&format!("{key}."), table, into),
                    value => into.push(format!("{key} = {value}")),
                }
            }
        }
        // What is missing here cannot be said by leaving it out.
        let first_layer = other.first_layer.map(|_| FirstLayer::AS_OTHERS);
        let ours = Self {
            first_layer: self.first_layer.or(first_layer),
            ..self.clone()
        };
        let [ours, theirs] = [&ours, other].map(|config| {
            let table = toml::from_str(&config.to_toml());
            let mut settings = Vec::new();
            leaves("", table.expect("it was written as TOML"), &mut settings);
            settings
        });
        let same = |setting: &String| setting.starts_with("network.") || theirs.contains(setting);
        ours.into_iter().filter(|setting| !same(setting)).collect()
    }

    /// As TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a configuration is tables, numbers and names")
    }

    /// What [`Config::to_toml`] wrote.
    ///
    /// # Errors
    /// Where in the text something else was expected.
    pub fn from_toml(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::{Config, MethodName, Normalisation};
    use crate::train::{Activations, Distribution, FirstLayer, Network, TALK_24};

    fn config(method: MethodName) -> Config {
        let network = Network::from_toml(TALK_24).expect("the embedded net is well-formed");
        Config::new(method, network, 3, 1)
    }

    #[test]
    fn every_configuration_survives_its_toml() {
        for method in MethodName::BINARY {
            let config = config(method).normalising(Normalisation::Literal);
            assert_eq!(Config::from_toml(&config.to_toml()), Ok(config));
        }
    }

    #[test]
    fn settings_make_one_configuration_of_another() {
        let base = config(MethodName::Gaussian);
        let changed = [
            "batch = 64",
            "width.to = 0.7",
            "objective = \"squared-hinge\"",
            "regulariser = { from = 1e-6, to = 1e-5, until = 0.5 }",
        ]
        .iter()
        .fold(base.clone(), |config, setting| {
            config.with(setting).expect("there is such a setting")
        });
        let settings = changed.beyond(&base);
        assert_eq!(settings.len(), 6, "{settings:?}");
        // A table that was not there has to come whole.
        let again = base.with(&settings.join("\n"));
        assert_eq!(again, Ok(changed.clone()));
        assert!(changed.beyond(&changed).is_empty());
        for wrong in [
            "batch",
            "batch = \"many\"",
            "bath = 3",
            "width.too = 1.0",
            "network = 3",
        ] {
            assert!(base.with(wrong).is_err(), "{wrong}");
        }
    }

    /// Its first layer is trained as the others are, which an exact one's is not today.
    #[test]
    fn settings_say_that_a_first_layer_is_as_the_others() {
        let exact = config(MethodName::Bernoulli).exact(Distribution::Three, Activations::Mode);
        let old = Config {
            first_layer: None,
            ..exact.clone()
        };
        let settings = old.beyond(&exact);
        assert!(!settings.is_empty());
        let again = exact.with(&settings.join("\n")).expect("settings");
        assert_eq!(again.first_layer, Some(FirstLayer::AS_OTHERS));
    }
}
