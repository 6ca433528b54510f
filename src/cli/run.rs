//! `bernet run`: a net on arrays.

use super::{level, net, printable};
use anyhow::{Context, Result, bail, ensure};
use bernet::exchange::{
    array,
    npy::{self, Array},
};
use bernet_kernels::isa::Level;
use bernet_runtime::{graph::Graph, plan::Options, session::Session, tensor::Tensor};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

/// Run a net on arrays of NumPy, in the shapes, order and names of the file that the net came from.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The net: a .bnet file of any version, ONNX or TFLite.
    net: PathBuf,
    /// An input's array, a .npy file; NAME=FILE where the net has several.
    #[arg(short, long, value_name = "[NAME=]X.npy", required = true)]
    input: Vec<String>,
    /// Where the outputs go: a .npz file, or a .npy file for a single output.
    #[arg(short, long, value_name = "Y.npz")]
    output: PathBuf,
    /// Instruction set; default: the best that this CPU has.
    #[arg(long, value_name = "NAME", value_parser = level)]
    level: Option<Level>,
}

pub(super) fn run(arguments: &Arguments, out: &mut impl Write) -> Result<()> {
    let single = match arguments
        .output
        .extension()
        .and_then(|extension| extension.to_str())
    {
        Some("npz") => false,
        Some("npy") => true,
        _ => bail!(
            "--output {}: expected a name that ends in .npz or .npy",
            arguments.output.display()
        ),
    };
    let graph = net::read(&arguments.net)?;
    ensure!(
        !single || graph.outputs.len() == 1,
        "--output {}: the net has {} outputs, and a .npy file holds one: write a .npz file",
        arguments.output.display(),
        graph.outputs.len()
    );
    let inputs = inputs(&graph, &arguments.input)?;
    let options = Options {
        level: arguments.level.unwrap_or_else(Level::best),
        ..Options::default()
    };
    let mut session = Session::new(&graph, &options)?;
    let tensors = session.run(&inputs)?;
    let arrays: Vec<_> = graph
        .outputs
        .iter()
        .zip(&tensors)
        .map(|(output, tensor)| {
            (
                output.name.clone(),
                array::from_tensor(tensor, &output.layout),
            )
        })
        .collect();
    let bytes = if single {
        arrays[0].1.to_npy()
    } else {
        npy::to_npz(&arrays)?
    };
    let shown = || arguments.output.display().to_string();
    fs::write(&arguments.output, bytes).with_context(shown)?;
    for (name, array) in &arrays {
        let numbers = array.numbers().type_name();
        writeln!(out, "{}: {numbers} {:?}", printable(name), array.shape())?;
    }
    Ok(())
}

/// The tensors of all inputs, in the net's order.
fn inputs(graph: &Graph, listed: &[String]) -> Result<Vec<Tensor>> {
    let names: Vec<_> = graph
        .inputs
        .iter()
        .map(|input| input.name.as_str())
        .collect();
    let mut paths: Vec<Option<&str>> = vec![None; names.len()];
    for text in listed {
        // A name may hold "=" itself, and so may a path: only names of the net count.
        let named = names
            .iter()
            .enumerate()
            .find_map(|(index, name)| Some((index, text.strip_prefix(name)?.strip_prefix('=')?)));
        let (index, path) = match named {
            Some(found) => found,
            None if names.len() == 1 => (0, text.as_str()),
            None => bail!(
                "--input {text}: expected NAME=FILE with one of {}",
                names.join(", ")
            ),
        };
        ensure!(
            paths[index].is_none(),
            "--input {text}: {} has an array already",
            names[index]
        );
        paths[index] = Some(path);
    }
    let mut tensors = Vec::with_capacity(names.len());
    for (index, path) in paths.into_iter().enumerate() {
        let Some(path) = path else {
            bail!(
                "input {:?}: no array, give it as --input {}=FILE",
                names[index],
                names[index]
            );
        };
        let array = read(Path::new(path)).with_context(|| path.to_owned())?;
        let tensor = array::to_tensor(graph, index, &array).with_context(|| path.to_owned())?;
        tensors.push(tensor);
    }
    let batches: Vec<_> = tensors.iter().map(Tensor::batch).collect();
    ensure!(
        batches.windows(2).all(|pair| pair[0] == pair[1]),
        "inputs {}: expected equal first axes, found {batches:?}",
        names.join(", ")
    );
    Ok(tensors)
}

fn read(path: &Path) -> Result<Array> {
    Ok(Array::from_npy(&fs::read(path)?)?)
}
