//! Any two files as IDX images and labels, plain and gzip: an error, or a dataset of that many images.
#![no_main]

use bernet::data::idx;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // The first byte says where the labels begin, counted from the end.
    let Some((&labels, bytes)) = bytes.split_first() else {
        return;
    };
    let (images, labels) = bytes.split_at(bytes.len().saturating_sub(labels.into()));
    let (images, labels) = (("images".as_ref(), images), ("labels".as_ref(), labels));
    if let Ok(dataset) = idx::decode(images, labels, 128, 10) {
        assert_eq!(dataset.len(), dataset.labels().len());
        assert_eq!(dataset.images().shape().batch, dataset.len());
    }
});
