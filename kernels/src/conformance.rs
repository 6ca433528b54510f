//! One suite that holds a level against the scalar reference; its cases are plain functions, for
//! fuzzers and for other implementers.
//!
//! ```
//! use bernet_kernels::{conformance, isa::Level};
//!
//! conformance::product(Level::best(), 1, [7, 33, 100], conformance::Fill::Random(1))?;
//! # Ok::<(), String>(())
//! ```

use crate::{
    Error,
    bits::{BitMatrix, BitTensor, BitView, BitViewMut, Shape},
    isa::Level,
    reference,
    xnor::{
        Affine, BinaryConv2d, ByteConv2d, Conv2d, ConvParams, Epilogue, PackedWeights,
        PaddingValue, RowsMut, Threshold, Workspace, gemm_threads,
    },
};
use alloc::{format, string::String, vec, vec::Vec};

mod epilogues;

use epilogues::Case;

/// A pinned generator (SplitMix64: Steele, Lea and Flood, 2014), so that a failure is named by its seed alone.
#[derive(Clone, Debug)]
pub struct Generator(
    /// The state; any number is a seed.
    pub u64,
);

impl Generator {
    /// 64 random bits.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let word = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    }

    /// A number from 0 to `end − 1`; `end` is small and not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.word() >> 32) as usize % end
    }

    /// Random bits.
    pub fn matrix(&mut self, rows: usize, columns: usize) -> BitMatrix {
        matrix_of(rows, columns, || self.word())
    }

    fn numbers(&mut self, outputs: usize) -> Numbers {
        let mut numbers = || {
            (0..outputs)
                .map(|_| self.below(1 << 16) as f32 / 4096.0 - 8.0)
                .collect()
        };
        Numbers {
            scale: numbers(),
            bias: numbers(),
        }
    }

    /// Thresholds about the middle of the sums of a depth, some out of their reach, some the other way round.
    fn thresholds(&mut self, outputs: usize, depth: usize) -> Vec<Threshold> {
        let spread = depth.isqrt() + 2;
        (0..outputs)
            .map(|_| {
                let at_least = match self.below(16) {
                    0 => i32::MIN,
                    1 => i32::MAX,
                    2 => depth as i32,
                    3 => 1 - depth as i32,
                    _ => self.below(2 * spread) as i32 - spread as i32,
                };
                Threshold {
                    at_least,
                    invert: self.below(2) == 1,
                }
            })
            .collect()
    }
}

/// A matrix of the words that a function returns, those at the ends of rows cut to size: bit by bit would take longer than the
/// products that are tested.
fn matrix_of(rows: usize, columns: usize, mut word: impl FnMut() -> u64) -> BitMatrix {
    let mut matrix = BitMatrix::all_minus_one(rows, columns);
    for row in 0..rows {
        let ends = (1..).map(|words| 64 * words);
        for (bits, end) in matrix.row_mut(row).iter_mut().zip(ends) {
            *bits = word() >> usize::saturating_sub(end, columns);
        }
    }
    matrix
}

/// What a case's operands hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fill {
    /// Random bits, from a seed.
    Random(u64),
    /// Activations +1, weights −1: every count is as large as it gets.
    Opposite,
}

impl Fill {
    fn operands(self, [m, n, k]: [usize; 3]) -> (Generator, BitMatrix, BitMatrix) {
        match self {
            Self::Random(seed) => {
                let mut generator = Generator(seed);
                let (a, w) = (generator.matrix(m, k), generator.matrix(n, k));
                (generator, a, w)
            }
            Self::Opposite => (
                Generator(0),
                matrix_of(m, k, || u64::MAX),
                BitMatrix::all_minus_one(n, k),
            ),
        }
    }
}

/// `M × N × K` products, as sums, scaled and as bits.
///
/// # Errors
/// Says which element differs, expected and found.
pub fn product(level: Level, threads: usize, shape: [usize; 3], fill: Fill) -> Result<(), String> {
    let [m, n, k] = shape;
    let (mut generator, a, w) = fill.operands(shape);
    let place = format!("{level}, product {m}×{n}×{k}, {fill:?}");
    let failed = |error: Error| format!("{place}: {error}");
    let thresholds = generator.thresholds(n, k);
    let numbers = generator.numbers(n);
    let weights = PackedWeights::new(level, &w).map_err(failed)?;
    let mut found = Outputs::new(m, n);
    let sums = Epilogue::Sums((&mut found.sums).into());
    gemm_threads(threads, &a, &weights, sums).map_err(failed)?;
    // Into rows further apart, what lies between them untouched.
    let wider = n + generator.below(3);
    let mut scaled = vec![f32::NAN; (m - 1) * wider + n];
    let rows = RowsMut::new(&mut scaled, wider);
    let (transform, out) = (numbers.affine().into(), rows);
    let scaled_rows = Epilogue::Numbers { transform, out };
    gemm_threads(threads, &a, &weights, scaled_rows).map_err(failed)?;
    for (row, to) in scaled.chunks(wider).zip(found.scaled.chunks_mut(n)) {
        to.copy_from_slice(&row[..n]);
        if !row[n..].iter().all(|value| value.is_nan()) {
            return Err(format!("{place}: written between rows of out"));
        }
    }
    // The same rows, further apart, and so the bits.
    let (words, stride) = apart(a.view(), generator.below(3));
    let rows = BitView::matrix(&words, m, k, stride).map_err(failed)?;
    let (mut words, stride) = apart(found.bits.view(), generator.below(3));
    let out = BitViewMut::matrix(&mut words, m, n, stride).map_err(failed)?;
    let bits = Epilogue::Bits {
        thresholds: &thresholds,
        out,
    };
    gemm_threads(threads, rows, &weights, bits).map_err(failed)?;
    found.bits =
        together(&words, found.bits.view(), stride).map_err(|what| format!("{place}: {what}"))?;
    Case::random(&mut generator, Shape::matrix(m, n))
        .check(&found.sums, |epilogue| {
            gemm_threads(threads, rows, &weights, epilogue)
        })
        .map_err(|what| format!("{place}, {what}"))?;
    let expected = |row, column| reference::dot(a.row(row), w.row(column), k);
    let words = a.row_words();
    found
        .compare(expected, [1 << 22, words], &thresholds, &numbers)
        .map_err(|what| format!("{place}, {what}"))
}

/// The lines of some bits, so many words further apart than they need to be; all bits between them are 1.
fn apart(view: BitView<'_>, gap: usize) -> (Vec<u64>, usize) {
    let (row_words, stride) = (view.row_words(), view.row_words() + gap);
    let mut words = vec![u64::MAX; view.rows() * stride];
    for (to, row) in words.chunks_mut(stride).zip(0..) {
        to[..row_words].copy_from_slice(view.row(row));
    }
    words.truncate(words.len() - gap);
    (words, stride)
}

/// The lines that [`apart`] moved, after something was written to them: nothing may have been written between them.
fn together(words: &[u64], like: BitView<'_>, stride: usize) -> Result<BitMatrix, String> {
    let row_words = like.row_words();
    let mut lines = Vec::new();
    for line in words.chunks(stride) {
        lines.extend_from_slice(&line[..row_words]);
        if line[row_words..].iter().any(|&word| word != u64::MAX) {
            return Err("written between lines of out".into());
        }
    }
    BitMatrix::from_words(like.rows(), like.columns(), lines).map_err(|error| format!("{error}"))
}

/// A convolution with parameters and a number of outputs, as sums, scaled and as bits.
///
/// # Errors
/// Says which element differs, expected and found.
pub fn convolution(
    level: Level,
    threads: usize,
    params: &ConvParams,
    outputs: usize,
    input: Shape,
    seed: u64,
) -> Result<(), String> {
    let place = format!("{level}, {params:?}, {outputs} outputs on {input:?}, seed {seed}");
    let failed = |error: Error| format!("{place}: {error}");
    let mut generator = Generator(seed);
    let lines = generator.matrix(input.batch * input.height, input.width * input.channels);
    let input = BitTensor::from_lines(input, lines).map_err(failed)?;
    let depth = params.depth(input.shape().channels);
    let w = generator.matrix(outputs, depth);
    let (thresholds, numbers) = (
        generator.thresholds(outputs, depth),
        generator.numbers(outputs),
    );
    let conv = Conv2d::new(level, input.shape().channels, *params, &w).map_err(failed)?;
    let output = conv.output_shape(input.shape()).map_err(failed)?;
    let mut found = Outputs::new(output.batch * output.height * output.width, outputs);
    let mut workspace = Workspace::with_threads(threads);
    conv.sums_in(&mut workspace, &input, &mut found.sums)
        .map_err(failed)?;
    // From lines further apart, to pixels further apart and lines further apart.
    let (words, stride) = apart(input.view(), generator.below(3));
    let view = BitView::new(&words, input.shape(), stride).map_err(failed)?;
    let wider = outputs + generator.below(3);
    let mut scaled = vec![f32::NAN; (found.bits.rows() - 1) * wider + outputs];
    let rows = RowsMut::new(&mut scaled, wider);
    conv.affine(&mut workspace, view, numbers.affine(), rows)
        .map_err(failed)?;
    for (row, to) in scaled.chunks(wider).zip(found.scaled.chunks_mut(outputs)) {
        to.copy_from_slice(&row[..outputs]);
        if !row[outputs..].iter().all(|value| value.is_nan()) {
            return Err(format!("{place}: written between pixels of out"));
        }
    }
    let mut bits = BitTensor::all_minus_one(output);
    let (mut words, stride) = apart(bits.view(), generator.below(3));
    let out = BitViewMut::new(&mut words, output, stride).map_err(failed)?;
    conv.activations_in(&mut workspace, view, &thresholds, out)
        .map_err(failed)?;
    bits = together(&words, bits.view(), stride)
        .and_then(|lines| BitTensor::from_lines(output, lines).map_err(failed))
        .map_err(|what| format!("{place}: {what}"))?;
    Case::random(&mut generator, output)
        .check(&found.sums, |epilogue| {
            conv.run(&mut workspace, view, epilogue)
        })
        .map_err(|what| format!("{place}, {what}"))?;
    let mut once = BitTensor::all_minus_one(output);
    BinaryConv2d::new(conv, thresholds.clone())
        .and_then(|conv| conv.activations_in(&mut workspace, &input, &mut once))
        .map_err(failed)?;
    if once != bits {
        return Err(format!(
            "{place}: thresholds worked out once make other bits"
        ));
    }
    let expected = |at| reference::convolution_sum(params, &w, &input, at);
    found
        .compare_tensor(&bits, expected, depth, &thresholds, &numbers)
        .map_err(|what| format!("{place}, {what}"))
}

/// A convolution of bytes, as sums, scaled and as bits.
///
/// # Errors
/// As [`convolution`].
pub fn byte_convolution(
    level: Level,
    threads: usize,
    params: &ConvParams,
    outputs: usize,
    shape: Shape,
    seed: u64,
) -> Result<(), String> {
    let place = format!("{level}, bytes, {params:?}, {outputs} outputs on {shape:?}, seed {seed}");
    let failed = |error: Error| format!("{place}: {error}");
    let mut generator = Generator(seed);
    // The largest sums come from inputs of 255.
    let dark = generator.below(4) == 0;
    let size = shape.batch * shape.height * shape.width * shape.channels;
    let input: Vec<u8> = (0..size)
        .map(|_| if dark { 255 } else { generator.word() as u8 })
        .collect();
    let depth = params.depth(shape.channels);
    let w = generator.matrix(outputs, depth);
    let mut thresholds = generator.thresholds(outputs, depth);
    for threshold in &mut thresholds {
        threshold.at_least = threshold.at_least.saturating_mul(101);
    }
    let numbers = generator.numbers(outputs);
    let conv = ByteConv2d::new(level, shape.channels, *params, &w).map_err(failed)?;
    let output = conv.output_shape(shape).map_err(failed)?;
    let mut found = Outputs::new(output.batch * output.height * output.width, outputs);
    let mut workspace = Workspace::with_threads(threads);
    conv.sums(&mut workspace, shape, &input, &mut found.sums)
        .map_err(failed)?;
    let scaled = &mut found.scaled;
    conv.affine(&mut workspace, shape, &input, numbers.affine(), scaled)
        .map_err(failed)?;
    let mut bits = BitTensor::all_minus_one(output);
    conv.activations(&mut workspace, shape, &input, &thresholds, &mut bits)
        .map_err(failed)?;
    Case::random(&mut generator, output)
        .check(&found.sums, |epilogue| {
            conv.run(&mut workspace, shape, &input, epilogue)
        })
        .map_err(|what| format!("{place}, {what}"))?;
    let expected = |at| reference::byte_convolution_sum(params, &w, shape, &input, at);
    found
        .compare_tensor(&bits, expected, depth, &thresholds, &numbers)
        .map_err(|what| format!("{place}, {what}"))
}

/// A small convolution of any kind, its output not empty: parameters, output channels, input shape.
pub fn random_convolution(generator: &mut Generator) -> (ConvParams, usize, Shape) {
    const CHANNELS: [usize; 10] = [1, 2, 3, 8, 32, 33, 64, 65, 100, 128];
    const OUTPUTS: [usize; 8] = [1, 5, 8, 16, 33, 64, 65, 100];
    const VALUES: [PaddingValue; 3] = [
        PaddingValue::MinusOne,
        PaddingValue::Zero,
        PaddingValue::PlusOne,
    ];
    let mut pair =
        |from: usize, end: usize| [from + generator.below(end), from + generator.below(end)];
    let (kernel, stride, [height, width]) = (pair(1, 4), pair(1, 3), pair(1, 9));
    let (before, after, far) = (pair(0, 3), pair(0, 3), pair(1, 3));
    let dilation = if far[0] == 3 { pair(1, 3) } else { [1, 1] };
    let (channels, outputs, groups) = match generator.below(4) {
        // Depthwise, and few channels a group.
        0 => (33, 66, 33),
        1 => (96, 10, 2),
        _ => (
            CHANNELS[generator.below(CHANNELS.len())],
            OUTPUTS[generator.below(OUTPUTS.len())],
            1,
        ),
    };
    // Enough padding for the kernel to fit.
    let enough = |axis: usize, size: usize| {
        let span = (kernel[axis] - 1) * dilation[axis] + 1;
        after[axis].max(span.saturating_sub(size + before[axis]))
    };
    let params = ConvParams {
        kernel,
        stride,
        dilation,
        padding: [before[0], before[1], enough(0, height), enough(1, width)],
        padding_value: VALUES[generator.below(VALUES.len())],
        groups,
    };
    let shape = Shape {
        batch: 1 + generator.below(3),
        height,
        width,
        channels,
    };
    (params, outputs, shape)
}

/// A scale and a bias for each output.
struct Numbers {
    scale: Vec<f32>,
    bias: Vec<f32>,
}

impl Numbers {
    fn affine(&self) -> Affine<'_> {
        Affine {
            scale: &self.scale,
            bias: &self.bias,
        }
    }
}

/// All that can be asked of a product, row by row.
struct Outputs {
    sums: Vec<i32>,
    scaled: Vec<f32>,
    bits: BitMatrix,
}

impl Outputs {
    /// Filled with what must be overwritten.
    fn new(rows: usize, columns: usize) -> Self {
        let bits = BitMatrix::from_fn(rows, columns, |row, column| (row ^ column) & 1 == 0);
        Self {
            sums: vec![i32::MIN; rows * columns],
            scaled: vec![f32::NAN; rows * columns],
            bits,
        }
    }

    /// As [`Outputs::compare`], of a convolution whose activations are `bits`; `expected` is asked for image, line, pixel, channel.
    fn compare_tensor(
        mut self,
        bits: &BitTensor,
        expected: impl Fn([usize; 4]) -> i32,
        depth: usize,
        thresholds: &[Threshold],
        numbers: &Numbers,
    ) -> Result<(), String> {
        pad_bits_are_clear(bits.lines())?;
        let Shape { height, width, .. } = bits.shape();
        let position = |row: usize, channel: usize| {
            let (line, x) = (row / width, row % width);
            [line / height, line % height, x, channel]
        };
        self.bits = BitMatrix::from_fn(self.bits.rows(), self.bits.columns(), |row, channel| {
            let [image, y, x, channel] = position(row, channel);
            bits.get(image, y, x, channel)
        });
        let expected = |row, channel| expected(position(row, channel));
        self.compare(expected, [1 << 20, depth], thresholds, numbers)
    }

    /// Compares every element, or, of large outputs, a random element in so many that `terms` terms
    /// of the reference's sums, one `depth` an element, are enough.
    fn compare(
        &self,
        expected: impl Fn(usize, usize) -> i32,
        [terms, depth]: [usize; 2],
        thresholds: &[Threshold],
        numbers: &Numbers,
    ) -> Result<(), String> {
        pad_bits_are_clear(&self.bits)?;
        let skip = 2 * (self.sums.len() * depth).div_ceil(terms) - 1;
        let mut generator = Generator(depth as u64);
        let mut index = 0;
        while index < self.sums.len() {
            let (row, column) = (index / thresholds.len(), index % thresholds.len());
            let sum = expected(row, column);
            let scaled = numbers.scale[column] * sum as f32 + numbers.bias[column];
            let expected = (sum, scaled, thresholds[column].apply(sum));
            let found = (
                self.sums[index],
                self.scaled[index],
                self.bits.get(row, column),
            );
            if found != expected {
                return Err(format!(
                    "at {row}, {column}: expected {expected:?}, found {found:?}"
                ));
            }
            index += 1 + generator.below(skip);
        }
        Ok(())
    }
}

fn pad_bits_are_clear(bits: &BitMatrix) -> Result<(), String> {
    let words = bits.words().to_vec();
    BitMatrix::from_words(bits.rows(), bits.columns(), words)
        .map(drop)
        .map_err(|error| format!("{error}"))
}

#[cfg(test)]
pub(crate) mod tests;
