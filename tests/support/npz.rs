//! A reader of NumPy's `.npz` files, as far as tests need it.

use flate2::read::DeflateDecoder;
use std::{collections::BTreeMap, io::Read};

/// The shape of an array and its values, row by row, as floats.
pub(crate) type Array = (Vec<usize>, Vec<f32>);

/// The arrays of a file by name; those of text are left out.
///
/// # Panics
/// Where the bytes are no such file.
pub(crate) fn arrays(bytes: &[u8]) -> BTreeMap<String, Array> {
    let short = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let long = |at: usize| short(at) | short(at + 2) << 16;
    // The directory is found from its end, which is 22 bytes where there is no comment.
    let end = (0..=bytes.len() - 22)
        .rev()
        .find(|&at| bytes[at..].starts_with(b"PK\x05\x06"))
        .expect("the end of a zip file's directory");
    let mut at = long(end + 16);
    let mut arrays = BTreeMap::new();
    for _ in 0..short(end + 10) {
        assert!(bytes[at..].starts_with(b"PK\x01\x02"), "an entry");
        let (method, size, local) = (short(at + 10), long(at + 20), long(at + 42));
        let name = &bytes[at + 46..][..short(at + 28)];
        at += 46 + short(at + 28) + short(at + 30) + short(at + 32);
        let start = local + 30 + short(local + 26) + short(local + 28);
        let packed = &bytes[start..][..size];
        let data = if method == 0 {
            packed.to_vec()
        } else {
            let mut data = Vec::new();
            DeflateDecoder::new(packed)
                .read_to_end(&mut data)
                .expect("deflated data");
            data
        };
        let name = String::from_utf8_lossy(name);
        if let Some(array) = array(&data) {
            arrays.insert(name.trim_end_matches(".npy").to_owned(), array);
        }
    }
    arrays
}

/// One array; `None` where it is text.
fn array(data: &[u8]) -> Option<Array> {
    assert!(data.starts_with(b"\x93NUMPY\x01"), "version 1 of .npy");
    let length = usize::from(u16::from_le_bytes([data[8], data[9]]));
    let header = std::str::from_utf8(&data[10..][..length]).expect("a header");
    let after = |key: &str| header.split_once(key).expect("an entry of the header").1;
    assert!(
        after("'fortran_order': ").starts_with("False"),
        "row by row"
    );
    let shape = after("'shape': (").split_once(')').expect("a shape").0;
    let dims = shape
        .split(',')
        .filter_map(|size| size.trim().parse().ok())
        .collect();
    let kind = after("'descr': '").split_once('\'').expect("a type").0;
    let values = &data[10 + length..];
    fn read<const N: usize>(values: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        let (numbers, _) = values.as_chunks();
        numbers.iter().copied().map(number).collect()
    }
    let values = match kind {
        "<f4" => read(values, f32::from_le_bytes),
        "<f8" => read(values, |bytes| f64::from_le_bytes(bytes) as f32),
        "<f2" => read(values, |bytes| half::f16::from_le_bytes(bytes).into()),
        "<i8" => read(values, |bytes| i64::from_le_bytes(bytes) as f32),
        "|u1" | "|b1" => read(values, |[byte]| byte.into()),
        _ => return None,
    };
    Some((dims, values))
}
