//! Functions of single elements, and arithmetic that broadcasts.

use super::{Net, OPEN, count_to, data_type, float, int};

#[test]
fn a_sign_of_zero_is_zero_as_in_onnx() {
    let net = Net::new(&[1, 3]).node("Sign", "x", "y", &[]);
    net.gives(&[-2.0, 0.0, 0.5], &[1, 3], &[-1.0, 0.0, 1.0]);
}

#[test]
fn larqs_sign_of_sign_plus_a_little_is_plus_one_at_zero() {
    Net::new(&[1, 3])
        .floats("c", &[], &[0.1])
        .node("Sign", "x", "s", &[])
        .node("Add", "s c", "t", &[])
        .node("Sign", "t", "y", &[])
        .gives(&[-2.0, 0.0, 0.5], &[1, 3], &[-1.0, 1.0, 1.0]);
}

#[test]
fn where_of_a_comparison_makes_bits() {
    for (op, at_zero) in [
        ("GreaterOrEqual", 1.0),
        ("Greater", -1.0),
        ("LessOrEqual", 1.0),
        ("Less", -1.0),
    ] {
        let net = Net::new(&[1, 3])
            .floats("zero", &[], &[0.0])
            .floats("one", &[], &[1.0])
            .floats("minus", &[1], &[-1.0])
            .node(op, "x zero", "c", &[])
            .node("Where", "c one minus", "y", &[]);
        let sign = if op.starts_with('G') { 1.0 } else { -1.0 };
        net.gives(&[-2.0, 0.0, 0.5], &[1, 3], &[-sign, at_zero, sign]);
    }
}

#[test]
fn a_comparison_with_its_constant_first() {
    Net::new(&[1, 3])
        .floats("limit", &[], &[1.0])
        .floats("a", &[1, 3], &[1.0, 2.0, 3.0])
        .floats("b", &[], &[0.0])
        .node("Less", "limit x", "c", &[])
        .node("Where", "c a b", "y", &[])
        .gives(&[0.0, 1.0, 2.0], &[1, 3], &[0.0, 0.0, 3.0]);
}

#[test]
fn straight_through_leftovers_are_arithmetic() {
    // sign(x) − x + x
    Net::new(&[1, 2])
        .node("Sign", "x", "s", &[])
        .node("Sub", "s x", "d", &[])
        .node("Add", "d x", "y", &[])
        .gives(&[-4.0, 8.0], &[1, 2], &[-1.0, 1.0]);
}

#[test]
fn activations() {
    for (op, with, expected) in [
        ("Relu", vec![], [0.0, 0.0, 3.0]),
        ("LeakyRelu", vec![float("alpha", 0.5)], [-1.0, 0.0, 3.0]),
        ("Abs", vec![], [2.0, 0.0, 3.0]),
        ("Neg", vec![], [2.0, 0.0, -3.0]),
        (
            "HardSigmoid",
            vec![float("alpha", 0.25), float("beta", 0.5)],
            [0.0, 0.5, 1.0],
        ),
        (
            "Clip",
            vec![float("min", -1.0), float("max", 1.0)],
            [-1.0, 0.0, 1.0],
        ),
        ("Softsign", vec![], [-2.0 / 3.0, 0.0, 0.75]),
    ] {
        let net = Net::new(&[1, 3]).opset(9).node(op, "x", "y", &with);
        let outputs = net.run("y", &[-2.0, 0.0, 3.0]);
        for (found, expected) in outputs[0].1.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{op}: {found}, {expected}");
        }
    }
}

#[test]
fn hard_swish_and_gelu_are_composed() {
    let swish = Net::new(&[1, 3]).node("HardSwish", "x", "y", &[]);
    swish.gives(&[-3.0, 0.0, 3.0], &[1, 3], &[0.0, 0.0, 3.0]);
    let gelu = Net::new(&[1, 2]).opset(20).node("Gelu", "x", "y", &[]);
    // The normal distribution's value at 1 is 0.841345.
    let found = &gelu.run("y", &[0.0, 1.0])[0].1;
    assert!(found[0] == 0.0 && (found[1] - 0.841_345).abs() < 1e-6);
}

#[test]
fn arithmetic_with_one_number_a_channel() {
    // Two channels of one line of two pixels.
    let net = |op: &str| {
        Net::new(&[1, 2, 1, 2])
            .floats("c", &[2, 1, 1], &[2.0, 4.0])
            .node(op, "x c", "y", &[])
    };
    let (x, dims) = ([1.0, 2.0, 3.0, 4.0], [1, 2, 1, 2]);
    net("Add").gives(&x, &dims, &[3.0, 4.0, 7.0, 8.0]);
    net("Sub").gives(&x, &dims, &[-1.0, 0.0, -1.0, 0.0]);
    net("Mul").gives(&x, &dims, &[2.0, 4.0, 12.0, 16.0]);
    net("Div").gives(&x, &dims, &[0.5, 1.0, 0.75, 1.0]);
    net("Max").gives(&x, &dims, &[2.0, 2.0, 4.0, 4.0]);
    net("Min").gives(&x, &dims, &[1.0, 2.0, 3.0, 4.0]);
}

#[test]
fn constants_on_the_left_and_of_any_shape() {
    // Another number for each pixel.
    Net::new(&[1, 2, 1, 2])
        .floats("c", &[1, 2], &[10.0, 20.0])
        .node("Sub", "c x", "y", &[])
        .gives(
            &[1.0, 2.0, 3.0, 4.0],
            &[1, 2, 1, 2],
            &[9.0, 18.0, 7.0, 16.0],
        );
    Net::new(&[1, 2])
        .floats("c", &[], &[6.0])
        .node("Div", "c x", "y", &[])
        .gives(&[4.0, 3.0], &[1, 2], &[1.5, 2.0]);
}

#[test]
fn a_shortcut_adds_two_arrays_that_broadcast() {
    // The image and its mean.
    Net::new(&[1, 2, 2, 2])
        .node("GlobalAveragePool", "x", "mean", &[])
        .node("Sub", "x mean", "y", &[])
        .gives(
            &[1.0, 2.0, 3.0, 6.0, 0.0, 0.0, 4.0, 4.0],
            &[1, 2, 2, 2],
            &[-2.0, -1.0, 0.0, 3.0, -2.0, -2.0, 2.0, 2.0],
        );
}

#[test]
fn bools_are_zero_and_one_as_numbers() {
    Net::new(&[1, 3])
        .floats("one", &[], &[1.0])
        .floats("two", &[], &[2.0])
        .node("Greater", "x one", "a", &[])
        .node("Less", "x two", "b", &[])
        .node("And", "a b", "c", &[])
        .node("Not", "c", "d", &[])
        .node("Cast", "d", "y", &[int("to", data_type::FLOAT.into())])
        .gives(&[0.0, 1.5, 3.0], &[1, 3], &[1.0, 0.0, 1.0]);
}

#[test]
fn or_and_xor() {
    for (op, expected) in [("Or", [1.0, 1.0, 1.0]), ("Xor", [1.0, 0.0, 1.0])] {
        Net::new(&[1, 3])
            .floats("one", &[], &[1.0])
            .floats("two", &[], &[2.0])
            .node("Greater", "x one", "a", &[])
            .node("Less", "x two", "b", &[])
            .node(op, "a b", "c", &[])
            .node("Cast", "c", "y", &[int("to", data_type::FLOAT.into())])
            .gives(&[0.0, 1.5, 3.0], &[1, 3], &expected);
    }
}

#[test]
fn a_cast_to_integers_truncates() {
    Net::new(&[1, 3])
        .node("Cast", "x", "i", &[int("to", data_type::INT32.into())])
        .node("Cast", "i", "y", &[int("to", data_type::FLOAT.into())])
        .gives(&[-1.5, 1.5, 2.0], &[1, 3], &[-1.0, 1.0, 2.0]);
}

#[test]
fn powers_of_constant_exponents() {
    for (exponent, expected) in [(2.0, 16.0), (0.5, 2.0), (-1.0, 0.25), (3.0, 64.0)] {
        Net::new(&[1, 1])
            .floats("e", &[], &[exponent])
            .node("Pow", "x e", "y", &[])
            .gives(&[4.0], &[1, 1], &[expected]);
    }
}

#[test]
fn prelu_has_a_slope_a_channel() {
    Net::new(&[OPEN, 2, 1, 1])
        .floats("slope", &[2, 1, 1], &[0.5, 0.25])
        .node("PRelu", "x slope", "y", &[])
        .gives(
            &[-2.0, -4.0, 1.0, -8.0],
            &[2, 2, 1, 1],
            &[-1.0, -1.0, 1.0, -2.0],
        );
}

#[test]
fn sums_and_means_of_several() {
    let net = |op: &str| {
        Net::new(&[1, 2])
            .floats("c", &[2], &[3.0, 6.0])
            .node(op, "x c x", "y", &[])
    };
    net("Sum").gives(&[1.0, 3.0], &[1, 2], &[5.0, 12.0]);
    net("Mean").gives(&[0.0, 3.0], &[1, 2], &[1.0, 4.0]);
}

#[test]
fn functions_of_the_file_are_put_in_their_place() {
    let mut net = Net::new(&[1, 2])
        .node("Twice", "x", "a", &[float("by", 3.0)])
        .node("Twice", "a", "y", &[]);
    for node in &mut net.graph.node {
        node.domain = "own".into();
    }
    // y = x · by, by default 2.
    let mut body = Net::default()
        .node("Constant", "", "by", &[])
        .node("Mul", "in by", "out", &[])
        .graph
        .node;
    body[0].attribute.push(super::AttributeProto {
        name: "value_float".into(),
        ref_attr_name: "by".into(),
        r#type: 1,
        ..Default::default()
    });
    net.functions.push(super::FunctionProto {
        name: "Twice".into(),
        domain: "own".into(),
        input: vec!["in".into()],
        output: vec!["out".into()],
        node: body,
        attribute_proto: vec![float("by", 2.0)],
        ..Default::default()
    });
    net.gives(&[1.0, -1.0], &[1, 2], &[6.0, -6.0]);
}

#[test]
fn several_outputs_keep_names_and_order() {
    let net = Net::new(&[1, 2])
        .node("Neg", "x", "b", &[])
        .node("Abs", "x", "a", &[]);
    let imported = net.import("b a").expect("a net");
    let names: Vec<_> = imported
        .graph
        .outputs
        .iter()
        .map(|one| &*one.name)
        .collect();
    assert_eq!(names, ["b", "a"]);
    let outputs = net.run("b a", &count_to(2));
    assert_eq!(outputs[0].1, [-1.0, -2.0]);
    assert_eq!(outputs[1].1, [1.0, 2.0]);
}

#[test]
fn inputs_of_bytes_and_doubles() {
    let bytes = Net::of(data_type::UINT8, &[1, 2])
        .node("Cast", "x", "f", &[int("to", data_type::FLOAT.into())])
        .node("Neg", "f", "y", &[]);
    bytes.gives(&[7.0, 255.0], &[1, 2], &[-7.0, -255.0]);
    let doubles = Net::of(data_type::DOUBLE, &[1, 2]).node("Neg", "x", "y", &[]);
    doubles.gives(&[0.5, 2.0], &[1, 2], &[-0.5, -2.0]);
    let notes = doubles.import("y").expect("a net").notes;
    assert!(notes[0].contains("double"), "{notes:?}");
}
