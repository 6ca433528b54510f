//! `bernet recover`: the talk's comparison of the gradients.

use anyhow::{Context, Result, ensure};
use bernet::{
    report::{Align, Chart, CsvWriter, Report, Section, Table},
    train::recover::{Experiment, Learner, Recovered},
};
use rayon::prelude::*;
use std::{fs, io::Write, path::PathBuf};

/// Recover a hidden ±1 matrix from the signs of its products, by each of the gradients.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Inputs of the hidden matrix, an odd number.
    #[arg(long, value_name = "K", default_value_t = 35)]
    inputs: usize,
    /// Its outputs.
    #[arg(long, value_name = "N", default_value_t = 8)]
    outputs: usize,
    /// Random vectors an iteration.
    #[arg(long, value_name = "B", default_value_t = 4)]
    batch: usize,
    /// Paired seeds: hidden matrix, first weights and vectors are the same for all gradients.
    #[arg(long, value_name = "N", default_value_t = 100)]
    seeds: u64,
    /// Iterations after which a gradient is taken not to converge.
    #[arg(long, value_name = "N", default_value_t = 2000)]
    limit: usize,
    /// Where recover.csv and recover.html go [default: only the table is printed].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// When a learner counts as converged.
type Rule = fn(&Recovered) -> Option<usize>;

const RULES: [(&str, Rule); 2] = [
    ("all weights right", |found| found.weights),
    ("sure of its outputs", |found| found.outputs),
];

pub(super) fn run(arguments: &Arguments, out: &mut impl Write) -> Result<()> {
    let &Arguments {
        inputs,
        outputs,
        batch,
        limit,
        ..
    } = arguments;
    ensure!(
        inputs % 2 == 1,
        "--inputs {inputs}: expected an odd number, so that no sum is 0"
    );
    for (name, size) in [
        ("outputs", outputs),
        ("batch", batch),
        ("limit", limit),
        ("seeds", arguments.seeds as usize),
    ] {
        ensure!(size > 0, "--{name} 0: expected at least 1");
    }
    let work = [inputs, outputs, batch]
        .into_iter()
        .try_fold(1_usize, |work, size| work.checked_mul(size));
    ensure!(
        work.is_some_and(|work| work <= 1 << 28),
        "inputs, outputs and batch multiply to more than 2^28: take smaller ones"
    );

    let experiment = Experiment {
        inputs,
        outputs,
        batch,
        limit,
    };
    let seeds: Vec<u64> = (1..=arguments.seeds).collect();
    let found: Vec<(Learner, Vec<Recovered>)> = Learner::ALL
        .into_iter()
        .map(|learner| {
            (
                learner,
                seeds
                    .par_iter()
                    .map(|&seed| experiment.run(learner, seed))
                    .collect(),
            )
        })
        .collect();

    let table = table(&found);
    writeln!(
        out,
        "{inputs} inputs, {outputs} outputs, {batch} vectors an iteration, {} paired seeds; iterations, mean ± sd",
        seeds.len()
    )?;
    writeln!(out, "{}", table.to_text())?;
    if let Some(folder) = &arguments.out {
        fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
        write_csv(folder.join("recover.csv"), &found)?;
        report(&experiment, seeds.len(), &found, table).write(&folder.join("recover.html"))?;
        writeln!(out, "{}: recover.csv, recover.html", folder.display())?;
    }
    Ok(())
}

/// Mean ± standard deviation, and how many did not converge.
fn spread(iterations: &[Option<usize>]) -> String {
    let values: Vec<f64> = iterations
        .iter()
        .flatten()
        .map(|&value| value as f64)
        .collect();
    let failed = iterations.len() - values.len();
    if values.is_empty() {
        return "never".into();
    }
    let (mean, deviation) = moments(&values);
    let failed = if failed > 0 {
        format!(", {failed} never")
    } else {
        String::new()
    };
    format!("{mean:.1} ± {deviation:.1}{failed}")
}

/// How many iterations more than the first learner, mean ± standard error over the seeds on which both converged.
fn paired(iterations: &[Option<usize>], first: &[Option<usize>]) -> String {
    let pairs = iterations.iter().zip(first);
    let more: Vec<f64> = pairs
        .filter_map(|(&found, &first)| Some(found? as f64 - first? as f64))
        .collect();
    let (mean, deviation) = moments(&more);
    format!("{mean:+.1} ± {:.1}", deviation / (more.len() as f64).sqrt())
}

/// Mean and standard deviation.
fn moments(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (count - 1.0).max(1.0)).sqrt())
}

fn table(found: &[(Learner, Vec<Recovered>)]) -> Table {
    let mut columns = vec![("gradient".to_owned(), Align::Left)];
    for (name, _) in RULES {
        columns.push((name.to_owned(), Align::Right));
        columns.push((format!("more than {}", found[0].0), Align::Right));
    }
    columns.push(("the talk".to_owned(), Align::Right));
    let mut table = Table::new(columns);
    for (learner, recovered) in found {
        let mut cells = vec![learner.to_string()];
        for (_, rule) in RULES {
            let iterations: Vec<_> = recovered.iter().map(rule).collect();
            let first: Vec<_> = found[0].1.iter().map(rule).collect();
            cells.push(spread(&iterations));
            cells.push(paired(&iterations, &first));
        }
        let reported = learner.reported();
        cells.push(reported.map_or_else(String::new, |value| format!("{value:.1}")));
        table.row(cells);
    }
    table
}

fn write_csv(path: PathBuf, found: &[(Learner, Vec<Recovered>)]) -> Result<()> {
    let mut csv = CsvWriter::create(&path, &["gradient", "seed", "weights", "outputs"])?;
    for (learner, recovered) in found {
        for (found, seed) in recovered.iter().zip(1..) {
            let iterations = |value: Option<usize>| {
                value.map_or_else(String::new, |value: usize| value.to_string())
            };
            csv.row(&[
                learner.to_string(),
                format!("{seed}"),
                iterations(found.weights),
                iterations(found.outputs),
            ])?;
        }
    }
    Ok(())
}

fn report(
    experiment: &Experiment,
    seeds: usize,
    found: &[(Learner, Vec<Recovered>)],
    table: Table,
) -> Report {
    let charts = RULES.map(|(name, rule)| {
        found.iter().fold(
            Chart::new(name, "iteration", "share of seeds").range(0.0, 1.0),
            |chart, (learner, recovered)| {
                let mut iterations: Vec<usize> = recovered.iter().filter_map(rule).collect();
                iterations.sort_unstable();
                let points = iterations
                    .iter()
                    .zip(1..)
                    .map(|(&iteration, done)| (iteration as f64, f64::from(done) / seeds as f64));
                chart.series(learner.to_string(), points)
            },
        )
    });
    let Experiment {
        inputs,
        outputs,
        batch,
        ..
    } = experiment;
    Report::new("Recovering a hidden matrix")
        .summary(format!(
            "A hidden ±1 matrix of {inputs} inputs and {outputs} outputs is recovered from the signs of its products, {batch} random vectors an \
             iteration, {seeds} paired seeds. The talk gives neither size nor stopping rule; two rules are shown."
        ))
        .section(Section::new("Iterations").table(table, "Mean ± standard deviation over the seeds, beside the talk's figures."))
        .section(Section::new("Seeds that have converged").charts(charts, "By each of the rules."))
}
