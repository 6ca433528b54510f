//! A layer as a person writes it.

use serde::{Deserialize, Serialize};

/// A layer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", from = "Written")]
pub enum LayerSpec {
    /// A convolution, batch normalisation and sign.
    Conv {
        /// Output channels.
        outputs: usize,
        /// Height and width.
        kernel: [usize; 2],
        /// Down and across; TOML may leave it out, which means 1.
        stride: [usize; 2],
        /// Lines above and below, pixels to the left and right, that count as −1 (0 where values have 8 bits); TOML may leave it out,
        /// which means none.
        #[serde(skip_serializing_if = "is_none")]
        padding: [usize; 2],
        /// Whether the sums of the layer before, as they are normalised there, are added to this one's.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        residual: bool,
    },
    /// Every output has a weight for each value of the layer before, at all positions; batch normalisation and sign.
    Dense {
        /// Outputs, at one position.
        outputs: usize,
    },
    /// The largest activation of each window, channel by channel; right after a convolution.
    Pool {
        /// Height and width.
        kernel: [usize; 2],
        /// Down and across; TOML may leave it out, which means windows side by side: the kernel's size.
        stride: [usize; 2],
    },
    /// The mean of the sums of each window, channel by channel, before they are normalised; right after a convolution. As
    /// normalisation does not see the difference, it is computed as their sum.
    #[serde(rename = "average-pool")]
    AveragePool {
        /// Height and width.
        kernel: [usize; 2],
        /// Down and across; TOML may leave it out, which means windows side by side: the kernel's size.
        stride: [usize; 2],
    },
    /// The last layer: its sums, over all positions, are the logits.
    Expectation {
        /// Number of classes.
        classes: usize,
        /// Whether each logit has a factor and a summand, which are trained.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        scaled: bool,
    },
}

/// Whether there is no padding.
#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "the form that serde asks for"
)]
fn is_none(padding: &[usize; 2]) -> bool {
    *padding == [0; 2]
}

/// A layer as TOML has it, where strides may be missing.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum Written {
    Conv {
        outputs: usize,
        kernel: [usize; 2],
        stride: Option<[usize; 2]>,
        #[serde(default)]
        padding: [usize; 2],
        #[serde(default)]
        residual: bool,
    },
    Dense {
        outputs: usize,
    },
    Pool {
        kernel: [usize; 2],
        stride: Option<[usize; 2]>,
    },
    #[serde(rename = "average-pool")]
    AveragePool {
        kernel: [usize; 2],
        stride: Option<[usize; 2]>,
    },
    Expectation {
        classes: usize,
        #[serde(default)]
        scaled: bool,
    },
}

impl From<Written> for LayerSpec {
    fn from(written: Written) -> Self {
        match written {
            Written::Conv {
                outputs,
                kernel,
                stride,
                padding,
                residual,
            } => Self::Conv {
                outputs,
                kernel,
                stride: stride.unwrap_or([1, 1]),
                padding,
                residual,
            },
            Written::Dense { outputs } => Self::Dense { outputs },
            Written::Pool { kernel, stride } => Self::Pool {
                kernel,
                stride: stride.unwrap_or(kernel),
            },
            Written::AveragePool { kernel, stride } => Self::AveragePool {
                kernel,
                stride: stride.unwrap_or(kernel),
            },
            Written::Expectation { classes, scaled } => Self::Expectation { classes, scaled },
        }
    }
}

impl LayerSpec {
    /// Its name in the description.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Conv { .. } => "conv",
            Self::Dense { .. } => "dense",
            Self::Pool { .. } => "pool",
            Self::AveragePool { .. } => "average-pool",
            Self::Expectation { .. } => "expectation",
        }
    }
}
