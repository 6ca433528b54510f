//! QONNX's quantisers.

use super::{Net, OPEN, float, int, text};

#[test]
fn bipolar_quant_is_plus_at_zero_and_has_a_scale() {
    Net::new(&[1, 3])
        .floats("scale", &[], &[0.5])
        .node("BipolarQuant", "x scale", "y", &[])
        .gives(&[-1.0, 0.0, 2.0], &[1, 3], &[-0.5, 0.5, 0.5]);
}

fn quant(bits: f32, zero: f32, with: &[super::AttributeProto]) -> Net {
    Net::new(&[1, 5])
        .floats("scale", &[], &[0.5])
        .floats("zero", &[], &[zero])
        .floats("bits", &[], &[bits])
        .node("Quant", "x scale zero bits", "y", with)
}

#[test]
fn quant_rounds_clamps_and_scales() {
    let x = [-9.0, -0.3, 0.25, 0.75, 9.0];
    let signed = [int("signed", 1), int("narrow", 0)];
    quant(3.0, 0.0, &signed).gives(&x, &[1, 5], &[-2.0, -0.5, 0.0, 1.0, 1.5]);
    let narrow = [int("signed", 1), int("narrow", 1)];
    quant(3.0, 0.0, &narrow).gives(&x, &[1, 5], &[-1.5, -0.5, 0.0, 1.0, 1.5]);
    let unsigned = [int("signed", 0), int("narrow", 0)];
    quant(2.0, 0.0, &unsigned).gives(&x, &[1, 5], &[0.0, 0.0, 0.0, 1.0, 1.5]);
    quant(2.0, 1.0, &unsigned).gives(&x, &[1, 5], &[-0.5, -0.5, 0.5, 0.5, 1.0]);
}

#[test]
fn every_rounding_mode() {
    // In units of the scale: −1.5, −0.4, 0.5, 1.5, 1.6.
    let x = [-0.75, -0.2, 0.25, 0.75, 0.8];
    for (mode, expected) in [
        ("ROUND", [-2.0, 0.0, 0.0, 2.0, 2.0]),
        ("FLOOR", [-2.0, -1.0, 0.0, 1.0, 1.0]),
        ("CEIL", [-1.0, 0.0, 1.0, 2.0, 2.0]),
        ("UP", [-2.0, -1.0, 1.0, 2.0, 2.0]),
        ("DOWN", [-1.0, 0.0, 0.0, 1.0, 1.0]),
        ("HALF_UP", [-2.0, 0.0, 1.0, 2.0, 2.0]),
        ("HALF_DOWN", [-1.0, 0.0, 0.0, 1.0, 2.0]),
    ] {
        let net = quant(8.0, 0.0, &[text("rounding_mode", mode)]);
        let found = net.run("y", &x).remove(0).1;
        let expected: Vec<f32> = expected.iter().map(|y| y * 0.5).collect();
        assert_eq!(found, expected, "{mode}");
    }
}

#[test]
fn quant_of_one_bit_is_a_sign() {
    let x = [-9.0, -0.3, 0.0, 0.75, 9.0];
    quant(1.0, 0.0, &[int("signed", 1)]).gives(&x, &[1, 5], &[-0.5, -0.5, 0.5, 0.5, 0.5]);
}

#[test]
fn weights_through_quantisers() {
    Net::new(&[1, 2])
        .floats("w", &[2, 2], &[0.3, -0.7, 0.0, 2.0])
        .floats("scale", &[2], &[0.5, 0.25])
        .node("BipolarQuant", "w scale", "v", &[])
        .node("MatMul", "x v", "y", &[])
        .gives(&[1.0, 10.0], &[1, 2], &[5.5, 2.25]);
}

#[test]
fn multi_threshold_counts_for_each_channel() {
    Net::new(&[OPEN, 2, 1, 1])
        .floats("t", &[2, 3], &[-1.0, 0.0, 1.0, 10.0, 20.0, 30.0])
        .node(
            "MultiThreshold",
            "x t",
            "y",
            &[float("out_scale", 2.0), float("out_bias", -3.0)],
        )
        .gives(
            &[0.0, 10.0, 5.0, 9.0],
            &[2, 2, 1, 1],
            &[1.0, -1.0, 3.0, -3.0],
        );
}

#[test]
fn trunc_cuts_the_lower_bits() {
    Net::new(&[1, 3])
        .floats("scale", &[], &[0.5])
        .floats("zero", &[], &[0.0])
        .floats("in", &[], &[6.0])
        .floats("out", &[], &[4.0])
        .node("Trunc", "x scale zero in out", "y", &[])
        // 7, 8 and −1 units over 4, down.
        .gives(&[3.5, 4.0, -0.5], &[1, 3], &[0.5, 1.0, -0.5]);
}

#[test]
fn dequantised_weights_are_floats() {
    let bytes = super::TensorProto {
        dims: vec![2, 1],
        data_type: super::data_type::INT8,
        int32_data: vec![-3, 5],
        name: "w".into(),
        ..Default::default()
    };
    Net::new(&[1, 2])
        .tensor(bytes)
        .floats("scale", &[], &[0.5])
        .node("DequantizeLinear", "w scale", "v", &[])
        .node("MatMul", "x v", "y", &[])
        .gives(&[1.0, 10.0], &[1, 1], &[23.5]);
}
