//! What QONNX adds to ONNX, of which binary nets need one operator.

use tract_onnx::{
    Onnx,
    tract_hir::{
        internal::*,
        tract_core::ops::{
            binary::TypedBinOp,
            logic::{Iff, comp_gte},
            math::neg,
        },
    },
};

/// tract's reader of ONNX files, which also knows QONNX's `BipolarQuant`, in whichever domain.
///
/// Shapes that a file states beyond that of its input are left aside: tract infers them, and they would hold a graph to the size of batch
/// that it was written with.
pub fn onnx() -> Onnx {
    let mut onnx = tract_onnx::onnx()
        .with_ignore_output_shapes(true)
        .with_ignore_value_info(true);
    onnx.op_register
        .insert("BipolarQuant", |_, _| Ok((expand(BipolarQuant), vec![])));
    onnx
}

/// `BipolarQuant(x, scale)`: scale where x is at least 0, else −scale.
#[derive(Clone, Debug)]
struct BipolarQuant;

impl Expansion for BipolarQuant {
    fn name(&self) -> StaticName {
        "BipolarQuant".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 2)?;
        check_output_arity(outputs, 1)?;
        for tensor in [&inputs[0], &inputs[1], &outputs[0]] {
            solver.equals(&tensor.datum_type, f32::datum_type())?;
        }
        solver.equals(&inputs[0].shape, &outputs[0].shape)
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let &[input, scale] = inputs else {
            bail!("BipolarQuant has two inputs");
        };
        let zero = model.add_const(format!("{prefix}.zero"), tensor0(0f32))?;
        let reached = wire_with_rank_broadcast(
            format!("{prefix}.reached"),
            model,
            TypedBinOp(comp_gte(), None),
            &[input, zero],
        )?;
        let negative = model.wire_node(format!("{prefix}.negative"), neg(), &[scale])?;
        wire_with_rank_broadcast(prefix, model, Iff, &[reached[0], scale, negative[0]])
    }
}
