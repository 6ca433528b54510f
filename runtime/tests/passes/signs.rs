//! Signs of floats before a convolution.

use crate::{assert_equal, count};
use bernet_kernels::xnor::PaddingValue;
use bernet_runtime::{
    graph::{BinaryOp, Conv, ConvParams, Graph, Kind, Op, Shape, UnaryOp, ValueId},
    passes::{self, Passes},
    tensor::Tensor,
};

/// A graph with floats that go through some functions into a 1×1 convolution of ±1.
fn before_conv(functions: &[Op]) -> (Graph, ValueId) {
    let mut graph = Graph::default();
    let mut y = graph
        .add_input("x", Kind::F32, Shape::new(2, 2, 3))
        .expect("an input");
    for op in functions {
        y = graph.add_node(op.clone(), &[y]).expect("a function");
    }
    let conv = Conv {
        params: ConvParams::valid([1, 1]),
        outputs: 2,
        weights: vec![1.0, -1.0, 1.0, -1.0, -1.0, -1.0],
        bias: vec![],
    };
    let y = graph.add_node(Op::Conv(conv), &[y]).expect("a convolution");
    graph.add_output("y", y).expect("an output");
    (graph, y)
}

#[test]
fn signs_of_floats_as_other_tools_write_them() {
    let shift = Op::Affine {
        scale: vec![],
        bias: vec![0.1],
    };
    let sign = || Op::Unary(UnaryOp::Sign);
    let halves = Op::Affine {
        scale: vec![0.5],
        bias: vec![0.5],
    };
    let inputs = [Tensor::from_f32(
        1,
        Shape::new(2, 2, 3),
        vec![
            0.0,
            -0.0,
            1.0,
            -1.0,
            3.0,
            -4.0,
            0.5,
            -0.5,
            1e-30,
            -1e-30,
            f32::MIN,
            f32::MAX,
        ],
    )
    .expect("floats")];
    for (functions, binary) in [
        // Larq: the sign of 0 is +1.
        (vec![sign(), shift.clone(), sign()], 1),
        (vec![Op::Sign, Op::Cast(Kind::F32)], 1),
        (vec![Op::Sign, Op::Cast(Kind::F32), halves], 1),
        // The sign of 0 stays 0: three values.
        (vec![sign()], 0),
        (vec![sign(), shift], 0),
        (vec![Op::Unary(UnaryOp::Relu)], 0),
    ] {
        let (graph, _) = before_conv(&functions);
        let new = passes::run(&graph, &Passes::default()).expect("a valid graph");
        assert_equal(&graph, &new, &inputs, "signs");
        assert_eq!(count(&new, "binary conv"), binary, "{functions:?}");
        assert_eq!(count(&new, "conv"), 1 - binary, "{functions:?}");
    }
    // Where and a comparison.
    let mut graph = Graph::default();
    let x = graph
        .add_input("x", Kind::F32, Shape::new(2, 2, 3))
        .expect("an input");
    let [zero, one, minus] = [0.0, 1.0, -1.0].map(|value| {
        let number = Tensor::from_f32(1, Shape::flat(1), vec![value]).expect("a number");
        graph
            .add_node(Op::Constant(number), &[])
            .expect("a constant")
    });
    let bits = graph
        .add_node(Op::Binary(BinaryOp::Greater), &[x, zero])
        .expect("bits");
    let signs = graph
        .add_node(Op::Select, &[bits, one, minus])
        .expect("signs");
    let mut params = ConvParams::valid([3, 3]);
    params.padding = [1; 4];
    let conv = Conv {
        params,
        outputs: 1,
        weights: vec![-0.5; 27],
        bias: vec![0.25],
    };
    let y = graph
        .add_node(Op::Conv(conv), &[signs])
        .expect("a convolution");
    graph.add_output("y", y).expect("an output");
    let new = passes::run(&graph, &Passes::default()).expect("a valid graph");
    assert_equal(&graph, &new, &inputs, "where");
    let conv = new.nodes.iter().find_map(|node| match &node.op {
        Op::BinaryConv(conv) => Some(conv),
        _ => None,
    });
    let params = conv.expect("a binary convolution").params;
    assert_eq!(params.padding_value, PaddingValue::Zero);
}
