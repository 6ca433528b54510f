//! Derivatives by the probabilities.
//!
//! `P(K ≥ h)` is linear in each `p_j`, and with `K_j` for the sum without trial `j`
//!
//! ```text
//! ∂P(K ≥ h)/∂p_j = P(K_j = h − 1),        ∂P(K ≤ k)/∂p_j = −P(K_j = k)
//! ∂ ln P(K = k)/∂p_j = (P(K_j = k − 1) − P(K_j = k)) / P(K = k)
//! ```
//!
//! All `K_j` are tilted with the same `r` and share one spectrum (`spectrum.rs`): with `F_j = 1 − p_j + p_j r` and the tilted `t_j`
//!
//! ```text
//! P(K_j = k) = G(r) r^−k / F_j · (1/M) Σ_n C_n / (1 + t_j (e^iu_n − 1)),      1/F_j = (1 − t_j)/(1 − p_j) = t_j/(p_j r)
//! ```
//!
//! The mean of `K_j` is that of `K` less `t_j`. Tilted to `k + ½`, it lies within ½ of `k` for every trial, and the variance is at
//! least ¼, so that no `P(K_j = k)` is small for all its trials being next to certain. The error is
//! 1e-12 of the largest derivative (1e-9 for `n` above 4096); where all trials are alike, which includes far tails, of each.
//! A division for each trial and frequency: `O(n)` for all derivatives together.

use super::{
    PoissonBinomial, single,
    spectrum::{Purpose, Spectrum},
    tilt::pair,
    wide::Wide,
};
use crate::Error;
use alloc::{vec, vec::Vec};

impl PoissonBinomial {
    /// `gradient[j] = ∂P(K ≥ k)/∂p_j`, and the survival itself as the result.
    ///
    /// ```
    /// use bernet_kernels::poisson_binomial::double::PoissonBinomial;
    ///
    /// let mut gradient = [0.0; 3];
    /// let survival = PoissonBinomial::new(&[0.1, 0.2, 0.3])?.survival_gradient(2, &mut gradient)?;
    /// assert!((survival - 0.098).abs() < 1e-15 && (gradient[0] - 0.38).abs() < 1e-15);
    /// # Ok::<(), bernet_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Size`] where `gradient` is not as long as there are trials.
    pub fn survival_gradient(&self, k: i64, gradient: &mut [f64]) -> Result<f64, Error> {
        self.check(gradient)?;
        self.without_each(k.saturating_sub(1), Wide::ONE, gradient);
        Ok(self.survival(k))
    }

    /// `gradient[j] = ∂P(K ≤ k)/∂p_j`, and the distribution function itself as the result.
    ///
    /// # Errors
    /// [`Error::Size`] where `gradient` is not as long as there are trials.
    pub fn cdf_gradient(&self, k: i64, gradient: &mut [f64]) -> Result<f64, Error> {
        self.check(gradient)?;
        self.without_each(k, Wide::ONE, gradient);
        for slope in gradient {
            *slope = -*slope;
        }
        Ok(self.cdf(k))
    }

    /// `gradient[j] = ∂ ln P(K = k)/∂p_j`, and the logarithm itself as the result: what is followed when a model is fitted to
    /// numbers of successes. Where `P(K = k)` is 0 the derivatives are NaN.
    ///
    /// # Errors
    /// [`Error::Size`] where `gradient` is not as long as there are trials.
    pub fn log_pmf_gradient(&self, k: i64, gradient: &mut [f64]) -> Result<f64, Error> {
        self.check(gradient)?;
        let log = self.log_pmf(k);
        if log == f64::NEG_INFINITY {
            gradient.fill(f64::NAN);
            return Ok(log);
        }
        let mass = single::mass(&self.open, &self.middle, k - self.ones());
        let per = Wide::ONE.over(mass);
        let mut here = vec![0.0; gradient.len()];
        self.without_each(k, per, &mut here);
        self.without_each(k.saturating_sub(1), per, gradient);
        for (slope, here) in gradient.iter_mut().zip(here) {
            *slope -= here;
        }
        Ok(log)
    }

    fn check(&self, gradient: &[f64]) -> Result<(), Error> {
        Error::check_size("gradient (trials)", self.trials(), gradient.len())
    }

    /// `out[j] = P(K without trial j = k) · scale`.
    fn without_each(&self, k: i64, scale: Wide, out: &mut [f64]) {
        let (open, middle) = (&self.open, &self.middle);
        let count = open.count() as i64;
        let k = k.saturating_sub(self.ones());
        let p: Vec<f64> = self.probabilities().collect();
        // Without a trial that is certain, the others remain, or they and one success less.
        let certain =
            [k, k.saturating_add(1)].map(|k| single::mass(open, middle, k).times(scale).value());
        for (out, &p) in out.iter_mut().zip(&p) {
            *out = certain[usize::from(p == 1.0)];
        }
        let uncertain = || (0..p.len()).filter(|&j| p[j] > 0.0 && p[j] < 1.0);
        if k < 0 || k >= count {
            for j in uncertain() {
                out[j] = 0.0;
            }
        } else if k == 0 || k == count - 1 {
            let all = k > 0;
            // Of one trial alone the rest is certain.
            let end = single::end(open, all).times(scale);
            for j in uncertain() {
                let part = if all {
                    Wide::new(p[j], 0.0)
                } else {
                    Wide::complement(p[j])
                };
                out[j] = if count == 1 {
                    scale.value()
                } else {
                    end.over(part).value()
                };
            }
        } else {
            let target = k as f64 + 0.5;
            let distance = (target - middle.mean) / middle.variance;
            let tilted = open.saddle(target, distance.clamp(-5.0, 5.0));
            let spectrum = Spectrum::new(&tilted, k, Purpose::Window(1));
            let scale = spectrum.scale(k).times(scale);
            let r = tilted.r;
            let per_r = tilted.per_step();
            for j in uncertain() {
                let (t, per) = if p[j] <= 0.5 {
                    let ([t, not], _) = pair(p[j], r);
                    (t, per_factor([t, not], p[j], per_r))
                } else {
                    let ([not, t], _) = pair(1.0 - p[j], per_r);
                    (t, per_factor([t, not], p[j], per_r))
                };
                out[j] = scale
                    .times(per)
                    .scaled(spectrum.without(t).max(0.0))
                    .value();
            }
        }
    }
}

/// `1/F_j`, from whichever of `t` and `1 − t` is not small.
fn per_factor([t, not]: [f64; 2], p: f64, per_r: Wide) -> Wide {
    if t <= 0.5 {
        Wide::new(not, 0.0).over(Wide::complement(p))
    } else {
        Wide::new(t, 0.0).over(Wide::new(p, 0.0)).times(per_r)
    }
}
