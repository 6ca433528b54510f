//! Operators of the domain `bernet`, on packed bits: `[batch, height, ⌈width · channels / 64⌉]`
//! words, as `embed/onnxruntime/README.md` describes them.

use super::{
    Exporter,
    builder::{integer, integers},
    operators::sign,
};
use crate::exchange::onnx::proto::AttributeProto;
use bernet_kernels::{
    bits::{BitMatrix, WORD},
    xnor::{PaddingValue, Threshold},
};
use bernet_runtime::graph::{ConvParams, Graph, Kind, Op, PoolKind, PoolParams, Shape, ValueId};

impl Exporter<'_> {
    /// Whether a node, after it the threshold that alone reads it, is one of these operators; then
    /// it has been written.
    pub(super) fn packed_operator(&mut self, index: usize) -> bool {
        let graph = self.graph;
        let node = &graph.nodes[index];
        let output = node.outputs[0];
        if !self.packed[output.index()].is_empty() {
            // A threshold that its convolution took along.
            return true;
        }
        let Some(&input) = node.inputs.first() else {
            return false;
        };
        if graph.value(input).kind != Kind::Bit {
            return false;
        }
        match &node.op {
            Op::BinaryConv(conv) => match threshold(graph, &self.uses, index) {
                Some((thresholds, bits)) => {
                    self.conv_to_bits(input, &conv.params, &conv.weights, thresholds, bits);
                }
                None => self.conv_to_sums(input, &conv.params, &conv.weights, output),
            },
            Op::BinaryDense(weights) => {
                let shape = self.shape(input);
                let params = ConvParams::valid([shape.height, shape.width]);
                self.conv_to_sums(input, &params, weights, output);
            }
            Op::Pool(pool) if pool.kind == PoolKind::Max => self.max_pool(input, pool, output),
            _ => return false,
        }
        true
    }

    /// The packed bits of a value.
    fn words(&mut self, id: ValueId) -> String {
        if self.packed[id.index()].is_empty() {
            let bits = self.names[id.index()].clone();
            let words = self.builder.node("SignPack", &[&bits], vec![]);
            self.set_packed(id, words);
        }
        self.packed[id.index()].clone()
    }

    /// The name of a value as an array of floats. Packed bits become such by a convolution: each
    /// channel by itself times +1.
    pub(super) fn unpacked(&mut self, id: ValueId) -> String {
        if self.names[id.index()].is_empty() && !self.packed[id.index()].is_empty() {
            let shape = self.shape(id);
            let params = ConvParams {
                groups: shape.channels,
                ..ConvParams::valid([1, 1])
            };
            let ones = BitMatrix::from_fn(shape.channels, 1, |_, _| true);
            self.conv_to_sums(id, &params, &ones, id);
        }
        self.names[id.index()].clone()
    }

    fn set_packed(&mut self, id: ValueId, name: String) {
        let Shape {
            height,
            width,
            channels,
        } = self.shape(id);
        let words = (width * channels).div_ceil(WORD);
        self.builder.packed(&name, [height, words]);
        self.packed[id.index()] = name;
    }

    fn conv_to_bits(
        &mut self,
        input: ValueId,
        params: &ConvParams,
        weights: &BitMatrix,
        thresholds: &[Threshold],
        output: ValueId,
    ) {
        let words = self.words(input);
        let weights = self.bit_weights(input, params, weights);
        let limits = thresholds.iter().map(|one| one.at_least);
        let limits = self.builder.small_integers(limits);
        let inverted = thresholds.iter().map(|one| one.invert.into());
        let inverted = self.builder.small_integers(inverted);
        let attributes = self.attributes(input, params);
        let inputs = [&*words, &weights, &limits, &inverted];
        let bits = self.builder.node("XnorConv2dSign", &inputs, attributes);
        self.set_packed(output, bits);
    }

    fn conv_to_sums(
        &mut self,
        input: ValueId,
        params: &ConvParams,
        weights: &BitMatrix,
        output: ValueId,
    ) {
        let words = self.words(input);
        let weights = self.bit_weights(input, params, weights);
        let attributes = self.attributes(input, params);
        let inputs = [&*words, &weights];
        let sums = self.builder.node("XnorConv2d", &inputs, attributes);
        let [height, width, channels] = self.shape(output).dims();
        self.builder.value(&sums, true, &[channels, height, width]);
        self.names[output.index()] = sums;
    }

    fn max_pool(&mut self, input: ValueId, pool: &PoolParams, output: ValueId) {
        let words = self.words(input);
        let shape = self.shape(input);
        let attributes = vec![
            integer("width", shape.width as i64),
            integer("channels", shape.channels as i64),
            integers("kernel_shape", &pool.kernel),
            integers("strides", &pool.stride),
            integers("pads", &pool.padding),
        ];
        let bits = self.builder.node("MaxPoolBits", &[&words], attributes);
        self.set_packed(output, bits);
    }

    fn bit_weights(&mut self, input: ValueId, params: &ConvParams, bits: &BitMatrix) -> String {
        let [tall, wide] = params.kernel;
        let depth = self.shape(input).channels / params.groups;
        let weight = |row: usize, column: usize| sign(bits, row, column);
        self.weights([bits.rows(), depth, tall, wide], &weight)
    }

    fn attributes(&self, input: ValueId, params: &ConvParams) -> Vec<AttributeProto> {
        let value = match params.padding_value {
            PaddingValue::MinusOne => -1,
            PaddingValue::Zero => 0,
            PaddingValue::PlusOne => 1,
        };
        vec![
            // Pixels a line, which the shape of packed bits does not say.
            integer("width", self.shape(input).width as i64),
            integers("strides", &params.stride),
            integers("pads", &params.padding),
            integers("dilations", &params.dilation),
            integer("group", params.groups as i64),
            integer("padding_value", value),
        ]
    }
}

/// The thresholds that alone read what a node puts out, and their result.
fn threshold<'g>(
    graph: &'g Graph,
    uses: &[usize],
    index: usize,
) -> Option<(&'g [Threshold], ValueId)> {
    let sums = graph.nodes[index].outputs[0];
    if uses[sums.index()] != 1 {
        return None;
    }
    let mut nodes = graph.nodes[index + 1..].iter();
    let reader = nodes.find(|node| node.inputs.contains(&sums))?;
    match &reader.op {
        Op::Threshold(list) => Some((list, reader.outputs[0])),
        _ => None,
    }
}
