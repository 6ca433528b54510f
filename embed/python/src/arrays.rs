//! Arrays that come in: read where they lie if they are contiguous, copied if they are not.

use crate::errors::value;
use numpy::{Element, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::{exceptions::PyTypeError, prelude::*};
use std::borrow::Cow;

/// An array of one type, as an error calls it otherwise.
pub(crate) fn array<'py, T: Element>(
    what: &str,
    object: &Bound<'py, PyAny>,
    expected: &str,
) -> PyResult<PyReadonlyArrayDyn<'py, T>> {
    if let Ok(array) = object.cast::<PyArrayDyn<T>>() {
        return array.try_readonly().map_err(value);
    }
    let found = match object.cast::<numpy::PyUntypedArray>() {
        Ok(array) => format!("an array of {}", array.dtype()),
        Err(_) => object.get_type().to_string(),
    };
    let text = format!("{what}: expected an array of {expected}, found {found}");
    Err(PyTypeError::new_err(text))
}

/// The values in the order in which they are counted, last index first.
pub(crate) fn values<'a, T: Element + Copy>(array: &'a PyReadonlyArrayDyn<'_, T>) -> Cow<'a, [T]> {
    // A slice is to be had of Fortran's order too, which is not this one.
    match array.as_slice() {
        Ok(slice) if array.is_c_contiguous() => Cow::Borrowed(slice),
        _ => Cow::Owned(array.as_array().iter().copied().collect()),
    }
}

/// A shape as Python writes it.
pub(crate) fn shape(sizes: &[usize]) -> String {
    let sizes: Vec<_> = sizes.iter().map(usize::to_string).collect();
    format!(
        "({}{})",
        sizes.join(", "),
        if sizes.len() == 1 { "," } else { "" }
    )
}
