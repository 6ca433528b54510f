//! Products and convolutions against loops over ±1 that know nothing of bit tricks.

use bernet_kernels::{
    Error,
    bits::{BitMatrix, BitTensor, Shape},
    isa::Level,
    xnor::{
        Conv2d, ConvParams, PackedWeights, PaddingValue, RowsMut, Threshold, gemm_bits, gemm_i32,
        peak_throughput, peak_throughput_bytes,
    },
};
use bitvec::{order::Lsb0, view::BitView};
use rand_pcg::{
    Pcg64Mcg,
    rand_core::{Rng, SeedableRng},
};

fn random_matrix(generator: &mut Pcg64Mcg, rows: usize, columns: usize) -> BitMatrix {
    BitMatrix::from_fn(rows, columns, |_, _| generator.next_u32() >> 31 == 1)
}

/// ±1, read by `bitvec` from the packed words.
fn signs(matrix: &BitMatrix, row: usize) -> Vec<i32> {
    let bits = matrix.row(row).view_bits::<Lsb0>();
    bits[..matrix.columns()]
        .iter()
        .map(|bit| if *bit { 1 } else { -1 })
        .collect()
}

fn random_thresholds(generator: &mut Pcg64Mcg, outputs: usize) -> Vec<Threshold> {
    let threshold = |bits: u32| Threshold {
        at_least: (bits % 17) as i32 - 8,
        invert: bits >> 31 == 1,
    };
    (0..outputs)
        .map(|_| threshold(generator.next_u32()))
        .collect()
}

#[test]
fn products_equal_naive_loops() {
    let mut generator = Pcg64Mcg::seed_from_u64(1);
    for level in Level::available() {
        for [m, n, k] in [
            [1, 1, 1],
            [3, 5, 63],
            [2, 8, 64],
            [7, 33, 65],
            [13, 70, 200],
        ] {
            let (a, w) = (
                random_matrix(&mut generator, m, k),
                random_matrix(&mut generator, n, k),
            );
            let weights = PackedWeights::new(level, &w).unwrap();
            let mut sums = vec![0; m * n];
            gemm_i32(&a, &weights, &mut sums).unwrap();
            let thresholds = random_thresholds(&mut generator, n);
            let mut bits = BitMatrix::all_minus_one(m, n);
            gemm_bits(&a, &weights, &thresholds, &mut bits).unwrap();
            for row in 0..m {
                for column in 0..n {
                    let products = signs(&a, row)
                        .into_iter()
                        .zip(signs(&w, column))
                        .map(|(a, w)| a * w);
                    let sum: i32 = products.sum();
                    assert_eq!(
                        sums[row * n + column],
                        sum,
                        "{level} {m}×{n}×{k} at {row}, {column}"
                    );
                    assert_eq!(
                        bits.get(row, column),
                        thresholds[column].apply(sum),
                        "{level} bit {row}, {column}"
                    );
                }
            }
        }
    }
}

#[test]
fn convolutions_equal_naive_loops() {
    let mut generator = Pcg64Mcg::seed_from_u64(2);
    let shape = Shape {
        batch: 2,
        height: 6,
        width: 5,
        channels: 3,
    };
    for level in Level::available() {
        for padding_value in [
            PaddingValue::MinusOne,
            PaddingValue::Zero,
            PaddingValue::PlusOne,
        ] {
            for (kernel, stride, padding) in [
                ([3, 3], [1, 1], [1, 1, 1, 1]),
                ([2, 3], [2, 1], [0, 2, 1, 0]),
                ([6, 6], [6, 6], [0, 1, 0, 0]),
            ] {
                let params = ConvParams {
                    stride,
                    padding,
                    padding_value,
                    ..ConvParams::valid(kernel)
                };
                let input =
                    BitTensor::from_lines(shape, random_matrix(&mut generator, 12, 15)).unwrap();
                let w = random_matrix(&mut generator, 5, params.depth(3));
                let conv = Conv2d::new(level, 3, params, &w).unwrap();
                let out = params.output_shape(shape, 5).unwrap();
                let mut sums = vec![0; out.batch * out.height * out.width * out.channels];
                conv.sums(&input, &mut sums).unwrap();
                let thresholds = random_thresholds(&mut generator, 5);
                let mut activations = BitTensor::all_minus_one(out);
                conv.activations(&input, &thresholds, &mut activations)
                    .unwrap();

                let lines: Vec<Vec<i32>> = (0..12).map(|line| signs(input.lines(), line)).collect();
                let value = |image: usize, y: isize, x: isize, c: usize| match (y, x) {
                    (0..6, 0..5) => lines[image * 6 + y as usize][x as usize * 3 + c],
                    _ => [-1, 0, 1][padding_value as usize],
                };
                let mut expected = sums.iter();
                for image in 0..out.batch {
                    for y in 0..out.height {
                        for x in 0..out.width {
                            for (channel, threshold) in thresholds.iter().enumerate() {
                                let mut taps = signs(&w, channel).into_iter();
                                let mut sum = 0;
                                for i in 0..kernel[0] {
                                    for j in 0..kernel[1] {
                                        for c in 0..3 {
                                            let y =
                                                (y * stride[0] + i) as isize - padding[0] as isize;
                                            let x =
                                                (x * stride[1] + j) as isize - padding[1] as isize;
                                            sum += taps.next().unwrap() * value(image, y, x, c);
                                        }
                                    }
                                }
                                let place =
                                    format!("{level} {params:?} at {image}, {y}, {x}, {channel}");
                                assert_eq!(*expected.next().unwrap(), sum, "{place}");
                                let bit = activations.get(image, y, x, channel);
                                assert_eq!(bit, threshold.apply(sum), "{place}");
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_an_error() {
    let weights = PackedWeights::new(Level::best(), &BitMatrix::all_minus_one(2, 70)).unwrap();
    let a = BitMatrix::all_minus_one(3, 70);
    let size = |what, expected, found| {
        Err(Error::Size {
            what,
            expected,
            found,
        })
    };
    assert_eq!(gemm_i32(&a, &weights, &mut [0; 5]), size("out", 6, 5));
    assert_eq!(
        gemm_i32(&a, &weights, RowsMut::new(&mut [0; 6], 1)),
        size("stride (at least a row)", 2, 1)
    );
    assert_eq!(
        gemm_i32(&a, &weights, RowsMut::new(&mut [0; 7], 3)),
        size("out", 8, 7)
    );
    assert_eq!(
        gemm_i32(&a, &weights, RowsMut::new(&mut [0; 7], usize::MAX)),
        size("out", usize::MAX, 7)
    );
    let shallow = BitMatrix::all_minus_one(3, 69);
    assert_eq!(
        gemm_i32(&shallow, &weights, &mut [0; 6]),
        size("columns of a (depth)", 70, 69)
    );
    assert!(matches!(
        gemm_i32(&BitMatrix::all_minus_one(0, 70), &weights, &mut []),
        Err(Error::Dimension { .. })
    ));

    let plain = ConvParams::valid([3, 3]);
    let shape = Shape {
        batch: 1,
        height: 4,
        width: 4,
        channels: 3,
    };
    let padded = ConvParams {
        padding: [usize::MAX, 1, 1, 1],
        ..plain
    };
    let still = ConvParams {
        stride: [0, 1],
        ..plain
    };
    for (params, outputs) in [
        (padded, 2),
        (ConvParams::valid([5, 1]), 2),
        (still, 2),
        (ConvParams::valid([0, 1]), 2),
        (plain, 0),
    ] {
        assert!(
            matches!(
                params.output_shape(shape, outputs),
                Err(Error::Dimension { .. })
            ),
            "{params:?}, {outputs} outputs"
        );
    }
    let wide = ConvParams::valid([usize::MAX, 2]);
    assert_eq!(wide.depth(3), usize::MAX);
    assert!(matches!(
        Conv2d::new(Level::best(), 3, wide, &BitMatrix::all_minus_one(2, 27)),
        Err(Error::Size { .. })
    ));
}

/// The ceilings, instructions of their own on each level, run there, and count in proportion to their rounds.
#[test]
fn ceilings_count_what_they_do() {
    for level in Level::available() {
        for peak in [peak_throughput, peak_throughput_bytes] {
            let once = peak(level, 1);
            assert!(once > 0, "{level}");
            assert_eq!(peak(level, 5), 5 * once, "{level}");
        }
    }
}
