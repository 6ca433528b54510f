//! Functions of integers before a sign become exact thresholds on the integers.
//!
//! A sign (or a comparison with constants) is found, and before it functions of single elements,
//! maxima of windows and moves of values, back to integers whose range is known: sums of a binary
//! product, bytes, or sums in place of their means.
//!
//! Proof. In each channel the bit is a function `f` of one integer, and `f` is computed here as the
//! reference computes it, in floats, roundings included.
//!
//! * Where every function is monotone (see `Element::slope`) and finite at both ends of the range,
//!   all of them are finite and monotone over the range, so that `f` changes at most once; where,
//!   is found by halving the range. Otherwise `f` is computed for every integer of the range,
//!   and nothing is changed unless it changes at most once. So the threshold is equal to `f` at
//!   every integer that can occur.
//! * A maximum over a window between them: where what follows it never runs down, the bit of the
//!   maximum is the maximum of the bits, and the window moves behind the threshold. Where what
//!   precedes it never runs down, the maximum of the functions is the function of the maximum,
//!   and the window moves before the threshold.
//! * A move of values commutes with a function that is the same for all elements.
//! * The mean of `n` integers is their sum, a smaller integer than 2³¹, divided in double precision
//!   and rounded, which is a monotone function of the sum.

use super::{
    chain::{Element, Predicate, Slope},
    range::{self, Range},
    rewrite::Rewrite,
};
use crate::graph::{Graph, GraphError, Kind, Node, Op, PoolKind, PoolParams, ReduceKind, ValueId};
use alloc::{vec, vec::Vec};
use bernet_kernels::xnor::Threshold;

/// Integers for which functions that are not known to be monotone are computed, in all.
const EVALUATIONS: i64 = 1 << 25;

/// The graph with thresholds on integers in place of functions before signs.
pub(super) fn integrate(graph: &Graph) -> Result<Graph, GraphError> {
    let producers = graph.producers();
    let uses = graph.uses();
    let ranges = range::ranges(graph);
    let mut left = EVALUATIONS;
    let mut rewrite = Rewrite::new(graph);
    for node in &graph.nodes {
        let chain = Chain::find(graph, &producers, &uses, node);
        let found = chain.and_then(|chain| {
            let (thresholds, order) = chain.solve(graph, &ranges, &mut left)?;
            Some((chain, thresholds, order))
        });
        match found {
            None => rewrite.copy(node)?,
            Some((chain, thresholds, order)) => {
                let new = chain.emit(&mut rewrite, node, thresholds, order)?;
                rewrite.replace(node.outputs[0], new);
            }
        }
    }
    Ok(rewrite.finish())
}

/// What lies between the integers and the sign.
enum Step<'g> {
    /// A function of each element.
    Element(Element<'g>),
    /// The largest of each window.
    Max(&'g Node),
    /// The same values elsewhere.
    Move(&'g Node),
}

/// Whether windows and moves come after the thresholds or before them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    ThresholdsFirst,
    ThresholdsLast,
}

/// A sign and what comes before it.
struct Chain<'g> {
    /// The integers, or the bits, bytes or integers that a mean is taken of.
    source: ValueId,
    /// The node that takes means, and how many values each is of.
    mean: Option<(&'g Node, usize)>,
    /// From the source to the sign.
    steps: Vec<Step<'g>>,
    predicate: Predicate<'g>,
}

impl<'g> Chain<'g> {
    fn find(
        graph: &'g Graph,
        producers: &[Option<usize>],
        uses: &[usize],
        node: &'g Node,
    ) -> Option<Self> {
        let (predicate, mut value) = Predicate::new(graph, producers, node)?;
        let mut chain = Self {
            source: value,
            mean: None,
            steps: Vec::new(),
            predicate,
        };
        loop {
            match graph.value(value).kind {
                Kind::Bit => return None,
                Kind::U8 | Kind::I32 => break,
                Kind::F32 => {}
            }
            // What others read is computed anyway: then a sign of it costs less than sums kept.
            if uses[value.index()] != 1 {
                return None;
            }
            let before = &graph.nodes[producers[value.index()]?];
            if let Some((element, input)) = Element::new(graph, producers, before) {
                chain.steps.push(Step::Element(element));
                value = input;
                continue;
            }
            let input = *before.inputs.first()?;
            match &before.op {
                Op::Pool(pool) if pool.kind == PoolKind::Max => {
                    chain.steps.push(Step::Max(before));
                }
                Op::Reshape(_) | Op::Transpose { .. } | Op::Slice { .. } => {
                    chain.steps.push(Step::Move(before));
                }
                _ => {
                    let count = mean_of(graph, before)?;
                    chain.mean = Some((before, count));
                    value = input;
                    break;
                }
            }
            value = input;
        }
        chain.source = value;
        chain.steps.reverse();
        Some(chain)
    }

    /// The threshold of each channel of the integers, and where the windows go.
    fn solve(
        &self,
        graph: &Graph,
        ranges: &[Range],
        left: &mut i64,
    ) -> Option<(Vec<Threshold>, Order)> {
        // A list for all channels is never longer than those that the functions have.
        let channels = if self.is_uniform() {
            1
        } else {
            graph.value(self.source).shape.channels
        };
        let [mut low, mut high] = ranges[self.source.index()];
        if let Some((_, count)) = self.mean {
            let count = i64::try_from(count).ok()?;
            [low, high] = [low.checked_mul(count)?, high.checked_mul(count)?];
            i32::try_from(low).ok()?;
            i32::try_from(high).ok()?;
        }
        let order = self.order(channels)?;
        let mut thresholds = Vec::with_capacity(channels);
        for channel in 0..channels {
            thresholds.push(self.threshold(channel, [low, high], left)?);
        }
        Some((thresholds, order))
    }

    /// Whether every function is the same in all channels.
    fn is_uniform(&self) -> bool {
        let uniform = |step: &Step<'_>| match step {
            Step::Element(element) => element.is_uniform(),
            _ => true,
        };
        self.predicate.is_uniform() && self.steps.iter().all(uniform)
    }

    /// Where windows and moves go; `None` where they cannot go anywhere.
    fn order(&self, channels: usize) -> Option<Order> {
        let moves = |step: &Step<'_>| matches!(step, Step::Move(_));
        if let Some(first) = self.steps.iter().position(moves) {
            let uniform = |step: &Step<'_>| match step {
                Step::Element(element) => element.is_uniform(),
                _ => true,
            };
            if !self.predicate.is_uniform() || !self.steps[first..].iter().all(uniform) {
                return None;
            }
        }
        let after = |channel| {
            let mut slope = self.predicate.slope(channel);
            self.steps.iter().rev().all(|step| match step {
                Step::Element(element) => {
                    slope = element.slope(channel).then(slope);
                    true
                }
                Step::Max(_) => slope == Slope::Up,
                Step::Move(_) => true,
            })
        };
        if (0..channels).all(after) {
            return Some(Order::ThresholdsFirst);
        }
        let before = |channel| {
            let mut slope = Slope::Up;
            self.steps.iter().all(|step| match step {
                Step::Element(element) => {
                    slope = slope.then(element.slope(channel));
                    true
                }
                Step::Max(_) => slope == Slope::Up,
                Step::Move(_) => false,
            })
        };
        (0..channels).all(before).then_some(Order::ThresholdsLast)
    }

    /// The bit of an integer, if everything on the way to it is a number, and a finite one where
    /// that is wanted.
    fn bit(&self, integer: i64, channel: usize, finite: bool) -> Option<bool> {
        let mut x = match self.mean {
            Some((_, count)) => (integer as f64 / count as f64) as f32,
            None => integer as f32,
        };
        for step in &self.steps {
            if let Step::Element(element) = step {
                x = element.apply(x, channel);
                if x.is_nan() || finite && x.is_infinite() {
                    return None;
                }
            }
        }
        Some(self.predicate.apply(x, channel))
    }

    fn slope(&self, channel: usize) -> Slope {
        let elements = self.steps.iter().filter_map(|step| match step {
            Step::Element(element) => Some(element.slope(channel)),
            _ => None,
        });
        let slope = elements.fold(Slope::Up, Slope::then);
        slope.then(self.predicate.slope(channel))
    }

    /// The threshold that is equal to the chain in a channel.
    fn threshold(&self, channel: usize, [low, high]: Range, left: &mut i64) -> Option<Threshold> {
        let monotone = self.slope(channel) != Slope::Unknown;
        let ends = [low, high].map(|end| self.bit(end, channel, true));
        if let ([Some(first), Some(last)], true) = (ends, monotone) {
            let [mut low, mut high] = [low, high];
            if first != last {
                while high - low > 1 {
                    let middle = low + (high - low) / 2;
                    if self.bit(middle, channel, true)? == first {
                        low = middle;
                    } else {
                        high = middle;
                    }
                }
            }
            return threshold(first, (first != last).then_some(high));
        }
        *left -= high - low + 1;
        if *left < 0 {
            return None;
        }
        let first = self.bit(low, channel, false)?;
        let mut change = None;
        for integer in low + 1..=high {
            let bit = self.bit(integer, channel, false)?;
            match change {
                None if bit != first => change = Some(integer),
                Some(_) if bit == first => return None,
                _ => {}
            }
        }
        threshold(first, change)
    }

    /// The new nodes; returns their bits.
    fn emit(
        &self,
        rewrite: &mut Rewrite<'_>,
        node: &Node,
        thresholds: Vec<Threshold>,
        order: Order,
    ) -> Result<ValueId, GraphError> {
        let mut id = rewrite.of(self.source);
        if let Some((node, _)) = self.mean {
            id = rewrite.add(&node.name, sum_of(&node.op), &[id])?;
        }
        let thresholds = if thresholds.windows(2).all(|pair| pair[0] == pair[1]) {
            vec![thresholds[0]]
        } else {
            thresholds
        };
        let threshold = Op::Threshold(thresholds);
        if order == Order::ThresholdsFirst {
            id = rewrite.add(&node.name, threshold.clone(), &[id])?;
        }
        for step in &self.steps {
            if let Step::Max(node) | Step::Move(node) = step {
                id = rewrite.add(&node.name, node.op.clone(), &[id])?;
            }
        }
        if order == Order::ThresholdsLast {
            id = rewrite.add(&node.name, threshold, &[id])?;
        }
        Ok(id)
    }
}

/// The threshold of a bit that is `first` before an integer and the other from it on, or always.
fn threshold(first: bool, change: Option<i64>) -> Option<Threshold> {
    Some(match change {
        Some(change) => Threshold {
            at_least: i32::try_from(change).ok()?,
            invert: first,
        },
        // Every integer is at least the least one.
        None => Threshold {
            at_least: i32::MIN,
            invert: !first,
        },
    })
}

/// How many integers each mean of a node is of; `None` where it takes none, or not always as many.
fn mean_of(graph: &Graph, node: &Node) -> Option<usize> {
    let input = graph.value(*node.inputs.first()?);
    if input.kind == Kind::F32 {
        return None;
    }
    match &node.op {
        Op::Pool(pool) => {
            let even = pool.kind == PoolKind::AveragePadded
                || pool.kind == PoolKind::Average && pool.padding == [0; 4];
            even.then(|| pool.kernel[0] * pool.kernel[1])
        }
        Op::Reduce {
            kind: ReduceKind::Mean,
            axes,
        } => {
            // The channels' own functions follow, which a mean over channels has none of.
            let dims = input.shape.dims();
            (!axes[2]).then(|| {
                (0..2)
                    .filter(|&axis| axes[axis])
                    .map(|axis| dims[axis])
                    .product()
            })
        }
        _ => None,
    }
}

/// The sums that the means of a node are made of.
fn sum_of(op: &Op) -> Op {
    match op {
        Op::Pool(pool) => Op::Pool(PoolParams {
            kind: PoolKind::Sum,
            ..*pool
        }),
        Op::Reduce { axes, .. } => Op::Reduce {
            kind: ReduceKind::Sum,
            axes: *axes,
        },
        _ => unreachable!("only means are replaced"),
    }
}
