//! The normal approximation and its derivative.

use super::{gradient_of, survival_of};
use crate::{
    isa::Level,
    poisson_binomial::{Form, Gradient, conformance::Draw, normal_distribution, normal_samples},
};
use alloc::{vec, vec::Vec};

/// The derivative of what the normal approximation computes, by differences.
#[test]
fn normal_gradient_is_the_derivative_of_the_normal_survival() {
    for level in Level::available() {
        for draw in [Draw::Uniform, Draw::Beta, Draw::Shifted] {
            let (count, sums, step) = (64, 9, 0.02);
            let v: Vec<f32> = draw
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
                        "{level} {draw:?} sum {s} factor {j}: {difference} {found}"
                    );
                }
            }
        }
    }
}

/// Against the integral of the density by Simpson's rule, at lengths that leave the last vector short.
#[test]
fn normal_distribution_is_the_integral_of_its_density() {
    let bell = |x: f64| (-0.5 * x * x).exp() / (2.0 * core::f64::consts::PI).sqrt();
    for level in Level::available() {
        for count in [1, 7, 33, 161] {
            let x: Vec<f32> = (0..count)
                .map(|i| 0.1 * (i as f32 - 0.5 * count as f32))
                .collect();
            let (mut survival, mut density) = (vec![f32::NAN; count], vec![f32::NAN; count]);
            normal_distribution(level, &x, &mut survival, &mut density).unwrap();
            for (i, &x) in x.iter().enumerate() {
                let x = f64::from(x);
                let step = x / 400.0;
                let integral: f64 = (0..200)
                    .map(|part| {
                        let from = 2.0 * f64::from(part) * step;
                        bell(from) + 4.0 * bell(from + step) + bell(from + 2.0 * step)
                    })
                    .sum();
                let expected = 0.5 + integral * step / 3.0;
                let (found, slope) = (f64::from(survival[i]), f64::from(density[i]));
                assert!(
                    (found - expected).abs() < 3e-7,
                    "{level} Φ({x}): {expected} {found}"
                );
                assert!((slope - bell(x)).abs() < 1e-7, "{level} φ({x}): {slope}");
            }
        }
    }
    assert!(normal_distribution(Level::best(), &[0.0], &mut [0.0; 2], &mut [0.0]).is_err());
}

/// Against the same transformation in f64, from the ends of the uniform numbers too.
#[test]
fn normal_samples_are_those_of_box_and_muller() {
    let largest = 1.0 - 1.0 / 16_777_216.0;
    let mut uniform = vec![0.0, largest, 0.5, 1e-7];
    uniform.extend((0..199).map(|i| (i as f32 * 0.618_034).fract()));
    uniform.extend((0..203).map(|i| (i as f32 * 0.414_213_6).fract()));
    let half = uniform.len() / 2;
    for level in Level::available() {
        let mut found = uniform.clone();
        normal_samples(level, &mut found).unwrap();
        for i in 0..half {
            let radius = (-2.0 * (1.0 - f64::from(uniform[i])).ln()).sqrt();
            let angle = core::f64::consts::TAU * f64::from(uniform[half + i]);
            for (found, expected) in [
                (found[i], radius * angle.cos()),
                (found[half + i], radius * angle.sin()),
            ] {
                // The radius' square is wrong by up to 4e-6, which matters most where it is small.
                let bound = 2e-6 + 4e-6 / radius.max(2e-3);
                let difference = (f64::from(found) - expected).abs();
                assert!(difference < bound, "{level} {i}: {expected} {found}");
            }
        }
        assert!(normal_samples(level, &mut [0.5; 3]).is_err());
    }
}
