//! The scalar reference of every kernel, written to be read.
//!
//! ```
//! use bernet_kernels::reference::dot;
//!
//! // + − + against + + −: one product is +1, two are −1.
//! assert_eq!(dot(&[0b101], &[0b011], 3), -1);
//! ```

use crate::{
    bits::{BitMatrix, BitTensor, Shape},
    xnor::{ConvParams, PaddingValue},
};

/// ±1 values: the dot product of two packed rows of `depth` values whose pad bits are 0.
///
/// Equal bits multiply to +1, different ones to −1: `dot = (depth − differing) − differing`.
pub fn dot(a: &[u64], b: &[u64], depth: usize) -> i32 {
    let differing: u32 = a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum();
    depth as i32 - 2 * differing as i32
}

/// One sum of a convolution: output `channel` at line `y`, pixel `x` of an image.
///
/// `weights` has a row for each output channel, in the order kernel line, kernel column, channel of its group. The tap
/// `(i, j)` of the window reads line `y · stride + i · dilation − top`, pixel `x · stride + j · dilation − left`; outside the image it
/// counts as the padding.
pub fn convolution_sum(
    params: &ConvParams,
    weights: &BitMatrix,
    input: &BitTensor,
    [image, y, x, channel]: [usize; 4],
) -> i32 {
    let sign = |bit: bool| if bit { 1 } else { -1 };
    let padding = match params.padding_value {
        PaddingValue::MinusOne => -1,
        PaddingValue::Zero => 0,
        PaddingValue::PlusOne => 1,
    };
    let value = |at: Option<[usize; 3]>| {
        at.map_or(padding, |[line, pixel, c]| {
            sign(input.get(image, line, pixel, c))
        })
    };
    window_sum(params, weights, input.shape(), [y, x, channel], value)
}

/// As [`convolution_sum`], of 8-bit unsigned numbers, NHWC; padding counts as 0.
pub fn byte_convolution_sum(
    params: &ConvParams,
    weights: &BitMatrix,
    shape: Shape,
    input: &[u8],
    [image, y, x, channel]: [usize; 4],
) -> i32 {
    let Shape {
        height,
        width,
        channels,
        ..
    } = shape;
    let value = |at: Option<[usize; 3]>| {
        at.map_or(0, |[line, pixel, c]| {
            input[((image * height + line) * width + pixel) * channels + c].into()
        })
    };
    window_sum(params, weights, shape, [y, x, channel], value)
}

/// The sum under one window; `value` is asked for line, pixel and channel of the image, or for what lies outside.
fn window_sum(
    params: &ConvParams,
    weights: &BitMatrix,
    shape: Shape,
    [y, x, channel]: [usize; 3],
    value: impl Fn(Option<[usize; 3]>) -> i32,
) -> i32 {
    let Shape { height, width, .. } = shape;
    let [top, left, ..] = params.padding;
    let channels = shape.channels / params.groups;
    let group = channel / (weights.rows() / params.groups);
    let mut sum = 0;
    for i in 0..params.kernel[0] {
        for j in 0..params.kernel[1] {
            // In the padded image.
            let line = y * params.stride[0] + i * params.dilation[0];
            let pixel = x * params.stride[1] + j * params.dilation[1];
            let inside =
                (top..top + height).contains(&line) && (left..left + width).contains(&pixel);
            for c in 0..channels {
                let value = value(inside.then(|| [line - top, pixel - left, group * channels + c]));
                let tap = (i * params.kernel[1] + j) * channels + c;
                sum += if weights.get(channel, tap) {
                    value
                } else {
                    -value
                };
            }
        }
    }
    sum
}
