//! `bernet train`: from images to a packed net and a report.

use super::{
    images_per_second, mpi, resume,
    settings::{Arguments, command, config, for_images},
    training_report::{self, Finished},
    watcher::{Silent, Watcher},
};
use anyhow::{Context, Result, bail, ensure};
use bernet::{
    classify::{self, Classifier, Prediction},
    data::{self, Source},
    train::{Alone, Config, Distribution, MethodName, Processes, Run, Trainer},
};
use bernet_kernels::isa::Level;
use bernet_runtime::{format, graph::Graph};
use std::{fs, io::Write, path::Path, sync::Arc, time::Instant};

/// Trains as the arguments say; `given` are the names of those that stand on the command line.
pub(super) fn run(arguments: &Arguments, given: &[&str], out: &mut impl Write) -> Result<()> {
    if let Some(threads) = arguments.threads {
        bernet_kernels::threads::set_shared(threads)?;
    }
    if !arguments.mpi {
        return run_with(Arc::new(Alone), arguments, given, out);
    }
    mpi::in_all(|processes| match processes.rank() {
        0 => run_with(processes, arguments, given, out),
        _ => follow(processes, arguments),
    })
}

/// Trains with other processes, which do not begin before this one.
fn run_with(
    processes: Arc<dyn Processes>,
    arguments: &Arguments,
    given: &[&str],
    out: &mut impl Write,
) -> Result<()> {
    let source = source(arguments.data.as_deref())?;
    let trained = train(arguments, given, &source, processes)?;
    let Trained { trainer, right, .. } = &trained;
    let mut files = vec![(
        "metrics.csv",
        "a line for each epoch; TensorBoard's events beside it",
    )];
    if let Some(Binary { graph, predictions }) = &trained.binary {
        let level = arguments.level.unwrap_or_else(Level::best);
        let mut classifier = Classifier::new(graph, level)?;
        let images = classifier.images(&source.test)?;
        let finished = Finished {
            trainer,
            source: &source,
            graph,
            predictions,
            right: *right,
            bytes: trained.bytes,
            images_per_second: images_per_second(&mut classifier, &images)?,
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

/// Trains the net of the first process with it, and leaves nothing behind.
fn follow(processes: Arc<dyn Processes>, arguments: &Arguments) -> Result<()> {
    let source = source(arguments.data.as_deref())?;
    let name = Path::new("the training of process 0");
    let mut trainer = Trainer::from_checkpoint(name, &processes.broadcast(Vec::new()))?;
    resume::check_data(name, trainer.data(), &resume::describe_data(&source))?;
    trainer.set_processes(processes)?;
    let (train, validation) = trainer.config().split(&source.train)?;
    let run = Run {
        train: &train,
        validation: &validation,
        level: arguments.level.unwrap_or_else(Level::best),
        checkpoint: None,
    };
    // Where all were stopped, the first process says so.
    let _ = run.train(&mut trainer, &mut Silent::new()?)?;
    Ok(())
}

/// The data of a folder of any kind, or the embedded MNIST.
pub(super) fn source(folder: Option<&Path>) -> Result<Source> {
    Ok(match folder {
        Some(folder) => data::load_dir(folder, data::THRESHOLD)?,
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
    graph: Graph,
    predictions: Vec<Prediction>,
}

/// Trains to the end; the checkpoint, metrics and, for a binary net, the model are then in OUT. `given` are the names of the
/// settings that a resumed training has to agree with; the other processes are given this one's net.
pub(super) fn train(
    arguments: &Arguments,
    given: &[&str],
    source: &Source,
    processes: Arc<dyn Processes>,
) -> Result<Trained> {
    fs::create_dir_all(&arguments.out).with_context(|| arguments.out.display().to_string())?;
    let _lock = resume::lock(&arguments.out)?;
    let checkpoint = arguments.out.join("checkpoint");
    let data = resume::describe_data(source);
    let mut trainer = if arguments.resume {
        let trainer = Trainer::load(&checkpoint)?;
        resume::check_data(&checkpoint, trainer.data(), &data)?;
        let asked = config(arguments, source.train.len())?;
        resume::check_settings(&checkpoint, trainer.config(), &asked, given, &arguments.set)?;
        trainer
    } else {
        Trainer::new(config(arguments, source.train.len())?)?
    };
    trainer.set_data(data);
    processes.broadcast(trainer.to_checkpoint());
    let count = processes.count();
    trainer.set_processes(processes)?;
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
    if count > 1 {
        let shards = trainer.config().shards;
        eprintln!("{count} processes share the {shards} shards of each batch");
    }
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

    let mut graph = run.finish(&trainer)?;
    let mut classifier = Classifier::new(&graph, level)?;
    let predictions = classifier.classify(&classifier.images(&source.test)?)?;
    let right = classify::count_correct(&predictions, source.test.labels());
    let mut note = |key: &str, value: String| graph.metadata.insert(key.into(), value);
    note("test accuracy", format!("{right}/{}", source.test.len()));
    note("data", source.name.clone());
    note("command", command.clone());
    let path = arguments.out.join("model.bnet");
    format::write(&graph, &path)?;
    Ok(Trained {
        trainer,
        right,
        bytes: fs::metadata(&path)?.len(),
        binary: Some(Binary { graph, predictions }),
        command,
    })
}

/// Trains the real-valued net of the same layers for a few epochs, as a line to hold the binary one against.
fn real_net(
    arguments: &Arguments,
    trainer: &Trainer,
    source: &Source,
) -> Result<training_report::Real> {
    let config = trainer.config();
    let epochs = arguments.preset.real_epochs();
    let real = Config::new(
        MethodName::Real,
        config.network.clone(),
        epochs,
        config.seed,
    );
    let mut real = Trainer::new(for_images(real, source.train.len()))?;
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
    let (images, input) = (source.train.image_shape(), config.network.input);
    if images.height > input.height || images.width > input.width {
        eprintln!(
            "the net reads {}×{} pixels: images of {}×{} are cropped to their centre",
            input.height, input.width, images.height, images.width
        );
    }
}
