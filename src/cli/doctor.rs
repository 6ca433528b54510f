//! `bernet doctor`: what the program finds on this machine.

use anyhow::{Result, ensure};
use bernet::{
    classify::{self, Classifier, Logits},
    data,
};
use bernet_kernels::isa::Level;
use bernet_runtime::format;
use std::{io::Write, thread};

/// Say what this machine offers: version, CPU, instruction sets, threads, features; and whether every instruction set gives the
/// same answers.
#[derive(clap::Args)]
pub(super) struct Arguments {}

/// A small net, to try the kernels with.
const MODEL: &[u8] = include_bytes!("../../models/mnist.bnet");

/// Images that each level is tried with.
const IMAGES: usize = 200;

pub(super) fn run(_: &Arguments, out: &mut impl Write) -> Result<()> {
    let mut line = |name: &str, value: String| writeln!(out, "{name:<18} {value}");
    let host = bernet::measure::Host::here();
    line("bernet", env!("CARGO_PKG_VERSION").into())?;
    let system = format!("{} {}", std::env::consts::ARCH, std::env::consts::OS);
    line("machine", format!("{system}, {}", host.cpu))?;
    let threads =
        thread::available_parallelism().map_or("unknown".into(), |count| count.to_string());
    line("threads", threads)?;
    let best = Level::best();
    let available = Level::available();
    let missing = Level::NAMES
        .into_iter()
        .filter(|name| Level::by_name(name).is_err());
    line(
        "instruction sets",
        available
            .iter()
            .map(|level| level.name())
            .collect::<Vec<_>>()
            .join(", "),
    )?;
    line("best of them", best.name().into())?;
    line("not here", missing.collect::<Vec<_>>().join(", "))?;

    let graph = format::from_bytes(MODEL)?;
    let digits = data::load_embedded().test.subset(0..IMAGES);
    let mut logits: Option<Logits> = None;
    for level in available {
        let mut classifier = Classifier::new(&graph, level)?;
        let found = classifier.logits(&classifier.images(&digits)?)?;
        let predictions = found.predictions(classifier.classes());
        let correct = classify::count_correct(&predictions, digits.labels());
        line(
            &format!("level {level}"),
            format!("{correct} of {IMAGES} digits right"),
        )?;
        let expected = logits.get_or_insert_with(|| found.clone());
        ensure!(
            *expected == found,
            "level {level}: other logits than the first level's; please report this with the lines above"
        );
    }
    line(
        "verdict",
        "all instruction sets give the same answers".into(),
    )?;
    Ok(())
}
