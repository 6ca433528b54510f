//! `bernet convert`, `info`, `export` and `import`: what is in a file.

use super::{
    nets::{ink, write_model},
    program::{bernet, fails, succeeds, text},
};
use bernet_runtime::format;
use std::{fs, path::Path};

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
