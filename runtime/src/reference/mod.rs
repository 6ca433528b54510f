//! Computes a graph node by node, one element at a time: the specification of every operator.
//!
//! Everything else that runs a graph is tested against it. Sums of floats are added in double
//! precision and rounded once, so that they may differ from a faster order of additions by a few
//! units in the last place; all else is exact.
//!
//! ```
//! use bernet_runtime::{
//!     graph::{BinaryOp, Graph, Kind, Op, Shape},
//!     reference,
//!     tensor::Tensor,
//! };
//!
//! // A shortcut: y = x + x.
//! let mut graph = Graph::default();
//! let x = graph.add_input("x", Kind::F32, Shape::flat(2))?;
//! let y = graph.add_node(Op::Binary(BinaryOp::Add), &[x, x])?;
//! graph.add_output("y", y)?;
//! let x = Tensor::from_f32(1, Shape::flat(2), vec![1.0, 2.0])?;
//! assert_eq!(reference::run(&graph, &[x])?[0].to_f32(), [2.0, 4.0]);
//! # Ok::<(), bernet_runtime::graph::GraphError>(())
//! ```

mod layers;
mod shapes;

use crate::{
    graph::{BinaryOp, Graph, GraphError, Kind, Node, Op, PixelBias, Place, Shape, ValueId},
    scalar,
    tensor::{Data, Tensor, sign},
};
use alloc::{format, vec, vec::Vec};

/// The outputs of a graph, in their order, for one batch of inputs in the order of the graph's.
///
/// # Errors
/// [`GraphError`] where the graph is not valid, or where number, types, shapes or batches of the
/// inputs are not those that it takes.
pub fn run(graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>, GraphError> {
    let values = trace(graph, inputs)?;
    let output = |value: ValueId| values[value.index()].clone();
    Ok(graph
        .outputs
        .iter()
        .map(|each| output(each.value))
        .collect())
}

/// Every value of a graph, in their order, for one batch of inputs. Constants have a batch of 1.
///
/// # Errors
/// As [`run`].
pub fn trace(graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>, GraphError> {
    graph.validate()?;
    Place::Graph.check(
        inputs.len() == graph.inputs.len(),
        "number of inputs",
        graph.inputs.len(),
        inputs.len(),
    )?;
    let batch = inputs[0].batch();
    let mut values: Vec<Option<Tensor>> = vec![None; graph.values.len()];
    for (declared, tensor) in graph.inputs.iter().zip(inputs) {
        let value = graph.value(declared.value);
        let fits =
            tensor.kind() == value.kind && tensor.shape() == value.shape && tensor.batch() == batch;
        Place::Input(declared.name.clone()).check(
            fits,
            "tensor",
            format!("{batch} items of {value}"),
            format!(
                "{} of {} {}",
                tensor.batch(),
                tensor.kind().name(),
                tensor.shape()
            ),
        )?;
        values[declared.value.index()] = Some(tensor.clone());
    }
    for node in &graph.nodes {
        let tensors: Vec<_> = node
            .inputs
            .iter()
            .map(|id| values[id.index()].as_ref().expect("an earlier value"))
            .collect();
        let value = graph.value(node.outputs[0]);
        let computed = compute(node, &tensors, value.shape);
        debug_assert_eq!(
            (computed.kind(), computed.shape()),
            (value.kind, value.shape)
        );
        values[node.outputs[0].index()] = Some(computed);
    }
    Ok(values
        .into_iter()
        .map(|value| value.expect("a valid graph makes every value"))
        .collect())
}

/// The output of one node on inputs that suit it, of the given shape.
pub(crate) fn compute(node: &Node, inputs: &[&Tensor], shape: Shape) -> Tensor {
    let batch = inputs.iter().map(|input| input.batch()).max().unwrap_or(1);
    match &node.op {
        Op::Constant(tensor) => tensor.clone(),
        Op::Sign => bits(inputs[0], |x, _| match x {
            Number::Int(x) => x >= 0,
            Number::Real(x) => x >= 0.0,
        }),
        Op::Threshold(list) => bits(inputs[0], |x, channel| {
            list[channel % list.len()].apply(x.int() as i32)
        }),
        Op::RealThreshold(list) => bits(inputs[0], |x, channel| {
            list[channel % list.len()].apply(x.real())
        }),
        Op::Cast(kind) => cast(inputs[0], *kind),
        Op::BinaryConv(conv) => layers::binary_conv(conv, inputs[0], shape),
        Op::BinaryDense(weights) => layers::binary_dense(weights, inputs[0], shape),
        Op::Conv(conv) => layers::conv(conv, inputs[0], shape),
        Op::Dense(dense) => layers::dense(dense, inputs[0], shape),
        Op::Affine { scale, bias } => reals(inputs[0], |x, channel| {
            let product = x * scalar::of_channel(scale, channel, 1.0);
            product + scalar::of_channel(bias, channel, 0.0)
        }),
        Op::PixelBias(bias) => pixel_bias(bias, inputs[0]),
        Op::Binary(op) => binary(*op, inputs[0], inputs[1], batch, shape),
        Op::Select => shapes::select(inputs, batch, shape),
        Op::Unary(op) => reals(inputs[0], |x, _| scalar::unary(*op, x)),
        Op::Prelu(prelu) => reals(inputs[0], |x, channel| {
            let x = x + scalar::of_channel(&prelu.before, channel, 0.0);
            scalar::prelu(x, scalar::of_channel(&prelu.slope, channel, 1.0))
                + scalar::of_channel(&prelu.after, channel, 0.0)
        }),
        Op::Quantize(quantize) => reals(inputs[0], |x, channel| {
            scalar::quantize(
                x,
                scalar::of_channel(&quantize.scale, channel, 1.0),
                scalar::of_channel(&quantize.zero_point, channel, 0.0),
                [quantize.low, quantize.high],
                quantize.rounding,
            )
        }),
        Op::Pool(pool) => layers::pool(pool, inputs[0], shape),
        Op::Reduce { kind, axes } => layers::reduce(*kind, *axes, inputs[0], shape),
        Op::Softmax => layers::softmax(inputs[0], false),
        Op::LogSoftmax => layers::softmax(inputs[0], true),
        Op::ArgMax => layers::argmax(inputs[0], shape),
        Op::Concat(axis) => shapes::concat(*axis, inputs, batch, shape),
        &Op::Slice {
            axis, start, step, ..
        } => shapes::slice(inputs[0], axis, start, step, shape),
        Op::Pad { before, value, .. } => shapes::pad(inputs[0], *before, *value, shape),
        Op::Reshape(_) => shapes::reshape(inputs[0], shape),
        Op::Transpose { dims, perm, .. } => shapes::transpose(inputs[0], dims, perm, shape),
    }
}

/// An element.
#[derive(Clone, Copy)]
enum Number {
    Int(i64),
    Real(f32),
}

impl Number {
    fn int(self) -> i64 {
        match self {
            Self::Int(value) => value,
            Self::Real(value) => value as i64,
        }
    }

    fn real(self) -> f32 {
        match self {
            Self::Int(value) => value as f32,
            Self::Real(value) => value,
        }
    }
}

/// An element by its place.
fn number(tensor: &Tensor, index: usize) -> Number {
    match tensor.data() {
        Data::Bit(values) => Number::Int(sign(values[index]).into()),
        Data::U8(values) => Number::Int(values[index].into()),
        Data::I32(values) => Number::Int(values[index].into()),
        Data::F32(values) => Number::Real(values[index]),
    }
}

/// A tensor of `batch` items with the given data, which fit.
fn tensor(batch: usize, shape: Shape, data: Data) -> Tensor {
    Tensor::new(batch, shape, data).expect("as many values as the shape has")
}

/// A bit of each element and its channel.
fn bits(input: &Tensor, function: impl Fn(Number, usize) -> bool) -> Tensor {
    let channels = input.shape().channels;
    let bit = |index| function(number(input, index), index % channels);
    let values = (0..input.data().len()).map(bit).collect();
    tensor(input.batch(), input.shape(), Data::Bit(values))
}

/// A float of each element and its channel.
fn reals(input: &Tensor, function: impl Fn(f32, usize) -> f32) -> Tensor {
    let channels = input.shape().channels;
    let real = |index| function(number(input, index).real(), index % channels);
    let values = (0..input.data().len()).map(real).collect();
    tensor(input.batch(), input.shape(), Data::F32(values))
}

fn pixel_bias(bias: &PixelBias, input: &Tensor) -> Tensor {
    let Shape {
        height,
        width,
        channels,
    } = input.shape();
    let terms = bias.view().terms(channels);
    let values = (0..input.data().len()).map(|index| {
        let (pixel, channel) = (index / channels, index % channels);
        let place = [pixel / width % height, pixel % width];
        let x = number(input, index).real();
        match terms(place) {
            Some(terms) => x + terms[channel],
            None => x,
        }
    });
    let values = values.collect();
    tensor(input.batch(), input.shape(), Data::F32(values))
}

fn cast(input: &Tensor, kind: Kind) -> Tensor {
    match (input.data(), kind) {
        (Data::F32(values), Kind::I32) => {
            let integers = values.iter().map(|&value| value as i32).collect();
            tensor(input.batch(), input.shape(), Data::I32(integers))
        }
        (_, Kind::F32) => reals(input, |x, _| x),
        (_, Kind::I32) => {
            let integer = |index| number(input, index).int() as i32;
            let integers = (0..input.data().len()).map(integer).collect();
            tensor(input.batch(), input.shape(), Data::I32(integers))
        }
        _ => input.clone(),
    }
}

fn binary(op: BinaryOp, a: &Tensor, b: &Tensor, batch: usize, shape: Shape) -> Tensor {
    let places = shapes::places(batch, shape);
    let pairs = places.map(|place| {
        let at = |tensor| number(tensor, shapes::broadcast_index(tensor, place));
        (at(a), at(b))
    });
    let data = match (a.kind(), op.is_comparison()) {
        (Kind::F32, true) => Data::Bit(
            pairs
                .map(|(a, b)| scalar::binary(op, a.real(), b.real()) > 0.0)
                .collect(),
        ),
        (Kind::F32, false) => Data::F32(
            pairs
                .map(|(a, b)| scalar::binary(op, a.real(), b.real()))
                .collect(),
        ),
        (_, true) => Data::Bit(
            pairs
                .map(|(a, b)| scalar::binary_i32(op, a.int() as i32, b.int() as i32) > 0)
                .collect(),
        ),
        (_, false) => Data::I32(
            pairs
                .map(|(a, b)| scalar::binary_i32(op, a.int() as i32, b.int() as i32))
                .collect(),
        ),
    };
    tensor(batch, shape, data)
}
