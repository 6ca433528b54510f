//! A graph to a model, node by node.

mod activation;
mod arithmetic;
mod layout;
mod output;
mod pixels;
mod pool;
mod product;
mod source;
#[cfg(test)]
mod tests;

use super::{
    ImportError,
    constant::{Constant, Kind},
    exact::Exact,
    graph::{Graph, GraphInput, Node},
    proto::data_type,
    signal::{self, Base, Map, Signal},
};
use crate::model::{Input, Layer, Model};
use bernet_kernels::bits::Shape;
use std::{collections::HashMap, rc::Rc};

/// The work that a graph may take, in values gone through, besides 32 times those in the file: that is some nodes for each of
/// some hundred tensors of a net, and a bound on what a crafted graph can cost.
const WORK_LIMIT: usize = 1 << 26;

/// What arithmetic on an exact number costs, in the same measure.
const EXACT_WORK: usize = 64;

/// The bytes that values still to be read may take, besides the constants of the file: a few of the largest tensors.
const MEMORY_LIMIT: usize = 40 << 20;

/// What is wrong with a node, without its name.
type Why = String;

/// A tensor.
#[derive(Clone)]
enum Value {
    Constant(Rc<Constant>),
    Signal(Signal),
    /// Logits after an operator that leaves their order as it is, with its name.
    Decided(Signal, String),
}

/// What is known of a graph up to some node.
struct Importer {
    values: HashMap<String, Value>,
    /// The images; the threshold is known once the image has been binarised.
    input: Shape,
    threshold: Option<u8>,
    /// Whether the first layer multiplies grey values, which then don't become bits.
    grey: bool,
    layers: Vec<Layer>,
}

/// The model that an ONNX or QONNX file describes; see [the module](super) for what that can be.
///
/// The file's metadata are kept. Where the graph ends in a softmax or an argmax, the logits before it are the model's, and the
/// metadata say so under `onnx.output`.
///
/// # Errors
/// [`ImportError`] that names the tensor or the node in the way.
pub fn import(bytes: &[u8]) -> Result<Model, ImportError> {
    let graph = Graph::read(bytes)?;
    let stored: usize = graph
        .constants
        .values()
        .map(|constant| constant.values.len())
        .sum();
    let mut work = stored.saturating_mul(32).saturating_add(WORK_LIMIT);
    let mut importer = Importer::new(&graph.input)?;
    for (name, constant) in graph.constants {
        importer
            .values
            .insert(name, Value::Constant(Rc::new(constant)));
    }
    // A value is kept until the last node that reads it is done.
    let mut last_reader = HashMap::from([(graph.output.as_str(), usize::MAX)]);
    for (index, node) in graph.nodes.iter().enumerate().rev() {
        for name in node.inputs() {
            last_reader.entry(name).or_insert(index);
        }
    }
    let mut room = MEMORY_LIMIT;
    for (index, node) in graph.nodes.iter().enumerate() {
        let outputs = importer.node(node).map_err(|why| node.error(why))?;
        let touched = node.inputs().filter_map(|name| importer.values.get(name));
        let touched: usize = touched.chain(&outputs).map(Value::work).sum();
        work = work.checked_sub(touched).ok_or_else(|| {
            node.error("more work up to here than a net of this size can need".into())
        })?;
        for (name, value) in node.outputs().zip(outputs) {
            if last_reader.contains_key(name) {
                room = room
                    .checked_sub(value.memory())
                    .ok_or_else(|| node.error("more memory than a net should need".into()))?;
                importer.values.insert(name.into(), value);
            }
        }
        for name in node.inputs().filter(|&name| last_reader[name] == index) {
            let read = importer.values.remove(name);
            room += read.as_ref().map_or(0, Value::memory);
        }
    }
    let Some(output) = importer.values.remove(&graph.output) else {
        // A node's optional outputs are not computed.
        return Err(ImportError::Graph {
            why: format!(
                "the output {:?} is an optional output of its node",
                graph.output
            ),
        });
    };
    let mut metadata = graph.metadata;
    if let Value::Decided(_, op) = &output {
        let note = format!("the logits before {op}");
        metadata.insert("onnx.output".into(), note);
    }
    importer.finish(output).map_err(|why| ImportError::Graph {
        why: format!("output {:?}: {why}", graph.output),
    })?;
    let input = importer.input;
    let model = Model {
        input: Input {
            height: input.height,
            width: input.width,
            channels: input.channels,
            threshold: if importer.grey {
                None
            } else {
                Some(importer.threshold.unwrap_or_default())
            },
        },
        layers: importer.layers,
        metadata,
    };
    model.validate()?;
    Ok(model)
}

impl Value {
    /// Its bytes, about: a number of a map takes some hundred, and up to a thousand.
    fn memory(&self) -> usize {
        match self {
            Self::Constant(constant) => size_of::<f64>() * constant.values.len(),
            Self::Signal(signal) | Self::Decided(signal, _) => {
                size_of::<u32>() * signal.values() + 1024 * signal.maps.len()
            }
        }
    }

    /// What going through it once costs.
    fn work(&self) -> usize {
        match self {
            Self::Constant(constant) => constant.values.len(),
            Self::Signal(signal) | Self::Decided(signal, _) => {
                signal.values() + EXACT_WORK * signal.maps.len()
            }
        }
    }
}

impl Importer {
    fn new(input: &GraphInput) -> Result<Self, ImportError> {
        let wrong = |why| ImportError::Graph {
            why: format!("input {:?}: {why}", input.name),
        };
        let (dims, shape) = image_shape(&input.dims).map_err(wrong)?;
        let bytes = match input.data_type {
            data_type::UINT8 => true,
            data_type::FLOAT => false,
            other => return Err(wrong(format!("data of type {other}"))),
        };
        let map = Map {
            scale: Exact::integer(1),
            bias: Exact::integer(0),
        };
        let maps = vec![map; shape.channels];
        let mut image = Signal::planes(Base::Image { bytes }, shape, maps);
        // Lines of pixels of channels are the order of the base.
        if !planes_first(&dims) {
            image.places = (0..image.values() as u32).collect();
        }
        image.dims = dims;
        Ok(Self {
            values: [(input.name.clone(), Value::Signal(image))].into(),
            input: shape,
            threshold: None,
            grey: false,
            layers: Vec::new(),
        })
    }

    /// The values of a node's first outputs.
    fn node(&mut self, node: &Node) -> Result<Vec<Value>, Why> {
        let value = match node.op()? {
            "Constant" => constant_node(node)?,
            "Shape" => self.shape(node)?,
            "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => self.reshape(node)?,
            "Transpose" => self.transpose(node)?,
            "Slice" => self.slice(node)?,
            "Gather" => self.gather(node)?,
            "Concat" => self.concat(node)?,
            "Pad" => self.pad(node)?,
            "Identity" | "Cast" | "Dropout" => self.pass(node)?,
            "Add" | "Sub" | "Mul" | "Div" | "Pow" => self.binary(node)?,
            "Neg" | "Sqrt" => self.unary(node)?,
            "BatchNormalization" => self.batch_normalization(node)?,
            "BipolarQuant" => self.bipolar_quant(node)?,
            "Quant" | "IntQuant" => self.quant(node)?,
            "MultiThreshold" => self.multi_threshold(node)?,
            "Sign" => self.sign(node)?,
            "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" => self.comparison(node)?,
            "Not" => self.not(node)?,
            "Where" => self.choice(node)?,
            "MatMul" => self.matmul(node)?,
            "Gemm" => self.gemm(node)?,
            "Conv" => self.conv(node)?,
            "MaxPool" => self.max_pool(node)?,
            "GlobalAveragePool" | "ReduceSum" | "ReduceMean" => self.reduce(node)?,
            "Softmax" | "LogSoftmax" | "ArgMax" => self.decided(node)?,
            _ => return Err("this operator cannot be expressed in a binary net".into()),
        };
        Ok(vec![value])
    }

    fn value(&self, node: &Node, index: usize) -> Result<&Value, Why> {
        let name = node
            .input(index)
            .ok_or_else(|| format!("input {index} is missing"))?;
        self.values
            .get(name)
            .ok_or_else(|| format!("{name:?} is an optional output of its node"))
    }

    /// An input that depends on the image.
    fn signal(&self, node: &Node, index: usize) -> Result<&Signal, Why> {
        match self.value(node, index)? {
            Value::Signal(signal) => Ok(signal),
            Value::Constant(_) => Err(format!("input {index} is a constant")),
            Value::Decided(_, op) => Err(format!("nothing may come after {op}")),
        }
    }

    /// An input that does not.
    fn constant(&self, node: &Node, index: usize) -> Result<&Constant, Why> {
        match self.value(node, index)? {
            Value::Constant(constant) => Ok(constant),
            _ => Err(format!(
                "input {index} depends on the image, expected a constant"
            )),
        }
    }

    /// An input that may be left out.
    fn optional(&self, node: &Node, index: usize) -> Result<Option<&Constant>, Why> {
        match node.input(index) {
            None => Ok(None),
            Some(_) => self.constant(node, index).map(Some),
        }
    }
}

fn constant_node(node: &Node) -> Result<Value, Why> {
    let constant = if let Some(attribute) = node.attribute("value") {
        let tensor = attribute
            .t
            .as_deref()
            .ok_or("the attribute value is not a tensor")?;
        Constant::read(tensor).map_err(|error| error.to_string())?
    } else if node.attribute("value_float").is_some() {
        Constant::scalar(Kind::Single, node.float("value_float", 0.0).into())
    } else if node.attribute("value_int").is_some() {
        Constant::scalar(Kind::Integer, node.integer("value_int", 0) as f64)
    } else if let Some(integers) = node.integers("value_ints") {
        let values = integers.iter().map(|&value| value as f64).collect();
        Constant::new(Kind::Integer, vec![integers.len()], values)
    } else {
        return Err(
            "expected one of the attributes value, value_float, value_int and value_ints".into(),
        );
    };
    Ok(Value::Constant(Rc::new(constant)))
}

/// The dimensions of the input, an open batch being 1, and the image in them: `[batch, channels, height, width]`, `[batch, height,
/// width, channels]` if only then there are at most four channels, `[batch, height, width]`, or `[batch, pixels]` of a square.
fn image_shape(dims: &[Option<usize>]) -> Result<(Vec<usize>, Shape), Why> {
    let sizes: Option<Vec<_>> = dims.iter().skip(1).copied().collect();
    let sizes = sizes.filter(|sizes| !sizes.is_empty()).ok_or_else(|| {
        format!("expected dimensions after that of the batch that are numbers, found {dims:?}")
    })?;
    let whole: Vec<_> = [dims[0].unwrap_or(1)]
        .into_iter()
        .chain(sizes.iter().copied())
        .collect();
    signal::check_size(&whole)?;
    let [height, width, channels] = match *sizes {
        [pixels] => {
            let side = pixels.isqrt();
            if side * side == pixels {
                [side, side, 1]
            } else {
                [1, pixels, 1]
            }
        }
        [height, width] => [height, width, 1],
        [channels, height, width] if planes_first(&whole) => [height, width, channels],
        [height, width, channels] => [height, width, channels],
        _ => return Err(format!("expected 2 to 4 dimensions, found {}", dims.len())),
    };
    signal::check_channels(channels)?;
    let shape = Shape {
        batch: 1,
        height,
        width,
        channels,
    };
    Ok((whole, shape))
}

/// Whether the channels come before the lines.
fn planes_first(dims: &[usize]) -> bool {
    !matches!(dims, [_, first, _, last] if *first > 4 && *last <= 4)
}
