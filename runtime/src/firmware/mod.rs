//! Nets in firmware: a plan made on the host and run on a device without a heap.
//!
//! [`write()`] plans a graph on the host: the order of its steps, the place of each value in one
//! arena, weights as the steps read them. The result is a list of words, which a firmware includes.
//! [`Plan`] runs it in an array of the caller's; neither that nor anything it calls allocates or
//! formats text.
//!
//! ```
//! use bernet_runtime::{firmware::{self, Plan}, format};
//! # use bernet_runtime::graph::{Graph, Kind, Op, Shape};
//! # let mut graph = Graph::default();
//! # let x = graph.add_input("x", Kind::Bit, Shape::new(2, 2, 1))?;
//! # let weights = bernet_kernels::bits::BitMatrix::all_minus_one(3, 4);
//! # let y = graph.add_node(Op::BinaryDense(weights), &[x])?;
//! # graph.add_output("y", y)?;
//!
//! // On the host: from a graph to bytes.
//! let bytes = firmware::write(&graph)?;
//!
//! // On the device it is `const PLAN: &Aligned<[u8]> = &Aligned(*include_bytes!("net.plan"));`, from
//! // which `firmware::sizes(&PLAN.0)` says the arena's size when the firmware is compiled.
//! let words: Vec<u32> = bytes.chunks(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect();
//! let plan = Plan::new(&words)?;
//! let mut arena = vec![0; plan.sizes().arena_words];
//! let mut logits = [0; 3];
//! plan.run(&mut arena, &[255, 0, 0, 0], &mut logits)?;
//! assert_eq!(logits, [2, 2, 2]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What a plan can hold: one input of bits or bytes, one output of integers; convolutions without
//! padding, dilation and groups, and dense layers, with thresholds, or as sums at the end; bits
//! pooled by their largest. A sum over all positions of single pixels becomes a dense layer.

mod counters;
mod error;
mod layout;
mod places;
mod plan;
mod run;
mod window;
mod write;

pub use error::{PlanError, WriteError};
pub use layout::{Aligned, Sizes, sizes};
pub use plan::Plan;
pub use write::write;
