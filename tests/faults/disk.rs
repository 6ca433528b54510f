//! Disks that are full, broken or read-only, outputs that are closed, requests to stop: a message, and nothing is lost.

use crate::{
    spawn::spawn,
    training::{Training, complaint, succeeded},
};
use bernet::train::Trainer;
use std::{
    fs::{self, File},
    process::{Command, Stdio},
};

const EPOCHS: [&str; 2] = ["--epochs", "2"];

/// Every write to a file and every flush of a training fails in turn: the message names the file, the checkpoint before
/// loads, and the training that is taken up ends in the bits of one that nothing happened to.
#[test]
#[cfg(target_os = "linux")]
fn every_write_and_every_flush_may_fail() {
    let training = Training::new();
    succeeded(training.command("whole").args(EPOCHS).output().unwrap());
    let library = training.path("fail_nth.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/fail_nth.c");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .args([source, "-ldl"])
        .output();
    succeeded(compiled.expect("a C compiler, which Rust links with"));

    const ENOSPC: (&str, &str) = ("28", "No space left on device");
    const EIO: (&str, &str) = ("5", "Input/output error");
    let mut points = 0;
    for (call, (errno, says)) in [("write", ENOSPC), ("fsync", EIO)] {
        for number in 1.. {
            let out = format!("{call}-{number}");
            let mut command = training.command(&out);
            command.args(EPOCHS).env("LD_PRELOAD", &library);
            command
                .env("FAIL_CALL", call)
                .env("FAIL_NUMBER", number.to_string())
                .env("FAIL_ERRNO", errno);
            let output = command.output().unwrap();
            if output.status.success() {
                assert!(number > 6, "only {number} calls of {call}");
                break;
            }
            let line = complaint(&output);
            println!(
                "{out}: {}",
                line.replace(training.path("").to_str().unwrap(), "")
            );
            assert!(line.contains(says) && line.contains(&out), "{line}");
            points += 1;
            let mut again = training.command(&out);
            match Trainer::load(&training.checkpoint(&out)) {
                Ok(_) => again.arg("--resume"),
                Err(error) => {
                    // The heads of metrics and events come before the first checkpoint.
                    assert!(number <= 3, "{error}");
                    again.args(EPOCHS)
                }
            };
            succeeded(again.output().unwrap());
            assert!(training.model(&out) == training.model("whole"), "{out}");
            assert_eq!(training.partial_files(&out), 0, "{out}");
        }
    }
    println!("{points} points");
    assert!(points >= 12, "{points}");
}

/// Where files cannot be, or not be so large.
#[test]
fn folders_that_cannot_be_written_to() {
    let training = Training::new();
    fs::write(training.path("file"), "").unwrap();
    fs::create_dir_all(training.path("taken/checkpoint")).unwrap();
    for (out, says) in [
        ("file", "file: File exists"),
        ("file/in", "in: Not a directory"),
        (
            "taken",
            "checkpoint: there is something here that is not a file",
        ),
    ] {
        let line = complaint(&training.command(out).args(EPOCHS).output().unwrap());
        assert!(line.contains(says), "{line}");
    }
    // A limit of 512 bytes a file; the signal that comes with it is ignored, as shells and services do.
    let program = training
        .command("small")
        .args(EPOCHS)
        .get_program()
        .to_owned();
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$@\"", "sh"])
        .arg(program);
    command.args(training.command("small").args(EPOCHS).get_args());
    let line = complaint(&command.output().unwrap());
    assert!(line.contains("small/checkpoint: File too large"), "{line}");
}

/// A disk of 64 KiB, and one that cannot be written to; where the system lets anyone mount one.
#[test]
#[cfg(target_os = "linux")]
fn disks_that_are_full_or_read_only() {
    let can_mount = Command::new("unshare").args(["-rm", "true"]).output();
    if !can_mount.is_ok_and(|output| output.status.success()) {
        return println!("no disk can be mounted here: not tested");
    }
    let training = Training::new();
    fs::create_dir(training.path("disk")).unwrap();
    let on_disk = |prepare: &str| {
        let script = format!("mount -t tmpfs -o size=64k none \"$0\" && {prepare} && exec \"$@\"");
        let mut command = Command::new("unshare");
        command
            .args(["-rm", "sh", "-c", &script])
            .arg(training.path("disk"));
        let mut train = training.command("disk");
        train.args(EPOCHS);
        command.arg(train.get_program()).args(train.get_args());
        complaint(&command.output().unwrap())
    };
    let line = on_disk("head -c 60000 /dev/zero > \"$0/other\"");
    assert!(
        line.contains("/disk/") && line.contains(": No space left on device"),
        "{line}"
    );
    let line = on_disk("mount -o remount,ro \"$0\"");
    assert!(
        line.contains("/disk/") && line.contains(": Read-only file system"),
        "{line}"
    );
}

/// Whoever read the output has gone, or it goes to a full disk.
#[test]
fn outputs_that_cannot_be_written_to() {
    let info = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bernet"));
        command.args([
            "info",
            concat!(env!("CARGO_MANIFEST_DIR"), "/models/mnist.bnet"),
        ]);
        command
    };
    // Closed by its reader before the first line: no error, as of any program in a pipe.
    let mut child = info()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    if cfg!(target_os = "linux") {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let line = complaint(&info().stdout(full).stderr(Stdio::piped()).output().unwrap());
        assert!(line.contains("No space left on device"), "{line}");
        // Nowhere to complain to either: the code says it.
        let full = || File::options().write(true).open("/dev/full").unwrap();
        let status = info().stdout(full()).stderr(full()).status().unwrap();
        assert_eq!(status.code(), Some(1));
    }
    for closed in ["<&-", ">&-", "2>&-"] {
        let script = format!("exec \"$0\" \"$@\" {closed}");
        let mut command = Command::new("sh");
        let info = info();
        command
            .args(["-c", &script])
            .arg(info.get_program())
            .args(info.get_args());
        let output = command.output().unwrap();
        assert!(
            output.stderr.is_empty() && output.status.success(),
            "{closed}: {output:?}"
        );
    }
}

/// Ctrl-C, a request to end, and a closed terminal, in the course of training and while the real-valued net is trained.
#[test]
fn requests_to_stop() {
    let training = Training::new();
    succeeded(
        training
            .command("whole")
            .args(["--epochs", "6"])
            .output()
            .unwrap(),
    );
    for signal in ["INT", "TERM", "HUP"] {
        for (at, epochs, says) in [
            ("epoch 2/", "6", "epochs; `--resume --out "),
            ("epoch 1/3", "1", "has been written"),
        ] {
            let out = format!("{signal}-{epochs}");
            let mut command = training.command(&out);
            command.args(["--epochs", epochs]);
            let (mut child, mut lines) = spawn(&mut command);
            assert!(lines.any(|line| line.starts_with(at)), "{out}");
            let sent = Command::new("kill")
                .args(["-s", signal, &child.id().to_string()])
                .status();
            assert!(sent.unwrap().success());
            let rest: Vec<_> = lines.collect();
            // It may have got through the milliseconds that were left.
            if child.wait().unwrap().success() {
                continue;
            }
            assert_eq!(child.wait().unwrap().code(), Some(1), "{rest:?}");
            let last = rest.last().unwrap();
            assert!(
                last.starts_with("bernet: stopped") && last.contains(says),
                "{rest:?}"
            );
            if epochs == "6" {
                succeeded(training.command(&out).arg("--resume").output().unwrap());
                assert!(training.model(&out) == training.model("whole"), "{out}");
            }
        }
    }
}
