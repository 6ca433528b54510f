//! The scalar reference, in f64 and written to be read: what every kernel of this module is held
//! against.
//!
//! ```
//! use bernet_kernels::poisson_binomial::reference::*;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poisson_binomial::conformance::{Draw, column};

    /// The survival is linear in each probability, so its derivative is a difference over any distance, here from 0 to 1.
    #[test]
    fn leaving_one_out_is_the_derivative() {
        for draw in Draw::ALL {
            for count in [1, 2, 3, 36, 97] {
                let v = column(&draw.probabilities(count, 1, 1), 1, 0);
                for cut in [0, 1, count as i32 / 2, count as i32, count as i32 + 1] {
                    for (j, found) in leave_one_out(&v, cut).into_iter().enumerate() {
                        let at = |value| {
                            let mut v = v.clone();
                            v[j] = value;
                            survival(&v, cut)
                        };
                        let expected = at(1.0) - at(0.0);
                        assert!(
                            (found - expected).abs() < 1e-14,
                            "{draw:?} N={count} cut {cut} factor {j}: {found} {expected}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn equal_probabilities_give_the_binomial_distribution() {
        let found = distribution(&[0.25; 4]);
        assert_eq!(
            found,
            [81.0, 108.0, 54.0, 12.0, 1.0].map(|ways| ways / 256.0)
        );
    }
}
