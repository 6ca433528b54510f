//! Products of floats that take two values become products of bits.

use crate::{assert_equal, chains::pool, count};
use bernet_runtime::{
    graph::{Axis, Conv, ConvParams, Dense, Graph, Kind, Op, PoolKind, Shape},
    passes::{self, Passes},
    testing::{self, Source},
};

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
