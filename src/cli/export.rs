//! `bernet export`: a net for elsewhere.

use super::{net, printable};
use anyhow::{Context, Result, bail, ensure};
use bernet::{
    data::{self, Dataset},
    durable,
    exchange::{
        c,
        onnx::{self, Dialect},
    },
};
use bernet_runtime::{
    firmware,
    graph::{Graph, Kind},
    plan,
    session::Session,
    tensor::{Data, Tensor},
};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

/// Write a net as ONNX, which other engines run to the same labels and logits (where it reads bits, its input is pixel/255), or for small
/// devices: as C99, or as a plan that firmware in Rust runs.
#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("format").required(true).args(["onnx", "c", "plan"])))]
pub(super) struct Arguments {
    /// The net: a .bnet file of any version, ONNX or TFLite.
    model: PathBuf,
    /// The .onnx file to write.
    #[arg(long, value_name = "OUT.onnx")]
    onnx: Option<PathBuf>,
    /// The folder for NAME.h and NAME.c: C99 without a library, a heap or floats.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["qonnx", "xnor"])]
    c: Option<PathBuf>,
    /// The .plan file to write, for `bernet_runtime::firmware`.
    #[arg(long, value_name = "OUT.plan", conflicts_with_all = ["qonnx", "xnor", "arduino"])]
    plan: Option<PathBuf>,
    /// Prefix of the files and functions of C, and in capitals of the macros.
    #[arg(long, value_name = "NAME", default_value = "net", requires = "c")]
    name: String,
    /// Also NAME_test.h, or OUT.test beside a plan: so many of the embedded test digits with the host's logits.
    #[arg(long, value_name = "IMAGES", conflicts_with = "onnx")]
    test: Option<usize>,
    /// A library folder for the Arduino IDE in place of the two files of C.
    #[arg(long, conflicts_with = "onnx")]
    arduino: bool,
    /// Mark weights and activations as bits by QONNX's BipolarQuant; without, all operators are standard ONNX.
    #[arg(long)]
    qonnx: bool,
    /// Use the operators that bernet's library brings to onnxruntime (embed/onnxruntime).
    #[arg(long, conflicts_with = "qonnx")]
    xnor: bool,
}

pub(super) fn run(arguments: &Arguments, out: &mut impl Write) -> Result<()> {
    if let Some(folder) = &arguments.c {
        return write_c(arguments, folder, out);
    }
    if let Some(path) = &arguments.plan {
        return write_plan(arguments, path, out);
    }
    let Some(path) = &arguments.onnx else {
        unreachable!("the parser asks for one of them");
    };
    let graph = onnx::with_picture_input(&net::read(&arguments.model)?)?;
    let dialect = match arguments {
        Arguments { qonnx: true, .. } => Dialect::Qonnx,
        Arguments { xnor: true, .. } => Dialect::Bernet,
        _ => Dialect::Standard,
    };
    let name = path.display().to_string();
    let model = || arguments.model.display().to_string();
    let bytes = onnx::export(&graph, dialect).with_context(model)?;
    durable::write(path, &bytes).with_context(|| name.clone())?;
    writeln!(out, "{}: {} bytes", printable(&name), bytes.len())?;
    Ok(())
}

fn write_c(arguments: &Arguments, folder: &Path, out: &mut impl Write) -> Result<()> {
    let path = &arguments.model;
    let graph = net::read(path)?;
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    let file = path.file_name().unwrap_or(path.as_os_str());
    let options = c::Options {
        name: arguments.name.clone(),
        source: format!(
            "{}: {} bytes, CRC-32 {:08x}",
            file.to_string_lossy(),
            bytes.len(),
            crc32fast::hash(&bytes)
        ),
    };
    let files = c::export(&graph, &options).with_context(|| path.display().to_string())?;
    let name = &options.name;
    let (mut texts, folder_of_c) = if arguments.arduino {
        (c::arduino(&files, &options)?, "src/")
    } else {
        let both = vec![
            (format!("{name}.h"), files.header),
            (format!("{name}.c"), files.source),
        ];
        (both, "")
    };
    if let Some(count) = arguments.test {
        let text = test_vectors(&graph, &options, count)?;
        texts.push((format!("{folder_of_c}{name}_test.h"), text));
    }
    for (file, text) in &texts {
        let path = folder.join(file);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
        }
        let name = path.display().to_string();
        fs::write(path, text).with_context(|| name.clone())?;
        writeln!(out, "{}: {} bytes", printable(&name), text.len())?;
    }
    writeln!(
        out,
        "constants {} bytes, working memory {} bytes",
        files.constant_bytes, files.arena_bytes
    )?;
    for note in &files.notes {
        writeln!(out, "note: {note}")?;
    }
    Ok(())
}

fn write_plan(arguments: &Arguments, path: &Path, out: &mut impl Write) -> Result<()> {
    let model = || arguments.model.display().to_string();
    let graph = net::read(&arguments.model)?;
    let plan = firmware::write(&graph).with_context(model)?;
    let mut files = vec![(path.to_owned(), plan)];
    if let Some(count) = arguments.test {
        let digits = digits(count)?;
        let options = plan::Options::default();
        let mut session = Session::new(&graph, &options).with_context(model)?;
        let pixels = pixels(&digits);
        let image = |values: Vec<bool>| match graph.value(graph.inputs[0].value).kind {
            Kind::Bit => Data::Bit(values),
            _ => Data::U8(values.iter().map(|&white| 255 * u8::from(white)).collect()),
        };
        let shape = graph.value(graph.inputs[0].value).shape;
        let items = Tensor::new(count, shape, image(pixels.clone())).context("--test")?;
        let outputs = session.run(&[items]).context("--test")?;
        let Data::I32(logits) = outputs[0].data() else {
            bail!("--test: expected a net whose output is integers, i32, and not classes");
        };
        let words = test_words(&pixels, digits.labels(), logits);
        files.push((
            path.with_extension("test"),
            words.iter().flat_map(|word| word.to_le_bytes()).collect(),
        ));
    }
    for (path, bytes) in &files {
        let name = path.display().to_string();
        durable::write(path, bytes).with_context(|| name.clone())?;
        writeln!(out, "{}: {} bytes", printable(&name), bytes.len())?;
    }
    let arena = 4 * firmware::sizes(&files[0].1).arena_words;
    writeln!(out, "working memory {arena} bytes")?;
    Ok(())
}

/// Words of test images: how many, words and logits of each; then for each image its bits, its label and its logits.
fn test_words(pixels: &[bool], labels: &[u8], logits: &[i32]) -> Vec<u32> {
    let count = labels.len();
    let (values, classes) = (pixels.len() / count, logits.len() / count);
    let mut words = vec![count as u32, values.div_ceil(32) as u32, classes as u32];
    let images = pixels
        .chunks(values)
        .zip(labels)
        .zip(logits.chunks(classes));
    for ((image, &label), logits) in images {
        words.extend(image.chunks(32).map(|bits| {
            let bits = bits.iter().enumerate();
            bits.fold(0, |word, (at, &bit)| word | u32::from(bit) << at)
        }));
        words.push(label.into());
        words.extend(logits.iter().map(|&logit| logit as u32));
    }
    words
}

/// The first of the embedded test digits.
fn digits(count: usize) -> Result<Dataset> {
    let digits = data::load_embedded().test;
    let most = digits.len();
    ensure!(
        (1..=most).contains(&count),
        "--test {count}: expected 1 to {most}"
    );
    Ok(digits.subset(0..count))
}

/// The pixels of black and white images, one image after the other.
fn pixels(digits: &Dataset) -> Vec<bool> {
    let shape = digits.image_shape();
    let mut pixels = Vec::new();
    for item in 0..digits.len() {
        for line in 0..shape.height {
            let place = |column| digits.images().get(item, line, column, 0);
            pixels.extend((0..shape.width).map(place));
        }
    }
    pixels
}

/// The first of the test digits with the host's logits, as a header of C.
fn test_vectors(graph: &Graph, options: &c::Options, count: usize) -> Result<String> {
    let digits = digits(count)?;
    c::test_vectors(graph, options, &pixels(&digits), digits.labels()).context("--test")
}
