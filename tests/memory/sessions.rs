//! What sessions of nets that were read take.

use super::{FAILURES, peak, text};
use bernet::{
    infer::Session,
    model::{Conv, Input, Layer, Model},
};
use bernet_kernels::{
    bits::BitMatrix,
    isa::Level,
    xnor::{Geometry, Options, PaddingValue, Threshold, Window},
};

/// Nets whose weights take many times as much laid out, or whose activations do: each is read from its file and planned for every level,
/// and runs or is refused.
pub(crate) fn all() {
    let conv = |channels, outputs, kernel: [usize; 2], padding, options: Options| {
        let geometry = Geometry {
            channels,
            outputs,
            kernel,
            stride: [1, 1],
            padding,
            padding_value: PaddingValue::Zero,
        };
        let depth = Window { geometry, options }.depth();
        let threshold = Threshold {
            at_least: 1,
            invert: false,
        };
        Layer::Conv(Conv {
            geometry,
            options,
            weights: BitMatrix::from_fn(outputs, depth, |row, column| (row + column) % 3 == 0),
            thresholds: vec![threshold; outputs],
        })
    };
    let (one, none) = (Options::default(), [0; 4]);
    let groups = |groups| Options { groups, ..one };
    let apart = Options {
        dilation: [1, 255],
        ..one
    };
    let most = usize::from(u16::MAX);
    let same = |kernel: [usize; 2]| {
        let [height, width] = kernel.map(|size| size - 1);
        [
            height / 2,
            width / 2,
            height - height / 2,
            width - width / 2,
        ]
    };
    let depthwise = conv(most, most, [1, 1], none, groups(most));
    let small = conv(1, 1, [11, 7], none, one);
    let Layer::Conv(mut inner) = small else {
        unreachable!("a convolution was made")
    };
    inner.geometry.padding = same([11, 7]);
    inner.geometry.padding_value = PaddingValue::MinusOne;
    let pixel = conv(1, 1, [1, 1], none, one);
    let tall = conv(1, 1, [most, 1], same([most, 1]), one);
    let sparse = |groups| Options { groups, ..apart };
    let (bits, grey) = (Some(128), None);
    // A name, the input and its threshold, a layer, how many times, classes, whether it runs.
    let cases = [
        (
            "grey values in 65535 groups",
            [1, 1, most],
            grey,
            depthwise.clone(),
            1,
            2,
            true,
        ),
        (
            "grey values far apart",
            [2, 256, 8192],
            grey,
            conv(8192, 1, [2, 2], none, apart),
            1,
            2,
            true,
        ),
        (
            "grey values far apart, in 8192 groups",
            [2, 256, 8192],
            grey,
            conv(8192, 8192, [2, 2], none, sparse(8192)),
            1,
            2,
            true,
        ),
        (
            "grey columns",
            [most, 1, 1],
            grey,
            conv(1, 300, [most, 1], none, one),
            1,
            2,
            true,
        ),
        (
            "a layer of 65535 groups",
            [1, 1, most],
            bits,
            depthwise.clone(),
            1,
            2,
            true,
        ),
        (
            "thirty layers of 65535 groups",
            [1, 1, most],
            bits,
            depthwise,
            30,
            2,
            false,
        ),
        (
            "20000 small layers",
            [24, 24, 1],
            bits,
            Layer::Conv(inner),
            20_000,
            2,
            false,
        ),
        ("800 tall kernels", [most, 1, 1], bits, tall, 800, 2, false),
        (
            "300 layers of 2²³ pixels",
            [1 << 11, 1 << 12, 1],
            bits,
            pixel.clone(),
            300,
            2,
            false,
        ),
        (
            "five layers of 2²³ lines",
            [1 << 23, 1, 1],
            bits,
            pixel,
            5,
            2,
            false,
        ),
        (
            "2¹⁸ classes at 64 positions",
            [8, 8, 64],
            bits,
            conv(64, 64, [1, 1], none, one),
            1,
            1 << 18,
            false,
        ),
    ];
    for (name, [height, width, channels], threshold, layer, times, classes, runs) in cases {
        let Layer::Conv(conv) = &layer else {
            unreachable!("a convolution was made")
        };
        let last = Layer::Expectation {
            weights: BitMatrix::zeros(classes, conv.geometry.outputs),
        };
        let input = Input {
            height,
            width,
            channels,
            threshold,
        };
        let mut layers = vec![layer; times];
        layers.push(last);
        let model = Model {
            input,
            layers,
            metadata: Default::default(),
        };
        let bytes = model.to_bytes().unwrap();
        let (model, read) = peak(|| Model::from_bytes(&bytes).unwrap());
        let mut failures = FAILURES.lock().unwrap();
        if read > 2 * bytes.len() + (64 << 20) {
            failures.push(format!(
                "{name}: {read} bytes for a file of {}",
                bytes.len()
            ));
        }
        for level in Level::available() {
            let (session, taken) = peak(|| text(Session::new(&model, level)));
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
