//! One function of many sums.

use super::{Function, PoissonBinomial, check::Broad, single};
use crate::Error;

/// `out[s]` is the function of the sum with probabilities `probabilities[s · trials ..][.. trials]` at `ks[s]`, or at `ks[0]` if that is the only one.
///
/// ```
/// use bernet_kernels::poisson_binomial::double::{Function, evaluate_rows};
///
/// let mut out = [0.0; 2];
/// evaluate_rows(Function::Survival, &[0.5, 0.5, 0.1, 0.2], 2, &[1], &mut out)?;
/// assert_eq!(out, [0.75, 0.28]);
/// # Ok::<(), bernet_kernels::Error>(())
/// ```
///
/// # Errors
/// [`Error::Size`] where the lengths do not fit, [`Error::Probability`] for a value outside [0, 1], or NaN.
pub fn evaluate_rows(
    function: Function,
    probabilities: &[f64],
    trials: usize,
    ks: &[i64],
    out: &mut [f64],
) -> Result<(), Error> {
    let size = trials.saturating_mul(out.len());
    Error::check_size("probabilities (sums · trials)", size, probabilities.len())?;
    if ks.len() != 1 {
        Error::check_size("ks (one, or one for each sum)", out.len(), ks.len())?;
    }
    for (s, out) in out.iter_mut().enumerate() {
        let row = &probabilities[s * trials..][..trials];
        let k = if ks.len() == 1 { ks[0] } else { ks[s] };
        if let Some(found) = near_mean(function, row, k) {
            *out = found;
            continue;
        }
        let sum = PoissonBinomial::new(row).map_err(|error| match error {
            Error::Probability { index, found } => Error::Probability {
                index: s * trials + index,
                found,
            },
            other => other,
        })?;
        *out = sum.one(function, k);
    }
    Ok(())
}

/// What [`PoissonBinomial`] would find, without making one: near the mean of a broad sum.
fn near_mean(function: Function, row: &[f64], k: i64) -> Option<f64> {
    let broad = Broad::find(row).broad?;
    let mass = |k| broad.mass(row, k);
    single::value(function, k, mass, |k| broad.tails(row, k))
}
