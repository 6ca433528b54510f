//! Nodes become steps; functions of single elements are gathered into one.

use super::{
    Element, Elementwise, Fused, Kernel, Operand, Options, Place, PlanError, Port, Slot, SlotId,
    Step,
    elementwise::{elements, periodic},
    footprint::Footprint,
    groups::{Chain, Facts, Group, groups, source},
};
use crate::{
    graph::{BinaryConv, ConvParams, Graph, Kind, Op, RealThreshold, Shape, Value, ValueId},
    real::{RealConv, RealDense},
    tensor::{Data, Tensor},
};
use alloc::{boxed::Box, vec, vec::Vec};
use bernet_kernels::{
    bits::BitMatrix,
    isa::Level,
    real::RealThresholds,
    xnor::{BinaryConv2d, ByteConv2d, Conv2d, Threshold},
};

/// A program without places in an arena.
pub(super) struct Lowered {
    pub(super) inputs: Vec<Port>,
    pub(super) outputs: Vec<Port>,
    pub(super) slots: Vec<Slot>,
    pub(super) steps: Vec<Step>,
    pub(super) constants: Vec<Vec<u64>>,
}

struct Lowering<'a> {
    graph: &'a Graph,
    facts: Facts<'a>,
    level: Level,
    slots: Vec<Slot>,
    /// Of each value, once it has one.
    slot_of: Vec<Option<SlotId>>,
    constants: Vec<Vec<u64>>,
    steps: Vec<Step>,
    footprint: Footprint,
}

pub(super) fn lower(graph: &Graph, options: &Options) -> Result<Lowered, PlanError> {
    let mut lowering = Lowering {
        graph,
        facts: Facts::new(graph),
        level: options.level,
        slots: Vec::new(),
        slot_of: vec![None; graph.values.len()],
        constants: Vec::new(),
        steps: Vec::new(),
        footprint: Footprint::default(),
    };
    let port = |name: &str, value: ValueId, slot| Port {
        name: name.into(),
        kind: graph.value(value).kind,
        shape: graph.value(value).shape,
        slot,
    };
    let mut inputs = Vec::new();
    for (number, input) in graph.inputs.iter().enumerate() {
        let slot = lowering.slot(input.value, Place::Input(number));
        inputs.push(port(&input.name, input.value, slot));
    }
    let groups = groups(&lowering.facts, options.fuse);
    for (index, group) in groups.iter().enumerate() {
        match group {
            Group::Inside => {}
            Group::Alone => lowering.node(index)?,
            Group::Chain(chain) => lowering.chain(index, chain)?,
            Group::Threshold(conv) => lowering.conv_bits(*conv, index)?,
        }
    }
    let outputs = graph
        .outputs
        .iter()
        .map(|output| port(&output.name, output.value, lowering.of(output.value)))
        .collect();
    Ok(Lowered {
        inputs,
        outputs,
        slots: lowering.slots,
        steps: lowering.steps,
        constants: lowering.constants,
    })
}

impl Lowering<'_> {
    fn slot(&mut self, value: ValueId, place: Place) -> SlotId {
        let slot = SlotId(self.slots.len());
        self.slots.push(Slot::new(self.graph.value(value), place));
        self.slot_of[value.index()] = Some(slot);
        slot
    }

    /// A slot in the arena, whose place is decided later.
    fn make(&mut self, value: ValueId) -> SlotId {
        self.slot(value, Place::Arena(usize::MAX))
    }

    fn of(&self, value: ValueId) -> SlotId {
        self.slot_of[value.index()].expect("a value has a slot before it is read")
    }

    fn push(&mut self, node: usize, kernel: Kernel, inputs: &[ValueId], output: ValueId) {
        let inputs = inputs.iter().map(|id| self.of(*id)).collect();
        let outputs = vec![self.make(output)];
        let depth = depth(&self.graph.nodes[node].op);
        self.steps.push(Step {
            node,
            kernel,
            depth,
            inputs,
            outputs,
        });
    }

    /// A node on its own.
    fn node(&mut self, index: usize) -> Result<(), PlanError> {
        let node = &self.graph.nodes[index];
        let output = node.outputs[0];
        if let Some(tensor) = &self.facts.constant[output.index()] {
            let words = constant_words(tensor);
            self.slot(output, Place::Constant(self.constants.len()));
            self.constants.push(words);
            return Ok(());
        }
        let types: Vec<_> = node.inputs.iter().map(|id| self.graph.value(*id)).collect();
        let refused = |cause| PlanError::Kernel { node: index, cause };
        let kernel = match &node.op {
            Op::Sign | Op::Threshold(_) => {
                Kernel::Threshold(thresholds(&node.op, types[0].shape.channels))
            }
            Op::Cast(_) if types[0].kind == self.graph.value(output).kind => Kernel::Copy,
            Op::Cast(_) => Kernel::ToInt,
            Op::BinaryConv(_) | Op::BinaryDense(_) => self.product(index, types[0])?,
            Op::Conv(conv) => {
                let shape = self.graph.value(output).shape;
                Kernel::RealConv(RealConv::new(conv, types[0].shape, shape).map_err(refused)?)
            }
            Op::Dense(dense) => Kernel::RealDense(RealDense::new(dense).map_err(refused)?),
            Op::Binary(op) => Kernel::Binary(*op),
            Op::Select => Kernel::Select,
            Op::Pool(pool) => Kernel::Pool(*pool),
            Op::Reduce { kind, .. } => Kernel::Reduce(*kind),
            Op::Softmax => Kernel::Softmax { logarithm: false },
            Op::LogSoftmax => Kernel::Softmax { logarithm: true },
            Op::ArgMax => Kernel::ArgMax,
            Op::Concat(axis) => Kernel::Concat(*axis),
            &Op::Slice {
                axis, start, step, ..
            } => Kernel::Slice { axis, start, step },
            Op::Pad { before, value, .. } => Kernel::Pad {
                before: *before,
                value: *value,
            },
            Op::Reshape(to) => {
                if types[0].kind != Kind::Bit || same_lines(types[0].shape, *to) {
                    return self.view(node.inputs[0], output);
                }
                Kernel::Copy
            }
            Op::Transpose { dims, perm, .. } => {
                let mut strides = vec![1; dims.len()];
                for axis in (1..dims.len()).rev() {
                    strides[axis - 1] = strides[axis] * dims[axis];
                }
                let axes = perm.iter().map(|&axis| (dims[axis], strides[axis]));
                Kernel::Transpose(axes.collect())
            }
            Op::Constant(_) => unreachable!("a constant follows from constants alone"),
            Op::RealThreshold(_)
            | Op::Affine { .. }
            | Op::PixelBias(_)
            | Op::Unary(_)
            | Op::Prelu(_)
            | Op::Quantize(_) => unreachable!("functions of elements are lowered as chains"),
        };
        let inputs = node.inputs.clone();
        self.push(index, kernel, &inputs, output);
        Ok(())
    }

    /// The same memory read as another shape.
    fn view(&mut self, input: ValueId, output: ValueId) -> Result<(), PlanError> {
        let slot = Slot::new(self.graph.value(output), Place::View(self.of(input)));
        self.slot_of[output.index()] = Some(SlotId(self.slots.len()));
        self.slots.push(slot);
        Ok(())
    }

    /// A product with bits, whose output is sums.
    fn product(&mut self, index: usize, input: Value) -> Result<Kernel, PlanError> {
        let (params, weights) = match &self.graph.nodes[index].op {
            Op::BinaryConv(BinaryConv { params, weights }) => (*params, weights),
            Op::BinaryDense(weights) => {
                let Shape { height, width, .. } = input.shape;
                (ConvParams::valid([height, width]), weights)
            }
            _ => unreachable!("only products have sums"),
        };
        self.footprint.add(index, &params, weights, input)?;
        product(self.level, params, weights, input)
            .map_err(|cause| PlanError::Kernel { node: index, cause })
    }

    /// A product and the thresholds of its sums.
    fn conv_bits(&mut self, conv: usize, index: usize) -> Result<(), PlanError> {
        let node = &self.graph.nodes[index];
        let input = self.graph.nodes[conv].inputs[0];
        let channels = self.graph.value(node.outputs[0]).shape.channels;
        let thresholds = thresholds(&node.op, channels);
        let kernel = match self.product(conv, self.graph.value(input))? {
            Kernel::BitConv(conv) => Kernel::BitConvBits(
                BinaryConv2d::new(conv, thresholds)
                    .map_err(|cause| PlanError::Kernel { node: index, cause })?,
            ),
            Kernel::ByteConv(conv) => Kernel::ByteConvBits(conv, thresholds),
            _ => unreachable!("a product is of bits or of bytes"),
        };
        self.push(index, kernel, &[input], node.outputs[0]);
        if let Some(step) = self.steps.last_mut() {
            step.depth = depth(&self.graph.nodes[conv].op);
        }
        Ok(())
    }

    /// Functions of elements, perhaps as the epilogue of a product.
    fn chain(&mut self, index: usize, chain: &Chain) -> Result<(), PlanError> {
        let graph = self.graph;
        let first = *chain.nodes.first().or(chain.bits.as_ref()).expect("a node");
        let input = graph.nodes[first].inputs[source(&self.facts, first, None).unwrap_or(0)];
        let (mut step, others, value) = self.functions(chain, input);
        let mut inputs = Vec::new();
        let mut kernel = None;
        let mut products = 0;
        if let Some(product) = chain.product {
            let from = graph.nodes[product].inputs[0];
            products = depth(&graph.nodes[product].op);
            let same = |slot: &SlotId| {
                let (slot, value) = (self.slots[slot.0], graph.value(value));
                slot.shape == value.shape && !slot.is_constant()
            };
            let is_fused = others.iter().all(same);
            let conv = match self.product(product, graph.value(from))? {
                Kernel::BitConv(conv) if is_fused => Fused::new(conv, products, &step),
                Kernel::BitConv(conv) => Err(Box::new(conv)),
                _ => unreachable!("the product is of bits"),
            };
            match conv {
                Ok(fused) => {
                    inputs.push(self.of(from));
                    kernel = Some(Kernel::BitConvFused(fused));
                }
                Err(conv) => {
                    self.push(product, Kernel::BitConv(*conv), &[from], input);
                    products = 0;
                }
            }
        }
        if kernel.is_none() {
            inputs.push(self.of(input));
        }
        inputs.extend(others);
        let mut outputs = Vec::new();
        if step.floats {
            outputs.push(self.make(value));
        }
        if let Some(bits) = chain.bits {
            outputs.push(self.make(graph.nodes[bits].outputs[0]));
        }
        self.steps.push(Step {
            node: chain.bits.unwrap_or(index),
            kernel: kernel.unwrap_or_else(|| Kernel::Elementwise(core::mem::take(&mut step))),
            depth: products,
            inputs,
            outputs,
        });
        Ok(())
    }

    /// The functions of a chain that goes over a value, the other values that it reads, and its
    /// last value of floats.
    fn functions(&self, chain: &Chain, input: ValueId) -> (Elementwise, Vec<SlotId>, ValueId) {
        let graph = self.graph;
        let mut step = Elementwise::default();
        let (mut others, mut value) = (Vec::new(), input);
        for &at in &chain.nodes {
            let node = &graph.nodes[at];
            let channels = graph.value(node.outputs[0]).shape.channels;
            match (&node.op, elements(&node.op, channels)) {
                (_, Some(elements)) => step.elements.extend(elements),
                (Op::Binary(op), None) => {
                    let place = source(&self.facts, at, Some(value)).expect("the value goes on");
                    let slot = self.of(node.inputs[1 - place]);
                    let element = self.operation(*op, slot, place == 1, channels);
                    if let Element::Binary(..) = element {
                        others.push(slot);
                    }
                    step.elements.push(element);
                }
                _ => unreachable!("a chain is of functions of elements"),
            }
            value = node.outputs[0];
        }
        let bits_alone = chain.bits.is_some() && self.facts.uses[value.index()] == 1;
        step.floats = !chain.nodes.is_empty() && !bits_alone;
        if let Some(bits) = chain.bits {
            let channels = graph.value(value).shape.channels;
            let list = match &graph.nodes[bits].op {
                Op::RealThreshold(list) => &list[..],
                _ => &[RealThreshold {
                    at_least: 0.0,
                    invert: false,
                }],
            };
            let of = |channel| {
                let RealThreshold { at_least, invert } =
                    list[if list.len() == 1 { 0 } else { channel }];
                (at_least, invert)
            };
            let list: Vec<_> = (0..channels).map(of).collect();
            step.bits = Some(RealThresholds::new(&list).expect("a value has channels"));
        }
        (step, others, value)
    }

    /// An operation with another value; with a constant for each channel it needs no memory.
    fn operation(
        &self,
        op: crate::graph::BinaryOp,
        slot: SlotId,
        first: bool,
        channels: usize,
    ) -> Element {
        use crate::graph::BinaryOp::{Add, Mul, Sub};
        let other = self.slots[slot.0];
        let Shape { height, width, .. } = other.shape;
        if let (Place::Constant(at), 1, 1) = (other.place, height, width) {
            let list: &[f32] = bytemuck::cast_slice(&self.constants[at]);
            let list = periodic(&list[..other.shape.channels], channels);
            match (op, first) {
                (Add, _) => return Element::Shift(list),
                (Mul, _) => return Element::Scale(list),
                (Sub, false) => return Element::Shift(list.iter().map(|&x| -x).collect()),
                _ => {}
            }
        }
        Element::Binary(op, Operand { slot, first })
    }
}

/// A threshold for each channel.
fn thresholds(op: &Op, channels: usize) -> Vec<Threshold> {
    let zero = [Threshold {
        at_least: 0,
        invert: false,
    }];
    let list = match op {
        Op::Threshold(list) => list,
        _ => &zero[..],
    };
    let one = |channel| list[if list.len() == 1 { 0 } else { channel }];
    (0..channels).map(one).collect()
}

/// Products of a sum.
fn depth(op: &Op) -> usize {
    match op {
        Op::BinaryConv(conv) => conv.weights.columns(),
        Op::BinaryDense(weights) => weights.columns(),
        Op::Conv(conv) => conv.weights.len() / conv.outputs,
        Op::Dense(dense) => dense.weights.len() / dense.outputs,
        _ => 0,
    }
}

/// Whether bits of both shapes lie in memory alike.
fn same_lines(a: Shape, b: Shape) -> bool {
    let whole = |shape: Shape| (shape.width * shape.channels).is_multiple_of(u64::BITS as usize);
    a.height == b.height || whole(a) && whole(b)
}

/// A product's weights, laid out for a level.
fn product(
    level: Level,
    params: ConvParams,
    weights: &BitMatrix,
    input: Value,
) -> Result<Kernel, bernet_kernels::Error> {
    let channels = input.shape.channels;
    Ok(if input.kind == Kind::U8 {
        Kernel::ByteConv(ByteConv2d::new(level, channels, params, weights)?)
    } else {
        Kernel::BitConv(Conv2d::new(level, channels, params, weights)?)
    })
}

/// A constant as words: bits a line at a time, everything else without gaps.
fn constant_words(tensor: &Tensor) -> Vec<u64> {
    let shape = tensor.shape();
    let mut words = vec![0_u64; super::slot::words(tensor.kind(), shape, 1)];
    match tensor.data() {
        Data::Bit(values) => {
            let line_words = super::slot::line_words(shape);
            for (y, line) in values.chunks(shape.width * shape.channels).enumerate() {
                for (x, &bit) in line.iter().enumerate() {
                    words[y * line_words + x / 64] |= u64::from(bit) << (x % 64);
                }
            }
        }
        Data::U8(values) => {
            bytemuck::cast_slice_mut(&mut words)[..values.len()].copy_from_slice(values)
        }
        Data::I32(values) => {
            bytemuck::cast_slice_mut(&mut words)[..values.len()].copy_from_slice(values)
        }
        Data::F32(values) => {
            bytemuck::cast_slice_mut(&mut words)[..values.len()].copy_from_slice(values)
        }
    }
    words
}
