//! A net as data: values, the nodes that compute them, inputs and outputs.
//!
//! Nodes are stored in the order in which they run; each value is an input of the graph or the
//! output of exactly one earlier node. Shapes are those of one item: every value of a graph has
//! the batch as a further, first axis, except for constants, which are the same for all items.
//!
//! ```
//! use bernet_kernels::{bits::BitMatrix, xnor::Threshold};
//! use bernet_runtime::graph::{BinaryConv, ConvParams, Graph, Kind, Op, Shape};
//!
//! // Bits → 3×3 convolution → threshold → bits.
//! let mut graph = Graph::default();
//! let x = graph.add_input("x", Kind::Bit, Shape::new(4, 4, 1))?;
//! let params = ConvParams::valid([3, 3]);
//! let weights = BitMatrix::all_minus_one(2, 9);
//! let sums = graph.add_node(Op::BinaryConv(BinaryConv { params, weights }), &[x])?;
//! let thresholds = vec![Threshold { at_least: 0, invert: false }; 2];
//! let bits = graph.add_node(Op::Threshold(thresholds), &[sums])?;
//! graph.add_output("bits", bits)?;
//! graph.validate()?;
//! assert_eq!(graph.value(bits).shape, Shape::new(2, 2, 2));
//! # Ok::<(), bernet_runtime::graph::GraphError>(())
//! ```

mod check;
mod error;
mod infer;
mod op;
mod products;
mod rules;
pub mod tensor;

pub use bernet_kernels::xnor::ConvParams;
pub use error::{GraphError, Place};
pub use infer::infer;
pub use op::{
    Axis, BinaryConv, BinaryOp, Conv, Dense, Op, PixelBias, PoolKind, PoolParams, Prelu, Quantize,
    RealThreshold, ReduceKind, Rounding, UnaryOp,
};

use alloc::{
    collections::BTreeMap,
    string::{String, ToString},
    vec,
    vec::Vec,
};

/// Largest number of values in one item of a tensor.
pub const VALUES_LIMIT: usize = 1 << 28;
/// Largest number of nodes of a graph.
pub const NODES_LIMIT: usize = 1 << 16;

/// The type of the elements of a value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Kind {
    /// −1 or +1, one bit each.
    Bit,
    /// 0 to 255.
    U8,
    /// Signed 32-bit integers.
    I32,
    /// IEEE 754 single precision.
    F32,
}

impl Kind {
    /// Its name in errors and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bit => "bit",
            Self::U8 => "u8",
            Self::I32 => "i32",
            Self::F32 => "f32",
        }
    }
}

/// The shape of one item of a batch: height, width, channels, the last fastest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Shape {
    /// Lines.
    pub height: usize,
    /// Pixels a line.
    pub width: usize,
    /// Values a pixel.
    pub channels: usize,
}

impl Shape {
    /// A shape of three dimensions.
    pub const fn new(height: usize, width: usize, channels: usize) -> Self {
        Self {
            height,
            width,
            channels,
        }
    }

    /// A vector: one pixel of so many channels.
    pub const fn flat(channels: usize) -> Self {
        Self::new(1, 1, channels)
    }

    /// Values of one item; saturates.
    pub fn len(self) -> usize {
        self.height
            .saturating_mul(self.width)
            .saturating_mul(self.channels)
    }

    /// Whether it has no values.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Height, width, channels.
    pub const fn dims(self) -> [usize; 3] {
        [self.height, self.width, self.channels]
    }
}

impl From<[usize; 3]> for Shape {
    fn from([height, width, channels]: [usize; 3]) -> Self {
        Self::new(height, width, channels)
    }
}

impl core::fmt::Display for Shape {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}×{}×{}", self.height, self.width, self.channels)
    }
}

/// Names a value of one graph.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct ValueId(pub u32);

impl ValueId {
    /// Its place in [`Graph::values`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Element type and item shape of a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Value {
    /// The type of its elements.
    pub kind: Kind,
    /// The shape of one item.
    pub shape: Shape,
}

impl core::fmt::Display for Value {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} {}", self.kind.name(), self.shape)
    }
}

/// One operation of a graph.
#[derive(Clone, PartialEq, Debug)]
pub struct Node {
    /// Name for errors, tables and profiles; need not be unique, may be empty.
    pub name: String,
    /// The operation with its weights.
    pub op: Op,
    /// The values it reads.
    pub inputs: Vec<ValueId>,
    /// The values it computes.
    pub outputs: Vec<ValueId>,
}

/// How an array of the outside world holds a value.
///
/// The array's axes (without the batch) have sizes `dims`. Transposing them by `perm` (axis `i` of
/// the transposed array is axis `perm[i]` of the array) and reading the result in row-major order
/// gives the value's item in NHWC order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ArrayLayout {
    /// Sizes of the array's axes, without the batch.
    pub dims: Vec<usize>,
    /// A permutation of the axes.
    pub perm: Vec<usize>,
    /// Whether the array has the batch as its first axis; without it the batch is 1.
    pub batch: bool,
}

impl ArrayLayout {
    /// Height, width, channels as they are inside.
    pub fn nhwc(shape: Shape) -> Self {
        Self {
            dims: shape.dims().to_vec(),
            perm: vec![0, 1, 2],
            batch: true,
        }
    }

    /// Channels first: `[N, C, H, W]`.
    pub fn nchw(shape: Shape) -> Self {
        Self {
            dims: vec![shape.channels, shape.height, shape.width],
            perm: vec![1, 2, 0],
            batch: true,
        }
    }

    /// A vector: `[N, values]`.
    pub fn flat(values: usize) -> Self {
        Self {
            dims: vec![values],
            perm: vec![0],
            batch: true,
        }
    }
}

/// What a picture's pixels (0 to 255) become at an input.
#[derive(Clone, PartialEq, Debug)]
pub enum Pixels {
    /// Nothing was said: a tool that is fed pictures must choose and say so.
    Unsaid,
    /// For bits: +1 where the pixel is at least this.
    AtLeast(u8),
    /// For bytes: the pixel as it is.
    Bytes,
    /// For floats: `pixel · scale + bias`, one pair for all channels or one for each.
    Affine {
        /// Finite; one, or one for each channel.
        scale: Vec<f32>,
        /// Finite; as many.
        bias: Vec<f32>,
    },
}

/// A value that is handed in.
#[derive(Clone, PartialEq, Debug)]
pub struct Input {
    /// Unique among the inputs, not empty.
    pub name: String,
    /// The value.
    pub value: ValueId,
    /// How a host's array holds it.
    pub layout: ArrayLayout,
    /// What a picture becomes.
    pub pixels: Pixels,
}

/// A value that is handed out.
#[derive(Clone, PartialEq, Debug)]
pub struct Output {
    /// Unique among the outputs, not empty.
    pub name: String,
    /// The value.
    pub value: ValueId,
    /// How a host's array holds it.
    pub layout: ArrayLayout,
}

/// A net: typed values and the nodes that compute them.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Graph {
    /// Type and shape of every value.
    pub values: Vec<Value>,
    /// The nodes in the order in which they run.
    pub nodes: Vec<Node>,
    /// The values handed in.
    pub inputs: Vec<Input>,
    /// The values handed out.
    pub outputs: Vec<Output>,
    /// What else is known about the net, by name: how it was trained, its licence.
    pub metadata: BTreeMap<String, String>,
}

impl Graph {
    /// Type and shape of a value.
    ///
    /// # Panics
    /// Where the graph has no such value.
    pub fn value(&self, id: ValueId) -> Value {
        self.values[id.index()]
    }

    /// Adds a value that nothing computes yet.
    pub fn add_value(&mut self, value: Value) -> ValueId {
        let id = ValueId(self.values.len() as u32);
        self.values.push(value);
        id
    }

    /// Adds an input in NHWC order, of which nothing is said about pixels.
    ///
    /// # Errors
    /// [`GraphError`] where the shape is empty or too large.
    pub fn add_input(
        &mut self,
        name: &str,
        kind: Kind,
        shape: Shape,
    ) -> Result<ValueId, GraphError> {
        let place = Place::Input(name.to_string());
        rules::check_shape(&place, shape)?;
        let value = self.add_value(Value { kind, shape });
        self.inputs.push(Input {
            name: name.to_string(),
            value,
            layout: ArrayLayout::nhwc(shape),
            pixels: Pixels::Unsaid,
        });
        Ok(value)
    }

    /// Adds an output in NHWC order.
    ///
    /// # Errors
    /// [`GraphError`] where there is no such value.
    pub fn add_output(&mut self, name: &str, value: ValueId) -> Result<(), GraphError> {
        let place = Place::Output(name.to_string());
        let Some(&Value { shape, .. }) = self.values.get(value.index()) else {
            return Err(place.error("value", "one of the graph", value.0));
        };
        self.outputs.push(Output {
            name: name.to_string(),
            value,
            layout: ArrayLayout::nhwc(shape),
        });
        Ok(())
    }

    /// Adds a node without a name and with one output; returns the output.
    ///
    /// # Errors
    /// [`GraphError`] where the inputs do not suit the operator.
    pub fn add_node(&mut self, op: Op, inputs: &[ValueId]) -> Result<ValueId, GraphError> {
        Ok(self.add_named("", op, inputs)?[0])
    }

    /// Adds a node; returns its outputs, whose types and shapes are inferred.
    ///
    /// # Errors
    /// [`GraphError`] where the inputs do not suit the operator.
    pub fn add_named(
        &mut self,
        name: &str,
        op: Op,
        inputs: &[ValueId],
    ) -> Result<Vec<ValueId>, GraphError> {
        let place = Place::Node {
            index: self.nodes.len(),
            name: name.to_string(),
            op: op.name(),
        };
        let types = self.types(&place, inputs)?;
        let outputs = infer(&op, &types, &place)?;
        let outputs: Vec<_> = outputs
            .into_iter()
            .map(|value| self.add_value(value))
            .collect();
        self.nodes.push(Node {
            name: name.to_string(),
            op,
            inputs: inputs.to_vec(),
            outputs: outputs.clone(),
        });
        Ok(outputs)
    }

    fn types(&self, place: &Place, ids: &[ValueId]) -> Result<Vec<Value>, GraphError> {
        ids.iter()
            .map(|id| {
                self.values
                    .get(id.index())
                    .copied()
                    .ok_or_else(|| place.error("input", "a value of the graph", id.0))
            })
            .collect()
    }

    /// The node that computes each value; `None` for inputs and values without a producer.
    pub fn producers(&self) -> Vec<Option<usize>> {
        let mut producers = vec![None; self.values.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            for output in &node.outputs {
                producers[output.index()] = Some(index);
            }
        }
        producers
    }

    /// How many nodes and outputs read each value.
    pub fn uses(&self) -> Vec<usize> {
        let mut uses = vec![0; self.values.len()];
        let read = self.nodes.iter().flat_map(|node| &node.inputs);
        for id in read.chain(self.outputs.iter().map(|output| &output.value)) {
            uses[id.index()] += 1;
        }
        uses
    }
}
