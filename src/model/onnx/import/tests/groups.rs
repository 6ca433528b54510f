//! Convolutions with groups of channels, and with taps that are further apart.

use super::{Net, integer, integers};
use crate::model::{Conv, Layer, Model};

/// Channels whose bits stand for 0 and 1, and for 3 and 2.
fn two_channels() -> Net {
    Net::pixels()
        .node("Conv", &[(&[2, 1, 1, 1], &[1.0, -1.0])])
        .node("Greater", &[(&[], &[0.0])])
        .node(
            "Where",
            &[(&[2, 1, 1], &[1.0, 2.0]), (&[2, 1, 1], &[0.0, 3.0])],
        )
}

/// The logits of all sixteen images of black and white, of two convolutions and an expectation.
fn logits(model: &Model) -> Vec<f64> {
    let [
        Layer::Conv(first),
        Layer::Conv(second),
        Layer::Expectation { weights },
    ] = &model.layers[..]
    else {
        panic!("{:?}", model.layers)
    };
    let sign = |bit: bool| if bit { 1 } else { -1 };
    let activation = |conv: &Conv, output: usize, inputs: &[i32]| {
        let terms = inputs.iter().enumerate();
        let sum = terms.map(|(column, input)| input * sign(conv.weights.get(output, column)));
        sign(conv.thresholds[output].apply(sum.sum()))
    };
    let mut logits = Vec::new();
    for image in 0..16 {
        let channels = [0, 1].map(|channel| {
            [0, 1, 2, 3].map(|tap| activation(first, channel, &[sign(image >> tap & 1 == 1)]))
        });
        let bits = [0, 1, 2, 3].map(|output| activation(second, output, &channels[output / 2]));
        logits.extend([0, 1].map(|class| {
            let terms = (0..4).map(|output| bits[output] * sign(weights.get(class, output)));
            f64::from(terms.sum::<i32>())
        }));
    }
    logits
}

/// Two outputs for each channel, whose offsets are their own: as the graph's numbers have it.
#[test]
fn each_group_has_its_own_offsets() {
    let weights = [
        1.0, 1.0, -1.0, 1.0, 2.0, -2.0, 2.0, 2.0, -1.0, -1.0, -1.0, 1.0, 1.0, 1.0, 1.0, 1.0,
    ];
    let limits = [1.5, 1.0, -4.5, 9.0];
    let last = [1.0, -1.0, 1.0, 1.0, -1.0, 1.0, 1.0, 1.0];
    let model = two_channels()
        .node("Conv", &[(&[4, 1, 2, 2], &weights)])
        .attribute(integer("group", 2))
        .node("GreaterOrEqual", &[(&[4, 1, 1], &limits)])
        .node("Where", &[(&[], &[1.0]), (&[], &[-1.0])])
        .node("Flatten", &[])
        .node("MatMul", &[(&[4, 2], &last)])
        .import()
        .unwrap();
    let Layer::Conv(conv) = &model.layers[1] else {
        panic!("{:?}", model.layers[1].kind())
    };
    assert_eq!((conv.options.groups, conv.window().depth()), (2, 4));

    let mut expected = Vec::new();
    for image in 0..16 {
        let sum = |output: usize| -> f32 {
            let value = |tap: usize| match (output / 2, image >> tap & 1 == 1) {
                (0, white) => f32::from(u8::from(white)),
                // The second channel is of the opposite sign: white is not above 0.
                (_, white) => {
                    if white {
                        3.0
                    } else {
                        2.0
                    }
                }
            };
            (0..4)
                .map(|tap| weights[4 * output + tap] * value(tap))
                .sum()
        };
        let bits: [f32; 4] = [0, 1, 2, 3].map(|output| {
            if sum(output) >= limits[output] {
                1.0
            } else {
                -1.0
            }
        });
        expected.extend([0, 1].map(|class| {
            (0..4)
                .map(|output| f64::from(bits[output] * last[2 * output + class]))
                .sum::<f64>()
        }));
    }
    assert_eq!(logits(&model), expected);
}

/// On 2×2 images a kernel of 2×1 whose taps are two lines apart fits with a line of padding, and `SAME` knows how far it reaches.
#[test]
fn dilation_widens_the_window() {
    let net = |padding| {
        Net::pixels()
            .node(
                "Conv",
                &[(&[3, 1, 2, 1], &[1.0, 1.0, 1.0, -1.0, -1.0, 1.0])],
            )
            .attribute(integers("dilations", &[2, 1]))
            .attribute(padding)
            .node("GreaterOrEqual", &[(&[], &[0.0])])
            .node("Where", &[(&[], &[1.0]), (&[], &[-1.0])])
            .node("Flatten", &[])
            .node("MatMul", &[(&[12, 2], &[[1.0, -1.0]; 12].concat())])
            .import()
            .unwrap()
    };
    let [explicit, same] = [
        integers("pads", &[1, 0, 1, 0]),
        super::text("auto_pad", "SAME_UPPER"),
    ]
    .map(net);
    assert_eq!(explicit, same);
    let Layer::Conv(conv) = &same.layers[0] else {
        panic!("{:?}", same.layers[0].kind())
    };
    assert_eq!(
        (conv.options.dilation, conv.geometry.padding),
        ([2, 1], [1, 0, 1, 0])
    );
}

#[test]
fn what_groups_cannot_be_is_named() {
    let weights: (&[i64], &[f32]) = (&[4, 1, 2, 2], &[1.0; 16]);
    let grouped = |groups| {
        two_channels()
            .node("Conv", &[weights])
            .attribute(integer("group", groups))
    };
    grouped(0).refused("node \"Conv_5\" (Conv): 0 groups of 4 outputs");
    grouped(-2).refused("-2 groups of 4 outputs");
    grouped(3).refused("3 groups of 4 outputs");
    grouped(4).refused("weights for 4 channels on a tensor of [1, 2, 2, 2]");
    grouped(1).refused("weights for 1 channels on a tensor of [1, 2, 2, 2]");
    let dilated = |dilations: &[i64]| grouped(2).attribute(integers("dilations", dilations));
    dilated(&[0, 1]).refused("dilations [0, 1]");
    dilated(&[1]).refused("dilations [1]");
    dilated(&[2, 2]).refused("node \"Conv_5\" (Conv): ");
    two_channels()
        .node("MaxPool", &[])
        .attribute(integers("kernel_shape", &[1, 1]))
        .attribute(integers("dilations", &[2, 2]))
        .refused("dilations of a pool are not known");
    grouped(2)
        .node("Flatten", &[])
        .refused("the last layer is neither dense nor a 1×1 convolution and a sum");
}
