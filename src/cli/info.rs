//! `bernet info`: what is in a model file.

use super::{device_info, graph_info, printable};
use anyhow::{Result, bail};
use bernet::model::{Model, Summary};
use bernet_kernels::bits::Shape;
use serde_json::{Value, json};
use std::{io::Write, path::PathBuf};

/// Show a net: its layers or nodes with shapes, weights and MACs, its memory, and the parts of its file; or draw it.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The model, a .bnet file.
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
    if graph_info::is_graph(&arguments.model) {
        let [dot, svg] = [&arguments.dot, &arguments.svg].map(Option::as_deref);
        return graph_info::run(&arguments.model, arguments.json, dot, svg, out);
    }
    let model = Model::read(&arguments.model)?;
    if arguments.dot.is_some() || arguments.svg.is_some() {
        bail!(
            "{}: a chain of layers, no graph to draw (a file that import writes holds one)",
            arguments.model.display()
        );
    }
    let summary = model.summary()?;
    if arguments.json {
        writeln!(out, "{}", json(&model, &summary))?;
        return Ok(());
    }
    let name = arguments.model.display().to_string();
    writeln!(
        out,
        "{}: .bnet version {}, {} bytes\n",
        printable(&name),
        summary.file.version,
        summary.file.total()
    )?;
    writeln!(out, "{summary}")?;
    match model.input.threshold {
        Some(threshold) => writeln!(out, "\na grey value of at least {threshold} is +1")?,
        None => writeln!(out, "\nthe first layer reads grey values, 0 to 255")?,
    }
    for (key, value) in &model.metadata {
        writeln!(out, "{}: {}", printable(key), printable(value))?;
    }
    Ok(())
}

/// What the table shows. `parts` add up to `bytes`, the file's size; shapes are height, width, channels.
fn json(model: &Model, summary: &Summary) -> Value {
    let shape = |shape: Shape| [shape.height, shape.width, shape.channels];
    let layers = summary.layers.iter().map(|layer| {
        json!({
            "layer": layer.description,
            "output": shape(layer.output),
            "weights": layer.weights,
            "weight_bytes": layer.weight_bytes,
            "threshold_bytes": layer.threshold_bytes,
            "macs": layer.macs,
        })
    });
    let file = &summary.file;
    json!({
        "version": file.version,
        "bytes": file.total(),
        "input": { "shape": shape(summary.input), "threshold": model.input.threshold },
        "weights": summary.weights(),
        "macs": summary.macs(),
        "layers": layers.collect::<Vec<_>>(),
        "parts": {
            "header": file.header,
            "layer_table": file.layer_table,
            "section_table": file.section_table,
            "weights": file.weights,
            "thresholds": file.thresholds,
            "metadata": file.metadata,
            "alignment": file.alignment,
            "checksum": file.checksum,
        },
        "metadata": model.metadata,
    })
}
