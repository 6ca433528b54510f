//! The arguments of `bernet train`, the configuration that they ask for, and the command that asks for it again.

use super::{level, mpi};
use anyhow::{Context, Result, anyhow, ensure};
use bernet::train::{
    Activations, Binarise, Config, Distribution, Freezing, MethodName, NETS, Network, NetworkError,
    Normalisation, Surrogate, Warp, net_by_name,
};
use bernet_kernels::isa::Level;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use std::{fs, io, path::PathBuf};

/// Train a net, binarise it, pack it, and write OUT/model.bnet, OUT/report.html and OUT/metrics.csv.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The trainer.
    #[arg(long, default_value = MethodName::Bernoulli.name(), value_parser = named(MethodName::ALL, MethodName::name))]
    pub(super) method: MethodName,
    /// How long: `quick` takes about two minutes on two cores, `full` about three times as long.
    #[arg(long, value_enum, default_value_t = Preset::Quick)]
    pub(super) preset: Preset,
    /// Epochs, instead of the preset's.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) epochs: Option<u32>,
    /// What the Bernoulli method computes of a layer: one sample of the weights, or exact distributions with this gradient.
    #[arg(long, default_value = Distribution::Sampled.name(), value_parser = named(Distribution::ALL, Distribution::name))]
    pub(super) gradient: Distribution,
    /// What the layers of an exact `--gradient` hand on: the more probable bit, a bit drawn with its probability, or its mean, a real
    /// number (mean field) [default: mode].
    #[arg(long, value_parser = named(Activations::ALL, Activations::name))]
    activations: Option<Activations>,
    /// What `--method ste` takes for the derivative of sign.
    #[arg(long, default_value = Surrogate::default().name(), value_parser = named(Surrogate::ALL, Surrogate::name))]
    pub(super) surrogate: Surrogate,
    /// The probability that a training image is warped: turned, scaled, sheared and shifted a little, from its grey values where the
    /// data have them (the embedded MNIST has none).
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = probability)]
    pub(super) warp: f32,
    /// What batch normalisation works on where `--gradient` is exact: the sums' moments, or the probabilities as the talk writes it.
    #[arg(long, default_value = Normalisation::default().name(), value_parser = named(Normalisation::ALL, Normalisation::name))]
    pub(super) normalisation: Normalisation,
    /// How the weights of a probabilistic method become binary: all at once, layer by layer, or a part of every layer at a time
    /// [default: part].
    #[arg(long, value_parser = named(Binarise::ALL, Binarise::name))]
    pub(super) binarise: Option<Binarise>,
    /// Search for a good first layer by short trainings, then hold it and train the others on it. Takes about 270 epochs more.
    #[arg(long)]
    pub(super) search: bool,
    /// A setting of the resolved configuration, in TOML's words: `width.to = 0.5`. May be given several times.
    #[arg(long, value_name = "SETTING")]
    pub(super) set: Vec<String>,
    /// The net: `talk` (28×28 pixels), `talk-24` (the centre), another one of nets/README.md by its name, or a TOML file.
    #[arg(long, value_name = "NET", default_value = "talk")]
    pub(super) net: String,
    /// A whole configuration, as a model's metadata hold it, in place of method, net, epochs, seed and what belongs to them.
    #[arg(long, value_name = "TOML")]
    pub(super) config: Option<PathBuf>,
    /// A folder with the four IDX files of MNIST or a dataset like it, plain or .gz, with the binary files of CIFAR-10, or with PNG
    /// files in train/CLASS/ and test/CLASS/ [default: the embedded MNIST].
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
    /// The seed of everything random.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub(super) seed: u64,
    /// Where the results go.
    #[arg(long, value_name = "DIR", default_value = "out")]
    pub(super) out: PathBuf,
    /// Continue from OUT/checkpoint, with the same `--data`. Other settings are those of the checkpoint; one that is given and
    /// differs is an error.
    #[arg(long)]
    pub(super) resume: bool,
    /// Train with the other processes that `mpirun` has started, each of which computes some of a batch's shards (4, or
    /// `--set shards=N`). The result does not depend on how many processes there are.
    #[arg(long)]
    pub(super) mpi: bool,
    /// Threads [default: all cores]. The result does not depend on them.
    #[arg(long, value_name = "N")]
    pub(super) threads: Option<usize>,
    /// The instruction set of the binary kernels [default: the best].
    #[arg(long, value_parser = level)]
    pub(super) level: Option<Level>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Preset {
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
    pub(super) fn epochs(self) -> u32 {
        match self {
            Self::Quick => 30,
            Self::Full => 90,
        }
    }

    /// Epochs of the real-valued net of the same layers, for the comparison at the end.
    pub(super) fn real_epochs(self) -> u32 {
        match self {
            Self::Quick => 3,
            Self::Full => 15,
        }
    }
}

/// What the arguments say, resolved for so many training images.
pub(super) fn config(arguments: &Arguments, images: usize) -> Result<Config> {
    if let Some(path) = &arguments.config {
        let name = || format!("configuration {}", path.display());
        let text = fs::read_to_string(path).with_context(name)?;
        return Config::from_toml(&text)
            .map_err(|error| anyhow!(toml_error(&text, &error)))
            .with_context(name);
    }
    let network = network(&arguments.net)?;
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
    config = for_images(config, images);
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
    if arguments.mpi {
        config.shards = mpi::SHARDS;
    }
    if !arguments.set.is_empty() {
        let settings = arguments.set.join("\n");
        config = config.with(&settings).map_err(|error| {
            anyhow!("--set '{}': {}", arguments.set.join("; "), error.message())
        })?;
    }
    Ok(config)
}

/// The settings that depend on the number of images: a twelfth of them is held out, 5000 of MNIST's 60 000. Where that leaves fewer
/// than 40 batches, batches are smaller, and the rate rises to its peak within a tenth of the steps.
pub(super) fn for_images(config: Config, images: usize) -> Config {
    let validation = images / 12;
    let config = Config {
        validation,
        ..config
    };
    let most = (images - validation) / 40;
    if most >= config.batch {
        return config;
    }
    let batch = (most.max(1).ilog2()).clamp(4, 8);
    let batch = 1 << batch;
    let steps = (images / batch) as u64 * u64::from(config.epochs);
    Config {
        batch,
        warm_up: config.warm_up.min(steps / 10),
        ..config
    }
}

/// A net by its name, or of a TOML file.
fn network(name: &str) -> Result<Network> {
    let context = || format!("net {name}");
    let text = match net_by_name(name) {
        Some(text) => text.to_owned(),
        None => fs::read_to_string(name).map_err(|error| {
            let names = NETS.map(|(name, _)| name).join(", ");
            match error.kind() {
                io::ErrorKind::NotFound => anyhow!(
                    "--net {name}: expected one of {names}, or a TOML file, and there is no such file"
                ),
                _ => anyhow!("net {name}: {error}"),
            }
        })?,
    };
    Network::from_toml(&text)
        .map_err(|error| match error {
            NetworkError::Toml(error) => anyhow!(toml_error(&text, &error)),
            error => error.into(),
        })
        .with_context(context)
}

/// What is wrong with a TOML text, in one line.
fn toml_error(text: &str, error: &toml::de::Error) -> String {
    let message = error.message().replace('\n', "; ");
    match error.span() {
        Some(span) => {
            let before = text.get(..span.start).unwrap_or(text);
            let line = before.matches('\n').count() + 1;
            let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
            format!("line {line}, column {column}: {message}")
        }
        None => message,
    }
}

/// The usual warp with this probability.
fn warp(probability: f32) -> Option<Warp> {
    (probability > 0.0).then_some(Warp {
        probability,
        ..Warp::DIGITS
    })
}

/// The command that makes the same net again.
pub(super) fn command(config: &Config, arguments: &Arguments, images: usize) -> String {
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
    let preset = Config::new(
        config.method,
        config.network.clone(),
        config.epochs,
        config.seed,
    );
    let mut preset = Config {
        surrogate: config.surrogate,
        warp: config.warp.and_then(|given| warp(given.probability)),
        ..for_images(preset, images)
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
        Some(("talk", _)) => {}
        Some((name, _)) => command += &format!(" --net {name}"),
        None => command += " --net NET.toml",
    }
    command + &data
}
