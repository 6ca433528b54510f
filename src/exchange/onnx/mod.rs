//! ONNX files: nets of other tools as graphs.
//!
//! [`import`] takes graphs of standard ONNX operators (opset 9 to 23, in float32; shorter and
//! longer floats become such) and QONNX's `Quant`, `BipolarQuant`, `MultiThreshold` and `Trunc`.
//! Each node becomes one or a few nodes of a graph; only what depends on constants alone is
//! computed. Values inside are in the order height, width, channels; inputs and outputs keep the
//! file's shapes, order and names by their [`ArrayLayout`](bernet_runtime::graph::ArrayLayout).
//!
//! What the file computes stays: `Sign` of 0 is 0, a sum is not a threshold. The passes of the
//! runtime make integers and bits of it where that is the same.
//!
//! **Files are not trusted.** Messages are counted before they are allocated, sizes are checked
//! against the data that is there, work on constants is bounded by the file's size, and of other
//! files only plain ones in the model's own folder are opened, if that is allowed.
//!
//! ```
//! use bernet::exchange::{ImportOptions, onnx};
//!
//! let error = onnx::import(b"no net", &ImportOptions::default()).unwrap_err();
//! assert!(error.to_string().starts_with("not an ONNX file"));
//! ```

mod constant;
mod error;
mod export;
mod external;
mod import;
mod node;
mod proto;
mod quant;
mod source;
#[cfg(test)]
mod tests;

pub use error::{ImportError, ImportFileCause, ImportFileError, NodePlace};
pub use export::{Dialect, ExportError, export, with_picture_input};
pub use proto::ProtoError;

use super::{ImportOptions, Imported, pixels};
use external::{External, Folder, Refuse};
use source::Source;
use std::{fs::File, io::Read, path::Path};

/// The most bytes of a file that is read.
const FILE_LIMIT: u64 = 1 << 31;

/// Imports the bytes of a file whose data are all inside.
///
/// # Errors
/// [`ImportError`] where the bytes are no ONNX file, or a node is not one that can be imported.
pub fn import(bytes: &[u8], options: &ImportOptions) -> Result<Imported, ImportError> {
    let mut refuse = Refuse(
        "which cannot be opened without knowing the model's folder; save the model with its data \
         inside",
    );
    with_external(bytes, options, &mut refuse)
}

fn with_external(
    bytes: &[u8],
    options: &ImportOptions,
    external: &mut dyn External,
) -> Result<Imported, ImportError> {
    let source = Source::read(bytes, external)?;
    let (mut graph, mut notes) = import::graph(&source, &options.input_shapes)?;
    if let Some(reading) = &options.pixels {
        pixels::set(&mut graph, reading)?;
    }
    notes.extend(pixels::notes(&graph));
    Ok(Imported { graph, notes })
}

/// Imports a file, with data in plain files of its own folder where `options` allow it.
///
/// # Errors
/// [`ImportFileError`], with the path.
pub fn import_file(
    path: impl AsRef<Path>,
    options: &ImportOptions,
) -> Result<Imported, ImportFileError> {
    let path = path.as_ref();
    let read = || {
        let mut bytes = Vec::new();
        File::open(path)?
            .take(FILE_LIMIT + 1)
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > FILE_LIMIT {
            return Err(ImportFileCause::Size { limit: FILE_LIMIT });
        }
        let imported = if options.no_external_data {
            let mut refuse = Refuse("which --no-external-data forbids to open");
            with_external(&bytes, options, &mut refuse)
        } else {
            let folder = path.parent().unwrap_or(Path::new(""));
            with_external(&bytes, options, &mut Folder::new(folder))
        };
        Ok(imported?)
    };
    read().map_err(|cause| ImportFileError {
        path: path.into(),
        cause: Box::new(cause),
    })
}
