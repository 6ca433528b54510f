//! Any bytes as an ONNX file: an error, or a graph that is valid and comes back from its own export.
#![no_main]

use bernet::exchange::{
    ImportOptions, Imported,
    onnx::{self, Dialect},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(imported) = onnx::import(bytes, &ImportOptions::default()) else {
        return;
    };
    let graph = &imported.graph;
    graph.validate().expect("an imported graph is valid");
    // An export has a few nodes for each of the graph's, and both have a limit.
    if graph.nodes.len() < 1 << 12
        && let Ok(file) = onnx::export(graph, Dialect::Standard)
    {
        let back = onnx::import(&file, &ImportOptions::default()).expect("what was exported");
        let names = |imported: &Imported| -> Vec<String> {
            let outputs = imported.graph.outputs.iter();
            outputs.map(|output| output.name.clone()).collect()
        };
        assert_eq!(names(&back), names(&imported));
    }
});
