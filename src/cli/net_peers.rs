//! A whole net in other engines, by `benches/peers/nets.py`, timed in the same minutes as here.

use anyhow::{Context, Result, ensure};
use bernet::{
    exchange::{
        Format, array,
        onnx::{self, Dialect},
    },
    report::{Align, Table},
};
use bernet_runtime::{graph::Graph, tensor::Tensor};
use serde::{Deserialize, Serialize};
use std::{fs, io::Write, path::Path};

/// What an engine takes for one item.
#[derive(Serialize, Deserialize)]
pub(super) struct PeerSpeed {
    peer: String,
    ms: f64,
    /// The largest difference from our outputs, a share of the largest of them.
    difference: f64,
    #[serde(default)]
    ours_is_faster: f64,
}

/// Times the engines at hand on a net of one input and one output, of which `ms` is our time.
pub(super) fn run(
    path: &Path,
    graph: &Graph,
    [inputs, outputs]: [&[Tensor]; 2],
    ms: f64,
    threads: usize,
) -> Result<Vec<PeerSpeed>> {
    let ([input], [output]) = (inputs, outputs) else {
        anyhow::bail!(
            "--peers: expected a net of one input and one output, found {} and {}",
            inputs.len(),
            outputs.len()
        );
    };
    let folder = tempfile::tempdir()?;
    let write = |name: &str, bytes: &[u8]| {
        fs::write(folder.path().join(name), bytes).with_context(|| name.to_owned())
    };
    let array = |tensor, layout| array::from_tensor(tensor, layout).to_npy();
    write("x.npy", &array(input, &graph.inputs[0].layout))?;
    write("y.npy", &array(output, &graph.outputs[0].layout))?;
    if Format::of(path)? == Format::Tflite {
        write("net.tflite", &fs::read(path)?)?;
    }
    write("net.onnx", &onnx::export(graph, Dialect::Standard)?)?;
    let mut program = super::peers::python("nets.py")?;
    let output = program.arg(folder.path()).arg(threads.to_string()).output();
    let output = output.with_context(|| format!("{program:?}"))?;
    for line in String::from_utf8_lossy(&output.stderr).lines() {
        if let Some(why) = line.strip_prefix("absent: ") {
            super::complain(&format!("peer not at hand: {why}"));
        }
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().filter(|line| line.starts_with('{'));
    let speeds: Result<Vec<PeerSpeed>> = lines
        .map(|line| {
            let mut speed: PeerSpeed =
                serde_json::from_str(line).with_context(|| format!("nets.py printed `{line}`"))?;
            speed.ours_is_faster = speed.ms / ms;
            Ok(speed)
        })
        .collect();
    let speeds = speeds?;
    ensure!(!speeds.is_empty(), "--peers: no engine ran, see above");
    Ok(speeds)
}

/// A row for each engine, with what was measured on.
pub(super) fn record(ms: f64, peers: &[PeerSpeed], about: &[(&'static str, String)]) -> Table {
    let mut table = Table::new(
        COLUMNS
            .into_iter()
            .chain(about.iter().map(|(name, _)| (*name, Align::Left))),
    );
    for row in rows(ms, peers) {
        table.row(
            row.into_iter()
                .chain(about.iter().map(|(_, text)| text.clone())),
        );
    }
    table
}

const COLUMNS: [(&str, Align); 4] = [
    ("engine", Align::Left),
    ("ms", Align::Right),
    ("difference", Align::Right),
    ("ours is faster by", Align::Right),
];

/// A row for each engine, ours first.
fn rows(ms: f64, peers: &[PeerSpeed]) -> Vec<[String; 4]> {
    let ours = [
        "bernet".into(),
        format!("{ms:.2}"),
        String::new(),
        String::new(),
    ];
    let peers = peers.iter().map(|peer| {
        [
            peer.peer.clone(),
            format!("{:.2}", peer.ms),
            format!("{:.0e}", peer.difference),
            format!("{:.1}", peer.ours_is_faster),
        ]
    });
    [ours].into_iter().chain(peers).collect()
}

fn table(ms: f64, peers: &[PeerSpeed]) -> Table {
    let mut table = Table::new(COLUMNS);
    for row in rows(ms, peers) {
        table.row(row);
    }
    table
}

/// Prints the engines' times: a table, or one JSON object a line.
pub(super) fn show(ms: f64, peers: &[PeerSpeed], json: bool, out: &mut impl Write) -> Result<()> {
    if json {
        for peer in peers {
            writeln!(out, "{}", serde_json::to_string(peer)?)?;
        }
    } else {
        writeln!(out, "{}", table(ms, peers).to_text())?;
    }
    Ok(())
}
