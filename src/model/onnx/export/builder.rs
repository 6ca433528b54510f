//! A graph that grows by one node after the other, each reading the one before.

pub(super) use crate::model::onnx::proto::AttributeProto as Attribute;
use crate::model::onnx::proto::{
    DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto,
    TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto, data_type,
};
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};

/// The version of the format, as old as the operators allow.
const IR_VERSION: i64 = 8;

/// The version of the standard operators.
const OPSET: i64 = 13;

/// The domain of QONNX operators.
const QONNX: &str = "qonnx.custom_op.general";

/// The domain of bernet's own operators.
const BERNET: &str = "bernet";

/// What a node puts out: the type of the values, and the dimensions of an image.
#[derive(Clone, Debug)]
pub(super) struct Output(pub(super) i32, pub(super) Vec<usize>);

pub(super) struct Builder {
    graph: GraphProto,
    /// The tensor that the last node put out.
    last: String,
    /// Whether batches are of one image, as an engine wants that has to know all shapes.
    fixed: bool,
    /// The domains of the operators so far, besides the standard one.
    domains: BTreeSet<&'static str>,
}

impl Builder {
    /// A graph whose input is a batch of images, or, where batches are fixed, of one.
    pub(super) fn new(input: &str, image: &Output, fixed: bool) -> Self {
        let mut graph = GraphProto {
            name: "bernet".into(),
            ..GraphProto::default()
        };
        graph.input.push(batch_info(input, image, fixed));
        Self {
            graph,
            last: input.into(),
            fixed,
            domains: BTreeSet::new(),
        }
    }

    /// A node that reads the last one's output, then some constants. Its output bears its name.
    pub(super) fn node(
        &mut self,
        op: &str,
        name: String,
        constants: &[&str],
        attribute: Vec<Attribute>,
        output: &Output,
    ) {
        let last = std::mem::replace(&mut self.last, name.clone());
        let constants = constants.iter().copied().map(String::from);
        let info = batch_info(&name, output, self.fixed);
        self.graph.value_info.push(info);
        self.push(
            op,
            name,
            [last].into_iter().chain(constants).collect(),
            attribute,
        );
    }

    /// A node that reads constants alone.
    pub(super) fn constant_node(
        &mut self,
        op: &str,
        name: String,
        constants: &[&str],
        dims: &[usize],
    ) {
        let info = value_info(&name, data_type::FLOAT, dims.iter().copied().map(size));
        self.graph.value_info.push(info);
        let constants = constants.iter().copied().map(String::from);
        self.push(op, name, constants.collect(), Vec::new());
    }

    fn push(&mut self, op: &str, name: String, input: Vec<String>, attribute: Vec<Attribute>) {
        let domain = match op {
            "BipolarQuant" => QONNX,
            "MaxPoolBits" | "SignPack" | "XnorConv2d" | "XnorConv2dSign" => BERNET,
            _ => "",
        };
        if !domain.is_empty() {
            self.domains.insert(domain);
        }
        self.graph.node.push(NodeProto {
            input,
            output: vec![name.clone()],
            name,
            op_type: op.into(),
            attribute,
            domain: domain.into(),
        });
    }

    /// A constant tensor, unless there is one of this name.
    pub(super) fn floats(&mut self, name: &str, dims: &[usize], values: impl Iterator<Item = f32>) {
        let bytes = values.flat_map(f32::to_le_bytes).collect();
        self.tensor(name, data_type::FLOAT, dims, bytes);
    }

    pub(super) fn doubles(&mut self, name: &str, values: &[f64]) {
        let bytes = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        self.tensor(name, data_type::DOUBLE, &[values.len()], bytes);
    }

    /// A constant of 32-bit integers, unless there is one of this name.
    pub(super) fn small_integers(&mut self, name: &str, values: impl Iterator<Item = i32>) {
        let bytes: Vec<u8> = values.flat_map(i32::to_le_bytes).collect();
        self.tensor(name, data_type::INT32, &[bytes.len() / 4], bytes);
    }

    pub(super) fn integers(&mut self, name: &str, values: &[usize]) {
        let bytes = values
            .iter()
            .flat_map(|&value| (value as i64).to_le_bytes())
            .collect();
        self.tensor(name, data_type::INT64, &[values.len()], bytes);
    }

    fn tensor(&mut self, name: &str, data_type: i32, dims: &[usize], bytes: Vec<u8>) {
        if self
            .graph
            .initializer
            .iter()
            .all(|tensor| tensor.name != name)
        {
            self.graph.initializer.push(TensorProto {
                dims: dims.iter().map(|&dim| dim as i64).collect(),
                data_type,
                name: name.into(),
                raw_data: Some(bytes),
                ..TensorProto::default()
            });
        }
    }

    /// The bytes of a file whose output is the last node's.
    pub(super) fn finish(mut self, metadata: &BTreeMap<String, String>) -> Vec<u8> {
        // What the last node puts out is described among the outputs instead.
        self.graph.output.extend(self.graph.value_info.pop());
        let version = |domain: &str, version| OperatorSetIdProto {
            domain: domain.into(),
            version,
        };
        let standard = [version("", OPSET)];
        let others = self.domains.iter().map(|domain| version(domain, 1));
        let opset_import = standard.into_iter().chain(others).collect();
        let entry = |(key, value): (&String, &String)| StringStringEntryProto {
            key: key.clone(),
            value: value.clone(),
        };
        let model = ModelProto {
            ir_version: IR_VERSION,
            producer_name: "bernet".into(),
            producer_version: env!("CARGO_PKG_VERSION").into(),
            graph: Some(self.graph),
            opset_import,
            metadata_props: metadata.iter().map(entry).collect(),
        };
        model.encode_to_vec()
    }
}

/// A tensor whose first axis is that of the batch: open, or 1.
fn batch_info(name: &str, Output(elem_type, image): &Output, fixed: bool) -> ValueInfoProto {
    let open = DimensionProto {
        dim_value: None,
        dim_param: Some("batch".into()),
    };
    let batch = if fixed { size(1) } else { open };
    let image = image.iter().copied().map(size);
    value_info(name, *elem_type, [batch].into_iter().chain(image))
}

fn size(dim: usize) -> DimensionProto {
    DimensionProto {
        dim_value: Some(dim as i64),
        dim_param: None,
    }
}

fn value_info(
    name: &str,
    elem_type: i32,
    dims: impl Iterator<Item = DimensionProto>,
) -> ValueInfoProto {
    let shape = TensorShapeProto {
        dim: dims.collect(),
    };
    ValueInfoProto {
        name: name.into(),
        r#type: Some(TypeProto {
            tensor_type: Some(TensorTypeProto {
                elem_type,
                shape: Some(shape),
            }),
        }),
    }
}

pub(super) fn integer(name: &str, value: i64) -> Attribute {
    Attribute {
        name: name.into(),
        i: Some(value),
        r#type: 2,
        ..Attribute::default()
    }
}

pub(super) fn integers(name: &str, values: &[usize]) -> Attribute {
    Attribute {
        name: name.into(),
        ints: values.iter().map(|&value| value as i64).collect(),
        r#type: 7,
        ..Attribute::default()
    }
}
