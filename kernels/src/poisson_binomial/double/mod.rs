//! Poisson-binomial distributions in f64, with all their digits: tails, logarithms, quantiles, samples, gradients.
//!
//! `K` is the number of successes among `n` independent trials with probabilities `p_j`. The kernels one floor up serve layers: f32, right
//! to 1e-6 absolutely. This module serves people: [`PoissonBinomial`] holds one sum, and its functions have a small *relative* error.
//!
//! | wanted | method |
//! |---|---|
//! | `P(K = k)`, `P(K ≤ k)`, `P(K ≥ k)` | [`pmf`](PoissonBinomial::pmf), [`cdf`](PoissonBinomial::cdf), [`survival`](PoissonBinomial::survival) |
//! | their logarithms, where they leave the range of f64 | [`log_pmf`](PoissonBinomial::log_pmf), [`log_cdf`](PoissonBinomial::log_cdf), [`log_survival`](PoissonBinomial::log_survival) |
//! | any of these at several or all `k` | [`evaluate`](PoissonBinomial::evaluate), [`all`](PoissonBinomial::all) |
//! | one of these for many sums | [`evaluate_rows`] |
//! | the least `k` with `P(K ≤ k) ≥ q` | [`quantile`](PoissonBinomial::quantile) |
//! | the least `k` with `P(K > k) ≤ q` | [`survival_quantile`](PoissonBinomial::survival_quantile) |
//! | p-values with the observed number included | [`p_values`](PoissonBinomial::p_values) |
//! | moments | [`mean`](PoissonBinomial::mean), [`variance`](PoissonBinomial::variance), [`skewness`](PoissonBinomial::skewness), [`excess_kurtosis`](PoissonBinomial::excess_kurtosis), [`entropy`](PoissonBinomial::entropy), [`mode`](PoissonBinomial::mode) |
//! | random numbers | [`sample`](PoissonBinomial::sample) |
//! | derivatives by every `p_j` | [`survival_gradient`](PoissonBinomial::survival_gradient), [`cdf_gradient`](PoissonBinomial::cdf_gradient), [`log_pmf_gradient`](PoissonBinomial::log_pmf_gradient) |
//! | how it will be done | [`plan`](PoissonBinomial::plan) |
//!
//! # Accuracy
//!
//! Relative: 1e-12 for `n` ≤ 4096, 1e-9 up to 10⁶, for every result above 1e-300; below, gradual underflow. Logarithms have it relative to
//! themselves, or 1e-12 absolutely where they are small. All results are positive where the exact ones are representable, tails are monotone, and
//! `cdf(k) + survival(k + 1)` is 1 to its last place. The same bits on every instruction set. `docs/poisson-binomial.md` has tables of
//! what was measured, beside other libraries.
//!
//! # Examples
//!
//! ```
//! use bernet_kernels::poisson_binomial::double::PoissonBinomial;
//!
//! // A thousand components fail with a probability of one in a million to one in a thousand. Five or more at once?
//! let p: Vec<f64> = (1..=1000).map(|j| 1e-6 * j as f64).collect();
//! let failures = PoissonBinomial::new(&p)?;
//! assert!((failures.survival(5) - 1.7e-4).abs() < 1e-5);
//! // Far beyond the range of f64:
//! assert!(failures.log_survival(600) < -2000.0);
//! // With 99.9 % confidence no more than:
//! assert_eq!(failures.quantile(0.999), 4);
//! assert_eq!(failures.quantile(0.5), 0);
//!
//! let error = PoissonBinomial::new(&[0.5, 1.5]).unwrap_err();
//! assert_eq!(error.to_string(), "probability 1 is 1.5, expected 0 to 1");
//! # Ok::<(), bernet_kernels::Error>(())
//! ```
//!
//! # Files
//!
//! `direct.rs` convolves few factors; `tilt.rs` moves a sum's middle to where it is wanted, `spectrum.rs` reads it there from the
//! characteristic function, `single.rs` puts the two together for one number and `table.rs` for all. `broad.rs` has a short way to one number
//! near the mean, `anchor.rs` one to all windows of a table. `gradient.rs`, `quantile.rs` and
//! `sample.rs` use them. `wide.rs` has numbers of more digits and any exponent, `lanes.rs` the loops that the compiler vectorises.

mod anchor;
mod broad;
mod check;
mod direct;
mod functions;
mod gradient;
mod lanes;
mod plan;
mod quantile;
mod rows;
mod sample;
mod single;
mod spectrum;
mod table;
mod tilt;
mod wide;

use crate::Error;
use alloc::{string::ToString, vec::Vec};
use table::Masses;
use tilt::{Groups, Middle};

pub use plan::{Form, Plan};
pub use rows::evaluate_rows;

/// The most trials of one sum.
pub const MAX_TRIALS: usize = 1 << 31;

/// What is asked of a number `k`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Function {
    /// `P(K = k)`
    Pmf,
    /// `ln P(K = k)`
    LogPmf,
    /// `P(K ≤ k)`
    Cdf,
    /// `ln P(K ≤ k)`
    LogCdf,
    /// `P(K ≥ k)`
    Survival,
    /// `ln P(K ≥ k)`
    LogSurvival,
}

impl Function {
    /// Every function.
    pub const ALL: [Self; 6] = [
        Self::Pmf,
        Self::LogPmf,
        Self::Cdf,
        Self::LogCdf,
        Self::Survival,
        Self::LogSurvival,
    ];
}

/// How surprising an observed number is, itself included.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PValues {
    /// `P(K ≤ k)`
    pub lower: f64,
    /// `P(K ≥ k)`
    pub upper: f64,
    /// Twice the smaller of the two, at most 1.
    pub two_sided: f64,
}

/// The distribution of the number of successes among independent trials.
#[derive(Clone, Debug)]
pub struct PoissonBinomial {
    /// The trials, and those of them that are not certain.
    open: Groups,
    middle: Middle,
}

impl PoissonBinomial {
    /// Of trials with these probabilities. No trials at all are allowed: then `K` is 0.
    ///
    /// # Errors
    /// [`Error::Probability`] for a value outside [0, 1], or NaN; [`Error::Dimension`] for more than [`MAX_TRIALS`].
    pub fn new(probabilities: &[f64]) -> Result<Self, Error> {
        if probabilities.len() > MAX_TRIALS {
            return Err(Error::Dimension {
                what: "probabilities",
                found: probabilities.len(),
                expected: "at most 2³¹",
            });
        }
        let Some(open) = Groups::divide(probabilities) else {
            let wrong = |p: &f64| !(0.0..=1.0).contains(p);
            let index = probabilities.iter().position(wrong).unwrap_or(0);
            return Err(Error::Probability {
                index,
                found: probabilities[index].to_string(),
            });
        };
        let middle = open.middle(0.0);
        Ok(Self { open, middle })
    }

    /// Trials that succeed for certain.
    fn ones(&self) -> i64 {
        self.open.ones
    }

    /// Which form is taken for one number and for all, and why.
    pub fn plan(&self) -> Plan {
        Plan::new(self.trials(), self.open.count())
    }

    /// The number of trials.
    pub fn trials(&self) -> usize {
        self.open.all.len()
    }

    /// The probabilities as they were handed in.
    pub fn probabilities(&self) -> impl Iterator<Item = f64> {
        self.open.all.iter().copied()
    }

    /// The least and the largest number of successes that have a probability above 0.
    pub fn support(&self) -> (i64, i64) {
        (self.ones(), self.ones() + self.open.count() as i64)
    }

    /// `Σ p`.
    pub fn mean(&self) -> f64 {
        self.ones() as f64 + self.middle.mean
    }

    /// `Σ p(1 − p)`.
    pub fn variance(&self) -> f64 {
        self.middle.variance
    }

    /// The third standardised moment, `Σ p(1 − p)(1 − 2p) / σ³`; NaN where the variance is 0.
    pub fn skewness(&self) -> f64 {
        let third = |values: &[f64]| -> f64 {
            values
                .iter()
                .map(|&x| x * (1.0 - x) * (1.0 - 2.0 * x))
                .sum()
        };
        let variance = self.variance();
        (third(&self.open.low) - third(&self.open.high)) / (variance * libm::sqrt(variance))
    }

    /// The fourth standardised moment less 3, `Σ p(1 − p)(1 − 6p(1 − p)) / σ⁴`; NaN where the variance is 0.
    pub fn excess_kurtosis(&self) -> f64 {
        let fourth = |values: &[f64]| -> f64 {
            let part = |&x: &f64| {
                let product = x * (1.0 - x);
                product * (1.0 - 6.0 * product)
            };
            values.iter().map(part).sum()
        };
        let variance = self.variance();
        (fourth(&self.open.low) + fourth(&self.open.high)) / (variance * variance)
    }

    /// The most probable number, the smaller one of two that are equally so. It is within 1 of the mean (Darroch 1964).
    pub fn mode(&self) -> i64 {
        let below = libm::floor(self.middle.mean) as i64;
        let log = |k| single::mass(&self.open, &self.middle, k).ln();
        // The mean may be rounded across a whole number.
        let candidates = [below - 1, below, below + 1, below + 2].map(|k| (k, log(k)));
        let best = candidates.iter().fold(candidates[0], |best, &next| {
            // What differs by rounding alone counts as equal.
            if next.1 > best.1 + 1e-13 { next } else { best }
        });
        self.ones() + best.0
    }

    /// `−Σ P ln P`, in nats.
    pub fn entropy(&self) -> f64 {
        let masses = table::masses(&self.open, &self.middle);
        let terms = masses.iter().filter(|&&mass| mass > 0.0);
        terms
            .map(|&mass| -mass * libm::log(mass))
            .sum::<f64>()
            .max(0.0)
    }

    /// `P(K = k)`.
    pub fn pmf(&self, k: i64) -> f64 {
        self.one(Function::Pmf, k)
    }

    /// `ln P(K = k)`; −∞ outside the [`support`](Self::support).
    pub fn log_pmf(&self, k: i64) -> f64 {
        self.one(Function::LogPmf, k)
    }

    /// `P(K ≤ k)`.
    pub fn cdf(&self, k: i64) -> f64 {
        self.one(Function::Cdf, k)
    }

    /// `ln P(K ≤ k)`.
    pub fn log_cdf(&self, k: i64) -> f64 {
        self.one(Function::LogCdf, k)
    }

    /// `P(K ≥ k)`: with `k` itself, as everywhere in this crate (SciPy's `sf(k)` is `survival(k + 1)`).
    pub fn survival(&self, k: i64) -> f64 {
        self.one(Function::Survival, k)
    }

    /// `ln P(K ≥ k)`.
    pub fn log_survival(&self, k: i64) -> f64 {
        self.one(Function::LogSurvival, k)
    }

    /// `P(K ≤ k)` and `P(K ≥ k)` for an observed `k`, and twice the smaller one.
    ///
    /// ```
    /// use bernet_kernels::poisson_binomial::double::PoissonBinomial;
    ///
    /// let coins = PoissonBinomial::new(&[0.5; 10])?;
    /// let values = coins.p_values(9);
    /// assert_eq!((values.upper, values.two_sided), (11.0 / 1024.0, 22.0 / 1024.0));
    /// # Ok::<(), bernet_kernels::Error>(())
    /// ```
    pub fn p_values(&self, k: i64) -> PValues {
        let (lower, upper) = (self.cdf(k), self.survival(k));
        PValues {
            lower,
            upper,
            two_sided: (2.0 * lower.min(upper)).min(1.0),
        }
    }

    /// A function at one number.
    fn one(&self, function: Function, k: i64) -> f64 {
        let k = k.saturating_sub(self.ones());
        let (open, middle) = (&self.open, &self.middle);
        let mass = |k| Some(single::mass(open, middle, k));
        let tails = |k| Some(single::tails(open, middle, k));
        single::value(function, k, mass, tails).unwrap_or(f64::NAN)
    }

    /// A function at several numbers, in any order.
    ///
    /// # Errors
    /// [`Error::Size`] where `ks` and `out` differ in length.
    pub fn evaluate(&self, function: Function, ks: &[i64], out: &mut [f64]) -> Result<(), Error> {
        Error::check_size("out (one for each k)", ks.len(), out.len())?;
        if ks.len() <= plan::few_numbers(self.open.count()) {
            for (out, &k) in out.iter_mut().zip(ks) {
                *out = self.one(function, k);
            }
            return Ok(());
        }
        let all = self.all(function);
        let last = self.trials() as i64;
        let (before, after) = match function {
            Function::Pmf => (0.0, 0.0),
            Function::LogPmf => (f64::NEG_INFINITY, f64::NEG_INFINITY),
            Function::Cdf => (0.0, 1.0),
            Function::LogCdf => (f64::NEG_INFINITY, 0.0),
            Function::Survival => (1.0, 0.0),
            Function::LogSurvival => (0.0, f64::NEG_INFINITY),
        };
        for (out, &k) in out.iter_mut().zip(ks) {
            *out = if k < 0 {
                before
            } else if k > last {
                after
            } else {
                all[k as usize]
            };
        }
        Ok(())
    }

    /// A function at `k` = 0 … n.
    pub fn all(&self, function: Function) -> Vec<f64> {
        let (open, middle) = (&self.open, &self.middle);
        let (values, before, after) = match function {
            Function::Pmf => (table::masses(open, middle), 0.0, 0.0),
            Function::Cdf => (Masses::new(open, middle).lower, 0.0, 1.0),
            Function::Survival => (Masses::new(open, middle).upper, 1.0, 0.0),
            Function::LogPmf => (
                table::log_masses(open, middle),
                f64::NEG_INFINITY,
                f64::NEG_INFINITY,
            ),
            Function::LogCdf | Function::LogSurvival => {
                let logs = table::log_masses(open, middle);
                let [mut lower, mut upper] = table::log_tails(&logs, &Masses::new(open, middle));
                // Two ways to a logarithm meet where a tail is near 1/2, and each is rounded: a
                // probability is at most 1, and no tail turns back.
                let mut largest = f64::NEG_INFINITY;
                for log in &mut lower {
                    largest = largest.max(log.min(0.0));
                    *log = largest;
                }
                let mut smallest = 0.0_f64;
                for log in &mut upper {
                    smallest = smallest.min(*log);
                    *log = smallest;
                }
                if function == Function::LogCdf {
                    (lower, f64::NEG_INFINITY, 0.0)
                } else {
                    (upper, 0.0, f64::NEG_INFINITY)
                }
            }
        };
        // The tables have P(K > k), wanted is P(K ≥ k).
        let shift = i64::from(matches!(
            function,
            Function::Survival | Function::LogSurvival
        ));
        if self.trials() == open.count() && shift == 0 {
            return values;
        }
        let at = |k: i64| {
            let k = k - self.ones() - shift;
            usize::try_from(k).map_or(before, |k| values.get(k).copied().unwrap_or(after))
        };
        (0..=self.trials() as i64).map(at).collect()
    }
}
