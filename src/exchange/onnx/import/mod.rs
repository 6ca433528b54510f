//! A file's nodes, one after the other, as nodes of a graph.

mod elementwise;
mod movement;
mod net;
mod operand;
mod product;
mod quantize;
mod reduce;
mod reshape;
mod window;

use super::{
    constant::{Budget, Constant, count, evaluate, type_of},
    error::ImportError,
    node::Node,
    proto::data_type,
    quant,
    source::{Declared, Size, Source},
};
use bernet_runtime::graph::{
    ArrayLayout, Graph, Input, Kind, Output, Pixels, Shape, VALUES_LIMIT, Value,
};
use net::{Batch, Dynamic, Net, spread};
use operand::{Known, Operand, Operands};
use std::{
    collections::{BTreeMap, HashMap},
    rc::Rc,
};

/// The graph of a file, and what is said about it.
///
/// `sizes` has the sizes of inputs by name, for those that the file leaves open.
pub(super) fn graph(
    source: &Source,
    sizes: &BTreeMap<String, Vec<usize>>,
) -> Result<(Graph, Vec<String>), ImportError> {
    let inputs = inputs(source, sizes)?;
    let batch = batch(&inputs);
    let first = with_batch(source, &inputs, batch);
    match (first, batch) {
        // A first axis of fixed size may be another thing than a batch.
        (Err(error), Batch::Fixed(_)) => with_batch(source, &inputs, Batch::One).map_err(|_| error),
        (result, _) => result,
    }
}

/// An input with all its sizes.
struct Array {
    name: String,
    kind: Kind,
    /// `None` for an open batch.
    first: Option<usize>,
    dims: Vec<usize>,
    /// What is said of its type.
    note: Option<String>,
}

fn inputs(
    source: &Source,
    sizes: &BTreeMap<String, Vec<usize>>,
) -> Result<Vec<Array>, ImportError> {
    for name in sizes.keys() {
        if !source.inputs.iter().any(|input| input.name == *name) {
            let names: Vec<_> = source.inputs.iter().map(|input| &*input.name).collect();
            return Err(ImportError::Input {
                name: name.clone(),
                why: format!(
                    "there is no such input; expected one of {}",
                    names.join(", ")
                ),
            });
        }
    }
    let of = |input: &Declared| {
        self::input(input, sizes.get(&input.name)).map_err(|why| ImportError::Input {
            name: input.name.clone(),
            why,
        })
    };
    source.inputs.iter().map(of).collect()
}

fn input(declared: &Declared, given: Option<&Vec<usize>>) -> Result<Array, String> {
    let mut note = None;
    let kind = match declared.data_type {
        data_type::FLOAT => Kind::F32,
        data_type::DOUBLE | data_type::FLOAT16 | data_type::BFLOAT16 => {
            let (name, _) = type_of(declared.data_type)?;
            note = Some(format!(
                "input {:?} is {name} in the file; it is float32 here, as is all arithmetic",
                declared.name
            ));
            Kind::F32
        }
        data_type::UINT8 => Kind::U8,
        data_type::INT32 | data_type::INT64 | data_type::INT8 | data_type::INT16 => Kind::I32,
        data_type::UINT16 => Kind::I32,
        data_type::BOOL => Kind::Bit,
        0 => return Err("expected a tensor, found another type".into()),
        other => {
            let (name, _) = type_of(other)?;
            return Err(format!("expected floats, integers or bool, found {name}"));
        }
    };
    let option = "say its sizes, for instance --input-shape NAME=1,3,224,224";
    let sizes = match (&declared.dims, given) {
        (Some(declared), None) => declared.clone(),
        (None, None) => {
            return Err(format!("the file does not say its shape; {option}"));
        }
        (declared, Some(given)) => {
            let fits = declared.as_ref().is_none_or(|declared| {
                declared.len() == given.len()
                    && declared
                        .iter()
                        .zip(given)
                        .skip(1)
                        .all(|(size, &given)| match size {
                            Size::Fixed(size) => *size == given,
                            Size::Open(_) => true,
                        })
            });
            if !fits || given.contains(&0) {
                return Err(format!(
                    "shape: expected one that fits {declared:?}, found {given:?}"
                ));
            }
            let first = declared.as_ref().and_then(|declared| declared.first());
            let mut sizes: Vec<_> = given.iter().map(|&size| Size::Fixed(size)).collect();
            if let (Some(first), Some(place)) = (first, sizes.first_mut()) {
                place.clone_from(first);
            }
            sizes
        }
    };
    let mut dims = Vec::with_capacity(sizes.len());
    for (axis, size) in sizes.iter().enumerate() {
        dims.push(match size {
            Size::Fixed(size) => *size,
            Size::Open(_) if axis == 0 => 1,
            Size::Open(name) => {
                let name = if name.is_empty() {
                    format!("axis {axis}")
                } else {
                    format!("axis {axis}, {name:?},")
                };
                return Err(format!(
                    "the file leaves the size of {name} open, and a net has images of one size; \
                     {option}"
                ));
            }
        });
    }
    if dims.is_empty() {
        return Err("expected an array with axes, found a single number".into());
    }
    let item = count(&dims[1..]).filter(|&len| len <= VALUES_LIMIT);
    if item.is_none() || dims[0] > VALUES_LIMIT {
        return Err(format!(
            "expected at most {VALUES_LIMIT} values an item, found {dims:?}"
        ));
    }
    Ok(Array {
        name: declared.name.clone(),
        kind,
        first: match sizes.first() {
            Some(Size::Fixed(size)) => Some(*size),
            _ => None,
        },
        dims,
        note,
    })
}

/// What the first axis of the inputs is.
fn batch(inputs: &[Array]) -> Batch {
    if inputs.iter().any(|input| input.first.is_none()) {
        return Batch::Open;
    }
    let size = inputs[0].first.unwrap_or(1);
    if size == 1 || inputs.iter().any(|input| input.first != Some(size)) {
        Batch::One
    } else {
        Batch::Fixed(size)
    }
}

fn with_batch(
    source: &Source,
    inputs: &[Array],
    batch: Batch,
) -> Result<(Graph, Vec<String>), ImportError> {
    let mut importer = Importer {
        net: Net {
            graph: Graph::default(),
            batch,
            name: String::new(),
            notes: Vec::new(),
            room: source.elements.saturating_mul(32).saturating_add(1 << 22),
        },
        values: HashMap::new(),
        budget: Budget::new(source.elements),
    };
    for (name, constant) in &source.constants {
        let known = Known::shared(Rc::clone(constant));
        importer.values.insert(name.clone(), Operand::Known(known));
    }
    for input in inputs {
        importer
            .input(source, input)
            .map_err(|why| ImportError::Input {
                name: input.name.clone(),
                why,
            })?;
    }
    let readers = last_readers(source);
    for (index, node) in source.nodes.iter().enumerate() {
        importer.node(node).map_err(|why| node.error(why))?;
        // Constants that nothing reads any more make room.
        for name in node.inputs() {
            if readers.get(name.as_str()) == Some(&index) {
                importer.values.remove(name);
            }
        }
    }
    for output in &source.outputs {
        importer.output(output).map_err(|why| ImportError::Output {
            name: output.name.clone(),
            why,
        })?;
    }
    let mut graph = importer.net.graph;
    graph.metadata = source.metadata.clone();
    graph.validate()?;
    Ok((graph, importer.net.notes))
}

/// The last node that reads each name; outputs are read to the end.
fn last_readers(source: &Source) -> HashMap<&str, usize> {
    let mut readers = HashMap::new();
    for (index, node) in source.nodes.iter().enumerate() {
        for name in node.inputs() {
            readers.insert(name.as_str(), index);
        }
    }
    for output in &source.outputs {
        readers.remove(output.name.as_str());
    }
    readers
}

struct Importer {
    net: Net,
    values: HashMap<String, Operand>,
    budget: Budget,
}

impl Importer {
    fn input(&mut self, source: &Source, input: &Array) -> Result<(), String> {
        let Array {
            name, kind, dims, ..
        } = input;
        if let Some(note) = &input.note {
            self.net.note(note.clone());
        }
        let mut dims = dims.clone();
        let batch = match self.net.batch {
            Batch::Open | Batch::Fixed(_) => {
                if let (Batch::Open, Some(size)) = (self.net.batch, input.first)
                    && size != 1
                {
                    return Err(format!(
                        "first axis: expected the batch, whose size another input leaves open, \
                         found {size}"
                    ));
                }
                dims[0] = 1;
                Some(0)
            }
            Batch::One => None,
        };
        // Channels come after the batch, unless the net begins by moving them there.
        let order = match dims.len() {
            4 if !moves_channels(source, name) => vec![0, 2, 3, 1],
            3 => vec![0, 2, 1],
            rank => (0..rank).collect(),
        };
        let order = if dims[0] == 1 {
            order
        } else {
            (0..dims.len()).collect()
        };
        let array = Dynamic {
            // Set below.
            value: bernet_runtime::graph::ValueId(0),
            dims,
            batch,
            order,
        };
        let sizes = match array.dims[..] {
            [1, ..] if array.rank() == 4 => [1, 2, 3].map(|place| array.dims[array.order[place]]),
            [1, ..] if array.rank() == 3 => [1, array.dims[2], array.dims[1]],
            _ => spread(&array.wide_order())
                .map(|group| group.iter().map(|&axis| array.dims[axis]).product()),
        };
        let shape = Shape::from(sizes);
        let value = self.net.graph.add_value(Value { kind: *kind, shape });
        self.net.graph.inputs.push(Input {
            name: name.clone(),
            value,
            layout: layout(&array)?,
            pixels: match kind {
                Kind::U8 => Pixels::Bytes,
                _ => Pixels::Unsaid,
            },
        });
        let array = Dynamic { value, ..array };
        self.values.insert(name.clone(), Operand::Dynamic(array));
        Ok(())
    }

    fn output(&mut self, output: &Declared) -> Result<(), String> {
        let array = match self.values.get(&output.name) {
            None => return Err("nothing computes it".into()),
            Some(Operand::Dynamic(array)) => {
                let array = array.clone();
                match elementwise::significand(output.data_type) {
                    Some(bits) if self.net.kind(array.value) == Kind::F32 => {
                        self.net.name.clone_from(&output.name);
                        self.net.shorten(&array, bits)?
                    }
                    _ => array,
                }
            }
            Some(Operand::Known(known)) => {
                let constant = known.single()?;
                let kind = match constant.data {
                    super::constant::Data::I64(_) => Kind::I32,
                    super::constant::Data::Bool(_) => Kind::Bit,
                    _ => Kind::F32,
                };
                self.net.name.clear();
                self.net.array(&constant, kind)?
            }
        };
        self.net.graph.outputs.push(Output {
            name: output.name.clone(),
            value: array.value,
            layout: layout(&array)?,
        });
        Ok(())
    }

    /// Puts what a node computes under its names.
    fn node(&mut self, node: &Node) -> Result<(), String> {
        let mut list = Vec::with_capacity(node.inputs().len());
        for name in node.inputs() {
            list.push(if name.is_empty() {
                None
            } else {
                Some(
                    self.values
                        .get(name)
                        .cloned()
                        .ok_or("an input is missing")?,
                )
            });
        }
        let op = node.op()?;
        self.net.name = if node.place.name.is_empty() {
            node.place.output.clone()
        } else {
            node.place.name.clone()
        };
        let known = list
            .iter()
            .flatten()
            .all(|operand| matches!(operand, Operand::Known(_)));
        let results = if known {
            self.constants(node, &list)?
        } else if let ("Shape" | "Size", Some(Some(Operand::Dynamic(x)))) = (op, list.first()) {
            vec![Operand::Known(reshape::sizes_of(&self.net, op, node, x))]
        } else {
            let operands = Operands { node, list };
            let results = dynamic(&mut self.net, op, &operands)?;
            results.into_iter().map(Operand::Dynamic).collect()
        };
        let mut results = results.into_iter();
        for name in node.outputs() {
            match results.next() {
                Some(result) if !name.is_empty() => {
                    self.values.insert(name.clone(), result);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A node that reads constants alone, for both sizes of the batch where it matters.
    fn constants(&mut self, node: &Node, list: &[Option<Operand>]) -> Result<Vec<Operand>, String> {
        let known = |operand: &Option<Operand>| match operand {
            Some(Operand::Known(known)) => Some(known.clone()),
            _ => None,
        };
        let list: Vec<Option<Known>> = list.iter().map(known).collect();
        let mut run = |version: usize| {
            let inputs: Vec<Option<&Constant>> = list
                .iter()
                .map(|known| known.as_ref().map(|known| &*known.0[version]))
                .collect();
            match node.op()? {
                op @ ("Quant" | "BipolarQuant" | "DequantizeLinear" | "QuantizeLinear") => {
                    let inputs: Vec<&Constant> = inputs.into_iter().flatten().collect();
                    for constant in &inputs {
                        self.budget.take(&constant.dims)?;
                    }
                    Ok(vec![quant::of_constants(op, node, &inputs)?])
                }
                _ => evaluate(node, &inputs, &mut self.budget),
            }
        };
        let few = run(0)?;
        if !list.iter().flatten().any(Known::varies) {
            let known = few
                .into_iter()
                .map(|constant| Operand::Known(Known::of(constant)));
            return Ok(known.collect());
        }
        let many = run(1)?;
        let pairs = few.into_iter().zip(many);
        Ok(pairs
            .map(|(few, many)| Operand::Known(Known([Rc::new(few), Rc::new(many)])))
            .collect())
    }
}

/// The layout of the file's array, without the batch.
fn layout(array: &Dynamic) -> Result<ArrayLayout, String> {
    // With one item for all, a first axis of 1 may be taken for the batch.
    let batch = match array.batch {
        Some(0) => Some(0),
        Some(axis) => {
            return Err(format!(
                "expected the batch on the first axis, found it on axis {axis} of {}",
                array.describe()
            ));
        }
        None if array.dims.first() == Some(&1) => Some(0),
        None => None,
    };
    let kept: Vec<usize> = (0..array.rank())
        .filter(|axis| batch != Some(*axis))
        .collect();
    let place = |axis: &usize| kept.iter().position(|known| known == axis);
    Ok(ArrayLayout {
        dims: kept.iter().map(|&axis| array.dims[axis]).collect(),
        perm: array.order.iter().filter_map(place).collect(),
        batch: batch.is_some(),
    })
}

/// Whether an input `[N, H, W, C]` goes to channels first before anything else but functions of
/// single elements.
fn moves_channels(source: &Source, input: &str) -> bool {
    let mut name = input;
    for node in &source.nodes {
        if !node.inputs().iter().any(|read| read == name) {
            continue;
        }
        match node.op() {
            Ok("Transpose") => return node.integers("perm") == Some(&[0, 3, 1, 2]),
            Ok("Cast" | "Identity" | "Mul" | "Div" | "Sub" | "Add" | "Quant" | "BipolarQuant") => {
                name = node.outputs().first().map_or("", String::as_str);
            }
            _ => return false,
        }
    }
    false
}

/// The arrays that a node computes of arrays.
fn dynamic(net: &mut Net, op: &str, operands: &Operands) -> Result<Vec<Dynamic>, String> {
    let node = operands.node;
    if let Some(result) = elementwise::function(net, op, operands)? {
        return Ok(vec![result]);
    }
    let two = |net: &mut Net| elementwise::binary(net, op, operands.get(0)?, operands.get(1)?);
    let is_bool = |index: usize| match operands.optional(index) {
        Some(Operand::Dynamic(x)) => net.kind(x.value) == Kind::Bit,
        _ => false,
    };
    let bools = is_bool(0) || is_bool(1);
    Ok(vec![match op {
        "Identity" => operands.dynamic(0)?.clone(),
        "Dropout" => {
            let training = operands.constant(2)?.and_then(|one| one.single());
            if training.is_some_and(|training| training != 0.0) {
                return Err("training_mode: export the net in evaluation mode".into());
            }
            operands.dynamic(0)?.clone()
        }
        "Cast" => elementwise::cast(net, node, operands.dynamic(0)?)?,
        "Equal" if bools => elementwise::logic(net, op, operands)?,
        "And" | "Or" | "Xor" | "Not" => elementwise::logic(net, op, operands)?,
        "Add" | "Sub" | "Mul" | "Div" | "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual"
        | "Equal" => two(net)?,
        "Sum" | "Mean" | "Min" | "Max" => elementwise::several(net, op, operands)?,
        "Pow" => elementwise::power(net, operands)?,
        "PRelu" => elementwise::prelu(net, operands)?,
        "Where" => elementwise::select(net, operands)?,
        "Conv" => product::conv(net, operands)?,
        "MatMul" => product::matmul(net, operands)?,
        "Gemm" => product::gemm(net, operands)?,
        "BatchNormalization" => product::batch_norm(net, operands)?,
        "InstanceNormalization" => product::instance_norm(net, operands)?,
        "LayerNormalization" => product::layer_norm(net, operands)?,
        "MaxPool" | "AveragePool" => window::pool(net, op, operands)?,
        "GlobalAveragePool" | "GlobalMaxPool" => window::global_pool(net, op, operands)?,
        "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceMin" | "ReduceL1" | "ReduceL2"
        | "ReduceSumSquare" => reduce::of_node(net, op, operands)?,
        "Softmax" | "LogSoftmax" => reduce::softmax(net, op, operands)?,
        "ArgMax" | "ArgMin" => reduce::argmax(net, op, operands)?,
        "TopK" => return reduce::top_one(net, operands),
        "Reshape" => reshape::reshape(net, operands)?,
        "Flatten" => reshape::flatten(net, operands)?,
        "Transpose" => reshape::transpose(operands)?,
        "Squeeze" => reshape::squeeze(net, operands)?,
        "Unsqueeze" => reshape::unsqueeze(operands)?,
        "Concat" => movement::concat(net, operands)?,
        "Slice" => movement::slice(net, operands)?,
        "Split" => return movement::split(net, operands),
        "Gather" => movement::gather(net, operands)?,
        "Pad" => movement::pad(net, operands)?,
        "Expand" => movement::expand(net, operands)?,
        "Tile" => movement::tile(net, operands)?,
        "DepthToSpace" | "SpaceToDepth" => movement::depth_and_space(net, op, operands)?,
        "Resize" | "Upsample" => movement::resize(net, op, operands)?,
        "Quant" => quantize::quant(net, operands)?,
        "BipolarQuant" => quantize::bipolar(net, operands)?,
        "MultiThreshold" => quantize::multi_threshold(net, operands)?,
        "Trunc" => quantize::trunc(net, operands)?,
        "QuantizeLinear"
        | "DequantizeLinear"
        | "QLinearConv"
        | "QLinearMatMul"
        | "ConvInteger"
        | "MatMulInteger"
        | "DynamicQuantizeLinear" => {
            return Err(
                "integer inference is not known; export the net in float32, or with QONNX".into(),
            );
        }
        _ => {
            return Err(
                "this operator is not known; write the net with other operators, or end \
                        it before this one"
                    .into(),
            );
        }
    }])
}
