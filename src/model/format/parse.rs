//! Bytes, which need not be trusted, to a model.
//!
//! Every length is checked against what is there before anything is read or allocated. What is the same in every valid
//! file with the same layers (where a section begins, how long it is) is computed and compared, not followed.

use super::{
    CHECKSUM, FormatError, HEADER, MAGIC, Record, VERSION, content,
    layout::{self, SECTION_ENTRY, SECTIONS, Sections},
};
use crate::model::{Input, LAYERS_LIMIT, Layer, METADATA_LIMIT, Model, RealThreshold};
use bernet_kernels::{bits::WORD, xnor::Threshold};
use std::{collections::BTreeMap, fmt::Display};

/// What a model may take in memory beyond the length of its file. Rows padded to words and thresholds of 8 bytes take more
/// than their bits in the file do; for nets that anyone would want it is a small part of this.
const MEMORY_LIMIT: u64 = 48 << 20;

pub(super) fn model(bytes: &[u8]) -> Result<Model, FormatError> {
    let announced = announced_length(bytes)?;
    let size = bytes.len() as u64;
    check_equal(40, "length of the file", announced, size)?;
    let body = check_checksum(bytes)?;

    let layers = short_count(body, 12, "layers", LAYERS_LIMIT)?;
    check_equal(16, "sections", SECTIONS.len() as u64, long(body, 16).into())?;
    check_zero(body, 34..40, "unused byte of the header")?;
    let grey = body[33];
    check(
        grey <= 1,
        33,
        "whether grey values are read",
        "0 or 1",
        grey,
    )?;
    if grey == 1 {
        check_equal(
            32,
            "threshold of grey values that are read",
            0,
            body[32].into(),
        )?;
    }
    check_zero(body, 48..HEADER, "unused byte of the header")?;
    let tables = layout::tables_end(layers);
    check(
        tables <= body.len() as u64,
        12,
        "end of the tables",
        at_most(body.len()),
        tables,
    )?;
    let input = Input {
        height: long(body, 20) as usize,
        width: long(body, 24) as usize,
        channels: long(body, 28) as usize,
        threshold: (grey == 0).then_some(body[32]),
    };

    let records = read_records(body, layers, size)?;
    let sections = read_sections(body, &records)?;
    let layers = content::read_layers(body, &records, &sections)?;
    let metadata = read_metadata(body, sections.offsets[2] as usize..sections.end() as usize)?;
    let model = Model {
        input,
        layers,
        metadata,
    };
    model.validate()?;
    check_equal(
        8,
        "version of .bnet",
        super::version(&model).into(),
        long(body, 8).into(),
    )?;
    Ok(model)
}

/// The length of the file according to its header, once magic and version are right.
pub(super) fn announced_length(bytes: &[u8]) -> Result<u64, FormatError> {
    if !bytes.starts_with(&MAGIC) {
        return Err(FormatError::Magic {
            found: bytes[..bytes.len().min(MAGIC.len())].to_vec(),
        });
    }
    if bytes.len() >= 12 && !(1..=VERSION).contains(&long(bytes, 8)) {
        return Err(FormatError::Version {
            found: long(bytes, 8),
        });
    }
    check(
        bytes.len() >= HEADER,
        0,
        "bytes of the header",
        HEADER,
        bytes.len(),
    )?;
    Ok(wide(bytes, 40))
}

/// Everything but the checksum, if that is right.
fn check_checksum(bytes: &[u8]) -> Result<&[u8], FormatError> {
    let least = HEADER + CHECKSUM;
    check(
        bytes.len() >= least,
        40,
        "length of the file",
        format_args!("at least {least}"),
        bytes.len(),
    )?;
    let (body, _) = bytes.split_at(bytes.len() - CHECKSUM);
    let (stored, computed) = (long(bytes, body.len()), crc32fast::hash(body));
    if stored == computed {
        Ok(body)
    } else {
        Err(FormatError::Checksum {
            offset: body.len() as u64,
            stored,
            computed,
        })
    }
}

/// The layer table. What the layers will take in memory is bounded here, before any of it is taken.
fn read_records(body: &[u8], layers: usize, size: u64) -> Result<Vec<Record>, FormatError> {
    let mut memory = 0u64;
    let mut records = Vec::with_capacity(layers);
    let (rows, _) = body[HEADER..].as_chunks::<{ Record::BYTES }>();
    for (index, row) in rows[..layers].iter().enumerate() {
        let offset = (HEADER + index * Record::BYTES) as u64;
        let record = Record::from_bytes(row, index + 1, offset)?;
        let limit = size + MEMORY_LIMIT;
        let taken = memory_of(&record)
            .and_then(|bytes| bytes.checked_add(memory))
            .filter(|&bytes| bytes <= limit);
        memory = taken.ok_or_else(|| {
            let what = format!("layer {}: memory for the layers up to here", index + 1);
            field(offset, what, at_most(limit), "more")
        })?;
        records.push(record);
    }
    Ok(records)
}

fn memory_of(record: &Record) -> Option<u64> {
    let (rows, columns) = record.weights();
    let weights = if record.has_real_weights() {
        record.weight_bytes()?
    } else {
        let words = rows.checked_mul(columns?.div_ceil(WORD as u64))?;
        words.checked_mul(8)?
    };
    let threshold = size_of::<Threshold>().max(size_of::<RealThreshold>());
    let thresholds = record.thresholds().0 * threshold as u64;
    weights.checked_add(thresholds + 8 * record.reals() + size_of::<Layer>() as u64)
}

/// The section table, which must say what follows from the layers, and the zeros between the sections.
fn read_sections(body: &[u8], records: &[Record]) -> Result<Sections, FormatError> {
    let table = HEADER + records.len() * Record::BYTES;
    let entry = |index: usize| table + index * SECTION_ENTRY;
    let metadata = wide(body, entry(2) + 16);
    let what =
        |index: usize, field: &str| format!("section {} ({}): {field}", index + 1, SECTIONS[index]);
    let most = METADATA_LIMIT as u64;
    check(
        metadata <= most,
        entry(2) as u64 + 16,
        what(2, "length"),
        at_most(most),
        metadata,
    )?;

    // A record whose product overflows has been refused, and sums of what fits in memory don't.
    let weights = records.iter().filter_map(Record::weight_bytes).sum();
    let thresholds = records.iter().map(Record::threshold_bytes).sum();
    let too_large = || {
        field(
            HEADER as u64,
            "sections",
            "an end that can be counted",
            "more",
        )
    };
    let sections =
        Sections::new(records.len(), [weights, thresholds, metadata]).ok_or_else(too_large)?;

    let mut end = layout::tables_end(records.len()) as usize;
    for (index, (offset, length)) in sections
        .offsets
        .into_iter()
        .zip(sections.lengths)
        .enumerate()
    {
        let at = entry(index) as u64;
        check_equal(
            at,
            what(index, "kind"),
            index as u64 + 1,
            wide(body, entry(index)),
        )?;
        check_equal(
            at + 8,
            what(index, "offset"),
            offset,
            wide(body, entry(index) + 8),
        )?;
        check_equal(
            at + 16,
            what(index, "length"),
            length,
            wide(body, entry(index) + 16),
        )?;
        let inside = offset + length <= body.len() as u64;
        check(
            inside,
            at + 16,
            what(index, "end"),
            at_most(body.len()),
            offset + length,
        )?;
        check_zero(body, end..offset as usize, "byte between sections")?;
        end = (offset + length) as usize;
    }
    check_equal(
        40,
        "length of the file",
        (end + CHECKSUM) as u64,
        (body.len() + CHECKSUM) as u64,
    )?;
    Ok(sections)
}

/// Pairs of key and value to the end of the section, the keys ascending.
fn read_metadata(
    body: &[u8],
    section: std::ops::Range<usize>,
) -> Result<BTreeMap<String, String>, FormatError> {
    let mut metadata = BTreeMap::new();
    let mut at = section.start;
    let body = &body[..section.end];
    while at < body.len() {
        let key_at = at as u64;
        let key = read_text(body, &mut at, "key")?;
        let value = read_text(body, &mut at, "value")?;
        let last = metadata
            .last_key_value()
            .map_or("", |(last, _): (&String, _)| last.as_str());
        let quoted = |text: &str| format!("{:?}", text.chars().take(40).collect::<String>());
        check(
            last < key,
            key_at,
            "metadata key",
            format_args!("one after {}", quoted(last)),
            quoted(key),
        )?;
        metadata.insert(key.into(), value.into());
    }
    Ok(metadata)
}

fn read_text<'a>(body: &'a [u8], at: &mut usize, what: &str) -> Result<&'a str, FormatError> {
    let offset = *at as u64;
    let left = body.len() - *at;
    check(
        left >= 4,
        offset,
        format_args!("metadata {what}"),
        "4 bytes of its length",
        left,
    )?;
    let length = long(body, *at) as usize;
    check(
        length <= left - 4,
        offset,
        format_args!("length of a metadata {what}"),
        at_most(left - 4),
        length,
    )?;
    let text = &body[*at + 4..][..length];
    *at += 4 + length;
    std::str::from_utf8(text).map_err(|error| {
        let offset = offset + 4 + error.valid_up_to() as u64;
        field(
            offset,
            format_args!("metadata {what}"),
            "UTF-8",
            format_args!("byte {:#04x}", text[error.valid_up_to()]),
        )
    })
}

fn short_count(body: &[u8], at: usize, what: &str, limit: usize) -> Result<usize, FormatError> {
    let found = long(body, at);
    check(
        (1..=limit).contains(&(found as usize)),
        at as u64,
        what,
        format_args!("1 to {limit}"),
        found,
    )?;
    Ok(found as usize)
}

fn check_zero(body: &[u8], range: std::ops::Range<usize>, what: &str) -> Result<(), FormatError> {
    let begin = range.start;
    match body[range].iter().position(|&byte| byte != 0) {
        Some(at) => Err(field((begin + at) as u64, what, 0, body[begin + at])),
        None => Ok(()),
    }
}

pub(super) fn check_equal(
    offset: u64,
    what: impl Display,
    expected: u64,
    found: u64,
) -> Result<(), FormatError> {
    check(expected == found, offset, what, expected, found)
}

pub(super) fn check(
    fits: bool,
    offset: u64,
    what: impl Display,
    expected: impl Display,
    found: impl Display,
) -> Result<(), FormatError> {
    if fits {
        Ok(())
    } else {
        Err(field(offset, what, expected, found))
    }
}

pub(super) fn field(
    offset: u64,
    what: impl Display,
    expected: impl Display,
    found: impl Display,
) -> FormatError {
    FormatError::Field {
        offset,
        what: what.to_string(),
        expected: expected.to_string(),
        found: found.to_string(),
    }
}

pub(super) fn at_most(limit: impl Display) -> String {
    format!("at most {limit}")
}

/// The u32 at an offset that is known to be within the bytes.
pub(super) fn long(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// The u64 at an offset that is known to be within the bytes.
fn wide(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
