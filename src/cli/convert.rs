//! `bernet convert`: a model file anew.

use super::printable;
use anyhow::{Result, bail};
use bernet::model::Model;
use std::{io::Write, path::PathBuf};

/// Write a model file anew, as the oldest version that has all its layers need, with other metadata where asked for.
///
/// Weights, thresholds and scales have one form in a file: what changes is only what the options say.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The model, a .bnet file of any version.
    model: PathBuf,
    /// The .bnet file to write; it may be the same.
    output: PathBuf,
    /// Metadata to add or to replace; may be given more than once, and counts after everything that is dropped.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// Metadata to leave out; may be given more than once.
    #[arg(long, value_name = "KEY")]
    drop: Vec<String>,
    /// Leave out all metadata.
    #[arg(long, conflicts_with = "drop")]
    drop_all: bool,
}

pub(super) fn run(arguments: &Arguments, out: &mut impl Write) -> Result<()> {
    let mut model = Model::read(&arguments.model)?;
    if arguments.drop_all {
        model.metadata.clear();
    }
    for key in &arguments.drop {
        if model.metadata.remove(key).is_none() {
            let there: Vec<_> = model
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
    model.metadata.extend(arguments.set.iter().cloned());
    model.write(&arguments.output)?;
    let file = model.file_layout()?;
    let name = arguments.output.display().to_string();
    writeln!(
        out,
        "{}: .bnet version {}, {} bytes",
        printable(&name),
        file.version,
        file.total()
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
