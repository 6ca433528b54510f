//! Ways to say the same net.

use super::{Net, ONE, integer, integers, value};
use crate::model::{
    Model,
    onnx::proto::{AttributeProto, TensorProto, data_type},
};

const SUM: (&[i64], &[f32]) = (&[4, 2], &[1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0]);

fn expected() -> Model {
    Net::bits().node("MatMul", &[SUM]).import().unwrap()
}

/// The image's bits by a comparison with a constant node's value.
fn compared(attributes: Vec<AttributeProto>) -> Net {
    Net::constant(attributes)
        .node("Less", &[])
        .reads("image")
        .node("Where", &[ONE, (&[], &[-1.0])])
        .node("Flatten", &[])
        .node("MatMul", &[SUM])
}

fn tensor_value(data: TensorProto) -> Vec<AttributeProto> {
    vec![AttributeProto {
        name: "value".into(),
        t: Some(Box::new(data)),
        r#type: 4,
        ..AttributeProto::default()
    }]
}

#[test]
fn constants_of_nodes() {
    let float = AttributeProto {
        name: "value_float".into(),
        f: Some(0.5),
        r#type: 1,
        ..AttributeProto::default()
    };
    assert_eq!(compared(vec![float]).import().unwrap(), expected());
    let tensor = TensorProto {
        data_type: data_type::DOUBLE,
        double_data: vec![0.5],
        ..TensorProto::default()
    };
    assert_eq!(compared(tensor_value(tensor)).import().unwrap(), expected());
    for attribute in [integer("value_int", 0), integers("value_ints", &[0])] {
        let model = compared(vec![attribute]).import().unwrap();
        assert_eq!(model.input.threshold, Some(1));
        assert_eq!(model.layers, expected().layers);
    }
    compared(tensor_value(TensorProto {
        data_type: data_type::DOUBLE,
        ..TensorProto::default()
    }))
    .refused("dimensions [], but 0 values");
}

/// Dark pixels by a comparison the other way round, and then by its negation.
#[test]
fn conditions() {
    let bits = |op: &str| {
        let net = Net::new().node(op, &[(&[], &[0.5])]).node("Not", &[]);
        net.node("Where", &[ONE, (&[], &[-1.0])])
            .node("Flatten", &[])
            .node("MatMul", &[SUM])
    };
    assert_eq!(bits("LessOrEqual").import().unwrap(), expected());
    assert_eq!(bits("Less").import().unwrap(), expected());
}

/// `c − x`, `c · x` and `c + x`.
#[test]
fn constants_first() {
    let first = |op: &str, value: f32| {
        let mut net = Net::new().node(op, &[(&[], &[value])]);
        net.graph.node[0].input.swap(0, 1);
        net.node("BipolarQuant", &[ONE])
            .node("Flatten", &[])
            .node("MatMul", &[SUM])
            .import()
            .unwrap()
    };
    assert_eq!(first("Add", -0.5), expected());
    assert_eq!(first("Mul", 0.5).input.threshold, Some(0));
    // 0.5 − x ≥ 0 up to 127: 128 and more are −1, and the weights have the other sign.
    let turned = first("Sub", 0.5);
    assert_eq!(turned.input.threshold, Some(128));
    let [turned, weights] = [&turned, &expected()].map(|model| model.layers[0].weights().cloned());
    let (turned, weights) = (turned.unwrap(), weights.unwrap());
    assert!((0..2).all(|class| turned.get(class, 0) != weights.get(class, 0)));
}

/// Dimensions that the net works out from those of the image, and ways to change them that change nothing.
#[test]
fn shapes_that_are_computed() {
    let reshaped = |mut shape: Net| {
        let target = std::mem::replace(&mut shape.last, "Flatten_2".into());
        let bits = shape.node("Reshape", &[]).reads(&target);
        bits.node("MatMul", &[SUM]).import().unwrap()
    };
    // Of [1, 4] the last but one, and −1.
    let shape = Net::bits()
        .node("Shape", &[])
        .node("Gather", &[(&[1], &[-2.0])])
        .node("Concat", &[(&[1], &[-1.0])])
        .node("Cast", &[])
        .attribute(integer("to", i64::from(data_type::INT64)));
    assert_eq!(reshaped(shape), expected());

    // What leaves [1, 4] as it is.
    let shape = Net::bits()
        .node("Shape", &[])
        .node("Slice", &[(&[1], &[0.0]), (&[1], &[i64::MAX as f32])])
        .node("Unsqueeze", &[(&[1], &[0.0])])
        .node("Transpose", &[])
        .node("Squeeze", &[])
        .node("Div", &[ONE])
        .node("Mul", &[ONE])
        .node("Pow", &[ONE])
        .node("Identity", &[]);
    assert_eq!(reshaped(shape), expected());
}

#[test]
fn shapes_of_images() {
    let net = |dims: &[i64]| {
        let mut net = Net::bits();
        net.graph.input[0] = value("image", dims);
        net.node("MatMul", &[SUM]).import().unwrap().input
    };
    for (dims, height, width) in [
        (&[1, 4][..], 2, 2),
        (&[1, 2, 2], 2, 2),
        (&[1, 4, 1], 4, 1),
        (&[1, 1, 1, 4], 1, 4),
    ] {
        let input = net(dims);
        assert_eq!([input.height, input.width], [height, width], "{dims:?}");
    }
    let mut net = Net::bits();
    net.graph.input[0] = value("image", &[1, 3]);
    let three = net
        .node("MatMul", &[(&[3, 2], &[1.0; 6])])
        .import()
        .unwrap();
    assert_eq!([three.input.height, three.input.width], [1, 3]);
}
