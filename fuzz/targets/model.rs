//! Any bytes as a `.bnet` file of versions 1 to 4: an error, or a graph that version 5 holds as well.
#![no_main]

use bernet_fuzz::seal_older;
use bernet_runtime::format::{VERSION, from_bytes, to_bytes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for bytes in [bytes.to_vec(), seal_older(bytes.to_vec())] {
        let Ok(graph) = from_bytes(&bytes) else {
            continue;
        };
        graph.validate().expect("a graph that was read");
        let written = to_bytes(&graph).expect("a graph that was read");
        assert_eq!(written[8], VERSION as u8);
        // Bytes are compared, since a NaN does not equal itself.
        let again = from_bytes(&written).expect("what was written");
        assert_eq!(to_bytes(&again).expect("a graph that was read"), written);
    }
});
