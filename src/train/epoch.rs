//! What an epoch leaves behind.

use serde::{Deserialize, Serialize};

/// What an epoch left behind.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Epoch {
    /// From 1.
    pub number: u32,
    /// Mean training loss (nats).
    pub loss: f64,
    /// Share of training images answered right on the way, with the weights as they were drawn.
    pub train_accuracy: f64,
    /// Share of validation images answered right: by the net binarised as it stands (all signs at once, moments measured
    /// anew), or by the real-valued net.
    pub validation_accuracy: f64,
    /// Share of the weights that are binary for good.
    pub frozen: f64,
    /// Mean of `1 − m²` over all weights: 0 when every weight is certain.
    pub uncertainty: f64,
    /// τ at the end of the epoch.
    pub temperature: f32,
    /// The width's floor at the end of the epoch.
    pub width: f32,
    /// The learning rate at the end of the epoch.
    pub learning_rate: f32,
    /// Wall-clock time, evaluation included.
    pub seconds: f64,
}

/// The training side of an epoch.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct EpochLoss {
    /// Mean loss (nats).
    pub loss: f64,
    /// Share answered right.
    pub accuracy: f64,
    /// Wall-clock time.
    pub seconds: f64,
}
