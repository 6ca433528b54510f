//! What a net is made of, to look at.

use crate::edges::{Edge, dtype};
use bernet_kernels::bits::BitMatrix;
use bernet_runtime::graph::{ConvParams, Graph, Kind, Op, Pixels};
use numpy::{PyArray1, PyArrayMethods};
use pyo3::prelude::*;

/// An input or output of a net.
#[pyclass(frozen, get_all, module = "bernet")]
pub(crate) struct Tensor {
    /// Its name in the net's file.
    name: String,
    /// The sizes of its array; None is any number of items.
    shape: Vec<Option<usize>>,
    /// "bit", "uint8", "int32" or "float32".
    dtype: &'static str,
    /// What a picture's pixels become: "pixel >= 128", "pixel", "pixel * [scale] + [bias]"; None where nobody said it.
    pixels: Option<String>,
}

impl Tensor {
    pub(crate) fn new(edge: Edge<'_>, pixels: Option<&Pixels>) -> Self {
        let batch = edge.layout.batch.then_some(None);
        let dims = edge.layout.dims.iter().map(|&size| Some(size));
        Self {
            name: edge.name.into(),
            shape: batch.into_iter().chain(dims).collect(),
            dtype: name(edge.value.kind),
            pixels: pixels.and_then(|pixels| match pixels {
                Pixels::Unsaid => None,
                Pixels::AtLeast(limit) => Some(format!("pixel >= {limit}")),
                Pixels::Bytes => Some("pixel".into()),
                Pixels::Affine { scale, bias } => Some(format!("pixel * {scale:?} + {bias:?}")),
            }),
        }
    }
}

#[pymethods]
impl Tensor {
    fn __repr__(&self) -> String {
        let sizes = self.shape.iter();
        let sizes = sizes.map(|size| size.map_or("n".into(), |size| size.to_string()));
        let sizes: Vec<_> = sizes.collect();
        format!(
            "<bernet.Tensor {}: {} ({})>",
            self.name,
            self.dtype,
            sizes.join(", ")
        )
    }
}

/// A node of a net.
#[pyclass(frozen, get_all, module = "bernet")]
pub(crate) struct Layer {
    /// Its name in the file that the net came from; may be empty.
    name: String,
    /// What it computes: "binary conv", "threshold", "add", …
    operator: &'static str,
    /// Height, width and channels of what it gives.
    shape: (usize, usize, usize),
    /// "bit", "uint8", "int32" or "float32": the type of what it gives.
    dtype: &'static str,
    /// Weights, or None: int8 of ±1 where they are bits, else float32. Of a convolution (outputs, height, width, inputs a group), of a dense
    /// layer (outputs, inputs).
    weights: Option<Py<PyAny>>,
    /// One number for each output, or None.
    bias: Option<Py<PyAny>>,
}

#[pymethods]
impl Layer {
    fn __repr__(&self) -> String {
        let (height, width, channels) = self.shape;
        format!(
            "<bernet.Layer {} → {} {height}×{width}×{channels}>",
            self.operator, self.dtype
        )
    }
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Bit => "bit",
        kind => dtype(kind),
    }
}

/// The nodes of a graph.
pub(crate) fn layers<'py>(py: Python<'py>, graph: &Graph) -> PyResult<Vec<Bound<'py, Layer>>> {
    let nodes = graph.nodes.iter();
    nodes
        .map(|node| {
            let value = graph.value(node.outputs[0]);
            let (weights, bias) = weights(py, &node.op)?;
            let [height, width, channels] = value.shape.dims();
            let layer = Layer {
                name: node.name.clone(),
                operator: node.op.name(),
                shape: (height, width, channels),
                dtype: name(value.kind),
                weights,
                bias,
            };
            Bound::new(py, layer)
        })
        .collect()
}

type Array = Option<Py<PyAny>>;

fn weights(py: Python<'_>, op: &Op) -> PyResult<(Array, Array)> {
    Ok(match op {
        Op::BinaryConv(conv) => {
            let sizes = sizes(&conv.params, conv.weights.rows(), conv.weights.columns());
            (Some(array(py, signs(&conv.weights), sizes)?), None)
        }
        Op::BinaryDense(weights) => {
            let sizes = vec![weights.rows(), weights.columns()];
            (Some(array(py, signs(weights), sizes)?), None)
        }
        Op::Conv(conv) => {
            let columns = conv.weights.len() / conv.outputs;
            let sizes = sizes(&conv.params, conv.outputs, columns);
            let weights = array(py, conv.weights.clone(), sizes)?;
            (Some(weights), bias(py, &conv.bias)?)
        }
        Op::Dense(dense) => {
            let sizes = vec![dense.outputs, dense.weights.len() / dense.outputs];
            let weights = array(py, dense.weights.clone(), sizes)?;
            (Some(weights), bias(py, &dense.bias)?)
        }
        _ => (None, None),
    })
}

fn sizes(params: &ConvParams, outputs: usize, columns: usize) -> Vec<usize> {
    let [height, width] = params.kernel;
    vec![outputs, height, width, columns / (height * width)]
}

fn signs(weights: &BitMatrix) -> Vec<i8> {
    let rows = 0..weights.rows();
    rows.flat_map(|row| (0..weights.columns()).map(move |column| (row, column)))
        .map(|(row, column)| if weights.get(row, column) { 1 } else { -1 })
        .collect()
}

fn bias(py: Python<'_>, values: &[f32]) -> PyResult<Array> {
    match values {
        [] => Ok(None),
        values => Ok(Some(array(py, values.to_vec(), vec![values.len()])?)),
    }
}

fn array<T: numpy::Element>(
    py: Python<'_>,
    values: Vec<T>,
    sizes: Vec<usize>,
) -> PyResult<Py<PyAny>> {
    let array = PyArray1::from_vec(py, values).reshape(sizes)?;
    Ok(array.into_any().unbind())
}
