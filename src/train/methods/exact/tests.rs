//! The layer's gradients against finite differences, and its two forms against each other.

use super::*;
use crate::train::{
    layer::sign,
    methods::testing::{OUTPUTS, ROWS, SCHEDULE, setting},
};
use bernet_kernels::isa::Portable;

const DEPTH: usize = 6;
const EXACT: Exact = Exact {
    level: Level::Portable(Portable),
    gradient: Some(Gradient::Precise),
};

fn by_recursion(layer: &LayerState, cuts: &[Cut], patches: &[f32], upstream: &[f32]) -> Gradients {
    let (weights, saved) = (&layer.weights, &mut Saved::default());
    EXACT.gradients(weights, cuts, patches, upstream, true, saved)
}

fn differences(values: usize, mut loss: impl FnMut(usize, f32) -> f64) -> Vec<f64> {
    const STEP: f32 = 1e-2;
    (0..values)
        .map(|index| (loss(index, STEP) - loss(index, -STEP)) / f64::from(2.0 * STEP))
        .collect()
}

fn assert_close(numeric: &[f64], found: impl IntoIterator<Item = f32>, what: &str) {
    for (index, (numeric, found)) in numeric.iter().zip(found).enumerate() {
        let difference = (numeric - f64::from(found)).abs();
        assert!(
            difference < 1e-3 + 0.01 * numeric.abs(),
            "{what} {index}: {numeric} by differences, {found} found"
        );
    }
}

fn weighted(values: &[f32], weights: &[f32]) -> f64 {
    values
        .iter()
        .zip(weights)
        .map(|(value, weight)| f64::from(value * weight))
        .sum()
}

/// With the thresholds held, the outputs are polynomials in weights and inputs.
#[test]
fn factors_have_the_gradients_of_finite_differences() {
    let (place, mut layer, mut cache, upstream) = setting(&EXACT, DEPTH);
    EXACT.forward(&place, &mut layer, &mut cache, &SCHEDULE, true);
    let cuts = Exact::cuts(&place, &layer);
    let found = by_recursion(&layer, &cuts, &cache.patches, &upstream);
    let by_weight = differences(DEPTH * OUTPUTS, |index, step| {
        let mut layer = layer.clone();
        layer.weights[index] += step;
        EXACT.forward(&place, &mut layer, &mut cache, &SCHEDULE, false);
        weighted(&cache.output, &upstream)
    });
    assert_close(&by_weight, found.weights, "weight");
    let by_input = differences(ROWS * DEPTH, |index, step| {
        cache.patches[index] += step;
        EXACT.forward(&place, &mut layer, &mut cache, &SCHEDULE, false);
        cache.patches[index] -= step;
        weighted(&cache.output, &upstream)
    });
    assert_close(&by_input, found.inputs, "input");
}

/// What the whole backward pass adds to that of the factors is the thresholds' own dependence on the batch.
#[test]
fn thresholds_have_the_gradients_of_finite_differences() {
    let (place, mut layer, mut cache, upstream) = setting(&EXACT, DEPTH);
    EXACT.forward(&place, &mut layer, &mut cache, &SCHEDULE, true);
    let cuts = Exact::cuts(&place, &layer);
    let factors = by_recursion(&layer, &cuts, &cache.patches, &upstream);
    cache.gradient.copy_from_slice(&upstream);
    EXACT.backward(&place, &mut layer, &mut cache, &SCHEDULE, true);
    let through = |whole: &[f32], factors: &[f32]| -> Vec<f32> {
        whole
            .iter()
            .zip(factors)
            .map(|(whole, factors)| whole - factors)
            .collect()
    };
    let by_weight = through(&layer.latent.gradient, &factors.weights);
    let by_input = through(&cache.patch_gradient, &factors.inputs);
    let norm = layer.norm.clone().expect("a hidden layer is normalised");

    // Σ_j G_j t_j, where G_j = dLoss/dt_j is what the thresholds were given.
    let total = |layer: &LayerState| -> f64 {
        let norm = layer.norm.as_ref().expect("a hidden layer is normalised");
        (0..OUTPUTS)
            .map(|j| {
                let deviation = (norm.variance[j] + EPSILON).sqrt();
                let threshold =
                    norm.mean[j] - norm.beta.values[j] * deviation / norm.gamma.values[j];
                f64::from(factors.thresholds[j] as f32 * threshold)
            })
            .sum()
    };
    let numeric = differences(DEPTH * OUTPUTS, |index, step| {
        let mut layer = layer.clone();
        layer.weights[index] += step;
        EXACT.forward(&place, &mut layer, &mut cache, &SCHEDULE, true);
        total(&layer)
    });
    assert_close(&numeric, by_weight, "weight");
    let numeric = differences(ROWS * DEPTH, |index, step| {
        cache.patches[index] += step;
        EXACT.forward(&place, &mut layer, &mut cache, &SCHEDULE, true);
        cache.patches[index] -= step;
        total(&layer)
    });
    assert_close(&numeric, by_input, "input");
    for (what, found) in [("γ", &norm.gamma.gradient), ("β", &norm.beta.gradient)] {
        let numeric = differences(OUTPUTS, |index, step| {
            let mut layer = layer.clone();
            layer.norm = Some(norm.clone());
            let norm = layer.norm.as_mut().expect("just put there");
            let parameter = if what == "γ" {
                &mut norm.gamma
            } else {
                &mut norm.beta
            };
            parameter.values[index] += step;
            total(&layer)
        });
        assert_close(&numeric, found.iter().copied(), what);
    }
}

/// Half of the rows are all certain, so that the series is in doubt there.
#[test]
fn power_sums_equal_the_recursion_in_a_deep_layer() {
    let (place, mut layer, mut cache, upstream) = setting(&EXACT, 267);
    let depth = place.depth();
    for value in &mut cache.patches[..ROWS / 2 * depth] {
        *value = sign(*value);
    }
    for (index, weight) in layer.weights.iter_mut().enumerate() {
        if index % OUTPUTS == 0 {
            *weight = sign(*weight);
        }
    }
    let mut run = |gradient| {
        let exact = Exact { gradient, ..EXACT };
        exact.forward(&place, &mut layer, &mut cache, &SCHEDULE, true);
        let output = cache.output.clone();
        cache.gradient.copy_from_slice(&upstream);
        exact.backward(&place, &mut layer, &mut cache, &SCHEDULE, true);
        let norm = layer.norm.as_ref().expect("a hidden layer is normalised");
        [
            output,
            layer.latent.gradient.clone(),
            cache.patch_gradient.clone(),
            norm.gamma.gradient.clone(),
            norm.beta.gradient.clone(),
        ]
    };
    let (expected, found) = (run(EXACT.gradient), run(None));
    for (what, (expected, found)) in ["output", "weight", "input", "γ", "β"]
        .iter()
        .zip(expected.iter().zip(&found))
    {
        let scale = expected
            .iter()
            .fold(1e-3f32, |most, value| most.max(value.abs()));
        for (index, (expected, found)) in expected.iter().zip(found).enumerate() {
            assert!(
                (expected - found).abs() < 1e-4 * scale,
                "{what} {index}: {expected} by recursion, {found}"
            );
        }
    }
}

/// Rows of ±1 that repeat one another, beside a row that differs in one value.
#[test]
fn repeated_rows_have_the_gradients_of_all_rows() {
    let (place, mut layer, mut cache, upstream) = setting(&EXACT, DEPTH);
    let depth = place.depth();
    for (index, value) in cache.patches.iter_mut().enumerate() {
        *value = if (index / depth % 2) * (index % depth) == 1 {
            1.0
        } else {
            -1.0
        };
    }
    for gradient in [EXACT.gradient, None] {
        let exact = Exact { gradient, ..EXACT };
        let mut by_weights = |wants_input| {
            exact.forward(&place, &mut layer, &mut cache, &SCHEDULE, true);
            assert!(cache.saved.of::<Saved>().distinct.is_some());
            cache.gradient.copy_from_slice(&upstream);
            exact.backward(&place, &mut layer, &mut cache, &SCHEDULE, wants_input);
            layer.latent.gradient.clone()
        };
        // Where the inputs' gradients are wanted, all rows are computed.
        let (apart, together) = (by_weights(true), by_weights(false));
        assert!(apart.iter().any(|gradient| gradient.abs() > 1e-2));
        for (index, (apart, together)) in apart.iter().zip(&together).enumerate() {
            assert!(
                (apart - together).abs() < 1e-5,
                "weight {index}: {apart} of all rows, {together}"
            );
        }
    }
}
