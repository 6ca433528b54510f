//! Random graphs are valid, run, and have every operator.

use bernet_runtime::{reference, testing};
use std::collections::BTreeSet;

#[test]
fn random_graphs_are_valid_and_run() {
    let mut operators = BTreeSet::new();
    let (mut outputs, mut finite) = (0, 0);
    for seed in 0..400 {
        let graph = testing::random_graph(seed, 3 + seed as usize % 30);
        graph.validate().expect("a valid graph");
        assert_eq!(graph, testing::random_graph(seed, 3 + seed as usize % 30));
        operators.extend(graph.nodes.iter().map(|node| node.op.name()));
        let inputs = testing::random_inputs(&graph, 2, seed);
        for output in reference::run(&graph, &inputs).expect("a run") {
            assert_eq!(output.batch(), 2);
            outputs += 1;
            finite += usize::from(output.to_f32().iter().all(|value| value.is_finite()));
        }
    }
    // Every name in `Op::name`.
    assert_eq!(operators.len(), 56, "{operators:?}");
    assert_eq!(finite, outputs);
}
