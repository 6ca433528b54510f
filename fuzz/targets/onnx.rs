//! Any bytes as an ONNX file: an error, or a model that is valid and comes back from its own export.
#![no_main]

use bernet::model::onnx::{self, Dialect};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(model) = onnx::import(bytes) else {
        return;
    };
    model.to_bytes().expect("an imported model is valid");
    if let Ok(file) = onnx::export(&model, Dialect::Standard) {
        assert_eq!(onnx::import(&file).expect("what was exported"), model);
    }
});
