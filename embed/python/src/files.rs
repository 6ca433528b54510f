//! Files of nets in any format, read as `bernet import` does: nets of other tools with all passes.

use crate::errors::{file, reading, value};
use bernet::exchange::{
    self, Format, ImportOptions, Imported, ReadError, onnx::ImportFileCause, pixels::Reading,
};
use bernet_runtime::{
    graph::Graph,
    passes::{self, Passes},
};
use pyo3::prelude::*;
use std::path::Path;

/// A net, and what its importer assumed.
pub(crate) struct Net {
    pub(crate) graph: Graph,
    pub(crate) notes: Vec<String>,
}

fn options(reading: Option<&Reading>) -> ImportOptions {
    ImportOptions {
        pixels: reading.cloned().map(Into::into),
        ..ImportOptions::default()
    }
}

/// The net in a file.
pub(crate) fn read(path: &Path, reading: Option<&Reading>) -> PyResult<Net> {
    let format = Format::of(path).map_err(failed)?;
    net(
        format,
        exchange::read(path, &options(reading)).map_err(failed)?,
    )
}

/// The net in the bytes of a whole file.
pub(crate) fn from_bytes(bytes: &[u8], reading: Option<&Reading>) -> PyResult<Net> {
    let imported = exchange::from_bytes(bytes, &options(reading)).map_err(value)?;
    net(Format::of_bytes(bytes), imported)
}

fn net(format: Format, Imported { graph, notes }: Imported) -> PyResult<Net> {
    // A file of our own holds what its importer assumed, and has been through the passes.
    if let Format::Bnet { .. } = format {
        let notes = Vec::new();
        return Ok(Net { graph, notes });
    }
    let graph = passes::run(&graph, &Passes::default()).map_err(value)?;
    Ok(Net { graph, notes })
}

fn failed(error: ReadError) -> PyErr {
    let text = error.to_string();
    match error {
        ReadError::Bnet(error) => reading(error),
        ReadError::Io { cause, .. } => file(&cause, text),
        ReadError::Onnx(error) => match &*error.cause {
            ImportFileCause::Io(cause) => file(cause, text),
            _ => value(text),
        },
        _ => value(text),
    }
}
