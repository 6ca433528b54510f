//! Files on disk.

use super::{FormatError, from_bytes, net, to_bytes, version};
use crate::graph::Graph;
use alloc::{format, vec::Vec};
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
};
use thiserror::Error;

/// Bytes that tell the length of a file of any version.
const BEGINNING: u64 = 48;

/// Why a file could not be read or written.
#[derive(Debug, Error)]
#[error("{}: {cause}", path.display())]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// What went wrong; not a `source`, since the text above has it already.
    pub cause: FileCause,
}

/// What went wrong with a file.
#[derive(Debug, Error)]
pub enum FileCause {
    /// The file system.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The bytes, or the graph.
    #[error(transparent)]
    Format(#[from] FormatError),
}

/// Reads a `.bnet` file.
///
/// No more is read than the file's beginning announces, so that neither a huge file nor an endless
/// device fills the memory.
///
/// ```
/// use bernet_runtime::{format, graph::{Graph, Kind, Op, Shape}};
///
/// let mut graph = Graph::default();
/// let x = graph.add_input("x", Kind::F32, Shape::flat(3))?;
/// let y = graph.add_node(Op::Sign, &[x])?;
/// graph.add_output("y", y)?;
/// let path = std::env::temp_dir().join(format!("bernet-doc-{}.bnet", std::process::id()));
/// format::write(&graph, &path)?;
/// assert_eq!(format::read(&path)?, graph);
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`FileError`] where the file cannot be read, or where [`from_bytes`] refuses its bytes.
pub fn read(path: impl AsRef<Path>) -> Result<Graph, FileError> {
    let path = path.as_ref();
    let read = || Ok(from_bytes(&read_bytes(path)?)?);
    read().map_err(|cause| FileError {
        path: path.into(),
        cause,
    })
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, FileCause> {
    let mut file = File::open(path)?;
    let mut bytes = Vec::new();
    (&mut file).take(BEGINNING).read_to_end(&mut bytes)?;
    version(&bytes)?;
    let announced = net::announced_length(&bytes)? as u64;
    // One byte more, to see that there is more.
    let rest = announced
        .saturating_add(1)
        .saturating_sub(bytes.len() as u64);
    file.take(rest).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes the `.bnet` file of a graph.
///
/// The file appears whole or not at all: the bytes go to a new file in the same folder, are flushed
/// to the disk, and take their name at the end.
///
/// # Errors
/// [`FileError`] where the file cannot be written, or where [`to_bytes`] refuses the graph.
pub fn write(graph: &Graph, path: impl AsRef<Path>) -> Result<(), FileError> {
    let path = path.as_ref();
    let write = || Ok(write_bytes(path, &to_bytes(graph)?)?);
    write().map_err(|cause| FileError {
        path: path.into(),
        cause,
    })
}

fn write_bytes(path: &Path, bytes: &[u8]) -> io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    // A rename would put a file in the place of a device such as /dev/null.
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        let text = "there is something here that is not a file";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let new = folder.join(format!(".bernet-{}-{count}", process::id()));
    let written = (|| {
        let mut file = File::create_new(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)
    })();
    if let Err(error) = written {
        if error.kind() != io::ErrorKind::AlreadyExists {
            // The first error is the one to report.
            let _ = fs::remove_file(&new);
        }
        return Err(error);
    }
    // The name is safe only when the folder is; there is no such thing on Windows.
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
