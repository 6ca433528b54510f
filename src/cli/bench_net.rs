//! `bernet bench NET`: how fast a whole net is here, and where its time goes.

use super::{
    net_peers, net_profile,
    net_speed::{NetSpeed, StepSpeed},
};
use anyhow::{Context, Result};
use bernet::{
    measure::{Ceilings, Host, thread_time},
    report::{self, Table},
};
use bernet_kernels::{isa::Level, threads};
use bernet_runtime::{
    plan::{Options, Program, StepInfo},
    session::Session,
    tensor::{Data, Tensor},
};
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

/// What is asked for.
pub(super) struct Asked<'a> {
    pub(super) level: Level,
    pub(super) threads: usize,
    /// Whether each step is shown.
    pub(super) profile: bool,
    /// Where a picture of the steps goes.
    pub(super) svg: Option<&'a Path>,
    /// Whether other engines run the net too.
    pub(super) peers: bool,
    pub(super) json: bool,
}

/// Times a net and prints it; returns what is recorded: its time beside that of other engines, and
/// its steps, where they were asked for.
pub(super) fn run(
    path: &Path,
    asked: &Asked<'_>,
    host: &Host,
    out: &mut impl Write,
) -> Result<Vec<Table>> {
    if asked.threads > 1 {
        threads::set_shared(asked.threads)?;
    }
    threads::checked(asked.threads)?;
    let level = asked.level;
    let options = Options {
        level,
        ..Options::default()
    };
    let start = Instant::now();
    let graph = super::net::read(path)?;
    let mut session = Session::new(&graph, &options)?.with_threads(asked.threads);
    let load_ms = milliseconds(start.elapsed());
    let program = session.program().clone();
    let inputs = inputs(&program);
    let steps: Vec<_> = program.steps().collect();
    let mut times = Times::new(steps.len());
    let begin = Instant::now();
    for run in 0..WARM_UP + RUNS[1] {
        times.run(&mut session, &inputs, run >= WARM_UP)?;
        if times.whole.len() >= RUNS[0] && begin.elapsed() > ENOUGH {
            break;
        }
    }
    let sum = |macs: fn(&StepInfo) -> u64| steps.iter().map(macs).sum();
    let net = NetSpeed {
        net: path.display().to_string(),
        level: level.name(),
        threads: asked.threads,
        ms: median(&mut times.whole),
        cpu_ms: (asked.threads == 1 && !times.cpu.is_empty()).then(|| median(&mut times.cpu)),
        least_ms: times.steps.iter().map(|times| least(times)).sum(),
        binary_macs: sum(|step| step.binary_macs),
        real_macs: sum(|step| step.real_macs),
        arena_bytes: program.arena_bytes(),
        load_ms,
    };
    let shown = asked.profile || asked.svg.is_some();
    let profile = shown.then(|| {
        let ceilings = Ceilings::measure(level);
        let steps = steps.iter().zip(&mut times.steps);
        let steps = steps.map(|(step, times)| speed(step, times, &ceilings, asked.threads));
        (ceilings, steps.collect::<Vec<_>>())
    });
    if asked.json {
        writeln!(out, "{}", serde_json::to_string(&net)?)?;
    } else {
        net.show(out)?;
    }
    let mut profile_table = None;
    if let Some((ceilings, steps)) = &profile {
        if asked.json && asked.profile {
            for step in steps {
                writeln!(out, "{}", serde_json::to_string(step)?)?;
            }
        }
        let table = net_profile::table(steps, net.least_ms);
        if !asked.json && asked.profile {
            writeln!(out, "{}", table.to_text())?;
            writeln!(out, "{}", net_profile::summary(steps, ceilings))?;
        }
        if let Some(path) = asked.svg {
            let picture = net_profile::picture(&net, steps, host);
            report::write(path, &picture).with_context(|| "--profile-svg")?;
        }
        profile_table = asked.profile.then_some(table);
    }
    let ours = net.cpu_ms.unwrap_or(net.ms);
    let mut peers = Vec::new();
    if asked.peers {
        let outputs = session.run(&inputs)?;
        let edges = [&inputs[..], &outputs[..]];
        peers = net_peers::run(path, &graph, edges, ours, asked.threads)?;
        net_peers::show(ours, &peers, asked.json, out)?;
    }
    let about = [
        ("level", level.name().to_owned()),
        ("threads", asked.threads.to_string()),
        ("cpu", host.cpu.clone()),
        ("commit", host.commit.clone()),
        ("date", host.date.clone()),
    ];
    let mut tables = vec![net_peers::record(ours, &peers, &about)];
    tables.extend(profile_table);
    Ok(tables)
}

/// What each run took.
struct Times {
    whole: Vec<Duration>,
    cpu: Vec<Duration>,
    /// Of each step.
    steps: Vec<Vec<Duration>>,
}

impl Times {
    fn new(steps: usize) -> Self {
        Self {
            whole: Vec::new(),
            cpu: Vec::new(),
            steps: vec![Vec::new(); steps],
        }
    }

    /// Runs once more.
    fn run(&mut self, session: &mut Session, inputs: &[Tensor], counts: bool) -> Result<()> {
        let (start, cpu) = (Instant::now(), thread_time());
        let mut last = start;
        let mut times = Vec::with_capacity(self.steps.len());
        session.run_observed(inputs, &mut |_| {
            let now = Instant::now();
            times.push(now - last);
            last = now;
        })?;
        if counts {
            self.whole.push(start.elapsed());
            let cpu = thread_time().zip(cpu).map(|(now, before)| now - before);
            self.cpu.extend(cpu);
            for (all, time) in self.steps.iter_mut().zip(times) {
                all.push(time);
            }
        }
        Ok(())
    }
}

fn speed(
    step: &StepInfo,
    times: &mut [Duration],
    ceilings: &Ceilings,
    threads: usize,
) -> StepSpeed {
    let least_ms = least(times);
    let StepInfo {
        binary_macs,
        real_macs,
        bytes,
        ..
    } = *step;
    StepSpeed {
        node: step.node,
        step: step.what,
        shape: step.shape.to_string(),
        ms: median(times),
        least_ms,
        bound_ms: ceilings.bound(binary_macs, real_macs, bytes, threads),
        binary_macs,
        real_macs,
        bytes,
        gmac_per_s: (binary_macs + real_macs) as f64 / (least_ms * 1e6).max(1e-9),
    }
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

fn least(times: &[Duration]) -> f64 {
    times.iter().min().map_or(0.0, |&time| milliseconds(time))
}
