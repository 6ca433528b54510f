//! Which tensors hold two values only, `±s`.

use tract_onnx::{
    prelude::*,
    tract_core::ops::{
        array::{MultiBroadcastTo, Pad, PadMode, Slice, TypedConcat},
        binary::TypedBinOp,
        change_axes::AxisOp,
        cnn::MaxPool,
        element_wise::ElementWiseOp,
        identity::Identity,
        logic::Iff,
        math::{Mul, Neg},
    },
};

/// The `s` of a tensor whose values all are `s` or `−s`, whatever the graph's input is; `s` is finite and above 0.
///
/// A `Where` between two such tensors is one. What only moves, repeats, chooses or negates values keeps them; a product of two such
/// tensors has the product of the two magnitudes, rounded once.
pub(crate) fn of(model: &TypedModel, outlet: OutletId) -> TractResult<Option<f32>> {
    let fact = model.outlet_fact(outlet)?;
    if fact.datum_type != f32::datum_type() {
        return Ok(None);
    }
    if let Some(tensor) = &fact.konst {
        return of_values(tensor);
    }
    let node = model.node(outlet.node);
    let same = |inputs: &[OutletId]| {
        let mut found = None;
        for &input in inputs {
            let Some(magnitude) = of(model, input)? else {
                return Ok(None);
            };
            if *found.get_or_insert(magnitude) != magnitude {
                return Ok(None);
            }
        }
        Ok(found)
    };
    let op = &node.op;
    if op.is::<Iff>() {
        same(&node.inputs[1..])
    } else if op.is::<TypedConcat>() {
        same(&node.inputs)
    } else if op.is::<AxisOp>()
        || op.is::<Slice>()
        || op.is::<MultiBroadcastTo>()
        || op.is::<Identity>()
        || outlet.slot == 0 && op.is::<MaxPool>()
        || node
            .op_as::<ElementWiseOp>()
            .is_some_and(|op| op.0.is::<Neg>())
    {
        of(model, node.inputs[0])
    } else if let Some(pad) = node.op_as::<Pad>() {
        let PadMode::Constant(value) = &pad.mode else {
            return of(model, node.inputs[0]);
        };
        let value = value.cast_to_scalar::<f32>()?.abs();
        Ok(of(model, node.inputs[0])?.filter(|&magnitude| magnitude == value))
    } else if node
        .op_as::<TypedBinOp>()
        .is_some_and(|op| op.0.is::<Mul>())
    {
        let magnitudes = [of(model, node.inputs[0])?, of(model, node.inputs[1])?];
        let [Some(first), Some(second)] = magnitudes else {
            return Ok(None);
        };
        Ok(Some(first * second).filter(|&magnitude| is_magnitude(magnitude)))
    } else {
        Ok(None)
    }
}

/// The one magnitude of a constant's values.
fn of_values(tensor: &Tensor) -> TractResult<Option<f32>> {
    let values = tensor.to_plain_array_view::<f32>()?;
    Ok(of_all(values.iter().copied()))
}

/// The one magnitude of some values.
pub(crate) fn of_all(values: impl IntoIterator<Item = f32>) -> Option<f32> {
    let mut magnitudes = values.into_iter().map(f32::abs);
    let first = magnitudes.next().filter(|&first| is_magnitude(first))?;
    magnitudes.all(|other| other == first).then_some(first)
}

fn is_magnitude(value: f32) -> bool {
    value.is_finite() && value > 0.0
}
