//! The definition of inference, on plain ±1 numbers and without a trick: what [`Session`](super::Session) must equal.
//!
//! ```
//! use bernet::{
//!     infer::reference,
//!     model::{Input, Layer, Model},
//! };
//! use bernet_kernels::bits::BitMatrix;
//!
//! let model = Model {
//!     input: Input { height: 1, width: 3, channels: 1, threshold: Some(128) },
//!     layers: vec![Layer::Expectation { weights: BitMatrix::from_signs(2, 1, &[-1.0, 1.0])? }],
//!     metadata: Default::default(),
//! };
//! let trace = reference::trace(&model, &[1, 1, -1])?;
//! assert_eq!(trace.logits, [-1, 1]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::model::{Layer, MaxPool, Model, ModelError, Place};
use bernet_kernels::{
    bits::{BitTensor, Shape},
    xnor::{PaddingValue, Window},
};

/// Every tensor that a batch went through, values −1 and +1 in NHWC order.
#[derive(Clone, PartialEq, Debug)]
pub struct Trace {
    /// The output of every layer before the expectation, in their order.
    pub activations: Vec<Vec<i8>>,
    /// `batch × classes`: the sums before an affine layer. None where the last layer has real weights.
    pub logits: Vec<i32>,
    /// `batch × classes`: after an affine layer, or the sums.
    pub real_logits: Vec<f64>,
}

/// The values of a packed tensor, −1 and +1 in NHWC order.
pub fn unpack(tensor: &BitTensor) -> Vec<i8> {
    let Shape {
        batch,
        height,
        width,
        channels,
    } = tensor.shape();
    let mut values = Vec::with_capacity(batch * height * width * channels);
    for image in 0..batch {
        for y in 0..height {
            for x in 0..width {
                values.extend((0..channels).map(|channel| sign(tensor.get(image, y, x, channel))));
            }
        }
    }
    values
}

/// Runs a model on images of −1 and +1 in NHWC order, as [`Input::binarise`](crate::model::Input::binarise) packs them.
///
/// # Errors
/// [`ModelError`] where the model does not fit together, or `images` is not a whole number of images of −1 and +1.
pub fn trace(model: &Model, images: &[i8]) -> Result<Trace, ModelError> {
    let shapes = model.shapes()?;
    let mut shape = model.input.bits_shape();
    let image = shape.height * shape.width * shape.channels;
    let wrong = |what, expected: String, found: String| ModelError {
        place: Place::Input,
        what,
        expected,
        found,
    };
    if !images.len().is_multiple_of(image) {
        return Err(wrong(
            "number of values",
            format!("a multiple of {image}"),
            images.len().to_string(),
        ));
    }
    if let Some(value) = images.iter().find(|value| value.abs() != 1) {
        return Err(wrong("value", "-1 or 1".into(), value.to_string()));
    }

    shape.batch = images.len() / image;
    let mut trace = Trace {
        activations: Vec::new(),
        logits: Vec::new(),
        real_logits: Vec::new(),
    };
    let mut values = images.to_vec();
    // Eight bits, the least significant first, are a grey value, which the first convolution reads.
    let grey: Option<Vec<i32>> = model.input.threshold.is_none().then(|| {
        let bits = images.chunks_exact(8).map(|bits| bits.iter().rev());
        bits.map(|bits| bits.fold(0, |grey, &bit| 2 * grey + i32::from(bit == 1)))
            .collect()
    });
    let grey = grey.as_ref().map(|values| Tensor {
        shape: Shape {
            batch: shape.batch,
            ..model.input.shape()
        },
        values,
    });
    for (index, (layer, output)) in model.layers.iter().zip(shapes).enumerate() {
        let input = Tensor {
            shape,
            values: &values,
        };
        let output = Shape {
            batch: shape.batch,
            ..output
        };
        let next = match layer {
            Layer::Crop { top, left, .. } => {
                Tensor::generate(output, |n, y, x, c| input.at(n, top + y, left + x, c))
            }
            Layer::Conv(conv) => Tensor::generate(output, |n, y, x, o| {
                let sum: i32 = match grey.filter(|_| index == 0) {
                    Some(grey) => products(conv.window(), grey, [n, y, x, o], |k, value| {
                        value * i32::from(sign(conv.weights.get(o, k)))
                    }),
                    None => products(conv.window(), input, [n, y, x, o], |k, value| {
                        i32::from(value) * i32::from(sign(conv.weights.get(o, k)))
                    }),
                };
                sign(conv.thresholds[o].apply(sum))
            }),
            Layer::RealConv(conv) => Tensor::generate(output, |n, y, x, o| {
                let grey = grey.expect("a valid model reads grey values here");
                let row = &conv.weights[o * conv.window().depth()..];
                let sum = products(conv.window(), grey, [n, y, x, o], |k, value| {
                    f64::from(value) * f64::from(row[k])
                });
                sign(conv.thresholds[o].apply(sum))
            }),
            Layer::MaxPool(pool) => {
                Tensor::generate(output, |n, y, x, c| window(pool, input, n, y, x, c))
            }
            // Weights for the whole image, or for each position alike.
            Layer::Expectation { weights } => {
                trace.logits = expectation(input, weights.rows(), |class, place, value| {
                    i32::from(value)
                        * i32::from(sign(weights.get(class, place % weights.columns())))
                });
                trace.real_logits = trace.logits.iter().copied().map(f64::from).collect();
                continue;
            }
            Layer::RealExpectation(last) => {
                trace.real_logits = expectation(input, last.classes, |class, place, value| {
                    let column = class * last.columns() + place % last.columns();
                    f64::from(value) * f64::from(last.weights[column])
                });
                continue;
            }
            Layer::Affine { scale, bias } => {
                for (index, logit) in trace.real_logits.iter_mut().enumerate() {
                    let class = index % scale.len();
                    *logit = scale[class] * *logit + bias[class];
                }
                continue;
            }
        };
        trace.activations.push(next.clone());
        (values, shape) = (next, output);
    }
    Ok(trace)
}

#[derive(Clone, Copy)]
struct Tensor<'a, V = i8> {
    shape: Shape,
    values: &'a [V],
}

impl<V: Copy> Tensor<'_, V> {
    fn at(self, n: usize, y: usize, x: usize, c: usize) -> V {
        self.values[((n * self.shape.height + y) * self.shape.width + x) * self.shape.channels + c]
    }
}

impl Tensor<'_> {
    /// The values in NHWC order from a function of their place.
    fn generate(shape: Shape, value: impl Fn(usize, usize, usize, usize) -> i8) -> Vec<i8> {
        let mut values = Vec::new();
        for n in 0..shape.batch {
            for y in 0..shape.height {
                for x in 0..shape.width {
                    for c in 0..shape.channels {
                        values.push(value(n, y, x, c));
                    }
                }
            }
        }
        values
    }
}

fn sign(bit: bool) -> i8 {
    if bit { 1 } else { -1 }
}

/// `Σ_ky Σ_kx Σ_c product(k, x[y·stride + ky·dilation − top][x·stride + kx·dilation − left][c])` over the channels of the output's
/// group, where `k` counts the products, in that order.
fn products<V: Copy + From<i8>, S: Default + Copy + std::ops::Add<Output = S>>(
    window: Window,
    input: Tensor<V>,
    [n, y, x, o]: [usize; 4],
    product: impl Fn(usize, V) -> S,
) -> S {
    let Window { geometry, options } = window;
    let [top, left, ..] = geometry.padding;
    let first = o / window.outputs() * window.channels();
    let mut sum = S::default();
    let mut k = 0;
    for ky in 0..geometry.kernel[0] {
        for kx in 0..geometry.kernel[1] {
            for c in first..first + window.channels() {
                let y = y * geometry.stride[0] + ky * options.dilation[0];
                let x = x * geometry.stride[1] + kx * options.dilation[1];
                let inside = (top..top + input.shape.height).contains(&y)
                    && (left..left + input.shape.width).contains(&x);
                let value = match geometry.padding_value {
                    _ if inside => input.at(n, y - top, x - left, c),
                    PaddingValue::MinusOne => (-1).into(),
                    PaddingValue::Zero => 0.into(),
                    PaddingValue::PlusOne => 1.into(),
                };
                sum = sum + product(k, value);
                k += 1;
            }
        }
    }
    sum
}

/// `max_ky max_kx x[y·stride + ky − top][x·stride + kx − left][c]` over the taps inside
fn window(pool: &MaxPool, input: Tensor, n: usize, y: usize, x: usize, c: usize) -> i8 {
    let [top, left, ..] = pool.padding;
    let mut largest = -1;
    for ky in 0..pool.kernel[0] {
        for kx in 0..pool.kernel[1] {
            let [y, x] = [y * pool.stride[0] + ky, x * pool.stride[1] + kx];
            if (top..top + input.shape.height).contains(&y)
                && (left..left + input.shape.width).contains(&x)
            {
                largest = largest.max(input.at(n, y - top, x - left, c));
            }
        }
    }
    largest
}

/// `Σ_y Σ_x Σ_c product(class, place, x[y][x][c])`, where the place counts the values of the image, in that order.
fn expectation<S: Default + Copy + std::ops::Add<Output = S>>(
    input: Tensor,
    classes: usize,
    product: impl Fn(usize, usize, i8) -> S,
) -> Vec<S> {
    let mut logits = Vec::new();
    for n in 0..input.shape.batch {
        for class in 0..classes {
            let mut sum = S::default();
            for y in 0..input.shape.height {
                for x in 0..input.shape.width {
                    for c in 0..input.shape.channels {
                        let place = (y * input.shape.width + x) * input.shape.channels + c;
                        sum = sum + product(class, place, input.at(n, y, x, c));
                    }
                }
            }
            logits.push(sum);
        }
    }
    logits
}
