//! Other libraries, timed in the same minutes by the programs in `benches/peers`.
//!
//! Each prints one JSON object a line: `peer`, `kernel`, `shape`, and `gmac_per_s` or `ns_per_neuron_sample`.

use anyhow::{Context, Result, bail};
use bernet::report::{Align, Table};
use serde::{Deserialize, Serialize};
use std::{
    env,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

#[derive(Serialize, Deserialize)]
struct Peer {
    peer: String,
    kernel: String,
    shape: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    gmac_per_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ns_per_neuron_sample: Option<f64>,
    /// How many times faster our best line of that shape is.
    #[serde(default)]
    ours_is_faster: Option<f64>,
}

/// Times the peers at hand; `ours` are shapes and paces.
pub(super) fn run(
    kernel: &str,
    ours: &[(String, f64)],
    json: bool,
    out: &mut impl Write,
) -> Result<Table> {
    let folder = folder()?;
    let mut table = Table::new([
        ("peer", Align::Left),
        ("shape", Align::Left),
        ("GMAC/s", Align::Right),
        ("ns per neuron and sample", Align::Right),
        ("ours is faster by", Align::Right),
    ]);
    for mut program in programs(&folder, kernel) {
        let name = format!("{program:?}");
        let output = match program.arg(kernel).output() {
            Ok(output) => output,
            Err(error) => {
                super::complain(&format!("peer not at hand: {name}: {error}"));
                continue;
            }
        };
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            let why = text.lines().last().unwrap_or_default();
            super::complain(&format!("peer not at hand: {name}: {why}"));
        }
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let mut peer: Peer =
                serde_json::from_str(line).with_context(|| format!("{name} printed `{line}`"))?;
            let pace = peer
                .gmac_per_s
                .or(peer.ns_per_neuron_sample.map(|ns| 1.0 / ns));
            let same = ours.iter().filter(|(shape, _)| *shape == peer.shape);
            let best = same.map(|&(_, pace)| pace).reduce(f64::max);
            peer.ours_is_faster = best.zip(pace).map(|(best, pace)| best / pace);
            if json {
                writeln!(out, "{}", serde_json::to_string(&peer)?)?;
            }
            let number = |value: Option<f64>, digits| {
                value
                    .map(|value| format!("{value:.digits$}"))
                    .unwrap_or_default()
            };
            table.row([
                peer.peer,
                peer.shape,
                number(peer.gmac_per_s, 1),
                number(peer.ns_per_neuron_sample, 1),
                number(peer.ours_is_faster, 2),
            ]);
        }
    }
    if !json {
        writeln!(out, "{}", table.to_text())?;
    }
    Ok(table)
}

/// The folder of the peers' programs.
fn folder() -> Result<PathBuf> {
    let folder =
        PathBuf::from(env::var_os("BERNET_PEERS").unwrap_or_else(|| "benches/peers".into()));
    if !folder.is_dir() {
        bail!(
            "--peers: {} is not there; run it in the repository, or name the folder in BERNET_PEERS",
            folder.display()
        );
    }
    Ok(folder)
}

/// A script of that folder, run by the Python that has the peers' libraries.
pub(super) fn python(script: &str) -> Result<Command> {
    Ok(script_in(&folder()?, script))
}

fn script_in(folder: &Path, script: &str) -> Command {
    let python = env::var_os("BERNET_PEERS_PYTHON");
    let mut command =
        Command::new(python.map_or_else(|| folder.join(".venv/bin/python"), PathBuf::from));
    command.arg(folder.join(script));
    command
}

/// The Rust peers' own workspace, and the Python scripts with the Python that has their libraries: those that know the kernel.
fn programs(folder: &Path, kernel: &str) -> Vec<Command> {
    let rust = || {
        let mut command = Command::new("cargo");
        command
            .args(["run", "--release", "--quiet", "--manifest-path"])
            .arg(folder.join("Cargo.toml"))
            .arg("--");
        command
    };
    let python = |script| script_in(folder, script);
    match kernel {
        "gemm" => vec![
            rust(),
            python("openvino_binary.py"),
            python("onnxruntime_int8.py"),
        ],
        "conv" => vec![python("openvino_binary.py"), python("onnxruntime_int8.py")],
        "first-layer" => vec![python("onnxruntime_int8.py")],
        _ => vec![python("fast_poibin_cdf.py"), python("torch_bernoulli.py")],
    }
}
