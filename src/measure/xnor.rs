//! Products and convolutions.

use super::{MeasureError, Threads, timing::in_turns};
use bernet_kernels::{
    bits::{BitMatrix, BitTensor, Shape},
    isa::Level,
    reference,
    xnor::{
        self, ByteConv2d, Conv2d, ConvParams, Epilogue, PackedWeights, PaddingValue, Threshold,
        Workspace, gemm_threads,
    },
};
use rand_pcg::{
    Pcg64Mcg,
    rand_core::{Rng, SeedableRng},
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
    /// Whether the answer was held against the scalar reference before.
    pub checked: bool,
}

/// Sign activations.
const SIGN: Threshold = Threshold {
    at_least: 0,
    invert: false,
};

fn random(generator: &mut Pcg64Mcg, rows: usize, columns: usize) -> BitMatrix {
    BitMatrix::from_fn(rows, columns, |_, _| generator.next_u64() >> 63 == 1)
}

/// Sums that are checked, at places spread over the output.
const CHECKED: usize = 1000;

/// What a kernel wrote for a sum.
#[derive(Debug)]
enum Found {
    Sum(i32),
    Bit(bool),
}

/// Compares some of an output's sums, or their signs, with those of the reference.
fn check(
    outputs: usize,
    reference: impl Fn(usize) -> i32,
    found: impl Fn(usize) -> Found,
) -> Result<(), MeasureError> {
    // A step that shares no factor with the size would meet every channel; an odd one is near enough.
    let step = (outputs / CHECKED) | 1;
    for at in (0..outputs).step_by(step) {
        let expected = reference(at);
        let found = found(at);
        let right = match found {
            Found::Sum(sum) => sum == expected,
            Found::Bit(bit) => bit == SIGN.apply(expected),
        };
        if !right {
            return Err(MeasureError::Wrong(format!(
                "at {at}: expected the sum {expected}, found {found:?}"
            )));
        }
    }
    Ok(())
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
    let mut generator = Pcg64Mcg::seed_from_u64(1);
    let (a, w) = (random(&mut generator, m, k), random(&mut generator, n, k));
    let weights = PackedWeights::new(level, &w)?;
    let thresholds = vec![SIGN; n];
    let (mut sums, mut bits) = (vec![0; m * n], BitMatrix::all_minus_one(m, n));
    let run = |sums: &mut [i32], bits: &mut BitMatrix| {
        let epilogue = match output {
            Output::I32 => Epilogue::Sums(sums.into()),
            Output::Bits => Epilogue::Bits {
                thresholds: &thresholds,
                out: bits.view_mut(),
            },
        };
        gemm_threads(threads.count(), &a, &weights, epilogue)
    };
    threads.install(|| run(&mut sums, &mut bits))?;
    check(
        m * n,
        |at| reference::dot(a.row(at / n), w.row(at % n), k),
        |at| match output {
            Output::I32 => Found::Sum(sums[at]),
            Output::Bits => Found::Bit(bits.get(at / n, at % n)),
        },
    )?;
    let run = || run(&mut sums, &mut bits);
    let case = Case {
        kernel: "gemm",
        level,
        shape: format!("{m}x{n}x{k}"),
        output: output.name(),
        work: m * n * k,
    };
    case.speed(threads, || xnor::peak_throughput(level, 20_000), run)
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
    let params = ConvParams {
        padding: [1; 4],
        padding_value,
        ..ConvParams::valid([3, 3])
    };
    let depth = params.depth(channels);
    let shape = Shape {
        batch: 1,
        height,
        width,
        channels,
    };
    let mut generator = Pcg64Mcg::seed_from_u64(1);
    let lines = random(&mut generator, height, width * channels);
    let input = BitTensor::from_lines(shape, lines)?;
    let weights = random(&mut generator, channels, depth);
    let conv = Conv2d::new(level, channels, params, &weights)?;
    let thresholds = vec![SIGN; channels];
    let mut workspace = Workspace::with_threads(threads.count());
    let mut out = BitTensor::all_minus_one(shape);
    threads.install(|| conv.activations_in(&mut workspace, &input, &thresholds, &mut out))?;
    let place = |at: usize| {
        let (pixel, channel) = (at / channels, at % channels);
        [0, pixel / width, pixel % width, channel]
    };
    check(
        height * width * channels,
        |at| reference::convolution_sum(&params, &weights, &input, place(at)),
        |at| {
            let [image, y, x, channel] = place(at);
            Found::Bit(out.get(image, y, x, channel))
        },
    )?;
    let run = || conv.activations_in(&mut workspace, &input, &thresholds, &mut out);
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
        work: height * width * channels * depth,
    };
    case.speed(threads, || xnor::peak_throughput(level, 20_000), run)
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
    const OUTPUTS: usize = 64;
    let params = ConvParams {
        stride: [2, 2],
        padding: [size / 2; 4],
        ..ConvParams::valid([size; 2])
    };
    let depth = params.depth(channels);
    let shape = Shape {
        batch: 1,
        height,
        width,
        channels,
    };
    let mut generator = Pcg64Mcg::seed_from_u64(1);
    let input: Vec<u8> = (0..height * width * channels)
        .map(|_| generator.next_u64() as u8)
        .collect();
    let weights = random(&mut generator, OUTPUTS, depth);
    let conv = ByteConv2d::new(level, channels, params, &weights)?;
    let positions = conv.output_shape(shape)?;
    let count = positions.height * positions.width * OUTPUTS;
    let thresholds = vec![SIGN; OUTPUTS];
    let mut workspace = Workspace::with_threads(threads.count());
    let mut bits = BitTensor::all_minus_one(positions);
    let mut sums = vec![0; count];
    let mut run = |sums: &mut [i32], bits: &mut BitTensor| match output {
        Output::I32 => conv.sums(&mut workspace, shape, &input, sums),
        Output::Bits => conv.activations(&mut workspace, shape, &input, &thresholds, bits),
    };
    threads.install(|| run(&mut sums, &mut bits))?;
    let place = |at: usize| {
        let (pixel, channel) = (at / OUTPUTS, at % OUTPUTS);
        [0, pixel / positions.width, pixel % positions.width, channel]
    };
    check(
        count,
        |at| {
            let place = place(at);
            reference::byte_convolution_sum(&params, &weights, shape, &input, place)
        },
        |at| match output {
            Output::I32 => Found::Sum(sums[at]),
            Output::Bits => {
                let [image, y, x, channel] = place(at);
                Found::Bit(bits.get(image, y, x, channel))
            }
        },
    )?;
    let run = || run(&mut sums, &mut bits);
    let case = Case {
        kernel: "first-layer",
        level,
        shape: format!("{height}x{width}x{channels}x{size}"),
        output: output.name(),
        work: count * depth,
    };
    case.speed(threads, || xnor::peak_throughput_bytes(level, 200), run)
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
