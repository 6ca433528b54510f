//! Metadata.

use crate::spoiler::{older, seal};
use bernet_runtime::format::from_bytes;

fn metadata_file(metadata: &[u8]) -> Vec<u8> {
    // A net of one layer and no metadata.
    let mut bytes = older("bare");
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
    let good = from_bytes(&metadata_file(
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
            "metadata key: expected at least one byte, found an empty one",
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
            "length of a metadata value: expected at most 0, found 4 bytes",
        ),
        (
            vec![1, 0, 0],
            "length of a metadata key: expected at most 3, found 4 bytes",
        ),
        (
            u32::MAX.to_le_bytes().to_vec(),
            "metadata key: expected at most 0, found 4294967295 bytes",
        ),
        (
            [text(b"key"), vec![5, 0, 0, 0, b'x']].concat(),
            "metadata value: expected at most 1, found 5 bytes",
        ),
    ];
    let mut wrong = Vec::new();
    for (metadata, says) in cases {
        let file = metadata_file(&metadata);
        let error = from_bytes(&file).expect_err(says).to_string();
        if !error.contains(says) {
            wrong.push(format!("{error:?} lacks {says:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
