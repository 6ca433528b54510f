//! Operators that change scale and bias.

use super::{Importer, Value, Why};
use crate::model::onnx::{
    constant::Constant,
    exact::{Exact, Inexact},
    folding,
    graph::Node,
    signal::{Map, Signal},
};
use std::rc::Rc;

impl Importer {
    /// `Add`, `Sub`, `Mul`, `Div` and `Pow`, one operand of which is a constant.
    pub(super) fn binary(&self, node: &Node) -> Result<Value, Why> {
        let op = node.op()?;
        match (self.value(node, 0)?, self.value(node, 1)?) {
            (Value::Constant(a), Value::Constant(b)) => {
                let folded = folding::binary(op, a, b)?;
                Ok(Value::Constant(Rc::new(folded)))
            }
            (Value::Signal(signal), Value::Constant(constant)) => {
                let constants = signal.per_channel(constant)?;
                let map = |channel: usize, map: &Map| with_constant(op, map, &constants[channel]);
                check_operator(op, &["Add", "Sub", "Mul", "Div"])?;
                signal.mapped(map).map(Value::Signal)
            }
            (Value::Constant(constant), Value::Signal(signal)) => {
                check_operator(op, &["Add", "Sub", "Mul"])?;
                let constants = signal.per_channel(constant)?;
                let map = |channel: usize, map: &Map| match op {
                    "Sub" => with_constant("Add", &negated(map), &constants[channel]),
                    _ => with_constant(op, map, &constants[channel]),
                };
                signal.mapped(map).map(Value::Signal)
            }
            _ => Err("both operands depend on the image: only chains of layers are known".into()),
        }
    }

    pub(super) fn unary(&self, node: &Node) -> Result<Value, Why> {
        let op = node.op()?;
        match self.value(node, 0)? {
            Value::Constant(constant) => Ok(Value::Constant(Rc::new(folding::unary(op, constant)))),
            _ => {
                check_operator(op, &["Neg"])?;
                self.signal(node, 0)?
                    .mapped(|_, map| Ok(negated(map)))
                    .map(Value::Signal)
            }
        }
    }

    /// `γ (x − μ) / √(σ² + ε) + β`
    pub(super) fn batch_normalization(&self, node: &Node) -> Result<Value, Why> {
        if node.integer("training_mode", 0) != 0
            || node.outputs().filter(|name| !name.is_empty()).count() > 1
        {
            return Err("it is in training mode".into());
        }
        let signal = self.signal(node, 0)?;
        // The channels are the second axis.
        let parameter = |index: usize| {
            let constant = self.constant(node, index)?;
            let axes = signal.dims.len().saturating_sub(2);
            let dims = constant
                .dims
                .iter()
                .copied()
                .chain(std::iter::repeat_n(1, axes));
            let constant = Constant::new(constant.kind, dims.collect(), constant.values.clone());
            signal.per_channel(&constant)
        };
        let [gamma, beta, mean, variance] = [1, 2, 3, 4].map(parameter);
        let (gamma, beta, mean, variance) = (gamma?, beta?, mean?, variance?);
        let epsilon = Exact::from_f64(node.float("epsilon", 1e-5).into())
            .map_err(|error| error.to_string())?;
        let map = |channel: usize, map: &Map| {
            let deviation = variance[channel].add(&epsilon)?.sqrt()?;
            let factor = gamma[channel].divide(&deviation)?;
            Ok(Map {
                scale: map.scale.multiply(&factor)?,
                bias: map
                    .bias
                    .subtract(&mean[channel])?
                    .multiply(&factor)?
                    .add(&beta[channel])?,
            })
        };
        signal.mapped(map).map(Value::Signal)
    }
}

fn check_operator(op: &str, known: &[&str]) -> Result<(), Why> {
    if known.contains(&op) {
        Ok(())
    } else {
        Err("this is only known of constants".into())
    }
}

/// A map followed by an operation with a constant.
fn with_constant(op: &str, map: &Map, constant: &Exact) -> Result<Map, Inexact> {
    let Map { scale, bias } = map;
    let (scale, bias) = match op {
        "Add" => (scale.clone(), bias.add(constant)?),
        "Sub" => (scale.clone(), bias.subtract(constant)?),
        "Mul" => (scale.multiply(constant)?, bias.multiply(constant)?),
        _ => (scale.divide(constant)?, bias.divide(constant)?),
    };
    Ok(Map { scale, bias })
}

fn negated(map: &Map) -> Map {
    Map {
        scale: map.scale.negate(),
        bias: map.bias.negate(),
    }
}

/// A signal divided by one constant and moved by another, for each channel.
pub(super) fn divided(signal: &Signal, by: &[Exact], plus: &[Exact]) -> Result<Signal, Why> {
    signal.mapped(|channel, map| {
        with_constant(
            "Add",
            &with_constant("Div", map, &by[channel])?,
            &plus[channel],
        )
    })
}
