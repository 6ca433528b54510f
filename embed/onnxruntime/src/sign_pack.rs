//! Signs of floats, packed.

use crate::{
    host::{Context, Element, Info},
    operator::Operator,
};
use bernet_kernels::{
    bits::{BitMatrix, BitTensor, Shape},
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
            [rows, columns] => {
                let mut bits = BitMatrix::zeros(rows, columns);
                packing::signs(self.0, x.values, &mut bits).map_err(|error| error.to_string())?;
                context.fill([rows, bits.row_words()], copy(&bits))
            }
            [batch, channels, height, width] => {
                let mut bits = BitTensor::zeros(Shape {
                    batch,
                    height,
                    width,
                    channels,
                });
                packing::tensor_signs(self.0, Order::Nchw, x.values, &mut bits)
                    .map_err(|error| error.to_string())?;
                let lines = bits.lines();
                context.fill([batch, height, lines.row_words()], copy(lines))
            }
            _ => Err(format!(
                "x: expected [M, K] or [N, C, H, W], found the shape {:?}",
                x.shape
            )),
        }
    }
}

/// Packed images that come in, `[N, H, ⌈W·C/64⌉]`.
pub(crate) fn images(
    context: &Context<'_>,
    width: usize,
    channels: usize,
) -> Result<BitTensor, String> {
    let x = context.input::<u64>("x")?;
    let [batch, height, words] = x.dimensions("x")?;
    let columns = width.saturating_mul(channels);
    let expected = columns.div_ceil(64);
    if words != expected {
        return Err(format!(
            "x: expected lines of {expected} words, for {width} pixels of {channels} channels, found {words}"
        ));
    }
    let shape = Shape {
        batch,
        height,
        width,
        channels,
    };
    // A 32nd of what the host's own tensors take: a copy does not show.
    BitMatrix::from_words(batch * height, columns, x.values.to_vec())
        .and_then(|lines| BitTensor::from_lines(shape, lines))
        .map_err(|error| error.to_string())
}

/// Fills an output with packed rows.
pub(crate) fn copy(bits: &BitMatrix) -> impl FnOnce(&mut [u64]) -> Result<(), String> {
    |out| {
        out.copy_from_slice(bits.words());
        Ok(())
    }
}
