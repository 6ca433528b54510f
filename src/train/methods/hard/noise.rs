//! Noise on a threshold, as tables over the number of successes.
//!
//! A channel asks whether `J + ξ ≥ t`, where `J` is a number of successes, `t` a real threshold and `ξ` noise of a width `w`, all in
//! successes. Per integer `j` the tables hold
//!
//! ```text
//! survival    P(j + ξ ≥ t)
//! cell        P(t ≤ j + ξ < t + 1)
//! density     −∂/∂t P(j + ξ ≥ t)
//! by_width     ∂/∂w P(j + ξ ≥ t)
//! ```
//!
//! The distribution of `J + ξ` in cells of one success about the threshold is `y'_i = P(t + i ≤ J + ξ < t + i + 1) = Σ_j P(J = j) cell[j − i]`.

use super::distribution::dots;
use crate::train::choices::Noise;
use std::f64::consts::{PI, SQRT_2, TAU};

/// Entries before that of 0 successes.
pub(super) const BEFORE: usize = 48;
/// Entries after that of all successes.
const AFTER: usize = 72;

/// A channel's threshold and the noise on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Curve {
    pub(super) noise: Noise,
    /// In successes.
    pub(super) threshold: f64,
    /// In successes.
    pub(super) width: f64,
}

impl Curve {
    /// Survival, density and the derivative of the survival by the width of a number of successes that lies so far below the threshold.
    pub(super) fn at(self, distance: f64) -> [f64; 3] {
        let t = distance / self.width;
        let density = density(self.noise, t) / self.width;
        [survival(self.noise, t), density, t * density]
    }
}

/// The tables of one channel; entry `j + BEFORE` is that of `j` successes.
#[derive(Default, Debug)]
pub(super) struct Tables {
    pub(super) survival: Vec<f32>,
    pub(super) cell: Vec<f32>,
    pub(super) density: Vec<f32>,
    pub(super) by_width: Vec<f32>,
}

impl Tables {
    /// The tables for 0 to `depth` successes.
    pub(super) fn new(curve: Curve, depth: usize) -> Self {
        let entries = depth + 1 + BEFORE + AFTER;
        let mut tables = Self::default();
        for list in tables.lists() {
            list.reserve(entries);
        }
        let distance = |index: usize| curve.threshold - (index as f64 - BEFORE as f64);
        // A cell ends where that of one success fewer begins.
        let [mut beyond, ..] = curve.at(distance(0) + 1.0);
        for index in 0..entries {
            let [survival, density, by_width] = curve.at(distance(index));
            tables.survival.push(survival as f32);
            tables.cell.push((survival - beyond) as f32);
            tables.density.push(density as f32);
            tables.by_width.push(by_width as f32);
            beyond = survival;
        }
        tables
    }

    /// Survival, density and the derivative by the width of a distribution, the number of successes of whose first entry is `first`.
    pub(super) fn expect(&self, first: usize, y: &[f32]) -> [f32; 3] {
        let lists = [&self.survival, &self.density, &self.by_width];
        dots(y, lists.map(|list| &list[first + BEFORE..]))
    }

    fn lists(&mut self) -> [&mut Vec<f32>; 4] {
        [
            &mut self.survival,
            &mut self.cell,
            &mut self.density,
            &mut self.by_width,
        ]
    }
}

/// `P(ξ ≥ t)` of noise of width 1.
fn survival(noise: Noise, t: f64) -> f64 {
    match noise {
        Noise::HeavyTailed => {
            let a = SQRT_2 * t;
            // arctan(1/a) keeps its digits where ½ − arctan(a)/π does not.
            let angle = if a > 1.0 {
                (1.0 / a).atan()
            } else {
                PI / 2.0 - a.atan()
            };
            (angle - a / (1.0 + a * a)) / PI
        }
        Noise::Normal if t < 0.0 => 1.0 - survival(noise, -t),
        Noise::Normal if t < 3.0 => {
            // ½ − φ(t) (t + t³/3 + t⁵/(3·5) + …)
            let (mut term, mut sum) = (t, t);
            for n in 1..60 {
                term *= t * t / f64::from(2 * n + 1);
                sum += term;
            }
            0.5 - sum * density(noise, t)
        }
        Noise::Normal => {
            // φ(t)/(t + 1/(t + 2/(t + …)))
            let tail = (1..60).rev().fold(t, |tail, n| t + f64::from(n) / tail);
            density(noise, t) / tail
        }
    }
}

/// The density of noise of width 1.
fn density(noise: Noise, t: f64) -> f64 {
    match noise {
        Noise::HeavyTailed => {
            let bell = 1.0 / (1.0 + 2.0 * t * t);
            2.0 * SQRT_2 / PI * bell * bell
        }
        Noise::Normal => (-0.5 * t * t).exp() / TAU.sqrt(),
    }
}

#[cfg(test)]
mod tests {
    use super::{BEFORE, Curve, Noise, Tables, density, survival};

    #[test]
    fn survivals_are_integrals_of_the_density() {
        for noise in Noise::ALL {
            assert_eq!(survival(noise, 0.0), 0.5);
            assert!(survival(noise, 1e12) < 1e-12 && survival(noise, -1e12) > 1.0 - 1e-12);
            for step in -600..600 {
                let (from, to) = (f64::from(step) * 0.01, f64::from(step + 1) * 0.01);
                let middle = density(noise, 0.5 * (from + to));
                let simpson = (density(noise, from) + 4.0 * middle + density(noise, to)) / 600.0;
                let difference = survival(noise, from) - survival(noise, to);
                assert!((difference - simpson).abs() < 1e-10, "{noise:?} {from}");
            }
        }
    }

    #[test]
    fn tables_are_derivatives_of_their_survivals() {
        for noise in Noise::ALL {
            let tables = |threshold, width| {
                let curve = Curve {
                    noise,
                    threshold,
                    width,
                };
                Tables::new(curve, 12)
            };
            let found = tables(5.3, 1.7);
            let [before, after] = [5.299, 5.301].map(|threshold| tables(threshold, 1.7).survival);
            let [narrow, wide] = [1.699, 1.701].map(|width| tables(5.3, width).survival);
            let next = tables(6.3, 1.7).survival;
            for index in 0..=12 + BEFORE {
                let slope = (before[index] - after[index]) / 0.002;
                assert!((slope - found.density[index]).abs() < 3e-4, "{index}");
                let slope = (wide[index] - narrow[index]) / 0.002;
                assert!((slope - found.by_width[index]).abs() < 3e-4, "{index}");
                let cell = found.survival[index] - next[index];
                assert!((cell - found.cell[index]).abs() < 1e-6, "{index}");
            }
        }
    }
}
