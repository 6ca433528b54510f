//! What the net in training answers as it stands, in f32: how good a real-valued one is.

use super::{batch, error::TrainError, layer::Place, loss, trainer::Trainer};
use crate::data::Dataset;

/// Images whose sums give the moments of a net that is evaluated in f32: so many, or fewer where a layer's values would take more
/// than 256 MB.
const MEASURED: usize = 2048;
const MEASURED_VALUES: usize = 1 << 26;

impl Trainer {
    /// The share of images that the real-valued net answers right, with the moments of the sums measured on the training set.
    ///
    /// # Errors
    /// [`TrainError::Data`] where the data do not suit the net.
    pub fn evaluate_real(&mut self, train: &Dataset, test: &Dataset) -> Result<f64, TrainError> {
        self.check(train)?;
        self.check(test)?;
        for layer in &mut self.layers {
            self.method.settle(layer);
        }
        let measured = self.measured();
        self.forward(train, &batch::still(0..train.len().min(measured)), true);
        let mut right = 0;
        for start in (0..test.len()).step_by(measured) {
            let range = start..test.len().min(start + measured);
            self.forward(test, &batch::still(range.clone()), false);
            let logits = self.logits(range.len());
            let classes = logits.len() / range.len();
            let answers = logits.chunks_exact(classes).map(loss::first_maximum);
            right += answers
                .zip(&test.labels()[range])
                .filter(|(answer, label)| *answer == usize::from(**label))
                .count();
        }
        Ok(right as f64 / test.len() as f64)
    }

    /// Images at a time of a net that is evaluated in f32.
    fn measured(&self) -> usize {
        let values = |place: &Place| place.positions() * (place.depth() + 2 * place.outputs());
        let image: usize = self.places.iter().map(values).sum();
        MEASURED.min(MEASURED_VALUES / image).max(1)
    }
}
