//! What no net can do, operator by operator: each refusal names its node and says why.

use super::{Net, ONE, ZERO, integer, integers, refused, text, value};
use crate::model::onnx::proto::NodeProto;

type Constants<'a> = &'a [(&'a [i64], &'a [f32])];

/// Nets by what they begin with, the operator that is refused, and what the error says.
#[track_caller]
fn all_refused(begin: fn() -> Net, cases: &[(&str, Constants<'_>, &str)]) {
    for (op, constants, says) in cases {
        begin().node(op, constants).refused(says);
    }
}

/// Sums of two channels at each of four positions.
fn planes() -> Net {
    Net::pixels().node("Conv", &[(&[2, 1, 1, 1], &[1.0, -1.0])])
}

/// A constant first, and then what is made of it.
fn constant() -> Net {
    Net::constant(vec![integers("value_ints", &[4, 5, 6])])
}

#[test]
fn products() {
    all_refused(
        Net::bits,
        &[
            (
                "MatMul",
                &[(&[4], &[1.0; 4])],
                "weights of dimensions [4], expected two",
            ),
            (
                "MatMul",
                &[(&[2, 2], &[1.0; 4])],
                "weights for 2 values on a tensor of [1, 4]",
            ),
            (
                "Conv",
                &[(&[2, 1, 1, 1], &[1.0; 2])],
                "dimensions [1, 4] and weights of [2, 1, 1, 1], expected four each",
            ),
        ],
    );
    all_refused(
        Net::pixels,
        &[
            (
                "Gemm",
                &[(&[4, 2], &[1.0; 8])],
                "dimensions [1, 1, 2, 2], expected two",
            ),
            (
                "MatMul",
                &[(&[2, 2], &[1.0; 4])],
                "an axis of the product that is neither a whole image nor the channels of a pixel",
            ),
            (
                "Conv",
                &[(&[1, 3, 1, 1], &[1.0; 3])],
                "weights for 3 channels on a tensor of [1, 1, 2, 2]",
            ),
        ],
    );
    Net::bits()
        .node("Gemm", &[(&[4, 2], &[1.0; 8])])
        .attribute(integer("transA", 1))
        .refused("transA: the axis of the batch has to stay the first");
    Net::pixels()
        .node("Conv", &[(&[2, 1, 1, 1], &[1.0; 2])])
        .attribute(integer("group", 3))
        .refused("3 groups of 2 outputs");
    Net::bits()
        .node("Mul", &[ZERO])
        .node("MatMul", &[(&[4, 2], &[1.0; 8])])
        .refused("the activations' scale is 0 or differs between channels");
    // What a convolution pads with is neither −1, 1 nor the middle between them.
    Net::pixels()
        .node("Add", &[(&[], &[5.0])])
        .node("Conv", &[(&[2, 1, 3, 3], &[1.0; 18])])
        .attribute(integers("pads", &[1; 4]))
        .refused("the padding 0 is neither of the two values nor the middle between them");
}

#[test]
fn shapes() {
    let ints: (&[i64], &[f32]) = (&[2], &[1.5, 2.0]);
    all_refused(
        Net::bits,
        &[
            ("Reshape", &[ints], "a shape that is not integers"),
            (
                "Reshape",
                &[(&[2], &[3.0, -1.0])],
                "shape [3, -1] for dimensions [1, 4]",
            ),
            (
                "Reshape",
                &[(&[3], &[0.0, 0.0, 0.0])],
                "shape [0, 0, 0] for dimensions [1, 4]",
            ),
            (
                "Reshape",
                &[(&[2], &[2.0, 2.0])],
                "dimensions [2, 2] for a tensor of [1, 4] (the axis of the batch has to stay)",
            ),
            ("Squeeze", &[(&[1], &[1.0])], "axis 1 of [1, 4] is not 1"),
            ("Squeeze", &[(&[1], &[0.5])], "axes that are not integers"),
            ("Unsqueeze", &[], "without axes"),
            (
                "Unsqueeze",
                &[(&[2], &[1.0, 1.0])],
                "an axis is there twice",
            ),
            ("Unsqueeze", &[(&[1], &[9.0])], "axis 9 of 3"),
            (
                "Unsqueeze",
                &[(&[15], &[0.0; 15])],
                "17 axes, expected at most 16",
            ),
            ("Slice", &[], "without starts"),
            ("Slice", &[(&[1], &[0.0])], "without ends"),
            ("Slice", &[(&[1], &[0.5])], "starts that are not integers"),
            (
                "Slice",
                &[(&[1], &[0.0]), (&[2], &[1.0, 2.0])],
                "only slices of step 1 are known, with as many starts as ends and axes",
            ),
            (
                "Slice",
                &[
                    (&[1], &[0.0]),
                    (&[1], &[3.0]),
                    (&[1], &[1.0]),
                    (&[1], &[2.0]),
                ],
                "only slices of step 1 are known",
            ),
            (
                "Slice",
                &[(&[1], &[-1.0]), (&[1], &[3.0]), (&[1], &[1.0])],
                "nothing is left of [1, 4]",
            ),
            ("Pad", &[], "without pads"),
            ("Pad", &[ints], "pads that are not integers"),
            ("Pad", &[(&[2], &[0.0, 1.0])], "pads [0, 1] for 2 axes"),
            (
                "Pad",
                &[(&[4], &[1.0, 0.0, 0.0, 0.0])],
                "images are added to the batch",
            ),
            (
                "Pad",
                &[(&[4], &[0.0; 4]), (&[2], &[1.0, 1.0])],
                "a value that is not a single one",
            ),
            (
                "Pad",
                &[(&[4], &[0.0; 4]), ONE, (&[1], &[1.0])],
                "axes are not known",
            ),
            ("Cast", &[], "a cast to type 0"),
            ("Dropout", &[ONE, ONE], "it is in training mode"),
            (
                "Mul",
                &[(&[1, 1, 4], &[1.0; 4])],
                "a constant of dimensions [1, 1, 4] on a tensor of [1, 4]",
            ),
            (
                "Mul",
                &[(&[3], &[1.0; 3])],
                "a constant of dimensions [3] on a tensor of [1, 4]",
            ),
        ],
    );
    let one = |op: &str| Net::bits().node(op, &[(&[2], &[1.0, 4.0])]);
    one("Reshape")
        .attribute(integer("allowzero", 1))
        .refused("allowzero is not known");
    one("Pad")
        .attribute(text("mode", "reflect"))
        .refused("only padding by a constant is known");
    Net::bits()
        .node("Shape", &[])
        .attribute(integer("start", 1))
        .refused("only the whole shape is known, without start and end");
    Net::pixels()
        .node("Transpose", &[])
        .attribute(integers("perm", &[0, 1, 1, 2]))
        .refused("perm [0, 1, 1, 2] for a tensor of 4 axes");
    let twice: Constants<'_> = &[(&[8], &[0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0]), ONE];
    Net::pixels()
        .node("Pad", twice)
        .node("Pad", &[twice[0], ZERO])
        .refused("paddings of different values");
    Net::pixels()
        .node("Pad", twice)
        .node("Neg", &[])
        .refused("padding that is not that of a convolution");

    let mut net = Net::new();
    net.graph.input[0] = value("image", &[2, 1, 2, 2]);
    net.node("Slice", &[(&[1], &[1.0]), (&[1], &[2.0])])
        .refused("the axis of the batch has to stay whole");
}

#[test]
fn shapes_of_constants() {
    all_refused(
        constant,
        &[
            (
                "Reshape",
                &[(&[2], &[2.0, 2.0])],
                "dimensions [2, 2] for a constant of [3]",
            ),
            ("Gather", &[(&[1], &[3.0])], "an index outside of 3 values"),
            ("Gather", &[(&[1], &[0.5])], "indices that are not integers"),
            (
                "Concat",
                &[(&[1, 1], &[1.0])],
                "only constants of one axis are concatenated",
            ),
            (
                "Add",
                &[(&[2], &[1.0, 2.0])],
                "constants of dimensions [3] and [2]",
            ),
            (
                "Add",
                &[(&[2, 1], &[1.0, 2.0])],
                "constants of dimensions [3] and [2, 1]",
            ),
            ("Neg", &[], "it does not depend on the image"),
            ("Sign", &[], "it does not depend on the image"),
            ("MatMul", &[(&[4, 2], &[1.0; 8])], "input 0 is a constant"),
            (
                "Quant",
                &[ONE, ZERO, (&[], &[2.5])],
                "a quantiser to 2.5 bits, expected 1 to 24",
            ),
            (
                "Quant",
                &[ONE, ONE, ONE],
                "constants are only quantised to a sign",
            ),
        ],
    );
    constant()
        .node("Gather", &[(&[1], &[0.0])])
        .attribute(integer("axis", 1))
        .refused("constants of 1 axes are not gathered from");
    constant()
        .node("Quant", &[ONE, ZERO, (&[], &[4.0])])
        .attribute(text("rounding_mode", "CLOSEST"))
        .refused("the rounding mode \"CLOSEST\" is not known");
    Net::constant(Vec::new())
        .refused("expected one of the attributes value, value_float, value_int and value_ints");
}

#[test]
fn activations() {
    all_refused(
        Net::sums,
        &[
            (
                "Quant",
                &[ONE, ZERO, (&[2], &[1.0, 1.0])],
                "a quantiser to several numbers of bits, expected 1",
            ),
            ("Sqrt", &[], "this is only known of constants"),
            ("Pow", &[ONE], "this is only known of constants"),
        ],
    );
    let quantised = || {
        Net::sums()
            .node("Quant", &[ONE, ZERO, ONE])
            .attribute(integer("signed", 0))
    };
    quantised()
        .attribute(integer("narrow", 1))
        .refused("a narrow range of one bit is a single value");
    quantised()
        .attribute(text("rounding_mode", "CLOSEST"))
        .refused("the rounding mode \"CLOSEST\" is not known");
    Net::bits()
        .node("Unsqueeze", &[(&[1], &[1.0])])
        .node("MultiThreshold", &[(&[1, 1], &[0.0])])
        .refused("which axis is the channel is not clear");
    Net::bits()
        .node("Greater", &[(&[], &[5.0])])
        .refused("a comparison whose result is always the same");
    planes()
        .node("BipolarQuant", &[ONE])
        .node("GlobalAveragePool", &[])
        .node("BipolarQuant", &[ONE])
        .refused("activations of averages are not known");
    planes()
        .node("GlobalAveragePool", &[])
        .node("BipolarQuant", &[ONE])
        .refused("activations of averages are not known");

    // The image again, after it has become bits or has been multiplied.
    let sums: (&str, Constants<'_>) = ("MatMul", &[(&[4, 2], &[1.0; 8])]);
    let again = |net: Net, (op, constants): (&str, Constants<'_>), says: &str| {
        let [image, first] = ["image".into(), net.last];
        let image = Net { last: image, ..net }.node("Flatten", &[]);
        // Nothing is worked out that the output does not need.
        let both = image.node(op, constants).node("Add", &[]);
        both.reads(&first).refused(says);
    };
    again(
        Net::bits(),
        ("BipolarQuant", &[ONE]),
        "the image is binarised more than once",
    );
    again(
        Net::bits(),
        sums,
        "grey values are multiplied with weights that have become bits before",
    );
    again(
        Net::new()
            .node("Flatten", &[])
            .node(sums.0, sums.1)
            .node("BipolarQuant", &[ONE]),
        ("BipolarQuant", &[ONE]),
        "grey values become bits that have been multiplied with weights before",
    );

    let coloured = || {
        let mut net = Net::new();
        net.graph.input[0] = value("image", &[1, 2, 2, 2]);
        net
    };
    coloured()
        .node("Greater", &[(&[2, 1, 1], &[0.25, 0.5])])
        .refused("the grey values that are +1 differ between channels");
    coloured()
        .node("Quant", &[(&[2, 1, 1], &[1.0, 2.0]), ZERO, (&[], &[8.0])])
        .refused("the image's quantiser differs between channels");
    coloured()
        .node("Slice", &[(&[1], &[0.0]), (&[1], &[1.0]), (&[1], &[1.0])])
        .node("BipolarQuant", &[ONE])
        .node("Conv", &[(&[1, 1, 1, 1], &[1.0])])
        .refused("what is read of the image is not a rectangle with all channels");
    let image = |scale: f32| Net::new().node("Quant", &[(&[], &[scale]), ZERO, (&[], &[8.0])]);
    image(1.0)
        .attribute(text("rounding_mode", "CEIL"))
        .refused("the rounding mode \"CEIL\" of an 8-bit image is not known");
    image(2.0 / 255.0).refused("the grey value 1 lies in the middle between two integers");
    image(1.0).refused("expected the same step, which is not 0, between all");
}

#[test]
fn pools_and_totals() {
    let pool = |net: Net, side: i64| {
        net.node("MaxPool", &[])
            .attribute(integers("kernel_shape", &[side; 2]))
    };
    Net::pixels()
        .node("MaxPool", &[])
        .refused("dimensions [1, 1, 2, 2], expected four, and a kernel_shape of two");
    pool(Net::bits(), 2).refused("dimensions [1, 4], expected four, and a kernel_shape of two");
    pool(Net::pixels(), 3).refused("windows of [3, 3] on a tensor of [1, 1, 2, 2]");
    pool(Net::pixels(), 0).refused("kernel [0, 0] and strides [1, 1]");
    pool(Net::pixels(), -1).refused("a kernel of -1");
    pool(Net::pixels(), 1)
        .attribute(integers("dilations", &[2, 2]))
        .refused("dilations of a pool are not known");
    pool(Net::pixels(), 1)
        .attribute(integers("strides", &[1; 3]))
        .refused("strides [1, 1, 1]");
    pool(Net::pixels(), 1)
        .attribute(text("auto_pad", "SAME"))
        .refused("auto_pad \"SAME\" is not known");
    pool(Net::pixels().node("Neg", &[]), 2).refused("the largest of values whose bit is inverted");
    pool(Net::new(), 2).refused("only bits and sums are pooled, and sums once");
    pool(pool(planes(), 1), 1).refused("only bits and sums are pooled, and sums once");
    let turned = planes().node("Transpose", &[]);
    let turned = turned.attribute(integers("perm", &[0, 1, 3, 2]));
    pool(turned, 1).refused("sums that are pooled are not channels, lines and pixels of an image");
    let mut places = pool(Net::pixels(), 2);
    places.graph.node[2].output.push("places".into());
    places.refused("the places of the largest values are not known");
    pool(planes(), 2).refused("sums are pooled and never become bits");

    let total =
        |net: Net, axes: &[i64]| net.node("ReduceSum", &[]).attribute(integers("axes", axes));
    planes()
        .node("ReduceSum", &[])
        .refused("a reduction over all axes");
    total(planes(), &[1]).refused(
        "a reduction over axes [1] of [1, 2, 2, 2], which are not the positions of an image",
    );
    total(total(planes(), &[2, 3]), &[2, 3]).refused("only bits and sums are reduced, and once");
    // One of the channels of an average.
    let average = planes()
        .node("BipolarQuant", &[ONE])
        .node("GlobalAveragePool", &[]);
    average
        .node("Slice", &[(&[1], &[0.0]), (&[1], &[1.0]), (&[1], &[1.0])])
        .node("Flatten", &[])
        .node("MatMul", &[(&[1, 2], &[1.0; 2])])
        .refused("what is read of the image is not a rectangle with all channels");
}

#[test]
fn ends_and_branches() {
    let decided = |op: &str| Net::sums().node(op, &[]);
    decided("ArgMax").refused("axis 0 of [1, 2] is not that of all classes");
    decided("ArgMax")
        .attribute(integer("axis", 1))
        .attribute(integer("select_last_index", 1))
        .refused("of equal logits the first wins, not the last");
    Net::sums()
        .node("Mul", &[ZERO])
        .refused("the logit of class 0 is 0 times the sum");
    planes().refused("dimensions [1, 2, 2, 2] are not one logit for each class");
    Net::pixels()
        .node("Conv", &[(&[2, 1, 3, 3], &[1.0; 18])])
        .attribute(integers("pads", &[1, 1, 0, 0]))
        .refused("the last layer is neither dense nor a 1×1 convolution and a sum");

    Net::sums()
        .node("Add", &[])
        .reads("MatMul_3")
        .refused("both operands depend on the image: only chains of layers are known");
    // Bits of the image are read once more after a layer.
    let mut net = Net::sums().node("BipolarQuant", &[ONE]);
    let layer = std::mem::replace(&mut net.last, "Flatten_2".into());
    let both = net.node("MatMul", &[(&[4, 2], &[1.0; 8])]).node("Add", &[]);
    both.reads(&layer).refused(
        "it reads what layer 0 puts out, but layer 1 came after that: only chains of layers are known",
    );
    Net::sums()
        .node("MatMul", &[])
        .reads("MatMul_3")
        .refused("weights: input 1 depends on the image, expected a constant");
    let training = Net::sums().node("BatchNormalization", &[ONE, ONE, ONE, ONE]);
    training
        .attribute(integer("training_mode", 1))
        .refused("it is in training mode");
    Net::sums()
        .node("BatchNormalization", &[ONE])
        .refused("input 2 is missing");
}

#[test]
fn inputs_and_outputs() {
    let mut model = Net::sums().model();
    let graph = model.graph.as_mut().unwrap();
    graph.node.last_mut().unwrap().output.push("more".into());
    graph.output[0].name = "more".into();
    refused(
        &model,
        "the output \"more\" is an optional output of its node",
    );
    let graph = model.graph.as_mut().unwrap();
    graph.node.push(NodeProto {
        op_type: "Neg".into(),
        input: vec!["more".into()],
        output: vec!["end".into()],
        ..NodeProto::default()
    });
    graph.output[0].name = "end".into();
    refused(&model, "\"more\" is an optional output of its node");

    let image = |dims: &[i64], says: &str| {
        let mut net = Net::sums();
        net.graph.input[0] = value("image", dims);
        net.refused(says);
    };
    image(&[1, 1, 1, 2, 2], "expected 2 to 4 dimensions, found 5");
    image(&[1], "expected dimensions after that of the batch");
    let mut net = Net::sums();
    let input = net.graph.input[0].r#type.as_mut().unwrap();
    input.tensor_type.as_mut().unwrap().elem_type = 7;
    net.refused("input \"image\": data of type 7");
    let mut net = Net::sums();
    net.graph.input[0].r#type = None;
    net.refused("the input \"image\" is not a tensor of known rank");
}
