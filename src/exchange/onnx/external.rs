//! Data that a file keeps in another file beside it.

use super::proto::TensorProto;
use std::{
    collections::HashMap,
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

/// Where data outside a file come from.
pub(super) trait External {
    /// `length` bytes of a tensor's data.
    fn read(&mut self, tensor: &TensorProto, length: usize) -> Result<Vec<u8>, String>;
}

/// Refuses all data outside.
pub(super) struct Refuse(pub(super) &'static str);

impl External for Refuse {
    fn read(&mut self, _: &TensorProto, _: usize) -> Result<Vec<u8>, String> {
        Err(format!("its data are in another file, {}", self.0))
    }
}

/// Reads plain files in one folder.
pub(super) struct Folder {
    path: PathBuf,
    /// The file that was read last.
    open: Option<(String, File, u64)>,
    /// Bytes read of each file. Tensors may share bytes, but not so that a small file becomes
    /// many large tensors.
    read: HashMap<String, u64>,
}

impl Folder {
    pub(super) fn new(path: &Path) -> Self {
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        Self {
            path: path.into(),
            open: None,
            read: HashMap::new(),
        }
    }

    fn open(&mut self, name: &str) -> Result<&mut (String, File, u64), String> {
        let known = self.open.take().filter(|(open, ..)| open == name);
        let opened = match known {
            Some(known) => known,
            None => open(&self.path, name)?,
        };
        Ok(self.open.insert(opened))
    }
}

/// A plain file, which is neither a link nor a pipe nor a device, and its size.
fn open(folder: &Path, name: &str) -> Result<(String, File, u64), String> {
    let plain = !name.is_empty()
        && name != "."
        && name != ".."
        && !name.contains(['/', '\\', ':', '\0'])
        && name.len() <= 255;
    if !plain {
        return Err(format!(
            "its data are in {name:?}: expected the name of a file in the model's own folder, \
             without folders; save the model again, or with its data inside"
        ));
    }
    let path = folder.join(name);
    let describe = |error: std::io::Error| {
        format!("its data are in {name:?} in the model's folder, which cannot be read: {error}")
    };
    // A link or a pipe is not opened at all; a file put in its place in between is noticed below.
    let before = std::fs::symlink_metadata(&path).map_err(describe)?;
    let plain = |kind: &std::fs::Metadata| {
        kind.is_file().then_some(()).ok_or_else(|| {
            format!("its data are in {name:?}: expected a plain file, found a link, folder or pipe")
        })
    };
    plain(&before)?;
    let file = File::open(&path).map_err(describe)?;
    let opened = file.metadata().map_err(describe)?;
    plain(&opened)?;
    Ok((name.into(), file, opened.len()))
}

impl External for Folder {
    fn read(&mut self, tensor: &TensorProto, length: usize) -> Result<Vec<u8>, String> {
        let entry = |key: &str| {
            tensor
                .external_data
                .iter()
                .find(|entry| entry.key == key)
                .map(|entry| entry.value.as_str())
        };
        let number = |key: &str| match entry(key) {
            None => Ok(None),
            Some(text) => text
                .parse::<u64>()
                .map(Some)
                .map_err(|_| format!("{key} of its data: expected a number, found {text:?}")),
        };
        let name = entry("location").unwrap_or_default().to_owned();
        let offset = number("offset")?.unwrap_or(0);
        if let Some(declared) = number("length")?
            && declared != length as u64
        {
            return Err(format!(
                "length of its data: expected {length} bytes as its dimensions say, found \
                 {declared}"
            ));
        }
        let size = self.open(&name)?.2;
        if offset
            .checked_add(length as u64)
            .is_none_or(|end| end > size)
        {
            return Err(format!(
                "its data are bytes {offset} to {} of {name:?}, which has only {size}",
                offset.saturating_add(length as u64)
            ));
        }
        let read = self.read.entry(name.clone()).or_default();
        *read += length as u64;
        if *read > 4 * size {
            return Err(format!(
                "tensors share the bytes of {name:?} more than four times"
            ));
        }
        let describe = |error: std::io::Error| format!("its data in {name:?}: {error}");
        let (_, file, _) = self.open(&name)?;
        file.seek(SeekFrom::Start(offset)).map_err(describe)?;
        // The size was checked against the file's, so that the allocation is no larger than it.
        let mut bytes = vec![0; length];
        file.read_exact(&mut bytes).map_err(describe)?;
        Ok(bytes)
    }
}
