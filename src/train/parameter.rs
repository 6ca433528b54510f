//! Trained numbers and their optimiser.

use super::matrix;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Numbers a task of the optimiser: most layers are one.
const TASK: usize = 1 << 16;

/// A vector of numbers with its gradient and Adam's two running means.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Parameter {
    pub(crate) values: Vec<f32>,
    #[serde(skip)]
    pub(crate) gradient: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
}

/// Adam's constants (Kingma and Ba 2015).
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Adam {
    /// Decay of the running mean of the gradient.
    pub first: f32,
    /// Decay of the running mean of its square.
    pub second: f32,
}

impl Adam {
    /// The constants of the paper.
    pub const PAPER: Self = Self {
        first: 0.9,
        second: 0.999,
    };
}

impl Parameter {
    pub(crate) fn new(values: Vec<f32>) -> Self {
        let zeros = vec![0.0; values.len()];
        Self {
            gradient: zeros.clone(),
            first: zeros.clone(),
            second: zeros,
            values,
        }
    }

    /// One step of Adam down the gradient. `step` counts from 1.
    pub(crate) fn descend(&mut self, adam: Adam, rate: f32, step: u64) {
        let Adam { first, second } = adam;
        let unbias = |decay: f32| 1.0 / (1.0 - f64::from(decay).powf(step as f64)) as f32;
        let (first_unbias, second_unbias) = (unbias(first), unbias(second));
        let moments = self
            .first
            .par_chunks_mut(TASK)
            .zip(self.second.par_chunks_mut(TASK));
        let values = self
            .values
            .par_chunks_mut(TASK)
            .zip(self.gradient.par_chunks(TASK));
        values
            .zip(moments)
            .for_each(|((values, gradient), (m, v))| {
                matrix::vectorised(
                    #[inline(always)]
                    || {
                        let moments = m.iter_mut().zip(v);
                        for ((value, gradient), (m, v)) in
                            values.iter_mut().zip(gradient).zip(moments)
                        {
                            *m = first * *m + (1.0 - first) * gradient;
                            *v = second * *v + (1.0 - second) * gradient * gradient;
                            *value -=
                                rate * *m * first_unbias / ((*v * second_unbias).sqrt() + 1e-8);
                        }
                    },
                );
            });
    }

    /// How many numbers there are, if Adam's means are as many.
    pub(crate) fn len(&self) -> Option<usize> {
        let len = self.values.len();
        (self.first.len() == len && self.second.len() == len).then_some(len)
    }

    /// The first of its numbers that is infinite or none at all.
    pub(crate) fn not_finite(&self) -> Option<f32> {
        // Without an early exit it is a vector loop, and there is hardly ever anything to find.
        let is_finite = |values: &Vec<f32>| values.iter().fold(true, |all, x| all & x.is_finite());
        let parts = [&self.values, &self.first, &self.second];
        let bad = parts.into_iter().find(|values| !is_finite(values))?;
        bad.iter().copied().find(|value| !value.is_finite())
    }

    /// Sets a number for good: without a gradient it will not move again.
    pub(crate) fn pin(&mut self, index: usize, value: f32) {
        self.values[index] = value;
        self.first[index] = 0.0;
        self.second[index] = 0.0;
    }

    /// Gives back the room for the gradient, which a checkpoint leaves out.
    pub(crate) fn restore_gradient(&mut self) {
        self.gradient.resize(self.values.len(), 0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::{Adam, Parameter};

    #[test]
    fn adam_finds_the_minimum_of_a_parabola() {
        let mut parameter = Parameter::new(vec![5.0, -3.0]);
        for step in 1..=2000 {
            parameter.gradient = vec![
                2.0 * (parameter.values[0] - 1.0),
                20.0 * (parameter.values[1] - 2.0),
            ];
            parameter.descend(Adam::PAPER, 0.02, step);
        }
        assert!(
            (parameter.values[0] - 1.0).abs() < 1e-3 && (parameter.values[1] - 2.0).abs() < 1e-3
        );
    }

    #[test]
    fn first_step_is_the_rate_whatever_the_scale() {
        let mut parameter = Parameter::new(vec![0.0, 0.0]);
        parameter.gradient = vec![1e-3, 1e3];
        parameter.descend(Adam::PAPER, 0.1, 1);
        assert!(
            parameter
                .values
                .iter()
                .all(|value| (value + 0.1).abs() < 1e-4)
        );
    }
}
