//! Binary neural nets: trained through exact Bernoulli distributions, run on XNOR-popcount kernels.
//!
//! Modules in the order in which data flows: [`data`] (images and labels), [`model`] (a net as data, and its file), [`infer`]
//! (a model made ready to run), [`train`] (how one comes about), [`report`] (what people look at); [`measure`] times the kernels, which
//! are a crate of their own,
//! [`bernet_kernels`], which other engines embed.
//!
//! ```
//! # #[cfg(feature = "train")] {
//! use bernet::{data, infer, model::Model};
//! use bernet_kernels::isa::Level;
//!
//! let model = Model::from_bytes(include_bytes!("../models/mnist.bnet"))?;
//! let mut session = infer::Session::new(&model, Level::best())?;
//! let test = data::load_embedded().test;
//! let predictions = session.classify(test.images())?;
//! assert!(infer::right(&predictions, test.labels()) > 9_700);
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "train")]
pub mod classify;
#[cfg(feature = "train")]
pub mod data;
pub mod durable;
pub mod exchange;
#[cfg(feature = "train")]
pub mod infer;
#[cfg(feature = "train")]
pub mod measure;
#[cfg(feature = "train")]
pub mod model;
#[cfg(feature = "train")]
pub mod report;
#[cfg(feature = "train")]
pub mod train;
