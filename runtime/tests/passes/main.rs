//! Every pass leaves the outputs as they are: random graphs, chains that are made for a pass, and
//! what each pass must reach.

mod chains;
mod signs;
mod two_valued;

use bernet_kernels::bits::BitMatrix;
use bernet_runtime::{
    graph::{BinaryOp, Dense, Graph, Kind, Op, Shape, UnaryOp},
    passes::{self, Passes},
    reference,
    tensor::{Data, Tensor},
    testing,
};

/// Each pass alone, with what it leaves behind cleared away, and all of them.
pub(crate) fn choices() -> [Passes; 6] {
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
pub(crate) fn assert_equal(old: &Graph, new: &Graph, inputs: &[Tensor], what: &str) {
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
pub(crate) fn count(graph: &Graph, name: &str) -> usize {
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

#[test]
fn what_others_read_stays() {
    // Floats that are an output themselves, and weights that are not of one size.
    let mut graph = Graph::default();
    let x = graph
        .add_input("x", Kind::Bit, Shape::flat(8))
        .expect("an input");
    let weights = BitMatrix::all_minus_one(2, 8);
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
