//! What sessions of nets that were read take.

use super::{FAILURES, peak, text};
use bernet_kernels::{
    bits::BitMatrix,
    isa::Level,
    xnor::{PaddingValue, Threshold},
};
use bernet_runtime::{
    format,
    graph::{BinaryConv, ConvParams, Graph, Kind, Op, ReduceKind, Shape},
    plan::Options,
    session::Session,
};

/// A convolution and its thresholds, some times over.
struct Layer {
    channels: usize,
    outputs: usize,
    params: ConvParams,
}

/// Nets whose weights take many times as much laid out, or whose activations do: each is read from its file and planned for every level,
/// and runs or is refused.
pub(crate) fn all() {
    let layer = |channels, outputs, params| Layer {
        channels,
        outputs,
        params,
    };
    let plain = ConvParams::valid;
    let most = usize::from(u16::MAX);
    let same = |kernel: [usize; 2]| {
        let [height, width] = kernel.map(|size| size - 1);
        let after = [height - height / 2, width - width / 2];
        ConvParams {
            padding: [height / 2, width / 2, after[0], after[1]],
            ..plain(kernel)
        }
    };
    let grouped = |groups| ConvParams {
        groups,
        ..plain([1, 1])
    };
    let apart = |groups| ConvParams {
        dilation: [1, 255],
        groups,
        ..plain([2, 2])
    };
    let small = ConvParams {
        padding_value: PaddingValue::MinusOne,
        ..same([11, 7])
    };
    let (bits, grey) = (Kind::Bit, Kind::U8);
    // A name, the input, a layer, how many times, classes, whether it runs.
    let cases = [
        (
            "grey values in 65535 groups",
            (grey, [1, 1, most]),
            layer(most, most, grouped(most)),
            1,
            2,
            false,
        ),
        (
            "grey values far apart",
            (grey, [2, 256, 8192]),
            layer(8192, 1, apart(1)),
            1,
            2,
            false,
        ),
        (
            "grey values far apart, in 8192 groups",
            (grey, [2, 256, 8192]),
            layer(8192, 8192, apart(8192)),
            1,
            2,
            false,
        ),
        (
            "grey columns",
            (grey, [most, 1, 1]),
            layer(1, 300, plain([most, 1])),
            1,
            2,
            false,
        ),
        (
            "a layer of 65535 groups",
            (bits, [1, 1, most]),
            layer(most, most, grouped(most)),
            1,
            2,
            true,
        ),
        (
            "thirty layers of 65535 groups",
            (bits, [1, 1, most]),
            layer(most, most, grouped(most)),
            30,
            2,
            false,
        ),
        (
            "20000 small layers",
            (bits, [24, 24, 1]),
            layer(1, 1, small),
            20_000,
            2,
            false,
        ),
        (
            "800 tall kernels",
            (bits, [most, 1, 1]),
            layer(1, 1, same([most, 1])),
            800,
            2,
            false,
        ),
        (
            "300 layers of 2²³ pixels",
            (bits, [1 << 11, 1 << 12, 1]),
            layer(1, 1, plain([1, 1])),
            300,
            2,
            true,
        ),
        (
            "five layers of 2²³ lines",
            (bits, [1 << 23, 1, 1]),
            layer(1, 1, plain([1, 1])),
            5,
            2,
            true,
        ),
        (
            "2¹⁸ classes at 64 positions",
            (bits, [8, 8, 64]),
            layer(64, 64, plain([1, 1])),
            1,
            1 << 18,
            true,
        ),
    ];
    for (name, (kind, shape), layer, times, classes, runs) in cases {
        let bytes = format::to_bytes(&net(kind, shape.into(), &layer, times, classes)).unwrap();
        let (graph, read) = peak(|| format::from_bytes(&bytes).unwrap());
        let mut failures = FAILURES.lock().unwrap();
        if read > 4 * bytes.len() + (64 << 20) {
            failures.push(format!(
                "{name}: {read} bytes for a file of {}",
                bytes.len()
            ));
        }
        for level in Level::available() {
            let options = Options {
                level,
                ..Options::default()
            };
            let (session, taken) = peak(|| text(Session::new(&graph, &options)));
            println!(
                "session of {name}, {level}: {} bytes, peak {:.1} MiB, {:.1} MiB to read: {session:?}",
                bytes.len(),
                taken as f64 / 1048576.0,
                read as f64 / 1048576.0,
            );
            if taken > 16 * bytes.len() + (256 << 20) {
                failures.push(format!("session of {name}, {level}: {taken} bytes"));
            }
            if session.is_ok() != runs {
                failures.push(format!("session of {name}, {level}: {session:?}"));
            }
        }
    }
}

fn net(kind: Kind, shape: Shape, layer: &Layer, times: usize, classes: usize) -> Graph {
    let mut graph = Graph::default();
    let mut value = graph.add_input("image", kind, shape).unwrap();
    let params = layer.params;
    let depth = params.kernel[0] * params.kernel[1] * layer.channels / params.groups;
    let threshold = Threshold {
        at_least: 1,
        invert: false,
    };
    for _ in 0..times {
        let weights =
            BitMatrix::from_fn(layer.outputs, depth, |row, column| (row + column) % 3 == 0);
        let conv = Op::BinaryConv(BinaryConv { params, weights });
        let sums = graph.add_node(conv, &[value]).unwrap();
        let thresholds = Op::Threshold(vec![threshold; layer.outputs]);
        value = graph.add_node(thresholds, &[sums]).unwrap();
    }
    let weights = BitMatrix::all_minus_one(classes, layer.outputs);
    let params = ConvParams::valid([1, 1]);
    let conv = Op::BinaryConv(BinaryConv { params, weights });
    let sums = graph.add_node(conv, &[value]).unwrap();
    let (kind, axes) = (ReduceKind::Sum, [true, true, false]);
    let logits = graph.add_node(Op::Reduce { kind, axes }, &[sums]).unwrap();
    graph.add_output("logits", logits).unwrap();
    graph
}
