//! Deep layers from power sums: `S_d = Σ_k x_k^d w_k^d` for all rows and channels are matrix products of element-wise powers, and
//! so is the way back, `∂S_d/∂x_k = d x_k^{d−1} w_k^d`.
//!
//! Where too few factors are uncertain for the series, which the kernel says for each sum, the recursion computes the sum.

use super::{
    super::super::{layer::Cache, matrix},
    Cut, Gradients, recursion,
};
use bernet_kernels::{
    isa::Level,
    poisson_binomial::{Gradient, Inverse, PowerSums},
};
use rayon::prelude::*;

/// Power sums used: right to 4e-7 from a depth of 256 on, with middling probabilities.
const DEGREE: usize = 4;

/// The most that a survival may be wrong by before the recursion takes over.
const TOLERANCE: f32 = 1e-6;

/// `values^d` for `d` from 1 to the degree.
fn powers(values: &[f32]) -> [Vec<f32>; DEGREE] {
    let mut powers = [const { Vec::new() }; DEGREE];
    powers[0] = values.to_vec();
    for d in 1..DEGREE {
        powers[d] = powers[d - 1]
            .par_iter()
            .zip(values)
            .map(|(power, value)| power * value)
            .collect();
    }
    powers
}

/// What the inversion says of every row and channel, `R × N`.
struct Inverted {
    survival: Vec<f32>,
    mass: Vec<f32>,
    /// `DEGREE × R × N`.
    slopes: Vec<f32>,
    error: Vec<f32>,
}

fn invert(level: Level, cuts: &[Cut], inputs: &[Vec<f32>], weights: &[Vec<f32>]) -> Inverted {
    let n = cuts.len();
    let k = weights[0].len() / n;
    let rows = inputs[0].len() / k;
    let mut sums = vec![0.0; DEGREE * rows * n];
    for ((sums, inputs), weights) in sums.chunks_exact_mut(rows * n).zip(inputs).zip(weights) {
        matrix::multiply(inputs, weights, k, n, sums);
    }
    let least: Vec<i32> = (0..rows * n).map(|index| cuts[index % n].least).collect();
    let [mut survival, mut mass, mut error] = [const { Vec::new() }; 3];
    for result in [&mut survival, &mut mass, &mut error] {
        result.resize(rows * n, 0.0);
    }
    let mut slopes = vec![0.0; DEGREE * rows * n];
    let out = Inverse {
        survival: &mut survival,
        mass: &mut mass,
        slopes: &mut slopes,
        error: &mut error,
    };
    PowerSums::new(&sums, rows * n, k)
        .and_then(|sums| sums.invert(level, &least, out))
        .expect("the results have the length of the sums");
    Inverted {
        survival,
        mass,
        slopes,
        error,
    }
}

/// For each channel the rows that the series is not good enough for.
fn doubtful(error: &[f32], n: usize) -> Vec<(usize, Vec<usize>)> {
    (0..n)
        .map(|j| {
            (
                j,
                (0..error.len() / n)
                    .filter(|row| !(error[row * n + j] <= TOLERANCE))
                    .collect(),
            )
        })
        .filter(|(_, rows): &(usize, Vec<usize>)| !rows.is_empty())
        .collect()
}

fn gather(values: &[f32], width: usize, rows: &[usize]) -> Vec<f32> {
    rows.iter()
        .flat_map(|row| &values[row * width..][..width])
        .copied()
        .collect()
}

fn column(values: &[f32], n: usize, j: usize) -> Vec<f32> {
    values.iter().skip(j).step_by(n).copied().collect()
}

/// As [`recursion::forward`], from `cache.patches` to `cache.output`.
pub(super) fn forward(level: Level, weights: &[f32], cuts: &[Cut], cache: &mut Cache) {
    let n = cuts.len();
    let k = weights.len() / n;
    let inverted = invert(level, cuts, &powers(&cache.patches), &powers(weights));
    for (rows, survival) in cache
        .output
        .chunks_exact_mut(n)
        .zip(inverted.survival.chunks_exact(n))
    {
        for ((output, survival), cut) in rows.iter_mut().zip(survival).zip(cuts) {
            *output = cut.direction * (2.0 * survival - 1.0);
        }
    }
    for (j, rows) in doubtful(&inverted.error, n) {
        let mut output = vec![0.0; rows.len()];
        let patches = gather(&cache.patches, k, &rows);
        recursion::forward(
            level,
            &column(weights, n, j),
            &cuts[j..=j],
            &patches,
            &mut output,
        );
        for (row, output) in rows.into_iter().zip(output) {
            cache.output[row * n + j] = output;
        }
    }
}

/// As [`recursion::backward`], from dLoss/d(output) in `cache.gradient`.
pub(super) fn backward(
    level: Level,
    weights: &[f32],
    cuts: &[Cut],
    cache: &Cache,
    wants_input: bool,
) -> Gradients {
    let n = cuts.len();
    let k = weights.len() / n;
    let (inputs, weight_powers) = (powers(&cache.patches), powers(weights));
    let mut inverted = invert(level, cuts, &inputs, &weight_powers);
    let doubtful = doubtful(&inverted.error, n);
    for (j, rows) in &doubtful {
        for row in rows {
            let index = row * n + j;
            inverted.mass[index] = 0.0;
            for slopes in inverted.slopes.chunks_exact_mut(cache.gradient.len()) {
                slopes[index] = 0.0;
            }
        }
    }

    let mut sum = Gradients {
        weights: vec![0.0; k * n],
        thresholds: vec![0.0; n],
        inputs: vec![0.0; if wants_input { cache.patches.len() } else { 0 }],
    };
    for (upstream, mass) in cache
        .gradient
        .chunks_exact(n)
        .zip(inverted.mass.chunks_exact(n))
    {
        for (j, cut) in cuts.iter().enumerate() {
            sum.thresholds[j] -= f64::from(cut.direction * upstream[j] * mass[j]);
        }
    }
    let (mut by_weight, mut by_input) = (vec![0.0; k * n], vec![0.0; sum.inputs.len()]);
    for (d, slopes) in inverted
        .slopes
        .chunks_exact_mut(cache.gradient.len())
        .enumerate()
    {
        // dLoss/dS_{d+1}, with the factor d + 1 of the derivative of the power: the output is ±(2P − 1).
        for (slopes, upstream) in slopes
            .chunks_exact_mut(n)
            .zip(cache.gradient.chunks_exact(n))
        {
            for (j, cut) in cuts.iter().enumerate() {
                slopes[j] *= 2.0 * (d + 1) as f32 * cut.direction * upstream[j];
            }
        }
        matrix::transposed_multiply(&inputs[d], slopes, k, n, &mut by_weight);
        add_scaled(
            &mut sum.weights,
            &by_weight,
            d.checked_sub(1).map(|d| &*weight_powers[d]),
        );
        if wants_input {
            matrix::multiply_transposed(slopes, &weight_powers[d], k, n, &mut by_input);
            add_scaled(
                &mut sum.inputs,
                &by_input,
                d.checked_sub(1).map(|d| &*inputs[d]),
            );
        }
    }

    for (j, rows) in doubtful {
        let patches = gather(&cache.patches, k, &rows);
        let upstream: Vec<f32> = rows.iter().map(|row| cache.gradient[row * n + j]).collect();
        let column = column(weights, n, j);
        let found = recursion::backward(
            level,
            Gradient::Precise,
            &column,
            &cuts[j..=j],
            &patches,
            &upstream,
            wants_input,
        );
        for (index, gradient) in found.weights.into_iter().enumerate() {
            sum.weights[index * n + j] += gradient;
        }
        sum.thresholds[j] += found.thresholds[0];
        if wants_input {
            for (row, gradient) in rows.into_iter().zip(found.inputs.chunks_exact(k)) {
                matrix::add(&mut sum.inputs[row * k..][..k], gradient);
            }
        }
    }
    sum
}

/// `out += values ∘ scale`, element by element; no scale is 1.
fn add_scaled(out: &mut [f32], values: &[f32], scale: Option<&[f32]>) {
    match scale {
        None => out
            .par_iter_mut()
            .zip(values)
            .for_each(|(out, value)| *out += value),
        Some(scale) => {
            out.par_iter_mut()
                .zip(values)
                .zip(scale)
                .for_each(|((out, value), scale)| *out += value * scale);
        }
    }
}
