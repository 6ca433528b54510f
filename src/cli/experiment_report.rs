//! The tables and curves of `bernet experiment table`.

use bernet::{
    report::{Align, Chart, Report, Section, Table},
    train::{Epoch, HeldOut},
};
use serde::{Deserialize, Serialize};

/// A finished training, as it is kept on the disk.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Finished {
    /// By which it is known to be what is asked for.
    pub(super) configuration: String,
    pub(super) method: String,
    pub(super) net: String,
    pub(super) seed: u64,
    pub(super) binary: bool,
    pub(super) bytes: u64,
    /// Which images are held out to choose by.
    #[serde(default)]
    pub(super) held_out: HeldOut,
    /// Shares of the images that are answered right.
    pub(super) validation: f64,
    pub(super) test: f64,
    pub(super) seconds: f64,
    pub(super) command: String,
    pub(super) history: Vec<Epoch>,
}

/// A method on a net, with all its seeds.
pub(super) struct Group {
    pub(super) name: String,
    /// What the talk reports, in per cent.
    pub(super) talk: Option<f64>,
    pub(super) finished: Vec<Finished>,
}

impl Group {
    /// `mean ± sd` in per cent over the seeds; without the deviation for one.
    fn spread(&self, share: fn(&Finished) -> f64) -> String {
        let shares: Vec<f64> = self
            .finished
            .iter()
            .map(|finished| 100.0 * share(finished))
            .collect();
        let count = shares.len() as f64;
        let mean = shares.iter().sum::<f64>() / count;
        if shares.len() < 2 {
            return format!("{mean:.2}");
        }
        let squares: f64 = shares.iter().map(|share| (share - mean).powi(2)).sum();
        format!("{mean:.2} ± {:.2}", (squares / (count - 1.0)).sqrt())
    }
}

/// One line for each method and net.
pub(super) fn table(groups: &[Group]) -> Table {
    let mut table = Table::new([
        ("method", Align::Left),
        ("net", Align::Left),
        ("binary", Align::Right),
        ("bytes", Align::Right),
        ("seeds", Align::Right),
        ("held out", Align::Left),
        ("validation, %", Align::Right),
        ("test, %", Align::Right),
        ("the talk, %", Align::Right),
        ("seconds a run", Align::Right),
    ]);
    for group in groups {
        let Some(first) = group.finished.first() else {
            continue;
        };
        let seconds: f64 = group.finished.iter().map(|finished| finished.seconds).sum();
        table.row([
            group.name.clone(),
            first.net.clone(),
            u8::from(first.binary).to_string(),
            first.bytes.to_string(),
            group.finished.len().to_string(),
            first.held_out.name().into(),
            group.spread(|finished| finished.validation),
            group.spread(|finished| finished.test),
            group.talk.map_or("–".into(), |talk| format!("{talk:.1}")),
            format!("{:.0}", seconds / group.finished.len() as f64),
        ]);
    }
    table
}

/// The page: the table, then every method's training and binarisation.
pub(super) fn page(groups: &[Group]) -> Report {
    let report = Report::new("Ways to train a binary net")
        .summary(
            "Each method trains the same layers, with several seeds; everything was chosen on validation images, and the test images are \
             seen once, at the end. \"Binary\" nets have weights and activations of one bit and are run by integer kernels, and their \
             bytes are those of the whole file. The talk's figures are those of its slides of 2023.",
        )
        .section(
            Section::new("Accuracy").table(table(groups), "Mean ± standard deviation over the seeds."),
        );
    groups
        .iter()
        .fold(report, |report, group| report.section(curves(group)))
        .footer(format!("bernet {}", env!("CARGO_PKG_VERSION")))
}

fn curves(group: &Group) -> Section {
    let curve = |finished: &Finished, value: fn(&Epoch) -> f64| -> Vec<(f64, f64)> {
        let epochs = finished.history.iter();
        epochs
            .map(|epoch| (f64::from(epoch.number), value(epoch)))
            .collect()
    };
    let mut accuracy = Chart::new("Accuracy", "epoch", "% right");
    let mut loss = Chart::new("Loss", "epoch", "nats").logarithmic().low();
    for finished in &group.finished {
        let seed = finished.seed;
        accuracy = accuracy
            .series(
                format!("training, seed {seed}"),
                curve(finished, |epoch| 100.0 * epoch.train_accuracy),
            )
            .series(
                format!("validation, seed {seed}"),
                curve(finished, |epoch| 100.0 * epoch.validation_accuracy),
            );
        loss = loss.series(format!("seed {seed}"), curve(finished, |epoch| epoch.loss));
    }
    let mut charts = vec![accuracy, loss];
    let first = group.finished.first();
    let binarises = |finished: &&Finished| {
        finished
            .history
            .iter()
            .any(|epoch| epoch.frozen > 0.0 || epoch.uncertainty > 0.0)
    };
    if let Some(finished) = first.filter(binarises) {
        charts.push(
            Chart::new("Certainty of the weights", "epoch", "%")
                .series(
                    "fixed for good",
                    curve(finished, |epoch| 100.0 * epoch.frozen),
                )
                .series(
                    "uncertainty left, mean of 1 − m²",
                    curve(finished, |epoch| 100.0 * epoch.uncertainty),
                )
                .range(0.0, 100.0)
                .low(),
        );
    }
    let commands: Vec<&str> = group
        .finished
        .iter()
        .map(|finished| finished.command.as_str())
        .collect();
    Section::new(&group.name)
        .charts(charts, "Training, and how the weights become binary.")
        .code(commands.join("\n"))
}
