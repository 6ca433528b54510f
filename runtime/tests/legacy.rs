//! Versions 1 to 4 of the `.bnet` file, read as graphs.

use bernet_kernels::bits::BitMatrix;
use bernet_runtime::{
    format::{self, from_bytes, to_bytes},
    graph::{Graph, Kind, Op, Pixels},
    reference,
    tensor::{Data, Tensor},
};
use std::{fs, io::ErrorKind, process::Command};

/// A file of the repository.
fn file(name: &str) -> Vec<u8> {
    let path = format!("{}/../{name}", env!("CARGO_MANIFEST_DIR"));
    fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

const SHIPPED: [&str; 4] = [
    "models/mnist.bnet",
    "models/mnist-bernoulli.bnet",
    "models/mnist-grey.bnet",
    "models/mnist-lenet.bnet",
];

/// An image of the golden vectors: a line of hexadecimal bytes for each line of the image.
fn image(graph: &Graph, lines: &str) -> Tensor {
    let value = graph.value(graph.inputs[0].value);
    let line = value.shape.width * value.shape.channels;
    let byte = |line: &str, at: usize| u8::from_str_radix(&line[2 * at..][..2], 16).expect("hex");
    let lines = lines.split_whitespace();
    let data = if value.kind == Kind::U8 {
        let bytes = lines.flat_map(|text| (0..line).map(move |at| byte(text, at)));
        Data::U8(bytes.collect())
    } else {
        let bit = |text, at: usize| byte(text, at / 8) >> (at % 8) & 1 == 1;
        let bits = lines.flat_map(|text| (0..line).map(move |at| bit(text, at)));
        Data::Bit(bits.collect())
    };
    Tensor::new(1, value.shape, data).expect("an image of the net's size")
}

/// Nets of versions 1 to 3 against logits that another program computed, and nets of all four
/// against what the last release that wrote them said. Real logits are rounded to single precision
/// in the graph.
#[test]
fn golden_nets_give_the_golden_logits() {
    let texts = ["tests/golden/models.txt", "tests/golden/older/models.txt"];
    let golden = texts.map(|name| String::from_utf8(file(name)).expect("text"));
    let (mut cases, mut versions) = (0, [0; 5]);
    for case in golden.iter().flat_map(|text| text.split_terminator("\n\n")) {
        let [name, lines, logits] = ["model ", "image ", "logits "].map(|name| {
            let mut lines = case.lines();
            lines.find_map(|line| line.strip_prefix(name)).expect(name)
        });
        let bytes = file(name);
        versions[usize::from(bytes[8])] += 1;
        let graph = from_bytes(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        // Through version 5 and back.
        let graph = from_bytes(&to_bytes(&graph).expect("a valid graph")).expect("its file");
        assert_eq!(graph.outputs[0].name, "logits");
        let outputs = reference::run(&graph, &[image(&graph, lines)]).expect("a run");
        let found = outputs[0].to_f32();
        let expected = logits
            .split_whitespace()
            .map(|logit| logit.parse().expect("a number"));
        let expected: Vec<f64> = expected.collect();
        assert_eq!(found.len(), expected.len(), "{name}");
        let largest = expected
            .iter()
            .fold(0.0, |most: f64, logit| most.max(logit.abs()));
        for (&found, &expected) in found.iter().zip(&expected) {
            let error = (f64::from(found) - expected).abs();
            if outputs[0].kind() == Kind::I32 {
                assert_eq!(error, 0.0, "{name}");
            }
            assert!(
                error <= 1e-6 * largest,
                "{name}: {found}, expected {expected}"
            );
        }
        cases += 1;
    }
    assert_eq!(cases, 30 + 18);
    assert!(versions[1..].iter().all(|&count| count > 0), "{versions:?}");
}

#[test]
fn shipped_nets_become_smaller() {
    for name in SHIPPED {
        let bytes = file(name);
        let mut graph = from_bytes(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(graph.metadata.contains_key("configuration"));
        let all = to_bytes(&graph).expect("a valid graph").len();
        graph.metadata.clear();
        let bare = to_bytes(&graph).expect("a valid graph").len();
        println!(
            "{name}: {} bytes, version 5: {all}, without metadata {bare}",
            bytes.len()
        );
        assert!(all < bytes.len());
        if name == SHIPPED[0] {
            assert!(bare <= 5000, "{bare}");
            assert_eq!(graph.inputs[0].pixels, Pixels::AtLeast(128));
        }
    }
}

/// A file is written whole, read again, and read no further than it says.
#[test]
fn files_are_written_and_read() {
    let folder = std::env::temp_dir();
    let path = folder.join(format!("bernet-format-{}.bnet", std::process::id()));
    for name in SHIPPED {
        let graph = from_bytes(&file(name)).expect("a net");
        format::write(&graph, &path).expect("a file");
        assert_eq!(format::read(&path).expect("a net"), graph);
        let old = format::read(format!("{}/../{name}", env!("CARGO_MANIFEST_DIR")));
        assert_eq!(old.expect("a net"), graph);
    }
    let mut bytes = fs::read(&path).expect("the file");
    bytes.push(0);
    fs::write(&path, bytes).expect("a byte more");
    let error = format::read(&path).expect_err("a byte more").to_string();
    assert!(error.contains("length of the rest of the file"), "{error}");
    fs::remove_file(&path).expect("the file");
    let error = format::read(&path).expect_err("no file").to_string();
    assert!(error.contains("bernet-format"), "{error}");
    let error = format::write(&from_bytes(&file(SHIPPED[0])).expect("a net"), &folder);
    let error = error.expect_err("a folder").to_string();
    assert!(error.contains("not a file"), "{error}");
    if cfg!(unix) {
        let error = format::read("/dev/zero").expect_err("a device").to_string();
        assert!(error.contains("not a .bnet file"), "{error}");
    }
}

/// Every truncation and flipped bit of a file of each version.
#[test]
fn damaged_files_are_refused() {
    for name in [
        "tests/golden/net-1.bnet",
        "tests/golden/net-5.bnet",
        "tests/golden/net-8.bnet",
        "tests/golden/older/grouped.bnet",
    ] {
        let bytes = file(name);
        for length in 0..bytes.len() {
            from_bytes(&bytes[..length]).expect_err("a part of a file");
        }
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            from_bytes(&flipped).expect_err("a flipped bit");
        }
    }
}

/// The second implementation, in Python, finds as many bits of +1 in the weights.
#[test]
fn the_python_reader_of_version_4_agrees() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    for name in [
        "cropped", "grey", "grouped", "pooled", "real", "small", "wide",
    ] {
        let path = format!("tests/golden/older/{name}.bnet");
        let graph = from_bytes(&file(&path)).expect("a net");
        let ones = |weights: &BitMatrix| {
            let words = weights.words().iter();
            words.map(|word| word.count_ones() as usize).sum::<usize>()
        };
        let expected: usize = graph
            .nodes
            .iter()
            .map(|node| match &node.op {
                Op::BinaryConv(conv) => ones(&conv.weights),
                Op::BinaryDense(weights) => ones(weights),
                _ => 0,
            })
            .sum();
        let mut python = Command::new("python3");
        python.arg(format!("{root}/tests/bnet_reader_4.py"));
        let output = match python.arg(format!("{root}/{path}")).output() {
            Ok(output) => output,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return println!("SKIPPED: no python3");
            }
            Err(error) => panic!("{error}"),
        };
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {errors}");
        let numbers = text.split("\"plus_ones\":").skip(1);
        let number = |rest: &str| {
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
            digits
                .and_then(|digits| digits.parse::<usize>().ok())
                .expect("a number")
        };
        assert_eq!(numbers.map(number).sum::<usize>(), expected, "{name}");
    }
}
