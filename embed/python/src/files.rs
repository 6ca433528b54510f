//! Files of nets: bernet's own, ONNX and TFLite, told apart by what is in them.

use crate::errors::{file, reading, value};
use bernet::exchange::{
    ImportOptions, Imported,
    onnx::{self, ImportFileCause},
    pixels::{self, Reading},
    tflite,
};
use bernet_runtime::{
    format,
    graph::Graph,
    passes::{self, Passes},
};
use pyo3::prelude::*;
use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// The most bytes of a file that is read.
const FILE_LIMIT: u64 = 1 << 31;

/// A net, and what its importer assumed.
pub(crate) struct Net {
    pub(crate) graph: Graph,
    pub(crate) notes: Vec<String>,
}

enum Format {
    Bnet,
    Onnx,
    Tflite,
}

/// The format of a file that begins so.
fn format_of(beginning: &[u8], path: Option<&Path>) -> Format {
    let named = path.is_some_and(|path| path.extension().is_some_and(|ending| ending == "onnx"));
    if beginning.starts_with(&format::MAGIC) {
        Format::Bnet
    } else if beginning.get(4..8) == Some(b"TFL3") {
        Format::Tflite
    } else if named || beginning.starts_with(&[8]) {
        // A message whose first field, as everybody writes it, is an integer.
        Format::Onnx
    } else {
        // Which says that it is none.
        Format::Bnet
    }
}

/// The net in a file.
pub(crate) fn read(path: &Path, reading: Option<&Reading>) -> PyResult<Net> {
    let failed = |error: io::Error| {
        let text = format!("{}: {error}", path.display());
        file(&error, text)
    };
    let mut beginning = Vec::new();
    let opened = File::open(path).map_err(failed)?;
    opened.take(8).read_to_end(&mut beginning).map_err(failed)?;
    match format_of(&beginning, Some(path)) {
        Format::Bnet => own(format::read(path).map_err(self::reading)?, reading),
        Format::Onnx => {
            let imported = onnx::import_file(path, &ImportOptions::default());
            let imported = imported.map_err(|error| match &*error.cause {
                ImportFileCause::Io(cause) => file(cause, error.to_string()),
                _ => value(error),
            })?;
            foreign(imported, reading)
        }
        Format::Tflite => {
            let mut bytes = Vec::new();
            let opened = File::open(path).map_err(failed)?;
            opened
                .take(FILE_LIMIT + 1)
                .read_to_end(&mut bytes)
                .map_err(failed)?;
            if bytes.len() as u64 > FILE_LIMIT {
                return Err(value(format!(
                    "{}: expected at most {FILE_LIMIT} bytes, found more",
                    path.display()
                )));
            }
            let imported = tflite::import(&bytes);
            let imported =
                imported.map_err(|error| value(format!("{}: {error}", path.display())))?;
            foreign(imported, reading)
        }
    }
}

/// The net in the bytes of a whole file.
pub(crate) fn from_bytes(bytes: &[u8], reading: Option<&Reading>) -> PyResult<Net> {
    match format_of(bytes, None) {
        Format::Bnet => own(format::from_bytes(bytes).map_err(value)?, reading),
        Format::Onnx => {
            let imported = onnx::import(bytes, &ImportOptions::default());
            foreign(imported.map_err(value)?, reading)
        }
        Format::Tflite => foreign(tflite::import(bytes).map_err(value)?, reading),
    }
}

fn own(mut graph: Graph, reading: Option<&Reading>) -> PyResult<Net> {
    if let Some(reading) = reading {
        pixels::set(&mut graph, &reading.clone().into()).map_err(value)?;
    }
    let notes = Vec::new();
    Ok(Net { graph, notes })
}

/// As `bernet import` does: with all passes.
fn foreign(imported: Imported, reading: Option<&Reading>) -> PyResult<Net> {
    let mut net = own(imported.graph, reading)?;
    net.graph = passes::run(&net.graph, &Passes::default()).map_err(value)?;
    net.notes = imported.notes;
    Ok(net)
}
