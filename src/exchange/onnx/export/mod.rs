//! A graph as a file that other engines run.
//!
//! Every value is an array `[batch, channels, height, width]` of floats, bits being −1 and +1; inputs
//! and outputs are transposed to the shapes that the graph declares. Integers must be within
//! ±2²⁴, which float32 holds exactly, so that any order of summation gives the same bits.

mod builder;
mod operators;
mod packed;
mod pictures;

pub use pictures::with_picture_input;

use crate::exchange::onnx::proto::data_type;
use bernet_runtime::graph::{ArrayLayout, Graph, GraphError, Kind, Op, PoolKind, Shape, ValueId};
use builder::Builder;
use thiserror::Error;

/// The largest integer up to which float32 holds all.
const INTEGER_LIMIT: f64 = (1 << 24) as f64;
/// The most bytes of a file: what a protocol buffer may have.
const BYTES_LIMIT: usize = i32::MAX as usize;

/// Which operators a file is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    /// Standard ones only, of version 13: bits are made by `GreaterOrEqual` and `Where`.
    Standard,
    /// QONNX: weights and activations are marked as bits by `BipolarQuant` of the domain
    /// `qonnx.custom_op.general`. The batch is one item, since the `qonnx` package runs graphs of
    /// known shapes only.
    Qonnx,
    /// Operators of the domain `bernet` on packed bits, which the library `embed/onnxruntime` brings
    /// to ONNX Runtime; the rest as [`Dialect::Standard`].
    Bernet,
}

/// Why a graph cannot be exported.
#[derive(Clone, PartialEq, Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The graph does not fit together.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// Integers that float32 does not hold.
    #[error(
        "node {name:?} ({op}): expected integers within ±2^24, which float32 holds, found up to \
         {found:e}"
    )]
    Integers {
        /// The node's name.
        name: String,
        /// Its operator.
        op: &'static str,
        /// The largest magnitude that can occur.
        found: f64,
    },
    /// The weights are more than a file may have.
    #[error("weights as float32: expected at most {BYTES_LIMIT} bytes, found {found}")]
    Size {
        /// What they take.
        found: usize,
    },
    /// An operator without a counterpart.
    #[error("node {name:?} ({op}): there is no ONNX operator for it yet")]
    Operator {
        /// The node's name.
        name: String,
        /// The operator.
        op: &'static str,
    },
}

/// The bytes of an ONNX file with the graph's inputs and outputs under their names.
///
/// # Errors
/// [`ExportError`] where the graph is not valid, or has what ONNX or float32 cannot hold.
///
/// ```
/// use bernet::exchange::{ImportOptions, onnx::{self, Dialect}};
/// use bernet_runtime::graph::{Graph, Kind, Op, Shape};
///
/// let mut graph = Graph::default();
/// let x = graph.add_input("x", Kind::F32, Shape::flat(3))?;
/// let bits = graph.add_node(Op::Sign, &[x])?;
/// graph.add_output("bits", bits)?;
/// let file = onnx::export(&graph, Dialect::Standard)?;
/// let back = onnx::import(&file, &ImportOptions::default())?;
/// assert_eq!(back.graph.outputs[0].name, "bits");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn export(graph: &Graph, dialect: Dialect) -> Result<Vec<u8>, ExportError> {
    graph.validate()?;
    check_size(graph)?;
    check_integers(graph)?;
    // An array without a batch is that of one item.
    let batched = graph.inputs.iter().all(|input| input.layout.batch)
        && graph.outputs.iter().all(|output| output.layout.batch);
    let fixed = dialect == Dialect::Qonnx || !batched;
    let mut exporter = Exporter {
        builder: Builder::new(fixed),
        fixed,
        dialect,
        names: vec![String::new(); graph.values.len()],
        packed: vec![String::new(); graph.values.len()],
        uses: graph.uses(),
        graph,
    };
    // Names of inputs and outputs come first, so that nothing else takes them.
    for name in graph.inputs.iter().map(|input| &input.name) {
        exporter.builder.name(name);
    }
    let outputs: Vec<String> = graph
        .outputs
        .iter()
        .map(|output| exporter.builder.name(&output.name))
        .collect();
    for input in &graph.inputs {
        exporter.input(&input.name, input.value, &input.layout);
    }
    for (index, node) in graph.nodes.iter().enumerate() {
        if dialect == Dialect::Bernet && exporter.packed_operator(index) {
            continue;
        }
        let inputs: Vec<String> = node
            .inputs
            .iter()
            .map(|&id| exporter.unpacked(id))
            .collect();
        let name = exporter.operator(node, &inputs)?;
        let output = node.outputs[0];
        if !matches!(node.op, Op::Constant(_)) {
            let [height, width, channels] = graph.value(output).shape.dims();
            exporter
                .builder
                .value(&name, true, &[channels, height, width]);
        }
        exporter.names[output.index()] = name;
    }
    for (output, name) in graph.outputs.iter().zip(&outputs) {
        exporter.unpacked(output.value);
        exporter.output(name, output.value, &output.layout);
    }
    Ok(exporter.builder.finish(&graph.metadata))
}

/// A file up to some node.
struct Exporter<'a> {
    graph: &'a Graph,
    builder: Builder,
    dialect: Dialect,
    /// Whether the batch is one item.
    fixed: bool,
    /// The name of each value, empty where there is none.
    names: Vec<String>,
    /// The name of the bits of each value in words, empty where there are none.
    packed: Vec<String>,
    /// How many nodes and outputs read each value.
    uses: Vec<usize>,
}

impl Exporter<'_> {
    fn shape(&self, id: ValueId) -> Shape {
        self.graph.value(id).shape
    }

    fn input(&mut self, name: &str, value: ValueId, layout: &ArrayLayout) {
        let kind = self.graph.value(value).kind;
        let elem_type = match kind {
            Kind::U8 => data_type::UINT8,
            Kind::I32 => data_type::INT32,
            Kind::F32 | Kind::Bit => data_type::FLOAT,
        };
        self.builder
            .input(name, elem_type, layout.batch, &layout.dims);
        let mut array = name.to_owned();
        if matches!(kind, Kind::U8 | Kind::I32) {
            let to = builder::integer("to", data_type::FLOAT.into());
            array = self.builder.node("Cast", &[&array], vec![to]);
        }
        let shape = self.shape(value);
        self.names[value.index()] = if is_nchw(layout, shape) {
            array
        } else {
            let rows = self.permuted(&array, &layout.dims, &layout.perm, layout.batch);
            self.planes(&rows, shape)
        };
    }

    fn output(&mut self, name: &str, value: ValueId, layout: &ArrayLayout) {
        let shape = self.shape(value);
        let mut array = self.names[value.index()].clone();
        if !is_nchw(layout, shape) {
            let rows = self.rows(&array, shape);
            // The sizes as they are in memory, then back to the array's axes.
            let sizes: Vec<usize> = layout.perm.iter().map(|&axis| layout.dims[axis]).collect();
            let place = |axis: usize| layout.perm.iter().position(|&other| other == axis);
            let back: Vec<usize> = (0..sizes.len()).filter_map(place).collect();
            array = self.permuted(&rows, &sizes, &back, true);
            if !layout.batch {
                array = self.reshaped(&array, &layout.dims, false);
            }
        }
        let kind = self.graph.value(value).kind;
        let elem_type = match kind {
            Kind::I32 => data_type::INT32,
            Kind::U8 => data_type::UINT8,
            Kind::F32 | Kind::Bit => data_type::FLOAT,
        };
        if elem_type == data_type::FLOAT {
            self.builder.node_as("Identity", &[&array], vec![], name);
        } else {
            let to = builder::integer("to", elem_type.into());
            self.builder.node_as("Cast", &[&array], vec![to], name);
        }
        self.builder
            .output(name, elem_type, layout.batch, &layout.dims);
    }

    /// An array with axes of these sizes after the batch, or without one.
    fn reshaped(&mut self, array: &str, dims: &[usize], batch: bool) -> String {
        let first = if self.fixed { 1 } else { -1 };
        let sizes: Vec<i64> = batch
            .then_some(first)
            .into_iter()
            .chain(dims.iter().map(|&dim| dim as i64))
            .collect();
        let sizes = self.builder.integers(&sizes);
        self.builder.node("Reshape", &[array, &sizes], vec![])
    }

    /// The array read with axes of `dims` after the batch, and those transposed.
    fn permuted(&mut self, array: &str, dims: &[usize], perm: &[usize], ahead: bool) -> String {
        let array = if ahead {
            array.to_owned()
        } else {
            self.reshaped(array, dims, true)
        };
        let array = self.reshaped(&array, dims, true);
        if perm.iter().copied().eq(0..perm.len()) {
            return array;
        }
        let perm: Vec<usize> = [0]
            .into_iter()
            .chain(perm.iter().map(|&axis| axis + 1))
            .collect();
        self.builder.node(
            "Transpose",
            &[&array],
            vec![builder::integers("perm", &perm)],
        )
    }

    /// A value with its elements in the graph's order, channels last.
    fn rows(&mut self, value: &str, shape: Shape) -> String {
        if shape.height * shape.width == 1 || shape.channels == 1 {
            return value.to_owned();
        }
        let perm = vec![builder::integers("perm", &[0, 2, 3, 1])];
        self.builder.node("Transpose", &[value], perm)
    }

    /// A value of elements in the graph's order.
    fn planes(&mut self, rows: &str, shape: Shape) -> String {
        let [height, width, channels] = shape.dims();
        if height * width == 1 || channels == 1 {
            return self.reshaped(rows, &[channels, height, width], true);
        }
        let rows = self.reshaped(rows, &[height, width, channels], true);
        let perm = vec![builder::integers("perm", &[0, 3, 1, 2])];
        self.builder.node("Transpose", &[&rows], perm)
    }
}

/// Whether an array is `[batch, channels, height, width]`.
fn is_nchw(layout: &ArrayLayout, shape: Shape) -> bool {
    let [height, width, channels] = shape.dims();
    layout.batch && layout.dims == [channels, height, width] && layout.perm == [1, 2, 0]
}

/// The weights fit in a file.
fn check_size(graph: &Graph) -> Result<(), ExportError> {
    let values = graph.nodes.iter().map(|node| match &node.op {
        Op::Constant(tensor) => tensor.data().len(),
        Op::BinaryConv(conv) => conv.weights.rows() * conv.weights.columns(),
        Op::BinaryDense(weights) => weights.rows() * weights.columns(),
        Op::Conv(conv) => conv.weights.len(),
        Op::Dense(dense) => dense.weights.len(),
        _ => 0,
    });
    let found = values
        .fold(0_usize, usize::saturating_add)
        .saturating_mul(4);
    if found > BYTES_LIMIT - (1 << 26) {
        return Err(ExportError::Size { found });
    }
    Ok(())
}

/// Integers stay where float32 holds them.
fn check_integers(graph: &Graph) -> Result<(), ExportError> {
    // The largest magnitude of each value that is not of floats.
    let mut most = vec![0.0_f64; graph.values.len()];
    for input in &graph.inputs {
        most[input.value.index()] = largest(graph.value(input.value).kind);
    }
    for node in &graph.nodes {
        let output = node.outputs[0];
        let value = graph.value(output);
        let of = |index: usize| {
            let id: ValueId = node.inputs[index];
            match graph.value(id).kind {
                Kind::F32 => INTEGER_LIMIT,
                _ => most[id.index()],
            }
        };
        let found = match &node.op {
            _ if value.kind != Kind::I32 => largest(value.kind),
            Op::Constant(tensor) => tensor
                .to_f32()
                .iter()
                .fold(0.0, |most: f64, value| most.max(value.abs().into())),
            Op::BinaryConv(conv) => of(0) * conv.weights.columns() as f64,
            Op::BinaryDense(weights) => of(0) * weights.columns() as f64,
            Op::Binary(bernet_runtime::graph::BinaryOp::Mul) => of(0) * of(1),
            Op::Binary(
                bernet_runtime::graph::BinaryOp::Min | bernet_runtime::graph::BinaryOp::Max,
            ) => of(0).max(of(1)),
            Op::Binary(_) => of(0) + of(1),
            Op::Select => of(1).max(of(2)),
            Op::Concat(_) => (0..node.inputs.len()).map(of).fold(0.0, f64::max),
            Op::Pool(pool) if pool.kind == PoolKind::Sum => {
                of(0) * (pool.kernel[0] * pool.kernel[1]) as f64
            }
            Op::Reduce { .. } => {
                of(0) * (graph.value(node.inputs[0]).shape.len() / value.shape.len()) as f64
            }
            Op::ArgMax => graph.value(node.inputs[0]).shape.channels as f64,
            _ => of(0),
        };
        if found > INTEGER_LIMIT {
            return Err(ExportError::Integers {
                name: node.name.clone(),
                op: node.op.name(),
                found,
            });
        }
        most[output.index()] = found;
    }
    Ok(())
}

fn largest(kind: Kind) -> f64 {
    match kind {
        Kind::Bit => 1.0,
        Kind::U8 => 255.0,
        Kind::I32 | Kind::F32 => INTEGER_LIMIT,
    }
}
