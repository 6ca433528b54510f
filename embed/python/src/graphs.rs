//! Graphs built operator by operator, as `python/bernet/torch/_export.py` does.

use crate::{
    arrays::{array, values},
    errors::value,
    model::Model,
};
use bernet::exchange::pixels::{self, Reading};
use bernet_kernels::{bits::BitMatrix, xnor::PaddingValue};
use bernet_runtime::{
    graph::{
        ArrayLayout, Axis, BinaryConv, BinaryOp, Conv, ConvParams, Dense, Graph, Kind, Op, Pixels,
        PoolKind, PoolParams, Prelu, ReduceKind, Shape, UnaryOp, ValueId,
    },
    passes::{self, Passes},
};
use numpy::{PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::{prelude::*, types::PyDict};

/// A graph under construction. Values are numbers, in the order in which they were added.
#[pyclass(module = "bernet._native")]
pub(crate) struct GraphBuilder {
    graph: Graph,
}

/// The options of an operator, by name.
struct Named<'a, 'py> {
    operator: &'a str,
    options: &'a Bound<'py, PyDict>,
}

impl<'py> Named<'_, 'py> {
    fn find(&self, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        let found = self.options.get_item(name)?;
        Ok(found.filter(|found| !found.is_none()))
    }

    fn any(&self, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let found = self.find(name)?;
        found.ok_or_else(|| value(format!("{}: expected the option {name:?}", self.operator)))
    }

    fn get<T>(&self, name: &str) -> PyResult<T>
    where
        T: for<'a> FromPyObject<'a, 'py, Error = PyErr>,
    {
        self.any(name)?.extract()
    }

    /// Floats of any shape in the order of the array; none where the option is left out.
    fn floats(&self, name: &str) -> PyResult<Vec<f32>> {
        let Some(found) = self.find(name)? else {
            return Ok(Vec::new());
        };
        let found: PyReadonlyArrayDyn<'_, f32> = array(name, &found, "float32")?;
        Ok(values(&found).into_owned())
    }

    /// Floats in rows, and how many rows.
    fn rows(&self, name: &str) -> PyResult<(usize, Vec<f32>)> {
        let found: PyReadonlyArrayDyn<'_, f32> = array(name, &self.any(name)?, "float32")?;
        let rows = found.shape().first().copied().unwrap_or(0);
        Ok((rows, values(&found).into_owned()))
    }

    /// Rows of ±1.
    fn signs(&self, name: &str) -> PyResult<BitMatrix> {
        let (rows, all) = self.rows(name)?;
        let columns = all.len() / rows.max(1);
        if let Some(other) = all.iter().find(|weight| weight.abs() != 1.0) {
            return Err(value(format!("{name}: expected -1 and 1, found {other}")));
        }
        BitMatrix::from_signs(rows, columns, &all).map_err(value)
    }

    fn axis(&self) -> PyResult<Axis> {
        Ok([Axis::Height, Axis::Width, Axis::Channels][self.get::<usize>("axis")?.min(2)])
    }

    fn conv_params(&self) -> PyResult<ConvParams> {
        Ok(ConvParams {
            kernel: self.get("kernel")?,
            stride: self.get("stride")?,
            dilation: self.get("dilation")?,
            padding: self.get("padding")?,
            padding_value: match self.get::<i32>("padding_value")? {
                -1 => PaddingValue::MinusOne,
                1 => PaddingValue::PlusOne,
                _ => PaddingValue::Zero,
            },
            groups: self.get("groups")?,
        })
    }

    fn unary(&self) -> PyResult<Option<UnaryOp>> {
        Ok(Some(match self.operator {
            "relu" => UnaryOp::Relu,
            "clip" => UnaryOp::Clip {
                low: self.get("low")?,
                high: self.get("high")?,
            },
            "leaky relu" => UnaryOp::LeakyRelu(self.get("slope")?),
            "elu" => UnaryOp::Elu(self.get("alpha")?),
            "sigmoid" => UnaryOp::Sigmoid,
            "tanh" => UnaryOp::Tanh,
            "abs" => UnaryOp::Abs,
            "neg" => UnaryOp::Neg,
            _ => return Ok(None),
        }))
    }

    fn op(&self) -> PyResult<Op> {
        if let Some(unary) = self.unary()? {
            return Ok(Op::Unary(unary));
        }
        Ok(match self.operator {
            "sign" => Op::Sign,
            "cast" => Op::Cast(kind(&self.get::<String>("kind")?)?),
            "binary conv" => Op::BinaryConv(BinaryConv {
                params: self.conv_params()?,
                weights: self.signs("weights")?,
            }),
            "binary dense" => Op::BinaryDense(self.signs("weights")?),
            "conv" => {
                let (outputs, weights) = self.rows("weights")?;
                Op::Conv(Conv {
                    params: self.conv_params()?,
                    outputs,
                    weights,
                    bias: self.floats("bias")?,
                })
            }
            "dense" => {
                let (outputs, weights) = self.rows("weights")?;
                Op::Dense(Dense {
                    outputs,
                    weights,
                    bias: self.floats("bias")?,
                })
            }
            "affine" => Op::Affine {
                scale: self.floats("scale")?,
                bias: self.floats("bias")?,
            },
            "add" => Op::Binary(BinaryOp::Add),
            "sub" => Op::Binary(BinaryOp::Sub),
            "mul" => Op::Binary(BinaryOp::Mul),
            "prelu" => Op::Prelu(Prelu {
                before: Vec::new(),
                slope: self.floats("slope")?,
                after: Vec::new(),
            }),
            "max pool" | "average pool" | "average pool with padding" => Op::Pool(PoolParams {
                kind: match self.operator {
                    "max pool" => PoolKind::Max,
                    "average pool" => PoolKind::Average,
                    _ => PoolKind::AveragePadded,
                },
                kernel: self.get("kernel")?,
                stride: self.get("stride")?,
                padding: self.get("padding")?,
            }),
            "mean" | "sum" => Op::Reduce {
                kind: match self.operator {
                    "mean" => ReduceKind::Mean,
                    _ => ReduceKind::Sum,
                },
                axes: self.get("axes")?,
            },
            "softmax" => Op::Softmax,
            "log softmax" => Op::LogSoftmax,
            "concat" => Op::Concat(self.axis()?),
            "pad" => Op::Pad {
                before: self.get("before")?,
                after: self.get("after")?,
                value: self.get("value")?,
            },
            "reshape" => Op::Reshape(self.get::<[usize; 3]>("shape")?.into()),
            "transpose" => Op::Transpose {
                dims: self.get("dims")?,
                perm: self.get("perm")?,
                shape: self.get::<[usize; 3]>("shape")?.into(),
            },
            other => return Err(value(format!("operator: none is named {other:?}"))),
        })
    }
}

fn kind(name: &str) -> PyResult<Kind> {
    Ok(match name {
        "bit" => Kind::Bit,
        "uint8" => Kind::U8,
        "int32" => Kind::I32,
        "float32" => Kind::F32,
        _ => {
            return Err(value(format!(
                "kind: expected one of bit, uint8, int32, float32, found {name:?}"
            )));
        }
    })
}

/// How PyTorch holds a value: channels first, or as a vector.
fn layout(shape: Shape, flat: bool) -> ArrayLayout {
    match flat {
        true => ArrayLayout::flat(shape.len()),
        false => ArrayLayout::nchw(shape),
    }
}

#[pymethods]
impl GraphBuilder {
    #[new]
    fn new() -> Self {
        let graph = Graph::default();
        Self { graph }
    }

    /// Adds the input: its type, (height, width, channels) of an item, whether arrays of it are vectors, and what pixels become
    /// where it is of floats.
    fn add_input(
        &mut self,
        name: &str,
        kind: &str,
        shape: [usize; 3],
        flat: bool,
        pixels: Option<&str>,
    ) -> PyResult<u32> {
        let (kind, shape) = (self::kind(kind)?, Shape::from(shape));
        let id = self.graph.add_input(name, kind, shape).map_err(value)?;
        let input = self.graph.inputs.last_mut().expect("one was added");
        input.layout = layout(shape, flat);
        match kind {
            Kind::Bit => input.pixels = Pixels::AtLeast(128),
            Kind::U8 => input.pixels = Pixels::Bytes,
            _ => {}
        }
        if let Some(pixels) = pixels {
            let reading: Reading = pixels.parse().map_err(value)?;
            pixels::set(&mut self.graph, &reading.into()).map_err(value)?;
        }
        Ok(id.0)
    }

    /// Adds an operator, by its name and its options; returns its value.
    fn add(
        &mut self,
        name: &str,
        operator: &str,
        inputs: Vec<u32>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<u32> {
        let op = Named { operator, options }.op()?;
        let inputs: Vec<_> = inputs.into_iter().map(ValueId).collect();
        let outputs = self.graph.add_named(name, op, &inputs).map_err(value)?;
        Ok(outputs[0].0)
    }

    /// Type, and height, width and channels of an item.
    fn describe(&self, id: u32) -> PyResult<(&'static str, [usize; 3])> {
        let found = self.graph.values.get(id as usize);
        let found = found.ok_or_else(|| value(format!("value {id}: there is none")))?;
        let kind = match found.kind {
            Kind::Bit => "bit",
            Kind::U8 => "uint8",
            Kind::I32 => "int32",
            Kind::F32 => "float32",
        };
        Ok((kind, found.shape.dims()))
    }

    /// Adds an output.
    fn add_output(&mut self, name: &str, id: u32, flat: bool) -> PyResult<()> {
        self.graph.add_output(name, ValueId(id)).map_err(value)?;
        let shape = self.graph.value(ValueId(id)).shape;
        let output = self.graph.outputs.last_mut().expect("one was added");
        output.layout = layout(shape, flat);
        Ok(())
    }

    /// The net, after all passes.
    fn finish(&self, py: Python<'_>) -> PyResult<Model> {
        let graph = py.detach(|| passes::run(&self.graph, &Passes::default()));
        Model::new(graph.map_err(value)?, Vec::new(), None, 1)
    }
}
