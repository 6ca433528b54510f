//! Reports: nothing in them can break the page, and files are written whole.

use bernet::report::{
    Align, Chart, Confusion, CsvWriter, Picture, Report, Section, Table, Weights,
};
use std::fs;

const NASTY: &str = "<script>\"&'";

fn everything() -> Report {
    let mut table = Table::new([(NASTY, Align::Left), ("n", Align::Right)]);
    table.row([NASTY, "1"]).strong_row(["two", "2"]);
    let chart = Chart::new(NASTY, NASTY, NASTY)
        .series(NASTY, [(0.0, 1.0), (1.0, f64::NAN), (2.0, 3.0), (3.0, 2.0)])
        .series("nothing", [])
        .series(
            "endless",
            [(0.0, f64::INFINITY), (f64::NEG_INFINITY, 0.0), (1.0, 1e300)],
        )
        .event(NASTY, [1.0, 2.0, 99.0, f64::NAN]);
    let section = Section::new(NASTY)
        .text(NASTY)
        .code(NASTY)
        .table(table, NASTY)
        .chart(chart.clone(), NASTY)
        .charts(
            [
                chart.clone().logarithmic(),
                chart.low().range(1.0, 2.0),
                Chart::new("empty", "x", "y"),
            ],
            NASTY,
        )
        .confusion(Confusion::new([NASTY, "b"], [(0, 1), (1, 1)]), NASTY)
        .pictures(
            [
                Picture::new(2, 2, NASTY, |y, x| y == x),
                Picture::new(0, 0, "", |_, _| true),
            ],
            NASTY,
        )
        .weights(
            [Weights::new([2, 2], 3, 5, NASTY, |unit, column| {
                unit == column
            })],
            NASTY,
        );
    Report::new(NASTY)
        .summary(NASTY)
        .figure(NASTY, NASTY)
        .section(section)
        .footer(NASTY)
}

/// Reads the page as a strict reader of XML would: every element is closed, every attribute quoted,
/// every character escaped.
#[test]
fn the_page_is_well_formed_and_complete_in_itself() {
    let html = everything().to_html();
    for absent in [
        "<script", "NaN", "inf", "http:", "https:", "url(", "@import", " href=",
    ] {
        assert!(!html.contains(absent), "{absent}");
    }
    // What is shown is in the page itself.
    let within = html.matches(" src=\"data:image/png;base64,").count();
    assert_eq!((within, html.matches(" src=").count()), (1, 1));
    let body = html
        .split_once("<body>")
        .expect("a body")
        .1
        .split_once("</body>")
        .expect("its end")
        .0;
    let mut open = Vec::new();
    for part in body.split('<').skip(1) {
        let (tag, text) = part
            .split_once('>')
            .expect("a tag ends before the next begins");
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        for text in [tag, text] {
            let entities = ["amp;", "lt;", "gt;", "quot;", "#39;"];
            let escaped = text
                .split('&')
                .skip(1)
                .all(|rest| entities.iter().any(|entity| rest.starts_with(entity)));
            assert!(escaped && !text.contains('\''), "{text}");
        }
        let name = tag.split([' ', '/']).next().expect("a name");
        match tag.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop(), Some(closed), "in {part}"),
            None if tag.ends_with('/') => {}
            None => open.push(name),
        }
        assert!(
            text.trim().is_empty() || !open.is_empty(),
            "text outside of all elements: {text}"
        );
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn gaps_marks_and_last_values_of_a_chart() {
    let points = [(0.0, 1.0), (1.0, f64::NAN), (2.0, 3.0), (3.0, 2.0)];
    let html = Chart::new("t", "x", "y")
        .series("one", points)
        .event("mark", [1.0, 2.0, 99.0])
        .to_html();
    assert_eq!(
        html.matches("<polyline").count(),
        2,
        "one stretch before the gap, one after"
    );
    assert_eq!(
        html.matches("class=\"event\" d=").count(),
        2,
        "the third event is outside"
    );
    assert!(
        html.contains("<b>2.00</b>") && html.contains("<span class=\"mark\">a</span>mark"),
        "{html}"
    );
    // 704 − 62 − 16 = 626 units across, 260 − 24 − 52 = 184 down; 1 to 3 on the y axis.
    assert!(
        html.contains("points=\"62.0,208.0 \"")
            && html.contains("points=\"479.3,24.0 688.0,116.0 \""),
        "{html}"
    );
}

#[test]
fn a_table_in_four_forms() {
    let mut table = Table::new([("net | kind", Align::Left), ("bytes, all", Align::Right)]);
    table
        .row(["real", "135424"])
        .strong_row(["binary \"sign\"", "4232"]);
    let text = table.to_text();
    assert!(
        text.lines()
            .any(|line| line == "│ real                135424 │"),
        "{text}"
    );
    assert!(
        text.lines()
            .any(|line| line == "│ binary \"sign\"         4232 │"),
        "{text}"
    );
    assert_eq!(
        table.to_markdown(),
        "| net \\| kind | bytes, all |\n| --- | ---: |\n| real | 135424 |\n| **binary \"sign\"** | **4232** |\n"
    );
    assert_eq!(
        table.to_csv(),
        "net | kind,\"bytes, all\"\nreal,135424\n\"binary \"\"sign\"\"\",4232\n"
    );
    let strong =
        "<tr class=\"strong\"><td>binary &quot;sign&quot;</td><td class=\"right\">4232</td></tr>";
    assert!(table.to_html().contains(strong));
}

/// The pixels of the picture in a page: height, width, and the grey of each.
fn decoded(html: &str) -> (usize, usize, Vec<u8>) {
    let text = html.split("base64,").nth(1).expect("a picture");
    let text = text
        .split('"')
        .next()
        .expect("its end")
        .trim_end_matches('=');
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut file = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.bytes() {
        (bits, count) = (bits << 6 | u32::from(digit(byte)), count + 6);
        if count >= 8 {
            count -= 8;
            file.push((bits >> count) as u8);
        }
    }
    let mut decoder = png::Decoder::new(std::io::Cursor::new(file));
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().expect("a PNG");
    let mut colours = vec![0; reader.output_buffer_size().expect("a size")];
    let info = reader.next_frame(&mut colours).expect("a picture");
    let grey = colours.chunks(3).map(|colour| colour[0]).collect();
    (info.height as usize, info.width as usize, grey)
}

#[test]
fn weights_as_a_picture() {
    // Two units that read two channels of 1×2 pixels: tiles one beside the other, a line between.
    let ones = [[true, false, false, true], [true, true, false, false]];
    let weights = Weights::new([1, 2], 2, 2, "layer 1", |unit, column| ones[unit][column]);
    let html = weights.to_html();
    let (height, width, grey) = decoded(&html);
    let line = [0, 255, 150, 255, 0, 150, 150, 0, 255, 150, 0, 255];
    assert_eq!((height, width, grey), (1, 12, line.to_vec()));
    assert!(
        html.contains("alt=\"layer 1\" width=\"96\" height=\"8\""),
        "{html}"
    );

    // A unit of a dense layer is a block of its inputs.
    let dense = Weights::new([1, 1], 6, 1, "", |_, column| column == 4);
    let (height, width, grey) = decoded(&dense.to_html());
    let black: Vec<_> = (0..6).filter(|&at| grey[at] == 0).collect();
    assert_eq!((height, width, black), (2, 3, vec![4]));
}

/// A net of 432 000 weights adds less than 100 kB to a page, though signs cannot be packed.
#[test]
fn weights_take_little_room() {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/models/mnist-lenet.bnet");
    let graph = bernet_runtime::format::from_bytes(&fs::read(model).unwrap()).unwrap();
    let mut bytes = 0;
    for (kernel, channels, units) in [([6, 6], 1, 32), ([3, 3], 32, 64), ([5, 5], 64, 256)] {
        let columns = kernel[0] * kernel[1] * channels;
        let node = graph.nodes.iter().find_map(|node| match &node.op {
            bernet_runtime::graph::Op::BinaryConv(conv) if conv.params.kernel == kernel => {
                Some(&conv.weights)
            }
            _ => None,
        });
        let weights = node.expect("the layer");
        assert_eq!((weights.rows(), weights.columns()), (units, columns));
        let picture = Weights::new(kernel, channels, units, "", |u, c| weights.get(u, c));
        bytes += picture.to_html().len();
    }
    assert!((60_000..100_000).contains(&bytes), "{bytes} bytes");

    // Of a larger one the first units are shown.
    let large = Weights::new([3, 3], 512, 512, "large", |unit, column| {
        unit % 7 == column % 7
    });
    assert!(
        large.to_html().contains("large; the first "),
        "the caption says so"
    );
}

#[test]
fn a_confusion_matrix() {
    let confusion = Confusion::new(
        ["a", "b", "c"],
        [(0, 0), (0, 0), (0, 1), (1, 1), (1, 0), (1, 0), (1, 0)],
    );
    assert_eq!(
        (confusion.right(), confusion.total(), confusion.count(1, 0)),
        (3, 7, 3)
    );
    let csv = confusion.to_table().to_csv();
    assert_eq!(
        csv,
        "label,a,b,c,\"right, %\"\na,2,1,0,66.7\nb,3,1,0,25.0\nc,0,0,0,–\n"
    );
    assert!(
        confusion
            .to_html()
            .contains("<td class=\"miss\" style=\"--heat:1.00\">3</td>")
    );
    assert!(
        confusion
            .to_html()
            .contains("<td class=\"miss\" style=\"--heat:0.58\">1</td>")
    );
}

#[test]
fn files_are_written_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("report.html");
    for _ in 0..2 {
        everything().write(&path).expect("writes");
        assert_eq!(
            fs::read_to_string(&path).expect("reads"),
            everything().to_html()
        );
    }
    let names: Vec<_> = fs::read_dir(folder.path())
        .expect("lists")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(names, ["report.html"], "nothing is left beside it");

    let nowhere = folder.path().join("no/report.html");
    let error = everything()
        .write(&nowhere)
        .expect_err("no such folder")
        .to_string();
    assert!(error.starts_with(&nowhere.display().to_string()), "{error}");
    // A folder cannot be replaced by a file.
    fs::create_dir(folder.path().join("folder")).expect("creates");
    everything()
        .write(&folder.path().join("folder"))
        .expect_err("a folder");
    let left = fs::read_dir(folder.path()).expect("lists").count();
    assert_eq!(left, 2, "the report and the folder");
}

#[test]
fn metrics_reach_the_file_row_by_row() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("metrics.csv");
    let mut writer = CsvWriter::create(&path, &["epoch", "loss"]).expect("creates");
    assert_eq!(fs::read_to_string(&path).expect("reads"), "epoch,loss\n");
    writer.row(&["1".into(), "0.5".into()]).expect("writes");
    assert_eq!(
        fs::read_to_string(&path).expect("reads"),
        "epoch,loss\n1,0.5\n"
    );
    let nowhere = folder.path().join("no/metrics.csv");
    let error = CsvWriter::create(&nowhere, &[])
        .expect_err("no such folder")
        .to_string();
    assert!(error.starts_with(&nowhere.display().to_string()), "{error}");
}
