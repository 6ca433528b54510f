//! Batch normalisation as the talk writes it: of the probabilities.
//!
//! ```text
//! z = P(S ≥ 0),   p = σ(BN(z)/(T + 10⁻⁴)),   σ the logistic function,   output mean 2p − 1
//! ```
//!
//! T falls in the course of training, so that σ becomes a step; the deployed channel is `BN(z) ≥ 0`. But certain weights and inputs leave
//! only z = 0 and z = 1, and a channel of the deployed net can then only keep its bit, invert it or put out a constant: the
//! thresholds that the soft net has learnt are lost. The other form, of the sums' moments, has the same distributions with another cut.

use super::{
    super::{Method, ScheduleState, distinct::Distinct, regularise_means, use_means},
    Cut, Exact, Gradients, Saved,
};
use crate::train::{
    layer::{self, Cache, LayerState, Place},
    max_pool::Pooling,
    random::Random,
};

/// Mean-field training through exact distributions, their probabilities normalised.
pub(crate) struct Literal(pub(crate) Exact);

/// T + 10⁻⁴.
fn temperature(schedule: &ScheduleState) -> f32 {
    schedule.width + 1e-4
}

/// S ≥ 0, in every channel.
fn cuts(place: &Place) -> Vec<Cut> {
    let cut = Cut {
        least: place.depth().div_ceil(2) as i32,
        direction: 1.0,
    };
    vec![cut; place.outputs()]
}

impl Method for Literal {
    fn pooling(&self) -> Pooling {
        Pooling::Means
    }

    fn sample_weights(&self, layer: &mut LayerState, schedule: &ScheduleState, _: &mut Random) {
        use_means(layer, schedule);
    }

    fn forward(
        &self,
        place: &Place,
        layer: &mut LayerState,
        cache: &mut Cache,
        schedule: &ScheduleState,
        measure: bool,
    ) {
        let cuts = cuts(place);
        // 2z − 1 in place of the sums; to batch normalisation it is the same as z.
        let (sums, saved) = (&mut cache.sums, cache.saved.of::<Saved>());
        saved.distinct = Distinct::of(&cache.patches, place.depth());
        self.0
            .distributions(&layer.weights, &cuts, &cache.patches, sums, saved);
        let norm = layer.norm.as_mut().expect("a hidden layer is normalised");
        if measure {
            layer::measure(norm, &cache.sums);
        }
        let scale = 0.5 / temperature(schedule);
        layer::normalise(norm, cache, |u| (scale * u).tanh());
    }

    fn backward(
        &self,
        place: &Place,
        layer: &mut LayerState,
        cache: &mut Cache,
        schedule: &ScheduleState,
        wants_input: bool,
    ) {
        let scale = 0.5 / temperature(schedule);
        let norm = layer.norm.as_mut().expect("a hidden layer is normalised");
        layer::normalise_backward(norm, cache, |_, output, _| scale * (1.0 - output * output));
        let cuts = cuts(place);
        let (patches, upstream) = (&cache.patches, &cache.gradient);
        let saved = cache.saved.of();
        let Gradients {
            weights, inputs, ..
        } = self
            .0
            .gradients(&layer.weights, &cuts, patches, upstream, wants_input, saved);
        layer.latent.gradient.copy_from_slice(&weights);
        if wants_input {
            cache.patch_gradient.copy_from_slice(&inputs);
        }
    }

    fn regularise(&self, layer: &mut LayerState, schedule: &ScheduleState) -> f64 {
        regularise_means(layer, schedule)
    }
}

#[cfg(test)]
mod tests {
    use super::{Exact, Literal};
    use crate::train::{
        choices::Distribution,
        layer::EPSILON,
        methods::testing::{self, OUTPUTS, SCHEDULE},
    };
    use bernet_kernels::{
        isa::{Level, Portable},
        poisson_binomial::reference,
    };

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let level = Level::Portable(Portable);
        for depth in [6, 9] {
            let literal = Literal(Exact::new(level, Distribution::Precise));
            testing::assert_gradients(&literal, depth, |numbers, _, _| {
                let rows = numbers.inputs.chunks_exact(depth);
                let survivals: Vec<f64> = rows
                    .flat_map(|inputs| {
                        (0..OUTPUTS).map(move |j| {
                            let weights = numbers.weights.iter().skip(j).step_by(OUTPUTS);
                            let v: Vec<f64> = inputs
                                .iter()
                                .zip(weights)
                                .map(|(x, w)| 0.5 + 0.5 * x * w)
                                .collect();
                            2.0 * reference::survival(&v, depth.div_ceil(2) as i32) - 1.0
                        })
                    })
                    .collect();
                let moments = testing::moments(&survivals);
                survivals
                    .iter()
                    .enumerate()
                    .map(|(index, survival)| {
                        let j = index % OUTPUTS;
                        let [mean, variance] = moments[j];
                        let normalised = (survival - mean) / (variance + f64::from(EPSILON)).sqrt();
                        let u = numbers.gamma[j] * normalised + numbers.beta[j];
                        (0.5 * u / (f64::from(SCHEDULE.width) + 1e-4)).tanh()
                    })
                    .collect()
            });
        }
    }
}
