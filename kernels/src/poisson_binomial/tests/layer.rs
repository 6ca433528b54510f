//! Whole layers.

use crate::{
    isa::Level,
    poisson_binomial::{Activations, Layer, Scratch, specification},
};
use alloc::{vec, vec::Vec};
use rand_pcg::{
    Pcg64Mcg,
    rand_core::{Rng, SeedableRng},
};

fn uniform(random: &mut Pcg64Mcg) -> f64 {
    (random.next_u64() >> 11) as f64 * (0.5f64).powi(53)
}

/// Every output on every sample, and the derivatives of `Σ c z` with fixed weights `c`, against the specification; part of the weights
/// and inputs is certain, one output is entirely, so that some sums take the exact form.
#[test]
fn layers_hold_against_the_specification() {
    let mut random = Pcg64Mcg::seed_from_u64(11);
    for level in Level::available() {
        for (factors, samples, outputs) in [(1, 1, 1), (36, 19, 3), (200, 35, 4), (800, 9, 3)] {
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
