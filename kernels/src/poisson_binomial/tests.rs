use super::*;
use crate::isa::Level;
use alloc::{format, string::String, vec};
use rand_pcg::{
    Pcg64Mcg,
    rand_core::{Rng, SeedableRng},
};
use std::eprintln;

/// The draws of probabilities that the accuracy is stated for.
const DRAWS: [&str; 7] = [
    "uniform",
    "beta .2 .2",
    "40 % certain",
    "98 % certain",
    "all one half",
    "shifted",
    "all certain",
];

fn uniform(random: &mut Pcg64Mcg) -> f64 {
    (random.next_u64() >> 11) as f64 * (0.5f64).powi(53)
}

/// Beta(.2, .2) by Jöhnk: two powers whose sum is at most 1.
fn beta(random: &mut Pcg64Mcg) -> f64 {
    loop {
        let (a, b) = (uniform(random).powi(5), uniform(random).powi(5));
        if a + b <= 1.0 && a + b > 0.0 {
            return a / (a + b);
        }
    }
}

fn probability(draw: &str, random: &mut Pcg64Mcg) -> f64 {
    let mut certain_with = |chance: f64| {
        if uniform(random) < chance {
            f64::from(uniform(random) < 0.5)
        } else {
            uniform(random)
        }
    };
    match draw {
        "uniform" => uniform(random),
        "beta .2 .2" => beta(random),
        "40 % certain" => certain_with(0.4),
        "98 % certain" => certain_with(0.98),
        "all certain" => certain_with(1.0),
        "shifted" => 0.3 + 0.5 * uniform(random),
        _ => 0.5,
    }
}

/// `count` factors of `sums` sums as the kernels take them.
fn draw(name: &str, count: usize, sums: usize, seed: u64) -> Vec<f32> {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    (0..count * sums)
        .map(|_| probability(name, &mut random) as f32)
        .collect()
}

/// Sum `s` in f64.
fn column(v: &[f32], sums: usize, s: usize) -> Vec<f64> {
    v.iter()
        .skip(s)
        .step_by(sums)
        .map(|&v| f64::from(v))
        .collect()
}

/// A cut at the mean of the first sum, and some further away.
fn cuts(v: &[f32], sums: usize) -> Vec<i32> {
    let count = (v.len() / sums) as i32;
    let mean = column(v, sums, 0).iter().sum::<f64>().round() as i32;
    vec![
        (count + 1) / 2,
        mean,
        mean + 2,
        mean - 3,
        0,
        1,
        count,
        count + 1,
    ]
}

fn levels() -> Vec<Level> {
    let levels = Level::available();
    eprintln!(
        "levels: {}",
        levels
            .iter()
            .map(|level| level.name())
            .collect::<Vec<_>>()
            .join(", ")
    );
    levels
}

struct Results {
    survival: Vec<f32>,
    mass: Vec<f32>,
    gradient: Vec<f32>,
}

fn forward(level: Level, form: Form, v: &[f32], sums: usize, cut: i32) -> Results {
    let (mut survival, mut mass) = (vec![f32::NAN; sums], vec![f32::NAN; sums]);
    let factors = Factors::new(v, sums).unwrap();
    super::survival(
        level,
        form,
        factors,
        cut,
        &mut survival,
        &mut mass,
        &mut Scratch::default(),
    )
    .unwrap();
    Results {
        survival,
        mass,
        gradient: vec![],
    }
}

fn with_gradient(level: Level, method: Gradient, v: &[f32], sums: usize, cut: i32) -> Results {
    let (mut survival, mut mass, mut gradient) = (
        vec![f32::NAN; sums],
        vec![f32::NAN; sums],
        vec![f32::NAN; v.len()],
    );
    let factors = Factors::new(v, sums).unwrap();
    let scratch = &mut Scratch::default();
    super::gradient(
        level,
        method,
        factors,
        cut,
        &mut survival,
        &mut mass,
        &mut gradient,
        scratch,
    )
    .unwrap();
    Results {
        survival,
        mass,
        gradient,
    }
}

/// Sizes around groups and tiles of four, lanes ± 1, the seed's net, and two that are large.
const COUNTS: [usize; 13] = [1, 2, 3, 4, 5, 8, 9, 16, 35, 36, 37, 64, 300];
const SUMS: [usize; 2] = [1, 17];

#[test]
fn forward_forms_hold_against_the_specification() {
    let mut failures = String::new();
    for level in levels() {
        for form in [
            Form::Full,
            Form::Undecided,
            Form::Banded { sigmas: 6.0 },
            Form::Spectral,
        ] {
            for name in DRAWS {
                for (count, sums) in COUNTS.iter().flat_map(|&n| SUMS.map(|s| (n, s))) {
                    let v = draw(name, count, sums, count as u64);
                    for cut in cuts(&v, sums) {
                        let results = forward(level, form, &v, sums, cut);
                        for s in 0..sums {
                            let column = column(&v, sums, s);
                            let z = specification::survival(&column, cut);
                            let mass = specification::mass(&column, cut);
                            let error = (f64::from(results.survival[s]) - z)
                                .abs()
                                .max((f64::from(results.mass[s]) - mass).abs());
                            if error.is_nan() || error > 1e-6 {
                                failures += &format!(
                                    "{level} {form:?} {name} N={count} sum {s}/{sums} cut {cut}: {error:e}\n"
                                );
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{}",
        &failures[..failures.len().min(3000)]
    );
}

#[test]
fn exact_gradients_hold_against_the_specification() {
    let mut failures = String::new();
    for level in levels() {
        for (method, tolerance) in [
            (Gradient::Precise, 1e-5),
            (Gradient::Autograd, 1e-5),
            (Gradient::Spectral, 1e-5),
            (Gradient::Fastest, 1e-5),
            (Gradient::Thomas, 3e-3),
        ] {
            for name in DRAWS {
                for (count, sums) in COUNTS.iter().flat_map(|&n| SUMS.map(|s| (n, s))) {
                    let v = draw(name, count, sums, count as u64);
                    for cut in cuts(&v, sums) {
                        let results = with_gradient(level, method, &v, sums, cut);
                        for s in 0..sums {
                            let expected = specification::leave_one_out(&column(&v, sums, s), cut);
                            let largest = expected.iter().fold(0.0f64, |a, b| a.max(b.abs()));
                            let found = column_of(&results.gradient, sums, s);
                            let error = expected
                                .iter()
                                .zip(found)
                                .map(|(a, b)| (a - b).abs())
                                .fold(0.0, f64::max);
                            if !(error <= tolerance * largest.max(0.05)) {
                                failures += &format!(
                                    "{level} {method:?} {name} N={count} sum {s}/{sums} cut {cut}: {error:e} of {largest:e}\n"
                                );
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{}",
        &failures[..failures.len().min(3000)]
    );
}

fn column_of(gradient: &[f32], sums: usize, s: usize) -> Vec<f64> {
    column(gradient, sums, s)
}

/// The shortest solution of the rows `cut − half ..= cut + half` of the leave-one-out system, dense: Gauss with pivoting on
/// the Gram matrix of the rows that exist, in f64. None where those rows are dependent.
fn minimum_norm(v: &[f64], j: usize, cut: i32, half: i32) -> Option<f64> {
    let n = v.len() as i32;
    let y = specification::distribution(v);
    let (p, q) = (v[j], 1.0 - v[j]);
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
            for i in c..=size {
                let above = gram[c][i];
                gram[r][i] -= factor * above;
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
    for level in levels() {
        for (method, half) in [(Gradient::Three, 1), (Gradient::Five, 2)] {
            for name in DRAWS {
                for count in [4, 6, 9, 17, 36, 64] {
                    let sums = 17;
                    let v = draw(name, count, sums, 7);
                    for cut in [1, 2, (count as i32 + 1) / 2, count as i32 - 1, count as i32] {
                        let found = with_gradient(level, method, &v, sums, cut).gradient;
                        for s in 0..sums {
                            let column = column(&v, sums, s);
                            let ones = column.iter().filter(|&&p| p == 1.0).count() as i32;
                            let zeros = column.iter().filter(|&&p| p == 0.0).count() as i32;
                            let decided = cut <= ones || cut > count as i32 - zeros;
                            let largest = specification::leave_one_out(&column, cut)
                                .into_iter()
                                .fold(1e-3, f64::max);
                            for j in (0..count).filter(|&j| column[j] > 1e-3 && column[j] < 0.999) {
                                let expected = if decided {
                                    Some(0.0)
                                } else {
                                    minimum_norm(&column, j, cut, half)
                                };
                                let Some(expected) = expected else { continue };
                                let error = (expected - f64::from(found[j * sums + s])).abs();
                                assert!(
                                    error < 1e-5 * largest.max(expected.abs()).max(0.02),
                                    "{level} {method:?} {name} N={count} s={s} cut={cut} j={j}: {expected} {}",
                                    found[j * sums + s]
                                );
                                compared += 1;
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(compared > 1000);
}

/// The derivative of what the normal approximation computes, by differences; and how wrong it is, printed.
#[test]
fn normal_gradient_is_the_derivative_of_the_normal_survival() {
    for level in levels() {
        for name in ["uniform", "beta .2 .2", "shifted"] {
            let (count, sums, step) = (64, 9, 0.02);
            let v: Vec<f32> = draw(name, count, sums, 5)
                .iter()
                .map(|v| v.clamp(0.05, 0.95))
                .collect();
            let gradient = with_gradient(level, Gradient::Normal, &v, sums, 33).gradient;
            for j in [0, 17, 63] {
                let moved = |by: f32| {
                    let mut v = v.clone();
                    v[j * sums..][..sums].iter_mut().for_each(|v| *v += by);
                    forward(level, Form::Normal, &v, sums, 33).survival
                };
                let (up, down) = (moved(step), moved(-step));
                for s in 0..sums {
                    let difference = (up[s] - down[s]) / (2.0 * step);
                    let found = gradient[j * sums + s];
                    assert!(
                        (difference - found).abs() < 1e-4,
                        "{level} {name} sum {s} factor {j}: {difference} {found}"
                    );
                }
            }
        }
    }
}

#[test]
fn power_sums_hold_where_they_say_so() {
    for level in levels() {
        for name in DRAWS {
            for count in [36, 200, 800] {
                for degree in [2, 4, 6, 8] {
                    let outputs = 17;
                    let v = draw(name, count, outputs, 3);
                    let mut sums = vec![0.0f32; degree * outputs];
                    for o in 0..outputs {
                        for d in 1..=degree {
                            let sum: f64 = column(&v, outputs, o)
                                .iter()
                                .map(|v| (2.0 * v - 1.0).powi(d as i32))
                                .sum();
                            sums[(d - 1) * outputs + o] = sum as f32;
                        }
                    }
                    let mut cuts = vec![0; outputs];
                    for o in 0..outputs {
                        let mean: f64 = column(&v, outputs, o).iter().sum();
                        cuts[o] = mean as i32 - 8 + o as i32;
                    }
                    let (mut survival, mut mass, mut slopes, mut bound) = (
                        vec![0.0; outputs],
                        vec![0.0; outputs],
                        vec![0.0; degree * outputs],
                        vec![0.0; outputs],
                    );
                    PowerSums::new(&sums, outputs, count)
                        .unwrap()
                        .invert(
                            level,
                            &cuts,
                            Inverse {
                                survival: &mut survival,
                                mass: &mut mass,
                                slopes: &mut slopes,
                                error: &mut bound,
                            },
                        )
                        .unwrap();
                    let (mut worst, mut worst_gradient, mut worst_bound) = (0.0f64, 0.0f64, 0.0f64);
                    for o in 0..outputs {
                        let column = column(&v, outputs, o);
                        let error = (specification::survival(&column, cuts[o])
                            - f64::from(survival[o]))
                        .abs();
                        let error = error.max(
                            (specification::mass(&column, cuts[o]) - f64::from(mass[o])).abs(),
                        );
                        let expected = specification::leave_one_out(&column, cuts[o]);
                        let gradient_error = (0..count)
                            .map(|j| {
                                let m = 2.0 * column[j] - 1.0;
                                let by_m: f64 = (1..=degree)
                                    .map(|d| {
                                        f64::from(slopes[(d - 1) * outputs + o])
                                            * d as f64
                                            * m.powi(d as i32 - 1)
                                    })
                                    .sum();
                                (2.0 * by_m - expected[j]).abs()
                            })
                            .fold(0.0, f64::max);
                        worst = worst.max(error);
                        worst_gradient = worst_gradient.max(gradient_error);
                        worst_bound = worst_bound.max(f64::from(bound[o]));
                        assert!(
                            error <= f64::from(bound[o]) + 2e-6,
                            "{level} {name} N={count} D={degree} o={o}: {error:e}, bound {:e}",
                            bound[o]
                        );
                    }
                    eprintln!(
                        "{level} {name:13} N={count:4} D={degree}: error {worst:.1e} gradient {worst_gradient:.1e} bound {worst_bound:.1e}"
                    );
                }
            }
        }
    }
}
