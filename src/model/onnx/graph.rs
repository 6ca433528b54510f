//! A graph as a list of nodes in an order in which each one's inputs are there before it.

use super::{
    ImportError,
    constant::Constant,
    proto::{self, AttributeProto, GraphProto, NodeProto, ValueInfoProto},
};
use std::collections::{BTreeMap, HashMap, HashSet};

/// What the nodes of a file compute, and on what.
pub(super) struct Graph {
    /// The nodes that the output depends on, in their order.
    pub(super) nodes: Vec<Node>,
    /// The tensors whose values are in the file.
    pub(super) constants: HashMap<String, Constant>,
    pub(super) input: GraphInput,
    /// The name of the only output.
    pub(super) output: String,
    /// The properties that the file has of itself.
    pub(super) metadata: BTreeMap<String, String>,
}

/// The only input that is not a constant.
pub(super) struct GraphInput {
    pub(super) name: String,
    pub(super) data_type: i32,
    /// `None` where the size is left open.
    pub(super) dims: Vec<Option<usize>>,
}

/// A node with its name and attributes.
pub(super) struct Node(NodeProto);

impl Graph {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, ImportError> {
        let model = proto::decode(bytes)?;
        let mut graph = model.graph.ok_or_else(|| graph_error("there is none"))?;
        let mut constants = HashMap::with_capacity(graph.initializer.len());
        for tensor in std::mem::take(&mut graph.initializer) {
            let constant = Constant::read(&tensor)?;
            if constants.insert(tensor.name.clone(), constant).is_some() {
                return Err(graph_error(format!(
                    "two initialisers are called {:?}",
                    tensor.name
                )));
            }
        }
        // Older files list the initialisers among the inputs.
        let inputs = graph
            .input
            .iter()
            .filter(|input| !constants.contains_key(&input.name));
        let [input] = inputs.collect::<Vec<_>>()[..] else {
            let names = graph
                .input
                .iter()
                .filter(|input| !constants.contains_key(&input.name));
            return Err(graph_error(format!(
                "inputs that are not initialisers: expected 1, found {}",
                list(names)
            )));
        };
        let input = GraphInput::of(input)?;
        let [output] = &graph.output[..] else {
            return Err(graph_error(format!(
                "outputs: expected 1, found {}",
                list(graph.output.iter())
            )));
        };
        let output = output.name.clone();
        let metadata = model
            .metadata_props
            .into_iter()
            .map(|entry| (entry.key, entry.value))
            .collect();
        check_order(&graph, &constants, &input.name, &output)?;
        Ok(Self {
            nodes: needed(graph.node, &output),
            constants,
            input,
            output,
            metadata,
        })
    }
}

/// Every node reads what is there before it and writes names that are new; the output is there at the end. So there is no
/// cycle.
fn check_order(
    graph: &GraphProto,
    constants: &HashMap<String, Constant>,
    input: &str,
    output: &str,
) -> Result<(), ImportError> {
    let mut known: HashSet<&str> = constants.keys().map(String::as_str).collect();
    known.insert(input);
    for node in &graph.node {
        // An empty name stands for an optional input or output that is left out.
        for name in node.input.iter().filter(|name| !name.is_empty()) {
            if !known.contains(name.as_str()) {
                return Err(node_error(
                    node,
                    format!("its input {name:?} is nowhere before it"),
                ));
            }
        }
        for name in node.output.iter().filter(|name| !name.is_empty()) {
            if !known.insert(name) {
                return Err(node_error(
                    node,
                    format!("its output {name:?} is there already"),
                ));
            }
        }
    }
    if !known.contains(output) {
        return Err(graph_error(format!(
            "nothing computes the output {output:?}"
        )));
    }
    Ok(())
}

/// The nodes that the output depends on.
fn needed(nodes: Vec<NodeProto>, output: &str) -> Vec<Node> {
    let mut wanted: HashSet<String> = [output.to_owned()].into();
    let mut needed: Vec<_> = nodes
        .into_iter()
        .rev()
        .filter(|node| {
            let used = node.output.iter().any(|name| wanted.contains(name));
            if used {
                wanted.extend(node.input.iter().cloned());
            }
            used
        })
        .map(Node)
        .collect();
    needed.reverse();
    needed
}

fn list<'a>(values: impl Iterator<Item = &'a ValueInfoProto>) -> String {
    let names: Vec<_> = values.map(|value| value.name.as_str()).collect();
    match names.as_slice() {
        [] => "none".into(),
        names => names.join(", "),
    }
}

fn graph_error(why: impl Into<String>) -> ImportError {
    ImportError::Graph { why: why.into() }
}

fn node_error(node: &NodeProto, why: String) -> ImportError {
    ImportError::Node {
        name: node.name.clone(),
        op: node.op_type.clone(),
        why,
    }
}

impl GraphInput {
    fn of(value: &ValueInfoProto) -> Result<Self, ImportError> {
        let tensor = value
            .r#type
            .as_ref()
            .and_then(|kind| kind.tensor_type.as_ref());
        let (Some(tensor), Some(shape)) = (tensor, tensor.and_then(|tensor| tensor.shape.as_ref()))
        else {
            return Err(graph_error(format!(
                "the input {:?} is not a tensor of known rank",
                value.name
            )));
        };
        let size = |size: i64| usize::try_from(size).ok().filter(|&size| size > 0);
        Ok(Self {
            name: value.name.clone(),
            data_type: tensor.elem_type,
            dims: shape
                .dim
                .iter()
                .map(|dim| dim.dim_value.and_then(size))
                .collect(),
        })
    }
}

impl Node {
    /// The operator, which is in one of the domains whose operators this crate knows.
    pub(super) fn op(&self) -> Result<&str, String> {
        match self.0.domain.as_str() {
            ""
            | "ai.onnx"
            | "onnx.brevitas"
            | "qonnx.custom_op.general"
            | "finn.custom_op.general" => Ok(&self.0.op_type),
            domain => Err(format!("operators of the domain {domain:?} are not known")),
        }
    }

    /// The name of an input; `None` where it is left out.
    pub(super) fn input(&self, index: usize) -> Option<&str> {
        let name = self.0.input.get(index)?;
        (!name.is_empty()).then_some(name)
    }

    pub(super) fn inputs(&self) -> impl Iterator<Item = &str> {
        self.0.input.iter().map(String::as_str)
    }

    /// The names of its outputs, empty where they are left out.
    pub(super) fn outputs(&self) -> impl Iterator<Item = &str> {
        self.0.output.iter().map(String::as_str)
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        self.0
            .attribute
            .iter()
            .find(|attribute| attribute.name == name)
    }

    pub(super) fn integer(&self, name: &str, default: i64) -> i64 {
        self.attribute(name)
            .map_or(default, |attribute| attribute.i.unwrap_or(0))
    }

    pub(super) fn float(&self, name: &str, default: f32) -> f32 {
        self.attribute(name)
            .map_or(default, |attribute| attribute.f.unwrap_or(0.0))
    }

    pub(super) fn integers(&self, name: &str) -> Option<&[i64]> {
        self.attribute(name)
            .map(|attribute| attribute.ints.as_slice())
    }

    /// Lines and pixels from one tap to the next, down and across.
    pub(super) fn dilation(&self) -> Result<[usize; 2], String> {
        let Some(dilations) = self.integers("dilations") else {
            return Ok([1, 1]);
        };
        let size = |size: i64| u16::try_from(size).ok().filter(|&size| size > 0);
        match dilations.iter().map(|&one| size(one)).collect::<Vec<_>>()[..] {
            [Some(down), Some(across)] => Ok([down.into(), across.into()]),
            _ => Err(format!("dilations {dilations:?}")),
        }
    }

    pub(super) fn text<'a>(&'a self, name: &str, default: &'a str) -> Result<&'a str, String> {
        match self.attribute(name) {
            None => Ok(default),
            Some(attribute) => std::str::from_utf8(attribute.s.as_deref().unwrap_or_default())
                .map_err(|_| format!("the attribute {name} is not UTF-8")),
        }
    }

    pub(super) fn error(&self, why: String) -> ImportError {
        node_error(&self.0, why)
    }
}
