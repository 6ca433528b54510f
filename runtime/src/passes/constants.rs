//! Computes what depends on constants only, once.
//!
//! Proof: the value is computed by the reference, which is the definition of every operator, and
//! a constant is the same for all items of a batch as the result was. Results much larger than
//! what they are made of, and products that take long, stay as they are, so that a small file
//! cannot become a large graph or a long wait.

use super::rewrite::Rewrite;
use crate::{
    graph::{Graph, GraphError, Op, Shape},
    reference,
    tensor::Tensor,
};
use alloc::{vec, vec::Vec};

/// Values that a result may have whatever it is made of.
const SMALL: usize = 1 << 12;
/// Steps that all results together may take, and more for each number in the graph's constants.
const STEPS: [usize; 2] = [1 << 22, 64];

/// The graph with constants in place of what is computed from constants.
pub(super) fn fold(graph: &Graph) -> Result<Graph, GraphError> {
    let mut rewrite = Rewrite::new(graph);
    let mut constants: Vec<Option<Tensor>> = vec![None; graph.values.len()];
    let sizes = graph.nodes.iter().map(|node| match &node.op {
        Op::Constant(tensor) => tensor.data().len(),
        _ => 0,
    });
    let mut left = STEPS[0].saturating_add(STEPS[1].saturating_mul(sizes.sum()));
    for node in &graph.nodes {
        if let Op::Constant(tensor) = &node.op {
            constants[node.outputs[0].index()] = Some(tensor.clone());
            rewrite.copy(node)?;
            continue;
        }
        let inputs: Option<Vec<_>> = node
            .inputs
            .iter()
            .map(|input| constants[input.index()].as_ref())
            .collect();
        let shape = graph.value(node.outputs[0]).shape;
        let Some(inputs) = inputs.filter(|inputs| !inputs.is_empty()) else {
            rewrite.copy(node)?;
            continue;
        };
        let made_of: usize = inputs.iter().map(|input| input.data().len()).sum();
        let steps = made_of.saturating_add(steps(&node.op, made_of, shape));
        if shape.len() > SMALL.max(made_of) || steps > left {
            rewrite.copy(node)?;
            continue;
        }
        left -= steps;
        let tensor = reference::compute(node, &inputs, shape);
        constants[node.outputs[0].index()] = Some(tensor.clone());
        let constant = rewrite.add(&node.name, Op::Constant(tensor), &[])?;
        rewrite.replace(node.outputs[0], constant);
    }
    Ok(rewrite.finish())
}

/// Steps that an operator takes, at most.
fn steps(op: &Op, made_of: usize, shape: Shape) -> usize {
    let depth = match op {
        Op::BinaryConv(conv) => conv.weights.columns(),
        Op::BinaryDense(weights) => weights.columns(),
        Op::Conv(conv) => conv.weights.len() / conv.outputs,
        Op::Dense(dense) => dense.weights.len() / dense.outputs,
        Op::Pool(pool) => pool.kernel[0].saturating_mul(pool.kernel[1]),
        Op::Reduce { .. } => made_of,
        _ => 8,
    };
    shape.len().saturating_mul(depth)
}
