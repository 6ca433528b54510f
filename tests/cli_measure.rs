//! `bernet bench` and `bernet recover` as a user meets them.

use serde_json::Value;
use std::{fs, process::Command};

fn bench(arguments: &[&str]) -> (bool, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bernet"));
    let output = command.arg("bench").args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.success(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn lines(arguments: &[&str]) -> Vec<Value> {
    let (success, out, error) = bench(arguments);
    assert!(success, "{error}");
    out.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_line_a_case_in_json() {
    for (kernel, shape) in [
        ("gemm", "9x70x65"),
        ("conv", "5x6x33"),
        ("first-layer", "7x6x3x3"),
    ] {
        let found = lines(&[
            "--kernel", kernel, "--shape", shape, "--level", "portable", "--json",
        ]);
        assert_eq!(found.len(), 2, "two outputs");
        for line in found {
            assert_eq!(line["kernel"], kernel);
            assert_eq!(line["shape"], shape);
            assert_eq!(line["level"], "portable");
            assert_eq!(line["threads"], 1);
            assert_eq!(line["checked"], true);
            assert!(line["gmac_per_s"].as_f64().unwrap() > 0.0, "{line}");
            assert!(line["ceiling_share"].as_f64().unwrap() > 0.0, "{line}");
        }
    }
}

#[test]
fn every_exact_form_of_a_sum_is_right() {
    for line in lines(&["--kernel", "poisson-binomial", "--shape", "9", "--json"]) {
        let form = line["form"].as_str().unwrap();
        let error = line["max_abs_error"].as_f64().unwrap();
        assert_eq!(line["n"], 9);
        assert!(line["ns_per_neuron_sample"].as_f64().unwrap() > 0.0);
        if !["normal", "three", "five", "extended"].contains(&form) {
            assert!(error < 1e-5, "{line}");
        }
    }
}

#[test]
fn a_record_says_what_it_was_measured_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let (success, ..) = bench(&[
        "--shape",
        "8x8x64,9x9x9",
        "--threads",
        "2",
        "--record",
        path,
    ]);
    assert!(success);
    let cpu = fs::read_dir(folder.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let date = fs::read_dir(cpu).unwrap().next().unwrap().unwrap().path();
    let mut reader = csv::Reader::from_path(date.join("gemm.csv")).unwrap();
    let header = reader.headers().unwrap().clone();
    for column in ["shape", "GMAC/s", "of the ceiling", "cpu", "commit", "date"] {
        assert!(header.iter().any(|name| name == column), "{header:?}");
    }
    assert_eq!(reader.records().count(), 4);
}

#[test]
fn sizes_that_do_not_suit_are_named() {
    for (arguments, says) in [
        (
            vec!["--shape", "8x8"],
            "--shape 8x8: expected sizes like 1024x1024x4096",
        ),
        (vec!["--shape", "0x8x8"], "none of them 0"),
        (
            vec!["--shape", "99999999x99999999x99999999"],
            "their product at most",
        ),
        (
            vec![
                "--kernel",
                "poisson-binomial",
                "--shape",
                "9",
                "--threads",
                "2",
            ],
            "--threads 2: only the layer is split over threads",
        ),
        (vec!["--level", "mmx"], "there is no such level"),
    ] {
        let (success, out, error) = bench(&arguments);
        assert!(!success && out.is_empty(), "{arguments:?}: {out}");
        assert!(
            error.contains(says) && error.lines().count() == 1,
            "{error}"
        );
    }
}

#[test]
fn peers_that_are_not_there_are_named() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bernet"));
    command
        .args(["bench", "--shape", "8x8x64", "--peers"])
        .env("BERNET_PEERS", "/nowhere");
    let output = command.output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(error.contains("/nowhere is not there"), "{error}");
}

#[test]
fn a_hidden_matrix_is_recovered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bernet"));
    command.args([
        "recover",
        "--inputs",
        "15",
        "--outputs",
        "2",
        "--seeds",
        "3",
        "--out",
        path,
    ]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut reader = csv::Reader::from_path(folder.path().join("recover.csv")).unwrap();
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 7 * 3, "a row a gradient and seed");
    assert!(
        rows.iter().all(|row| row[2].parse::<usize>().unwrap() > 1),
        "{rows:?}"
    );
    let page = fs::read_to_string(folder.path().join("recover.html")).unwrap();
    assert!(page.contains("<polyline") && page.contains("57.7"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_bernet"));
    let output = command.args(["recover", "--inputs", "8"]).output().unwrap();
    assert!(!output.status.success());
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("--inputs 8: expected an odd number")
    );
}
