//! Errors of this crate's libraries as Python's own: OSError with its kind for the file system, ValueError for the rest, with our texts.

use bernet::model::format::{ReadCause, ReadError, WriteCause, WriteError};
use pyo3::{PyErr, exceptions::PyValueError};
use std::{fmt::Display, io};

/// A ValueError.
pub(crate) fn value(error: impl Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// FileNotFoundError, PermissionError and so on.
fn file(cause: &io::Error, text: String) -> PyErr {
    io::Error::new(cause.kind(), text).into()
}

pub(crate) fn reading(error: ReadError) -> PyErr {
    match &error.cause {
        ReadCause::Io(cause) => file(cause, error.to_string()),
        ReadCause::Format(_) => value(error),
    }
}

pub(crate) fn writing(error: WriteError) -> PyErr {
    match &error.cause {
        WriteCause::Io(cause) => file(cause, error.to_string()),
        WriteCause::Model(_) => value(error),
    }
}
