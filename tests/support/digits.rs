//! A folder of IDX files with some digits in it.

use bernet::data::{self, Dataset};
use std::{fs, path::Path};

/// The two IDX files of a dataset.
fn write_idx(folder: &Path, name: &str, digits: &Dataset) {
    let shape = digits.images().shape();
    let header = |magic: u32, sizes: &[usize]| -> Vec<u8> {
        let sizes = sizes.iter().map(|size| *size as u32);
        std::iter::once(magic)
            .chain(sizes)
            .flat_map(u32::to_be_bytes)
            .collect()
    };
    let mut images = header(0x803, &[shape.batch, shape.height, shape.width]);
    for image in 0..shape.batch {
        for y in 0..shape.height {
            images.extend(
                (0..shape.width).map(|x| 255 * u8::from(digits.images().get(image, y, x, 0))),
            );
        }
    }
    let mut labels = header(0x801, &[shape.batch]);
    labels.extend(digits.labels());
    fs::write(folder.join(format!("{name}-images-idx3-ubyte")), images).unwrap();
    fs::write(folder.join(format!("{name}-labels-idx1-ubyte")), labels).unwrap();
}

/// So many digits to train on, and to test.
pub(crate) fn write_digits(folder: &Path, train: usize, test: usize) {
    let source = data::load_embedded();
    write_idx(folder, "train", &source.train.subset(0..train));
    write_idx(folder, "t10k", &source.test.subset(0..test));
}
