//! A whole dense layer: every neuron on every sample, forward and backward, through power sums.
//!
//! Input `j` has the mean `x_j` and weight `j` of an output the mean `w_j`, both in [−1, 1]; the product has `m_j = x_j w_j`. The powers
//! `m_j^d` are formed in registers: for `D` = 6 that is six multiplications and additions of the FMA ports per product, as many as the
//! six matrix products of element-wise powers would take, but no power ever goes through memory. Backward,
//!
//! ```text
//! ∂z/∂m_j = Σ_d d · ∂z/∂S_d · m_j^{d−1} =: G_j        (Horner's rule)
//! ∂L/∂x_j = Σ_outputs ∂L/∂z · G_j · w_j,   ∂L/∂w_j = Σ_samples ∂L/∂z · G_j · x_j
//! ```
//!
//! Outputs whose power sums do not reach the wanted accuracy, which is where nearly all factors are certain, are done
//! again by the exact forms, forward and backward. So the accuracy holds for all of them.

use super::{
    Factors, Form, Gradient, Scratch,
    block::{self, MAX_LANES},
    power_sums,
};
use crate::{
    Error,
    arch::float::{Float, Kernel, Line},
    isa::{Level, dispatch},
};
use alloc::{string::ToString, vec, vec::Vec};

/// Outputs whose sums share the loads of an input.
const OUTPUTS: usize = 2;
/// Products that are summed before they join the sum of all: rounding then grows with the number of such runs.
const RUN: usize = 64;
/// Sample vectors that share a row of weight gradients, in the backward pass.
const SAMPLES: usize = 4;
/// Power sums.
const DEGREE: usize = 6;
/// With fewer factors the power sums hardly ever reach 1e-6, and the exact forms cost little.
const FEWEST: usize = 128;

/// The means of a dense layer's inputs and weights, checked.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a> {
    inputs: &'a [f32],
    weights: &'a [f32],
    samples: usize,
    outputs: usize,
}

/// What [`Layer::forward`] computed, and what [`Layer::backward`] needs of it.
#[derive(Clone, Default, Debug)]
pub struct Activations {
    /// `P(K ≥ cut)`, at `output · samples + sample`.
    pub survival: Vec<f32>,
    /// `P(K = cut)`, likewise.
    pub mass: Vec<f32>,
    /// `∂z/∂S_d`, at `((d − 1) · outputs + output) · samples + sample`; 0 where the exact form was taken.
    slopes: Vec<f32>,
    /// Per output, its cut and the samples on which the exact form was taken.
    exact: Vec<(i32, Vec<usize>)>,
}

impl Activations {
    /// On how many of all outputs and samples the exact form was taken.
    pub fn exact(&self) -> usize {
        self.exact.iter().map(|(_, samples)| samples.len()).sum()
    }
}

impl<'a> Layer<'a> {
    /// `inputs[j · samples + s]` is the mean of input `j` of sample `s`, `weights[j · outputs + o]` that of weight `j` of output `o`.
    ///
    /// # Errors
    /// [`Error::Dimension`] where `samples` or `outputs` is 0, [`Error::Size`] where the two have different numbers of factors,
    /// [`Error::Mean`] for a value outside [−1, 1], or NaN.
    pub fn new(
        inputs: &'a [f32],
        weights: &'a [f32],
        samples: usize,
        outputs: usize,
    ) -> Result<Self, Error> {
        for (what, found) in [("samples", samples), ("outputs", outputs)] {
            if found == 0 {
                return Err(Error::Dimension {
                    what,
                    found,
                    expected: "at least 1",
                });
            }
        }
        let factors = weights.len() / outputs;
        Error::check_size(
            "weights (factors · outputs)",
            factors * outputs,
            weights.len(),
        )?;
        Error::check_size(
            "inputs (factors · samples)",
            factors * samples,
            inputs.len(),
        )?;
        for (what, means) in [("inputs", inputs), ("weights", weights)] {
            let right = |m: &f32| (-1.0..=1.0).contains(m);
            if !means.iter().fold(true, |all, m| all & right(m)) {
                let index = means.iter().position(|m| !right(m)).unwrap_or(0);
                return Err(Error::Mean {
                    what,
                    index,
                    found: means[index].to_string(),
                });
            }
        }
        Ok(Self {
            inputs,
            weights,
            samples,
            outputs,
        })
    }

    /// How many factors each sum has.
    pub fn factors(&self) -> usize {
        self.weights.len() / self.outputs
    }

    /// Survival and mass at `cuts[output]`, right to `accuracy` (at least 1e-6).
    ///
    /// # Errors
    /// [`Error::Size`] where `cuts` has another length, [`Error::Accuracy`] where more accuracy is asked for than f32 has.
    pub fn forward(
        self,
        level: Level,
        cuts: &[i32],
        accuracy: f32,
        activations: &mut Activations,
        scratch: &mut Scratch,
    ) -> Result<(), Error> {
        Error::check_size("cuts (outputs)", self.outputs, cuts.len())?;
        super::Plan::new(self.factors(), accuracy)?;
        let size = self.outputs * self.samples;
        for (results, size) in [
            (&mut activations.survival, size),
            (&mut activations.mass, size),
            (&mut activations.slopes, DEGREE * size),
        ] {
            results.clear();
            results.resize(size, 0.0);
        }
        let exact = if self.factors() < FEWEST {
            0..self.samples
        } else {
            0..0
        };
        activations.exact = cuts
            .iter()
            .map(|&cut| (cut, exact.clone().collect()))
            .collect();
        if self.factors() >= FEWEST {
            dispatch!(level, float => float.run(Forward { layer: self, cuts, accuracy, activations, scratch }));
        }

        let mut v = Vec::new();
        let (mut survival, mut mass) = (Vec::new(), Vec::new());
        for (o, (cut, samples)) in activations
            .exact
            .iter()
            .enumerate()
            .filter(|(_, (_, samples))| !samples.is_empty())
        {
            self.probabilities(o, samples, &mut v);
            survival.resize(samples.len(), 0.0);
            mass.resize(samples.len(), 0.0);
            let factors = Factors::new(&v, samples.len())?;
            super::survival(
                level,
                Form::Fastest,
                factors,
                *cut,
                &mut survival,
                &mut mass,
                scratch,
            )?;
            for (i, &s) in samples.iter().enumerate() {
                activations.survival[o * self.samples + s] = survival[i];
                activations.mass[o * self.samples + s] = mass[i];
            }
        }
        Ok(())
    }

    /// Adds the derivatives of a loss to `by_inputs` and `by_weights` (shaped like the means), given those by the survivals
    /// (shaped like them).
    ///
    /// # Errors
    /// [`Error::Size`] where a buffer has another length, or `activations` are those of another shape.
    pub fn backward(
        self,
        level: Level,
        activations: &Activations,
        by_survival: &[f32],
        by_inputs: &mut [f32],
        by_weights: &mut [f32],
        scratch: &mut Scratch,
    ) -> Result<(), Error> {
        let size = self.outputs * self.samples;
        Error::check_size(
            "activations (outputs · samples)",
            size,
            activations.survival.len(),
        )?;
        Error::check_size("by_survival (outputs · samples)", size, by_survival.len())?;
        Error::check_size(
            "by_inputs (factors · samples)",
            self.inputs.len(),
            by_inputs.len(),
        )?;
        Error::check_size(
            "by_weights (factors · outputs)",
            self.weights.len(),
            by_weights.len(),
        )?;
        if self.factors() >= FEWEST {
            dispatch!(level, float => float.run(Backward {
                layer: self, activations, by_survival, by_inputs: &mut *by_inputs, by_weights: &mut *by_weights, scratch,
            }));
        }

        let mut v = Vec::new();
        let (mut survival, mut mass, mut gradient) = (Vec::new(), Vec::new(), Vec::new());
        for (o, (cut, samples)) in activations
            .exact
            .iter()
            .enumerate()
            .filter(|(_, (_, samples))| !samples.is_empty())
        {
            self.probabilities(o, samples, &mut v);
            survival.resize(samples.len(), 0.0);
            mass.resize(samples.len(), 0.0);
            gradient.resize(v.len(), 0.0);
            let factors = Factors::new(&v, samples.len())?;
            let method = Gradient::Fastest;
            super::gradient(
                level,
                method,
                factors,
                *cut,
                &mut survival,
                &mut mass,
                &mut gradient,
                scratch,
            )?;
            for (j, row) in gradient.chunks_exact(samples.len()).enumerate() {
                let w = self.weights[j * self.outputs + o];
                for (&dz_dv, &s) in row.iter().zip(samples) {
                    // v = (1 + m)/2.
                    let by_mean = 0.5 * dz_dv * by_survival[o * self.samples + s];
                    by_inputs[j * self.samples + s] += by_mean * w;
                    by_weights[j * self.outputs + o] += by_mean * self.inputs[j * self.samples + s];
                }
            }
        }
        Ok(())
    }

    /// The probabilities of output `o` on some samples, as [`Factors`] takes them.
    fn probabilities(&self, o: usize, samples: &[usize], v: &mut Vec<f32>) {
        v.clear();
        for (x, w) in self
            .inputs
            .chunks_exact(self.samples)
            .zip(self.weights.chunks_exact(self.outputs))
        {
            v.extend(samples.iter().map(|&s| 0.5 + 0.5 * (x[s] * w[o])));
        }
    }

    /// Two outputs' weights side by side, output pair by output pair; an odd last one is followed by zeros.
    fn paired_weights(&self) -> Vec<[f32; OUTPUTS]> {
        let mut pairs = Vec::with_capacity(self.outputs.div_ceil(OUTPUTS) * self.factors());
        for first in (0..self.outputs).step_by(OUTPUTS) {
            for row in self.weights.chunks_exact(self.outputs) {
                let mut pair = [0.0; OUTPUTS];
                let outputs = first..(first + OUTPUTS).min(self.outputs);
                pair[..outputs.len()].copy_from_slice(&row[outputs]);
                pairs.push(pair);
            }
        }
        pairs
    }
}

struct Forward<'a> {
    layer: Layer<'a>,
    cuts: &'a [i32],
    accuracy: f32,
    activations: &'a mut Activations,
    scratch: &'a mut Scratch,
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn call<F: Float>(self, float: F) {
        let Layer {
            samples, outputs, ..
        } = self.layer;
        let factors = self.layer.factors();
        let out = self.activations;
        let weights = self.layer.paired_weights();
        let inputs = &mut self.scratch.vectors(float, factors)[..factors];
        for first in (0..samples).step_by(F::LANES) {
            let range = first..(first + F::LANES).min(samples);
            for (j, to) in inputs.iter_mut().enumerate() {
                *to = block::load(float, &self.layer.inputs[j * samples..][range.clone()]);
            }
            for (pair, first_output) in (0..outputs).step_by(OUTPUTS).enumerate() {
                let sums = sums(float, inputs, &weights[pair * factors..][..factors]);
                for (i, o) in (first_output..(first_output + OUTPUTS).min(outputs)).enumerate() {
                    // Beyond the reach of the factors all cuts are alike, and within it they are exact in f32.
                    let cut = float.splat(self.cuts[o].clamp(-1, factors as i32 + 1) as f32);
                    let inverse = power_sums::invert(float, factors as f32, &sums[i], cut);
                    let at = o * samples;
                    block::store(
                        float,
                        inverse.survival,
                        &mut out.survival[at..][range.clone()],
                    );
                    block::store(float, inverse.mass, &mut out.mass[at..][range.clone()]);
                    let wrong = float.less(float.splat(self.accuracy), inverse.error);
                    let bits = float.bits(wrong);
                    for (d, slope) in inverse.slopes.into_iter().enumerate() {
                        let slope = float.select(wrong, float.splat(0.0), slope);
                        let at = (d * outputs + o) * samples;
                        block::store(float, slope, &mut out.slopes[at..][range.clone()]);
                    }
                    if bits != 0 {
                        out.exact[o]
                            .1
                            .extend(range.clone().filter(|s| bits >> (s - first) & 1 == 1));
                    }
                }
            }
        }
    }
}

/// The power sums of two outputs on a vector of samples.
#[inline(always)]
fn sums<F: Float>(
    float: F,
    inputs: &[F::Vector],
    weights: &[[f32; OUTPUTS]],
) -> [[F::Vector; DEGREE]; OUTPUTS] {
    let zero = float.splat(0.0);
    let mut total = [[zero; DEGREE]; OUTPUTS];
    for (inputs, weights) in inputs.chunks(RUN).zip(weights.chunks(RUN)) {
        let mut sums = [[zero; DEGREE]; OUTPUTS];
        for (&x, w) in inputs.iter().zip(weights) {
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

struct Backward<'a> {
    layer: Layer<'a>,
    activations: &'a Activations,
    by_survival: &'a [f32],
    by_inputs: &'a mut [f32],
    by_weights: &'a mut [f32],
    scratch: &'a mut Scratch,
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn call<F: Float>(self, float: F) {
        let Layer {
            samples, outputs, ..
        } = self.layer;
        let factors = self.layer.factors();
        let zero = float.splat(0.0);
        let weights = self.layer.paired_weights();
        let pairs = outputs.div_ceil(OUTPUTS);
        // Weight gradients stay spread over the lanes until all samples are done.
        let mut lines = vec![Line::default(); (pairs * factors * OUTPUTS * F::LANES).div_ceil(16)];
        let by_weights = float.vectors(&mut lines);
        let memory = self.scratch.vectors(float, 2 * SAMPLES * factors);
        let (inputs, memory) = memory.split_at_mut(SAMPLES * factors);
        let by_inputs = &mut memory[..SAMPLES * factors];
        for first in (0..samples).step_by(SAMPLES * F::LANES) {
            let range = |t: usize| {
                let from = (first + t * F::LANES).min(samples);
                from..(from + F::LANES).min(samples)
            };
            by_inputs.fill(zero);
            for (j, to) in inputs.chunks_exact_mut(SAMPLES).enumerate() {
                for (t, to) in to.iter_mut().enumerate() {
                    *to = block::load(float, &self.layer.inputs[j * samples..][range(t)]);
                }
            }
            for pair in 0..pairs {
                let mut coefficients = [[[zero; DEGREE]; SAMPLES]; OUTPUTS];
                for (i, o) in (pair * OUTPUTS..((pair + 1) * OUTPUTS).min(outputs)).enumerate() {
                    for (t, coefficients) in coefficients[i].iter_mut().enumerate() {
                        let by_survival =
                            block::load(float, &self.by_survival[o * samples..][range(t)]);
                        for (d, coefficient) in coefficients.iter_mut().enumerate() {
                            let slopes =
                                &self.activations.slopes[(d * outputs + o) * samples..][range(t)];
                            let scale = float.mul(by_survival, float.splat((d + 1) as f32));
                            *coefficient = float.mul(scale, block::load(float, slopes));
                        }
                    }
                }
                let rows = inputs
                    .chunks_exact(SAMPLES)
                    .zip(by_inputs.chunks_exact_mut(SAMPLES));
                let weights = &weights[pair * factors..][..factors];
                let by_weights = by_weights[pair * factors * OUTPUTS..].chunks_exact_mut(OUTPUTS);
                for (((x, by_x), w), by_w) in rows.zip(weights).zip(by_weights) {
                    let w = [float.splat(w[0]), float.splat(w[1])];
                    for t in 0..SAMPLES {
                        for i in 0..OUTPUTS {
                            let g = slope(float, &coefficients[i][t], float.mul(x[t], w[i]));
                            by_x[t] = float.mul_add(g, w[i], by_x[t]);
                            by_w[i] = float.mul_add(g, x[t], by_w[i]);
                        }
                    }
                }
            }
            for (j, by_x) in by_inputs.chunks_exact(SAMPLES).enumerate() {
                for (t, &by_x) in by_x.iter().enumerate() {
                    let to = &mut self.by_inputs[j * samples..][range(t)];
                    block::store(float, float.add(block::load(float, to), by_x), to);
                }
            }
        }
        for (pair, by_weights) in by_weights
            .chunks_exact(factors.max(1) * OUTPUTS)
            .take(pairs)
            .enumerate()
        {
            for (j, by_w) in by_weights.chunks_exact(OUTPUTS).enumerate() {
                for (i, o) in (pair * OUTPUTS..((pair + 1) * OUTPUTS).min(outputs)).enumerate() {
                    let mut lanes = [0.0; MAX_LANES];
                    float.store(by_w[i], &mut lanes);
                    self.by_weights[j * outputs + o] += lanes.iter().sum::<f32>();
                }
            }
        }
    }
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
