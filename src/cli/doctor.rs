//! `bernet doctor`: what the program finds on this machine.

use anyhow::{Result, ensure};
use bernet::{
    data,
    infer::{self, Session},
    model::Model,
};
use bernet_kernels::isa::Level;
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
    let memmap = if cfg!(feature = "memmap") {
        "memmap"
    } else {
        "none beyond cli"
    };
    line("features", memmap.into())?;
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

    let model = Model::from_bytes(MODEL)?;
    let digits = data::load_embedded().test.subset(0..IMAGES);
    let mut logits: Option<Vec<i32>> = None;
    for level in available {
        let mut session = Session::new(&model, level)?;
        let found = session.logits(digits.images())?.to_vec();
        let right = infer::right(&session.classify(digits.images())?, digits.labels());
        line(
            &format!("level {level}"),
            format!("{right} of {IMAGES} digits right"),
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
