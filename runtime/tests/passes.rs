//! Every pass leaves the outputs as they are: random graphs, chains that are made for a pass, and
//! what each pass must reach.

use bernet_kernels::{bits::BitMatrix, xnor::PaddingValue};
use bernet_runtime::{
    graph::{
        Axis, BinaryConv, BinaryOp, Conv, ConvParams, Dense, Graph, Kind, Op, PoolKind, PoolParams,
        Prelu, Quantize, RealThreshold, ReduceKind, Rounding, Shape, UnaryOp, ValueId,
    },
    passes::{self, Passes},
    reference,
    tensor::{Data, Tensor},
    testing::{self, Source},
};

/// Each pass alone, with what it leaves behind cleared away, and all of them.
fn choices() -> [Passes; 6] {
    let none = Passes::none();
    [
        Passes {
            constants: true,
            ..none
        },
        Passes {
            binarise: true,
            ..none
        },
        Passes {
            thresholds: true,
            ..none
        },
        Passes {
            signs: true,
            ..none
        },
        Passes { dead: true, ..none },
        Passes::default(),
    ]
}

/// Asserts that two graphs have equal outputs: bits and integers exactly, floats to 1e-6 of the
/// largest.
fn assert_equal(old: &Graph, new: &Graph, inputs: &[Tensor], what: &str) {
    new.validate().expect("a valid graph");
    assert_eq!(old.inputs.len(), new.inputs.len());
    let old = reference::run(old, inputs).expect("a run");
    let new = reference::run(new, inputs).expect("a run");
    assert_eq!(old.len(), new.len());
    for (a, b) in old.iter().zip(&new) {
        assert_eq!((a.batch(), a.shape()), (b.batch(), b.shape()), "{what}");
        match (a.data(), b.data()) {
            (Data::F32(a), Data::F32(b)) => {
                let largest = a
                    .iter()
                    .fold(0_f32, |largest, value| largest.max(value.abs()));
                for (a, b) in a.iter().zip(b) {
                    let near = (a - b).abs() <= 1e-6 * largest || a == b;
                    assert!(near || a.is_nan() && b.is_nan(), "{what}: {a} became {b}");
                }
            }
            (a, b) => assert_eq!(a, b, "{what}"),
        }
    }
}

/// How many nodes have an operator of this name.
fn count(graph: &Graph, name: &str) -> usize {
    graph
        .nodes
        .iter()
        .filter(|node| node.op.name() == name)
        .count()
}

#[test]
fn random_graphs_keep_their_outputs() {
    let mut changed = [0; 6];
    for seed in 0..300 {
        let graph = testing::random_graph(seed, 4 + seed as usize % 25);
        let inputs = testing::random_inputs(&graph, 2, seed);
        for (passes, changed) in choices().iter().zip(&mut changed) {
            let new = passes::run(&graph, passes).expect("a valid graph");
            *changed += usize::from(new != graph);
            assert_equal(&graph, &new, &inputs, &format!("seed {seed}, {passes:?}"));
        }
        let new = passes::run(&graph, &Passes::none()).expect("a valid graph");
        assert_eq!(new, graph);
    }
    // Every pass but the one for real products of bits finds work in these.
    let [constants, _, thresholds, _, dead, all] = changed;
    assert!(
        constants.min(thresholds).min(dead).min(all) > 10,
        "{changed:?}"
    );
}

/// A random function of each element, one that runs one way unless `any`.
fn element(source: &mut Source, channels: usize, any: bool) -> Op {
    let real = |source: &mut Source| source.below(4001) as f32 / 1000.0 - 2.0;
    let list = |source: &mut Source| -> Vec<f32> {
        let len = if source.chance(30) { 1 } else { channels };
        (0..len).map(|_| real(source)).collect()
    };
    let unary = [
        UnaryOp::Relu,
        UnaryOp::Clip {
            low: -1.0,
            high: 1.5,
        },
        UnaryOp::LeakyRelu(0.125),
        UnaryOp::HardSigmoid {
            alpha: -0.2,
            beta: 0.5,
        },
        UnaryOp::Neg,
        UnaryOp::Sign,
        UnaryOp::Floor,
        UnaryOp::Round,
        UnaryOp::Tanh,
        UnaryOp::Sigmoid,
        UnaryOp::Elu(1.0),
        UnaryOp::Abs,
    ];
    match source.below(if any { 7 } else { 6 }) {
        0..=2 => Op::Affine {
            scale: list(source),
            bias: list(source),
        },
        3 => Op::Prelu(Prelu {
            before: list(source),
            slope: list(source).iter().map(|slope| slope.abs()).collect(),
            after: list(source),
        }),
        4 => Op::Quantize(Quantize {
            scale: list(source)
                .iter()
                .map(|scale| scale.abs() + 0.01)
                .collect(),
            zero_point: vec![0.0],
            low: -8.0,
            high: 7.0,
            rounding: Rounding::HalfEven,
        }),
        5 => Op::Unary(source.pick(&unary[..8])),
        _ => Op::Unary(source.pick(&unary)),
    }
}

/// A pool of 2×2.
fn pool(kind: PoolKind) -> Op {
    Op::Pool(PoolParams {
        kind,
        kernel: [2, 2],
        stride: [2, 2],
        padding: [0; 4],
    })
}

#[test]
fn chains_of_bytes_become_thresholds_that_are_equal_at_every_byte() {
    let mut found = 0;
    for seed in 0..400 {
        let mut source = Source::new(seed);
        let channels = source.pick(&[1, 3]);
        let shape = Shape::new(16, 16, channels);
        let mut graph = Graph::default();
        let x = graph.add_input("x", Kind::U8, shape).expect("an input");
        let mut y = graph.add_node(Op::Cast(Kind::F32), &[x]).expect("a cast");
        // Bytes on a scale of some units.
        let scale = (0..channels)
            .map(|_| 1.0 / (20.0 + source.below(100) as f32))
            .collect();
        let bias = (0..channels)
            .map(|_| -1.0 - source.below(9) as f32 / 7.0)
            .collect();
        y = graph
            .add_node(Op::Affine { scale, bias }, &[y])
            .expect("a node");
        for _ in 0..source.below(5) {
            let op = match source.below(8) {
                0 => pool(PoolKind::Max),
                1 if graph.value(y).shape.height > 1 => {
                    let from = graph.value(y).shape;
                    Op::Reshape(Shape::new(from.height / 2, from.width * 2, from.channels))
                }
                2 => {
                    let constant = Tensor::from_f32(1, Shape::flat(1), vec![source.float()]);
                    let constant = Op::Constant(constant.expect("one number"));
                    let other = graph.add_node(constant, &[]).expect("a constant");
                    let ops = [BinaryOp::Add, BinaryOp::Sub, BinaryOp::Mul, BinaryOp::Max];
                    let pair = if source.chance(50) {
                        [other, y]
                    } else {
                        [y, other]
                    };
                    let op = Op::Binary(source.pick(&ops));
                    y = graph.add_node(op, &pair).expect("an operation");
                    continue;
                }
                _ => element(&mut source, graph.value(y).shape.channels, true),
            };
            if graph.value(y).shape.height > 1 || !matches!(op, Op::Pool(_)) {
                y = graph.add_node(op, &[y]).expect("a node");
            }
        }
        let channels = graph.value(y).shape.channels;
        let sign = match source.below(3) {
            0 => Op::Sign,
            1 => {
                let threshold = |source: &mut Source| RealThreshold {
                    at_least: source.float() / 2.0,
                    invert: source.chance(30),
                };
                Op::RealThreshold((0..channels).map(|_| threshold(&mut source)).collect())
            }
            _ => {
                let values = (0..channels).map(|_| source.float() / 2.0).collect();
                let constant = Tensor::from_f32(1, Shape::flat(channels), values);
                let constant = Op::Constant(constant.expect("one for each channel"));
                let other = graph.add_node(constant, &[]).expect("a constant");
                let ops = [BinaryOp::Greater, BinaryOp::GreaterOrEqual];
                let pair = if source.chance(50) {
                    [other, y]
                } else {
                    [y, other]
                };
                let bits = graph.add_node(Op::Binary(source.pick(&ops)), &pair);
                graph
                    .add_output("bits", bits.expect("a comparison"))
                    .expect("an output");
                Op::Sign
            }
        };
        if graph.outputs.is_empty() {
            let bits = graph.add_node(sign, &[y]).expect("a sign");
            graph.add_output("bits", bits).expect("an output");
        }
        // Every byte in every channel, in the order of places and in another.
        let bytes = (0..2 * 256 * shape.channels).map(|at| {
            let place = at / shape.channels;
            (if place < 256 { place } else { place * 37 }) as u8
        });
        let inputs = [Tensor::new(2, shape, Data::U8(bytes.collect())).expect("bytes")];
        let new = passes::run(&graph, &Passes::default()).expect("a valid graph");
        assert_equal(&graph, &new, &inputs, &format!("seed {seed}: {graph:#?}"));
        found += count(&new, "threshold");
    }
    assert!(found > 250, "{found} of 400 chains");
}

#[test]
fn sums_of_a_binary_convolution_become_bits_through_batch_norms_pools_and_means() {
    for (seed, between) in [
        vec![],
        vec![pool(PoolKind::Max)],
        vec![Op::Unary(UnaryOp::Relu)],
        vec![Op::Unary(UnaryOp::Tanh)],
        vec![Op::Reshape(Shape::new(2, 8, 5))],
    ]
    .into_iter()
    .enumerate()
    {
        let mut source = Source::new(seed as u64);
        let mut graph = Graph::default();
        let shape = Shape::new(6, 6, 9);
        let x = graph.add_input("x", Kind::Bit, shape).expect("an input");
        let weights = BitMatrix::from_fn(5, 81, |_, _| source.chance(50));
        let params = ConvParams::valid([3, 3]);
        let conv = Op::BinaryConv(BinaryConv { params, weights });
        let mut y = graph.add_node(conv, &[x]).expect("sums");
        // A scale that is never below 0, so that windows may go anywhere.
        let scale: Vec<_> = (0..5)
            .map(|_| 0.01 + source.below(99) as f32 / 70.0)
            .collect();
        let bias: Vec<_> = (0..5).map(|_| source.float()).collect();
        let norm = Op::Affine { scale, bias };
        y = graph.add_node(norm.clone(), &[y]).expect("a norm");
        y = graph.add_node(norm, &[y]).expect("another");
        for op in between {
            y = graph.add_node(op, &[y]).expect("a node");
        }
        let y = graph.add_node(Op::Sign, &[y]).expect("a sign");
        graph.add_output("y", y).expect("an output");
        let new = passes::run(&graph, &Passes::default()).expect("a valid graph");
        assert_eq!(
            (count(&new, "threshold"), count(&new, "affine")),
            (1, 0),
            "{new:#?}"
        );
        let inputs = testing::random_inputs(&graph, 20, 3);
        assert_equal(&graph, &new, &inputs, "a chain");
    }
    // A mean of sums, and of bits, before the sign.
    for bits in [true, false] {
        for mean in [
            pool(PoolKind::Average),
            pool(PoolKind::AveragePadded),
            Op::Reduce {
                kind: ReduceKind::Mean,
                axes: [true, true, false],
            },
        ] {
            let mut graph = Graph::default();
            let kind = if bits { Kind::Bit } else { Kind::U8 };
            let x = graph
                .add_input("x", kind, Shape::new(4, 4, 2))
                .expect("an input");
            let mut y = graph.add_node(mean, &[x]).expect("a mean");
            let shift = -0.1 - if bits { 0.0 } else { 127.0 };
            let norm = Op::Affine {
                scale: vec![1.5, -1.0],
                bias: vec![1.5 * shift, -shift],
            };
            y = graph.add_node(norm, &[y]).expect("a norm");
            y = graph.add_node(Op::Sign, &[y]).expect("a sign");
            graph.add_output("y", y).expect("an output");
            let new = passes::run(&graph, &Passes::default()).expect("a valid graph");
            assert_eq!(
                (count(&new, "threshold"), count(&new, "mean")),
                (1, 0),
                "{new:#?}"
            );
            let inputs = testing::random_inputs(&graph, 50, 5);
            assert_equal(&graph, &new, &inputs, "a mean");
        }
    }
}

/// A product with weights of ±α for each row.
fn two_sized(source: &mut Source, shape: Shape, dense: bool, noise: bool) -> Op {
    let outputs = 6;
    let groups = if shape.channels.is_multiple_of(2) && source.chance(30) {
        2
    } else {
        1
    };
    let columns = if dense {
        shape.len()
    } else {
        4 * shape.channels / groups
    };
    let alphas: Vec<_> = (0..outputs)
        .map(|_| 0.1 + source.below(64) as f32 / 32.0)
        .collect();
    let weights = (0..outputs * columns).map(|at| {
        let alpha = alphas[at / columns];
        let ulps = if noise { source.below(4) } else { 0 };
        let alpha = f32::from_bits(alpha.to_bits() + ulps as u32);
        if source.chance(50) { alpha } else { -alpha }
    });
    let weights = weights.collect();
    let bias = if source.chance(50) {
        vec![]
    } else {
        (0..outputs).map(|x| x as f32).collect()
    };
    if dense {
        return Op::Dense(Dense {
            outputs,
            weights,
            bias,
        });
    }
    let mut params = ConvParams::valid([2, 2]);
    params.groups = groups;
    if source.chance(60) {
        params.padding = [1, 0, 1, 1];
    }
    Op::Conv(Conv {
        params,
        outputs,
        weights,
        bias,
    })
}

#[test]
fn real_products_of_two_valued_inputs_become_binary() {
    let mut found = 0;
    for seed in 0..300 {
        let mut source = Source::new(seed);
        let mut graph = Graph::default();
        let shape = Shape::new(4, 4, source.pick(&[1, 4, 7]));
        let x = graph.add_input("x", Kind::Bit, shape).expect("an input");
        let mut y = graph.add_node(Op::Cast(Kind::F32), &[x]).expect("a cast");
        match source.below(5) {
            // ±1, ±s, {0, s}, {−s, 0}, and one sign for each channel.
            0 => {}
            1 => {
                let affine = Op::Affine {
                    scale: vec![0.75],
                    bias: vec![],
                };
                y = graph.add_node(affine, &[y]).expect("a scale");
            }
            2 | 3 => {
                let half = source.pick(&[0.5, -0.25]);
                let affine = Op::Affine {
                    scale: vec![half],
                    bias: vec![half],
                };
                y = graph.add_node(affine, &[y]).expect("a scale");
            }
            _ => {
                let sign = |source: &mut Source| if source.chance(50) { 2.0 } else { -2.0 };
                let scale = (0..shape.channels).map(|_| sign(&mut source)).collect();
                let affine = Op::Affine {
                    scale,
                    bias: vec![],
                };
                y = graph.add_node(affine, &[y]).expect("a scale");
            }
        }
        match source.below(6) {
            0 => {
                let zeros = Op::Pad {
                    before: [1, 0, 0],
                    after: [0, 1, 0],
                    value: 0.0,
                };
                y = graph.add_node(zeros, &[y]).expect("a border");
            }
            1 => y = graph.add_node(pool(PoolKind::Max), &[y]).expect("a pool"),
            2 => {
                let slice = Op::Slice {
                    axis: Axis::Width,
                    start: 1,
                    length: 3,
                    step: 1,
                };
                y = graph.add_node(slice, &[y]).expect("a slice");
            }
            3 => {
                y = graph
                    .add_node(Op::Concat(Axis::Channels), &[y, y])
                    .expect("both")
            }
            _ => {}
        }
        let (dense, noise) = (source.chance(30), source.chance(30));
        let product = two_sized(&mut source, graph.value(y).shape, dense, noise);
        let y = graph.add_node(product, &[y]).expect("a product");
        graph.add_output("y", y).expect("an output");
        let new = passes::run(&graph, &Passes::default()).expect("a valid graph");
        let inputs = testing::random_inputs(&graph, 3, seed);
        assert_equal(&graph, &new, &inputs, &format!("seed {seed}: {graph:#?}"));
        found += count(&new, "binary conv") + count(&new, "binary dense");
    }
    assert!(found > 200, "{found} of 300 products");
}

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

#[test]
fn what_others_read_stays() {
    // Floats that are an output themselves, and weights that are not of one size.
    let mut graph = Graph::default();
    let x = graph
        .add_input("x", Kind::Bit, Shape::flat(8))
        .expect("an input");
    let weights = BitMatrix::zeros(2, 8);
    let sums = graph
        .add_node(Op::BinaryDense(weights), &[x])
        .expect("sums");
    let affine = Op::Affine {
        scale: vec![0.5],
        bias: vec![1.0],
    };
    let floats = graph.add_node(affine, &[sums]).expect("floats");
    let bits = graph.add_node(Op::Sign, &[floats]).expect("bits");
    let cast = graph
        .add_node(Op::Cast(Kind::F32), &[bits])
        .expect("a cast");
    let again = graph.add_node(Op::Sign, &[cast]).expect("bits");
    let dense = Dense {
        outputs: 1,
        weights: vec![1.0, 1.001],
        bias: vec![],
    };
    let dense = graph
        .add_node(Op::Dense(dense), &[cast])
        .expect("a product");
    for (name, value) in [("floats", floats), ("bits", again), ("dense", dense)] {
        graph.add_output(name, value).expect("an output");
    }
    graph
        .add_node(Op::Unary(UnaryOp::Exp), &[floats])
        .expect("a dead node");
    let new = passes::run(&graph, &Passes::default()).expect("a valid graph");
    let inputs = testing::random_inputs(&graph, 9, 1);
    assert_equal(&graph, &new, &inputs, "outputs");
    for (name, expected) in [("affine", 1), ("dense", 1), ("sign", 1), ("exp", 0)] {
        assert_eq!(count(&new, name), expected, "{name}");
    }
}

#[test]
fn constants_are_computed_within_limits() {
    let mut graph = Graph::default();
    let x = graph
        .add_input("x", Kind::F32, Shape::flat(3))
        .expect("an input");
    let two = Tensor::from_f32(1, Shape::flat(3), vec![1.0, 2.0, 3.0]).expect("numbers");
    let two = graph.add_node(Op::Constant(two), &[]).expect("a constant");
    let sum = graph
        .add_node(Op::Binary(BinaryOp::Add), &[two, two])
        .expect("a sum");
    let y = graph
        .add_node(Op::Binary(BinaryOp::Mul), &[sum, x])
        .expect("a product");
    graph.add_output("y", y).expect("an output");
    // A border that would make a large constant of a small one.
    let wide = Op::Pad {
        before: [5000, 0, 0],
        after: [0; 3],
        value: 0.0,
    };
    let wide = graph.add_node(wide, &[sum]).expect("a border");
    graph.add_output("wide", wide).expect("an output");
    let new = passes::run(&graph, &Passes::default()).expect("a valid graph");
    assert_eq!(
        (
            count(&new, "constant"),
            count(&new, "add"),
            count(&new, "pad")
        ),
        (1, 0, 1)
    );
    let inputs = testing::random_inputs(&graph, 2, 1);
    let old = reference::run(&graph, &inputs).expect("a run");
    assert_eq!(old, reference::run(&new, &inputs).expect("a run"));
}
