//! A report of made-up results, to look at: `cargo run --example report -- report.html`.

use bernet::data::load_embedded;
use bernet::report::{Align, Chart, Confusion, Picture, Report, Section, Table};

fn main() -> std::io::Result<()> {
    let Some(path) = std::env::args_os().nth(1) else {
        return Err(std::io::Error::other("usage: report OUT.html"));
    };
    sample().write(path.as_ref())
}

fn sample() -> Report {
    let epochs = || (1..=40).map(f64::from);
    let noise = |epoch: f64, size: f64| ((epoch * 12.9898).sin() * 43_758.547).fract() * size;
    let curve = |value: &dyn Fn(f64) -> f64| {
        epochs()
            .map(|epoch| (epoch, value(epoch)))
            .collect::<Vec<_>>()
    };
    let soft = curve(&|epoch| 97.9 - 9.0 * (-epoch / 4.0).exp() + noise(epoch, 0.15));
    let binary = curve(&|epoch| {
        97.4 - 22.0 * (-epoch / 5.0).exp() + noise(epoch, 0.6) * (1.0 - epoch / 45.0)
    });
    let loss = curve(&|epoch| 0.09 + 1.1 * (-epoch / 3.0).exp() + noise(epoch, 0.01));
    let frozen = curve(&|epoch| (((epoch - 16.0) / 22.0 * 20.0).floor() * 5.0).clamp(0.0, 100.0));
    let temperature = curve(&|epoch| 0.15 * (0.02f64 / 0.15).powf(epoch / 36.0));

    let mut accuracy = Table::new([
        ("net", Align::Left),
        ("weights, activations", Align::Left),
        ("test accuracy, %", Align::Right),
        ("bytes", Align::Right),
    ]);
    accuracy.row([
        "real-valued, as the seed reports it",
        "f32, f32",
        "99.00",
        "135 424",
    ]);
    accuracy.row([
        "straight-through, as the seed reports it",
        "1 bit, 1 bit",
        "89.50",
        "4 232",
    ]);
    accuracy.row([
        "Bernoulli, as the seed reports it",
        "1 bit, 1 bit",
        "97.50",
        "4 232",
    ]);
    accuracy.strong_row(["Bernoulli, this run", "1 bit, 1 bit", "97.12", "4 232"]);

    let mnist = load_embedded().test;
    let shape = mnist.image_shape();
    let reading = |place: usize| {
        let label = usize::from(mnist.labels()[place]);
        if place * 7919 % 100 < 3 {
            (label * 3 + place % 4 + 1) % 10
        } else {
            label
        }
    };
    let pairs = (0..mnist.len()).map(|place| (usize::from(mnist.labels()[place]), reading(place)));
    let confusion = Confusion::new((0..10).map(|digit| digit.to_string()), pairs);
    let misread = (0..mnist.len())
        .filter(|&place| reading(place) != usize::from(mnist.labels()[place]))
        .take(32);
    let pictures = misread.map(|place| {
        let caption = format!(
            "label {}, read as {}\nmargin {}",
            mnist.labels()[place],
            reading(place),
            place % 37
        );
        Picture::new(shape.height, shape.width, caption, |y, x| {
            mnist.images().get(place, y, x, 0)
        })
    });

    let freezing = || epochs().filter(|epoch| *epoch >= 17.0 && *epoch <= 38.0);
    Report::new("A binary net that reads handwritten digits")
        .summary(
            "Made-up results that show what a report looks like. A net whose weights and \
             activations are single bits was trained on the 55 000 training digits \
             of MNIST, and then read the 10 000 test digits, which it had never seen.",
        )
        .figure("97.12 %", "of the test digits are read right")
        .figure("4 232", "bytes hold the whole net")
        .figure("182 000", "images a second on one core")
        .figure("2 min 41 s", "of training on two cores")
        .section(Section::new("Accuracy").table(
            accuracy,
            "Share of the 10 000 test digits that are read right. The bold row is this run.",
        ))
        .section(
            Section::new("Training and binarisation")
                .text("Training ends with every weight frozen to +1 or −1, a part at a time.")
                .charts(
                    [
                        Chart::new("Accuracy", "epoch", "% of the 5 000 validation digits")
                            .series("sampled weights", soft)
                            .series("binary net", binary)
                            .event("a part of the weights freezes", freezing())
                            .event("only batch normalisation is trained", [38.5])
                            .range(86.0, 100.0),
                        Chart::new("Training loss", "epoch", "nats an image")
                            .series("loss", loss)
                            .logarithmic()
                            .low(),
                        Chart::new("Frozen weights", "epoch", "%")
                            .series("share", frozen)
                            .range(0.0, 100.0)
                            .low(),
                        Chart::new("Temperature", "epoch", "of the weights' probabilities")
                            .series("τ", temperature)
                            .low(),
                    ],
                    "One point an epoch; all four share their horizontal axis.",
                ),
        )
        .section(Section::new("Which digits are confused").confusion(
            confusion,
            "Each row is a digit as labelled, each column what the net read. Blue: right; orange: \
             mistakes; the more, the stronger.",
        ))
        .section(Section::new("The misread digits").pictures(
            pictures,
            "The margin is how many votes the wrong digit had more than the right one; 0 is a tie.",
        ))
        .section(
            Section::new("How to make this again")
                .code("cargo run --example report -- report.html"),
        )
        .footer("bernet, example report")
}
