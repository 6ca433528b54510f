//! The embedded MNIST is the real one, and its file can be made again.

use bernet::data::{Dataset, THRESHOLD, load_embedded, load_idx_dir, packed};
use std::path::PathBuf;

/// Images of each class, as the authors publish them.
#[test]
fn class_counts() {
    let mnist = load_embedded();
    assert_eq!(
        (mnist.train.len(), mnist.test.len(), mnist.train.classes()),
        (60_000, 10_000, 10)
    );
    assert_eq!(
        mnist.train.class_counts(),
        [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    );
    assert_eq!(
        mnist.test.class_counts(),
        [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    );
    assert_eq!(mnist.train.labels()[..10], [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
    assert_eq!(mnist.test.labels()[..10], [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]);
}

#[test]
fn first_test_digit() {
    let seven = "
        ............................
        ............................
        ............................
        ............................
        ............................
        ............................
        ............................
        .......###..................
        ......###############.......
        ..........############......
        ...................##.......
        ...................##.......
        ..................##........
        .................###........
        .................##.........
        ................###.........
        ................##..........
        ................##..........
        ...............##...........
        ..............###...........
        .............###............
        .............##.............
        ............##..............
        ...........###..............
        ...........###..............
        ...........###..............
        ...........##...............
        ............................";
    assert_eq!(
        drawn(&load_embedded().test, 0),
        seven.split_whitespace().collect::<Vec<_>>()
    );
}

fn drawn(dataset: &Dataset, image: usize) -> Vec<String> {
    let shape = dataset.image_shape();
    let pixel = |y, x| {
        if dataset.images().get(image, y, x, 0) {
            '#'
        } else {
            '.'
        }
    };
    (0..shape.height)
        .map(|y| (0..shape.width).map(|x| pixel(y, x)).collect())
        .collect()
}

/// Needs the original files; see `data/README.md`.
#[test]
fn original_files_make_the_embedded_one() {
    let Some(folder) = std::env::var_os("BERNET_MNIST_IDX").map(PathBuf::from) else {
        eprintln!(
            "skipped: set BERNET_MNIST_IDX to the folder of the original files (see data/README.md)"
        );
        return;
    };
    let original = load_idx_dir(&folder, THRESHOLD).expect("the original files");
    let embedded = load_embedded();
    assert_eq!(original.train.images(), embedded.train.images());
    assert_eq!(original.test.labels(), embedded.test.labels());
    assert!(
        packed::encode(&original).expect("packs") == include_bytes!("../data/mnist.bin.gz"),
        "the original files give another data/mnist.bin.gz than the committed one"
    );
}
