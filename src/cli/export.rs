//! `bernet export`: a net for elsewhere.

use super::printable;
use anyhow::{Context, Result};
use bernet::model::{
    Model,
    onnx::{self, Dialect},
};
use std::{io::Write, path::PathBuf};

/// Write a model as ONNX, which other engines run to the same labels and logits. Its input is pixel/255.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The model, a .bnet file.
    model: PathBuf,
    /// The .onnx file to write.
    #[arg(long, value_name = "OUT.onnx")]
    onnx: PathBuf,
    /// Mark weights and activations as bits by QONNX's BipolarQuant; without, all operators are standard ONNX.
    #[arg(long)]
    qonnx: bool,
    /// Use the operators that bernet's library brings to onnxruntime (embed/onnxruntime).
    #[arg(long, conflicts_with = "qonnx")]
    xnor: bool,
}

pub(super) fn run(arguments: &Arguments, out: &mut impl Write) -> Result<()> {
    let model = Model::read(&arguments.model)?;
    let dialect = match arguments {
        Arguments { qonnx: true, .. } => Dialect::Qonnx,
        Arguments { xnor: true, .. } => Dialect::Bernet,
        _ => Dialect::Standard,
    };
    let name = arguments.onnx.display().to_string();
    let bytes =
        onnx::export_file(&model, dialect, &arguments.onnx).with_context(|| name.clone())?;
    writeln!(out, "{}: {bytes} bytes", printable(&name))?;
    Ok(())
}
