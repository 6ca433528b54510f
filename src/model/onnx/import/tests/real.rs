//! Layers of real weights.

use super::Net;
use crate::model::{Layer, RealConv, RealExpectation, RealThreshold};

/// Four pixels to two sums.
const FIRST: (&[i64], &[f32]) = (&[4, 2], &[0.5, 1.0, -0.25, 2.0, 0.0, 3.0, 1.0, -4.0]);
const LAST: (&[i64], &[f32]) = (&[2, 2], &[0.5, 3.0, -2.0, 0.25]);

/// γ, β, mean, variance of two channels.
fn norm(net: Net) -> Net {
    let channels = [[1.0, -2.0], [0.5, 0.5], [1.0, 0.25], [2.0, 3.0]];
    let constants = channels.each_ref().map(|values| (&[2][..], &values[..]));
    net.node("BatchNormalization", &constants)
}

fn first(net: Net) -> Net {
    net.node("Flatten", &[]).node("MatMul", &[FIRST])
}

#[test]
fn first_and_last() {
    let net = norm(first(Net::new())).node("BipolarQuant", &[(&[], &[0.5])]);
    let model = net.node("MatMul", &[LAST]).import().unwrap();
    assert_eq!(model.input.threshold, None);
    let [
        Layer::RealConv(RealConv {
            geometry,
            weights,
            thresholds,
            ..
        }),
        Layer::RealExpectation(last),
        Layer::Affine { scale, bias },
    ] = &model.layers[..]
    else {
        panic!("{:?}", model.layers)
    };
    assert_eq!((geometry.kernel, geometry.outputs), ([2, 2], 2));
    assert_eq!(weights[..], [0.5, -0.25, 0.0, 1.0, 1.0, 2.0, 3.0, -4.0]);
    // (S/255 − mean) γ/√(variance + ε) + β ≥ 0
    for (threshold, expected) in thresholds.iter().zip([
        255.0 * (1.0 - 0.5 * (2.0 + f64::from(1e-5f32)).sqrt()),
        255.0 * (0.25 + 0.25 * (3.0 + f64::from(1e-5f32)).sqrt()),
    ]) {
        assert!(
            (threshold.at_least - expected).abs() < 1e-10,
            "{threshold:?} {expected}"
        );
    }
    assert_eq!(
        [false, true],
        [0, 1].map(|output| thresholds[output].invert)
    );
    let expected = RealExpectation {
        classes: 2,
        weights: vec![0.5, -2.0, 3.0, 0.25],
    };
    assert_eq!(last, &expected);
    assert_eq!((&scale[..], &bias[..]), (&[0.5, 0.5][..], &[0.0, 0.0][..]));
}

/// A limit at a number of double precision: at least it, or above it.
#[test]
fn ties_are_decided_as_the_graph_decides() {
    for (op, at_least, invert) in [
        ("GreaterOrEqual", 51.0, false),
        ("Greater", 51f64.next_up(), false),
        ("Less", 51.0, true),
        ("LessOrEqual", 51f64.next_up(), true),
    ] {
        let net = first(Net::new())
            .node("Mul", &[(&[], &[5.0])])
            .node(op, &[(&[], &[1.0])])
            .node("Where", &[(&[], &[1.0]), (&[], &[-1.0])]);
        let model = net.node("MatMul", &[LAST]).import().unwrap();
        let Layer::RealConv(conv) = &model.layers[0] else {
            panic!("{:?}", model.layers[0])
        };
        assert_eq!(
            conv.thresholds,
            [RealThreshold { at_least, invert }; 2],
            "{op}"
        );
    }
}

/// Activations of 0 and 1 put an offset into the logits, which is exact.
#[test]
fn offsets_of_activations() {
    let net = Net::bits_of_0_and_1().node(
        "MatMul",
        &[(&[4, 2], &[0.1, 2.0, 0.2, 4.0, 0.3, 8.0, 0.4, 16.0])],
    );
    let model = net.import().unwrap();
    let [
        ..,
        Layer::RealExpectation(last),
        Layer::Affine { scale, bias },
    ] = &model.layers[..]
    else {
        panic!("{:?}", model.layers)
    };
    assert_eq!(last.weights[..], [0.1, 0.2, 0.3, 0.4, 2.0, 4.0, 8.0, 16.0]);
    assert_eq!(scale[..], [0.5, 0.5]);
    let tenths: f64 = [0.1f32, 0.2, 0.3, 0.4].map(f64::from).iter().sum();
    assert!(
        (bias[0] - tenths / 2.0).abs() < 1e-15 && bias[1] == 15.0,
        "{bias:?}"
    );
}

#[test]
fn what_is_refused() {
    let real = Net::bits()
        .node("MatMul", &[FIRST])
        .node("BipolarQuant", &[(&[], &[1.0])]);
    real.node("MatMul", &[LAST]).refused(
        "only ±1 weights times a factor for each output are known between the first layer",
    );
    first(Net::new())
        .node("Sign", &[])
        .node("MatMul", &[LAST])
        .refused("in channel 0 the sum 0 makes a value of 0, whose sign is 0 and no bit");
    norm(first(Net::new()))
        .node("Sign", &[])
        .node("MatMul", &[LAST])
        .import()
        .unwrap();
    let mut weights = FIRST.1.to_vec();
    weights[3] = f32::INFINITY;
    Net::new()
        .node("Flatten", &[])
        .node("MatMul", &[(&[4, 2], &weights)])
        .refused("the weight inf is no finite float32 number");
}
