//! Thresholds: a layer's sums, arithmetic with constants, a comparison and a `Where` as one operator.
//!
//! Which sums become `+s` is found by asking tract: its own operators run on every integer that a sum can be, in every channel. So the
//! thresholds decide as tract's float32 arithmetic does, to the last tie.

use crate::{
    convolution::XnorConvolution,
    epilogue::{Epilogue, Scaled},
    magnitude,
    product::XnorProduct,
};
use bernet_kernels::xnor::Threshold;
use tract_onnx::tract_hir::{
    internal::*,
    tract_core::ops::{binary::TypedBinOp, element_wise::ElementWiseOp, logic::Iff},
};

/// The most values that tract is asked for.
const VALUES_LIMIT: usize = 1 << 24;

/// A layer whose sums are known in every position alike.
struct Layer<'a> {
    scaled: &'a Scaled,
    /// The most products of a sum.
    depth: usize,
    /// The axes of its output that are channels, in the order of its scales.
    channels: Vec<usize>,
    /// One that is not.
    free: usize,
}

/// Replaces a `Where` between `±s` after a layer, and all between the two.
pub(crate) fn rule(
    _: &(),
    model: &TypedModel,
    node: &TypedNode,
    name: &str,
    _: &Iff,
) -> TractResult<Option<TypedModelPatch>> {
    rule_if_some!(magnitude = magnitude::of(model, OutletId::new(node.id, 0))?);
    rule_if_some!(chain = chain(model, node)?);
    let layer = model.node(chain[0]);
    let (product, convolution) = (
        layer.op_as::<XnorProduct>(),
        layer.op_as::<XnorConvolution>(),
    );
    let described = match (product, convolution) {
        (Some(product), _) => product.layer(),
        (_, Some(convolution)) => convolution.layer(),
        _ => None,
    };
    rule_if_some!((scaled, depth, channels, free) = described);
    let asked = Layer {
        scaled,
        depth,
        channels,
        free,
    };
    let rank = layer.outputs[0].fact.rank();
    rule_if_some!(thresholds = asked.thresholds(model, &chain[1..], rank)?);
    let epilogue = Epilogue::Signs {
        thresholds,
        magnitude,
    };
    let replacement: Box<dyn TypedOp> = match (product, convolution) {
        (Some(product), _) => Box::new(product.with_epilogue(epilogue)),
        (_, Some(convolution)) => Box::new(convolution.with_epilogue(epilogue)),
        _ => return Ok(None),
    };
    let mut patch = TypedModelPatch::default();
    let input = patch.tap_model(model, layer.inputs[0])?;
    let output = patch.wire_node(name, replacement, &[input])?;
    // A constant that was broadcast over more than the sums would be missed.
    rule_if!(patch.outlet_fact(output[0])?.shape == node.outputs[0].fact.shape);
    patch.shunt_outside(model, node.id.into(), output[0])?;
    Ok(Some(patch))
}

/// The nodes from a layer to a `Where`, each read by the next alone; the other inputs are constants.
fn chain(model: &TypedModel, end: &TypedNode) -> TractResult<Option<Vec<usize>>> {
    let mut nodes = vec![end.id];
    let mut node = end;
    loop {
        let mut variable = None;
        for &input in &node.inputs {
            if model.outlet_fact(input)?.konst.is_none() && variable.replace(input).is_some() {
                return Ok(None);
            }
        }
        rule_if_some!(input = variable);
        node = model.node(input.node);
        let alone = node.outputs.len() == 1
            && node.outputs[0].successors.len() == 1
            && !model.output_outlets()?.contains(&input);
        rule_if!(alone);
        nodes.push(node.id);
        if node.op_is::<XnorProduct>() || node.op_is::<XnorConvolution>() {
            nodes.reverse();
            return Ok(Some(nodes));
        }
        rule_if!(node.op_is::<TypedBinOp>() || node.op_is::<ElementWiseOp>());
    }
}

impl Layer<'_> {
    /// The threshold of each channel; `None` where there is not one, or the constants differ between positions.
    fn thresholds(
        &self,
        model: &TypedModel,
        chain: &[usize],
        rank: usize,
    ) -> TractResult<Option<Vec<Threshold>>> {
        let outputs = self.scaled.scale.len();
        let sums = 2 * self.depth + 1;
        rule_if!(outputs.saturating_mul(sums) <= VALUES_LIMIT);
        let Some(dims) = self.channel_dims(model, chain, rank, outputs)? else {
            return Ok(None);
        };

        // Every sum along the free axis, every channel along its own; what tract needs first is moved there.
        let order: Vec<usize> = std::iter::once(self.free)
            .chain(self.channels.iter().copied())
            .collect();
        let rest = (0..rank).filter(|axis| !order.contains(axis));
        let order: Vec<usize> = order.iter().copied().chain(rest).collect();
        let sum = |index: usize| index as i32 - self.depth as i32;
        let values: Vec<f32> = (0..sums)
            .flat_map(|index| {
                let pairs = self.scaled.scale.iter().zip(&self.scaled.bias);
                pairs.map(move |(scale, bias)| scale * sum(index) as f32 + bias)
            })
            .collect();
        let shape: Vec<usize> = order
            .iter()
            .map(|&axis| if axis == self.free { sums } else { dims[axis] })
            .collect();
        let mut back = vec![0; rank];
        for (place, &axis) in order.iter().enumerate() {
            back[axis] = place;
        }
        let asked = Tensor::from_shape(&shape, &values)?.permute_axes(&back)?;

        let mut probe = TypedModel::default();
        let mut wire = probe.add_source("sums", f32::fact(asked.shape()))?;
        for &id in chain {
            let node = model.node(id);
            let mut inputs = tvec![];
            for (slot, &input) in node.inputs.iter().enumerate() {
                inputs.push(match &model.outlet_fact(input)?.konst {
                    Some(tensor) => {
                        probe.add_const(format!("{}.{slot}", node.name), tensor.clone())?
                    }
                    None => wire,
                });
            }
            wire = probe.wire_node(&node.name, node.op.clone(), &inputs)?[0];
        }
        probe.select_output_outlets(&[wire])?;
        let said = probe.into_runnable()?.run(tvec!(asked.into_tvalue()))?;
        let said = said[0].clone().into_tensor().permute_axes(&order)?;
        let plain = said.try_as_plain_ram()?;
        let said = plain.as_slice::<f32>()?;

        let threshold = |channel: usize| {
            let reached = |index: usize| said[index * outputs + channel] > 0.0;
            let first = reached(0);
            let change = (0..sums).find(|&index| reached(index) != first);
            let at_least = change.map_or(i32::MAX, sum);
            let single = (change.unwrap_or(sums)..sums).all(|index| reached(index) != first);
            single.then_some(Threshold {
                at_least,
                invert: first,
            })
        };
        Ok((0..outputs).map(threshold).collect())
    }

    /// The sizes of a tensor that has the channels alone, if that is all along which the chain's constants differ.
    fn channel_dims(
        &self,
        model: &TypedModel,
        chain: &[usize],
        rank: usize,
        outputs: usize,
    ) -> TractResult<Option<Vec<usize>>> {
        let sizes = &model.node(chain[0]).outputs[0].fact.shape;
        let mut dims = vec![1; rank];
        for &axis in &self.channels {
            let Ok(size) = sizes[axis].to_usize() else {
                return Ok(None);
            };
            dims[axis] = size;
        }
        rule_if!(dims.iter().product::<usize>() == outputs);
        for &id in chain {
            for &input in &model.node(id).inputs {
                if let Some(tensor) = &model.outlet_fact(input)?.konst {
                    let fits = tensor.rank() == rank
                        && tensor
                            .shape()
                            .iter()
                            .zip(&dims)
                            .all(|(&size, &dim)| size == 1 || size == dim);
                    rule_if!(fits);
                }
            }
        }
        Ok(Some(dims))
    }
}
