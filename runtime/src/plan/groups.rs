//! Which nodes become one step: functions of single elements in a chain, thresholds and the
//! products before them.

use crate::{
    graph::{Graph, Kind, Op, ValueId},
    reference,
    tensor::Tensor,
};
use alloc::{vec, vec::Vec};

/// What is known of a graph's values before it is lowered.
pub(super) struct Facts<'a> {
    pub(super) graph: &'a Graph,
    /// How often each value is read.
    pub(super) uses: Vec<usize>,
    /// Values that are the same for every item, as they follow from constants alone.
    pub(super) constant: Vec<Option<Tensor>>,
    /// The nodes that read each value.
    readers: Vec<Vec<usize>>,
}

impl<'a> Facts<'a> {
    pub(super) fn new(graph: &'a Graph) -> Self {
        let mut readers = vec![Vec::new(); graph.values.len()];
        let mut constant: Vec<Option<Tensor>> = vec![None; graph.values.len()];
        for (index, node) in graph.nodes.iter().enumerate() {
            for input in &node.inputs {
                readers[input.index()].push(index);
            }
            let inputs: Option<Vec<_>> = node
                .inputs
                .iter()
                .map(|input| constant[input.index()].as_ref())
                .collect();
            if let Some(inputs) = inputs {
                let output = node.outputs[0];
                let tensor = reference::compute(node, &inputs, graph.value(output).shape);
                constant[output.index()] = Some(tensor);
            }
        }
        Self {
            graph,
            uses: graph.uses(),
            constant,
            readers,
        }
    }

    fn is_constant(&self, id: ValueId) -> bool {
        self.constant[id.index()].is_some()
    }
}

/// How a node is lowered.
pub(super) enum Group {
    /// With a later one.
    Inside,
    Alone,
    /// As the last of some functions of elements, or the last that makes floats.
    Chain(Chain),
    /// A threshold on the sums of a node, which is inside.
    Threshold(usize),
}

/// Functions of elements, in turn, and what makes bits of the last.
pub(super) struct Chain {
    /// The product whose sums they are of, if they may be its epilogue.
    pub(super) product: Option<usize>,
    pub(super) nodes: Vec<usize>,
    pub(super) bits: Option<usize>,
}

/// Decides how each node is lowered. A chain is lowered where its last function stands, when every
/// other value that it reads has been made.
pub(super) fn groups(facts: &Facts<'_>, fuse: bool) -> Vec<Group> {
    let graph = facts.graph;
    let producers = graph.producers();
    let mut groups: Vec<_> = graph.nodes.iter().map(|_| Group::Alone).collect();
    let mut done = vec![false; graph.nodes.len()];
    for index in 0..graph.nodes.len() {
        let node = &graph.nodes[index];
        if done[index] || facts.is_constant(node.outputs[0]) {
            continue;
        }
        let of_integers = |id: ValueId| graph.value(id).kind == Kind::I32;
        if matches!(node.op, Op::Threshold(_)) || node.op == Op::Sign && of_integers(node.inputs[0])
        {
            let source = node.inputs[0].index();
            let conv = producers[source].filter(|&conv| {
                let op = &graph.nodes[conv].op;
                let sums = matches!(op, Op::BinaryConv(_) | Op::BinaryDense(_));
                fuse && sums && facts.uses[source] == 1
            });
            if let Some(conv) = conv {
                (groups[conv], groups[index]) = (Group::Inside, Group::Threshold(conv));
            }
            continue;
        }
        if makes_bits(facts, index) {
            groups[index] = Group::Chain(Chain {
                product: None,
                nodes: Vec::new(),
                bits: Some(index),
            });
            continue;
        }
        if !is_elementwise(facts, index) {
            continue;
        }
        let mut chain = Chain {
            product: fuse
                .then(|| product_of_bits(facts, &producers, index))
                .flatten(),
            nodes: vec![index],
            bits: None,
        };
        if let Some(product) = chain.product {
            groups[product] = Group::Inside;
        }
        let mut last = index;
        loop {
            if !fuse {
                break;
            }
            let value = graph.nodes[last].outputs[0].index();
            let next = match facts.readers[value][..] {
                [next] if facts.uses[value] == 1 => next,
                _ => break,
            };
            let goes_on = source(facts, next, Some(graph.nodes[last].outputs[0])).is_some();
            if done[next] || !goes_on || !is_elementwise(facts, next) {
                break;
            }
            groups[last] = Group::Inside;
            chain.nodes.push(next);
            done[next] = true;
            last = next;
        }
        if fuse {
            let value = graph.nodes[last].outputs[0].index();
            let mut bits = facts.readers[value].iter().copied();
            chain.bits = bits.find(|&reader| makes_bits(facts, reader));
            if let Some(bits) = chain.bits {
                groups[bits] = Group::Inside;
                done[bits] = true;
            }
        }
        groups[last] = Group::Chain(chain);
    }
    groups
}

/// The product of bits whose sums only a node reads.
fn product_of_bits(facts: &Facts<'_>, producers: &[Option<usize>], index: usize) -> Option<usize> {
    let graph = facts.graph;
    let sums = graph.nodes[index].inputs[0];
    let product = producers[sums.index()].filter(|_| facts.uses[sums.index()] == 1)?;
    let node = &graph.nodes[product];
    let is_product = matches!(node.op, Op::BinaryConv(_) | Op::BinaryDense(_));
    (is_product && graph.value(node.inputs[0]).kind == Kind::Bit).then_some(product)
}

/// Whether a node makes bits of floats.
fn makes_bits(facts: &Facts<'_>, index: usize) -> bool {
    let node = &facts.graph.nodes[index];
    match node.op {
        Op::RealThreshold(_) => true,
        Op::Sign => facts.graph.value(node.inputs[0]).kind == Kind::F32,
        _ => false,
    }
}

/// Whether a node is a function of single elements that gives floats in the shape of one of its
/// inputs, which is not a constant.
fn is_elementwise(facts: &Facts<'_>, index: usize) -> bool {
    let node = &facts.graph.nodes[index];
    let floats = facts.graph.value(node.outputs[0]).kind == Kind::F32;
    match &node.op {
        Op::Binary(op) => floats && !op.is_comparison() && source(facts, index, None).is_some(),
        Op::Cast(_)
        | Op::Affine { .. }
        | Op::PixelBias(_)
        | Op::Unary(_)
        | Op::Prelu(_)
        | Op::Quantize(_) => floats,
        _ => false,
    }
}

/// Which input of a function of elements is the one that it goes over: `wanted`, if any, else the
/// first that suits.
pub(super) fn source(facts: &Facts<'_>, index: usize, wanted: Option<ValueId>) -> Option<usize> {
    let graph = facts.graph;
    let node = &graph.nodes[index];
    let shape = graph.value(node.outputs[0]).shape;
    node.inputs.iter().position(|id| {
        wanted.is_none_or(|wanted| wanted == *id)
            && graph.value(*id).shape == shape
            && !facts.is_constant(*id)
    })
}
