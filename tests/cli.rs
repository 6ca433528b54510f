//! The program as a user meets it.

use bernet_kernels::{bits::BitMatrix, xnor::Threshold};
use bernet_runtime::{
    format,
    graph::{
        ArrayLayout, BinaryConv, ConvParams, Graph, Kind, Op, Pixels, ReduceKind, Shape, ValueId,
    },
};
use std::{
    fs,
    io::{BufRead, BufReader},
    ops::Range,
    path::Path,
    process::{Command, Output, Stdio},
};

fn bernet() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bernet"));
    command.stdin(Stdio::null());
    command
}

/// Sums of all pixels, for class 0 as they are, for the others the other way round.
fn votes(graph: &mut Graph, value: ValueId, classes: usize) -> ValueId {
    let channels = graph.value(value).shape.channels;
    let weights = BitMatrix::from_fn(classes, channels, |class, _| class == 0);
    let params = ConvParams::valid([1, 1]);
    let conv = Op::BinaryConv(BinaryConv { params, weights });
    let sums = graph.add_node(conv, &[value]).unwrap();
    let (kind, axes) = (ReduceKind::Sum, [true, true, false]);
    graph.add_node(Op::Reduce { kind, axes }, &[sums]).unwrap()
}

/// A net of one input, which is followed by what `layers` adds.
fn net(
    kind: Kind,
    shape: [usize; 3],
    pixels: Pixels,
    layers: impl FnOnce(&mut Graph, ValueId) -> ValueId,
) -> Graph {
    let mut graph = Graph::default();
    let input = graph.add_input("image", kind, Shape::from(shape)).unwrap();
    graph.inputs[0].pixels = pixels;
    let logits = layers(&mut graph, input);
    graph.add_output("logits", logits).unwrap();
    graph.outputs[0].layout = ArrayLayout::flat(graph.value(logits).shape.channels);
    graph.metadata = [("licence".into(), "MIT".into())].into();
    graph
}

/// A net that votes by the number of ink pixels: right for about every tenth digit.
fn ink(shape: [usize; 3], threshold: u8, classes: usize) -> Graph {
    let pixels = Pixels::AtLeast(threshold);
    net(Kind::Bit, shape, pixels, |graph, value| {
        votes(graph, value, classes)
    })
}

fn write_model(path: &Path, edit: impl FnOnce(&mut Graph)) {
    let mut graph = ink([28, 28, 1], 128, 10);
    edit(&mut graph);
    format::write(&graph, path).unwrap();
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[track_caller]
fn succeeds(output: &Output) -> &str {
    assert!(output.status.success(), "{output:?}");
    assert_eq!(text(&output.stderr), "");
    text(&output.stdout)
}

/// One line on stderr, nothing on stdout, an exit code: not a panic's 101 and not a signal.
#[track_caller]
fn fails(output: &Output, code: i32, says: &str) {
    let line = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{line}");
    assert_eq!(text(&output.stdout), "");
    assert!(
        line.starts_with("bernet: ") && line.ends_with('\n') && line.lines().count() == 1,
        "{line:?}"
    );
    assert!(line.contains(says), "{line:?} lacks {says:?}");
}

#[test]
fn eval_counts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.bnet");
    // Class 0 gets the sum of the pixels, which is negative for all but the boldest digits; 1 is the first of the others.
    write_model(&path, |_| ());
    let mnist = bernet::data::load_embedded().test;
    let ink = |image: usize| {
        (0..28 * 28)
            .filter(|at| mnist.images().get(image, at / 28, at % 28, 0))
            .count()
    };
    let says = |image: usize| u8::from(ink(image) * 2 < 28 * 28);
    let right = (0..mnist.len())
        .filter(|&image| mnist.labels()[image] == says(image))
        .count();
    let expected = format!("accuracy {:.2} % ({right}/10000)", right as f64 / 100.0);
    for (options, ending) in [
        (&["--level", "portable"][..], "level portable, 1 thread"),
        (&["--threads", "2"], "2 threads"),
        (&[], "1 thread"),
    ] {
        let output = bernet()
            .arg("eval")
            .arg(&path)
            .args(options)
            .output()
            .unwrap();
        let lines: Vec<_> = succeeds(&output).lines().collect();
        assert_eq!(lines[0], expected);
        assert!(
            lines.len() == 2
                && lines[1].contains(" images/s, level ")
                && lines[1].ends_with(ending),
            "{lines:?}"
        );
    }
}

/// The file again byte by byte, or with other metadata; the input may be the output.
#[test]
fn convert_changes_what_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.bnet");
    write_model(&path, |_| ());
    let before = fs::read(&path).unwrap();
    let again = folder.path().join("again.bnet");
    let convert = |to: &Path, options: &[&str]| {
        let mut convert = bernet();
        convert.arg("convert").arg(&path).arg(to).args(options);
        convert.output().unwrap()
    };
    let said = succeeds(&convert(&again, &[])).to_owned();
    let expected = format!("again.bnet: .bnet version 5, {} bytes\n", before.len());
    assert!(said.ends_with(&expected), "{said}");
    assert_eq!(fs::read(&again).unwrap(), before);

    fails(
        &convert(&again, &["--drop", "author"]),
        1,
        "metadata: expected one of [\"licence\"] to leave out, found \"author\"",
    );
    assert_eq!(fs::read(&again).unwrap(), before);
    fails(
        &convert(&again, &["--set", "=MIT"]),
        2,
        "expected KEY=VALUE",
    );
    fails(
        &convert(&again, &["--drop", "licence", "--strip"]),
        2,
        "cannot be used with",
    );

    let metadata = || format::read(&path).unwrap().metadata;
    succeeds(&convert(
        &path,
        &[
            "--drop",
            "licence",
            "--set",
            "formula=a=b",
            "--set",
            "note=",
        ],
    ));
    let expected = [
        ("formula".to_owned(), "a=b".to_owned()),
        ("note".into(), "".into()),
    ];
    assert_eq!(metadata(), expected.into());
    succeeds(&convert(&path, &["--strip", "--set", "licence=MIT"]));
    assert_eq!(fs::read(&path).unwrap(), before);
    // Older versions become the newest.
    let mut convert = bernet();
    convert
        .args(["convert", "models/mnist.bnet", "--strip"])
        .arg(&again);
    succeeds(&convert.output().unwrap());
    assert!(fs::metadata(&again).unwrap().len() <= 5000);
    let mut graph = format::read("models/mnist.bnet").unwrap();
    graph.metadata.clear();
    assert_eq!(format::read(&again).unwrap(), graph);
}

/// A net that reads grey values: its file says so, and the embedded bits are no food for it.
#[test]
fn grey_values_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.bnet");
    let graph = net(Kind::U8, [28, 28, 1], Pixels::Bytes, |graph, value| {
        let weights = BitMatrix::from_fn(1, 1, |_, _| true);
        let params = ConvParams::valid([1, 1]);
        let conv = Op::BinaryConv(BinaryConv { params, weights });
        let sums = graph.add_node(conv, &[value]).unwrap();
        let threshold = Threshold {
            at_least: 128,
            invert: false,
        };
        let bits = graph.add_node(Op::Threshold(vec![threshold]), &[sums]);
        votes(graph, bits.unwrap(), 10)
    });
    format::write(&graph, &path).unwrap();
    let info = bernet().arg("info").arg(&path).output().unwrap();
    let shown = succeeds(&info);
    assert!(shown.contains("a pixel is the byte 0 to 255"), "{shown}");
    let eval = bernet().arg("eval").arg(&path).output().unwrap();
    assert!(eval.status.success(), "{eval:?}");
    assert!(text(&eval.stdout).starts_with("accuracy "), "{eval:?}");
    let warning = "bernet: the net reads grey values, of which the embedded images have black and white alone";
    assert!(text(&eval.stderr).starts_with(warning), "{eval:?}");
    let picture = folder.path().join("picture.png");
    write_picture(&picture, 60, 14..46, false);
    let mut predict = bernet();
    predict.arg("predict").arg(&path).arg(&picture);
    let output = predict.output().unwrap();
    let says = "picture.png: digit 0, margin 32 (60×60 pixels)\n";
    assert!(succeeds(&output).ends_with(says), "{output:?}");

    // Four test images in IDX files: the sum of +1 for 128 and above is that of the bits.
    let (mut images, mut labels) = (vec![0, 0, 8, 3], vec![0, 0, 8, 1]);
    for size in [4u32, 28, 28] {
        images.extend(size.to_be_bytes());
    }
    labels.extend(4u32.to_be_bytes());
    for grey in [0, 127, 128, 255] {
        images.extend([grey; 28 * 28]);
    }
    labels.extend([1, 1, 0, 0]);
    for part in ["train", "t10k"] {
        fs::write(
            folder.path().join(format!("{part}-images-idx3-ubyte")),
            &images,
        )
        .unwrap();
        fs::write(
            folder.path().join(format!("{part}-labels-idx1-ubyte")),
            &labels,
        )
        .unwrap();
    }
    let mut eval = bernet();
    let output = eval
        .arg("eval")
        .arg(&path)
        .arg("--data")
        .arg(folder.path())
        .output()
        .unwrap();
    let text = succeeds(&output);
    assert!(text.starts_with("accuracy 100.00 % (4/4)\n"), "{text}");
}

#[test]
fn info_as_json_counts_weights() {
    let output = bernet()
        .args(["info", "models/mnist.bnet", "--json"])
        .output()
        .unwrap();
    let found: serde_json::Value = serde_json::from_str(succeeds(&output)).unwrap();
    let bytes = fs::metadata("models/mnist.bnet").unwrap().len();
    assert_eq!(found["bytes"], bytes);
    assert_eq!(
        (&found["format"], &found["version"]),
        (&".bnet".into(), &1.into())
    );
    let input = &found["inputs"][0];
    assert_eq!(input["shape"], serde_json::json!([28, 28, 1]));
    let nodes = found["nodes"].as_array().unwrap().iter();
    let weights = nodes.map(|node| node["weights"].as_u64().unwrap());
    assert_eq!(weights.sum::<u64>(), 33_856);
    assert_eq!(found["metadata"]["method"], "ste");
}

#[test]
fn info_shows_what_is_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.bnet");
    write_model(&path, |graph| {
        let text = "a \x1b[31mred\nline".into();
        graph.metadata.insert("command".into(), text);
    });
    let output = bernet().arg("info").arg(&path).output().unwrap();
    let stdout = succeeds(&output);
    let bytes = fs::metadata(&path).unwrap().len();
    let graph = ink([28, 28, 1], 128, 10);
    let mut bare = graph.clone();
    bare.metadata.clear();
    let bare = format::to_bytes(&bare).unwrap().len();
    for part in [
        &format!(".bnet version 5, {bytes} bytes\n"),
        &format!("without metadata: {bare} bytes\n"),
        "a pixel is +1 where it is at least 128\n",
        "command: a \\u{1b}[31mred\\nline\nlicence: MIT\n",
    ] {
        assert!(stdout.contains(part), "{stdout} lacks {part}");
    }
}

/// A square of ink in the middle of a grey picture.
fn write_picture(path: &Path, side: u32, ink: Range<u32>, inverted: bool) {
    let mut encoder = png::Encoder::new(fs::File::create(path).unwrap(), side, side);
    encoder.set_color(png::ColorType::Grayscale);
    let bright = |at: u32| (ink.contains(&(at / side)) && ink.contains(&(at % side))) != inverted;
    let pixels: Vec<_> = (0..side * side)
        .map(|at| if bright(at) { 255 } else { 0 })
        .collect();
    encoder
        .write_header()
        .unwrap()
        .write_image_data(&pixels)
        .unwrap();
}

#[test]
fn predict_reads_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let model = path("model.bnet");
    write_model(&model, |_| ());
    // MNIST's form has the ink within 20·20 pixels, a sum of 16 among 28·28: the logit of class 0, and −16 is that of all others.
    write_picture(&path("bold.png"), 28, 6..22, false);
    write_picture(&path("dark.png"), 28, 6..22, true);
    write_picture(&path("large.png"), 60, 14..46, false);
    write_picture(&path("thin.png"), 28, 3..5, false);
    let names = ["bold.png", "dark.png", "large.png", "thin.png"];
    let output = bernet()
        .arg("predict")
        .arg(&model)
        .args(names.map(path))
        .output()
        .unwrap();
    let expected = [
        "bold.png: digit 0, margin 32 (28×28 pixels)",
        "dark.png: digit 0, margin 32 (inverted, 28×28 pixels)",
        "large.png: digit 0, margin 32 (60×60 pixels)",
        "thin.png: digit 0, margin 32 (28×28 pixels)",
    ];
    let lines: Vec<_> = succeeds(&output).lines().collect();
    assert_eq!(lines.len(), expected.len(), "{lines:?}");
    for (line, expected) in lines.into_iter().zip(expected) {
        assert!(line.ends_with(expected), "{line:?}, not {expected:?}");
    }

    let predict = |picture: &str| {
        bernet()
            .arg("predict")
            .arg(&model)
            .arg(path(picture))
            .output()
            .unwrap()
    };
    fails(&predict("missing.png"), 1, "missing.png: No such file");
    fails(&predict("model.bnet"), 1, "model.bnet: not a readable PNG");
    fails(
        &bernet().arg("predict").arg(&model).output().unwrap(),
        2,
        "<IMAGE.png>",
    );
    write_model(&model, |graph| *graph = ink([28, 28, 2], 128, 10));
    let output = bernet()
        .arg("predict")
        .arg(&model)
        .arg(path("bold.png"))
        .output()
        .unwrap();
    fails(
        &output,
        1,
        "the net reads pictures of 2 channels, expected 1 or 3",
    );
}

/// One picture that cannot be read does not end the batch, for people and for programs.
#[test]
fn predict_goes_on_after_a_bad_picture() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let model = path("model.bnet");
    write_model(&model, |_| ());
    write_picture(&path("first.png"), 60, 14..46, false);
    write_picture(&path("blank.png"), 28, 0..0, false);
    write_picture(&path("last.png"), 60, 14..46, true);
    fs::write(path("text.png"), "no picture").unwrap();
    let predict = |options: &[&str]| {
        let mut predict = bernet();
        let names = [
            "first.png",
            "missing.png",
            "blank.png",
            "text.png",
            "last.png",
        ];
        predict.arg("predict").arg(&model).args(names.map(path));
        predict.args(options).output().unwrap()
    };
    let output = predict(&[]);
    assert_eq!(output.status.code(), Some(1));
    let lines: Vec<_> = text(&output.stdout).lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("first.png: digit 0") && lines[1].contains("last.png: digit 0"));
    let errors: Vec<_> = text(&output.stderr).lines().collect();
    assert_eq!(errors.len(), 4, "{errors:?}");
    for (line, says) in errors.iter().zip([
        "missing.png: No such file",
        "blank.png: no ink",
        "text.png: not a readable PNG",
        "3 of 5 pictures could not be read",
    ]) {
        assert!(
            line.starts_with("bernet: ") && line.contains(says),
            "{line}"
        );
    }

    let output = predict(&["--json"]);
    assert_eq!(output.status.code(), Some(1));
    let lines: Vec<serde_json::Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 5);
    let mut logits = vec![-16.0; 10];
    logits[0] = 16.0;
    assert_eq!(lines[0]["logits"], serde_json::json!(logits));
    assert_eq!(
        (&lines[4]["class"], &lines[4]["margin"]),
        (&0.into(), &32.into())
    );
    assert_eq!(
        (&lines[4]["inverted"], &lines[4]["width"]),
        (&true.into(), &60.into())
    );
    assert!(lines[2]["error"].as_str().unwrap().contains("no ink"));
    assert!(lines[2]["image"].as_str().unwrap().ends_with("blank.png"));
}

#[test]
fn predict_reads_stdin_and_prints_logits() {
    let folder = tempfile::tempdir().unwrap();
    let (model, picture) = (
        folder.path().join("model.bnet"),
        folder.path().join("a.png"),
    );
    write_model(&model, |_| ());
    write_picture(&picture, 60, 14..46, false);
    let mut predict = bernet();
    predict.arg("predict").arg(&model).args(["-", "--logits"]);
    let output = predict
        .stdin(fs::File::open(&picture).unwrap())
        .output()
        .unwrap();
    let others = ["-16"; 9].join(" ");
    let expected = format!("-: digit 0, margin 32 (60×60 pixels), logits 16 {others}\n");
    assert_eq!(succeeds(&output), expected);
    let mut predict = bernet();
    let output = predict
        .arg("predict")
        .arg(&model)
        .arg("-")
        .output()
        .unwrap();
    fails(&output, 1, "-: not a readable PNG");
}

/// The shipped net of grey values reads a picture.
#[test]
fn the_shipped_grey_net_predicts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seven.png");
    let digit = bernet::data::load_embedded().test.subset(0..1);
    let file = fs::File::create(&path).unwrap();
    let mut encoder = png::Encoder::new(file, 28, 28);
    encoder.set_color(png::ColorType::Grayscale);
    let dot = |at: usize| digit.images().get(0, at / 28, at % 28, 0);
    let pixels: Vec<u8> = (0..28 * 28)
        .map(|at| if dot(at) { 20 } else { 250 })
        .collect();
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&pixels).unwrap();
    writer.finish().unwrap();
    for model in [
        "mnist",
        "mnist-grey",
        "mnist-bernoulli",
        "mnist-exact",
        "mnist-lenet",
        "mnist-small",
    ] {
        let mut predict = bernet();
        predict
            .args(["predict", &format!("models/{model}.bnet")])
            .arg(&path);
        let output = predict.output().unwrap();
        assert!(
            succeeds(&output).contains("seven.png: digit 7, "),
            "{model}: {output:?}"
        );
    }
}

#[test]
fn what_is_mistyped_gets_a_suggestion_and_the_right_help() {
    for (arguments, says) in [
        (&["evl"][..], "'eval'"),
        (&["evl"], "(see bernet --help)"),
        (&["experiment"], "'bernet experiment' requires a subcommand"),
        (&["experiment"], "(see bernet experiment --help)"),
        (
            &["experiment", "table", "--sed", "3"],
            "(see bernet experiment table --help)",
        ),
        (&["train", "--epoch", "3"], "'--epochs'"),
        (&["train", "--epochs", "0"], "(see bernet train --help)"),
        (&["eval", "--thread", "3"], "(see bernet eval --help)"),
    ] {
        fails(&bernet().args(arguments).output().unwrap(), 2, says);
    }
    for arguments in [&["train"][..], &["bench"], &["eval", "models/mnist.bnet"]] {
        let mut command = bernet();
        command.args(arguments).args(["--threads", "1000000"]);
        fails(&command.output().unwrap(), 1, "threads: expected 1 to ");
    }
}

#[test]
fn doctor_completions_and_manual() {
    let doctor = bernet().arg("doctor").output().unwrap();
    let lines = succeeds(&doctor);
    for says in [
        "level portable",
        "best of them",
        "threads",
        "give the same answers",
    ] {
        assert!(lines.contains(says), "{lines}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = bernet().args(["completions", shell]).output().unwrap();
        assert!(succeeds(&script).contains("predict"), "{shell}");
    }
    let page = bernet().arg("man").output().unwrap();
    assert!(succeeds(&page).contains(".TH bernet 1"), "{page:?}");
    let folder = tempfile::tempdir().unwrap();
    let pages = bernet().arg("man").arg(folder.path()).output().unwrap();
    assert_eq!(succeeds(&pages), "");
    assert!(folder.path().join("bernet-train.1").is_file());
}

#[test]
fn wrong_calls_get_one_line() {
    fails(&bernet().output().unwrap(), 2, "requires a subcommand");
    fails(
        &bernet().arg("evaluate").output().unwrap(),
        2,
        "unrecognized subcommand 'evaluate'",
    );
    for command in ["eval", "info"] {
        fails(&bernet().arg(command).output().unwrap(), 2, "<MODEL>");
        fails(
            &bernet().args([command, "--nonsense"]).output().unwrap(),
            2,
            "'--nonsense'",
        );
        fails(
            &bernet().args([command, "missing.bnet"]).output().unwrap(),
            1,
            "missing.bnet: No such file",
        );
        fails(
            &bernet().args([command, "."]).output().unwrap(),
            1,
            ".: Is a directory",
        );
        fails(
            &bernet().args([command, "Cargo.toml"]).output().unwrap(),
            1,
            "Cargo.toml: not a .bnet file",
        );
        fails(
            &bernet()
                .args([command, "no\nsuch\x1b[31m"])
                .output()
                .unwrap(),
            1,
            "no\\nsuch\\u{1b}[31m",
        );
    }
    let level = bernet()
        .args(["eval", "model.bnet", "--level", "mmx"])
        .output()
        .unwrap();
    fails(
        &level,
        2,
        "level `mmx`: there is no such level; available here: portable",
    );
}

#[test]
fn eval_refuses_what_does_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.bnet");
    let eval = |edit: fn(&mut Graph), options: &[&str]| {
        write_model(&path, edit);
        bernet()
            .arg("eval")
            .arg(&path)
            .args(options)
            .output()
            .unwrap()
    };
    fails(
        &eval(|graph| *graph = ink([28, 24, 1], 128, 10), &[]),
        1,
        "images: expected 28×24×1, found 28×28×1",
    );
    fails(
        &eval(|graph| *graph = ink([28, 28, 1], 100, 10), &[]),
        1,
        "use --data",
    );
    fails(
        &eval(|graph| *graph = ink([28, 28, 1], 128, 2), &[]),
        1,
        "the net has 2 classes, the images' labels 10",
    );
    fails(
        &eval(|graph| graph.inputs[0].pixels = Pixels::Unsaid, &[]),
        1,
        "pixels of input \"image\": expected a net that says what they become",
    );
    fails(
        &eval(|_| (), &["--threads", "0"]),
        1,
        "threads: expected 1 to ",
    );
    fails(&eval(|_| (), &["--data", "docs"]), 1, "docs: no file");
}

/// A damaged file is named, whatever is wrong with it.
#[test]
fn a_damaged_model_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.bnet");
    write_model(&path, |_| ());
    let mut bytes = fs::read(&path).unwrap();
    bytes[20] ^= 4;
    fs::write(&path, &bytes).unwrap();
    fails(
        &bernet().arg("info").arg(&path).output().unwrap(),
        1,
        "model.bnet: the file is damaged",
    );
    fs::write(&path, &bytes[..50]).unwrap();
    fails(
        &bernet().arg("info").arg(&path).output().unwrap(),
        1,
        "model.bnet: ",
    );
}

/// A reader that stops early is no error.
#[test]
fn a_closed_pipe_is_quiet() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.bnet");
    // More than a pipe holds.
    write_model(&path, |graph| {
        graph
            .metadata
            .extend((0..9000).map(|index| (format!("key {index}"), "value".repeat(10))));
    });
    let mut child = bernet()
        .arg("info")
        .arg(&path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::with_capacity(16, child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        line.contains("model.bnet") && output.status.success(),
        "{line} {output:?}"
    );
    assert_eq!(text(&output.stderr), "");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.bnet");
    write_model(&path, |_| ());
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = bernet()
        .arg("info")
        .arg(&path)
        .stdout(full)
        .output()
        .unwrap();
    fails(&output, 1, "No space left on device");
}

#[test]
fn help_and_version_go_to_stdout() {
    let help = bernet().arg("--help").output().unwrap();
    for command in ["eval", "info", "predict"] {
        assert!(succeeds(&help).contains(command));
    }
    let version = bernet().arg("--version").output().unwrap();
    assert_eq!(
        succeeds(&version),
        format!("bernet {}\n", env!("CARGO_PKG_VERSION"))
    );
}

/// What is exported says the same of the same pictures, whichever tool of ours reads it.
#[test]
fn an_exported_net_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let accuracy = |net: &Path, options: &[&str]| {
        let eval = bernet().arg("eval").arg(net).args(options).output();
        let output = eval.unwrap();
        assert!(output.status.success(), "{output:?}");
        text(&output.stdout).lines().next().unwrap().to_owned()
    };
    let expected = accuracy("models/mnist.bnet".as_ref(), &[]);
    assert_eq!(expected, "accuracy 97.92 % (9792/10000)");
    for dialect in [&[][..], &["--qonnx"]] {
        let mut export = bernet();
        export.args(["export", "models/mnist.bnet"]).args(dialect);
        let output = export.arg("--onnx").arg(path("net.onnx")).output().unwrap();
        let size = fs::metadata(path("net.onnx")).unwrap().len();
        assert!(succeeds(&output).ends_with(&format!("net.onnx: {size} bytes\n")));
        // The file does not say that its floats are pixel/255.
        fails(
            &bernet().arg("eval").arg(path("net.onnx")).output().unwrap(),
            1,
            "say it by --pixels",
        );
        let found = accuracy(&path("net.onnx"), &["--pixels", "0..1"]);
        assert_eq!(found, expected, "{dialect:?}");
        let mut import = bernet();
        import
            .arg("import")
            .arg(path("net.onnx"))
            .arg("-o")
            .arg(path("again.bnet"));
        succeeds(&import.args(["--pixels", "0..1"]).output().unwrap());
        assert_eq!(accuracy(&path("again.bnet"), &[]), expected, "{dialect:?}");
    }
    let mut export = bernet();
    export.args(["export", "models/mnist.bnet", "--xnor", "--onnx"]);
    succeeds(&export.arg(path("net.onnx")).output().unwrap());
    fails(
        &bernet().arg("info").arg(path("net.onnx")).output().unwrap(),
        1,
        "net.onnx: ",
    );
}

/// A net of three channels takes pictures as they are.
#[test]
fn predict_reads_colours() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let affine = Pixels::Affine {
        scale: vec![1.0],
        bias: vec![-100.0],
    };
    // The mean of each channel is its class's logit.
    let graph = net(Kind::F32, [2, 3, 3], affine, |graph, value| {
        let (kind, axes) = (ReduceKind::Mean, [true, true, false]);
        graph.add_node(Op::Reduce { kind, axes }, &[value]).unwrap()
    });
    format::write(&graph, path("net.bnet")).unwrap();
    let mut encoder = png::Encoder::new(fs::File::create(path("a.png")).unwrap(), 6, 4);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[90, 120, 100].repeat(24)).unwrap();
    writer.finish().unwrap();
    let mut predict = bernet();
    predict
        .arg("predict")
        .arg(path("net.bnet"))
        .arg(path("a.png"));
    let output = predict.arg("--logits").output().unwrap();
    let says = "a.png: class 1, margin 20 (6×4 pixels), logits -10 20 0\n";
    assert!(succeeds(&output).ends_with(says), "{output:?}");
}

#[test]
fn import_names_what_is_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let import = |name: &str| {
        let mut import = bernet();
        import
            .arg("import")
            .arg(path(name))
            .arg("-o")
            .arg(path("out.bnet"));
        import.output().unwrap()
    };
    fails(&import("none.onnx"), 1, "none.onnx: No such file");
    fs::write(path("text.onnx"), "a text").unwrap();
    fails(&import("text.onnx"), 1, "text.onnx: not an ONNX file: ");
    fs::write(path("empty.onnx"), "").unwrap();
    fails(&import("empty.onnx"), 1, "empty.onnx: ");
    fs::write(path("text"), "a text").unwrap();
    fails(&import("text"), 1, "text: not a .bnet file");
    assert!(!path("out.bnet").exists());
}
