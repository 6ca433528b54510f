//! `.bnet` version 5: what is written is read back, and nothing else is read.

use bernet_runtime::{
    format::{FormatError, from_bytes, to_bytes},
    graph::{ArrayLayout, Graph, Kind, Op, Shape},
    testing::{Source, random_graph},
};

/// Bytes with the checksum made right, so that the checks behind it are reached.
fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let body = bytes.len() - 4;
    let checksum = crc32fast::hash(&bytes[..body]);
    bytes[body..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

#[test]
fn random_graphs_are_read_back() {
    for seed in 0..2000 {
        let graph = random_graph(seed, seed as usize % 40);
        let bytes = to_bytes(&graph).expect("a valid graph");
        let read = from_bytes(&bytes).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(read, graph, "seed {seed}");
        assert_eq!(to_bytes(&read).as_ref(), Ok(&bytes), "seed {seed}");
    }
}

#[test]
fn every_truncation_and_every_flipped_bit_is_refused() {
    for seed in 0..10 {
        let bytes = to_bytes(&random_graph(seed, 8)).expect("a valid graph");
        for length in 0..bytes.len() {
            from_bytes(&bytes[..length]).expect_err("a part of a file");
        }
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            from_bytes(&flipped).expect_err("a flipped bit");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        from_bytes(&longer).expect_err("a byte more");
    }
}

/// Mutated files whose checksum is right are refused, or are the one file of another graph.
#[test]
fn mutated_files_have_one_reading() {
    let (mut refused, mut read) = (0, 0);
    for seed in 0..3000 {
        let mut source = Source::new(seed);
        let mut graph = random_graph(seed, seed as usize % 12);
        // How metadata are deflated is the writer's choice.
        graph.metadata.clear();
        let mut bytes = to_bytes(&graph).expect("a valid graph");
        for _ in 0..1 + source.below(3) {
            let at = 13 + source.below(bytes.len() - 17);
            match source.below(4) {
                0 => bytes[at] ^= 1 << source.below(8),
                1 => bytes[at] = source.below(256) as u8,
                2 => bytes[at] = source.pick(&[0, 1, 0x7f, 0x80, 0xff]),
                _ => {
                    let from = 13 + source.below(bytes.len() - 17);
                    bytes[at] = bytes[from];
                }
            }
        }
        let bytes = seal(bytes);
        match from_bytes(&bytes) {
            Err(FormatError::Magic { .. } | FormatError::Checksum { .. }) => {
                panic!("seed {seed}: refused by its checksum")
            }
            Err(_) => refused += 1,
            Ok(graph) => {
                graph.validate().expect("a valid graph");
                assert_eq!(to_bytes(&graph), Ok(bytes), "seed {seed}");
                read += 1;
            }
        }
    }
    println!("{refused} refused, {read} read");
    assert!(
        refused > 500 && read > 500,
        "{refused} refused, {read} read"
    );
}

#[test]
fn values_are_numbered_as_they_are_made() {
    // The second input is added after a node.
    let build = || {
        let mut graph = Graph::default();
        let x = graph.add_input("x", Kind::F32, Shape::flat(2))?;
        let bits = graph.add_node(Op::Sign, &[x])?;
        let y = graph.add_input("y", Kind::Bit, Shape::flat(2))?;
        let both = graph.add_node(Op::Concat(bernet_runtime::graph::Axis::Width), &[bits, y])?;
        graph.add_output("both", both)?;
        graph.outputs[0].layout = ArrayLayout::flat(4);
        Ok::<_, bernet_runtime::graph::GraphError>(graph)
    };
    let graph = build().expect("a graph");
    let bytes = to_bytes(&graph).expect("a valid graph");
    let read = from_bytes(&bytes).expect("its file");
    assert_ne!(read, graph);
    assert_eq!(read.inputs[1].value.0, 1);
    assert_eq!(to_bytes(&read), Ok(bytes));
}
