//! Files with bytes changed at random.

use crate::spoiler::{older, seal};
use bernet_runtime::{
    format::from_bytes,
    graph::{Graph, Kind, Op},
    plan::Options,
    reference,
    session::Session,
    testing,
};
use rand_pcg::{Pcg32, rand_core::Rng};

/// Small nets (`BERNET_MUTATED_NETS` times two thousand files of each, once if it isn't set), a few
/// bytes changed under a right checksum: refused, or a graph that is planned and computes what the
/// reference does.
#[test]
fn mutated_files_do_no_harm() {
    let times = std::env::var("BERNET_MUTATED_NETS");
    let times = times.map_or(1, |times| times.parse().expect("a number"));
    let mut random = Pcg32::new(7, 0xb1);
    let (mut refused, mut ran) = (0, 0);
    for name in ["small", "wide", "grouped", "pooled", "grey"].repeat(times) {
        let valid = older(name);
        for _ in 0..2000 {
            let mut bytes = valid.clone();
            // Half of the time the tables at the beginning, which are easily spoilt.
            let whole = bytes.len() - 4;
            let start = if random.next_u32().is_multiple_of(2) {
                0
            } else {
                whole / 2
            };
            for _ in 0..1 + random.next_u32() % 3 {
                let at = start + random.next_u32() as usize % (whole - start);
                // Small values go where sizes are, single bits anywhere.
                bytes[at] = match random.next_u32() % 3 {
                    0 => (random.next_u32() % 8) as u8,
                    1 => bytes[at] ^ 1 << (random.next_u32() % 8),
                    _ => random.next_u32() as u8,
                };
            }
            match from_bytes(&seal(bytes)) {
                Ok(graph) if values(&graph) < 200_000 => {
                    runs_as_the_reference(&graph, &mut random);
                    ran += 1;
                }
                Ok(_) => {}
                Err(_) => refused += 1,
            }
        }
    }
    println!("{refused} refused, {ran} ran");
    assert!(refused > 1000 * times && ran > 500 * times);
}

/// The values and products of one item.
fn values(graph: &Graph) -> usize {
    let nodes = graph.nodes.iter();
    let products = nodes.map(|node| {
        let outputs = graph.value(node.outputs[0]).shape.len();
        match &node.op {
            Op::BinaryConv(conv) => outputs.saturating_mul(conv.weights.columns()),
            Op::BinaryDense(weights) => outputs.saturating_mul(weights.columns()),
            _ => outputs,
        }
    });
    products.fold(0, usize::saturating_add)
}

fn runs_as_the_reference(graph: &Graph, random: &mut Pcg32) {
    let inputs = testing::random_inputs(graph, 1, random.next_u64());
    let expected = reference::run(graph, &inputs).expect("its own inputs");
    let mut session = Session::new(graph, &Options::default()).expect("a plan");
    let found = session.run(&inputs).expect("its own inputs");
    if expected[0].kind() == Kind::F32 {
        // Infinite products of scales are NaN in both.
        let near = |(a, b): (&f32, &f32)| {
            (a - b).abs() <= 1e-5 * b.abs()
                || a.to_bits() == b.to_bits()
                || a.is_nan() && b.is_nan()
        };
        let (found, expected) = (found[0].to_f32(), expected[0].to_f32());
        assert!(
            found.iter().zip(&expected).all(near),
            "{found:?}, not {expected:?}"
        );
    } else {
        assert_eq!(found, expected);
    }
}
