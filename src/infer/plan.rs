//! A model laid out for one level, and the memory it works in.

use super::{
    InferError, Trace, memory,
    real::{RealConv2d, RealHead},
};
use crate::model::{Input, Layer, MaxPool, Model};
use bernet_kernels::{
    bits::{BitMatrix, BitTensor, Shape, WORD},
    isa::Level,
    xnor::{self, BinaryConv2d, ByteConv2d, Conv2d, Geometry, PaddingValue, Threshold, max_pool},
};
use std::ops::Range;

/// Bytes of activations that a chunk of a batch may take: they stay in the second-level cache between layers.
const CHUNK_BYTES: usize = 256 << 10;

/// Columns up to which the weights of a last layer that serve every position are repeated for each.
const REPEATED: usize = 4096;

/// Whether weights of so many columns serve every position of so deep an image and are repeated for each.
pub(super) fn is_repeated(columns: usize, depth: usize) -> bool {
    columns < depth && depth <= REPEATED
}

/// A model laid out for one level.
#[derive(Debug)]
pub(super) struct Plan {
    /// The shape of one image.
    pub(super) input: Shape,
    steps: Vec<Step>,
    /// The shape of one image after each step.
    shapes: Vec<Shape>,
    head: Head,
    affine: Option<Affine>,
    /// Images that go through the layers together.
    pub(super) chunk: usize,
}

/// A layer whose output is activations.
#[derive(Debug)]
enum Step {
    Crop {
        top: usize,
        left: usize,
    },
    Conv(BinaryConv2d),
    /// The first layer, where it reads grey values.
    ByteConv {
        kernel: ByteConv2d,
        thresholds: Vec<Threshold>,
    },
    /// The first layer, where it has real weights.
    RealConv(RealConv2d),
    MaxPool(MaxPool),
}

/// The layer that makes logits of activations.
#[derive(Debug)]
enum Head {
    Bits(Box<Conv2d>),
    Reals(RealHead),
}

/// The real logit of each class from the integer one.
#[derive(Debug)]
struct Affine {
    scale: Vec<f64>,
    bias: Vec<f64>,
}

/// What a plan works in, for one thread.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// The images that go through the layers together.
    pub(super) images: BitTensor,
    tensors: Vec<BitTensor>,
    sums: Vec<i32>,
    real_sums: Vec<f64>,
    grey: Vec<u8>,
    logits: Vec<i32>,
    kernels: xnor::Workspace,
}

impl Plan {
    pub(super) fn new(model: &Model, level: Level) -> Result<Self, InferError> {
        let mut shapes = model.shapes()?;
        memory::check(model, &shapes)?;
        let mut steps = Vec::with_capacity(shapes.len());
        let (mut head, mut affine) = (None, None);
        for (index, layer) in model.layers.iter().enumerate() {
            let grey = index == 0 && model.input.threshold.is_none();
            match layer {
                &Layer::Crop { top, left, .. } => steps.push(Step::Crop { top, left }),
                Layer::Conv(conv) if grey && !memory::suits_bytes(conv) => {
                    steps.push(Step::RealConv(RealConv2d::of_bits(conv)));
                }
                Layer::Conv(conv) if grey => {
                    let (geometry, options) = (conv.geometry, conv.options);
                    steps.push(Step::ByteConv {
                        kernel: ByteConv2d::new(level, geometry, options, &conv.weights)?,
                        thresholds: conv.thresholds.clone(),
                    });
                }
                Layer::Conv(conv) => {
                    let kernel =
                        Conv2d::with_options(level, conv.geometry, conv.options, &conv.weights)?;
                    steps.push(Step::Conv(BinaryConv2d::new(
                        kernel,
                        conv.thresholds.clone(),
                    )?));
                }
                Layer::MaxPool(pool) => steps.push(Step::MaxPool(*pool)),
                Layer::Expectation { weights } => {
                    let last = steps.len().checked_sub(1);
                    let input = last.map_or(model.input.shape(), |last| shapes[last]);
                    head = Some(Head::Bits(Box::new(expectation(level, weights, input)?)));
                }
                Layer::RealConv(conv) => steps.push(Step::RealConv(RealConv2d::new(conv))),
                Layer::RealExpectation(last) => head = Some(Head::Reals(RealHead::new(last))),
                Layer::Affine { scale, bias } => {
                    affine = Some(Affine {
                        scale: scale.clone(),
                        bias: bias.clone(),
                    });
                }
            }
        }
        shapes.truncate(steps.len());
        let head = head.expect("a valid model ends with an expectation layer");
        let input = model.input.bits_shape();
        let classes = head.classes();
        let last = shapes.last().unwrap_or(&input);
        let bits = shapes
            .iter()
            .chain([&input])
            .map(|shape| shape.height * (shape.width * shape.channels + WORD) / 8);
        let bytes = bits.sum::<usize>() + last.height * last.width * classes * size_of::<i32>();
        Ok(Self {
            input,
            steps,
            shapes,
            head,
            affine,
            chunk: (CHUNK_BYTES / bytes).max(1),
        })
    }

    pub(super) fn classes(&self) -> usize {
        self.head.classes()
    }

    /// Whether the logits are integers.
    pub(super) fn has_integers(&self) -> bool {
        matches!(self.head, Head::Bits(_))
    }

    /// Whether the order of the integers is that of the logits.
    pub(super) fn integers_decide(&self) -> bool {
        self.has_integers() && self.affine.as_ref().is_none_or(Affine::is_shared)
    }

    /// The activations of images of the right shape, which are left in the scratch.
    fn run(&self, images: &BitTensor, scratch: &mut Scratch) -> Result<(), InferError> {
        scratch.fit(&self.shapes, images.shape().batch);
        if images.shape().batch == 0 {
            return Ok(());
        }
        let mut input = images;
        let kernels = &mut scratch.kernels;
        for (step, output) in self.steps.iter().zip(&mut scratch.tensors) {
            match step {
                &Step::Crop { top, left } => *output = crop(input, top, left, output.shape()),
                Step::Conv(kernel) => kernel.activations_in(kernels, input, &mut *output)?,
                Step::ByteConv { kernel, thresholds } => {
                    let shape = grey_values(input, &mut scratch.grey);
                    kernel.activations(kernels, shape, &scratch.grey, thresholds, &mut *output)?
                }
                Step::RealConv(kernel) => {
                    let shape = grey_values(input, &mut scratch.grey);
                    kernel.activations(shape, &scratch.grey, &mut scratch.real_sums, output);
                }
                Step::MaxPool(pool) => {
                    max_pool(input, pool.kernel, pool.stride, pool.padding, &mut *output)?
                }
            }
            input = output;
        }
        Ok(())
    }

    /// The integer logits of images of the right shape, `batch × classes`.
    pub(super) fn integers(
        &self,
        images: &BitTensor,
        scratch: &mut Scratch,
        logits: &mut [i32],
    ) -> Result<(), InferError> {
        let Head::Bits(expectation) = &self.head else {
            return Err(InferError::RealWeights);
        };
        self.run(images, scratch)?;
        if images.shape().batch == 0 {
            return Ok(());
        }
        let input = scratch.tensors.last().unwrap_or(images);

        // [batch, height, width, channels] → [batch, height, width, classes] → [batch, classes], where height and width
        // are 1 if the weights are for the whole image.
        let classes = self.classes();
        let shape = expectation.geometry().output_shape(input.shape())?;
        let positions = shape.height * shape.width;
        if positions == 1 {
            expectation.sums_in(&mut scratch.kernels, input, logits)?;
            return Ok(());
        }
        scratch.sums.resize(shape.batch * positions * classes, 0);
        expectation.sums_in(&mut scratch.kernels, input, &mut scratch.sums)?;
        let images = scratch.sums.chunks_exact(positions * classes);
        for (logits, positions) in logits.chunks_exact_mut(classes).zip(images) {
            logits.fill(0);
            for sums in positions.chunks_exact(classes) {
                logits
                    .iter_mut()
                    .zip(sums)
                    .for_each(|(logit, sum)| *logit += sum);
            }
        }
        Ok(())
    }

    /// The logits of images of the right shape as real numbers, after an affine layer if there is one.
    pub(super) fn reals(
        &self,
        images: &BitTensor,
        scratch: &mut Scratch,
        logits: &mut [f64],
    ) -> Result<(), InferError> {
        if let Head::Reals(head) = &self.head {
            self.run(images, scratch)?;
            head.logits(scratch.tensors.last().unwrap_or(images), logits);
        } else {
            let mut integers = std::mem::take(&mut scratch.logits);
            integers.resize(logits.len(), 0);
            self.integers(images, scratch, &mut integers)?;
            let pairs = logits.iter_mut().zip(&integers);
            pairs.for_each(|(logit, &integer)| *logit = integer.into());
            scratch.logits = integers;
        }
        if let Some(Affine { scale, bias }) = &self.affine {
            for logits in logits.chunks_exact_mut(self.classes()) {
                for (logit, (scale, bias)) in logits.iter_mut().zip(scale.iter().zip(bias)) {
                    *logit = scale * *logit + bias;
                }
            }
        }
        Ok(())
    }

    /// Everything that images of the right shape go through.
    pub(super) fn trace(&self, images: &BitTensor) -> Result<Trace, InferError> {
        let mut scratch = Scratch::default();
        let logits = images.shape().batch * self.classes();
        let mut trace = Trace {
            activations: Vec::new(),
            logits: vec![0; if self.has_integers() { logits } else { 0 }],
            real_logits: vec![0.0; logits],
        };
        if self.has_integers() {
            self.integers(images, &mut scratch, &mut trace.logits)?;
        }
        self.reals(images, &mut scratch, &mut trace.real_logits)?;
        trace.activations = scratch.tensors;
        Ok(trace)
    }
}

impl Head {
    fn classes(&self) -> usize {
        match self {
            Self::Bits(expectation) => expectation.geometry().outputs,
            Self::Reals(head) => head.classes,
        }
    }
}

impl Affine {
    /// Whether all classes have the same scale and bias, so that the order of the sums is that of the logits.
    fn is_shared(&self) -> bool {
        let same = |reals: &[f64]| reals.iter().all(|&real| real == reals[0]);
        same(&self.scale) && same(&self.bias)
    }
}

impl Scratch {
    /// A tensor for each step; those of the last batch serve again if it was as large.
    fn fit(&mut self, shapes: &[Shape], batch: usize) {
        let shapes = shapes.iter().map(|&shape| Shape { batch, ..shape });
        if !self.tensors.iter().map(BitTensor::shape).eq(shapes.clone()) {
            self.tensors = shapes.map(BitTensor::zeros).collect();
        }
    }
}

/// The expectation layer's products as a convolution over the whole image. Weights that serve every position are repeated where that is
/// little: one sum then takes the place of many. Where it is not, the convolution is at each position.
fn expectation(level: Level, weights: &BitMatrix, input: Shape) -> Result<Conv2d, InferError> {
    let geometry = |kernel| Geometry {
        channels: input.channels,
        outputs: weights.rows(),
        kernel,
        stride: [1, 1],
        padding: [0; 4],
        padding_value: PaddingValue::MinusOne,
    };
    let (size, columns) = ([input.height, input.width], weights.columns());
    let depth = input.height * input.width * input.channels;
    if columns == depth {
        Ok(Conv2d::new(level, geometry(size), weights)?)
    } else if is_repeated(columns, depth) {
        let weight = |class, column| weights.get(class, column % columns);
        let weights = BitMatrix::from_fn(weights.rows(), depth, weight);
        Ok(Conv2d::new(level, geometry(size), &weights)?)
    } else {
        Ok(Conv2d::new(level, geometry([1, 1]), weights)?)
    }
}

/// A rectangle of every image: each word of a line is put together from the two that it straddles.
fn crop(input: &BitTensor, top: usize, left: usize, shape: Shape) -> BitTensor {
    let Shape {
        height, channels, ..
    } = input.shape();
    let (first, shift) = (left * channels / WORD, left * channels % WORD);
    let columns = shape.width * channels;
    let row_words = columns.div_ceil(WORD);
    let mut words = Vec::with_capacity(shape.batch * shape.height * row_words);
    for image in 0..shape.batch {
        for y in 0..shape.height {
            let line = &input.lines().row(image * height + top + y)[first..];
            words.extend((0..row_words).map(|index| {
                let high = line
                    .get(index + 1)
                    .map_or(0, |&next| next << 1 << (WORD - 1 - shift));
                let used = WORD.min(columns - index * WORD);
                (line[index] >> shift | high) & u64::MAX >> (WORD - used)
            }));
        }
    }
    let lines = BitMatrix::from_words(shape.batch * shape.height, columns, words)
        .expect("pad bits were masked off");
    BitTensor::from_lines(shape, lines).expect("the lines were made for this shape")
}

/// The grey values of images whose words are their bytes, and their shape.
fn grey_values(images: &BitTensor, grey: &mut Vec<u8>) -> Shape {
    let shape = images.shape();
    let shape = Shape {
        channels: shape.channels / 8,
        ..shape
    };
    grey.clear();
    for row in 0..shape.batch * shape.height {
        let end = grey.len() + shape.width * shape.channels;
        let words = images.lines().row(row).iter();
        grey.extend(words.flat_map(|word| word.to_le_bytes()));
        grey.truncate(end);
    }
    shape
}

/// Copies some of the images of a batch into a tensor that is kept.
fn copy_images(all: &BitTensor, range: Range<usize>, images: &mut BitTensor) {
    let shape = Shape {
        batch: range.len(),
        ..all.shape()
    };
    let (rows, row_words) = (shape.batch * shape.height, all.lines().row_words());
    let words = &all.lines().words()[range.start * shape.height * row_words..][..rows * row_words];
    let lines = BitMatrix::from_words(rows, all.lines().columns(), words.to_vec())
        .expect("they are whole rows");
    *images = BitTensor::from_lines(shape, lines).expect("the lines are those of this shape");
}

/// Images that come in.
#[derive(Clone, Copy)]
pub(super) enum Images<'a> {
    /// Packed.
    Bits(&'a BitTensor),
    /// Grey values, and what they are to be packed for.
    Grey(&'a Input, &'a [u8]),
}

impl<'a> Images<'a> {
    /// Those of a range, packed, perhaps in a tensor that is kept.
    pub(super) fn some<'b>(
        self,
        level: Level,
        range: Range<usize>,
        kept: &'b mut BitTensor,
    ) -> Result<&'b BitTensor, InferError>
    where
        'a: 'b,
    {
        match self {
            Self::Bits(all) if range.len() == all.shape().batch => return Ok(all),
            Self::Bits(all) => copy_images(all, range, kept),
            Self::Grey(input, grey) => {
                let image = input.height * input.width * input.channels;
                let grey = &grey[range.start * image..range.end * image];
                input.binarise_into(level, grey, kept)?;
            }
        }
        Ok(kept)
    }
}
