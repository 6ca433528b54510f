//! A graph as steps in C: what is left out, what is done at once, what shares memory.

use super::error::ExportError;
use bernet_kernels::xnor::Threshold;
use bernet_runtime::{
    graph::{BinaryOp, Graph, Kind, Node, Op, PoolKind, ReduceKind, Value, ValueId},
    scalar,
};

/// One function of C.
#[derive(Clone, Copy)]
pub(super) struct Step<'a> {
    /// Its place among the graph's nodes.
    pub(super) index: usize,
    /// The operator and what it reads.
    pub(super) node: &'a Node,
    /// Thresholds that the sums of a product are compared with at once.
    pub(super) thresholds: Option<&'a [Threshold]>,
    /// What it computes.
    pub(super) output: ValueId,
}

/// A graph that has only what C is written for.
pub(super) struct Net<'a> {
    pub(super) graph: &'a Graph,
    /// Constants are no steps, nor are reshapes.
    pub(super) steps: Vec<Step<'a>>,
    /// The value whose memory each value is.
    pub(super) holder: Vec<ValueId>,
    /// What is handed in.
    pub(super) input: ValueId,
    /// What is handed out as integers.
    pub(super) output: ValueId,
    /// What was left out at the end, for people.
    pub(super) notes: Vec<String>,
}

impl<'a> Net<'a> {
    /// Checks a graph and finds its steps.
    pub(super) fn new(graph: &'a Graph) -> Result<Self, ExportError> {
        for (what, found) in [
            ("inputs", graph.inputs.len()),
            ("outputs", graph.outputs.len()),
        ] {
            if found != 1 {
                return Err(ExportError::Count { what, found });
            }
        }
        let input = &graph.inputs[0];
        let edge = |what, name: &str, expected, kind: Kind| ExportError::Edge {
            what,
            name: name.into(),
            expected,
            found: kind.name(),
        };
        let kind = graph.value(input.value).kind;
        if !matches!(kind, Kind::Bit | Kind::U8) {
            return Err(edge("input", &input.name, "bits or u8", kind));
        }
        let mut notes = Vec::new();
        let output = end(graph, &mut notes)?;
        let live = live(graph, output);
        let uses = graph.uses();
        let mut holder: Vec<_> = (0..graph.values.len() as u32).map(ValueId).collect();
        let mut steps: Vec<Step<'a>> = Vec::new();
        for (index, node) in graph.nodes.iter().enumerate() {
            let value = node.outputs[0];
            if !live[value.index()] {
                continue;
            }
            check(graph, index)?;
            match &node.op {
                Op::Constant(_) => {}
                Op::Reshape(_) => holder[value.index()] = holder[node.inputs[0].index()],
                Op::Threshold(thresholds) => {
                    let sums = node.inputs[0];
                    let product = steps
                        .last_mut()
                        .filter(|step| step.output == sums && uses[sums.index()] == 1)
                        .filter(|step| {
                            matches!(step.node.op, Op::BinaryConv(_) | Op::BinaryDense(_))
                        });
                    match product {
                        Some(step) => {
                            step.thresholds = Some(thresholds);
                            step.output = value;
                        }
                        None => steps.push(Step::of(index, node)),
                    }
                }
                _ => steps.push(Step::of(index, node)),
            }
        }
        Ok(Self {
            graph,
            steps,
            holder,
            input: input.value,
            output,
            notes,
        })
    }

    /// Whether a step is the first, and the only reader of the image.
    pub(super) fn takes_image_alone(&self, step: &Step<'_>) -> bool {
        let image = |id: &&ValueId| self.holder[id.index()] == self.input;
        let readers = self.steps.iter().flat_map(|step| &step.node.inputs);
        self.steps
            .first()
            .is_some_and(|first| first.index == step.index)
            && image(&&step.node.inputs[0])
            && readers.filter(image).count() == 1
            && !image(&&self.output)
    }

    /// Type and shape of a value.
    pub(super) fn value(&self, id: ValueId) -> Value {
        self.graph.value(id)
    }
}

impl<'a> Step<'a> {
    fn of(index: usize, node: &'a Node) -> Self {
        Self {
            index,
            node,
            thresholds: None,
            output: node.outputs[0],
        }
    }
}

/// Whether the output depends on each value.
fn live(graph: &Graph, output: ValueId) -> Vec<bool> {
    let mut live = vec![false; graph.values.len()];
    live[output.index()] = true;
    for node in graph.nodes.iter().rev() {
        if live[node.outputs[0].index()] {
            node.inputs.iter().for_each(|id| live[id.index()] = true);
        }
    }
    live
}

fn refuse(graph: &Graph, index: usize, why: &str) -> ExportError {
    let node = &graph.nodes[index];
    ExportError::Node {
        index,
        name: node.name.clone(),
        op: node.op.name(),
        why: why.into(),
    }
}

/// Refuses what has floats.
fn check(graph: &Graph, index: usize) -> Result<(), ExportError> {
    let node = &graph.nodes[index];
    let ids = node.inputs.iter().chain(&node.outputs);
    if ids.clone().any(|&id| graph.value(id).kind == Kind::F32) {
        let why = "computes with floats; expected operators of bits and integers. Train or export \
                   the net so that a sign follows every layer";
        return Err(refuse(graph, index, why));
    }
    Ok(())
}

/// The integers that decide: the output, or what an end that keeps their order makes it of.
fn end(graph: &Graph, notes: &mut Vec<String>) -> Result<ValueId, ExportError> {
    let producers = graph.producers();
    let declared = &graph.outputs[0];
    let mut output = declared.value;
    if let Some(index) = producers[output.index()]
        && graph.nodes[index].op == Op::ArgMax
        && graph.value(output).shape.len() == 1
    {
        output = graph.nodes[index].inputs[0];
        notes.push(
            "the argmax at the end is left to classify; run gives what it chooses from".into(),
        );
    }
    // The functions after the integers, the last first.
    let mut functions = Vec::new();
    while graph.value(output).kind == Kind::F32 {
        let Some(index) = producers[output.index()] else {
            break;
        };
        match graph.nodes[index].op {
            Op::Affine { .. } | Op::Cast(_) | Op::Reshape(_) if functions.len() < 8 => {
                functions.push(index);
            }
            _ => {
                return Err(refuse(
                    graph,
                    index,
                    "computes with floats; only an affine end may",
                ));
            }
        }
        output = graph.nodes[index].inputs[0];
    }
    if functions.is_empty() {
        return Ok(output);
    }
    if graph.value(output).kind == Kind::F32 {
        return Err(ExportError::Edge {
            what: "output",
            name: declared.name.clone(),
            expected: "integers, or an affine function of them",
            found: "f32",
        });
    }
    let last = functions[0];
    let Some(bound) = bound(graph, output).filter(|&bound| bound <= 1 << 20) else {
        let why = "is a function of integers whose range is not known; only products may be before";
        return Err(refuse(graph, last, why));
    };
    let mut before = f32::NEG_INFINITY;
    for integer in -bound..=bound {
        let mut value = integer as f32;
        for &index in functions.iter().rev() {
            if let Op::Affine { scale, bias } = &graph.nodes[index].op {
                if !equal(scale) || !equal(bias) {
                    let why = "has a scale or bias for each channel, so that the integers before \
                               it do not decide";
                    return Err(refuse(graph, index, why));
                }
                let scaled = value * scalar::of_channel(&scale[..scale.len().min(1)], 0, 1.0);
                value = scaled + scalar::of_channel(&bias[..bias.len().min(1)], 0, 0.0);
            }
        }
        if !(value > before) {
            let why = "does not keep the order of the integers before it";
            return Err(refuse(graph, last, why));
        }
        before = value;
    }
    notes.push(
        "the function of floats at the end keeps the order and is left out: logits are integers"
            .into(),
    );
    Ok(output)
}

fn equal(list: &[f32]) -> bool {
    list.iter().all(|one| *one == list[0])
}

/// The largest magnitude that a value's integers may have, where that is known and small.
fn bound(graph: &Graph, id: ValueId) -> Option<i64> {
    let of_kind = |value: &Value| match value.kind {
        Kind::Bit => Some(1),
        Kind::U8 => Some(255),
        Kind::I32 | Kind::F32 => None,
    };
    let mut bounds: Vec<Option<i64>> = graph.values.iter().map(of_kind).collect();
    for node in &graph.nodes {
        let output = node.outputs[0].index();
        if graph.values[output].kind == Kind::I32 {
            bounds[output] = bound_of_node(graph, node, &bounds);
        }
    }
    bounds[id.index()]
}

fn bound_of_node(graph: &Graph, node: &Node, bounds: &[Option<i64>]) -> Option<i64> {
    let count = match &node.op {
        Op::BinaryConv(conv) => conv.weights.columns(),
        Op::BinaryDense(weights) => weights.columns(),
        Op::Reshape(_) | Op::Cast(_) | Op::Slice { .. } | Op::Transpose { .. } => 1,
        Op::Pool(pool) if pool.kind == PoolKind::Max => 1,
        Op::Pool(pool) => pool.kernel[0].checked_mul(pool.kernel[1])?,
        Op::Reduce { kind, axes } => {
            let dims = graph.value(node.inputs[0]).shape.dims();
            let sizes = (0..3).filter(|&axis| axes[axis]).map(|axis| dims[axis]);
            if *kind == ReduceKind::Sum {
                sizes.product()
            } else {
                1
            }
        }
        Op::Binary(BinaryOp::Min | BinaryOp::Max) => 1,
        Op::Binary(BinaryOp::Add | BinaryOp::Sub) => 2,
        _ => return None,
    };
    let mut largest = 0;
    for &input in &node.inputs {
        largest = largest.max(bounds[input.index()]?);
    }
    largest
        .checked_mul(i64::try_from(count).ok()?)
        .filter(|&bound| bound < 1 << 31)
}
