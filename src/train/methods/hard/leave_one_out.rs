//! `∂z/∂v_j` from the distribution, of all factors at once.
//!
//! With `y'` the distribution of `J + ξ` in cells about the threshold and `x'` that without factor
//! `j`, `p = v_j` and `q = 1 − p`,
//!
//! ```text
//! q x'_i + p x'_{i−1} = y'_i     for every whole i,       ∂z/∂v_j = x'_{−1}
//! ```
//!
//! because noise commutes with leaving a factor out. What depends on the factor is `p` alone, and
//! the system is linear in `y'`: so every form gives
//!
//! ```text
//! ∂z/∂v_j = Σ_d basis_d(x_j m_j) · term_d
//! ```
//!
//! with terms that a sum's factors share and functions of `x_j m_j = 2p − 1`. As `x_j = ±1`, these
//! are `even_d(m_j) + x_j odd_d(m_j)`: a layer's gradients are matrix products of its inputs and
//! terms.
//!
//! | form | terms | basis |
//! |---|---|---|
//! | three or five equations | `y'_i` of the central rows | row of `Bᵀ(B Bᵀ)⁻¹`, the shortest solution of these rows |
//! | extended | `y'_{−2} … y'_1` | three normal equations, the unknowns beside them equal to the outermost |
//! | precise | coefficients of a polynomial | Chebyshev's polynomials |
//! | powers | the same, of degree 3 | powers; for deep layers, where the distribution is smooth |
//!
//! **Precise.** `x'_{−1}` as a function of `2p − 1` is smooth, and the same for all factors of a
//! sum. It is computed at Chebyshev's nodes, where the one-sided recursion (from the side on which
//! errors shrink) takes a factor out, and interpolated between them: right to 1e-4 of the largest
//! gradient, and to a few in a hundred where all but one or two of some dozens of factors are
//! certain and the noise is two successes wide.

use std::{array, f64::consts::PI};

/// How a gradient is had from the distribution.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// The three central equations.
    Three,
    /// The five central equations.
    Five,
    /// Three normal equations, extended.
    Extended,
    /// All equations.
    Precise,
    /// All equations, in powers of `x m`, where the distribution is smooth.
    Powers,
}

/// The most terms of a form.
pub(super) const TERMS: usize = NODES;
/// Nodes of the interpolation.
const NODES: usize = 8;
/// Powers of `x m`, from 0.
pub(super) const POWERS: usize = 4;
impl Form {
    /// How many terms it has.
    pub(super) fn terms(self) -> usize {
        match self {
            Self::Three => 3,
            Self::Five => 5,
            Self::Extended => 4,
            Self::Precise => NODES,
            Self::Powers => POWERS,
        }
    }

    /// The basis functions at `x m`.
    pub(super) fn basis(self, product: f64) -> [f64; TERMS] {
        match self {
            Self::Three => central::<3>(product),
            Self::Five => central::<5>(product),
            Self::Extended => extended(product),
            Self::Powers => array::from_fn(|d| product.powi(d as i32)),
            Self::Precise => {
                // Chebyshev's polynomials by their recurrence.
                let (mut this, mut next) = (1.0, product);
                array::from_fn(|_| {
                    let value = this;
                    (this, next) = (next, 2.0 * product * next - this);
                    value
                })
            }
        }
    }

    /// The even and the odd part of each basis function at `m`.
    pub(super) fn parts(self, mean: f32) -> [[f32; TERMS]; 2] {
        let mean = f64::from(mean);
        let [plus, minus] = [self.basis(mean), self.basis(-mean)];
        let half = |sign: f64| array::from_fn(|d| (0.5 * (plus[d] + sign * minus[d])) as f32);
        [half(1.0), half(-1.0)]
    }

    /// Which terms have an even part, and which have an odd one.
    pub(super) fn parities(self) -> [Vec<usize>; 2] {
        let all = 0..self.terms();
        match self {
            Self::Precise | Self::Powers => {
                [0, 1].map(|parity| all.clone().filter(|d| d % 2 == parity).collect())
            }
            _ => [0, 1].map(|_| all.clone().collect()),
        }
    }

    /// The tables of the terms: `term_d = Σ_j P(J = j) table_d[j]` for `count` numbers of
    /// successes. `cells` begins `margin` before 0 successes and ends `margin` after the last.
    pub(super) fn tables(self, cells: &[f64], margin: usize, count: usize) -> Vec<Vec<f64>> {
        // y'_i has cell[j − i].
        let row = |i: isize| cells[margin.wrapping_add_signed(-i)..][..count].to_vec();
        match self {
            Self::Three => (-1..=1).map(row).collect(),
            Self::Five => (-2..=2).map(row).collect(),
            Self::Extended => (-2..=1).map(row).collect(),
            Self::Precise => chebyshev(cells, margin, count),
            Self::Powers => {
                let found = chebyshev(cells, margin, count);
                let power = |d: usize, j: usize| match d {
                    0 => found[0][j] - found[2][j],
                    1 => found[1][j] - 3.0 * found[3][j],
                    2 => 2.0 * found[2][j],
                    _ => 4.0 * found[3][j],
                };
                let table = |d| (0..count).map(|j| power(d, j)).collect();
                (0..POWERS).map(table).collect()
            }
        }
    }
}

/// The tables of Chebyshev's coefficients.
///
/// Without a factor, `x_k = (y_k − p x_{k−1})/q` from below, so that `Σ_k x_k cell[k + 1] = Σ_j y_j
/// h_j` with `h_j = (cell[j + 1] − p h_{j+1})/q`; and from above `h_j = (cell[j] − q h_{j−1})/p`.
/// Each is stable on its side of `p = ½`.
fn chebyshev(cells: &[f64], margin: usize, count: usize) -> Vec<Vec<f64>> {
    let mut tables = vec![vec![0.0; count]; NODES];
    for i in 0..NODES {
        let angle = PI * (i as f64 + 0.5) / NODES as f64;
        let p = 0.5 + 0.5 * angle.cos();
        let (small, large) = (p.min(1.0 - p), p.max(1.0 - p));
        let mut h = vec![0.0; cells.len()];
        // As far out the cells hardly differ from one another.
        if p < 0.5 {
            let mut next = cells[cells.len() - 1];
            for j in (0..cells.len() - 1).rev() {
                next = (cells[j + 1] - small * next) / large;
                h[j] = next;
            }
        } else {
            let mut next = cells[0];
            for j in 0..cells.len() {
                next = (cells[j] - small * next) / large;
                h[j] = next;
            }
        }
        for (d, table) in tables.iter_mut().enumerate() {
            let share = if d == 0 { 1.0 } else { 2.0 };
            let weight = share / NODES as f64 * (d as f64 * angle).cos();
            for (entry, h) in table.iter_mut().zip(&h[margin..]) {
                *entry += weight * h;
            }
        }
    }
    tables
}

/// The coefficients of the `ROWS` central equations' right sides in the shortest solution's
/// `x'_{−1}`.
///
/// The unknown stands in row 0 with `p` and in row −1 with `q`; with `d` these entries, they are
/// `(B Bᵀ)⁻¹ d`.
fn central<const ROWS: usize>(product: f64) -> [f64; TERMS] {
    let p = 0.5 + 0.5 * product;
    let q = 1.0 - p;
    let (diagonal, beside) = (p * p + q * q, p * q);
    let mut right = [0.0; ROWS];
    (right[ROWS / 2 - 1], right[ROWS / 2]) = (q, p);
    let (mut ratio, mut solution) = ([0.0; ROWS], [0.0; TERMS]);
    let (mut before, mut previous) = (0.0, 0.0);
    for r in 0..ROWS {
        let pivot = diagonal - beside * before;
        before = beside / pivot;
        previous = (right[r] - beside * previous) / pivot;
        (ratio[r], solution[r]) = (before, previous);
    }
    for r in (0..ROWS - 1).rev() {
        solution[r] -= ratio[r] * solution[r + 1];
    }
    solution
}

/// The same of the three normal equations about the unknown. With `w = pq` and the right sides `r_i
/// = q y'_i + p y'_{i+1}`, the outer unknowns are `(r − w x)/(1 − w)`, and of the middle equation
/// `(1 − 2w (1 + s)) x = r_{−1} − s (r_{−2} + r_0)` remains, `s = w/(1 − w)`.
fn extended(product: f64) -> [f64; TERMS] {
    let p = 0.5 + 0.5 * product;
    let q = 1.0 - p;
    let w = p * q;
    let share = w / (1.0 - w);
    let left = 1.0 - 2.0 * w * (1.0 + share);
    let mut solution = [0.0; TERMS];
    for (row, weight) in [-share, 1.0, -share].into_iter().enumerate() {
        solution[row] += weight * q / left;
        solution[row + 1] += weight * p / left;
    }
    solution
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            distribution::{Buffers, Groups, patterns},
            noise::{Curve, Tables},
        },
        Form, TERMS,
    };
    use crate::train::{
        choices::Noise,
        random::{Purpose, Random},
    };

    /// The distribution of independent successes, in f64.
    fn pmf(v: impl Iterator<Item = f64>) -> Vec<f64> {
        let mut y = vec![1.0];
        for p in v {
            y.push(0.0);
            for k in (0..y.len()).rev() {
                y[k] = (1.0 - p) * y[k] + if k > 0 { p * y[k - 1] } else { 0.0 };
            }
        }
        y
    }

    /// The largest error of each form's gradients, relative to the largest gradient.
    fn errors(depth: usize, certain: f32, width: f64) -> [(Form, f64); 4] {
        let mut random = Random::new(11, Purpose::Initial, depth as u64);
        let mut number = || 2.0 * random.uniform() - 1.0;
        let means: Vec<f32> = (0..depth)
            .map(|k| {
                if (k as f32 + 0.5) < certain * depth as f32 {
                    number().signum()
                } else {
                    number()
                }
            })
            .collect();
        let row: Vec<f32> = (0..depth).map(|_| number().signum()).collect();
        let v = |k: usize| 0.5 + 0.5 * f64::from(row[k] * means[k]);
        let mean: f64 = (0..depth).map(v).sum();
        let threshold = mean + 0.4 * width;
        let curve = Curve {
            noise: Noise::HeavyTailed,
            threshold,
            width,
        };
        let cell = |k: usize| {
            let [above, below] = [0.0, 1.0].map(|by| curve.at(threshold - 1.0 - k as f64 + by)[0]);
            above - below
        };
        let exact: Vec<f64> = (0..depth)
            .map(|j| {
                let without = pmf((0..depth).filter(|k| *k != j).map(v));
                without.iter().enumerate().map(|(k, x)| x * cell(k)).sum()
            })
            .collect();
        let largest = exact.iter().fold(0.0f64, |most, x| most.max(x.abs()));
        let (groups, mut buffers) = (Groups::new(&means), Buffers::new(depth));
        let patterns: Vec<u8> = patterns(&row).collect();
        let (first, y) = groups.distribution(&patterns, &mut buffers);
        [Form::Three, Form::Five, Form::Extended, Form::Precise].map(|form| {
            let mut terms = [0.0; TERMS];
            let terms = &mut terms[..form.terms()];
            Tables::new(curve, form, depth).expect(first, y, terms);
            let [even, odd] = form.parities();
            let error = (0..depth).map(|k| {
                let [even_parts, odd_parts] = form.parts(means[k]);
                let part = |list: &[usize], parts: [f32; TERMS]| {
                    list.iter().map(|d| parts[*d] * terms[*d]).sum::<f32>()
                };
                let found = part(&even, even_parts) + row[k] * part(&odd, odd_parts);
                (f64::from(found) - exact[k]).abs()
            });
            (form, error.fold(0.0, f64::max) / largest)
        })
    }

    /// The biases of a few equations are those of their minimum norm: at most a third of the
    /// largest gradient for three, less for five.
    #[test]
    fn gradients_are_probabilities_without_the_factor() {
        for depth in [32, 36, 64, 800] {
            for certain in [0.0, 0.7, 0.95] {
                for share in [0.8, 3.0] {
                    let width = share * 0.5 * (depth as f64).sqrt();
                    let errors = errors(depth, certain, width);
                    println!("{depth} {certain} {width:.1} {errors:?}");
                    for (form, error) in errors {
                        let most = match form {
                            Form::Three => 0.4,
                            Form::Five => 0.25,
                            Form::Extended => 0.6,
                            Form::Precise | Form::Powers => 3e-2,
                        };
                        assert!(error < most, "{depth} {certain} {width}: {form:?} {error}");
                    }
                }
            }
        }
    }
}
