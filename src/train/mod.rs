//! Training: from labelled images to a net of bits.
//!
//! A [`Network`] says which layers; a [`Config`] says how they are trained, to the last number; a [`Trainer`] holds the net
//! on its way, and [`Run`] takes it from the first epoch to the graph, with checkpoints. How a step's weights follow from what is trained,
//! and what an activation's derivative is, differs from method to method and is all that `methods/` holds.
//!
//! Everything random depends on the seed and the step alone, and sums are added in an order that does not depend on the threads: the same
//! configuration gives the same bits, resumed or not, on one instruction set.
//!
//! ```
//! use bernet::{data, train::*};
//! use bernet_kernels::isa::Level;
//! use bernet_runtime::format;
//! use std::ops::ControlFlow;
//!
//! struct Silent;
//! impl Observer for Silent {
//!     fn step(&mut self, _: u32, _: f64) -> ControlFlow<()> {
//!         ControlFlow::Continue(())
//!     }
//!     fn epoch(&mut self, _: &Epoch) {}
//! }
//!
//! let (train, validation) = data::load_embedded().train.subset(0..1_500).split(500)?;
//! let config = Config::new(MethodName::Bernoulli, Network::from_toml(TALK_24)?, 2, 1);
//! let mut trainer = Trainer::new(config)?;
//! let run = Run { train: &train, validation: &validation, level: Level::best(), checkpoint: None };
//! let _ = run.train(&mut trainer, &mut Silent)?;
//!
//! // Integers and bits from here on.
//! let graph = run.finish(&trainer)?;
//! assert!(format::to_bytes(&graph)?.len() < 8_000);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod batch;
mod binary;
mod checkpoint;
mod choices;
mod config;
mod epoch;
mod error;
mod evaluate;
mod export;
mod first_layer;
mod kernel;
mod layer;
mod loss;
mod matrix;
mod max_pool;
mod methods;
mod network;
mod parameter;
mod passes;
mod random;
pub mod recover;
mod run;
mod schedule;
mod search;
mod shards;
mod state;
mod step;
#[cfg(test)]
mod tests;
mod trainer;
mod warp;

pub use checkpoint::{CheckpointError, data_checksum};
pub use choices::{
    Activations, Distribution, HeldOut, MethodName, Noise, Normalisation, Surrogate,
};
pub use config::Config;
pub use epoch::{Epoch, EpochLoss};
pub use error::TrainError;
pub use first_layer::{FirstLayer, Search};
pub use layer::Initial;
pub use loss::Objective;
pub use network::{Input, LayerSpec, NETS, Network, NetworkError, TALK, TALK_24, net_by_name};
pub use parameter::Adam;
pub use run::{Observer, Run, RunError};
pub use schedule::{Binarise, Freezing, Geometric};
pub use shards::{Alone, Processes};
pub use trainer::Trainer;
pub use warp::Warp;
