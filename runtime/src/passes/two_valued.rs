//! Which floats take two values only, and by which bits.
//!
//! Proof: a bit as a float is −1 or +1, a function of each element of a two-valued float is
//! two-valued, and so on by the operators below; functions are computed as the reference computes
//! them. Values that are moved have the bits that are moved alike. A sign that knows 0 has three
//! values; where a function makes two of them equal, the two that are left are told apart by a
//! threshold at the larger.

use super::{chain::Element, rewrite::Rewrite};
use crate::{
    graph::{Axis, Graph, GraphError, Kind, Node, Op, PoolKind, RealThreshold, UnaryOp, ValueId},
    scalar::of_channel,
    tensor::Data,
};
use alloc::{vec, vec::Vec};

/// Channels beyond which lists of several inputs are not joined.
const CHANNELS: usize = 1 << 16;

/// A value that is `high` where a bit is +1 and `low` where it is −1.
#[derive(Clone, Debug)]
pub(super) struct TwoValued {
    /// The bits, in the new graph.
    pub(super) bits: ValueId,
    /// One number, or one for each channel.
    pub(super) low: Vec<f32>,
    /// As many.
    pub(super) high: Vec<f32>,
}

/// What is known of a value.
#[derive(Clone, Debug)]
pub(super) enum Known {
    Nothing,
    Two(TwoValued),
    /// One of three, each one number or one for each channel.
    Three([Vec<f32>; 3]),
}

/// What is known of each value so far.
pub(super) struct Knowledge<'g> {
    graph: &'g Graph,
    producers: Vec<Option<usize>>,
    known: Vec<Known>,
}

impl<'g> Knowledge<'g> {
    pub(super) fn new(graph: &'g Graph) -> Self {
        Self {
            graph,
            producers: graph.producers(),
            known: vec![Known::Nothing; graph.values.len()],
        }
    }

    /// The node that computes a value.
    pub(super) fn producer(&self, value: ValueId) -> Option<&'g Node> {
        self.producers[value.index()].map(|index| &self.graph.nodes[index])
    }

    /// What is known of a value.
    pub(super) fn of(&self, rewrite: &Rewrite<'_>, value: ValueId) -> Known {
        if self.graph.value(value).kind == Kind::Bit {
            return Known::Two(TwoValued {
                bits: rewrite.of(value),
                low: vec![-1.0],
                high: vec![1.0],
            });
        }
        self.known[value.index()].clone()
    }

    fn two(&self, rewrite: &Rewrite<'_>, value: ValueId) -> Option<TwoValued> {
        match self.of(rewrite, value) {
            Known::Two(two) => Some(two),
            _ => None,
        }
    }

    /// Learns of a node's output, which is rewritten already.
    pub(super) fn learn(
        &mut self,
        rewrite: &mut Rewrite<'_>,
        node: &'g Node,
    ) -> Result<(), GraphError> {
        let output = node.outputs[0];
        let kind = self.graph.value(output).kind;
        self.known[output.index()] = match kind {
            Kind::Bit | Kind::U8 => Known::Nothing,
            Kind::I32 | Kind::F32 => self.conclude(rewrite, node)?,
        };
        Ok(())
    }

    fn conclude(&self, rewrite: &mut Rewrite<'_>, node: &'g Node) -> Result<Known, GraphError> {
        if let Some((element, input)) = Element::new(self.graph, &self.producers, node) {
            return self.apply(rewrite, node, element, input);
        }
        let two = match &node.op {
            Op::Cast(_) => return Ok(self.of(rewrite, node.inputs[0])),
            Op::Select => self.select(rewrite, node),
            Op::Pool(_) | Op::Reshape(_) | Op::Transpose { .. } | Op::Slice { .. } => {
                self.moved(rewrite, node)?
            }
            Op::Concat(axis) => self.concat(rewrite, node, *axis)?,
            Op::Pad { .. } => self.padded(rewrite, node)?,
            _ => None,
        };
        Ok(two.map_or(Known::Nothing, Known::Two))
    }

    /// The values of a function of each element.
    fn apply(
        &self,
        rewrite: &mut Rewrite<'_>,
        node: &'g Node,
        element: Element<'g>,
        input: ValueId,
    ) -> Result<Known, GraphError> {
        let channels = self.graph.value(input).shape.channels;
        let map = |list: &Vec<f32>| -> Vec<f32> {
            let len = if list.len() == 1 && element.is_uniform() {
                1
            } else {
                channels
            };
            let each = |channel| element.apply(of_channel(list, channel, 0.0), channel);
            shortened((0..len).map(each).collect())
        };
        let finite = |list: &Vec<f32>| list.iter().all(|value| value.is_finite());
        match self.of(rewrite, input) {
            Known::Two(two) => {
                let (low, high) = (map(&two.low), map(&two.high));
                Ok(if finite(&low) && finite(&high) {
                    let bits = two.bits;
                    Known::Two(TwoValued { bits, low, high })
                } else {
                    Known::Nothing
                })
            }
            Known::Three(three) => {
                let three = three.each_ref().map(map);
                if !three.iter().all(finite) {
                    return Ok(Known::Nothing);
                }
                self.merge(rewrite, node, three, channels)
            }
            Known::Nothing => Ok(match node.op {
                Op::Unary(UnaryOp::Sign) => Known::Three([vec![-1.0], vec![0.0], vec![1.0]]),
                _ => Known::Nothing,
            }),
        }
    }

    /// Three values, two of which may have become one.
    fn merge(
        &self,
        rewrite: &mut Rewrite<'_>,
        node: &Node,
        three: [Vec<f32>; 3],
        channels: usize,
    ) -> Result<Known, GraphError> {
        let (mut low, mut high) = (Vec::new(), Vec::new());
        let uniform = three.iter().all(|list| list.len() == 1);
        for channel in 0..if uniform { 1 } else { channels } {
            let values = three.each_ref().map(|list| of_channel(list, channel, 0.0));
            let least = values.into_iter().fold(f32::INFINITY, f32::min);
            let largest = values.into_iter().fold(f32::NEG_INFINITY, f32::max);
            let two = values
                .iter()
                .all(|&value| value == least || value == largest);
            if !two || least == largest {
                return Ok(Known::Three(three));
            }
            low.push(least);
            high.push(largest);
        }
        let (low, high) = (shortened(low), shortened(high));
        let threshold = |&at_least: &f32| RealThreshold {
            at_least,
            invert: false,
        };
        let thresholds = Op::RealThreshold(high.iter().map(threshold).collect());
        let value = rewrite.of(node.outputs[0]);
        let bits = rewrite.add(&node.name, thresholds, &[value])?;
        Ok(Known::Two(TwoValued { bits, low, high }))
    }

    /// One of two constants.
    fn select(&self, rewrite: &Rewrite<'_>, node: &Node) -> Option<TwoValued> {
        let shape = self.graph.value(node.outputs[0]).shape;
        if self.graph.value(node.inputs[0]).shape != shape {
            return None;
        }
        let list = |input: ValueId| {
            let Op::Constant(tensor) = &self.producer(input)?.op else {
                return None;
            };
            let Data::F32(values) = tensor.data() else {
                return None;
            };
            let finite = values.iter().all(|value| value.is_finite());
            let [height, width, channels] = tensor.shape().dims();
            let fits = [height, width] == [1, 1] && (channels == 1 || channels == shape.channels);
            (fits && finite).then(|| shortened(values.clone()))
        };
        Some(TwoValued {
            bits: rewrite.of(node.inputs[0]),
            high: list(node.inputs[1])?,
            low: list(node.inputs[2])?,
        })
    }

    /// The same values elsewhere, or the largest of each window.
    fn moved(
        &self,
        rewrite: &mut Rewrite<'_>,
        node: &Node,
    ) -> Result<Option<TwoValued>, GraphError> {
        let Some(mut two) = self.two(rewrite, node.inputs[0]) else {
            return Ok(None);
        };
        let channels = self.graph.value(node.inputs[0]).shape.channels;
        let uniform = two.low.len() == 1 && two.high.len() == 1;
        let keeps = match &node.op {
            Op::Pool(pool) => {
                let above = |channel| {
                    of_channel(&two.low, channel, 0.0) < of_channel(&two.high, channel, 0.0)
                };
                let channels = if uniform { 1 } else { channels };
                pool.kind == PoolKind::Max && (0..channels).all(above)
            }
            &Op::Slice {
                axis: Axis::Channels,
                start,
                length,
                step,
            } if !uniform => {
                for list in [&mut two.low, &mut two.high] {
                    let at = |place| of_channel(list, start + place * step, 0.0);
                    *list = shortened((0..length).map(at).collect());
                }
                true
            }
            Op::Slice { .. } => true,
            _ => uniform,
        };
        if !keeps {
            return Ok(None);
        }
        two.bits = rewrite.add(&node.name, node.op.clone(), &[two.bits])?;
        Ok(Some(two))
    }

    fn concat(
        &self,
        rewrite: &mut Rewrite<'_>,
        node: &Node,
        axis: Axis,
    ) -> Result<Option<TwoValued>, GraphError> {
        let inputs: Option<Vec<_>> = node
            .inputs
            .iter()
            .map(|input| self.two(rewrite, *input))
            .collect();
        let Some(inputs) = inputs else {
            return Ok(None);
        };
        let (mut low, mut high) = (Vec::new(), Vec::new());
        let equal = |two: &TwoValued| two.low == inputs[0].low && two.high == inputs[0].high;
        let uniform = inputs
            .iter()
            .all(|two| two.low.len() == 1 && two.high.len() == 1);
        if axis == Axis::Channels && !(uniform && inputs.iter().all(equal)) {
            if self.graph.value(node.outputs[0]).shape.channels > CHANNELS {
                return Ok(None);
            }
            for (two, input) in inputs.iter().zip(&node.inputs) {
                let channels = self.graph.value(*input).shape.channels;
                low.extend((0..channels).map(|channel| of_channel(&two.low, channel, 0.0)));
                high.extend((0..channels).map(|channel| of_channel(&two.high, channel, 0.0)));
            }
        } else {
            if !inputs.iter().all(equal) {
                return Ok(None);
            }
            (low, high) = (inputs[0].low.clone(), inputs[0].high.clone());
        }
        let bits: Vec<_> = inputs.iter().map(|two| two.bits).collect();
        let bits = rewrite.add(&node.name, node.op.clone(), &bits)?;
        let (low, high) = (shortened(low), shortened(high));
        Ok(Some(TwoValued { bits, low, high }))
    }

    /// A border of one of the two values.
    fn padded(
        &self,
        rewrite: &mut Rewrite<'_>,
        node: &Node,
    ) -> Result<Option<TwoValued>, GraphError> {
        let Op::Pad {
            before,
            after,
            value,
        } = node.op
        else {
            return Ok(None);
        };
        let Some(mut two) = self.two(rewrite, node.inputs[0]) else {
            return Ok(None);
        };
        let sign = match (&two.low[..], &two.high[..]) {
            ([low], _) if *low == value => -1.0,
            (_, [high]) if *high == value => 1.0,
            _ => return Ok(None),
        };
        // With lists for each channel, a border in the channels would have none of its own.
        if two.low.len() + two.high.len() > 2 && (before[2], after[2]) != (0, 0) {
            return Ok(None);
        }
        let pad = Op::Pad {
            before,
            after,
            value: sign,
        };
        two.bits = rewrite.add(&node.name, pad, &[two.bits])?;
        Ok(Some(two))
    }
}

/// One number for all channels where they are equal.
pub(super) fn shortened(list: Vec<f32>) -> Vec<f32> {
    match list[..] {
        [first, ..] if list.iter().all(|value| value.to_bits() == first.to_bits()) => vec![first],
        _ => list,
    }
}
