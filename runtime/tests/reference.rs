//! The reference interpreter and programs on cases that were worked out by hand, and graphs that do not fit.

use bernet_kernels::{
    bits::BitMatrix,
    isa::Level,
    xnor::{PaddingValue, Threshold},
};
use bernet_runtime::{
    graph::{
        Axis, BinaryConv, BinaryOp, Conv, ConvParams, Dense, Graph, GraphError, Kind, Op, PoolKind,
        PoolParams, Prelu, Quantize, ReduceKind, Rounding, Shape, UnaryOp, ValueId,
    },
    plan::Options,
    reference,
    session::Session,
    tensor::{Data, Tensor},
};

/// What one operator makes of one input.
fn apply(op: Op, shape: Shape, data: Data) -> Result<Data, GraphError> {
    let mut graph = Graph::default();
    let batch = data.len() / shape.len();
    let x = graph.add_input("x", data.kind(), shape)?;
    let y = graph.add_node(op, &[x])?;
    graph.add_output("y", y)?;
    let x = Tensor::new(batch, shape, data)?;
    Ok(run(&graph, &[x])?[0].data().clone())
}

/// What the reference computes; every level computes the same.
fn run(graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>, GraphError> {
    let expected = reference::run(graph, inputs)?;
    for level in Level::available() {
        for fuse in [false, true] {
            let options = Options {
                level,
                fuse,
                ..Options::default()
            };
            let mut session = Session::new(graph, &options).expect("a valid graph");
            let found = session.run(inputs).expect("inputs of the graph");
            assert_eq!(found, expected, "{level}");
        }
    }
    Ok(expected)
}

fn floats(values: &[f32]) -> Data {
    Data::F32(values.to_vec())
}

#[test]
fn bits_of_numbers() -> Result<(), GraphError> {
    let shape = Shape::flat(4);
    let signs = apply(Op::Sign, shape, floats(&[-1.0, -0.0, 0.5, f32::NAN]))?;
    assert_eq!(signs, Data::Bit(vec![false, true, true, false]));
    let thresholds =
        [(2, false), (2, true)].map(|(at_least, invert)| Threshold { at_least, invert });
    let bits = apply(
        Op::Threshold(thresholds.to_vec()),
        Shape::flat(2),
        Data::I32(vec![2, 2, 1, 1]),
    )?;
    assert_eq!(bits, Data::Bit(vec![true, false, false, true]));
    let numbers = apply(Op::Cast(Kind::F32), shape, signs)?;
    assert_eq!(numbers, floats(&[-1.0, 1.0, 1.0, -1.0]));
    Ok(())
}

#[test]
fn a_binary_convolution_pads_as_it_says() -> Result<(), GraphError> {
    // One line of three bits, a kernel of three +1, and padding of one on each side.
    for (padding_value, expected) in [
        (PaddingValue::MinusOne, [1, 3, 1]),
        (PaddingValue::Zero, [2, 3, 2]),
        (PaddingValue::PlusOne, [3, 3, 3]),
    ] {
        let mut params = ConvParams::valid([1, 3]);
        (params.padding, params.padding_value) = ([0, 1, 0, 1], padding_value);
        let weights = BitMatrix::from_signs(1, 3, &[1.0; 3]).expect("three signs");
        let conv = Op::BinaryConv(BinaryConv { params, weights });
        let sums = apply(conv, Shape::new(1, 3, 1), Data::Bit(vec![true; 3]))?;
        assert_eq!(sums, Data::I32(expected.to_vec()));
    }
    Ok(())
}

#[test]
fn a_convolution_has_strides_dilation_groups_and_bias() -> Result<(), GraphError> {
    let mut params = ConvParams::valid([1, 2]);
    (params.dilation, params.stride, params.groups) = ([1, 2], [1, 2], 2);
    let conv = Op::Conv(Conv {
        params,
        outputs: 2,
        weights: vec![1.0, 10.0, 100.0, 1000.0],
        bias: vec![0.5, 0.0],
    });
    // Five pixels of two channels.
    let input = [1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0, 5.0, 5.0];
    let sums = apply(conv, Shape::new(1, 5, 2), floats(&input))?;
    assert_eq!(sums, floats(&[31.5, 3100.0, 53.5, 5300.0]));
    Ok(())
}

#[test]
fn dense_layers_see_all_values() -> Result<(), GraphError> {
    let shape = Shape::new(1, 2, 2);
    let weights = BitMatrix::from_signs(1, 4, &[1.0, -1.0, 1.0, 1.0]).expect("four signs");
    let sums = apply(Op::BinaryDense(weights), shape, Data::U8(vec![1, 2, 3, 4]))?;
    assert_eq!(sums, Data::I32(vec![6]));
    let dense = Dense {
        outputs: 1,
        weights: vec![1.0, 2.0, 3.0, 4.0],
        bias: vec![0.25],
    };
    let sums = apply(Op::Dense(dense), shape, floats(&[1.0; 4]))?;
    assert_eq!(sums, floats(&[10.25]));
    Ok(())
}

#[test]
fn functions_of_elements() -> Result<(), GraphError> {
    let shape = Shape::flat(2);
    let prelu = Op::Prelu(Prelu {
        before: vec![1.0],
        slope: vec![0.5, 0.25],
        after: vec![0.0, 1.0],
    });
    assert_eq!(
        apply(prelu, shape, floats(&[-3.0, 1.0]))?,
        floats(&[-1.0, 3.0])
    );
    let quantize = Op::Quantize(Quantize {
        scale: vec![0.5],
        zero_point: vec![0.0],
        low: -2.0,
        high: 1.0,
        rounding: Rounding::HalfEven,
    });
    assert_eq!(
        apply(quantize, shape, floats(&[0.25, -9.0]))?,
        floats(&[0.0, -1.0])
    );
    let affine = Op::Affine {
        scale: vec![2.0, 3.0],
        bias: vec![1.0],
    };
    assert_eq!(
        apply(affine, shape, Data::U8(vec![1, 2]))?,
        floats(&[3.0, 7.0])
    );
    let clip = Op::Unary(UnaryOp::Clip {
        low: -1.0,
        high: 1.0,
    });
    assert_eq!(
        apply(clip, shape, floats(&[-2.0, 0.5]))?,
        floats(&[-1.0, 0.5])
    );
    Ok(())
}

#[test]
fn pools_and_reductions() -> Result<(), GraphError> {
    let shape = Shape::new(2, 2, 1);
    let pool = |kind| {
        Op::Pool(PoolParams {
            kind,
            kernel: [2, 2],
            stride: [2, 2],
            padding: [0, 0, 1, 1],
        })
    };
    let image = || floats(&[1.0, -2.0, 3.0, 6.0]);
    assert_eq!(apply(pool(PoolKind::Max), shape, image())?, floats(&[6.0]));
    assert_eq!(
        apply(pool(PoolKind::Average), shape, image())?,
        floats(&[2.0])
    );
    let bits = Data::Bit(vec![true, false, true, true]);
    assert_eq!(
        apply(pool(PoolKind::Sum), shape, bits.clone())?,
        Data::I32(vec![2])
    );
    assert_eq!(
        apply(pool(PoolKind::Max), shape, bits)?,
        Data::Bit(vec![true])
    );
    let mut padded = PoolParams {
        kind: PoolKind::AveragePadded,
        kernel: [2, 2],
        stride: [1, 1],
        padding: [1, 1, 0, 0],
    };
    let means = apply(Op::Pool(padded), shape, image())?;
    assert_eq!(means, floats(&[0.25, -0.25, 1.0, 2.0]));
    padded.kind = PoolKind::Average;
    let means = apply(Op::Pool(padded), shape, image())?;
    assert_eq!(means, floats(&[1.0, -0.5, 2.0, 2.0]));
    for (kind, expected) in [
        (ReduceKind::Mean, [2.0, 2.0]),
        (ReduceKind::Sum, [4.0, 4.0]),
        (ReduceKind::Max, [3.0, 6.0]),
        (ReduceKind::Min, [1.0, -2.0]),
    ] {
        let axes = [true, false, false];
        let found = apply(Op::Reduce { kind, axes }, shape, image())?;
        assert_eq!(found, floats(&expected));
    }
    assert_eq!(
        apply(Op::ArgMax, Shape::flat(4), image())?,
        Data::I32(vec![3])
    );
    let Data::F32(shares) = apply(Op::Softmax, Shape::flat(2), floats(&[0.0, 3_f32.ln()]))? else {
        panic!("shares are floats");
    };
    assert!((shares[0] - 0.25).abs() < 1e-7 && (shares[1] - 0.75).abs() < 1e-7);
    Ok(())
}

#[test]
fn values_are_moved() -> Result<(), GraphError> {
    let shape = Shape::new(1, 2, 3);
    let input = || Data::U8(vec![1, 2, 3, 4, 5, 6]);
    let transpose = Op::Transpose {
        dims: vec![2, 3],
        perm: vec![1, 0],
        shape: Shape::flat(6),
    };
    assert_eq!(
        apply(transpose, shape, input())?,
        Data::U8(vec![1, 4, 2, 5, 3, 6])
    );
    let slice = Op::Slice {
        axis: Axis::Channels,
        start: 0,
        length: 2,
        step: 2,
    };
    assert_eq!(apply(slice, shape, input())?, Data::U8(vec![1, 3, 4, 6]));
    let pad = Op::Pad {
        before: [0, 1, 0],
        after: [0, 0, 1],
        value: 9.0,
    };
    let padded = vec![9, 9, 9, 9, 1, 2, 3, 9, 4, 5, 6, 9];
    assert_eq!(apply(pad, shape, input())?, Data::U8(padded));
    Ok(())
}

#[test]
fn two_inputs_two_outputs_and_a_shortcut() -> Result<(), GraphError> {
    let mut graph = Graph::default();
    let shape = Shape::new(2, 1, 2);
    let x = graph.add_input("x", Kind::F32, shape)?;
    let gate = graph.add_input("gate", Kind::F32, Shape::flat(2))?;
    let one = Tensor::from_f32(1, Shape::flat(1), vec![1.0])?;
    let one = graph.add_node(Op::Constant(one), &[])?;
    let gate = graph.add_node(Op::Binary(BinaryOp::Add), &[gate, one])?;
    let gated = graph.add_node(Op::Binary(BinaryOp::Mul), &[x, gate])?;
    let sum = graph.add_node(Op::Binary(BinaryOp::Add), &[gated, x])?;
    let both = graph.add_node(Op::Concat(Axis::Channels), &[sum, x])?;
    let greater = graph.add_node(Op::Binary(BinaryOp::Greater), &[sum, x])?;
    let chosen = graph.add_node(Op::Select, &[greater, sum, x])?;
    graph.add_output("both", both)?;
    graph.add_output("chosen", chosen)?;
    let x = Tensor::from_f32(1, shape, vec![1.0, 2.0, -3.0, 4.0])?;
    let gate = Tensor::from_f32(1, Shape::flat(2), vec![0.0, 1.0])?;
    let outputs = run(&graph, &[x, gate])?;
    assert_eq!(
        outputs[0].to_f32(),
        [2.0, 6.0, 1.0, 2.0, -6.0, 12.0, -3.0, 4.0]
    );
    assert_eq!(outputs[1].to_f32(), [2.0, 6.0, -3.0, 12.0]);
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let mut graph = Graph::default();
    let x = graph
        .add_input("x", Kind::F32, Shape::flat(4))
        .expect("an input");
    let refused = |op| {
        graph
            .clone()
            .add_named("n", op, &[x])
            .expect_err("refused")
            .to_string()
    };
    assert_eq!(
        refused(Op::Reshape(Shape::flat(3))),
        "node \"n\" (reshape): values: expected 4 of 1×1×4, found 3 of 1×1×3"
    );
    assert_eq!(
        refused(Op::BinaryDense(BitMatrix::all_minus_one(1, 4))),
        "node \"n\" (binary dense): input: expected bit or u8, found f32 1×1×4"
    );
    let nan = Op::Affine {
        scale: vec![f32::NAN],
        bias: vec![],
    };
    assert_eq!(
        refused(nan),
        "node \"n\" (affine): scale: expected a finite number, found NaN"
    );
    let slice = Op::Slice {
        axis: Axis::Channels,
        start: 2,
        length: usize::MAX,
        step: 2,
    };
    assert!(refused(slice).contains("expected within 4 places"));
    // A value that is read before it is made.
    let y = graph.add_node(Op::Sign, &[x]).expect("a node");
    graph.add_output("y", y).expect("an output");
    assert_eq!(graph.validate(), Ok(()));
    let mut cycle = graph.clone();
    cycle.nodes[0].inputs[0] = y;
    assert!(
        cycle
            .validate()
            .expect_err("a cycle")
            .to_string()
            .contains("earlier node")
    );
    let mut dangling = graph.clone();
    dangling.nodes[0].inputs[0] = ValueId(9);
    assert!(dangling.validate().is_err());
    let mut twice = graph.clone();
    twice.nodes.push(twice.nodes[0].clone());
    assert!(
        twice
            .validate()
            .expect_err("made twice")
            .to_string()
            .contains("nothing else makes")
    );
    graph.add_output("y", y).expect("an output");
    assert!(
        graph
            .validate()
            .expect_err("a name twice")
            .to_string()
            .contains("not used twice")
    );
}
