//! From a trained net to a graph of bits and integer thresholds.
//!
//! In training a channel's activation is `sign(γ (S − μ)/σ + β)`, where μ and σ² are the moments of its sums `S` over a batch. In the
//! graph all weights are signs; the moments are measured anew, exactly (sums are integers), over many training images,
//! layer after layer, since each layer's moments depend on the thresholds of those before. With `c = μ − β σ/γ` the activation is
//! `S ≥ c` for γ > 0 and `S ≤ c` for γ < 0; for γ = 0 it is the sign of β whatever the image. Where a layer adds the sums of the one before to
//! its own, those are kept for all images, and the moments are those of as many images, evenly taken, as [`KEPT`] has room for.

use super::{
    error::TrainError,
    kernel::{Grey, Kernel},
    layer::{EPSILON, LayerState, Norm, Place, Window},
    max_pool::{Pool, Pooled},
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
    self, ArrayLayout, Axis, BinaryConv, BinaryOp, ConvParams, Graph, Kind, Op, Pixels, PoolKind,
    PoolParams, ReduceKind,
};
use rayon::prelude::*;

/// Images a task: their sums take a few megabytes.
const CHUNK: usize = 250;
/// Most sums that are kept for the next layer: a gigabyte.
const KEPT: usize = 1 << 28;

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
        let centre = self.measured_by(centre);
        let parts: Vec<Dataset> = (0..centre.len())
            .step_by(CHUNK)
            .map(|start| centre.subset(start..centre.len().min(start + CHUNK)))
            .collect();
        let mut chunks: Vec<BitTensor> = parts.iter().map(|part| part.images().clone()).collect();
        // The sums of the layer before, and their value in the graph.
        let mut totals: Vec<Vec<i32>> = Vec::new();
        let mut summed = value;
        for (index, (place, layer)) in self.places.iter().zip(&self.layers).enumerate() {
            let weights = signs(place, layer);
            let Some(norm) = layer
                .norm
                .as_ref()
                .filter(|_| index + 1 < self.places.len())
            else {
                value = add_expectation(&mut graph, weights, value)?;
                if let Some(scaling) = self.scaling() {
                    let (scale, bias) = scaling
                        .into_iter()
                        .map(|[factor, summand]| (factor, summand))
                        .unzip();
                    value = graph.add_node(Op::Affine { scale, bias }, &[value])?;
                }
                break;
            };
            let channels = place.input.channels;
            let kept = self.places[index + 1].residual;
            let deployed = if grey && index == 0 {
                let kernel = ByteConv2d::new(level, channels, place.params, &weights)?;
                let images = |part: &Dataset| Grey {
                    shape: part.images().shape(),
                    values: part.bytes().into_owned(),
                };
                let images: Vec<Grey> = parts.iter().map(images).collect();
                self.deploy(&Sums::new(&kernel, place, &images, &totals), norm, kept)?
            } else {
                let kernel = Conv2d::new(level, channels, place.params, &weights)?;
                self.deploy(&Sums::new(&kernel, place, &chunks, &totals), norm, kept)?
            };
            let params = params(place, graph.value(value).kind);
            let conv = Op::BinaryConv(BinaryConv { params, weights });
            let mut sums = graph.add_node(conv, &[value])?;
            if let Some(window) = place.average {
                sums = graph.add_node(pool_of(PoolKind::Sum, window), &[sums])?;
            }
            if place.residual {
                sums = graph.add_node(Op::Binary(BinaryOp::Add), &[sums, summed])?;
            }
            value = graph.add_node(Op::Threshold(deployed.thresholds), &[sums])?;
            (summed, totals, chunks) = (sums, deployed.totals, deployed.activations);
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
                value = graph.add_node(pool_of(PoolKind::Max, window), &[value])?;
            }
        }
        graph.add_output("logits", value)?;
        graph.outputs[0].layout = ArrayLayout::flat(graph.value(value).shape.channels);
        Ok(graph)
    }

    /// All images, or as many of them, evenly taken, as there is room for sums that the next layer adds to its own.
    fn measured_by(&self, data: Dataset) -> Dataset {
        let pairs = self.places.iter().zip(self.places.iter().skip(1));
        let kept = pairs.filter(|(_, next)| next.residual);
        let values = kept.map(|(place, _)| place.positions() * place.outputs());
        let room = values
            .max()
            .map_or(usize::MAX, |values| (KEPT / values).max(1));
        if data.len() <= room {
            return data;
        }
        let places: Vec<usize> = (0..room).map(|image| image * data.len() / room).collect();
        data.select(&places)
    }

    /// A layer's thresholds, by the moments of its sums, its activations, and, where they are `kept`, its sums.
    fn deploy<K: Kernel>(
        &self,
        sums: &Sums<K>,
        norm: &Norm,
        kept: bool,
    ) -> Result<Deployed, bernet_kernels::Error> {
        let literal = self.config.normalises_probabilities();
        let value = if literal { hard } else { i64::from };
        let thresholds: Vec<Threshold> = moments(sums, value)?
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
        let chunks: Vec<(BitTensor, Vec<i32>)> = (0..sums.chunks.len())
            .into_par_iter()
            .map(|chunk| sums.activations(chunk, &thresholds, kept))
            .collect::<Result<_, bernet_kernels::Error>>()?;
        let (activations, totals) = chunks.into_iter().unzip();
        Ok(Deployed {
            thresholds,
            activations,
            totals,
        })
    }
}

/// What a layer becomes.
struct Deployed {
    thresholds: Vec<Threshold>,
    /// For each chunk of images.
    activations: Vec<BitTensor>,
    /// For each chunk of images; empty lists where they are not kept.
    totals: Vec<Vec<i32>>,
}

/// A layer's sums as they are normalised, of chunks of images.
struct Sums<'a, K: Kernel> {
    kernel: &'a K,
    place: &'a Place,
    chunks: &'a [K::Images],
    /// The sums of the layer before, where this one adds them to its own.
    before: &'a [Vec<i32>],
}

impl<'a, K: Kernel> Sums<'a, K> {
    fn new(
        kernel: &'a K,
        place: &'a Place,
        chunks: &'a [K::Images],
        before: &'a [Vec<i32>],
    ) -> Self {
        Self {
            kernel,
            place,
            chunks,
            before,
        }
    }

    fn of(&self, chunk: usize) -> Result<Vec<i32>, bernet_kernels::Error> {
        let images = &self.chunks[chunk];
        let n = self.place.outputs();
        let shape = self.place.params.output_shape(K::shape(images), n)?;
        let mut sums = vec![0; shape.batch * shape.height * shape.width * n];
        self.kernel.sums(images, &mut sums)?;
        if let Some(window) = self.place.average {
            let pool = Pool {
                window,
                input: Shape { batch: 1, ..shape },
                output: self.place.output,
            };
            sums = pool.sums(&sums);
        }
        if self.place.residual {
            for (sum, before) in sums.iter_mut().zip(&self.before[chunk]) {
                *sum += before;
            }
        }
        Ok(sums)
    }

    /// The activations of a chunk, and the sums if they are wanted.
    fn activations(
        &self,
        chunk: usize,
        thresholds: &[Threshold],
        wanted: bool,
    ) -> Result<(BitTensor, Vec<i32>), bernet_kernels::Error> {
        let images = &self.chunks[chunk];
        let shape = Shape {
            batch: K::shape(images).batch,
            ..self.place.output
        };
        if !wanted && !self.place.residual && self.place.average.is_none() {
            let mut bits = BitTensor::all_minus_one(shape);
            self.kernel.activations(images, thresholds, &mut bits)?;
            return Ok((bits, Vec::new()));
        }
        let sums = self.of(chunk)?;
        let columns = shape.width * shape.channels;
        let lines = BitMatrix::from_fn(shape.batch * shape.height, columns, |line, column| {
            thresholds[column % shape.channels].apply(sums[line * columns + column])
        });
        let bits = BitTensor::from_lines(shape, lines)?;
        Ok((bits, if wanted { sums } else { Vec::new() }))
    }
}

/// A pool without padding.
fn pool_of(kind: PoolKind, window: Window) -> Op {
    Op::Pool(PoolParams {
        kind,
        kernel: window.kernel,
        stride: window.stride,
        padding: [0; 4],
    })
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
    sums: &Sums<K>,
    value: fn(i32) -> i64,
) -> Result<Vec<[f64; 2]>, bernet_kernels::Error> {
    let n = sums.place.outputs();
    let totals = (0..sums.chunks.len())
        .into_par_iter()
        .map(|chunk| {
            let mut totals = vec![[0i64; 2]; n];
            for row in sums.of(chunk)?.chunks_exact(n) {
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
    let (chunks, place) = (sums.chunks, sums.place);
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
            padding,
            residual,
        } => {
            let padding = match padding {
                [0, 0] => String::new(),
                [down, across] => format!("+{down}×{across}"),
            };
            let residual = if *residual { " residual" } else { "" };
            format!("conv {outputs} {height}×{width}/{down}×{across}{padding}{residual}")
        }
        LayerSpec::Dense { outputs } => format!("dense {outputs}"),
        LayerSpec::Pool {
            kernel: [height, width],
            stride: [down, across],
        } => format!("pool {height}×{width}/{down}×{across}"),
        LayerSpec::AveragePool {
            kernel: [height, width],
            stride: [down, across],
        } => format!("average-pool {height}×{width}/{down}×{across}"),
        LayerSpec::Expectation { classes, scaled } => {
            let scaled = if *scaled { " scaled" } else { "" };
            format!("expectation {classes}{scaled}")
        }
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
