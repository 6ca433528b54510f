//! A layer and a batch to test methods on, and their gradients against finite differences in f64.

use super::{Method, ScheduleState};
use crate::train::{
    layer::{self, Cache, Initial, LayerState, Place},
    random::{Purpose, Random},
};
use bernet_kernels::{bits::Shape, xnor::ConvParams};

pub(crate) const ROWS: usize = 9;
pub(crate) const OUTPUTS: usize = 3;
pub(crate) const SCHEDULE: ScheduleState = ScheduleState {
    temperature: 0.5,
    width: 1.0,
    strength: 0.0,
};

/// A layer with one flipped channel, a batch of soft inputs, and derivatives of a loss by its outputs.
pub(crate) fn setting(method: &dyn Method, depth: usize) -> (Place, LayerState, Cache, Vec<f32>) {
    let shape = |channels| Shape {
        batch: 1,
        height: 1,
        width: 1,
        channels,
    };
    let place = Place {
        params: ConvParams::valid([1, 1]),
        input: shape(depth),
        average: None,
        output: shape(OUTPUTS),
        residual: false,
        scaled: false,
    };
    let mut random = Random::new(9, Purpose::Initial, 0);
    let mut layer = LayerState::new(place, false, Initial::Uniform(0.5), &mut random);
    layer.learned = crate::train::parameter::Parameter::new(method.learned());
    method.sample_weights(&mut layer, &SCHEDULE, &mut random);
    let norm = layer.norm.as_mut().expect("a hidden layer is normalised");
    norm.gamma.values.copy_from_slice(&[1.2, -0.8, 0.6]);
    norm.beta.values.copy_from_slice(&[0.2, 0.1, -0.3]);
    let mut cache = Cache::default();
    cache.reserve(&place, ROWS);
    cache.patches.fill_with(|| 2.0 * random.uniform() - 1.0);
    layer::linear(&place, &layer, &mut cache);
    let upstream = (0..ROWS * OUTPUTS).map(|_| random.normal()).collect();
    (place, layer, cache, upstream)
}

/// One of the numbers' kinds.
type Field = fn(&mut Numbers) -> &mut Vec<f64>;

/// What a layer's output depends on.
#[derive(Clone)]
pub(crate) struct Numbers {
    /// `R × K`.
    pub(crate) inputs: Vec<f64>,
    /// `K × N`.
    pub(crate) weights: Vec<f64>,
    pub(crate) gamma: Vec<f64>,
    pub(crate) beta: Vec<f64>,
}

impl Numbers {
    pub(crate) fn depth(&self) -> usize {
        self.weights.len() / OUTPUTS
    }

    /// For each output of each row, `term(x, w)` summed over the depth.
    pub(crate) fn sums(&self, term: impl Fn(f64, f64) -> f64) -> Vec<f64> {
        let rows = self.inputs.chunks_exact(self.depth());
        rows.flat_map(|inputs| {
            let weight = |k: usize, j: usize| self.weights[k * OUTPUTS + j];
            let sum = |j| {
                inputs
                    .iter()
                    .enumerate()
                    .map(|(k, x)| term(*x, weight(k, j)))
                    .sum()
            };
            (0..OUTPUTS).map(sum).collect::<Vec<f64>>()
        })
        .collect()
    }
}

/// Mean and variance of each column.
pub(crate) fn moments(values: &[f64]) -> [[f64; 2]; OUTPUTS] {
    let rows = (values.len() / OUTPUTS) as f64;
    std::array::from_fn(|j| {
        let column = || values.iter().skip(j).step_by(OUTPUTS);
        let mean = column().sum::<f64>() / rows;
        [
            mean,
            column().map(|value| (value - mean).powi(2)).sum::<f64>() / rows,
        ]
    })
}

/// Holds a method's gradients by inputs, weights, γ and β against those of `outputs`, a function that it is the derivative of, and which
/// may look at what the forward pass left behind.
pub(crate) fn assert_gradients(
    method: &dyn Method,
    depth: usize,
    outputs: impl Fn(&Numbers, &LayerState, &Cache) -> Vec<f64>,
) {
    let (place, mut layer, mut cache, upstream) = setting(method, depth);
    method.forward(&place, &mut layer, &mut cache, &SCHEDULE, true);
    let wide = |values: &[f32]| values.iter().map(|value| f64::from(*value)).collect();
    let norm = layer.norm.as_ref().expect("a hidden layer is normalised");
    let numbers = Numbers {
        inputs: wide(&cache.patches),
        weights: wide(&layer.weights),
        gamma: wide(&norm.gamma.values),
        beta: wide(&norm.beta.values),
    };
    let fields: [(&str, Field); 4] = [
        ("input", |numbers| &mut numbers.inputs),
        ("weight", |numbers| &mut numbers.weights),
        ("γ", |numbers| &mut numbers.gamma),
        ("β", |numbers| &mut numbers.beta),
    ];
    let loss = |numbers: &Numbers| -> f64 {
        let outputs = outputs(numbers, &layer, &cache);
        outputs
            .iter()
            .zip(&upstream)
            .map(|(output, upstream)| output * f64::from(*upstream))
            .sum()
    };
    const STEP: f64 = 1e-5;
    let numeric = fields.map(|(_, field)| -> Vec<f64> {
        let count = field(&mut numbers.clone()).len();
        let slope = |index: usize| {
            let moved = |by| {
                let mut numbers = numbers.clone();
                field(&mut numbers)[index] += by;
                loss(&numbers)
            };
            (moved(STEP) - moved(-STEP)) / (2.0 * STEP)
        };
        (0..count).map(slope).collect()
    });

    cache.gradient.copy_from_slice(&upstream);
    method.backward(&place, &mut layer, &mut cache, &SCHEDULE, true);
    let norm = layer.norm.as_ref().expect("a hidden layer is normalised");
    let found = [
        &cache.patch_gradient,
        &layer.latent.gradient,
        &norm.gamma.gradient,
        &norm.beta.gradient,
    ];
    for (((what, _), numeric), found) in fields.iter().zip(&numeric).zip(found) {
        assert_eq!(numeric.len(), found.len(), "{what}");
        let scale = numeric
            .iter()
            .fold(0.0f64, |most, slope| most.max(slope.abs()));
        assert!(scale > 1e-3, "{what}: no gradient to compare");
        for (index, (numeric, found)) in numeric.iter().zip(found).enumerate() {
            let difference = (numeric - f64::from(*found)).abs();
            assert!(
                difference < 2e-5 * scale.max(1.0),
                "{what} {index}: {numeric} by differences, {found} found"
            );
        }
    }
}

/// Φ(x) in f64, by its series about 0.
pub(crate) fn normal(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= x * x / f64::from(2 * n + 1);
        sum += term;
    }
    0.5 + sum * (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt()
}
