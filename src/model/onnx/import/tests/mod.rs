//! Graphs made by hand: which side of a limit a tie is on, and what is refused.

mod accepted;
mod groups;
mod real;
mod refused;

use super::import;
use crate::model::{
    Layer, Model,
    onnx::{
        ImportError,
        proto::{
            AttributeProto, DimensionProto, GraphProto, ModelProto, NodeProto,
            StringStringEntryProto, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto,
            ValueInfoProto, data_type,
        },
    },
};
use prost::Message;

/// A graph whose nodes each read the one before, the image being 2×2.
struct Net {
    graph: GraphProto,
    last: String,
}

impl Net {
    fn new() -> Self {
        let input = value("image", &[1, 1, 2, 2]);
        Self {
            graph: GraphProto {
                input: vec![input],
                ..GraphProto::default()
            },
            last: "image".into(),
        }
    }

    /// Bits of the image, line by line.
    fn pixels() -> Self {
        Self::new()
            .node("Sub", &[(&[], &[0.5])])
            .node("BipolarQuant", &[ONE])
    }

    /// Bits of the image, flattened.
    fn bits() -> Self {
        Self::pixels().node("Flatten", &[])
    }

    /// A node that is a constant, of these attributes.
    fn constant(attributes: Vec<AttributeProto>) -> Self {
        let mut net = Self::new().node("Constant", &[]);
        net.graph.node[0].input.clear();
        net.graph.node[0].attribute = attributes;
        net
    }

    /// As [`Net::bits`], of 0 and 1.
    fn bits_of_0_and_1() -> Self {
        Self::new()
            .node("Greater", &[(&[], &[0.5])])
            .node("Where", &[(&[], &[1.0]), (&[], &[0.0])])
            .node("Flatten", &[])
    }

    /// A node with constants, each of dimensions and values.
    fn node(mut self, op: &str, constants: &[(&[i64], &[f32])]) -> Self {
        let name = format!("{op}_{}", self.graph.node.len());
        let mut input = vec![self.last];
        for (dims, values) in constants {
            let name = format!("c{}", self.graph.initializer.len());
            self.graph.initializer.push(TensorProto {
                dims: dims.to_vec(),
                data_type: data_type::FLOAT,
                float_data: values.to_vec(),
                name: name.clone(),
                ..TensorProto::default()
            });
            input.push(name);
        }
        let custom = ["BipolarQuant", "Quant", "MultiThreshold"].contains(&op);
        self.graph.node.push(NodeProto {
            input,
            output: vec![name.clone()],
            name: name.clone(),
            op_type: op.into(),
            // Older files have this domain, and no import of it.
            domain: if custom {
                "onnx.brevitas".into()
            } else {
                String::new()
            },
            ..NodeProto::default()
        });
        self.last = name;
        self
    }

    fn last_node(&mut self) -> &mut NodeProto {
        self.graph.node.last_mut().unwrap()
    }

    fn attribute(mut self, attribute: AttributeProto) -> Self {
        self.last_node().attribute.push(attribute);
        self
    }

    /// The last node reads another tensor too.
    fn reads(mut self, name: &str) -> Self {
        self.last_node().input.push(name.into());
        self
    }

    fn model(&self) -> ModelProto {
        let mut graph = self.graph.clone();
        graph.output.push(value(&self.last, &[1, 2]));
        ModelProto {
            graph: Some(graph),
            ..ModelProto::default()
        }
    }

    fn import(&self) -> Result<Model, ImportError> {
        import(&self.model().encode_to_vec())
    }

    /// The net is refused, and the error says so.
    #[track_caller]
    fn refused(&self, says: &str) {
        refused(&self.model(), says);
    }

    /// Two outputs from the bits' sum and its negative, whose activations the last operators make; then two logits.
    #[track_caller]
    fn thresholds(self) -> [(i32, bool); 2] {
        let model = self
            .node("MatMul", &[(&[2, 2], &[1.0, 1.0, -1.0, 1.0])])
            .import()
            .unwrap();
        let Layer::Conv(conv) = &model.layers[0] else {
            panic!("{:?}", model.layers[0].kind())
        };
        [0, 1].map(|output| {
            let threshold = conv.thresholds[output];
            (threshold.at_least, threshold.invert)
        })
    }

    fn sums() -> Self {
        Self::bits().node("MatMul", &[(&[4, 2], &[1.0; 8])])
    }
}

/// The model is refused, and the error says so.
#[track_caller]
fn refused(model: &ModelProto, says: &str) {
    let error = import(&model.encode_to_vec()).unwrap_err().to_string();
    assert!(error.contains(says), "{error:?} lacks {says:?}");
}

fn value(name: &str, dims: &[i64]) -> ValueInfoProto {
    let dim = dims.iter().map(|&dim| DimensionProto {
        dim_value: Some(dim),
        dim_param: None,
    });
    let tensor_type = TensorTypeProto {
        elem_type: data_type::FLOAT,
        shape: Some(TensorShapeProto { dim: dim.collect() }),
    };
    ValueInfoProto {
        name: name.into(),
        r#type: Some(TypeProto {
            tensor_type: Some(tensor_type),
        }),
    }
}

fn integer(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        i: Some(value),
        r#type: 2,
        ..AttributeProto::default()
    }
}

fn integers(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        ints: values.to_vec(),
        r#type: 7,
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

const ONE: (&[i64], &[f32]) = (&[], &[1.0]);
const ZERO: (&[i64], &[f32]) = (&[], &[0.0]);

/// A sum of 2 that meets the limit exactly, the scale of the second channel being negative.
#[test]
fn ties_of_batch_normalisation() {
    let parameters: [(&[i64], &[f32]); 4] = [
        (&[2], &[3.0, -3.0]),
        (&[2], &[0.0, 0.0]),
        (&[2], &[2.0, 2.0]),
        (&[2], &[7.0, 7.0]),
    ];
    let net = Net::sums()
        .node("BatchNormalization", &parameters)
        .node("BipolarQuant", &[ONE]);
    // The sign of 0 is +1: S ≥ 2, and S ≤ 2, which is not S ≥ 3.
    assert_eq!(net.thresholds(), [(2, false), (3, true)]);

    // √(3.75 + 0.25) = 2: the value is (S − 2) / 2 ∓ 1, and 0 at 4 or 0.
    let parameters: [(&[i64], &[f32]); 4] = [
        (&[2], &[1.0, -1.0]),
        (&[2], &[-1.0, -1.0]),
        (&[2], &[2.0, 2.0]),
        (&[2], &[3.75, 3.75]),
    ];
    let epsilon = AttributeProto {
        name: "epsilon".into(),
        f: Some(0.25),
        r#type: 1,
        ..AttributeProto::default()
    };
    let net = Net::sums()
        .node("BatchNormalization", &parameters)
        .attribute(epsilon)
        .node("BipolarQuant", &[ONE]);
    assert_eq!(net.thresholds(), [(4, false), (1, true)]);
}

#[test]
fn ties_of_comparisons() {
    let signs: [(&[i64], &[f32]); 2] = [ONE, (&[], &[-1.0])];
    let two: (&[i64], &[f32]) = (&[], &[2.0]);
    for (op, expected) in [
        ("Greater", (3, false)),
        ("GreaterOrEqual", (2, false)),
        ("Less", (2, true)),
        ("LessOrEqual", (3, true)),
    ] {
        let net = Net::sums().node(op, &[two]);
        // What of a condition is negative is in the weights that read it.
        let (least, invert) = net.node("Where", &signs).thresholds()[0];
        let falls = op.starts_with("Less");
        assert_eq!(
            (least, invert != falls),
            (expected.0, expected.1 != falls),
            "{op}"
        );
    }
    let thresholds: (&[i64], &[f32]) = (&[2, 1], &[2.0, 2.5]);
    let net = Net::sums().node("MultiThreshold", &[thresholds]);
    assert_eq!(net.thresholds(), [(2, false), (3, false)]);
}

#[test]
fn ties_of_rounding() {
    let two: (&[i64], &[f32]) = (&[], &[2.0]);
    for (mode, least) in [
        ("ROUND", 2),
        ("HALF_EVEN", 2),
        ("HALF_UP", 1),
        ("HALF_DOWN", 2),
        ("CEIL", 1),
        ("UP", 1),
        ("FLOOR", 2),
        ("DOWN", 2),
    ] {
        let net = Net::sums()
            .node("Quant", &[two, ZERO, ONE])
            .attribute(integer("signed", 0))
            .attribute(text("rounding_mode", mode));
        assert_eq!(net.thresholds()[0], (least, false), "{mode}");
    }
    let net = Net::sums()
        .node("Quant", &[two, ZERO, ONE])
        .attribute(integer("signed", 1));
    assert_eq!(net.thresholds()[0], (0, false));
}

/// pixel/255 as float32, doubled and less one, is at least 0 from 127.5 on; 102/255 is at least 0.4 in float32 and not in
/// the rational numbers.
#[test]
fn grey_thresholds() {
    let two: (&[i64], &[f32]) = (&[], &[2.0]);
    let threshold = |net: Net| {
        let net = net.node("BipolarQuant", &[ONE]).node("Flatten", &[]);
        net.node("MatMul", &[(&[4, 2], &[1.0; 8])])
            .import()
            .unwrap()
            .input
            .threshold
    };
    assert_eq!(
        threshold(Net::new().node("Mul", &[two]).node("Sub", &[ONE])),
        Some(128)
    );
    assert_eq!(
        threshold(Net::new().node("Sub", &[(&[], &[0.4])])),
        Some(102)
    );
    assert_eq!(threshold(Net::new()), Some(0));
    // −x ≥ −0.4: the dark pixels are +1, and the weights take the sign.
    let dark = Net::new()
        .node("Neg", &[])
        .node("Add", &[(&[], &[0.4])])
        .node("BipolarQuant", &[ONE]);
    let dark = dark
        .node("Flatten", &[])
        .node("MatMul", &[(&[4, 2], &[1.0; 8])])
        .import()
        .unwrap();
    assert_eq!(dark.input.threshold, Some(103));
    assert!(!dark.layers[0].weights().unwrap().get(0, 0));
}

#[test]
fn a_sign_of_zero_is_refused() {
    // Sums of four are even.
    Net::sums()
        .node("Sign", &[])
        .refused("node \"Sign_4\" (Sign): in channel 0 the sum 0 makes a value of 0");
    let net = Net::sums().node("Add", &[ONE]).node("Sign", &[]);
    assert_eq!(net.thresholds(), [(-1, false), (-1, false)]);
}

/// The first layer reads grey values: a sum of 255 is 1 exactly, though no float32 is 1/255.
#[test]
fn ties_of_grey_values() {
    let sums = |net: Net| {
        net.node("Flatten", &[])
            .node("MatMul", &[(&[4, 2], &[1.0; 8])])
    };
    let signs = |net: Net| net.node("BipolarQuant", &[ONE]).thresholds();
    let at_one = |net: Net| signs(sums(net).node("Sub", &[ONE]));
    assert_eq!(at_one(Net::new()), [(255, false); 2]);
    let centred = Net::new().node("Mul", &[(&[], &[2.0])]).node("Sub", &[ONE]);
    assert_eq!(signs(sums(centred)), [(510, false); 2]);
    let negative = Net::new().node("Neg", &[]).node("Sub", &[ONE]);
    let [(at_least, invert), _] = signs(sums(negative).node("Add", &[(&[], &[5.0])]));
    // 1 − S/255 ≥ 0: the weights have taken the sign.
    assert_eq!((at_least, invert), (-255, false));

    let quantised = |scale: f32| {
        let net = Net::new().node("Quant", &[(&[], &[scale]), ZERO, (&[], &[8.0])]);
        net.attribute(integer("signed", 0))
    };
    assert_eq!(at_one(quantised(1.0 / 255.0)), [(255, false); 2]);
    sums(quantised(1.0 / 256.0)).refused(
        "node \"Quant_0\" (Quant): of 8 bits, the grey values 127 and 128 become 127 and 129",
    );
    let pads = AttributeProto {
        name: "pads".into(),
        ints: vec![1; 4],
        r#type: 7,
        ..AttributeProto::default()
    };
    Net::new()
        .node("Sub", &[ONE])
        .node("Conv", &[(&[2, 1, 1, 1], &[1.0, 1.0])])
        .attribute(pads)
        .refused("node \"Conv_1\" (Conv): the padding 0 is not what a grey value of 0 becomes");
}

#[test]
fn what_a_net_cannot_do_is_named() {
    Net::bits()
        .node("Erf", &[])
        .refused("node \"Erf_3\" (Erf): this operator cannot be expressed");
    Net::new()
        .node("Flatten", &[])
        .node("MatMul", &[(&[4, 2], &[1.0; 8])])
        .refused("it is a single layer on grey values: a layer of bits has to come between");
    let unequal = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 1.0];
    Net::bits()
        .node("MatMul", &[(&[4, 2], &unequal)])
        .node("BipolarQuant", &[(&[], &[1.0])])
        .node("MatMul", &[(&[2, 2], &[1.0; 4])])
        .refused("weights of output 0 are 1 and 2 in magnitude");
    Net::bits()
        .node("MatMul", &[(&[4, 2], &[0.0; 8])])
        .node("BipolarQuant", &[(&[], &[1.0])])
        .node("MatMul", &[(&[2, 2], &[1.0; 4])])
        .refused("weights of output 0 are 0 and 0");
    Net::sums()
        .node("MatMul", &[(&[2, 2], &[1.0; 4])])
        .refused("sums are multiplied with weights before they have become bits");
    Net::new()
        .node("Sub", &[(&[1, 1, 2, 2], &[0.1, 0.2, 0.3, 0.4])])
        .refused("a constant that differs within channel 0");
    Net::bits()
        .node("Quant", &[ONE, ZERO, (&[], &[4.0])])
        .refused("a quantiser to 4 bits, expected 1");
    Net::sums()
        .node("MultiThreshold", &[(&[2, 2], &[0.0, 1.0, 0.0, 1.0])])
        .refused("more make more than a bit");
    Net::sums().node("Div", &[ZERO]).refused("a division by 0");
    Net::sums()
        .node("Mul", &[(&[], &[f32::NAN])])
        .refused("the constant NaN is not finite");
    Net::bits().refused("it is not a layer's sums");
    Net::bits()
        .node("Transpose", &[])
        .refused("the axis of the batch has to stay the first");
    Net::sums()
        .node("Softmax", &[])
        .node("Neg", &[])
        .refused("nothing may come after Softmax");
    let roots: [(&[i64], &[f32]); 4] = [
        (&[2], &[1.0; 2]),
        (&[2], &[1.0; 2]),
        (&[2], &[1.0; 2]),
        (&[2], &[2.0; 2]),
    ];
    let others: [(&[i64], &[f32]); 4] = [
        (&[2], &[1.0; 2]),
        (&[2], &[1.0; 2]),
        (&[2], &[1.0; 2]),
        (&[2], &[3.0; 2]),
    ];
    Net::sums()
        .node("BatchNormalization", &roots)
        .node("BatchNormalization", &others)
        .refused("standard deviations");

    // Bits of the same sums twice are none the worse if one is not used.
    let mut net = Net::sums().node("BipolarQuant", &[ONE]);
    let sums = net.last.replace("BipolarQuant_4", "MatMul_3");
    net.last = sums;
    net.node("BipolarQuant", &[ONE])
        .node("MatMul", &[(&[2, 2], &[1.0; 4])])
        .import()
        .unwrap();

    let mut net = Net::bits();
    net.graph.node[1].domain = "com.example".into();
    net.refused("operators of the domain \"com.example\" are not known");
}

#[test]
fn an_order_of_logits_that_stays_is_noted() {
    let model = Net::sums().node("Softmax", &[]).import().unwrap();
    assert_eq!(model.metadata["onnx.output"], "the logits before Softmax");
}

#[test]
fn graphs_that_are_none() {
    type Spoil = fn(&mut ModelProto);
    let cases: &[(Spoil, &str)] = &[
        (|m| m.graph = None, "graph: there is none"),
        (
            |m| m.graph.as_mut().unwrap().input.clear(),
            "inputs that are not initialisers: expected 1, found none",
        ),
        (
            |m| m.graph.as_mut().unwrap().input.push(value("more", &[1])),
            "expected 1, found image, more",
        ),
        (
            |m| m.graph.as_mut().unwrap().output.clear(),
            "outputs: expected 1, found none",
        ),
        (
            |m| m.graph.as_mut().unwrap().output[0].name = "x".into(),
            "nothing computes the output \"x\"",
        ),
        (
            |m| m.graph.as_mut().unwrap().node.swap(0, 1),
            "its input \"Sub_0\" is nowhere before it",
        ),
        (
            |m| m.graph.as_mut().unwrap().node[0].output[0] = "image".into(),
            "its output \"image\" is there already",
        ),
        (
            |m| m.graph.as_mut().unwrap().input[0] = value("image", &[1, 0, 2, 2]),
            "input \"image\": expected dimensions",
        ),
        (
            |m| m.graph.as_mut().unwrap().input[0] = value("image", &[1, 1 << 40, 1 << 40, 2]),
            "expected 1 to 4194304 values",
        ),
        (
            |m| m.graph.as_mut().unwrap().initializer[0].dims = vec![1 << 62, 4],
            "tensor \"c0\": dimensions [4611686018427387904, 4], but 1 values",
        ),
        (
            |m| m.graph.as_mut().unwrap().initializer[0].dims = vec![-1],
            "tensor \"c0\": dimensions [-1]",
        ),
        (
            |m| m.graph.as_mut().unwrap().initializer[0].raw_data = Some(vec![0; 3]),
            "3 bytes of data, not a multiple of 4",
        ),
        (
            // No value, and yet too many in some axes.
            |m| {
                let tensor = &mut m.graph.as_mut().unwrap().initializer[0];
                tensor.dims = vec![0, 1 << 62, 4];
                tensor.float_data.clear();
            },
            "tensor \"c0\": dimensions [0, 4611686018427387904, 4], but 0 values",
        ),
        (
            |m| m.graph.as_mut().unwrap().initializer[0].dims = vec![1; 17],
            "but 1 values",
        ),
        (
            |m| m.graph.as_mut().unwrap().input[0] = value("image", &[1, 1 << 17, 1, 8]),
            "input \"image\": channels: expected at most 8192, found 131072",
        ),
        (
            |m| m.graph.as_mut().unwrap().initializer[0].data_type = 8,
            "tensor \"c0\": data of type 8",
        ),
        (
            |m| {
                m.graph.as_mut().unwrap().initializer[0].external_data.push(
                    StringStringEntryProto {
                        key: "location".into(),
                        value: "/etc/passwd".into(),
                    },
                );
            },
            "tensor \"c0\": its data are in another file, which is not opened",
        ),
    ];
    for (spoil, says) in cases {
        let mut model = Net::sums().model();
        spoil(&mut model);
        refused(&model, says);
    }
    // Initialisers among the inputs are no inputs.
    let mut model = Net::sums().model();
    model.graph.as_mut().unwrap().input.push(value("c0", &[]));
    import(&model.encode_to_vec()).unwrap();
}

/// Each of many small nodes reads a large image: the work is limited.
#[test]
fn work_is_limited() {
    let mut net = Net::new();
    net.graph.input[0] = value("image", &[1, 1, 2048, 2048]);
    for _ in 0..100 {
        net = net.node("Neg", &[]);
    }
    net.refused("more work up to here than a net of this size can need");
}
