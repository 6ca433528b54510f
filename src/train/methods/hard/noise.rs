//! Noise on a threshold, as tables over the number of successes.
//!
//! A channel asks whether `J + ξ ≥ t`, where `J` is a number of successes, `t` a real threshold and
//! `ξ` noise of a width `w`, all in successes. All that is wanted of a sum is linear in its
//! distribution: `Σ_j P(J = j) table[j]`. The tables are
//!
//! ```text
//! survival    P(j + ξ ≥ t)
//! density     −∂/∂t P(j + ξ ≥ t)
//! by width     ∂/∂w P(j + ξ ≥ t)
//! ```
//!
//! and those of the gradient's terms, which are made of `cell[j] = P(t ≤ j + ξ < t + 1)`.
//!
//! The distribution of `J + ξ` in cells of one success about the threshold is `y'_i = P(t + i ≤ J +
//! ξ < t + i + 1) = Σ_j P(J = j) cell[j − i]`.

use super::{
    distribution::{LANES, dot},
    leave_one_out::Form,
};
use crate::train::choices::Noise;
use std::f64::consts::{PI, SQRT_2, TAU};

/// Entries that are looked at before that of 0 successes and after that of all.
const MARGIN: usize = 48;

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
    /// Survival, density and the derivative of the survival by the width of a number of successes
    /// that lies so far below the threshold.
    pub(super) fn at(self, distance: f64) -> [f64; 3] {
        let t = distance / self.width;
        let density = density(self.noise, t) / self.width;
        [survival(self.noise, t), density, t * density]
    }
}

/// What is wanted of a sum besides its terms: survival, density and the derivative by the width.
pub(super) const SHARED: usize = 3;

/// The tables of one channel: the shared ones, then one per term of its form; a line of each is
/// [`length`](Self::length) long.
#[derive(Debug)]
pub(super) struct Tables {
    lines: Vec<f32>,
    length: usize,
}

impl Tables {
    /// The tables for 0 to `depth` successes, and zeros after them to a whole number of vectors and
    /// one more.
    pub(super) fn new(curve: Curve, form: Form, depth: usize) -> Self {
        let length = (depth + 1).next_multiple_of(LANES) + LANES;
        let mut tables = Self {
            lines: vec![0.0; (SHARED + form.terms()) * length],
            length,
        };
        let entries = MARGIN + depth + 1 + MARGIN;
        let distance = |index: usize| curve.threshold - (index as f64 - MARGIN as f64);
        let values: Vec<[f64; SHARED]> = (0..entries)
            .map(|index| curve.at(distance(index)))
            .collect();
        // A cell ends where that of one success fewer begins.
        let [mut beyond, ..] = curve.at(distance(0) + 1.0);
        let cells = values.iter().map(|[survival, ..]| {
            let cell = survival - beyond;
            beyond = *survival;
            cell
        });
        let cells: Vec<f64> = cells.collect();
        let lines = tables.lines.chunks_exact_mut(length);
        for (line, what) in lines.zip(0..SHARED) {
            for (entry, values) in line.iter_mut().zip(&values[MARGIN..][..depth + 1]) {
                *entry = values[what] as f32;
            }
        }
        let terms = form.tables(&cells, MARGIN, depth + 1);
        let lines = tables.lines.chunks_exact_mut(length).skip(SHARED);
        for (line, term) in lines.zip(terms) {
            for (entry, value) in line.iter_mut().zip(term) {
                *entry = value as f32;
            }
        }
        tables
    }

    /// Entries of a line.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// All lines, one after the other.
    pub(super) fn lines(&self) -> &[f32] {
        &self.lines
    }

    /// The shared values and the terms of a distribution, the number of successes of whose first
    /// entry is `first`.
    pub(super) fn expect(&self, first: usize, y: &[f32], terms: &mut [f32]) -> [f32; SHARED] {
        let mut lines = self.lines.chunks_exact(self.length);
        let mut next = || {
            let line = lines.next().expect("a line of each");
            // Past the end of the line there are zeros.
            let y = &y[..y.len().min((self.length - first) / LANES * LANES)];
            dot(y, &line[first..])
        };
        let shared = std::array::from_fn(|_| next());
        terms.fill_with(next);
        shared
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
    use super::{super::leave_one_out::Form, Curve, Noise, SHARED, Tables, density, survival};

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
            let line = |threshold, width, what: usize| -> Vec<f32> {
                let curve = Curve {
                    noise,
                    threshold,
                    width,
                };
                let tables = Tables::new(curve, Form::Three, 12);
                tables.lines()[what * tables.length()..][..13].to_vec()
            };
            let [before, after] = [5.299, 5.301].map(|threshold| line(threshold, 1.7, 0));
            let [narrow, wide] = [1.699, 1.701].map(|width| line(5.3, width, 0));
            let (this, next) = (line(5.3, 1.7, 0), line(6.3, 1.7, 0));
            for index in 0..=12 {
                let slope = (before[index] - after[index]) / 0.002;
                assert!((slope - line(5.3, 1.7, 1)[index]).abs() < 3e-4, "{index}");
                let slope = (wide[index] - narrow[index]) / 0.002;
                assert!((slope - line(5.3, 1.7, 2)[index]).abs() < 3e-4, "{index}");
                // The middle one of three cells is that at the threshold.
                let cell = this[index] - next[index];
                assert!(
                    (cell - line(5.3, 1.7, SHARED + 1)[index]).abs() < 1e-6,
                    "{index}"
                );
            }
        }
    }
}
