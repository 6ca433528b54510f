//! One suite that holds a level against the scalar specification; its cases are plain functions, for fuzzers and for other
//! implementers.
//!
//! ```
//! use bernet_kernels::{conformance, isa::Level};
//!
//! conformance::product(Level::best(), [7, 33, 100], conformance::Fill::Random(1))?;
//! # Ok::<(), String>(())
//! ```

use crate::{
    bits::{BitMatrix, BitTensor, Shape},
    isa::Level,
    portable,
    xnor::{Conv2d, Geometry, PackedWeights, PaddingValue, Threshold, gemm_bits, gemm_i32},
};
use alloc::{format, string::String, vec, vec::Vec};

/// A pinned generator (SplitMix64: Steele, Lea and Flood, 2014), so that a failure is named by its seed alone.
#[derive(Clone, Debug)]
pub struct Generator(
    /// The state; any number is a seed.
    pub u64,
);

impl Generator {
    /// 64 random bits.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let word = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    }

    /// A number from 0 to `end − 1`; `end` is small and not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.word() >> 32) as usize % end
    }

    fn matrix(&mut self, rows: usize, columns: usize) -> BitMatrix {
        BitMatrix::from_fn(rows, columns, |_, _| self.word() >> 63 == 1)
    }

    /// Thresholds about the middle of the sums of a depth, some out of their reach, some the other way round.
    fn thresholds(&mut self, outputs: usize, depth: usize) -> Vec<Threshold> {
        let spread = depth.isqrt() + 2;
        (0..outputs)
            .map(|_| {
                let at_least = match self.below(16) {
                    0 => i32::MIN,
                    1 => i32::MAX,
                    2 => depth as i32,
                    3 => 1 - depth as i32,
                    _ => self.below(2 * spread) as i32 - spread as i32,
                };
                Threshold {
                    at_least,
                    invert: self.below(2) == 1,
                }
            })
            .collect()
    }
}

/// What a case's operands hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fill {
    /// Random bits, from a seed.
    Random(u64),
    /// Activations +1, weights −1: every count is as large as it gets.
    Opposite,
}

impl Fill {
    fn operands(self, [m, n, k]: [usize; 3]) -> (Generator, BitMatrix, BitMatrix) {
        match self {
            Self::Random(seed) => {
                let mut generator = Generator(seed);
                let (a, w) = (generator.matrix(m, k), generator.matrix(n, k));
                (generator, a, w)
            }
            Self::Opposite => (
                Generator(0),
                BitMatrix::from_fn(m, k, |_, _| true),
                BitMatrix::zeros(n, k),
            ),
        }
    }
}

/// `M × N × K` products, as sums and as bits.
///
/// # Errors
/// Says which element differs, expected and found.
pub fn product(level: Level, shape: [usize; 3], fill: Fill) -> Result<(), String> {
    let [m, n, k] = shape;
    let (mut generator, a, w) = fill.operands(shape);
    let thresholds = generator.thresholds(n, k);
    let weights = PackedWeights::new(level, &w);
    let mut sums = vec![0; m * n];
    gemm_i32(&a, &weights, &mut sums).map_err(|error| format!("{error}"))?;
    let mut bits = BitMatrix::from_fn(m, n, |row, column| (row ^ column) & 1 == 0);
    gemm_bits(&a, &weights, &thresholds, &mut bits).map_err(|error| format!("{error}"))?;
    pad_bits_are_clear(&bits)?;
    for row in 0..m {
        for column in 0..n {
            let expected = portable::dot(a.row(row), w.row(column), k);
            let found = (sums[row * n + column], bits.get(row, column));
            compare(expected, thresholds[column], found).map_err(|what| {
                format!("{level}, product {m}×{n}×{k}, {fill:?}, at {row}, {column}: {what}")
            })?;
        }
    }
    Ok(())
}

/// A convolution, as sums and as bits.
///
/// # Errors
/// Says which element differs, expected and found.
pub fn convolution(
    level: Level,
    geometry: &Geometry,
    input: Shape,
    seed: u64,
) -> Result<(), String> {
    let place = format!("{level}, {geometry:?} on {input:?}, seed {seed}");
    let failed = |error: crate::Error| format!("{place}: {error}");
    let output = geometry.output_shape(input).map_err(failed)?;
    let mut generator = Generator(seed);
    let lines = generator.matrix(input.batch * input.height, input.width * input.channels);
    let input = BitTensor::from_lines(input, lines).map_err(failed)?;
    let w = generator.matrix(geometry.outputs, geometry.depth());
    let thresholds = generator.thresholds(geometry.outputs, geometry.depth());
    let conv = Conv2d::new(level, *geometry, &w).map_err(failed)?;
    let mut sums = vec![0; output.batch * output.height * output.width * output.channels];
    conv.sums(&input, &mut sums).map_err(failed)?;
    let mut bits = BitTensor::zeros(output);
    conv.activations(&input, &thresholds, &mut bits)
        .map_err(failed)?;
    pad_bits_are_clear(bits.lines())?;
    for (index, &sum) in sums.iter().enumerate() {
        let (pixel, channel) = (index / output.channels, index % output.channels);
        let (line, x) = (pixel / output.width, pixel % output.width);
        let (image, y) = (line / output.height, line % output.height);
        let expected = portable::convolution_sum(geometry, &w, &input, [image, y, x, channel]);
        compare(
            expected,
            thresholds[channel],
            (sum, bits.get(image, y, x, channel)),
        )
        .map_err(|what| format!("{place}, at {image}, {y}, {x}, {channel}: {what}"))?;
    }
    Ok(())
}

/// A small convolution of any kind, its output not empty.
pub fn random_convolution(generator: &mut Generator) -> (Geometry, Shape) {
    const CHANNELS: [usize; 10] = [1, 2, 3, 8, 32, 33, 64, 65, 100, 128];
    const OUTPUTS: [usize; 8] = [1, 5, 8, 16, 33, 64, 65, 100];
    const VALUES: [PaddingValue; 3] = [
        PaddingValue::MinusOne,
        PaddingValue::Zero,
        PaddingValue::PlusOne,
    ];
    let mut pair =
        |from: usize, end: usize| [from + generator.below(end), from + generator.below(end)];
    let (kernel, stride, [height, width]) = (pair(1, 4), pair(1, 3), pair(1, 9));
    let (before, after) = (pair(0, 3), pair(0, 3));
    // Enough padding for the kernel to fit.
    let after = [
        after[0].max(kernel[0].saturating_sub(height + before[0])),
        after[1].max(kernel[1].saturating_sub(width + before[1])),
    ];
    let channels = CHANNELS[generator.below(CHANNELS.len())];
    let geometry = Geometry {
        channels,
        outputs: OUTPUTS[generator.below(OUTPUTS.len())],
        kernel,
        stride,
        padding: [before[0], before[1], after[0], after[1]],
        padding_value: VALUES[generator.below(VALUES.len())],
    };
    (
        geometry,
        Shape {
            batch: 1 + generator.below(3),
            height,
            width,
            channels,
        },
    )
}

fn compare(expected: i32, threshold: Threshold, (sum, bit): (i32, bool)) -> Result<(), String> {
    if sum != expected {
        return Err(format!("expected {expected}, found {sum}"));
    }
    if bit != threshold.apply(expected) {
        return Err(format!(
            "{threshold:?} of {expected}: expected {}, found {bit}",
            !bit
        ));
    }
    Ok(())
}

fn pad_bits_are_clear(bits: &BitMatrix) -> Result<(), String> {
    let words = bits.words().to_vec();
    BitMatrix::from_words(bits.rows(), bits.columns(), words)
        .map(drop)
        .map_err(|error| format!("{error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{io::Write, string::ToString};

    /// The levels to be tested: all this CPU has. Those that `BERNET_REQUIRE_LEVELS` names (`avx2,neon`) must be among them, so
    /// that a run can prove what it covered. Written to stderr itself, which the test harness does not swallow.
    fn levels(suite: &str) -> Vec<Level> {
        let levels = Level::available();
        let names: Vec<_> = levels.iter().map(ToString::to_string).collect();
        writeln!(
            std::io::stderr(),
            "conformance of {suite}: {}",
            names.join(", ")
        )
        .unwrap();
        for required in std::env::var("BERNET_REQUIRE_LEVELS")
            .unwrap_or_default()
            .split(',')
        {
            let present = required.is_empty() || names.iter().any(|name| name == required);
            assert!(
                present,
                "level `{required}` is required, but this CPU has only {}",
                names.join(", ")
            );
        }
        levels
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
        report(shapes.enumerate().flat_map(|(seed, shape)| {
            levels
                .iter()
                .filter_map(move |&level| product(level, shape, Fill::Random(seed as u64)).err())
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
                .filter_map(move |&level| product(level, [5, 65, depth], Fill::Opposite).err())
        }));
    }

    #[test]
    fn random_products() {
        let levels = levels("random products");
        proptest!(|(m in 1_usize..60, n in 1_usize..150, k in 1_usize..700, seed: u64)| {
            for &level in &levels {
                product(level, [m, n, k], Fill::Random(seed)).map_err(TestCaseError::fail)?;
            }
        });
    }

    #[test]
    fn random_convolutions() {
        let levels = levels("random convolutions");
        proptest!(|(seed: u64)| {
            let (geometry, input) = random_convolution(&mut Generator(seed));
            for &level in &levels {
                convolution(level, &geometry, input, seed).map_err(TestCaseError::fail)?;
            }
        });
    }

    /// Sizes that take many bands and blocks, and the layers of the net that recognises digits.
    #[test]
    fn convolutions_of_many_blocks() {
        let levels = levels("convolutions of many blocks");
        let same = Geometry {
            channels: 64,
            outputs: 64,
            kernel: [3, 3],
            stride: [1, 1],
            padding: [1; 4],
            padding_value: PaddingValue::Zero,
        };
        let plain = Geometry {
            channels: 1,
            outputs: 8,
            kernel: [6, 6],
            stride: [2, 2],
            padding: [0; 4],
            ..same
        };
        let cases = [
            (
                same,
                Shape {
                    batch: 1,
                    height: 30,
                    width: 30,
                    channels: 64,
                },
            ),
            (
                Geometry {
                    channels: 33,
                    padding_value: PaddingValue::PlusOne,
                    ..same
                },
                Shape {
                    batch: 2,
                    height: 20,
                    width: 31,
                    channels: 33,
                },
            ),
            (
                plain,
                Shape {
                    batch: 7,
                    height: 28,
                    width: 28,
                    channels: 1,
                },
            ),
            (
                Geometry {
                    channels: 8,
                    ..plain
                },
                Shape {
                    batch: 40,
                    height: 12,
                    width: 12,
                    channels: 8,
                },
            ),
            (
                Geometry {
                    channels: 128,
                    kernel: [1, 1],
                    stride: [1, 1],
                    ..plain
                },
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
                .flat_map(|(seed, (geometry, input))| {
                    levels.iter().filter_map(move |&level| {
                        convolution(level, geometry, *input, seed as u64).err()
                    })
                }),
        );
    }
}
