//! Deep layers: the distribution of one sample's sum, moved and bent to that of every other
//! sample's.
//!
//! The variance of a factor, and every even cumulant, is the same for `x = 1` and `x = −1`; the odd
//! cumulants are the same but for the sign of `x`. So two samples' sums differ in their means,
//! their third cumulants,
//!
//! ```text
//! κ₁ = ½ (K + Σ x_k m_k)        κ₃ = −¼ Σ x_k m_k (1 − m_k²)
//! ```
//!
//! both a matrix product for the whole layer, and in odd cumulants from the fifth on. With noise on
//! the threshold `F(t) = P(J + ξ ≥ t)` is smooth, and with `D = d/dt` and the reference sample's
//! `F₀`
//!
//! ```text
//! F(t) = exp(−Δκ₁ D − ⅙ Δκ₃ D³ − …) F₀(t) = F₀(t − Δκ₁) − ⅙ Δκ₃ F₀‴(t − Δκ₁) + …
//! ```
//!
//! `F₀` comes from the exact distribution; it, and what else is wanted of it, is tabulated on a
//! fine grid and interpolated. Numbers of successes are whole, so that `F₀` has a ripple of period
//! 1, small where the noise is wide. Differences over whole successes do not see it. These are the power sums `Σ x_k m_k` and `Σ x_k m_k³`: next to exact
//! forms for every sample the cost of a layer falls to two products.
//!
//! **Gradients.** `F = (q + p e^{−D}) F′` for the sum without a factor, so that with `T =
//! tanh(D/2)`
//!
//! ```text
//! ∂z/∂v_j = (e^{−D} − 1)/(q + p e^{−D}) F = −2 Σ_d (x_j m_j)^d T^{d+1} F
//! ```
//!
//! which is the whole system's solution; of few equations the right sides are `y'_i = F(t + i) −
//! F(t + i + 1)`.

use super::{
    distribution::{Buffers, Groups},
    leave_one_out::{Form, POWERS, TERMS},
    noise::{Curve, SHARED},
};
use crate::train::matrix;

/// The fewest factors: below, exact forms cost little.
pub(super) const FEWEST: usize = 128;
/// The narrowest noise, in successes.
const NARROWEST: f64 = 2.5;
/// Grid points to a width of the noise, at least.
const POINTS: f64 = 24.0;
/// The most grid points.
const MOST: usize = 1 << 13;
/// What is tabulated at a grid point: the values, then the third derivatives of them.
const COLUMNS: usize = 2 * 8;
/// The third derivatives begin here.
const BENT: usize = COLUMNS / 2;

/// The values of a channel on a grid of thresholds.
#[derive(Debug)]
pub(super) struct Series {
    form: Form,
    /// Of the first grid point: threshold minus mean, in successes.
    from: f64,
    /// Grid points a success.
    points: f64,
    /// κ₃ of the reference.
    third: f32,
    table: Vec<[f32; COLUMNS]>,
}

/// A sample of a channel: the number of successes it expects, and the third cumulant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cumulants {
    pub(super) mean: f32,
    pub(super) third: f32,
}

impl Series {
    /// The form that gradients have in a deep layer.
    pub(super) fn form(form: Form) -> Form {
        match form {
            Form::Precise => Form::Powers,
            few => few,
        }
    }

    /// For samples whose means lie in `means`; nothing where the noise is too narrow for it.
    pub(super) fn new(
        form: Form,
        curve: Curve,
        means: [f32; 2],
        (groups, patterns, cumulants): (&Groups, &[u8], Cumulants),
        buffers: &mut Buffers,
    ) -> Option<Self> {
        if curve.width < NARROWEST {
            return None;
        }
        // A power of two, so that whole successes are whole numbers of points.
        let points = (POINTS / curve.width).log2().ceil().max(0.0).exp2();
        let step = 1.0 / points;
        let [low, high] = means.map(|mean| curve.threshold - f64::from(mean));
        // Four points are interpolated between, and twice five successes differentiated over.
        let margin = 9.0 + 8.0 * step;
        let (from, to) = (high - margin, low + margin);
        let count = ((to - from) * points).ceil();
        if !(count < MOST as f64) {
            return None;
        }
        let count = count as usize;
        let (first, y) = groups.distribution(patterns, buffers);
        let offset = f64::from(cumulants.mean) - first as f64;
        // The noise at every distance that a grid point may have from a number of successes.
        let per = points as usize;
        let entries = count + y.len() * per;
        let lowest = from + offset - y.len() as f64;
        let noise: Vec<[f64; SHARED]> = (0..entries)
            .map(|index| curve.at(lowest + index as f64 * step))
            .collect();
        let mut grid = vec![[0.0; SHARED]; count];
        for (k, probability) in y.iter().enumerate() {
            let probability = f64::from(*probability);
            if probability < 1e-12 {
                continue;
            }
            let noise = &noise[(y.len() - k) * per..];
            matrix::vectorised(
                #[inline(always)]
                || {
                    for (grid, noise) in grid.iter_mut().zip(noise) {
                        for i in 0..SHARED {
                            grid[i] += probability * noise[i];
                        }
                    }
                },
            );
        }
        let terms = form.terms();
        let mut values = vec![[0.0; BENT]; count];
        let edge = 4 * per + 3;
        for at in edge..count - edge {
            let near = |by: isize, what: usize| grid[at.wrapping_add_signed(by)][what];
            let value = &mut values[at];
            value[..SHARED].copy_from_slice(&grid[at]);
            let cell = |i: isize| near(i * per as isize, 0) - near((i + 1) * per as isize, 0);
            match form {
                Form::Three => (0..3).for_each(|i| value[SHARED + i] = cell(i as isize - 1)),
                Form::Five => (0..5).for_each(|i| value[SHARED + i] = cell(i as isize - 2)),
                Form::Extended => (0..4).for_each(|i| value[SHARED + i] = cell(i as isize - 2)),
                Form::Precise | Form::Powers => {
                    // Derivatives of the density f = −DF, by central differences of whole
                    // successes.
                    let [a, b, c, d, e] = [-2, -1, 0, 1, 2].map(|by| near(by * per as isize, 1));
                    let first = (a - 8.0 * b + 8.0 * d - e) / 12.0;
                    let second = (16.0 * (b + d) - 30.0 * c - a - e) / 12.0;
                    let third = (e - 2.0 * d + 2.0 * b - a) / 2.0;
                    let fourth = a - 4.0 * b + 6.0 * c - 4.0 * d + e;
                    value[SHARED] = c - second / 12.0 + fourth / 120.0;
                    value[SHARED + 1] = 0.5 * first - third / 12.0;
                    value[SHARED + 2] = 0.25 * second - fourth / 16.0;
                    value[SHARED + 3] = 0.125 * third;
                    const { assert!(POWERS == 4) };
                }
            }
        }
        let used = SHARED + terms;
        let mut table = vec![[0.0; COLUMNS]; count];
        for at in edge + 2 * per..count - edge - 2 * per {
            for i in 0..used {
                let near = |by: isize| values[at.wrapping_add_signed(by * per as isize)][i];
                let third = 0.5 * (near(2) - near(-2)) + near(-1) - near(1);
                table[at][i] = values[at][i] as f32;
                table[at][BENT + i] = third as f32;
            }
        }
        Some(Self {
            form,
            from: from - curve.threshold,
            points,
            third: cumulants.third,
            table,
        })
    }

    /// z, the density, the derivative by the width, and the terms.
    pub(super) fn evaluate(&self, sample: Cumulants, terms: &mut [f32]) -> [f32; SHARED] {
        let place = ((-f64::from(sample.mean) - self.from) * self.points) as f32;
        let at = (place as usize).clamp(1, self.table.len() - 3);
        let x = place - at as f32;
        // Lagrange's polynomials at −1, 0, 1 and 2.
        let (below, above) = (x + 1.0, x - 1.0);
        let weights = [
            -x * above * (x - 2.0) / 6.0,
            below * above * (x - 2.0) / 2.0,
            -below * x * (x - 2.0) / 2.0,
            below * x * above / 6.0,
        ];
        let bend = (self.third - sample.third) / 6.0;
        let mut values = [0.0; BENT];
        let rows = &self.table[at - 1..at + 3];
        matrix::vectorised(
            #[inline(always)]
            || {
                for (row, weight) in rows.iter().zip(weights) {
                    for i in 0..BENT {
                        values[i] += weight * (row[i] + bend * row[BENT + i]);
                    }
                }
            },
        );
        terms.copy_from_slice(&values[SHARED..][..self.form.terms()]);
        [values[0], values[1], values[2]]
    }
}

const _: () = assert!(SHARED + 5 <= BENT && TERMS >= 5);

#[cfg(test)]
mod tests {
    use super::{
        super::{
            distribution::{Buffers, Groups, patterns},
            leave_one_out::{Form, TERMS},
            noise::{Curve, Tables},
        },
        Cumulants, Series,
    };
    use crate::train::{
        choices::Noise,
        random::{Purpose, Random},
    };

    const DEPTH: usize = 800;

    /// Against the exact distribution of every sample, from all weights uncertain to nearly none.
    #[test]
    fn every_sample_has_its_own_distribution() {
        let mut random = Random::new(5, Purpose::Initial, 0);
        let mut number = || 2.0 * random.uniform() - 1.0;
        for (noise, width, sharpness) in [
            (Noise::HeavyTailed, 40.0, 1.0),
            (Noise::HeavyTailed, 25.0, 3.0),
            (Noise::HeavyTailed, 10.0, 10.0),
            (Noise::HeavyTailed, 5.0, 1.0),
            (Noise::HeavyTailed, 5.0, 10.0),
            (Noise::HeavyTailed, 3.0, 1.0),
            (Noise::HeavyTailed, 3.0, 3.0),
            (Noise::HeavyTailed, 3.0, 10.0),
            (Noise::HeavyTailed, 3.0, 100.0),
            (Noise::HeavyTailed, 2.5, 1.0),
            (Noise::HeavyTailed, 2.5, 10.0),
            (Noise::Normal, 2.5, 1.0),
            (Noise::Normal, 3.0, 30.0),
            (Noise::Normal, 12.0, 2.0),
        ] {
            let means: Vec<f32> = (0..DEPTH).map(|_| (sharpness * number()).tanh()).collect();
            let curve = Curve {
                noise,
                threshold: 0.5 * DEPTH as f64 + 7.3,
                width,
            };
            let rows: Vec<Vec<f32>> = (0..9)
                .map(|_| (0..DEPTH).map(|_| number().signum()).collect())
                .collect();
            let cumulants = |row: &[f32]| {
                let sum = |term: &dyn Fn(f32) -> f32| -> f32 {
                    row.iter().zip(&means).map(|(x, m)| x * term(*m)).sum()
                };
                Cumulants {
                    mean: 0.5 * (DEPTH as f32 + sum(&|m| m)),
                    third: -0.25 * sum(&|m| m * (1.0 - m * m)),
                }
            };
            let all: Vec<f32> = rows.iter().map(|row| cumulants(row).mean).collect();
            let range = [
                all.iter().copied().fold(f32::INFINITY, f32::min),
                all.iter().copied().fold(f32::NEG_INFINITY, f32::max),
            ];
            let (groups, mut buffers) = (Groups::new(&means), Buffers::new(DEPTH));
            for form in [Form::Three, Form::Five, Form::Extended, Form::Precise] {
                let first: Vec<u8> = patterns(&rows[0]).collect();
                let reference = (&groups, &first[..], cumulants(&rows[0]));
                let deep = Series::form(form);
                let series = Series::new(deep, curve, range, reference, &mut buffers);
                let series = series.expect("wide noise");
                for row in &rows {
                    let patterns: Vec<u8> = patterns(row).collect();
                    let (first, y) = groups.distribution(&patterns, &mut buffers);
                    let mut terms = [0.0; TERMS];
                    let tables = Tables::new(curve, form, DEPTH);
                    let expected = tables.expect(first, y, &mut terms[..form.terms()]);
                    let mut found_terms = [0.0; TERMS];
                    let found = series.evaluate(cumulants(row), &mut found_terms[..deep.terms()]);
                    let errors = [0, 1, 2].map(|i| (expected[i] - found[i]).abs());
                    let usual = 1.0 / width as f32;
                    let scale = [1.0, expected[1].max(0.05 * usual), usual];
                    for (i, most) in [1e-4, 1e-3, 1e-3].into_iter().enumerate() {
                        assert!(
                            errors[i] < most * scale[i],
                            "{width} {form:?} {i}: {errors:?}"
                        );
                    }
                    let mut most = 0.0f32;
                    for mean in [-1.0, -0.6, -0.1, 0.3, 0.9, 1.0] {
                        let value = |form: Form, terms: &[f32]| -> f32 {
                            let basis = form.basis(mean);
                            terms.iter().zip(basis).map(|(t, b)| t * b as f32).sum()
                        };
                        let difference = value(form, &terms) - value(deep, &found_terms);
                        most = most.max(difference.abs() / scale[1]);
                    }
                    assert!(most < 2.5e-2, "{width} {form:?}: gradients {most}");
                }
            }
        }
    }

    #[test]
    fn narrow_noise_is_left_to_the_exact_form() {
        let means = vec![0.5; DEPTH];
        let (groups, mut buffers) = (Groups::new(&means), Buffers::new(DEPTH));
        let curve = Curve {
            noise: Noise::HeavyTailed,
            threshold: 400.0,
            width: 0.5,
        };
        let patterns = [0; DEPTH / 4];
        let cumulants = Cumulants {
            mean: 200.0,
            third: 0.0,
        };
        let reference = (&groups, &patterns[..], cumulants);
        let series = Series::new(Form::Powers, curve, [200.0; 2], reference, &mut buffers);
        assert!(series.is_none());
    }
}
