//! Everything that decides a run besides the data: stored with the checkpoint and in the model.

use super::{
    error::TrainError,
    layer::Initial,
    network::Network,
    parameter::Adam,
    schedule::{Freezing, Geometric},
    warp::Warp,
};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// Far beyond any sensible number, and far from where f32 ends.
const LARGEST: f32 = 1e9;

/// How the net is trained.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MethodName {
    /// Bernoulli weights.
    Bernoulli,
    /// Straight-through estimator.
    Ste,
    /// Real weights and activations.
    Real,
}

impl MethodName {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Bernoulli, Self::Ste, Self::Real];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bernoulli => "bernoulli",
            Self::Ste => "ste",
            Self::Real => "real",
        }
    }
}

/// What the Bernoulli method computes of a layer's distribution.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distribution {
    /// One sample of every weight a step; the derivative spreads over the deviation that the weights have.
    Sampled,
    /// Exact probabilities; gradient by the stable one-sided recursion.
    Precise,
    /// Exact probabilities; gradient by the three central equations.
    Three,
    /// Exact probabilities; gradient by the five central equations.
    Five,
    /// Exact probabilities; gradient by the three central normal equations, extended to their sides.
    Extended,
    /// Exact probabilities; gradient by reverse mode through the recursion.
    Autograd,
    /// Exact probabilities and gradients, to 1e-6, from the characteristic function.
    Spectral,
    /// Exact probabilities and gradients, to 1e-6, from power sums.
    PowerSums,
}

impl Distribution {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Sampled,
        Self::Precise,
        Self::Three,
        Self::Five,
        Self::Extended,
        Self::Autograd,
        Self::Spectral,
        Self::PowerSums,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sampled => "sampled",
            Self::Precise => "precise",
            Self::Three => "three",
            Self::Five => "five",
            Self::Extended => "extended",
            Self::Autograd => "autograd",
            Self::Spectral => "spectral",
            Self::PowerSums => "power-sums",
        }
    }
}

/// What the straight-through estimator takes for the derivative of a sum's sign, with the normalised sum `u`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Surrogate {
    /// 1 (Bengio et al. 2013).
    Identity,
    /// 1 for `|u| ≤ 1`, else 0: the derivative of the hard tanh (Hubara et al. 2016).
    HardTanh,
    /// `2 − 2|u|` for `|u| ≤ 1`, else 0: that of a piecewise polynomial (Liu et al. 2018, Bi-Real Net).
    Polynomial,
    /// `(1 + 2t²)⁻²` with `t = u/width`: it never dies out, and its width falls in the course of training.
    #[default]
    HeavyTailed,
}

impl Surrogate {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Identity,
        Self::HardTanh,
        Self::Polynomial,
        Self::HeavyTailed,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::HardTanh => "hard-tanh",
            Self::Polynomial => "polynomial",
            Self::HeavyTailed => "heavy-tailed",
        }
    }
}

/// A run, resolved to the last number.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Config {
    /// The trainer.
    pub method: MethodName,
    /// What the Bernoulli method computes; the others do not ask.
    pub distribution: Distribution,
    /// What the straight-through estimator differentiates; the others do not ask.
    #[serde(default)]
    pub surrogate: Surrogate,
    /// The seed of everything random, below 2⁶³.
    pub seed: u64,
    /// Passes over the training set.
    pub epochs: u32,
    /// Images a step.
    pub batch: usize,
    /// Images at the end of the training set that are held out to choose by.
    pub validation: usize,
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
    /// Part-by-part binarisation.
    pub freezing: Option<Freezing>,
    /// The net.
    pub network: Network,
}

impl Config {
    /// A method as it was tuned on the validation split.
    pub fn new(method: MethodName, network: Network, epochs: u32, seed: u64) -> Self {
        let shared = Self {
            method,
            distribution: Distribution::Sampled,
            surrogate: Surrogate::default(),
            network,
            seed,
            epochs,
            batch: 256,
            validation: 5000,
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
            freezing: None,
        };
        match method {
            MethodName::Bernoulli => Self {
                freezing: Some(Freezing {
                    from: 0.4,
                    to: 0.95,
                    parts: 20,
                }),
                ..shared
            },
            MethodName::Ste => Self {
                learning_rate: 0.04,
                adam: Adam::PAPER,
                shift_probability: 0.25,
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
        if let Some(Freezing { from, to, parts }) = self.freezing {
            within("freezing.to", to, 0.0..=1.0)?;
            within("freezing.from", from, 0.0..=to)?;
            within("freezing.parts", parts as f32, 1.0..=LARGEST)?;
        }
        Ok(())
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
