//! Running a program: items in, items out, nothing allocated.

mod buffers;
mod elements;
mod elementwise;
mod layers;
mod moves;
mod owned;
mod pools;

pub(crate) use owned::run_owned;

use crate::{
    graph::Kind,
    plan::{Kernel, Place, Port, Program, Slot, SlotId, Step},
};
use alloc::{string::String, vec, vec::Vec};
use bernet_kernels::xnor;
use buffers::Split;
use core::ops::Range;
use thiserror::Error;

/// The memory that a program works in, for one caller at a time.
#[derive(Clone, Debug, Default)]
pub struct Workspace {
    arena: Vec<u64>,
    /// Of each thread as many floats.
    scratch: Vec<f32>,
    kernels: xnor::Workspace,
    /// Threads that share each step; 0 as 1.
    threads: usize,
}

impl Workspace {
    /// As much as a program needs.
    pub fn new(program: &Program) -> Self {
        Self::with_threads(program, 1)
    }

    /// As [`Workspace::new`], for runs whose steps are shared by up to so many threads, with the
    /// feature `threads`: those of the Rayon pool that the run is in, else of the pool that the
    /// process shares (`bernet_kernels::threads`). Results are the same for any number of them.
    pub fn with_threads(program: &Program, threads: usize) -> Self {
        let threads = if cfg!(feature = "threads") {
            threads.max(1)
        } else {
            1
        };
        let mut kernels = xnor::Workspace::with_threads(threads);
        program.reserve(&mut kernels);
        Self {
            arena: vec![0; program.arena_words],
            scratch: vec![0.0; program.scratch_floats * threads],
            kernels,
            threads,
        }
    }
}

/// Items that a caller hands in, in the order item, line, pixel, channel.
///
/// Bits are packed a line at a time: `width · channels` bits, least significant first, filled up
/// to whole words with 0.
#[derive(Clone, Copy, Debug)]
pub enum TensorRef<'a> {
    /// Bits: 1 is +1.
    Bit(&'a [u64]),
    /// Bytes.
    U8(&'a [u8]),
    /// Integers.
    I32(&'a [i32]),
    /// Floats.
    F32(&'a [f32]),
}

/// Where a caller wants the items of an output, in the order of [`TensorRef`].
#[derive(Debug)]
pub enum TensorMut<'a> {
    /// Bits.
    Bit(&'a mut [u64]),
    /// Bytes.
    U8(&'a mut [u8]),
    /// Integers.
    I32(&'a mut [i32]),
    /// Floats.
    F32(&'a mut [f32]),
}

/// What a caller handed in is not what a program takes.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{what}: expected {expected}, found {found}")]
pub struct RunError {
    what: String,
    expected: String,
    found: String,
}

impl TensorRef<'_> {
    /// The type of its elements.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Bit(_) => Kind::Bit,
            Self::U8(_) => Kind::U8,
            Self::I32(_) => Kind::I32,
            Self::F32(_) => Kind::F32,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Bit(values) => values.len(),
            Self::U8(values) => values.len(),
            Self::I32(values) => values.len(),
            Self::F32(values) => values.len(),
        }
    }

    /// Some items of `length` values or words each.
    pub(crate) fn items(self, items: &Range<usize>, length: usize) -> Self {
        let range = items.start * length..items.end * length;
        match self {
            Self::Bit(values) => Self::Bit(&values[range]),
            Self::U8(values) => Self::U8(&values[range]),
            Self::I32(values) => Self::I32(&values[range]),
            Self::F32(values) => Self::F32(&values[range]),
        }
    }
}

#[cfg(feature = "threads")]
impl<'a> TensorMut<'a> {
    /// Takes away the first values or words.
    pub(crate) fn split(&mut self, length: usize) -> TensorMut<'a> {
        fn first<'a, T>(values: &mut &'a mut [T], length: usize) -> &'a mut [T] {
            let (first, rest) = core::mem::take(values).split_at_mut(length);
            *values = rest;
            first
        }
        match self {
            Self::Bit(values) => TensorMut::Bit(first(values, length)),
            Self::U8(values) => TensorMut::U8(first(values, length)),
            Self::I32(values) => TensorMut::I32(first(values, length)),
            Self::F32(values) => TensorMut::F32(first(values, length)),
        }
    }
}

impl TensorMut<'_> {
    fn as_ref(&self) -> TensorRef<'_> {
        match self {
            Self::Bit(values) => TensorRef::Bit(values),
            Self::U8(values) => TensorRef::U8(values),
            Self::I32(values) => TensorRef::I32(values),
            Self::F32(values) => TensorRef::F32(values),
        }
    }

    #[cfg(feature = "threads")]
    pub(crate) fn reborrow(&mut self) -> TensorMut<'_> {
        match self {
            Self::Bit(values) => TensorMut::Bit(values),
            Self::U8(values) => TensorMut::U8(values),
            Self::I32(values) => TensorMut::I32(values),
            Self::F32(values) => TensorMut::F32(values),
        }
    }

    fn copy(&mut self, at: usize, from: TensorRef<'_>) {
        match (self, from) {
            (Self::Bit(to), TensorRef::Bit(from)) => to[at..][..from.len()].copy_from_slice(from),
            (Self::U8(to), TensorRef::U8(from)) => to[at..][..from.len()].copy_from_slice(from),
            (Self::I32(to), TensorRef::I32(from)) => to[at..][..from.len()].copy_from_slice(from),
            (Self::F32(to), TensorRef::F32(from)) => to[at..][..from.len()].copy_from_slice(from),
            _ => unreachable!("types were compared before"),
        }
    }
}

/// What a step sees: the items of a chunk.
pub(crate) struct Context<'a> {
    program: &'a Program,
    inputs: &'a [TensorRef<'a>],
    /// Items of the batch that go through together.
    items: Range<usize>,
}

impl Program {
    /// Makes room for what the kernels work in.
    fn reserve(&self, kernels: &mut xnor::Workspace) {
        for step in &self.steps {
            let shape = layers::shape(&self.slots[step.inputs[0].0], self.chunk);
            let done = match &step.kernel {
                Kernel::BitConv(conv) => conv.reserve(kernels, shape),
                Kernel::BitConvBits(conv) => conv.conv().reserve(kernels, shape),
                Kernel::BitConvFused(fused) => fused.conv.reserve(kernels, shape),
                Kernel::ByteConv(conv) | Kernel::ByteConvBits(conv, _) => {
                    conv.reserve(kernels, shape)
                }
                _ => Ok(()),
            };
            done.expect("shapes were checked when the program was planned");
        }
    }

    /// Runs `batch` items: inputs and outputs in the order of the graph's.
    ///
    /// # Errors
    /// [`RunError`] where number, types or lengths of the inputs or outputs are not the program's.
    pub fn run(
        &self,
        workspace: &mut Workspace,
        batch: usize,
        inputs: &[TensorRef<'_>],
        outputs: &mut [TensorMut<'_>],
    ) -> Result<(), RunError> {
        self.run_observed(workspace, batch, inputs, outputs, &mut |_| {})
    }

    /// As [`Program::run`]; calls `after` with the number of each step when it is done.
    ///
    /// # Errors
    /// As [`Program::run`].
    pub fn run_observed(
        &self,
        workspace: &mut Workspace,
        batch: usize,
        inputs: &[TensorRef<'_>],
        outputs: &mut [TensorMut<'_>],
        after: &mut (dyn FnMut(usize) + Send),
    ) -> Result<(), RunError> {
        self.check_edges(batch, inputs, outputs)?;
        #[cfg(feature = "threads")]
        if workspace.threads > 1 && bernet_kernels::threads::number() > 1 {
            let mut run = || self.run_checked(workspace, batch, inputs, outputs, after);
            if bernet_kernels::threads::install(&mut run).is_ok() {
                return Ok(());
            }
        }
        self.run_checked(workspace, batch, inputs, outputs, after);
        Ok(())
    }

    /// Runs items whose edges have been checked.
    fn run_checked(
        &self,
        workspace: &mut Workspace,
        batch: usize,
        inputs: &[TensorRef<'_>],
        outputs: &mut [TensorMut<'_>],
        after: &mut (dyn FnMut(usize) + Send),
    ) {
        // A workspace of another program, or a new one.
        if workspace.arena.len() < self.arena_words {
            self.reserve(&mut workspace.kernels);
            workspace.arena.resize(self.arena_words, 0);
        }
        let scratch = self.scratch_floats * workspace.threads.max(1);
        if workspace.scratch.len() < scratch {
            workspace.scratch.resize(scratch, 0.0);
        }
        let mut first = 0;
        while first < batch {
            let items = first..batch.min(first + self.chunk);
            first = items.end;
            let context = Context {
                program: self,
                inputs,
                items: items.clone(),
            };
            for (number, step) in self.steps.iter().enumerate() {
                step.run(&context, workspace);
                after(number);
            }
            let split = Split::whole(&workspace.arena);
            for (port, tensor) in self.outputs.iter().zip(&mut *outputs) {
                let length = port.item_len();
                // Of a constant there is one item, for every place.
                let all = context.all(&split, port.slot);
                for start in items.clone().step_by((all.len() / length).max(1)) {
                    tensor.copy(start * length, all);
                }
            }
        }
    }

    /// Whether inputs and outputs are those of the program.
    pub(crate) fn check_edges(
        &self,
        batch: usize,
        inputs: &[TensorRef<'_>],
        outputs: &[TensorMut<'_>],
    ) -> Result<(), RunError> {
        check_number("inputs", self.inputs.len(), inputs.len())?;
        check_number("outputs", self.outputs.len(), outputs.len())?;
        for (port, tensor) in self.inputs.iter().zip(inputs) {
            self.check("input", port, batch, *tensor)?;
        }
        for (port, tensor) in self.outputs.iter().zip(outputs) {
            self.check("output", port, batch, tensor.as_ref())?;
        }
        Ok(())
    }

    fn check(
        &self,
        what: &str,
        port: &Port,
        batch: usize,
        tensor: TensorRef<'_>,
    ) -> Result<(), RunError> {
        let expected = port.item_len().checked_mul(batch);
        if tensor.kind() == port.kind && Some(tensor.len()) == expected {
            return Ok(());
        }
        let words = if port.kind == Kind::Bit {
            "words"
        } else {
            "values"
        };
        Err(RunError {
            what: alloc::format!("{what} \"{}\"", port.name),
            expected: alloc::format!(
                "{} {words} of {} ({batch} items of {})",
                port.item_len().saturating_mul(batch),
                port.kind.name(),
                port.shape
            ),
            found: alloc::format!("{} of {}", tensor.len(), tensor.kind().name()),
        })
    }
}

fn check_number(what: &str, expected: usize, found: usize) -> Result<(), RunError> {
    if expected == found {
        return Ok(());
    }
    Err(RunError {
        what: alloc::format!("number of {what}"),
        expected: alloc::format!("{expected}"),
        found: alloc::format!("{found}"),
    })
}

impl Step {
    fn run(&self, context: &Context<'_>, workspace: &mut Workspace) {
        let Workspace {
            arena,
            scratch,
            kernels,
            threads,
        } = workspace;
        let threads = *threads;
        match &self.kernel {
            Kernel::BitConv(_)
            | Kernel::BitConvBits(_)
            | Kernel::ByteConv(_)
            | Kernel::ByteConvBits(..) => layers::product(self, context, arena, kernels),
            Kernel::BitConvFused(fused) => layers::fused(self, fused, context, arena, kernels),
            Kernel::RealConv(conv) => {
                let (input, output) = context.floats(self, arena);
                conv.run(
                    context.program.level,
                    context.items.len(),
                    input,
                    output,
                    scratch,
                    threads,
                );
            }
            Kernel::RealDense(dense) => {
                let (input, output) = context.floats(self, arena);
                dense.run(context.program.level, input, output);
            }
            Kernel::Elementwise(step) => {
                elementwise::run(self, step, context, arena, scratch, threads);
            }
            Kernel::Threshold(list) => layers::threshold(self, list, context, arena),
            Kernel::Pool(pool) => pools::run(self, pool, context, arena, threads),
            Kernel::Reduce(kind) => layers::reduce(self, *kind, context, arena),
            Kernel::Softmax { logarithm } => {
                let (input, output) = context.floats(self, arena);
                let channels = context.program.slots[self.inputs[0].0].shape.channels;
                layers::softmax(channels, *logarithm, input, output);
            }
            Kernel::ArgMax => layers::argmax(self, context, arena),
            Kernel::Binary(op) => layers::binary(self, *op, context, arena),
            Kernel::ToInt
            | Kernel::Select
            | Kernel::Concat(_)
            | Kernel::Slice { .. }
            | Kernel::Pad { .. }
            | Kernel::Copy
            | Kernel::Transpose(_) => moves::run(self, context, arena),
        }
    }
}

impl<'a> Context<'a> {
    /// A value of the chunk, all of its items; of a constant the only one.
    #[inline]
    fn all<'s>(&self, split: &Split<'s>, slot: SlotId) -> TensorRef<'s>
    where
        'a: 's,
    {
        self.items_of(split, slot, 0..self.items.len())
    }

    /// Some items of the chunk of a value; of a constant the only one.
    #[inline]
    fn items_of<'s>(&self, split: &Split<'s>, id: SlotId, items: Range<usize>) -> TensorRef<'s>
    where
        'a: 's,
    {
        self.try_items(split, id, items)
            .expect("a step does not read what it writes")
    }

    /// As [`Context::items_of`]; `None` for what the step writes.
    #[inline]
    fn try_items<'s>(
        &self,
        split: &Split<'s>,
        id: SlotId,
        items: Range<usize>,
    ) -> Option<TensorRef<'s>>
    where
        'a: 's,
    {
        let slot = &self.program.slots[id.0];
        let length = match slot.kind {
            Kind::Bit => slot.words(1),
            _ => slot.shape.len(),
        };
        let typed = |words: &'s [u64], items: usize| match slot.kind {
            Kind::Bit => TensorRef::Bit(&words[..items * length]),
            Kind::U8 => TensorRef::U8(&bytemuck::cast_slice(words)[..items * length]),
            Kind::I32 => TensorRef::I32(&bytemuck::cast_slice(words)[..items * length]),
            Kind::F32 => TensorRef::F32(&bytemuck::cast_slice(words)[..items * length]),
        };
        Some(match self.memory(slot) {
            Place::Input(number) => {
                let start = self.items.start;
                let items = start + items.start..start + items.end;
                self.inputs[number].items(&items, length)
            }
            Place::Constant(at) => typed(&self.program.constants[at], 1),
            Place::Arena(at) => {
                let words = split.get(at..at + slot.words(self.items.len()))?;
                typed(words, self.items.len()).items(&items, length)
            }
            Place::View(_) => unreachable!("views lead to memory"),
        })
    }

    /// The words of an output of a step.
    #[inline]
    fn range(&self, id: SlotId) -> Range<usize> {
        let slot = &self.program.slots[id.0];
        match self.memory(slot) {
            Place::Arena(at) => at..at + slot.words(self.items.len()),
            _ => unreachable!("steps write to the arena"),
        }
    }

    /// The place whose memory a slot is in.
    #[inline(always)]
    fn memory(&self, slot: &Slot) -> Place {
        let mut place = slot.place;
        while let Place::View(of) = place {
            place = self.program.slots[of.0].place;
        }
        place
    }

    /// Input and output of a step from floats to floats.
    fn floats<'s>(&self, step: &Step, arena: &'s mut [u64]) -> (&'s [f32], &'s mut [f32])
    where
        'a: 's,
    {
        let (split, [output]) = Split::around(arena, [self.range(step.outputs[0])]);
        let TensorRef::F32(input) = self.all(&split, step.inputs[0]) else {
            unreachable!("the graph was checked: floats go in");
        };
        let length = self.program.slots[step.outputs[0].0].shape.len() * self.items.len();
        (input, &mut bytemuck::cast_slice_mut(output)[..length])
    }
}
