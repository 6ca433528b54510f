//! A program for any number of threads at once: what hosts embed.
//!
//! ```
//! use bernet_runtime::{
//!     execute::{TensorMut, TensorRef},
//!     graph::{BinaryOp, Graph, Kind, Op, Shape},
//!     plan::{Options, Program},
//!     shared::SharedSession,
//! };
//!
//! let mut graph = Graph::default();
//! let x = graph.add_input("x", Kind::F32, Shape::flat(1))?;
//! let y = graph.add_node(Op::Binary(BinaryOp::Add), &[x, x])?;
//! graph.add_output("y", y)?;
//! let program = Program::new(&graph, &Options::default())?;
//! let session = SharedSession::new(program.into(), 2)?;
//! let mut sums = [0.0; 3];
//! let x = TensorRef::F32(&[1.0, 2.0, 3.0]);
//! session.run(3, &[x], &mut [TensorMut::F32(&mut sums)])?;
//! assert_eq!(sums, [2.0, 4.0, 6.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::{
    execute::{RunError, TensorMut, TensorRef, Workspace, run_owned},
    plan::Program,
    tensor::Tensor,
};
use alloc::{boxed::Box, sync::Arc, vec::Vec};
use bernet_kernels::threads::{Idle, ThreadPool, ThreadsError, checked};
use core::ops::Range;
use rayon::prelude::*;
use thiserror::Error;

/// Multiply-accumulates of bits of an item that threads share; below, waking them takes longer than
/// they save. One of floats takes about as long as 16 of bits.
const SHARED_ITEM: u64 = 64 << 20;

/// A program with threads that share the items of each call, or, where there is one, the steps of
/// its program, if it is large.
///
/// Any number of callers may use one at once, and none waits for another: each takes a workspace
/// that is idle, or a new one. It may be used in the child of a `fork`, which starts threads of its
/// own.
#[derive(Debug)]
pub struct SharedSession {
    program: Arc<Program>,
    threads: usize,
    /// Only for more than one thread.
    pool: Option<Arc<ThreadPool>>,
    idle: Idle<Box<Workspace>>,
    /// Workspaces for all threads, of single items.
    idle_for_all: Idle<Box<Workspace>>,
}

/// Why a batch did not run.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum SharedError {
    /// What was handed in is not what the program takes.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The system does not give the threads, in a child of `fork`.
    #[error(transparent)]
    Threads(#[from] ThreadsError),
}

impl SharedSession {
    /// A session whose calls are shared by so many threads, 1 for the caller's own.
    ///
    /// # Errors
    /// [`ThreadsError`] where the number is 0 or too large, or the threads cannot be had.
    pub fn new(program: Arc<Program>, threads: usize) -> Result<Self, ThreadsError> {
        let pool = match checked(threads)? {
            1 => None,
            _ => Some(Arc::new(ThreadPool::new(threads)?)),
        };
        Ok(Self {
            program,
            threads,
            pool,
            idle: Idle::default(),
            idle_for_all: Idle::default(),
        })
    }

    /// A session of another program, on the same threads.
    pub fn with_program(&self, program: Arc<Program>) -> Self {
        Self {
            program,
            threads: self.threads,
            pool: self.pool.clone(),
            idle: Idle::default(),
            idle_for_all: Idle::default(),
        }
    }

    /// The program.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// The number of threads that share the items of each call.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Runs `batch` items, as [`Program::run`]. The results do not depend on the threads.
    ///
    /// # Errors
    /// [`SharedError`].
    pub fn run(
        &self,
        batch: usize,
        inputs: &[TensorRef<'_>],
        outputs: &mut [TensorMut<'_>],
    ) -> Result<(), SharedError> {
        let program = &*self.program;
        if let (Some(pool), 1) = (&self.pool, batch)
            && self.is_large()
        {
            let idle = self.idle_for_all.take();
            let new = || Box::new(Workspace::with_threads(program, self.threads));
            let mut workspace = idle.unwrap_or_else(new);
            let result = pool.install(|| program.run(&mut workspace, 1, inputs, outputs))?;
            self.idle_for_all.put(workspace);
            return Ok(result?);
        }
        if self.pool.is_none() || batch < 2 {
            return self.each([()], |workspace, ()| {
                program.run(workspace, batch, inputs, outputs)
            });
        }
        program.check_edges(batch, inputs, outputs)?;
        let mut outputs: Vec<_> = outputs.iter_mut().map(TensorMut::reborrow).collect();
        let mut shares = Vec::with_capacity(self.threads);
        for items in self.shares(batch) {
            let inputs = inputs.iter().zip(program.inputs());
            let inputs = inputs.map(|(tensor, port)| tensor.items(&items, port.item_len()));
            let inputs: Vec<_> = inputs.collect();
            let parts = outputs.iter_mut().zip(program.outputs());
            let parts = parts.map(|(rest, port)| rest.split(items.len() * port.item_len()));
            shares.push((items.len(), inputs, parts.collect::<Vec<_>>()));
        }
        self.share(shares, |workspace, (batch, inputs, mut outputs)| {
            program.run(workspace, batch, &inputs, &mut outputs)
        })
    }

    /// As [`SharedSession::run`], of tensors that own their values: inputs and outputs in the order
    /// of the graph's, of as many items as the first input.
    ///
    /// # Errors
    /// [`SharedError`].
    pub fn run_tensors(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, SharedError> {
        run_owned(&self.program, inputs, |batch, inputs, outputs| {
            self.run(batch, inputs, outputs)
        })
    }

    /// Whether threads share a single item.
    fn is_large(&self) -> bool {
        let steps = self.program.steps();
        let work = steps.map(|step| step.binary_macs + 16 * step.real_macs);
        work.sum::<u64>() >= SHARED_ITEM
    }

    /// A batch cut into a contiguous range for each thread.
    pub(crate) fn shares(&self, batch: usize) -> impl Iterator<Item = Range<usize>> {
        let share = batch.div_ceil(self.threads).max(1);
        (0..batch)
            .step_by(share)
            .map(move |first| first..batch.min(first + share))
    }

    /// Does work on each share, with a workspace of its own, on the session's threads.
    pub(crate) fn share<Share: Send>(
        &self,
        shares: Vec<Share>,
        work: impl Fn(&mut Workspace, Share) -> Result<(), RunError> + Sync,
    ) -> Result<(), SharedError> {
        match &self.pool {
            Some(pool) if shares.len() > 1 => pool.install(|| {
                let shares = shares.into_par_iter();
                shares.try_for_each(|share| self.each([share], &work))
            })?,
            _ => self.each(shares, work),
        }
    }

    /// Does work on each share in turn. A workspace whose work panics does not come back.
    fn each<Share>(
        &self,
        shares: impl IntoIterator<Item = Share>,
        mut work: impl FnMut(&mut Workspace, Share) -> Result<(), RunError>,
    ) -> Result<(), SharedError> {
        let idle = self.idle.take();
        let mut workspace = idle.unwrap_or_else(|| Box::new(Workspace::new(&self.program)));
        let mut shares = shares.into_iter();
        let result = shares.try_for_each(|share| work(&mut workspace, share));
        self.idle.put(workspace);
        Ok(result?)
    }
}
