//! Any bytes as a `.bnet` file: an error, or the one graph whose bytes they are, but for the way in
//! which its metadata are deflated.
#![no_main]

use bernet_fuzz::seal_graph;
use bernet_runtime::format::{VERSION, from_bytes, to_bytes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for bytes in [bytes.to_vec(), seal_graph(bytes)] {
        let Ok(graph) = from_bytes(&bytes) else {
            continue;
        };
        let written = to_bytes(&graph).expect("a graph that was read");
        // Bytes are compared, since a NaN does not equal itself.
        let again = from_bytes(&written).expect("what was written");
        assert_eq!(to_bytes(&again).expect("a graph that was read"), written);
        if bytes[8] == VERSION as u8 && graph.metadata.is_empty() {
            assert_eq!(written, bytes);
        }
    }
});
