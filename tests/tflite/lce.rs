//! LCE's operators on random nets, against its formulas written down once more.

use crate::file::{FLOAT32, File, INT32};
use bernet::exchange::tflite;
use bernet_kernels::conformance::Generator;
use bernet_runtime::{reference, tensor::Tensor};

/// A binary convolution as LCE has it.
#[derive(Clone, Copy, Debug)]
struct Case {
    size: [usize; 2],
    channels: usize,
    outputs: usize,
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    groups: usize,
    valid: bool,
    pad_values: i32,
    activation: i32,
    bits: bool,
}

const CASE: Case = Case {
    size: [5, 4],
    channels: 33,
    outputs: 3,
    kernel: [3, 3],
    stride: [1, 1],
    dilation: [1, 1],
    groups: 1,
    valid: false,
    pad_values: 1,
    activation: 0,
    bits: false,
};

impl Case {
    /// Outputs along an axis, and what SAME adds before it.
    fn places(&self, axis: usize) -> (usize, usize) {
        let span = (self.kernel[axis] - 1) * self.dilation[axis] + 1;
        if self.valid {
            return ((self.size[axis] - span) / self.stride[axis] + 1, 0);
        }
        let places = self.size[axis].div_ceil(self.stride[axis]);
        let total = ((places - 1) * self.stride[axis] + span).saturating_sub(self.size[axis]);
        (places, total / 2)
    }

    /// Number of taps of a filter.
    fn depth(&self) -> usize {
        self.kernel[0] * self.kernel[1] * self.channels / self.groups
    }
}

/// Runs a case; checks each output against the formula.
fn check(case: Case, seed: u64) {
    let mut generator = Generator(seed);
    let [height, width] = case.size;
    let x: Vec<f32> = (0..height * width * case.channels)
        .map(|_| generator.below(7) as f32 - 3.0)
        .collect();
    let group_channels = case.channels / case.groups;
    let words = group_channels.div_ceil(32);
    // The bits beyond the last channel are noise that must not count.
    let taps = case.kernel[0] * case.kernel[1];
    let filter: Vec<i32> = (0..case.outputs * taps * words)
        .map(|_| generator.below(1 << 32) as i32)
        .collect();
    let mut real = || generator.below(2001) as f32 / 1000.0 - 1.0;
    let multiplier: Vec<f32> = (0..case.outputs).map(|_| real()).collect();
    let bias: Vec<f32> = (0..case.outputs).map(|_| 10.0 * real()).collect();
    let extremes = [i32::MAX, i32::MIN, case.depth() as i32 / 2];
    let thresholds: Vec<i32> = (0..case.outputs).map(|at| extremes[at % 3]).collect();

    let ((tall, top), (wide, left)) = (case.places(0), case.places(1));
    let mut file = File::new(&[1, height as i32, width as i32, case.channels as i32]);
    let packed = [
        1,
        height as i32,
        width as i32,
        case.channels.div_ceil(32) as i32,
    ];
    let signs = file.custom("LceQuantize", &[0], &[], INT32, &packed);
    let kernel = case.kernel.map(|size| size as i32);
    let shape = [case.outputs as i32, kernel[0], kernel[1], words as i32];
    let weights = file.integers(&shape, &filter);
    let outputs = [case.outputs as i32];
    let inputs = if case.bits {
        [signs, weights, -1, -1, file.integers(&outputs, &thresholds)]
    } else {
        let multiplier = file.floats(&outputs, &multiplier);
        [signs, weights, multiplier, file.floats(&outputs, &bias), -1]
    };
    let options = [
        ("channels_in", case.channels as i32),
        ("dilation_height_factor", case.dilation[0] as i32),
        ("dilation_width_factor", case.dilation[1] as i32),
        ("fused_activation_function", case.activation),
        ("pad_values", case.pad_values),
        ("padding", i32::from(case.valid)),
        ("stride_height", case.stride[0] as i32),
        ("stride_width", case.stride[1] as i32),
    ];
    let (kind, last) = if case.bits {
        (INT32, case.outputs.div_ceil(32))
    } else {
        (FLOAT32, case.outputs)
    };
    let shape = [1, tall as i32, wide as i32, last as i32];
    let mut output = file.custom("LceBconv2d", &inputs, &options, kind, &shape);
    if case.bits {
        let shape = [1, tall as i32, wide as i32, case.outputs as i32];
        output = file.custom("LceDequantize", &[output], &[], FLOAT32, &shape);
    }
    file.outputs = vec![output];

    let imported = tflite::import(&file.build()).expect("a net");
    let shape = imported.graph.value(imported.graph.inputs[0].value).shape;
    let image = Tensor::from_f32(1, shape, x.clone()).expect("an image");
    let found = reference::run(&imported.graph, &[image]).expect("a valid graph")[0].to_f32();

    let depth = case.depth() as i32;
    let mut at = 0;
    for place in 0..tall * wide {
        let (y0, x0) = (place / wide * case.stride[0], place % wide * case.stride[1]);
        for channel in 0..case.outputs {
            let group = channel / (case.outputs / case.groups);
            // Of the taps outside, how many there are and what their weights add up to.
            let (mut differing, mut outside, mut outside_sum) = (0, 0, 0);
            for tap in 0..taps {
                let row = (y0 + tap / case.kernel[1] * case.dilation[0]).checked_sub(top);
                let column = (x0 + tap % case.kernel[1] * case.dilation[1]).checked_sub(left);
                let row = row.filter(|&row| row < height);
                let inside = row.zip(column.filter(|&column| column < width));
                for input in 0..group_channels {
                    let word = filter[(channel * taps + tap) * words + input / 32];
                    let weight = word >> (input % 32) & 1;
                    match inside {
                        Some((row, column)) => {
                            let index = (row * width + column) * case.channels;
                            let value = x[index + group * group_channels + input];
                            differing += i32::from(value < 0.0) ^ weight;
                        }
                        None => {
                            differing += weight;
                            outside += 1;
                            outside_sum += 1 - 2 * weight;
                        }
                    }
                }
            }
            let expected = if case.bits {
                let minus = differing > thresholds[channel];
                if minus { -1.0 } else { 1.0 }
            } else {
                // Twice the differing bits, padded with +1; then what that added is taken away.
                let range = [(i32::MIN, i32::MAX), (0, i32::MAX), (-1, 1), (0, 6)];
                let (low, high) = range[case.activation as usize];
                let sum = (depth - 2 * differing).clamp(low, high);
                let double_count = (depth - sum) as f32;
                let (m, b) = (multiplier[channel], bias[channel]);
                let bias = (f64::from(b) + f64::from(depth) * f64::from(m)) as f32;
                let number = double_count * -m + bias;
                if case.pad_values == 0 && outside > 0 {
                    number + -m * outside_sum as f32
                } else {
                    number
                }
            };
            assert_eq!(
                found[at].to_bits(),
                expected.to_bits(),
                "{case:?}: output {at}"
            );
            at += 1;
        }
    }
    assert_eq!(at, found.len());
}

#[test]
fn binary_convolutions_are_equal_to_the_last_bit() {
    let cases = [
        CASE,
        Case {
            valid: true,
            channels: 32,
            ..CASE
        },
        Case {
            stride: [2, 2],
            channels: 1,
            outputs: 40,
            ..CASE
        },
        Case {
            dilation: [2, 1],
            kernel: [2, 3],
            channels: 70,
            ..CASE
        },
        Case {
            channels: 64,
            groups: 2,
            outputs: 4,
            ..CASE
        },
        Case {
            pad_values: 0,
            ..CASE
        },
        Case {
            pad_values: 0,
            kernel: [5, 2],
            dilation: [1, 2],
            stride: [2, 1],
            size: [9, 6],
            ..CASE
        },
        Case {
            activation: 1,
            ..CASE
        },
        Case {
            activation: 2,
            channels: 2,
            ..CASE
        },
        Case {
            activation: 3,
            stride: [3, 1],
            ..CASE
        },
        Case {
            bits: true,
            outputs: 35,
            ..CASE
        },
        Case {
            bits: true,
            valid: true,
            pad_values: 0,
            channels: 96,
            groups: 3,
            ..CASE
        },
    ];
    for (seed, case) in cases.into_iter().enumerate() {
        check(case, seed as u64);
    }
}

#[test]
fn pooled_bits() {
    let mut file = File::new(&[1, 3, 3, 1]);
    let bits = file.custom("LceQuantize", &[0], &[], INT32, &[1, 3, 3, 1]);
    let options = [
        ("filter_height", 2),
        ("filter_width", 2),
        ("padding", 0),
        ("stride_height", 2),
        ("stride_width", 2),
    ];
    let pooled = file.custom("LceBMaxPool2d", &[bits], &options, INT32, &[1, 2, 2, 1]);
    file.outputs = vec![pooled];
    let imported = tflite::import(&file.build()).expect("a net");
    assert_eq!(
        imported.notes.len(),
        1,
        "bits are handed out: {:?}",
        imported.notes
    );
    let x = [-1.0, -1.0, 2.0, -1.0, -1.0, -3.0, -2.0, 0.0, -5.0];
    let shape = imported.graph.value(imported.graph.inputs[0].value).shape;
    let x = Tensor::from_f32(1, shape, x.to_vec()).expect("an image");
    let found = reference::run(&imported.graph, &[x]).expect("a valid graph")[0].to_f32();
    // The padding below and to the right is no value.
    assert_eq!(found, [-1.0, 1.0, 1.0, -1.0]);
}
