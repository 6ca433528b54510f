//! `bernet bench NET`: how fast a whole net is here, and where its time goes.

use super::net_peers;
use anyhow::{Result, bail};
use bernet::report::{Align, Table};
use bernet_kernels::isa::Level;
use bernet_runtime::{
    plan::{Options, Program, StepInfo},
    session::Session,
    tensor::{Data, Tensor},
};
use serde::Serialize;
use std::{
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

/// Runs before the first that counts.
const WARM_UP: usize = 2;
/// Least and most runs that count.
const RUNS: [usize; 2] = [5, 200];
/// Time after which no further run begins.
const ENOUGH: Duration = Duration::from_secs(2);

/// The whole net: the first object of `--json`.
#[derive(Serialize)]
struct NetSpeed {
    net: String,
    level: &'static str,
    threads: usize,
    /// Median of the runs of one item.
    ms: f64,
    binary_macs: u64,
    real_macs: u64,
    arena_bytes: usize,
    /// Reading and planning.
    load_ms: f64,
}

/// A step of it.
#[derive(Serialize)]
struct StepSpeed {
    node: usize,
    step: &'static str,
    shape: String,
    /// Median over the runs.
    ms: f64,
    binary_macs: u64,
    real_macs: u64,
    bytes: u64,
    /// Products a nanosecond, of either kind.
    gmac_per_s: f64,
}

/// What is asked for.
pub(super) struct Asked {
    pub(super) level: Level,
    pub(super) threads: usize,
    /// Whether each step is shown.
    pub(super) profile: bool,
    /// Whether other engines run the net too.
    pub(super) peers: bool,
    pub(super) json: bool,
}

/// Times a net, prints it, and returns its time beside that of other engines.
pub(super) fn run(path: &Path, asked: &Asked, out: &mut impl Write) -> Result<Table> {
    if asked.threads != 1 {
        bail!(
            "--threads {}: one item of a net is run by one thread",
            asked.threads
        );
    }
    let level = asked.level;
    let options = Options {
        level,
        ..Options::default()
    };
    let start = Instant::now();
    let graph = super::net::read(path)?;
    let mut session = Session::new(&graph, &options)?;
    let load_ms = milliseconds(start.elapsed());
    let program = session.program().clone();
    let inputs = inputs(&program);
    let steps: Vec<_> = program.steps().collect();
    let (mut whole, mut each) = (Vec::new(), vec![Vec::new(); steps.len()]);
    let begin = Instant::now();
    for run in 0..WARM_UP + RUNS[1] {
        let start = Instant::now();
        let mut last = start;
        let mut times = Vec::with_capacity(steps.len());
        session.run_observed(&inputs, &mut |_| {
            let now = Instant::now();
            times.push(now - last);
            last = now;
        })?;
        if run >= WARM_UP {
            whole.push(start.elapsed());
            for (each, time) in each.iter_mut().zip(times) {
                each.push(time);
            }
        }
        if whole.len() >= RUNS[0] && begin.elapsed() > ENOUGH {
            break;
        }
    }
    let sum = |macs: fn(&StepInfo) -> u64| steps.iter().map(macs).sum();
    let net = NetSpeed {
        net: path.display().to_string(),
        level: level.name(),
        threads: 1,
        ms: median(&mut whole),
        binary_macs: sum(|step| step.binary_macs),
        real_macs: sum(|step| step.real_macs),
        arena_bytes: program.arena_bytes(),
        load_ms,
    };
    let steps: Vec<_> = steps
        .iter()
        .zip(&mut each)
        .map(|(step, times)| {
            let ms = median(times);
            StepSpeed {
                node: step.node,
                step: step.what,
                shape: step.shape.to_string(),
                ms,
                binary_macs: step.binary_macs,
                real_macs: step.real_macs,
                bytes: step.bytes,
                gmac_per_s: (step.binary_macs + step.real_macs) as f64 / (ms * 1e6).max(1e-9),
            }
        })
        .collect();
    if asked.json {
        writeln!(out, "{}", serde_json::to_string(&net)?)?;
        for step in steps.iter().filter(|_| asked.profile) {
            writeln!(out, "{}", serde_json::to_string(step)?)?;
        }
    } else {
        net.show(out)?;
        if asked.profile {
            write!(out, "{}", table(&steps, net.ms).to_text())?;
        }
    }
    let mut peers = Vec::new();
    if asked.peers {
        let outputs = session.run(&inputs)?;
        peers = net_peers::run(path, &graph, [&inputs, &outputs], net.ms)?;
        net_peers::show(net.ms, &peers, asked.json, out)?;
    }
    Ok(net_peers::table(net.ms, &peers))
}

impl NetSpeed {
    fn show(&self, out: &mut impl Write) -> Result<()> {
        writeln!(
            out,
            "{}: {:.2} ms an item ({}, one thread), {:.1} million binary and {:.1} million real \
         multiply-accumulates, {} kB of values, read and planned in {:.1} ms",
            self.net,
            self.ms,
            self.level,
            self.binary_macs as f64 / 1e6,
            self.real_macs as f64 / 1e6,
            self.arena_bytes.div_ceil(1000),
            self.load_ms
        )?;
        Ok(())
    }
}

/// Where the time goes, a row for each step.
fn table(steps: &[StepSpeed], whole: f64) -> Table {
    let mut table = Table::new([
        ("node", Align::Right),
        ("step", Align::Left),
        ("shape", Align::Left),
        ("ms", Align::Right),
        ("%", Align::Right),
        ("GMAC/s", Align::Right),
        ("kB", Align::Right),
    ]);
    for step in steps {
        let pace = if step.binary_macs + step.real_macs > 0 {
            format!("{:.1}", step.gmac_per_s)
        } else {
            String::new()
        };
        table.row(vec![
            step.node.to_string(),
            step.step.into(),
            step.shape.clone(),
            format!("{:.3}", step.ms),
            format!("{:.1}", 100.0 * step.ms / whole),
            pace,
            step.bytes.div_ceil(1000).to_string(),
        ]);
    }
    table
}

/// One item of every input, of values that differ.
fn inputs(program: &Program) -> Vec<Tensor> {
    let ports = program.inputs().iter();
    ports
        .map(|port| {
            let places = 0..port.shape.len();
            let byte = |place: usize| (place.wrapping_mul(7919) >> 3) as u8;
            let data = match port.kind {
                bernet_runtime::graph::Kind::Bit => {
                    Data::Bit(places.map(|place| byte(place) & 1 == 1).collect())
                }
                bernet_runtime::graph::Kind::U8 => Data::U8(places.map(byte).collect()),
                bernet_runtime::graph::Kind::I32 => {
                    Data::I32(places.map(|place| byte(place).into()).collect())
                }
                bernet_runtime::graph::Kind::F32 => {
                    let float = |place| f32::from(byte(place)) / 127.5 - 1.0;
                    Data::F32(places.map(float).collect())
                }
            };
            Tensor::new(1, port.shape, data).expect("a value for each place")
        })
        .collect()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times
        .get(times.len() / 2)
        .map_or(0.0, |&time| milliseconds(time))
}
