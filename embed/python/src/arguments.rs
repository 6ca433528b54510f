//! Numbers and labels that come in. Python's integers have no limits, and a value that is out of range is a ValueError that names the
//! argument, never an OverflowError.

use crate::{arrays::shape, errors::value};
use numpy::{
    PyArrayDescrMethods, PyArrayDyn, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::{
    exceptions::{PyOverflowError, PyTypeError},
    prelude::*,
    types::PyBool,
};

/// A whole number from `least` to `most`.
pub(crate) fn whole(what: &str, object: &Bound<'_, PyAny>, least: u64, most: u64) -> PyResult<u64> {
    let wrong_type = || {
        let found = object.get_type();
        PyTypeError::new_err(format!("{what}: expected an integer, found {found}"))
    };
    if object.is_instance_of::<PyBool>() {
        return Err(wrong_type());
    }
    let number = object.call_method0("__index__").map_err(|_| wrong_type())?;
    match number.extract::<u64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(value(format!(
            "{what}: expected {least} to {most}, found {}",
            number.str()?
        ))),
    }
}

/// As [`whole`], of an argument that may be left out.
pub(crate) fn whole_or(
    what: &str,
    object: Option<&Bound<'_, PyAny>>,
    least: u64,
    most: u64,
) -> PyResult<Option<u64>> {
    object
        .map(|object| whole(what, object, least, most))
        .transpose()
}

/// A number above 0 that f32 can hold.
pub(crate) fn positive(what: &str, object: &Bound<'_, PyAny>) -> PyResult<f32> {
    let wrong = || -> PyResult<PyErr> {
        let text = format!("{what}: expected more than 0, found {}", object.str()?);
        Ok(value(text))
    };
    let number = match object.extract::<f64>() {
        Ok(number) => number as f32,
        Err(error) if error.is_instance_of::<PyOverflowError>(object.py()) => return Err(wrong()?),
        Err(_) => {
            let found = object.get_type();
            let text = format!("{what}: expected a number, found {found}");
            return Err(PyTypeError::new_err(text));
        }
    };
    if number > 0.0 && number.is_finite() {
        Ok(number)
    } else {
        Err(wrong()?)
    }
}

/// Labels, one for each of `images`, each below `classes`: an array of integers of any size, or what numpy makes one of.
pub(crate) fn labels(
    object: &Bound<'_, PyAny>,
    images: usize,
    classes: usize,
) -> PyResult<Vec<u8>> {
    let py = object.py();
    let made = py.import("numpy")?.call_method1("asarray", (object,));
    let array = made.map_err(|error| {
        value(format!(
            "labels: expected integers, one for each image; {error}"
        ))
    })?;
    let array = array.cast::<PyUntypedArray>().map_err(PyErr::from)?;
    let sizes = array.shape();
    if sizes.len() != 1 {
        let hint = match sizes {
            [_, 1] => "; labels.ravel() has that shape",
            [_, many] if *many == classes => {
                "; if they are one-hot, labels.argmax(1) gives the classes"
            }
            _ => "",
        };
        return Err(value(format!(
            "labels: expected the shape ({images},), one class for each image, found {}{hint}",
            shape(sizes)
        )));
    }
    if sizes[0] != images {
        return Err(value(format!(
            "labels: expected {images}, one for each image, found {}",
            sizes[0]
        )));
    }
    let kind = array.dtype().kind();
    if images > 0 && kind != b'i' && kind != b'u' {
        return Err(PyTypeError::new_err(format!(
            "labels: expected integers from 0 to {}, found an array of {}",
            classes - 1,
            array.dtype()
        )));
    }
    // Those beyond 2⁶³ wrap to what is out of range too.
    let array = array.call_method1("astype", ("int64",))?;
    let array = array.cast::<PyArrayDyn<i64>>().map_err(PyErr::from)?;
    let array = array.try_readonly().map_err(value)?;
    array
        .as_array()
        .iter()
        .enumerate()
        .map(|(index, &label)| {
            let known = u8::try_from(label).ok();
            let known = known.filter(|&label| usize::from(label) < classes);
            known.ok_or_else(|| {
                value(format!(
                    "labels: expected 0 to {}, found {label} at index {index}",
                    classes - 1
                ))
            })
        })
        .collect()
}
