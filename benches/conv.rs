//! Convolutions, bits in and bits out: `cargo bench --bench conv`.

mod support;

use bernet_kernels::{
    bits::{BitTensor, Shape},
    conformance::{self, Generator},
    xnor::{Conv2d, ConvParams, PaddingValue, Threshold, Workspace},
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// 3×3, same padding, as many outputs as channels: height and width, and channels. The first four take as many
/// multiply-accumulates.
const SQUARES: [[usize; 2]; 5] = [[56, 64], [28, 128], [14, 256], [7, 512], [28, 33]];

fn convolutions(criterion: &mut Criterion) {
    for threads in [1, 2] {
        support::levels(criterion, "conv", threads, |group, level, pool| {
            for [size, channels] in SQUARES {
                for padding_value in [PaddingValue::MinusOne, PaddingValue::Zero] {
                    let params = ConvParams {
                        padding: [1; 4],
                        padding_value,
                        ..ConvParams::valid([3, 3])
                    };
                    let input = Shape {
                        batch: 1,
                        height: size,
                        width: size,
                        channels,
                    };
                    conformance::convolution(level, threads, &params, channels, input, 1)
                        .expect("the right answer");
                    let mut generator = Generator(1);
                    let lines = support::random(&mut generator, size, size * channels);
                    let input = BitTensor::from_lines(input, lines).expect("lines of the shape");
                    let depth = params.depth(channels);
                    let weights = support::random(&mut generator, channels, depth);
                    let conv = Conv2d::new(level, channels, params, &weights)
                        .expect("weights of the depth");
                    let thresholds = vec![
                        Threshold {
                            at_least: 0,
                            invert: false
                        };
                        channels
                    ];
                    let mut workspace = Workspace::with_threads(threads);
                    let mut out = BitTensor::all_minus_one(input.shape());
                    let work = size * size * channels * depth;
                    group.throughput(Throughput::Elements(work as u64));
                    group.bench_function(
                        format!("{size}x{size}x{channels} {padding_value:?}"),
                        |bencher| {
                            pool.install(|| {
                                bencher.iter(|| {
                                    conv.activations_in(
                                        &mut workspace,
                                        &input,
                                        &thresholds,
                                        &mut out,
                                    )
                                })
                            });
                        },
                    );
                }
            }
        });
    }
}

criterion_group!(benches, convolutions);
criterion_main!(benches);
