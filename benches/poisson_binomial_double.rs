//! Distributions in f64: making one, one number, all numbers, quantiles, gradients, and many sums.
//!
//! `cargo bench --bench poisson_binomial_double`. Before anything is timed, one number is compared with all numbers, which are computed by
//! another form wherever there are more than 128 trials.

use bernet_kernels::poisson_binomial::double::{Function, PoissonBinomial, evaluate_rows};
use criterion::{
    BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use rand_pcg::{
    Pcg64Mcg,
    rand_core::{Rng, SeedableRng},
};
use std::{hint::black_box, time::Duration};

const SIZES: [usize; 5] = [36, 100, 1000, 10_000, 100_000];

fn uniform(count: usize) -> Vec<f64> {
    let mut generator = Pcg64Mcg::seed_from_u64(1);
    (0..count)
        .map(|_| (generator.next_u64() >> 11) as f64 * 0.5f64.powi(53))
        .collect()
}

fn one_sum(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("double");
    group.sampling_mode(SamplingMode::Flat);
    for count in SIZES {
        let p = uniform(count);
        let sum = PoissonBinomial::new(&p).expect("probabilities");
        let middle = count as i64 / 2;
        // Where P(K ≥ k) is about 1e-12.
        let far = sum.survival_quantile(1e-12) + 1;
        let survivals = sum.all(Function::Survival);
        for k in [middle, far] {
            let (one, all) = (sum.survival(k), survivals[k as usize]);
            assert!((one - all).abs() <= 1e-9 * all, "{count}, {k}: {one} {all}");
        }
        let mut slopes = vec![0.0; count];
        let mut bench = |name: &str, call: &mut dyn FnMut()| {
            group.bench_function(BenchmarkId::new(name, count), |bencher| {
                bencher.iter(&mut *call)
            });
        };
        bench("new", &mut || {
            black_box(PoissonBinomial::new(black_box(&p)).expect("probabilities"));
        });
        for (name, k) in [("middle", middle), ("tail", far)] {
            bench(&format!("survival, {name}"), &mut || {
                black_box(sum.survival(black_box(k)));
            });
        }
        bench("all masses", &mut || {
            black_box(sum.all(Function::Pmf));
        });
        bench("quantile", &mut || {
            black_box(sum.quantile(black_box(0.5)));
        });
        bench("gradient", &mut || {
            sum.survival_gradient(middle, &mut slopes)
                .expect("as many as trials");
        });
    }
}

fn many_sums(criterion: &mut Criterion) {
    let (sums, trials) = (1000, 1000);
    let p = uniform(sums * trials);
    let mut out = vec![0.0; sums];
    let mut group = criterion.benchmark_group("double/rows");
    group
        .sampling_mode(SamplingMode::Flat)
        .throughput(Throughput::Elements(sums as u64));
    group.bench_function("survival, 1000 sums of 1000", |bencher| {
        bencher.iter(|| {
            evaluate_rows(Function::Survival, &p, trials, &[500], &mut out).expect("sizes")
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(500));
    targets = one_sum, many_sums
}
criterion_main!(benches);
