//! `bernet import`: a net from elsewhere.

use super::printable;
use anyhow::{Context, Result, bail};
use bernet::{
    exchange::{
        ImportOptions, onnx,
        pixels::{self, Reading},
        tflite,
    },
    model,
};
use bernet_runtime::{
    format,
    graph::{Graph, Op, Pixels},
    passes::{self, Passes},
};
use std::{
    fs::{self, File},
    io::{Read, Write},
    path::{Path, PathBuf},
};

/// The most bytes of a file that is read.
const FILE_LIMIT: u64 = 1 << 31;

/// Make a .bnet file of a net in ONNX, QONNX or TFLite, Larq's included. What is binary runs on bits, exactly; the rest in floats.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The net; its contents, not its name, say in which format.
    model: PathBuf,
    /// The .bnet file to write.
    #[arg(short, long, value_name = "OUT.bnet")]
    output: PathBuf,
    /// What a picture's pixels become at inputs of floats: 0..1, 0..255, -1..1 or mean=M,std=S, for channels separated by /.
    #[arg(long, value_name = "RANGE", allow_hyphen_values = true)]
    pixels: Option<Reading>,
    /// Open no other files: weights that an ONNX model keeps beside it are refused.
    #[arg(long)]
    no_external_data: bool,
    /// Leave out a pass over the graph: constants, binarise, thresholds, signs, dead, or all.
    #[arg(long, value_name = "PASS")]
    without: Vec<Pass>,
    /// Write a chain of layers, as eval, predict and export take it: of an .onnx file whose input is pixel/255, or bytes.
    #[arg(long, conflicts_with_all = ["pixels", "no_external_data", "without"])]
    chain: bool,
}

/// What can be left out.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Pass {
    Constants,
    Binarise,
    Thresholds,
    Signs,
    Dead,
    All,
}

pub(super) fn run(arguments: &Arguments, out: &mut impl Write) -> Result<()> {
    if arguments.chain {
        return chain(arguments, out);
    }
    let (graph, notes) = read(arguments)?;
    let graph = passes::run(&graph, &wanted(&arguments.without))?;
    format::write(&graph, &arguments.output)?;
    let bytes = fs::metadata(&arguments.output).map_or(0, |file| file.len());
    writeln!(
        out,
        "{}: {}, {bytes} bytes",
        printable(&arguments.output.display().to_string()),
        describe(&graph)
    )?;
    for note in notes {
        writeln!(out, "{}", printable(&note))?;
    }
    Ok(())
}

/// The net of a file, and what its importer has to say.
fn read(arguments: &Arguments) -> Result<(Graph, Vec<String>)> {
    let path = &arguments.model;
    if !is_tflite(path)? {
        let options = ImportOptions {
            pixels: arguments.pixels.clone().map(Pixels::from),
            no_external_data: arguments.no_external_data,
            ..ImportOptions::default()
        };
        let imported = onnx::import_file(path, &options)?;
        return Ok((imported.graph, imported.notes));
    }
    let shown = || path.display().to_string();
    let mut bytes = Vec::new();
    let file = File::open(path).with_context(shown)?;
    file.take(FILE_LIMIT + 1)
        .read_to_end(&mut bytes)
        .with_context(shown)?;
    if bytes.len() as u64 > FILE_LIMIT {
        bail!(
            "{}: expected at most {FILE_LIMIT} bytes, found more",
            shown()
        );
    }
    let mut imported = tflite::import(&bytes).with_context(shown)?;
    if let Some(reading) = &arguments.pixels {
        pixels::set(&mut imported.graph, &reading.clone().into())?;
    }
    imported.notes.extend(pixels::notes(&imported.graph));
    Ok((imported.graph, imported.notes))
}

/// Whether a file begins as those of TFLite do.
fn is_tflite(path: &Path) -> Result<bool> {
    let shown = || path.display().to_string();
    let mut beginning = Vec::new();
    let file = File::open(path).with_context(shown)?;
    file.take(8)
        .read_to_end(&mut beginning)
        .with_context(shown)?;
    Ok(beginning.get(4..) == Some(b"TFL3"))
}

/// All passes but those that are left out.
fn wanted(without: &[Pass]) -> Passes {
    let wanted = |pass| !without.contains(&pass) && !without.contains(&Pass::All);
    Passes {
        constants: wanted(Pass::Constants),
        binarise: wanted(Pass::Binarise),
        thresholds: wanted(Pass::Thresholds),
        signs: wanted(Pass::Signs),
        dead: wanted(Pass::Dead),
    }
}

/// Nodes and weights of a graph, in words.
fn describe(graph: &Graph) -> String {
    let (mut binary, mut real) = (0, 0);
    for node in &graph.nodes {
        match &node.op {
            Op::BinaryConv(conv) => binary += conv.weights.rows() * conv.weights.columns(),
            Op::BinaryDense(weights) => binary += weights.rows() * weights.columns(),
            Op::Conv(conv) => real += conv.weights.len(),
            Op::Dense(dense) => real += dense.weights.len(),
            _ => {}
        }
    }
    format!(
        "{} nodes, {binary} binary weights, {real} real ones",
        graph.nodes.len()
    )
}

/// A chain of layers in a file of version 4.
fn chain(arguments: &Arguments, out: &mut impl Write) -> Result<()> {
    let model = model::onnx::import_file(&arguments.model)?;
    // What fits in memory may still not fit in a file, and then the net that was read is to blame.
    let summary = model
        .summary()
        .with_context(|| arguments.model.display().to_string())?;
    model.write(&arguments.output)?;
    let name = arguments.output.display().to_string();
    writeln!(
        out,
        "{}: {} layers, {} weights, {} bytes",
        printable(&name),
        model.layers.len(),
        summary.weights(),
        summary.file.total()
    )?;
    if let Some(note) = model.metadata.get("onnx.output") {
        writeln!(out, "its output is {}", printable(note))?;
    }
    Ok(())
}
