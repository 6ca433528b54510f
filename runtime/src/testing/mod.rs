//! Random graphs and inputs, for tests of everything that reads, changes, writes or runs graphs.
//!
//! A graph of [`random_graph`] is valid, small, and a function of its seed. Over a few hundred seeds
//! every operator occurs with every option, with several inputs and outputs, shortcuts, constants
//! and dead values. Floats stay finite. Most weights and inputs are small multiples of 1/8, so that
//! sums are exact in any order and a sign after them is too; some are any floats.
//!
//! ```
//! use bernet_runtime::{reference, testing};
//!
//! let graph = testing::random_graph(7, 12);
//! graph.validate()?;
//! let inputs = testing::random_inputs(&graph, 2, 1);
//! assert_eq!(reference::run(&graph, &inputs)?.len(), graph.outputs.len());
//! # Ok::<(), bernet_runtime::graph::GraphError>(())
//! ```

mod operators;
mod source;

pub use source::Source;

use crate::{
    graph::{ArrayLayout, Graph, Kind, Op, Pixels, Shape, ValueId},
    tensor::{Data, Tensor},
};
use alloc::{format, vec, vec::Vec};

/// Most values that an item has in a random graph.
const VALUES: usize = 1500;

/// A valid graph of about `size` nodes.
pub fn random_graph(seed: u64, size: usize) -> Graph {
    let mut builder = Builder {
        source: Source::new(seed),
        graph: Graph::default(),
        varies: Vec::new(),
    };
    builder.add_inputs();
    while builder.graph.nodes.len() < size {
        builder.add_operator();
    }
    builder.add_outputs();
    if builder.source.chance(30) {
        let pairs = [("licence", "MIT"), ("ünicode", "±1"), ("empty", "")];
        let count = builder.source.below(4);
        let pairs = pairs[..count].iter();
        builder.graph.metadata = pairs
            .map(|&(key, text)| (key.into(), text.into()))
            .collect();
    }
    debug_assert_eq!(builder.graph.validate(), Ok(()));
    builder.graph
}

/// A batch of inputs for a graph, in the order of its inputs.
///
/// # Panics
/// Where an input's shape is too large to be counted.
pub fn random_inputs(graph: &Graph, batch: usize, seed: u64) -> Vec<Tensor> {
    let mut source = Source::new(seed);
    let input = |input: &crate::graph::Input| {
        let value = graph.value(input.value);
        source.tensor(batch, value.kind, value.shape)
    };
    graph.inputs.iter().map(input).collect()
}

/// A graph in the making.
struct Builder {
    source: Source,
    graph: Graph,
    /// Whether each value depends on an input.
    varies: Vec<bool>,
}

impl Builder {
    fn add_inputs(&mut self) {
        for index in 0..1 + self.source.below(3) {
            let kind = self
                .source
                .pick(&[Kind::Bit, Kind::U8, Kind::I32, Kind::F32, Kind::Bit]);
            let shape = self.source.shape();
            let value = self.graph.add_input(&format!("in {index}"), kind, shape);
            value.expect("the shape is not empty");
            self.varies.push(true);
            let layout = self.source.layout(shape);
            let pixels = self.pixels(kind, shape);
            let input = &mut self.graph.inputs[index];
            (input.layout, input.pixels) = (layout, pixels);
        }
    }

    fn pixels(&mut self, kind: Kind, shape: Shape) -> Pixels {
        if self.source.chance(30) {
            return Pixels::Unsaid;
        }
        match kind {
            Kind::Bit => Pixels::AtLeast(self.source.below(256) as u8),
            Kind::U8 => Pixels::Bytes,
            Kind::I32 => Pixels::Unsaid,
            Kind::F32 => Pixels::Affine {
                scale: self.source.list(shape.channels, false),
                bias: self.source.list(shape.channels, false),
            },
        }
    }

    /// What nothing reads, mostly, and now and then what something does.
    fn add_outputs(&mut self) {
        let uses = self.graph.uses();
        let mut chosen = vec![];
        for (index, &uses) in uses.iter().enumerate() {
            let share = if uses == 0 { 85 } else { 5 };
            if self.varies[index] && self.source.chance(share) {
                chosen.push(index);
            }
        }
        if chosen.is_empty() {
            let last = self.varies.iter().rposition(|&varies| varies);
            chosen.push(last.expect("inputs vary"));
        }
        if self.source.chance(5) {
            chosen.push(chosen[0]);
        }
        for (index, value) in chosen.into_iter().enumerate() {
            let id = ValueId(value as u32);
            let added = self.graph.add_output(&format!("out {index}"), id);
            added.expect("a value of the graph");
            let layout = self.source.layout(self.graph.value(id).shape);
            self.graph.outputs[index].layout = layout;
        }
    }

    /// Adds a node if its result is not too large; returns the result.
    fn add(&mut self, op: Op, inputs: &[ValueId]) -> Option<ValueId> {
        let name = if self.source.chance(20) {
            format!("{} {}", op.name(), self.graph.nodes.len())
        } else {
            Default::default()
        };
        let added = self.graph.add_named(&name, op, inputs);
        let id = added.expect("an operator that suits its inputs")[0];
        if self.graph.value(id).shape.len() > VALUES {
            self.graph.nodes.pop();
            self.graph.values.pop();
            return None;
        }
        let varies = inputs.iter().any(|input| self.varies[input.index()]);
        self.varies.push(varies);
        Some(id)
    }

    /// A value of one of these types: mostly the newest.
    fn find(&mut self, kinds: &[Kind]) -> Option<ValueId> {
        let values = self.graph.values.iter().enumerate();
        let suited: Vec<_> = values
            .filter(|(_, value)| kinds.contains(&value.kind))
            .map(|(index, _)| ValueId(index as u32))
            .collect();
        let last = *suited.last()?;
        Some(if self.source.chance(60) {
            last
        } else {
            self.source.pick(&suited)
        })
    }

    /// A value of a type; made of another where there is none. Bytes are never made.
    fn of_kind(&mut self, kind: Kind) -> Option<ValueId> {
        if let Some(found) = self.find(&[kind])
            && self.source.chance(80)
        {
            return Some(found);
        }
        match kind {
            Kind::U8 => None,
            Kind::Bit => {
                let number = self.find(&[Kind::U8, Kind::I32, Kind::F32])?;
                self.add(Op::Sign, &[number])
            }
            Kind::I32 | Kind::F32 => {
                let any = self.find(&[Kind::Bit, Kind::U8, Kind::I32, Kind::F32])?;
                self.add(Op::Cast(kind), &[any])
            }
        }
    }

    /// A second operand of the type of the first, whose shape broadcasts with its own.
    fn partner(&mut self, first: ValueId) -> Option<ValueId> {
        let of = self.graph.value(first);
        let fits = |shape: Shape| {
            let pairs = shape.dims().into_iter().zip(of.shape.dims());
            pairs.into_iter().all(|(a, b)| a == b || a == 1 || b == 1)
        };
        let values = self.graph.values.iter().enumerate();
        let suited: Vec<_> = values
            .filter(|(_, value)| value.kind == of.kind && fits(value.shape))
            .map(|(index, _)| ValueId(index as u32))
            .collect();
        if self.source.chance(60) {
            return Some(self.source.pick(&suited));
        }
        let dims = of
            .shape
            .dims()
            .map(|size| if self.source.chance(50) { 1 } else { size });
        let constant = self.source.tensor(1, of.kind, dims.into());
        self.add(Op::Constant(constant), &[])
    }
}

impl Source {
    /// A batch of random values.
    pub fn tensor(&mut self, batch: usize, kind: Kind, shape: Shape) -> Tensor {
        let len = batch * shape.len();
        let data = match kind {
            Kind::Bit => Data::Bit((0..len).map(|_| self.chance(50)).collect()),
            Kind::U8 => Data::U8((0..len).map(|_| self.below(256) as u8).collect()),
            Kind::I32 => Data::I32((0..len).map(|_| self.integer(20)).collect()),
            Kind::F32 => Data::F32((0..len).map(|_| self.float()).collect()),
        };
        Tensor::new(batch, shape, data).expect("as many values as the shape has")
    }

    /// A shape whose sizes are near the ends of words and tiles, or small.
    fn shape(&mut self) -> Shape {
        let channels = self.pick(&[1, 2, 3, 4, 6, 8, 16, 31, 64, 65]);
        let most = if channels > 16 { 4 } else { 8 };
        if self.chance(20) {
            return Shape::flat(channels);
        }
        Shape::new(1 + self.below(most), 1 + self.below(most), channels)
    }

    /// Height, width, channels; channels first; a vector; or any sizes in any order.
    fn layout(&mut self, shape: Shape) -> ArrayLayout {
        let mut layout = match self.below(4) {
            0 => ArrayLayout::nhwc(shape),
            1 => ArrayLayout::nchw(shape),
            2 => ArrayLayout::flat(shape.len()),
            _ => {
                let dims = self.split(shape.len());
                let perm = self.permutation(dims.len());
                let batch = true;
                ArrayLayout { dims, perm, batch }
            }
        };
        layout.batch = self.chance(90);
        layout
    }
}
