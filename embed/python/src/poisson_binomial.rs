//! Poisson-binomial distributions of layers, as `python/bernet/poisson_binomial/float32.py` calls them: probabilities of shape (factors, sums).

use crate::{
    arrays::{array, values},
    errors::value,
};
use bernet_kernels::{
    isa::Level,
    poisson_binomial::{self as kernels, Activations, Factors, Form, Gradient, Layer, Workspace},
};
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::prelude::*;

/// One number for each sum.
type Line<'py> = Bound<'py, PyArray1<f32>>;

/// P(K ≥ cut) and P(K = cut) of each sum.
#[pyfunction]
pub(crate) fn survival_and_mass<'py>(
    probabilities: &Bound<'py, PyAny>,
    cut: i32,
    form: &str,
) -> PyResult<(Line<'py>, Line<'py>)> {
    let form = match form {
        "full" => Form::Full,
        "undecided" => Form::Undecided,
        "banded" => Form::Banded { sigmas: 6.0 },
        "spectral" => Form::Spectral,
        "normal" => Form::Normal,
        "fastest" => Form::Fastest,
        _ => {
            return Err(unknown(
                "form",
                "full, undecided, banded, spectral, normal, fastest",
                form,
            ));
        }
    };
    let py = probabilities.py();
    let (probabilities, [_, sums]) = columns(probabilities)?;
    let v = values(&probabilities);
    let (survival, mass) = py
        .detach(|| {
            let (mut survival, mut mass) = (vec![0.0; sums], vec![0.0; sums]);
            let mut workspace = Workspace::default();
            let factors = Factors::new(&v, sums)?;
            kernels::survival(
                Level::best(),
                form,
                factors,
                cut,
                &mut survival,
                &mut mass,
                &mut workspace,
            )?;
            Ok((survival, mass))
        })
        .map_err(|error: bernet_kernels::Error| value(error))?;
    Ok((
        PyArray1::from_vec(py, survival),
        PyArray1::from_vec(py, mass),
    ))
}

/// P(K ≥ cut) of each sum, and its derivative by each probability.
#[pyfunction]
pub(crate) fn gradient<'py>(
    probabilities: &Bound<'py, PyAny>,
    cut: i32,
    method: &str,
) -> PyResult<(Line<'py>, Bound<'py, PyArray2<f32>>)> {
    let method = match method {
        "precise" => Gradient::Precise,
        "thomas" => Gradient::Thomas,
        "three" => Gradient::Three,
        "five" => Gradient::Five,
        "extended" => Gradient::Extended,
        "autograd" => Gradient::Autograd,
        "spectral" => Gradient::Spectral,
        "normal" => Gradient::Normal,
        "fastest" => Gradient::Fastest,
        _ => {
            let known =
                "precise, thomas, three, five, extended, autograd, spectral, normal, fastest";
            return Err(unknown("method", known, method));
        }
    };
    let py = probabilities.py();
    let (probabilities, [factors, sums]) = columns(probabilities)?;
    let v = values(&probabilities);
    let (survival, dz_dv) = py
        .detach(|| {
            let (mut survival, mut mass) = (vec![0.0; sums], vec![0.0; sums]);
            let mut dz_dv = vec![0.0; v.len()];
            let mut workspace = Workspace::default();
            let factors = Factors::new(&v, sums)?;
            kernels::gradient(
                Level::best(),
                method,
                factors,
                cut,
                &mut survival,
                &mut mass,
                &mut dz_dv,
                &mut workspace,
            )?;
            Ok((survival, dz_dv))
        })
        .map_err(|error: bernet_kernels::Error| value(error))?;
    let dz_dv = PyArray1::from_vec(py, dz_dv).reshape([factors, sums])?;
    Ok((PyArray1::from_vec(py, survival), dz_dv))
}

/// What a dense layer is made of, checked: means of inputs (factors, samples) and of weights (factors, outputs), a cut for each output.
struct Dense<'py> {
    inputs: PyReadonlyArrayDyn<'py, f32>,
    weights: PyReadonlyArrayDyn<'py, f32>,
    cuts: Vec<i32>,
    sizes: [usize; 3],
}

/// What is right to f32 in layers.
const ACCURACY: f32 = 1e-6;

impl<'py> Dense<'py> {
    fn new(
        inputs: &Bound<'py, PyAny>,
        weights: &Bound<'py, PyAny>,
        cuts: &Bound<'py, PyAny>,
    ) -> PyResult<Self> {
        let inputs = array::<f32>("inputs", inputs, "float32")?;
        let weights = array::<f32>("weights", weights, "float32")?;
        let cuts = array::<i32>("cuts", cuts, "int32")?;
        let (&[factors, samples], &[others, outputs]) = (inputs.shape(), weights.shape()) else {
            return Err(value(
                "inputs and weights: expected the shapes (factors, samples) and (factors, outputs)",
            ));
        };
        if factors != others {
            return Err(value(format!(
                "weights: expected {factors} factors, as inputs have, found {others}"
            )));
        }
        let cuts = values(&cuts).into_owned();
        let sizes = [factors, samples, outputs];
        Ok(Self {
            inputs,
            weights,
            cuts,
            sizes,
        })
    }

    /// The layer, its activations and what they were computed with.
    fn forward<'a>(
        inputs: &'a [f32],
        weights: &'a [f32],
        [_, samples, outputs]: [usize; 3],
        cuts: &[i32],
    ) -> Result<(Layer<'a>, Activations, Workspace), bernet_kernels::Error> {
        let layer = Layer::new(inputs, weights, samples, outputs)?;
        let (mut activations, mut workspace) = (Activations::default(), Workspace::default());
        let level = Level::best();
        layer.forward(level, cuts, ACCURACY, &mut activations, &mut workspace)?;
        Ok((layer, activations, workspace))
    }
}

/// P(K ≥ cut) and P(K = cut) of a dense layer, each (outputs, samples): means of inputs (factors, samples) and weights
/// (factors, outputs), a cut for each output.
#[pyfunction]
#[allow(clippy::type_complexity, reason = "two arrays, as Python sees them")]
pub(crate) fn layer_survival<'py>(
    py: Python<'py>,
    inputs: &Bound<'py, PyAny>,
    weights: &Bound<'py, PyAny>,
    cuts: &Bound<'py, PyAny>,
) -> PyResult<(Bound<'py, PyArray2<f32>>, Bound<'py, PyArray2<f32>>)> {
    let layer = Dense::new(inputs, weights, cuts)?;
    let (sizes, cuts) = (layer.sizes, &layer.cuts);
    let (inputs, weights) = (values(&layer.inputs), values(&layer.weights));
    let found = py.detach(|| Dense::forward(&inputs, &weights, sizes, cuts).map(|found| found.1));
    let found = found.map_err(value)?;
    let shape = [sizes[2], sizes[1]];
    Ok((
        PyArray1::from_vec(py, found.survival).reshape(shape)?,
        PyArray1::from_vec(py, found.mass).reshape(shape)?,
    ))
}

/// A loss's derivatives by the means of a dense layer's inputs and weights, given those by the survivals of [`layer_survival`].
#[pyfunction]
#[allow(clippy::type_complexity, reason = "two arrays, as Python sees them")]
pub(crate) fn layer_gradient<'py>(
    py: Python<'py>,
    inputs: &Bound<'py, PyAny>,
    weights: &Bound<'py, PyAny>,
    cuts: &Bound<'py, PyAny>,
    by_survival: &Bound<'py, PyAny>,
) -> PyResult<(Bound<'py, PyArray2<f32>>, Bound<'py, PyArray2<f32>>)> {
    let layer = Dense::new(inputs, weights, cuts)?;
    let by_survival = array::<f32>("by_survival", by_survival, "float32")?;
    let ([factors, samples, outputs], cuts) = (layer.sizes, &layer.cuts);
    let (inputs, weights) = (values(&layer.inputs), values(&layer.weights));
    let by_survival = values(&by_survival);
    let found = py.detach(|| {
        let (layer, activations, mut workspace) =
            Dense::forward(&inputs, &weights, [factors, samples, outputs], cuts)?;
        let (mut by_inputs, mut by_weights) = (vec![0.0; inputs.len()], vec![0.0; weights.len()]);
        layer.backward(
            Level::best(),
            &activations,
            &by_survival,
            Some(&mut by_inputs),
            &mut by_weights,
            &mut workspace,
        )?;
        Ok((by_inputs, by_weights))
    });
    let (by_inputs, by_weights) = found.map_err(|error: bernet_kernels::Error| value(error))?;
    Ok((
        PyArray1::from_vec(py, by_inputs).reshape([factors, samples])?,
        PyArray1::from_vec(py, by_weights).reshape([factors, outputs])?,
    ))
}

fn columns<'py>(
    probabilities: &Bound<'py, PyAny>,
) -> PyResult<(PyReadonlyArrayDyn<'py, f32>, [usize; 2])> {
    let probabilities = array::<f32>("probabilities", probabilities, "float32")?;
    let &[factors, sums] = probabilities.shape() else {
        return Err(value("probabilities: expected the shape (factors, sums)"));
    };
    Ok((probabilities, [factors, sums]))
}

fn unknown(what: &str, known: &str, found: &str) -> PyErr {
    value(format!("{what}: expected one of {known}, found {found:?}"))
}
