//! `bernet predict`.

use super::{
    nets::{ink, net, votes, write_model},
    program::{bernet, fails, succeeds, text},
};
use bernet_kernels::{bits::BitMatrix, xnor::Threshold};
use bernet_runtime::{
    format,
    graph::{BinaryConv, ConvParams, Kind, Op, Pixels, ReduceKind},
};
use std::{fs, ops::Range, path::Path};

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
    // MNIST's form has the ink within 20·20 pixels, a sum of 16 among 28·28: the logit of class 0,
    // and −16 is that of all others.
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
        "mnist-small-4k",
        "mnist-small-8k",
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
