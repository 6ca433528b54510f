//! `bernet train` as a user meets it, on a folder of a thousand digits.

#[path = "support/digits.rs"]
mod digits;
#[cfg(unix)]
#[path = "support/spawn.rs"]
mod spawn;

use bernet::train::Trainer;
use bernet_runtime::format;
use digits::write_digits;
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

fn bernet() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bernet"));
    command.stdin(Stdio::null());
    command
}

fn train(folder: &Path) -> Command {
    let mut command = bernet();
    command.args(["train", "--data"]).arg(folder);
    command.arg("--out").arg(folder.join("out"));
    command
}

#[test]
fn a_training_leaves_a_model_a_report_and_metrics() {
    let folder = tempfile::tempdir().unwrap();
    write_digits(folder.path(), 1_200, 300);
    let output = train(folder.path())
        .args(["--net", "talk-24", "--epochs", "3"])
        .output()
        .unwrap();
    let (table, log) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert!(output.status.success(), "{log}");
    assert!(
        table.contains("real-valued, 3 epochs") && table.contains("binary, bernoulli, 3 epochs"),
        "{table}"
    );
    assert!(
        log.contains("1100 images to train on, 100 to choose by, 300 to test"),
        "{log}"
    );
    assert!(log.contains("epoch 3/3"), "{log}");

    let out = folder.path().join("out");
    let bytes = fs::read(out.join("model.bnet")).unwrap();
    let model = format::from_bytes(&bytes).unwrap();
    assert!(
        model.metadata["command"]
            .starts_with("bernet train --method bernoulli --epochs 3 --seed 1 --net talk-24")
    );
    let metrics = fs::read_to_string(out.join("metrics.csv")).unwrap();
    assert_eq!(metrics.lines().count(), 4, "{metrics}");
    let report = fs::read_to_string(out.join("report.html")).unwrap();
    for part in [
        "</html>",
        "Training and binarisation",
        "<svg",
        "97.5 %",
        "What it misreads",
        "alt=\"Layer 1: 8 units, each of 6×6 weights for 1 channel\"",
    ] {
        assert!(report.contains(part), "the report lacks {part:?}");
    }

    // There is nothing left to train, and the same net comes out.
    let again = train(folder.path()).arg("--resume").output().unwrap();
    assert!(again.status.success(), "{again:?}");
    assert!(fs::read(out.join("model.bnet")).unwrap() == bytes);
}

#[cfg(unix)]
#[test]
fn an_interrupted_training_can_be_taken_up_again() {
    let folder = tempfile::tempdir().unwrap();
    write_digits(folder.path(), 1_200, 300);
    for signal in ["-INT", "-TERM"] {
        let (mut child, mut lines) =
            spawn::spawn(train(folder.path()).args(["--net", "talk-24", "--epochs", "100000"]));
        assert!(lines.any(|line| line.starts_with("epoch 2/100000")));
        assert!(
            Command::new("kill")
                .args([signal, &child.id().to_string()])
                .status()
                .unwrap()
                .success()
        );
        let last = lines.last().unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(1), "{last}");
        assert!(
            last.starts_with("bernet: stopped after ") && last.contains("`--resume --out "),
            "{last}"
        );
        let trainer = Trainer::load(&folder.path().join("out/checkpoint")).unwrap();
        assert!(trainer.history().len() >= 2);
    }
}

/// The command in the model's metadata has what differs from the method's own settings, and makes the same model.
#[test]
fn the_command_makes_the_same_model_again() {
    let folder = tempfile::tempdir().unwrap();
    write_digits(folder.path(), 1_200, 300);
    let model = |arguments: &[&str]| {
        let output = train(folder.path()).args(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        format::read(folder.path().join("out/model.bnet")).unwrap()
    };
    let first = model(&[
        "--method",
        "gaussian-sampled",
        "--net",
        "talk-24",
        "--epochs",
        "2",
        "--binarise",
        "layer",
        "--set",
        "batch = 100",
        "--set",
        "width.to = 0.5",
    ]);
    let command = first.metadata["command"].clone();
    assert!(
        command.contains(
            "--method gaussian-sampled --epochs 2 --seed 1 --binarise layer --set 'batch = 100' --set 'width.to = 0.5' --net talk-24"
        ),
        "{command}"
    );
    // What a shell makes of the quotes.
    let words: Vec<&str> = command
        .split('\'')
        .enumerate()
        .flat_map(|(index, part)| {
            let quoted = index % 2 == 1;
            let words = part.split_whitespace().filter(move |_| !quoted);
            words.chain(Some(part).filter(|_| quoted))
        })
        .collect();
    let end = words.iter().position(|word| *word == "--data").unwrap();
    assert!(model(&words[2..end]) == first);
}

#[test]
fn wrong_calls_get_one_line() {
    let folder = tempfile::tempdir().unwrap();
    write_digits(folder.path(), 1_200, 300);
    let net = folder.path().join("net.toml");
    fs::write(
        &net,
        include_str!("../nets/talk.toml").replacen("[10, 10]", "[13, 10]", 1),
    )
    .unwrap();
    let net = net.to_str().unwrap();
    let damaged = folder.path().join("damaged.toml");
    fs::write(&damaged, "layer = []\n[input]\nwidth = 28\n").unwrap();
    let damaged = damaged.to_str().unwrap();
    for (arguments, says) in [
        (
            &["--net", "sed"][..],
            "--net sed: expected one of talk, talk-24, talk-grey, small-grey, small-grey-4k, small-grey-8k, lenet-binary, lenet-wide, dense-3x1024, lenet-grey, digits, cifar-small, cifar-cnv, cifar-residual, or a TOML file",
        ),
        (&["--net", "."], "net .: Is a directory"),
        (
            &["--net", damaged],
            "line 2, column 1: missing field `height`",
        ),
        (&["--net", net], "layer 2 (conv): height"),
        (&["--resume"], "out/checkpoint: No such file"),
        (
            &["--method", "ste", "--gradient", "three"],
            "--gradient belongs to --method bernoulli",
        ),
        (
            &["--surrogate", "identity"],
            "--surrogate belongs to --method ste",
        ),
        (
            &["--activations", "mode"],
            "--activations belongs to an exact --gradient",
        ),
        (
            &[
                "--gradient",
                "three",
                "--normalisation",
                "literal",
                "--activations",
                "mode",
            ],
            "--normalisation literal normalises probabilities: it goes with --activations mean",
        ),
        (
            &["--normalisation", "literal"],
            "--normalisation belongs to an exact --gradient",
        ),
        (
            &["--method", "bnn", "--binarise", "all"],
            "--binarise belongs to methods with random weights; those of bnn are binary",
        ),
        (
            &["--set", "width.too = 1.0"],
            "--set 'width.too = 1.0': unknown field `too`",
        ),
    ] {
        let output = train(folder.path()).args(arguments).output().unwrap();
        let line = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{line}");
        assert!(
            line.starts_with("bernet: ") && line.lines().count() == 1 && line.contains(says),
            "{line:?} lacks {says:?}"
        );
    }
}

/// A message of a program that failed, in one line.
fn complaint(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let line = text.lines().last().unwrap_or_default().to_owned();
    assert!(line.starts_with("bernet: "), "{text}");
    line
}

/// A training goes on with the data and the settings that it began with, or not at all.
#[test]
fn what_resume_is_told_must_agree_with_the_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    write_digits(folder.path(), 1_200, 300);
    let begun = train(folder.path())
        .args(["--net", "talk-24", "--epochs", "2", "--set", "batch = 100"])
        .output()
        .unwrap();
    assert!(begun.status.success(), "{begun:?}");
    let resume = |arguments: &[&str]| {
        let mut command = train(folder.path());
        command.arg("--resume").args(arguments);
        command
    };
    for (arguments, says) in [
        (
            &["--epochs", "3"][..],
            "--epochs: OUT was begun with 2, this command asks for 3",
        ),
        (
            &["--preset", "full"],
            "--preset: OUT was begun with 2, this command asks for 90",
        ),
        (
            &["--method", "ste"],
            "--method: OUT was begun with bernoulli, this command asks for ste",
        ),
        (
            &["--seed", "9"],
            "--seed: OUT was begun with 1, this command asks for 9",
        ),
        (&["--net", "talk"], "--net: OUT was begun with another net"),
        (
            &["--gradient", "three"],
            "--gradient: OUT was begun with sampled, this command asks for three",
        ),
        (
            &["--binarise", "all"],
            "--binarise: OUT was begun with part, this command asks for all",
        ),
        (
            &["--warp", "0.5"],
            "--warp: OUT was begun with 0, this command asks for 0.5",
        ),
        (
            &["--search"],
            "--search: OUT was begun with without, this command asks for with",
        ),
        (
            &["--set", "batch = 50"],
            "--set: OUT was begun with other settings, this command asks for batch = 50",
        ),
    ] {
        let line = complaint(&mut resume(arguments));
        let checkpoint = folder.path().join("out/checkpoint").display().to_string();
        let line = line.replace(&checkpoint, "OUT");
        assert!(line.contains(says), "{line:?} lacks {says:?}");
    }

    // Other images, a folder that is forgotten, and images that are in order but for one label.
    let other = tempfile::tempdir().unwrap();
    write_digits(other.path(), 1_200, 299);
    let elsewhere = |data: Option<&Path>| {
        let mut command = bernet();
        command.args(["train", "--resume", "--out"]);
        command.arg(folder.path().join("out"));
        data.into_iter().for_each(|data| {
            command.arg("--data").arg(data);
        });
        command
    };
    let line = complaint(&mut elsewhere(None));
    let name = folder
        .path()
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    for says in [
        format!("trained on {name}: 1200 training and 300 test images"),
        "this command gives it MNIST: 60000 training and 10000 test images".into(),
        "the --data that it began with".into(),
    ] {
        assert!(line.contains(&says), "{line:?} lacks {says:?}");
    }
    let line = complaint(&mut elsewhere(Some(other.path())));
    assert!(line.contains("1200 training and 299 test images"), "{line}");
    write_digits(other.path(), 1_200, 300);
    let labels = other.path().join("train-labels-idx1-ubyte");
    let mut bytes = fs::read(&labels).unwrap();
    bytes[20] = (bytes[20] + 1) % 10;
    fs::write(&labels, bytes).unwrap();
    let line = complaint(&mut elsewhere(Some(other.path())));
    assert!(line.contains("checksum"), "{line}");

    // The same images in a folder of another name, and settings that agree.
    write_digits(other.path(), 1_200, 300);
    let agreed = elsewhere(Some(other.path()))
        .args([
            "--net",
            "talk-24",
            "--epochs",
            "2",
            "--method",
            "bernoulli",
            "--set",
            "batch = 100",
        ])
        .output()
        .unwrap();
    assert!(agreed.status.success(), "{agreed:?}");
}

/// Two trainings into one folder would write over each other.
#[cfg(unix)]
#[test]
fn the_second_training_into_a_folder_refuses() {
    let folder = tempfile::tempdir().unwrap();
    write_digits(folder.path(), 1_200, 300);
    let (mut child, mut lines) =
        spawn::spawn(train(folder.path()).args(["--net", "talk-24", "--epochs", "100000"]));
    assert!(lines.any(|line| line.starts_with("epoch 1/")));
    for arguments in [&["--epochs", "1"][..], &["--resume"]] {
        let line = complaint(train(folder.path()).args(arguments));
        assert!(
            line.contains("another training writes into this folder") && line.contains("out/lock"),
            "{line}"
        );
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // The lock ends with its process.
    let mut after = train(folder.path());
    after.args(["--net", "talk-24", "--epochs", "1"]);
    assert!(after.output().unwrap().status.success());
}
