//! Threads that share the steps of one item: the same bits for any number of them.

use bernet_kernels::{bits::BitMatrix, isa::Level, xnor::PaddingValue};
use bernet_runtime::{
    execute::{TensorMut, TensorRef},
    graph::{
        Axis, BinaryConv, BinaryOp, Conv, ConvParams, Graph, GraphError, Kind, Op, PoolKind,
        PoolParams, Shape, UnaryOp,
    },
    plan::{Options, Program},
    reference,
    session::Session,
    shared::SharedSession,
    tensor::{Data, Tensor},
    testing::random_inputs,
};

/// Large enough that each kind of step is worth several threads: a convolution with padding, one
/// by channels, one in groups, pools, functions of elements, bits, and a product with bits.
fn large() -> Result<Graph, GraphError> {
    let mut graph = Graph::default();
    let weight = |index: usize| ((index * 7919) % 17) as f32 / 8.0 - 1.0;
    let conv = |channels: usize, outputs: usize, groups: usize, stride: usize| {
        let mut params = ConvParams::valid([3, 3]);
        (params.padding, params.groups, params.stride) = ([1; 4], groups, [stride; 2]);
        Op::Conv(Conv {
            params,
            outputs,
            weights: (0..outputs * 9 * channels / groups).map(weight).collect(),
            bias: (0..outputs).map(weight).collect(),
        })
    };
    let x = graph.add_input("x", Kind::F32, Shape::new(67, 66, 8))?;
    let stem = graph.add_node(conv(8, 72, 1, 1), &[x])?;
    let relu = graph.add_node(Op::Unary(UnaryOp::Relu), &[stem])?;
    let depthwise = graph.add_node(conv(72, 72, 72, 1), &[relu])?;
    let grouped = graph.add_node(conv(72, 24, 3, 1), &[depthwise])?;
    let pool = |kind, stride| {
        Op::Pool(PoolParams {
            kind,
            kernel: [3, 3],
            stride: [stride; 2],
            padding: [1; 4],
        })
    };
    let largest = graph.add_node(pool(PoolKind::Max, 1), &[depthwise])?;
    let mean = graph.add_node(pool(PoolKind::Average, 2), &[largest])?;
    let bits = graph.add_node(Op::Sign, &[largest])?;
    let mut params = ConvParams::valid([3, 3]);
    (params.padding, params.padding_value) = ([1; 4], PaddingValue::PlusOne);
    let weights = BitMatrix::from_fn(72, 9 * 72, |row, column| (row * 7 + column * 3) % 5 < 2);
    let sums = graph.add_node(Op::BinaryConv(BinaryConv { params, weights }), &[bits])?;
    let floats = graph.add_node(Op::Cast(Kind::F32), &[sums])?;
    let shortcut = graph.add_node(Op::Binary(BinaryOp::Add), &[floats, largest])?;
    let both = graph.add_node(Op::Concat(Axis::Channels), &[shortcut, grouped])?;
    let signs = graph.add_node(Op::Sign, &[both])?;
    graph.add_output("mean", mean)?;
    graph.add_output("both", both)?;
    graph.add_output("signs", signs)?;
    Ok(graph)
}

fn near(found: &Tensor, expected: &Tensor) -> bool {
    let (Data::F32(found), Data::F32(expected)) = (found.data(), expected.data()) else {
        // A sum next to 0 may have either sign: a handful of bits.
        let (found, expected) = (found.to_f32(), expected.to_f32());
        let differ = found.iter().zip(&expected).filter(|(a, b)| a != b).count();
        return differ * 1000 <= expected.len();
    };
    let largest = expected
        .iter()
        .fold(1.0_f32, |most, value| most.max(value.abs()));
    let differ = found.iter().zip(expected);
    let differ = differ
        .filter(|(a, b)| (*a - *b).abs() > 1e-5 * largest)
        .count();
    differ * 100 <= expected.len()
}

#[test]
fn steps_give_the_same_bits_for_any_number_of_threads() -> Result<(), GraphError> {
    let graph = large()?;
    for batch in [1, 2] {
        let inputs = random_inputs(&graph, batch, 3);
        let expected = reference::run(&graph, &inputs)?;
        for level in Level::available() {
            let options = Options {
                level,
                ..Options::default()
            };
            let session = Session::new(&graph, &options).expect("a valid graph");
            let one = session.clone().run(&inputs).expect("inputs of the graph");
            for (found, expected) in one.iter().zip(&expected) {
                assert!(near(found, expected), "{level}");
            }
            for threads in [2, 3, 5, 64] {
                let mut session = session.clone().with_threads(threads);
                let many = session.run(&inputs).expect("inputs of the graph");
                assert!(many == one, "{level}, {threads} threads, batch {batch}");
            }
        }
    }
    Ok(())
}

#[test]
fn a_shared_session_runs_a_single_item_on_all_its_threads() -> Result<(), GraphError> {
    let graph = large()?;
    let inputs = random_inputs(&graph, 1, 4);
    let options = Options::default();
    let mut session = Session::from_graph(graph.clone(), &options).expect("a valid graph");
    let expected = session.run(&inputs).expect("inputs of the graph");
    let program = Program::new(&graph, &options).expect("a valid graph");
    let shared = SharedSession::new(program.into(), 3).expect("a few threads");
    let Data::F32(x) = inputs[0].data() else {
        unreachable!("the input is of floats");
    };
    for _ in 0..2 {
        let lengths = shared
            .program()
            .outputs()
            .iter()
            .map(|port| port.item_len());
        let lengths: Vec<_> = lengths.collect();
        let (mut mean, mut both) = (vec![0.0; lengths[0]], vec![0.0; lengths[1]]);
        let mut signs = vec![0; lengths[2]];
        let mut outputs = [
            TensorMut::F32(&mut mean),
            TensorMut::F32(&mut both),
            TensorMut::Bit(&mut signs),
        ];
        let x = TensorRef::F32(x);
        shared
            .run(1, &[x], &mut outputs)
            .expect("edges of the graph");
        assert_eq!(expected[0].data(), &Data::F32(mean));
        assert_eq!(expected[1].data(), &Data::F32(both));
    }
    Ok(())
}
