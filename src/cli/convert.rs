//! `bernet convert`: a net as a .bnet file of the newest version.

use super::{net, printable};
use anyhow::{Result, bail};
use bernet_runtime::format;
use std::{fs, io::Write, path::PathBuf};

/// Write a net as a .bnet file of the newest version, with other metadata where asked for.
///
/// Weights and thresholds have one form in a file: what changes is only what the options say.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The net: a .bnet file of any version, ONNX or TFLite.
    model: PathBuf,
    /// The .bnet file to write; it may be the same.
    output: PathBuf,
    /// Metadata to add or to replace; may be given more than once, and counts after everything that is dropped.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// Metadata to leave out; may be given more than once.
    #[arg(long, value_name = "KEY")]
    drop: Vec<String>,
    /// Leave out all metadata and the names of nodes: the smallest file.
    #[arg(long, conflicts_with = "drop", alias = "drop-all")]
    strip: bool,
}

pub(super) fn run(arguments: &Arguments, out: &mut impl Write) -> Result<()> {
    let mut graph = net::read(&arguments.model)?;
    if arguments.strip {
        graph.metadata.clear();
        graph.nodes.iter_mut().for_each(|node| node.name.clear());
    }
    for key in &arguments.drop {
        if graph.metadata.remove(key).is_none() {
            let there: Vec<_> = graph
                .metadata
                .keys()
                .map(|key| format!("{key:?}"))
                .collect();
            bail!(
                "{}: metadata: expected one of [{}] to leave out, found {key:?}",
                arguments.model.display(),
                there.join(", ")
            );
        }
    }
    graph.metadata.extend(arguments.set.iter().cloned());
    format::write(&graph, &arguments.output)?;
    writeln!(
        out,
        "{}: .bnet version {}, {} bytes",
        printable(&arguments.output.display().to_string()),
        format::VERSION,
        fs::metadata(&arguments.output)?.len()
    )?;
    Ok(())
}

/// A key and its value, which may be empty and contain further signs of equality.
fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.into(), value.into())),
        _ => Err("expected KEY=VALUE".into()),
    }
}
