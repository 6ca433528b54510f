//! Training.

mod batch;
mod checkpoint;
mod config;
mod export;
mod layer;
mod loss;
mod matrix;
mod methods;
mod network;
mod parameter;
mod random;
mod run;
mod schedule;
#[cfg(test)]
mod tests;
mod trainer;

pub use checkpoint::CheckpointError;
pub use config::{Config, Distribution, MethodName};
pub use layer::Initial;
pub use network::{Input, LayerKind, Network, NetworkError, SEED, SEED_24};
pub use parameter::Adam;
pub use run::{Observer, Run, RunError};
pub use schedule::{Freezing, Geometric};
pub use trainer::{Epoch, EpochLoss, TrainError, Trainer};
