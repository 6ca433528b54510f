//! Names, types, shapes and layouts of inputs.

use super::body::{Case, F32, SHAPE, body, input, varint};

/// Bodies, and what is said of them.
pub(crate) fn cases() -> Vec<Case> {
    let huge = varint(u64::MAX);
    let many = varint(1 << 27);
    let with = |parts: &[&[u8]]| parts.concat();
    let shape = SHAPE;
    vec![
        ("no input", vec![0, 0, 0, 0], "inputs: expected at least 1"),
        (
            "too many inputs",
            with(&[&many]),
            "number of inputs: expected at most 65536",
        ),
        (
            "an empty name",
            with(&[&[1, 0, 3, 1, 1, 1, 0, 0, 0, 1, 1, b'y', 0, 0, 0]]),
            "not empty",
        ),
        (
            "a name that is no text",
            vec![1, 1, 0xff],
            "name of an input: expected UTF-8",
        ),
        (
            "a name longer than the file",
            with(&[&[1], &huge]),
            "name of an input: expected at most",
        ),
        (
            "a name twice",
            {
                let mut twice = vec![2];
                twice.extend([&input(F32, shape)[1..], &input(F32, shape)[1..]].concat());
                twice.extend([0, 1, 1, b'y', 0, 0, 0]);
                twice
            },
            "not used twice",
        ),
        (
            "an unknown type",
            with(&[&[1, 1, b'x', 4]]),
            "type of an input: expected at most 3, found 4",
        ),
        (
            "an empty shape",
            body(F32, [1, 0, 1], &[]),
            "values of an item: expected 1 to",
        ),
        (
            "a huge shape",
            body(F32, [1 << 62, 1 << 62, 4], &[]),
            "values of an item: expected 1 to",
        ),
        (
            "a size of more than 64 bits",
            with(&[&[1, 1, b'x', 3], &[0xff; 9], &[2]]),
            "at most 64 bits",
        ),
        (
            "a size of eleven bytes",
            with(&[&[1, 1, b'x', 3], &[0x80; 10], &[1]]),
            "at most 64 bits",
        ),
        (
            "a size with a byte too many",
            with(&[&[1, 1, b'x', 3, 0x81, 0]]),
            "no byte more than it needs",
        ),
        (
            "an unknown layout",
            with(&[&[1, 1, b'x', 3, 1, 1, 1, 8]]),
            "form of a layout: expected at most 7",
        ),
        (
            "a listed layout that has a number",
            with(&[&[
                1, 1, b'x', 3, 1, 1, 1, 3, 3, 1, 1, 1, 0, 1, 2, 0, 0, 1, 1, b'y', 0, 0, 0,
            ]]),
            "the shortest form",
        ),
        (
            "a layout of many axes",
            with(&[&[1, 1, b'x', 3, 1, 1, 1, 3], &many]),
            "axes",
        ),
        (
            "a layout of other values",
            with(&[&[
                1, 1, b'x', 3, 1, 1, 1, 3, 1, 2, 0, 0, 0, 1, 1, b'y', 0, 0, 0,
            ]]),
            "array: expected as many values as",
        ),
        (
            "a layout that is no permutation",
            with(&[&[
                1, 1, b'x', 3, 1, 1, 2, 3, 2, 1, 2, 1, 1, 0, 0, 1, 1, b'y', 0, 0, 0,
            ]]),
            "each of 2 axes once",
        ),
        (
            "unknown pixels",
            with(&[&[1, 1, b'x', 3, 1, 1, 1, 0, 4]]),
            "pixels: expected at most 3",
        ),
        (
            "pixels of another type",
            with(&[&[1, 1, b'x', 3, 1, 1, 1, 0, 2, 0, 1, 1, b'y', 0, 0, 0]]),
            "a reading for f32",
        ),
    ]
}
