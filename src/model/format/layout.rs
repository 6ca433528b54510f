//! Where the parts of a file are.

use super::{CHECKSUM, HEADER, Record};
use crate::model::{Model, ModelError};

/// Sections begin on multiples of this.
pub(super) const ALIGNMENT: u64 = 64;

/// Bytes of a row of the section table.
pub(super) const SECTION_ENTRY: usize = 24;

/// The sections in their order; a section's kind is its place here, from 1.
pub(super) const SECTIONS: [&str; 3] = ["weights", "thresholds", "metadata"];

/// Where each section begins, and its length in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Sections {
    pub(super) offsets: [u64; SECTIONS.len()],
    pub(super) lengths: [u64; SECTIONS.len()],
}

impl Sections {
    /// Each section at the first multiple of [`ALIGNMENT`] after what comes before it; `None` where that is out of range.
    pub(super) fn new(layers: usize, lengths: [u64; SECTIONS.len()]) -> Option<Self> {
        let mut end = tables_end(layers);
        let mut offsets = [0; SECTIONS.len()];
        for (offset, length) in offsets.iter_mut().zip(lengths) {
            *offset = end.checked_next_multiple_of(ALIGNMENT)?;
            end = offset.checked_add(length)?;
        }
        Some(Self { offsets, lengths })
    }

    /// Where the last section ends and the checksum begins.
    pub(super) fn end(&self) -> u64 {
        self.offsets[SECTIONS.len() - 1] + self.lengths[SECTIONS.len() - 1]
    }
}

/// Where the section table ends; there are at most 2¹⁶ layers.
pub(super) fn tables_end(layers: usize) -> u64 {
    (HEADER + layers * Record::BYTES + SECTIONS.len() * SECTION_ENTRY) as u64
}

/// What the parts of a file take, in bytes. They add up to its size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileLayout {
    /// The version: the oldest one that has what the model needs.
    pub version: u32,
    /// The header.
    pub header: u64,
    /// The layer table.
    pub layer_table: u64,
    /// The section table.
    pub section_table: u64,
    /// The packed weights of all layers.
    pub weights: u64,
    /// The thresholds of all layers, and the scales and biases.
    pub thresholds: u64,
    /// Keys, values and their lengths.
    pub metadata: u64,
    /// The bytes that bring sections to multiples of 64.
    pub alignment: u64,
    /// The checksum.
    pub checksum: u64,
}

impl FileLayout {
    pub(super) fn of(model: &Model) -> Result<Self, ModelError> {
        model.validate()?;
        let records: Vec<_> = model.layers.iter().map(Record::of).collect();
        let [weights, thresholds, metadata] = section_lengths(model, &records);
        let tables = tables_end(records.len());
        let end = sections(model, &records).end();
        Ok(Self {
            version: super::version(model),
            header: HEADER as u64,
            layer_table: (records.len() * Record::BYTES) as u64,
            section_table: (SECTIONS.len() * SECTION_ENTRY) as u64,
            weights,
            thresholds,
            metadata,
            alignment: end - tables - weights - thresholds - metadata,
            checksum: CHECKSUM as u64,
        })
    }

    /// The size of the file.
    pub fn total(&self) -> u64 {
        self.header
            + self.layer_table
            + self.section_table
            + self.weights
            + self.thresholds
            + self.metadata
            + self.alignment
            + self.checksum
    }
}

/// The sections of a valid model.
pub(super) fn sections(model: &Model, records: &[Record]) -> Sections {
    Sections::new(records.len(), section_lengths(model, records))
        .expect("what is in memory can be counted")
}

fn section_lengths(model: &Model, records: &[Record]) -> [u64; SECTIONS.len()] {
    let weights = records
        .iter()
        .map(|record| {
            record
                .weight_bytes()
                .expect("what is in memory can be counted")
        })
        .sum();
    [
        weights,
        records.iter().map(Record::threshold_bytes).sum(),
        model.metadata_bytes() as u64,
    ]
}
