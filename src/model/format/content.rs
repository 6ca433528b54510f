//! The weights and thresholds of layers, from sections that are known to be within the file.

use super::{
    FormatError, HEADER, Record, dense,
    layout::Sections,
    parse::{at_most, check, check_equal, field, long},
};
use crate::model::{Conv, Layer, RealConv, RealExpectation, RealThreshold};
use bernet_kernels::{
    bits::{BitMatrix, WORD},
    xnor::Threshold,
};

/// The layers of a table, whose sections are known to be within the file.
pub(super) fn read_layers(
    body: &[u8],
    records: &[Record],
    sections: &Sections,
) -> Result<Vec<Layer>, FormatError> {
    let mut weights_at = sections.offsets[0] as usize;
    let mut thresholds_at = sections.offsets[1] as usize;
    let mut layers = Vec::with_capacity(records.len());
    for (index, record) in records.iter().enumerate() {
        let number = index + 1;
        let layer = match *record {
            Record::Crop {
                top,
                left,
                height,
                width,
            } => Layer::Crop {
                top: top as usize,
                left: left as usize,
                height: height as usize,
                width: width as usize,
            },
            Record::Conv(conv) => Layer::Conv(Conv {
                geometry: conv.geometry(),
                options: conv.options(),
                weights: read_weights(body, &mut weights_at, record, number)?,
                thresholds: read_thresholds(body, &mut thresholds_at, record, number)?,
            }),
            Record::MaxPool(windows) => Layer::MaxPool(windows.max_pool()),
            Record::Expectation { .. } => Layer::Expectation {
                weights: read_weights(body, &mut weights_at, record, number)?,
            },
            Record::Affine { .. } => {
                let mut reals = read_reals(body, &mut thresholds_at, record.reals());
                let bias = reals.split_off(reals.len() / 2);
                Layer::Affine { scale: reals, bias }
            }
            Record::RealConv(conv) => Layer::RealConv(RealConv {
                geometry: conv.geometry(),
                options: conv.options(),
                weights: read_real_weights(body, &mut weights_at, record),
                thresholds: read_real_thresholds(body, &mut thresholds_at, record, number)?,
            }),
            Record::RealExpectation { classes, .. } => Layer::RealExpectation(RealExpectation {
                classes: classes as usize,
                weights: read_real_weights(body, &mut weights_at, record),
            }),
        };
        layers.push(layer);
    }
    Ok(layers)
}

/// The weights of a layer, which are known to be within the file.
fn read_weights(
    body: &[u8],
    at: &mut usize,
    record: &Record,
    number: usize,
) -> Result<BitMatrix, FormatError> {
    let (rows, columns) = record.weights();
    let columns = columns.unwrap_or(0);
    let stream = &body[*at..][..dense::bytes(rows * columns) as usize];
    check_pad_bits(stream, rows * columns, *at, number, "weights")?;
    let mut words = Vec::with_capacity((rows * columns.div_ceil(WORD as u64)) as usize);
    // Rows without a column are refused as a shape; there may be many of them.
    for row in 0..if columns == 0 { 0 } else { rows } {
        for column in (0..columns).step_by(WORD) {
            let count = (columns - column).min(WORD as u64) as usize;
            words.push(dense::get(stream, row * columns + column, count));
        }
    }
    *at += stream.len();
    let columns = usize::try_from(columns)
        .map_err(|_| field(*at as u64, "columns", at_most(usize::MAX), columns))?;
    Ok(BitMatrix::from_words(rows as usize, columns, words)
        .expect("the words were made for this shape"))
}

/// The thresholds of a layer, which are known to be within the file.
fn read_thresholds(
    body: &[u8],
    at: &mut usize,
    record: &Record,
    number: usize,
) -> Result<Vec<Threshold>, FormatError> {
    let (count, width) = record.thresholds();
    let (count, width) = (count as usize, width as usize);
    let sums = &body[*at..][..count * width];
    *at += sums.len();
    let inverted = read_inverted(body, at, count, number)?;
    let threshold = |(index, sum): (usize, &[u8])| Threshold {
        at_least: if width == 2 {
            i16::from_le_bytes([sum[0], sum[1]]).into()
        } else {
            long(sum, 0) as i32
        },
        invert: inverted(index),
    };
    let thresholds: Vec<_> = sums
        .chunks_exact(width)
        .enumerate()
        .map(threshold)
        .collect();
    let needed = super::record::least_sum_bytes(&thresholds);
    let what = format!("layer {number}: bytes of a least sum");
    let record_at = HEADER + (number - 1) * Record::BYTES;
    check_equal(record_at as u64 + 29, what, needed.into(), width as u64)?;
    Ok(thresholds)
}

/// Which of the outputs are inverted.
fn read_inverted<'a>(
    body: &'a [u8],
    at: &mut usize,
    count: usize,
    number: usize,
) -> Result<impl Fn(usize) -> bool + use<'a>, FormatError> {
    let bits = &body[*at..][..dense::bytes(count as u64) as usize];
    check_pad_bits(bits, count as u64, *at, number, "inversions")?;
    *at += bits.len();
    Ok(|index: usize| bits[index / 8] >> (index % 8) & 1 == 1)
}

/// The weights of a real layer, which are known to be within the file.
fn read_real_weights(body: &[u8], at: &mut usize, record: &Record) -> Vec<f32> {
    let bytes = &body[*at..][..record.weight_bytes().unwrap_or(0) as usize];
    *at += bytes.len();
    let (reals, _) = bytes.as_chunks();
    reals.iter().copied().map(f32::from_le_bytes).collect()
}

/// The thresholds of a real layer, which are known to be within the file.
fn read_real_thresholds(
    body: &[u8],
    at: &mut usize,
    record: &Record,
    number: usize,
) -> Result<Vec<RealThreshold>, FormatError> {
    let (count, _) = record.thresholds();
    let sums = read_reals(body, at, count);
    let inverted = read_inverted(body, at, sums.len(), number)?;
    let threshold = |(index, at_least)| RealThreshold {
        at_least,
        invert: inverted(index),
    };
    Ok(sums.into_iter().enumerate().map(threshold).collect())
}

/// Numbers in double precision, which are known to be within the file.
fn read_reals(body: &[u8], at: &mut usize, count: u64) -> Vec<f64> {
    let bytes = &body[*at..][..8 * count as usize];
    *at += bytes.len();
    let (reals, _) = bytes.as_chunks();
    reals.iter().copied().map(f64::from_le_bytes).collect()
}

fn check_pad_bits(
    stream: &[u8],
    bits: u64,
    at: usize,
    number: usize,
    what: &str,
) -> Result<(), FormatError> {
    let (Some(&last), used @ 1..) = (stream.last(), bits % 8) else {
        return Ok(());
    };
    let what = || format!("layer {number}: bits after the {what}");
    let offset = (at + stream.len() - 1) as u64;
    check(
        last >> used == 0,
        offset,
        what(),
        0,
        format_args!("{:#04b}", last >> used),
    )
}
