//! Who watches a training at the terminal: a progress bar, metrics.csv, TensorBoard's events, Ctrl-C.

use anyhow::{Context, Result};
use bernet::{
    report::{CsvWriter, EventWriter},
    train::{Epoch, Observer, Search, Trainer},
};
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use std::{
    io,
    ops::ControlFlow,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

/// What is measured in an epoch, with its name in metrics.csv and in TensorBoard, and its decimals.
type Metric = (&'static str, usize, fn(&Epoch) -> f64);

const METRICS: [Metric; 9] = [
    ("loss", 5, |epoch| epoch.loss),
    ("train_accuracy", 5, |epoch| epoch.train_accuracy),
    ("validation_accuracy", 5, |epoch| epoch.validation_accuracy),
    ("frozen", 4, |epoch| epoch.frozen),
    ("uncertainty", 5, |epoch| epoch.uncertainty),
    ("temperature", 5, |epoch| epoch.temperature.into()),
    ("width", 4, |epoch| epoch.width.into()),
    ("learning_rate", 6, |epoch| epoch.learning_rate.into()),
    ("seconds", 3, |epoch| epoch.seconds),
];

/// The epochs so far, on the disk: a line and an event each, as soon as it is over.
struct Recorder {
    csv: CsvWriter,
    events: EventWriter,
}

impl Recorder {
    fn new(folder: &Path, history: &[Epoch]) -> Result<Self> {
        let names = METRICS.iter().map(|&(name, ..)| name);
        let header: Vec<&str> = std::iter::once("epoch").chain(names).collect();
        let mut recorder = Self {
            csv: CsvWriter::create(&folder.join("metrics.csv"), &header)?,
            events: EventWriter::create(folder)?,
        };
        for epoch in history {
            recorder.record(epoch)?;
        }
        Ok(recorder)
    }

    fn record(&mut self, epoch: &Epoch) -> io::Result<()> {
        let values = METRICS.map(|(name, decimals, value)| (name, decimals, value(epoch)));
        let fields = values.map(|(_, decimals, value)| format!("{value:.decimals$}"));
        let number = std::iter::once(epoch.number.to_string());
        self.csv.row(&number.chain(fields).collect::<Vec<_>>())?;
        let scalars = values.map(|(name, _, value)| (name, value as f32));
        self.events.scalars(epoch.number.into(), &scalars)
    }
}

/// Shows the progress, and stops at Ctrl-C.
pub(super) struct Watcher {
    pub(super) bar: ProgressBar,
    start: Instant,
    epochs: u32,
    /// Trainings of the search for a first layer, and how many of them have begun.
    trainings: u32,
    searched: u32,
    recorder: Option<Recorder>,
    /// Why the training has to stop: what has been measured could not be written.
    failure: Option<io::Error>,
    interrupted: Arc<AtomicBool>,
}

/// Positions of the progress bar in an epoch.
const TICKS: f64 = 100.0;

impl Watcher {
    /// Watches the rest of a training, and writes what it measures into a folder where there is one.
    pub(super) fn new(trainer: &Trainer, folder: Option<&Path>) -> Result<Self> {
        let (epochs, done) = (trainer.config().epochs, trainer.history().len());
        let record = |folder| Recorder::new(folder, trainer.history());
        let bar = ProgressBar::new(u64::from(epochs) * TICKS as u64)
            .with_position((done as f64 * TICKS) as u64);
        bar.set_style(ProgressStyle::with_template(
            "{prefix}{bar:30} {percent:>3} %  {msg}  {eta} left",
        )?);
        Ok(Self {
            bar,
            start: Instant::now(),
            epochs,
            trainings: trainer.config().search.map_or(0, Search::trainings),
            searched: 0,
            recorder: folder.map(record).transpose()?,
            failure: None,
            interrupted: interrupted()?,
        })
    }

    /// Takes the progress bar away.
    ///
    /// # Errors
    /// Where a metric could not be written.
    pub(super) fn finish(self) -> Result<()> {
        self.bar.finish_and_clear();
        self.failure.map_or(Ok(()), |error| Err(error.into()))
    }
}

/// The flag that Ctrl-C and a termination request set; a handler can be installed once in a process.
fn interrupted() -> Result<Arc<AtomicBool>> {
    static FLAG: std::sync::OnceLock<Arc<AtomicBool>> = std::sync::OnceLock::new();
    if let Some(flag) = FLAG.get() {
        return Ok(Arc::clone(flag));
    }
    let flag = FLAG.get_or_init(Arc::default);
    let handler = Arc::clone(flag);
    ctrlc::set_handler(move || handler.store(true, Ordering::Relaxed)).context("Ctrl-C")?;
    Ok(Arc::clone(flag))
}

impl Observer for Watcher {
    fn step(&mut self, epoch: u32, share: f64) -> ControlFlow<()> {
        self.bar
            .set_position(((f64::from(epoch - 1) + share) * TICKS) as u64);
        if self.failure.is_some() || self.interrupted.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn search(&mut self, training: u32) -> ControlFlow<()> {
        if training > self.searched {
            self.searched = training;
            let line = format!(
                "looking for a first layer: training {training} of {}",
                self.trainings
            );
            if self.bar.is_hidden() {
                eprintln!("{line}");
            }
            self.bar.set_message(line);
        }
        self.step(1, 0.0)
    }

    fn epoch(&mut self, epoch: &Epoch) {
        if let Some(recorder) = &mut self.recorder {
            self.failure = recorder.record(epoch).err();
        }
        let line = format!(
            "epoch {}/{}  loss {:.3}  validation {:.2} %  frozen {:.0} %",
            epoch.number,
            self.epochs,
            epoch.loss,
            100.0 * epoch.validation_accuracy,
            100.0 * epoch.frozen
        );
        // A bar is drawn on a terminal only; a log gets a line an epoch.
        if self.bar.is_hidden() {
            eprintln!(
                "{line}  {} since the start",
                HumanDuration(self.start.elapsed())
            );
        }
        self.bar.set_message(line);
    }
}

/// Stops at Ctrl-C and a termination request, and says nothing: of all but the first of several processes.
pub(super) struct Silent {
    interrupted: Arc<AtomicBool>,
}

impl Silent {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            interrupted: interrupted()?,
        })
    }
}

impl Observer for Silent {
    fn step(&mut self, _: u32, _: f64) -> ControlFlow<()> {
        if self.interrupted.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn epoch(&mut self, _: &Epoch) {}
}
