//! A model to bytes.

use super::{CHECKSUM, MAGIC, Record, dense, layout};
use crate::model::{Layer, Model, ModelError, RealConv};
use bernet_kernels::bits::{BitMatrix, WORD};
use std::collections::BTreeMap;

pub(super) fn model(model: &Model) -> Result<Vec<u8>, ModelError> {
    model.validate()?;
    let records: Vec<_> = model.layers.iter().map(Record::of).collect();
    let sections = layout::sections(model, &records);
    let size = sections.end() as usize + CHECKSUM;
    let mut file = Vec::with_capacity(size);

    file.extend(MAGIC);
    let input = model.input;
    let counts = [
        records.len(),
        layout::SECTIONS.len(),
        input.height,
        input.width,
        input.channels,
    ];
    file.extend(super::version(model).to_le_bytes());
    file.extend(
        counts
            .into_iter()
            .flat_map(|count| (count as u32).to_le_bytes()),
    );
    let grey = u8::from(input.threshold.is_none());
    file.extend([input.threshold.unwrap_or(0), grey, 0, 0, 0, 0, 0, 0]);
    file.extend((size as u64).to_le_bytes());
    file.resize(super::HEADER, 0);

    for (index, record) in records.iter().enumerate() {
        file.extend(record.to_bytes(index as u16 + 1));
    }
    for (index, (offset, length)) in sections
        .offsets
        .into_iter()
        .zip(sections.lengths)
        .enumerate()
    {
        file.extend((index as u64 + 1).to_le_bytes());
        file.extend(offset.to_le_bytes());
        file.extend(length.to_le_bytes());
    }

    let [weights_at, thresholds_at, metadata_at] = sections.offsets.map(|offset| offset as usize);
    file.resize(weights_at, 0);
    for layer in &model.layers {
        if let Some(matrix) = layer.weights() {
            weights(&mut file, matrix);
        }
        file.extend(
            layer
                .real_weights()
                .iter()
                .flat_map(|weight| weight.to_le_bytes()),
        );
    }
    file.resize(thresholds_at, 0);
    for (layer, record) in model.layers.iter().zip(&records) {
        thresholds(&mut file, layer, *record);
    }
    file.resize(metadata_at, 0);
    metadata(&mut file, &model.metadata);
    file.extend(crc32fast::hash(&file).to_le_bytes());
    debug_assert_eq!(file.len(), size);
    Ok(file)
}

/// Row after row, without padding; up to a whole byte at the end.
fn weights(file: &mut Vec<u8>, matrix: &BitMatrix) {
    let begin = file.len();
    let bits = matrix.rows() as u64 * matrix.columns() as u64;
    file.resize(begin + dense::bytes(bits) as usize, 0);
    for row in 0..matrix.rows() {
        let start = row as u64 * matrix.columns() as u64;
        for (index, &word) in matrix.row(row).iter().enumerate() {
            let count = WORD.min(matrix.columns() - index * WORD);
            dense::put(
                &mut file[begin..],
                start + (index * WORD) as u64,
                count,
                word,
            );
        }
    }
}

/// The least sums, then a bit each for inversion, up to a whole byte; or the scales, then the biases.
fn thresholds(file: &mut Vec<u8>, layer: &Layer, record: Record) {
    let inverted: Vec<bool> = match layer {
        Layer::Affine { scale, bias } => {
            file.extend(scale.iter().chain(bias).flat_map(|real| real.to_le_bytes()));
            return;
        }
        Layer::RealConv(RealConv { thresholds, .. }) => {
            let sums = thresholds.iter().map(|threshold| threshold.at_least);
            file.extend(sums.flat_map(f64::to_le_bytes));
            thresholds
                .iter()
                .map(|threshold| threshold.invert)
                .collect()
        }
        _ => {
            let (_, bytes) = record.thresholds();
            for threshold in layer.thresholds() {
                file.extend(&threshold.at_least.to_le_bytes()[..bytes as usize]);
            }
            let thresholds = layer.thresholds().iter();
            thresholds.map(|threshold| threshold.invert).collect()
        }
    };
    for eight in inverted.chunks(8) {
        let bits = eight.iter().enumerate();
        file.push(bits.map(|(bit, &invert)| u8::from(invert) << bit).sum());
    }
}

fn metadata(file: &mut Vec<u8>, metadata: &BTreeMap<String, String>) {
    for text in metadata.iter().flat_map(|(key, value)| [key, value]) {
        file.extend((text.len() as u32).to_le_bytes());
        file.extend(text.as_bytes());
    }
}
