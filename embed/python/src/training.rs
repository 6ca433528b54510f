//! Training.

use crate::{
    arguments::{labels, positive, whole, whole_or},
    arrays::{images, laid_out, shape},
    errors::value,
    model::{Model, level},
};
use bernet::{
    data::{self, Dataset, THRESHOLD},
    train::{
        Config, MethodName, NETS, Network, Observer, Run, RunError, Trainer, data_checksum,
        net_by_name,
    },
};
use bernet_kernels::{
    bits::{BitTensor, Shape},
    isa::Level,
    packing::{self, Order},
};
use numpy::{PyArray1, PyArray3, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::{
    exceptions::PyTypeError,
    prelude::*,
    types::{PyList, PyTuple, PyType},
};
use std::{ops::ControlFlow, path::PathBuf};

/// What an epoch of training left behind.
#[pyclass(frozen, get_all, eq, module = "bernet")]
#[derive(PartialEq)]
pub(crate) struct Epoch {
    /// From 1.
    number: u32,
    /// Mean training loss, in nats.
    loss: f64,
    /// Share of training images answered right on the way.
    train_accuracy: f64,
    /// Share of validation images answered right by the net binarised as it stands.
    validation_accuracy: f64,
    /// Share of the weights that are binary for good.
    frozen: f64,
    /// Wall-clock seconds, evaluation included.
    seconds: f64,
}

/// What a pickle of an epoch holds.
type Fields = (u32, f64, f64, f64, f64, f64);

#[pymethods]
impl Epoch {
    #[new]
    fn new(
        number: u32,
        loss: f64,
        train_accuracy: f64,
        validation_accuracy: f64,
        frozen: f64,
        seconds: f64,
    ) -> Self {
        Self {
            number,
            loss,
            train_accuracy,
            validation_accuracy,
            frozen,
            seconds,
        }
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> (Bound<'py, PyType>, Fields) {
        let &Self {
            number,
            loss,
            train_accuracy,
            validation_accuracy,
            frozen,
            seconds,
        } = slf.get();
        let fields = (
            number,
            loss,
            train_accuracy,
            validation_accuracy,
            frozen,
            seconds,
        );
        (slf.get_type(), fields)
    }

    fn __repr__(&self) -> String {
        let Self { number, loss, .. } = self;
        let accuracy = 100.0 * self.validation_accuracy;
        format!("<bernet.Epoch {number}: loss {loss:.4}, validation {accuracy:.2} %>")
    }
}

/// Hands epochs to Python, and stops where Python raises, Ctrl-C included.
struct Watch {
    callback: Option<Py<PyAny>>,
    raised: Option<PyErr>,
}

impl Watch {
    fn ask(&mut self, work: impl FnOnce(Python<'_>) -> PyResult<()>) {
        if self.raised.is_none() {
            self.raised = Python::attach(work).err();
        }
    }
}

impl Observer for Watch {
    fn step(&mut self, _: u32, _: f64) -> ControlFlow<()> {
        self.ask(|py| py.check_signals());
        match self.raised {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        }
    }

    fn epoch(&mut self, epoch: &bernet::train::Epoch) {
        let Some(callback) = self.callback.take() else {
            return;
        };
        let epoch = Epoch {
            number: epoch.number,
            loss: epoch.loss,
            train_accuracy: epoch.train_accuracy,
            validation_accuracy: epoch.validation_accuracy,
            frozen: epoch.frozen,
            seconds: epoch.seconds,
        };
        self.ask(|py| callback.call1(py, (epoch,)).map(drop));
        self.callback = Some(callback);
    }
}

/// Trains a binary net on images (uint8, 0 for paper and 255 for ink, of shape (n, height, width) or (n, height, width, channels)) and
/// their labels (integers from 0), and returns it as a Model. The last `validation` images, a twelfth by default, are held out to measure
/// each epoch by; or `validation_data`, a pair of images and labels, is what it is measured by, and all images are trained on.
///
/// `net` is "talk" (28×28 pixels, 10 classes), "talk-24" (their 24×24 centre), another name of a net that comes along, or a description in
/// TOML. Images have the net's size; with `crop` larger ones are cut to their centre. `method` is one that `bernet train --help` lists and that
/// ends in a binary net: "bernoulli", "ste" (straight-through), …; `settings` are further ones as `bernet train --set` takes them, in TOML.
/// `callback` is called with an Epoch after each; what it raises ends the training. `checkpoint` names a file that is written after each epoch;
/// with `resume` a training goes on from there, if the file is there, on the same data with the same settings. The same arguments give the same
/// net, bit for bit, with any number of cores, interrupted or not. ValueError names what does not fit.
#[pyfunction]
#[pyo3(
    signature = (images, labels, *, net="talk", method="bernoulli", epochs=None, seed=None, batch=None, learning_rate=None,
        validation=None, validation_data=None, crop=false, settings=None, callback=None, checkpoint=None, resume=false),
    text_signature = "(images, labels, *, net='talk', method='bernoulli', epochs=30, seed=1, batch=None, learning_rate=None, validation=None, validation_data=None, crop=False, settings=None, callback=None, checkpoint=None, resume=False)"
)]
#[allow(
    clippy::too_many_arguments,
    reason = "they are keywords where they are called"
)]
pub(crate) fn train<'py>(
    images: &Bound<'py, PyAny>,
    labels: &Bound<'py, PyAny>,
    net: &str,
    method: &str,
    epochs: Option<&Bound<'py, PyAny>>,
    seed: Option<&Bound<'py, PyAny>>,
    batch: Option<&Bound<'py, PyAny>>,
    learning_rate: Option<&Bound<'py, PyAny>>,
    validation: Option<&Bound<'py, PyAny>>,
    validation_data: Option<&Bound<'py, PyAny>>,
    crop: bool,
    settings: Option<&str>,
    callback: Option<Bound<'py, PyAny>>,
    checkpoint: Option<PathBuf>,
    resume: bool,
) -> PyResult<Model> {
    let py = images.py();
    let network = network(net)?;
    let named = MethodName::BINARY
        .into_iter()
        .find(|one| one.name() == method);
    let Some(method) = named else {
        let names = MethodName::BINARY.map(|one| format!("{:?}", one.name()));
        return Err(value(format!(
            "method: expected one of {}, found {method:?}",
            names.join(", ")
        )));
    };
    let epochs = whole_or("epochs", epochs, 1, 100_000)?.unwrap_or(30) as u32;
    let seed = whole_or("seed", seed, 0, i64::MAX as u64)?.unwrap_or(1);
    let mut config = Config::new(method, network, epochs, seed);
    if let Some(settings) = settings {
        config = config
            .with(settings)
            .map_err(|error| value(format!("settings: {error}")))?;
    }
    if let Some(rate) = learning_rate {
        config.learning_rate = positive("learning_rate", rate)?;
    }
    if let Some(callback) = callback.as_ref().filter(|callback| !callback.is_callable()) {
        let found = callback.get_type();
        let text = format!("callback: expected a function of an Epoch, found {found}");
        return Err(PyTypeError::new_err(text));
    }
    if resume && checkpoint.is_none() {
        return Err(value("resume: there is no checkpoint to go on from"));
    }
    // The name says that it is the centre that is read.
    let cut = crop || matches!(net, "talk-24" | "seed-24");
    let data = data(
        dataset(images, labels, &config.network, cut)?,
        validation,
        validation_data.map(|pair| {
            let (images, labels) = two(pair)?;
            dataset(&images, &labels, &config.network, cut)
                .map_err(|error| within(py, "validation_data", &error))
        }),
    )?;
    let trained_on = data.train.len() as u64;
    config.validation = data.validation.len();
    match batch {
        Some(batch) => config.batch = whole("batch", batch, 2, trained_on)? as usize,
        None if config.batch as u64 > trained_on => {
            let usual = config.batch;
            return Err(value(format!(
                "batch: it is {usual} where nothing else is said, and there are {trained_on} images to train on: pass \
                 batch={} or another number from 2 to {trained_on}",
                (trained_on / 8).max(2)
            )));
        }
        None => {}
    }
    let mut watch = Watch {
        callback: callback.map(Bound::unbind),
        raised: None,
    };

    let trained = py.detach(|| {
        let failed = |error: RunError| value(error);
        let mut trainer = match &checkpoint {
            Some(path) if resume && path.exists() => resumed(path, &config, &data)?,
            _ => Trainer::new(config).map_err(value)?,
        };
        trainer.set_data(data.describe());
        let run = Run {
            train: &data.train,
            validation: &data.validation,
            level: level(None)?,
            checkpoint,
        };
        let ended = run.train(&mut trainer, &mut watch).map_err(failed)?;
        match (watch.raised.take(), ended) {
            (Some(raised), _) => Err(raised),
            (None, _) => run.finish(&trainer).map_err(failed),
        }
    })?;
    Model::new(trained, Vec::new(), None, 1)
}

/// The images and labels of a pair.
fn two<'py>(pair: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let is_pair = pair.is_instance_of::<PyTuple>() || pair.is_instance_of::<PyList>();
    if is_pair && pair.len()? == 2 {
        return Ok((pair.get_item(0)?, pair.get_item(1)?));
    }
    let text = "validation_data: expected a pair of images and labels";
    Err(PyTypeError::new_err(text))
}

/// What is trained on, and what is measured by.
struct Data {
    train: Dataset,
    validation: Dataset,
}

impl Data {
    /// Their sizes, and a checksum of every image and label.
    fn describe(&self) -> String {
        format!(
            "arrays: {} images and {} to measure by, checksum {:08x}",
            self.train.len(),
            self.validation.len(),
            data_checksum([&self.train, &self.validation])
        )
    }
}

/// The images in two parts.
fn data(
    all: Dataset,
    validation: Option<&Bound<'_, PyAny>>,
    given: Option<PyResult<Dataset>>,
) -> PyResult<Data> {
    let images = all.len() as u64;
    let Some(given) = given else {
        if images < 3 {
            return Err(value(format!(
                "images: expected at least 3, two to train on and one to measure by, found {images}"
            )));
        }
        let validation = match validation {
            None => (images / 12).max(1),
            Some(validation) => whole("validation", validation, 1, images - 2)?,
        };
        let (train, validation) = all.split(validation as usize).map_err(value)?;
        return Ok(Data { train, validation });
    };
    if validation.is_some() {
        return Err(value(
            "validation: expected either it or validation_data, found both",
        ));
    }
    let validation = given?;
    if images < 2 || validation.is_empty() {
        return Err(value(format!(
            "images: expected at least 2 to train on and 1 in validation_data, found {images} and {}",
            validation.len()
        )));
    }
    let train = all;
    Ok(Data { train, validation })
}

/// A training that goes on, if it is of the same data and settings.
fn resumed(path: &std::path::Path, config: &Config, data: &Data) -> PyResult<Trainer> {
    let trainer = Trainer::load(path).map_err(value)?;
    let (before, now) = (trainer.data(), data.describe());
    if before != now {
        return Err(value(format!(
            "{}: it was trained on {before}; found {now}",
            path.display()
        )));
    }
    if trainer.config() != config {
        let settings = config.beyond(trainer.config());
        let settings = match settings.is_empty() {
            true => "another net".into(),
            false => settings.join("; "),
        };
        return Err(value(format!(
            "{}: it was begun with other settings; found {settings}",
            path.display()
        )));
    }
    Ok(trainer)
}

/// The same error, of an argument that is like `images` and `labels`.
fn within(py: Python<'_>, what: &str, error: &PyErr) -> PyErr {
    let text = format!("{what}: {}", error.value(py));
    match error.is_instance_of::<PyTypeError>(py) {
        true => PyTypeError::new_err(text),
        false => value(text),
    }
}

/// The net of a name, or of a description.
fn network(net: &str) -> PyResult<Network> {
    let description = match net_by_name(net) {
        Some(description) => description,
        // A description has several lines of `key = value`.
        None if !net.contains(['=', '\n']) => {
            let names: Vec<_> = NETS.iter().map(|(name, _)| *name).collect();
            return Err(value(format!(
                "net: expected one of {}, or a description in TOML (of a file: pathlib.Path(\"net.toml\").read_text()), found {net:?}",
                names.join(", ")
            )));
        }
        None => net,
    };
    Network::from_toml(description).map_err(value)
}

/// Images and labels as bernet takes them. The images have the net's size, or are larger where they may be cut.
fn dataset(
    images: &Bound<'_, PyAny>,
    labels: &Bound<'_, PyAny>,
    network: &Network,
    cut: bool,
) -> PyResult<Dataset> {
    /// Labels are bytes.
    const MOST_CLASSES: usize = 1 << u8::BITS;
    let classes = network.classes().map_err(value)?;
    if classes > MOST_CLASSES {
        return Err(value(format!(
            "net: expected at most {MOST_CLASSES} classes, found {classes}"
        )));
    }
    let images = self::images(images)?;
    let (count, height, width, channels) = match *images.shape() {
        [count, height, width] => (count, height, width, 1),
        [count, height, width, channels] => (count, height, width, channels),
        _ => {
            let found = shape(images.shape());
            return Err(value(format!(
                "images: expected the shape (n, height, width) or (n, height, width, channels), found {found}"
            )));
        }
    };
    let expected = network.input_shape();
    if channels != expected.channels {
        return Err(value(format!(
            "images: expected {} channels, as the net reads, found {channels}",
            expected.channels
        )));
    }
    let same = (height, width) == (expected.height, expected.width);
    let larger = height >= expected.height && width >= expected.width;
    let fits = same || (larger && cut);
    if !fits {
        let hint = match larger {
            true => "; crop=True cuts them to their centre",
            false => "",
        };
        return Err(value(format!(
            "images: expected {}×{} pixels, the size that the net reads, found {height}×{width}{hint}",
            expected.height, expected.width
        )));
    }
    let labels = self::labels(labels, count, classes)?;
    let grey = laid_out("images", &images)?;
    let mut bits = BitTensor::all_minus_one(Shape {
        batch: count,
        height,
        width,
        channels,
    });
    packing::tensor_at_least(Level::best(), Order::Nhwc, &grey, THRESHOLD, &mut bits)
        .map_err(value)?;
    // A net that reads grey values takes them as they are.
    let grey = network.input.grey.then(|| grey.into_owned());
    Dataset::new(bits, labels, grey, classes).map_err(value)
}

/// Images and their labels.
type Labelled<'py> = (Bound<'py, PyArray3<u8>>, Bound<'py, PyArray1<u8>>);

/// The complete MNIST, which is part of the package, one bit a pixel: ((images, labels), (test images, test labels)), images as uint8 of
/// shape (n, 28, 28), 0 for paper and 255 for ink, labels as uint8. CC BY-SA 3.0, Yann LeCun and Corinna Cortes.
#[pyfunction]
pub(crate) fn mnist(py: Python<'_>) -> PyResult<(Labelled<'_>, Labelled<'_>)> {
    let source = py.detach(data::load_embedded);
    let part = |dataset: &Dataset| -> PyResult<Labelled<'_>> {
        let size = dataset.images().shape();
        let mut grey = Vec::with_capacity(size.batch * size.height * size.width);
        for line in 0..size.batch * size.height {
            let line = dataset.images().lines().row(line);
            let ink = (0..size.width).map(|x| line[x / 64] >> (x % 64) & 1 == 1);
            grey.extend(ink.map(|ink| if ink { 255 } else { 0 }));
        }
        let images = PyArray1::from_vec(py, grey).reshape([size.batch, size.height, size.width])?;
        Ok((images, PyArray1::from_slice(py, dataset.labels())))
    };
    Ok((part(&source.train)?, part(&source.test)?))
}
