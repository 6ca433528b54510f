//! Small nets, made by hand.

use bernet_kernels::bits::BitMatrix;
use bernet_runtime::{
    format,
    graph::{
        ArrayLayout, BinaryConv, ConvParams, Graph, Kind, Op, Pixels, ReduceKind, Shape, ValueId,
    },
};
use std::path::Path;

/// Sums of all pixels, for class 0 as they are, for the others the other way round.
pub(crate) fn votes(graph: &mut Graph, value: ValueId, classes: usize) -> ValueId {
    let channels = graph.value(value).shape.channels;
    let weights = BitMatrix::from_fn(classes, channels, |class, _| class == 0);
    let params = ConvParams::valid([1, 1]);
    let conv = Op::BinaryConv(BinaryConv { params, weights });
    let sums = graph.add_node(conv, &[value]).unwrap();
    let (kind, axes) = (ReduceKind::Sum, [true, true, false]);
    graph.add_node(Op::Reduce { kind, axes }, &[sums]).unwrap()
}

/// A net of one input, which is followed by what `layers` adds.
pub(crate) fn net(
    kind: Kind,
    shape: [usize; 3],
    pixels: Pixels,
    layers: impl FnOnce(&mut Graph, ValueId) -> ValueId,
) -> Graph {
    let mut graph = Graph::default();
    let input = graph.add_input("image", kind, Shape::from(shape)).unwrap();
    graph.inputs[0].pixels = pixels;
    let logits = layers(&mut graph, input);
    graph.add_output("logits", logits).unwrap();
    graph.outputs[0].layout = ArrayLayout::flat(graph.value(logits).shape.channels);
    graph.metadata = [("licence".into(), "MIT".into())].into();
    graph
}

/// A net that votes by the number of ink pixels: right for about every tenth digit.
pub(crate) fn ink(shape: [usize; 3], threshold: u8, classes: usize) -> Graph {
    let pixels = Pixels::AtLeast(threshold);
    net(Kind::Bit, shape, pixels, |graph, value| {
        votes(graph, value, classes)
    })
}

pub(crate) fn write_model(path: &Path, edit: impl FnOnce(&mut Graph)) {
    let mut graph = ink([28, 28, 1], 128, 10);
    edit(&mut graph);
    format::write(&graph, path).unwrap();
}
