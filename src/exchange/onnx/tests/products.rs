//! Convolutions, dense layers, pools and normalisations.

use super::{Net, OPEN, count_to, float, int, ints, text};

#[test]
fn a_convolution_of_two_channels() {
    // Each output is the sum of one channel's pixels times its weight.
    Net::new(&[1, 2, 1, 3])
        .floats("w", &[2, 2, 1, 1], &[1.0, 10.0, -1.0, 0.0])
        .floats("b", &[2], &[0.5, 0.0])
        .node("Conv", "x w b", "y", &[])
        .gives(
            &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            &[1, 2, 1, 3],
            &[41.5, 52.5, 63.5, -1.0, -2.0, -3.0],
        );
}

#[test]
fn padding_stride_and_dilation() {
    let net = |with: &[super::AttributeProto]| {
        Net::new(&[1, 1, 1, 5])
            .floats("w", &[1, 1, 1, 2], &[1.0, 10.0])
            .node("Conv", "x w", "y", with)
    };
    let x = count_to(5);
    net(&[ints("pads", &[0, 1, 0, 0])]).gives(&x, &[1, 1, 1, 5], &[10.0, 21.0, 32.0, 43.0, 54.0]);
    net(&[ints("strides", &[1, 2]), ints("dilations", &[1, 2])]).gives(
        &x,
        &[1, 1, 1, 2],
        &[31.0, 53.0],
    );
    // An even kernel pads after the image first.
    net(&[text("auto_pad", "SAME_UPPER")]).gives(&x, &[1, 1, 1, 5], &[21.0, 32.0, 43.0, 54.0, 5.0]);
    net(&[text("auto_pad", "SAME_LOWER")]).gives(
        &x,
        &[1, 1, 1, 5],
        &[10.0, 21.0, 32.0, 43.0, 54.0],
    );
}

#[test]
fn a_convolution_of_lines() {
    Net::new(&[1, 2, 3])
        .floats("w", &[1, 2, 2], &[1.0, 2.0, 3.0, 4.0])
        .node("Conv", "x w", "y", &[])
        .gives(
            &count_to(6),
            &[1, 1, 2],
            &[1.0 + 4.0 + 12.0 + 20.0, 27.0 + 20.0],
        );
}

#[test]
fn groups_see_their_own_channels() {
    Net::new(&[1, 2, 1, 1])
        .floats("w", &[2, 1, 1, 1], &[3.0, 5.0])
        .node("Conv", "x w", "y", &[int("group", 2)])
        .gives(&[1.0, 2.0], &[1, 2, 1, 1], &[3.0, 10.0]);
}

#[test]
fn weights_may_be_computed_of_constants() {
    // α = mean |w| a channel, times the sign, as XNOR-Net writes it.
    Net::new(&[1, 2, 1, 1])
        .floats("w", &[2, 2, 1, 1], &[0.5, -1.5, 3.0, 1.0])
        .node("Sign", "w", "s", &[])
        .node("Abs", "w", "a", &[])
        .node("ReduceMean", "a", "m", &[ints("axes", &[1, 2, 3])])
        .node("Mul", "s m", "v", &[])
        .node("Conv", "x v", "y", &[])
        .gives(&[1.0, 10.0], &[1, 2, 1, 1], &[-9.0, 22.0]);
}

#[test]
fn dense_layers_of_either_kind() {
    let net = || {
        Net::new(&[OPEN, 2])
            .floats("w", &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
            .floats("t", &[3, 2], &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0])
            .floats("b", &[3], &[0.5, 0.0, -1.0])
    };
    let (x, dims) = ([1.0, 1.0, 0.0, 1.0], [2, 3]);
    net()
        .node("MatMul", "x w", "y", &[])
        .gives(&x, &dims, &[5.0, 7.0, 9.0, 4.0, 5.0, 6.0]);
    net()
        .node("Gemm", "x w b", "y", &[])
        .gives(&x, &dims, &[5.5, 7.0, 8.0, 4.5, 5.0, 5.0]);
    let with = [int("transB", 1), float("alpha", 2.0), float("beta", 4.0)];
    net()
        .node("Gemm", "x t b", "y", &with)
        .gives(&x, &dims, &[12.0, 14.0, 14.0, 10.0, 10.0, 8.0]);
}

#[test]
fn a_matrix_on_the_left() {
    Net::new(&[1, 2])
        .floats("w", &[3, 2], &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0])
        .node("Transpose", "x", "t", &[ints("perm", &[1, 0])])
        .node("MatMul", "w t", "y", &[])
        .gives(&[1.0, 10.0], &[3, 1], &[41.0, 52.0, 63.0]);
}

#[test]
fn a_product_along_the_last_axis_of_many() {
    Net::new(&[1, 2, 2])
        .floats("w", &[2, 1], &[1.0, 10.0])
        .node("MatMul", "x w", "y", &[])
        .gives(&count_to(4), &[1, 2, 1], &[21.0, 43.0]);
}

#[test]
fn batch_norm_is_a_scale_and_a_bias() {
    Net::new(&[1, 2, 1, 1])
        .floats("s", &[2], &[2.0, 1.0])
        .floats("b", &[2], &[0.0, 3.0])
        .floats("m", &[2], &[1.0, 0.0])
        .floats("v", &[2], &[4.0, 1.0])
        .node(
            "BatchNormalization",
            "x s b m v",
            "y",
            &[float("epsilon", 0.0)],
        )
        .gives(&[3.0, 5.0], &[1, 2, 1, 1], &[2.0, 8.0]);
}

#[test]
fn instance_and_layer_norm() {
    Net::new(&[1, 1, 1, 2])
        .floats("s", &[1], &[3.0])
        .floats("b", &[1], &[1.0])
        .node(
            "InstanceNormalization",
            "x s b",
            "y",
            &[float("epsilon", 0.0)],
        )
        .gives(&[2.0, 6.0], &[1, 1, 1, 2], &[-2.0, 4.0]);
    Net::new(&[OPEN, 2])
        .floats("s", &[2], &[1.0, 10.0])
        .node("LayerNormalization", "x s", "y", &[float("epsilon", 0.0)])
        .gives(&[2.0, 6.0], &[1, 2], &[-1.0, 10.0]);
}

#[test]
fn max_pools() {
    let net =
        |with: &[super::AttributeProto]| Net::new(&[1, 1, 1, 5]).node("MaxPool", "x", "y", with);
    let x = [1.0, 5.0, 2.0, 4.0, 3.0];
    net(&[ints("kernel_shape", &[1, 2]), ints("strides", &[1, 2])]).gives(
        &x,
        &[1, 1, 1, 2],
        &[5.0, 4.0],
    );
    let ceil = [
        ints("kernel_shape", &[1, 2]),
        ints("strides", &[1, 2]),
        int("ceil_mode", 1),
    ];
    net(&ceil).gives(&x, &[1, 1, 1, 3], &[5.0, 4.0, 3.0]);
    let dilated = [ints("kernel_shape", &[1, 2]), ints("dilations", &[1, 3])];
    net(&dilated).gives(&x, &[1, 1, 1, 2], &[4.0, 5.0]);
}

#[test]
fn average_pools_count_padding_or_not() {
    for (counted, ends) in [(0, 1.0), (1, 0.5)] {
        let with = [
            ints("kernel_shape", &[1, 2]),
            ints("pads", &[0, 1, 0, 1]),
            int("count_include_pad", counted),
        ];
        Net::new(&[1, 1, 1, 2])
            .node("AveragePool", "x", "y", &with)
            .gives(&[1.0, 1.0], &[1, 1, 1, 3], &[ends, 1.0, ends]);
    }
}

#[test]
fn means_over_axes_one_by_one_or_together() {
    let x = count_to(8);
    Net::new(&[1, 2, 2, 2])
        .node("ReduceMean", "x", "a", &[ints("axes", &[3])])
        .node(
            "ReduceMean",
            "a",
            "y",
            &[ints("axes", &[2]), int("keepdims", 0)],
        )
        .gives(&x, &[1, 2, 1], &[2.5, 6.5]);
    Net::new(&[1, 2, 2, 2])
        .opset(18)
        .integers("axes", &[-1, -2])
        .node("ReduceMean", "x axes", "y", &[int("keepdims", 0)])
        .gives(&x, &[1, 2], &[2.5, 6.5]);
    Net::new(&[1, 2, 2, 2])
        .node("ReduceMax", "x", "y", &[ints("axes", &[1])])
        .gives(&x, &[1, 1, 2, 2], &[5.0, 6.0, 7.0, 8.0]);
    Net::new(&[1, 2, 2, 2])
        .node("ReduceSum", "x", "y", &[int("keepdims", 0)])
        .gives(&x, &[], &[36.0]);
}

#[test]
fn softmax_has_an_axis_that_older_versions_flatten() {
    let x = [0.0, 0.0, 0.0, 0.0];
    Net::new(&[1, 2, 2])
        .node("Softmax", "x", "y", &[int("axis", 1)])
        .gives(&x, &[1, 2, 2], &[0.5; 4]);
    Net::new(&[1, 2, 2])
        .opset(11)
        .node("Softmax", "x", "y", &[int("axis", 1)])
        .gives(&x, &[1, 2, 2], &[0.25; 4]);
}

#[test]
fn labels_by_argmax_and_topk() {
    let x = [3.0, 9.0, 4.0, 8.0, 1.0, 2.0];
    let with = [int("axis", 1), int("keepdims", 0)];
    Net::new(&[OPEN, 3])
        .node("ArgMax", "x", "y", &with)
        .gives(&x, &[2], &[1.0, 0.0]);
    let net = Net::new(&[OPEN, 3])
        .integers("k", &[1])
        .node("TopK", "x k", "v y", &[]);
    let outputs = net.run("v y", &x);
    assert_eq!(outputs[0], (vec![2, 1], vec![9.0, 8.0]));
    assert_eq!(outputs[1], (vec![2, 1], vec![1.0, 0.0]));
}
