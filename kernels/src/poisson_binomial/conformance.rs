//! A level's distributions and exact gradients against the scalar reference; the cases are plain
//! functions, for fuzzers and for other implementers.
//!
//! **The bounds.** One factor multiplies an entry by numbers that are each rounded a few times, and adds two such products, all
//! positive. So `N` factors leave a relative error of at most about `4N·2⁻²⁴` in an entry, which is the bound one can prove; the errors
//! are independent, the part that all entries share goes out with the division by the total, and what is left grows like `√N`:
//! below 1e-6 in survival and mass for `N ≤ 4096`, which is what the module promises and what is asserted here. A
//! gradient divides by `max(v, 1 − v) ≥ ½` and sums the errors of the entries with weights at most 1 that fall from the cut: 1e-5 of
//! a gradient of the usual size; but not of one in the far tail of the distribution, so that gradients below
//! [`LEAST_GRADIENT`] count as that.
//!
//! ```
//! use bernet_kernels::{isa::Level, poisson_binomial::{Form, conformance}};
//!
//! let v = conformance::Draw::Uniform.probabilities(36, 17, 1);
//! conformance::forward(Level::best(), Form::Spectral, &v, 17, 18)?;
//! # Ok::<(), String>(())
//! ```

mod layer;

pub use layer::{Means, layer};

use super::{Factors, Form, Gradient, Workspace, reference, strain, survival};
use crate::{conformance::Generator, isa::Level};
use alloc::{format, string::String, vec, vec::Vec};

/// The most that a survival or a mass may be wrong.
pub const SURVIVAL_ERROR: f64 = 1e-6;
/// The most that an exact gradient may be wrong, in parts of the sum's largest.
pub const GRADIENT_ERROR: f64 = 1e-5;
/// The same for the spectral form where the [`strain`] is above 1.
pub const SPECTRAL_ERROR: f64 = 5e-5;
/// The same for [`Gradient::Thomas`], whose condition number is up to `4N²/π²`.
pub const THOMAS_ERROR: f64 = 3e-3;
/// The largest gradient of a sum counts as at least so much.
pub const LEAST_GRADIENT: f64 = 0.05;

/// The kinds of probabilities that the accuracy is stated for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Draw {
    /// Uniform in [0, 1].
    Uniform,
    /// Beta(.2, .2): mostly near 0 and 1.
    Beta,
    /// So many per cent exact 0 or 1, the others uniform.
    Certain(u8),
    /// All ½.
    Half,
    /// Uniform from .3 to .8.
    Shifted,
    /// All so many thousandths: a rounding error that is made once is made by every factor.
    Equal(u16),
    /// Exact 0, ½ and 1, their neighbours, subnormal numbers, and uniform ones.
    Special,
}

impl Draw {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Uniform,
        Self::Beta,
        Self::Certain(40),
        Self::Certain(98),
        Self::Certain(100),
        Self::Half,
        Self::Shifted,
        Self::Equal(3),
        Self::Equal(700),
        Self::Special,
    ];

    /// `factors · sums` probabilities.
    pub fn probabilities(self, factors: usize, sums: usize, seed: u64) -> Vec<f32> {
        let mut generator = Generator(seed);
        (0..factors * sums)
            .map(|_| self.probability(&mut generator))
            .collect()
    }

    fn probability(self, generator: &mut Generator) -> f32 {
        let mut uniform = || (generator.word() >> 40) as f32 / (1 << 24) as f32;
        match self {
            Self::Uniform => uniform(),
            // Jöhnk: two powers whose sum is at most 1.
            Self::Beta => loop {
                let mut fifth = || {
                    let x = uniform();
                    x * x * x * x * x
                };
                let (a, b) = (fifth(), fifth());
                if a + b <= 1.0 && a + b > 0.0 {
                    return a / (a + b);
                }
            },
            Self::Certain(percent) => {
                let x = uniform();
                if 100.0 * uniform() < f32::from(percent) {
                    f32::from(u8::from(x < 0.5))
                } else {
                    x
                }
            }
            Self::Half => 0.5,
            Self::Equal(thousandths) => f32::from(thousandths) / 1000.0,
            Self::Shifted => 0.3 + 0.5 * uniform(),
            Self::Special => match (8.0 * uniform()) as u8 {
                0 => 0.0,
                1 => 1.0,
                2 => 0.5,
                3 => 1.0 - f32::EPSILON / 2.0,
                4 => f32::from_bits(1),
                5 => f32::MIN_POSITIVE,
                6 => 0.5 + f32::EPSILON / 2.0,
                _ => uniform(),
            },
        }
    }
}

/// Sum `s` of the probabilities, in f64.
pub(super) fn column(v: &[f32], sums: usize, s: usize) -> Vec<f64> {
    v.iter()
        .skip(s)
        .step_by(sums)
        .map(|&v| f64::from(v))
        .collect()
}

fn strained(v: &[f64]) -> bool {
    let uncertain = || v.iter().filter(|&&v| v > 0.0 && v < 1.0);
    let mean: f64 = uncertain().sum();
    let variance: f64 = uncertain().map(|v| v * (1.0 - v)).sum();
    strain(uncertain().count(), mean as f32, variance as f32) > 1.0
}

/// Survival and mass of one of the exact forms.
///
/// # Errors
/// Says which sum differs, expected and found.
pub fn forward(level: Level, form: Form, v: &[f32], sums: usize, cut: i32) -> Result<(), String> {
    let (mut z, mut mass) = (vec![f32::NAN; sums], vec![f32::NAN; sums]);
    let factors = Factors::new(v, sums).map_err(|error| format!("{error}"))?;
    let workspace = &mut Workspace::default();
    survival(level, form, factors, cut, &mut z, &mut mass, workspace)
        .map_err(|error| format!("{error}"))?;
    for s in 0..sums {
        let sum = column(v, sums, s);
        let spectral = form == Form::Spectral && strained(&sum);
        let tolerance = if spectral {
            SPECTRAL_ERROR
        } else {
            SURVIVAL_ERROR
        };
        for (what, found, expected) in [
            ("survival", z[s], reference::survival(&sum, cut)),
            ("mass", mass[s], reference::mass(&sum, cut)),
        ] {
            if !(0.0..=1.0).contains(&found) || (f64::from(found) - expected).abs() > tolerance {
                let count = sum.len();
                return Err(format!(
                    "{level}, {form}, N = {count}, cut {cut}, sum {s} of {sums}: {what} {found}, expected {expected}"
                ));
            }
        }
    }
    Ok(())
}

/// The whole distribution and its sums from either end. An entry is also right to `N·2⁻²⁰` of itself, however small, down to 1e-33.
///
/// # Errors
/// Says which entry differs, expected and found.
pub fn whole(level: Level, v: &[f32], sums: usize) -> Result<(), String> {
    type Function = fn(Level, Factors<'_>, &mut [f32], &mut Workspace) -> Result<(), crate::Error>;
    let cases: [(&str, Function); 3] = [
        ("pmf", super::pmf),
        ("cdf", super::cdf),
        ("survivals", super::survivals),
    ];
    let factors = Factors::new(v, sums).map_err(|error| format!("{error}"))?;
    let count = factors.count();
    let right: Vec<_> = (0..sums)
        .map(|s| reference::distribution(&column(v, sums, s)))
        .collect();
    let mut found = vec![f32::NAN; (count + 1) * sums];
    for (what, function) in cases {
        function(level, factors, &mut found, &mut Workspace::default())
            .map_err(|error| format!("{error}"))?;
        for (k, s) in (0..=count).flat_map(|k| (0..sums).map(move |s| (k, s))) {
            let entries = match what {
                "pmf" => &right[s][k..=k],
                "cdf" => &right[s][..=k],
                _ => &right[s][k..],
            };
            let expected: f64 = entries.iter().sum();
            let found = found[k * sums + s];
            let error = (f64::from(found) - expected).abs();
            let relative = (count + 4) as f64 * (0.5f64).powi(20) * expected + 1e-33;
            if !(0.0..=1.0).contains(&found) || error > SURVIVAL_ERROR.min(relative) {
                return Err(format!(
                    "{level}, {what}, N = {count}, k = {k}, sum {s} of {sums}: {found:e}, expected {expected:e}"
                ));
            }
        }
    }
    Ok(())
}

/// Survival, mass and the gradients of a method. Those of the central equations are biased and those of the normal approximation
/// wrong: of them it is asked that they are finite.
///
/// # Errors
/// Says which factor differs, expected and found.
pub fn gradient(
    level: Level,
    method: Gradient,
    v: &[f32],
    sums: usize,
    cut: i32,
) -> Result<(), String> {
    let (mut z, mut mass, mut dz_dv) = (
        vec![f32::NAN; sums],
        vec![f32::NAN; sums],
        vec![f32::NAN; v.len()],
    );
    let factors = Factors::new(v, sums).map_err(|error| format!("{error}"))?;
    let workspace = &mut Workspace::default();
    super::gradient(
        level, method, factors, cut, &mut z, &mut mass, &mut dz_dv, workspace,
    )
    .map_err(|error| format!("{error}"))?;
    let tolerance = match method {
        Gradient::Three | Gradient::Five | Gradient::Extended | Gradient::Normal => f64::MAX,
        Gradient::Thomas => THOMAS_ERROR,
        Gradient::Precise | Gradient::Autograd | Gradient::Spectral | Gradient::Fastest => {
            GRADIENT_ERROR
        }
    };
    for s in 0..sums {
        let sum = column(v, sums, s);
        let count = sum.len();
        let survival = reference::survival(&sum, cut);
        let spectral = method == Gradient::Spectral && strained(&sum);
        let survival_tolerance = if spectral {
            SPECTRAL_ERROR
        } else {
            SURVIVAL_ERROR
        };
        let tolerance = if spectral {
            10.0 * tolerance
        } else {
            tolerance
        };
        let right =
            method == Gradient::Normal || (f64::from(z[s]) - survival).abs() <= survival_tolerance;
        if !right || !z[s].is_finite() || !mass[s].is_finite() {
            return Err(format!(
                "{level}, {method}, N = {count}, cut {cut}, sum {s} of {sums}: survival {}, expected {survival}",
                z[s]
            ));
        }
        let expected = reference::leave_one_out(&sum, cut);
        let largest = expected.iter().fold(LEAST_GRADIENT, |most, &x| most.max(x));
        for (j, expected) in expected.into_iter().enumerate() {
            let found = dz_dv[j * sums + s];
            if !found.is_finite() || (f64::from(found) - expected).abs() > tolerance * largest {
                return Err(format!(
                    "{level}, {method}, N = {count}, cut {cut}, sum {s} of {sums}, factor {j}: {found}, expected \
                     {expected}; the largest is {largest}"
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
