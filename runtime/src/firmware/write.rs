//! From a graph to a plan, on the host.

use super::{
    counters::KEPT,
    error::WriteError,
    layout::{Form, HEADER, Header, IMAGE, MOST, PAIR, STEP, Step, lanes},
    places::{Tenant, place},
    plan::{PLUS, Plan},
};
use crate::{
    graph::{ConvParams, Graph, Kind, Node, Op, Pixels, PoolKind, ValueId},
    passes::{self, Passes},
    plan,
};
use alloc::{vec, vec::Vec};
use bernet_kernels::{bits::BitMatrix, xnor::Threshold};

/// Plans a graph for a device: bytes for [`Plan`](super::Plan).
///
/// The passes run first. A graph that ends with an argmax of all is planned without it.
///
/// # Errors
/// [`WriteError`] where the graph is not valid, or has what a plan cannot hold.
pub fn write(graph: &Graph) -> Result<Vec<u8>, WriteError> {
    let graph = passes::run(graph, &Passes::default())?;
    let graph = plan::gather_sums(&graph);
    let net = Net::new(&graph)?;
    let words = net.words()?;
    debug_assert!(Plan::new(&words).is_ok(), "what is written can be read");
    Ok(words.iter().flat_map(|word| word.to_le_bytes()).collect())
}

/// A step before it has a place.
struct Lowered<'a> {
    index: usize,
    node: &'a Node,
    thresholds: Option<&'a [Threshold]>,
    output: ValueId,
}

struct Net<'a> {
    graph: &'a Graph,
    steps: Vec<Lowered<'a>>,
    /// The value whose memory each value is.
    holder: Vec<ValueId>,
    input: ValueId,
    output: ValueId,
}

impl<'a> Net<'a> {
    fn new(graph: &'a Graph) -> Result<Self, WriteError> {
        let edge = |what, expected| WriteError::Edge { what, expected };
        let [input] = &graph.inputs[..] else {
            return Err(edge("inputs", "one"));
        };
        let [output] = &graph.outputs[..] else {
            return Err(edge("outputs", "one"));
        };
        if !matches!(graph.value(input.value).kind, Kind::Bit | Kind::U8) {
            return Err(edge("the input", "bits or bytes"));
        }
        let producers = graph.producers();
        let mut output = output.value;
        if let Some(last) = producers[output.index()].map(|index| &graph.nodes[index])
            && last.op == Op::ArgMax
            && graph.value(output).shape.len() == 1
        {
            output = last.inputs[0];
        }
        let mut net = Self {
            graph,
            steps: Vec::new(),
            holder: (0..graph.values.len() as u32).map(ValueId).collect(),
            input: input.value,
            output,
        };
        let uses = graph.uses();
        for (index, node) in graph.nodes.iter().enumerate() {
            if node.op == Op::ArgMax && node.inputs[0] == output {
                continue;
            }
            net.lower(index, node, &uses)?;
        }
        let made = net.steps.iter().any(|step| {
            step.output == net.holder[output.index()] && graph.value(step.output).kind == Kind::I32
        });
        if !made {
            return Err(edge("the output", "the sums of a product of bits, i32"));
        }
        Ok(net)
    }

    fn lower(&mut self, index: usize, node: &'a Node, uses: &[usize]) -> Result<(), WriteError> {
        let output = node.outputs[0];
        match &node.op {
            Op::Reshape(_) => {
                self.holder[output.index()] = self.holder[node.inputs[0].index()];
                return Ok(());
            }
            Op::Threshold(thresholds) => {
                let sums = node.inputs[0];
                let product = self.steps.last_mut().filter(|step| {
                    step.output == sums
                        && uses[sums.index()] == 1
                        && matches!(step.node.op, Op::BinaryConv(_) | Op::BinaryDense(_))
                });
                let Some(step) = product else {
                    return Err(refuse(
                        index,
                        node,
                        "expected right after a product of bits",
                    ));
                };
                step.thresholds = Some(thresholds);
                step.output = output;
                return Ok(());
            }
            Op::BinaryConv(conv) => {
                let plain = ConvParams {
                    padding_value: conv.params.padding_value,
                    stride: conv.params.stride,
                    ..ConvParams::valid(conv.params.kernel)
                };
                if conv.params != plain {
                    let why = "expected no padding, no dilation and one group";
                    return Err(refuse(index, node, why));
                }
            }
            Op::BinaryDense(_) => {}
            Op::Pool(pool)
                if pool.kind == PoolKind::Max
                    && pool.padding == [0; 4]
                    && self.graph.value(output).kind == Kind::Bit => {}
            Op::Reduce { .. } => {
                let why = "expected the sum over all positions of a 1×1 convolution of bits that has few weights at all positions together";
                return Err(refuse(index, node, why));
            }
            _ => {
                let why = "expected a convolution or dense layer of bits, or a largest of bits";
                return Err(refuse(index, node, why));
            }
        }
        self.steps.push(Lowered {
            index,
            node,
            thresholds: None,
            output,
        });
        Ok(())
    }

    fn words(&self) -> Result<Vec<u32>, WriteError> {
        let graph = self.graph;
        let image = graph.value(self.input);
        let mut tables = Tables {
            words: Vec::new(),
            before: HEADER + STEP * self.steps.len(),
        };
        let mut steps = Vec::new();
        for step in &self.steps {
            steps.push(self.step(step, &mut tables)?);
        }
        let (arena_words, image_at) = self.places(&mut steps);
        let last = self.holder[self.output.index()];
        let made = |step: &Lowered<'_>| step.output == last;
        let logits = self.steps.iter().position(made);
        let header = Header {
            words: tables.before + tables.words.len(),
            arena_words,
            bytes: image.kind == Kind::U8,
            image: image.shape.dims(),
            image_at,
            logits: graph.value(last).shape.len(),
            logits_at: steps[logits.expect("the output was checked")].to,
            steps: steps.len(),
            least: match self.graph.inputs[0].pixels {
                Pixels::AtLeast(limit) => limit.into(),
                _ => 1,
            },
        };
        let numbers = header.write().into_iter();
        let numbers = numbers.chain(steps.iter().flat_map(Step::write));
        let mut words: Vec<u32> = numbers.map(|number| number as u32).collect();
        words.extend(tables.words);
        Ok(words)
    }

    /// A step without its places.
    fn step(&self, lowered: &Lowered<'_>, tables: &mut Tables) -> Result<Step, WriteError> {
        let Lowered { index, node, .. } = *lowered;
        let input = self.graph.value(node.inputs[0]);
        let output = self.graph.value(lowered.output);
        let (kernel, stride, weights) = match &node.op {
            Op::BinaryConv(conv) => (conv.params.kernel, conv.params.stride, Some(&conv.weights)),
            Op::BinaryDense(weights) => {
                let whole = [input.shape.height, input.shape.width];
                (whole, [1, 1], Some(weights))
            }
            Op::Pool(pool) => (pool.kernel, pool.stride, None),
            _ => unreachable!("other operators were refused"),
        };
        let mut step = Step {
            form: Form::Pool,
            from: 0,
            to: 0,
            scratch: 0,
            input: input.shape.dims(),
            output: output.shape.dims(),
            kernel,
            stride,
            weights: tables.before,
            starts: tables.before,
            planes: 0,
        };
        let columns = weights.map_or(0, BitMatrix::columns);
        let sizes = step.input.iter().chain(&step.output);
        let largest = sizes.chain(&kernel).chain(&stride).chain([&columns]).max();
        if let Some(&found) = largest.filter(|&&found| found > MOST) {
            return Err(WriteError::Size {
                index,
                what: "sizes of an axis, and taps of a product",
                most: MOST,
                found,
            });
        }
        let Some(weights) = weights else {
            return Ok(step);
        };
        match (lowered.thresholds, input.kind) {
            (None, Kind::Bit) => {
                step.form = Form::Rows;
                step.weights = tables.bits(weights, |_, bit| bit);
            }
            (Some(thresholds), Kind::Bit) => {
                let rows = Rows::new(weights, thresholds, 1);
                // A tap adds where the value agrees with the weight: where it differs from the
                // weight's complement.
                let complement = |row: usize, bit: bool| bit == rows.flips[row];
                step.planes = rows.planes();
                step.form = Form::Positions;
                if step.rows_of_word().is_some() {
                    step.weights = tables.bits(weights, complement);
                    step.starts = tables.add(rows.starts().map(|start| start as u32));
                } else {
                    step.form = Form::Channels;
                    step.weights = tables.lanes(weights, complement);
                    step.starts = tables.planes(&rows);
                }
            }
            (Some(thresholds), Kind::U8) => {
                let rows = Rows::new(weights, thresholds, 255);
                if columns < PAIR && step.output[1].is_multiple_of(2) {
                    step.form = Form::Pairs;
                    tables.lists(&mut step, weights, &rows);
                } else {
                    step.form = Form::Bytes;
                    step.weights = tables.bits(weights, |row, bit| bit != rows.flips[row]);
                    let at_least = rows.at_least.iter();
                    step.starts = tables.add(at_least.map(|&at_least| at_least as i32 as u32));
                }
            }
            _ => {
                let why = "expected thresholds after a product of bytes";
                return Err(refuse(index, node, why));
            }
        }
        Ok(step)
    }

    /// Gives each step its places; returns the words of the arena and the image's place.
    fn places(&self, steps: &mut [Step]) -> (usize, usize) {
        let bytes = self.graph.value(self.input).kind == Kind::U8;
        let end = steps.len() + 1;
        let reads =
            |step: &Lowered<'_>, value: ValueId| self.holder[step.node.inputs[0].index()] == value;
        let last = |value: ValueId| {
            let read = self.steps.iter().rposition(|step| reads(step, value));
            let kept = value == self.holder[self.output.index()];
            if kept {
                Some(end)
            } else {
                read.map(|at| at + 1)
            }
        };
        let image_words = self.graph.value(self.input).shape.len().div_ceil(32);
        let mut tenants = vec![Tenant {
            life: 0..=last(self.input).unwrap_or(0),
            words: if bytes { 0 } else { image_words },
        }];
        for (at, (lowered, step)) in self.steps.iter().zip(&*steps).enumerate() {
            let now = at + 1;
            tenants.push(Tenant {
                life: now..=last(lowered.output).unwrap_or(now),
                words: step.output_words(),
            });
            tenants.push(Tenant {
                life: now..=now,
                words: step.scratch_words(),
            });
        }
        let (starts, words) = place(&tenants);
        let image_at = if bytes { IMAGE } else { starts[0] };
        for (at, step) in steps.iter_mut().enumerate() {
            let source = self.holder[self.steps[at].node.inputs[0].index()];
            let made = self.steps.iter().position(|step| step.output == source);
            step.from = made.map_or(image_at, |made| starts[1 + 2 * made]);
            step.to = starts[1 + 2 * at];
            step.scratch = starts[2 + 2 * at];
        }
        (words, image_at)
    }
}

fn refuse(index: usize, node: &Node, why: &'static str) -> WriteError {
    WriteError::Node {
        index,
        name: node.name.clone(),
        op: node.op.name(),
        why,
    }
}

/// Rows with thresholds, so that a sum at least the threshold is +1: where one is inverted, so are
/// the weights of its row.
struct Rows {
    columns: usize,
    flips: Vec<bool>,
    at_least: Vec<i64>,
}

impl Rows {
    fn new(weights: &BitMatrix, thresholds: &[Threshold], largest: i64) -> Self {
        let columns = weights.columns();
        let most = columns as i64 * largest;
        let of = |row: usize| thresholds[row.min(thresholds.len() - 1)];
        let rows = 0..weights.rows();
        Self {
            columns,
            flips: rows.clone().map(|row| of(row).invert).collect(),
            at_least: rows
                .map(|row| {
                    let Threshold { at_least, invert } = of(row);
                    let at_least = i64::from(at_least);
                    // sum < t, that is −sum ≥ 1 − t. What no sum reaches is just outside.
                    let at_least = if invert { 1 - at_least } else { at_least };
                    at_least.clamp(-most, most + 1)
                })
                .collect(),
        }
    }

    /// Taps that have to agree for +1, of each row: 2·agree − columns ≥ t.
    fn needs(&self) -> impl Iterator<Item = usize> {
        let columns = self.columns as i64;
        self.at_least.iter().map(move |at_least| {
            let least = (at_least + columns + 1).div_euclid(2);
            least.clamp(0, columns + 1) as usize
        })
    }

    /// Planes of the counters: the top one is reached, and never passed.
    fn planes(&self) -> usize {
        let mut planes = KEPT;
        let passes = |planes: usize, need: usize| {
            let top = 1 << (planes - 1);
            need > top || self.columns >= need + top
        };
        while self.needs().any(|need| passes(planes, need)) {
            planes += 1;
        }
        planes
    }

    /// What the counters begin with.
    fn starts(&self) -> impl Iterator<Item = usize> {
        let top = 1 << (self.planes() - 1);
        self.needs().map(move |need| top - need)
    }
}

/// Weights and thresholds, after the steps.
struct Tables {
    words: Vec<u32>,
    before: usize,
}

impl Tables {
    /// Adds a table; returns where it begins.
    fn add(&mut self, words: impl Iterator<Item = u32>) -> usize {
        let at = self.before + self.words.len();
        self.words.extend(words);
        at
    }

    /// Rows of bits, each from a word on.
    fn bits(&mut self, weights: &BitMatrix, bit: impl Fn(usize, bool) -> bool) -> usize {
        let columns = weights.columns();
        let word = |row: usize, first: usize| {
            let taps = first..columns.min(first + 32);
            word_of(taps.map(|tap| bit(row, weights.get(row, tap))))
        };
        let rows = 0..weights.rows();
        let words = rows.flat_map(|row| (0..columns).step_by(32).map(move |tap| (row, tap)));
        self.add(words.map(|(row, tap)| word(row, tap)))
    }

    /// A word a tap of 32 rows, two by two.
    fn lanes(&mut self, weights: &BitMatrix, bit: impl Fn(usize, bool) -> bool) -> usize {
        let (rows, columns) = (weights.rows(), weights.columns());
        let word = |block: usize, tap: usize| {
            let lanes = block..rows.min(block + 32);
            word_of(
                lanes.map(|row| tap < columns && bit(row, weights.get(row, tap.min(columns - 1)))),
            )
        };
        let mut words = Vec::new();
        for block in (0..rows).step_by(32) {
            for tap in (0..lanes(columns)).step_by(2) {
                let second = word(block, tap + 1);
                words.extend([word(block, tap) ^ second, second]);
            }
        }
        self.add(words.into_iter())
    }

    /// What the counters of 32 rows begin with, a word a plane.
    fn planes(&mut self, rows: &Rows) -> usize {
        let (starts, planes): (Vec<_>, _) = (rows.starts().collect(), rows.planes());
        let mut words = Vec::new();
        for block in starts.chunks(32) {
            let plane = |plane: usize| word_of(block.iter().map(|start| start >> plane & 1 == 1));
            words.extend((0..planes).map(plane));
        }
        self.add(words.into_iter())
    }

    /// What sums begin with, and the taps of the rarer sign of each row.
    fn lists(&mut self, step: &mut Step, weights: &BitMatrix, rows: &Rows) {
        let columns = weights.columns();
        let (mut heads, mut lists) = (Vec::new(), Vec::new());
        for row in 0..weights.rows() {
            let of = |sign: bool| -> Vec<u32> {
                let has = |&tap: &usize| (weights.get(row, tap) != rows.flips[row]) == sign;
                (0..columns).filter(has).map(|tap| tap as u32).collect()
            };
            let (plus, minus) = (of(true), of(false));
            let (taps, sign) = if plus.len() <= minus.len() {
                (plus, PLUS)
            } else {
                (minus, 0)
            };
            // A sum of fewer than 64 bytes, twice, is below 2¹⁵, so that no half overflows.
            let bias = (0x8000 - rows.at_least[row]) as u32;
            let four = |taps: &[u32]| {
                let tap = |at: usize| taps.get(at).copied().unwrap_or(columns as u32);
                (0..4).fold(0, |word, at| word | tap(at) << (8 * at))
            };
            heads.extend([bias * 0x1_0001, taps.len().div_ceil(4) as u32 | sign]);
            lists.extend(taps.chunks(4).map(four));
        }
        step.planes = lists.len();
        step.weights = self.add(heads.into_iter());
        step.starts = self.add(lists.into_iter());
    }
}

/// Bits as a word, the first the lowest.
fn word_of(bits: impl Iterator<Item = bool>) -> u32 {
    bits.enumerate()
        .fold(0, |word, (at, bit)| word | u32::from(bit) << at)
}
