//! What changes in the course of training.

use serde::{Deserialize, Serialize};

/// A quantity that falls (or rises) geometrically from one value to another over a share of the training, then stays.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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

/// Gradual binarisation: between two moments, in equal steps, each layer's most certain weights are made exactly binary for good, and
/// the rest is trained on.
///
/// The talk's three ways are one mechanism, see [`Freezing::new`].
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freezing {
    /// The share of the training at which the first part is frozen.
    pub from: f32,
    /// The share of the training at which there would be one part more; all are frozen by then.
    pub to: f32,
    /// Number of parts in which a layer is frozen.
    pub parts: u32,
    /// Whether a layer waits until the one before it is frozen, or all layers go at the same time.
    #[serde(default)]
    pub layer_by_layer: bool,
}

/// The talk's ways to binarise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Binarise {
    /// All weights at once; then batch normalisation alone is trained on.
    All,
    /// Layer by layer, from the input.
    Layer,
    /// A part of every layer at a time, the most certain weights first.
    Part,
}

impl Binarise {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::All, Self::Layer, Self::Part];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Layer => "layer",
            Self::Part => "part",
        }
    }
}

impl Freezing {
    /// One of the talk's ways, at moments that leave the learning rate alive when the last weights freeze: half a cosine is then at
    /// 1.5 to 6 % of its peak, which batch normalisation needs to settle on the bits.
    pub fn new(binarise: Binarise) -> Self {
        let (from, to) = (0.4, 0.95);
        let (from, parts) = match binarise {
            Binarise::All => (0.85, 1),
            Binarise::Layer => (from, 1),
            Binarise::Part => (from, 20),
        };
        Self {
            from,
            to,
            parts,
            layer_by_layer: binarise == Binarise::Layer,
        }
    }

    /// Which of the talk's ways it is, whatever its moments.
    pub fn binarise(self) -> Binarise {
        match (self.layer_by_layer, self.parts) {
            (true, _) => Binarise::Layer,
            (false, 1) => Binarise::All,
            (false, _) => Binarise::Part,
        }
    }

    /// The shares of the training at which parts are frozen, in a net of so many layers.
    pub fn moments(self, layers: usize) -> Vec<f32> {
        let stages = self.stages(layers);
        (0..stages as u32)
            .map(|stage| self.from + (self.to - self.from) * stage as f32 / stages)
            .collect()
    }

    fn stages(self, layers: usize) -> f32 {
        let layers = if self.layer_by_layer { layers } else { 1 };
        self.parts as f32 * layers as f32
    }

    /// The share of the weights of the layer with this index, of `layers`, that is to be frozen after a share `done` of the training.
    ///
    /// ```
    /// use bernet::train::{Binarise, Freezing};
    ///
    /// let part = Freezing::new(Binarise::Part);
    /// assert_eq!(part.share(0.42, 3, 5), 0.05);
    /// let layer = Freezing::new(Binarise::Layer);
    /// assert_eq!([0, 1].map(|index| layer.share(0.42, index, 5)), [1.0, 0.0]);
    /// ```
    pub fn share(self, done: f32, layer: usize, layers: usize) -> f32 {
        if done < self.from {
            return 0.0;
        }
        let parts = self.parts as f32;
        let before = if self.layer_by_layer {
            parts * layer as f32
        } else {
            0.0
        };
        let stage = (done - self.from) / (self.to - self.from) * self.stages(layers);
        (1.0 + stage.floor() - before).clamp(0.0, parts) / parts
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
    use super::{Binarise, Freezing, cosine};

    #[test]
    fn everything_is_frozen_by_the_end_of_freezing() {
        let part = Freezing::new(Binarise::Part);
        assert_eq!(part.share(0.39, 0, 5), 0.0);
        assert_eq!(part.share(0.4, 0, 5), 0.05);
        assert_eq!(part.share(0.95, 0, 5), 1.0);
        assert_eq!(part.share(1.0, 4, 5), 1.0);
        let all = Freezing::new(Binarise::All);
        assert_eq!([0.84, 0.86].map(|done| all.share(done, 2, 5)), [0.0, 1.0]);
        let layer = Freezing::new(Binarise::Layer);
        let frozen = |done| [0, 1, 2].map(|index| layer.share(done, index, 3));
        assert_eq!(frozen(0.41), [1.0, 0.0, 0.0]);
        assert_eq!(frozen(0.6), [1.0, 1.0, 0.0]);
        assert_eq!(frozen(0.95), [1.0; 3]);
        // The talk's words taken literally: a part of one layer at a time.
        let both = Freezing {
            parts: 2,
            layer_by_layer: true,
            ..layer
        };
        let frozen = |done| [0, 1].map(|index| both.share(done, index, 2));
        assert_eq!(frozen(0.41), [0.5, 0.0]);
        assert_eq!(frozen(0.7), [1.0, 0.5]);
        assert_eq!(frozen(0.95), [1.0; 2]);
        for way in Binarise::ALL {
            assert_eq!(Freezing::new(way).binarise(), way);
        }
    }

    #[test]
    fn the_rate_is_alive_when_the_last_weights_freeze() {
        for way in Binarise::ALL {
            let freezing = Freezing::new(way);
            let steps = 10_000;
            let last = (0..steps)
                .find(|&step| {
                    let done = step as f32 / steps as f32;
                    (0..5).all(|layer| freezing.share(done, layer, 5) == 1.0)
                })
                .expect("all layers are frozen before the end");
            let rate = cosine(1.0, 300, last, steps);
            assert!(rate > 0.01, "{}: {rate} at step {last}", way.name());
        }
    }

    #[test]
    fn rate_warms_up_and_dies_out() {
        assert!(cosine(1.0, 300, 0, 1000) < 0.01);
        assert!(cosine(1.0, 0, 0, 1000) == 1.0);
        assert!((cosine(1.0, 300, 500, 1000) - 0.5).abs() < 1e-6);
        assert!(cosine(1.0, 300, 999, 1000) < 1e-5);
    }
}
