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
    execute::{RunError, Workspace, run_owned},
    graph::Graph,
    plan::{Options, PlanError, Program},
    tensor::Tensor,
};
use alloc::{sync::Arc, vec::Vec};

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
        let Self { program, workspace } = self;
        run_owned(program, inputs, |batch, inputs, outputs| {
            program.run_observed(workspace, batch, inputs, outputs, after)
        })
    }
}
