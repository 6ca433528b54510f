//! `bernet bench`: how fast the kernels are here.

use super::{bench_net, level, peers};
use anyhow::{Context, Result, anyhow, bail};
use bernet::{
    measure::{self, BernoulliSpeed, Host, Output, Threads, Way, XnorSpeed},
    report::{Align, Table},
};
use bernet_kernels::{
    isa::Level,
    poisson_binomial::{Form, Gradient},
    xnor::PaddingValue,
};
use serde::Serialize;
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

/// Time the kernels, each beside the ceiling of its instruction set, after checking their answers; or a net.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// A net to time in place of the kernels: a .bnet file, ONNX or TFLite.
    #[arg(conflicts_with_all = ["kernel", "shape"])]
    net: Option<PathBuf>,
    /// Also show the time of each step of the net, beside what it would take at the ceilings of this CPU.
    #[arg(long, requires = "net")]
    profile: bool,
    /// Also write the steps' times as bars into an SVG file.
    #[arg(long, value_name = "FILE", requires = "net")]
    profile_svg: Option<PathBuf>,
    /// What to time.
    #[arg(long, value_enum, default_value_t = Kernel::Gemm)]
    kernel: Kernel,
    /// The instruction set to use, one of those that this CPU has [default: the best].
    #[arg(long, value_parser = level)]
    level: Option<Level>,
    /// Sizes: MxNxK of a product, HEIGHTxWIDTHxCHANNELS of a 3×3 convolution, HEIGHTxWIDTHxCHANNELSxKERNEL of a first layer (bytes to
    /// 64 channels, stride 2), factors of a sum [default: a table of them].
    #[arg(long, value_name = "SIZES", value_delimiter = ',')]
    shape: Vec<String>,
    /// Threads that share the work.
    #[arg(long, value_name = "N", default_value_t = 1)]
    threads: usize,
    /// Also time the other libraries that `benches/peers` knows, where they are at hand.
    #[arg(long)]
    peers: bool,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
    /// Also write DIR/CPU/DATE/KERNEL.csv.
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kernel {
    Gemm,
    Conv,
    FirstLayer,
    PoissonBinomial,
}

impl Kernel {
    fn name(self) -> &'static str {
        match self {
            Self::Gemm => "gemm",
            Self::Conv => "conv",
            Self::FirstLayer => "first-layer",
            Self::PoissonBinomial => "poisson-binomial",
        }
    }

    /// One row, dense layers, great depth, small depth; layers of equal work; photographs; sums.
    fn shapes(self) -> &'static [&'static str] {
        match self {
            Self::Gemm => &[
                "1x1024x1024",
                "128x128x1024",
                "512x512x2048",
                "1024x1024x4096",
                "4096x256x2304",
                "256x256x8192",
                "4096x64x64",
                "4096x8x36",
            ],
            Self::Conv => &["56x56x64", "28x28x128", "14x14x256", "7x7x512"],
            Self::FirstLayer => &["224x224x3x7", "224x224x3x3"],
            Self::PoissonBinomial => &["36", "800", "4096"],
        }
    }
}

/// A line of the table: what was measured, and how it is shown.
trait Line: Serialize {
    fn columns() -> Vec<(&'static str, Align)>;
    fn cells(&self) -> Vec<String>;
    /// The shape, and the pace that peers are compared in.
    fn pace(&self) -> (String, f64);
}

impl Line for XnorSpeed {
    fn columns() -> Vec<(&'static str, Align)> {
        vec![
            ("kernel", Align::Left),
            ("shape", Align::Left),
            ("output", Align::Left),
            ("level", Align::Left),
            ("threads", Align::Right),
            ("GMAC/s", Align::Right),
            ("best", Align::Right),
            ("of the ceiling", Align::Right),
        ]
    }

    fn cells(&self) -> Vec<String> {
        vec![
            self.kernel.into(),
            self.shape.clone(),
            self.output.into(),
            self.level.into(),
            self.threads.to_string(),
            format!("{:.1}", self.gmac_per_s),
            format!("{:.1}", self.best_gmac_per_s),
            format!("{:.2}", self.ceiling_share),
        ]
    }

    fn pace(&self) -> (String, f64) {
        (self.shape.clone(), self.gmac_per_s)
    }
}

impl Line for BernoulliSpeed {
    fn columns() -> Vec<(&'static str, Align)> {
        vec![
            ("form", Align::Left),
            ("n", Align::Right),
            ("gradient", Align::Left),
            ("level", Align::Left),
            ("threads", Align::Right),
            ("ns per neuron and sample", Align::Right),
            ("of the ceiling", Align::Right),
            ("largest error", Align::Right),
        ]
    }

    fn cells(&self) -> Vec<String> {
        vec![
            self.form.clone(),
            self.n.to_string(),
            self.gradient.to_string(),
            self.level.into(),
            self.threads.to_string(),
            format!("{:.1}", self.ns_per_neuron_sample),
            self.ceiling_share
                .map(|share| format!("{share:.2}"))
                .unwrap_or_default(),
            format!("{:.1e}", self.max_abs_error),
        ]
    }

    fn pace(&self) -> (String, f64) {
        // What is only near the answer is no match for a peer that computes it.
        let way = match (self.max_abs_error < EXACT, self.gradient) {
            (false, _) => "approximate",
            (true, false) => "forward",
            (true, true) => "gradient",
        };
        (format!("{} {way}", self.n), 1.0 / self.ns_per_neuron_sample)
    }
}

/// An error that f32 has.
const EXACT: f64 = 3e-6;

pub(super) fn run(arguments: &Arguments, out: &mut impl Write) -> Result<()> {
    if let Some(net) = &arguments.net {
        let asked = bench_net::Asked {
            level: arguments.level.unwrap_or_else(Level::best),
            threads: arguments.threads,
            profile: arguments.profile,
            svg: arguments.profile_svg.as_deref(),
            peers: arguments.peers,
            json: arguments.json,
        };
        let host = Host::here();
        let tables = bench_net::run(net, &asked, &host, out)?;
        if let Some(folder) = &arguments.record {
            let folder = record_folder(folder, &host)?;
            let name = net.file_stem().unwrap_or(net.as_os_str());
            let name = name.to_string_lossy();
            for (kind, table) in ["net", "profile"].iter().zip(&tables) {
                write(&folder.join(format!("{kind}-{name}.csv")), &table.to_csv())?;
            }
        }
        return Ok(());
    }
    let level = arguments.level.unwrap_or_else(Level::best);
    let shapes: Vec<String> = match arguments.shape.as_slice() {
        [] => arguments
            .kernel
            .shapes()
            .iter()
            .map(|&shape| shape.into())
            .collect(),
        given => given.to_vec(),
    };
    match arguments.kernel {
        Kernel::Gemm => {
            let threads = Threads::new(arguments.threads)?;
            let shapes = parse(&shapes, "1024x1024x4096")?;
            let cases = shapes
                .iter()
                .flat_map(|&s| [(s, Output::I32), (s, Output::Bits)]);
            show(
                arguments,
                out,
                cases.map(|(s, output)| measure::gemm(level, s, output, &threads)),
            )
        }
        Kernel::Conv => {
            let threads = Threads::new(arguments.threads)?;
            let shapes = parse(&shapes, "56x56x64")?;
            let paddings = [PaddingValue::MinusOne, PaddingValue::Zero];
            let cases = shapes
                .iter()
                .flat_map(|&s| paddings.map(|padding| (s, padding)));
            let run = |(s, padding)| measure::convolution(level, s, padding, &threads);
            show(arguments, out, cases.map(run))
        }
        Kernel::FirstLayer => {
            let threads = Threads::new(arguments.threads)?;
            let shapes = parse(&shapes, "224x224x3x7")?;
            let cases = shapes
                .iter()
                .flat_map(|&s| [(s, Output::I32), (s, Output::Bits)]);
            show(
                arguments,
                out,
                cases.map(|(s, output)| measure::first_layer(level, s, output, &threads)),
            )
        }
        Kernel::PoissonBinomial => {
            let threads = Threads::new(arguments.threads)?;
            if threads.count() > 1 && !arguments.shape.is_empty() {
                bail!(
                    "--threads {}: only the layer is split over threads, which --shape leaves out",
                    threads.count()
                );
            }
            let counts: Vec<usize> = parse(&shapes, "800")?
                .iter()
                .map(|&[n]: &[usize; 1]| n)
                .collect();
            let sums = counts
                .iter()
                .filter(|_| threads.count() == 1)
                .flat_map(|&n| ways(n).into_iter().map(move |way| (way, n)));
            let sums = sums.map(|(way, n)| measure::bernoulli(level, way, n));
            // The layer has one size: it belongs to the whole table.
            let layers: &[bool] = if arguments.shape.is_empty() {
                &[false, true]
            } else {
                &[]
            };
            let layers = layers
                .iter()
                .map(|&backward| measure::bernoulli_layer(level, backward, &threads));
            show(arguments, out, sums.chain(layers))
        }
    }
}

/// The forms and gradients worth waiting for with `n` factors.
fn ways(n: usize) -> Vec<Way> {
    let forms = [
        Form::Full,
        Form::Undecided,
        Form::Banded { sigmas: 6.0 },
        Form::Spectral,
        Form::Normal,
        Form::Fastest,
    ];
    let gradients = Gradient::ALL.into_iter();
    let cubic = |method: &Gradient| matches!(method, Gradient::Thomas | Gradient::Autograd);
    let gradients = gradients.filter(|method| n <= 1000 || !cubic(method));
    forms
        .into_iter()
        .map(Way::Forward)
        .chain(gradients.map(Way::WithGradient))
        .collect()
}

/// `D` numbers with `x` between them.
fn parse<const D: usize>(shapes: &[String], example: &str) -> Result<Vec<[usize; D]>> {
    let one = |shape: &String| {
        let sizes: Option<Vec<usize>> = shape.split('x').map(|size| size.parse().ok()).collect();
        let sizes: [usize; D] = sizes.and_then(|sizes| sizes.try_into().ok())?;
        // What is multiplied below has to fit in memory, and the scalar reference has to end.
        let work = sizes
            .iter()
            .try_fold(1_usize, |work, &size| work.checked_mul(size))?;
        (1..=1 << 36).contains(&work).then_some(sizes)
    };
    shapes
        .iter()
        .map(|shape| one(shape).ok_or_else(|| anyhow!("--shape {shape}: expected sizes like {example}, none of them 0, their product at most 2^36")))
        .collect()
}

/// Measures and prints case by case with `--json`, else all in one table; then records.
fn show<L: Line>(
    arguments: &Arguments,
    out: &mut impl Write,
    cases: impl Iterator<Item = Result<L, measure::MeasureError>>,
) -> Result<()> {
    let mut lines = Vec::new();
    for line in cases {
        let line = line?;
        if arguments.json {
            writeln!(out, "{}", serde_json::to_string(&line)?)?;
            out.flush()?;
        }
        lines.push(line);
    }
    let mut table = Table::new(L::columns());
    for line in &lines {
        table.row(line.cells());
    }
    if !arguments.json {
        writeln!(out, "{}", table.to_text())?;
    }
    let peers = if arguments.peers {
        let ours: Vec<_> = lines.iter().map(Line::pace).collect();
        Some(peers::run(
            arguments.kernel.name(),
            &ours,
            arguments.json,
            out,
        )?)
    } else {
        None
    };
    if let Some(folder) = &arguments.record {
        let host = Host::here();
        let folder = record_folder(folder, &host)?;
        let name = arguments.kernel.name();
        write(&folder.join(format!("{name}.csv")), &record(&host, &lines))?;
        if let Some(peers) = peers {
            write(&folder.join(format!("{name}-peers.csv")), &peers.to_csv())?;
        }
    }
    Ok(())
}

/// The folder of this CPU and day, made where it is not there.
fn record_folder(folder: &Path, host: &Host) -> Result<PathBuf> {
    let folder = folder.join(host.folder()).join(&host.date);
    fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
    Ok(folder)
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("{}", path.display()))
}

/// The lines with what they were measured on.
fn record<L: Line>(host: &Host, lines: &[L]) -> String {
    let about = ["cpu", "commit", "date"].map(|name| (name, Align::Left));
    let mut table = Table::new(L::columns().into_iter().chain(about));
    for line in lines {
        let about = [&host.cpu, &host.commit, &host.date].map(Clone::clone);
        table.row(line.cells().into_iter().chain(about));
    }
    table.to_csv()
}
