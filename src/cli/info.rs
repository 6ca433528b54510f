//! `bernet info`: what is in a model file.

use super::printable;
use anyhow::Result;
use bernet::model::Model;
use std::{io::Write, path::PathBuf};

/// Show a model's layers (shape, weights, bytes, MACs) and the parts of its file, which add up to its size.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The model, a .bnet file.
    model: PathBuf,
}

pub(super) fn run(arguments: &Arguments, out: &mut impl Write) -> Result<()> {
    let model = Model::read(&arguments.model)?;
    let summary = model.summary()?;
    let name = arguments.model.display().to_string();
    writeln!(
        out,
        "{}: .bnet version {}, {} bytes\n",
        printable(&name),
        summary.file.version,
        summary.file.total()
    )?;
    writeln!(out, "{summary}")?;
    writeln!(
        out,
        "\na grey value of at least {} is +1",
        model.input.threshold
    )?;
    for (key, value) in &model.metadata {
        writeln!(out, "{}: {}", printable(key), printable(value))?;
    }
    Ok(())
}
