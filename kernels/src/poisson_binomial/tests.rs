use super::{
    conformance::{Draw, column},
    *,
};
use crate::isa::Level;
use alloc::vec;
use rand_pcg::{
    Pcg64Mcg,
    rand_core::{Rng, SeedableRng},
};
use std::eprintln;

fn uniform(random: &mut Pcg64Mcg) -> f64 {
    (random.next_u64() >> 11) as f64 * (0.5f64).powi(53)
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

fn survival_of(level: Level, form: Form, v: &[f32], sums: usize, cut: i32) -> Vec<f32> {
    let (mut z, mut mass) = (vec![f32::NAN; sums], vec![f32::NAN; sums]);
    let factors = Factors::new(v, sums).unwrap();
    survival(
        level,
        form,
        factors,
        cut,
        &mut z,
        &mut mass,
        &mut Scratch::default(),
    )
    .unwrap();
    z
}

fn gradient_of(level: Level, method: Gradient, v: &[f32], sums: usize, cut: i32) -> Vec<f32> {
    let (mut z, mut mass, mut dz_dv) = (
        vec![f32::NAN; sums],
        vec![f32::NAN; sums],
        vec![f32::NAN; v.len()],
    );
    let factors = Factors::new(v, sums).unwrap();
    let scratch = &mut Scratch::default();
    gradient(
        level, method, factors, cut, &mut z, &mut mass, &mut dz_dv, scratch,
    )
    .unwrap();
    dz_dv
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
    for level in levels() {
        for (method, half) in [(Gradient::Three, 1), (Gradient::Five, 2)] {
            for name in Draw::ALL {
                for count in [4, 6, 9, 17, 36, 64] {
                    let sums = 17;
                    let v = name.probabilities(count, sums, 7);
                    for cut in [1, 2, (count as i32 + 1) / 2, count as i32 - 1, count as i32] {
                        let found = gradient_of(level, method, &v, sums, cut);
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
                                    "{level} {method:?} {name:?} N={count} s={s} cut={cut} j={j}: {expected} {}",
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
        for name in [Draw::Uniform, Draw::Beta, Draw::Shifted] {
            let (count, sums, step) = (64, 9, 0.02);
            let v: Vec<f32> = name
                .probabilities(count, sums, 5)
                .iter()
                .map(|v| v.clamp(0.05, 0.95))
                .collect();
            let gradient = gradient_of(level, Gradient::Normal, &v, sums, 33);
            for j in [0, 17, 63] {
                let moved = |by: f32| {
                    let mut v = v.clone();
                    v[j * sums..][..sums].iter_mut().for_each(|v| *v += by);
                    survival_of(level, Form::Normal, &v, sums, 33)
                };
                let (up, down) = (moved(step), moved(-step));
                for s in 0..sums {
                    let difference = (up[s] - down[s]) / (2.0 * step);
                    let found = gradient[j * sums + s];
                    assert!(
                        (difference - found).abs() < 1e-4,
                        "{level} {name:?} sum {s} factor {j}: {difference} {found}"
                    );
                }
            }
        }
    }
}

#[test]
fn power_sums_hold_where_they_say_so() {
    for level in levels() {
        for name in Draw::ALL {
            for count in [36, 200, 800] {
                for degree in [2, 4, 6, 8] {
                    let outputs = 17;
                    let v = name.probabilities(count, outputs, 3);
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
                    let mean = |o| column(&v, outputs, o).iter().sum::<f64>() as i32;
                    let cuts: Vec<i32> = (0..outputs).map(|o| mean(o) - 8 + o as i32).collect();
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
                            "{level} {name:?} N={count} D={degree} o={o}: {error:e}, bound {:e}",
                            bound[o]
                        );
                    }
                    eprintln!(
                        "{level} {name:?} N={count:4} D={degree}: error {worst:.1e} gradient {worst_gradient:.1e} bound {worst_bound:.1e}"
                    );
                }
            }
        }
    }
}

/// Every output on every sample, and the derivatives of `Σ c z` with fixed weights `c`, against the specification; part of the weights
/// and inputs is certain, one output is entirely, so that some sums take the exact form.
#[test]
fn layers_hold_against_the_specification() {
    let mut random = Pcg64Mcg::seed_from_u64(11);
    for level in levels() {
        for (factors, samples, outputs) in [(1, 1, 1), (36, 19, 3), (200, 35, 4), (800, 17, 5)] {
            let certain = |random: &mut Pcg64Mcg, chance: f64| {
                let mean = 2.0 * uniform(random) - 1.0;
                (if uniform(random) < chance {
                    mean.signum()
                } else {
                    mean
                }) as f32
            };
            let inputs: Vec<f32> = (0..factors * samples)
                .map(|i| certain(&mut random, if i % samples == 0 { 1.0 } else { 0.2 }))
                .collect();
            let weights: Vec<f32> = (0..factors * outputs)
                .map(|i| certain(&mut random, if i % outputs == 0 { 1.0 } else { 0.4 }))
                .collect();
            let cuts: Vec<i32> = (0..outputs)
                .map(|o| factors as i32 / 2 + o as i32)
                .collect();
            let by_survival: Vec<f32> = (0..outputs * samples)
                .map(|_| uniform(&mut random) as f32 - 0.5)
                .collect();
            let layer = Layer::new(&inputs, &weights, samples, outputs).unwrap();
            let (mut activations, mut scratch) = (Activations::default(), Scratch::default());
            layer
                .forward(level, &cuts, 1e-6, &mut activations, &mut scratch)
                .unwrap();
            let (mut by_inputs, mut by_weights) =
                (vec![0.0; inputs.len()], vec![0.0; weights.len()]);
            layer
                .backward(
                    level,
                    &activations,
                    &by_survival,
                    &mut by_inputs,
                    &mut by_weights,
                    &mut scratch,
                )
                .unwrap();

            let (mut right_by_inputs, mut right_by_weights) =
                (vec![0.0; inputs.len()], vec![0.0; weights.len()]);
            let mut largest = 0.0f64;
            for o in 0..outputs {
                for s in 0..samples {
                    let means: Vec<f64> = (0..factors)
                        .map(|j| {
                            f64::from(inputs[j * samples + s]) * f64::from(weights[j * outputs + o])
                        })
                        .collect();
                    let v: Vec<f64> = means.iter().map(|m| 0.5 + 0.5 * m).collect();
                    let at = o * samples + s;
                    let survival = (specification::survival(&v, cuts[o])
                        - f64::from(activations.survival[at]))
                    .abs();
                    let mass =
                        (specification::mass(&v, cuts[o]) - f64::from(activations.mass[at])).abs();
                    assert!(
                        survival.max(mass) < 2e-6,
                        "{level} N={factors} output {o} sample {s}: {survival:e} {mass:e}"
                    );
                    for (j, dz_dv) in specification::leave_one_out(&v, cuts[o])
                        .into_iter()
                        .enumerate()
                    {
                        let by_mean = 0.5 * dz_dv * f64::from(by_survival[at]);
                        right_by_inputs[j * samples + s] +=
                            by_mean * f64::from(weights[j * outputs + o]);
                        right_by_weights[j * outputs + o] +=
                            by_mean * f64::from(inputs[j * samples + s]);
                        largest = largest.max(by_mean.abs());
                    }
                }
            }
            assert!(
                activations.exact() > 0
                    && (factors < 200 || activations.exact() < outputs * samples)
            );
            for (found, right) in by_inputs
                .iter()
                .zip(&right_by_inputs)
                .chain(by_weights.iter().zip(&right_by_weights))
            {
                assert!(
                    (f64::from(*found) - right).abs()
                        <= 1e-5 * largest * samples.max(outputs) as f64,
                    "{level} N={factors}: {found} {right}"
                );
            }
        }
    }
}
