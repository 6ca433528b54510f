//! Products of matrices, and whatever else tract writes as a sum over common axes of two tensors.

use crate::{
    epilogue::{Epilogue, Scaled, sign},
    magnitude,
};
use bernet_kernels::{
    bits::BitMatrix,
    isa::Level,
    packing,
    xnor::{PackedWeights, gemm_affine, gemm_bits},
};
use std::sync::Arc;
use tract_onnx::tract_hir::{internal::*, tract_core::ops::einsum::EinSum};

/// `scale · Σ ± + bias`: the input's axes are rows, or summed over; those of the output are rows, or the weights' own.
#[derive(Clone, Debug)]
pub(crate) struct XnorProduct {
    axes: Axes,
    weights: Arc<PackedWeights>,
    epilogue: Epilogue,
}

/// Where the axes of input and output are.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Axes {
    /// The input's axes: first the rows, then those that are summed over.
    input: Vec<usize>,
    /// How many of them are rows.
    rows: usize,
    /// The sizes of the weights' own axes.
    outputs: Vec<usize>,
    /// For each axis of the output, its place among rows and outputs.
    output: Vec<usize>,
}

impl PartialEq for XnorProduct {
    fn eq(&self, other: &Self) -> bool {
        self.axes == other.axes
            && Arc::ptr_eq(&self.weights, &other.weights)
            && self.epilogue == other.epilogue
    }
}

impl Eq for XnorProduct {}

impl XnorProduct {
    /// Scales, depth, the axes of channels and one of rows, where sums come out and there are rows.
    pub(crate) fn layer(&self) -> Option<(&Scaled, usize, Vec<usize>, usize)> {
        let Epilogue::Scaled(scaled) = &self.epilogue else {
            return None;
        };
        let axis = |place| self.axes.output.iter().position(|&other| other == place);
        let places = self.axes.rows..self.axes.output.len();
        let channels: Option<Vec<_>> = places.map(axis).collect();
        let free = (self.axes.rows > 0).then(|| axis(0))??;
        Some((scaled, self.weights.depth(), channels?, free))
    }

    pub(crate) fn with_epilogue(&self, epilogue: Epilogue) -> Self {
        Self {
            epilogue,
            ..self.clone()
        }
    }
}

impl Op for XnorProduct {
    fn name(&self) -> StaticName {
        "XnorProduct".into()
    }

    fn info(&self) -> TractResult<Vec<String>> {
        Ok(vec![format!(
            "{} outputs of {} bits, level {:?}",
            self.weights.outputs(),
            self.weights.depth(),
            self.weights.level()
        )])
    }

    op_as_typed_op!();
}

impl EvalOp for XnorProduct {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = permuted(args_1!(inputs).into_tensor(), &self.axes.input)?;
        let shape = &input.shape()[..self.axes.rows];
        let rows = shape.iter().product();
        let mut bits = BitMatrix::all_minus_one(rows, self.weights.depth());
        let values = input.try_as_plain_ram()?;
        packing::signs(self.weights.level(), values.as_slice::<f32>()?, &mut bits)?;
        let dims: Vec<_> = shape.iter().chain(&self.axes.outputs).copied().collect();
        let mut output = Tensor::zero::<f32>(&dims)?;
        let mut values = output.try_as_plain_ram_mut()?;
        let values = values.as_slice_mut::<f32>()?;
        match &self.epilogue {
            Epilogue::Scaled(scaled) => gemm_affine(&bits, &self.weights, scaled.affine(), values)?,
            Epilogue::Signs {
                thresholds,
                magnitude,
            } => {
                let outputs = thresholds.len();
                let mut signs = BitMatrix::all_minus_one(rows, outputs);
                gemm_bits(&bits, &self.weights, thresholds, &mut signs)?;
                for (row, values) in values.chunks_exact_mut(outputs).enumerate() {
                    let words = signs.row(row);
                    for (bit, value) in values.iter_mut().enumerate() {
                        *value = sign(words, bit, *magnitude);
                    }
                }
            }
        }
        Ok(tvec!(permuted(output, &self.axes.output)?.into_tvalue()))
    }
}

impl TypedOp for XnorProduct {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let rows = self.axes.input[..self.axes.rows].iter();
        let rows = rows.map(|&axis| inputs[0].shape[axis].clone());
        let outputs = self.axes.outputs.iter().map(|size| size.to_dim());
        let dims: Vec<TDim> = rows.chain(outputs).collect();
        let dims: Vec<TDim> = self
            .axes
            .output
            .iter()
            .map(|&axis| dims[axis].clone())
            .collect();
        Ok(tvec!(f32::fact(dims)))
    }

    as_op!();
}

/// A tensor with its axes in another order.
fn permuted(tensor: Tensor, order: &[usize]) -> TractResult<Tensor> {
    if order.is_sorted() {
        return Ok(tensor);
    }
    tensor.permute_axes(order)
}

/// Replaces the product of a tensor of `±s` with constant weights of `±α`.
pub(crate) fn rule(
    _: &(),
    model: &TypedModel,
    node: &TypedNode,
    name: &str,
    op: &EinSum,
) -> TractResult<Option<TypedModelPatch>> {
    let [first, second] = node.inputs[..] else {
        return Ok(None);
    };
    let constant = |outlet| Ok::<_, TractError>(model.outlet_fact(outlet)?.konst.clone());
    let (slot, weights) = match (constant(first)?, constant(second)?) {
        (None, Some(weights)) => (0, weights),
        (Some(weights), None) => (1, weights),
        _ => return Ok(None),
    };
    let float = op.operating_dt == f32::datum_type() && op.q_params.is_none();
    rule_if!(float && weights.datum_type() == f32::datum_type());
    rule_if_some!(activation = magnitude::of(model, node.inputs[slot])?);
    let input = model.outlet_fact(node.inputs[slot])?;
    rule_if_some!((axes, order) = Axes::of(op, slot, &input.shape, weights.shape()));

    let weights = weights.into_tensor().permute_axes(&order)?;
    let outputs: usize = axes.outputs.iter().product();
    let depth = weights.len() / outputs.max(1);
    let plain = weights.try_as_plain_ram()?;
    let values = plain.as_slice::<f32>()?;
    let rows = values.chunks_exact(depth.max(1));
    let magnitudes: Option<Vec<f32>> = rows
        .map(|row| magnitude::of_all(row.iter().copied()))
        .collect();
    rule_if_some!(magnitudes = magnitudes);
    let bits = BitMatrix::from_signs(outputs, depth, values)?;
    let replacement = XnorProduct {
        axes,
        weights: Arc::new(PackedWeights::new(Level::best(), &bits)?),
        epilogue: Epilogue::Scaled(Scaled {
            scale: magnitudes.iter().map(|alpha| alpha * activation).collect(),
            bias: vec![0.0; outputs],
        }),
    };
    let mut patch = TypedModelPatch::default();
    let input = patch.tap_model(model, node.inputs[slot])?;
    let output = patch.wire_node(name, replacement, &[input])?;
    patch.shunt_outside(model, node.id.into(), output[0])?;
    Ok(Some(patch))
}

impl Axes {
    /// The axes of a product, the activations being input `slot`, and the order that the weights' axes need: those of size 1 that they
    /// share with the rows, their own, then those that are summed over. `None` where a tensor has an axis twice, or all three have one in
    /// common, or one of the input's is in no other and longer than 1.
    fn of(
        op: &EinSum,
        slot: usize,
        input_shape: &[TDim],
        weights: &[usize],
    ) -> Option<(Self, Vec<usize>)> {
        let (mut rows, mut own, mut summed) = (vec![], vec![], vec![]);
        let (mut shared, mut alone) = (vec![], vec![]);
        for axis in op.axes.iter_all_axes() {
            let at = |places: &[usize]| match places {
                [] => Some(None),
                &[place] => Some(Some(place)),
                _ => None,
            };
            let input = at(&axis.inputs[slot])?;
            let weight = at(&axis.inputs[1 - slot])?;
            let output = at(&axis.outputs[0])?;
            match (input, weight, output) {
                (Some(input), None, Some(output)) => rows.push((input, output)),
                (Some(input), Some(weight), Some(output)) if weights[weight] == 1 => {
                    rows.push((input, output));
                    shared.push(weight);
                }
                (None, Some(weight), Some(output)) => own.push((weight, output)),
                (Some(input), Some(weight), None) => summed.push((input, weight)),
                (Some(input), None, None) if input_shape[input] == 1.to_dim() => alone.push(input),
                _ => return None,
            }
        }
        // The rows in the order of the output, so that as little as possible has to move.
        rows.sort_by_key(|&(_, output)| output);
        own.sort_by_key(|&(_, output)| output);
        summed.sort_unstable();
        let weight_order = shared
            .iter()
            .copied()
            .chain(own.iter().map(|&(weight, _)| weight))
            .chain(summed.iter().map(|&(_, weight)| weight));
        let places: Vec<_> = rows.iter().chain(&own).map(|&(_, output)| output).collect();
        let mut output = vec![0; places.len()];
        for (place, &axis) in places.iter().enumerate() {
            output[axis] = place;
        }
        let input = rows.iter().map(|&(input, _)| input);
        let axes = Self {
            input: input
                .chain(alone)
                .chain(summed.iter().map(|&(input, _)| input))
                .collect(),
            rows: rows.len(),
            outputs: own.iter().map(|&(weight, _)| weights[weight]).collect(),
            output,
        };
        Some((axes, weight_order.collect()))
    }
}
