//! Programs of random graphs against the reference, on every level of this CPU.

use bernet_kernels::{bits::BitMatrix, isa::Level, xnor::PaddingValue};
use bernet_runtime::{
    execute::{TensorMut, TensorRef, Workspace},
    graph::{
        BinaryConv, BinaryOp, ConvParams, Graph, Kind, Op, PoolKind, PoolParams, ReduceKind, Shape,
        UnaryOp, ValueId,
    },
    plan::{Options, PlanError, Program},
    reference,
    session::Session,
    tensor::{Data, Tensor},
    testing::{random_graph, random_inputs},
};

/// Whether floats are the same but for rounding, and all else exactly.
fn same(found: &Tensor, expected: &Tensor) -> bool {
    let (Data::F32(found), Data::F32(expected)) = (found.data(), expected.data()) else {
        return found == expected;
    };
    let largest = expected
        .iter()
        .fold(1.0_f32, |largest, value| largest.max(value.abs()));
    let mut pairs = found.iter().zip(expected);
    found.len() == expected.len()
        && pairs.all(|(a, b)| (a - b).abs() <= 1e-6 * largest || a.to_bits() == b.to_bits())
}

#[test]
fn random_graphs_are_what_the_reference_computes() {
    let levels = Level::available();
    println!("levels: {levels:?}");
    let count = if cfg!(debug_assertions) { 60 } else { 600 };
    for seed in 0..count {
        let graph = random_graph(seed, 4 + seed as usize % 24);
        let inputs = random_inputs(&graph, 1 + seed as usize % 3, seed);
        let expected = reference::run(&graph, &inputs).expect("a valid graph");
        for &level in &levels {
            for fuse in [false, true] {
                let options = Options {
                    level,
                    fuse,
                    ..Options::default()
                };
                let mut session = Session::new(&graph, &options).expect("a valid graph");
                let found = session.run(&inputs).expect("inputs of the graph");
                for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
                    assert!(
                        same(found, expected),
                        "seed {seed}, {level}, fused {fuse}, output {index}: \
                         {found:?} in place of {expected:?}\n{graph:#?}"
                    );
                }
            }
        }
    }
}

/// A convolution as Larq Compute Engine has it, a shortcut, and the bits of their sum.
fn larq_block(function: Option<UnaryOp>, signs: bool) -> Graph {
    let mut graph = Graph::default();
    let (depth, shape) = (9 * 40, Shape::new(5, 6, 24));
    let bits = graph
        .add_input("bits", Kind::Bit, Shape::new(5, 6, 40))
        .expect("an input");
    let shortcut = graph
        .add_input("shortcut", Kind::F32, shape)
        .expect("an input");
    let mut add = |op, inputs: &[ValueId]| graph.add_node(op, inputs).expect("a node");
    let mut params = ConvParams::valid([3, 3]);
    (params.padding, params.padding_value) = ([1; 4], PaddingValue::PlusOne);
    let weights = BitMatrix::from_fn(24, depth, |row, column| (row * 7 + column * 3) % 5 < 2);
    let mut value = add(Op::BinaryConv(BinaryConv { params, weights }), &[bits]);
    if let Some(function) = function {
        value = add(Op::Cast(Kind::F32), &[value]);
        value = add(Op::Unary(function), &[value]);
    }
    let counts = Op::Affine {
        scale: vec![-1.0],
        bias: vec![depth as f32],
    };
    value = add(counts, &[value]);
    let scaled = Op::Affine {
        scale: (0..24)
            .map(|channel| (channel as f32 - 11.5) / 77.0)
            .collect(),
        bias: (0..24).map(|channel| 3.0 - channel as f32 / 5.0).collect(),
    };
    value = add(scaled, &[value]);
    let sum = add(Op::Binary(BinaryOp::Add), &[shortcut, value]);
    let sign = add(Op::Sign, &[sum]);
    if signs {
        graph.add_output("sum", sum).expect("an output");
    }
    graph
        .add_output("bits of the sum", sign)
        .expect("an output");
    graph
}

#[test]
fn a_product_and_its_functions_are_one_step() {
    let clip = UnaryOp::Clip {
        low: 0.0,
        high: 6.0,
    };
    for function in [None, Some(UnaryOp::Relu), Some(clip)] {
        for signs in [false, true] {
            let graph = larq_block(function, signs);
            let inputs = random_inputs(&graph, 2, 5);
            let expected = reference::run(&graph, &inputs).expect("a valid graph");
            for level in Level::available() {
                let options = Options {
                    level,
                    ..Options::default()
                };
                let mut session = Session::new(&graph, &options).expect("a valid graph");
                assert_eq!(session.program().steps().count(), 1);
                assert_eq!(session.run(&inputs).expect("inputs of the graph"), expected);
            }
        }
    }
}

/// A 1×1 convolution, the sum over all positions, and what follows it.
fn expectation(shape: Shape, outputs: usize, stride: usize, sum: Op, after: &[Op]) -> Graph {
    let mut graph = Graph::default();
    let mut value = graph.add_input("x", Kind::Bit, shape).expect("an input");
    let mut params = ConvParams::valid([1, 1]);
    params.stride = [stride; 2];
    let weights = BitMatrix::from_fn(outputs, shape.channels, |row, column| {
        (row * 5 + column * 3) % 7 < 3
    });
    let conv = Op::BinaryConv(BinaryConv { params, weights });
    for op in [conv, sum].into_iter().chain(after.iter().cloned()) {
        value = graph.add_node(op, &[value]).expect("a node");
    }
    graph.add_output("y", value).expect("an output");
    graph
}

#[test]
fn sums_of_a_product_over_all_positions_are_one_product() {
    let (shape, odd) = (Shape::new(2, 2, 80), Shape::new(3, 5, 13));
    let reduce = || Op::Reduce {
        kind: ReduceKind::Sum,
        axes: [true, true, false],
    };
    let pool = |kernel| {
        Op::Pool(PoolParams {
            kind: PoolKind::Sum,
            kernel,
            stride: [1, 1],
            padding: [0; 4],
        })
    };
    let lines = Op::Reduce {
        kind: ReduceKind::Sum,
        axes: [true, false, false],
    };
    let scale = Op::Affine {
        scale: vec![0.5],
        bias: vec![],
    };
    let line = Shape::new(1, 6, 9);
    let large = Shape::new(40, 40, 90);
    // Graphs, and the steps they become.
    let graphs = [
        (expectation(shape, 10, 1, reduce(), &[]), 1),
        (expectation(odd, 33, 1, reduce(), &[]), 1),
        (expectation(odd, 5, 1, pool([3, 5]), &[]), 1),
        (expectation(shape, 10, 1, reduce(), &[Op::Sign]), 1),
        (expectation(odd, 4, 1, reduce(), &[scale]), 1),
        (expectation(line, 4, 1, lines.clone(), &[]), 2),
        (expectation(shape, 10, 2, reduce(), &[]), 2),
        (expectation(odd, 5, 1, pool([2, 5]), &[]), 2),
        (expectation(odd, 5, 1, lines, &[]), 2),
        (expectation(large, 8, 1, reduce(), &[]), 2),
    ];
    for (index, (graph, steps)) in graphs.iter().enumerate() {
        let inputs = random_inputs(graph, 3, index as u64);
        let expected = reference::run(graph, &inputs).expect("a valid graph");
        for level in Level::available() {
            for fuse in [false, true] {
                let options = Options {
                    level,
                    fuse,
                    ..Options::default()
                };
                let mut session = Session::new(graph, &options).expect("a valid graph");
                let found = session.program().steps().count();
                let alone = graph.nodes.len();
                assert_eq!(found, if fuse { *steps } else { alone }, "graph {index}");
                let found = session.run(&inputs).expect("inputs of the graph");
                assert_eq!(found, expected, "graph {index}, {level}, fused {fuse}");
            }
        }
    }
    // Sums that are read elsewhere, too, stay.
    let mut graph = expectation(shape, 10, 1, reduce(), &[]);
    let sums = graph.nodes[0].outputs[0];
    graph.add_output("sums", sums).expect("an output");
    let mut session = Session::new(&graph, &Options::default()).expect("a valid graph");
    let inputs = random_inputs(&graph, 3, 1);
    let expected = reference::run(&graph, &inputs).expect("a valid graph");
    assert_eq!(session.run(&inputs).expect("inputs of the graph"), expected);
    assert_eq!(session.program().steps().count(), 2);
}

/// `nodes` sums one after the other, each with the one before the last.
fn ladder(nodes: usize, shape: Shape) -> Graph {
    let mut graph = Graph::default();
    let x = graph.add_input("x", Kind::F32, shape).expect("an input");
    let (mut before, mut last) = (x, x);
    for _ in 0..nodes {
        let add = Op::Binary(BinaryOp::Add);
        let sum = graph.add_node(add, &[before, last]).expect("a sum");
        (before, last) = (last, sum);
    }
    graph.add_output("y", last).expect("an output");
    graph
}

#[test]
fn memory_is_that_of_the_values_alive_together() {
    // However long it is, at most three of its values are alive, of 4 kB each.
    for nodes in [5, 50] {
        let graph = ladder(nodes, Shape::flat(1024));
        let program = Program::new(&graph, &Options::default()).expect("a valid graph");
        let most = program.peaks().into_iter().map(|(_, bytes)| bytes).max();
        assert!(most.is_some_and(|most| most <= 3 * 4096), "{most:?}");
        assert!(program.arena_bytes() <= program.chunk() * 3 * 4096);
    }
}

#[test]
fn too_large_a_graph_is_refused_before_memory_is_taken() {
    let graph = ladder(3, Shape::new(1 << 13, 1 << 13, 4));
    let options = Options {
        memory_limit: 1 << 30,
        ..Options::default()
    };
    let error = Program::new(&graph, &options).expect_err("4 GiB");
    assert!(matches!(error, PlanError::Memory { .. }), "{error}");
    assert!(
        error.to_string().contains("at most 1073741824 bytes"),
        "{error}"
    );
}

#[test]
fn what_a_caller_hands_in_is_checked() {
    let program = Program::new(&ladder(2, Shape::flat(3)), &Options::default()).expect("valid");
    let mut workspace = Workspace::new(&program);
    let mut run = |batch, inputs: &[TensorRef<'_>], length: usize| {
        let mut y = vec![0.0; length];
        let outputs = &mut [TensorMut::F32(&mut y)];
        program
            .run(&mut workspace, batch, inputs, outputs)
            .map_err(|error| error.to_string())
    };
    let (three, two) = ([1.0; 3], [1.0; 2]);
    assert_eq!(run(1, &[TensorRef::F32(&three)], 3), Ok(()));
    assert_eq!(run(0, &[TensorRef::F32(&[])], 0), Ok(()));
    let error = |result: Result<(), String>| result.expect_err("refused");
    assert_eq!(
        error(run(1, &[TensorRef::F32(&two)], 3)),
        "input \"x\": expected 3 values of f32 (1 items of 1×1×3), found 2 of f32"
    );
    assert_eq!(
        error(run(2, &[TensorRef::F32(&three)], 6)),
        "input \"x\": expected 6 values of f32 (2 items of 1×1×3), found 3 of f32"
    );
    assert_eq!(
        error(run(1, &[TensorRef::U8(&[1, 2, 3])], 3)),
        "input \"x\": expected 3 values of f32 (1 items of 1×1×3), found 3 of u8"
    );
    assert_eq!(
        error(run(1, &[], 3)),
        "number of inputs: expected 1, found 0"
    );
    assert!(error(run(1, &[TensorRef::F32(&three)], 2)).starts_with("output \"y\""));
    assert!(error(run(usize::MAX, &[TensorRef::F32(&three)], 2)).starts_with("input \"x\""));
}
