//! The program on small devices: `export --c`, `export --plan`, `info --device`.

use bernet_runtime::firmware::Plan;
use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

fn bernet(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bernet"));
    command.args(arguments).stdin(Stdio::null());
    command.output().expect("a run")
}

#[track_caller]
fn succeeds(output: &Output) -> &str {
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    std::str::from_utf8(&output.stdout).expect("text")
}

#[track_caller]
fn fails(output: &Output, code: i32, says: &str) {
    let line = std::str::from_utf8(&output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(code), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(line.contains(says), "{line:?} lacks {says:?}");
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).expect("a file")
}

#[test]
fn export_c_writes_files_under_the_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let into = folder.path().join("new/folder");
    let target = into.to_str().expect("text");
    let arguments = [
        "export",
        "models/mnist.bnet",
        "--c",
        target,
        "--name",
        "digit",
        "--test",
        "3",
    ];
    let said = succeeds(&bernet(&arguments)).to_owned();
    for name in ["digit.h", "digit.c", "digit_test.h"] {
        let line = format!("{name}: {} bytes\n", read(&into, name).len());
        assert!(said.contains(&line), "{said}");
    }
    assert!(said.contains("working memory 352 bytes"), "{said}");
    let header = read(&into, "digit.h");
    let function = "void digit_run(void *arena, const uint8_t *pixels, int32_t *logits);";
    assert!(header.contains(function), "{header}");
    assert!(header.contains("mnist.bnet: 6205 bytes"), "{header}");
    assert!(
        !header.contains("net_") && !header.contains("NET_"),
        "{header}"
    );
    let source = read(&into, "digit.c");
    assert!(source.contains("#include \"digit.h\""), "{source}");
    assert!(!source.contains("net_") && !source.contains("NET_"));
    let images = read(&into, "digit_test.h");
    assert!(images.contains("#define DIGIT_TEST_IMAGES 3"), "{images}");
    // The first digits of the test images are 7, 2, 1.
    let labels = "digit_test_labels[3] = {\n    7, 2, 1,\n};";
    assert!(images.contains(labels), "{images}");
    // The same net gives the same text.
    succeeds(&bernet(&arguments));
    assert_eq!(read(&into, "digit.c"), source);
}

#[test]
fn export_c_writes_a_library_for_arduino() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().to_str().expect("text");
    let arguments = [
        "export",
        "models/mnist-grey.bnet",
        "--c",
        target,
        "--name",
        "digit",
        "--arduino",
    ];
    succeeds(&bernet(&arguments));
    let properties = read(folder.path(), "library.properties");
    for line in ["name=digit", "includes=digit.h", "architectures=*"] {
        assert!(
            properties.lines().any(|found| found == line),
            "{properties}"
        );
    }
    assert!(
        properties.lines().all(|line| line.contains('=')),
        "{properties}"
    );
    let sketch = read(folder.path(), "examples/digit/digit.ino");
    let header = read(folder.path(), "src/digit.h");
    for macro_name in ["DIGIT_ARENA_BYTES", "DIGIT_INPUT_BYTES"] {
        assert!(sketch.contains(macro_name), "{sketch}");
        assert!(
            header.contains(&format!("#define {macro_name} ")),
            "{header}"
        );
    }
    assert!(read(folder.path(), "src/digit.c").contains("int digit_classify("));
}

#[test]
fn export_plan_writes_a_plan_and_test_digits() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("net.plan");
    let arguments = ["export", "models/mnist-small.bnet", "--test", "3", "--plan"];
    let output = bernet(&[&arguments[..], &[target.to_str().expect("text")]].concat());
    let said = succeeds(&output);
    let words = |name: &str| {
        let bytes = fs::read(folder.path().join(name)).expect("a file");
        let line = format!("{name}: {} bytes\n", bytes.len());
        assert!(said.contains(&line), "{said}");
        let (words, rest) = bytes.as_chunks();
        assert!(rest.is_empty(), "{name}: whole words");
        words
            .iter()
            .copied()
            .map(u32::from_le_bytes)
            .collect::<Vec<_>>()
    };
    let (plan, tests) = (words("net.plan"), words("net.test"));
    let plan = Plan::new(&plan).expect("a plan");
    // Three images of 784 bits, ten logits each.
    assert_eq!(
        (tests[..3].to_vec(), tests.len()),
        (vec![3, 25, 10], 3 + 3 * 36)
    );
    let mut arena = vec![0; plan.sizes().arena_words];
    let mut logits = [0; 10];
    for (image, label) in tests[3..].chunks(36).zip([7, 2, 1]) {
        let pixel = |at: usize| 255 * (image[at / 32] >> (at % 32) & 1) as u8;
        let pixels: Vec<u8> = (0..784).map(pixel).collect();
        plan.run(&mut arena, &pixels, &mut logits).expect("it runs");
        assert_eq!(image[25], label);
        assert_eq!(image[26..], logits.map(|logit| logit as u32));
    }
    let refused = ["export", "models/mnist.bnet", "--plan", "x", "--arduino"];
    fails(&bernet(&refused), 2, "--arduino");
}

#[test]
fn what_export_c_cannot_do_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().to_str().expect("text");
    let export = |more: &[&str]| {
        let arguments = [&["export", "models/mnist.bnet", "--c", target], more].concat();
        bernet(&arguments)
    };
    fails(
        &export(&["--name", "1st"]),
        1,
        "name \"1st\": expected a letter",
    );
    fails(
        &export(&["--test", "0"]),
        1,
        "--test 0: expected 1 to 10000",
    );
    fails(&export(&["--test", "10001"]), 1, "expected 1 to 10000");
    fails(&export(&["--qonnx"]), 2, "--qonnx");
    fails(
        &bernet(&[
            "export",
            "models/mnist.bnet",
            "--onnx",
            "x.onnx",
            "--test",
            "1",
        ]),
        2,
        "--test",
    );
    fails(
        &bernet(&["export", "none.bnet", "--c", target]),
        1,
        "none.bnet",
    );
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

#[test]
fn info_tells_what_a_device_needs() {
    let output = bernet(&["info", "models/mnist.bnet", "--device", "--json"]);
    let said: serde_json::Value = serde_json::from_str(succeeds(&output)).expect("JSON");
    let number = |name: &str| said[name].as_u64().expect("a number");
    assert_eq!(said["layers"].as_array().expect("layers").len(), 5);
    assert_eq!(number("arena_bytes"), 352);
    // Measured on the emulated core: 63 450 instructions, 4 236 bytes of code.
    assert!((60_000..70_000).contains(&number("estimated_instructions")));
    assert!((3_800..5_200).contains(&number("estimated_code_bytes")));
    let constants = number("constant_bytes");
    let of_layers = said["layers"].as_array().expect("layers").iter();
    let bytes = of_layers.map(|layer| layer["constant_bytes"].as_u64().expect("a number"));
    assert_eq!(bytes.sum::<u64>(), constants);
    let output = bernet(&["info", "models/mnist-lenet.bnet", "--device"]);
    let said = succeeds(&output);
    assert!(said.contains("32 channels at once"), "{said}");
    assert!(said.contains("RAM: 1412 bytes"), "{said}");
}
