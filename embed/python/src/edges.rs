//! Arrays of NumPy as inputs of a net, and outputs as arrays: with the axes of the net's own file.

use crate::{arrays::shape, errors::value};
use bernet_runtime::{
    execute::{TensorMut, TensorRef},
    graph::{ArrayLayout, Kind, Value},
    tensor::{pack_bits, unpack_bits},
};
use numpy::{
    IntoPyArray, PyArrayDescrMethods, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn,
    PyReadwriteArrayDyn, PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::{
    exceptions::{PyMemoryError, PyTypeError},
    prelude::*,
    types::PyDict,
};

/// An input or output of a net.
#[derive(Clone, Copy)]
pub(crate) struct Edge<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: Value,
    pub(crate) layout: &'a ArrayLayout,
}

/// An input's items in the order in which a program reads them.
pub(crate) enum Items<'py> {
    Bit(Vec<u64>),
    U8(PyReadonlyArrayDyn<'py, u8>),
    I32(PyReadonlyArrayDyn<'py, i32>),
    F32(PyReadonlyArrayDyn<'py, f32>),
}

/// Where an output's items go.
pub(crate) enum Room<'py> {
    Bit(Vec<u64>),
    U8(PyReadwriteArrayDyn<'py, u8>),
    I32(PyReadwriteArrayDyn<'py, i32>),
    F32(PyReadwriteArrayDyn<'py, f32>),
}

/// The name of a type in NumPy; bits are floats of −1 and 1 where they come out.
pub(crate) fn dtype(kind: Kind) -> &'static str {
    match kind {
        Kind::Bit | Kind::F32 => "float32",
        Kind::U8 => "uint8",
        Kind::I32 => "int32",
    }
}

impl Edge<'_> {
    fn wrong(&self, text: impl std::fmt::Display) -> PyErr {
        value(format!("input {:?}: {text}", self.name))
    }

    /// An array, or what NumPy makes one of, as items; and how many they are.
    pub(crate) fn read<'py>(&self, object: &Bound<'py, PyAny>) -> PyResult<(usize, Items<'py>)> {
        let numpy = object.py().import("numpy")?;
        let array = numpy
            .call_method1("asarray", (object,))
            .map_err(|error| self.wrong(format!("expected numbers; {error}")))?;
        let untyped = array.cast::<PyUntypedArray>().map_err(PyErr::from)?.clone();
        let batch = self.check_shape(untyped.shape())?;
        let array = self.numbers(&untyped)?;
        // The order of the items, and a contiguous copy unless they are that already.
        let array = match self.layout.batch {
            true => array,
            false => array.call_method1("reshape", ([&[1], &self.layout.dims[..]].concat(),))?,
        };
        let mut axes = vec![0];
        axes.extend(self.layout.perm.iter().map(|axis| axis + 1));
        let array = array.call_method1("transpose", (axes,))?;
        let kind = self.value.kind;
        let wanted = if kind == Kind::Bit {
            "bool"
        } else {
            dtype(kind)
        };
        let named = PyDict::new(object.py());
        named.set_item("dtype", wanted)?;
        let array = numpy.call_method("ascontiguousarray", (array,), Some(&named));
        let array =
            array.map_err(
                |error| match error.is_instance_of::<PyMemoryError>(object.py()) {
                    true => PyMemoryError::new_err(format!(
                        "input {:?}: there is no memory for a contiguous copy of the shape {}",
                        self.name,
                        shape(untyped.shape())
                    )),
                    false => error,
                },
            )?;
        let items = match kind {
            Kind::Bit => {
                let bits = readonly::<bool>(&array)?;
                Items::Bit(pack_bits(bits.as_slice().map_err(value)?, self.value.shape))
            }
            Kind::U8 => Items::U8(readonly(&array)?),
            Kind::I32 => Items::I32(readonly(&array)?),
            Kind::F32 => Items::F32(readonly(&array)?),
        };
        Ok((batch, items))
    }

    /// The number of items of an array of this shape.
    fn check_shape(&self, found: &[usize]) -> PyResult<usize> {
        let dims = &self.layout.dims[..];
        match (self.layout.batch, found) {
            (true, [batch, sizes @ ..]) if sizes == dims => return Ok(*batch),
            (false, sizes) if sizes == dims => return Ok(1),
            _ => {}
        }
        let hint = match (self.layout.batch, found, dims) {
            (true, one, _) if one == dims => "; x[None] makes a batch of one item",
            (true, [_, height, width, channels], [c, h, w])
                if (height, width, channels) == (h, w, c) =>
            {
                "; x.transpose(0, 3, 1, 2) has the channels first"
            }
            (true, [_, channels, height, width], [h, w, c])
                if (height, width, channels) == (h, w, c) =>
            {
                "; x.transpose(0, 2, 3, 1) has the channels last"
            }
            _ => "",
        };
        let expected = self.shape();
        Err(self.wrong(format!(
            "expected the shape {expected}, found {}{hint}",
            shape(found)
        )))
    }

    /// The array's shape as Python writes it, n for any number of items.
    pub(crate) fn shape(&self) -> String {
        let sizes = shape(&self.layout.dims);
        match (self.layout.batch, &self.layout.dims[..]) {
            (false, _) => sizes,
            (true, []) => "(n,)".into(),
            (true, [one]) => format!("(n, {one})"),
            (true, _) => sizes.replacen('(', "(n, ", 1),
        }
    }

    /// The array with values that the input's type has; its own type may be another.
    fn numbers<'py>(&self, array: &Bound<'py, PyUntypedArray>) -> PyResult<Bound<'py, PyAny>> {
        let found = array.dtype();
        let any = array.as_any();
        let wrong_type = |expected: &str| {
            Err(PyTypeError::new_err(format!(
                "input {:?}: expected {expected}, found an array of {found}",
                self.name
            )))
        };
        let kind = found.kind();
        match self.value.kind {
            Kind::F32 if matches!(kind, b'f' | b'i' | b'u' | b'b') => Ok(any.clone()),
            Kind::F32 => wrong_type("numbers"),
            Kind::Bit if kind == b'b' => Ok(any.clone()),
            Kind::Bit if matches!(kind, b'f' | b'i' | b'u') => {
                let numpy = array.py().import("numpy")?;
                let high = numpy.call_method1("equal", (any, 1))?;
                let low = numpy.call_method1("equal", (any, -1))?;
                let either = numpy.call_method1("logical_or", (&high, low))?;
                if either.call_method0("all")?.is_truthy()? {
                    Ok(high)
                } else {
                    Err(self.wrong("expected bool, or numbers -1 and 1, found others"))
                }
            }
            Kind::Bit => wrong_type("bool, or numbers -1 and 1"),
            Kind::U8 => self.integers(any, kind, (0, 255), "integers from 0 to 255"),
            Kind::I32 => {
                let range = (i32::MIN.into(), i32::MAX.into());
                self.integers(any, kind, range, "integers of 32 bits")
            }
        }
    }

    fn integers<'py>(
        &self,
        array: &Bound<'py, PyAny>,
        kind: u8,
        (least, most): (i64, i64),
        expected: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        if !matches!(kind, b'i' | b'u') {
            let found = array.getattr("dtype")?;
            return Err(PyTypeError::new_err(format!(
                "input {:?}: expected {expected}, found an array of {found}",
                self.name
            )));
        }
        if array.getattr("size")?.extract::<usize>()? > 0 {
            for (name, limit) in [("min", least), ("max", most)] {
                let end = array.call_method0(name)?;
                let inside = match name {
                    "min" => end.ge(limit)?,
                    _ => end.le(limit)?,
                };
                if !inside {
                    return Err(self.wrong(format!("expected {expected}, found {end}")));
                }
            }
        }
        Ok(array.clone())
    }

    /// Sizes of an output's items in the order in which a program writes them.
    fn ordered(&self, batch: usize) -> Vec<usize> {
        let dims = self.layout.perm.iter().map(|&axis| self.layout.dims[axis]);
        [batch].into_iter().chain(dims).collect()
    }

    /// Room for so many items.
    pub(crate) fn room<'py>(&self, py: Python<'py>, batch: usize) -> PyResult<Room<'py>> {
        fn zeros<'py, T: numpy::Element>(
            py: Python<'py>,
            sizes: Vec<usize>,
        ) -> PyResult<PyReadwriteArrayDyn<'py, T>> {
            PyArrayDyn::<T>::zeros(py, sizes, false)
                .try_readwrite()
                .map_err(value)
        }
        let sizes = self.ordered(batch);
        Ok(match self.value.kind {
            Kind::Bit => {
                let shape = self.value.shape;
                let line = (shape.width * shape.channels).div_ceil(64);
                Room::Bit(vec![0; batch * shape.height * line])
            }
            Kind::U8 => Room::U8(zeros(py, sizes)?),
            Kind::I32 => Room::I32(zeros(py, sizes)?),
            Kind::F32 => Room::F32(zeros(py, sizes)?),
        })
    }

    /// An output's items as an array in the axes of the net's file.
    pub(crate) fn array<'py>(
        &self,
        py: Python<'py>,
        batch: usize,
        room: Room<'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let array = match room {
            Room::Bit(words) => {
                let bits = unpack_bits(&words, self.value.shape).into_iter();
                let signs: Vec<f32> = bits.map(|bit| if bit { 1.0 } else { -1.0 }).collect();
                let sizes = self.ordered(batch);
                signs.into_pyarray(py).reshape(sizes)?.into_any()
            }
            Room::U8(array) => array.as_any().clone(),
            Room::I32(array) => array.as_any().clone(),
            Room::F32(array) => array.as_any().clone(),
        };
        let mut back = vec![0; self.layout.perm.len() + 1];
        for (place, &axis) in self.layout.perm.iter().enumerate() {
            back[axis + 1] = place + 1;
        }
        let array = array.call_method1("transpose", (back,))?;
        let numpy = py.import("numpy")?;
        let array = numpy.call_method1("ascontiguousarray", (array,))?;
        match self.layout.batch || batch != 1 {
            true => Ok(array),
            false => array.call_method1("reshape", (self.layout.dims.clone(),)),
        }
    }
}

fn readonly<'py, T: numpy::Element>(
    array: &Bound<'py, PyAny>,
) -> PyResult<PyReadonlyArrayDyn<'py, T>> {
    let array = array.cast::<PyArrayDyn<T>>().map_err(PyErr::from)?;
    array.try_readonly().map_err(value)
}

impl Items<'_> {
    pub(crate) fn tensor(&self) -> PyResult<TensorRef<'_>> {
        Ok(match self {
            Self::Bit(words) => TensorRef::Bit(words),
            Self::U8(array) => TensorRef::U8(array.as_slice().map_err(value)?),
            Self::I32(array) => TensorRef::I32(array.as_slice().map_err(value)?),
            Self::F32(array) => TensorRef::F32(array.as_slice().map_err(value)?),
        })
    }
}

impl Room<'_> {
    pub(crate) fn tensor(&mut self) -> PyResult<TensorMut<'_>> {
        Ok(match self {
            Self::Bit(words) => TensorMut::Bit(words),
            Self::U8(array) => TensorMut::U8(array.as_slice_mut().map_err(value)?),
            Self::I32(array) => TensorMut::I32(array.as_slice_mut().map_err(value)?),
            Self::F32(array) => TensorMut::F32(array.as_slice_mut().map_err(value)?),
        })
    }
}
