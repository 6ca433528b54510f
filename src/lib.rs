//! Binary neural nets: trained through exact Bernoulli distributions, run on XNOR-popcount kernels.
//!
//! A net is a graph of [`bernet_runtime`], which runs it. Here is what makes nets and what is around
//! them, each a feature: [`data`] (images and labels) and [`classify`] (a graph that reads pictures),
//! [`exchange`] (formats of other tools), [`train`] (how a net comes about), [`report`] (what people
//! look at), [`measure`] (how fast the kernels of [`bernet_kernels`] are).
//!
//! ```
//! # #[cfg(feature = "data")] {
//! use bernet::{classify::{self, Classifier}, data};
//! use bernet_kernels::isa::Level;
//! use bernet_runtime::format;
//!
//! let graph = format::from_bytes(include_bytes!("../models/mnist.bnet"))?;
//! let mut classifier = Classifier::new(&graph, Level::best())?;
//! let test = data::load_embedded().test;
//! let predictions = classifier.classify(&classifier.images(&test)?)?;
//! assert!(classify::count_correct(&predictions, test.labels()) > 9_700);
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "data")]
pub mod classify;
#[cfg(feature = "data")]
pub mod data;
pub mod durable;
pub mod exchange;
#[cfg(feature = "measure")]
pub mod measure;
#[cfg(feature = "report")]
pub mod report;
#[cfg(feature = "train")]
pub mod train;
