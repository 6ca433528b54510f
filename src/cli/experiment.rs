//! `bernet experiment`: every method on every net, beside what the talk reports.

use super::{
    experiment_report::{self, Finished, Group},
    settings,
    train::{self, Trained},
};
use anyhow::{Context, Result, bail, ensure};
use bernet::{
    data::{Dataset, Source},
    measure::Host,
    report::{self, CsvWriter},
    train::{Alone, MethodName, Trainer},
};
use clap::{Args, FromArgMatches};
use serde::Deserialize;
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Run an experiment of many trainings.
#[derive(clap::Args)]
#[command(arg_required_else_help = false)]
pub(super) struct Arguments {
    #[command(subcommand)]
    experiment: Experiment,
}

#[derive(clap::Subcommand)]
enum Experiment {
    Table(Table),
}

/// Train every method on its nets with several seeds, and write OUT/accuracy.csv, OUT/table.md and OUT/report.html. Each row's own
/// files are in a folder of OUT. What is finished is never trained again, and what was stopped goes on from its last epoch.
#[derive(clap::Args)]
struct Table {
    /// Where the results go.
    #[arg(long, value_name = "DIR", default_value = "experiment")]
    out: PathBuf,
    /// Only the row of this name, or the rows whose name begins so, such as `ste`; may be given more than once.
    #[arg(long, value_name = "ROW")]
    only: Vec<String>,
    /// Seeds a row.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// The first of them. Several machines or processes can share a table, each with rows or seeds of its own; once their folders lie in one
    /// OUT, the same command with --finished makes the table of them.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000))]
    first_seed: u64,
    /// Train nothing: the table of those trainings that are finished.
    #[arg(long)]
    finished: bool,
    /// Print the names of the rows, one a line, and train nothing.
    #[arg(long)]
    list: bool,
    /// Two epochs on a thousand digits, one seed: whether every row runs, not how well.
    #[arg(long)]
    quick: bool,
    /// A folder with the four IDX files [default: the embedded MNIST].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Also write DIR/CPU/DATE/accuracy.csv and accuracy.md.
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
}

/// The table: a file with a line for each row.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    rows: Vec<Row>,
}

/// What is trained.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    /// What `bernet train` is told besides the seed.
    train: String,
    /// What the talk reports, in per cent.
    talk: Option<f64>,
}

/// What a quick run takes of the data.
const QUICK_IMAGES: [usize; 2] = [1_200, 300];

pub(super) fn run(arguments: &Arguments, out: &mut impl Write) -> Result<()> {
    match &arguments.experiment {
        Experiment::Table(table) => table.run(out),
    }
}

impl Table {
    fn run(&self, out: &mut impl Write) -> Result<()> {
        let Rows { rows } = toml::from_str(include_str!("experiment.toml"))?;
        let is_name = |only: &str| rows.iter().any(|row| row.name == only);
        let names = |row: &Row, only: &str| {
            row.name == only || !is_name(only) && row.name.starts_with(only)
        };
        let wanted =
            |row: &&Row| self.only.is_empty() || self.only.iter().any(|only| names(row, only));
        let chosen: Vec<&Row> = rows.iter().filter(wanted).collect();
        if chosen.is_empty() {
            let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
            bail!(
                "--only {}: expected the beginning of one of: {}",
                self.only.join(", "),
                names.join("; ")
            );
        }
        if self.list {
            for row in chosen {
                writeln!(out, "{}", row.name)?;
            }
            return Ok(());
        }
        let mut source = train::source(self.data.as_deref())?;
        if self.quick {
            let part = |data: &Dataset, count: usize| data.subset(0..count.min(data.len()));
            let [training, test] = QUICK_IMAGES;
            source.train = part(&source.train, training);
            source.test = part(&source.test, test);
        }
        self.claim(&source)?;
        let mut groups = Vec::new();
        for row in chosen {
            let seeds = if self.quick { 1 } else { self.seeds };
            let mut group = Group {
                name: row.name.clone(),
                talk: row.talk,
                finished: Vec::new(),
            };
            for seed in self.first_seed..self.first_seed + seeds {
                group.finished.extend(self.finished(row, seed, &source)?);
            }
            groups.push(group);
            // After each row: whoever stops the rest has a table of what there is.
            self.write(&groups)?;
        }
        let table = experiment_report::table(&groups);
        if let Some(folder) = &self.record {
            let host = Host::here();
            let folder = folder.join(host.folder()).join(&host.date);
            fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
            write_csv(&folder.join("accuracy.csv"), &groups)?;
            report::write(&folder.join("accuracy.md"), &table.to_markdown())?;
        }
        writeln!(out, "{}", table.to_text())?;
        for name in ["accuracy.csv", "table.md", "report.html"] {
            writeln!(out, "{}", self.out.join(name).display())?;
        }
        Ok(())
    }

    /// Makes OUT the folder of these data; what was trained on others is not of the same table.
    fn claim(&self, source: &Source) -> Result<()> {
        fs::create_dir_all(&self.out).with_context(|| self.out.display().to_string())?;
        let (train, test) = (source.train.len(), source.test.len());
        let data = format!(
            "{}, {train} images to train on and {test} to test",
            source.name
        );
        let path = self.out.join("data.txt");
        let there = fs::read_to_string(&path).unwrap_or_else(|_| data.clone());
        ensure!(
            there == data,
            "{}: expected {data}, found {there}; choose another --out",
            path.display()
        );
        Ok(report::write(&path, &data)?)
    }

    /// A row with one seed, from the disk where it is there; none if it isn't and nothing is to be trained.
    fn finished(&self, row: &Row, seed: u64, source: &Source) -> Result<Option<Finished>> {
        let mut arguments = self.train_arguments(row, seed)?;
        let config = settings::config(&arguments, source.train.len())
            .with_context(|| format!("row {}", row.name))?;
        let configuration = config.to_toml();
        let path = arguments.out.join("row.json");
        let there = fs::read(&path).ok();
        let there = there.and_then(|bytes| serde_json::from_slice::<Finished>(&bytes).ok());
        if let Some(finished) = there.filter(|finished| finished.configuration == configuration) {
            eprintln!("{}, seed {seed}: finished before", row.name);
            return Ok(Some(finished));
        }
        if self.finished {
            return Ok(None);
        }
        let checkpoint = Trainer::load(&arguments.out.join("checkpoint"));
        arguments.resume = checkpoint.is_ok_and(|trainer| *trainer.config() == config);
        eprintln!("{}, seed {seed}", row.name);
        let trained = train::train(&arguments, &[], source, Arc::new(Alone))
            .with_context(|| format!("{}, seed {seed}", row.name))?;
        let history = trained.trainer.history().to_vec();
        let Trained {
            right,
            bytes,
            command,
            ..
        } = trained;
        let finished = Finished {
            configuration,
            method: row.name.clone(),
            net: arguments.net_name().into(),
            seed,
            binary: config.method != MethodName::Real,
            bytes,
            held_out: config.held_out,
            validation: history.last().map_or(0.0, |last| last.validation_accuracy),
            test: right as f64 / source.test.len() as f64,
            seconds: history.iter().map(|epoch| epoch.seconds).sum(),
            command,
            history,
        };
        report::write(&path, &serde_json::to_string_pretty(&finished)?)?;
        Ok(Some(finished))
    }

    /// The arguments of `bernet train` for a row.
    fn train_arguments(&self, row: &Row, seed: u64) -> Result<settings::Arguments> {
        let command = settings::Arguments::augment_args(clap::Command::new("train"));
        let words = std::iter::once("train").chain(row.train.split_whitespace());
        let matches = command.try_get_matches_from(words)?;
        let mut arguments = settings::Arguments::from_arg_matches(&matches)?;
        let name = row.name.replace(", ", "-").replace([' ', '×'], "-");
        arguments.out = self.out.join(format!("{name}-{seed}"));
        arguments.seed = seed;
        arguments.data.clone_from(&self.data);
        if self.quick {
            arguments.epochs = Some(2);
            if arguments.search {
                let least =
                    "search = { starts = 1, rounds = 1, tries = 1, epochs = 1, judged = 1 }";
                arguments.set.push(least.into());
            }
        }
        Ok(arguments)
    }

    fn write(&self, groups: &[Group]) -> Result<()> {
        write_csv(&self.out.join("accuracy.csv"), groups)?;
        let table = experiment_report::table(groups);
        report::write(&self.out.join("table.md"), &table.to_markdown())?;
        experiment_report::page(groups).write(&self.out.join("report.html"))?;
        Ok(())
    }
}

fn write_csv(path: &Path, groups: &[Group]) -> Result<()> {
    let header = [
        "method",
        "net",
        "seed",
        "binary",
        "bytes",
        "validation",
        "test",
        "seconds",
        "command",
        "held_out",
    ];
    let mut csv = CsvWriter::create(path, &header)?;
    for finished in groups.iter().flat_map(|group| &group.finished) {
        csv.row(&[
            finished.method.clone(),
            finished.net.clone(),
            finished.seed.to_string(),
            u8::from(finished.binary).to_string(),
            finished.bytes.to_string(),
            format!("{:.2}", 100.0 * finished.validation),
            format!("{:.2}", 100.0 * finished.test),
            format!("{:.1}", finished.seconds),
            finished.command.clone(),
            finished.held_out.name().into(),
        ])?;
    }
    Ok(())
}
