//! Training.

use crate::{
    arguments::{labels, positive, whole, whole_or},
    arrays::{images, laid_out, shape},
    errors::value,
    model::{Model, level},
};
use bernet::{
    data::{self, Dataset, THRESHOLD},
    model::Input,
    train::{Config, MethodName, NETS, Network, Observer, Run, RunError, Trainer, net_by_name},
};
use numpy::{PyArray1, PyArray3, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::{exceptions::PyTypeError, prelude::*, types::PyType};
use std::ops::ControlFlow;

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

/// Trains a binary net on images (uint8, (n, height, width), 0 for paper and 255 for ink) and their labels (integers from 0), and returns it
/// as a Model. The last `validation` images, a twelfth by default, are held out to measure each epoch by.
///
/// `net` is "talk" (28×28 pixels, 10 classes), "talk-24" (their 24×24 centre), another name of a net that comes along, or a description in
/// TOML. Images have the net's size; with `crop` larger ones are cut to their centre. `method` is "bernoulli" or "ste" (straight-through).
/// `callback` is called with an Epoch after each; what it raises ends the training. The same arguments give the same net, bit for bit, with any
/// number of cores. ValueError names what does not fit.
#[pyfunction]
#[pyo3(
    signature = (images, labels, *, net="talk", method="bernoulli", epochs=None, seed=None, batch=None, learning_rate=None,
        validation=None, crop=false, callback=None),
    text_signature = "(images, labels, *, net='talk', method='bernoulli', epochs=30, seed=1, batch=None, learning_rate=None, validation=None, crop=False, callback=None)"
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
    crop: bool,
    callback: Option<Bound<'py, PyAny>>,
) -> PyResult<Model> {
    let py = images.py();
    let network = network(net)?;
    let method = match method {
        "bernoulli" => MethodName::Bernoulli,
        "ste" => MethodName::Ste,
        _ => {
            let text = format!("method: expected \"bernoulli\" or \"ste\", found {method:?}");
            return Err(value(text));
        }
    };
    let epochs = whole_or("epochs", epochs, 1, 100_000)?.unwrap_or(30) as u32;
    let seed = whole_or("seed", seed, 0, i64::MAX as u64)?.unwrap_or(1);
    let mut config = Config::new(method, network, epochs, seed);
    if let Some(rate) = learning_rate {
        config.learning_rate = positive("learning_rate", rate)?;
    }
    if let Some(callback) = callback.as_ref().filter(|callback| !callback.is_callable()) {
        let found = callback.get_type();
        let text = format!("callback: expected a function of an Epoch, found {found}");
        return Err(PyTypeError::new_err(text));
    }
    // The name says that it is the centre that is read.
    let cut = crop || matches!(net, "talk-24" | "seed-24");
    let dataset = dataset(images, labels, &config.network, cut)?;

    let all = dataset.len() as u64;
    if all < 3 {
        let text = format!(
            "images: expected at least 3, two to train on and one to measure by, found {all}"
        );
        return Err(value(text));
    }
    let most = all - 2;
    config.validation = match validation {
        None => (all / 12).max(1) as usize,
        Some(validation) => whole("validation", validation, 1, most)? as usize,
    };
    let trained_on = all - config.validation as u64;
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
        let (train, validation) = dataset.split(config.validation).map_err(value)?;
        let run = Run {
            train: &train,
            validation: &validation,
            level: level(None)?,
            checkpoint: None,
        };
        let failed = |error: RunError| value(error);
        let mut trainer = Trainer::new(config).map_err(value)?;
        let ended = run.train(&mut trainer, &mut watch).map_err(failed)?;
        match (watch.raised.take(), ended) {
            (Some(raised), _) => Err(raised),
            (None, _) => run.finish(&trainer).map_err(failed),
        }
    })?;
    Model::new(trained, None, 1)
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
    let (count, height, width) = match *images.shape() {
        [count, height, width] | [count, height, width, 1] => (count, height, width),
        _ => {
            let found = shape(images.shape());
            return Err(value(format!(
                "images: expected the shape (n, height, width), found {found}"
            )));
        }
    };
    let expected = network.input_shape();
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
    let input = Input {
        height,
        width,
        channels: 1,
        threshold: Some(THRESHOLD),
    };
    let grey = laid_out("images", &images)?;
    let bits = input.binarise(&grey).map_err(value)?;
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
        let ink = bernet::infer::reference::unpack(dataset.images());
        let grey: Vec<u8> = ink
            .into_iter()
            .map(|value| if value > 0 { 255 } else { 0 })
            .collect();
        let images = PyArray1::from_vec(py, grey).reshape([size.batch, size.height, size.width])?;
        Ok((images, PyArray1::from_slice(py, dataset.labels())))
    };
    Ok((part(&source.train)?, part(&source.test)?))
}
