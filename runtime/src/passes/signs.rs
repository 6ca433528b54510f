//! Leaves out signs of what are bits already.
//!
//! Proof: a bit as a number is −1 or +1. Its sign is the bit. A threshold on it is one of four
//! functions of two values; where it is the identity for every channel, its result is the bit.

use super::rewrite::Rewrite;
use crate::graph::{Graph, GraphError, Kind, Node, Op, ValueId};

/// The graph without signs of bits.
pub(super) fn remove(graph: &Graph) -> Result<Graph, GraphError> {
    let producers = graph.producers();
    let mut rewrite = Rewrite::new(graph);
    for node in &graph.nodes {
        let bits = is_identity(node)
            .then(|| cast_bits(graph, &producers, node.inputs[0]))
            .flatten();
        match bits {
            Some(bits) => {
                let new = rewrite.of(bits);
                rewrite.replace(node.outputs[0], new);
            }
            None => rewrite.copy(node)?,
        }
    }
    Ok(rewrite.finish())
}

/// Whether a node gives the bit of −1 and +1 for every channel.
fn is_identity(node: &Node) -> bool {
    match &node.op {
        Op::Sign => true,
        Op::Threshold(list) => list.iter().all(|one| one.apply(1) && !one.apply(-1)),
        Op::RealThreshold(list) => list.iter().all(|one| one.apply(1.0) && !one.apply(-1.0)),
        _ => false,
    }
}

/// The bits that a value is, as numbers of any type.
fn cast_bits(graph: &Graph, producers: &[Option<usize>], value: ValueId) -> Option<ValueId> {
    let mut value = value;
    while let Some(producer) = producers[value.index()] {
        let node = &graph.nodes[producer];
        let Op::Cast(_) = node.op else {
            return None;
        };
        value = node.inputs[0];
        if graph.value(value).kind == Kind::Bit {
            return Some(value);
        }
    }
    None
}
