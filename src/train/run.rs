//! A whole training: epochs, the evaluation after each, checkpoints, and the graph at the end.

use super::{
    checkpoint::CheckpointError, choices::MethodName, epoch::Epoch, error::TrainError, export,
    trainer::Trainer,
};
use crate::{
    classify::{self, Classifier, ClassifyError},
    data::{self, Dataset},
};
use bernet_kernels::isa::Level;
use bernet_runtime::graph::Graph;
use std::{ops::ControlFlow, path::PathBuf};

/// Training images that an epoch's binary net has its moments measured on; the final net takes more.
const MEASURED_EPOCH: usize = 5_000;
const MEASURED_FINAL: usize = 20_000;

/// Who watches a training, and may stop it.
pub trait Observer {
    /// After each step: the epoch, from 1, and the share of it that is done.
    fn step(&mut self, epoch: u32, share: f64) -> ControlFlow<()>;
    /// After each epoch.
    fn epoch(&mut self, epoch: &Epoch);
    /// After each step of a [`Search`](super::Search), which comes before the first epoch: the training of the search, from 1. Unless it is
    /// overridden it asks [`step`](Self::step) at the beginning of the first epoch.
    fn search(&mut self, _training: u32) -> ControlFlow<()> {
        self.step(1, 0.0)
    }
}

/// What a training works on.
#[derive(Debug)]
pub struct Run<'a> {
    /// What is trained on.
    pub train: &'a Dataset,
    /// What is chosen by.
    pub validation: &'a Dataset,
    /// The level of the kernels.
    pub level: Level,
    /// Where checkpoints go.
    pub checkpoint: Option<PathBuf>,
}

/// Why a training did not reach its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The training itself.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A checkpoint could not be written.
    #[error("checkpoint: {0}; the one before it, if any, is still there")]
    Checkpoint(#[from] CheckpointError),
    /// The binary net could not be run.
    #[error(transparent)]
    Classify(#[from] ClassifyError),
}

impl Run<'_> {
    /// Trains on to the last epoch, or until the observer breaks; then what the last checkpoint holds is what there is.
    ///
    /// # Errors
    /// [`RunError`]; the last checkpoint is whole.
    pub fn train(
        &self,
        trainer: &mut Trainer,
        observer: &mut impl Observer,
    ) -> Result<ControlFlow<()>, RunError> {
        if self.validation.is_empty() {
            return Err(RunError::Train(TrainError::Data {
                what: "validation images",
                expected: "at least 1, to measure each epoch by".into(),
                found: "0".into(),
            }));
        }
        self.save(trainer)?;
        let mut searched = 0.0;
        if let Some(search) = trainer.config().search
            && trainer.history().is_empty()
        {
            match self.search(search, trainer, observer)? {
                Some(seconds) => searched = seconds,
                None => return Ok(ControlFlow::Break(())),
            }
        }
        while !trainer.is_done() {
            let number = trainer.history().len() as u32 + 1;
            let Some(loss) = trainer.epoch(self.train, |share| observer.step(number, share))?
            else {
                return Ok(ControlFlow::Break(()));
            };
            let start = std::time::Instant::now();
            let accuracy = match trainer.config().method {
                MethodName::Real => trainer.evaluate_real(self.train, self.validation)?,
                _ => {
                    let graph = self.binarise(trainer, MEASURED_EPOCH)?;
                    let mut classifier = Classifier::new(&graph, self.level)?;
                    let images = classifier.images(self.validation)?;
                    let predictions = classifier.classify(&images)?;
                    let correct = classify::count_correct(&predictions, self.validation.labels());
                    correct as f64 / self.validation.len() as f64
                }
            };
            let besides = std::mem::take(&mut searched) + start.elapsed().as_secs_f64();
            let epoch = trainer.finish_epoch(loss, accuracy, besides);
            self.save(trainer)?;
            if number == 1 && trainer.config().search.is_some() {
                self.forget_search();
            }
            observer.epoch(&epoch);
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The binary net of a finished training, with what made it in its metadata: an input `image`
    /// and an output `logits`.
    ///
    /// # Errors
    /// [`RunError::Train`] where the images do not suit the net.
    pub fn finish(&self, trainer: &Trainer) -> Result<Graph, RunError> {
        let mut graph = self.binarise(trainer, MEASURED_FINAL)?;
        let config = trainer.config();
        let mut note = |key: &str, value: String| graph.metadata.insert(key.into(), value);
        note("method", config.method.name().into());
        note("seed", config.seed.to_string());
        note("epochs", config.epochs.to_string());
        note("net", export::describe(&config.network));
        note("configuration", config.to_toml());
        if let Some(last) = trainer.history().last() {
            note(
                "validation accuracy",
                format!("{:.2} %", 100.0 * last.validation_accuracy),
            );
        }
        Ok(graph)
    }

    fn binarise(&self, trainer: &Trainer, measured: usize) -> Result<Graph, RunError> {
        let measured = self.train.subset(0..measured.min(self.train.len()));
        Ok(trainer.binarise(&measured, data::THRESHOLD, self.level)?)
    }

    fn save(&self, trainer: &Trainer) -> Result<(), RunError> {
        Ok(self
            .checkpoint
            .as_deref()
            .map_or(Ok(()), |path| trainer.save(path))?)
    }
}
