//! Planning: a graph becomes a [`Program`], a list of steps with a place in one arena for each
//! value.
//!
//! A program is immutable and can be shared by any number of threads; each caller brings a
//! [`Workspace`](crate::execute::Workspace). All memory is known before any is taken, and running
//! takes none.
//!
//! ```
//! use bernet_runtime::{
//!     execute::{TensorMut, TensorRef, Workspace},
//!     graph::{BinaryOp, Graph, Kind, Op, Shape},
//!     plan::{Options, Program},
//! };
//!
//! let mut graph = Graph::default();
//! let x = graph.add_input("x", Kind::F32, Shape::flat(2))?;
//! let y = graph.add_node(Op::Binary(BinaryOp::Add), &[x, x])?;
//! graph.add_output("y", y)?;
//! let program = Program::new(&graph, &Options::default())?;
//! let mut workspace = Workspace::new(&program);
//! let mut sums = [0.0; 2];
//! program.run(
//!     &mut workspace,
//!     1,
//!     &[TensorRef::F32(&[1.0, 2.0])],
//!     &mut [TensorMut::F32(&mut sums)],
//! )?;
//! assert_eq!(sums, [2.0, 4.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod arena;
mod describe;
mod elementwise;
mod footprint;
mod fused;
mod groups;
mod lower;
mod slot;
mod sums;

pub use describe::StepInfo;
pub(crate) use elementwise::{Element, Elementwise, Operand};
pub(crate) use fused::Fused;
pub(crate) use slot::{Place, Slot, SlotId, line_words};
pub(crate) use sums::gather as gather_sums;

use crate::{
    graph::{Axis, BinaryOp, Graph, GraphError, Kind, PoolParams, ReduceKind, Shape},
    real::{RealConv, RealDense},
};
use alloc::{borrow::Cow, string::String, vec::Vec};
use bernet_kernels::{
    isa::Level,
    xnor::{BinaryConv2d, ByteConv2d, Conv2d, Threshold},
};
use thiserror::Error;

/// Bytes of values that go through a program together: they stay in the second-level cache.
const CHUNK_BYTES: usize = 256 << 10;
/// Most items that go through a program together.
const CHUNK_ITEMS: usize = 64;

/// How a graph is planned.
#[derive(Clone, Debug)]
pub struct Options {
    /// The instruction set whose kernels run.
    pub level: Level,
    /// Whether functions of single elements are computed together, without their values in between,
    /// and sums of a product over all positions as one product.
    pub fuse: bool,
    /// Most bytes that the arena of a program may take for one item.
    pub memory_limit: usize,
}

impl Default for Options {
    /// The best level of this CPU, everything fused, at most 4 GiB.
    fn default() -> Self {
        Self {
            level: Level::best(),
            fuse: true,
            memory_limit: usize::try_from(4_u64 << 30).unwrap_or(usize::MAX),
        }
    }
}

/// Why a graph cannot be planned.
#[derive(Clone, PartialEq, Debug, Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The graph does not fit together.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The values of one item take too much memory.
    #[error("values of one item: expected at most {limit} bytes of memory, found {needed}")]
    Memory {
        /// What is allowed.
        limit: usize,
        /// What is needed.
        needed: usize,
    },
    /// Weights laid out for the kernels take far more memory than they are.
    #[error(
        "node {node}: weights as kernels lay them out, up to here: expected at most {limit} bytes, \
         found {needed}"
    )]
    Weights {
        /// The first node that is too much.
        node: usize,
        /// What is allowed: 256 MiB, and sixteen times the bits of the weights.
        limit: u64,
        /// What is needed.
        needed: u64,
    },
    /// A kernel refused.
    #[error("node {node}: {cause}")]
    Kernel {
        /// Its place in the graph.
        node: usize,
        /// Why.
        cause: bernet_kernels::Error,
    },
}

/// A graph laid out for one level.
#[derive(Debug)]
pub struct Program {
    pub(crate) level: Level,
    pub(crate) inputs: Vec<Port>,
    pub(crate) outputs: Vec<Port>,
    pub(crate) slots: Vec<Slot>,
    pub(crate) steps: Vec<Step>,
    /// Values that are the same for every item.
    pub(crate) constants: Vec<Vec<u64>>,
    /// Items that go through the steps together.
    pub(crate) chunk: usize,
    /// Words of values of a chunk.
    pub(crate) arena_words: usize,
    /// Floats that a step works in.
    pub(crate) scratch_floats: usize,
}

/// A value that goes in or out.
#[derive(Clone, PartialEq, Debug)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// The type of its elements.
    pub kind: Kind,
    /// The shape of an item.
    pub shape: Shape,
    pub(crate) slot: SlotId,
}

impl Port {
    /// The number of values of an item; of bits that of words, a line at a time.
    pub fn item_len(&self) -> usize {
        match self.kind {
            Kind::Bit => self.shape.height * line_words(self.shape),
            _ => self.shape.len(),
        }
    }
}

/// A kernel, the values it reads and those it writes.
#[derive(Debug)]
pub(crate) struct Step {
    /// The node it was made of, the last of several.
    pub(crate) node: usize,
    pub(crate) kernel: Kernel,
    /// Products of a sum, where it is of sums of products.
    pub(crate) depth: usize,
    pub(crate) inputs: Vec<SlotId>,
    pub(crate) outputs: Vec<SlotId>,
}

/// What a step computes.
#[derive(Debug)]
pub(crate) enum Kernel {
    /// Bits → sums.
    BitConv(Conv2d),
    /// Bits → floats, bits of them, or both.
    BitConvFused(Fused),
    /// Bits → bits.
    BitConvBits(BinaryConv2d),
    /// Bytes → sums.
    ByteConv(ByteConv2d),
    /// Bytes → bits.
    ByteConvBits(ByteConv2d, Vec<Threshold>),
    RealConv(RealConv),
    RealDense(RealDense),
    /// Anything → floats, bits of them, or both.
    Elementwise(Elementwise),
    /// Integers or bytes → bits.
    Threshold(Vec<Threshold>),
    /// To `i32`.
    ToInt,
    /// Two values → integers or bits.
    Binary(BinaryOp),
    Select,
    Pool(PoolParams),
    Reduce(ReduceKind),
    Softmax {
        logarithm: bool,
    },
    ArgMax,
    Concat(Axis),
    Slice {
        axis: Axis,
        start: usize,
        step: usize,
    },
    Pad {
        before: [usize; 3],
        value: f32,
    },
    /// The same values in the same order, bits in other lines.
    Copy,
    /// Sizes and strides of the axes of the result.
    Transpose(Vec<(usize, usize)>),
}

impl Program {
    /// Plans a graph.
    ///
    /// # Errors
    /// [`PlanError`] where the graph is not valid or takes too much memory: values of one item more
    /// than [`Options::memory_limit`], weights of ±1 more than 256 MiB and sixteen times their bits.
    pub fn new(graph: &Graph, options: &Options) -> Result<Self, PlanError> {
        graph.validate()?;
        let gathered = if options.fuse {
            sums::gather(graph)
        } else {
            Cow::Borrowed(graph)
        };
        let lowered = lower::lower(&gathered, options)?;
        arena::place(lowered, options)
    }

    /// The level whose kernels run.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The values that go in.
    pub fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    /// The values that come out.
    pub fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    /// Items of a batch that go through the steps together.
    pub fn chunk(&self) -> usize {
        self.chunk
    }

    /// Bytes of the arena that a workspace holds for a chunk of items.
    pub fn arena_bytes(&self) -> usize {
        self.arena_words * size_of::<u64>()
    }

    /// For each step the graph's node, and the bytes of all values that are alive while it runs
    /// on one item.
    pub fn peaks(&self) -> Vec<(usize, usize)> {
        arena::peaks(self)
    }
}
