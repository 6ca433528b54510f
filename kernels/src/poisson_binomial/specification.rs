//! The scalar specification, in f64 and written to be read: what every kernel of this module is held against.
//!
//! ```
//! use bernet_kernels::poisson_binomial::specification::*;
//!
//! assert_eq!(distribution(&[0.5, 0.5]), [0.25, 0.5, 0.25]);
//! assert_eq!(survival(&[0.5, 0.5], 1), 0.75);
//! assert_eq!(leave_one_out(&[0.5, 0.5], 1), [0.5, 0.5]);
//! ```

use alloc::{vec, vec::Vec};

/// `P(K = k)` for `k = 0 … N`: one factor after the other moves probability one place up.
pub fn distribution(v: &[f64]) -> Vec<f64> {
    let mut y = vec![0.0; v.len() + 1];
    y[0] = 1.0;
    for (j, &p) in v.iter().enumerate() {
        for k in (0..=j + 1).rev() {
            y[k] = (1.0 - p) * y[k] + if k > 0 { p * y[k - 1] } else { 0.0 };
        }
    }
    y
}

/// `P(K = cut)`.
pub fn mass(v: &[f64], cut: i32) -> f64 {
    usize::try_from(cut)
        .ok()
        .and_then(|cut| distribution(v).get(cut).copied())
        .unwrap_or(0.0)
}

/// `P(K ≥ cut)`.
pub fn survival(v: &[f64], cut: i32) -> f64 {
    distribution(v).iter().skip(cut.max(0) as usize).sum()
}

/// `∂ survival / ∂ v_j = P(K without factor j = cut − 1)` for every `j`, by taking the factor out of the distribution: from
/// below where it is more likely 0, from above where it is more likely 1, so that errors shrink.
pub fn leave_one_out(v: &[f64], cut: i32) -> Vec<f64> {
    let y = distribution(v);
    let wanted = cut as isize - 1;
    let without = |&p: &f64| {
        if wanted < 0 || wanted as usize >= v.len() {
            return 0.0;
        }
        if p <= 0.5 {
            y[..=wanted as usize]
                .iter()
                .fold(0.0, |x, y| (y - p * x) / (1.0 - p))
        } else {
            y[wanted as usize + 1..]
                .iter()
                .rev()
                .fold(0.0, |x, y| (y - (1.0 - p) * x) / p)
        }
    };
    v.iter().map(without).collect()
}
