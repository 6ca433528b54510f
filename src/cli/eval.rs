//! `bernet eval`: how often a net is right, and how fast.

use super::{images_per_second, level, net::PictureNet};
use anyhow::{Result, ensure};
use bernet::{
    classify::{self, Classifier},
    data::{self, Dataset},
};
use bernet_kernels::isa::Level;
use bernet_runtime::graph::Pixels;
use std::{io::Write, path::PathBuf};

/// Classify the test images and compare with their labels.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    net: PictureNet,
    /// A folder with the four IDX files of MNIST or a dataset like it, plain or .gz, with the binary files of CIFAR-10, or with PNG
    /// files in train/CLASS/ and test/CLASS/ [default: the embedded MNIST].
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
    let graph = arguments.net.read()?;
    let level = arguments.level.unwrap_or_else(Level::best);
    let mut classifier = Classifier::new(&graph, level)?.with_threads(arguments.threads)?;
    let test = test_images(arguments, classifier.pixels())?;
    ensure!(!test.is_empty(), "there are no test images");
    let (classes, labels) = (classifier.classes(), test.classes());
    ensure!(
        classes >= labels,
        "the net has {classes} classes, the images' labels {labels}"
    );

    let images = classifier.images(&test)?;
    let predictions = classifier.classify(&images)?;
    let correct = classify::count_correct(&predictions, test.labels());
    let percent = 100.0 * correct as f64 / test.len() as f64;
    writeln!(out, "accuracy {percent:.2} % ({correct}/{})", test.len())?;

    let speed = images_per_second(&mut classifier, &images)?;
    let threads = classifier.threads();
    let plural = if threads == 1 { "" } else { "s" };
    writeln!(
        out,
        "{speed:.0} images/s, level {level}, {threads} thread{plural}"
    )?;
    Ok(())
}

/// The test images, binarised as the net wants them where it does.
fn test_images(arguments: &Arguments, pixels: &Pixels) -> Result<Dataset> {
    let threshold = match pixels {
        Pixels::AtLeast(threshold) => Some(*threshold),
        _ => None,
    };
    if let Some(folder) = &arguments.data {
        return Ok(data::load_dir(folder, threshold.unwrap_or(data::THRESHOLD))?.test);
    }
    let Some(threshold) = threshold else {
        super::complain(
            "the net reads grey values, of which the embedded images have black and white alone: \
             the accuracy is lower than on grey images (--data DIR)",
        );
        return Ok(data::load_embedded().test);
    };
    ensure!(
        threshold == data::THRESHOLD,
        "the net takes grey values from {threshold} on for +1, the embedded images were binarised at {}: use --data",
        data::THRESHOLD
    );
    Ok(data::load_embedded().test)
}
