//! The exact forms of a layer: all outputs of a shallow one, and what power sums did not reach of a deep one.

use super::{
    super::{
        Form, Gradient, Workspace,
        block::{self, MAX_LANES, Source},
        forward::{self, places},
        gradient,
    },
    Backward, Forward, Part,
};
use crate::arch::float::Float;
use alloc::vec::Vec;

/// As many samples of a block as there are lanes, or fewer.
#[derive(Clone, Copy)]
enum Picks<'a> {
    /// From this one on, so many.
    Run(usize, usize),
    /// These.
    List(&'a [u32]),
}

impl<'a> Picks<'a> {
    /// `samples` are in ascending order, and one at least.
    #[inline(always)]
    fn new(samples: &'a [u32]) -> Self {
        let (first, last) = (samples[0] as usize, samples[samples.len() - 1] as usize);
        if last - first + 1 == samples.len() {
            Self::Run(first, samples.len())
        } else {
            Self::List(samples)
        }
    }

    #[inline(always)]
    fn count(self) -> usize {
        match self {
            Self::Run(_, count) => count,
            Self::List(samples) => samples.len(),
        }
    }

    /// Their values in a row; lanes past the last repeat it.
    #[inline(always)]
    fn load<F: Float>(self, float: F, row: &[f32]) -> F::Vector {
        let mut lanes = [0.0; MAX_LANES];
        let count = self.count();
        match self {
            Self::Run(first, count) if count == F::LANES => return float.load(&row[first..]),
            Self::Run(first, count) => lanes[..count].copy_from_slice(&row[first..][..count]),
            Self::List(samples) => {
                for (lane, &sample) in lanes.iter_mut().zip(samples) {
                    *lane = row[sample as usize];
                }
            }
        }
        let last = lanes[count - 1];
        lanes[count..].fill(last);
        float.load(&lanes)
    }

    /// Sets their values in a row.
    #[inline(always)]
    fn store<F: Float>(self, float: F, x: F::Vector, row: &mut [f32]) {
        let mut lanes = [0.0; MAX_LANES];
        match self {
            Self::Run(first, count) => block::store(float, x, &mut row[first..][..count]),
            Self::List(samples) => {
                float.store(x, &mut lanes);
                for (&sample, lane) in samples.iter().zip(lanes) {
                    row[sample as usize] = lane;
                }
            }
        }
    }

    /// 1 in the lanes that stand for samples, 0 past them.
    #[inline(always)]
    fn ones<F: Float>(self, float: F) -> F::Vector {
        let mut lanes = [0.0; MAX_LANES];
        lanes[..self.count()].fill(1.0);
        float.load(&lanes)
    }
}

/// The factors of one output: `v = ½ + ½ x w`.
#[derive(Clone, Copy)]
struct Products<'a, V> {
    inputs: &'a [V],
    weights: &'a [f32],
}

impl<F: Float> Source<F> for Products<'_, F::Vector> {
    #[inline(always)]
    fn count(self) -> usize {
        self.weights.len()
    }
    #[inline(always)]
    fn row(self, float: F, j: usize) -> F::Vector {
        let half = float.splat(0.5 * self.weights[j]);
        float.mul_add(half, self.inputs[j], float.splat(0.5))
    }
}

/// Loads the inputs of some samples.
#[inline(always)]
fn load<F: Float>(float: F, part: &Part<'_>, picks: Picks<'_>, inputs: &mut [F::Vector]) {
    for (j, to) in inputs.iter_mut().enumerate() {
        *to = picks.load(float, part.input(j));
    }
}

/// Vectors of weights' gradients, of all outputs that are worked on together: they stay in the second-level cache.
const TOGETHER: usize = 4096;

/// Which outputs take the exact form on which samples.
struct Work {
    /// How many outputs take it on the same samples and share the loads of their inputs.
    together: usize,
    /// All samples of the block, in a shallow layer.
    all: Vec<u32>,
}

impl Work {
    fn new(part: &Part<'_>) -> Self {
        if part.layer.deep() {
            return Self {
                together: 1,
                all: Vec::new(),
            };
        }
        Self {
            together: (TOGETHER / part.layer.factors().max(1)).clamp(1, part.layer.outputs),
            all: (0..part.samples.len() as u32).collect(),
        }
    }

    /// The samples of the outputs that begin with `first`, of which a deep layer has a list each.
    fn samples<'a>(&'a self, exact: &'a [Vec<u32>], first: usize) -> &'a [u32] {
        if self.all.is_empty() {
            &exact[first]
        } else {
            &self.all
        }
    }
}

/// Survival and mass of the samples that want them.
#[inline(always)]
pub(super) fn forward<F: Float>(float: F, task: &mut Forward<'_>, workspace: &mut Workspace) {
    let (factors, outputs) = (task.part.layer.factors(), task.part.layer.outputs);
    let rows = block::rows(factors);
    let memory = workspace.vectors(float, factors + rows + places(factors));
    let (inputs, memory) = memory.split_at_mut(factors);
    let (rows, memory) = memory.split_at_mut(rows);
    let work = Work::new(&task.part);
    for first in (0..outputs).step_by(work.together) {
        for picks in work
            .samples(task.exact, first)
            .chunks(F::LANES)
            .map(Picks::new)
        {
            load(float, &task.part, picks, inputs);
            for o in first..(first + work.together).min(outputs) {
                let weights = task.part.weights(o);
                let source = Products { inputs, weights };
                let (form, cut) = (Form::Fastest, task.cuts[o]);
                let (survival, mass, _) = forward::survival(float, form, source, cut, rows, memory);
                picks.store(float, survival, task.survival[o]);
                picks.store(float, mass, task.mass[o]);
            }
        }
    }
}

/// Their part of the gradients.
#[inline(always)]
pub(super) fn backward<F: Float>(float: F, task: &mut Backward<'_>, workspace: &mut Workspace) {
    let (factors, outputs) = (task.part.layer.factors(), task.part.layer.outputs);
    let (method, zero) = (Gradient::Fastest, float.splat(0.0));
    let work = Work::new(&task.part);
    let wanted = !task.by_inputs.is_empty();
    let memory = (3 + work.together) * factors + gradient::vectors(method, factors);
    let (inputs, memory) = workspace.vectors(float, memory).split_at_mut(factors);
    let (by_inputs, memory) = memory.split_at_mut(factors);
    let (dz_dv, memory) = memory.split_at_mut(factors);
    // Spread over the lanes until all samples are done.
    let (by_weights, memory) = memory.split_at_mut(work.together * factors);
    for first in (0..outputs).step_by(work.together) {
        let range = first..(first + work.together).min(outputs);
        let samples = work.samples(task.exact, first);
        if samples.is_empty() {
            continue;
        }
        by_weights.fill(zero);
        for picks in samples.chunks(F::LANES).map(Picks::new) {
            load(float, &task.part, picks, inputs);
            by_inputs.fill(zero);
            // v = (1 + m)/2.
            let half = float.mul(float.splat(0.5), picks.ones(float));
            let inputs = &*inputs;
            for (o, by_weights) in range
                .clone()
                .zip(by_weights.chunks_exact_mut(factors.max(1)))
            {
                let weights = task.part.weights(o);
                let cut = task.activations.cuts[o];
                let by_survival = picks.load(float, task.part.of(task.by_survival, o));
                let by_survival = float.mul(half, by_survival);
                let source = Products { inputs, weights };
                gradient::gradient(float, method, source, cut, memory, |j, x| dz_dv[j] = x);
                for j in 0..factors {
                    let by_mean = float.mul(by_survival, dz_dv[j]);
                    by_weights[j] = float.mul_add(by_mean, inputs[j], by_weights[j]);
                    if wanted {
                        let weight = float.splat(weights[j]);
                        by_inputs[j] = float.mul_add(by_mean, weight, by_inputs[j]);
                    }
                }
            }
            for (row, &by_input) in task.by_inputs.iter_mut().zip(&*by_inputs) {
                let sum = float.add(picks.load(float, row), by_input);
                picks.store(float, sum, row);
            }
        }
        for (o, by_weights) in range.zip(by_weights.chunks_exact(factors.max(1))) {
            let totals = &mut task.by_weights[o * factors..][..factors];
            for (total, &by_weight) in totals.iter_mut().zip(by_weights) {
                *total += block::total(float, by_weight);
            }
        }
    }
}
