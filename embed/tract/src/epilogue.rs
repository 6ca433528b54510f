//! What becomes of a layer's sums: numbers, or activations.

use bernet_kernels::{
    bits::WORD,
    xnor::{Affine, Threshold},
};

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Epilogue {
    /// `scale · sum + bias`, of each output.
    Scaled(Scaled),
    /// `magnitude` where the sum reaches the output's threshold, else `−magnitude`.
    Signs {
        thresholds: Vec<Threshold>,
        magnitude: f32,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scaled {
    pub(crate) scale: Vec<f32>,
    pub(crate) bias: Vec<f32>,
}

impl Scaled {
    pub(crate) fn affine(&self) -> Affine<'_> {
        Affine {
            scale: &self.scale,
            bias: &self.bias,
        }
    }
}

/// The number that a bit of a row of words stands for.
pub(crate) fn sign(words: &[u64], bit: usize, magnitude: f32) -> f32 {
    // A clear bit sets the number's sign, which is its highest bit.
    let clear = !(words[bit / WORD] >> (bit % WORD)) as u32;
    f32::from_bits(magnitude.to_bits() | clear << 31)
}
