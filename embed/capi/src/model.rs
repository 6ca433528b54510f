//! Models.

use crate::{
    boundary::{Failure, bernet_status, bernet_status::*, enter},
    memory::{self, Out},
    registry::Registry,
};
use bernet::model::Model;
use std::{
    ffi::{CStr, c_char},
    path::PathBuf,
    ptr,
};

/// A net as it was read; see bernet_model_read.
pub struct bernet_model {
    _private: [u8; 0],
}

/// What a model reads, and how many classes it tells apart.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bernet_input {
    /// Lines an image.
    pub height: usize,
    /// Pixels a line.
    pub width: usize,
    /// Values a pixel.
    pub channels: usize,
    /// Bytes an image: height * width * channels.
    pub bytes: usize,
    /// Classes, each with one logit.
    pub classes: usize,
}

pub(crate) static MODELS: Registry<Model> = Registry::new("model");

/// Reads a .bnet file, which need not be trusted, and makes *model a handle of it: to be ended by bernet_model_free. Where that
/// fails, *model is null, with BERNET_FILE for what the file system says and BERNET_MODEL for what is wrong in the file.
///
/// # Safety
/// path is a text that ends with a zero byte, in the file system's own encoding (Windows: UTF-8).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bernet_model_read(
    path: *const c_char,
    model: *mut *mut bernet_model,
) -> bernet_status {
    // SAFETY: handed on to the caller.
    unsafe {
        made("model", model, || {
            let path = native(memory::text("path", path)?)?;
            MODELS.insert(Model::read(path)?)
        })
    }
}

/// Reads a model from the bytes of a whole .bnet file, which need not be trusted and are not needed afterwards; else as
/// bernet_model_read.
///
/// # Safety
/// bytes leads to length bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bernet_model_from_bytes(
    bytes: *const u8,
    length: usize,
    model: *mut *mut bernet_model,
) -> bernet_status {
    // SAFETY: handed on to the caller.
    unsafe {
        made("model", model, || {
            MODELS.insert(Model::from_bytes(memory::bytes("bytes", bytes, length)?)?)
        })
    }
}

/// Writes to *input what a model reads.
///
/// # Safety
/// input leads to a bernet_input.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bernet_model_input(
    model: *const bernet_model,
    input: *mut bernet_input,
) -> bernet_status {
    enter(|| {
        let out = Out::one("input", input)?;
        let model = MODELS.get(model)?;
        let shapes = model
            .shapes()
            .map_err(|error| Failure::new(BERNET_MODEL, error))?;
        let shape = model.input.shape();
        let input = bernet_input {
            height: shape.height,
            width: shape.width,
            channels: shape.channels,
            bytes: shape.height * shape.width * shape.channels,
            classes: shapes.last().map_or(0, |logits| logits.channels),
        };
        // SAFETY: handed on to the caller.
        unsafe { out.write(&[input]) };
        Ok(())
    })
}

/// Writes to text what a model's metadata say of a key, in UTF-8 with a zero byte at the end, and to *length (which may be null) the
/// bytes that it takes, the zero byte included. Where capacity is less, nothing is written to text and the status is BERNET_SIZE:
/// ask with a capacity of 0 first. A key that is not there is BERNET_ARGUMENT, and the text names those that are. bernet train
/// writes "method", "seed", "epochs", "net", "configuration" and "validation accuracy"; models of other origin may have others
/// or none.
///
/// # Safety
/// key ends with a zero byte; text leads to capacity bytes, length to a size_t.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bernet_model_metadata(
    model: *const bernet_model,
    key: *const c_char,
    text: *mut c_char,
    capacity: usize,
    length: *mut usize,
) -> bernet_status {
    enter(|| {
        let model = MODELS.get(model)?;
        // SAFETY: handed on to the caller.
        let key = unsafe { memory::name("key", key) }?;
        let value = model.metadata.get(key).ok_or_else(|| {
            let keys: Vec<_> = model.metadata.keys().map(String::as_str).collect();
            let text = format!("key `{key}`: expected one of {}", keys.join(", "));
            Failure::new(BERNET_ARGUMENT, text)
        })?;
        let mut value = value.replace('\0', "\u{fffd}").into_bytes();
        value.push(0);
        if !length.is_null() {
            // SAFETY: handed on to the caller.
            unsafe { Out::one("length", length)?.write(&[value.len()]) };
        }
        if capacity < value.len() {
            let text = format!(
                "text: expected room for {} bytes, found {capacity}",
                value.len()
            );
            return Err(Failure::new(BERNET_SIZE, text));
        }
        let out = Out::new("text", text.cast::<u8>(), value.len(), value.len())?;
        // SAFETY: there is room, by the caller's word and the comparison.
        unsafe { out.write(&value) };
        Ok(())
    })
}

/// Ends a model. Sessions made from it are not touched. Null is no model, and fine; a model that has ended is BERNET_HANDLE, and nothing
/// happens.
#[unsafe(no_mangle)]
pub extern "C" fn bernet_model_free(model: *mut bernet_model) -> bernet_status {
    enter(|| MODELS.remove(model))
}

/// Makes a handle and writes it to the caller's place, or null where that fails.
///
/// # Safety
/// If it is not null, `place` is good for writing a pointer.
pub(crate) unsafe fn made<Handle>(
    what: &str,
    place: *mut *mut Handle,
    make: impl FnOnce() -> Result<*mut Handle, Failure>,
) -> bernet_status {
    enter(|| {
        let out = Out::one(what, place)?;
        // SAFETY: handed on to the caller.
        unsafe { out.write(&[ptr::null_mut()]) };
        let handle = make()?;
        // SAFETY: as above.
        unsafe { out.write(&[handle]) };
        Ok(())
    })
}

#[cfg(unix)]
fn native(path: &CStr) -> Result<PathBuf, Failure> {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    Ok(OsStr::from_bytes(path.to_bytes()).into())
}

#[cfg(not(unix))]
fn native(path: &CStr) -> Result<PathBuf, Failure> {
    let path = path.to_str();
    path.map(PathBuf::from)
        .map_err(|_| Failure::new(BERNET_ARGUMENT, "path: expected UTF-8"))
}
