//! Nets.

use crate::{
    arguments::whole,
    arrays::{images, laid_out, shape},
    edges::{Edge, Items, Room, dtype},
    errors::{reading, value},
    files,
    layers::{Layer, Tensor, layers},
};
use bernet::exchange::pixels::Reading;
use bernet_kernels::{isa::Level, threads};
use bernet_runtime::{
    format,
    graph::{Graph, Kind, Pixels, Shape},
    pictures::{PictureError, PictureSession},
    plan::{Options, Program},
    shared::SharedSession,
};
use numpy::{
    PyArray1, PyArray2, PyArrayDescrMethods, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArray,
    PyUntypedArrayMethods,
};
use pyo3::{
    exceptions::PyTypeError,
    prelude::*,
    types::{PyByteArray, PyBytes, PyDict, PyMapping},
};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

/// A net, ready to run. Any number of threads may use one at once; the GIL is released while it runs.
///
/// `run` takes and gives the arrays of the net's own file, of any number of inputs and outputs. `predict`, `logits` and `real_logits` are
/// for nets that tell pictures apart: arrays of uint8, 0 to 255 (digits: 0 for paper and 255 for ink), of shape (n, height, width,
/// channels); (n, height, width) for one channel, and (n, pixels), will do, and so will lists. Nets whose input is float32 also take
/// arrays of floats, as the input says. Contiguous arrays are read where they lie.
#[pyclass(frozen, module = "bernet")]
pub(crate) struct Model {
    graph: Graph,
    notes: Vec<String>,
    arrays: Arc<SharedSession>,
    /// Where the net takes no pictures, why.
    pictures: Result<PictureSession, PictureError>,
    /// Products of a weight and an activation for one item.
    macs: u64,
}

/// Products for which the GIL is kept: to let other threads in takes about as long as these.
const KEPT: u64 = 1 << 18;

/// Reads a net from a file (a path), or from the bytes of one: .bnet, ONNX or TFLite, by what is in it.
///
/// `level` forces an instruction set ("portable", "avx2", …), the best by default; `threads` share the items of each call. Neither
/// changes a result. `pixels` says what a picture's pixels become at inputs of floats, where the file does not: "0..1", "0..255",
/// "-1..1" or "mean=M,std=S", for channels separated by /. OSError if the file cannot be read; ValueError if it is not a net, or
/// there is no such level.
#[pyfunction]
#[pyo3(
    signature = (source, *, level=None, threads=None, pixels=None),
    text_signature = "(source, *, level=None, threads=1, pixels=None)"
)]
pub(crate) fn load(
    source: &Bound<'_, PyAny>,
    level: Option<&str>,
    threads: Option<&Bound<'_, PyAny>>,
    pixels: Option<&str>,
) -> PyResult<Model> {
    let threads = match threads {
        None => 1,
        Some(threads) => whole("threads", threads, 0, u64::MAX).map(|number| number as usize)?,
    };
    threads::checked(threads).map_err(value)?;
    let reading: Option<Reading> = pixels.map(str::parse).transpose().map_err(value)?;
    let reading = reading.as_ref();
    let py = source.py();
    let net = if let Ok(bytes) = source.cast::<PyBytes>() {
        let bytes = bytes.as_bytes();
        py.detach(|| files::from_bytes(bytes, reading))?
    } else if let Ok(bytes) = source.cast::<PyByteArray>() {
        files::from_bytes(&bytes.to_vec(), reading)?
    } else {
        let path: PathBuf = source.extract().map_err(|error: PyErr| {
            match error.is_instance_of::<PyTypeError>(py) {
                true => PyTypeError::new_err(format!(
                    "source: expected a path, or the bytes of a file, found {}",
                    source.get_type()
                )),
                false => error,
            }
        })?;
        py.detach(|| files::read(&path, reading))?
    };
    Model::new(net.graph, net.notes, level, threads)
}

/// A net of `models/`, and its name.
macro_rules! shipped {
    ($name:literal) => {
        (
            $name,
            include_bytes!(concat!("../../../models/", $name, ".bnet")) as &[u8],
        )
    };
}

/// The nets that come along, by name.
const PRETRAINED: [(&str, &[u8]); 8] = [
    shipped!("mnist"),
    shipped!("mnist-bernoulli"),
    shipped!("mnist-exact"),
    shipped!("mnist-grey"),
    shipped!("mnist-lenet"),
    shipped!("mnist-small"),
    shipped!("mnist-small-4k"),
    shipped!("mnist-small-8k"),
];

/// A net that comes along, trained on MNIST's digits: "mnist", "mnist-bernoulli", "mnist-exact", "mnist-grey", "mnist-lenet",
/// "mnist-small", "mnist-small-4k" or "mnist-small-8k". What made it is in its metadata.
#[pyfunction]
#[pyo3(signature = (name="mnist"))]
pub(crate) fn pretrained(name: &str) -> PyResult<Model> {
    let Some((_, bytes)) = PRETRAINED.iter().find(|(known, _)| *known == name) else {
        let names = PRETRAINED.map(|(known, _)| format!("{known:?}"));
        return Err(value(format!(
            "name: expected one of {}, found {name:?}",
            names.join(", ")
        )));
    };
    let net = files::from_bytes(bytes, None)?;
    Model::new(net.graph, net.notes, None, 1)
}

/// The level of a name.
pub(crate) fn level(name: Option<&str>) -> PyResult<Level> {
    name.map_or(Ok(Level::best()), Level::by_name)
        .map_err(value)
}

/// Python's words for a net that takes no pictures as it is.
fn no_pictures(error: &PictureError) -> PyErr {
    match error {
        PictureError::Unsaid { .. } => value(format!(
            "{error}; here: load(..., pixels=\"0..1\") says it, and an array of float32 is taken as it is"
        )),
        PictureError::Edges { .. } | PictureError::Output { .. } => {
            value(format!("{error}: model.run"))
        }
        PictureError::RealWeights { .. } => value(format!("{error}: model.real_logits")),
        _ => value(error),
    }
}

impl Model {
    pub(crate) fn new(
        graph: Graph,
        notes: Vec<String>,
        name: Option<&str>,
        threads: usize,
    ) -> PyResult<Self> {
        let options = Options {
            level: level(name)?,
            ..Options::default()
        };
        let program = Program::new(&graph, &options).map_err(value)?;
        let steps = program.steps();
        let macs = steps.map(|step| step.binary_macs + step.real_macs).sum();
        let arrays = Arc::new(SharedSession::new(program.into(), threads).map_err(value)?);
        let pictures = PictureSession::new(&graph, arrays.clone());
        Ok(Self {
            graph,
            notes,
            arrays,
            pictures,
            macs,
        })
    }

    fn input(&self, index: usize) -> Edge<'_> {
        let input = &self.graph.inputs[index];
        Edge {
            name: &input.name,
            value: self.graph.value(input.value),
            layout: &input.layout,
        }
    }

    fn output(&self, index: usize) -> Edge<'_> {
        let output = &self.graph.outputs[index];
        Edge {
            name: &output.name,
            value: self.graph.value(output.value),
            layout: &output.layout,
        }
    }

    /// Whether so many items take so little that the GIL is kept.
    fn is_short(&self, items: usize) -> bool {
        self.macs.saturating_mul(items as u64) <= KEPT
    }

    /// The outputs for the arrays of all inputs.
    fn outputs<'py>(
        &self,
        py: Python<'py>,
        inputs: &[Bound<'py, PyAny>],
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let mut items: Vec<Items<'py>> = Vec::new();
        let mut batch = 0;
        for (index, object) in inputs.iter().enumerate() {
            let edge = self.input(index);
            let (found, read) = edge.read(object)?;
            if index > 0 && found != batch {
                return Err(value(format!(
                    "input {:?}: expected {batch} items, as {:?} has, found {found}",
                    edge.name,
                    self.input(0).name
                )));
            }
            batch = found;
            items.push(read);
        }
        let count = self.graph.outputs.len();
        let rooms = (0..count).map(|index| self.output(index).room(py, batch));
        let mut rooms: Vec<Room<'py>> = rooms.collect::<PyResult<_>>()?;
        {
            let items: Vec<_> = items.iter().map(Items::tensor).collect::<PyResult<_>>()?;
            let outputs = rooms.iter_mut().map(Room::tensor);
            let mut outputs: Vec<_> = outputs.collect::<PyResult<_>>()?;
            let mut run = || self.arrays.run(batch, &items, &mut outputs);
            let result = if self.is_short(batch) {
                run()
            } else {
                py.detach(run)
            };
            result.map_err(value)?;
        }
        let rooms = rooms.into_iter().enumerate();
        rooms
            .map(|(index, room)| self.output(index).array(py, batch, room))
            .collect()
    }

    /// The logits for floats as the one input takes them, (n, classes); `None` for pictures.
    fn logits_of_floats<'py>(
        &self,
        object: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let one = self.graph.inputs.len() == 1 && self.graph.outputs.len() == 1;
        if !one || self.input(0).value.kind != Kind::F32 {
            return Ok(None);
        }
        let array = object.cast::<PyUntypedArray>();
        if !array.is_ok_and(|array| array.dtype().kind() == b'f') {
            return Ok(None);
        }
        let value = self.output(0).value;
        if value.shape.len() < 2 || value.shape.len() != value.shape.channels {
            let text = "expected a number for each class: use model.run";
            return Err(crate::errors::value(format!(
                "output {:?}: {text}",
                self.output(0).name
            )));
        }
        let output = self.outputs(object.py(), std::slice::from_ref(object))?;
        let classes = value.shape.channels;
        let output = output[0].call_method1("reshape", ((-1, classes as isize),))?;
        Ok(Some(output))
    }

    /// Runs something on pictures that are of a shape that the net reads.
    fn on_pictures<T: Send>(
        &self,
        object: &Bound<'_, PyAny>,
        work: impl Fn(&PictureSession, &[u8]) -> Result<T, PictureError> + Sync,
    ) -> PyResult<T> {
        let py = object.py();
        let images = images(object)?;
        let session = self.pictures.as_ref().map_err(no_pictures)?;
        self.check_shape(&images)?;
        let grey = laid_out("images", &images)?;
        let count = grey.len() / self.picture_shape().len();
        let result = match self.is_short(count) {
            true => work(session, &grey),
            false => py.detach(|| work(session, &grey)),
        };
        result.map_err(|error| no_pictures(&error))
    }

    fn picture_shape(&self) -> Shape {
        self.graph.value(self.graph.inputs[0].value).shape
    }

    fn check_shape(&self, images: &PyReadonlyArrayDyn<'_, u8>) -> PyResult<()> {
        let picture = self.picture_shape();
        let (image, channels) = (picture.dims(), picture.channels);
        let fits = match images.shape() {
            [_, rest @ ..] if *rest == image => true,
            [_, rest @ ..] if *rest == image[..2] => channels == 1,
            [_, pixels] => *pixels == image.iter().product::<usize>(),
            _ => false,
        };
        if fits {
            return Ok(());
        }
        let expected = if channels == 1 { &image[..2] } else { &image };
        let expected = shape(expected).replacen('(', "(n, ", 1);
        let found = shape(images.shape());
        let hint = match images.shape() {
            one if *one == image || (channels == 1 && *one == image[..2]) => {
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
        let classes = self.classes()?;
        let images = values.len() / classes;
        PyArray1::from_vec(py, values).reshape([images, classes])
    }
}

#[pymethods]
impl Model {
    /// Runs the net on arrays in the shapes, order and names of the file that it came from: one array for a net of one input, else a
    /// mapping of names, or names as keywords. Returns the outputs by name.
    ///
    /// Lists will do. Values that the input's type does not have are a ValueError; bits are bool, or numbers −1 and 1, and come out as
    /// float32.
    #[pyo3(signature = (inputs=None, /, **named), text_signature = "($self, inputs=None, /, **named)")]
    fn run<'py>(
        &self,
        py: Python<'py>,
        inputs: Option<&Bound<'py, PyAny>>,
        named: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let mut found: Vec<Option<Bound<'py, PyAny>>> = vec![None; self.graph.inputs.len()];
        let mut set = |name: &str, array: Bound<'py, PyAny>| {
            let at = self.graph.inputs.iter().position(|one| one.name == name);
            let Some(at) = at else {
                let names = self.graph.inputs.iter();
                let names: Vec<_> = names.map(|one| format!("{:?}", one.name)).collect();
                return Err(value(format!(
                    "input {name:?}: expected one of {}",
                    names.join(", ")
                )));
            };
            if found[at].replace(array).is_some() {
                return Err(value(format!("input {name:?}: given twice")));
            }
            Ok(())
        };
        if let Some(inputs) = inputs {
            if let Ok(mapping) = inputs.cast::<PyMapping>() {
                for item in mapping.items()?.iter() {
                    let (name, array): (String, Bound<'py, PyAny>) = item.extract()?;
                    set(&name, array)?;
                }
            } else if let [input] = &self.graph.inputs[..] {
                set(&input.name, inputs.clone())?;
            } else {
                let names = self.graph.inputs.iter();
                let names: Vec<_> = names.map(|one| format!("{:?}: …", one.name)).collect();
                return Err(value(format!(
                    "inputs: the net has {}, expected {{{}}}",
                    names.len(),
                    names.join(", ")
                )));
            }
        }
        for (name, array) in named.into_iter().flatten() {
            set(&name.extract::<String>()?, array)?;
        }
        let arrays: Vec<_> = found
            .into_iter()
            .zip(&self.graph.inputs)
            .map(|(array, input)| {
                array.ok_or_else(|| value(format!("input {:?}: no array was given", input.name)))
            })
            .collect::<PyResult<_>>()?;
        let result = PyDict::new(py);
        let outputs = self.graph.outputs.iter().zip(self.outputs(py, &arrays)?);
        for (output, array) in outputs {
            result.set_item(&output.name, array)?;
        }
        Ok(result)
    }

    /// The class of each image, as int64; of several with the same logit, the first.
    fn predict<'py>(&self, images: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArray1<i64>>> {
        if let Some(logits) = self.logits_of_floats(images)? {
            let classes = logits.call_method1("argmax", (1,))?;
            let classes = classes.call_method1("astype", ("int64",))?;
            return classes.cast_into::<PyArray1<i64>>().map_err(PyErr::from);
        }
        let predictions = self.on_pictures(images, PictureSession::classify)?;
        let classes: Vec<_> = predictions.iter().map(|said| said.class as i64).collect();
        // Into an array of numpy's own: one around a vector is an object more to make and to free.
        Ok(PyArray1::from_slice(images.py(), &classes))
    }

    /// The integer logits, (n, classes) of int32: sums of ±1, the same on every machine. ValueError where the last layer has real weights.
    fn logits<'py>(&self, images: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArray2<i32>>> {
        let logits = self.on_pictures(images, PictureSession::logits)?;
        self.by_class(images.py(), logits)
    }

    /// The real logits, (n, classes) of float64: scale · sum + bias where the net has a scale and a bias for each class, else the sums,
    /// or what a last layer of real weights gives. They are computed in float32.
    fn real_logits<'py>(&self, images: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        if let Some(logits) = self.logits_of_floats(images)? {
            let logits = logits.call_method1("astype", ("float64",))?;
            return logits.cast_into::<PyArray2<f64>>().map_err(PyErr::from);
        }
        let logits = self.on_pictures(images, PictureSession::real_logits)?;
        let logits = logits.into_iter().map(f64::from).collect();
        self.by_class(images.py(), logits)
    }

    /// Writes the net to a .bnet file, which appears whole or not at all. OSError if it cannot be written.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        py.detach(|| format::write(&self.graph, path))
            .map_err(reading)
    }

    /// The bytes of the .bnet file.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = format::to_bytes(&self.graph).map_err(value)?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// The inputs, in their order.
    #[getter]
    fn inputs(&self) -> Vec<Tensor> {
        let inputs = self.graph.inputs.iter().enumerate();
        inputs
            .map(|(index, input)| Tensor::new(self.input(index), Some(&input.pixels)))
            .collect()
    }

    /// The outputs, in their order.
    #[getter(outputs)]
    fn output_list(&self) -> Vec<Tensor> {
        let outputs = 0..self.graph.outputs.len();
        outputs
            .map(|index| Tensor::new(self.output(index), None))
            .collect()
    }

    /// What the net computes, in the order in which it is computed, with its weights.
    #[getter]
    fn layers<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, Layer>>> {
        layers(py, &self.graph)
    }

    /// What the importer of a file of another tool assumed, one sentence each.
    #[getter]
    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    /// The shape of one picture, or of one item of the first input: (height, width, channels).
    #[getter]
    fn input_shape(&self) -> (usize, usize, usize) {
        let Shape {
            height,
            width,
            channels,
        } = self.picture_shape();
        (height, width, channels)
    }

    /// A grey value of at least this is ink; `None` where the net reads the grey values themselves, or no pictures.
    #[getter]
    fn threshold(&self) -> Option<u8> {
        match self.graph.inputs[0].pixels {
            Pixels::AtLeast(threshold) => Some(threshold),
            _ => None,
        }
    }

    /// How many classes the net tells apart. ValueError where it has no number for each class.
    #[getter]
    fn classes(&self) -> PyResult<usize> {
        match &self.pictures {
            Ok(session) => Ok(session.classes()),
            Err(PictureError::Unsaid { .. }) if self.graph.outputs.len() == 1 => {
                Ok(self.output(0).value.shape.channels)
            }
            Err(error) => Err(no_pictures(error)),
        }
    }

    /// The instruction set whose kernels run.
    #[getter]
    fn level(&self) -> &'static str {
        self.arrays.program().level().name()
    }

    /// How many threads share the items of each call.
    #[getter]
    fn threads(&self) -> usize {
        self.arrays.threads()
    }

    /// What else is known of the net: how it was trained, its accuracy, its licence.
    #[getter]
    fn metadata(&self) -> BTreeMap<String, String> {
        self.graph.metadata.clone()
    }

    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        let py = slf.py();
        let load = py.import("bernet")?.getattr("load")?;
        Ok((load, (slf.get().to_bytes(py)?,)))
    }

    fn __repr__(&self) -> String {
        let edge = |edge: Edge<'_>| {
            let kind = match edge.value.kind {
                Kind::Bit => "bit",
                kind => dtype(kind),
            };
            format!("{} {kind} {}", edge.name, edge.shape())
        };
        let inputs = (0..self.graph.inputs.len()).map(|index| edge(self.input(index)));
        let outputs = (0..self.graph.outputs.len()).map(|index| edge(self.output(index)));
        format!(
            "<bernet.Model {} → {} nodes → {}, level {}>",
            inputs.collect::<Vec<_>>().join(", "),
            self.graph.nodes.len(),
            outputs.collect::<Vec<_>>().join(", "),
            self.level()
        )
    }
}
