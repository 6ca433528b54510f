//! Every level against the golden vectors of nets, which another program computed: `tests/golden/README.md`.

use bernet::{infer::Session, model::Model};
use bernet_kernels::{
    bits::{BitMatrix, BitTensor},
    isa::Level,
};

/// The file that a line of `models.txt` names.
fn file(name: &str) -> &'static [u8] {
    match name {
        "models/mnist.bnet" => include_bytes!("../models/mnist.bnet"),
        "tests/golden/net-1.bnet" => include_bytes!("golden/net-1.bnet"),
        "tests/golden/net-2.bnet" => include_bytes!("golden/net-2.bnet"),
        "tests/golden/net-3.bnet" => include_bytes!("golden/net-3.bnet"),
        "tests/golden/net-4.bnet" => include_bytes!("golden/net-4.bnet"),
        "tests/golden/net-5.bnet" => include_bytes!("golden/net-5.bnet"),
        "tests/golden/net-6.bnet" => include_bytes!("golden/net-6.bnet"),
        "tests/golden/net-7.bnet" => include_bytes!("golden/net-7.bnet"),
        "tests/golden/net-8.bnet" => include_bytes!("golden/net-8.bnet"),
        "tests/golden/net-9.bnet" => include_bytes!("golden/net-9.bnet"),
        other => panic!("no model {other}"),
    }
}

fn image(model: &Model, lines: &str) -> BitTensor {
    let shape = model.input.bits_shape();
    let lines: Vec<&str> = lines.split_whitespace().collect();
    let bit = |line: &str, at: usize| {
        let byte = u8::from_str_radix(&line[at / 8 * 2..][..2], 16).expect("hexadecimal");
        byte >> (at % 8) & 1 == 1
    };
    let bits = BitMatrix::from_fn(shape.height, shape.width * shape.channels, |y, at| {
        bit(lines[y], at)
    });
    BitTensor::from_lines(shape, bits).expect("the lines of an image")
}

#[test]
fn every_level_gives_the_golden_logits() {
    let cases: Vec<_> = include_str!("golden/models.txt")
        .split_terminator("\n\n")
        .collect();
    assert_eq!(cases.len(), 30);
    for case in cases {
        let [name, lines, logits] = ["model ", "image ", "logits "].map(|name| {
            case.lines()
                .find_map(|line| line.strip_prefix(name))
                .expect(name)
        });
        let model = Model::from_bytes(file(name)).expect("a whole file");
        let logits = logits
            .split_whitespace()
            .map(|logit| logit.parse::<f64>().expect("a number"));
        let logits: Vec<_> = logits.collect();
        for level in Level::available() {
            let mut session = Session::new(&model, level).expect("the model fits together");
            let found = session
                .real_logits(&image(&model, lines))
                .expect("an image of its size");
            assert_eq!(found, logits, "{level}, {name}");
        }
    }
}
