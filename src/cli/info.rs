//! `bernet info`: what is in a net.

use super::{device_info, net, printable};
use anyhow::{Context, Result};
use bernet::{
    exchange::{Format, pixels},
    report::{self, Align, Table},
};
use bernet_runtime::{
    format,
    graph::{ArrayLayout, Graph, Op, Value},
    plan::{Options, Program},
};
use serde_json::json;
use std::{fs, io::Write, path::PathBuf};

/// Show a net: its nodes with shapes, weights and MACs, its inputs and outputs, its memory and its metadata; or draw it.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The net: a .bnet file of any version, ONNX or TFLite.
    model: PathBuf,
    /// One JSON object, for programs.
    #[arg(long)]
    json: bool,
    /// Draw the graph for Graphviz, into a file.
    #[arg(long, value_name = "OUT.dot")]
    dot: Option<PathBuf>,
    /// Draw the graph as an SVG picture, into a file.
    #[arg(long, value_name = "OUT.svg")]
    svg: Option<PathBuf>,
    /// What `export --c` would take on a small device: flash, RAM, estimated instructions a layer.
    #[arg(long, conflicts_with_all = ["dot", "svg"])]
    device: bool,
}

pub(super) fn run(arguments: &Arguments, out: &mut impl Write) -> Result<()> {
    if arguments.device {
        return device_info::run(&arguments.model, arguments.json, out);
    }
    let path = &arguments.model;
    let graph = net::read(path)?;
    for (path, draw) in [
        (&arguments.dot, report::graph_dot as fn(&Graph) -> String),
        (&arguments.svg, report::graph_svg),
    ] {
        if let Some(path) = path {
            fs::write(path, draw(&graph)).with_context(|| path.display().to_string())?;
        }
    }
    let kind = Format::of(path)?;
    let bytes = fs::metadata(path)?.len();
    let program = Program::new(&graph, &Options::default())?;
    if arguments.json {
        writeln!(out, "{}", json(&graph, &program, kind, bytes))?;
        return Ok(());
    }
    let name = printable(&path.display().to_string());
    writeln!(out, "{name}: {kind}, {bytes} bytes\n")?;
    let heads = ["node", "output"].map(|head| (head, Align::Left));
    let numbers = ["weights", "binary MACs", "real MACs"].map(|head| (head, Align::Right));
    let mut table = Table::new([("", Align::Right)].into_iter().chain(heads).chain(numbers));
    let mut totals = [0; 3];
    for (index, node) in graph.nodes.iter().enumerate() {
        let value = graph.value(node.outputs[0]);
        let numbers = work(&node.op, value);
        for (total, number) in totals.iter_mut().zip(numbers) {
            *total += number;
        }
        let shown = |number: u64| {
            if number == 0 {
                String::new()
            } else {
                number.to_string()
            }
        };
        let [weights, binary, real] = numbers.map(shown);
        let number = (index + 1).to_string();
        table.row([
            &number[..],
            node.op.name(),
            &value.to_string(),
            &weights,
            &binary,
            &real,
        ]);
    }
    let [weights, binary, real] = totals.map(|total| total.to_string());
    table.row(["", "total", "", &weights, &binary, &real]);
    writeln!(out, "{}\n", table.to_text())?;
    for input in &graph.inputs {
        let array = axes(&input.layout);
        let name = printable(&input.name);
        writeln!(
            out,
            "input {name:?}: {}, array {array}; {}",
            graph.value(input.value),
            pixels::describe(&input.pixels)
        )?;
    }
    for output in &graph.outputs {
        let array = axes(&output.layout);
        let name = printable(&output.name);
        writeln!(
            out,
            "output {name:?}: {}, array {array}",
            graph.value(output.value)
        )?;
    }
    writeln!(
        out,
        "memory of a run: {} bytes for an item",
        program.arena_bytes()
    )?;
    if !graph.metadata.is_empty() {
        let mut bare = graph.clone();
        bare.metadata.clear();
        let bytes = format::to_bytes(&bare)?.len();
        writeln!(
            out,
            "as .bnet version {} without metadata: {bytes} bytes",
            format::VERSION
        )?;
    }
    for (key, value) in &graph.metadata {
        writeln!(out, "{}: {}", printable(key), printable(value))?;
    }
    Ok(())
}

/// Weights, and multiply-accumulates with bits and with floats.
fn work(op: &Op, output: Value) -> [u64; 3] {
    let sums = output.shape.len() as u64;
    match op {
        Op::BinaryConv(conv) => {
            let depth = conv.weights.columns() as u64;
            [conv.weights.rows() as u64 * depth, sums * depth, 0]
        }
        Op::BinaryDense(weights) => {
            let depth = weights.columns() as u64;
            [weights.rows() as u64 * depth, sums * depth, 0]
        }
        Op::Conv(conv) => {
            let weights = conv.weights.len() as u64;
            [weights, 0, sums * (weights / conv.outputs as u64)]
        }
        Op::Dense(dense) => [dense.weights.len() as u64, 0, dense.weights.len() as u64],
        _ => [0; 3],
    }
}

/// The axes of a host's array.
fn axes(layout: &ArrayLayout) -> String {
    let sizes = layout.dims.iter().map(usize::to_string);
    let batch = layout.batch.then(|| "N".to_owned());
    let axes: Vec<_> = batch.into_iter().chain(sizes).collect();
    format!("[{}]", axes.join(", "))
}

/// What the table shows.
fn json(graph: &Graph, program: &Program, kind: Format, bytes: u64) -> serde_json::Value {
    let edge = |name: &str, value: Value, layout: &ArrayLayout| {
        json!({
            "name": name,
            "type": value.kind.name(),
            "shape": value.shape.dims(),
            "array": layout.dims,
            "batch": layout.batch,
        })
    };
    let inputs = graph.inputs.iter();
    let inputs = inputs.map(|one| edge(&one.name, graph.value(one.value), &one.layout));
    let outputs = graph.outputs.iter();
    let outputs = outputs.map(|one| edge(&one.name, graph.value(one.value), &one.layout));
    let nodes = graph.nodes.iter().map(|node| {
        let value = graph.value(node.outputs[0]);
        let [weights, binary, real] = work(&node.op, value);
        json!({
            "name": node.name,
            "operator": node.op.name(),
            "type": value.kind.name(),
            "output": value.shape.dims(),
            "weights": weights,
            "binary_macs": binary,
            "real_macs": real,
        })
    });
    let (name, version) = match kind {
        Format::Bnet { version } => (".bnet".to_owned(), Some(version)),
        other => (other.to_string(), None),
    };
    json!({
        "format": name,
        "version": version,
        "bytes": bytes,
        "inputs": inputs.collect::<Vec<_>>(),
        "outputs": outputs.collect::<Vec<_>>(),
        "nodes": nodes.collect::<Vec<_>>(),
        "arena_bytes": program.arena_bytes(),
        "metadata": graph.metadata,
    })
}
