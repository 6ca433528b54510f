//! The program on graphs: nets from elsewhere, arrays in and out, pictures of graphs.

#[allow(dead_code, reason = "other tests write other fields")]
#[path = "tflite/file.rs"]
mod file;

use bernet::exchange::npy::{Array, Numbers, from_npz};
use bernet_runtime::{
    format,
    graph::{ArrayLayout, BinaryOp, Graph, Kind, Op, Shape},
};
use file::{FLOAT32, Field, File, INT32};
use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

fn bernet() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bernet"));
    command.stdin(Stdio::null());
    command
}

#[track_caller]
fn succeeds(output: &Output) -> &str {
    assert!(output.status.success(), "{output:?}");
    std::str::from_utf8(&output.stdout).expect("text")
}

/// One line on stderr that has this text, and an exit code of 1.
#[track_caller]
fn fails(output: &Output, says: &str) {
    let line = std::str::from_utf8(&output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(line.contains(says), "{line:?} lacks {says:?}");
}

fn write_array(path: &Path, shape: &[usize], values: &[f32]) {
    let array = Array::new(shape.to_vec(), Numbers::F32(values.to_vec())).expect("an array");
    fs::write(path, array.to_npy()).expect("a file");
}

/// Larq's kind of net: bits, a convolution with a scale and a bias, a dense layer.
fn larq() -> File {
    let mut file = File::new(&[1, 1, 2, 2]);
    let bits = file.custom("LceQuantize", &[0], &[], INT32, &[1, 1, 2, 1]);
    let filter = file.integers(&[2, 1, 1, 1], &[0, 1]);
    let (scale, bias) = (
        file.floats(&[2], &[1.0, 2.0]),
        file.floats(&[2], &[0.5, 0.0]),
    );
    let options = [
        ("channels_in", 2),
        ("dilation_height_factor", 1),
        ("dilation_width_factor", 1),
        ("fused_activation_function", 0),
        ("pad_values", 1),
        ("padding", 0),
        ("stride_height", 1),
        ("stride_width", 1),
    ];
    let inputs = [bits, filter, scale, bias, -1];
    let sums = file.custom("LceBconv2d", &inputs, &options, FLOAT32, &[1, 1, 2, 2]);
    let weights = file.floats(&[1, 4], &[1.0, 10.0, 100.0, 1000.0]);
    let options = Some((8, vec![(0, Field::Byte(0))]));
    let y = file.operator(9, &[sums, weights, -1], options, &[1, 1]);
    file.outputs = vec![y];
    file
}

#[test]
fn a_tflite_net_is_imported_shown_drawn_and_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::write(path("net.tflite"), larq().build()).expect("a file");
    let mut import = bernet();
    import
        .arg("import")
        .arg(path("net.tflite"))
        .arg("-o")
        .arg(path("net.bnet"));
    let output = import.args(["--pixels", "-1..1"]).output().expect("a run");
    let text = succeeds(&output);
    assert!(text.contains("4 binary weights, 4 real ones"), "{text}");

    let output = bernet()
        .arg("info")
        .arg(path("net.bnet"))
        .output()
        .expect("a run");
    let text = succeeds(&output);
    for part in [
        "binary conv",
        "input \"t0\": f32 1×2×2, array [N, 1, 2, 2]",
        "memory of a run",
    ] {
        assert!(text.contains(part), "{text} lacks {part}");
    }
    let mut draw = bernet();
    draw.arg("info").arg(path("net.bnet")).arg("--json");
    let output = draw
        .arg("--dot")
        .arg(path("net.dot"))
        .arg("--svg")
        .arg(path("net.svg"))
        .output()
        .expect("a run");
    let object: serde_json::Value = serde_json::from_str(succeeds(&output)).expect("JSON");
    assert_eq!(object["nodes"][1]["binary_macs"], 8);
    assert!(
        fs::read_to_string(path("net.dot"))
            .expect("a file")
            .starts_with("digraph")
    );
    assert!(
        fs::read_to_string(path("net.svg"))
            .expect("a file")
            .ends_with("</svg>\n")
    );

    let mut time = bernet();
    time.arg("bench")
        .arg(path("net.bnet"))
        .args(["--json", "--profile", "--threads", "2", "--profile-svg"])
        .arg(path("profile.svg"))
        .arg("--record")
        .arg(path("record"));
    let output = time.output().expect("a run");
    let lines: Vec<serde_json::Value> = succeeds(&output)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines[0]["threads"], 2);
    assert_eq!(lines[0]["binary_macs"], 8);
    assert!(lines[0]["least_ms"].as_f64() > Some(0.0));
    assert!(lines[0]["cpu_ms"].is_null());
    let (first, bound) = (&lines[1], lines[1]["bound_ms"].as_f64());
    assert!(bound > Some(0.0) && first["least_ms"].as_f64() <= first["ms"].as_f64());
    let picture = fs::read_to_string(path("profile.svg")).expect("a file");
    assert!(picture.contains(">net.bnet: ") && picture.ends_with("</svg>\n"));
    assert_eq!(
        picture.matches(" of the ceiling</text>").count(),
        lines.len() - 1
    );

    // Two items. The first filter is +1 +1, the second −1 +1.
    let x = [1.0, 1.0, -1.0, 1.0, 0.0, -3.0, -1.0, -2.0];
    write_array(&path("x.npy"), &[2, 1, 2, 2], &x);
    let mut run = bernet();
    run.arg("run")
        .arg(path("net.bnet"))
        .arg("--input")
        .arg(path("x.npy"));
    let output = run
        .arg("--output")
        .arg(path("y.npy"))
        .output()
        .expect("a run");
    succeeds(&output);
    let y = Array::from_npy(&fs::read(path("y.npy")).expect("a file")).expect("an array");
    assert_eq!(y.shape(), [2, 1]);
    // (2 + ½, 0) and (0 + ½, 4); (0 + ½, −4) and (−2 + ½, 0).
    let expected = vec![2.5 + 50.0 + 4000.0, 0.5 - 40.0 - 150.0];
    assert_eq!(*y.numbers(), Numbers::F32(expected));
}

/// `sum = a + b`, channels first, and the signs of `a`.
fn write_sum(path: &Path) {
    let mut graph = Graph::default();
    let shape = Shape::new(1, 2, 2);
    let a = graph.add_input("a", Kind::F32, shape).expect("an input");
    let b = graph.add_input("b=2", Kind::F32, shape).expect("an input");
    let sum = graph
        .add_node(Op::Binary(BinaryOp::Add), &[a, b])
        .expect("a sum");
    let bits = graph.add_node(Op::Sign, &[a]).expect("bits");
    graph.add_output("sum", sum).expect("an output");
    graph.add_output("bits", bits).expect("an output");
    graph.inputs[0].layout = ArrayLayout::nchw(shape);
    graph.outputs[0].layout = ArrayLayout::nchw(shape);
    format::write(&graph, path).expect("a file");
}

#[test]
fn several_arrays_go_in_by_name_and_come_out_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    write_sum(&path("net.bnet"));
    write_array(&path("a.npy"), &[1, 2, 1, 2], &[1.0, 2.0, -3.0, 4.0]);
    write_array(&path("b.npy"), &[1, 1, 2, 2], &[10.0, 20.0, 30.0, 40.0]);
    write_array(&path("two.npy"), &[2, 1, 2, 2], &[0.0; 8]);
    let run = |inputs: &[&str], output: &str| {
        let mut run = bernet();
        run.arg("run").arg(path("net.bnet"));
        for input in inputs {
            let (name, file) = input.rsplit_once('=').expect("a name");
            run.arg("--input")
                .arg(format!("{name}={}", path(file).display()));
        }
        run.arg("--output")
            .arg(path(output))
            .output()
            .expect("a run")
    };
    let output = run(&["b=2=b.npy", "a=a.npy"], "y.npz");
    assert_eq!(
        succeeds(&output),
        "sum: float32 [1, 2, 1, 2]\nbits: float32 [1, 1, 2, 2]\n"
    );
    let arrays = from_npz(&fs::read(path("y.npz")).expect("a file"), 1 << 20).expect("arrays");
    let names: Vec<_> = arrays.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["sum", "bits"]);
    assert_eq!(
        *arrays[0].1.numbers(),
        Numbers::F32(vec![11.0, 32.0, 17.0, 44.0])
    );
    assert_eq!(
        *arrays[1].1.numbers(),
        Numbers::F32(vec![1.0, -1.0, 1.0, 1.0])
    );

    fails(&run(&["a=a.npy"], "y.npz"), "input \"b=2\": no array");
    fails(
        &run(&["c=a.npy"], "y.npz"),
        "expected NAME=FILE with one of a, b=2",
    );
    fails(
        &run(&["a=a.npy", "a=a.npy"], "y.npz"),
        "a has an array already",
    );
    fails(
        &run(&["a=b.npy", "b=2=b.npy"], "y.npz"),
        "sizes: expected [any number, 2, 1, 2]",
    );
    fails(
        &run(&["a=a.npy", "b=2=two.npy"], "y.npz"),
        "expected equal first axes",
    );
    fails(
        &run(&["a=net.bnet", "b=2=b.npy"], "y.npz"),
        "no .npy file: other first bytes",
    );
    fails(
        &run(&["a=a.npy", "b=2=b.npy"], "y.npy"),
        "the net has 2 outputs",
    );
    fails(
        &run(&["a=a.npy", "b=2=b.npy"], "y.txt"),
        "ends in .npz or .npy",
    );
}

#[test]
fn what_is_no_net_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let import = |name: &str| {
        let mut import = bernet();
        import
            .arg("import")
            .arg(path(name))
            .arg("-o")
            .arg(path("out.bnet"));
        import.output().expect("a run")
    };
    fails(&import("none.tflite"), "none.tflite: No such file");
    fs::write(path("text.onnx"), "a text").expect("a file");
    fails(&import("text.onnx"), "text.onnx: not an ONNX file");
    let bytes = larq().build();
    fs::write(path("cut.tflite"), &bytes[..100]).expect("a file");
    fails(&import("cut.tflite"), "cut.tflite: damaged TFLite file");
    assert!(!path("out.bnet").exists());
}
