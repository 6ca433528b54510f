//! `bernet import`: a net from elsewhere.

use super::printable;
use anyhow::Result;
use bernet::exchange::{self, ImportOptions, Imported, pixels::Reading};
use bernet_runtime::{
    format,
    graph::{Graph, Op, Pixels},
    passes::{self, Passes},
};
use std::{fs, io::Write, path::PathBuf};

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
    let options = ImportOptions {
        pixels: arguments.pixels.clone().map(Pixels::from),
        no_external_data: arguments.no_external_data,
        ..ImportOptions::default()
    };
    let Imported { graph, notes } = exchange::read(&arguments.model, &options)?;
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
