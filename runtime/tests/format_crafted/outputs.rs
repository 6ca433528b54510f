//! Outputs and metadata.

use super::body::{Case, F32, SHAPE, floats, input, varint};

/// Bodies, and what is said of them.
pub(crate) fn cases() -> Vec<Case> {
    let with = |parts: &[&[u8]]| parts.concat();
    let metadata = |rest: &[u8]| {
        let mut body = floats(&[]);
        body.pop();
        body.extend(rest);
        body
    };
    let outputs = |rest: &[u8]| [&input(F32, SHAPE)[..], &[0], rest].concat();
    vec![
        (
            "no output",
            outputs(&[0, 0]),
            "outputs: expected at least 1",
        ),
        (
            "an output that nobody makes",
            outputs(&[1, 1, b'y', 1, 0, 0]),
            "one of the 1 that are made",
        ),
        (
            "outputs of one name",
            outputs(&[2, 1, b'y', 0, 0, 1, b'y', 0, 0, 0]),
            "not used twice",
        ),
        (
            "an output without a name",
            outputs(&[1, 0, 0, 0, 0]),
            "not empty",
        ),
        (
            "a byte after the metadata",
            metadata(&[0, 0]),
            "bytes after the metadata: expected 0, found 1",
        ),
        (
            "long metadata",
            metadata(&with(&[&varint((1 << 20) + 1), &[0]])),
            "length of the metadata: expected at most 1048576",
        ),
        (
            "metadata that are not there",
            metadata(&[9, 0]),
            "metadata: expected at most 0, found 9 bytes",
        ),
        (
            "metadata deflated to more",
            metadata(&[1, 1, 0]),
            "less than 1",
        ),
        (
            "metadata deflated to nothing",
            metadata(&[9, 2, 3, 0]),
            "deflated metadata: expected 9 bytes from 2, found 0 from 2",
        ),
        (
            "metadata that cannot be so long",
            metadata(&with(&[&varint(1 << 20), &[2, 3, 0]])),
            "length of the metadata: expected at most 2064",
        ),
        (
            "a key without a value",
            metadata(&[2, 0, 1, b'a']),
            "metadata value",
        ),
        (
            "keys that descend",
            metadata(&[8, 0, 1, b'b', 1, b'c', 1, b'a', 1, b'c']),
            "metadata key: expected one after \"b\", found \"a\"",
        ),
        (
            "a key twice",
            metadata(&[6, 0, 1, b'b', 0, 1, b'b', 0]),
            "metadata key: expected one after \"b\"",
        ),
        (
            "a key that is no text",
            metadata(&[3, 0, 1, 0xff, 0]),
            "metadata key: expected UTF-8",
        ),
    ]
}
