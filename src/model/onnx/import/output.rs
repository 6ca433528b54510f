//! The end of a graph: logits.

use super::{Importer, Value, Why};
use crate::model::{
    Layer, RealExpectation,
    onnx::{
        exact::Exact,
        graph::Node,
        signal::{Base, Map, Signal, Weights},
    },
};
use bernet_kernels::{bits::BitMatrix, xnor::Options};
use std::cmp::Ordering;

impl Importer {
    /// An operator after which the order of the logits is the same.
    pub(super) fn decided(&self, node: &Node) -> Result<Value, Why> {
        let signal = self.signal(node, 0)?;
        let classes = signal.dims.iter().position(|&dim| dim == signal.values());
        let default = if node.op()? == "ArgMax" { 0 } else { -1 };
        let axis = super::layout::axis(node.integer("axis", default), signal.dims.len())?;
        if axis == 0 || classes.is_none() || signal.dims[axis] != signal.values() {
            return Err(format!(
                "axis {axis} of {:?} is not that of all classes",
                signal.dims
            ));
        }
        if node.integer("select_last_index", 0) != 0 {
            return Err("of equal logits the first wins, not the last".into());
        }
        Ok(Value::Decided(signal.clone(), node.op()?.to_owned()))
    }

    /// Appends the expectation, and an affine layer where the logits are not the sums themselves.
    pub(super) fn finish(&mut self, output: Value) -> Result<(), Why> {
        let (Value::Signal(signal) | Value::Decided(signal, _)) = output else {
            return Err("it does not depend on the image".into());
        };
        let Base::Sums(product) = &signal.base else {
            return Err(
                "it is not a layer's sums: the last layer has to be a product with weights".into(),
            );
        };
        self.check_chain(product.source)?;
        if product.pool.is_some() {
            return Err("sums are pooled and never become bits".into());
        }
        if !signal
            .places
            .iter()
            .copied()
            .eq(0..signal.shape.channels as u32)
            || signal.shape.height * signal.shape.width != 1
        {
            return Err(format!(
                "dimensions {:?} are not one logit for each class",
                signal.dims
            ));
        }
        if product.grey {
            return Err(
                "it is a single layer on grey values: a layer of bits has to come between".into(),
            );
        }
        let geometry = product.window.geometry;
        let image = product.image;
        let fits = if product.total {
            geometry.kernel == [1, 1] && geometry.stride == [1, 1]
        } else {
            geometry.kernel == [image.height, image.width]
        };
        let plain = product.window.options == Options::default();
        if geometry.padding != [0; 4] || !fits || !plain {
            return Err("the last layer is neither dense nor a 1×1 convolution and a sum".into());
        }
        let depth = geometry.depth();
        let falls: Vec<_> = signal
            .maps
            .iter()
            .map(|map| map.scale.sign() == Ordering::Less)
            .collect();
        let mut weights = product.weights.clone();
        weights.negate(&falls, depth);
        let classes = geometry.outputs;
        self.layers.push(match weights {
            Weights::Bits(bits) => Layer::Expectation {
                weights: BitMatrix::from_fn(classes, depth, |class, column| {
                    bits[class * depth + column]
                }),
            },
            Weights::Reals(weights, _) => {
                Layer::RealExpectation(RealExpectation { classes, weights })
            }
        });
        self.layers.extend(affine(&signal)?);
        Ok(())
    }
}

/// What makes logits of sums whose weights have taken the sign of the scale.
fn affine(signal: &Signal) -> Result<Option<Layer>, Why> {
    let identity = |map: &Map| map.scale.absolute() == Exact::integer(1) && map.bias.is_zero();
    if signal.maps.iter().all(identity) {
        return Ok(None);
    }
    let scale: Vec<_> = signal
        .maps
        .iter()
        .map(|map| map.scale.absolute().to_f64())
        .collect();
    let bias: Vec<_> = signal.maps.iter().map(|map| map.bias.to_f64()).collect();
    if let Some(class) = scale
        .iter()
        .position(|&scale| !(scale > 0.0 && scale.is_finite()))
    {
        return Err(format!(
            "the logit of class {class} is {} times the sum",
            scale[class]
        ));
    }
    Ok(Some(Layer::Affine { scale, bias }))
}
