//! A place for every value in one arena: those that are never alive together share memory.
//!
//! Larger values are placed first, each at the lowest place where no value that is alive at the
//! same time lies (the greedy-by-size method of TensorFlow Lite's arena planner).

use super::{
    CHUNK_BYTES, CHUNK_ITEMS, Element, Kernel, Options, Place, PlanError, Program, Slot, SlotId,
    Step, lower::Lowered,
};
use crate::graph::Kind;
use alloc::{vec, vec::Vec};
use core::ops::RangeInclusive;

/// Words of a cache line: values begin at one.
const LINE: usize = 8;

/// Steps from the one that makes a slot to the last that reads it; none for unused slots.
type Life = Option<RangeInclusive<usize>>;

pub(super) fn place(mut lowered: Lowered, options: &Options) -> Result<Program, PlanError> {
    let mut lives = lives(&lowered.slots, &lowered.steps, &lowered);
    share(&mut lowered, &mut lives);
    let one = assign(&mut lowered.slots, &lives, 1);
    let bytes = one.saturating_mul(size_of::<u64>());
    if bytes > options.memory_limit {
        return Err(PlanError::Memory {
            limit: options.memory_limit,
            needed: bytes,
        });
    }
    let chunk = (CHUNK_BYTES / bytes.max(1)).clamp(1, CHUNK_ITEMS);
    let arena_words = assign(&mut lowered.slots, &lives, chunk);
    let scratch_floats = lowered
        .steps
        .iter()
        .map(|step| scratch(step, &lowered.slots))
        .max()
        .unwrap_or(0);
    let Lowered {
        inputs,
        outputs,
        slots,
        steps,
        constants,
    } = lowered;
    Ok(Program {
        level: options.level,
        inputs,
        outputs,
        slots,
        steps,
        constants,
        chunk,
        arena_words,
        scratch_floats,
    })
}

/// Floats that a step works in.
fn scratch(step: &Step, slots: &[Slot]) -> usize {
    let input = slots[step.inputs[0].0].shape;
    match &step.kernel {
        Kernel::Elementwise(_) => input.width * input.channels,
        Kernel::RealConv(conv) => conv.scratch(),
        _ => 0,
    }
}

/// The slot whose memory a slot is in.
fn root(slots: &[Slot], mut slot: SlotId) -> SlotId {
    while let Place::View(of) = slots[slot.0].place {
        slot = of;
    }
    slot
}

fn lives(slots: &[Slot], steps: &[Step], lowered: &Lowered) -> Vec<Life> {
    let mut lives: Vec<Life> = vec![None; slots.len()];
    let mut alive = |slot: SlotId, step: usize| {
        let slot = root(slots, slot).0;
        if matches!(slots[slot].place, Place::Arena(_)) {
            let first = lives[slot].as_ref().map_or(step, |life| *life.start());
            lives[slot] = Some(first..=step);
        }
    };
    for (index, step) in steps.iter().enumerate() {
        step.outputs.iter().for_each(|slot| alive(*slot, index));
        step.inputs.iter().for_each(|slot| alive(*slot, index));
    }
    for output in &lowered.outputs {
        alive(output.slot, steps.len());
    }
    lives
}

/// The value that a step can replace where it lies, if nothing else reads it later: one of as many
/// bytes, of which the step reads an element before it writes it.
fn replaced(step: &Step, slots: &[Slot]) -> Option<SlotId> {
    let suits = |slot: SlotId| matches!(slots[slot.0].kind, Kind::F32 | Kind::I32);
    match &step.kernel {
        Kernel::Elementwise(elementwise) if elementwise.floats => {
            let source = step.inputs[0];
            let memory = root(slots, source);
            let read_twice = elementwise.elements.iter().any(|element| match element {
                Element::Binary(_, operand) => root(slots, operand.slot) == memory,
                _ => false,
            });
            (suits(source) && !read_twice).then_some(source)
        }
        Kernel::BitConvFused(fused) if fused.floats => fused.residual,
        _ => None,
    }
}

/// Lets steps write where they read, if nothing else reads it later.
fn share(lowered: &mut Lowered, lives: &mut [Life]) {
    for index in 0..lowered.steps.len() {
        let step = &lowered.steps[index];
        let Some(source) = replaced(step, &lowered.slots) else {
            continue;
        };
        let output = step.outputs[0];
        let memory = root(&lowered.slots, source);
        let dies = lives[memory.0]
            .as_ref()
            .is_some_and(|life| *life.end() == index);
        if dies {
            lowered.slots[output.0].place = Place::View(source);
            let end = lives[output.0].take().map_or(index, |life| *life.end());
            let start = lives[memory.0].as_ref().map_or(index, |life| *life.start());
            lives[memory.0] = Some(start..=end);
        }
    }
}

/// Gives every slot a place for a chunk of items; returns the words of all.
fn assign(slots: &mut [Slot], lives: &[Life], chunk: usize) -> usize {
    let mut order: Vec<_> = (0..slots.len())
        .filter(|&slot| lives[slot].is_some())
        .collect();
    let size = |slot: &Slot| slot.words(chunk).next_multiple_of(LINE);
    order.sort_by_key(|&slot| core::cmp::Reverse(size(&slots[slot])));
    let mut placed: Vec<(usize, usize, usize)> = Vec::with_capacity(order.len());
    let mut end = 0;
    for slot in order {
        let life = lives[slot].as_ref().expect("only slots in use are placed");
        let words = size(&slots[slot]);
        let mut at = 0;
        for &(start, length, other) in &placed {
            let other = lives[other].as_ref().expect("only slots in use are placed");
            let together = life.start() <= other.end() && other.start() <= life.end();
            if together && start < at + words && at < start + length {
                at = start + length;
            }
        }
        slots[slot].place = Place::Arena(at);
        let position = placed.partition_point(|&(start, ..)| start <= at);
        placed.insert(position, (at, words, slot));
        end = end.max(at.saturating_add(words));
    }
    end
}

pub(super) fn peaks(program: &Program) -> Vec<(usize, usize)> {
    let slots = &program.slots;
    let mut first = vec![usize::MAX; slots.len()];
    let mut last = vec![0; slots.len()];
    for (index, step) in program.steps.iter().enumerate() {
        for slot in step.outputs.iter().chain(&step.inputs) {
            let slot = root(slots, *slot).0;
            first[slot] = first[slot].min(index);
            last[slot] = index;
        }
    }
    for output in &program.outputs {
        last[root(slots, output.slot).0] = program.steps.len();
    }
    let bytes = |step| {
        let alive = (0..slots.len()).filter(|&slot| {
            let kept = matches!(slots[slot].place, Place::Arena(_));
            kept && first[slot] <= step && step <= last[slot]
        });
        alive
            .map(|slot| slots[slot].words(1) * size_of::<u64>())
            .sum()
    };
    let steps = program.steps.iter().enumerate();
    steps
        .map(|(index, step)| (step.node, bytes(index)))
        .collect()
}
