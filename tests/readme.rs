//! README's tables of accuracy and speed come from records, never from a keyboard: `BERNET_WRITE_README=1 cargo test --test readme` writes them
//! anew.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The folder of the record that README shows.
const RECORD: &str = "benches/record/amd-epyc-family-26-model-2/2026-11-27";

fn record(name: &str) -> PathBuf {
    Path::new(RECORD).join(name)
}

fn rows(name: &str) -> Vec<BTreeMap<String, String>> {
    let path = record(name);
    let mut reader =
        csv::Reader::from_path(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    reader
        .deserialize()
        .map(|row| row.expect("a row"))
        .collect()
}

/// Our line on a shape, and how many times faster it is than the fastest of each library's.
fn line(ours: &BTreeMap<String, String>, peers: &[BTreeMap<String, String>]) -> String {
    let number = |row: &BTreeMap<String, String>, column: &str| {
        row[column].parse::<f64>().expect("a number")
    };
    let pace = number(ours, "GMAC/s");
    let ratio = |library: &str, without: &str| {
        let same = peers.iter().filter(|peer| peer["shape"] == ours["shape"]);
        let library = same
            .filter(|peer| peer["peer"].starts_with(library) && !peer["peer"].ends_with(without));
        let best = library.map(|peer| number(peer, "GMAC/s")).reduce(f64::max);
        best.map_or_else(|| "–".into(), |best| format!("{:.1}×", pace / best))
    };
    format!(
        "| {} {} | {} | {:.0} | {:.0} % | {} | {} | {} |\n",
        ours["kernel"],
        ours["shape"].replace('x', "×"),
        ours["output"],
        pace,
        100.0 * number(ours, "of the ceiling"),
        ratio("NumKong", "-"),
        ratio("OpenVINO", "-"),
        ratio("onnxruntime", "f32"),
    )
}

fn speed() -> String {
    let mut text = String::new();
    let gemm = rows("gemm.csv");
    let about = &gemm[0];
    text += &format!(
        "{}, one thread, level `{}`, commit {}, {}:\n\n",
        about["cpu"], about["level"], about["commit"], about["date"]
    );
    text +=
        "| shape | output | GMAC/s | of the ceiling | NumKong | OpenVINO | onnxruntime int8 |\n";
    text += "|---|---|---:|---:|---:|---:|---:|\n";
    for kernel in ["gemm", "conv", "first-layer"] {
        let peers = rows(&format!("{kernel}-peers.csv"));
        for ours in rows(&format!("{kernel}.csv")) {
            text += &line(&ours, &peers);
        }
    }
    text
}

fn accuracy() -> String {
    fs::read_to_string(record("accuracy.md")).unwrap()
}

/// The README with the table of this name as it should be, between the lines that mark it.
fn with_table(readme: &str, name: &str, table: &str) -> String {
    let begin = format!("<!-- {name}: written by tests/readme.rs from benches/record -->\n");
    let end = format!("<!-- {name} ends -->\n");
    let (before, rest) = readme.split_once(&begin).expect("where the table begins");
    let (_, after) = rest.split_once(&end).expect("where the table ends");
    format!("{before}{begin}{table}{end}{after}")
}

#[test]
fn tables_are_what_the_records_say() {
    let readme = fs::read_to_string("README.md").unwrap();
    let written = with_table(&readme, "accuracy", &accuracy());
    let written = with_table(&written, "speed", &speed());
    if std::env::var_os("BERNET_WRITE_README").is_some() {
        fs::write("README.md", written).unwrap();
    } else {
        assert_eq!(
            readme, written,
            "BERNET_WRITE_README=1 cargo test --test readme"
        );
    }
}
