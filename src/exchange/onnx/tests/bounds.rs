//! Small files that ask for a lot, and data in other files.

use super::{Net, ints};
use crate::exchange::{
    ImportOptions,
    onnx::{
        ImportFileCause, import_file,
        proto::{FunctionProto, StringStringEntryProto, TensorProto, data_type},
    },
};
use prost::Message;
use std::{fs, path::Path};

#[test]
fn constants_that_grow_out_of_proportion() {
    Net::new(&[1, 1])
        .integers("shape", &[1 << 20, 1 << 20])
        .node("ConstantOfShape", "shape", "c", &[])
        .node("ReduceSum", "c", "s", &[])
        .node("Add", "x s", "y", &[])
        .refused(&["ConstantOfShape", "too large"]);
    Net::new(&[1, 1])
        .integers("shape", &[i64::MAX, i64::MAX, i64::MAX])
        .node("ConstantOfShape", "shape", "c", &[])
        .node("Add", "x c", "y", &[])
        .refused(&["ConstantOfShape"]);
    // 2 doubled forty times.
    let mut net = Net::new(&[1, 1]).floats("c0", &[2], &[1.0; 2]);
    for index in 0..40 {
        let (from, to) = (format!("c{index} c{index}"), format!("c{}", index + 1));
        net = net.node("Concat", &from, &to, &[super::int("axis", 0)]);
    }
    net.node("Add", "x c40", "y", &[]).refused(&["too large"]);
}

#[test]
fn inputs_and_pads_of_absurd_size() {
    Net::new(&[1, i64::MAX, i64::MAX])
        .node("Relu", "x", "y", &[])
        .refused(&["input \"x\"", "expected at most"]);
    Net::new(&[1, 1, 1, 1])
        .integers("pads", &[0, 0, 1 << 20, 1 << 20, 0, 0, 0, 0])
        .node("Pad", "x pads", "y", &[])
        .refused(&["Pad", "too large"]);
    Net::new(&[1, 1, 1, 1])
        .node(
            "MaxPool",
            "x",
            "y",
            &[
                ints("kernel_shape", &[1, 1]),
                ints("pads", &[0, 1 << 30, 0, 1 << 30]),
            ],
        )
        .refused(&["MaxPool"]);
}

#[test]
fn functions_that_call_each_other() {
    let function = |name: &str, body: Net| FunctionProto {
        name: name.into(),
        domain: "own".into(),
        input: vec!["a".into()],
        output: vec!["b".into()],
        node: body.graph.node,
        ..FunctionProto::default()
    };
    let call = |net: Net, op: &str, from: &str, to: &str| {
        let mut net = net.node(op, from, to, &[]);
        net.graph.node.last_mut().expect("a node").domain = "own".into();
        net
    };
    let mut net = call(Net::new(&[1, 1]), "F", "x", "y");
    net.functions = vec![function("F", call(Net::default(), "F", "a", "b"))];
    net.refused(&["16 deep"]);
    // Each calls the next twice: 2¹⁵ nodes of a long name.
    let mut net = call(Net::new(&[1, 1]), "F0", "x", "y");
    for index in 0..15 {
        let next = format!("F{}", index + 1);
        let body = call(call(Net::default(), &next, "a", "c"), &next, "c", "b");
        net.functions.push(function(&format!("F{index}"), body));
    }
    let body = Net::default().node("Relu", "a", "b", &[]);
    net.functions.push(function("F15", body));
    match net.import("y") {
        Ok(imported) => assert!(imported.graph.nodes.len() <= 1 << 16),
        Err(error) => assert!(error.to_string().contains("too large"), "{error}"),
    }
}

/// A net that adds a number which is in another file.
fn with_data(name: &str, offset: &str, length: &str) -> Vec<u8> {
    let entry = |key: &str, value: &str| StringStringEntryProto {
        key: key.into(),
        value: value.into(),
    };
    let tensor = TensorProto {
        dims: vec![1],
        data_type: data_type::FLOAT,
        name: "c".into(),
        external_data: vec![
            entry("location", name),
            entry("offset", offset),
            entry("length", length),
        ],
        data_location: 1,
        ..TensorProto::default()
    };
    let net = Net::new(&[1, 1])
        .tensor(tensor)
        .node("Add", "x c", "y", &[]);
    net.model("y").encode_to_vec()
}

fn import_with(folder: &Path, bytes: &[u8], options: &ImportOptions) -> Result<f32, String> {
    let path = folder.join("net.onnx");
    fs::write(&path, bytes).expect("a file");
    match import_file(&path, options) {
        Ok(imported) => Ok(super::run(&imported.graph, &[0.0])[0].1[0]),
        Err(error) => match *error.cause {
            ImportFileCause::Import(error) => Err(error.to_string()),
            other => panic!("{other}"),
        },
    }
}

#[test]
fn data_in_a_plain_file_of_the_same_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = ImportOptions::default();
    let numbers = [1.5_f32, 2.5].map(f32::to_le_bytes).concat();
    fs::write(folder.path().join("data.bin"), numbers).expect("a file");
    let import = |name: &str, offset: &str, length: &str| {
        import_with(folder.path(), &with_data(name, offset, length), &options)
    };
    assert_eq!(import("data.bin", "4", "4"), Ok(2.5));
    for (name, offset, length, part) in [
        ("data.bin", "8", "4", "has only 8"),
        ("data.bin", "18446744073709551615", "4", "has only 8"),
        ("data.bin", "0", "8", "expected 4 bytes"),
        ("data.bin", "x", "4", "expected a number"),
        ("nothing.bin", "0", "4", "cannot be read"),
        ("../data.bin", "0", "4", "without folders"),
        ("/etc/passwd", "0", "4", "without folders"),
        ("..", "0", "4", "without folders"),
        ("", "0", "4", "without folders"),
    ] {
        let error = import(name, offset, length).unwrap_err();
        assert!(error.contains(part), "{name:?}: {error}");
    }
    fs::create_dir(folder.path().join("sub")).expect("a folder");
    let error = import("sub", "0", "4").unwrap_err();
    assert!(error.contains("plain file"), "{error}");
    let refuse = ImportOptions {
        no_external_data: true,
        ..ImportOptions::default()
    };
    let bytes = with_data("data.bin", "0", "4");
    let error = import_with(folder.path(), &bytes, &refuse).unwrap_err();
    assert!(error.contains("--no-external-data"), "{error}");
    let error = super::import(&bytes, &options).unwrap_err();
    assert!(error.to_string().contains("another file"), "{error}");
}

#[cfg(unix)]
#[test]
fn links_are_not_followed() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("data.bin"), [0; 4]).expect("a file");
    let link = folder.path().join("link.bin");
    std::os::unix::fs::symlink(folder.path().join("data.bin"), link).expect("a link");
    let bytes = with_data("link.bin", "0", "4");
    let error = import_with(folder.path(), &bytes, &ImportOptions::default()).unwrap_err();
    assert!(error.contains("plain file"), "{error}");
}
