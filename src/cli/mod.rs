//! Parse, call, print, exit code. Whatever goes wrong is one line on stderr and a code other than 0.

mod bench;
mod bench_net;
mod convert;
mod device_info;
mod doctor;
mod eval;
mod experiment;
mod experiment_report;
mod export;
mod import;
mod info;
mod mpi;
mod net;
mod net_peers;
mod net_profile;
mod net_speed;
mod peers;
mod predict;
mod recover;
mod resume;
mod run;
mod settings;
mod shell;
mod train;
mod training_report;
mod watcher;

use bernet::classify::{Classifier, ClassifyError, Images};
use bernet_kernels::isa::{Level, LevelError};
use clap::{
    ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand, error::ErrorKind,
    parser::ValueSource,
};
use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
    time::{Duration, Instant},
};

/// Binary neural nets, trained through exact Bernoulli distributions and run on XNOR-popcount kernels.
#[derive(Parser)]
#[command(name = "bernet", version, arg_required_else_help = false)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Bench(bench::Arguments),
    Completions(shell::Completions),
    Convert(convert::Arguments),
    Doctor(doctor::Arguments),
    Eval(eval::Arguments),
    Experiment(experiment::Arguments),
    Export(export::Arguments),
    Import(import::Arguments),
    Info(info::Arguments),
    Man(shell::Man),
    Predict(predict::Arguments),
    Recover(recover::Arguments),
    Run(run::Arguments),
    Train(settings::Arguments),
}

/// Does what the program's arguments say.
pub(crate) fn run() -> ExitCode {
    let matches = Arguments::command().try_get_matches();
    let parsed = matches.and_then(|matches| {
        let arguments = Arguments::from_arg_matches(&matches)?;
        Ok((arguments, matches))
    });
    let (arguments, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return usage(&error),
    };
    let out = &mut io::stdout().lock();
    let done = match arguments.command {
        Command::Bench(arguments) => bench::run(&arguments, out),
        Command::Completions(arguments) => shell::completions(&arguments, out),
        Command::Convert(arguments) => convert::run(&arguments, out),
        Command::Doctor(arguments) => doctor::run(&arguments, out),
        Command::Eval(arguments) => eval::run(&arguments, out),
        Command::Experiment(arguments) => experiment::run(&arguments, out),
        Command::Export(arguments) => export::run(&arguments, out),
        Command::Import(arguments) => import::run(&arguments, out),
        Command::Info(arguments) => info::run(&arguments, out),
        Command::Man(arguments) => shell::man(&arguments, out),
        Command::Predict(arguments) => predict::run(&arguments, out),
        Command::Recover(arguments) => recover::run(&arguments, out),
        Command::Run(arguments) => run::run(&arguments, out),
        Command::Train(arguments) => train::run(&arguments, &given(&matches), out),
    };
    match done.and_then(|()| Ok(out.flush()?)) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has seen enough: `bernet info MODEL | head -1`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&describe(&error));
            ExitCode::FAILURE
        }
    }
}

/// The names of the subcommand's options that stand on the command line.
fn given(matches: &ArgMatches) -> Vec<&str> {
    let Some((_, matches)) = matches.subcommand() else {
        return Vec::new();
    };
    let is_given = |id: &&str| matches.value_source(id) == Some(ValueSource::CommandLine);
    matches
        .ids()
        .map(clap::Id::as_str)
        .filter(is_given)
        .collect()
}

/// Help and version go to stdout; anything else that the parser says is shortened to its first paragraph and its tips.
fn usage(error: &clap::Error) -> ExitCode {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        // Nothing can be done where the help cannot be printed.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let text = error.render().to_string();
    let lines = || text.lines().map(str::trim);
    let paragraph: Vec<&str> = lines().take_while(|line| !line.is_empty()).collect();
    let tips: Vec<&str> = lines()
        .filter_map(|line| line.strip_prefix("tip: "))
        .collect();
    let tips = match tips.as_slice() {
        [] => String::new(),
        tips => format!("; {}", tips.join("; ")),
    };
    complain(&format!(
        "{}{tips} (see {} --help)",
        paragraph.join(" ").trim_start_matches("error: "),
        asked()
    ));
    ExitCode::from(2)
}

/// The program and the subcommands that were asked for.
fn asked() -> String {
    let mut words = "bernet".to_owned();
    let mut command = Arguments::command();
    for argument in std::env::args_os().skip(1) {
        let Some(inner) = command.find_subcommand(&argument).cloned() else {
            break;
        };
        words += &format!(" {}", inner.get_name());
        command = inner;
    }
    words
}

/// A level's name as an argument.
fn level(name: &str) -> Result<Level, LevelError> {
    Level::by_name(name)
}

/// The speed of a classifier that has seen the images before, over passes that take a third of a second together.
fn images_per_second(classifier: &mut Classifier, images: &Images) -> Result<f64, ClassifyError> {
    let start = Instant::now();
    let mut passes = 0;
    while passes == 0 || start.elapsed() < Duration::from_millis(300) {
        classifier.logits(images)?;
        passes += 1;
    }
    Ok((passes * images.len()) as f64 / start.elapsed().as_secs_f64())
}

/// An error and what caused it, without repeating causes that an error's text has already.
fn describe(error: &anyhow::Error) -> String {
    error
        .chain()
        .map(<dyn Error>::to_string)
        .fold(String::new(), |text, cause| match text.as_str() {
            "" => cause,
            _ if text.contains(&cause) => text,
            _ => format!("{text}: {cause}"),
        })
}

/// One line on stderr, whatever control characters a file name holds. A closed stderr is no reason to panic.
fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "bernet: {}", printable(text));
}

/// The text with its control characters, which may come from a file, escaped.
fn printable(text: &str) -> String {
    let escape = |c: char| {
        if c.is_control() {
            c.escape_default().to_string()
        } else {
            c.to_string()
        }
    };
    text.chars().map(escape).collect()
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kind =
        |cause: &(dyn Error + 'static)| cause.downcast_ref::<io::Error>().map(io::Error::kind);
    error
        .chain()
        .any(|cause| kind(cause) == Some(io::ErrorKind::BrokenPipe))
}
