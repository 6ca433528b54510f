//! From a trained net to a graph of bits and integer thresholds.
//!
//! In training a channel's activation is `sign(γ (S − μ)/σ + β)`, where μ and σ² are the moments of its sums `S` over a batch. In the
//! graph all weights are signs; the moments are measured anew, exactly (sums are integers), over many training images,
//! layer after layer, since each layer's moments depend on the thresholds of those before. With `c = μ − β σ/γ` the activation is
//! `S ≥ c` for γ > 0 and `S ≤ c` for γ < 0; for γ = 0 it is the sign of β whatever the image.

use super::{
    error::TrainError,
    kernel::{Grey, Kernel},
    layer::{EPSILON, LayerState, Norm, Place},
    max_pool::Pooled,
    network::{LayerSpec, Network},
    trainer::Trainer,
};
use crate::data::Dataset;
use bernet_kernels::{
    bits::{BitMatrix, BitTensor, Shape},
    isa::Level,
    threads,
    xnor::{ByteConv2d, Conv2d, PaddingValue, Threshold, max_pool},
};
use bernet_runtime::graph::{
    self, ArrayLayout, Axis, BinaryConv, ConvParams, Graph, Kind, Op, Pixels, PoolKind, PoolParams,
    ReduceKind,
};
use rayon::prelude::*;

/// Images a task: their sums take a few megabytes.
const CHUNK: usize = 250;

impl Trainer {
    /// The binary net as it stands: every weight the sign of its latent, moments measured on `data`, the size of whose images
    /// the graph will expect at its input `image`; its output is `logits`.
    ///
    /// # Errors
    /// [`TrainError::Data`] where the data do not suit the net; [`TrainError::Kernel`].
    pub fn binarise(
        &self,
        data: &Dataset,
        threshold: u8,
        level: Level,
    ) -> Result<Graph, TrainError> {
        threads::install(|| self.binarise_in_place(data, threshold, level))?
    }

    fn binarise_in_place(
        &self,
        data: &Dataset,
        threshold: u8,
        level: Level,
    ) -> Result<Graph, TrainError> {
        self.check(data)?;
        let Shape {
            height,
            width,
            channels,
            ..
        } = data.image_shape();
        let input = self.config.network.input_shape();
        let centre = data
            .centre_crop(input.height, input.width)
            .expect("the images are as large as the net's input");
        let grey = self.config.network.input.grey;
        let (kind, pixels) = if grey {
            (Kind::U8, Pixels::Bytes)
        } else {
            (Kind::Bit, Pixels::AtLeast(threshold))
        };
        let mut graph = Graph::default();
        let shape = graph::Shape::new(height, width, channels);
        let mut value = graph.add_input("image", kind, shape)?;
        graph.inputs[0].pixels = pixels;
        for (axis, all, length) in [
            (Axis::Height, height, input.height),
            (Axis::Width, width, input.width),
        ] {
            if length < all {
                let start = (all - length) / 2;
                let slice = Op::Slice {
                    axis,
                    start,
                    length,
                    step: 1,
                };
                value = graph.add_node(slice, &[value])?;
            }
        }
        let parts: Vec<Dataset> = (0..centre.len())
            .step_by(CHUNK)
            .map(|start| centre.subset(start..centre.len().min(start + CHUNK)))
            .collect();
        let mut chunks: Vec<BitTensor> = parts.iter().map(|part| part.images().clone()).collect();
        for (index, (place, layer)) in self.places.iter().zip(&self.layers).enumerate() {
            let weights = signs(place, layer);
            let Some(norm) = &layer.norm else {
                value = add_expectation(&mut graph, weights, value)?;
                break;
            };
            let thresholds;
            let channels = place.input.channels;
            (thresholds, chunks) = if grey && index == 0 {
                let kernel = ByteConv2d::new(level, channels, place.params, &weights)?;
                let images = |part: &Dataset| Grey {
                    shape: part.images().shape(),
                    values: part.bytes().into_owned(),
                };
                let images: Vec<Grey> = parts.iter().map(images).collect();
                self.deploy(&kernel, place, norm, &images)?
            } else {
                let kernel = Conv2d::new(level, channels, place.params, &weights)?;
                self.deploy(&kernel, place, norm, &chunks)?
            };
            let params = params(place, graph.value(value).kind);
            let conv = Op::BinaryConv(BinaryConv { params, weights });
            let sums = graph.add_node(conv, &[value])?;
            value = graph.add_node(Op::Threshold(thresholds), &[sums])?;
            if let Some(Pooled { pool, .. }) = &self.pools[index] {
                let window = pool.window;
                chunks = chunks
                    .par_iter()
                    .map(|chunk| {
                        let batch = chunk.shape().batch;
                        let mut out = BitTensor::all_minus_one(Shape {
                            batch,
                            ..pool.output
                        });
                        max_pool(chunk, window.kernel, window.stride, [0; 4], &mut out)?;
                        Ok(out)
                    })
                    .collect::<Result<_, bernet_kernels::Error>>()?;
                let params = PoolParams {
                    kind: PoolKind::Max,
                    kernel: window.kernel,
                    stride: window.stride,
                    padding: [0; 4],
                };
                value = graph.add_node(Op::Pool(params), &[value])?;
            }
        }
        graph.add_output("logits", value)?;
        graph.outputs[0].layout = ArrayLayout::flat(graph.value(value).shape.channels);
        Ok(graph)
    }

    /// A layer's thresholds, by the moments of its sums, and its activations.
    fn deploy<K: Kernel>(
        &self,
        kernel: &K,
        place: &Place,
        norm: &Norm,
        chunks: &[K::Images],
    ) -> Result<(Vec<Threshold>, Vec<BitTensor>), bernet_kernels::Error> {
        let literal = self.config.normalises_probabilities();
        let value = if literal { hard } else { i64::from };
        let thresholds: Vec<Threshold> = moments(kernel, place, chunks, value)?
            .into_iter()
            .enumerate()
            .map(|(channel, moments)| {
                let threshold = fold(norm, channel, moments);
                if literal {
                    of_bits(threshold)
                } else {
                    threshold
                }
            })
            .collect();
        let activations = chunks
            .par_iter()
            .map(|chunk| {
                let mut out = BitTensor::all_minus_one(
                    place
                        .params
                        .output_shape(K::shape(chunk), place.outputs())?,
                );
                kernel.activations(chunk, &thresholds, &mut out)?;
                Ok(out)
            })
            .collect::<Result<_, bernet_kernels::Error>>()?;
        Ok((thresholds, activations))
    }
}

/// Kernel, stride and padding as a graph has them. Bytes are padded with 0.
fn params(place: &Place, kind: Kind) -> ConvParams {
    ConvParams {
        padding_value: if kind == Kind::Bit {
            place.params.padding_value
        } else {
            PaddingValue::Zero
        },
        ..place.params
    }
}

/// The logits: products with all activations, or, of weights that serve every position, their sum
/// over the positions.
fn add_expectation(
    graph: &mut Graph,
    weights: BitMatrix,
    value: graph::ValueId,
) -> Result<graph::ValueId, graph::GraphError> {
    if weights.columns() == graph.value(value).shape.len() {
        return graph.add_node(Op::BinaryDense(weights), &[value]);
    }
    let params = ConvParams::valid([1, 1]);
    let conv = Op::BinaryConv(BinaryConv { params, weights });
    let sums = graph.add_node(conv, &[value])?;
    let (kind, axes) = (ReduceKind::Sum, [true, true, false]);
    graph.add_node(Op::Reduce { kind, axes }, &[sums])
}

/// One row for each output, as the kernels take them.
fn signs(place: &Place, layer: &LayerState) -> BitMatrix {
    let (k, n) = (place.depth(), place.outputs());
    BitMatrix::from_fn(n, k, |output, depth| {
        layer.latent.values[depth * n + output] >= 0.0
    })
}

/// What is normalised where that is the probability of `S ≥ 0`, as ±1.
fn hard(sum: i32) -> i64 {
    if sum >= 0 { 1 } else { -1 }
}

/// The threshold of sums that is a threshold's of [`hard`] sums.
fn of_bits(threshold: Threshold) -> Threshold {
    let at_least = match [-1, 1].map(|bit| threshold.at_least <= bit) {
        [true, _] => i32::MIN,
        [false, true] => 0,
        [false, false] => i32::MAX,
    };
    Threshold {
        at_least,
        ..threshold
    }
}

/// Mean and variance of each channel's values, which follow from its sums, over all images and positions.
fn moments<K: Kernel>(
    kernel: &K,
    place: &Place,
    chunks: &[K::Images],
    value: fn(i32) -> i64,
) -> Result<Vec<[f64; 2]>, bernet_kernels::Error> {
    let n = place.outputs();
    let totals = chunks
        .par_iter()
        .map(|chunk| {
            let mut sums = vec![0; K::shape(chunk).batch * place.positions() * n];
            kernel.sums(chunk, &mut sums)?;
            let mut totals = vec![[0i64; 2]; n];
            for row in sums.chunks_exact(n) {
                for (total, &sum) in totals.iter_mut().zip(row) {
                    let value = value(sum);
                    total[0] += value;
                    total[1] += value * value;
                }
            }
            Ok(totals)
        })
        .try_reduce(
            || vec![[0; 2]; n],
            |mut left, right| {
                for (left, right) in left.iter_mut().zip(right) {
                    left[0] += right[0];
                    left[1] += right[1];
                }
                Ok(left)
            },
        )?;
    let rows = chunks
        .iter()
        .map(|chunk| K::shape(chunk).batch * place.positions())
        .sum::<usize>() as f64;
    Ok(totals
        .into_iter()
        .map(|[first, second]| {
            let mean = first as f64 / rows;
            [mean, (second as f64 / rows - mean * mean).max(0.0)]
        })
        .collect())
}

/// The threshold that is `γ (S − μ)/σ + β ≥ 0` for every integer S.
fn fold(norm: &Norm, channel: usize, [mean, variance]: [f64; 2]) -> Threshold {
    let gamma = f64::from(norm.gamma.values[channel]);
    let beta = f64::from(norm.beta.values[channel]);
    let deviation = (variance + f64::from(EPSILON)).sqrt();
    let cut = mean - beta * deviation / gamma;
    // Casts saturate, which is right: no sum lies outside i32. γ = 0 gives ±∞ or, with β = 0, NaN, which is always on.
    if gamma > 0.0 {
        Threshold {
            at_least: cut.ceil() as i32,
            invert: false,
        }
    } else if gamma < 0.0 {
        Threshold {
            at_least: (cut.floor() + 1.0) as i32,
            invert: true,
        }
    } else {
        Threshold {
            at_least: i32::MIN,
            invert: beta < 0.0,
        }
    }
}

/// The net's layers in a few words, for a graph's metadata: `conv 8 6×6/2, conv 32 10×10/2, dense 64, …`.
pub(crate) fn describe(network: &Network) -> String {
    let layer = |layer: &LayerSpec| match layer {
        LayerSpec::Conv {
            outputs,
            kernel: [height, width],
            stride: [down, across],
        } => {
            format!("conv {outputs} {height}×{width}/{down}×{across}")
        }
        LayerSpec::Dense { outputs } => format!("dense {outputs}"),
        LayerSpec::Pool {
            kernel: [height, width],
            stride: [down, across],
        } => format!("pool {height}×{width}/{down}×{across}"),
        LayerSpec::Expectation { classes } => format!("expectation {classes}"),
    };
    network
        .layers
        .iter()
        .map(layer)
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::{Norm, fold, hard, of_bits};
    use crate::train::parameter::Parameter;

    #[test]
    fn thresholds_decide_as_the_normalised_sum_does() {
        for (gamma, beta) in [
            (1.5, 0.3),
            (-0.7, 0.4),
            (0.2, -3.0),
            (-2.0, 0.0),
            (0.0, 1.0),
            (0.0, -1.0),
            (1.0, 0.0),
        ] {
            for (mean, variance) in [(0.0, 4.0), (-3.5, 30.25), (12.0, 0.0)] {
                let norm = Norm {
                    gamma: Parameter::new(vec![gamma]),
                    beta: Parameter::new(vec![beta]),
                    mean: vec![0.0],
                    variance: vec![1.0],
                };
                let threshold = fold(&norm, 0, [mean, variance]);
                for sum in -100..=100 {
                    let normalised =
                        (f64::from(sum) - mean) / (variance + f64::from(super::EPSILON)).sqrt();
                    let expected = f64::from(gamma) * normalised + f64::from(beta) >= 0.0;
                    assert_eq!(
                        threshold.apply(sum),
                        expected,
                        "γ {gamma} β {beta} μ {mean} σ² {variance} S {sum}"
                    );
                    assert_eq!(
                        of_bits(threshold).apply(sum),
                        threshold.apply(hard(sum) as i32),
                        "of the bit, γ {gamma} β {beta} μ {mean} σ² {variance} S {sum}"
                    );
                }
            }
        }
    }
}
