//! Arrays that come in: read where they lie if they are contiguous, copied if they are not.

use crate::errors::value;
use numpy::{
    Element, PyArrayDescrMethods, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn,
    PyUntypedArrayMethods,
};
use pyo3::{
    exceptions::{PyMemoryError, PyTypeError},
    prelude::*,
    types::{PyList, PyTuple},
};
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

/// The values in the order in which they are counted, last index first. MemoryError where they have to be copied, and a view is
/// larger than the memory that there is.
pub(crate) fn laid_out<'a, T: Element + Copy>(
    what: &str,
    array: &'a PyReadonlyArrayDyn<'_, T>,
) -> PyResult<Cow<'a, [T]>> {
    // A slice is to be had of Fortran's order too, which is not this one.
    match array.as_slice() {
        Ok(slice) if array.is_c_contiguous() => Ok(Cow::Borrowed(slice)),
        _ => {
            let mut copy = Vec::new();
            copy.try_reserve_exact(array.len()).map_err(|_| {
                let found = shape(array.shape());
                PyMemoryError::new_err(format!(
                    "{what}: there is no memory for a contiguous copy of the shape {found}"
                ))
            })?;
            copy.extend(array.as_array().iter().copied());
            Ok(Cow::Owned(copy))
        }
    }
}

/// As [`laid_out`], of what is known to be small.
pub(crate) fn values<'a, T: Element + Copy>(array: &'a PyReadonlyArrayDyn<'_, T>) -> Cow<'a, [T]> {
    match array.as_slice() {
        Ok(slice) if array.is_c_contiguous() => Cow::Borrowed(slice),
        _ => Cow::Owned(array.as_array().iter().copied().collect()),
    }
}

/// Images: an array of uint8, or a list of numbers from 0 to 255. TypeError with a way to make one of what was found.
pub(crate) fn images<'py>(object: &Bound<'py, PyAny>) -> PyResult<PyReadonlyArrayDyn<'py, u8>> {
    const EXPECTED: &str = "uint8, 0 for paper and 255 for ink";
    if object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>() {
        return array::<u8>("images", &of_list(object)?, EXPECTED);
    }
    array::<u8>("images", object, EXPECTED).map_err(|error| {
        let hint = match object.cast::<numpy::PyUntypedArray>() {
            Ok(array) => match array.dtype().kind() {
                b'f' => "if they are from 0 to 1: (images * 255).round().astype(numpy.uint8)",
                b'b' => "images.astype(numpy.uint8) * 255 makes one",
                b'i' | b'u' => "if they are from 0 to 255: images.astype(numpy.uint8)",
                _ => return error,
            },
            Err(_) => "numpy.asarray(images, numpy.uint8) makes one of pictures",
        };
        PyTypeError::new_err(format!("{}; {hint}", error.value(object.py())))
    })
}

/// The array of a list, whose numbers nobody gave a type.
fn of_list<'py>(list: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let made = list.py().import("numpy")?.call_method1("asarray", (list,));
    let made =
        made.map_err(|error| value(format!("images: expected lists of equal lengths; {error}")))?;
    let untyped = made.cast::<numpy::PyUntypedArray>().map_err(PyErr::from)?;
    let empty = untyped.shape().contains(&0);
    if !empty && !matches!(untyped.dtype().kind(), b'i' | b'u') {
        return Err(PyTypeError::new_err(format!(
            "images: expected whole numbers from 0 to 255, found a list of {}",
            untyped.dtype()
        )));
    }
    if !empty && (made.call_method0("min")?.lt(0)? || made.call_method0("max")?.gt(255)?) {
        let (least, most) = (made.call_method0("min")?, made.call_method0("max")?);
        return Err(value(format!(
            "images: expected numbers from 0 to 255, found {least} to {most}"
        )));
    }
    made.call_method1("astype", ("uint8",))
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
