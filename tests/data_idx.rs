//! IDX files: what is written is read, and nothing else is.

use bernet::data::{Error, idx, load_idx_dir};
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use std::fs;
use std::io::Write;
use tempfile::TempDir;

const NAMES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

fn file(dimensions: &[u32], contents: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dimensions.len() as u8];
    dimensions
        .iter()
        .for_each(|dimension| bytes.extend(dimension.to_be_bytes()));
    bytes.extend_from_slice(contents);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .expect("packs")
}

/// Three training and two test images of 2×3.
fn small() -> [Vec<u8>; 4] {
    let grey: Vec<u8> = (0..18).map(|value| value * 14).collect();
    [
        file(&[3, 2, 3], &grey),
        file(&[3], &[1, 9, 0]),
        file(&[2, 2, 3], &grey[..12]),
        file(&[2], &[4, 4]),
    ]
}

fn folder(files: &[Vec<u8>; 4], suffix: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in NAMES.iter().zip(files) {
        fs::write(folder.path().join(format!("{name}{suffix}")), bytes).expect("writes");
    }
    folder
}

/// The error with the folder's path taken out.
fn error_of(files: &[Vec<u8>; 4]) -> String {
    let folder = folder(files, "");
    let error = load_idx_dir(folder.path(), 128).expect_err("not a dataset");
    error
        .to_string()
        .replace(&format!("{}/", folder.path().display()), "")
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        (height, width) in (1..5usize, prop_oneof![1..9usize, 62..67usize]),
        (train, test) in (1..6usize, 1..4usize),
        noise in prop::collection::vec(any::<u8>(), 4 * 66 * 9 + 9),
        threshold in any::<u8>(),
        packed in any::<bool>(),
        suffix in prop_oneof![Just(""), Just(".gz")],
    ) {
        let (labels, noise) = noise.split_at(9);
        let labels: Vec<u8> = labels.iter().map(|label| label % 10).collect();
        let pixels = height * width;
        let (grey, test_grey) = (&noise[..train * pixels], &noise[train * pixels..][..test * pixels]);
        let shape = |images: usize| [images as u32, height as u32, width as u32];
        let files = [
            file(&shape(train), grey),
            file(&[train as u32], &labels[..train]),
            file(&shape(test), test_grey),
            file(&[test as u32], &labels[train..][..test]),
        ];
        let files = if packed { files.map(|file| gzip(&file)) } else { files };
        let folder = folder(&files, suffix);
        let source = load_idx_dir(folder.path(), threshold).expect("a dataset");
        prop_assert_eq!(source.train.grey(), Some(grey));
        prop_assert_eq!(source.train.labels(), &labels[..train]);
        prop_assert_eq!(source.test.grey(), Some(test_grey));
        prop_assert_eq!(source.test.labels(), &labels[train..][..test]);
        let classes = source.train.classes();
        prop_assert_eq!(classes, usize::from(labels.iter().take(train + test).max().copied().unwrap_or(0)) + 1);
        let decoded = idx::decode(("i".as_ref(), &files[0]), ("l".as_ref(), &files[1]), threshold, classes);
        prop_assert_eq!(decoded.expect("a dataset"), source.train.clone());
        for (place, &value) in grey.iter().enumerate() {
            let (line, x) = (place / width, place % width);
            prop_assert_eq!(source.train.images().get(line / height, line % height, x, 0), value >= threshold);
        }
    }
}

#[test]
fn names_with_a_dot() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in NAMES.iter().zip(small()) {
        fs::write(folder.path().join(name.replace("-idx", ".idx")), bytes).expect("writes");
    }
    let source = load_idx_dir(folder.path(), 128).expect("a dataset");
    assert_eq!((source.train.len(), source.test.len()), (3, 2));
    assert_eq!(
        source.name,
        folder.path().file_name().expect("a name").to_string_lossy()
    );
}

#[test]
fn a_missing_file_is_named() {
    let folder = folder(&small(), "");
    fs::remove_file(folder.path().join(NAMES[3])).expect("removes");
    let error = load_idx_dir(folder.path(), 128).expect_err("a file is missing");
    assert!(
        matches!(&error, Error::Missing { name, .. } if *name == NAMES[3]),
        "{error}"
    );
    let nowhere = folder.path().join("nowhere");
    let expected = format!(
        "{}: no file {}, plain or .gz, in this folder",
        nowhere.display(),
        NAMES[0]
    );
    assert_eq!(
        load_idx_dir(&nowhere, 128)
            .expect_err("no folder")
            .to_string(),
        expected
    );
}

#[test]
fn every_truncation_is_an_error() {
    for packed in [false, true] {
        let whole = small().map(|file| if packed { gzip(&file) } else { file });
        assert!(load_idx_dir(folder(&whole, "").path(), 128).is_ok());
        for at in 0..4 {
            for length in 0..whole[at].len() {
                let mut files = whole.clone();
                files[at].truncate(length);
                let error = error_of(&files);
                assert!(
                    error.starts_with(NAMES[at]) && error.contains("byte "),
                    "{length} bytes: {error}"
                );
            }
        }
    }
}

#[test]
fn every_damaged_bit_of_a_gzip_file_is_an_error_or_harmless() {
    let whole = small().map(|file| gzip(&file));
    let expected = load_idx_dir(folder(&whole, "").path(), 128).expect("a dataset");
    let mut harmless = 0;
    for bit in 0..8 * whole[0].len() {
        let mut files = whole.clone();
        files[0][bit / 8] ^= 1 << (bit % 8);
        if let Ok(source) = load_idx_dir(folder(&files, "").path(), 128) {
            assert!(
                source.train == expected.train,
                "bit {bit} changes what is read"
            );
            harmless += 1;
        }
    }
    // The time stamp and similar fields of gzip's ten header bytes mean nothing here, nor does the
    // padding of the last deflate byte.
    assert!(harmless < 8 * 11, "{harmless} bits");
}

/// Files that differ from a good one in one thing: which file, how, and the message.
#[test]
fn messages() {
    type Change = fn(&mut Vec<u8>);
    let cases: [(usize, Change, &str); 21] = [
        (
            0,
            |file| file.clear(),
            "byte 0: header: expected 16 bytes, found the end after 0",
        ),
        (
            0,
            |file| file.truncate(15),
            "byte 15: header: expected 16 bytes, found the end after 15",
        ),
        (
            0,
            |file| file[0] = 1,
            "byte 0: magic: expected bytes 00 00, found 01 00",
        ),
        (
            0,
            |file| file[1] = 7,
            "byte 0: magic: expected bytes 00 00, found 00 07",
        ),
        (
            0,
            |file| file[2] = 0x0d,
            "byte 2: type: expected 08 (unsigned byte), found 0d",
        ),
        (
            0,
            |file| file[3] = 1,
            "byte 3: number of dimensions: expected 3 or 4, found 1",
        ),
        (
            1,
            |file| file[3] = 3,
            "byte 3: number of dimensions: expected 1, found 3",
        ),
        (
            0,
            |file| file[7] = 0,
            "byte 4: number of images: expected at least 1, found 0",
        ),
        (
            0,
            |file| file[11] = 0,
            "byte 8: height: expected at least 1, found 0",
        ),
        (
            0,
            |file| file[15] = 0,
            "byte 12: width: expected at least 1, found 0",
        ),
        (
            1,
            |file| file[7] = 0,
            "byte 4: number of labels: expected at least 1, found 0",
        ),
        (
            0,
            |file| file[7] = 4,
            "byte 34: grey values: expected 24 bytes, found the end after 18",
        ),
        (
            0,
            |file| file[7] = 2,
            "byte 28: end of the file: expected no more bytes, found more",
        ),
        (
            0,
            |file| file.push(0),
            "byte 34: end of the file: expected no more bytes, found more",
        ),
        (
            1,
            |file| file.push(0),
            "byte 11: end of the file: expected no more bytes, found more",
        ),
        (
            1,
            |file| file.truncate(10),
            "byte 10: labels: expected 3 bytes, found the end after 2",
        ),
        (
            1,
            |file| file[7] = 4,
            "byte 4: number of labels: expected 3, one an image, found 4",
        ),
        (0, |file| file[3] = 4, "byte 34: grey values: expected "),
        (
            0,
            |file| file[4..16].fill(0xff),
            "byte 4: dimensions: expected at most 67108864 bytes for a file of 34 (unpack it if they are right), \
             found 4294967295 images of 4294967295×4294967295",
        ),
        (
            0,
            |file| *file = gzip(&super_announced()),
            "byte 4: dimensions: expected at most 67108864 bytes for a file of SIZE (unpack it if they are right), \
             found 100000 images of 28×28",
        ),
        (
            0,
            |file| *file = [gzip(file), vec![7; 20]].concat(),
            "byte 34: compression: expected intact gzip, found",
        ),
    ];
    let mut wrong = Vec::new();
    for (at, change, expected) in cases {
        let mut files = small();
        change(&mut files[at]);
        let expected = format!(
            "{}: {}",
            NAMES[at],
            expected.replace("SIZE", &files[at].len().to_string())
        );
        let error = error_of(&files);
        if !error.starts_with(&expected) {
            wrong.push(format!("expected {expected}\n   found {error}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// 78.4 million zeros, which gzip packs into a thousandth: true to its header, and refused all the
/// same.
fn super_announced() -> Vec<u8> {
    file(&[100_000, 28, 28], &vec![0; 100_000 * 28 * 28])
}

#[test]
fn labels_below_the_number_of_classes() {
    let [images, mut labels, ..] = small();
    labels[9] = 10;
    let read = |classes| {
        let (images, labels) = (("i".as_ref(), &images[..]), ("l".as_ref(), &labels[..]));
        idx::decode(images, labels, 128, classes).map_err(|error| error.to_string())
    };
    let expected = "l: byte 9: label: expected 0 to 9, found 10";
    assert_eq!(read(10), Err(expected.to_owned()));
    assert_eq!(read(11).map(|data| data.classes()), Ok(11));
}

/// Two training images and one to test, of 2×2 pixels of three channels, in 201 classes.
#[test]
fn images_of_several_channels() {
    let values: Vec<u8> = (0..36).map(|value| value * 7).collect();
    let files = [
        file(&[2, 2, 2, 3], &values[..24]),
        file(&[2], &[0, 200]),
        file(&[1, 2, 2, 3], &values[24..]),
        file(&[1], &[1]),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in NAMES.iter().zip(&files) {
        let path = folder.path().join(name.replace("idx3", "idx4"));
        fs::write(path, bytes).expect("writes");
    }
    for source in [
        load_idx_dir(folder.path(), 100).expect("a dataset"),
        bernet::data::load_dir(folder.path(), 100).expect("a dataset"),
    ] {
        assert_eq!((source.train.classes(), source.test.classes()), (201, 201));
        assert_eq!(source.train.image_shape().channels, 3);
        assert_eq!(source.test.grey(), Some(&values[24..]));
        // Bit by bit: image 1, line 0, pixel 1.
        for channel in 0..3 {
            let bit = source.train.images().get(1, 0, 1, channel);
            assert_eq!(bit, values[12 + 3 + channel] >= 100);
        }
    }
}

#[test]
fn training_and_test_images_have_one_size() {
    let mut files = small();
    files[2] = file(&[2, 3, 2], &[0; 12]);
    assert_eq!(error_of(&files), "test images: expected 2×3, found 3×2");
}

/// As files from tapes and block devices end, and as gzip itself reads them.
#[test]
fn zeros_after_a_gzip_file_are_padding() {
    let folder = tempfile::tempdir().expect("a folder");
    let read_all = |change: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        for (name, file) in NAMES.iter().zip(small()) {
            fs::write(folder.path().join(name), change(gzip(&file))).expect("writes");
        }
        idx::load_dir(folder.path(), 128).map_err(|error| error.to_string())
    };
    let plain = read_all(&|file| file).expect("reads");
    for zeros in [1, 511, 100_000] {
        let padded = read_all(&|file| [file, vec![0; zeros]].concat());
        assert_eq!(padded.as_ref(), Ok(&plain), "{zeros} zeros");
    }
    let other = read_all(&|file| [file, vec![0; 9], vec![1; 30]].concat());
    assert!(other.expect_err("refused").contains("expected intact gzip"));
    // A member of nothing, as some writers end their files.
    let empty = read_all(&|file| [file, vec![0; 3], gzip(&[])].concat());
    assert_eq!(empty.as_ref(), Ok(&plain));
}
