//! Layers as operators of the domain `bernet`, on packed bits: `[batch, height, ⌈width · channels / 64⌉]` words, as
//! `embed/onnxruntime/README.md` describes them.

use super::{Attribute, Graph, Output, builder, planes, spread};
use crate::model::{Conv, MaxPool, onnx::proto::data_type};
use bernet_kernels::{
    bits::{BitMatrix, Shape, WORD},
    xnor::PaddingValue,
};

impl Graph {
    /// Packs what the last node put out, unless it is packed.
    fn pack(&mut self) {
        if !self.packed {
            self.packed_node("SignPack", "packed", &[], vec![]);
        }
    }

    /// A node that puts out an image of the present shape, packed.
    fn packed_node(
        &mut self,
        op: &str,
        name: &str,
        constants: &[&str],
        attributes: Vec<Attribute>,
    ) {
        let Shape {
            height,
            width,
            channels,
            ..
        } = self.shape;
        let words = (width * channels).div_ceil(WORD);
        let output = Output(data_type::UINT64, vec![height, words]);
        self.builder
            .node(op, self.name(name), constants, attributes, &output);
        self.packed = true;
    }

    pub(super) fn packed_convolution(&mut self, conv: &Conv, shape: Shape) {
        self.pack();
        let geometry = &conv.geometry;
        let (weights, _) = self.weights(&conv.weights, geometry.kernel);
        let names = ["at_least", "invert"].map(|name| self.name(name));
        let thresholds = conv.thresholds.iter();
        self.builder
            .small_integers(&names[0], thresholds.clone().map(|one| one.at_least));
        self.builder
            .small_integers(&names[1], thresholds.map(|one| one.invert.into()));
        let value = match geometry.padding_value {
            PaddingValue::MinusOne => -1,
            PaddingValue::Zero => 0,
            PaddingValue::PlusOne => 1,
        };
        let mut attributes = vec![
            self.width(),
            builder::integers("strides", &geometry.stride),
            builder::integers("pads", &geometry.padding),
            builder::integer("padding_value", value),
        ];
        attributes.extend(spread(&conv.options));
        self.shape = shape;
        let constants = [&*weights, &*names[0], &*names[1]];
        self.packed_node("XnorConv2dSign", "bits", &constants, attributes);
    }

    pub(super) fn packed_pool(&mut self, pool: &MaxPool, shape: Shape) {
        self.pack();
        let attributes = vec![
            self.width(),
            builder::integer("channels", self.shape.channels as i64),
            builder::integers("kernel_shape", &pool.kernel),
            builder::integers("strides", &pool.stride),
            builder::integers("pads", &pool.padding),
        ];
        self.shape = shape;
        self.packed_node("MaxPoolBits", "pool", &[], attributes);
    }

    /// A convolution without padding, whose sums come out as float32.
    pub(super) fn packed_sums(&mut self, weights: &BitMatrix, kernel: [usize; 2], shape: Shape) {
        self.pack();
        let (weights, _) = self.weights(weights, kernel);
        let attributes = vec![self.width()];
        self.shape = shape;
        self.packed = false;
        let output = Output(data_type::FLOAT, planes(shape));
        self.builder.node(
            "XnorConv2d",
            self.name("sums"),
            &[&weights],
            attributes,
            &output,
        );
    }

    /// Pixels a line, which the shape of packed bits does not say.
    fn width(&self) -> Attribute {
        builder::integer("width", self.shape.width as i64)
    }
}
