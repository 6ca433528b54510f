//! Any bytes as a TFLite file: an error, or a graph that is valid, stays so through all passes and
//! comes back from its own file.
#![no_main]

use bernet::exchange::tflite;
use bernet_runtime::{
    format,
    passes::{self, Passes},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(imported) = tflite::import(bytes) else {
        return;
    };
    let graph = passes::run(&imported.graph, &Passes::default()).expect("a valid graph");
    let file = format::to_bytes(&graph).expect("a valid graph");
    assert_eq!(format::from_bytes(&file).expect("what was written"), graph);
});
