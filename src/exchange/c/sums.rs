//! Sums of a product's positions as one product.

use bernet_kernels::bits::BitMatrix;
use bernet_runtime::graph::{ConvParams, Graph, Op, ReduceKind};

/// Bytes of weights that may be added for it.
const MOST_BYTES: usize = 1024;

/// Makes a sum over all positions of a product of single pixels a dense product: its rows are
/// those of the convolution, once for each position. The sums stay the same.
pub(super) fn merge(mut graph: Graph) -> Graph {
    let producers = graph.producers();
    let uses = graph.uses();
    for index in 0..graph.nodes.len() {
        let node = &graph.nodes[index];
        let Op::Reduce {
            kind: ReduceKind::Sum,
            axes: [true, true, false],
        } = node.op
        else {
            continue;
        };
        let sums = node.inputs[0];
        let Some(producer) = producers[sums.index()].filter(|_| uses[sums.index()] == 1) else {
            continue;
        };
        let Op::BinaryConv(conv) = &graph.nodes[producer].op else {
            continue;
        };
        let input = graph.nodes[producer].inputs[0];
        let shape = graph.value(input).shape;
        let positions = shape.height * shape.width;
        let (rows, columns) = (conv.weights.rows(), conv.weights.columns());
        let bytes = (rows * columns / 8).saturating_mul(positions);
        if conv.params != ConvParams::valid([1, 1])
            || columns != shape.channels
            || bytes > MOST_BYTES
        {
            continue;
        }
        let weights = BitMatrix::from_fn(rows, positions * columns, |row, column| {
            conv.weights.get(row, column % columns)
        });
        let node = &mut graph.nodes[index];
        node.op = Op::BinaryDense(weights);
        node.inputs = vec![input];
    }
    graph
}
