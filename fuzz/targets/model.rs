//! Any bytes as a `.bnet` file: an error, or the one model whose bytes they are.
#![no_main]

use bernet::model::Model;
use bernet_fuzz::seal_model;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for bytes in [bytes.to_vec(), seal_model(bytes.to_vec())] {
        if let Ok(model) = Model::from_bytes(&bytes) {
            assert_eq!(model.to_bytes().expect("a model that was read"), bytes);
        }
    }
});
