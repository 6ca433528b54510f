//! What a net takes on a device, estimated before there is one.

use super::{
    arena::Arena,
    byte_lines::ByteLines,
    counts,
    error::ExportError,
    file::File,
    lines::Lines,
    net::{Net, Step},
    options::Options,
    product::Product,
    sums,
};
use bernet_runtime::{
    graph::{Graph, Kind, Op},
    passes::{self, Passes},
};

/// One step of a net on a device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceLayer {
    /// The operator, its shapes and how it is computed.
    pub description: String,
    /// Bytes of weights and thresholds.
    pub constant_bytes: usize,
    /// Estimated instructions of a core like a Cortex-M4.
    pub instructions: usize,
}

/// A net on a device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Device {
    /// The steps, in order.
    pub layers: Vec<DeviceLayer>,
    /// Bytes of weights, thresholds and other constants in flash.
    pub constant_bytes: usize,
    /// Estimated bytes of code in flash.
    pub code_bytes: usize,
    /// Bytes of the caller's array; the stack is not in it.
    pub arena_bytes: usize,
}

impl Device {
    /// Estimated instructions of one image.
    pub fn instructions(&self) -> usize {
        self.layers.iter().map(|layer| layer.instructions).sum()
    }
}

/// Estimates what [`export`](super::export) writes: sizes as they are, instructions by the counts
/// that choose between the forms of a layer.
///
/// # Errors
/// [`ExportError`] as [`export`](super::export).
pub fn device(graph: &Graph) -> Result<Device, ExportError> {
    let graph = sums::merge(passes::run(graph, &Passes::default())?);
    let net = Net::new(&graph)?;
    let arena = Arena::new(&net);
    let options = Options::default();
    let file = File {
        net: &net,
        arena: &arena,
        options: &options,
    };
    let mut layers = Vec::new();
    let mut code_bytes = 700;
    let mut sliced = false;
    for step in &net.steps {
        let (form, instructions, code) = estimate(&net, step);
        sliced |= form == "32 channels at once";
        code_bytes += code;
        layers.push(DeviceLayer {
            description: match form {
                "" => file.describe(step),
                form => format!("{}; {form}", file.describe(step)),
            },
            constant_bytes: file.step_bytes(step),
            instructions,
        });
    }
    code_bytes += if sliced { 900 } else { 0 };
    let (_, constant_bytes) = file.source();
    Ok(Device {
        layers,
        constant_bytes,
        code_bytes,
        arena_bytes: file.arena_bytes(),
    })
}

/// How a step is computed, its instructions, and its bytes of code.
fn estimate(net: &Net<'_>, step: &Step<'_>) -> (&'static str, usize, usize) {
    if let Some(lines) = Lines::of(net, step) {
        return ("positions at once", counts::lines(&lines), 2100);
    }
    if let Some(lines) = ByteLines::of(net, step) {
        let code = 500 + 6 * lines.added() + 30 * lines.product.output.channels;
        return ("two positions at once", counts::byte_lines(&lines), code);
    }
    let output = net.value(step.output).shape;
    let Some(product) = Product::of(net, step) else {
        let read: usize = step
            .node
            .inputs
            .iter()
            .map(|id| net.value(*id).shape.len())
            .sum();
        if let (Op::Pool(pool), Kind::Bit) = (&step.node.op, net.value(step.output).kind) {
            return ("", counts::pool(pool, output), 200);
        }
        let folds = matches!(step.node.op, Op::Pool(_) | Op::Reduce { .. } | Op::ArgMax);
        let each = if folds {
            read.max(output.len())
        } else {
            output.len()
        };
        return ("", 16 * each, 200);
    };
    let positions = output.height * output.width;
    let groups = product.params.groups;
    let (form, of_position) = match product.kind {
        Kind::Bit if counts::sliced(&product) => ("32 channels at once", counts::blocks(&product)),
        Kind::Bit => ("row by row", counts::rows(&product)),
        _ => (
            "byte by byte",
            product.columns() * (8 * output.channels + 4 * groups),
        ),
    };
    let gather = if product.direct() {
        10
    } else {
        groups * counts::gather(&product)
    };
    (form, positions * (of_position + gather), 250)
}
