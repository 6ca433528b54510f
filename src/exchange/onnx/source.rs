//! A file as a list of nodes in an order in which each one's inputs are there before it.

use super::{
    constant::Constant,
    error::{ImportError, NodePlace},
    external::External,
    node::Node,
    proto::{self, AttributeProto, FunctionProto, NodeProto, OperatorSetIdProto},
};
use bernet_runtime::graph::NODES_LIMIT;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    rc::Rc,
};

/// Versions of the standard operators that are known.
const OPSETS: std::ops::RangeInclusive<i64> = 7..=24;
/// How deep functions call functions.
const DEPTH_LIMIT: usize = 16;

/// What the nodes of a file compute, and on what.
pub(super) struct Source {
    /// The nodes that the outputs depend on, functions inlined.
    pub(super) nodes: Vec<Node>,
    /// The tensors whose values are in the file.
    pub(super) constants: HashMap<String, Rc<Constant>>,
    /// The inputs that are not constants.
    pub(super) inputs: Vec<Declared>,
    /// The outputs.
    pub(super) outputs: Vec<Declared>,
    /// The properties that the file has of itself.
    pub(super) metadata: BTreeMap<String, String>,
    /// Values of all tensors together.
    pub(super) elements: usize,
}

/// An input or output as the file declares it.
pub(super) struct Declared {
    pub(super) name: String,
    /// The number of the element type; 0 where it is not a tensor.
    pub(super) data_type: i32,
    /// The sizes; `None` where the rank is not known.
    pub(super) dims: Option<Vec<Size>>,
}

/// The size of an axis.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Size {
    Fixed(usize),
    /// Left open, with the name that the file has for it, maybe empty.
    Open(String),
}

impl Source {
    pub(super) fn read(bytes: &[u8], external: &mut dyn External) -> Result<Self, ImportError> {
        let model = proto::decode(bytes)?;
        let opset = opset(&model.opset_import)?;
        let mut graph = model.graph.ok_or_else(|| {
            ImportError::model(
                "there is no graph in it; expected what torch.onnx.export or another tool \
                 wrote as .onnx",
            )
        })?;
        let mut constants = HashMap::with_capacity(graph.initializer.len());
        let mut elements = 0;
        for tensor in std::mem::take(&mut graph.initializer) {
            let name = tensor.name.clone();
            let constant = Constant::read(tensor, external)?;
            elements += constant.len();
            if constants.insert(name.clone(), Rc::new(constant)).is_some() {
                let why = "expected one tensor of this name, found two".into();
                return Err(ImportError::Tensor { name, why });
            }
        }
        // Older files list the initialisers among the inputs.
        let inputs: Vec<_> = graph
            .input
            .iter()
            .filter(|input| !constants.contains_key(&input.name))
            .map(Declared::of)
            .collect();
        let outputs: Vec<_> = graph.output.iter().map(Declared::of).collect();
        for (what, found) in [("input", inputs.len()), ("output", outputs.len())] {
            if found == 0 {
                return Err(ImportError::model(format!(
                    "expected at least one {what}, found none"
                )));
            }
        }
        let mut expansion = Expansion {
            functions: HashMap::new(),
            nodes: Vec::new(),
            // Names in functions grow by a prefix a call.
            text: 64 * bytes.len() + (1 << 20),
            calls: 0,
        };
        for function in &model.functions {
            let key = key(&function.domain, &function.name, &function.overload);
            let opset = if function.opset_import.is_empty() {
                opset
            } else {
                self::opset(&function.opset_import).unwrap_or(opset)
            };
            expansion.functions.insert(key, (function, opset));
        }
        let nodes = std::mem::take(&mut graph.node);
        for node in nodes {
            expansion.add(node, &Scope::outermost(opset))?;
        }
        let nodes = expansion.nodes;
        check_order(&nodes, &constants, &inputs, &outputs)?;
        let metadata = model
            .metadata_props
            .into_iter()
            .map(|entry| (entry.key, entry.value))
            .collect();
        Ok(Self {
            nodes: needed(nodes, &outputs),
            constants,
            inputs,
            outputs,
            metadata,
            elements,
        })
    }
}

/// The version of the standard operators.
fn opset(imports: &[OperatorSetIdProto]) -> Result<i64, ImportError> {
    let standard = imports
        .iter()
        .find(|import| matches!(import.domain.as_str(), "" | "ai.onnx"));
    let found = standard.map_or(0, |import| import.version);
    if OPSETS.contains(&found) {
        return Ok(found);
    }
    Err(ImportError::model(format!(
        "version of the standard operators (opset): expected {} to {}, found {}; export the \
         net with opset_version=18",
        OPSETS.start(),
        OPSETS.end(),
        if standard.is_some() {
            found.to_string()
        } else {
            "none".into()
        }
    )))
}

fn key(domain: &str, name: &str, overload: &str) -> (String, String, String) {
    (domain.into(), name.into(), overload.into())
}

/// What names and attributes mean in the nodes of one call of a function.
struct Scope {
    opset: i64,
    depth: usize,
    prefix: String,
    /// The call's names of the function's inputs and outputs.
    names: HashMap<String, String>,
    /// The call's attributes, and the function's defaults.
    attributes: Vec<Rc<AttributeProto>>,
    /// The call, for errors.
    call: Option<NodePlace>,
}

impl Scope {
    fn outermost(opset: i64) -> Self {
        Self {
            opset,
            depth: 0,
            prefix: String::new(),
            names: HashMap::new(),
            attributes: Vec::new(),
            call: None,
        }
    }

    fn name(&self, name: String) -> String {
        if self.depth == 0 || name.is_empty() {
            return name;
        }
        match self.names.get(&name) {
            Some(outside) => outside.clone(),
            None => format!("{}{name}", self.prefix),
        }
    }
}

/// Nodes with the functions that they call put in their place.
struct Expansion<'a> {
    functions: HashMap<(String, String, String), (&'a FunctionProto, i64)>,
    nodes: Vec<Node>,
    /// Bytes of names that may still be made.
    text: usize,
    calls: usize,
}

impl Expansion<'_> {
    fn add(&mut self, node: NodeProto, scope: &Scope) -> Result<(), ImportError> {
        let place = NodePlace {
            index: self.nodes.len(),
            name: match &scope.call {
                Some(call) => format!("{}/{}", call.name, node.name),
                None => node.name.clone(),
            },
            output: node.output.first().cloned().unwrap_or_default(),
            op: node.op_type.clone(),
        };
        let error = |why: &str| ImportError::Node {
            place: place.clone(),
            why: why.into(),
        };
        let names = node.input.iter().chain(&node.output);
        let text: usize = names.map(|name| name.len() + scope.prefix.len()).sum();
        let text = text + place.name.len() + place.op.len() + place.output.len() + 64;
        self.text = self
            .text
            .checked_sub(text)
            .ok_or_else(|| error("functions that call functions make the file too large"))?;
        let mut attributes = Vec::with_capacity(node.attribute.len());
        for mut attribute in node.attribute {
            if attribute.ref_attr_name.is_empty() {
                attributes.push(Rc::new(attribute));
                continue;
            }
            let of_call = scope
                .attributes
                .iter()
                .find(|known| known.name == attribute.ref_attr_name);
            if let Some(of_call) = of_call {
                if of_call.name == attribute.name {
                    attributes.push(Rc::clone(of_call));
                } else {
                    let name = std::mem::take(&mut attribute.name);
                    attribute = (**of_call).clone();
                    attribute.name = name;
                    attributes.push(Rc::new(attribute));
                }
            }
        }
        let rename = |names: Vec<String>| -> Vec<String> {
            names.into_iter().map(|name| scope.name(name)).collect()
        };
        let (inputs, outputs) = (rename(node.input), rename(node.output));
        let called = key(&node.domain, &node.op_type, &node.overload);
        let Some(&(function, opset)) = self.functions.get(&called) else {
            if self.nodes.len() >= NODES_LIMIT {
                return Err(error(&format!(
                    "expected at most {NODES_LIMIT} nodes, found more"
                )));
            }
            self.nodes.push(Node {
                place,
                opset: scope.opset,
                domain: node.domain,
                inputs,
                outputs,
                attributes,
            });
            return Ok(());
        };
        if scope.depth >= DEPTH_LIMIT {
            return Err(error(&format!(
                "expected functions that call each other at most {DEPTH_LIMIT} deep, found more"
            )));
        }
        self.calls += 1;
        if self.calls > NODES_LIMIT {
            return Err(error(&format!(
                "expected at most {NODES_LIMIT} calls of functions, found more"
            )));
        }
        let mut names = HashMap::new();
        // An input that the call leaves out has no name.
        for (index, name) in function.input.iter().enumerate() {
            let outside = inputs.get(index).cloned().unwrap_or_default();
            names.insert(name.clone(), outside);
        }
        for (index, name) in function.output.iter().enumerate() {
            if let Some(outside) = outputs.get(index).filter(|outside| !outside.is_empty()) {
                names.insert(name.clone(), outside.clone());
            }
        }
        let defaults = function.attribute_proto.iter().cloned().map(Rc::new);
        attributes.extend(defaults);
        let inner = Scope {
            opset,
            depth: scope.depth + 1,
            prefix: format!("{}{}#{}/", scope.prefix, function.name, self.calls),
            names,
            attributes,
            call: Some(place),
        };
        for node in &function.node {
            self.add(node.clone(), &inner)?;
        }
        Ok(())
    }
}

/// Every node reads what is there before it and writes names that are new; the outputs are there
/// at the end. So there is no cycle.
fn check_order(
    nodes: &[Node],
    constants: &HashMap<String, Rc<Constant>>,
    inputs: &[Declared],
    outputs: &[Declared],
) -> Result<(), ImportError> {
    let mut known: HashSet<&str> = constants.keys().map(String::as_str).collect();
    for input in inputs {
        if !known.insert(&input.name) {
            let why = "expected one input of this name, found two".into();
            let name = input.name.clone();
            return Err(ImportError::Input { name, why });
        }
    }
    for node in nodes {
        // An empty name stands for an optional input or output that is left out.
        for name in node.inputs.iter().filter(|name| !name.is_empty()) {
            if !known.contains(name.as_str()) {
                return Err(node.error(format!(
                    "its input {name:?}: expected an input of the graph, an initializer or the \
                     output of an earlier node, found none"
                )));
            }
        }
        for name in node.outputs.iter().filter(|name| !name.is_empty()) {
            if !known.insert(name) {
                return Err(node.error(format!(
                    "its output {name:?}: expected a name that nothing else has"
                )));
            }
        }
    }
    for output in outputs {
        if !known.contains(output.name.as_str()) {
            let (name, why) = (output.name.clone(), "nothing computes it".into());
            return Err(ImportError::Output { name, why });
        }
    }
    Ok(())
}

/// The nodes that the outputs depend on.
fn needed(nodes: Vec<Node>, outputs: &[Declared]) -> Vec<Node> {
    let mut wanted: HashSet<String> = outputs.iter().map(|output| output.name.clone()).collect();
    let mut needed: Vec<_> = nodes
        .into_iter()
        .rev()
        .filter(|node| {
            let used = node.outputs.iter().any(|name| wanted.contains(name));
            if used {
                wanted.extend(node.inputs.iter().cloned());
            }
            used
        })
        .collect();
    needed.reverse();
    needed
}

impl Declared {
    fn of(value: &proto::ValueInfoProto) -> Self {
        let tensor = value
            .r#type
            .as_ref()
            .and_then(|kind| kind.tensor_type.as_ref());
        let size = |dim: &proto::DimensionProto| {
            let fixed = dim.dim_value.and_then(|size| usize::try_from(size).ok());
            match fixed.filter(|&size| size > 0) {
                Some(size) => Size::Fixed(size),
                None => Size::Open(dim.dim_param.clone().unwrap_or_default()),
            }
        };
        Self {
            name: value.name.clone(),
            data_type: tensor.map_or(0, |tensor| tensor.elem_type),
            dims: tensor
                .and_then(|tensor| tensor.shape.as_ref())
                .map(|shape| shape.dim.iter().map(size).collect()),
        }
    }
}
