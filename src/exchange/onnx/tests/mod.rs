//! Graphs made by hand, with outputs that were worked out by hand.

mod bits;
mod bounds;
mod functions;
mod products;
mod refused;
mod shapes;

use super::{
    Dialect, ImportError, export, import,
    proto::{
        AttributeProto, DimensionProto, FunctionProto, GraphProto, ModelProto, NodeProto,
        OperatorSetIdProto, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto,
        ValueInfoProto, data_type,
    },
};
use crate::exchange::{ImportOptions, Imported};
use bernet_runtime::{
    graph::{ArrayLayout, Graph, Kind},
    reference,
    tensor::{Data, Tensor},
};
use prost::Message;
use std::collections::HashSet;

/// A graph whose input is `x` and whose outputs are named.
#[derive(Clone, Default)]
struct Net {
    graph: GraphProto,
    functions: Vec<FunctionProto>,
    opset: i64,
}

/// An axis of open size.
const OPEN: i64 = -1;

impl Net {
    /// A graph of opset 17 with an input of floats.
    fn new(dims: &[i64]) -> Self {
        Self::of(data_type::FLOAT, dims)
    }

    fn of(kind: i32, dims: &[i64]) -> Self {
        Self {
            graph: GraphProto {
                input: vec![value("x", kind, dims)],
                ..GraphProto::default()
            },
            functions: vec![],
            opset: 17,
        }
    }

    fn opset(mut self, opset: i64) -> Self {
        self.opset = opset;
        self
    }

    /// A constant of floats.
    fn floats(self, name: &str, dims: &[i64], values: &[f32]) -> Self {
        self.tensor(TensorProto {
            dims: dims.to_vec(),
            data_type: data_type::FLOAT,
            float_data: values.to_vec(),
            name: name.into(),
            ..TensorProto::default()
        })
    }

    /// A list of integers.
    fn integers(self, name: &str, values: &[i64]) -> Self {
        self.tensor(TensorProto {
            dims: vec![values.len() as i64],
            data_type: data_type::INT64,
            int64_data: values.to_vec(),
            name: name.into(),
            ..TensorProto::default()
        })
    }

    fn tensor(mut self, tensor: TensorProto) -> Self {
        self.graph.initializer.push(tensor);
        self
    }

    /// A node with its inputs, its outputs and attributes; names are separated by blanks.
    fn node(mut self, op: &str, inputs: &str, outputs: &str, with: &[AttributeProto]) -> Self {
        let names = |list: &str| list.split(' ').map(|name| name.replace('_', "")).collect();
        let quantiser = ["Quant", "BipolarQuant", "MultiThreshold", "Trunc"].contains(&op);
        self.graph.node.push(NodeProto {
            input: if inputs.is_empty() {
                vec![]
            } else {
                names(inputs)
            },
            output: names(outputs),
            name: format!("{op} of {inputs}"),
            op_type: op.into(),
            attribute: with.to_vec(),
            domain: if quantiser {
                "qonnx.custom_op.general".into()
            } else {
                String::new()
            },
            ..NodeProto::default()
        });
        self
    }

    fn model(&self, outputs: &str) -> ModelProto {
        let mut graph = self.graph.clone();
        for name in outputs.split(' ') {
            graph.output.push(value(name, data_type::FLOAT, &[1]));
        }
        let version = |domain: &str, version| OperatorSetIdProto {
            domain: domain.into(),
            version,
        };
        ModelProto {
            ir_version: 8,
            graph: Some(graph),
            functions: self.functions.clone(),
            opset_import: vec![version("", self.opset), version("own", 1)],
            ..ModelProto::default()
        }
    }

    fn import(&self, outputs: &str) -> Result<Imported, ImportError> {
        import(
            &self.model(outputs).encode_to_vec(),
            &ImportOptions::default(),
        )
    }

    /// The outputs, as arrays of the file's shapes, for an input in the file's order; the net's own
    /// exports give the same.
    #[track_caller]
    fn run(&self, outputs: &str, x: &[f32]) -> Vec<(Vec<usize>, Vec<f32>)> {
        let graph = match self.import(outputs) {
            Ok(imported) => imported.graph,
            Err(error) => panic!("{error}"),
        };
        let outputs = run(&graph, x);
        for dialect in [Dialect::Standard, Dialect::Qonnx] {
            let file = export(&graph, dialect).expect("an export");
            assert_tidy(&file, &graph);
            let back = import(&file, &ImportOptions::default()).expect("its import");
            for ((dims, values), (also_dims, also)) in outputs.iter().zip(run(&back.graph, x)) {
                let near = values.iter().zip(&also).all(|(a, b)| (a - b).abs() <= 1e-6);
                assert!(
                    *dims == also_dims && near,
                    "{values:?}, by way of {dialect:?} {also:?}"
                );
            }
        }
        outputs
    }

    /// One output `y` has this shape and these values.
    #[track_caller]
    fn gives(&self, x: &[f32], dims: &[usize], y: &[f32]) {
        let outputs = self.run("y", x);
        assert_eq!((&outputs[0].0[..], &outputs[0].1[..]), (dims, y));
    }

    /// The graph is refused, and the text has all these parts.
    #[track_caller]
    fn refused(&self, parts: &[&str]) {
        let error = match self.import("y") {
            Ok(_) => panic!("accepted"),
            Err(error) => error.to_string(),
        };
        for part in parts {
            assert!(error.contains(part), "{part:?} is not in {error:?}");
        }
    }
}

/// Whatever an exported file holds is used, and its outputs have the graph's names.
#[track_caller]
fn assert_tidy(file: &[u8], graph: &Graph) {
    let file = ModelProto::decode(file).expect("an ONNX file");
    let file = file.graph.expect("a graph");
    let outputs: Vec<_> = file.output.iter().map(|output| &output.name).collect();
    let expected: Vec<_> = graph.outputs.iter().map(|output| &output.name).collect();
    assert_eq!(outputs, expected);
    let read = file.node.iter().flat_map(|node| &node.input);
    let used: HashSet<_> = read.chain(outputs).collect();
    let constants = file.initializer.iter().map(|tensor| &tensor.name);
    let computed = file.node.iter().flat_map(|node| &node.output);
    for name in constants.chain(computed) {
        assert!(used.contains(name), "nothing uses {name:?}");
    }
}

/// The shipped nets, as every dialect writes them.
#[test]
fn exports_of_shipped_nets_are_tidy() {
    for net in [
        "mnist",
        "mnist-bernoulli",
        "mnist-exact",
        "mnist-grey",
        "mnist-lenet",
        "mnist-small",
        "mnist-small-4k",
        "mnist-small-8k",
    ] {
        let graph = bernet_runtime::format::read(format!("models/{net}.bnet")).expect("a net");
        for dialect in [Dialect::Standard, Dialect::Qonnx, Dialect::Bernet] {
            assert_tidy(&export(&graph, dialect).expect("an export"), &graph);
        }
    }
}

fn run(graph: &Graph, x: &[f32]) -> Vec<(Vec<usize>, Vec<f32>)> {
    let input = &graph.inputs[0];
    let shape = graph.value(input.value).shape;
    let places = places(&input.layout);
    let values: Vec<f32> = x
        .chunks_exact(places.len())
        .flat_map(|item| places.iter().map(|&place| item[place]))
        .collect();
    let batch = x.len() / places.len();
    let data = match graph.value(input.value).kind {
        Kind::Bit => Data::Bit(values.iter().map(|&x| x > 0.0).collect()),
        Kind::U8 => Data::U8(values.iter().map(|&x| x as u8).collect()),
        Kind::I32 => Data::I32(values.iter().map(|&x| x as i32).collect()),
        Kind::F32 => Data::F32(values),
    };
    let tensor = Tensor::new(batch, shape, data).expect("as many values");
    let found = reference::run(graph, &[tensor]).expect("a valid graph");
    let outputs = graph.outputs.iter().zip(found);
    outputs
        .map(|(output, tensor)| host_array(&output.layout, &tensor))
        .collect()
}

/// Where each element of an item in NHWC order is in the array of a layout.
fn places(layout: &ArrayLayout) -> Vec<usize> {
    let mut strides = vec![1; layout.dims.len()];
    for axis in (1..strides.len()).rev() {
        strides[axis - 1] = strides[axis] * layout.dims[axis];
    }
    let mut places = vec![0];
    for &axis in &layout.perm {
        let along = (0..layout.dims[axis]).map(|index| index * strides[axis]);
        let more = |place: &usize| {
            let place = *place;
            along.clone().map(move |more| place + more)
        };
        places = places.iter().flat_map(more).collect();
    }
    places
}

fn host_array(layout: &ArrayLayout, tensor: &Tensor) -> (Vec<usize>, Vec<f32>) {
    let places = places(layout);
    let mut array = vec![0.0; tensor.data().len()];
    for (item, values) in tensor.to_f32().chunks_exact(places.len()).enumerate() {
        for (&place, &value) in places.iter().zip(values) {
            array[item * places.len() + place] = value;
        }
    }
    let batch = layout.batch.then_some(tensor.batch());
    let dims = batch.into_iter().chain(layout.dims.iter().copied());
    (dims.collect(), array)
}

fn value(name: &str, elem_type: i32, dims: &[i64]) -> ValueInfoProto {
    let dim = |&size: &i64| DimensionProto {
        dim_value: (size >= 0).then_some(size),
        dim_param: (size < 0).then(|| "N".into()),
    };
    let shape = TensorShapeProto {
        dim: dims.iter().map(dim).collect(),
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

fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        i: Some(value),
        r#type: 2,
        ..AttributeProto::default()
    }
}

fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        ints: values.to_vec(),
        r#type: 7,
        ..AttributeProto::default()
    }
}

fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        f: Some(value),
        r#type: 1,
        ..AttributeProto::default()
    }
}

fn text(name: &str, value: &str) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        s: Some(value.into()),
        r#type: 3,
        ..AttributeProto::default()
    }
}

/// 1, 2, 3 and so on.
fn count_to(last: usize) -> Vec<f32> {
    (1..=last).map(|number| number as f32).collect()
}
