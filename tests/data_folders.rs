//! Folders of CIFAR-10 and of PNG files by class, and what is told apart from them.

use bernet::data::{Error, load_dir};
use png::ColorType;
use std::{fs, path::Path};

const BATCHES: [&str; 6] = [
    "data_batch_1.bin",
    "data_batch_2.bin",
    "data_batch_3.bin",
    "data_batch_4.bin",
    "data_batch_5.bin",
    "test_batch.bin",
];

/// A record whose red, green and blue say their place.
fn record(label: u8) -> Vec<u8> {
    let value = |at: usize| (at / 1024 * 80 + at % 1024 / 32 + label as usize) as u8;
    [vec![label], (0..3072).map(value).collect()].concat()
}

/// The error without the folder's path.
fn error_of(folder: &Path) -> String {
    let error = load_dir(folder, 128).expect_err("refused").to_string();
    error.replace(&format!("{}/", folder.display()), "")
}

#[test]
fn cifar_10() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    for (label, name) in (0..).zip(BATCHES) {
        let records = [record(label), record(9 - label)].concat();
        fs::write(path.join(name), records).expect("writes");
    }
    let source = load_dir(path, 128).expect("a dataset");
    assert_eq!(source.train.labels(), [0, 9, 1, 8, 2, 7, 3, 6, 4, 5]);
    assert_eq!(source.test.labels(), [5, 4]);
    assert_eq!((source.train.classes(), source.train.len()), (10, 10));
    let grey = source.test.grey().expect("values");
    for (y, x, channel) in [(0, 0, 0), (0, 31, 2), (20, 3, 1), (31, 31, 2)] {
        let value = channel * 80 + y + 4;
        assert_eq!(usize::from(grey[3072 + (y * 32 + x) * 3 + channel]), value);
        let bit = source.test.images().get(1, y, x, channel);
        assert_eq!(bit, value >= 128);
    }

    fs::write(path.join(BATCHES[3]), &record(3)[..3000]).expect("writes");
    let expected = "data_batch_4.bin: byte 0: records: expected at least one, all of 3073 bytes (a label and 32×32×3 values), \
                    found the end after 3000 bytes";
    assert_eq!(error_of(path), expected);
    let mut wrong = [record(3), record(3)].concat();
    wrong[3073] = 10;
    fs::write(path.join(BATCHES[3]), wrong).expect("writes");
    let expected = "data_batch_4.bin: byte 3073: label: expected 0 to 9, found 10";
    assert_eq!(error_of(path), expected);
    fs::remove_file(path.join(BATCHES[3])).expect("removes");
    assert!(error_of(path).starts_with("data_batch_4.bin: "));
}

fn write_png(path: &Path, width: u32, height: u32, colour: ColorType, values: &[u8]) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    let file = fs::File::create(path).expect("created");
    let mut encoder = png::Encoder::new(file, width, height);
    encoder.set_color(colour);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(values).expect("pixels");
}

#[test]
fn png_files_by_class() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let grey = [0, 50, 100, 150, 200, 250];
    // Numbers in their order, not "10" before "9".
    for (class, first) in [("9", 1), ("10", 2)] {
        for number in 0..2 {
            let mut values = grey;
            values[0] = 10 * first + number;
            let file = path.join(format!("train/{class}/{number}.png"));
            write_png(&file, 3, 2, ColorType::Grayscale, &values);
        }
    }
    // Grey in three channels is grey.
    let rgb: Vec<u8> = grey.iter().flat_map(|&value| [value; 3]).collect();
    write_png(&path.join("test/10/a.png"), 3, 2, ColorType::Rgb, &rgb);
    fs::write(path.join("train/9/.hidden"), "").expect("writes");
    let source = load_dir(path, 128).expect("a dataset");
    assert_eq!(source.train.labels(), [0, 0, 1, 1]);
    assert_eq!((source.test.labels(), source.test.classes()), (&[1][..], 2));
    assert_eq!(source.test.grey(), Some(&grey[..]));
    let firsts: Vec<_> = source
        .train
        .grey()
        .expect("values")
        .iter()
        .step_by(6)
        .collect();
    assert_eq!(firsts, [&10, &11, &20, &21]);
    assert_eq!(source.train.image_shape().channels, 1);
    assert!(source.test.images().get(0, 1, 0, 0) && !source.test.images().get(0, 0, 2, 0));

    // One pixel of colour makes three channels of all.
    let mut colour = rgb.clone();
    colour[1] = 9;
    write_png(&path.join("test/9/b.png"), 3, 2, ColorType::Rgb, &colour);
    let source = load_dir(path, 128).expect("a dataset");
    assert_eq!(
        (source.train.image_shape().channels, source.test.len()),
        (3, 2)
    );
    assert_eq!(
        source.test.grey(),
        Some(&[colour, rgb.clone()].concat()[..])
    );

    let other = path.join("train/9/z.png");
    write_png(&other, 2, 3, ColorType::Grayscale, &grey);
    let expected = "train/9/z.png: expected 2×3 pixels as in the picture before it, found 3×2: scale them first";
    assert_eq!(error_of(path), expected);
    fs::write(&other, "no picture").expect("writes");
    assert!(error_of(path).starts_with("train/9/z.png: not a"));
    fs::remove_file(&other).expect("removes");
    write_png(&path.join("test/11/a.png"), 3, 2, ColorType::Rgb, &rgb);
    let expected = "class in test: expected one of the folders in train, found 11";
    assert_eq!(error_of(path), expected);
    fs::write(path.join("train/note.txt"), "").expect("writes");
    let expected = "train/note.txt: expected a folder for each class here, found a file";
    assert_eq!(error_of(path), expected);
}

#[test]
fn other_folders_are_refused_with_what_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = load_dir(folder.path(), 128).expect_err("empty");
    assert!(matches!(error, Error::Unknown { .. }), "{error}");
    for name in [
        "train-images-idx3-ubyte",
        "data_batch_1.bin",
        "folder train",
    ] {
        assert!(error.to_string().contains(name), "{error}");
    }
    fs::create_dir(folder.path().join("train")).expect("made");
    let error = load_dir(folder.path(), 128).expect_err("no classes");
    let expected = "classes in train: expected 1 to 256, each a folder of PNG files, found 0";
    assert_eq!(error.to_string(), expected);
}
