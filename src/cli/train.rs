//! `bernet train`: from images to a packed net and a report.

use super::{
    images_per_second, level,
    training_report::{self, Finished},
    watcher::Watcher,
};
use anyhow::{Context, Result, anyhow, bail, ensure};
use bernet::{
    data::{self, Source},
    infer::{self, Prediction, Session},
    model::Model,
    train::{
        Activations, Binarise, Config, Distribution, Freezing, MethodName, NETS, Network,
        Normalisation, Run, Surrogate, Trainer, Warp, images_for,
    },
};
use bernet_kernels::isa::Level;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    time::Instant,
};

/// Train a net, binarise it, pack it, and write OUT/model.bnet, OUT/report.html and OUT/metrics.csv.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The trainer.
    #[arg(long, default_value = MethodName::Bernoulli.name(), value_parser = named(MethodName::ALL, MethodName::name))]
    method: MethodName,
    /// How long: `quick` takes about two minutes on two cores, `full` about three times as long.
    #[arg(long, value_enum, default_value_t = Preset::Quick)]
    preset: Preset,
    /// Epochs, instead of the preset's.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) epochs: Option<u32>,
    /// What the Bernoulli method computes of a layer: one sample of the weights, or exact distributions with this gradient.
    #[arg(long, default_value = Distribution::Sampled.name(), value_parser = named(Distribution::ALL, Distribution::name))]
    gradient: Distribution,
    /// What the layers of an exact `--gradient` hand on: the more probable bit, a bit drawn with its probability, or its mean, a real
    /// number (mean field) [default: mode].
    #[arg(long, value_parser = named(Activations::ALL, Activations::name))]
    activations: Option<Activations>,
    /// What `--method ste` takes for the derivative of sign.
    #[arg(long, default_value = Surrogate::default().name(), value_parser = named(Surrogate::ALL, Surrogate::name))]
    surrogate: Surrogate,
    /// The probability that a training image is warped: turned, scaled, sheared and shifted a little, from its grey values where the
    /// data have them (the embedded MNIST has none).
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = probability)]
    warp: f32,
    /// What batch normalisation works on where `--gradient` is exact: the sums' moments, or the probabilities as the talk writes it.
    #[arg(long, default_value = Normalisation::default().name(), value_parser = named(Normalisation::ALL, Normalisation::name))]
    normalisation: Normalisation,
    /// How the weights of a probabilistic method become binary: all at once, layer by layer, or a part of every layer at a time
    /// [default: part].
    #[arg(long, value_parser = named(Binarise::ALL, Binarise::name))]
    binarise: Option<Binarise>,
    /// Search for a good first layer by short trainings, then hold it and train the others on it. Takes about 270 epochs more.
    #[arg(long)]
    pub(super) search: bool,
    /// A setting of the resolved configuration, in TOML's words: `width.to = 0.5`. May be given several times.
    #[arg(long, value_name = "SETTING")]
    pub(super) set: Vec<String>,
    /// The net: `seed` (28×28 pixels), `seed-24` (the centre), `lenet-binary`, `lenet-wide`, `dense-3x1024` or a TOML file.
    #[arg(long, value_name = "NET", default_value = "seed")]
    net: String,
    /// A whole configuration, as a model's metadata hold it, in place of method, net, epochs, seed and what belongs to them.
    #[arg(long, value_name = "TOML")]
    config: Option<PathBuf>,
    /// A folder with the four IDX files of MNIST or a dataset like it, plain or .gz [default: the embedded MNIST].
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
    /// The seed of everything random.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub(super) seed: u64,
    /// Where the results go.
    #[arg(long, value_name = "DIR", default_value = "out")]
    pub(super) out: PathBuf,
    /// Continue from OUT/checkpoint; everything else but the data is then as it was.
    #[arg(long)]
    pub(super) resume: bool,
    /// Threads [default: all cores]. The result does not depend on them.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// The instruction set of the binary kernels [default: the best].
    #[arg(long, value_parser = level)]
    level: Option<Level>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Preset {
    Quick,
    Full,
}

impl Arguments {
    /// The net by its name or file.
    pub(super) fn net_name(&self) -> &str {
        &self.net
    }
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

/// A probability as an argument.
fn probability(text: &str) -> Result<f32, String> {
    let number: f32 = text.parse().map_err(|_| "expected a number".to_owned())?;
    if (0.0..=1.0).contains(&number) {
        Ok(number)
    } else {
        Err("expected a number from 0 to 1".into())
    }
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
        bernet_kernels::threads::set_shared(threads)?;
    }
    let source = source(arguments.data.as_deref())?;
    let trained = train(arguments, &source)?;
    let Trained { trainer, right, .. } = &trained;
    let mut files = vec![(
        "metrics.csv",
        "a line for each epoch; TensorBoard's events beside it",
    )];
    if let Some(Binary { model, predictions }) = &trained.binary {
        let level = arguments.level.unwrap_or_else(Level::best);
        let finished = Finished {
            trainer,
            source: &source,
            predictions,
            right: *right,
            bytes: trained.bytes,
            images_per_second: images_per_second(
                &mut Session::new(model, level)?,
                &*images_for(model, &source.test)?,
            )?,
            level,
            real: real_net(arguments, trainer, &source)?,
        };
        writeln!(
            out,
            "{}",
            training_report::write(&finished, &arguments.out)?
        )?;
        files.insert(
            0,
            (
                "model.bnet",
                "the packed net: try `bernet eval` and `bernet predict` on it",
            ),
        );
        files.insert(
            1,
            (
                "report.html",
                "curves, confusion matrix, misread digits: open it in a browser",
            ),
        );
    } else {
        let share = 100.0 * *right as f64 / source.test.len() as f64;
        writeln!(
            out,
            "{share:.2} % of the test images read right, by real numbers"
        )?;
    }
    for (name, what) in files {
        writeln!(
            out,
            "{:<28} {what}",
            arguments.out.join(name).display().to_string()
        )?;
    }
    Ok(())
}

/// The data of a folder, or the embedded MNIST.
pub(super) fn source(folder: Option<&Path>) -> Result<Source> {
    Ok(match folder {
        Some(folder) => data::load_idx_dir(folder, data::THRESHOLD)?,
        None => data::load_embedded(),
    })
}

/// A net that has been trained to the end.
pub(super) struct Trained {
    pub(super) trainer: Trainer,
    /// Test images that it answers right.
    pub(super) right: usize,
    /// Of the packed net's file, or of the real weights.
    pub(super) bytes: u64,
    /// The binary net, unless the method is for real ones.
    pub(super) binary: Option<Binary>,
    /// What trains it again.
    pub(super) command: String,
}

/// The packed net, and what it says of the test images.
pub(super) struct Binary {
    model: Model,
    predictions: Vec<Prediction>,
}

/// Trains to the end; the checkpoint, metrics and, for a binary net, the model are then in OUT.
pub(super) fn train(arguments: &Arguments, source: &Source) -> Result<Trained> {
    fs::create_dir_all(&arguments.out).with_context(|| arguments.out.display().to_string())?;
    let checkpoint = arguments.out.join("checkpoint");
    let mut trainer = if arguments.resume {
        Trainer::load(&checkpoint)?
    } else {
        Trainer::new(config(arguments, source.train.len())?)?
    };
    let (train, validation) = trainer.config().split(&source.train)?;
    let level = arguments.level.unwrap_or_else(Level::best);
    let run = Run {
        train: &train,
        validation: &validation,
        level,
        checkpoint: Some(checkpoint),
    };

    if !arguments.resume {
        run.forget_search();
    }
    introduce(&trainer, source, level);
    let mut watcher = Watcher::new(&trainer, Some(&arguments.out))?;
    let ended = run.train(&mut trainer, &mut watcher);
    watcher.finish()?;
    if ended?.is_break() {
        bail!(
            "stopped after {} of {} epochs; `--resume --out {}` continues from there",
            trainer.history().len(),
            trainer.config().epochs,
            arguments.out.display()
        );
    }
    let command = command(trainer.config(), arguments, source.train.len());
    if trainer.config().method == MethodName::Real {
        let share = trainer.evaluate_real(&train, &source.test)?;
        return Ok(Trained {
            right: (share * source.test.len() as f64).round() as usize,
            bytes: 4 * trainer.config().network.weights()? as u64,
            binary: None,
            command,
            trainer,
        });
    }

    let mut model = run.finish(&trainer)?;
    let images = images_for(&model, &source.test)?;
    let predictions = Session::new(&model, level)?.classify(&images)?;
    let right = infer::right(&predictions, source.test.labels());
    model.metadata.insert(
        "test accuracy".into(),
        format!("{right}/{}", source.test.len()),
    );
    model.metadata.insert("data".into(), source.name.clone());
    model.metadata.insert("command".into(), command.clone());
    let path = arguments.out.join("model.bnet");
    model.write(&path)?;
    Ok(Trained {
        trainer,
        right,
        bytes: fs::metadata(&path)?.len(),
        binary: Some(Binary { model, predictions }),
        command,
    })
}

/// What the arguments say, resolved for so many training images.
pub(super) fn config(arguments: &Arguments, images: usize) -> Result<Config> {
    if let Some(path) = &arguments.config {
        let name = || format!("configuration {}", path.display());
        let text = fs::read_to_string(path).with_context(name)?;
        return Config::from_toml(&text).with_context(name);
    }
    let known = NETS.iter().find(|(name, _)| *name == arguments.net);
    let text = match known {
        Some((_, text)) => (*text).to_owned(),
        None => {
            fs::read_to_string(&arguments.net).with_context(|| format!("net {}", arguments.net))?
        }
    };
    let network = Network::from_toml(&text).with_context(|| format!("net {}", arguments.net))?;
    let method = arguments.method;
    let exact = arguments.gradient != Distribution::Sampled;
    ensure!(
        !exact || method == MethodName::Bernoulli,
        "--gradient belongs to --method bernoulli"
    );
    ensure!(
        exact || arguments.activations.is_none(),
        "--activations belongs to an exact --gradient: a sampled net's are bits anyway"
    );
    let literal = arguments.normalisation == Normalisation::Literal;
    let activations = match arguments.activations {
        Some(activations) => activations,
        // Bits are no probabilities that could be normalised.
        None if literal || !exact => Activations::Mean,
        None => Activations::Mode,
    };
    ensure!(
        !literal || activations == Activations::Mean,
        "--normalisation literal normalises probabilities: it goes with --activations mean"
    );
    ensure!(
        arguments.surrogate == Surrogate::default() || arguments.method == MethodName::Ste,
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
    let mut config = Config::new(arguments.method, network, epochs, arguments.seed);
    // 5000 of MNIST's 60 000.
    config.validation = images / 12;
    config = config.exact(arguments.gradient, activations);
    config.surrogate = arguments.surrogate;
    config.warp = warp(arguments.warp);
    config = config.normalising(arguments.normalisation);
    if let Some(binarise) = arguments.binarise {
        config.freezing = Some(Freezing::new(binarise));
    }
    if arguments.search {
        config = config.searching();
    }
    if !arguments.set.is_empty() {
        let settings = arguments.set.join("\n");
        config = config.with(&settings).map_err(|error| {
            anyhow!("--set '{}': {}", arguments.set.join("; "), error.message())
        })?;
    }
    Ok(config)
}

/// The usual warp with this probability.
fn warp(probability: f32) -> Option<Warp> {
    (probability > 0.0).then_some(Warp {
        probability,
        ..Warp::DIGITS
    })
}

/// The command that makes the same net again.
fn command(config: &Config, arguments: &Arguments, images: usize) -> String {
    let data = match &arguments.data {
        Some(data) => format!(" --data {}", data.display()),
        None => String::new(),
    };
    if let Some(file) = &arguments.config {
        return format!("bernet train --config {}{data}", file.display());
    }
    let mut command = format!("bernet train --method {}", config.method.name());
    command += &format!(" --epochs {} --seed {}", config.epochs, config.seed);
    if config.distribution != Distribution::Sampled {
        command += &format!(" --gradient {}", config.distribution.name());
        command += &format!(" --activations {}", config.activations.name());
    }
    if config.surrogate != Surrogate::default() {
        command += &format!(" --surrogate {}", config.surrogate.name());
    }
    if let Some(warp) = config.warp {
        command += &format!(" --warp {}", warp.probability);
    }
    if config.search.is_some() {
        command += " --search";
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
        validation: images / 12,
        surrogate: config.surrogate,
        warp: config.warp.and_then(|given| warp(given.probability)),
        ..Config::new(
            config.method,
            config.network.clone(),
            config.epochs,
            config.seed,
        )
    }
    .exact(config.distribution, config.activations)
    .normalising(config.normalisation);
    if config.search.is_some() {
        preset = preset.searching();
    }
    preset.freezing = config
        .freezing
        .map(|freezing| Freezing::new(freezing.binarise()));
    for setting in config.beyond(&preset) {
        command += &format!(" --set '{setting}'");
    }
    // Not from the arguments: a resumed run has the net that it began with.
    let is = |text| Network::from_toml(text).is_ok_and(|network| network == config.network);
    match NETS.iter().find(|(_, text)| is(text)) {
        Some(("seed", _)) => {}
        Some((name, _)) => command += &format!(" --net {name}"),
        None => command += " --net NET.toml",
    }
    command + &data
}

/// Trains the real-valued net of the same layers for a few epochs, as a line to hold the binary one against.
fn real_net(
    arguments: &Arguments,
    trainer: &Trainer,
    source: &Source,
) -> Result<training_report::Real> {
    let config = trainer.config();
    let epochs = arguments.preset.real_epochs();
    let mut real = Trainer::new(Config::new(
        MethodName::Real,
        config.network.clone(),
        epochs,
        config.seed,
    ))?;
    let (train, validation) = config.split(&source.train)?;
    let run = Run {
        train: &train,
        validation: &validation,
        level: arguments.level.unwrap_or_else(Level::best),
        checkpoint: None,
    };
    let mut watcher = Watcher::new(&real, None)?;
    watcher.bar.set_prefix("real-valued net");
    let ended = run.train(&mut real, &mut watcher);
    watcher.finish()?;
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
        MethodName::Bernoulli if config.distribution == Distribution::Sampled => {
            "bernoulli (sampled)".into()
        }
        MethodName::Bernoulli => format!(
            "bernoulli ({}, activations: {})",
            config.distribution.name(),
            config.activations.name()
        ),
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
    if config.network.input.grey && source.train.grey().is_none() {
        eprintln!(
            "the net reads grey values, of which these images have black and white alone: --data takes a folder with MNIST's IDX files"
        );
    }
}
