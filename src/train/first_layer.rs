//! How the first layer is trained, and searched for, where it isn't as the others are.

use super::{error::TrainError, schedule};
use serde::{Deserialize, Serialize};

/// How the first layer is trained where it isn't as the others are: with a rate of its own, until it is held.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstLayer {
    /// Its learning rate, as a share of the others'.
    pub rate: f32,
    /// The share of the training after which it no longer changes; its rate falls to 0 by then.
    pub until: f32,
}

impl FirstLayer {
    /// It never changes.
    pub const HELD: Self = Self {
        rate: 0.0,
        until: 0.0,
    };

    /// As the others.
    pub const AS_OTHERS: Self = Self {
        rate: 1.0,
        until: 1.0,
    };

    /// As the others, until half of the training is done.
    pub const FIRST_HALF: Self = Self {
        rate: 1.0,
        until: 0.5,
    };

    /// Its learning rate at a step of so many, with the peak of the others'.
    pub(super) fn rate_at(self, step: u64, steps: u64, peak: f32, warm_up: u64) -> f32 {
        if self.is_held_at(step, steps) {
            return 0.0;
        }
        self.rate * schedule::cosine(peak, warm_up, step, self.steps(steps))
    }

    /// Which share of its own training is done.
    pub(super) fn done(self, step: u64, steps: u64) -> f32 {
        if self.is_held_at(step, steps) {
            return 1.0;
        }
        step as f32 / self.steps(steps) as f32
    }

    pub(super) fn is_held_at(self, step: u64, steps: u64) -> bool {
        step >= self.steps(steps)
    }

    /// Of so many steps, those after which it is held.
    fn steps(self, steps: u64) -> u64 {
        (f64::from(self.until) * steps as f64) as u64
    }
}

/// How a first layer is searched for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// Trainings that start from nothing.
    pub starts: u32,
    /// Rounds of trainings that start from the best first layer so far.
    pub rounds: u32,
    /// Trainings a round.
    pub tries: u32,
    /// Epochs of each training.
    pub epochs: u32,
    /// Epochs in which the other layers are trained on its first layer, to judge it.
    pub judged: u32,
}

impl Default for Search {
    fn default() -> Self {
        Self {
            starts: 4,
            rounds: 2,
            tries: 3,
            epochs: 16,
            judged: 5,
        }
    }
}

impl Search {
    /// Trainings in all, those that judge among them.
    pub fn trainings(self) -> u32 {
        2 * (self.starts + self.rounds * self.tries)
    }

    pub(super) fn check(self) -> Result<(), TrainError> {
        const MOST: u32 = 1_000;
        let counts = [
            ("search.starts", self.starts, 1),
            ("search.rounds", self.rounds, 0),
            ("search.tries", self.tries, 0),
            ("search.epochs", self.epochs, 1),
            ("search.judged", self.judged, 1),
        ];
        match counts
            .into_iter()
            .find(|&(_, count, least)| !(least..=MOST).contains(&count))
        {
            None => Ok(()),
            Some((what, found, least)) => Err(TrainError::Config {
                what: what.into(),
                expected: format!("{least} to {MOST}"),
                found: found.to_string(),
            }),
        }
    }
}
