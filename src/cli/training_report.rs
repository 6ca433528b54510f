//! What a training leaves for people to look at: report.html, and the table at its end.

use anyhow::Result;
use bernet::{
    classify::Prediction,
    data::Source,
    report::{Align, Chart, Confusion, Picture, Report, Section, Table, Weights},
    train::{Config, Epoch, Freezing, MethodName, Trainer},
};
use bernet_kernels::isa::Level;
use bernet_runtime::graph::{Graph, Op};
use std::path::Path;

/// Misread digits that the report shows.
const MISREAD: usize = 60;

/// A finished training.
pub(super) struct Finished<'a> {
    pub(super) trainer: &'a Trainer,
    pub(super) source: &'a Source,
    /// The packed net.
    pub(super) graph: &'a Graph,
    /// What the packed net says of each test image.
    pub(super) predictions: &'a [Prediction],
    /// How many of them are right.
    pub(super) right: usize,
    /// The size of the packed net's file.
    pub(super) bytes: u64,
    /// The packed net's speed on one thread.
    pub(super) images_per_second: f64,
    pub(super) level: Level,
    pub(super) real: Real,
}

/// The real-valued net of the same layers.
pub(super) struct Real {
    pub(super) epochs: u32,
    /// Share of test images that it answers right.
    pub(super) accuracy: f64,
    pub(super) weights: usize,
    /// Its speed in the trainer, all threads.
    pub(super) images_per_second: f64,
}

/// Writes the report into a folder and returns the table for the terminal.
pub(super) fn write(finished: &Finished<'_>, folder: &Path) -> Result<String> {
    report(finished).write(&folder.join("report.html"))?;
    Ok(result_table(finished).to_text())
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// A whole number with its thousands apart.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let head = digits.len() % 3;
    let (head, tail) = digits.split_at(head);
    let groups = tail
        .as_bytes()
        .chunks(3)
        .map(|group| std::str::from_utf8(group).expect("digits"));
    std::iter::once(head)
        .filter(|head| !head.is_empty())
        .chain(groups)
        .collect::<Vec<_>>()
        .join(" ")
}

fn share_right(finished: &Finished<'_>) -> f64 {
    finished.right as f64 / finished.source.test.len() as f64
}

fn result_table(finished: &Finished<'_>) -> Table {
    let mut table = Table::new([
        ("net", Align::Left),
        ("weights and activations", Align::Left),
        ("test accuracy", Align::Right),
        ("bytes", Align::Right),
        ("images/s", Align::Right),
    ]);
    let real = &finished.real;
    table.row([
        format!("real-valued, {}", epochs(real.epochs)),
        "32-bit numbers".into(),
        percent(real.accuracy),
        grouped(4.0 * real.weights as f64),
        grouped(real.images_per_second),
    ]);
    table.strong_row([
        format!(
            "binary, {}, {}",
            finished.trainer.config().method.name(),
            epochs(finished.trainer.config().epochs)
        ),
        "one bit each".into(),
        percent(share_right(finished)),
        grouped(finished.bytes as f64),
        grouped(finished.images_per_second),
    ]);
    table
}

fn epochs(count: u32) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} epoch{plural}")
}

/// The talk's figures, as reported in 2023, and this run's.
fn accuracy_table(finished: &Finished<'_>) -> Table {
    let config = finished.trainer.config();
    let mut table = Table::new([
        ("net", Align::Left),
        ("the talk, 2023", Align::Right),
        ("this run", Align::Right),
    ]);
    let ours = percent(share_right(finished));
    let by = |method| {
        if config.method == method {
            ours.clone()
        } else {
            "–".into()
        }
    };
    table.row([
        "real-valued".into(),
        "99 %".into(),
        percent(finished.real.accuracy),
    ]);
    let mut rows = vec![
        ("binary, Bernoulli", "97.5 %", MethodName::Bernoulli),
        ("binary, straight-through", "89.5 %", MethodName::Ste),
    ];
    if !rows.iter().any(|(.., method)| config.method == *method) {
        rows.push((config.method.name(), "–", config.method));
    }
    for (name, talk, method) in rows {
        let row = [name.to_owned(), talk.to_owned(), by(method)];
        if config.method == method {
            table.strong_row(row);
        } else {
            table.row(row);
        }
    }
    table
}

fn report(finished: &Finished<'_>) -> Report {
    let (trainer, source) = (finished.trainer, finished.source);
    let config = trainer.config();
    let wrong = source.test.len() - finished.right;
    let how = match (config.method.is_probabilistic(), config.freezing) {
        (true, Some(_)) => {
            "Every weight was trained as a coin: a probability of being +1. While training went on the coins were made more and \
             more certain, and part by part they were fixed for good"
        }
        (true, None) => {
            "Every weight was trained as a coin, a probability of being +1, made more and more certain"
        }
        (false, _) => "Every weight was trained as the sign of a number that stood behind it",
    };
    Report::new(format!("A binary net for {}", source.name))
        .summary(format!(
            "This net reads {} with weights and activations that are only ever +1 or −1, one bit each. {how}; what is left is {} \
             bytes of bits and integer thresholds, run by XNOR and bit counts. On {} test images, which played no part in training it, it is \
             right {} times.",
            source.name,
            grouped(finished.bytes as f64),
            grouped(source.test.len() as f64),
            grouped(finished.right as f64),
        ))
        .figure(percent(share_right(finished)), "of the test images read right")
        .figure(format!("{} bytes", grouped(finished.bytes as f64)), "the whole file")
        .figure(grouped(finished.images_per_second), format!("images a second, one thread, {}", finished.level))
        .section(
            Section::new("How accurate it is")
                .table(
                    accuracy_table(finished),
                    "Accuracy on the test images beside what the talk reported for the same layers.",
                )
                .table(
                    result_table(finished),
                    "The same layers with real numbers and with bits. The speed of the binary net is that of the packed net on one \
                     thread; that of the real-valued net is the trainer's own, on all threads.",
                ),
        )
        .section(curves(trainer))
        .section(
            Section::new("What it mistakes for what").confusion(
                Confusion::new(
                    (0..source.test.classes()).map(|class| class.to_string()),
                    source.test.labels().iter().zip(finished.predictions).map(|(label, said)| (usize::from(*label), said.class)),
                ),
                "Test images by what they are (down) and what the net read (across).",
            ),
        )
        .section(misread(finished, wrong))
        .section(weights(finished.graph))
        .section(
            Section::new("How to make it again")
                .text("The same command gives the same bits on the same instruction set, with any number of threads.")
                .code(config.to_toml()),
        )
        .footer(format!("bernet {}", env!("CARGO_PKG_VERSION")))
}

fn curves(trainer: &Trainer) -> Section {
    let (config, history) = (trainer.config(), trainer.history());
    let curve = |value: fn(&Epoch) -> f64| {
        history
            .iter()
            .map(move |epoch| (f64::from(epoch.number), value(epoch)))
    };
    let mut accuracy = Chart::new("Accuracy", "epoch", "% right")
        .series(
            "training images, weights as drawn",
            curve(|epoch| 100.0 * epoch.train_accuracy),
        )
        .series(
            "validation images, binary net",
            curve(|epoch| 100.0 * epoch.validation_accuracy),
        )
        .range(lowest(history), 100.0);
    if let Some(freezing) = config.freezing {
        accuracy = accuracy.event("a part of the weights is fixed", moments(freezing, config));
    }
    let loss = Chart::new("Loss", "epoch", "nats")
        .series("training loss", curve(|epoch| epoch.loss))
        .logarithmic()
        .low();
    let mut charts = vec![accuracy, loss];
    if config.method.is_probabilistic() {
        charts.push(
            Chart::new("Certainty of the weights", "epoch", "%")
                .series("fixed for good", curve(|epoch| 100.0 * epoch.frozen))
                .series(
                    "uncertainty left, mean of 1 − m²",
                    curve(|epoch| 100.0 * epoch.uncertainty),
                )
                .range(0.0, 100.0)
                .low(),
        );
        charts.push(
            Chart::new("Temperature", "epoch", "τ")
                .series("τ", curve(|epoch| f64::from(epoch.temperature)))
                .logarithmic()
                .low(),
        );
    }
    Section::new("Training and binarisation").charts(
        charts,
        "The net is binary on the way already: after each epoch every weight is set to its more probable sign, and that net reads the \
         validation images, which it was not trained on. Where the two accuracies meet, nothing is lost by making the net binary.",
    )
}

/// The lower end of the accuracy axis: what the second epoch reached, rounded down to five.
fn lowest(history: &[Epoch]) -> f64 {
    let early = history
        .iter()
        .skip(1)
        .chain(history)
        .map(|epoch| epoch.train_accuracy.min(epoch.validation_accuracy))
        .next();
    (early.unwrap_or(0.0) * 20.0).floor() * 5.0
}

/// The epochs at which parts are frozen.
fn moments(freezing: Freezing, config: &Config) -> Vec<f64> {
    let moments = freezing.moments(config.network.layers.len());
    moments
        .into_iter()
        .map(|moment| f64::from(moment) * f64::from(config.epochs))
        .collect()
}

/// The weights of every binary layer.
fn weights(graph: &Graph) -> Section {
    let nodes = graph.nodes.iter().filter_map(|node| {
        let input = graph.value(node.inputs.first().copied()?).shape;
        let (kernel, channels, matrix) = match &node.op {
            Op::BinaryConv(conv) => {
                let channels = input.channels / conv.params.groups;
                (conv.params.kernel, channels, &conv.weights)
            }
            Op::BinaryDense(weights) => ([input.height, input.width], input.channels, weights),
            _ => return None,
        };
        Some((kernel, channels, matrix))
    });
    let layers = nodes
        .enumerate()
        .map(|(index, (kernel, channels, matrix))| {
            let each = match kernel {
                [1, 1] => format!("{channels} weights"),
                [high, wide] => {
                    let plural = if channels == 1 { "" } else { "s" };
                    format!("{high}×{wide} weights for {channels} channel{plural}")
                }
            };
            let caption = format!(
                "Layer {}: {} units, each of {each}",
                index + 1,
                matrix.rows()
            );
            Weights::new(kernel, channels, matrix.rows(), caption, |unit, column| {
                matrix.get(unit, column)
            })
        });
    Section::new("What it has learned").weights(
        layers,
        "All weights, a pixel each: black is +1, white −1. A frame is a unit, with a tile for each channel that it reads.",
    )
}

fn misread(finished: &Finished<'_>, wrong: usize) -> Section {
    let test = &finished.source.test;
    let shape = test.image_shape();
    let mistakes = finished.predictions.iter().zip(test.labels()).enumerate();
    let mut mistakes: Vec<_> = mistakes
        .filter(|(_, (said, label))| said.class != usize::from(**label))
        .map(|(index, (said, label))| (index, *said, *label))
        .collect();
    // The surest mistakes first; they say most about the net.
    mistakes.sort_by(|a, b| b.1.margin.total_cmp(&a.1.margin).then(a.0.cmp(&b.0)));
    let pictures = mistakes.iter().take(MISREAD).map(|&(index, said, label)| {
        Picture::new(
            shape.height,
            shape.width,
            format!("{label}, read as {}, by {}", said.class, said.margin),
            |y, x| match shape.channels {
                1 => test.images().get(index, y, x, 0),
                // Dark where most of its colours are.
                channels => {
                    let bright = (0..channels).filter(|&c| test.images().get(index, y, x, c));
                    2 * bright.count() < channels
                }
            },
        )
    });
    Section::new("What it misreads").pictures(
        pictures,
        format!(
            "{} of its {wrong} mistakes, the surest first: what it is, what the net read, and by how many votes that won over the next.",
            mistakes.len().min(MISREAD)
        ),
    )
}
