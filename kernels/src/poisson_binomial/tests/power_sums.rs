//! Power sums: the survival is as right as they say, and the table of how right that is.

use crate::{
    isa::Level,
    poisson_binomial::{
        Inverse, PowerSums,
        conformance::{Draw, column},
        reference,
    },
};
use alloc::{vec, vec::Vec};
use std::eprintln;

const OUTPUTS: usize = 17;

#[test]
fn power_sums_are_as_right_as_they_say() {
    for draw in Draw::ALL {
        for count in [36, 200, 800] {
            let v = draw.probabilities(count, OUTPUTS, 3);
            let columns: Vec<_> = (0..OUTPUTS).map(|o| column(&v, OUTPUTS, o)).collect();
            let cuts: Vec<i32> = columns
                .iter()
                .enumerate()
                .map(|(o, column)| column.iter().sum::<f64>() as i32 - 8 + o as i32)
                .collect();
            let right: Vec<Right> = columns
                .iter()
                .zip(&cuts)
                .map(|(column, &cut)| Right::new(column, cut))
                .collect();
            for level in Level::available() {
                for degree in [2, 4, 6, 8] {
                    let (error, gradient_error, bound) =
                        errors(level, degree, &columns, &cuts, &right);
                    eprintln!(
                        "{level} {draw:?} N={count} D={degree}: error {error:.1e}, of a gradient {gradient_error:.1e}, \
                         bound {bound:.1e}"
                    );
                }
            }
        }
    }
}

/// What the reference says of one output.
struct Right {
    survival: f64,
    mass: f64,
    gradient: Vec<f64>,
}

impl Right {
    fn new(v: &[f64], cut: i32) -> Self {
        Self {
            survival: reference::survival(v, cut),
            mass: reference::mass(v, cut),
            gradient: reference::leave_one_out(v, cut),
        }
    }
}

/// The largest error of survival and mass, of a gradient, and the largest error reported.
fn errors(
    level: Level,
    degree: usize,
    columns: &[Vec<f64>],
    cuts: &[i32],
    right: &[Right],
) -> (f64, f64, f64) {
    let power_sum =
        |d: i32, v: &[f64]| v.iter().map(|v| (2.0 * v - 1.0).powi(d)).sum::<f64>() as f32;
    let sums: Vec<f32> = (1..=degree as i32)
        .flat_map(|d| columns.iter().map(move |column| power_sum(d, column)))
        .collect();
    let (mut survival, mut mass, mut error) =
        (vec![0.0; OUTPUTS], vec![0.0; OUTPUTS], vec![0.0; OUTPUTS]);
    let mut slopes = vec![0.0; degree * OUTPUTS];
    let out = Inverse {
        survival: &mut survival,
        mass: &mut mass,
        slopes: &mut slopes,
        error: &mut error,
    };
    PowerSums::new(&sums, OUTPUTS, columns[0].len())
        .unwrap()
        .invert(level, cuts, out)
        .unwrap();

    let (mut worst, mut worst_gradient) = (0.0f64, 0.0f64);
    for (o, right) in right.iter().enumerate() {
        let bound = f64::from(error[o]);
        let found = (f64::from(survival[o]) - right.survival)
            .abs()
            .max((f64::from(mass[o]) - right.mass).abs());
        assert!(
            found <= bound + 1e-6,
            "{level} D={degree} output {o}: {found:e}, bound {bound:e}"
        );
        let slope = |d: usize, m: f64| {
            f64::from(slopes[(d - 1) * OUTPUTS + o]) * d as f64 * m.powi(d as i32 - 1)
        };
        let gradient = columns[o].iter().zip(&right.gradient).map(|(v, right)| {
            let by_mean: f64 = (1..=degree).map(|d| slope(d, 2.0 * v - 1.0)).sum();
            (2.0 * by_mean - right).abs()
        });
        let gradient = gradient.fold(0.0, f64::max);
        assert!(
            bound > 1e-6 || gradient < 2e-6,
            "{level} D={degree} output {o}: {gradient:e} of a gradient"
        );
        worst = worst.max(found);
        worst_gradient = worst_gradient.max(gradient);
    }
    (
        worst,
        worst_gradient,
        error.into_iter().map(f64::from).fold(0.0, f64::max),
    )
}
