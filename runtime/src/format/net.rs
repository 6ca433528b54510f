//! A graph as bytes: version 5.

use super::{
    CHECKSUM, FormatError, MAGIC, VERSION,
    error::{at_most, check, field},
    lists, metadata,
    ops::{self, KINDS},
    sink::{Compare, Sink},
    source::Source,
};
use crate::graph::{ArrayLayout, Graph, Input, NODES_LIMIT, Output, Pixels, Shape, ValueId};
use alloc::{format, string::String, vec, vec::Vec};

/// Where the length begins, after magic and version.
const LENGTH_AT: usize = 12;
/// Of the byte before a node: a name comes next.
const NAMED: u8 = 1 << 7;
/// Memory of a node and its value beside its weights.
const NODE_BYTES: usize = 512;

/// The bytes of a graph.
pub(super) fn write(graph: &Graph) -> Result<Vec<u8>, FormatError> {
    graph.validate()?;
    let mut body = Vec::new();
    put_graph(&mut body, graph);
    metadata::put(&mut body, &graph.metadata)?;
    let mut file = MAGIC.to_vec();
    file.bytes(&VERSION.to_le_bytes());
    file.size(body.len() + CHECKSUM);
    file.bytes(&body);
    let checksum = crc32fast::hash(&file);
    file.bytes(&checksum.to_le_bytes());
    Ok(file)
}

/// The length of a file according to its beginning, which has magic and version.
pub(super) fn announced_length(beginning: &[u8]) -> Result<usize, FormatError> {
    let mut source = Source::new(beginning, LENGTH_AT);
    let rest = source.size("length of the rest of the file")?;
    Ok(source.at().saturating_add(rest))
}

/// The graph of a file with the right magic and version.
pub(super) fn read(file: &[u8]) -> Result<Graph, FormatError> {
    let mut source = Source::new(file, LENGTH_AT);
    let rest = source.size("length of the rest of the file")?;
    let what = "length of the rest of the file";
    check(
        rest == source.left() && rest >= CHECKSUM,
        LENGTH_AT,
        what,
        rest.max(CHECKSUM),
        source.left(),
    )?;
    let begin = source.at();
    let end = file.len() - CHECKSUM;
    check_checksum(file, end)?;
    let mut source = Source::new(&file[..end], begin);
    let mut graph = graph(&mut source)?;
    graph.validate()?;
    let mut compare = Compare::new(&file[..end], begin);
    put_graph(&mut compare, &graph);
    if let Some(at) = compare.difference(source.at()) {
        let what = "a byte that the only file of this graph has otherwise";
        return Err(field(at, what, "the shortest form", "another"));
    }
    graph.metadata = metadata::read(&mut source)?;
    check(
        source.left() == 0,
        source.at(),
        "bytes after the metadata",
        0,
        source.left(),
    )?;
    Ok(graph)
}

fn check_checksum(file: &[u8], offset: usize) -> Result<(), FormatError> {
    let mut stored = [0; CHECKSUM];
    stored.copy_from_slice(&file[offset..]);
    let (stored, computed) = (u32::from_le_bytes(stored), crc32fast::hash(&file[..offset]));
    if stored == computed {
        return Ok(());
    }
    Err(FormatError::Checksum {
        offset,
        stored,
        computed,
    })
}

/// Everything of a valid graph but its metadata.
fn put_graph(sink: &mut impl Sink, graph: &Graph) {
    // Values are numbered in the order in which they are made.
    let mut numbers = vec![0; graph.values.len()];
    let made = graph.inputs.iter().map(|input| &input.value);
    let made = made.chain(graph.nodes.iter().flat_map(|node| &node.outputs));
    for (number, id) in made.enumerate() {
        numbers[id.index()] = number;
    }
    sink.size(graph.inputs.len());
    for input in &graph.inputs {
        let value = graph.value(input.value);
        sink.text(&input.name);
        sink.byte(ops::number(&KINDS, value.kind));
        sink.sizes(&value.shape.dims());
        put_layout(sink, &input.layout, value.shape);
        put_pixels(sink, &input.pixels);
    }
    sink.size(graph.nodes.len());
    let mut next = graph.inputs.len();
    for node in &graph.nodes {
        let code = ops::code(&node.op);
        sink.byte(code | if node.name.is_empty() { 0 } else { NAMED });
        if !node.name.is_empty() {
            sink.text(&node.name);
        }
        if ops::arity(code).is_none() {
            sink.size(node.inputs.len());
        }
        for id in &node.inputs {
            sink.size(next - numbers[id.index()] - 1);
        }
        ops::put(sink, &node.op);
        next += node.outputs.len();
    }
    sink.size(graph.outputs.len());
    for output in &graph.outputs {
        sink.text(&output.name);
        sink.size(next - numbers[output.value.index()] - 1);
        put_layout(sink, &output.layout, graph.value(output.value).shape);
    }
}

/// Everything but the metadata. It is not yet valid.
fn graph(source: &mut Source) -> Result<Graph, FormatError> {
    let mut graph = Graph::default();
    for _ in 0..count(source, "inputs")? {
        source.take_memory("an input", 1, NODE_BYTES)?;
        let name = source.text("name of an input")?;
        let kind = source.choice("type of an input", &KINDS)?;
        let shape = ops::shape(source)?;
        let layout = layout(source, shape)?;
        let pixels = pixels(source)?;
        let value = graph.add_input(&name, kind, shape)?;
        *graph.inputs.last_mut().expect("it was added") = Input {
            name,
            value,
            layout,
            pixels,
        };
    }
    let nodes = count(source, "nodes")?;
    for _ in 0..nodes {
        source.take_memory("a node", 1, NODE_BYTES)?;
        node(source, &mut graph)?;
    }
    for _ in 0..count(source, "outputs")? {
        source.take_memory("an output", 1, NODE_BYTES)?;
        let name = source.text("name of an output")?;
        let value = value(source, &graph)?;
        let layout = layout(source, graph.value(value).shape)?;
        graph.outputs.push(Output {
            name,
            value,
            layout,
        });
    }
    Ok(graph)
}

/// The number of inputs, nodes or outputs.
fn count(source: &mut Source, what: &str) -> Result<usize, FormatError> {
    let at = source.at();
    let count = source.size(format_args!("number of {what}"))?;
    let what = format_args!("number of {what}");
    check(count <= NODES_LIMIT, at, what, at_most(NODES_LIMIT), count)?;
    Ok(count)
}

fn node(source: &mut Source, graph: &mut Graph) -> Result<(), FormatError> {
    let first = source.byte("operator")?;
    let mut name = String::new();
    if first & NAMED != 0 {
        let at = source.at();
        name = source.text("name of a node")?;
        check(
            !name.is_empty(),
            at,
            "length of the name of a node",
            "at least 1",
            0,
        )?;
    }
    let code = first & !NAMED;
    let arity = match ops::arity(code) {
        Some(arity) => arity,
        None => {
            let at = source.at();
            let arity = source.size("number of inputs of a node")?;
            // Each takes a byte at least.
            let limit = source.left();
            check(
                arity <= limit,
                at,
                "number of inputs of a node",
                at_most(limit),
                arity,
            )?;
            source.take_memory("inputs of a node", arity, 64)?;
            arity
        }
    };
    let mut inputs = Vec::with_capacity(arity);
    for _ in 0..arity {
        inputs.push(value(source, graph)?);
    }
    let types: Vec<_> = inputs.iter().map(|id| graph.value(*id)).collect();
    let op = ops::read(source, code, &types).map_err(|error| at_node(error, graph, &name))?;
    graph.add_named(&name, op, &inputs)?;
    Ok(())
}

/// An error about a field of a node says which.
fn at_node(error: FormatError, graph: &Graph, name: &str) -> FormatError {
    match error {
        FormatError::Field {
            offset,
            what,
            expected,
            found,
        } => {
            let index = graph.nodes.len();
            let what = if name.is_empty() {
                format!("node {index}: {what}")
            } else {
                format!("node \"{name}\": {what}")
            };
            field(offset, what, expected, found)
        }
        other => other,
    }
}

/// How far back a value was made, 0 being the last.
fn value(source: &mut Source, graph: &Graph) -> Result<ValueId, FormatError> {
    let at = source.at();
    let back = source.size("value")?;
    let made = graph.values.len();
    let number = made.checked_sub(1).and_then(|last| last.checked_sub(back));
    let number = number.ok_or_else(|| {
        let expected = format!("one of the {made} that are made, counted from the last");
        field(at, "value", expected, back)
    })?;
    Ok(ValueId(number as u32))
}

/// Of the form of a layout: its axes are listed.
const LISTED: u8 = 3;
/// Of the form of a layout: there is no axis of the batch.
const NO_BATCH: u8 = 4;

/// The layouts that have a number, the first that fits is written.
fn known_layouts(shape: Shape) -> [ArrayLayout; 3] {
    [
        ArrayLayout::nhwc(shape),
        ArrayLayout::nchw(shape),
        ArrayLayout::flat(shape.len()),
    ]
}

fn put_layout(sink: &mut impl Sink, layout: &ArrayLayout, shape: Shape) {
    let known = known_layouts(shape);
    let same = |known: &ArrayLayout| (&known.dims, &known.perm) == (&layout.dims, &layout.perm);
    let form = known.iter().position(same);
    let form = form.map_or(LISTED, |form| form as u8);
    sink.byte(form | if layout.batch { 0 } else { NO_BATCH });
    if form == LISTED {
        sink.size(layout.dims.len());
        sink.sizes(&layout.dims);
        sink.sizes(&layout.perm);
    }
}

fn layout(source: &mut Source, shape: Shape) -> Result<ArrayLayout, FormatError> {
    let at = source.at();
    let byte = source.byte("form of a layout")?;
    check(byte < 8, at, "form of a layout", at_most(7), byte)?;
    let form = usize::from(byte % NO_BATCH);
    let layout = match known_layouts(shape).into_iter().nth(form) {
        Some(known) => known,
        None => {
            let [dims, perm] = ops::array(source)?;
            let batch = true;
            ArrayLayout { dims, perm, batch }
        }
    };
    let batch = byte < NO_BATCH;
    Ok(ArrayLayout { batch, ..layout })
}

fn put_pixels(sink: &mut impl Sink, pixels: &Pixels) {
    match pixels {
        Pixels::Unsaid => sink.byte(0),
        Pixels::AtLeast(least) => sink.bytes(&[1, *least]),
        Pixels::Bytes => sink.byte(2),
        Pixels::Affine { scale, bias } => {
            sink.byte(3);
            lists::put_counted(sink, scale);
            lists::put_counted(sink, bias);
        }
    }
}

fn pixels(source: &mut Source) -> Result<Pixels, FormatError> {
    let at = source.at();
    Ok(match source.byte("pixels")? {
        0 => Pixels::Unsaid,
        1 => Pixels::AtLeast(source.byte("least pixel")?),
        2 => Pixels::Bytes,
        3 => Pixels::Affine {
            scale: lists::counted(source, "scales of pixels")?,
            bias: lists::counted(source, "biases of pixels")?,
        },
        other => return Err(field(at, "pixels", at_most(3), other)),
    })
}
