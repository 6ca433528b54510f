//! The nets that subcommands are given, whatever their format.

use anyhow::Result;
use bernet::exchange::{self, Format, ImportOptions, pixels::Reading};
use bernet_runtime::{
    graph::{Graph, Pixels},
    passes::{self, Passes},
};
use std::path::{Path, PathBuf};

/// A net that reads pictures.
#[derive(clap::Args)]
pub(super) struct PictureNet {
    /// The net: a .bnet file of any version, ONNX or TFLite.
    pub(super) model: PathBuf,
    /// What a picture's pixels become at inputs of floats: 0..1, 0..255, -1..1 or mean=M,std=S, for channels separated by / [default:
    /// what the net says].
    #[arg(long, value_name = "RANGE", allow_hyphen_values = true)]
    pixels: Option<Reading>,
}

impl PictureNet {
    pub(super) fn read(&self) -> Result<Graph> {
        load(&self.model, self.pixels.clone())
    }
}

/// The net of a file; one of another tool after the same passes as `bernet import` runs.
pub(super) fn read(path: &Path) -> Result<Graph> {
    load(path, None)
}

fn load(path: &Path, reading: Option<Reading>) -> Result<Graph> {
    let options = ImportOptions {
        pixels: reading.map(Pixels::from),
        ..ImportOptions::default()
    };
    let graph = exchange::read(path, &options)?.graph;
    Ok(match Format::of(path)? {
        Format::Bnet { .. } => graph,
        Format::Onnx | Format::Tflite => passes::run(&graph, &Passes::default())?,
    })
}
