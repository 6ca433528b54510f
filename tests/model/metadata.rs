//! Metadata crafted to deceive are refused, each with the right words.

use crate::crafted::seal;
use bernet::model::{Input, Layer, Model};
use bernet_kernels::bits::BitMatrix;

fn metadata_file(metadata: &[u8]) -> Vec<u8> {
    let model = Model {
        input: Input {
            height: 1,
            width: 1,
            channels: 1,
            threshold: Some(1),
        },
        layers: vec![Layer::Expectation {
            weights: BitMatrix::zeros(2, 1),
        }],
        metadata: Default::default(),
    };
    let mut bytes = model.to_bytes().unwrap();
    let end = bytes.len() - 4;
    bytes.splice(end..end, metadata.iter().copied());
    let length = bytes.len() as u64;
    bytes[40..48].copy_from_slice(&length.to_le_bytes());
    bytes[64 + 32 + 2 * 24 + 16..][..8].copy_from_slice(&(metadata.len() as u64).to_le_bytes());
    seal(bytes)
}

#[test]
fn crafted_metadata_is_refused() {
    let text = |text: &[u8]| [&(text.len() as u32).to_le_bytes(), text].concat();
    let pair = |key: &[u8], value: &[u8]| [text(key), text(value)].concat();
    let good = Model::from_bytes(&metadata_file(
        &[pair(b"a", b"1"), pair(b"b", b"")].concat(),
    ))
    .unwrap();
    assert_eq!(
        good.metadata.into_iter().collect::<Vec<_>>(),
        [("a".into(), "1".into()), ("b".into(), String::new())]
    );

    let cases = [
        (
            pair(b"", b"value"),
            "metadata key: expected one after \"\", found \"\"",
        ),
        (
            [pair(b"a", b"1"), pair(b"a", b"2")].concat(),
            "metadata key: expected one after \"a\", found \"a\"",
        ),
        (
            [pair(b"b", b"1"), pair(b"a", b"2")].concat(),
            "metadata key: expected one after \"b\", found \"a\"",
        ),
        (
            pair(b"k\xff", b"value"),
            "metadata key: expected UTF-8, found byte 0xff",
        ),
        (
            pair(b"key", b"\xc3"),
            "metadata value: expected UTF-8, found byte 0xc3",
        ),
        (
            text(b"key"),
            "metadata value: expected 4 bytes of its length, found 0",
        ),
        (
            vec![1, 0, 0],
            "metadata key: expected 4 bytes of its length, found 3",
        ),
        (
            u32::MAX.to_le_bytes().to_vec(),
            "length of a metadata key: expected at most 0, found 4294967295",
        ),
        (
            [text(b"key"), vec![5, 0, 0, 0, b'x']].concat(),
            "length of a metadata value: expected at most 1, found 5",
        ),
    ];
    for (metadata, says) in cases {
        let error = Model::from_bytes(&metadata_file(&metadata))
            .unwrap_err()
            .to_string();
        assert!(error.contains(says), "{error:?} lacks {says:?}");
    }
}
