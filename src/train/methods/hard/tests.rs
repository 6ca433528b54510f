//! The layer's gradients against finite differences, and what its bits are.

use super::{series::FEWEST, *};
use crate::train::{
    layer::sign,
    methods::testing::{OUTPUTS, ROWS, SCHEDULE, setting},
};

const WIDE: ScheduleState = ScheduleState {
    width: 3.0,
    ..SCHEDULE
};

fn hard(distribution: Distribution, activations: Activations) -> Hard {
    Hard::new(distribution, activations, Noise::HeavyTailed)
}

/// The usual setting, its inputs made bits.
fn bits(hard: &Hard, depth: usize) -> (Place, LayerState, Cache, Vec<f32>) {
    let (place, layer, mut cache, upstream) = setting(hard, depth);
    for value in &mut cache.patches {
        *value = sign(*value);
    }
    (place, layer, cache, upstream)
}

/// What the bits' gradients are those of: `Σ upstream · direction · (2z − 1)`.
fn loss(hard: &Hard, place: &Place, layer: &mut LayerState, cache: &mut Cache, up: &[f32]) -> f64 {
    hard.forward(place, layer, cache, &WIDE, true);
    let channels = hard.channels(place, layer, &WIDE);
    let saved = cache.saved.of::<Saved>();
    let probability = match &saved.distinct {
        Some(distinct) => {
            let mut all = vec![0.0; up.len()];
            distinct.spread(&saved.found.probability, OUTPUTS, &mut all);
            all
        }
        None => saved.found.probability.clone(),
    };
    let terms = up.iter().zip(probability).enumerate();
    terms
        .map(|(at, (up, z))| f64::from(up * channels[at % OUTPUTS].direction * (2.0 * z - 1.0)))
        .sum()
}

fn assert_close(numeric: &[f64], found: &[f32], what: &str) {
    assert_eq!(numeric.len(), found.len(), "{what}");
    let scale = numeric.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    assert!(scale > 1e-3, "{what}: no gradient to compare");
    for (index, (numeric, found)) in numeric.iter().zip(found).enumerate() {
        let difference = (numeric - f64::from(*found)).abs();
        assert!(
            difference < 0.01 * scale,
            "{what} {index}: {numeric} by differences, {found} found, of at most {scale}"
        );
    }
}

/// By weights, γ and β, of a shallow and of a deep layer, whose distributions come from a series.
#[test]
fn gradients_are_those_of_finite_differences() {
    const STEP: f32 = 1e-2;
    let hard = hard(Distribution::Precise, Activations::Sample);
    for depth in [7, 36, 2 * FEWEST + 3] {
        let (place, mut layer, mut cache, upstream) = bits(&hard, depth);
        hard.forward(&place, &mut layer, &mut cache, &WIDE, true);
        cache.gradient.copy_from_slice(&upstream);
        hard.backward(&place, &mut layer, &mut cache, &WIDE, true);
        let by_input = cache.patch_gradient.clone();
        let mut slope = |change: &dyn Fn(&mut LayerState, f32)| {
            let [after, before] = [STEP, -STEP].map(|step| {
                let mut layer = layer.clone();
                change(&mut layer, step);
                loss(&hard, &place, &mut layer, &mut cache, &upstream)
            });
            (after - before) / f64::from(2.0 * STEP)
        };
        let weights = 0..(depth * OUTPUTS).min(60);
        let numeric: Vec<f64> = weights
            .clone()
            .map(|index| slope(&|layer, step| layer.weights[index] += step))
            .collect();
        assert_close(&numeric, &layer.latent.gradient[weights], "weight");
        let norm =
            |layer: &mut LayerState| layer.norm.take().expect("a hidden layer is normalised");
        for what in ["γ", "β"] {
            let numeric: Vec<f64> = (0..OUTPUTS)
                .map(|index| {
                    slope(&|layer, step| {
                        let mut norm = norm(layer);
                        let parameter = if what == "γ" {
                            &mut norm.gamma
                        } else {
                            &mut norm.beta
                        };
                        parameter.values[index] += step;
                        layer.norm = Some(norm);
                    })
                })
                .collect();
            let norm = layer.norm.as_ref().expect("a hidden layer is normalised");
            let found = if what == "γ" {
                &norm.gamma
            } else {
                &norm.beta
            };
            assert_close(&numeric, &found.gradient, what);
        }
        if depth >= FEWEST {
            // A deep layer's rows are read as bits.
            continue;
        }
        // A probability is linear in each input; the variance of the sums takes the inputs for ±1.
        let numeric: Vec<f64> = (0..ROWS * depth)
            .map(|index| {
                let mut slope = |step: f32| {
                    cache.patches[index] += step;
                    let loss = loss(&hard, &place, &mut layer, &mut cache, &upstream);
                    cache.patches[index] -= step;
                    loss
                };
                (slope(STEP) - slope(-STEP)) / f64::from(2.0 * STEP)
            })
            .collect();
        assert_close(&numeric, &by_input, "input");
    }
}

/// What a mode leaves out is what a weight's variance adds: it depends on the weight and its
/// channel, not on the inputs, and pulls to one side of 0 as to the other.
#[test]
fn modes_leave_out_the_variance() {
    for distribution in [Distribution::Precise, Distribution::Three] {
        for depth in [7, 2 * FEWEST + 3] {
            let gradient = |activations| {
                let hard = hard(distribution, activations);
                let (place, mut layer, mut cache, upstream) = bits(&hard, depth);
                for (index, mean) in [0.4, 0.4, -0.4, 0.0].into_iter().enumerate() {
                    layer.weights[index * OUTPUTS..][..OUTPUTS].fill(mean);
                }
                hard.forward(&place, &mut layer, &mut cache, &WIDE, true);
                cache.gradient.copy_from_slice(&upstream);
                hard.backward(&place, &mut layer, &mut cache, &WIDE, false);
                layer.latent.gradient
            };
            let (mode, sample) = (gradient(Activations::Mode), gradient(Activations::Sample));
            let largest = sample.iter().fold(0.0f32, |most, x| most.max(x.abs()));
            let left_out = |index: usize| sample[index] - mode[index];
            for j in 0..OUTPUTS {
                let [a, b, turned, none] = [0, 1, 2, 3].map(|k| left_out(k * OUTPUTS + j));
                assert!(a.abs() > 1e-4 * largest, "{distribution:?} {depth}: {a}");
                for difference in [a - b, a + turned, none] {
                    assert!(
                        difference.abs() < 1e-4 * largest,
                        "{distribution:?} {depth}: {a} {b} {turned} {none} of {largest}"
                    );
                }
            }
        }
    }
}

/// The equations' gradients are biased, and no more than their shortest solution is.
#[test]
fn every_form_points_the_same_way() {
    let gradients = |distribution| {
        let hard = hard(distribution, Activations::Mode);
        [36, FEWEST].map(|depth| {
            let (place, mut layer, mut cache, upstream) = bits(&hard, depth);
            hard.forward(&place, &mut layer, &mut cache, &WIDE, true);
            cache.gradient.copy_from_slice(&upstream);
            hard.backward(&place, &mut layer, &mut cache, &WIDE, true);
            [layer.latent.gradient.clone(), cache.patch_gradient.clone()]
        })
    };
    let exact = gradients(Distribution::Precise);
    for (distribution, least) in [
        (Distribution::Three, 0.97),
        (Distribution::Five, 0.98),
        (Distribution::Extended, 0.99),
    ] {
        let found = gradients(distribution);
        for (exact, found) in exact.as_flattened().iter().zip(found.as_flattened()) {
            let dot = |a: &[f32], b: &[f32]| -> f64 {
                a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum()
            };
            let cosine = dot(exact, found) / (dot(exact, exact) * dot(found, found)).sqrt();
            assert!(cosine > least, "{distribution:?}: {cosine}");
            assert!(exact != found, "{distribution:?}");
        }
    }
}

/// Rows that repeat one another, beside a row that differs in one value.
#[test]
fn repeated_rows_have_the_gradients_of_all_rows() {
    const DEPTH: usize = 6;
    for distribution in [Distribution::Three, Distribution::PowerSums] {
        let hard = hard(distribution, Activations::Mode);
        let (place, mut layer, mut cache, upstream) = bits(&hard, DEPTH);
        for (index, value) in cache.patches.iter_mut().enumerate() {
            *value = sign(((index / DEPTH % 2) * (index % DEPTH)) as f32 - 1.5);
        }
        let mut grad_weights = |wants_input| {
            hard.forward(&place, &mut layer, &mut cache, &WIDE, true);
            assert!(cache.saved.of::<Saved>().distinct.is_some());
            cache.gradient.copy_from_slice(&upstream);
            hard.backward(&place, &mut layer, &mut cache, &WIDE, wants_input);
            layer.latent.gradient.clone()
        };
        // Where the inputs' gradients are wanted, all rows are computed.
        let (apart, together) = (grad_weights(true), grad_weights(false));
        assert!(apart.iter().any(|gradient| gradient.abs() > 1e-2));
        for (index, (apart, together)) in apart.iter().zip(&together).enumerate() {
            assert!(
                (apart - together).abs() < 1e-5,
                "weight {index}: {apart} of all rows, {together}"
            );
        }
    }
}

#[test]
fn bits_are_the_mode_or_drawn_with_their_probabilities() {
    for activations in [Activations::Mode, Activations::Sample] {
        let hard = hard(Distribution::Three, activations);
        let (place, mut layer, mut cache, _) = bits(&hard, 7);
        let mut plus = [0.0f32; ROWS * OUTPUTS];
        const DRAWS: usize = 2_000;
        for draw in 0..DRAWS {
            layer.noise = draw as u64;
            hard.forward(&place, &mut layer, &mut cache, &WIDE, true);
            for (plus, bit) in plus.iter_mut().zip(&cache.output) {
                assert!(bit.abs() == 1.0);
                *plus += f32::from(u8::from(*bit > 0.0));
            }
        }
        let channels = hard.channels(&place, &layer, &WIDE);
        assert!(cache.saved.of::<Saved>().distinct.is_none());
        for (at, plus) in plus.iter().enumerate() {
            let (z, plus) = (
                cache.saved.of::<Saved>().found.probability[at],
                plus / DRAWS as f32,
            );
            let inverted = channels[at % OUTPUTS].direction < 0.0;
            let probability = if inverted { 1.0 - z } else { z };
            match activations {
                Activations::Mode => assert_eq!(plus, f32::from(u8::from(probability >= 0.5))),
                _ => assert!(
                    (plus - probability).abs() < 0.05,
                    "{at}: {plus}, {probability}"
                ),
            }
        }
    }
}
