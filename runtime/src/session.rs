//! A program with its own workspace, for callers whose tensors own their values.
//!
//! ```
//! use bernet_runtime::{
//!     graph::{Graph, Kind, Op, Shape},
//!     plan::Options,
//!     session::Session,
//!     tensor::{Data, Tensor},
//! };
//!
//! let mut graph = Graph::default();
//! let x = graph.add_input("x", Kind::F32, Shape::flat(2))?;
//! let y = graph.add_node(Op::ArgMax, &[x])?;
//! graph.add_output("y", y)?;
//! let mut session = Session::new(&graph, &Options::default())?;
//! let x = Tensor::from_f32(2, Shape::flat(2), vec![0.0, 1.0, 3.0, 2.0])?;
//! assert_eq!(session.run(&[x])?[0].data(), &Data::I32(vec![1, 0]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::{
    execute::{RunError, TensorMut, TensorRef, Workspace},
    graph::{Graph, Kind, Shape},
    plan::{Options, PlanError, Port, Program},
    tensor::{Data, Tensor, pack_bits, unpack_bits},
};
use alloc::{sync::Arc, vec, vec::Vec};

/// A program and the memory that it works in.
#[derive(Clone, Debug)]
pub struct Session {
    program: Arc<Program>,
    workspace: Workspace,
}

impl Session {
    /// Plans a graph.
    ///
    /// # Errors
    /// [`PlanError`] as [`Program::new`].
    pub fn new(graph: &Graph, options: &Options) -> Result<Self, PlanError> {
        Ok(Self::of(Arc::new(Program::new(graph, options)?)))
    }

    /// As [`Session::new`], of a graph that nothing else needs: its memory is given back before
    /// that of the workspace is taken.
    ///
    /// # Errors
    /// [`PlanError`] as [`Program::new`].
    pub fn from_graph(graph: Graph, options: &Options) -> Result<Self, PlanError> {
        let program = Program::new(&graph, options)?;
        drop(graph);
        Ok(Self::of(Arc::new(program)))
    }

    /// A session of a program that others may share.
    pub fn of(program: Arc<Program>) -> Self {
        let workspace = Workspace::new(&program);
        Self { program, workspace }
    }

    /// The session with steps that are shared by up to so many threads, as
    /// [`Workspace::with_threads`].
    #[must_use]
    pub fn with_threads(self, threads: usize) -> Self {
        let workspace = Workspace::with_threads(&self.program, threads);
        Self { workspace, ..self }
    }

    /// The program.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// Runs a batch: inputs and outputs in the order of the graph's.
    ///
    /// # Errors
    /// [`RunError`] where number, types or shapes of the inputs are not the graph's, or their
    /// batches differ.
    pub fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, RunError> {
        self.run_observed(inputs, &mut |_| {})
    }

    /// As [`Session::run`]; calls `after` with the number of each step when it is done.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn run_observed(
        &mut self,
        inputs: &[Tensor],
        after: &mut (dyn FnMut(usize) + Send),
    ) -> Result<Vec<Tensor>, RunError> {
        let batch = inputs.first().map_or(0, Tensor::batch);
        let packed: Vec<_> = inputs.iter().map(pack).collect();
        let references: Vec<_> = inputs
            .iter()
            .zip(&packed)
            .map(|(tensor, words)| match tensor.data() {
                Data::Bit(_) => TensorRef::Bit(words),
                Data::U8(values) => TensorRef::U8(values),
                Data::I32(values) => TensorRef::I32(values),
                Data::F32(values) => TensorRef::F32(values),
            })
            .collect();
        let mut outputs: Vec<_> = self
            .program
            .outputs()
            .iter()
            .map(|port| Owned::new(port, batch))
            .collect();
        let mut slices: Vec<_> = outputs.iter_mut().map(Owned::slice).collect();
        self.program
            .run_observed(&mut self.workspace, batch, &references, &mut slices, after)?;
        let ports = self.program.outputs().iter();
        Ok(outputs
            .into_iter()
            .zip(ports)
            .map(|(output, port)| output.tensor(batch, port.shape))
            .collect())
    }
}

/// The words of a tensor of bits; nothing for other types.
fn pack(tensor: &Tensor) -> Vec<u64> {
    match tensor.data() {
        Data::Bit(values) => pack_bits(values, tensor.shape()),
        _ => Vec::new(),
    }
}

/// Memory of an output.
enum Owned {
    Bit(Vec<u64>),
    U8(Vec<u8>),
    I32(Vec<i32>),
    F32(Vec<f32>),
}

impl Owned {
    fn new(port: &Port, batch: usize) -> Self {
        let len = batch * port.item_len();
        match port.kind {
            Kind::Bit => Self::Bit(vec![0; len]),
            Kind::U8 => Self::U8(vec![0; len]),
            Kind::I32 => Self::I32(vec![0; len]),
            Kind::F32 => Self::F32(vec![0.0; len]),
        }
    }

    fn slice(&mut self) -> TensorMut<'_> {
        match self {
            Self::Bit(values) => TensorMut::Bit(values),
            Self::U8(values) => TensorMut::U8(values),
            Self::I32(values) => TensorMut::I32(values),
            Self::F32(values) => TensorMut::F32(values),
        }
    }

    fn tensor(self, batch: usize, shape: Shape) -> Tensor {
        let data = match self {
            Self::Bit(words) => Data::Bit(unpack_bits(&words, shape)),
            Self::U8(values) => Data::U8(values),
            Self::I32(values) => Data::I32(values),
            Self::F32(values) => Data::F32(values),
        };
        Tensor::new(batch, shape, data).expect("an output has as many values as its shape")
    }
}
