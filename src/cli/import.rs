//! `bernet import`: a net from elsewhere.

use super::printable;
use anyhow::{Context, Result};
use bernet::model::onnx;
use std::{io::Write, path::PathBuf};

/// Make a .bnet file of a binary net in ONNX or QONNX; batch norm, scales and signs become integer thresholds, exactly.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The net, an .onnx file with its data inside. Its input is pixel/255, or bytes.
    model: PathBuf,
    /// The .bnet file to write.
    #[arg(short, long, value_name = "OUT.bnet")]
    output: PathBuf,
}

pub(super) fn run(arguments: &Arguments, out: &mut impl Write) -> Result<()> {
    let model = onnx::import_file(&arguments.model)?;
    // What fits in memory may still not fit in a file, and then the net that was read is to blame.
    let summary = model
        .summary()
        .with_context(|| arguments.model.display().to_string())?;
    model.write(&arguments.output)?;
    let name = arguments.output.display().to_string();
    writeln!(
        out,
        "{}: {} layers, {} weights, {} bytes",
        printable(&name),
        model.layers.len(),
        summary.weights(),
        summary.file.total()
    )?;
    if let Some(note) = model.metadata.get("onnx.output") {
        writeln!(out, "its output is {}", printable(note))?;
    }
    Ok(())
}
