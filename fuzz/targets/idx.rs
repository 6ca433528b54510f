//! Any two files as IDX images and labels, plain and gzip: an error, or a dataset of that many images.
#![no_main]

use bernet::data::idx;
use bernet_fuzz::Scratch;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static FILES: LazyLock<[Scratch; 2]> = LazyLock::new(|| ["images", "labels"].map(Scratch::new));

fuzz_target!(|bytes: &[u8]| {
    // The first byte says where the labels begin, counted from the end.
    let Some((&labels, bytes)) = bytes.split_first() else {
        return;
    };
    let (images, labels) = bytes.split_at(bytes.len().saturating_sub(labels.into()));
    let read = idx::read(FILES[0].holding(images), FILES[1].holding(labels), 128, 10);
    if let Ok(dataset) = read {
        assert_eq!(dataset.len(), dataset.labels().len());
        assert_eq!(dataset.images().shape().batch, dataset.len());
    }
});
