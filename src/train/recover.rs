//! The talk's experiment: a hidden ±1 matrix is recovered from the signs of its products, by each of the gradients.
//!
//! One dense layer of `K` inputs and `N` outputs, `K` odd so that no sum is 0. Each iteration draws a batch of ±1 vectors `x`; the
//! targets are the signs of `W x` for the hidden `W`. The learner has a latent λ per weight with mean `w = tanh λ`; the product
//! `x_k w_k` is +1 with probability `v_k = (1 + x_k w_k)/2`, and an output is +1 with `z = P(J ≥ h)`, `h = (K + 1)/2`. The loss is the
//! cross entropy, its gradient `∂L/∂λ_k = ∂L/∂z · ∂z/∂v_k · x_k/2 · (1 − w_k²)`, and Adam takes the step. All gradients of a seed see the same
//! hidden matrix, the same first latents and the same batches.
//!
//! ```
//! use bernet::train::recover::{Experiment, Learner};
//!
//! let experiment = Experiment { inputs: 9, outputs: 2, batch: 64, limit: 500 };
//! let found = experiment.run(Learner::ALL[0], 1);
//! assert!(found.weights.is_some_and(|iterations| iterations < 500));
//! ```

use super::random::{Purpose, Random};
use bernet_kernels::{
    isa::Level,
    poisson_binomial::{Activations, Factors, Gradient, Layer, Workspace, gradient},
};
use std::fmt;

/// How a learner has its gradient.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Learner {
    /// Factor by factor.
    Factors(Gradient),
    /// A whole layer by power sums, and exactly where they do not reach 1e-6.
    PowerSums,
}

impl Learner {
    /// The four gradients of the talk in its order, then ours.
    pub const ALL: [Self; 7] = [
        Self::Factors(Gradient::Precise),
        Self::Factors(Gradient::Three),
        Self::Factors(Gradient::Five),
        Self::Factors(Gradient::Autograd),
        Self::Factors(Gradient::Extended),
        Self::Factors(Gradient::Spectral),
        Self::PowerSums,
    ];

    /// Iterations to converge as the talk reports them; size and stopping rule are not given there.
    pub fn reported(self) -> Option<f64> {
        match self {
            Self::Factors(Gradient::Precise) => Some(57.7),
            Self::Factors(Gradient::Three) => Some(63.4),
            Self::Factors(Gradient::Five) => Some(59.2),
            Self::Factors(Gradient::Autograd) => Some(57.3),
            _ => None,
        }
    }
}

impl fmt::Display for Learner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Factors(gradient) => gradient.fmt(f),
            Self::PowerSums => f.write_str("power sums"),
        }
    }
}

/// The sizes of an experiment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Experiment {
    /// `K`, odd.
    pub inputs: usize,
    /// `N`.
    pub outputs: usize,
    /// Vectors an iteration.
    pub batch: usize,
    /// Iterations after which a learner is taken not to converge.
    pub limit: usize,
}

/// After how many iterations a learner met each rule; nothing where it did not within the limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recovered {
    /// Every weight has the hidden one's sign.
    pub weights: Option<usize>,
    /// The learner is sure of what it says: on a fresh batch the mean of `|target − z|` is below a tenth.
    pub outputs: Option<usize>,
}

/// Adam's step and decays.
const RATE: f32 = 0.1;
const DECAYS: [f32; 2] = [0.9, 0.99];
/// The mean error below which a learner counts as sure.
const SURE: f32 = 0.1;

impl Experiment {
    /// Lets `learner` find the hidden matrix of `seed`.
    ///
    /// # Panics
    /// Where a size is 0 or `inputs` is even.
    pub fn run(&self, learner: Learner, seed: u64) -> Recovered {
        let &Self {
            inputs,
            outputs,
            batch,
            limit,
        } = self;
        assert!(
            inputs % 2 == 1 && outputs > 0 && batch > 0,
            "an odd number of inputs, and no empty batch"
        );
        let mut random = Random::new(seed, Purpose::Recover, 0);
        let mut sign = |_| {
            if random.uniform() < 0.5 {
                -1.0_f32
            } else {
                1.0
            }
        };
        let hidden: Vec<f32> = (0..inputs * outputs).map(&mut sign).collect();
        // Near undecided, and not all alike.
        let mut latents: Vec<f32> = (0..inputs * outputs)
            .map(|index| 0.05 * sign(index))
            .collect();
        let mut moments = vec![[0.0_f32; 2]; latents.len()];
        let mut step = Step::new(self, learner);
        let mut found = Recovered {
            weights: None,
            outputs: None,
        };
        for iteration in 1..=limit {
            let x: Vec<f32> = (0..inputs * batch).map(&mut sign).collect();
            let targets = self.targets(&hidden, &x);
            let means: Vec<f32> = latents.iter().map(|latent| latent.tanh()).collect();
            let error = step.take(&x, &means, &targets);
            // The batch is new to the weights that it meets.
            if error < SURE {
                found.outputs.get_or_insert(iteration - 1);
            }
            let bias = DECAYS.map(|decay| 1.0 - decay.powi(iteration as i32));
            for (index, latent) in latents.iter_mut().enumerate() {
                let slope = step.by_means[index] * (1.0 - means[index] * means[index]);
                let [first, second] = &mut moments[index];
                *first += (1.0 - DECAYS[0]) * (slope - *first);
                *second += (1.0 - DECAYS[1]) * (slope * slope - *second);
                *latent -= RATE * (*first / bias[0]) / ((*second / bias[1]).sqrt() + 1e-8);
            }
            if latents
                .iter()
                .zip(&hidden)
                .all(|(latent, hidden)| latent * hidden > 0.0)
            {
                found.weights.get_or_insert(iteration);
            }
            if found.weights.is_some() && found.outputs.is_some() {
                break;
            }
        }
        found
    }

    /// 1 where the hidden matrix gives a positive sum, at `output · batch + sample`; `x` is at `input · batch + sample`.
    fn targets(&self, hidden: &[f32], x: &[f32]) -> Vec<f32> {
        let sum = |output: usize, sample: usize| -> f32 {
            let product = |k: usize| hidden[k * self.outputs + output] * x[k * self.batch + sample];
            (0..self.inputs).map(product).sum()
        };
        let places = (0..self.outputs)
            .flat_map(|output| (0..self.batch).map(move |sample| (output, sample)));
        places
            .map(|(output, sample)| f32::from(sum(output, sample) > 0.0))
            .collect()
    }
}

/// A learner's memory.
struct Step {
    experiment: Experiment,
    learner: Learner,
    /// dLoss/dw, at `input · outputs + output`.
    by_means: Vec<f32>,
    activations: Activations,
    workspace: Workspace,
}

impl Step {
    fn new(experiment: &Experiment, learner: Learner) -> Self {
        Self {
            experiment: *experiment,
            learner,
            by_means: vec![0.0; experiment.inputs * experiment.outputs],
            activations: Activations::default(),
            workspace: Workspace::default(),
        }
    }

    /// Fills `by_means`; the mean of `|target − z|`.
    fn take(&mut self, x: &[f32], means: &[f32], targets: &[f32]) -> f32 {
        let Experiment {
            inputs,
            outputs,
            batch,
            ..
        } = self.experiment;
        let cut = inputs.div_ceil(2) as i32;
        let level = Level::best();
        let mut error = 0.0;
        match self.learner {
            Learner::Factors(method) => {
                let (mut z, mut mass, mut dz_dv) = (
                    vec![0.0; batch],
                    vec![0.0; batch],
                    vec![0.0; inputs * batch],
                );
                for output in 0..outputs {
                    let v: Vec<f32> = (0..inputs * batch)
                        .map(|index| 0.5 + 0.5 * x[index] * means[index / batch * outputs + output])
                        .collect();
                    let factors = Factors::new(&v, batch).expect("probabilities");
                    gradient(
                        level,
                        method,
                        factors,
                        cut,
                        &mut z,
                        &mut mass,
                        &mut dz_dv,
                        &mut self.workspace,
                    )
                    .expect("the results have the batch's size");
                    let by_z: Vec<f32> = z
                        .iter()
                        .zip(&targets[output * batch..])
                        .map(|(&z, &target)| {
                            error += (target - z).abs();
                            by_survival(z, target)
                        })
                        .collect();
                    for k in 0..inputs {
                        let lines = x[k * batch..].iter().zip(&dz_dv[k * batch..]).zip(&by_z);
                        self.by_means[k * outputs + output] =
                            lines.map(|((x, dz_dv), by_z)| by_z * dz_dv * 0.5 * x).sum();
                    }
                }
            }
            Learner::PowerSums => {
                let layer = Layer::new(x, means, batch, outputs).expect("means");
                let (activations, workspace) = (&mut self.activations, &mut self.workspace);
                layer
                    .forward(level, &vec![cut; outputs], 1e-6, activations, workspace)
                    .expect("a cut an output");
                let by_z: Vec<f32> = activations
                    .survival
                    .iter()
                    .zip(targets)
                    .map(|(&z, &target)| {
                        error += (target - z).abs();
                        by_survival(z, target)
                    })
                    .collect();
                // The layer adds to what is there.
                self.by_means.fill(0.0);
                layer
                    .backward(
                        level,
                        activations,
                        &by_z,
                        None,
                        &mut self.by_means,
                        workspace,
                    )
                    .expect("the results have the layer's size");
            }
        }
        error / (outputs * batch) as f32
    }
}

/// The cross entropy's slope, bounded where the learner is sure and wrong.
fn by_survival(z: f32, target: f32) -> f32 {
    (z - target) / (z * (1.0 - z)).max(1e-3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_gradient_recovers_a_small_matrix() {
        let experiment = Experiment {
            inputs: 15,
            outputs: 3,
            batch: 64,
            limit: 1000,
        };
        for learner in Learner::ALL {
            let found = experiment.run(learner, 1);
            let Recovered {
                weights: Some(weights),
                outputs: Some(outputs),
            } = found
            else {
                panic!("{learner}: {found:?}");
            };
            assert!(weights > 1 && outputs > 1, "{learner}: {found:?}");
        }
    }

    #[test]
    fn the_exact_gradients_agree() {
        let experiment = Experiment {
            inputs: 35,
            outputs: 4,
            batch: 64,
            limit: 1000,
        };
        let weights = |learner| experiment.run(learner, 3).weights.expect("it converges");
        let precise = weights(Learner::Factors(Gradient::Precise));
        for other in [
            Learner::Factors(Gradient::Autograd),
            Learner::Factors(Gradient::Spectral),
            Learner::PowerSums,
        ] {
            assert!(
                weights(other).abs_diff(precise) <= 2,
                "{other}: {} against {precise}",
                weights(other)
            );
        }
    }
}
