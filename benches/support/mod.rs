//! What the benchmarks share: random operands, and a group a level whose first member is the level's ceiling.

use bernet_kernels::{bits::BitMatrix, conformance::Generator, isa::Level, xnor};
use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use rayon::ThreadPool;
use std::time::Duration;

pub(crate) fn random(generator: &mut Generator, rows: usize, columns: usize) -> BitMatrix {
    BitMatrix::from_fn(rows, columns, |_, _| generator.word() >> 63 == 1)
}

/// Runs `group` for each level, its times in multiply-accumulates a second ("elements"), with a pool of `threads` threads. The ceiling,
/// the inner tile's instructions on registers alone, is timed in the same run: quote the others as a share of it.
pub(crate) fn levels(
    criterion: &mut Criterion,
    kernel: &str,
    threads: usize,
    mut group: impl FnMut(&mut BenchmarkGroup<'_, WallTime>, Level, &ThreadPool),
) {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .expect("a pool");
    for level in Level::available() {
        let mut benchmarks = criterion.benchmark_group(format!("{kernel}/{level}/{threads}"));
        benchmarks
            .measurement_time(Duration::from_secs(1))
            .warm_up_time(Duration::from_millis(300));
        benchmarks.sample_size(20);
        const ROUNDS: u64 = 100_000;
        benchmarks.throughput(Throughput::Elements(xnor::peak_throughput(level, ROUNDS)));
        benchmarks.bench_function("ceiling", |bencher| {
            bencher.iter(|| xnor::peak_throughput(level, ROUNDS))
        });
        group(&mut benchmarks, level, &pool);
        benchmarks.finish();
    }
}
