//! A graph that grows by one node after the other, each reading the one before.

pub(super) use crate::model::onnx::proto::AttributeProto as Attribute;
use crate::model::onnx::proto::{
    DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto,
    TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto, data_type,
};
use prost::Message;
use std::collections::BTreeMap;

/// The version of the format, as old as the operators allow.
const IR_VERSION: i64 = 8;

/// The version of the standard operators.
const OPSET: i64 = 13;

/// The domain of QONNX operators.
const QONNX: &str = "qonnx.custom_op.general";

#[derive(Default)]
pub(super) struct Builder {
    graph: GraphProto,
    /// The tensor that the last node put out.
    last: String,
    custom: bool,
}

impl Builder {
    /// A graph whose input is a batch of tensors of these dimensions.
    pub(super) fn new(input: &str, dims: &[usize]) -> Self {
        let mut builder = Self {
            last: input.into(),
            ..Self::default()
        };
        builder.graph.name = "bernet".into();
        builder
            .graph
            .input
            .push(value_info(input, data_type::FLOAT, dims));
        builder
    }

    /// A node that reads the last one's output, then some constants.
    pub(super) fn node(
        &mut self,
        op: &str,
        name: String,
        constants: &[&str],
        attributes: Vec<Attribute>,
    ) {
        let inputs: Vec<_> = [self.last.as_str()]
            .into_iter()
            .chain(constants.iter().copied())
            .collect();
        let inputs = inputs.into_iter().map(String::from).collect();
        self.raw_node(op, &name, inputs, attributes);
        self.last = name;
    }

    /// A node with the inputs given; its output bears its name.
    pub(super) fn raw_node(
        &mut self,
        op: &str,
        name: &str,
        input: Vec<String>,
        attribute: Vec<Attribute>,
    ) {
        let custom = op == "BipolarQuant";
        self.custom |= custom;
        self.graph.node.push(NodeProto {
            input,
            output: vec![name.into()],
            name: name.into(),
            op_type: op.into(),
            attribute,
            domain: if custom { QONNX.into() } else { String::new() },
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
    pub(super) fn finish(
        mut self,
        data_type: i32,
        dims: &[usize],
        metadata: &BTreeMap<String, String>,
    ) -> Vec<u8> {
        let output = value_info(&self.last, data_type, dims);
        self.graph.output.push(output);
        let mut opset_import = vec![OperatorSetIdProto {
            domain: String::new(),
            version: OPSET,
        }];
        if self.custom {
            opset_import.push(OperatorSetIdProto {
                domain: QONNX.into(),
                version: 1,
            });
        }
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

/// A tensor whose first axis, that of the batch, is open.
fn value_info(name: &str, elem_type: i32, dims: &[usize]) -> ValueInfoProto {
    let batch = DimensionProto {
        dim_value: None,
        dim_param: Some("batch".into()),
    };
    let sizes = dims.iter().map(|&dim| DimensionProto {
        dim_value: Some(dim as i64),
        dim_param: None,
    });
    let shape = TensorShapeProto {
        dim: [batch].into_iter().chain(sizes).collect(),
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
