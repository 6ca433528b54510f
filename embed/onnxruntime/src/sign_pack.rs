//! Signs of floats, packed.

use crate::{
    context::Context,
    epilogue::{fill_lines, matrix, text},
    host::{Element, Tensor, copied},
    info::Info,
    operator::Operator,
};
use bernet_kernels::{
    bits::{BitMatrix, BitTensor, Shape, WORD},
    isa::Level,
    packing::{self, Order},
};
use ort_sys::ONNXTensorElementDataType as Type;
use std::ffi::CStr;

/// `x ≥ 0` as bits. `[M, K]` → `[M, ⌈K/64⌉]`; `[N, C, H, W]` → `[N, H, ⌈W·C/64⌉]`, all pixels of a line one after the other, channels
/// innermost.
pub(crate) struct SignPack(Level);

impl Operator for SignPack {
    const NAME: &'static CStr = c"SignPack";
    const INPUTS: &'static [Type] = &[f32::TYPE];
    const REQUIRED: usize = 1;
    const OUTPUT: Type = u64::TYPE;

    fn new(_: &Info<'_>) -> Result<Self, String> {
        Ok(Self(Level::best()))
    }

    fn compute(&self, context: Context<'_>) -> Result<(), String> {
        let x = context.input::<f32>("x")?;
        match *x.shape {
            [rows, columns] => context.fill([rows, columns.div_ceil(WORD)], |out| {
                if out.is_empty() {
                    return Ok(());
                }
                let mut bits = matrix(rows, columns)?;
                packing::signs(self.0, &x.values, &mut bits).map_err(text)?;
                out.copy_from_slice(bits.words());
                Ok(())
            }),
            [batch, channels, height, width] => {
                let shape = Shape {
                    batch,
                    height,
                    width,
                    channels,
                };
                fill_lines(context, shape, |bits| match batch {
                    0 => Ok(()),
                    _ => packing::tensor_signs(self.0, Order::Nchw, &x.values, bits),
                })
            }
            _ => Err(format!(
                "x: expected [M, K] or [N, C, H, W], found the shape {:?}",
                x.shape
            )),
        }
    }
}

/// Packed images that come in, `[N, H, ⌈W·C/64⌉]`.
pub(crate) struct Images<'a> {
    shape: Shape,
    words: Tensor<'a, u64>,
}

impl<'a> Images<'a> {
    pub(crate) fn of(context: &Context<'a>, width: usize, channels: usize) -> Result<Self, String> {
        let words = context.input::<u64>("x")?;
        let [batch, height, found] = words.dimensions("x")?;
        let expected = width.saturating_mul(channels).div_ceil(WORD);
        if found != expected {
            return Err(format!(
                "x: expected lines of {expected} words, for {width} pixels of {channels} channels, found {found}"
            ));
        }
        let shape = Shape {
            batch,
            height,
            width,
            channels,
        };
        Ok(Self { shape, words })
    }

    /// How many there are, which may be none.
    pub(crate) fn batch(&self) -> usize {
        self.shape.batch
    }

    /// The shape of one.
    pub(crate) fn one(&self) -> Shape {
        Shape {
            batch: 1,
            ..self.shape
        }
    }

    /// A copy of them: a 32nd of what the host's own tensors take.
    pub(crate) fn bits(&self) -> Result<BitTensor, String> {
        let Shape {
            batch,
            height,
            width,
            channels,
        } = self.shape;
        let words = copied("x", &self.words.values)?;
        BitMatrix::from_words(batch * height, width.saturating_mul(channels), words)
            .and_then(|lines| BitTensor::from_lines(self.shape, lines))
            .map_err(text)
    }
}
