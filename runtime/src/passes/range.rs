//! Between which integers every value of bits, bytes and integers lies.
//!
//! Proof: by interval arithmetic, operator by operator, in 64 bits; where 32 bits could wrap, the
//! range is all of them.

use crate::{
    graph::{BinaryOp, Graph, Kind, Node, Op, PoolKind, ReduceKind},
    tensor::Data,
};
use alloc::vec::Vec;

/// The least and the largest.
pub(super) type Range = [i64; 2];

const ALL: Range = [i32::MIN as i64, i32::MAX as i64];

/// The range of each value; of floats it means nothing.
pub(super) fn ranges(graph: &Graph) -> Vec<Range> {
    let mut ranges: Vec<_> = graph
        .values
        .iter()
        .map(|value| of_kind(value.kind))
        .collect();
    for node in &graph.nodes {
        let output = node.outputs[0].index();
        if graph.values[output].kind != Kind::I32 {
            continue;
        }
        let inputs: Vec<_> = node
            .inputs
            .iter()
            .map(|input| ranges[input.index()])
            .collect();
        let [low, high] = of_node(graph, node, &inputs).unwrap_or(ALL);
        if low >= ALL[0] && high <= ALL[1] {
            ranges[output] = [low, high];
        }
    }
    ranges
}

/// The range of a type.
fn of_kind(kind: Kind) -> Range {
    match kind {
        Kind::Bit => [-1, 1],
        Kind::U8 => [0, 255],
        Kind::I32 | Kind::F32 => ALL,
    }
}

/// The range of a node's integers; `None` where nothing better than the type's is known.
fn of_node(graph: &Graph, node: &Node, inputs: &[Range]) -> Option<Range> {
    let first = inputs.first().copied();
    let sums = |count: usize, [low, high]: Range| {
        let count = i64::try_from(count).ok().filter(|&count| count < 1 << 31)?;
        Some([count * low, count * high])
    };
    match &node.op {
        Op::Constant(tensor) => match tensor.data() {
            Data::I32(values) => {
                let low = values.iter().copied().min()?;
                Some([low.into(), values.iter().copied().max()?.into()])
            }
            _ => None,
        },
        Op::Cast(_) if graph.value(node.inputs[0]).kind == Kind::F32 => None,
        Op::Cast(_) | Op::Slice { .. } | Op::Reshape(_) | Op::Transpose { .. } => first,
        Op::BinaryConv(conv) => product(conv.weights.columns(), first?),
        Op::BinaryDense(weights) => product(weights.columns(), first?),
        Op::Pool(pool) => match pool.kind {
            PoolKind::Max => first,
            // A window at the border may have one value only.
            _ => {
                let [low, high] = first?;
                let count = pool.kernel[0].saturating_mul(pool.kernel[1]);
                let [lowest, highest] = sums(count, [low, high])?;
                Some([low.min(lowest), high.max(highest)])
            }
        },
        Op::Reduce { kind, axes } => match kind {
            ReduceKind::Max | ReduceKind::Min => first,
            _ => {
                let dims = graph.value(node.inputs[0]).shape.dims();
                let count = (0..3)
                    .filter(|&axis| axes[axis])
                    .map(|axis| dims[axis])
                    .product();
                sums(count, first?)
            }
        },
        Op::ArgMax => Some([0, graph.value(node.inputs[0]).shape.channels as i64 - 1]),
        Op::Concat(_) => inputs.iter().copied().reduce(join),
        Op::Select => Some(join(inputs[1], inputs[2])),
        Op::Pad { value, .. } => Some(join(first?, [i64::from(*value as i32); 2])),
        Op::Binary(op) => {
            let [[a, b], [c, d]] = [inputs[0], inputs[1]];
            match op {
                BinaryOp::Add => Some([a + c, b + d]),
                BinaryOp::Sub => Some([a - d, b - c]),
                BinaryOp::Mul => {
                    let products = [a * c, a * d, b * c, b * d];
                    Some([*products.iter().min()?, *products.iter().max()?])
                }
                BinaryOp::Min => Some([a.min(c), b.min(d)]),
                BinaryOp::Max => Some([a.max(c), b.max(d)]),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Sums of so many values, each with either sign.
fn product(depth: usize, [low, high]: Range) -> Option<Range> {
    let largest = low.abs().max(high.abs());
    let bound = i64::try_from(depth).ok()?.checked_mul(largest)?;
    Some([-bound, bound])
}

fn join(a: Range, b: Range) -> Range {
    [a[0].min(b[0]), a[1].max(b[1])]
}

#[cfg(test)]
mod tests {
    use super::ranges;
    use crate::{
        reference,
        tensor::{Data, Tensor},
        testing,
    };

    #[test]
    fn every_integer_lies_in_its_range() {
        let mut narrow = 0;
        for seed in 0..150 {
            let graph = testing::random_graph(seed, 15);
            let ranges = ranges(&graph);
            let inputs = testing::random_inputs(&graph, 2, seed);
            let values = reference::trace(&graph, &inputs).expect("a run");
            for (tensor, [low, high]) in values.iter().map(Tensor::data).zip(&ranges) {
                if let Data::I32(values) = tensor {
                    let inside = |value: &i32| (*low..=*high).contains(&i64::from(*value));
                    assert!(values.iter().all(inside), "seed {seed}: {low} to {high}");
                    narrow += usize::from(*high < i32::MAX.into());
                }
            }
        }
        assert!(narrow > 100, "{narrow}");
    }
}
