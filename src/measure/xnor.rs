//! Products and convolutions.

use super::{MeasureError, Threads, timing::in_turns};
use bernet_kernels::{
    bits::{BitMatrix, BitTensor, Shape},
    conformance::{self, Fill, Generator},
    isa::Level,
    xnor::{
        self, Conv2d, Geometry, Options, PackedWeights, PaddingValue, Scratch, Threshold,
        gemm_bits, gemm_i32,
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

/// The speed of a kernel on one shape.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct XnorSpeed {
    /// `gemm` or `conv`.
    pub kernel: &'static str,
    /// The instruction set.
    pub level: &'static str,
    /// `M×N×K` of a product, height × width × channels of a convolution, with `x` for ×.
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
    let output = match output {
        Output::I32 => "i32",
        Output::Bits => "bits",
    };
    speed(
        "gemm",
        level,
        format!("{m}x{n}x{k}"),
        output,
        threads,
        m * n * k,
        run,
    )
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
    let work = height * width * channels * geometry.depth();
    speed(
        "conv",
        level,
        format!("{height}x{width}x{channels}"),
        output,
        threads,
        work,
        run,
    )
}

fn speed(
    kernel: &'static str,
    level: Level,
    shape: String,
    output: &'static str,
    threads: &Threads,
    work: usize,
    mut run: impl FnMut() -> Result<(), bernet_kernels::Error> + Send,
) -> Result<XnorSpeed, MeasureError> {
    threads.install(&mut run)?;
    let case = || {
        // It has just run without an error, on the same operands.
        let _ = run();
        work as u64
    };
    let ceiling = || threads.broadcast(|| xnor::spin(level, 20_000));
    // Entered once: sending each call to another thread would cost as much as a small product.
    let pace = threads.install(|| in_turns(case, ceiling));
    Ok(XnorSpeed {
        kernel,
        level: level.name(),
        shape,
        output,
        threads: threads.count(),
        gmac_per_s: pace.median / 1e9,
        best_gmac_per_s: pace.best / 1e9,
        ceiling_share: pace.share,
        checked: true,
    })
}
