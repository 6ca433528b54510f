//! Models.

use crate::{
    boundary::{Failure, bernet_status, enter},
    memory::{self, Out},
    registry::Registry,
};
use bernet_runtime::{format, graph::Graph};
use std::{
    ffi::{CStr, c_char},
    path::PathBuf,
    ptr,
};

/// A net as it was read; see bernet_model_read.
pub struct bernet_model {
    _private: [u8; 0],
}

pub(crate) static MODELS: Registry<Graph> = Registry::new("model");

/// Reads a .bnet file of any version, which need not be trusted, and makes *model a handle of it: to be ended by bernet_model_free. Where that
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
            MODELS.insert(format::read(path)?)
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
            MODELS.insert(format::from_bytes(memory::values("bytes", bytes, length)?)?)
        })
    }
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
        .map_err(|_| Failure::new(bernet_status::BERNET_ARGUMENT, "path: expected UTF-8"))
}
