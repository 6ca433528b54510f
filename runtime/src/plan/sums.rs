//! Sums of a product over all positions become one dense product.
//!
//! Proof: a 1×1 convolution without padding gives `Σ_c w[c]·x[p, c]` at a position `p`. The sum over
//! all positions, `Σ_p Σ_c w[c]·x[p, c]`, is the product of the whole item with the row `w` repeated
//! for each position. Integers are added modulo 2³² in any order.
//!
//! Words that are multiplied and counted, for `P` positions, `C` channels and `O` outputs: the
//! convolution takes `O·P·⌈C/64⌉`, writes `O·P` sums and adds them up; the dense product takes
//! `O·⌈P·C/64⌉`. Counting the bits of each channel first would take the `⌈log₂(P+1)⌉` digits of the
//! counts for positions, `O·⌈log₂(P+1)⌉·⌈C/64⌉`, and adders before: for 2×2×80 and 10 outputs 60
//! words beside 50. Where that would be less by far, the repeated weights are too many and nothing
//! is changed.

use crate::graph::{
    BinaryConv, ConvParams, Graph, Kind, Node, Op, PoolKind, ReduceKind, Shape, Value,
};
use alloc::borrow::Cow;
use bernet_kernels::bits::BitMatrix;

/// Repeated weights, in bits, beyond which nothing is changed: they stay in the first-level cache.
const MOST: usize = 1 << 17;

/// The graph with such sums as dense products, which stand where the sums stood. Where a
/// convolution stood its input is read as the shape that it has, so that no node gets another number.
pub(crate) fn gather(graph: &Graph) -> Cow<'_, Graph> {
    let mut gathered = Cow::Borrowed(graph);
    let (uses, producers) = (graph.uses(), graph.producers());
    for (index, node) in graph.nodes.iter().enumerate() {
        let Some(&sums) = node.inputs.first() else {
            continue;
        };
        let Some(producer) = producers[sums.index()].filter(|_| uses[sums.index()] == 1) else {
            continue;
        };
        let conv = &graph.nodes[producer];
        let Some(input) = conv.inputs.first().map(|input| graph.value(*input)) else {
            continue;
        };
        if !adds_positions(node, graph.value(sums).shape) {
            continue;
        }
        if let Some(weights) = repeated(conv, input) {
            let gathered = gathered.to_mut();
            gathered.nodes[producer].op = Op::Reshape(input.shape);
            gathered.values[sums.index()] = input;
            gathered.nodes[index].op = Op::BinaryDense(weights);
        }
    }
    gathered
}

/// Whether a node adds up all positions of each channel.
fn adds_positions(node: &Node, shape: Shape) -> bool {
    let Shape { height, width, .. } = shape;
    match &node.op {
        Op::Reduce { kind, axes } => {
            let all = (axes[0] || height == 1) && (axes[1] || width == 1) && !axes[2];
            *kind == ReduceKind::Sum && all
        }
        Op::Pool(pool) => {
            let all = pool.kernel == [height, width] && pool.padding == [0; 4];
            pool.kind == PoolKind::Sum && all
        }
        _ => false,
    }
}

/// The weights of a 1×1 convolution of bits for each position, if they are few.
fn repeated(conv: &Node, input: Value) -> Option<BitMatrix> {
    let Op::BinaryConv(BinaryConv { params, weights }) = &conv.op else {
        return None;
    };
    let everywhere = ConvParams {
        dilation: params.dilation,
        padding_value: params.padding_value,
        ..ConvParams::valid([1, 1])
    };
    let columns = input.shape.len();
    let few = columns.checked_mul(weights.rows())? <= MOST;
    (input.kind == Kind::Bit && *params == everywhere && few).then(|| {
        let channels = input.shape.channels;
        BitMatrix::from_fn(weights.rows(), columns, |row, column| {
            weights.get(row, column % channels)
        })
    })
}
