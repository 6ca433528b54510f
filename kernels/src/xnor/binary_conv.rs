//! Convolutions with thresholds, bits in and bits out.

use super::{conv::Conv2d, epilogue::Threshold, words::Folded, workspace::Workspace};
use crate::{
    Error,
    bits::{BitView, BitViewMut},
    isa::dispatch,
};
use alloc::vec::Vec;

/// A convolution and its thresholds, bits in and bits out: what depends on both is worked out once.
///
/// ```
/// use bernet_kernels::{
///     bits::{BitMatrix, BitTensor, Shape},
///     isa::Level,
///     xnor::{BinaryConv2d, Conv2d, ConvParams, Threshold, Workspace},
/// };
///
/// let weights = BitMatrix::from_signs(1, 2, &[1.0, -1.0])?;
/// let conv = Conv2d::new(Level::best(), 1, ConvParams::valid([1, 2]), &weights)?;
/// let conv = BinaryConv2d::new(conv, vec![Threshold { at_least: 1, invert: false }])?;
/// let line = BitMatrix::from_signs(1, 3, &[1.0, -1.0, -1.0])?;
/// let input = BitTensor::from_lines(Shape { batch: 1, height: 1, width: 3, channels: 1 }, line)?;
/// let mut out = BitTensor::all_minus_one(Shape { width: 2, ..input.shape() });
/// conv.activations_in(&mut Workspace::default(), &input, &mut out)?;
/// assert!(out.get(0, 0, 0, 0) && !out.get(0, 0, 1, 0));
/// # Ok::<(), bernet_kernels::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct BinaryConv2d {
    conv: Conv2d,
    thresholds: Vec<Threshold>,
    /// Of each panel, where rows are a word.
    folded: Vec<Folded>,
}

impl BinaryConv2d {
    /// A convolution with a threshold for each of its outputs.
    ///
    /// # Errors
    /// [`Error::Size`] where there are more or fewer.
    pub fn new(conv: Conv2d, thresholds: Vec<Threshold>) -> Result<Self, Error> {
        let outputs = conv.outputs();
        Error::check_size("thresholds (outputs)", outputs, thresholds.len())?;
        // Groups of channels have panels of their own, and are left to each call.
        let folded = match &conv.weights[..] {
            [weights] if conv.is_word() => dispatch!(weights.level(), token => {
                Folded::all(token, weights.panels(), &thresholds)
            }),
            _ => Vec::new(),
        };
        Ok(Self {
            conv,
            thresholds,
            folded,
        })
    }

    /// The convolution.
    pub fn conv(&self) -> &Conv2d {
        &self.conv
    }

    /// The thresholds, one for each output.
    pub fn thresholds(&self) -> &[Threshold] {
        &self.thresholds
    }

    /// The activations, packed.
    ///
    /// # Errors
    /// As [`ConvParams::output_shape`](super::ConvParams::output_shape); [`Error::Size`] where the shape of `out` differs.
    pub fn activations_in<'v>(
        &self,
        workspace: &mut Workspace,
        input: impl Into<BitView<'v>>,
        out: impl Into<BitViewMut<'v>>,
    ) -> Result<(), Error> {
        let (thresholds, folded) = (&self.thresholds, &self.folded);
        self.conv
            .bits(workspace, input.into(), thresholds, folded, out.into())
    }
}
