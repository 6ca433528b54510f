//! Leaves out what no output depends on.
//!
//! Proof: a node is kept if an output is one of its values or a kept node reads one. So kept nodes
//! read kept values only, and every output is computed by the same nodes on the same values.
//! Inputs stay, read or not: who runs the net hands them in by their order.

use super::rewrite::Rewrite;
use crate::graph::{Graph, GraphError};
use alloc::vec;

/// The graph without dead nodes.
pub(super) fn remove(graph: &Graph) -> Result<Graph, GraphError> {
    let mut wanted = vec![false; graph.values.len()];
    for output in &graph.outputs {
        wanted[output.value.index()] = true;
    }
    let mut kept = vec![false; graph.nodes.len()];
    for (index, node) in graph.nodes.iter().enumerate().rev() {
        kept[index] = node.outputs.iter().any(|output| wanted[output.index()]);
        if kept[index] {
            for input in &node.inputs {
                wanted[input.index()] = true;
            }
        }
    }
    let mut rewrite = Rewrite::new(graph);
    for (node, kept) in graph.nodes.iter().zip(kept) {
        if kept {
            rewrite.copy(node)?;
        }
    }
    Ok(rewrite.finish())
}
