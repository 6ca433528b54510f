//! `bernet experiment table` as a user meets it.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

fn table(folder: &Path, arguments: &[&str]) -> (String, String, bool) {
    let output = Command::new(env!("CARGO_BIN_EXE_bernet"))
        .args(["experiment", "table", "--quick", "--out"])
        .arg(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (
        text(output.stdout),
        text(output.stderr),
        output.status.success(),
    )
}

fn rows(folder: &Path) -> Vec<csv::StringRecord> {
    let mut reader = csv::Reader::from_path(folder.join("accuracy.csv")).expect("a table");
    let rows = reader.records();
    rows.map(|row| row.expect("a row")).collect()
}

#[test]
fn every_row_runs_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let (out, log, success) = table(folder, &[]);
    assert!(success, "{log}");
    let first = rows(folder);
    assert!(first.len() >= 15, "{out}");
    for row in &first {
        let bytes: u64 = row[4].parse().expect("a number");
        let limit = match &row[1] {
            "talk" | "talk-24" | "talk-grey" => 8_000,
            "lenet-binary" => 64_000,
            _ => 400_000,
        };
        let binary = &row[3] == "1";
        assert!(binary != row[0].starts_with("real"), "{row:?}");
        assert!(!binary || bytes < limit, "{row:?}");
        for share in [&row[5], &row[6]] {
            let share: f64 = share.parse().expect("a number");
            assert!((0.0..=100.0).contains(&share), "{row:?}");
        }
        assert!(row[8].starts_with("bernet train --method "), "{row:?}");
        assert!(out.contains(&row[0]), "{out}");
    }
    let page = fs::read_to_string(folder.join("report.html")).expect("a report");
    for part in [
        "89.5",
        "97.5",
        "<svg",
        "Certainty of the weights",
        "</html>",
    ] {
        assert!(page.contains(part), "the report lacks {part:?}");
    }
    let markdown = fs::read_to_string(folder.join("table.md")).expect("a table");
    assert!(
        markdown.contains("| bernoulli, part by part | talk | 1 |"),
        "{markdown}"
    );

    // What is there is not trained again; what was lost is, and comes out the same.
    let row = folder.join("ste-heavy-tails-1/row.json");
    let model = fs::read(folder.join("ste-heavy-tails-1/model.bnet")).expect("a net");
    fs::remove_file(&row).expect("removed");
    fs::remove_file(folder.join("ste-heavy-tails-1/model.bnet")).expect("removed");
    fs::remove_file(folder.join("ste-heavy-tails-1/checkpoint")).expect("removed");
    let (_, log, success) = table(folder, &["--finished"]);
    assert!(success && !log.contains("epoch"), "{log}");
    assert_eq!(rows(folder).len(), first.len() - 1);
    let (_, log, success) = table(folder, &[]);
    assert!(success, "{log}");
    let trained = log.lines().filter(|line| line.starts_with("epoch 2/2"));
    assert_eq!(trained.count(), 1, "{log}");
    assert!(fs::read(folder.join("ste-heavy-tails-1/model.bnet")).expect("a net") == model);
    let second = rows(folder);
    for (first, second) in first.iter().zip(&second) {
        // All but the seconds.
        assert_eq!(
            first.iter().take(7).collect::<Vec<_>>(),
            second.iter().take(7).collect::<Vec<_>>()
        );
    }
}

#[test]
fn a_row_and_a_seed_can_be_trained_by_themselves() {
    let folder = tempfile::tempdir().expect("a folder");
    // Another row's name begins so too.
    let (_, log, success) = table(folder.path(), &["--only", "bnn", "--first-seed", "2"]);
    assert!(success, "{log}");
    let rows = rows(folder.path());
    let names: Vec<_> = rows.iter().map(|row| (&row[0], &row[2])).collect();
    assert_eq!(names, [("bnn", "2")]);
}

#[cfg(unix)]
#[test]
fn a_full_disk_is_one_plain_line() {
    let folder = tempfile::tempdir().expect("a folder");
    // No file may grow beyond 16 blocks; a process that ignores the signal is told so.
    let script = "trap '' XFSZ; ulimit -f 16; exec \"$0\" train --method ste --net talk-24 --epochs 1 --out \"$1\"";
    let output = Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_bernet")])
        .arg(folder.path())
        .stdin(Stdio::null())
        .output()
        .expect("bash starts");
    let log = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{log}");
    let last = log.lines().last().expect("a line");
    assert!(
        last.starts_with("bernet: checkpoint: ") && last.contains("checkpoint: File too large"),
        "{last}"
    );
    let left = fs::read_dir(folder.path()).expect("a folder").count();
    assert!(
        left <= 3,
        "metrics, events and the lock, no part of a checkpoint"
    );
}

#[test]
fn rows_are_listed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (out, _, success) = table(folder.path(), &["--list", "--only", "bnn"]);
    assert!(success);
    assert_eq!(out, "bnn\n");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

#[test]
fn unknown_rows_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_, log, success) = table(folder.path(), &["--only", "magic"]);
    assert!(!success);
    assert!(
        log.starts_with("bernet: --only magic: expected the beginning of one of: real; "),
        "{log}"
    );
    assert_eq!(log.lines().count(), 1, "{log}");
}
