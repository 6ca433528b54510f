//! The tables of accuracy and speed in README.md and docs/experiment.md come from records, never from a keyboard:
//! `BERNET_WRITE_README=1 cargo test --test readme` writes them anew.

use std::{collections::BTreeMap, fs, path::Path};

/// The rows of accuracy.md that README shows; docs/experiment.md has all.
const METHODS: [&str; 8] = [
    "real",
    "ste, searched, warped",
    "ste, grey, searched, warped",
    "bernoulli, three equations, warped",
    "bernoulli, part by part",
    "bernoulli, searched, warped",
    "bernoulli, grey, searched, warped",
    "ste, lenet",
];

/// The columns of accuracy.md that README shows.
const COLUMNS: [&str; 5] = ["method", "net", "bytes", "test, %", "the talk, %"];

/// The lines of the speed record that README shows: packed results, and zero padding.
const OUTPUTS: [&str; 2] = ["bits", "bits, padding 0"];

/// Shapes of products that README leaves out.
const LEFT_OUT: [&str; 9] = [
    "128x128x1024",
    "512x512x2048",
    "4096x256x2304",
    "4096x64x64",
    "4096x8x36",
    "256x256x8192",
    "28x28x128",
    "14x14x256",
    "224x224x3x3",
];

/// Whole nets that README shows, each in a file of the folder of their record.
const NETS: [&str; 6] = [
    "quicknet",
    "birealnet",
    "real2bin",
    "densenet28",
    "meliusnet22",
    "binary_alexnet",
];

/// The folder of the whole nets' times.
const NETS_RECORD: &str = "benches/record/amd-epyc-family-25-model-17/2026-12-01";

/// README has at most so many lines.
const MOST_LINES: usize = 150;

/// The folder of the speeds that README shows.
const RECORD: &str = "benches/record/amd-epyc-family-26-model-2/2026-11-27";

/// The folders of the accuracies, the latest last.
const ACCURACIES: [&str; 4] = [
    RECORD,
    "benches/record/amd-epyc-family-26-model-2/2026-11-30",
    "benches/record/amd-epyc-family-25-model-17/2026-12-01",
    "benches/record/amd-epyc-family-25-model-1/2026-12-01",
];

fn rows(name: &str) -> Vec<BTreeMap<String, String>> {
    rows_in(RECORD, name)
}

fn rows_in(folder: &str, name: &str) -> Vec<BTreeMap<String, String>> {
    let path = Path::new(folder).join(name);
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
            let (output, shape) = (ours["output"].as_str(), ours["shape"].as_str());
            if OUTPUTS.contains(&output) && !LEFT_OUT.contains(&shape) {
                text += &line(&ours, &peers);
            }
        }
    }
    text
}

/// Whole nets, beside other engines in the same run.
fn nets() -> String {
    let mut text = String::new();
    for name in NETS {
        let rows = rows_in(NETS_RECORD, &format!("net-{name}.csv"));
        let ours = &rows[0];
        assert_eq!(ours["engine"], "bernet", "{name}: the first line");
        if text.is_empty() {
            text += &format!(
                "{}, one thread, commit {}, {}:\n\n",
                ours["cpu"], ours["commit"], ours["date"]
            );
            text +=
                "| net, 224×224, one image | ms | Larq Compute Engine | onnxruntime | OpenVINO |\n";
            text += "|---|---:|---:|---:|---:|\n";
        }
        let engine = |engine: &str| {
            let row = rows.iter().find(|row| row["engine"].starts_with(engine));
            row.map_or_else(
                || "–".into(),
                |row| format!("{}×", row["ours is faster by"]),
            )
        };
        text += &format!(
            "| {name} | {} | {} | {} | {} |\n",
            ours["ms"],
            engine("Larq"),
            engine("onnxruntime"),
            engine("OpenVINO")
        );
    }
    text
}

/// Every row of the records, in the order of the rows that can be trained; a later record takes the place of an earlier one.
fn rows_of_methods() -> String {
    let mut header = String::new();
    let mut rows = BTreeMap::new();
    for folder in ACCURACIES {
        let path = Path::new(folder).join("accuracy.md");
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        // Records from before the nets had these names.
        let text = text
            .replace("| seed ", "| talk ")
            .replace("| seed-", "| talk-");
        let (first, rest) = text.split_at(text.match_indices('\n').nth(1).expect("a header").0 + 1);
        header = first.into();
        for line in rest.lines() {
            rows.insert(cells(line)[0].to_owned(), format!("{line}\n"));
        }
    }
    let order: toml::Table = fs::read_to_string("src/cli/experiment.toml")
        .expect("the rows")
        .parse()
        .expect("TOML");
    for row in order["rows"].as_array().expect("rows") {
        let name = row["name"].as_str().expect("a name");
        header.extend(rows.remove(name));
    }
    assert!(rows.is_empty(), "rows that are no longer trained: {rows:?}");
    header
}

/// The cells of a line of a table.
fn cells(line: &str) -> Vec<&str> {
    line.trim_matches('|').split('|').map(str::trim).collect()
}

/// The rows and columns that README shows.
fn accuracy() -> String {
    let all = rows_of_methods();
    let names = cells(all.lines().next().expect("the names of the columns"));
    let columns = COLUMNS.map(|column| {
        let place = names.iter().position(|name| *name == column);
        place.unwrap_or_else(|| panic!("no column {column:?} among {names:?}"))
    });
    let chosen = |line: &str| {
        let cells = cells(line);
        format!("| {} |\n", columns.map(|at| cells[at]).join(" | "))
    };
    let header = all.lines().take(2).map(chosen);
    let row = |method| {
        let is_row = |line: &&str| cells(line)[0] == method;
        let line = all.lines().find(is_row);
        chosen(line.unwrap_or_else(|| panic!("no row {method:?} in accuracy.md")))
    };
    header.chain(METHODS.into_iter().map(row)).collect()
}

/// A text with the table of this name as it should be, between the lines that mark it.
fn with_table(text: &str, name: &str, table: &str) -> String {
    let begin = format!("<!-- {name}: written by tests/readme.rs from benches/record -->\n");
    let end = format!("<!-- {name} ends -->\n");
    let (before, rest) = text.split_once(&begin).expect("where the table begins");
    let (_, after) = rest.split_once(&end).expect("where the table ends");
    format!("{before}{begin}{table}{end}{after}")
}

/// Compares a file with what it should be, or writes it.
fn check(path: &str, tables: &[(&str, String)]) -> String {
    let text = fs::read_to_string(path).unwrap();
    let written = tables.iter().fold(text.clone(), |text, (name, table)| {
        with_table(&text, name, table)
    });
    if std::env::var_os("BERNET_WRITE_README").is_some() {
        fs::write(path, &written).unwrap();
    } else {
        assert_eq!(
            text, written,
            "{path}: BERNET_WRITE_README=1 cargo test --test readme"
        );
    }
    written
}

#[test]
fn tables_are_what_the_records_say() {
    let tables = [
        ("accuracy", accuracy()),
        ("nets", nets()),
        ("speed", speed()),
    ];
    let readme = check("README.md", &tables);
    let lines = readme.lines().count();
    assert!(lines <= MOST_LINES, "README.md: {lines} lines");
    check("docs/experiment.md", &[("rows", rows_of_methods())]);
}
