//! CIFAR-10's binary version: `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`.
//!
//! A file is a sequence of records of 3073 bytes: a label from 0 to 9, then 32×32 values of red, line
//! by line, then of green, then of blue. Source: Krizhevsky, "Learning Multiple Layers of Features from
//! Tiny Images", 2009, <https://www.cs.toronto.edu/~kriz/cifar.html>.

use super::{Dataset, Error, Source};
use bernet_kernels::bits::Shape;
use std::{fs, path::Path};

const SIDE: usize = 32;
const CHANNELS: usize = 3;
const CLASSES: u8 = 10;
const RECORD: usize = 1 + CHANNELS * SIDE * SIDE;

const TRAIN: [&str; 5] = [
    "data_batch_1.bin",
    "data_batch_2.bin",
    "data_batch_3.bin",
    "data_batch_4.bin",
    "data_batch_5.bin",
];
const TEST: &str = "test_batch.bin";

/// Whether a folder has one of the files.
pub(super) fn is_in(folder: &Path) -> bool {
    TRAIN
        .iter()
        .chain([&TEST])
        .any(|name| folder.join(name).is_file())
}

/// Reads the six files of a folder: images of 32×32×3 in ten classes. The folder's name becomes the
/// source's.
///
/// # Errors
/// [`Error::Io`] where a file cannot be read; [`Error::Format`] where it is not a whole number of
/// records, has none, or has a label above 9.
pub fn load_dir(folder: &Path, threshold: u8) -> Result<Source, Error> {
    let part = |names: &[&str]| {
        let (mut values, mut labels) = (Vec::new(), Vec::new());
        for name in names {
            read(&folder.join(name), &mut values, &mut labels)?;
        }
        let shape = Shape {
            batch: labels.len(),
            height: SIDE,
            width: SIDE,
            channels: CHANNELS,
        };
        Dataset::from_values(shape, values, labels, threshold, CLASSES.into())
    };
    Source::of_folder(folder, part(&TRAIN)?, part(&[TEST])?)
}

/// Appends a file's values, in the order line, pixel, channel, and labels.
fn read(path: &Path, values: &mut Vec<u8>, labels: &mut Vec<u8>) -> Result<(), Error> {
    let bytes = fs::read(path).map_err(|source| Error::Io {
        file: path.to_owned(),
        source,
    })?;
    let wrong = |offset: usize, what, expected: String, found: String| Error::Format {
        file: path.to_owned(),
        offset: offset as u64,
        what,
        expected,
        found,
    };
    if bytes.is_empty() || !bytes.len().is_multiple_of(RECORD) {
        let whole = bytes.len() / RECORD * RECORD;
        return Err(wrong(
            whole,
            "records",
            format!("at least one, all of {RECORD} bytes (a label and 32×32×3 values)"),
            format!("the end after {} bytes", bytes.len() - whole),
        ));
    }
    values.reserve(bytes.len());
    for (index, record) in bytes.chunks_exact(RECORD).enumerate() {
        let (label, planes) = (record[0], &record[1..]);
        if label >= CLASSES {
            let expected = format!("0 to {}", CLASSES - 1);
            return Err(wrong(index * RECORD, "label", expected, label.to_string()));
        }
        labels.push(label);
        let pixels = SIDE * SIDE;
        values.extend(
            (0..pixels).flat_map(|pixel| (0..CHANNELS).map(move |c| planes[c * pixels + pixel])),
        );
    }
    Ok(())
}
