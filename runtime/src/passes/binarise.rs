//! Real convolutions with weights ±α of two-valued inputs become binary.
//!
//! Proof. An input value is `m + d·b` with `b = ±1` the bit, `m` the middle of its channel's two
//! values and `d` half of their difference. If `|d|` is the same for all channels, the signs of the
//! `d` go into the weights `w = α·s`, `s = ±1`, of a row, and
//!
//! `Σ w·x = α·Σ s·m + α·|d|·Σ s·b`.
//!
//! The last sum is an integer that the binary product computes exactly; the first is a constant of
//! the row. A border of zeros adds nothing: where all `m` are 0, the binary product leaves the
//! border out (padding 0); where 0 is one of the two values of every channel, always by the same
//! bit, the border is that bit. Otherwise nothing is changed.
//!
//! Where `α·|d|` is a float, as for α of a row without noise on bits of ±1, the product of scale
//! and sum is the exact one rounded once, as in the reference; else it differs by a rounding of the
//! scale. Weights count as ±α where they differ by a few units in the last place, as weights that
//! were divided and multiplied again do; α is their mean.

use super::{
    rewrite::Rewrite,
    two_valued::{Knowledge, Known, TwoValued, shortened},
};
use crate::{
    graph::{BinaryConv, ConvParams, Graph, GraphError, Node, Op},
    scalar::of_channel,
};
use alloc::{vec, vec::Vec};
use bernet_kernels::{bits::BitMatrix, xnor::PaddingValue};

/// Units in the last place by which weights of a row may differ from each other.
const NOISE: f64 = 8.0 * f32::EPSILON as f64;

/// The graph with binary products in place of real ones.
pub(super) fn binarise(graph: &Graph) -> Result<Graph, GraphError> {
    let mut knowledge = Knowledge::new(graph);
    let mut rewrite = Rewrite::new(graph);
    for node in &graph.nodes {
        if !binarise_node(&mut rewrite, &knowledge, node)? {
            rewrite.copy(node)?;
        }
        knowledge.learn(&mut rewrite, node)?;
    }
    Ok(rewrite.finish())
}

/// Rewrites a product, if it can be a binary one.
fn binarise_node(
    rewrite: &mut Rewrite<'_>,
    knowledge: &Knowledge<'_>,
    node: &Node,
) -> Result<bool, GraphError> {
    let (weights, outputs, bias) = match &node.op {
        Op::Conv(conv) => (&conv.weights, conv.outputs, &conv.bias),
        Op::Dense(dense) => (&dense.weights, dense.outputs, &dense.bias),
        _ => return Ok(false),
    };
    let mut input = node.inputs[0];
    let mut params = match &node.op {
        Op::Conv(conv) => Some(conv.params),
        _ => None,
    };
    let mut known = knowledge.of(rewrite, input);
    // A border of zeros before a convolution is padding.
    if let (Known::Nothing, Some(params), Some(pad)) =
        (&known, &mut params, knowledge.producer(input))
        && let Op::Pad {
            before: [top, left, 0],
            after: [bottom, right, 0],
            value: 0.0,
        } = pad.op
    {
        for (padding, more) in params.padding.iter_mut().zip([top, left, bottom, right]) {
            *padding += more;
        }
        input = pad.inputs[0];
        known = knowledge.of(rewrite, input);
    }
    let Known::Two(two) = known else {
        return Ok(false);
    };
    let channels = rewrite.old.value(input).shape.channels;
    let Some(alphas) = alphas(weights, outputs) else {
        return Ok(false);
    };
    let Some(halves) = Halves::new(&two, channels) else {
        return Ok(false);
    };
    let groups = params.map_or(1, |params| params.groups);
    let columns = weights.len() / outputs;
    let channel = |row: usize, column: usize| {
        let depth = channels / groups;
        row / (outputs / groups) * depth + column % depth
    };
    let Some(params) = padded(params, &two, &halves, channels) else {
        return Ok(false);
    };
    let positive = |row: usize, column: usize| weights[row * columns + column] >= 0.0;
    let signs = BitMatrix::from_fn(outputs, columns, |row, column| {
        positive(row, column) != halves.flips[channel(row, column)]
    });
    let offset = |row: usize| {
        let middle = |column: usize| {
            let middle = halves.middles[channel(row, column)];
            if positive(row, column) {
                middle
            } else {
                -middle
            }
        };
        let middles: f64 = if halves.centred {
            0.0
        } else {
            (0..columns).map(middle).sum()
        };
        let bias = bias.get(row).copied().unwrap_or(0.0);
        (alphas[row] * middles + f64::from(bias)) as f32
    };
    let bias: Vec<_> = (0..outputs).map(offset).collect();
    let scale: Vec<_> = alphas
        .iter()
        .map(|alpha| (alpha * halves.half) as f32)
        .collect();
    if !scale.iter().chain(&bias).all(|number| number.is_finite()) {
        return Ok(false);
    }
    let product = match params {
        Some(params) => Op::BinaryConv(BinaryConv {
            params,
            weights: signs,
        }),
        None => Op::BinaryDense(signs),
    };
    let sums = rewrite.add(&node.name, product, &[two.bits])?;
    let affine = Op::Affine {
        scale: shortened(scale),
        bias: if bias.iter().all(|&number| number == 0.0) {
            vec![]
        } else {
            shortened(bias)
        },
    };
    let new = rewrite.add(&node.name, affine, &[sums])?;
    rewrite.replace(node.outputs[0], new);
    Ok(true)
}

/// The size of each row's weights, if all of a row's are of one.
fn alphas(weights: &[f32], outputs: usize) -> Option<Vec<f64>> {
    weights
        .chunks_exact(weights.len() / outputs)
        .map(|row| {
            let sizes = || row.iter().map(|weight| f64::from(weight.abs()));
            let largest = sizes().fold(0.0, f64::max);
            let least = sizes().fold(f64::INFINITY, f64::min);
            if least == largest {
                return Some(least);
            }
            let mean = f64::from((sizes().sum::<f64>() / row.len() as f64) as f32);
            (largest - least <= NOISE * largest).then_some(mean)
        })
        .collect()
}

/// Two values of each channel as a middle and a distance from it.
struct Halves {
    /// Of each channel.
    middles: Vec<f64>,
    /// Whether all of them are 0.
    centred: bool,
    /// Half of the difference, without its sign.
    half: f64,
    /// Whether the bit −1 is the larger of the two, of each channel.
    flips: Vec<bool>,
}

impl Halves {
    /// `None` where the differences are not of one size.
    fn new(two: &TwoValued, channels: usize) -> Option<Self> {
        let ends =
            |channel| [&two.low, &two.high].map(|list| f64::from(of_channel(list, channel, 0.0)));
        let half = |channel| {
            let [low, high] = ends(channel);
            (high - low) / 2.0
        };
        let middle = |channel| {
            let [low, high] = ends(channel);
            (high + low) / 2.0
        };
        let size = f64::abs(half(0));
        let even = (0..channels).all(|channel| f64::abs(half(channel)) == size);
        let middles: Vec<_> = (0..channels).map(middle).collect();
        (even && size > 0.0).then(|| Self {
            centred: middles.iter().all(|&middle| middle == 0.0),
            middles,
            half: size,
            flips: (0..channels).map(|channel| half(channel) < 0.0).collect(),
        })
    }
}

/// The parameters with a border that counts as zeros do; `None` where there is none.
fn padded(
    params: Option<ConvParams>,
    two: &TwoValued,
    halves: &Halves,
    channels: usize,
) -> Option<Option<ConvParams>> {
    let Some(mut params) = params else {
        return Some(None);
    };
    let all_zero =
        |list: &[f32]| (0..channels).all(|channel| of_channel(list, channel, 1.0) == 0.0);
    params.padding_value = if halves.centred || params.padding == [0; 4] {
        PaddingValue::Zero
    } else if all_zero(&two.low) {
        PaddingValue::MinusOne
    } else if all_zero(&two.high) {
        PaddingValue::PlusOne
    } else {
        return None;
    };
    Some(Some(params))
}
