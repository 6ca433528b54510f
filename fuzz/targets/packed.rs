//! Any bytes as the contents of a packed dataset, and as the file itself: an error, or a dataset that is written as it was read.
#![no_main]

use bernet::data::packed;
use flate2::{Compression, write::GzEncoder};
use libfuzzer_sys::fuzz_target;
use std::io::Write;

fuzz_target!(|bytes: &[u8]| {
    let _ = packed::decode("file", "file".as_ref(), bytes);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
    gzip.write_all(bytes).expect("memory");
    let wrapped = gzip.finish().expect("memory");
    if let Ok(source) = packed::decode("file", "file".as_ref(), &wrapped) {
        let again = packed::encode(&source).expect("what was read");
        assert_eq!(
            packed::decode("file", "file".as_ref(), &again).expect("what was written"),
            source
        );
    }
});
