//! What can be chosen by name.

use serde::{Deserialize, Serialize};

/// How the net is trained.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MethodName {
    /// Bernoulli weights.
    Bernoulli,
    /// Bernoulli weights, the sums' distributions taken for normal ones.
    Gaussian,
    /// The same, sums drawn from them.
    GaussianSampled,
    /// Straight-through estimator.
    Ste,
    /// Real and binary weights in parallel (Hubara et al. 2016).
    Bnn,
    /// The same with a smooth sign and a regulariser, both learnt (Darabi et al. 2018).
    BnnPlus,
    /// Real weights and activations.
    Real,
}

impl MethodName {
    /// All of them, the real-valued one last.
    pub const ALL: [Self; 7] = [
        Self::Bernoulli,
        Self::Gaussian,
        Self::GaussianSampled,
        Self::Ste,
        Self::Bnn,
        Self::BnnPlus,
        Self::Real,
    ];
    /// Those that end in a binary net.
    pub const BINARY: [Self; 6] = {
        let [binary @ .., _] = Self::ALL;
        binary
    };

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bernoulli => "bernoulli",
            Self::Gaussian => "gaussian",
            Self::GaussianSampled => "gaussian-sampled",
            Self::Ste => "ste",
            Self::Bnn => "bnn",
            Self::BnnPlus => "bnn-plus",
            Self::Real => "real",
        }
    }

    /// Whether its weights are random variables, which are to be made certain in the end.
    pub fn is_probabilistic(self) -> bool {
        match self {
            Self::Bernoulli | Self::Gaussian | Self::GaussianSampled => true,
            Self::Ste | Self::Bnn | Self::BnnPlus | Self::Real => false,
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

/// What batch normalisation is applied to, where the Bernoulli method computes exact distributions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalisation {
    /// The sums: it sets the threshold `t` of `P(S ≥ t)`, by their mean and deviation, and is an integer threshold in the end.
    #[default]
    Moments,
    /// The probabilities `P(S ≥ 0)`, as the talk writes it. Once they are 0 and 1 it can only keep, invert or fix them.
    Literal,
}

impl Normalisation {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Moments, Self::Literal];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Moments => "moments",
            Self::Literal => "literal",
        }
    }
}

/// What a hidden layer hands on, where the Bernoulli method computes exact distributions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activations {
    /// The mean of the output bit, a real number (mean field): the next layer's inputs are probabilities. The net that is trained is a
    /// real-valued one, and loses much when its activations become bits.
    #[default]
    Mean,
    /// The more probable bit. Distributions are those over the weights alone.
    Mode,
    /// A bit drawn with its probability.
    Sample,
}

impl Activations {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Mean, Self::Mode, Self::Sample];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Mode => "mode",
            Self::Sample => "sample",
        }
    }
}

/// The noise on a threshold, where activations are hard.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Noise {
    /// Of density `(1 + 2t²)⁻²` in units of its width, Student's with three degrees of freedom: a unit far from its threshold still
    /// learns.
    #[default]
    HeavyTailed,
    /// Normal, its width the standard deviation.
    Normal,
}

impl Noise {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::HeavyTailed, Self::Normal];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::HeavyTailed => "heavy-tailed",
            Self::Normal => "normal",
        }
    }
}

/// Which training images are held out to choose by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeldOut {
    /// The last ones in the order of the source, as trainings before this choice was there.
    #[default]
    Last,
    /// Images drawn at random, of each class its share; the same ones in every training on the same data.
    Random,
}

impl HeldOut {
    /// Its name in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::Random => "random",
        }
    }
}
