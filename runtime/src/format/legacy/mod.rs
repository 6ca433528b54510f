//! Versions 1 to 4 of the `.bnet` file: chains of layers, which become graphs.
//!
//! `docs/bnet-format-4.md` is the specification. The graph computes what the chain did: its bits and
//! integer sums are the same. Real numbers were double precision and are single precision in the
//! graph. A real least sum becomes the least float that is not below it, so that every sum that is
//! a float is decided as before; scales and biases are rounded to the nearest float.

mod layers;
mod record;

use super::{
    CHECKSUM, FormatError, METADATA_LIMIT,
    error::{at_most, check, field},
    metadata, net,
    source::Source,
};
use crate::graph::{ArrayLayout, Graph, Kind, Op, Pixels, Shape};
use alloc::{collections::BTreeMap, format, string::String, vec::Vec};
use layers::Layer;
use record::{ConvRecord, Record};

/// Bytes of the header.
const HEADER: usize = 64;
/// Sections begin on multiples of this.
const ALIGNMENT: usize = 64;
/// Bytes of a row of the section table.
const SECTION_ENTRY: usize = 24;
/// The sections in their order; a section's kind is its place here, from 1.
const SECTIONS: [&str; 3] = ["weights", "thresholds", "metadata"];
/// Where the length of the file is.
const LENGTH_AT: usize = 40;
/// Memory of the nodes of a layer beside its weights.
const LAYER_BYTES: usize = 1024;

/// The length of a file according to its beginning, which has magic and version.
pub(super) fn announced_length(beginning: &[u8]) -> Result<usize, FormatError> {
    let found = beginning.len();
    check(
        found >= LENGTH_AT + 8,
        0,
        "bytes of the header",
        HEADER,
        found,
    )?;
    Ok(usize::try_from(wide(beginning, LENGTH_AT)).unwrap_or(usize::MAX))
}

/// The graph of a file with the right magic and a version from 1 to 4.
pub(super) fn read(file: &[u8], version: u32) -> Result<Graph, FormatError> {
    check(
        file.len() >= HEADER,
        0,
        "bytes of the header",
        HEADER,
        file.len(),
    )?;
    let announced = announced_length(file)?;
    let what = "length of the file";
    check(
        announced == file.len(),
        LENGTH_AT,
        what,
        announced,
        file.len(),
    )?;
    let least = HEADER + CHECKSUM;
    let expected = format_args!("at least {least}");
    check(file.len() >= least, LENGTH_AT, what, expected, file.len())?;
    let end = file.len() - CHECKSUM;
    net::check_checksum(file, end)?;
    let body = &file[..end];

    let count = long(body, 12) as usize;
    check(
        (1..=65535).contains(&count),
        12,
        "layers",
        "1 to 65535",
        count,
    )?;
    let sections = long(body, 16);
    check(sections == 3, 16, "sections", 3, sections)?;
    check_zero(body, 34..LENGTH_AT, "unused byte of the header")?;
    check_zero(body, 48..HEADER, "unused byte of the header")?;
    let (threshold, grey) = (body[32], body[33]);
    check(
        grey <= 1,
        33,
        "whether grey values are read",
        "0 or 1",
        grey,
    )?;
    let fits = grey == 0 || threshold == 0;
    check(
        fits,
        32,
        "threshold of grey values that are read",
        0,
        threshold,
    )?;
    let tables = HEADER + count * Record::BYTES + SECTIONS.len() * SECTION_ENTRY;
    check(tables <= end, 12, "end of the tables", at_most(end), tables)?;
    let records = read_records(body, count)?;
    check_order(&records, grey == 1)?;
    let sections = read_sections(body, &records)?;

    let [height, width, channels] = [20, 24, 28].map(|at| long(body, at) as usize);
    layers::check_values(20, "input: shape".into(), [height, width, channels])?;
    let mut graph = Graph::default();
    let (kind, pixels) = if grey == 1 {
        (Kind::U8, Pixels::Bytes)
    } else {
        (Kind::Bit, Pixels::AtLeast(threshold))
    };
    let mut value = graph.add_input("image", kind, Shape::new(height, width, channels))?;
    graph.inputs[0].pixels = pixels;
    let (mut weights_at, mut thresholds_at) = (sections[0].start, sections[1].start);
    for (index, &record) in records.iter().enumerate() {
        let mut layer = Layer {
            record,
            number: index + 1,
            offset: HEADER + index * Record::BYTES,
            weights: Source::new(body, weights_at),
            thresholds: Source::new(body, thresholds_at),
        };
        value = layer.add(&mut graph, value)?;
        weights_at += record.weight_bytes();
        thresholds_at += record.threshold_bytes();
    }
    graph.add_output("logits", value)?;
    let classes = graph.value(value).shape.channels;
    graph.outputs[0].layout = ArrayLayout::flat(classes);
    graph.metadata = read_metadata(&body[..sections[2].end], sections[2].start)?;
    let oldest = oldest_version(&records, &graph);
    check(oldest == version, 8, "version of .bnet", oldest, version)?;
    graph.validate()?;
    Ok(graph)
}

/// The layer table. What the layers will take in memory is bounded here, before any is taken.
fn read_records(body: &[u8], count: usize) -> Result<Vec<Record>, FormatError> {
    let mut memory = Source::new(body, 0);
    let mut records = Vec::with_capacity(count);
    for number in 1..=count {
        let offset = HEADER + (number - 1) * Record::BYTES;
        let record = Record::read(body, number, offset)?;
        let bytes = record.memory().saturating_add(LAYER_BYTES);
        let taken = memory.take_memory("a layer", bytes, 1);
        taken.map_err(|_| {
            let what = format!("layer {number}: memory for the layers up to here");
            field(offset, what, "what the file's length justifies", "more")
        })?;
        records.push(record);
    }
    Ok(records)
}

/// The expectation is there, once, at the end or before an affine layer at the end; grey values are
/// what a convolution reads, and a real convolution reads them.
fn check_order(records: &[Record], grey: bool) -> Result<(), FormatError> {
    let offset = |index| HEADER + index * Record::BYTES;
    let sums = match records {
        [sums @ .., Record::Affine { .. }] => sums,
        sums => sums,
    };
    let affine = |record: &Record| matches!(record, Record::Affine { .. });
    if let Some(index) = sums.iter().position(affine) {
        let what = "layers: number of the affine layer";
        return Err(field(offset(index), what, records.len(), index + 1));
    }
    let last = sums.last().map_or("no layer", Record::kind);
    let ends = sums.last().is_some_and(Record::is_expectation);
    let at = offset(sums.len().saturating_sub(1));
    check(ends, at, "layers: last layer", "expectation", last)?;
    let first = sums.iter().position(Record::is_expectation).unwrap_or(0);
    let what = "layers: number of the first expectation layer";
    check(
        first + 1 == sums.len(),
        offset(first),
        what,
        sums.len(),
        first + 1,
    )?;
    let real = |record: &Record| matches!(record, Record::Conv(ConvRecord { real: true, .. }));
    let skipped = usize::from(grey);
    if let Some(index) = records.iter().skip(skipped).position(real) {
        let index = index + skipped;
        let what = format!("layer {} (real conv): input", index + 1);
        return Err(field(offset(index), what, "grey values", "bits"));
    }
    let conv = matches!(records[0], Record::Conv(_));
    let what = "layers: first layer, which reads grey values";
    check(
        !grey || conv,
        offset(0),
        what,
        "conv or real conv",
        records[0].kind(),
    )
}

/// The section table, which must say what follows from the layers, and the zeros between sections.
fn read_sections(
    body: &[u8],
    records: &[Record],
) -> Result<[core::ops::Range<usize>; 3], FormatError> {
    let table = HEADER + records.len() * Record::BYTES;
    let metadata = wide(body, table + 2 * SECTION_ENTRY + 16);
    let most = METADATA_LIMIT as u64;
    let what = "section 3 (metadata): length";
    check(
        metadata <= most,
        table + 2 * SECTION_ENTRY + 16,
        what,
        at_most(most),
        metadata,
    )?;
    // What the records' weights take is at most what memory was counted for.
    let weights: usize = records.iter().map(Record::weight_bytes).sum();
    let thresholds: usize = records.iter().map(Record::threshold_bytes).sum();
    let mut ranges = [0..0, 0..0, 0..0];
    let mut end = table + SECTIONS.len() * SECTION_ENTRY;
    for (index, length) in [weights, thresholds, metadata as usize]
        .into_iter()
        .enumerate()
    {
        let at = table + index * SECTION_ENTRY;
        let what = |what| format!("section {} ({}): {what}", index + 1, SECTIONS[index]);
        let offset = end.next_multiple_of(ALIGNMENT);
        for (place, name, expected) in [
            (0, "kind", index + 1),
            (8, "offset", offset),
            (16, "length", length),
        ] {
            let found = wide(body, at + place);
            check(
                expected as u64 == found,
                at + place,
                what(name),
                expected,
                found,
            )?;
        }
        let inside = offset + length <= body.len();
        check(
            inside,
            at + 16,
            what("end"),
            at_most(body.len()),
            offset + length,
        )?;
        check_zero(body, end..offset, "byte between sections")?;
        end = offset + length;
        ranges[index] = offset..end;
    }
    let (expected, found) = (end + CHECKSUM, body.len() + CHECKSUM);
    check(
        expected == found,
        LENGTH_AT,
        "length of the file",
        expected,
        found,
    )?;
    Ok(ranges)
}

/// Pairs of key and value to the end of the section, the keys ascending, each text after four bytes
/// of its length.
fn read_metadata(body: &[u8], start: usize) -> Result<BTreeMap<String, String>, FormatError> {
    let mut source = Source::new(body, start);
    let mut texts = metadata::Texts::default();
    while source.left() > 0 {
        let at = source.at();
        let mut text = |what| {
            let bytes = source.bytes(format_args!("length of a {what}"), 4)?;
            let length = long(bytes, 0) as usize;
            source.utf8(what, length)
        };
        let (key, value) = (text("metadata key")?, text("metadata value")?);
        check(
            !key.is_empty(),
            at,
            "metadata key",
            "at least one byte",
            "an empty one",
        )?;
        texts.add(at, key, value)?;
    }
    Ok(texts.finish())
}

/// The oldest version that has what a net needs.
fn oldest_version(records: &[Record], graph: &Graph) -> u32 {
    if records.iter().any(Record::has_options) {
        return 4;
    }
    let real = |record: &Record| {
        matches!(
            record,
            Record::Conv(ConvRecord { real: true, .. }) | Record::Expectation { real: true, .. }
        )
    };
    let input = graph.value(graph.inputs[0].value);
    if input.kind == Kind::U8 || records.iter().any(real) {
        return 3;
    }
    // In version 1 an expectation's weights serve every position, also where there is only one.
    let newer = |record: &Record| matches!(record, Record::MaxPool(_) | Record::Affine { .. });
    let dense = graph.nodes.iter().any(|node| {
        let shape = |index: usize| graph.value(node.inputs[index]).shape;
        matches!(node.op, Op::BinaryDense(_)) && shape(0).len() != shape(0).channels
    });
    if records.iter().any(newer) || dense {
        2
    } else {
        1
    }
}

fn check_zero(body: &[u8], range: core::ops::Range<usize>, what: &str) -> Result<(), FormatError> {
    let begin = range.start;
    match body
        .get(range)
        .unwrap_or(&[])
        .iter()
        .position(|&byte| byte != 0)
    {
        Some(at) => Err(field(begin + at, what, 0, body[begin + at])),
        None => Ok(()),
    }
}

/// The u16 at an offset that is known to be within the bytes.
fn short(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// The u32 at an offset that is known to be within the bytes.
fn long(bytes: &[u8], at: usize) -> u32 {
    u32::from(short(bytes, at)) | u32::from(short(bytes, at + 2)) << 16
}

/// The u64 at an offset that is known to be within the bytes.
fn wide(bytes: &[u8], at: usize) -> u64 {
    u64::from(long(bytes, at)) | u64::from(long(bytes, at + 4)) << 32
}
