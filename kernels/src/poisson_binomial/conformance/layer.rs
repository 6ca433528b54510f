//! Whole layers.

use super::{
    super::{Activations, Layer, Workspace, reference},
    LEAST_GRADIENT,
};
use crate::{Error, conformance::Generator, isa::Level};
use alloc::{format, string::String, vec, vec::Vec};

/// A layer, its cuts, and the derivatives of a loss by its survivals, which are the weights of a sum of them.
#[derive(Clone, Debug)]
pub struct Means {
    inputs: Vec<f32>,
    weights: Vec<f32>,
    cuts: Vec<i32>,
    by_survival: Vec<f32>,
    samples: usize,
    outputs: usize,
}

impl Means {
    /// Of a layer of (factors, samples, outputs). A fifth of the inputs and two fifths of the weights are ±1 for certain, the
    /// first sample and the first output altogether: there no power sum helps.
    pub fn mixed((factors, samples, outputs): (usize, usize, usize), seed: u64) -> Self {
        let mut generator = Generator(seed);
        let mut uniform = || (generator.word() >> 40) as f32 / (1 << 24) as f32;
        let mut means = |size: usize, width: usize, chance: f32| -> Vec<f32> {
            (0..size)
                .map(|i| {
                    let mean = 2.0 * uniform() - 1.0;
                    if uniform() < chance || i.is_multiple_of(width) {
                        mean.signum()
                    } else {
                        mean
                    }
                })
                .collect()
        };
        Self {
            inputs: means(factors * samples, samples, 0.2),
            weights: means(factors * outputs, outputs, 0.4),
            cuts: (factors as i32 / 2..).take(outputs).collect(),
            by_survival: (0..outputs * samples).map(|_| uniform() - 0.5).collect(),
            samples,
            outputs,
        }
    }

    fn layer(&self) -> Result<Layer<'_>, Error> {
        Layer::new(&self.inputs, &self.weights, self.samples, self.outputs)
    }

    /// Survivals, and the derivatives of the loss by inputs and by weights.
    ///
    /// # Errors
    /// None: the sizes are right.
    pub fn run(&self, level: Level) -> Result<[Vec<f32>; 3], Error> {
        let (mut found, mut workspace) = (Activations::default(), Workspace::default());
        self.layer()?
            .forward(level, &self.cuts, 1e-6, &mut found, &mut workspace)?;
        let (mut by_inputs, mut by_weights) =
            (vec![0.0; self.inputs.len()], vec![0.0; self.weights.len()]);
        self.layer()?.backward(
            level,
            &found,
            &self.by_survival,
            Some(&mut by_inputs),
            &mut by_weights,
            &mut workspace,
        )?;
        Ok([found.survival, by_inputs, by_weights])
    }

    /// The probabilities of output `o` on sample `s`.
    fn factors(&self, o: usize, s: usize) -> Vec<f64> {
        let inputs = self.inputs.iter().skip(s).step_by(self.samples);
        let weights = self.weights.iter().skip(o).step_by(self.outputs);
        inputs
            .zip(weights)
            .map(|(&x, &w)| 0.5 + 0.5 * f64::from(x) * f64::from(w))
            .collect()
    }
}

/// Every survival of a layer to 2e-6 (two rounding errors of the inputs' products on top of [`SURVIVAL_ERROR`](super::SURVIVAL_ERROR)),
/// and the derivatives of the loss to 1e-5 of the largest that one sum contributes (at least what [`LEAST_GRADIENT`] would), times the
/// number of sums.
///
/// # Errors
/// Says which value differs, expected and found.
pub fn layer(level: Level, means: &Means) -> Result<(), String> {
    let [survival, by_inputs, by_weights] = means.run(level).map_err(|error| format!("{error}"))?;
    let (samples, outputs) = (means.samples, means.outputs);
    let name = format!("{level}, layer {}→{outputs}", means.weights.len() / outputs);
    let mut right_by_inputs = vec![0.0; by_inputs.len()];
    let mut right_by_weights = vec![0.0; by_weights.len()];
    // Of one in the far tail, as of a single sum's, less is asked.
    let weights = means.by_survival.iter().map(|weight| weight.abs());
    let mut largest = 0.5 * LEAST_GRADIENT * f64::from(weights.fold(0.0, f32::max));
    for (o, s) in (0..outputs).flat_map(|o| (0..samples).map(move |s| (o, s))) {
        let (v, at) = (means.factors(o, s), o * samples + s);
        let expected = reference::survival(&v, means.cuts[o]);
        if !((expected - f64::from(survival[at])).abs() < 2e-6) {
            return Err(format!(
                "{name}, output {o}, sample {s}: {}, expected {expected}",
                survival[at]
            ));
        }
        for (j, dz_dv) in reference::leave_one_out(&v, means.cuts[o])
            .into_iter()
            .enumerate()
        {
            let by_mean = 0.5 * dz_dv * f64::from(means.by_survival[at]);
            let (input, weight) = (j * samples + s, j * outputs + o);
            right_by_inputs[input] += by_mean * f64::from(means.weights[weight]);
            right_by_weights[weight] += by_mean * f64::from(means.inputs[input]);
            largest = largest.max(by_mean.abs());
        }
    }
    for (what, found, right) in [
        ("inputs", by_inputs, right_by_inputs),
        ("weights", by_weights, right_by_weights),
    ] {
        for (i, (found, right)) in found.into_iter().zip(right).enumerate() {
            let tolerance = 1e-5 * largest * samples.max(outputs) as f64;
            if !((f64::from(found) - right).abs() <= tolerance) {
                return Err(format!("{name}, by {what} {i}: {found}, expected {right}"));
            }
        }
    }
    Ok(())
}
