//! Errors of this crate's libraries as Python's own: OSError with its kind for the file system, ValueError for the rest, with our texts.

use bernet_runtime::format::{FileCause, FileError};
use pyo3::{PyErr, exceptions::PyValueError};
use std::{fmt::Display, io};

/// A ValueError.
pub(crate) fn value(error: impl Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// FileNotFoundError, PermissionError and so on.
pub(crate) fn file(cause: &io::Error, text: String) -> PyErr {
    io::Error::new(cause.kind(), text).into()
}

/// Of a .bnet file that is read or written.
pub(crate) fn reading(error: FileError) -> PyErr {
    match &error.cause {
        FileCause::Io(cause) => file(cause, error.to_string()),
        FileCause::Format(_) => value(error),
    }
}
