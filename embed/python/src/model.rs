//! Models.

use crate::{
    arguments::whole,
    arrays::{images, laid_out, shape},
    errors::{reading, value, writing},
};
use bernet::infer::{InferError, SharedSession};
use bernet_kernels::{isa::Level, threads};
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::{
    exceptions::PyTypeError,
    prelude::*,
    types::{PyByteArray, PyBytes},
};
use std::{collections::BTreeMap, path::PathBuf};

/// A trained net, ready to run. Any number of threads may use one at once; the GIL is released while it runs.
///
/// Images are arrays of uint8, 0 for paper and 255 for ink, of shape (n, height, width, channels); (n, height, width) for one channel, and
/// (n, pixels), will do. Contiguous arrays are read where they lie.
#[pyclass(frozen, module = "bernet")]
pub(crate) struct Model {
    model: bernet::model::Model,
    session: SharedSession,
    /// Products of a weight and an activation for one image.
    macs: u64,
}

/// Products for which the GIL is kept: to let other threads in takes about as long as these.
const KEPT: u64 = 1 << 18;

/// Reads a model from a .bnet file (a path), or from the bytes of one.
///
/// `level` forces an instruction set ("portable", "avx2", …), the best by default; `threads` share the images of each call. Neither
/// changes a result. OSError if the file cannot be read; ValueError if it is not a model, or there is no such level.
#[pyfunction]
#[pyo3(signature = (source, *, level=None, threads=None), text_signature = "(source, *, level=None, threads=1)")]
pub(crate) fn load(
    source: &Bound<'_, PyAny>,
    level: Option<&str>,
    threads: Option<&Bound<'_, PyAny>>,
) -> PyResult<Model> {
    let threads = match threads {
        None => 1,
        Some(threads) => whole("threads", threads, 0, u64::MAX).map(|number| number as usize)?,
    };
    threads::checked(threads).map_err(value)?;
    let model = if let Ok(bytes) = source.cast::<PyBytes>() {
        bernet::model::Model::from_bytes(bytes.as_bytes()).map_err(value)?
    } else if let Ok(bytes) = source.cast::<PyByteArray>() {
        bernet::model::Model::from_bytes(&bytes.to_vec()).map_err(value)?
    } else {
        let path: PathBuf = source.extract().map_err(|error: PyErr| {
            match error.is_instance_of::<PyTypeError>(source.py()) {
                true => PyTypeError::new_err(format!(
                    "source: expected a path, or the bytes of a .bnet file, found {}",
                    source.get_type()
                )),
                false => error,
            }
        })?;
        source
            .py()
            .detach(|| bernet::model::Model::read(path))
            .map_err(reading)?
    };
    Model::new(model, level, threads)
}

/// The level of a name.
pub(crate) fn level(name: Option<&str>) -> PyResult<Level> {
    name.map_or(Ok(Level::best()), Level::by_name)
        .map_err(value)
}

impl Model {
    pub(crate) fn new(
        model: bernet::model::Model,
        name: Option<&str>,
        threads: usize,
    ) -> PyResult<Self> {
        let session = SharedSession::new(&model, level(name)?, threads).map_err(value)?;
        let macs = model.summary().map_err(value)?.macs();
        Ok(Self {
            model,
            session,
            macs,
        })
    }

    /// Runs something on images that are of a shape that the model reads.
    fn run<T: Send>(
        &self,
        object: &Bound<'_, PyAny>,
        work: impl Fn(&SharedSession, &[u8]) -> Result<T, InferError> + Sync,
    ) -> PyResult<T> {
        let py = object.py();
        let images = images(object)?;
        self.check_shape(&images)?;
        let grey = laid_out("images", &images)?;
        let few = self.macs.saturating_mul(grey.len() as u64) <= KEPT * self.image_bytes() as u64;
        let result = match few {
            true => work(&self.session, &grey),
            false => py.detach(|| work(&self.session, &grey)),
        };
        result.map_err(value)
    }

    fn image_bytes(&self) -> usize {
        let input = self.model.input;
        input.height * input.width * input.channels
    }

    fn check_shape(&self, images: &PyReadonlyArrayDyn<'_, u8>) -> PyResult<()> {
        let input = self.model.input;
        let image = [input.height, input.width, input.channels];
        let fits = match images.shape() {
            [_, rest @ ..] if *rest == image => true,
            [_, rest @ ..] if *rest == image[..2] => input.channels == 1,
            [_, pixels] => *pixels == image.iter().product::<usize>(),
            _ => false,
        };
        if fits {
            return Ok(());
        }
        let expected = if input.channels == 1 {
            &image[..2]
        } else {
            &image
        };
        let expected = shape(expected).replacen('(', "(n, ", 1);
        let found = shape(images.shape());
        let hint = match images.shape() {
            one if *one == image || (input.channels == 1 && *one == image[..2]) => {
                "; images[None] makes a batch of one image"
            }
            [_, channels, height, width]
                if [*height, *width, *channels] == image && *channels > 1 =>
            {
                "; images.transpose(0, 2, 3, 1) has the channels last"
            }
            [_, 1, height, width] if [*height, *width, 1] == image => {
                "; images[:, 0] has that shape"
            }
            _ => "",
        };
        Err(value(format!(
            "images: expected the shape {expected}, found {found}{hint}"
        )))
    }

    /// Values for each image and class as an array.
    fn by_class<'py, T: numpy::Element>(
        &self,
        py: Python<'py>,
        values: Vec<T>,
    ) -> PyResult<Bound<'py, PyArray2<T>>> {
        let classes = self.session.classes();
        let images = values.len() / classes;
        PyArray1::from_vec(py, values).reshape([images, classes])
    }
}

#[pymethods]
impl Model {
    /// The class of each image, as int64; of several with the same logit, the first.
    fn predict<'py>(&self, images: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let predictions = self.run(images, SharedSession::classify)?;
        let classes: Vec<_> = predictions.iter().map(|said| said.class as i64).collect();
        // Into an array of numpy's own: one around a vector is an object more to make and to free.
        Ok(PyArray1::from_slice(images.py(), &classes))
    }

    /// The integer logits, (n, classes) of int32: sums of ±1, the same on every machine. ValueError where the last layer has real weights.
    fn logits<'py>(&self, images: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArray2<i32>>> {
        self.by_class(images.py(), self.run(images, SharedSession::logits)?)
    }

    /// The real logits, (n, classes) of float64: scale · sum + bias where the model has a scale and a bias for each class, else the
    /// sums.
    fn real_logits<'py>(&self, images: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        self.by_class(images.py(), self.run(images, SharedSession::real_logits)?)
    }

    /// Writes the model to a .bnet file, which appears whole or not at all. OSError if it cannot be written.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        py.detach(|| self.model.write(path)).map_err(writing)
    }

    /// The bytes of the .bnet file.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.model.to_bytes().map_err(value)?))
    }

    /// The shape of one image: (height, width, channels).
    #[getter]
    fn input_shape(&self) -> (usize, usize, usize) {
        let input = self.model.input;
        (input.height, input.width, input.channels)
    }

    /// A grey value of at least this is ink; `None` where the first layer reads the grey values themselves.
    #[getter]
    fn threshold(&self) -> Option<u8> {
        self.model.input.threshold
    }

    /// How many classes the model tells apart.
    #[getter]
    fn classes(&self) -> usize {
        self.session.classes()
    }

    /// The instruction set whose kernels run.
    #[getter]
    fn level(&self) -> &'static str {
        self.session.level().name()
    }

    /// How many threads share the images of each call.
    #[getter]
    fn threads(&self) -> usize {
        self.session.threads()
    }

    /// What else is known of the net: how it was trained, its accuracy, its licence.
    #[getter]
    fn metadata(&self) -> BTreeMap<String, String> {
        self.model.metadata.clone()
    }

    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        let py = slf.py();
        let load = py.import("bernet")?.getattr("load")?;
        Ok((load, (slf.get().to_bytes(py)?,)))
    }

    fn __repr__(&self) -> String {
        let (height, width, channels) = self.input_shape();
        let layers: Vec<_> = self
            .model
            .layers
            .iter()
            .map(|layer| layer.kind().to_owned())
            .collect();
        format!(
            "<bernet.Model {height}×{width}×{channels} → {} → {} classes, level {}>",
            layers.join(", "),
            self.classes(),
            self.level()
        )
    }
}
