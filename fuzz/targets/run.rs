//! A valid net with bytes of its file changed: refused, or it runs as the reference does, on any level.
#![no_main]

use arbitrary::Arbitrary;
use bernet_fuzz::{OLDER, seal_older};
use bernet_kernels::isa::Level;
use bernet_runtime::{
    format::from_bytes,
    graph::{Graph, Op},
    plan::Options,
    reference,
    session::Session,
    tensor::{Data, Tensor},
    testing::random_inputs,
};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Case {
    level: u8,
    net: u8,
    changes: Vec<(u16, Change)>,
    images: u8,
    seed: u64,
}

#[derive(Arbitrary, Debug)]
enum Change {
    Bit(u8),
    Small(u8),
    Any(u8),
}

/// Products and values of all images together, which the reference computes in a millisecond or two.
const MOST: usize = 100_000;

fuzz_target!(|case: Case| {
    // Sums of real weights depend on the order in which they are added, and so may bits of them.
    let nets = &OLDER[..OLDER.len() - 1];
    let mut bytes = nets[usize::from(case.net) % nets.len()].to_vec();
    for (at, change) in case.changes.iter().take(8) {
        let at = usize::from(*at) % bytes.len();
        bytes[at] = match change {
            Change::Bit(bit) => bytes[at] ^ 1 << (bit % 8),
            Change::Small(value) => value % 8,
            Change::Any(value) => *value,
        };
    }
    let Ok(graph) = from_bytes(&seal_older(bytes)) else {
        return;
    };
    let work = work(&graph);
    if work > MOST {
        return;
    }
    // One where the input has ended, none now and then.
    let batch = usize::from((case.images ^ 1) % 4).min(MOST / work.max(1));
    let images = random_inputs(&graph, batch, case.seed);
    let expected = reference::run(&graph, &images).expect("the images fit");
    let levels = Level::available();
    let options = Options {
        level: levels[usize::from(case.level) % levels.len()],
        ..Options::default()
    };
    let mut session = Session::new(&graph, &options).expect("a small graph");
    let found = session.run(&images).expect("the images fit");
    assert!(
        same(&found[0], &expected[0]),
        "{}: {found:?}, not {expected:?}",
        options.level
    );
});

/// Values and products of one image.
fn work(graph: &Graph) -> usize {
    let nodes = graph.nodes.iter().map(|node| {
        let outputs = graph.value(node.outputs[0]).shape.len();
        let depth = match &node.op {
            Op::BinaryConv(conv) => conv.weights.columns(),
            Op::BinaryDense(weights) => weights.columns(),
            Op::Conv(conv) => conv.weights.len() / conv.outputs,
            Op::Dense(dense) => dense.weights.len() / dense.outputs,
            Op::Pool(pool) => pool.kernel[0] * pool.kernel[1],
            _ => 1,
        };
        outputs.saturating_mul(depth.max(1))
    });
    nodes.fold(0, usize::saturating_add)
}

/// Integers exactly, floats but for a rounding.
fn same(found: &Tensor, expected: &Tensor) -> bool {
    let (Data::F32(found), Data::F32(expected)) = (found.data(), expected.data()) else {
        return found == expected;
    };
    let near = |(a, b): (&f32, &f32)| {
        a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-6 * b.abs().max(1.0)
    };
    found.len() == expected.len() && found.iter().zip(expected).all(near)
}
