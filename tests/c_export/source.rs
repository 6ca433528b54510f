//! What is written, and what is refused.

use bernet::exchange::c::{self, Options};
use bernet_kernels::bits::BitMatrix;
use bernet_runtime::graph::{Graph, Kind, Op, Shape};

/// Two bits, and what an end makes of their two sums.
fn with_end(ends: &[Op]) -> Graph {
    let mut graph = Graph::default();
    let x = graph
        .add_input("x", Kind::Bit, Shape::flat(2))
        .expect("an input");
    let weights = BitMatrix::from_fn(2, 2, |row, column| row >= column);
    let mut y = graph
        .add_node(Op::BinaryDense(weights), &[x])
        .expect("a node");
    for op in ends {
        y = graph.add_node(op.clone(), &[y]).expect("a node");
    }
    graph.add_output("y", y).expect("an output");
    graph
}

#[test]
fn what_has_no_c_is_refused_by_name() {
    let affine = |scale: &[f32], bias: &[f32]| Op::Affine {
        scale: scale.to_vec(),
        bias: bias.to_vec(),
    };
    let error = |graph: &Graph| {
        let found = c::export(graph, &Options::default());
        found.expect_err("a net without C").to_string()
    };
    let found = error(&with_end(&[affine(&[0.5], &[]), Op::Softmax]));
    assert!(
        found.contains("(softmax)") && found.contains("floats"),
        "{found}"
    );
    let found = error(&with_end(&[affine(&[0.5, 0.25], &[])]));
    assert!(
        found.contains("(affine)") && found.contains("each channel"),
        "{found}"
    );
    // Scales that turn the order round, and biases in which the integers vanish.
    for end in [affine(&[-1.0], &[]), affine(&[1.0], &[1e9])] {
        let found = error(&with_end(&[end]));
        assert!(found.contains("does not keep the order"), "{found}");
    }
    let mut graph = with_end(&[]);
    graph
        .add_output("again", graph.outputs[0].value)
        .expect("an output");
    assert_eq!(error(&graph), "outputs: expected 1, found 2");
    let mut graph = Graph::default();
    let x = graph
        .add_input("x", Kind::F32, Shape::flat(2))
        .expect("an input");
    let y = graph.add_node(Op::Sign, &[x]).expect("a node");
    graph.add_output("y", y).expect("an output");
    assert_eq!(error(&graph), "input \"x\": expected bits or u8, found f32");
    for name in [
        "",
        "1st",
        "a-b",
        "a b",
        "stdint",
        "Stdio",
        "_x",
        "é",
        &"x".repeat(41),
    ] {
        let options = Options {
            name: name.into(),
            ..Options::default()
        };
        let found = c::export(&with_end(&[]), &options).expect_err("a name that C has not");
        assert!(found.to_string().contains("expected a letter"), "{found}");
    }
}

#[test]
fn an_end_that_keeps_the_order_is_left_out() {
    let end = Op::Affine {
        scale: vec![0.125],
        bias: vec![3.0, 3.0],
    };
    let plain = c::export(&with_end(&[]), &Options::default()).expect("C");
    let files = c::export(&with_end(&[end, Op::ArgMax]), &Options::default()).expect("C");
    assert_eq!(files.notes.len(), 2, "{:?}", files.notes);
    assert_eq!(files.source, plain.source);
    assert!(
        files.header.contains("Note: the argmax"),
        "{}",
        files.header
    );
}

#[test]
fn texts_from_the_file_end_no_comment() {
    let mut graph = with_end(&[]);
    graph.nodes[0].name = "*/ int x; /* ??/".into();
    graph
        .metadata
        .insert("licence".into(), "MIT */ #error\n\\".into());
    let files = c::export(&graph, &Options::default()).expect("C");
    assert_eq!(
        files.header.matches("*/").count(),
        files.header.matches("/*").count()
    );
    assert!(
        files.header.contains("licence: MIT ./ #error.."),
        "{}",
        files.header
    );
    assert!(!files.source.contains("int x; /*"), "{}", files.source);
}
