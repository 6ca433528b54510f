//! What becomes of the sums of a layer: numbers, or bits.

use crate::{
    context::Context,
    host::{Element, Inputs, zeros},
};
use bernet_kernels::{
    Error,
    bits::{BitMatrix, BitTensor, BitView, Shape, WORD},
    xnor::{Affine, Conv2d, PackedWeights, Threshold, Workspace, gemm_affine, gemm_bits},
};
use ort_sys::ONNXTensorElementDataType as Type;
use std::ffi::CStr;

/// One of the two, and the two inputs after the weights that it takes.
pub(crate) trait Epilogue: Sized + Send + Sync + 'static {
    /// The names of the two operators that end so.
    const MATMUL: &'static CStr;
    const CONVOLUTION: &'static CStr;
    /// Bits, weights, and what the epilogue takes.
    const INPUTS: &'static [Type];
    const REQUIRED: usize;
    const OUTPUT: Type;

    fn new(inputs: &impl Inputs, outputs: usize) -> Result<Self, String>;

    /// The output of a product of no rows.
    fn no_rows(&self, context: Context<'_>) -> Result<(), String>;

    /// The output of a convolution of no images.
    fn no_images(&self, context: Context<'_>, shape: Shape) -> Result<(), String>;

    /// `[M, N]`.
    fn matmul(
        &self,
        a: BitView<'_>,
        weights: &PackedWeights,
        context: Context<'_>,
    ) -> Result<(), String>;

    /// An output of `shape`.
    fn convolve(
        &self,
        kernel: &Conv2d,
        input: &BitTensor,
        workspace: &mut Workspace,
        shape: Shape,
        context: Context<'_>,
    ) -> Result<(), String>;
}

/// `scale · sum + bias`, floats; scale 1 and bias 0 where they are left out.
pub(crate) struct Scaled {
    scale: Vec<f32>,
    bias: Vec<f32>,
}

impl Scaled {
    fn affine(&self) -> Affine<'_> {
        Affine {
            scale: &self.scale,
            bias: &self.bias,
        }
    }
}

impl Epilogue for Scaled {
    const MATMUL: &'static CStr = c"XnorMatMul";
    const CONVOLUTION: &'static CStr = c"XnorConv2d";
    const INPUTS: &'static [Type] = &[u64::TYPE, f32::TYPE, f32::TYPE, f32::TYPE];
    const REQUIRED: usize = 2;
    const OUTPUT: Type = f32::TYPE;

    fn new(inputs: &impl Inputs, outputs: usize) -> Result<Self, String> {
        Ok(Self {
            scale: for_each_output(inputs, outputs, 2, "scale", 1.0)?,
            bias: for_each_output(inputs, outputs, 3, "bias", 0.0)?,
        })
    }

    fn no_rows(&self, context: Context<'_>) -> Result<(), String> {
        context.fill::<f32, 2>([0, self.scale.len()], |_| Ok(()))
    }

    fn no_images(&self, context: Context<'_>, shape: Shape) -> Result<(), String> {
        let Shape {
            height,
            width,
            channels,
            ..
        } = shape;
        context.fill::<f32, 4>([0, channels, height, width], |_| Ok(()))
    }

    fn matmul(
        &self,
        a: BitView<'_>,
        weights: &PackedWeights,
        context: Context<'_>,
    ) -> Result<(), String> {
        context.fill::<f32, 2>([a.rows(), self.scale.len()], |out| {
            gemm_affine(a, weights, self.affine(), out).map_err(text)
        })
    }

    /// Channels before lines and pixels, as the host's own convolutions have it.
    fn convolve(
        &self,
        kernel: &Conv2d,
        input: &BitTensor,
        workspace: &mut Workspace,
        shape: Shape,
        context: Context<'_>,
    ) -> Result<(), String> {
        let Shape {
            batch,
            height,
            width,
            channels,
        } = shape;
        let positions = height * width;
        context.fill::<f32, 4>([batch, channels, height, width], |out| {
            let mut pixels = zeros("y", out.len())?;
            kernel
                .affine(workspace, input, self.affine(), &mut pixels)
                .map_err(text)?;
            let images = out.chunks_exact_mut(channels * positions);
            for (out, pixels) in images.zip(pixels.chunks_exact(positions * channels)) {
                for (channel, plane) in out.chunks_exact_mut(positions).enumerate() {
                    let values = pixels[channel..].iter().step_by(channels);
                    plane
                        .iter_mut()
                        .zip(values)
                        .for_each(|(to, &value)| *to = value);
                }
            }
            Ok(())
        })
    }
}

/// `sum ≥ at_least`, inverted where `invert` is not 0, packed.
pub(crate) struct Thresholds(Vec<Threshold>);

impl Epilogue for Thresholds {
    const MATMUL: &'static CStr = c"XnorMatMulSign";
    const CONVOLUTION: &'static CStr = c"XnorConv2dSign";
    const INPUTS: &'static [Type] = &[u64::TYPE, f32::TYPE, i32::TYPE, i32::TYPE];
    const REQUIRED: usize = 2;
    const OUTPUT: Type = u64::TYPE;

    fn new(inputs: &impl Inputs, outputs: usize) -> Result<Self, String> {
        let least = for_each_output(inputs, outputs, 2, "at_least", 0)?;
        let invert = for_each_output(inputs, outputs, 3, "invert", 0)?;
        let thresholds = least.into_iter().zip(invert);
        Ok(Self(
            thresholds
                .map(|(at_least, invert)| Threshold {
                    at_least,
                    invert: invert != 0,
                })
                .collect(),
        ))
    }

    fn no_rows(&self, context: Context<'_>) -> Result<(), String> {
        context.fill::<u64, 2>([0, self.0.len().div_ceil(WORD)], |_| Ok(()))
    }

    fn no_images(&self, context: Context<'_>, shape: Shape) -> Result<(), String> {
        fill_lines(context, shape, |_| Ok(()))
    }

    fn matmul(
        &self,
        a: BitView<'_>,
        weights: &PackedWeights,
        context: Context<'_>,
    ) -> Result<(), String> {
        let (rows, columns) = (a.rows(), self.0.len());
        context.fill([rows, columns.div_ceil(WORD)], |out| {
            let mut bits = matrix(rows, columns)?;
            gemm_bits(a, weights, &self.0, &mut bits).map_err(text)?;
            out.copy_from_slice(bits.words());
            Ok(())
        })
    }

    fn convolve(
        &self,
        kernel: &Conv2d,
        input: &BitTensor,
        workspace: &mut Workspace,
        shape: Shape,
        context: Context<'_>,
    ) -> Result<(), String> {
        fill_lines(context, shape, |bits| {
            kernel.activations_in(workspace, input, &self.0, bits)
        })
    }
}

/// A constant with a number for each output, which may be left out.
fn for_each_output<T: Element>(
    inputs: &impl Inputs,
    outputs: usize,
    index: usize,
    what: &str,
    default: T,
) -> Result<Vec<T>, String> {
    match inputs.at(index, what)? {
        None => Ok(vec![default; outputs]),
        Some(tensor) if tensor.shape == [outputs] => Ok(tensor.values.to_vec()),
        Some(tensor) => Err(format!(
            "{what}: expected the shape [{outputs}], one for each output, found {:?}",
            tensor.shape
        )),
    }
}

/// A matrix of zeros, or an error where there is no memory for it.
pub(crate) fn matrix(rows: usize, columns: usize) -> Result<BitMatrix, String> {
    let words = rows.saturating_mul(columns.div_ceil(WORD));
    BitMatrix::from_words(rows, columns, zeros("y", words)?).map_err(text)
}

/// Fills an output `[N, H, ⌈W·C/64⌉]` with the bits of a tensor.
pub(crate) fn fill_lines(
    context: Context<'_>,
    shape: Shape,
    make: impl FnOnce(&mut BitTensor) -> Result<(), Error>,
) -> Result<(), String> {
    let columns = shape.width.saturating_mul(shape.channels);
    context.fill([shape.batch, shape.height, columns.div_ceil(WORD)], |out| {
        let lines = matrix(shape.batch.saturating_mul(shape.height), columns)?;
        let mut bits = BitTensor::from_lines(shape, lines).map_err(text)?;
        make(&mut bits).map_err(text)?;
        out.copy_from_slice(bits.lines().words());
        Ok(())
    })
}

pub(crate) fn text(error: Error) -> String {
    error.to_string()
}

/// Weights as bits, from floats that must be +1 and −1: what else they are, a scale has to say.
pub(crate) fn signs(
    rows: usize,
    columns: usize,
    values: &[f32],
    place: impl Fn(usize, usize) -> usize,
) -> Result<BitMatrix, String> {
    match values.iter().find(|value| value.abs() != 1.0) {
        Some(value) => Err(format!(
            "weights: expected +1 and -1, found {value}; a factor belongs into the scale"
        )),
        None => Ok(BitMatrix::from_fn(rows, columns, |row, column| {
            values[place(row, column)] > 0.0
        })),
    }
}
