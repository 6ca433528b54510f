//! Nets as C: compiled, run, and compared with the host.

use bernet::{
    data,
    exchange::c::{self, Options},
};
use bernet_kernels::{
    bits::BitMatrix,
    xnor::{PaddingValue, Threshold},
};
use bernet_runtime::{
    format,
    graph::{
        Axis, BinaryConv, BinaryOp, ConvParams, Graph, Kind, Op, Pixels, PoolKind, PoolParams,
        ReduceKind, Shape, ValueId,
    },
    plan, reference,
    session::Session,
    tensor::{Data, Tensor},
    testing::Source,
};
use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

/// Reads images from stdin and writes a line of logits and the class for each; with nets of bits
/// the packed image must give the same.
const MAIN: &str = r#"
#include "net.h"
#include <stdio.h>
#include <string.h>
int main(void) {
    static uint32_t arena[NET_ARENA_BYTES / 4];
    static uint8_t pixels[NET_INPUT_BYTES];
    static int32_t logits[NET_CLASSES];
    while (fread(pixels, 1, NET_INPUT_BYTES, stdin) == NET_INPUT_BYTES) {
        memset(arena, 0xa5, sizeof arena);
        net_run(arena, pixels, logits);
        for (int i = 0; i < NET_CLASSES; i++) printf("%ld ", (long)logits[i]);
        printf("%d\n", net_classify(arena, pixels));
#ifdef NET_LINES
        static int32_t by_line[NET_CLASSES];
        memset(arena, 0x5a, sizeof arena);
        for (unsigned line = 0; line < NET_LINES; line++)
            net_push_line(arena, line, &pixels[line * NET_LINE_BYTES]);
        net_finish(arena, by_line);
        if (memcmp(by_line, logits, sizeof by_line) != 0) return 2;
#endif
#ifdef NET_INPUT_WORDS
        static uint32_t bits[NET_INPUT_WORDS];
        static int32_t packed[NET_CLASSES];
        memset(bits, 0, sizeof bits);
        /* Bits after the last are of no consequence. */
        for (unsigned i = NET_INPUT_BYTES; i < 32 * NET_INPUT_WORDS; i++)
            bits[i / 32] |= (uint32_t)1 << (i % 32);
        for (unsigned i = 0; i < NET_INPUT_BYTES; i++)
            bits[i / 32] |= (uint32_t)(pixels[i] >= 128) << (i % 32);
        net_run_packed(arena, bits, packed);
        if (memcmp(packed, logits, sizeof packed) != 0) return 1;
#endif
    }
    return 0;
}
"#;

const WARNINGS: [&str; 5] = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"];

/// Whether there is such a program; says so where there is not.
fn has(program: &str) -> bool {
    let found = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        println!("skipped: no {program}");
    }
    found
}

#[track_caller]
fn runs(command: &mut Command, about: &str) {
    let output = command.output().expect("a program that starts");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{about}: {command:?}: {text}");
}

/// Writes the files into a folder.
fn write(graph: &Graph, folder: &Path, about: &str) -> c::Files {
    let files = c::export(graph, &Options::default()).unwrap_or_else(|error| {
        panic!("{about}: {error}");
    });
    fs::write(folder.join("net.h"), &files.header).expect("a file");
    fs::write(folder.join("net.c"), &files.source).expect("a file");
    fs::write(folder.join("main.c"), MAIN).expect("a file");
    files
}

/// Compiles the files with a main program.
fn compile(folder: &Path, flags: &[&str], about: &str) {
    let mut command = Command::new("cc");
    command.current_dir(folder);
    command.args(["-std=c99", "-c", "net.c"]);
    runs(command.args(WARNINGS).args(flags), about);
    let mut command = Command::new("cc");
    command
        .current_dir(folder)
        .args(["main.c", "net.o", "-o", "run"]);
    runs(command.args(flags), about);
}

/// Logits and class of each image.
fn run(folder: &Path, pixels: &[u8], about: &str) -> Vec<Vec<i64>> {
    let mut child = Command::new(folder.join("run"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program");
    let mut stdin = child.stdin.take().expect("a pipe");
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(pixels));
        child.wait_with_output().expect("its output")
    });
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{about}: {} {text}", output.status);
    let line = |line: &str| {
        let numbers = line.split_whitespace();
        numbers
            .map(|number| number.parse().expect("a number"))
            .collect()
    };
    String::from_utf8(output.stdout)
        .expect("text")
        .lines()
        .map(line)
        .collect()
}

/// The first of the largest.
fn class(logits: &[i64]) -> i64 {
    let mut best = 0;
    for (at, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = at;
        }
    }
    best as i64
}

#[track_caller]
fn same(found: &[Vec<i64>], expected: &[f32], about: &str) {
    let classes = expected.len() / found.len().max(1);
    assert!(
        !found.is_empty() && expected.len() == found.len() * classes,
        "{about}"
    );
    for (item, (found, expected)) in found.iter().zip(expected.chunks(classes)).enumerate() {
        let expected: Vec<_> = expected.iter().map(|&logit| logit as i64).collect();
        assert_eq!(found[..classes], expected, "{about}, item {item}");
        assert_eq!(
            found[classes],
            class(&expected),
            "{about}, item {item}: class"
        );
    }
}

/// A number that the environment may set.
fn from_environment(name: &str, default: u64) -> u64 {
    let said = std::env::var(name).ok();
    said.map_or(default, |text| text.parse().expect("a number"))
}

/// Test digits as bytes and as the input of a graph.
fn digits(graph: &Graph, count: usize) -> (Vec<u8>, Tensor) {
    let test = data::load_embedded().test;
    let bit = |index: usize| {
        let (item, place) = (index / 784, index % 784);
        test.images().get(item, place / 28, place % 28, 0)
    };
    let bits: Vec<_> = (0..count * 784).map(bit).collect();
    let pixels: Vec<_> = bits.iter().map(|&bit| 255 * u8::from(bit)).collect();
    let value = graph.value(graph.inputs[0].value);
    let data = match value.kind {
        Kind::Bit => Data::Bit(bits),
        _ => Data::U8(pixels.clone()),
    };
    (
        pixels,
        Tensor::new(count, value.shape, data).expect("digits"),
    )
}

#[test]
fn every_shipped_net_gives_the_hosts_logits() {
    if !has("cc") {
        return;
    }
    let mut nets = 0;
    for entry in fs::read_dir("models").expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|ending| ending != "bnet") {
            continue;
        }
        let about = path.display().to_string();
        let graph = format::read(&path).expect("a net");
        let folder = tempfile::tempdir().expect("a folder");
        let files = write(&graph, folder.path(), &about);
        println!(
            "{about}: {} + {} bytes",
            files.constant_bytes, files.arena_bytes
        );
        let (pixels, digits) = digits(&graph, from_environment("BERNET_C_DIGITS", 200) as usize);
        let mut session = Session::new(&graph, &plan::Options::default()).expect("a session");
        let expected = session.run(&[digits]).expect("a run")[0].to_f32();
        for flags in [
            &["-O2"][..],
            &["-O2", "-mpopcnt"],
            &[
                "-O1",
                "-g",
                "-fsanitize=address,undefined",
                "-fno-sanitize-recover=all",
            ],
        ] {
            if flags.contains(&"-mpopcnt") && !cfg!(target_arch = "x86_64") {
                continue;
            }
            compile(folder.path(), flags, &about);
            same(&run(folder.path(), &pixels, &about), &expected, &about);
        }
        for (compiler, standard) in [("gcc", "-std=c99"), ("clang", "-std=c99"), ("c++", "-xc++")] {
            if has(compiler) {
                let mut command = Command::new(compiler);
                command
                    .current_dir(folder.path())
                    .args([standard, "-Os", "-c", "net.c", "-o"]);
                runs(command.arg("other.o").args(WARNINGS), &about);
            }
        }
        nets += 1;
    }
    assert!(nets >= 4, "{nets} nets");
}

/// A random graph of what has C, with one input of bits or bytes.
struct Maker {
    source: Source,
    graph: Graph,
}

impl Maker {
    fn new(seed: u64) -> Self {
        let mut maker = Self {
            source: Source::new(seed),
            graph: Graph::default(),
        };
        let channels = maker.source.pick(&[1, 2, 3, 8, 31, 32, 33, 64, 65]);
        let most = if channels > 8 { 4 } else { 9 };
        let shape = Shape::new(
            1 + maker.source.below(most),
            1 + maker.source.below(most),
            channels,
        );
        let kind = maker.source.pick(&[Kind::Bit, Kind::Bit, Kind::U8]);
        let added = maker.graph.add_input("x", kind, shape);
        added.expect("a shape with values");
        maker.graph.inputs[0].pixels = match kind {
            Kind::Bit => Pixels::AtLeast(128),
            _ => Pixels::Bytes,
        };
        maker
    }

    /// A value of one of these types, mostly the newest.
    fn find(&mut self, kinds: &[Kind]) -> Option<ValueId> {
        let values = self.graph.values.iter().enumerate();
        let suited: Vec<_> = values
            .filter(|(_, value)| kinds.contains(&value.kind))
            .map(|(index, _)| ValueId(index as u32))
            .collect();
        let last = *suited.last()?;
        let newest = self.source.chance(70);
        Some(if newest {
            last
        } else {
            self.source.pick(&suited)
        })
    }

    fn add(&mut self, op: Op, inputs: &[ValueId]) {
        // What does not suit its input, or is too large, is left out.
        if let Ok(id) = self.graph.add_node(op, inputs)
            && self.graph.value(id).shape.len() > 3000
        {
            self.graph.nodes.pop();
            self.graph.values.pop();
        }
    }

    fn sizes(&mut self, shape: Shape, dilation: [usize; 2]) -> [usize; 2] {
        let most = |size: usize, dilation: usize| (size - 1) / dilation + 1;
        if self.source.chance(20) && dilation == [1, 1] {
            return [shape.height, shape.width];
        }
        [
            1 + self.source.below(most(shape.height, dilation[0]).min(5)),
            1 + self.source.below(most(shape.width, dilation[1]).min(5)),
        ]
    }

    fn padding(&mut self, most: [usize; 2]) -> [usize; 4] {
        if self.source.chance(60) {
            return [0; 4];
        }
        [most[0], most[1], most[0], most[1]].map(|most| self.source.below(most))
    }

    fn weights(&mut self, rows: usize, columns: usize) -> BitMatrix {
        BitMatrix::from_fn(rows, columns, |_, _| self.source.chance(50))
    }

    fn conv(&mut self, x: ValueId) -> Op {
        let value = self.graph.value(x);
        let shape = value.shape;
        let dilation = if self.source.chance(80) {
            [1, 1]
        } else {
            [1 + self.source.below(2), 1 + self.source.below(2)]
        };
        let kernel = self.sizes(shape, dilation);
        let divisors: Vec<_> = (1..=shape.channels)
            .filter(|part| shape.channels.is_multiple_of(*part))
            .collect();
        let groups = if self.source.chance(75) {
            1
        } else {
            self.source.pick(&divisors)
        };
        let outputs = groups * self.source.pick(&[1, 2, 3, 8, 10, 32, 33]);
        let columns = kernel[0] * kernel[1] * shape.channels / groups;
        let padding_value = match value.kind {
            Kind::Bit => self.source.pick(&[
                PaddingValue::Zero,
                PaddingValue::MinusOne,
                PaddingValue::PlusOne,
            ]),
            _ => PaddingValue::Zero,
        };
        let params = ConvParams {
            kernel,
            stride: [1 + self.source.below(3), 1 + self.source.below(3)],
            dilation,
            padding: self.padding(kernel),
            padding_value,
            groups,
        };
        let weights = self.weights(outputs, columns);
        Op::BinaryConv(BinaryConv { params, weights })
    }

    /// A threshold near the middle of what sums reach, seldom one that all or none reach.
    fn thresholds(&mut self, channels: usize) -> Vec<Threshold> {
        let count = if self.source.chance(10) { 1 } else { channels };
        (0..count)
            .map(|_| {
                let most = self.source.pick(&[3, 10, 300]);
                let at_least = match self.source.below(40) {
                    0 => i32::MIN,
                    1 => i32::MAX,
                    _ => self.source.integer(most),
                };
                let invert = self.source.chance(40);
                Threshold { at_least, invert }
            })
            .collect()
    }

    fn step(&mut self) {
        let any = [Kind::Bit, Kind::U8, Kind::I32];
        let choice = self.source.below(100);
        let kinds: &[Kind] = match choice {
            ..40 => &[Kind::Bit, Kind::U8],
            40..58 => &[Kind::I32, Kind::U8],
            58..66 => &[Kind::I32],
            _ => &any,
        };
        let Some(x) = self.find(kinds) else {
            return;
        };
        let value = self.graph.value(x);
        let shape = value.shape;
        let axis = self
            .source
            .pick(&[Axis::Height, Axis::Width, Axis::Channels]);
        let size = shape.dims()[axis.index()];
        let mut inputs = vec![x];
        let op = match choice {
            ..32 => self.conv(x),
            32..40 => {
                let rows = self.source.pick(&[1, 10, 32, 40]);
                Op::BinaryDense(self.weights(rows, shape.len()))
            }
            40..54 => Op::Threshold(self.thresholds(shape.channels)),
            54..58 => Op::Sign,
            58..66 => {
                let other = self.partner(x);
                inputs.push(other);
                Op::Binary(self.source.pick(&[
                    BinaryOp::Add,
                    BinaryOp::Sub,
                    BinaryOp::Mul,
                    BinaryOp::Min,
                    BinaryOp::Max,
                    BinaryOp::Greater,
                    BinaryOp::GreaterOrEqual,
                    BinaryOp::Equal,
                ]))
            }
            66..76 => {
                let kernel = self.sizes(shape, [1, 1]);
                Op::Pool(PoolParams {
                    kind: self
                        .source
                        .pick(&[PoolKind::Max, PoolKind::Max, PoolKind::Sum]),
                    kernel,
                    stride: [1 + self.source.below(2), 1 + self.source.below(2)],
                    padding: self.padding(kernel),
                })
            }
            76..82 => Op::Reduce {
                kind: self
                    .source
                    .pick(&[ReduceKind::Sum, ReduceKind::Max, ReduceKind::Min]),
                axes: [0; 3].map(|_| self.source.chance(50)),
            },
            82..85 => Op::Cast(Kind::I32),
            85..88 => {
                let start = self.source.below(size);
                let step = 1 + self.source.below(3);
                let length = 1 + self.source.below((size - 1 - start) / step + 1);
                Op::Slice {
                    axis,
                    start,
                    length,
                    step,
                }
            }
            88..91 => Op::Pad {
                before: [0; 3].map(|_| self.source.below(2)),
                after: [0; 3].map(|_| self.source.below(2)),
                value: self.source.pick(&[-1.0, 0.0, 1.0, 7.0, 300.0]),
            },
            91..93 => {
                inputs.push(self.partner(x));
                Op::Concat(axis)
            }
            93..95 => Op::Reshape(Shape::new(shape.channels, shape.height, shape.width)),
            95..97 => Op::Transpose {
                dims: vec![shape.height * shape.width, shape.channels],
                perm: vec![1, 0],
                shape: Shape::new(shape.channels, shape.height, shape.width),
            },
            97..98 => Op::ArgMax,
            _ => {
                let Some(condition) = self.find(&[Kind::Bit]) else {
                    return;
                };
                let other = self.partner(x);
                inputs = vec![condition, x, other];
                Op::Select
            }
        };
        self.add(op, &inputs);
    }

    /// A second operand: the same, another of its type, or a constant.
    fn partner(&mut self, x: ValueId) -> ValueId {
        let value = self.graph.value(x);
        match self.source.below(3) {
            0 => x,
            1 => self.find(&[value.kind]).unwrap_or(x),
            _ => {
                let dims = value.shape.dims();
                let dims = dims.map(|size| if self.source.chance(50) { 1 } else { size });
                let constant = self.source.tensor(1, value.kind, dims.into());
                let added = self.graph.add_node(Op::Constant(constant), &[]);
                added.expect("a constant")
            }
        }
    }

    fn finish(mut self) -> Graph {
        let nodes = 2 + self.source.below(8);
        for _ in 0..200 {
            if self.graph.nodes.len() >= nodes {
                break;
            }
            self.step();
        }
        let last = ValueId(self.graph.values.len() as u32 - 1);
        self.graph.add_output("y", last).expect("a value");
        self.graph
    }
}

/// How many random graphs there are.
fn graphs() -> u64 {
    from_environment("BERNET_C_GRAPHS", 200)
}

#[test]
fn random_graphs_give_the_references_integers() {
    if !has("cc") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut operators = std::collections::BTreeSet::new();
    for seed in 0..graphs() {
        let graph = Maker::new(seed).finish();
        operators.extend(graph.nodes.iter().map(|node| node.op.name()));
        let about = format!("seed {seed}");
        let value = graph.value(graph.inputs[0].value);
        let mut source = Source::new(seed);
        let items = 5;
        let pixels: Vec<u8> = (0..items * value.shape.len())
            .map(|_| source.below(256) as u8)
            .collect();
        let data = match value.kind {
            Kind::Bit => Data::Bit(pixels.iter().map(|&pixel| pixel >= 128).collect()),
            _ => Data::U8(pixels.clone()),
        };
        let input = Tensor::new(items, value.shape, data).expect("items");
        let output = &reference::run(&graph, &[input]).expect("a run")[0];
        let expected: Vec<i32> = match output.data() {
            Data::Bit(bits) => bits.iter().map(|&bit| if bit { 1 } else { -1 }).collect(),
            Data::U8(values) => values.iter().map(|&value| value.into()).collect(),
            Data::I32(values) => values.clone(),
            Data::F32(_) => unreachable!("no operator gives floats"),
        };
        // Constants have one item for all.
        let expected = expected.repeat(items / output.batch());
        write(&graph, folder.path(), &about);
        let sanitised = [
            "-O1",
            "-fsanitize=address,undefined",
            "-fno-sanitize-recover=all",
        ];
        let flags = if seed % 4 == 0 {
            &sanitised[..]
        } else {
            &["-O1"]
        };
        compile(folder.path(), flags, &about);
        let found = run(folder.path(), &pixels, &about);
        let classes = expected.len() / items;
        assert_eq!(found.len(), items, "{about}");
        for (item, (found, expected)) in found.iter().zip(expected.chunks(classes)).enumerate() {
            let expected: Vec<i64> = expected.iter().map(|&number| number.into()).collect();
            let label =
                graph.nodes.last().is_some_and(|node| node.op == Op::ArgMax) && classes == 1;
            if label {
                // The argmax is left to `net_classify`.
                assert_eq!(found.last(), Some(&expected[0]), "{about}, item {item}");
            } else {
                assert_eq!(found[..classes], expected, "{about}, item {item}");
                assert_eq!(found[classes], class(&expected), "{about}, item {item}");
            }
        }
    }
    if graphs() >= 200 {
        assert!(operators.len() >= 20, "{operators:?}");
    }
}

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
