//! What the targets share: checksums made right, older files, odd convolutions.

use bernet::train::{Config, MethodName, Network, TALK_24, Trainer};
use bernet_kernels::{
    bits::Shape,
    conformance::Generator,
    xnor::{ConvParams, PaddingValue},
};
use bernet_runtime::format::{MAGIC, VERSION};
use std::sync::LazyLock;

/// Files of versions 1 to 4, with every kind of layer that those have; the last has real weights.
pub const OLDER: [&[u8]; 7] = [
    include_bytes!("../../tests/golden/older/bare.bnet"),
    include_bytes!("../../tests/golden/older/grey.bnet"),
    include_bytes!("../../tests/golden/older/grouped.bnet"),
    include_bytes!("../../tests/golden/older/pooled.bnet"),
    include_bytes!("../../tests/golden/older/small.bnet"),
    include_bytes!("../../tests/golden/older/wide.bnet"),
    include_bytes!("../../tests/golden/older/real.bnet"),
];

/// The bytes of a file of versions 1 to 4 with length and checksum made right, so that what lies behind those checks is reached.
pub fn seal_older(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.len() >= 64 {
        let length = bytes.len() as u64;
        bytes[40..48].copy_from_slice(&length.to_le_bytes());
        let body = bytes.len() - 4;
        let checksum = crc32fast::hash(&bytes[..body]);
        bytes[body..].copy_from_slice(&checksum.to_le_bytes());
    }
    bytes
}

/// The parts of a file of version 5 between the length and the checksum, with those made right. What does not begin as such a
/// file is taken for the parts between.
pub fn seal_graph(bytes: &[u8]) -> Vec<u8> {
    let mut body = bytes;
    if let Some(rest) = bytes.strip_prefix(&MAGIC)
        && let Some(rest) = rest.get(4..rest.len().saturating_sub(4))
    {
        let length = rest.iter().position(|byte| byte & 0x80 == 0);
        body = &rest[length.map_or(0, |last| last + 1)..];
    }
    let mut file = MAGIC.to_vec();
    file.extend(VERSION.to_le_bytes());
    let mut length = body.len() + 4;
    while length >= 0x80 {
        file.push(length as u8 | 0x80);
        length >>= 7;
    }
    file.push(length as u8);
    file.extend(body);
    let checksum = crc32fast::hash(&file);
    file.extend(checksum.to_le_bytes());
    file
}

/// Magic and version of a checkpoint, from a whole one.
static CHECKPOINT: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let network = Network::from_toml(TALK_24).expect("the embedded net is well-formed");
    let trainer = Trainer::new(Config::new(MethodName::Bernoulli, network, 1, 1));
    trainer.expect("its layers fit").to_checkpoint()[..12].to_vec()
});

/// A checkpoint around a payload.
pub fn seal_checkpoint(payload: &[u8]) -> Vec<u8> {
    let mut bytes = CHECKPOINT.clone();
    bytes.extend(crc32fast::hash(payload).to_le_bytes());
    bytes.extend((payload.len() as u64).to_le_bytes());
    bytes.extend(payload);
    bytes
}

/// Gzip around bytes that are stored as they are (RFC 1952 and 1951): a packer would take most of an execution's time.
pub fn stored_gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let blocks = bytes.len().div_ceil(usize::from(u16::MAX)).max(1);
    for block in 0..blocks {
        let rest = &bytes[block * usize::from(u16::MAX)..];
        let length = rest.len().min(u16::MAX.into()) as u16;
        gzip.push(u8::from(block + 1 == blocks));
        gzip.extend(length.to_le_bytes());
        gzip.extend((!length).to_le_bytes());
        gzip.extend(&rest[..length.into()]);
    }
    gzip.extend(crc32fast::hash(bytes).to_le_bytes());
    gzip.extend((bytes.len() as u32).to_le_bytes());
    gzip
}

/// A convolution with groups of any size, from one channel to more than a word, and as many outputs a group as come up: what
/// [`conformance::random_convolution`](bernet_kernels::conformance::random_convolution) has two cases of.
pub fn grouped_convolution(generator: &mut Generator) -> (ConvParams, usize, Shape) {
    const CHANNELS: [usize; 9] = [1, 2, 3, 7, 8, 31, 32, 64, 65];
    let mut below = |end: usize| generator.below(end);
    let groups = 1 + below(9);
    let channels = groups * CHANNELS[below(CHANNELS.len())];
    let outputs = groups * (1 + below(17));
    let mut pair = |from: usize, end: usize| [from + below(end), from + below(end)];
    let (kernel, stride, dilation) = (pair(1, 4), pair(1, 3), pair(1, 4));
    let (before, after, size) = (pair(0, 3), pair(0, 3), pair(1, 9));
    let enough = |axis: usize| {
        let span = (kernel[axis] - 1) * dilation[axis] + 1;
        after[axis].max(span.saturating_sub(size[axis] + before[axis]))
    };
    let params = ConvParams {
        kernel,
        stride,
        dilation,
        padding: [before[0], before[1], enough(0), enough(1)],
        padding_value: PADDING[below(PADDING.len())],
        groups,
    };
    let shape = Shape {
        batch: 1 + below(3),
        height: size[0],
        width: size[1],
        channels,
    };
    (params, outputs, shape)
}

const PADDING: [PaddingValue; 3] = [
    PaddingValue::MinusOne,
    PaddingValue::Zero,
    PaddingValue::PlusOne,
];
