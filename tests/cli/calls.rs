//! Arguments, help texts and what becomes of the output.

use super::{
    nets::write_model,
    program::{bernet, fails, succeeds, text},
};
use std::{
    fs,
    io::{BufRead, BufReader},
    process::Stdio,
};

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
