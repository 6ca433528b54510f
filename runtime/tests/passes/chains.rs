//! Chains of functions of elements before a sign become thresholds.

use crate::{assert_equal, count};
use bernet_kernels::bits::BitMatrix;
use bernet_runtime::{
    graph::{
        BinaryConv, BinaryOp, ConvParams, Graph, Kind, Op, PoolKind, PoolParams, Prelu, Quantize,
        RealThreshold, ReduceKind, Rounding, Shape, UnaryOp,
    },
    passes::{self, Passes},
    tensor::{Data, Tensor},
    testing::{self, Source},
};

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
pub(crate) fn pool(kind: PoolKind) -> Op {
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
