//! The suite on every level that this machine has, over random shapes and those at the edges of tiles.

use super::*;
use proptest::prelude::*;
use std::{io::Write, string::ToString};

/// The levels to be tested: all this CPU has, or those that `BERNET_LEVELS` names (`avx2,neon`), which it must have. So a run
/// can prove what it covered, and an emulator, which is slow, need not repeat what the machine under it has done. Written to stderr
/// itself, which the test harness does not swallow.
pub(crate) fn levels(suite: &str) -> Vec<Level> {
    let levels = match std::env::var("BERNET_LEVELS") {
        Ok(names) => names
            .split(',')
            .map(|name| Level::by_name(name).unwrap_or_else(|error| panic!("{error}")))
            .collect(),
        Err(_) => Level::available(),
    };
    let names: Vec<_> = levels.iter().map(ToString::to_string).collect();
    writeln!(
        std::io::stderr(),
        "conformance of {suite}: {}",
        names.join(", ")
    )
    .unwrap();
    levels
}

/// The cases to be tested: all, or each `BERNET_EVERY`-th, for emulators. A prime that divides no list's length meets every value
/// of every list that the cases are made of.
pub(crate) fn share<T>(cases: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
    let every = std::env::var("BERNET_EVERY").map_or(1, |every| every.parse().unwrap());
    cases.step_by(every)
}

/// All failures at once.
fn report(failures: impl Iterator<Item = String>) {
    let failures: Vec<_> = failures.collect();
    assert!(
        failures.is_empty(),
        "{} failures:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn products_at_the_edges_of_tiles_and_words() {
    let levels = levels("products at the edges of tiles and words");
    const ROWS: [usize; 11] = [1, 2, 3, 4, 5, 6, 7, 11, 47, 48, 49];
    const COLUMNS: [usize; 17] = [1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 129];
    const DEPTHS: [usize; 15] = [1, 7, 8, 9, 31, 32, 33, 63, 64, 65, 127, 129, 247, 249, 497];
    let shapes = ROWS.iter().flat_map(|&m| {
        COLUMNS
            .iter()
            .flat_map(move |&n| DEPTHS.iter().map(move |&k| [m, n, k]))
    });
    report(share(shapes.enumerate()).flat_map(|(seed, shape)| {
        levels
            .iter()
            .filter_map(move |&level| product(level, 1, shape, Fill::Random(seed as u64)).err())
    }));
}

#[test]
fn counts_do_not_overflow() {
    let levels = levels("the largest counts");
    // About the ends of 8-bit chunks and of 16-bit accumulators.
    const DEPTHS: [usize; 9] = [240, 248, 256, 512, 65_272, 65_280, 65_535, 65_536, 140_000];
    report(DEPTHS.iter().flat_map(|&depth| {
        levels
            .iter()
            .filter_map(move |&level| product(level, 1, [5, 65, depth], Fill::Opposite).err())
    }));
}

#[test]
fn random_products() {
    let levels = levels("random products");
    proptest!(|(m in 1_usize..60, n in 1_usize..150, k in 1_usize..700, seed: u64)| {
        for &level in &levels {
            product(level, 1, [m, n, k], Fill::Random(seed)).map_err(TestCaseError::fail)?;
        }
    });
}

/// Where a level may swap the roles of rows and columns.
#[test]
fn few_columns_of_little_depth() {
    let levels = levels("few columns of little depth");
    proptest!(|(m in 12_usize..100, n in 1_usize..36, k in 1_usize..75, seed: u64)| {
        for &level in &levels {
            for fill in [Fill::Random(seed), Fill::Opposite] {
                product(level, 1, [m, n, k], fill).map_err(TestCaseError::fail)?;
            }
        }
    });
}

#[test]
fn random_convolutions() {
    let levels = levels("random convolutions");
    proptest!(|(seed: u64)| {
        let (params, outputs, input) = random_convolution(&mut Generator(seed));
        for &level in &levels {
            convolution(level, 1, &params, outputs, input, seed).map_err(TestCaseError::fail)?;
        }
    });
}

#[test]
fn random_byte_convolutions() {
    let levels = levels("random convolutions of bytes");
    proptest!(|(seed: u64)| {
        let (mut params, outputs, input) = random_convolution(&mut Generator(seed));
        params.padding_value = PaddingValue::Zero;
        for &level in &levels {
            byte_convolution(level, 1, &params, outputs, input, seed).map_err(TestCaseError::fail)?;
        }
    });
}

/// First layers of nets that see photographs, and depth that takes sums of 255s beyond 16 bits.
#[test]
fn byte_convolutions_of_many_blocks() {
    let levels = levels("convolutions of bytes, of many blocks");
    let case = |kernel, channels, height| {
        let params = ConvParams {
            stride: [2, 2],
            padding: [kernel / 2; 4],
            ..ConvParams::valid([kernel; 2])
        };
        let shape = Shape {
            batch: 2,
            height,
            width: 45,
            channels,
        };
        (params, shape)
    };
    let layers = [
        case(7, 3, 40),
        case(3, 3, 61),
        case(1, 1000, 3),
        case(5, 67, 7),
    ];
    let cases = layers
        .iter()
        .flat_map(|layer| (0..6).map(move |seed| (layer, seed)));
    report(share(cases).flat_map(|((params, shape), seed)| {
        levels
            .iter()
            .filter_map(move |&level| byte_convolution(level, 1, params, 64, *shape, seed).err())
    }));
}

/// Kernels of a few bits a line, whose activations come from tables: one to eight words of outputs, lines of more than a word,
/// pieces that are an odd number or cut unevenly, dilated lines, padding that counts.
#[test]
fn convolutions_by_table() {
    let levels = levels("convolutions by table");
    let cases = [
        (1, 8, [6, 6], [2, 2], 28, [1, 1]),
        (1, 32, [5, 5], [1, 1], 150, [1, 1]),
        (3, 17, [3, 3], [2, 3], 47, [1, 1]),
        (1, 63, [3, 3], [1, 1], 66, [2, 1]),
        (5, 9, [3, 3], [1, 1], 29, [1, 1]),
        (2, 40, [2, 4], [1, 2], 33, [3, 1]),
        (1, 49, [1, 7], [1, 70], 300, [1, 1]),
        (1, 1, [2, 2], [1, 1], 5, [1, 1]),
        (1, 30, [3, 6], [1, 1], 9, [1, 1]),
    ];
    report((0..).zip(cases).flat_map(
        |(seed, (channels, outputs, kernel, stride, width, dilation))| {
            let pads = [
                (0, PaddingValue::Zero),
                (1, PaddingValue::PlusOne),
                (1, PaddingValue::MinusOne),
            ];
            let levels = &levels;
            pads.into_iter().flat_map(move |(pad, padding_value)| {
                let params = ConvParams {
                    stride,
                    dilation,
                    padding: [pad; 4],
                    padding_value,
                    ..ConvParams::valid(kernel)
                };
                let shape = Shape {
                    batch: 2,
                    height: 11,
                    width,
                    channels,
                };
                levels.iter().filter_map(move |&level| {
                    convolution(level, 1, &params, outputs, shape, seed).err()
                })
            })
        },
    ));
}

/// Sizes that take many bands and blocks, and the layers of the net that recognises digits.
#[test]
fn convolutions_of_many_blocks() {
    let levels = levels("convolutions of many blocks");
    let same = ConvParams {
        padding: [1; 4],
        ..ConvParams::valid([3, 3])
    };
    let plain = ConvParams {
        stride: [2, 2],
        ..ConvParams::valid([6, 6])
    };
    let cases = [
        (
            same,
            64,
            Shape {
                batch: 1,
                height: 30,
                width: 30,
                channels: 64,
            },
        ),
        (
            ConvParams {
                padding_value: PaddingValue::PlusOne,
                ..same
            },
            64,
            Shape {
                batch: 2,
                height: 20,
                width: 31,
                channels: 33,
            },
        ),
        (
            plain,
            8,
            Shape {
                batch: 7,
                height: 28,
                width: 28,
                channels: 1,
            },
        ),
        (
            plain,
            8,
            Shape {
                batch: 40,
                height: 12,
                width: 12,
                channels: 8,
            },
        ),
        (
            ConvParams::valid([1, 1]),
            8,
            Shape {
                batch: 150,
                height: 2,
                width: 2,
                channels: 128,
            },
        ),
    ];
    report(
        cases
            .iter()
            .enumerate()
            .flat_map(|(seed, (params, outputs, input))| {
                levels.iter().filter_map(move |&level| {
                    convolution(level, 1, params, *outputs, *input, seed as u64).err()
                })
            }),
    );
}

/// Padding that does not count, read in place: every class of outputs, bands that cut them, strides and dilations that leave some out, kernels larger than the
/// image, windows that lie on padding alone.
#[test]
fn padding_that_does_not_count() {
    let levels = levels("padding that does not count");
    // Channels, height, width, kernel, padding, stride, dilation.
    let cases = [
        (64, 30, 30, [3, 3], [1; 4], 1, 1),
        (128, 28, 28, [3, 3], [1; 4], 1, 1),
        (64, 56, 56, [3, 3], [1; 4], 1, 1),
        (512, 7, 7, [3, 3], [1; 4], 1, 1),
        (256, 7, 7, [5, 5], [2; 4], 1, 1),
        (64, 2, 3, [7, 7], [3; 4], 1, 1),
        (32, 13, 19, [3, 3], [2, 1, 0, 2], 2, 1),
        (64, 9, 9, [3, 2], [2; 4], 1, 2),
        (8, 56, 9, [3, 3], [1; 4], 1, 1),
        (64, 3, 4, [1, 1], [2, 1, 1, 2], 1, 1),
        (64, 1, 1, [3, 3], [2; 4], 3, 2),
        (64, 40, 1, [3, 1], [1, 0, 1, 0], 1, 1),
    ];
    let cases = cases.iter().enumerate();
    report(share(cases).flat_map(
        |(seed, &(channels, height, width, kernel, padding, stride, dilation))| {
            let params = ConvParams {
                stride: [stride; 2],
                dilation: [dilation; 2],
                padding,
                ..ConvParams::valid(kernel)
            };
            let outputs = channels.min(100);
            let shape = Shape {
                batch: 2,
                height,
                width,
                channels,
            };
            levels.iter().filter_map(move |&level| {
                convolution(level, 1, &params, outputs, shape, seed as u64).err()
            })
        },
    ));
}

/// Work that is worth splitting: rows, the columns of a single row, the lines of a convolution.
#[cfg(feature = "rayon")]
#[test]
fn any_number_of_threads() {
    let level = Level::best();
    let params = ConvParams {
        padding: [1; 4],
        ..ConvParams::valid([3, 3])
    };
    let input = Shape {
        batch: 3,
        height: 17,
        width: 31,
        channels: 64,
    };
    report((1..6).flat_map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let fill = Fill::Random(threads as u64);
        pool.install(|| {
            [
                product(level, threads, [61, 300, 2000], fill),
                product(level, threads, [1, 8200, 8193], fill),
                convolution(level, threads, &params, 65, input, threads as u64),
                byte_convolution(level, threads, &params, 65, input, threads as u64),
            ]
        })
        .into_iter()
        .filter_map(Result::err)
    }));
}
