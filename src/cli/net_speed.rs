//! The time of a net and of its steps, as they are printed and recorded.

use anyhow::Result;
use serde::Serialize;
use std::{io::Write, path::Path};

/// The whole net: the first object of `--json`.
#[derive(Serialize)]
pub(super) struct NetSpeed {
    pub(super) net: String,
    pub(super) level: &'static str,
    pub(super) threads: usize,
    /// Median of the runs of one item.
    pub(super) ms: f64,
    /// Median of the CPU time of the runs, of one thread.
    pub(super) cpu_ms: Option<f64>,
    /// The sum of the least time of each step.
    pub(super) least_ms: f64,
    pub(super) binary_macs: u64,
    pub(super) real_macs: u64,
    pub(super) arena_bytes: usize,
    /// Reading and planning.
    pub(super) load_ms: f64,
}

/// A step of it.
#[derive(Serialize)]
pub(super) struct StepSpeed {
    pub(super) node: usize,
    pub(super) step: &'static str,
    pub(super) shape: String,
    /// Median over the runs.
    pub(super) ms: f64,
    /// The least of the runs.
    pub(super) least_ms: f64,
    /// What it would take at the ceilings of this CPU: of its products, or, where it has none, of
    /// the bytes that it reads and writes.
    pub(super) bound_ms: f64,
    pub(super) binary_macs: u64,
    pub(super) real_macs: u64,
    pub(super) bytes: u64,
    /// Products a nanosecond, of either kind, in the least time.
    pub(super) gmac_per_s: f64,
}

impl NetSpeed {
    /// The net's name, without the folders that it is in.
    pub(super) fn name(&self) -> &str {
        let name = Path::new(&self.net)
            .file_name()
            .and_then(|name| name.to_str());
        name.unwrap_or(&self.net)
    }

    /// The level and the threads, in words.
    pub(super) fn way(&self) -> String {
        let threads = match self.threads {
            1 => "one thread".to_owned(),
            threads => format!("{threads} threads"),
        };
        format!("{}, {threads}", self.level)
    }

    /// Prints it on a line.
    pub(super) fn show(&self, out: &mut impl Write) -> Result<()> {
        let cpu = self.cpu_ms.map(|ms| format!(", {ms:.2} ms of CPU time"));
        writeln!(
            out,
            "{}: {:.2} ms an item ({}{}; {:.2} ms where each step takes its least), {:.1} million \
             binary and {:.1} million real multiply-accumulates, {} kB of values, read and planned \
             in {:.1} ms",
            self.net,
            self.ms,
            self.way(),
            cpu.unwrap_or_default(),
            self.least_ms,
            self.binary_macs as f64 / 1e6,
            self.real_macs as f64 / 1e6,
            self.arena_bytes.div_ceil(1000),
            self.load_ms
        )?;
        Ok(())
    }
}
