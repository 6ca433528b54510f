//! Training.

use crate::{
    arrays::{array, shape, values},
    errors::value,
    model::{Model, level},
};
use bernet::{
    data::{self, Dataset, THRESHOLD},
    model::Input,
    train::{Config, MethodName, Network, Observer, Run, RunError, TALK, TALK_24, Trainer},
};
use numpy::{PyArray1, PyArray3, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::prelude::*;
use std::ops::ControlFlow;

/// What an epoch of training left behind.
#[pyclass(frozen, get_all, module = "bernet")]
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

#[pymethods]
impl Epoch {
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
/// `net` is "talk" (28×28 pixels, 10 classes), "talk-24" (the 24×24 centre), or a description in TOML. `method` is "bernoulli" or
/// "ste" (straight-through). `callback` is called with an Epoch after each; what it raises ends the training. The same arguments give the same
/// net, bit for bit, with any number of cores. ValueError names what does not fit.
#[pyfunction]
#[pyo3(signature = (images, labels, *, net="talk", method="bernoulli", epochs=30, seed=1, batch=None, learning_rate=None,
    validation=None, callback=None))]
#[allow(
    clippy::too_many_arguments,
    reason = "they are keywords where they are called"
)]
pub(crate) fn train(
    images: &Bound<'_, PyAny>,
    labels: &Bound<'_, PyAny>,
    net: &str,
    method: &str,
    epochs: u32,
    seed: u64,
    batch: Option<usize>,
    learning_rate: Option<f32>,
    validation: Option<usize>,
    callback: Option<Py<PyAny>>,
) -> PyResult<Model> {
    let py = images.py();
    let network = Network::from_toml(match net {
        "talk" | "seed" => TALK,
        "talk-24" | "talk-24" => TALK_24,
        description => description,
    })
    .map_err(value)?;
    let method = match method {
        "bernoulli" => MethodName::Bernoulli,
        "ste" => MethodName::Ste,
        _ => {
            let text = format!("method: expected \"bernoulli\" or \"ste\", found {method:?}");
            return Err(value(text));
        }
    };
    for (what, found, most) in [
        ("epochs", u64::from(epochs), 100_000),
        ("seed", seed, i64::MAX as u64),
    ] {
        let least = u64::from(what == "epochs");
        if !(least..=most).contains(&found) {
            let text = format!("{what}: expected {least} to {most}, found {found}");
            return Err(value(text));
        }
    }
    let mut config = Config::new(method, network, epochs, seed);
    if let Some(rate) = learning_rate {
        if !(rate > 0.0 && rate.is_finite()) {
            let text = format!("learning_rate: expected more than 0, found {rate}");
            return Err(value(text));
        }
        config.learning_rate = rate;
    }
    let dataset = dataset(images, labels, &config.network)?;
    config.validation = validation.unwrap_or(dataset.len() / 12);
    config.batch = batch.unwrap_or(config.batch);
    let mut watch = Watch {
        callback,
        raised: None,
    };

    let trained = py.detach(|| {
        let (train, validation) = dataset.split(config.validation).map_err(value)?;
        if validation.is_empty() {
            return Err(value("validation: expected at least 1 image, found 0"));
        }
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

/// Images and labels as bernet takes them.
fn dataset(
    images: &Bound<'_, PyAny>,
    labels: &Bound<'_, PyAny>,
    network: &Network,
) -> PyResult<Dataset> {
    let classes = network.classes().map_err(value)?;
    let images = array::<u8>("images", images, "uint8, 0 for paper and 255 for ink")?;
    let &[_, height, width] = images.shape() else {
        let found = shape(images.shape());
        return Err(value(format!(
            "images: expected the shape (n, height, width), found {found}"
        )));
    };
    let input = Input {
        height,
        width,
        channels: 1,
        threshold: Some(THRESHOLD),
    };
    let bits = input.binarise(&values(&images)).map_err(value)?;

    // Labels come as any integers; numpy converts them.
    let labels = labels.call_method1("astype", ("int64",))?;
    let labels = array::<i64>("labels", &labels, "integers")?;
    let labels = values(&labels)
        .iter()
        .map(|&label| {
            let known = u8::try_from(label)
                .ok()
                .filter(|&label| usize::from(label) < classes);
            known.ok_or_else(|| {
                value(format!(
                    "labels: expected 0 to {}, found {label}",
                    classes - 1
                ))
            })
        })
        .collect::<PyResult<Vec<_>>>()?;
    Dataset::new(bits, labels, None, classes).map_err(value)
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
