//! Files and bodies, byte by byte.

use bernet_runtime::format::{MAGIC, VERSION};

/// Name, body, and what is said of it.
pub(crate) type Case = (&'static str, Vec<u8>, &'static str);

pub(crate) fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = vec![];
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A file around inputs, nodes, outputs and metadata, its length and checksum right.
pub(crate) fn file(body: &[u8]) -> Vec<u8> {
    let mut file = MAGIC.to_vec();
    file.extend(VERSION.to_le_bytes());
    file.extend(varint(body.len() as u64 + 4));
    file.extend(body);
    let checksum = crc32fast::hash(&file);
    file.extend(checksum.to_le_bytes());
    file
}

/// One input `x` of a type and a shape, NHWC, nothing said of pixels.
pub(crate) fn input(kind: u8, shape: [u64; 3]) -> Vec<u8> {
    let mut body = vec![1, 1, b'x', kind];
    body.extend(shape.into_iter().flat_map(varint));
    body.extend([0, 0]);
    body
}

/// A body of one such input, nodes, and the newest value as the output `y`; no metadata.
pub(crate) fn body(kind: u8, shape: [u64; 3], nodes: &[&[u8]]) -> Vec<u8> {
    let mut body = input(kind, shape);
    body.extend(varint(nodes.len() as u64));
    body.extend(nodes.concat());
    body.extend([1, 1, b'y', 0, 0, 0]);
    body
}

pub(crate) const BIT: u8 = 0;

pub(crate) const U8: u8 = 1;

pub(crate) const F32: u8 = 3;

/// The shape of most cases.
pub(crate) const SHAPE: [u64; 3] = [2, 2, 1];

/// Nodes after an input of floats.
pub(crate) fn floats(nodes: &[&[u8]]) -> Vec<u8> {
    body(F32, SHAPE, nodes)
}

/// Nodes after an input of bits.
pub(crate) fn bits(nodes: &[&[u8]]) -> Vec<u8> {
    body(BIT, SHAPE, nodes)
}
