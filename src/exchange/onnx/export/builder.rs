//! A file's graph as it grows: nodes, constants and names.

use crate::exchange::onnx::proto::{
    AttributeProto, DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    StringStringEntryProto, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto,
    ValueInfoProto, data_type,
};
use prost::Message;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The version of the format, as old as the operators allow.
const IR_VERSION: i64 = 8;
/// The version of the standard operators.
const OPSET: i64 = 13;
/// The domain of QONNX operators.
const QONNX: &str = "qonnx.custom_op.general";
/// The domain of bernet's own operators.
const BERNET: &str = "bernet";

pub(super) struct Builder {
    graph: GraphProto,
    /// Whether batches are of one item, as an engine wants that has to know all shapes.
    fixed: bool,
    names: BTreeSet<String>,
    /// Names of constants by their values.
    constants: HashMap<(Vec<i64>, Vec<u8>, i32), String>,
    /// The domains of the operators so far, besides the standard one.
    domains: BTreeSet<&'static str>,
}

impl Builder {
    pub(super) fn new(fixed: bool) -> Self {
        Self {
            graph: GraphProto {
                name: "bernet".into(),
                ..GraphProto::default()
            },
            fixed,
            names: BTreeSet::new(),
            constants: HashMap::new(),
            domains: BTreeSet::new(),
        }
    }

    /// A name that nothing else has.
    pub(super) fn name(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        let mut number = 1;
        while name.is_empty() || !self.names.insert(name.clone()) {
            number += 1;
            name = format!("{wanted}_{number}");
        }
        name
    }

    /// A node with one output; returns the output's name.
    pub(super) fn node(
        &mut self,
        op: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) -> String {
        let output = self.name(&op.to_lowercase());
        self.node_as(op, inputs, attributes, &output);
        output
    }

    /// A node whose output has this name.
    pub(super) fn node_as(
        &mut self,
        op: &str,
        inputs: &[&str],
        attribute: Vec<AttributeProto>,
        output: &str,
    ) {
        let domain = match op {
            "BipolarQuant" => QONNX,
            "MaxPoolBits" | "SignPack" | "XnorConv2d" | "XnorConv2dSign" => BERNET,
            _ => "",
        };
        if !domain.is_empty() {
            self.domains.insert(domain);
        }
        self.graph.node.push(NodeProto {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![output.to_owned()],
            name: output.to_owned(),
            op_type: op.into(),
            attribute,
            domain: domain.into(),
            ..NodeProto::default()
        });
    }

    /// A constant of floats.
    pub(super) fn floats(&mut self, dims: &[usize], values: impl Iterator<Item = f32>) -> String {
        let bytes = values.flat_map(f32::to_le_bytes).collect();
        self.tensor(data_type::FLOAT, dims, bytes)
    }

    /// A single float.
    pub(super) fn float(&mut self, value: f32) -> String {
        self.floats(&[], [value].into_iter())
    }

    /// A list of integers.
    pub(super) fn integers(&mut self, values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        self.tensor(data_type::INT64, &[values.len()], bytes.collect())
    }

    /// A list of 32-bit integers.
    pub(super) fn small_integers(&mut self, values: impl Iterator<Item = i32>) -> String {
        let bytes: Vec<u8> = values.flat_map(i32::to_le_bytes).collect();
        self.tensor(data_type::INT32, &[bytes.len() / 4], bytes)
    }

    fn tensor(&mut self, data_type: i32, dims: &[usize], bytes: Vec<u8>) -> String {
        let dims: Vec<i64> = dims.iter().map(|&dim| dim as i64).collect();
        // Small ones that are the same are one; large ones are not compared.
        let key = (bytes.len() <= 1024).then(|| (dims.clone(), bytes.clone(), data_type));
        if let Some(name) = key.as_ref().and_then(|key| self.constants.get(key)) {
            return name.clone();
        }
        let name = self.name("constant");
        if let Some(key) = key {
            self.constants.insert(key, name.clone());
        }
        self.graph.initializer.push(TensorProto {
            dims,
            data_type,
            name: name.clone(),
            raw_data: Some(bytes),
            ..TensorProto::default()
        });
        name
    }

    /// An input of this type, the batch first if there is one.
    pub(super) fn input(&mut self, name: &str, elem_type: i32, batch: bool, dims: &[usize]) {
        let info = self.info(name, elem_type, batch, dims);
        self.graph.input.push(info);
    }

    /// An output, as [`Builder::input`].
    pub(super) fn output(&mut self, name: &str, elem_type: i32, batch: bool, dims: &[usize]) {
        let info = self.info(name, elem_type, batch, dims);
        self.graph.output.push(info);
    }

    /// The type of a value inside.
    pub(super) fn value(&mut self, name: &str, batch: bool, dims: &[usize]) {
        let info = self.info(name, data_type::FLOAT, batch, dims);
        self.graph.value_info.push(info);
    }

    /// The type of bits in words: lines, and words of a line.
    pub(super) fn packed(&mut self, name: &str, dims: [usize; 2]) {
        let info = self.info(name, data_type::UINT64, true, &dims);
        self.graph.value_info.push(info);
    }

    /// The shape of weights that a node computes.
    pub(super) fn weights(&mut self, name: &str, dims: &[usize]) {
        self.value(name, false, dims);
    }

    fn info(&self, name: &str, elem_type: i32, batch: bool, dims: &[usize]) -> ValueInfoProto {
        let size = |dim: usize| DimensionProto {
            dim_value: Some(dim as i64),
            dim_param: None,
        };
        let open = DimensionProto {
            dim_value: None,
            dim_param: Some("batch".into()),
        };
        let batch = batch.then(|| if self.fixed { size(1) } else { open });
        let dim = batch.into_iter().chain(dims.iter().copied().map(size));
        let shape = Some(TensorShapeProto { dim: dim.collect() });
        ValueInfoProto {
            name: name.into(),
            r#type: Some(TypeProto {
                tensor_type: Some(TensorTypeProto { elem_type, shape }),
            }),
        }
    }

    /// The bytes of the file.
    pub(super) fn finish(self, metadata: &BTreeMap<String, String>) -> Vec<u8> {
        let version = |domain: &str, version| OperatorSetIdProto {
            domain: domain.into(),
            version,
        };
        let others = self.domains.iter().map(|domain| version(domain, 1));
        let opset_import = [version("", OPSET)].into_iter().chain(others).collect();
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
            functions: Vec::new(),
        };
        model.encode_to_vec()
    }
}

pub(super) fn integer(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        i: Some(value),
        r#type: 2,
        ..AttributeProto::default()
    }
}

pub(super) fn integers(name: &str, values: &[usize]) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        ints: values.iter().map(|&value| value as i64).collect(),
        r#type: 7,
        ..AttributeProto::default()
    }
}

pub(super) fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        f: Some(value),
        r#type: 1,
        ..AttributeProto::default()
    }
}
