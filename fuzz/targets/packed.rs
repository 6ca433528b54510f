//! Any bytes as the contents of a packed dataset, and as the file itself: an error, or a dataset that is written as it was read.
#![no_main]

use bernet::data::packed;
use bernet_fuzz::stored_gzip;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let decode = |bytes: &[u8]| packed::decode("file", "file".as_ref(), bytes);
    for bytes in [bytes, &stored_gzip(bytes)] {
        if let Ok(source) = decode(bytes) {
            let again = packed::encode(&source).expect("what was read");
            assert_eq!(decode(&again).expect("what was written"), source);
        }
    }
});
