//! What the net in training answers as it stands, in f32: how good a real-valued one is.

use super::{batch, error::TrainError, layer::Place, loss, trainer::Trainer};
use crate::data::Dataset;
use bernet_kernels::threads;

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
        let answers = threads::install(|| self.answers(train, test))?;
        let pairs = answers.iter().zip(test.labels());
        let right = pairs.filter(|(answer, label)| **answer == usize::from(**label));
        Ok(right.count() as f64 / test.len() as f64)
    }

    /// What the net of settled weights answers in f32.
    pub(super) fn answers(&mut self, train: &Dataset, test: &Dataset) -> Vec<usize> {
        for layer in &mut self.layers {
            self.method.settle(layer);
        }
        let schedule = self.schedule(1.0);
        let measured = self.measured();
        let first = batch::still(0..train.len().min(measured));
        self.forward(train, &first, &schedule, true);
        let mut answers = Vec::with_capacity(test.len());
        for start in (0..test.len()).step_by(measured) {
            let range = start..test.len().min(start + measured);
            self.forward(test, &batch::still(range.clone()), &schedule, false);
            let logits = self.logits(range.len());
            let classes = logits.len() / range.len();
            answers.extend(logits.chunks_exact(classes).map(loss::first_maximum));
        }
        answers
    }

    /// Images at a time of a net that is evaluated in f32.
    fn measured(&self) -> usize {
        let values = |place: &Place| place.positions() * (place.depth() + 2 * place.outputs());
        let image: usize = self.places.iter().map(values).sum();
        MEASURED.min(MEASURED_VALUES / image).max(1)
    }
}
