//! Every level against the golden vectors of nets, which another program computed: `tests/golden/README.md`.

use bernet_kernels::isa::Level;
use bernet_runtime::{
    format,
    graph::{Graph, Kind},
    plan::Options,
    session::Session,
    tensor::{Data, Tensor},
};

/// The file that a line of `models.txt` names.
fn file(name: &str) -> &'static [u8] {
    match name {
        "models/mnist.bnet" => include_bytes!("../../models/mnist.bnet"),
        "tests/golden/net-1.bnet" => include_bytes!("../../tests/golden/net-1.bnet"),
        "tests/golden/net-2.bnet" => include_bytes!("../../tests/golden/net-2.bnet"),
        "tests/golden/net-3.bnet" => include_bytes!("../../tests/golden/net-3.bnet"),
        "tests/golden/net-4.bnet" => include_bytes!("../../tests/golden/net-4.bnet"),
        "tests/golden/net-5.bnet" => include_bytes!("../../tests/golden/net-5.bnet"),
        "tests/golden/net-6.bnet" => include_bytes!("../../tests/golden/net-6.bnet"),
        "tests/golden/net-7.bnet" => include_bytes!("../../tests/golden/net-7.bnet"),
        "tests/golden/net-8.bnet" => include_bytes!("../../tests/golden/net-8.bnet"),
        "tests/golden/net-9.bnet" => include_bytes!("../../tests/golden/net-9.bnet"),
        other => panic!("no model {other}"),
    }
}

/// An image: a line of hexadecimal bytes for each of its lines.
fn image(graph: &Graph, lines: &str) -> Tensor {
    let value = graph.value(graph.inputs[0].value);
    let line = value.shape.width * value.shape.channels;
    let byte = |text: &str, at: usize| u8::from_str_radix(&text[2 * at..][..2], 16).expect("hex");
    let lines = lines.split_whitespace();
    let data = if value.kind == Kind::U8 {
        Data::U8(
            lines
                .flat_map(|text| (0..line).map(move |at| byte(text, at)))
                .collect(),
        )
    } else {
        let bit = move |text, at: usize| byte(text, at / 8) >> (at % 8) & 1 == 1;
        let bits = lines.flat_map(|text| (0..line).map(move |at| bit(text, at)));
        Data::Bit(bits.collect())
    };
    Tensor::new(1, value.shape, data).expect("an image of the net's size")
}

/// Integers exactly, floats to 1e-6 of the largest: the vectors are of double precision.
#[test]
fn every_level_gives_the_golden_logits() {
    let cases: Vec<_> = include_str!("../../tests/golden/models.txt")
        .split_terminator("\n\n")
        .collect();
    assert_eq!(cases.len(), 30);
    for case in cases {
        let [name, lines, logits] = ["model ", "image ", "logits "].map(|name| {
            case.lines()
                .find_map(|line| line.strip_prefix(name))
                .expect(name)
        });
        let graph = format::from_bytes(file(name)).expect("a whole file");
        let logits = logits
            .split_whitespace()
            .map(|logit| logit.parse::<f64>().expect("a number"));
        let logits: Vec<_> = logits.collect();
        let largest = logits
            .iter()
            .fold(0.0, |most: f64, &one| most.max(one.abs()));
        for level in Level::available() {
            let options = Options {
                level,
                ..Options::default()
            };
            let mut session = Session::new(&graph, &options).expect("a plan");
            let outputs = session.run(&[image(&graph, lines)]).expect("its image");
            let bound = match outputs[0].kind() {
                Kind::I32 => 0.0,
                _ => 1e-6 * largest,
            };
            let found = outputs[0].to_f32();
            assert_eq!(found.len(), logits.len());
            for (found, expected) in found.into_iter().zip(&logits) {
                let error = (f64::from(found) - expected).abs();
                assert!(error <= bound, "{level}, {name}: {found}, not {expected}");
            }
        }
    }
}
