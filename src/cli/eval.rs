//! `bernet eval`: how often a model is right, and how fast.

use super::{images_per_second, level};
use anyhow::{Result, ensure};
use bernet::{
    data::{self, Dataset},
    infer::{self, Session},
    model::Model,
    train,
};
use bernet_kernels::isa::Level;
use std::{io::Write, path::PathBuf};

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

    let images = train::images_for(&model, &test)?;
    let predictions = session.classify(&images)?;
    let right = infer::right(&predictions, test.labels());
    let percent = 100.0 * right as f64 / test.len() as f64;
    writeln!(out, "accuracy {percent:.2} % ({right}/{})", test.len())?;

    let speed = images_per_second(&mut session, &images)?;
    let threads = session.threads();
    let plural = if threads == 1 { "" } else { "s" };
    writeln!(
        out,
        "{speed:.0} images/s, level {level}, {threads} thread{plural}"
    )?;
    Ok(())
}

/// The test images, binarised as the model wants them where it does.
fn test_images(arguments: &Arguments, model: &Model) -> Result<Dataset> {
    let threshold = model.input.threshold;
    if let Some(folder) = &arguments.data {
        return Ok(data::load_idx_dir(folder, threshold.unwrap_or(data::THRESHOLD))?.test);
    }
    let Some(threshold) = threshold else {
        super::complain(
            "the model reads grey values, of which the embedded images have black and white alone: \
             the accuracy is lower than on grey images (--data DIR)",
        );
        return Ok(data::load_embedded().test);
    };
    ensure!(
        threshold == data::THRESHOLD,
        "the model takes grey values from {threshold} on for +1, the embedded images were binarised at {}: use --data",
        data::THRESHOLD
    );
    Ok(data::load_embedded().test)
}
