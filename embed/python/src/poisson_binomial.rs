//! Poisson-binomial distributions of layers, as `python/bernet/poisson_binomial/float32.py` calls them: probabilities of shape (factors, sums).

use crate::{
    arrays::{array, values},
    errors::value,
};
use bernet_kernels::{
    isa::Level,
    poisson_binomial::{self as kernels, Factors, Form, Gradient, Scratch},
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
            let mut scratch = Scratch::default();
            let factors = Factors::new(&v, sums)?;
            kernels::survival(
                Level::best(),
                form,
                factors,
                cut,
                &mut survival,
                &mut mass,
                &mut scratch,
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
            let mut scratch = Scratch::default();
            let factors = Factors::new(&v, sums)?;
            kernels::gradient(
                Level::best(),
                method,
                factors,
                cut,
                &mut survival,
                &mut mass,
                &mut dz_dv,
                &mut scratch,
            )?;
            Ok((survival, dz_dv))
        })
        .map_err(|error: bernet_kernels::Error| value(error))?;
    let dz_dv = PyArray1::from_vec(py, dz_dv).reshape([factors, sums])?;
    Ok((PyArray1::from_vec(py, survival), dz_dv))
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
