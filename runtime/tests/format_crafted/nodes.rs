//! Nodes: operators, their options and weights.

use super::body::{BIT, Case, F32, SHAPE, U8, bits, body, floats, input, varint};

/// Bodies, and what is said of them.
pub(crate) fn cases() -> Vec<Case> {
    let huge = varint(u64::MAX);
    let many = varint(1 << 27);
    let with = |parts: &[&[u8]]| parts.concat();
    let shape = SHAPE;
    vec![
        (
            "too many nodes",
            with(&[&input(F32, shape), &varint(65537)]),
            "number of nodes: expected at most 65536",
        ),
        (
            "nodes that are not there",
            with(&[&input(F32, shape), &[5]]),
            "operator",
        ),
        (
            "an unknown operator",
            floats(&[&[26, 0]]),
            "operator: expected at most 25, found 26",
        ),
        (
            "a pixel bias with a run of nothing",
            floats(&[&[25, 0, 0]]),
            "length of a run of kinds of lines: expected at most 2, found 0",
        ),
        (
            "a pixel bias without the terms of its kinds",
            floats(&[&[25, 0, 2, 0, 1, 0, 1, 3, 0, 0x3c]]),
            "terms: expected 3, found 0",
        ),
        (
            "a named node without a name",
            floats(&[&[0x81, 0, 0]]),
            "name of a node: expected at least 1",
        ),
        (
            "a value of its own",
            floats(&[&[1, 1]]),
            "one of the 1 that are made",
        ),
        (
            "a far value",
            floats(&[&with(&[&[1], &huge])]),
            "one of the 1 that are made",
        ),
        (
            "a concat of nothing",
            floats(&[&[20, 0, 2]]),
            "number of inputs",
        ),
        (
            "a concat of very many",
            floats(&[&with(&[&[20], &many])]),
            "number of inputs of a node: expected at most",
        ),
        (
            "a sign of bits",
            bits(&[&[1, 0]]),
            "input: expected u8 or i32 or f32, found bit",
        ),
        (
            "a threshold of floats",
            floats(&[&[2, 0, 1, 0, 0]]),
            "input: expected i32 or u8",
        ),
        (
            "two types",
            floats(&[&[4, 0, 2], &[10, 0, 1, 0]]),
            "second input: expected i32",
        ),
        (
            "unknown operation",
            floats(&[&[10, 0, 0, 9]]),
            "operation on two values: expected at most 8",
        ),
        (
            "thresholds of another number",
            body(U8, [1, 1, 3], &[&[2, 0, 2, 0, 0]]),
            "thresholds: expected 1 or 3",
        ),
        (
            "very many equal thresholds",
            body(U8, shape, &[&with(&[&[2, 0], &many, &[0, 0]])]),
            "memory for thresholds",
        ),
        (
            "endless thresholds",
            body(U8, shape, &[&with(&[&[2, 0], &huge, &[0, 0]])]),
            "memory for thresholds",
        ),
        (
            "a least threshold of 33 bits",
            body(U8, shape, &[&with(&[&[2, 0, 1], &varint(1 << 32), &[0]])]),
            "least of the thresholds: expected 32 bits",
        ),
        (
            "thresholds of 33 bits",
            body(U8, shape, &[&[2, 0, 1, 0, 33]]),
            "bits of the thresholds: expected at most 32",
        ),
        (
            "unknown inversions",
            body(U8, shape, &[&[2, 0, 1, 0, 0xc0]]),
            "flags of inversions: expected 0, 1 or 2",
        ),
        (
            "thresholds wider than needed",
            body(U8, shape, &[&[2, 0, 1, 0, 8, 0]]),
            "the shortest form",
        ),
        (
            "a least that is not the least",
            body(U8, [1, 1, 2], &[&[2, 0, 2, 0, 1, 3]]),
            "the shortest form",
        ),
        (
            "inversions listed that are all",
            body(U8, [1, 1, 2], &[&[2, 0, 2, 0, 0x80, 3]]),
            "the shortest form",
        ),
        (
            "bits after the inversions",
            body(U8, [1, 1, 2], &[&[2, 0, 2, 0, 0x80, 5]]),
            "bits after the inversions: expected 0",
        ),
        (
            "an unknown form of floats",
            floats(&[&[3, 0, 1, 4]]),
            "form of the thresholds: expected at most 3",
        ),
        (
            "a NaN threshold",
            floats(&[&[3, 0, 1, 1, 0, 0, 0xc0, 0x7f]]),
            "threshold: expected a number or an infinity",
        ),
        (
            "a half that is not one",
            floats(&[&[3, 0, 1, 1, 0, 0, 0x80, 0x3f]]),
            "the shortest form",
        ),
        (
            "equal floats listed",
            body(F32, [1, 1, 2], &[&[9, 0, 2, 2, 0, 0x3c, 0, 0x3c, 0]]),
            "the shortest form",
        ),
        (
            "flags on a list of floats",
            floats(&[&[9, 0, 1, 0x43, 0, 0x3c, 0]]),
            "flags of the scales: expected 0",
        ),
        (
            "an infinite scale",
            floats(&[&[9, 0, 1, 3, 0, 0x7c, 0]]),
            "scale: expected a finite number",
        ),
        (
            "very many equal scales",
            floats(&[&with(&[&[9, 0], &many, &[3, 0, 0x3c, 0]])]),
            "memory for scales",
        ),
        (
            "floats that are not there",
            floats(&[&with(&[&[9, 0], &varint(1 << 20), &[0]])]),
            "scales: expected at most",
        ),
        (
            "a padding value of 3",
            bits(&[&[5, 0, 3, 1, 1, 1, 1]]),
            "flags of a convolution: expected a padding value of 0 to 2",
        ),
        (
            "an unknown flag",
            bits(&[&[5, 0, 0x41, 1, 1, 1, 1]]),
            "no unknown flag",
        ),
        (
            "a stride of 1 that is written",
            bits(&[&[5, 0, 5, 1, 1, 1, 1, 1, 1]]),
            "the shortest form",
        ),
        (
            "a stride of 0",
            bits(&[&[5, 0, 5, 1, 1, 0, 1, 1, 1]]),
            "a stride of at least 1",
        ),
        (
            "no groups",
            bits(&[&[5, 0, 33, 1, 1, 0, 1, 1]]),
            "groups: expected at least 1",
        ),
        (
            "groups that do not divide",
            bits(&[&[5, 0, 33, 1, 1, 2, 2]]),
            "groups: expected a divisor of 1 channels",
        ),
        (
            "a kernel larger than the image",
            bits(&[&[5, 0, 1, 3, 1, 1, 7]]),
            "at least the window's 3",
        ),
        (
            "an endless kernel",
            bits(&[&with(&[&[5, 0, 1], &huge, &huge, &[1]])]),
            "memory for weights",
        ),
        (
            "endless outputs",
            bits(&[&with(&[&[5, 0, 1, 1, 1], &huge])]),
            "memory for weights",
        ),
        (
            "no outputs",
            bits(&[&[5, 0, 1, 1, 1, 0]]),
            "outputs: expected a positive multiple",
        ),
        (
            "endless padding",
            bits(&[&with(&[
                &[5, 0, 17, 1, 1],
                &huge,
                &huge,
                &huge,
                &huge,
                &[1, 1],
            ])]),
            "height",
        ),
        (
            "endless dilation",
            bits(&[&with(&[&[5, 0, 9, 2, 1], &huge, &huge, &[1, 1]])]),
            "at least the window's",
        ),
        (
            "rows of one bit",
            body(BIT, [1, 1, 1], &[&with(&[&[6, 0], &varint(1 << 24)])]),
            "memory for weights",
        ),
        (
            "weights that are not there",
            bits(&[&with(&[&[6, 0], &varint(1 << 20)])]),
            "weights: expected at most",
        ),
        (
            "bits after the weights",
            bits(&[&[6, 0, 1, 0x10]]),
            "bits after the weights: expected 0",
        ),
        (
            "endless rows of nothing",
            bits(&[&with(&[&[5, 0, 1, 0, 1], &huge])]),
            "kernel: expected at least 1×1",
        ),
        (
            "a dense layer of equal weights",
            floats(&[&with(&[&[8, 0], &many, &[3, 0, 0x3c, 0]])]),
            "memory for weights",
        ),
        (
            "biases of another number",
            floats(&[&[8, 0, 1, 3, 0, 0x3c, 2, 3, 0, 0x3c]]),
            "biases: expected none or 1",
        ),
        (
            "a constant of equal floats",
            floats(&[&with(&[&[0, 3], &many, &[1, 1, 3, 0, 0x3c]])]),
            "memory for floats",
        ),
        (
            "a constant of nothing",
            floats(&[&[0, 3, 0, 1, 1, 0]]),
            "values of a constant: expected 1 to",
        ),
        (
            "an endless constant",
            floats(&[&with(&[&[0, 0], &huge, &huge, &huge])]),
            "values of a constant: expected 1 to",
        ),
        (
            "bytes of a constant that are not there",
            floats(&[&with(&[&[0, 1], &many, &[1, 1]])]),
            "bytes: expected at most",
        ),
        (
            "flags on a list of integers",
            floats(&[&[0, 2, 1, 1, 1, 0, 0x40]]),
            "flags of integers: expected 0",
        ),
        (
            "an unknown function",
            floats(&[&[12, 0, 18]]),
            "function of a float: expected at most 17",
        ),
        (
            "padding as large as the window",
            floats(&[&[15, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0]]),
            "less than the window",
        ),
        (
            "an unknown pool",
            floats(&[&[15, 0, 4]]),
            "kind of a pool: expected at most 3",
        ),
        (
            "unknown axes",
            floats(&[&[16, 0, 0, 8]]),
            "axes: expected at most 7",
        ),
        (
            "a quantizer without a step",
            floats(&[&[
                14, 0, 1, 3, 0, 0, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x3f, 0,
            ]]),
            "scale: expected above 0",
        ),
        (
            "a slice from outside",
            floats(&[&[21, 0, 0, 2, 1, 1]]),
            "slice: expected within 2 places",
        ),
        (
            "an endless slice",
            floats(&[&with(&[&[21, 0, 0, 0], &huge, &huge])]),
            "slice: expected within 2 places",
        ),
        (
            "an empty slice",
            floats(&[&[21, 0, 0, 0, 0, 1]]),
            "slice: expected within 2 places",
        ),
        (
            "endless padding of a value",
            floats(&[&with(&[
                &[22, 0],
                &huge,
                &huge,
                &huge,
                &huge,
                &huge,
                &huge,
                &[0; 4],
            ])]),
            "values of an item: expected 1 to",
        ),
        (
            "a reshape to other values",
            floats(&[&[23, 0, 1, 1, 5]]),
            "values: expected 4",
        ),
        (
            "a transpose of many axes",
            floats(&[&with(&[&[24, 0], &many])]),
            "axes",
        ),
        (
            "a transpose of seventeen axes",
            floats(&[&with(&[
                &[24, 0, 17, 4],
                &[1; 16],
                &(0..17).collect::<Vec<_>>(),
                &[1, 1, 4],
            ])]),
            "axes: expected at most 16",
        ),
        (
            "a transpose without a permutation",
            floats(&[&[24, 0, 2, 2, 2, 1, 1, 1, 1, 4]]),
            "each of 2 axes once",
        ),
    ]
}
