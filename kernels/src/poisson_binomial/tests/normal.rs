//! The normal approximation and its derivative.

use super::{gradient_of, survival_of};
use crate::{
    isa::Level,
    poisson_binomial::{Form, Gradient, conformance::Draw},
};
use alloc::vec::Vec;

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
