//! Matrix products: `cargo bench --bench gemm`, or with a filter, `cargo bench --bench gemm -- avx2/1`.

mod support;

use bernet_kernels::{
    bits::BitMatrix,
    conformance::{self, Fill, Generator},
    xnor::{Epilogue, PackedWeights, Threshold, gemm_threads},
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// `M × N × K`: one row, the shapes of dense layers, great depth, small depth.
const SHAPES: [[usize; 3]; 9] = [
    [1, 1024, 1024],
    [128, 128, 1024],
    [512, 512, 2048],
    [1024, 1024, 4096],
    [4096, 256, 2304],
    [256, 256, 8192],
    [4096, 64, 576],
    [4096, 64, 64],
    [4096, 8, 36],
];

fn products(criterion: &mut Criterion) {
    for threads in [1, 2] {
        support::levels(criterion, "gemm", threads, |group, level, pool| {
            for [m, n, k] in SHAPES {
                let name = format!("{m}x{n}x{k}");
                conformance::product(level, threads, [m, n, k], Fill::Random(1))
                    .expect("the right answer");
                let mut generator = Generator(1);
                let a = support::random(&mut generator, m, k);
                let weights = PackedWeights::new(level, &support::random(&mut generator, n, k))
                    .expect("weights that fit");
                let thresholds = vec![
                    Threshold {
                        at_least: 0,
                        invert: false
                    };
                    n
                ];
                let mut sums = vec![0; m * n];
                let mut bits = BitMatrix::all_minus_one(m, n);
                group.throughput(Throughput::Elements((m * n * k) as u64));
                group.bench_function(format!("{name} to i32"), |bencher| {
                    pool.install(|| {
                        bencher.iter(|| {
                            let sums = Epilogue::Sums((&mut sums).into());
                            gemm_threads(threads, &a, &weights, sums)
                        })
                    });
                });
                group.bench_function(format!("{name} to bits"), |bencher| {
                    pool.install(|| {
                        bencher.iter(|| {
                            let (thresholds, out) = (&thresholds[..], bits.view_mut());
                            let bits = Epilogue::Bits { thresholds, out };
                            gemm_threads(threads, &a, &weights, bits)
                        })
                    });
                });
            }
        });
    }
}

criterion_group!(benches, products);
criterion_main!(benches);
