//! Axes and their order: nothing moves that should not, and everything that must.

use super::{Net, OPEN, count_to, data_type, float, int, ints, text};
use bernet_runtime::graph::{Op, Shape};

/// Two channels of two lines of three pixels.
fn image() -> Net {
    Net::new(&[OPEN, 2, 2, 3])
}

#[test]
fn images_are_height_width_channels_inside_and_channels_first_outside() {
    let net = image().node("Identity", "x", "y", &[]);
    let graph = net.import("y").expect("a net").graph;
    assert_eq!(
        graph.value(graph.inputs[0].value).shape,
        Shape::new(2, 3, 2)
    );
    net.gives(&count_to(12), &[1, 2, 2, 3], &count_to(12));
    net.gives(&count_to(24), &[2, 2, 2, 3], &count_to(24));
}

#[test]
fn flatten_keeps_the_files_order() {
    let net = image().node("Flatten", "x", "y", &[]);
    net.gives(&count_to(24), &[2, 12], &count_to(24));
}

#[test]
fn reshapes_of_every_kind() {
    for (target, dims) in [
        (vec![0, -1], vec![1, 12]),
        (vec![-1, 12], vec![1, 12]),
        (vec![0, 2, 6], vec![1, 2, 6]),
        (vec![-1, 4, 3], vec![1, 4, 3]),
        (vec![0, 1, 2, 2, 3, 1], vec![1, 1, 2, 2, 3, 1]),
    ] {
        image()
            .integers("shape", &target)
            .node("Reshape", "x shape", "y", &[])
            .gives(&count_to(12), &dims, &count_to(12));
    }
}

#[test]
fn a_reshape_that_leaves_the_channels_moves_nothing() {
    let net = image()
        .integers("shape", &[0, 2, 6])
        .node("Reshape", "x shape", "r", &[])
        .node(
            "ReduceMean",
            "r",
            "y",
            &[ints("axes", &[2]), int("keepdims", 0)],
        );
    let graph = net.import("y").expect("a net").graph;
    let moved = graph
        .nodes
        .iter()
        .any(|node| matches!(node.op, Op::Transpose { .. }));
    assert!(!moved, "{:?}", graph.nodes);
    net.gives(&count_to(12), &[1, 2], &[3.5, 9.5]);
}

#[test]
fn shapes_that_the_graph_computes_of_an_open_batch() {
    // view(x.size(0), -1)
    image()
        .integers("first", &[0])
        .integers("rest", &[-1])
        .node("Shape", "x", "s", &[])
        .node("Gather", "s first", "n", &[])
        .node("Concat", "n rest", "shape", &[int("axis", 0)])
        .node("Reshape", "x shape", "y", &[])
        .gives(&count_to(24), &[2, 12], &count_to(24));
    // The product of all but the first.
    image()
        .integers("minus", &[-1])
        .node("Shape", "x", "s", &[int("start", 1)])
        .node("ReduceProd", "s", "p", &[])
        .node("Concat", "minus p", "shape", &[int("axis", 0)])
        .node("Reshape", "x shape", "y", &[])
        .gives(&count_to(24), &[2, 12], &count_to(24));
}

#[test]
fn a_channel_shuffle() {
    // Four channels in two groups: 0 1 2 3 becomes 0 2 1 3.
    let net = Net::new(&[1, 4, 1, 2])
        .integers("split", &[1, 2, 2, 1, 2])
        .integers("join", &[1, 4, 1, 2])
        .node("Reshape", "x split", "a", &[])
        .node("Transpose", "a", "b", &[ints("perm", &[0, 2, 1, 3, 4])])
        .node("Reshape", "b join", "y", &[]);
    net.gives(
        &count_to(8),
        &[1, 4, 1, 2],
        &[1.0, 2.0, 5.0, 6.0, 3.0, 4.0, 7.0, 8.0],
    );
}

#[test]
fn a_net_that_begins_with_channels_last() {
    let net = Net::new(&[OPEN, 1, 2, 3])
        .node("Transpose", "x", "t", &[ints("perm", &[0, 3, 1, 2])])
        .floats("w", &[1, 3, 1, 1], &[1.0, 10.0, 100.0])
        .node("Conv", "t w", "y", &[]);
    let graph = net.import("y").expect("a net").graph;
    assert_eq!(graph.nodes.len(), 1, "{:?}", graph.nodes);
    net.gives(&count_to(6), &[1, 1, 1, 2], &[321.0, 654.0]);
}

#[test]
fn squeezes_of_the_batch_too() {
    Net::new(&[1, 2, 1, 1])
        .node("Squeeze", "x", "y", &[])
        .gives(&[1.0, 2.0], &[2], &[1.0, 2.0]);
    Net::new(&[1, 2, 1, 1])
        .opset(11)
        .node("Squeeze", "x", "a", &[ints("axes", &[0])])
        .node("Unsqueeze", "a", "y", &[ints("axes", &[0])])
        .gives(&[1.0, 2.0], &[1, 2, 1, 1], &[1.0, 2.0]);
    image()
        .integers("axes", &[4])
        .node("Unsqueeze", "x axes", "y", &[])
        .gives(&count_to(12), &[1, 2, 2, 3, 1], &count_to(12));
}

#[test]
fn concatenations_along_channels_and_pixels() {
    for (axis, dims, expected) in [
        (1, [1, 4, 1, 1], [1.0, 2.0, -1.0, -2.0]),
        (3, [1, 2, 1, 2], [1.0, -1.0, 2.0, -2.0]),
    ] {
        Net::new(&[1, 2, 1, 1])
            .node("Neg", "x", "n", &[])
            .node("Concat", "x n", "y", &[int("axis", axis)])
            .gives(&[1.0, 2.0], &dims, &expected);
    }
    Net::new(&[1, 2])
        .floats("c", &[1, 1], &[7.0])
        .node("Concat", "c x", "y", &[int("axis", 1)])
        .gives(&[1.0, 2.0], &[1, 3], &[7.0, 1.0, 2.0]);
}

#[test]
fn slices_and_splits() {
    let slice = |start: i64, end: i64, axis: i64, step: i64| {
        image()
            .integers("starts", &[start])
            .integers("ends", &[end])
            .integers("axes", &[axis])
            .integers("steps", &[step])
            .node("Slice", "x starts ends axes steps", "y", &[])
    };
    slice(1, i64::MAX, 1, 1).gives(&count_to(12), &[1, 1, 2, 3], &count_to(12)[6..]);
    slice(0, 3, 3, 2).gives(
        &count_to(12),
        &[1, 2, 2, 2],
        &[1.0, 3.0, 4.0, 6.0, 7.0, 9.0, 10.0, 12.0],
    );
    // Channels the other way around.
    let back = [&count_to(12)[6..], &count_to(12)[..6]].concat();
    slice(-1, i64::MIN, 1, -1).gives(&count_to(12), &[1, 2, 2, 3], &back);
    let split = Net::new(&[1, 3]).integers("parts", &[1, 2]).node(
        "Split",
        "x parts",
        "a y",
        &[int("axis", 1)],
    );
    let outputs = split.run("a y", &count_to(3));
    assert_eq!(outputs[0], (vec![1, 1], vec![1.0]));
    assert_eq!(outputs[1], (vec![1, 2], vec![2.0, 3.0]));
}

#[test]
fn gathers_of_one_place_and_of_a_list() {
    Net::new(&[1, 3])
        .integers("places", &[2, 0])
        .node("Gather", "x places", "y", &[int("axis", 1)])
        .gives(&count_to(3), &[1, 2], &[3.0, 1.0]);
    let one = super::TensorProto {
        data_type: data_type::INT64,
        int64_data: vec![-1],
        name: "place".into(),
        ..Default::default()
    };
    Net::new(&[1, 3])
        .tensor(one)
        .node("Gather", "x place", "y", &[int("axis", 1)])
        .gives(&count_to(3), &[1], &[3.0]);
}

#[test]
fn padding_by_a_number_the_edge_and_a_reflection() {
    for (mode, expected) in [
        ("constant", [9.0, 1.0, 2.0, 3.0, 9.0]),
        ("edge", [1.0, 1.0, 2.0, 3.0, 3.0]),
        ("reflect", [2.0, 1.0, 2.0, 3.0, 2.0]),
    ] {
        Net::new(&[1, 1, 1, 3])
            .integers("pads", &[0, 0, 0, 1, 0, 0, 0, 1])
            .floats("value", &[], &[9.0])
            .node("Pad", "x pads value", "y", &[text("mode", mode)])
            .gives(&count_to(3), &[1, 1, 1, 5], &expected);
    }
    // Older versions have attributes; a negative pad cuts.
    Net::new(&[1, 3])
        .opset(9)
        .node(
            "Pad",
            "x",
            "y",
            &[ints("pads", &[0, 1, 0, -1]), float("value", 5.0)],
        )
        .gives(&count_to(3), &[1, 3], &[5.0, 1.0, 2.0]);
}

#[test]
fn depth_to_space_of_both_modes_and_back() {
    let with = |mode: &str| [int("blocksize", 2), text("mode", mode)];
    let x = count_to(8);
    // Eight channels of one pixel are two channels of 2×2 pixels.
    Net::new(&[1, 8, 1, 1])
        .node("DepthToSpace", "x", "y", &with("CRD"))
        .gives(&x, &[1, 2, 2, 2], &x);
    let deep = [1.0, 3.0, 5.0, 7.0, 2.0, 4.0, 6.0, 8.0];
    let net = Net::new(&[1, 8, 1, 1]).node("DepthToSpace", "x", "y", &with("DCR"));
    net.gives(&x, &[1, 2, 2, 2], &deep);
    Net::new(&[1, 2, 2, 2])
        .node("SpaceToDepth", "x", "y", &[int("blocksize", 2)])
        .gives(&deep, &[1, 8, 1, 1], &x);
}

#[test]
fn repeats_by_expand_tile_and_resize() {
    Net::new(&[1, 2, 1])
        .integers("shape", &[1, 2, 2])
        .node("Expand", "x shape", "y", &[])
        .gives(&[1.0, 2.0], &[1, 2, 2], &[1.0, 1.0, 2.0, 2.0]);
    Net::new(&[1, 2])
        .integers("repeats", &[1, 2])
        .node("Tile", "x repeats", "y", &[])
        .gives(&[1.0, 2.0], &[1, 4], &[1.0, 2.0, 1.0, 2.0]);
    Net::new(&[1, 1, 1, 2])
        .floats("scales", &[4], &[1.0, 1.0, 2.0, 2.0])
        .node("Resize", "x _ scales", "y", &[])
        .gives(
            &[1.0, 2.0],
            &[1, 1, 2, 4],
            &[1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0],
        );
}

#[test]
fn arrays_of_five_axes_broadcast_and_reduce() {
    Net::new(&[1, 2, 2, 1, 2, 2])
        .floats("c", &[2, 1, 1, 2, 1], &[1.0, 2.0, 3.0, 4.0])
        .node("Add", "x c", "a", &[])
        .node("ReduceSum", "a", "y", &[int("keepdims", 0)])
        .gives(&[0.0; 16], &[], &[40.0]);
    Net::new(&[1, 2, 2, 1, 2, 2])
        .integers("axes", &[1, 4])
        .node("ReduceSum", "x axes", "y", &[int("keepdims", 0)])
        .gives(&count_to(16), &[1, 2, 1, 2], &[24.0, 28.0, 40.0, 44.0]);
}

#[test]
fn a_fixed_batch_is_any_batch() {
    let net =
        Net::new(&[4, 2, 1, 1])
            .integers("shape", &[4, 2])
            .node("Reshape", "x shape", "y", &[]);
    net.gives(&count_to(4), &[2, 2], &count_to(4));
}
