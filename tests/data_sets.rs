//! Datasets and the packed file.

use bernet::data::{Dataset, Error, Source, packed};
use bernet_kernels::bits::{BitMatrix, BitTensor, Shape};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use proptest::prelude::*;
use std::io::{Read, Write};

/// Images whose bits and grey values say where they come from.
fn dataset(
    batch: usize,
    height: usize,
    width: usize,
    ink: impl Fn(usize, usize, usize) -> bool,
    grey: bool,
) -> Dataset {
    let lines = BitMatrix::from_fn(batch * height, width, |row, x| {
        ink(row / height, row % height, x)
    });
    let images = BitTensor::from_lines(
        Shape {
            batch,
            height,
            width,
            channels: 1,
        },
        lines,
    )
    .expect("a tensor");
    let pixel = |place: usize| {
        if ink(
            place / width / height,
            place / width % height,
            place % width,
        ) {
            200
        } else {
            9
        }
    };
    let grey = grey.then(|| (0..batch * height * width).map(pixel).collect());
    Dataset::new(
        images,
        (0..batch).map(|image| (image % 10) as u8).collect(),
        grey,
        10,
    )
    .expect("a dataset")
}

fn mixed(image: usize, y: usize, x: usize) -> bool {
    (image * 31 + y * 17 + x * 7 + x * y) % 5 < 2
}

/// Where each image must come from, with bits and grey values alike.
fn check(part: &Dataset, places: &[usize], top: usize, left: usize) {
    let shape = part.image_shape();
    assert_eq!(part.len(), places.len());
    for (image, &place) in places.iter().enumerate() {
        assert_eq!(usize::from(part.labels()[image]), place % 10);
        for (y, x) in (0..shape.height).flat_map(|y| (0..shape.width).map(move |x| (y, x))) {
            let expected = mixed(place, top + y, left + x);
            assert_eq!(
                part.images().get(image, y, x, 0),
                expected,
                "image {image}, line {y}, column {x}"
            );
            let grey =
                part.grey().expect("grey values")[(image * shape.height + y) * shape.width + x];
            assert_eq!(grey, if expected { 200 } else { 9 });
        }
    }
}

#[test]
fn parts_of_a_dataset() {
    let whole = dataset(12, 5, 70, mixed, true);
    check(&whole.select(&[7, 0, 7, 11]), &[7, 0, 7, 11], 0, 0);
    check(&whole.subset(3..6), &[3, 4, 5], 0, 0);
    let (train, validation) = whole.split_last(4).expect("a split");
    check(&train, &[0, 1, 2, 3, 4, 5, 6, 7], 0, 0);
    check(&validation, &[8, 9, 10, 11], 0, 0);
    assert!(whole.split(0).expect("no validation").1.is_empty());
    assert_eq!(whole.class_counts(), [2, 2, 1, 1, 1, 1, 1, 1, 1, 1]);
}

/// Every image is in one of the parts, whole; the parts have the classes' shares, whatever the order of the source.
#[test]
fn images_are_held_out_at_random_and_by_class() {
    let whole = dataset(300, 5, 70, mixed, true);
    let mut sorted: Vec<usize> = (0..300).collect();
    sorted.sort_by_key(|&place| whole.labels()[place]);
    for data in [
        whole.clone(),
        whole.select(&sorted),
        whole.select(&sorted[3..]),
    ] {
        for validation in [0, 7, 50, data.len() - 1] {
            let (train, held_out) = data.split(validation).expect("a split");
            assert_eq!(
                (train.len(), held_out.len()),
                (data.len() - validation, validation)
            );
            let key = |part: &Dataset, place: usize| {
                let image = part.subset(place..place + 1);
                (
                    image.labels()[0],
                    image.grey().expect("made with some").to_vec(),
                )
            };
            let keys = |part: &Dataset| {
                (0..part.len())
                    .map(|place| key(part, place))
                    .collect::<Vec<_>>()
            };
            let mut parts = [keys(&train), keys(&held_out)].concat();
            let mut all = keys(&data);
            parts.sort();
            all.sort();
            assert!(parts == all);
            let counts = data.class_counts();
            for (class, held) in held_out.class_counts().into_iter().enumerate() {
                let share = (counts[class] * validation) as f64 / data.len() as f64;
                assert!(
                    (held as f64 - share).abs() < 1.0,
                    "{class}: {held} for {share}"
                );
            }
            assert_eq!(
                data.split(validation).expect("a split"),
                (train.clone(), held_out)
            );
            // Not in the order of the source: the first images of a sorted source are of several classes.
            let first = train.labels()[..train.len().min(20)].iter();
            let first: std::collections::BTreeSet<_> = first.collect();
            assert!(first.len() > 4 || validation + 1 == data.len(), "{first:?}");
        }
    }
}

#[test]
fn crops_of_every_size() {
    for from in [24, 28, 63, 64, 65, 130] {
        let whole = dataset(3, 6, from, mixed, true);
        for width in (1..=from).filter(|width| from - width < 8 || [1, 63, 64, 65].contains(width))
        {
            let crop = whole.centre_crop(3, width).expect("smaller");
            check(&crop, &[0, 1, 2], 1, (from - width) / 2);
        }
    }
}

#[test]
fn bytes_are_grey_values_or_ink_and_paper() {
    let grey = dataset(2, 3, 70, mixed, true);
    assert_eq!(grey.bytes()[..], *grey.grey().expect("made with some"));
    let bits = dataset(2, 3, 70, mixed, false);
    let bytes = bits.bytes();
    assert_eq!(bytes.len(), 2 * 3 * 70);
    for (at, &byte) in bytes.iter().enumerate() {
        let ink = bits.images().get(at / 210, at / 70 % 3, at % 70, 0);
        assert_eq!(byte, if ink { 255 } else { 0 });
    }
}

#[test]
fn what_does_not_fit_together() {
    let whole = dataset(3, 4, 5, mixed, true);
    let images = || whole.images().clone();
    let colours = |values: usize| {
        let shape = Shape {
            batch: 1,
            height: 2,
            width: 2,
            channels: 3,
        };
        Dataset::from_values(shape, vec![9; values], vec![0], 128, 1)
    };
    let cases = [
        (
            whole.split(3).err(),
            "validation images: expected fewer than 3, found 3",
        ),
        (
            whole.centre_crop(5, 5).err(),
            "crop: expected at most 4×5, found 5×5",
        ),
        (
            whole.centre_crop(4, 6).err(),
            "crop: expected at most 4×5, found 4×6",
        ),
        (
            Dataset::new(images(), vec![0; 2], None, 10).err(),
            "labels: expected 3, found 2",
        ),
        (
            Dataset::new(images(), vec![0, 9, 10], None, 10).err(),
            "label: expected below 10, found 10",
        ),
        (
            Dataset::new(images(), vec![0; 3], Some(vec![0; 59]), 10).err(),
            "grey values: expected 60, found 59",
        ),
        (colours(11).err(), "grey values: expected 12, found 11"),
        (
            packed::encode(&Source {
                name: "colours".into(),
                train: colours(12).expect("12 values"),
                test: colours(12).expect("12 values"),
            })
            .err(),
            "channels: expected 1, found 3",
        ),
    ];
    for (error, expected) in cases {
        assert_eq!(
            error.map(|error| error.to_string()).as_deref(),
            Some(expected)
        );
    }
}

fn source(
    train: usize,
    test: usize,
    height: usize,
    width: usize,
    ink: impl Fn(usize, usize, usize) -> bool,
) -> Source {
    let part = |batch, first: usize| {
        dataset(
            batch,
            height,
            width,
            |image, y, x| ink(first + image, y, x),
            false,
        )
    };
    Source {
        name: "small".to_owned(),
        train: part(train, 0),
        test: part(test, train),
    }
}

fn decode(bytes: &[u8]) -> Result<Source, Error> {
    packed::decode("small", "small.gz".as_ref(), bytes)
}

proptest! {
    #[test]
    fn packing_round_trip(
        (train, test) in (1..5usize, 0..4usize),
        (height, width) in (1..12usize, 1..=64usize),
        noise in any::<u64>(),
        often in 0..9u64,
    ) {
        // Sparse ink makes runs longer than 255, dense ink makes short ones.
        let ink = |image: usize, y: usize, x: usize| {
            let place = (image * height + y) * width + x;
            let mixed = (place as u64 / 37).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ noise;
            mixed.wrapping_mul(0xd134_2543_de82_ef95) >> 61 < often
        };
        let source = source(train, test, height, width, ink);
        let bytes = packed::encode(&source).expect("packs");
        prop_assert_eq!(decode(&bytes).expect("unpacks"), source);
    }
}

#[test]
fn runs_of_exactly_255() {
    for length in [254, 255, 256, 509, 510, 511] {
        let source = source(1, 0, 1024, 1, |_, y, _| {
            (100..100 + length).contains(&y) || y >= 1024 - length
        });
        let bytes = packed::encode(&source).expect("packs");
        assert_eq!(decode(&bytes).expect("unpacks"), source, "runs of {length}");
    }
}

#[test]
fn packed_messages() {
    let good = packed::encode(&source(2, 1, 4, 5, mixed)).expect("packs");
    let mut plain = Vec::new();
    GzDecoder::new(&good[..])
        .read_to_end(&mut plain)
        .expect("unpacks");
    let runs = plain.len() - 35;
    let expected_end = format!(
        "byte {}: runs: expected 60 pixels, found the end after",
        plain.len() - 1
    );
    type Change = fn(&mut Vec<u8>);
    let cases: [(Change, &str); 13] = [
        (
            |file| file.truncate(31),
            "byte 31: header: expected 32 bytes, found 31 bytes",
        ),
        (
            |file| file[0] = b'B',
            "byte 0: magic: expected bernbits, found Bernbits",
        ),
        (
            |file| file[8] = 2,
            "byte 8: version: expected 1 to 1, found 2",
        ),
        (
            |file| file[12] = 0,
            "byte 12: training images: expected 1 to 25165824, found 0",
        ),
        (
            |file| file[19] = 9,
            "byte 16: test images: expected 0 to 25165824, found 150994945",
        ),
        (
            |file| file[20] = 0,
            "byte 20: height: expected 1 to 25165824, found 0",
        ),
        (
            |file| file[22] = 0xff,
            "byte 12: images: expected at most 25165824 bytes, found 2 + 1 of height 16711684",
        ),
        (
            |file| file[24] = 65,
            "byte 24: width: expected 1 to 64, found 65",
        ),
        (
            |file| file[28] = 0,
            "byte 28: classes: expected 1 to 256, found 0",
        ),
        (
            |file| file[28] = 1,
            "byte 33: label: expected below 1, found 1",
        ),
        (
            |file| file.truncate(34),
            "byte 32: labels: expected 3 bytes, found 2 bytes",
        ),
        (|file| file.truncate(file.len() - 1), &expected_end),
        (
            |file| file.push(1),
            "runs: expected at most 0 pixels, found 1",
        ),
    ];
    assert!(runs > 10, "the images have runs");
    let mut wrong = Vec::new();
    for (change, expected) in cases {
        let mut file = plain.clone();
        change(&mut file);
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let bytes = encoder
            .write_all(&file)
            .and_then(|()| encoder.finish())
            .expect("packs");
        let error = decode(&bytes).expect_err("damaged").to_string();
        if !error.contains(expected) || !error.starts_with("small.gz: ") {
            wrong.push(format!("expected {expected}\n   found {error}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for length in 0..good.len() {
        decode(&good[..length]).expect_err("truncated");
    }
    let trailing = decode(&[&good[..], &[0]].concat())
        .expect_err("trailing")
        .to_string();
    assert_eq!(trailing, "small.gz: 1 bytes after the compressed contents");
}

#[test]
fn what_cannot_be_packed() {
    let mut wide = source(1, 1, 2, 65, mixed);
    let error = packed::encode(&wide).expect_err("too wide").to_string();
    assert_eq!(error, "width: expected at most 64, found 65");
    wide.test = dataset(1, 2, 3, mixed, false);
    let error = packed::encode(&wide).expect_err("two sizes").to_string();
    assert!(error.starts_with("test images: expected"), "{error}");
}
