//! `bernet info --device`: a net on a small device, before it is there.

use super::{net, printable};
use anyhow::{Context, Result};
use bernet::{
    exchange::c,
    report::{Align, Table},
};
use serde_json::json;
use std::{io::Write, path::Path};

pub(super) fn run(path: &Path, as_json: bool, out: &mut impl Write) -> Result<()> {
    let graph = net::read(path)?;
    let shown = || path.display().to_string();
    let device = c::device(&graph).with_context(shown)?;
    if as_json {
        let layers = device.layers.iter().map(|layer| {
            json!({
                "layer": layer.description,
                "constant_bytes": layer.constant_bytes,
                "estimated_instructions": layer.instructions,
            })
        });
        let all = json!({
            "layers": layers.collect::<Vec<_>>(),
            "constant_bytes": device.constant_bytes,
            "estimated_code_bytes": device.code_bytes,
            "arena_bytes": device.arena_bytes,
            "estimated_instructions": device.instructions(),
        });
        writeln!(out, "{all}")?;
        return Ok(());
    }
    let head = [
        ("layer", Align::Left),
        ("constants", Align::Right),
        ("estimated instructions", Align::Right),
    ];
    let mut table = Table::new(head);
    for layer in &device.layers {
        let description = printable(&layer.description);
        let numbers = [layer.constant_bytes, layer.instructions].map(|number| number.to_string());
        table.row([&description[..], &numbers[0], &numbers[1]]);
    }
    let totals = [device.constant_bytes, device.instructions()].map(|number| number.to_string());
    table.row(["total", &totals[0], &totals[1]]);
    writeln!(out, "{}\n", table.to_text())?;
    writeln!(
        out,
        "flash: {} bytes of constants and about {} of code",
        device.constant_bytes, device.code_bytes
    )?;
    writeln!(
        out,
        "RAM: {} bytes of working memory; the stack, some 200 bytes, comes on top",
        device.arena_bytes
    )?;
    writeln!(
        out,
        "Instructions are those of a core like a Cortex-M4, of an image of bits where the net takes bits."
    )?;
    Ok(())
}
