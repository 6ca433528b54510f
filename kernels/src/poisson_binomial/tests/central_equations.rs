//! Three and five equations against a dense minimum-norm solution of the same rows.

use super::gradient_of;
use crate::{
    isa::Level,
    poisson_binomial::{
        Gradient,
        conformance::{Draw, column},
        reference,
    },
};
use alloc::vec::Vec;

/// The wanted unknown of the shortest solution of the rows `cut − half ..= cut + half` of the leave-one-out system of a factor `p`,
/// dense: Gauss with pivoting on
/// the Gram matrix of the rows that exist, in f64. None where those rows are dependent.
fn minimum_norm(y: &[f64], p: f64, cut: i32, half: i32) -> Option<f64> {
    let (n, q) = (y.len() as i32 - 1, 1.0 - p);
    let rows: Vec<i32> = (cut - half..=cut + half)
        .filter(|k| (0..=n).contains(k))
        .collect();
    let matrix: Vec<Vec<f64>> = rows
        .iter()
        .map(|&k| {
            (0..n)
                .map(|i| {
                    if i == k - 1 {
                        p
                    } else if i == k {
                        q
                    } else {
                        0.0
                    }
                })
                .collect()
        })
        .collect();
    let size = rows.len();
    let mut gram: Vec<Vec<f64>> = (0..size)
        .map(|a| {
            (0..size)
                .map(|b| matrix[a].iter().zip(&matrix[b]).map(|(a, b)| a * b).sum())
                .chain([y[rows[a] as usize]])
                .collect()
        })
        .collect();
    for c in 0..size {
        let pivot = (c..size).max_by(|&a, &b| gram[a][c].abs().total_cmp(&gram[b][c].abs()))?;
        gram.swap(c, pivot);
        if gram[c][c].abs() < 1e-9 {
            return None;
        }
        for r in (0..size).filter(|&r| r != c) {
            let factor = gram[r][c] / gram[c][c];
            let above = gram[c].clone();
            for (value, above) in gram[r].iter_mut().zip(above).skip(c) {
                *value -= factor * above;
            }
        }
    }
    Some(
        (0..size)
            .map(|r| matrix[r][(cut - 1) as usize] * gram[r][size] / gram[r][r])
            .sum(),
    )
}

#[test]
fn central_equations_are_the_minimum_norm_solution() {
    let mut compared = 0;
    for (method, half) in [(Gradient::Three, 1), (Gradient::Five, 2)] {
        for draw in Draw::ALL {
            for count in [4, 6, 9, 17, 36] {
                for cut in [1, 2, (count as i32 + 1) / 2, count as i32 - 1, count as i32] {
                    compared += compare(method, half, draw, count, cut);
                }
            }
        }
    }
    assert!(compared > 1000);
}

/// Compares every factor that is clearly uncertain, on every level, and says how many there were.
fn compare(method: Gradient, half: i32, draw: Draw, count: usize, cut: i32) -> usize {
    let sums = 9;
    let v = draw.probabilities(count, sums, 7);
    let found: Vec<_> = Level::available()
        .into_iter()
        .map(|level| (level, gradient_of(level, method, &v, sums, cut)))
        .collect();
    let mut compared = 0;
    for s in 0..sums {
        let sum = column(&v, sums, s);
        let y = reference::distribution(&sum);
        // Where certain factors alone decide, nothing is solved and the gradient is 0.
        let ones = sum.iter().filter(|&&p| p == 1.0).count() as i32;
        let zeros = sum.iter().filter(|&&p| p == 0.0).count() as i32;
        let decided = cut <= ones || cut > count as i32 - zeros;
        let exact = reference::leave_one_out(&sum, cut);
        let largest = exact.into_iter().fold(0.02, f64::max);
        for (j, &p) in sum
            .iter()
            .enumerate()
            .filter(|&(_, &p)| p > 1e-3 && p < 0.999)
        {
            let solution = if decided {
                Some(0.0)
            } else {
                minimum_norm(&y, p, cut, half)
            };
            let Some(expected) = solution else { continue };
            for (level, found) in &found {
                let found = found[j * sums + s];
                assert!(
                    (expected - f64::from(found)).abs() < 1e-5 * largest.max(expected.abs()),
                    "{level} {method} {draw:?} N={count} sum {s} cut {cut} factor {j}: {found}, expected {expected}"
                );
                compared += 1;
            }
        }
    }
    compared
}
