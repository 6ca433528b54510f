//! `bernet train`: from images to a packed net and a report.

use super::{
    images_per_second, level,
    training_report::{self, Finished},
};
use anyhow::{Context, Result, anyhow, bail, ensure};
use bernet::{
    data::{self, Source},
    infer::{self, Session},
    train::{
        Binarise, Config, Distribution, Epoch, Freezing, MethodName, Network, Normalisation,
        Observer, Run, SEED, SEED_24, Surrogate, Trainer,
    },
};
use bernet_kernels::isa::Level;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use std::{
    fs,
    io::Write,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

/// Train a net, binarise it, pack it, and write OUT/model.bnet, OUT/report.html and OUT/metrics.csv.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The trainer.
    #[arg(long, default_value = MethodName::Bernoulli.name(), value_parser = named(MethodName::BINARY, MethodName::name))]
    method: MethodName,
    /// How long: `quick` takes about two minutes on two cores, `full` about three times as long.
    #[arg(long, value_enum, default_value_t = Preset::Quick)]
    preset: Preset,
    /// Epochs, instead of the preset's.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    epochs: Option<u32>,
    /// What the Bernoulli method computes of a layer: one sample of the weights, or exact distributions with this gradient.
    #[arg(long, default_value = Distribution::Sampled.name(), value_parser = named(Distribution::ALL, Distribution::name))]
    gradient: Distribution,
    /// What `--method ste` takes for the derivative of sign.
    #[arg(long, default_value = Surrogate::default().name(), value_parser = named(Surrogate::ALL, Surrogate::name))]
    surrogate: Surrogate,
    /// What batch normalisation works on where `--gradient` is exact: the sums' moments, or the probabilities as the talk writes it.
    #[arg(long, default_value = Normalisation::default().name(), value_parser = named(Normalisation::ALL, Normalisation::name))]
    normalisation: Normalisation,
    /// How the weights of a probabilistic method become binary: all at once, layer by layer, or a part of every layer at a time
    /// [default: part].
    #[arg(long, value_parser = named(Binarise::ALL, Binarise::name))]
    binarise: Option<Binarise>,
    /// A setting of the resolved configuration, in TOML's words: `width.to = 0.5`. May be given several times.
    #[arg(long, value_name = "SETTING")]
    set: Vec<String>,
    /// The net: `seed` (28×28 pixels), `seed-24` (the centre) or a TOML file.
    #[arg(long, value_name = "NET", default_value = "seed")]
    net: String,
    /// A folder with the four IDX files of MNIST or a dataset like it, plain or .gz [default: the embedded MNIST].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The seed of everything random.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: u64,
    /// Where the results go.
    #[arg(long, value_name = "DIR", default_value = "out")]
    out: PathBuf,
    /// Continue from OUT/checkpoint; everything else but the data is then as it was.
    #[arg(long)]
    resume: bool,
    /// Threads [default: all cores]. The result does not depend on them.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// The instruction set of the binary kernels [default: the best].
    #[arg(long, value_parser = level)]
    level: Option<Level>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Preset {
    Quick,
    Full,
}

/// Values by their names.
fn named<T: Copy + Send + Sync + 'static, const COUNT: usize>(
    all: [T; COUNT],
    name: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(all.map(name)).map(move |text| {
        let named = all.into_iter().find(|value| name(*value) == text);
        named.expect("the parser lets only their names pass")
    })
}

impl Preset {
    fn epochs(self) -> u32 {
        match self {
            Self::Quick => 30,
            Self::Full => 90,
        }
    }

    /// Epochs of the real-valued net of the same layers, for the comparison at the end.
    fn real_epochs(self) -> u32 {
        match self {
            Self::Quick => 3,
            Self::Full => 15,
        }
    }
}

pub(super) fn run(arguments: &Arguments, out: &mut impl Write) -> Result<()> {
    if let Some(threads) = arguments.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads.into())
            .build_global()
            .context("threads")?;
    }
    fs::create_dir_all(&arguments.out).with_context(|| arguments.out.display().to_string())?;
    let source = match &arguments.data {
        Some(folder) => data::load_idx_dir(folder, data::THRESHOLD)?,
        None => data::load_embedded(),
    };
    let checkpoint = arguments.out.join("checkpoint");
    let mut trainer = trainer(arguments, &checkpoint, source.train.len())?;
    let (train, validation) = source.train.split(trainer.config().validation)?;
    let level = arguments.level.unwrap_or_else(Level::best);
    let run = Run {
        train: &train,
        validation: &validation,
        level,
        checkpoint: Some(checkpoint),
    };

    introduce(&trainer, &source, level);
    let mut watcher = Watcher::new(trainer.config().epochs, trainer.history().len())?;
    let ended = run.train(&mut trainer, &mut watcher);
    watcher.bar.finish_and_clear();
    if ended?.is_break() {
        bail!(
            "stopped after {} of {} epochs; `--resume --out {}` continues from there",
            trainer.history().len(),
            trainer.config().epochs,
            arguments.out.display()
        );
    }

    let mut model = run.finish(&trainer)?;
    let mut session = Session::new(&model, level)?;
    let predictions = session.classify(source.test.images())?;
    let right = infer::right(&predictions, source.test.labels());
    model.metadata.insert(
        "test accuracy".into(),
        format!("{right}/{}", source.test.len()),
    );
    model.metadata.insert("data".into(), source.name.clone());
    model
        .metadata
        .insert("command".into(), command(&trainer, arguments));
    let path = arguments.out.join("model.bnet");
    model.write(&path)?;

    let real = real_net(&run, &trainer, arguments.preset, &source)?;
    let finished = Finished {
        trainer: &trainer,
        source: &source,
        predictions: &predictions,
        right,
        bytes: fs::metadata(&path)?.len(),
        images_per_second: images_per_second(&mut session, &source.test)?,
        level,
        real,
    };
    let table = training_report::write(&finished, &arguments.out)?;
    writeln!(out, "{table}")?;
    for (name, what) in [
        (
            "model.bnet",
            "the packed net: try `bernet eval` and `bernet predict` on it",
        ),
        (
            "report.html",
            "curves, confusion matrix, misread digits: open it in a browser",
        ),
        ("metrics.csv", "a line for each epoch"),
    ] {
        writeln!(
            out,
            "{:<28} {what}",
            arguments.out.join(name).display().to_string()
        )?;
    }
    Ok(())
}

fn trainer(arguments: &Arguments, checkpoint: &Path, images: usize) -> Result<Trainer> {
    if arguments.resume {
        return Ok(Trainer::load(checkpoint)?);
    }
    let text = match arguments.net.as_str() {
        "seed" => SEED.to_owned(),
        "seed-24" => SEED_24.to_owned(),
        path => fs::read_to_string(path).with_context(|| format!("net {path}"))?,
    };
    let network = Network::from_toml(&text).with_context(|| format!("net {}", arguments.net))?;
    let method = arguments.method;
    let exact = arguments.gradient != Distribution::Sampled;
    ensure!(
        !exact || method == MethodName::Bernoulli,
        "--gradient belongs to --method bernoulli"
    );
    ensure!(
        arguments.surrogate == Surrogate::default() || method == MethodName::Ste,
        "--surrogate belongs to --method ste"
    );
    ensure!(
        arguments.normalisation == Normalisation::default() || exact,
        "--normalisation belongs to an exact --gradient: a sampled activation has no probability"
    );
    ensure!(
        arguments.binarise.is_none() || method.is_probabilistic(),
        "--binarise belongs to methods with random weights; those of {} are binary from the start",
        method.name()
    );
    let epochs = arguments.epochs.unwrap_or(arguments.preset.epochs());
    let mut config = Config::new(method, network, epochs, arguments.seed);
    // 5000 of MNIST's 60 000.
    config.validation = images / 12;
    config.distribution = arguments.gradient;
    config.surrogate = arguments.surrogate;
    config = config.normalising(arguments.normalisation);
    if let Some(binarise) = arguments.binarise {
        config.freezing = Some(Freezing::new(binarise));
    }
    if !arguments.set.is_empty() {
        let settings = arguments.set.join("\n");
        config = config.with(&settings).map_err(|error| {
            anyhow!("--set '{}': {}", arguments.set.join("; "), error.message())
        })?;
    }
    Ok(Trainer::new(config)?)
}

/// The command that makes the same net again.
fn command(trainer: &Trainer, arguments: &Arguments) -> String {
    let config = trainer.config();
    let mut command = format!(
        "bernet train --method {} --epochs {} --seed {}",
        config.method.name(),
        config.epochs,
        config.seed
    );
    if config.distribution != Distribution::Sampled {
        command += &format!(" --gradient {}", config.distribution.name());
    }
    if config.surrogate != Surrogate::default() {
        command += &format!(" --surrogate {}", config.surrogate.name());
    }
    if config.normalisation != Normalisation::default() {
        command += &format!(" --normalisation {}", config.normalisation.name());
    }
    if let Some(freezing) = config.freezing
        && freezing.binarise() != Binarise::Part
    {
        command += &format!(" --binarise {}", freezing.binarise().name());
    }
    let mut preset = Config {
        validation: config.validation,
        distribution: config.distribution,
        surrogate: config.surrogate,
        ..Config::new(
            config.method,
            config.network.clone(),
            config.epochs,
            config.seed,
        )
    }
    .normalising(config.normalisation);
    preset.freezing = config
        .freezing
        .map(|freezing| Freezing::new(freezing.binarise()));
    for setting in config.beyond(&preset) {
        command += &format!(" --set '{setting}'");
    }
    // Not from the arguments: a resumed run has the net that it began with.
    let is = |text| Network::from_toml(text).is_ok_and(|network| network == config.network);
    if is(SEED_24) {
        command += " --net seed-24";
    } else if !is(SEED) {
        command += " --net NET.toml";
    }
    if let Some(data) = &arguments.data {
        command += &format!(" --data {}", data.display());
    }
    command
}

/// Trains the real-valued net of the same layers for a few epochs, as a line to hold the binary one against.
fn real_net(
    run: &Run<'_>,
    trainer: &Trainer,
    preset: Preset,
    source: &Source,
) -> Result<training_report::Real> {
    let config = trainer.config();
    let epochs = preset.real_epochs();
    let mut real = Trainer::new(Config::new(
        MethodName::Real,
        config.network.clone(),
        epochs,
        config.seed,
    ))?;
    let run = Run {
        checkpoint: None,
        ..*run
    };
    let mut watcher = Watcher::new(epochs, 0)?;
    watcher.bar.set_prefix("real-valued net");
    let ended = run.train(&mut real, &mut watcher);
    watcher.bar.finish_and_clear();
    ensure!(
        ended?.is_continue(),
        "stopped; the binary net has been written"
    );
    let start = Instant::now();
    let accuracy = real.evaluate_real(run.train, &source.test)?;
    Ok(training_report::Real {
        epochs,
        accuracy,
        weights: config.network.weights()?,
        images_per_second: source.test.len() as f64 / start.elapsed().as_secs_f64(),
    })
}

fn introduce(trainer: &Trainer, source: &Source, level: Level) {
    let config = trainer.config();
    let method = match config.method {
        MethodName::Bernoulli => format!("bernoulli ({})", config.distribution.name()),
        MethodName::Ste => format!("ste ({})", config.surrogate.name()),
        other => other.name().into(),
    };
    eprintln!(
        "{}: {} images to train on, {} to choose by, {} to test; method {method}, {} epochs, seed {}, level {level}",
        source.name,
        source.train.len() - config.validation,
        config.validation,
        source.test.len(),
        config.epochs,
        config.seed,
    );
}

/// Shows the progress, and stops at Ctrl-C.
struct Watcher {
    bar: ProgressBar,
    start: Instant,
    epochs: u32,
    interrupted: Arc<AtomicBool>,
}

/// Positions of the progress bar in an epoch.
const TICKS: f64 = 100.0;

impl Watcher {
    fn new(epochs: u32, done: usize) -> Result<Self> {
        let bar = ProgressBar::new(u64::from(epochs) * TICKS as u64)
            .with_position((done as f64 * TICKS) as u64);
        bar.set_style(ProgressStyle::with_template(
            "{prefix}{bar:30} {percent:>3} %  {msg}  {eta} left",
        )?);
        Ok(Self {
            bar,
            start: Instant::now(),
            epochs,
            interrupted: interrupted()?,
        })
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
        if self.interrupted.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn epoch(&mut self, epoch: &Epoch) {
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
