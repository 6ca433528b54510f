//! Products and convolutions.

use super::{MeasureError, Threads, timing::in_turns};
use bernet_kernels::{
    bits::{BitMatrix, BitTensor, Shape},
    conformance::{self, Fill, Generator},
    isa::Level,
    xnor::{
        self, ByteConv2d, Conv2d, Geometry, Options, PackedWeights, PaddingValue, Scratch,
        Threshold, gemm_bits, gemm_i32,
    },
};
use serde::Serialize;

/// What a kernel writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Output {
    /// Sums.
    I32,
    /// Activations, packed.
    Bits,
}

impl Output {
    fn name(self) -> &'static str {
        match self {
            Self::I32 => "i32",
            Self::Bits => "bits",
        }
    }
}

/// The speed of a kernel on one shape.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct XnorSpeed {
    /// `gemm`, `conv` or `first-layer`.
    pub kernel: &'static str,
    /// The instruction set.
    pub level: &'static str,
    /// `M×N×K` of a product, height × width × channels of a convolution (× kernel of a first layer), with `x` for ×.
    pub shape: String,
    /// What is written and, for a convolution, how it pads.
    pub output: &'static str,
    /// The threads that shared the work.
    pub threads: usize,
    /// 10⁹ multiply-accumulates a second, median of the turns.
    pub gmac_per_s: f64,
    /// The fastest turn.
    pub best_gmac_per_s: f64,
    /// The median in parts of the inner tile's instructions on registers alone, on as many threads.
    pub ceiling_share: f64,
    /// Whether the answer was held against the scalar specification before.
    pub checked: bool,
}

/// Sign activations.
const SIGN: Threshold = Threshold {
    at_least: 0,
    invert: false,
};

fn random(generator: &mut Generator, rows: usize, columns: usize) -> BitMatrix {
    BitMatrix::from_fn(rows, columns, |_, _| generator.word() >> 63 == 1)
}

/// Times an `M × N × K` product.
///
/// # Errors
/// [`MeasureError::Kernel`] for a dimension that the kernels refuse, [`MeasureError::Wrong`] for a wrong answer.
pub fn gemm(
    level: Level,
    [m, n, k]: [usize; 3],
    output: Output,
    threads: &Threads,
) -> Result<XnorSpeed, MeasureError> {
    threads
        .install(|| conformance::product(level, [m, n, k], Fill::Random(1)))
        .map_err(MeasureError::Wrong)?;
    let mut generator = Generator(1);
    let a = random(&mut generator, m, k);
    let weights = PackedWeights::new(level, &random(&mut generator, n, k));
    let thresholds = vec![SIGN; n];
    let (mut sums, mut bits) = (vec![0; m * n], BitMatrix::zeros(m, n));
    let run = || match output {
        Output::I32 => gemm_i32(&a, &weights, &mut sums),
        Output::Bits => gemm_bits(&a, &weights, &thresholds, &mut bits),
    };
    let case = Case {
        kernel: "gemm",
        level,
        shape: format!("{m}x{n}x{k}"),
        output: output.name(),
        work: m * n * k,
    };
    case.speed(threads, || xnor::spin(level, 20_000), run)
}

/// Times a 3×3 convolution with same padding, as many outputs as channels, bits in and out.
///
/// # Errors
/// As [`gemm`].
pub fn convolution(
    level: Level,
    [height, width, channels]: [usize; 3],
    padding_value: PaddingValue,
    threads: &Threads,
) -> Result<XnorSpeed, MeasureError> {
    let geometry = Geometry {
        channels,
        outputs: channels,
        kernel: [3, 3],
        stride: [1, 1],
        padding: [1; 4],
        padding_value,
    };
    let shape = Shape {
        batch: 1,
        height,
        width,
        channels,
    };
    threads
        .install(|| conformance::convolution(level, &geometry, Options::default(), shape, 1))
        .map_err(MeasureError::Wrong)?;
    let mut generator = Generator(1);
    let lines = random(&mut generator, height, width * channels);
    let input = BitTensor::from_lines(shape, lines)?;
    let weights = random(&mut generator, channels, geometry.depth());
    let conv = Conv2d::new(level, geometry, &weights)?;
    let thresholds = vec![SIGN; channels];
    let (mut scratch, mut out) = (Scratch::default(), BitTensor::zeros(shape));
    let run = || conv.activations_in(&mut scratch, &input, &thresholds, &mut out);
    let output = match padding_value {
        PaddingValue::MinusOne => "bits, padding -1",
        PaddingValue::Zero => "bits, padding 0",
        PaddingValue::PlusOne => "bits, padding +1",
    };
    let case = Case {
        kernel: "conv",
        level,
        shape: format!("{height}x{width}x{channels}"),
        output,
        work: height * width * channels * geometry.depth(),
    };
    case.speed(threads, || xnor::spin(level, 20_000), run)
}

/// Times a first layer: bytes in, 64 channels of bits or sums out, a kernel of `size` × `size`, stride 2.
///
/// # Errors
/// As [`gemm`].
pub fn first_layer(
    level: Level,
    [height, width, channels, size]: [usize; 4],
    output: Output,
    threads: &Threads,
) -> Result<XnorSpeed, MeasureError> {
    let geometry = Geometry {
        channels,
        outputs: 64,
        kernel: [size; 2],
        stride: [2, 2],
        padding: [size / 2; 4],
        padding_value: PaddingValue::Zero,
    };
    let shape = Shape {
        batch: 1,
        height,
        width,
        channels,
    };
    let options = Options::default();
    threads
        .install(|| conformance::byte_convolution(level, &geometry, options, shape, 1))
        .map_err(MeasureError::Wrong)?;
    let mut generator = Generator(1);
    let input: Vec<u8> = (0..height * width * channels)
        .map(|_| generator.word() as u8)
        .collect();
    let weights = random(&mut generator, geometry.outputs, geometry.depth());
    let conv = ByteConv2d::new(level, geometry, options, &weights)?;
    let positions = conv.output_shape(shape)?;
    let count = positions.height * positions.width * geometry.outputs;
    let thresholds = vec![SIGN; geometry.outputs];
    let (mut scratch, mut bits) = (Scratch::default(), BitTensor::zeros(positions));
    let mut sums = vec![0; count];
    let run = || match output {
        Output::I32 => conv.sums(&mut scratch, shape, &input, &mut sums),
        Output::Bits => conv.activations(&mut scratch, shape, &input, &thresholds, &mut bits),
    };
    let case = Case {
        kernel: "first-layer",
        level,
        shape: format!("{height}x{width}x{channels}x{size}"),
        output: output.name(),
        work: count * geometry.depth(),
    };
    case.speed(threads, || xnor::spin_bytes(level, 200), run)
}

/// What is timed.
struct Case {
    kernel: &'static str,
    level: Level,
    shape: String,
    output: &'static str,
    /// Multiply-accumulates.
    work: usize,
}

impl Case {
    /// Times `run` beside `ceiling`, which returns how many multiply-accumulates it stands for.
    fn speed(
        self,
        threads: &Threads,
        ceiling: impl Fn() -> u64 + Sync,
        mut run: impl FnMut() -> Result<(), bernet_kernels::Error> + Send,
    ) -> Result<XnorSpeed, MeasureError> {
        threads.install(&mut run)?;
        let case = || {
            // It has just run without an error, on the same operands.
            let _ = run();
            self.work as u64
        };
        // Entered once: sending each call to another thread would cost as much as a small product.
        let pace = threads.install(|| in_turns(case, || threads.broadcast(&ceiling)));
        Ok(XnorSpeed {
            kernel: self.kernel,
            level: self.level.name(),
            shape: self.shape,
            output: self.output,
            threads: threads.count(),
            gmac_per_s: pace.median / 1e9,
            best_gmac_per_s: pace.best / 1e9,
            ceiling_share: pace.share,
            checked: true,
        })
    }
}
