//! Sessions that threads share: the same numbers as one thread's, on arrays and on pictures.

use bernet_runtime::{
    format,
    graph::{Graph, GraphError, Kind, Op, Pixels, Shape},
    pictures::{PictureError, PictureSession},
    plan::{Options, Program},
    reference,
    session::Session,
    shared::SharedSession,
    tensor::{Data, Tensor},
    testing::{self, Source},
};
use std::sync::Arc;

const THREADS: [usize; 3] = [1, 2, 3];

#[test]
fn threads_do_not_change_a_result() {
    for seed in 0..40 {
        let graph = testing::random_graph(seed, 6);
        let mut one = Session::new(&graph, &Options::default()).expect("a valid graph");
        for threads in THREADS {
            let shared = SharedSession::new(one.program().clone(), threads).expect("threads");
            for batch in [1, 2, 7] {
                let inputs = testing::random_inputs(&graph, batch, seed);
                let expected = one.run(&inputs).expect("inputs of the graph");
                let found = shared.run_tensors(&inputs).expect("inputs of the graph");
                // Compared as text, in which NaN equals itself.
                assert_eq!(format!("{found:?}"), format!("{expected:?}"), "seed {seed}");
            }
            let mut outputs = [];
            let error = shared.run(5, &[], &mut outputs).unwrap_err();
            assert!(error.to_string().contains("number of inputs"), "{error}");
        }
    }
}

fn session(graph: &Graph, threads: usize) -> Result<PictureSession, PictureError> {
    let program = Program::new(graph, &Options::default())?;
    let session = SharedSession::new(program.into(), threads).expect("threads");
    PictureSession::new(graph, Arc::new(session))
}

/// What the graph's input says that pictures become.
fn tensor(graph: &Graph, pictures: &[u8]) -> Tensor {
    let input = &graph.inputs[0];
    let shape = graph.value(input.value).shape;
    let data = match &input.pixels {
        Pixels::Unsaid => unreachable!("a reading"),
        Pixels::AtLeast(limit) => Data::Bit(pictures.iter().map(|pixel| pixel >= limit).collect()),
        Pixels::Bytes => Data::U8(pictures.to_vec()),
        Pixels::Affine { scale, bias } => {
            let of = |list: &[f32], at: usize| list[at % shape.channels % list.len()];
            let floats = pictures.iter().enumerate();
            let floats = floats.map(|(at, &pixel)| f32::from(pixel) * of(scale, at) + of(bias, at));
            Data::F32(floats.collect())
        }
    };
    Tensor::new(pictures.len() / shape.len(), shape, data).expect("whole pictures")
}

/// Compares with the reference interpreter.
fn check(graph: &Graph, name: &str) {
    let shape = graph.value(graph.inputs[0].value).shape;
    let mut source = Source::new(7);
    for threads in THREADS {
        let session = session(graph, threads).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(session.shape(), shape);
        for batch in [0, 1, 5, 70] {
            let pictures: Vec<_> = (0..batch * shape.len())
                .map(|_| source.below(256) as u8)
                .collect();
            let expected = &reference::run(graph, &[tensor(graph, &pictures)]).expect(name)[0];
            let found = session.real_logits(&pictures).expect(name);
            assert_eq!(found.len(), batch * session.classes(), "{name}");
            if expected.shape().channels == session.classes() {
                for (found, expected) in found.iter().zip(expected.to_f32()) {
                    assert!(
                        (found - expected).abs() <= 1e-5 * expected.abs().max(1.0),
                        "{name}: {found} {expected}"
                    );
                }
            }
            let predictions = session.classify(&pictures).expect(name);
            for (logits, prediction) in found.chunks(session.classes()).zip(&predictions) {
                let largest = logits.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
                assert_eq!(logits[prediction.class], largest, "{name}");
                assert!(prediction.margin >= 0, "{name}");
            }
            if let Data::I32(expected) = expected.data()
                && expected.len() == batch
            {
                let classes: Vec<_> = predictions.iter().map(|one| one.class as i32).collect();
                assert_eq!(&classes, expected, "{name}");
            }
            if let Ok(sums) = session.logits(&pictures) {
                assert_eq!(sums.len(), found.len(), "{name}");
            }
        }
    }
}

#[test]
fn pictures_of_older_files() {
    for number in 1..=9 {
        let path = format!("../tests/golden/net-{number}.bnet");
        check(&format::read(&path).expect(&path), &path);
    }
}

/// Floats → signs → dense layer, with what follows.
fn net(end: &[Op]) -> Result<Graph, GraphError> {
    let mut graph = Graph::default();
    let shape = Shape::new(3, 5, 2);
    let x = graph.add_input("x", Kind::F32, shape)?;
    graph.inputs[0].pixels = Pixels::Affine {
        scale: vec![1.0 / 64.0, 1.0 / 32.0],
        bias: vec![-2.0, -5.0],
    };
    let bits = graph.add_node(Op::Sign, &[x])?;
    let weights =
        bernet_kernels::bits::BitMatrix::from_fn(4, shape.len(), |row, at| (row * at) % 3 == 1);
    let mut value = graph.add_node(Op::BinaryDense(weights), &[bits])?;
    for op in end {
        value = graph.add_node(op.clone(), &[value])?;
    }
    graph.add_output("y", value)?;
    graph.validate()?;
    Ok(graph)
}

fn affine(scale: &[f32], bias: &[f32]) -> Op {
    Op::Affine {
        scale: scale.to_vec(),
        bias: bias.to_vec(),
    }
}

#[test]
fn pictures_as_floats_and_every_end() -> Result<(), GraphError> {
    let each = [1.5, 0.25, 3.0, -1.0];
    for (name, end) in [
        ("sums", vec![]),
        ("one scale", vec![affine(&[0.5], &[2.0])]),
        ("no scale", vec![affine(&[], &each)]),
        ("scales", vec![affine(&each, &[])]),
        ("labels", vec![Op::ArgMax]),
        (
            "labels of scaled sums",
            vec![affine(&each, &each), Op::ArgMax],
        ),
        ("probabilities", vec![affine(&[0.1], &[]), Op::Softmax]),
        ("floats", vec![Op::Cast(Kind::F32)]),
    ] {
        check(&net(&end)?, name);
    }
    Ok(())
}

#[test]
fn integer_logits_and_margins() -> Result<(), Box<dyn std::error::Error>> {
    let pictures: Vec<u8> = (0..60).map(|at| (at * 37 % 256) as u8).collect();
    let sums = session(&net(&[])?, 1)?.logits(&pictures)?;
    let halves = session(&net(&[affine(&[0.5], &[2.0])])?, 1)?;
    assert_eq!(halves.logits(&pictures)?, sums);
    let plain = session(&net(&[])?, 1)?.classify(&pictures)?;
    assert_eq!(halves.classify(&pictures)?, plain, "counted in sums");
    let floats = session(&net(&[affine(&[0.5], &[2.0]), Op::Cast(Kind::F32)])?, 1)?;
    let error = floats.logits(&pictures).unwrap_err();
    assert!(error.to_string().contains("no integer logits"), "{error}");
    Ok(())
}

#[test]
fn what_does_not_take_pictures_says_so() -> Result<(), GraphError> {
    let refused = |graph: &Graph, text: &str| {
        let error = session(graph, 1).expect_err(text).to_string();
        assert!(error.contains(text), "{error}");
    };
    let mut graph = net(&[])?;
    graph.inputs[0].pixels = Pixels::Unsaid;
    refused(&graph, "input \"x\" (f32): the file does not say");
    let mut graph = net(&[])?;
    graph.add_output("again", graph.outputs[0].value)?;
    refused(&graph, "found 1 and 2; run it on arrays");
    let mut graph = net(&[])?;
    graph.outputs[0].value = graph.nodes[0].outputs[0];
    graph.outputs[0].layout.dims = vec![3, 5, 2];
    graph.outputs[0].layout.perm = vec![0, 1, 2];
    refused(
        &graph,
        "expected i32 or f32 of 1×1×classes, at least 2, found bit 3×5×2",
    );
    let session = session(&net(&[])?, 1).expect("a net of pictures");
    let error = session.classify(&[0; 31]).unwrap_err().to_string();
    assert!(
        error.contains("a multiple of 30 bytes, found 31"),
        "{error}"
    );
    Ok(())
}
