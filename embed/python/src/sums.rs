//! Poisson-binomial distributions in f64, as `python/bernet/poisson_binomial` calls them: probabilities of shape (sums, trials).

use crate::{
    arrays::{array, values},
    errors::value,
};
use bernet_kernels::poisson_binomial::double::{Function, PoissonBinomial, evaluate_rows};
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::prelude::*;
use std::sync::OnceLock;

/// Many sums of as many trials each. `rows` name the sums that results are wanted of, one by one.
#[pyclass(frozen, module = "bernet._native")]
pub(crate) struct PoissonBinomialSums {
    /// Row after row, from 0 to 1; empty where there is one sum, which has its own.
    probabilities: Vec<f64>,
    /// Made when more is asked of one than [`evaluate_rows`] does, which makes none where it can.
    sums: Vec<OnceLock<PoissonBinomial>>,
    trials: usize,
}

impl PoissonBinomialSums {
    fn row(&self, s: usize) -> &[f64] {
        &self.probabilities[s * self.trials..][..self.trials]
    }

    fn sum(&self, s: usize) -> &PoissonBinomial {
        self.sums[s].get_or_init(|| {
            PoissonBinomial::new(self.row(s)).expect("probabilities that have been checked")
        })
    }

    fn all(&self) -> impl Iterator<Item = &PoissonBinomial> {
        (0..self.sums.len()).map(|s| self.sum(s))
    }
}

/// Rows and what is asked of each, in lists of one length.
struct Questions<T> {
    rows: Vec<usize>,
    asked: Vec<T>,
}

impl<T: numpy::Element + Copy> Questions<T> {
    fn new(
        sums: usize,
        rows: &Bound<'_, PyAny>,
        asked: &Bound<'_, PyAny>,
        dtype: &str,
    ) -> PyResult<Self> {
        let rows: PyReadonlyArrayDyn<'_, i64> = array("rows", rows, "int64")?;
        let asked: PyReadonlyArrayDyn<'_, T> = array("numbers", asked, dtype)?;
        let (rows, asked) = (values(&rows), values(&asked));
        if rows.len() != asked.len() {
            return Err(value(format!(
                "rows: expected {}, as many as numbers, found {}",
                asked.len(),
                rows.len()
            )));
        }
        let row = |&row: &i64| {
            let row = usize::try_from(row).ok().filter(|&row| row < sums);
            row.ok_or_else(|| value(format!("rows: expected numbers below {sums}")))
        };
        Ok(Self {
            rows: rows.iter().map(row).collect::<PyResult<_>>()?,
            asked: asked.to_vec(),
        })
    }

    /// Each run of one row: the row and the range of its questions.
    fn runs(&self) -> impl Iterator<Item = (usize, std::ops::Range<usize>)> {
        let mut next = 0;
        self.rows.chunk_by(|a, b| a == b).map(move |run| {
            let first = next;
            next += run.len();
            (run[0], first..next)
        })
    }
}

#[pymethods]
impl PoissonBinomialSums {
    #[new]
    fn new(py: Python<'_>, probabilities: &Bound<'_, PyAny>) -> PyResult<Self> {
        let probabilities: PyReadonlyArrayDyn<'_, f64> =
            array("probabilities", probabilities, "float64")?;
        let &[count, trials] = probabilities.shape() else {
            return Err(value("probabilities: expected the shape (sums, trials)"));
        };
        let all = values(&probabilities);
        let made = |s: usize| {
            let row = &all[s * trials..][..trials];
            PoissonBinomial::new(row).map_err(|error| match count {
                1 => error.to_string(),
                _ => format!("sum {s}: {error}"),
            })
        };
        py.detach(|| {
            let sums: Vec<_> = (0..count).map(|_| OnceLock::new()).collect();
            if count == 1 {
                return Ok(Self {
                    probabilities: Vec::new(),
                    sums: vec![made(0)?.into()],
                    trials,
                });
            }
            for (s, row) in all.chunks(trials.max(1)).enumerate() {
                // Without an early exit it is a vector loop.
                let valid = row
                    .iter()
                    .fold(true, |valid, p| valid & (0.0..=1.0).contains(p));
                if !valid || s == 0 {
                    made(s)?;
                }
            }
            Ok(Self {
                probabilities: all.to_vec(),
                sums,
                trials,
            })
        })
        .map_err(|error: String| value(error))
    }

    /// A function by name at numbers of successes.
    fn evaluate<'py>(
        &self,
        py: Python<'py>,
        function: &str,
        rows: &Bound<'py, PyAny>,
        ks: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let function = function_of(function)?;
        let questions = Questions::<i64>::new(self.sums.len(), rows, ks, "int64")?;
        let results = py.detach(|| {
            let mut results = vec![0.0; questions.asked.len()];
            for (row, at) in questions.runs() {
                let asked = &questions.asked[at.clone()];
                let results = &mut results[at];
                if asked.len() == 1 && self.sums[row].get().is_none() {
                    // The same bits as those of a distribution that has been made.
                    evaluate_rows(function, self.row(row), self.trials, asked, results)?;
                } else {
                    self.sum(row).evaluate(function, asked, results)?;
                }
            }
            Ok(results)
        });
        let results = results.map_err(|error: bernet_kernels::Error| value(error))?;
        Ok(PyArray1::from_vec(py, results))
    }

    /// A function by name of the first sum.
    fn evaluate_first<'py>(
        &self,
        py: Python<'py>,
        function: &str,
        ks: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let function = function_of(function)?;
        let ks: PyReadonlyArrayDyn<'_, i64> = array("numbers", ks, "int64")?;
        let ks = values(&ks);
        if self.sums.is_empty() {
            return Err(value("evaluate_first: there are no sums"));
        }
        let sum = self.sum(0);
        let mut results = vec![0.0; ks.len()];
        py.detach(|| sum.evaluate(function, &ks, &mut results))
            .map_err(value)?;
        Ok(PyArray1::from_vec(py, results))
    }

    /// The probabilities, of shape (sums, trials).
    fn probabilities<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let all = match self.sums.as_slice() {
            [_] => self.sum(0).probabilities().collect(),
            _ => self.probabilities.clone(),
        };
        PyArray1::from_vec(py, all).reshape([self.sums.len(), self.trials])
    }

    /// The least number with `P(K <= k) >= q`, or with `P(K > k) <= q`; q from 0 to 1.
    fn quantile<'py>(
        &self,
        py: Python<'py>,
        rows: &Bound<'py, PyAny>,
        qs: &Bound<'py, PyAny>,
        upper: bool,
    ) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let questions = Questions::<f64>::new(self.sums.len(), rows, qs, "float64")?;
        if let Some(q) = questions.asked.iter().find(|q| !(0.0..=1.0).contains(*q)) {
            return Err(value(format!("q is {q}, expected 0 to 1")));
        }
        let results = py.detach(|| {
            let pairs = questions.rows.iter().zip(&questions.asked);
            let quantile = |(&row, &q): (&usize, &f64)| {
                let sum = self.sum(row);
                if upper {
                    sum.survival_quantile(q)
                } else {
                    sum.quantile(q)
                }
            };
            pairs.map(quantile).collect()
        });
        Ok(PyArray1::from_vec(py, results))
    }

    /// Mean, variance, skewness, excess kurtosis and mode of every sum, of shape (5, sums).
    fn moments<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let functions: [fn(&PoissonBinomial) -> f64; 5] = [
            PoissonBinomial::mean,
            PoissonBinomial::variance,
            PoissonBinomial::skewness,
            PoissonBinomial::excess_kurtosis,
            |sum| sum.mode() as f64,
        ];
        let all = functions.iter().flat_map(|of| self.all().map(of));
        PyArray1::from_vec(py, all.collect()).reshape([5, self.sums.len()])
    }

    /// The entropy of every sum, in nats.
    fn entropy<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        let all = py.detach(|| self.all().map(PoissonBinomial::entropy).collect());
        PyArray1::from_vec(py, all)
    }

    /// Random numbers of each sum, of shape (sums, count), from one seed for each.
    fn sample<'py>(
        &self,
        py: Python<'py>,
        seeds: Vec<u64>,
        count: usize,
    ) -> PyResult<Bound<'py, PyArray2<i64>>> {
        if seeds.len() != self.sums.len() {
            return Err(value("seeds: expected one for each sum"));
        }
        let size = count.checked_mul(seeds.len());
        let size = size.filter(|&size| size < 1 << 40);
        let size = size.ok_or_else(|| value("size: more numbers than memory holds"))?;
        let drawn = py.detach(|| {
            let mut drawn = vec![0; size];
            for (s, (sum, seed)) in self.all().zip(&seeds).enumerate() {
                sum.sample(*seed, &mut drawn[s * count..][..count]);
            }
            drawn
        });
        PyArray1::from_vec(py, drawn).reshape([seeds.len(), count])
    }

    /// A function by name at numbers of successes, and its derivatives, of shape (numbers, trials).
    #[allow(clippy::type_complexity, reason = "two arrays, as Python sees them")]
    fn gradient<'py>(
        &self,
        py: Python<'py>,
        function: &str,
        rows: &Bound<'py, PyAny>,
        ks: &Bound<'py, PyAny>,
    ) -> PyResult<(Bound<'py, PyArray1<f64>>, Bound<'py, PyArray2<f64>>)> {
        let function = function_of(function)?;
        let questions = Questions::<i64>::new(self.sums.len(), rows, ks, "int64")?;
        let (count, trials) = (questions.asked.len(), self.trials);
        let size = count.checked_mul(trials).filter(|&size| size < 1 << 40);
        let size = size.ok_or_else(|| value("gradient: more numbers than memory holds"))?;
        let results = py.detach(|| {
            let (mut results, mut slopes) = (vec![0.0; count], vec![0.0; size]);
            for (i, (&row, &k)) in questions.rows.iter().zip(&questions.asked).enumerate() {
                let (sum, slopes) = (self.sum(row), &mut slopes[i * trials..][..trials]);
                results[i] = match function {
                    Function::Cdf => sum.cdf_gradient(k, slopes)?,
                    Function::Survival => sum.survival_gradient(k, slopes)?,
                    _ => sum.log_pmf_gradient(k, slopes)?,
                };
            }
            Ok((results, slopes))
        });
        let (results, slopes) = results.map_err(|error: bernet_kernels::Error| value(error))?;
        let slopes = PyArray1::from_vec(py, slopes).reshape([count, trials])?;
        Ok((PyArray1::from_vec(py, results), slopes))
    }

    /// How the numbers of a sum are computed, and why.
    fn plan(&self, row: usize) -> PyResult<String> {
        if row >= self.sums.len() {
            return Err(value("row: expected the number of a sum"));
        }
        Ok(self.sum(row).plan().to_string())
    }
}

fn function_of(name: &str) -> PyResult<Function> {
    Ok(match name {
        "pmf" => Function::Pmf,
        "log_pmf" => Function::LogPmf,
        "cdf" => Function::Cdf,
        "log_cdf" => Function::LogCdf,
        "survival" => Function::Survival,
        "log_survival" => Function::LogSurvival,
        _ => return Err(value(format!("function: no function is named {name:?}"))),
    })
}
