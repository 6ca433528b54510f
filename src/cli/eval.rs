//! `bernet eval`: how often a model is right, and how fast.

use anyhow::{Result, ensure};
use bernet::{
    data::{self, Dataset},
    infer::Session,
    model::Model,
};
use bernet_kernels::isa::{Level, LevelError};
use std::{
    io::Write,
    path::PathBuf,
    time::{Duration, Instant},
};

/// Passes over the test images are timed until they have taken this long together.
const TIMED: Duration = Duration::from_millis(300);

/// Classify the test images and compare with their labels.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The model, a .bnet file.
    model: PathBuf,
    /// A folder with the four IDX files of MNIST or a dataset like it, plain or .gz [default: the embedded MNIST].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The instruction set to use, one of those that this CPU has [default: the best].
    #[arg(long, value_parser = level)]
    level: Option<Level>,
    /// Threads that share the images.
    #[arg(long, value_name = "N", default_value_t = 1)]
    threads: usize,
}

fn level(name: &str) -> Result<Level, LevelError> {
    Level::by_name(name)
}

pub(super) fn run(arguments: &Arguments, out: &mut impl Write) -> Result<()> {
    let model = Model::read(&arguments.model)?;
    let level = arguments.level.unwrap_or_else(Level::best);
    let mut session = Session::new(&model, level)?.with_threads(arguments.threads)?;
    let test = test_images(arguments, &model)?;
    ensure!(!test.is_empty(), "there are no test images");
    let (classes, labels) = (session.classes(), test.classes());
    ensure!(
        classes == labels,
        "the model has {classes} classes, the images' labels {labels}"
    );

    let predictions = session.classify(test.images())?;
    let right = predictions
        .iter()
        .zip(test.labels())
        .filter(|(said, label)| said.class == usize::from(**label))
        .count();
    let percent = 100.0 * right as f64 / test.len() as f64;
    writeln!(out, "accuracy {percent:.2} % ({right}/{})", test.len())?;

    // The pass above has brought everything into the caches.
    let start = Instant::now();
    let mut passes = 0;
    while passes == 0 || start.elapsed() < TIMED {
        session.logits(test.images())?;
        passes += 1;
    }
    let speed = (passes * test.len()) as f64 / start.elapsed().as_secs_f64();
    let threads = session.threads();
    let plural = if threads == 1 { "" } else { "s" };
    writeln!(
        out,
        "{speed:.0} images/s, level {level}, {threads} thread{plural}"
    )?;
    Ok(())
}

/// The test images, binarised as the model wants them.
fn test_images(arguments: &Arguments, model: &Model) -> Result<Dataset> {
    let threshold = model.input.threshold;
    if let Some(folder) = &arguments.data {
        return Ok(data::load_idx_dir(folder, threshold)?.test);
    }
    ensure!(
        threshold == data::THRESHOLD,
        "the model takes grey values from {threshold} on for +1, the embedded images were binarised at {}: use --data",
        data::THRESHOLD
    );
    Ok(data::load_embedded().test)
}
