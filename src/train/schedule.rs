//! What changes in the course of training.

use serde::{Deserialize, Serialize};

/// A quantity that falls (or rises) geometrically from one value to another over a share of the training, then stays.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Geometric {
    /// At the start.
    pub from: f32,
    /// At the end.
    pub to: f32,
    /// The share of the training after which `to` is reached.
    pub until: f32,
}

impl Geometric {
    /// Its value after a share `done` of the training.
    ///
    /// ```
    /// use bernet::train::Geometric;
    ///
    /// let temperature = Geometric { from: 0.16, to: 0.01, until: 0.5 };
    /// assert!((temperature.at(0.25) - 0.04).abs() < 1e-6);
    /// assert_eq!(temperature.at(0.9), 0.01);
    /// ```
    pub fn at(self, done: f32) -> f32 {
        if done >= self.until {
            return self.to;
        }
        self.from * (self.to / self.from).powf(done / self.until)
    }
}

/// Part-by-part binarisation: between two moments, in equal parts, each layer's most certain weights are made exactly binary
/// for good, and the rest is trained on.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Freezing {
    /// The share of the training at which the first part is frozen.
    pub from: f32,
    /// The share at which the last part is.
    pub to: f32,
    /// Number of parts.
    pub parts: u32,
}

impl Freezing {
    /// The share of the weights that is to be frozen after a share `done` of the training.
    pub fn share(self, done: f32) -> f32 {
        if done < self.from {
            return 0.0;
        }
        let part = 1.0 + ((done - self.from) / (self.to - self.from) * self.parts as f32).floor();
        part.min(self.parts as f32) / self.parts as f32
    }
}

/// The learning rate: a linear warm-up, then half a cosine to 0.
pub(crate) fn cosine(peak: f32, warm_up: u64, step: u64, steps: u64) -> f32 {
    let done = step as f32 / steps as f32;
    let warm = if warm_up == 0 {
        1.0
    } else {
        ((step + 1) as f32 / warm_up as f32).min(1.0)
    };
    peak * 0.5 * (1.0 + (std::f32::consts::PI * done).cos()) * warm
}

#[cfg(test)]
mod tests {
    use super::{Freezing, cosine};

    #[test]
    fn everything_is_frozen_by_the_end_of_freezing() {
        let freezing = Freezing {
            from: 0.4,
            to: 0.95,
            parts: 20,
        };
        assert_eq!(freezing.share(0.39), 0.0);
        assert_eq!(freezing.share(0.4), 0.05);
        assert_eq!(freezing.share(0.95), 1.0);
        assert_eq!(freezing.share(1.0), 1.0);
    }

    #[test]
    fn rate_warms_up_and_dies_out() {
        assert!(cosine(1.0, 300, 0, 1000) < 0.01);
        assert!(cosine(1.0, 0, 0, 1000) == 1.0);
        assert!((cosine(1.0, 300, 500, 1000) - 0.5).abs() < 1e-6);
        assert!(cosine(1.0, 300, 999, 1000) < 1e-5);
    }
}
