//! What one neuron costs on one sample: survival, and survival with all gradients, by every form.
//!
//! `cargo bench --bench poisson_binomial` times the best level of this machine,
//! `BERNET_LEVEL=portable` before it another. A "thrpt" of 1 Melem/s is 1000 ns per neuron and
//! sample. Before anything is timed its largest error against the f64 reference is printed, and for
//! the exact forms it must be what they promise.

use bernet_kernels::{
    isa::Level,
    poisson_binomial::{
        Activations, Factors, Form, Gradient, Layer, Workspace, gradient, reference, survival,
    },
};
use criterion::{
    BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use rand_pcg::{
    Pcg64Mcg,
    rand_core::{Rng, SeedableRng},
};
use std::time::Duration;

/// One neuron's samples: four vectors of the widest level.
const SUMS: usize = 64;

fn uniform(count: usize) -> Vec<f32> {
    let mut generator = Pcg64Mcg::seed_from_u64(1);
    (0..count)
        .map(|_| (generator.next_u32() >> 8) as f32 / (1 << 24) as f32)
        .collect()
}

fn level() -> Level {
    match std::env::var("BERNET_LEVEL") {
        Ok(name) => Level::by_name(&name).unwrap_or_else(|error| panic!("BERNET_LEVEL: {error}")),
        Err(_) => Level::best(),
    }
}

/// Sum `s` in f64.
fn column(v: &[f32], s: usize) -> Vec<f64> {
    v.iter()
        .skip(s)
        .step_by(SUMS)
        .map(|&v| f64::from(v))
        .collect()
}

/// The largest error of the survivals.
fn survival_error(v: &[f32], cut: i32, found: &[f32]) -> f64 {
    let error = |s: usize| (reference::survival(&column(v, s), cut) - f64::from(found[s])).abs();
    (0..SUMS).map(error).fold(0.0, f64::max)
}

/// The largest error of the first sum's gradients, in parts of their largest.
fn gradient_error(v: &[f32], cut: i32, found: &[f32]) -> f64 {
    let expected = reference::leave_one_out(&column(v, 0), cut);
    let largest = expected.iter().copied().fold(0.0, f64::max);
    let errors = expected
        .iter()
        .zip(found.iter().step_by(SUMS))
        .map(|(right, &found)| (right - f64::from(found)).abs());
    errors.fold(0.0, f64::max) / largest
}

fn forward(criterion: &mut Criterion) {
    let level = level();
    let mut group = criterion.benchmark_group(format!("survival/{level}"));
    group
        .sampling_mode(SamplingMode::Flat)
        .throughput(Throughput::Elements(SUMS as u64));
    for count in [36, 256, 800, 4096, 16384] {
        let v = uniform(count * SUMS);
        let factors = Factors::new(&v, SUMS).expect("probabilities");
        let cut = count as i32 / 2;
        let (mut z, mut mass) = (vec![0.0; SUMS], vec![0.0; SUMS]);
        let mut workspace = Workspace::default();
        for form in [
            Form::Full,
            Form::Undecided,
            Form::Banded { sigmas: 6.0 },
            Form::Spectral,
            Form::Normal,
            Form::Fastest,
        ] {
            if count > 4096 && matches!(form, Form::Full | Form::Undecided) {
                continue;
            }
            let mut run = || {
                survival(level, form, factors, cut, &mut z, &mut mass, &mut workspace)
                    .expect("sizes")
            };
            run();
            if count <= 4096 {
                let error = survival_error(&v, cut, &z);
                println!("{form}, N = {count}, {level}: largest error {error:.1e}");
                assert!(
                    form == Form::Normal || error < 1e-6,
                    "{form}, N = {count}: {error:e}"
                );
            }
            let mut run = || {
                survival(level, form, factors, cut, &mut z, &mut mass, &mut workspace)
                    .expect("sizes")
            };
            group.bench_function(BenchmarkId::new(form.to_string(), count), |bencher| {
                bencher.iter(&mut run)
            });
        }
    }
}

fn with_gradient(criterion: &mut Criterion) {
    let level = level();
    let mut group = criterion.benchmark_group(format!("gradient/{level}"));
    group
        .sampling_mode(SamplingMode::Flat)
        .throughput(Throughput::Elements(SUMS as u64));
    for count in [36, 256, 800, 4096, 16384] {
        let v = uniform(count * SUMS);
        let factors = Factors::new(&v, SUMS).expect("probabilities");
        let cut = count as i32 / 2;
        let (mut z, mut mass, mut dz_dv) = (vec![0.0; SUMS], vec![0.0; SUMS], vec![0.0; v.len()]);
        let mut workspace = Workspace::default();
        for method in Gradient::ALL {
            let linear = matches!(
                method,
                Gradient::Spectral | Gradient::Normal | Gradient::Fastest
            );
            let quadratic = !matches!(method, Gradient::Thomas | Gradient::Autograd);
            if count > 4096 && !linear || count > 800 && !quadratic {
                continue;
            }
            let mut run = || {
                gradient(
                    level,
                    method,
                    factors,
                    cut,
                    &mut z,
                    &mut mass,
                    &mut dz_dv,
                    &mut workspace,
                )
                .expect("sizes");
            };
            run();
            if count <= 4096 {
                let error = gradient_error(&v, cut, &dz_dv);
                println!(
                    "{method}, N = {count}, {level}: largest error {error:.1e} of the largest gradient"
                );
                let exact = matches!(
                    method,
                    Gradient::Precise | Gradient::Autograd | Gradient::Spectral | Gradient::Fastest
                );
                assert!(!exact || error < 1e-5, "{method}, N = {count}: {error:e}");
            }
            let mut run = || {
                gradient(
                    level,
                    method,
                    factors,
                    cut,
                    &mut z,
                    &mut mass,
                    &mut dz_dv,
                    &mut workspace,
                )
                .expect("sizes");
            };
            group.bench_function(BenchmarkId::new(method.to_string(), count), |bencher| {
                bencher.iter(&mut run)
            });
        }
    }
}

/// The second convolution of the seed's net as a dense layer, forward and backward, to 1e-6.
fn layer(criterion: &mut Criterion) {
    let (count, samples, outputs) = (800, 1024, 32);
    let means = |count: usize| {
        uniform(count)
            .iter()
            .map(|u| 2.0 * u - 1.0)
            .collect::<Vec<f32>>()
    };
    let (inputs, weights) = (means(count * samples), means(count * outputs));
    let layer = Layer::new(&inputs, &weights, samples, outputs).expect("means");
    let cuts = vec![count as i32 / 2; outputs];
    let by_survival = vec![1.0; samples * outputs];
    let (mut by_inputs, mut by_weights) = (vec![0.0; inputs.len()], vec![0.0; weights.len()]);
    let (mut activations, mut workspace) = (Activations::default(), Workspace::default());
    let level = level();
    layer
        .forward(level, &cuts, 1e-6, &mut activations, &mut workspace)
        .expect("sizes");
    let mut error: f64 = 0.0;
    for (s, o) in (0..samples)
        .step_by(97)
        .flat_map(|s| (0..outputs).map(move |o| (s, o)))
    {
        let v: Vec<f64> = (0..count)
            .map(|j| {
                0.5 + 0.5 * f64::from(inputs[j * samples + s]) * f64::from(weights[j * outputs + o])
            })
            .collect();
        let found = f64::from(activations.survival[o * samples + s]);
        error = error.max((reference::survival(&v, cuts[o]) - found).abs());
    }
    println!("layer {count}→{outputs}, {samples} samples, {level}: largest error {error:.1e}");
    assert!(error < 1e-6, "{error:e}");

    let mut group = criterion.benchmark_group(format!("layer/{level}"));
    group
        .sampling_mode(SamplingMode::Flat)
        .throughput(Throughput::Elements((samples * outputs) as u64));
    group.bench_function("forward", |bencher| {
        bencher.iter(|| layer.forward(level, &cuts, 1e-6, &mut activations, &mut workspace));
    });
    group.bench_function("forward and gradients", |bencher| {
        bencher.iter(|| {
            layer
                .forward(level, &cuts, 1e-6, &mut activations, &mut workspace)
                .expect("sizes");
            layer.backward(
                level,
                &activations,
                &by_survival,
                Some(&mut by_inputs),
                &mut by_weights,
                &mut workspace,
            )
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1));
    targets = forward, with_gradient, layer
}
criterion_main!(benches);
