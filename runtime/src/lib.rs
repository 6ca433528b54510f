//! Binary nets as graphs: checked, planned into one arena, run on XNOR-popcount kernels.
//!
//! A [`Graph`](graph::Graph) holds typed values (bits, bytes, 32-bit integers, floats) and the
//! nodes that compute them. A [`Program`](plan::Program) is a graph laid out for one instruction
//! set, which runs without taking memory; a [`Session`](session::Session) is one with a workspace
//! of its own; [`firmware`] runs a plan on devices without a heap. [`mod@reference`] computes a graph node by node and is the specification of every
//! operator.
//!
//! ```
//! use bernet_runtime::{graph::{Graph, Kind, Op, Shape}, reference, tensor::Tensor};
//!
//! let mut graph = Graph::default();
//! let x = graph.add_input("x", Kind::F32, Shape::flat(3))?;
//! let y = graph.add_node(Op::Sign, &[x])?;
//! graph.add_output("y", y)?;
//! graph.validate()?;
//! let x = Tensor::from_f32(1, Shape::flat(3), vec![-0.5, 0.0, 2.0])?;
//! let y = reference::run(&graph, &[x])?;
//! assert_eq!(y[0].to_f32(), [-1.0, 1.0, 1.0]);
//! # Ok::<(), bernet_runtime::graph::GraphError>(())
//! ```

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod channels;
pub mod execute;
pub mod firmware;
pub mod format;
pub mod graph;
mod parallel;
pub mod passes;
#[cfg(feature = "threads")]
pub mod pictures;
pub mod plan;
mod real;
pub mod reference;
pub mod scalar;
pub mod session;
#[cfg(feature = "threads")]
pub mod shared;
#[cfg(feature = "testing")]
pub mod testing;

#[doc(inline)]
pub use graph::tensor;
