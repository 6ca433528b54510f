//! A layer from power sums: forward, and backward by Horner's rule.

use super::{
    super::{
        Workspace,
        block::{self, load, store},
        power_sums,
    },
    Backward, Forward,
};
use crate::arch::float::Float;

/// Outputs whose sums share the loads of an input.
const OUTPUTS: usize = 2;
/// Products that are summed before they join the sum of all: rounding then grows with the number of such runs.
const RUN: usize = 64;
/// Sample vectors that share a row of weight gradients, in the backward pass.
const VECTORS: usize = 4;
/// Power sums.
pub(super) const DEGREE: usize = 6;
/// Inputs that the backward pass works on together, times lanes: they, their gradients and those of two outputs' weights stay in the
/// first-level cache.
const INPUTS: usize = 512;

/// The two outputs that begin with `o`; where there is no second, the first again, whose results nobody writes.
fn pair(o: usize, outputs: usize) -> [usize; OUTPUTS] {
    [o, (o + 1).min(outputs - 1)]
}

/// Survival, mass and slopes of a block, and on which samples they are not right to the wanted accuracy.
#[inline(always)]
pub(super) fn forward<F: Float>(float: F, task: &mut Forward<'_>, workspace: &mut Workspace) {
    let (factors, outputs) = (task.part.layer.factors(), task.part.layer.outputs);
    let inputs = &mut workspace.vectors(float, factors)[..factors];
    let samples = task.part.samples.len();
    for first in (0..samples).step_by(F::LANES) {
        let range = first..(first + F::LANES).min(samples);
        for (j, to) in inputs.iter_mut().enumerate() {
            *to = load(float, &task.part.input(j)[range.clone()]);
        }
        for first_output in (0..outputs).step_by(OUTPUTS) {
            let pair = pair(first_output, outputs);
            let sums = sums(float, inputs, pair.map(|o| task.part.weights(o)));
            for (o, sums) in (first_output..outputs).zip(&sums) {
                // Beyond the reach of the factors all cuts are alike, and within it they are exact in f32.
                let cut = float.splat(task.cuts[o].clamp(-1, factors as i32 + 1) as f32);
                let inverse = power_sums::invert(float, factors as f32, sums, cut);
                store(
                    float,
                    inverse.survival,
                    &mut task.survival[o][range.clone()],
                );
                store(float, inverse.mass, &mut task.mass[o][range.clone()]);
                let wrong = float.less(float.splat(task.accuracy), inverse.error);
                let slopes = &mut task.slopes[o * DEGREE..][..DEGREE];
                for (row, slope) in slopes.iter_mut().zip(inverse.slopes) {
                    let slope = float.select(wrong, float.splat(0.0), slope);
                    store(float, slope, &mut row[range.clone()]);
                }
                let bits = float.bits(wrong);
                let wrong = range.clone().filter(|s| bits >> (s - first) & 1 == 1);
                task.exact[o].extend(wrong.map(|s| s as u32));
            }
        }
    }
}

/// The power sums of two outputs on a vector of samples.
#[inline(always)]
fn sums<F: Float>(
    float: F,
    inputs: &[F::Vector],
    weights: [&[f32]; OUTPUTS],
) -> [[F::Vector; DEGREE]; OUTPUTS] {
    let zero = float.splat(0.0);
    let mut total = [[zero; DEGREE]; OUTPUTS];
    let [first, second] = weights.map(|weights| weights.chunks(RUN));
    for ((inputs, first), second) in inputs.chunks(RUN).zip(first).zip(second) {
        let mut sums = [[zero; DEGREE]; OUTPUTS];
        for ((&x, &first), &second) in inputs.iter().zip(first).zip(second) {
            let w = [first, second];
            for i in 0..OUTPUTS {
                let m = float.mul(x, float.splat(w[i]));
                let m2 = float.mul(m, m);
                let m4 = float.mul(m2, m2);
                let sums = &mut sums[i];
                sums[0] = float.add(sums[0], m);
                sums[1] = float.add(sums[1], m2);
                sums[2] = float.mul_add(m2, m, sums[2]);
                sums[3] = float.add(sums[3], m4);
                sums[4] = float.mul_add(m4, m, sums[4]);
                sums[5] = float.mul_add(m4, m2, sums[5]);
            }
        }
        for i in 0..OUTPUTS {
            for d in 0..DEGREE {
                total[i][d] = float.add(total[i][d], sums[i][d]);
            }
        }
    }
    total
}

/// The gradients of a block.
#[inline(always)]
pub(super) fn backward<F: Float>(float: F, task: &mut Backward<'_>, workspace: &mut Workspace) {
    let zero = float.splat(0.0);
    let (factors, outputs) = (task.part.layer.factors(), task.part.layer.outputs);
    let most = INPUTS / F::LANES;
    let memory = (outputs.next_multiple_of(OUTPUTS) + 2 * VECTORS) * most;
    let memory = &mut workspace.vectors(float, memory)[..memory];
    let (inputs, memory) = memory.split_at_mut(VECTORS * most);
    let (by_inputs, by_weights) = memory.split_at_mut(VECTORS * most);
    let samples = task.part.samples.len();
    for first_input in (0..factors).step_by(most) {
        let count = most.min(factors - first_input);
        // Spread over the lanes until all samples are done.
        by_weights.fill(zero);
        for first in (0..samples).step_by(VECTORS * F::LANES) {
            let range = |t: usize| {
                let from = (first + t * F::LANES).min(samples);
                from..(from + F::LANES).min(samples)
            };
            by_inputs.fill(zero);
            for (j, to) in inputs.chunks_exact_mut(VECTORS).take(count).enumerate() {
                let row = task.part.input(first_input + j);
                for (t, to) in to.iter_mut().enumerate() {
                    *to = load(float, &row[range(t)]);
                }
            }
            for (o, by_weights) in (0..outputs)
                .step_by(OUTPUTS)
                .zip(by_weights.chunks_exact_mut(OUTPUTS * most))
            {
                let mut coefficients = [[[zero; DEGREE]; VECTORS]; OUTPUTS];
                for (o, coefficients) in (o..outputs).zip(&mut coefficients) {
                    for (t, coefficients) in coefficients.iter_mut().enumerate() {
                        *coefficients = derivative(float, task, o, range(t));
                    }
                }
                let weights = pair(o, outputs).map(|o| &task.part.weights(o)[first_input..]);
                let [first, second] = weights;
                let rows = inputs
                    .chunks_exact(VECTORS)
                    .zip(by_inputs.chunks_exact_mut(VECTORS));
                let weights = first[..count].iter().zip(&second[..count]);
                let by_weights = by_weights.chunks_exact_mut(OUTPUTS);
                for (((x, by_x), w), by_w) in rows.zip(weights).zip(by_weights) {
                    let w = [float.splat(*w.0), float.splat(*w.1)];
                    for t in 0..VECTORS {
                        for i in 0..OUTPUTS {
                            let g = slope(float, &coefficients[i][t], float.mul(x[t], w[i]));
                            by_x[t] = float.mul_add(g, w[i], by_x[t]);
                            by_w[i] = float.mul_add(g, x[t], by_w[i]);
                        }
                    }
                }
            }
            let rows = task.by_inputs.iter_mut().skip(first_input);
            for (row, by_x) in rows.zip(by_inputs.chunks_exact(VECTORS).take(count)) {
                for (t, &by_x) in by_x.iter().enumerate() {
                    let to = &mut row[range(t)];
                    store(float, float.add(load(float, to), by_x), to);
                }
            }
        }
        for (o, by_weights) in by_weights.chunks_exact(OUTPUTS * most).enumerate() {
            for (j, by_w) in by_weights.chunks_exact(OUTPUTS).take(count).enumerate() {
                for (o, &by_w) in (OUTPUTS * o..outputs).zip(by_w) {
                    task.by_weights[o * factors + first_input + j] += block::total(float, by_w);
                }
            }
        }
    }
}

/// Of the loss by a product of output `o`, as a polynomial in the product: `d · ∂z/∂S_d` times the loss's derivative by `z`.
#[inline(always)]
fn derivative<F: Float>(
    float: F,
    task: &Backward<'_>,
    o: usize,
    samples: core::ops::Range<usize>,
) -> [F::Vector; DEGREE] {
    let by_survival = &task.part.of(task.by_survival, o)[samples.clone()];
    let by_survival = load(float, by_survival);
    let mut coefficients = [by_survival; DEGREE];
    for (d, coefficient) in coefficients.iter_mut().enumerate() {
        let slopes = task.part.of(&task.activations.slopes, o * DEGREE + d);
        let scale = float.mul(by_survival, float.splat((d + 1) as f32));
        *coefficient = float.mul(scale, load(float, &slopes[samples.clone()]));
    }
    coefficients
}

/// `c₁ + c₂ m + … `, by Horner's rule.
#[inline(always)]
fn slope<F: Float>(float: F, coefficients: &[F::Vector; DEGREE], m: F::Vector) -> F::Vector {
    let mut sum = coefficients[DEGREE - 1];
    for d in (0..DEGREE - 1).rev() {
        sum = float.mul_add(sum, m, coefficients[d]);
    }
    sum
}
