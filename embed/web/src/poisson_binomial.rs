//! Poisson-binomial distributions in f64.

use bernet_kernels::poisson_binomial::double::{self, Function};
use wasm_bindgen::{JsError, prelude::wasm_bindgen};

/// The number of successes among independent trials.
#[wasm_bindgen]
pub struct PoissonBinomial(double::PoissonBinomial);

#[wasm_bindgen]
impl PoissonBinomial {
    /// Of trials with these probabilities.
    #[wasm_bindgen(constructor)]
    pub fn new(probabilities: &[f64]) -> Result<PoissonBinomial, JsError> {
        Ok(Self(double::PoissonBinomial::new(probabilities)?))
    }

    /// `Σ p`.
    #[wasm_bindgen(getter)]
    pub fn mean(&self) -> f64 {
        self.0.mean()
    }

    /// `Σ p(1 − p)`.
    #[wasm_bindgen(getter)]
    pub fn variance(&self) -> f64 {
        self.0.variance()
    }

    /// The third standardised moment; NaN where the variance is 0.
    #[wasm_bindgen(getter)]
    pub fn skewness(&self) -> f64 {
        self.0.skewness()
    }

    /// `P(K = k)`.
    pub fn pmf(&self, k: f64) -> Result<f64, JsError> {
        Ok(self.0.pmf(whole(k)?))
    }

    /// `P(K ≤ k)`.
    pub fn cdf(&self, k: f64) -> Result<f64, JsError> {
        Ok(self.0.cdf(whole(k)?))
    }

    /// `P(K ≥ k)`.
    pub fn survival(&self, k: f64) -> Result<f64, JsError> {
        Ok(self.0.survival(whole(k)?))
    }

    /// `ln P(K = k)`.
    #[wasm_bindgen(js_name = logPmf)]
    pub fn log_pmf(&self, k: f64) -> Result<f64, JsError> {
        Ok(self.0.log_pmf(whole(k)?))
    }

    /// `ln P(K ≥ k)`.
    #[wasm_bindgen(js_name = logSurvival)]
    pub fn log_survival(&self, k: f64) -> Result<f64, JsError> {
        Ok(self.0.log_survival(whole(k)?))
    }

    /// The least `k` with `P(K ≤ k) ≥ q`.
    pub fn quantile(&self, q: f64) -> Result<f64, JsError> {
        if !(0.0..=1.0).contains(&q) {
            return Err(JsError::new(&format!(
                "quantile: expected 0 to 1, found {q}"
            )));
        }
        Ok(self.0.quantile(q) as f64)
    }

    /// `P(K = k)` for all `k` from 0 to the number of trials.
    #[wasm_bindgen(js_name = allPmf)]
    pub fn all_pmf(&self) -> Vec<f64> {
        self.0.all(Function::Pmf)
    }

    /// `∂P(K ≥ k)/∂p`, for each trial.
    #[wasm_bindgen(js_name = survivalGradient)]
    pub fn survival_gradient(&self, k: f64) -> Result<Vec<f64>, JsError> {
        let mut gradient = vec![0.0; self.0.trials()];
        self.0.survival_gradient(whole(k)?, &mut gradient)?;
        Ok(gradient)
    }
}

/// A number of successes, which JavaScript holds as a float.
fn whole(k: f64) -> Result<i64, JsError> {
    let limit = (1_u64 << 53) as f64;
    if k.abs() <= limit && k as i64 as f64 == k {
        return Ok(k as i64);
    }
    Err(JsError::new(&format!(
        "number of successes: expected a whole number, found {k}"
    )))
}
