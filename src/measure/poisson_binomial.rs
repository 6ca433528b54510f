//! Poisson-binomial sums: what one neuron costs on one sample.

use super::{
    MeasureError,
    timing::{Threads, alone, in_turns},
};
use bernet_kernels::{
    isa::Level,
    poisson_binomial::{
        Activations, Factors, Form, Gradient, Layer, Workspace, gradient, peak_throughput, places,
        reference, survival,
    },
};
use rand_pcg::{
    Pcg64Mcg,
    rand_core::{Rng, SeedableRng},
};
use serde::Serialize;

/// Samples of one neuron that are worked on together.
const SUMS: usize = 64;

/// What is computed of a sum.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Way {
    /// `P(K ≥ h)`.
    Forward(Form),
    /// `P(K ≥ h)` and its gradients by all factors.
    WithGradient(Gradient),
}

/// The speed and the error of a form.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct BernoulliSpeed {
    /// How the sums were had.
    pub form: String,
    /// Factors of a sum.
    pub n: usize,
    /// Whether the gradients by all factors are among the work.
    pub gradient: bool,
    /// The instruction set.
    pub level: &'static str,
    /// How many threads shared the work.
    pub threads: usize,
    /// Nanoseconds for one neuron on one sample, median of the turns.
    pub ns_per_neuron_sample: f64,
    /// What the recursion takes in parts of what its operations take on registers alone, timed in turns; of other forms nothing.
    pub ceiling_share: Option<f64>,
    /// The largest error against the f64 reference in this run: of the survival where `gradient` is
    /// false, else of the gradients. Some forms are approximations; none is hidden.
    pub max_abs_error: f64,
}

/// Numbers in [0, 1).
fn uniform(count: usize) -> Vec<f32> {
    let mut generator = Pcg64Mcg::seed_from_u64(1);
    (0..count)
        .map(|_| (generator.next_u64() >> 40) as f32 / (1 << 24) as f32)
        .collect()
}

/// Times the sums of `n` uniformly drawn factors, cut in the middle.
///
/// # Errors
/// [`MeasureError::Kernel`] for sizes that the kernels refuse, as `n` = 0.
pub fn bernoulli(level: Level, way: Way, n: usize) -> Result<BernoulliSpeed, MeasureError> {
    let v = uniform(n * SUMS);
    let factors = Factors::new(&v, SUMS)?;
    let cut = n.div_ceil(2) as i32;
    let (mut z, mut mass, mut dz_dv) = (vec![0.0; SUMS], vec![0.0; SUMS], vec![0.0; v.len()]);
    let mut workspace = Workspace::default();
    let mut run = || match way {
        Way::Forward(form) => {
            survival(level, form, factors, cut, &mut z, &mut mass, &mut workspace)
        }
        Way::WithGradient(method) => gradient(
            level,
            method,
            factors,
            cut,
            &mut z,
            &mut mass,
            &mut dz_dv,
            &mut workspace,
        ),
    };
    run()?;
    let work = match way {
        Way::Forward(form) => places(level, form, factors, cut, &mut Workspace::default()),
        Way::WithGradient(_) => 0,
    };
    // It has just run without an error, on the same operands.
    let (pace, ceiling_share) = if work > 0 {
        let case = || {
            let _ = run();
            work
        };
        let pace = in_turns(case, || peak_throughput(level, 20_000));
        (pace.median / work as f64, Some(pace.share))
    } else {
        let case = || {
            let _ = run();
            1
        };
        (alone(case), None)
    };
    // A few sums are enough: the reference is quadratic.
    let error = |s: usize| {
        let v: Vec<_> = v
            .iter()
            .skip(s)
            .step_by(SUMS)
            .map(|&v| f64::from(v))
            .collect();
        match way {
            Way::Forward(_) => (reference::survival(&v, cut) - f64::from(z[s])).abs(),
            Way::WithGradient(_) => {
                let found = dz_dv.iter().skip(s).step_by(SUMS);
                let pairs = reference::leave_one_out(&v, cut).into_iter().zip(found);
                pairs
                    .map(|(right, &found)| (right - f64::from(found)).abs())
                    .fold(0.0, f64::max)
            }
        }
    };
    let (form, gradient) = match way {
        Way::Forward(form) => (form.to_string(), false),
        Way::WithGradient(method) => (method.to_string(), true),
    };
    Ok(BernoulliSpeed {
        form,
        n,
        gradient,
        level: level.name(),
        threads: 1,
        ns_per_neuron_sample: 1e9 / pace / SUMS as f64,
        ceiling_share,
        max_abs_error: [0, 1, SUMS - 1].map(error).into_iter().fold(0.0, f64::max),
    })
}

/// Times a whole layer of 800 inputs and 32 outputs on 1024 samples by power sums, to 1e-6: forward, or forward and backward. The
/// error is that of the survivals.
///
/// # Errors
/// None in practice: the sizes are right.
pub fn bernoulli_layer(
    level: Level,
    backward: bool,
    threads: &Threads,
) -> Result<BernoulliSpeed, MeasureError> {
    let (n, samples, outputs) = (800, 1024, 32);
    let means = |count| -> Vec<f32> { uniform(count).iter().map(|u| 2.0 * u - 1.0).collect() };
    let (inputs, weights) = (means(n * samples), means(n * outputs));
    let layer = Layer::new(&inputs, &weights, samples, outputs)?;
    let cuts = vec![n as i32 / 2; outputs];
    let by_survival = vec![1.0; samples * outputs];
    let (mut by_inputs, mut by_weights) = (vec![0.0; inputs.len()], vec![0.0; weights.len()]);
    let (mut activations, mut workspace) = (Activations::default(), Workspace::default());
    let mut run = || {
        layer.forward(level, &cuts, 1e-6, &mut activations, &mut workspace)?;
        if backward {
            let (by_inputs, by_weights) = (&mut by_inputs, &mut by_weights);
            layer.backward(
                level,
                &activations,
                &by_survival,
                Some(by_inputs),
                by_weights,
                &mut workspace,
            )?;
        }
        Ok::<(), bernet_kernels::Error>(())
    };
    threads.install(&mut run)?;
    let case = || {
        // It has just run without an error, on the same operands.
        let _ = run();
        (samples * outputs) as u64
    };
    let pace = threads.install(|| alone(case));
    let error = |s: usize, o: usize| {
        let mean =
            |j: usize| f64::from(inputs[j * samples + s]) * f64::from(weights[j * outputs + o]);
        let v: Vec<_> = (0..n).map(|j| 0.5 + 0.5 * mean(j)).collect();
        (reference::survival(&v, cuts[o]) - f64::from(activations.survival[o * samples + s])).abs()
    };
    let some = (0..samples)
        .step_by(97)
        .flat_map(|s| (0..outputs).step_by(5).map(move |o| (s, o)));
    Ok(BernoulliSpeed {
        form: "layer 800→32 by power sums".into(),
        n,
        gradient: backward,
        level: level.name(),
        threads: threads.count(),
        ns_per_neuron_sample: 1e9 / pace,
        ceiling_share: None,
        max_abs_error: some.map(|(s, o)| error(s, o)).fold(0.0, f64::max),
    })
}
