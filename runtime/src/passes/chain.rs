//! Functions of one number of each element, with the constants of their channels.
//!
//! What they compute is what [`mod@crate::reference`] computes, from the same functions of
//! [`mod@crate::scalar`].

use crate::{
    graph::{BinaryOp, Graph, Kind, Node, Op, RealThreshold, UnaryOp, ValueId},
    scalar::{self, of_channel},
    tensor::Data,
};

/// How a function runs over the numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Slope {
    /// Never down.
    Up,
    /// Never up.
    Down,
    /// Either, or not known.
    Unknown,
}

impl Slope {
    /// The slope of a function of a function.
    pub(super) fn then(self, outer: Self) -> Self {
        match (self, outer) {
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (inner, outer) if inner == outer => Self::Up,
            _ => Self::Down,
        }
    }

    fn of(sign: f32) -> Self {
        if sign >= 0.0 {
            Self::Up
        } else if sign < 0.0 {
            Self::Down
        } else {
            Self::Unknown
        }
    }
}

/// A function of one number that a node applies to each element of one of its inputs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Element<'g> {
    /// A node with one input.
    Node(&'g Node),
    /// An operation with constants, one for each channel or one for all.
    Binary {
        op: BinaryOp,
        constants: &'g [f32],
        /// Whether the constant is the first operand.
        first: bool,
    },
}

impl<'g> Element<'g> {
    /// The function of a node that gives floats of the same shape, and the value it is applied to.
    pub(super) fn new(
        graph: &'g Graph,
        producers: &[Option<usize>],
        node: &'g Node,
    ) -> Option<(Self, ValueId)> {
        let output = graph.value(node.outputs[0]);
        if output.kind != Kind::F32 {
            return None;
        }
        match &node.op {
            Op::Cast(_) | Op::Affine { .. } | Op::Unary(_) | Op::Prelu(_) | Op::Quantize(_) => {
                Some((Self::Node(node), node.inputs[0]))
            }
            Op::Binary(op) => Self::of_operation(graph, producers, node, *op),
            _ => None,
        }
    }

    /// An operation or comparison whose one operand is a constant.
    pub(super) fn of_operation(
        graph: &'g Graph,
        producers: &[Option<usize>],
        node: &'g Node,
        op: BinaryOp,
    ) -> Option<(Self, ValueId)> {
        let shape = graph.value(node.outputs[0]).shape;
        [0, 1].into_iter().find_map(|place| {
            let value = node.inputs[1 - place];
            let producer = producers[node.inputs[place].index()]?;
            let Op::Constant(tensor) = &graph.nodes[producer].op else {
                return None;
            };
            let Data::F32(constants) = tensor.data() else {
                return None;
            };
            let [height, width, channels] = tensor.shape().dims();
            let fits = [height, width] == [1, 1] && (channels == 1 || channels == shape.channels);
            let element = Self::Binary {
                op,
                constants,
                first: place == 0,
            };
            (fits && graph.value(value).shape == shape).then_some((element, value))
        })
    }

    /// The function's value in a channel.
    pub(super) fn apply(&self, x: f32, channel: usize) -> f32 {
        match self {
            Self::Node(node) => match &node.op {
                Op::Cast(_) => x,
                Op::Affine { scale, bias } => {
                    let product = x * of_channel(scale, channel, 1.0);
                    product + of_channel(bias, channel, 0.0)
                }
                Op::Unary(op) => scalar::unary(*op, x),
                Op::Prelu(prelu) => {
                    let x = x + of_channel(&prelu.before, channel, 0.0);
                    scalar::prelu(x, of_channel(&prelu.slope, channel, 1.0))
                        + of_channel(&prelu.after, channel, 0.0)
                }
                Op::Quantize(quantize) => scalar::quantize(
                    x,
                    of_channel(&quantize.scale, channel, 1.0),
                    of_channel(&quantize.zero_point, channel, 0.0),
                    [quantize.low, quantize.high],
                    quantize.rounding,
                ),
                _ => unreachable!("only functions of elements are made"),
            },
            Self::Binary {
                op,
                constants,
                first,
            } => {
                let constant = of_channel(constants, channel, 0.0);
                let [a, b] = if *first { [constant, x] } else { [x, constant] };
                scalar::binary(*op, a, b)
            }
        }
    }

    /// How the function runs in a channel, roundings included, where nothing is NaN.
    ///
    /// Sums, differences, products and quotients with a constant, each rounded to the nearest,
    /// run as the exact ones do or stay level, since rounding is monotone; so do clamps and
    /// roundings to integers. Functions of the maths library are not known to be.
    pub(super) fn slope(&self, channel: usize) -> Slope {
        match self {
            Self::Node(node) => match &node.op {
                Op::Cast(_) | Op::Quantize(_) => Slope::Up,
                Op::Affine { scale, .. } => Slope::of(of_channel(scale, channel, 1.0)),
                Op::Prelu(prelu) => match Slope::of(of_channel(&prelu.slope, channel, 1.0)) {
                    Slope::Up => Slope::Up,
                    _ => Slope::Unknown,
                },
                Op::Unary(op) => match op {
                    UnaryOp::Relu
                    | UnaryOp::Clip { .. }
                    | UnaryOp::Sign
                    | UnaryOp::Floor
                    | UnaryOp::Ceil
                    | UnaryOp::Round => Slope::Up,
                    UnaryOp::Neg => Slope::Down,
                    UnaryOp::LeakyRelu(slope) if *slope >= 0.0 => Slope::Up,
                    UnaryOp::HardSigmoid { alpha, .. } => Slope::of(*alpha),
                    _ => Slope::Unknown,
                },
                _ => Slope::Unknown,
            },
            Self::Binary {
                op,
                constants,
                first,
            } => {
                let constant = of_channel(constants, channel, 0.0);
                if constant.is_nan() {
                    return Slope::Unknown;
                }
                match (op, first) {
                    (BinaryOp::Add | BinaryOp::Min | BinaryOp::Max, _) => Slope::Up,
                    (BinaryOp::Sub, false) => Slope::Up,
                    (BinaryOp::Sub, true) => Slope::Down,
                    (BinaryOp::Mul, _) => Slope::of(constant),
                    (BinaryOp::Div, false) if constant != 0.0 => Slope::of(constant),
                    (BinaryOp::Greater | BinaryOp::GreaterOrEqual, false) => Slope::Up,
                    (BinaryOp::Greater | BinaryOp::GreaterOrEqual, true) => Slope::Down,
                    _ => Slope::Unknown,
                }
            }
        }
    }

    /// Whether the function is the same in every channel.
    pub(super) fn is_uniform(&self) -> bool {
        match self {
            Self::Node(node) => match &node.op {
                Op::Affine { scale, bias } => scale.len() < 2 && bias.len() < 2,
                Op::Prelu(prelu) => {
                    prelu.before.len() < 2 && prelu.slope.len() < 2 && prelu.after.len() < 2
                }
                Op::Quantize(quantize) => quantize.scale.len() < 2 && quantize.zero_point.len() < 2,
                _ => true,
            },
            Self::Binary { constants, .. } => constants.len() < 2,
        }
    }
}

/// A function that makes a bit of a float.
#[derive(Clone, Copy, Debug)]
pub(super) enum Predicate<'g> {
    /// By thresholds, one for each channel or one for all.
    Thresholds(&'g [RealThreshold]),
    /// By comparison with constants.
    Comparison(Element<'g>),
}

/// +1 where a number is at least 0.
const SIGN: &[RealThreshold] = &[RealThreshold {
    at_least: 0.0,
    invert: false,
}];

impl<'g> Predicate<'g> {
    /// The predicate of a node, and the value it is applied to.
    pub(super) fn new(
        graph: &'g Graph,
        producers: &[Option<usize>],
        node: &'g Node,
    ) -> Option<(Self, ValueId)> {
        match &node.op {
            // For integers the same, as their signs survive the rounding to floats.
            Op::Sign => Some((Self::Thresholds(SIGN), node.inputs[0])),
            Op::RealThreshold(list) => Some((Self::Thresholds(list), node.inputs[0])),
            Op::Binary(op) if op.is_comparison() => {
                let (element, value) = Element::of_operation(graph, producers, node, *op)?;
                Some((Self::Comparison(element), value))
            }
            _ => None,
        }
    }

    /// The bit of a number in a channel.
    pub(super) fn apply(&self, x: f32, channel: usize) -> bool {
        match self {
            Self::Thresholds(list) => list[channel % list.len()].apply(x),
            Self::Comparison(element) => element.apply(x, channel) > 0.0,
        }
    }

    /// How it runs in a channel.
    pub(super) fn slope(&self, channel: usize) -> Slope {
        match self {
            Self::Thresholds(list) if list[channel % list.len()].invert => Slope::Down,
            Self::Thresholds(_) => Slope::Up,
            Self::Comparison(element) => element.slope(channel),
        }
    }

    /// Whether it is the same in every channel.
    pub(super) fn is_uniform(&self) -> bool {
        match self {
            Self::Thresholds(list) => list.len() == 1,
            Self::Comparison(element) => element.is_uniform(),
        }
    }
}
