//! Matrix products.

use crate::{
    context::Context,
    epilogue::{Epilogue, signs, text},
    host::Inputs,
    info::Info,
    operator::Operator,
    prepared::Prepared,
};
use bernet_kernels::{bits::BitView, isa::Level, xnor::PackedWeights};
use ort_sys::ONNXTensorElementDataType as Type;
use std::ffi::CStr;

/// Packed `[M, ⌈K/64⌉]` times weights `[K, N]`, as the host's MatMul has them.
pub(crate) struct MatMul<E>(Prepared<(PackedWeights, E)>);

fn prepare<E: Epilogue>(inputs: &impl Inputs) -> Result<(PackedWeights, E), String> {
    let weights = inputs
        .at::<f32>(1, "weights")?
        .ok_or("weights: there are none")?;
    let [depth, outputs] = weights.dimensions("weights")?;
    let epilogue = E::new(inputs, outputs)?;
    let bits = signs(outputs, depth, &weights.values, |output, k| {
        k * outputs + output
    })?;
    Ok((
        PackedWeights::new(Level::best(), &bits).map_err(text)?,
        epilogue,
    ))
}

impl<E: Epilogue> Operator for MatMul<E> {
    const NAME: &'static CStr = E::MATMUL;
    const INPUTS: &'static [Type] = E::INPUTS;
    const REQUIRED: usize = E::REQUIRED;
    const OUTPUT: Type = E::OUTPUT;

    fn new(info: &Info<'_>) -> Result<Self, String> {
        Prepared::new(info, Self::INPUTS, |inputs| prepare(inputs)).map(Self)
    }

    fn compute(&self, context: Context<'_>) -> Result<(), String> {
        let a = context.input::<u64>("a")?;
        let [rows, words] = a.dimensions("a")?;
        let prepared = self
            .0
            .get(&context, Self::INPUTS, |inputs| prepare(inputs))?;
        let (weights, epilogue) = &*prepared;
        let depth = weights.depth();
        if words != depth.div_ceil(64) {
            let expected = depth.div_ceil(64);
            return Err(format!(
                "a: expected rows of {expected} words, for a depth of {depth}, found {words}"
            ));
        }
        if rows == 0 {
            return epilogue.no_rows(context);
        }
        let a = BitView::matrix(&a.values, rows, depth, words).map_err(text)?;
        epilogue.matmul(a, weights, context)
    }
}
