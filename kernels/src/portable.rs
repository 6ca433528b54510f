//! The scalar specification of every kernel, written to be read.
//!
//! ```
//! use bernet_kernels::portable::dot;
//!
//! // + − + against + + −: one product is +1, two are −1.
//! assert_eq!(dot(&[0b101], &[0b011], 3), -1);
//! ```

use crate::{
    bits::{BitMatrix, BitTensor, Shape},
    xnor::{Geometry, Options, PaddingValue},
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
    geometry: &Geometry,
    options: Options,
    weights: &BitMatrix,
    input: &BitTensor,
    [image, y, x, channel]: [usize; 4],
) -> i32 {
    let Shape { height, width, .. } = input.shape();
    let [top, left, ..] = geometry.padding;
    let channels = geometry.channels / options.groups;
    let group = channel / (geometry.outputs / options.groups);
    let sign = |bit: bool| if bit { 1 } else { -1 };
    let mut sum = 0;
    for i in 0..geometry.kernel[0] {
        for j in 0..geometry.kernel[1] {
            // In the padded image.
            let line = y * geometry.stride[0] + i * options.dilation[0];
            let pixel = x * geometry.stride[1] + j * options.dilation[1];
            let inside =
                (top..top + height).contains(&line) && (left..left + width).contains(&pixel);
            for c in 0..channels {
                let value = match geometry.padding_value {
                    _ if inside => {
                        sign(input.get(image, line - top, pixel - left, group * channels + c))
                    }
                    PaddingValue::MinusOne => -1,
                    PaddingValue::Zero => 0,
                    PaddingValue::PlusOne => 1,
                };
                let tap = (i * geometry.kernel[1] + j) * channels + c;
                sum += value * sign(weights.get(channel, tap));
            }
        }
    }
    sum
}
