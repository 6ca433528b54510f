//! Matrix products.

use crate::{
    ending::{Ending, signs, text},
    host::{Context, Info},
    operator::Operator,
};
use bernet_kernels::{bits::BitView, isa::Level, xnor::PackedWeights};
use ort_sys::ONNXTensorElementDataType as Type;
use std::ffi::CStr;

/// Packed `[M, ⌈K/64⌉]` times weights `[K, N]`, as the host's MatMul has them.
pub(crate) struct MatMul<E> {
    weights: PackedWeights,
    ending: E,
}

impl<E: Ending> Operator for MatMul<E> {
    const NAME: &'static CStr = E::MATMUL;
    const INPUTS: &'static [Type] = E::INPUTS;
    const REQUIRED: usize = E::REQUIRED;
    const OUTPUT: Type = E::OUTPUT;

    fn new(info: &Info<'_>) -> Result<Self, String> {
        let weights = info
            .constant::<f32>(1, "weights")?
            .ok_or("weights: there are none")?;
        let [depth, outputs] = weights.dimensions("weights")?;
        let ending = E::new(info, outputs)?;
        let bits = signs(outputs, depth, weights.values, |output, k| {
            k * outputs + output
        })?;
        let weights = PackedWeights::new(Level::best(), &bits).map_err(text)?;
        Ok(Self { weights, ending })
    }

    fn compute(&self, context: Context<'_>) -> Result<(), String> {
        let a = context.input::<u64>("a")?;
        let [rows, words] = a.dimensions("a")?;
        let depth = self.weights.depth();
        if words != depth.div_ceil(64) {
            let expected = depth.div_ceil(64);
            return Err(format!(
                "a: expected rows of {expected} words, for a depth of {depth}, found {words}"
            ));
        }
        let a = BitView::matrix(a.values, rows, depth, words).map_err(text)?;
        self.ending.matmul(a, &self.weights, context)
    }
}
