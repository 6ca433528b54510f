//! Files of versions 1 to 4 that were crafted to deceive are refused, each with the right words.

use bernet_runtime::{
    format::from_bytes,
    graph::{Graph, Kind, Op},
    plan::Options,
    reference,
    session::Session,
    testing,
};
use rand_pcg::{Pcg32, rand_core::Rng};
use std::fs;

/// A file that an older release wrote.
fn older(name: &str) -> Vec<u8> {
    let root = env!("CARGO_MANIFEST_DIR");
    let path = format!("{root}/../tests/golden/older/{name}.bnet");
    fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Bytes with the checksum made right, so that the checks behind it are reached.
fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let body = bytes.len() - 4;
    let checksum = crc32fast::hash(&bytes[..body]);
    bytes[body..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// A valid file to be spoilt, how many ways to spoil it were refused as they should be, and what was said otherwise.
struct Spoiler {
    bytes: Vec<u8>,
    refused: usize,
    surprises: Vec<String>,
}

impl Spoiler {
    fn new(name: &str) -> Self {
        let bytes = older(name);
        from_bytes(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        Self {
            bytes,
            refused: 0,
            surprises: Vec::new(),
        }
    }

    /// The file with the low `width` bytes of `value` at `offset` is refused, and the error says `says`.
    fn put(&mut self, offset: usize, width: usize, value: u64, says: &str) {
        let mut bytes = self.bytes.clone();
        bytes[offset..offset + width].copy_from_slice(&value.to_le_bytes()[..width]);
        assert_ne!(bytes, self.bytes, "{value} was at {offset} already");
        self.refuses(seal(bytes), says);
    }

    fn refuses(&mut self, bytes: Vec<u8>, says: &str) {
        match from_bytes(&bytes) {
            Err(error) if error.to_string().contains(says) => self.refused += 1,
            other => self.surprises.push(format!(
                "{:?}, not {says:?}",
                other.map(drop).map_err(|error| error.to_string())
            )),
        }
    }

    /// How many were refused; all of them.
    fn finish(self) -> usize {
        assert!(self.surprises.is_empty(), "{:#?}", self.surprises);
        println!("{} crafted files refused", self.refused);
        self.refused
    }

    fn get(&self, offset: usize) -> u64 {
        u64::from_le_bytes(self.bytes[offset..offset + 8].try_into().unwrap())
    }
}

const LARGE: [u64; 3] = [u32::MAX as u64, 1 << 63, u64::MAX];

/// The tables of the 24×24 net: crop, four convolutions, expectation; three sections.
#[test]
fn crafted_files_are_refused() {
    let mut spoil = Spoiler::new("cropped");
    let (layers, tables) = (64, 64 + 6 * 32);
    let length = spoil.bytes.len() as u64;

    for at in 0..8 {
        spoil.put(
            at,
            1,
            0,
            "not a .bnet file: at offset 0: expected \"\\x89BNET\\r\\n\\x1a\", found",
        );
    }
    for version in [0, 6, 256, u64::from(u32::MAX)] {
        spoil.put(
            8,
            4,
            version,
            &format!("at offset 8: version of .bnet: expected 1 to 5, found {version}"),
        );
    }
    // The net needs nothing of later versions.
    for version in [2, 3, 4] {
        let says = format!("at offset 8: version of .bnet: expected 1, found {version}");
        spoil.put(8, 4, version, &says);
    }
    for count in [0, 65536, u64::from(u32::MAX)] {
        spoil.put(
            12,
            4,
            count,
            &format!("at offset 12: layers: expected 1 to 65535, found {count}"),
        );
    }
    spoil.put(
        12,
        4,
        65535,
        "at offset 12: end of the tables: expected at most",
    );
    spoil.put(
        12,
        4,
        5,
        "at offset 192: layers: last layer: expected expectation, found conv",
    );
    spoil.put(
        12,
        4,
        7,
        "at offset 258: layer 7: source: expected 6, found 0",
    );
    for count in [0, 1, 2, 4, u64::from(u32::MAX)] {
        spoil.put(
            16,
            4,
            count,
            &format!("at offset 16: sections: expected 3, found {count}"),
        );
    }
    for at in [20, 24, 28] {
        for size in [0, 1 << 31, u64::from(u32::MAX)] {
            spoil.put(
                at,
                4,
                size,
                "input: shape: expected 1 to 16777216 values, found",
            );
        }
    }
    spoil.put(
        20,
        4,
        25,
        "layer 1 (crop): lines: expected at least 1, within 25, found 24 from 2",
    );
    spoil.put(
        24,
        4,
        25,
        "layer 1 (crop): pixels a line: expected at least 1, within 25, found 24 from 2",
    );
    spoil.put(
        28,
        4,
        2,
        "layer 2 (conv): input channels: expected 2, found 1",
    );
    for at in (34..40).chain(48..64) {
        spoil.put(
            at,
            1,
            7,
            &format!("at offset {at}: unused byte of the header: expected 0, found 7"),
        );
    }
    for size in [0, 1, length - 1, length + 1].into_iter().chain(LARGE) {
        spoil.put(
            40,
            8,
            size,
            &format!("at offset 40: length of the file: expected {size}, found {length}"),
        );
    }

    for layer in 1..=6 {
        let at = layers + 32 * (layer - 1);
        for kind in [0, 10, 255, 65535] {
            let says = format!(
                "at offset {at}: layer {layer}: kind: expected 1 (crop), 2 (conv), 3 (expectation), 4 (max pool), 5 (affine), 6 (real conv), 7 (real expectation), \
                 8 (conv with dilation or groups) or 9 (such a real conv), found {kind}"
            );
            spoil.put(at, 2, kind, &says);
        }
        for source in [layer as u64, 65535] {
            let says = format!(
                "at offset {}: layer {layer}: source: expected {}, found {source}",
                at + 2,
                layer - 1
            );
            spoil.put(at + 2, 2, source, &says);
        }
        let unused = match layer {
            1 => 20..32,
            6 => 12..32,
            _ => 30..32,
        };
        for byte in unused.map(|byte| at + byte) {
            spoil.put(
                byte,
                1,
                1,
                &format!("at offset {byte}: layer {layer}: unused byte: expected 0, found 1"),
            );
        }
    }
    for (at, what) in [
        (4, "lines"),
        (8, "pixels a line"),
        (12, "lines"),
        (16, "pixels a line"),
    ] {
        for value in [29, 1 << 31, u64::from(u32::MAX)] {
            spoil.put(
                layers + at,
                4,
                value,
                &format!("layer 1 (crop): {what}: expected at least 1, within 28, found"),
            );
        }
    }
    for (at, what) in [(12, "lines"), (16, "pixels a line")] {
        spoil.put(
            layers + at,
            4,
            0,
            &format!("layer 1 (crop): {what}: expected at least 1, within 28, found 0 from 2"),
        );
    }
    for layer in 2..=5 {
        let at = layers + 32 * (layer - 1);
        for field in [4, 8, 12, 14] {
            spoil.put(at + field, 2, 0, "section 1 (weights): length: expected");
        }
        for field in [4, 8] {
            let says = format!(
                "at offset {at}: layer {layer}: memory for the layers up to here: expected what the file's length justifies"
            );
            spoil.put(at + field, 4, u32::MAX.into(), &says);
        }
        for field in [16, 18] {
            spoil.put(
                at + field,
                2,
                0,
                &format!("node {} (binary conv): ", 2 * layer - 2),
            );
        }
        for value in [3, 255] {
            let says = format!(
                "at offset {}: layer {layer}: padding value: expected 0, 1 or 2, found {value}",
                at + 28
            );
            spoil.put(at + 28, 1, value, &says);
        }
        for width in [0, 1, 3, 8, 255] {
            let says = format!(
                "at offset {}: layer {layer}: bytes of a least sum: expected 2 or 4",
                at + 29
            );
            spoil.put(at + 29, 1, width, &says);
        }
        spoil.put(at + 29, 1, 4, "section 2 (thresholds): length: expected");
    }
    spoil.put(
        layers + 32 + 16,
        2,
        65535,
        "node 4 (binary conv): height: expected at least the window's 10 after padding",
    );
    for (at, value) in [(4, 0), (8, 0), (4, 79), (4, 81), (8, 9), (8, 11)] {
        spoil.put(
            layers + 5 * 32 + at,
            4,
            value,
            "section 1 (weights): length: expected",
        );
    }
    spoil.put(layers + 5 * 32, 2, 2, "layer 6: bytes of a least sum");

    for (index, name) in ["weights", "thresholds", "metadata"]
        .into_iter()
        .enumerate()
    {
        let at = tables + 24 * index;
        let section = format!("section {} ({name})", index + 1);
        for kind in [0, 4, (index as u64 + 1) % 3 + 1].into_iter().chain(LARGE) {
            spoil.put(
                at,
                8,
                kind,
                &format!(
                    "at offset {at}: {section}: kind: expected {}, found {kind}",
                    index + 1
                ),
            );
        }
        let offset = spoil.get(at + 8);
        for found in [
            0,
            1,
            offset - 64,
            offset - 1,
            offset + 1,
            offset + 64,
            length,
        ]
        .into_iter()
        .chain(LARGE)
        {
            let says = format!(
                "at offset {}: {section}: offset: expected {offset}, found {found}",
                at + 8
            );
            spoil.put(at + 8, 8, found, &says);
        }
        let size = spoil.get(at + 16);
        for found in [0, 1, size - 1, size + 1, size + 64]
            .into_iter()
            .chain(LARGE)
        {
            let says = match index {
                2 if found > 1 << 20 => &format!(
                    "at offset {}: {section}: length: expected at most 1048576",
                    at + 16
                ),
                2 if found > size => {
                    &format!("at offset {}: {section}: end: expected at most", at + 16)
                }
                2 => "at offset 40: length of the file: expected",
                _ => &format!(
                    "at offset {}: {section}: length: expected {size}, found {found}",
                    at + 16
                ),
            };
            spoil.put(at + 16, 8, found, says);
        }
    }
    let sections = [0, 1, 2]
        .map(|index| tables + 24 * index)
        .map(|at| (spoil.get(at + 8), spoil.get(at + 16)));
    let mut end = tables + 3 * 24;
    for (offset, size) in sections {
        for at in end..offset as usize {
            spoil.put(
                at,
                1,
                255,
                &format!("at offset {at}: byte between sections: expected 0, found 255"),
            );
        }
        end = (offset + size) as usize;
    }

    // Bytes at the end, announced or not.
    let announced = |extra: usize, spoil: &Spoiler| {
        let mut bytes = spoil.bytes.clone();
        bytes.extend(vec![0; extra]);
        bytes[40..48].copy_from_slice(&(length + extra as u64).to_le_bytes());
        seal(bytes)
    };
    for extra in [1, 4, 63, 64, 4096] {
        let mut bytes = spoil.bytes.clone();
        bytes.extend(vec![0; extra]);
        spoil.refuses(bytes, "at offset 40: length of the file: expected");
        let bytes = announced(extra, &spoil);
        spoil.refuses(
            bytes,
            &format!(
                "at offset 40: length of the file: expected {length}, found {}",
                length + extra as u64
            ),
        );
    }
    spoil.refuses(Vec::new(), "found \"\"");
    spoil.refuses(
        spoil.bytes[..8].to_vec(),
        "at offset 8: version: expected at most 0, found 4 bytes",
    );
    let mut header = spoil.bytes[..64].to_vec();
    header[40..48].copy_from_slice(&64u64.to_le_bytes());
    spoil.refuses(
        header,
        "at offset 40: length of the file: expected at least 68, found 64",
    );

    let refused = spoil.finish();
    assert!(refused >= 250);
}

/// Bits after a layer's last row, and least sums in four bytes where two would do.
#[test]
fn there_is_one_file_for_a_net() {
    let mut spoil = Spoiler::new("wide");
    let sections = [0, 1].map(|index| spoil.get(64 + 2 * 32 + 24 * index + 8) as usize);
    let [weights, thresholds] = sections;
    // 27 bits of the convolution, 9 of the expectation.
    for (at, used, what) in [
        (weights + 3, 3, "weights"),
        (weights + 5, 1, "weights"),
        (thresholds + 12, 3, "inversions"),
    ] {
        for bit in used..8 {
            let value = u64::from(spoil.bytes[at]) | 1 << bit;
            spoil.put(
                at,
                1,
                value,
                &format!("at offset {at}: bits after the {what}: expected 0, found"),
            );
        }
    }
    spoil.put(
        thresholds + 4,
        4,
        1,
        "at offset 93: layer 1: bytes of a least sum: expected 2, found 4",
    );
    assert_eq!(spoil.finish(), 5 + 7 + 5 + 1);
}

/// What version 3 adds: a first layer that reads grey values.
#[test]
fn crafted_files_of_version_3_are_refused() {
    let mut spoil = Spoiler::new("grey");
    for version in [1, 2] {
        let says = format!("at offset 8: version of .bnet: expected 3, found {version}");
        spoil.put(8, 4, version, &says);
    }
    let says = "at offset 32: threshold of grey values that are read: expected 0, found 1";
    spoil.put(32, 1, 1, says);
    spoil.put(
        33,
        1,
        0,
        "at offset 8: version of .bnet: expected 1, found 3",
    );
    let says = "at offset 33: whether grey values are read: expected 0 or 1, found 2";
    spoil.put(33, 1, 2, says);
    let says = "node 0 (binary conv): padding of bytes: expected 0, found MinusOne";
    spoil.put(64 + 28, 1, 0, says);
    spoil.finish();
}

/// The layers of version 2: a max pool, weights for a whole image, an affine layer.
#[test]
fn crafted_files_of_version_2_are_refused() {
    let mut spoil = Spoiler::new("pooled");
    let layer = |number: usize| 64 + 32 * (number - 1);
    spoil.put(
        8,
        4,
        1,
        "at offset 8: version of .bnet: expected 2, found 1",
    );
    let pool = layer(2);
    for at in (pool + 4..pool + 12).chain(pool + 28..pool + 32) {
        spoil.put(
            at,
            1,
            1,
            &format!("at offset {at}: layer 2: unused byte: expected 0, found 1"),
        );
    }
    spoil.put(
        pool + 12,
        2,
        0,
        "node 2 (max pool): padding: expected less than the window, 0×2",
    );
    spoil.put(
        pool + 12,
        2,
        99,
        "node 2 (max pool): height: expected at least the window's 99 after padding",
    );
    spoil.put(
        pool + 18,
        2,
        0,
        "node 2 (max pool): width: expected at least the window's 2 after padding, and a stride of at least 1, found 10 with padding [0, 1] and stride 0",
    );
    spoil.put(
        pool + 22,
        2,
        2,
        "node 2 (max pool): padding: expected less than the window, 3×2, found [1, 2, 0, 1]",
    );
    let affine = layer(4);
    for at in affine + 8..affine + 32 {
        spoil.put(
            at,
            1,
            1,
            &format!("at offset {at}: layer 4: unused byte: expected 0, found 1"),
        );
    }
    for classes in [0, 9, 11, u64::from(u32::MAX)] {
        // The section would have another length, or the memory would not do.
        spoil.put(affine + 4, 4, classes, "");
    }
    let section = 64 + 4 * 32 + 24;
    let scales = spoil.get(section + 8) as usize + spoil.get(section + 16) as usize - 160;
    for scale in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        spoil.put(
            scales,
            8,
            scale.to_bits(),
            "layer 4 (affine): scale: expected a finite number above 0, found ",
        );
    }
    spoil.put(
        scales + 80,
        8,
        f64::NAN.to_bits(),
        "layer 4 (affine): bias: expected a finite number, found NaN",
    );
    spoil.finish();
}

/// What else version 3 adds: layers of real weights.
#[test]
fn crafted_files_of_real_layers_are_refused() {
    let mut spoil = Spoiler::new("real");
    let layer = |number: usize| 64 + 32 * (number - 1);
    let table = 64 + 5 * 32;
    let [weights, thresholds] = [0, 1].map(|section| spoil.get(table + 24 * section + 8) as usize);
    let (depth, outputs) = (4 * 4 * 2, 37);
    let last = weights + 4 * outputs * depth + (20 * 2 * 2 * 37usize).div_ceil(8);

    let says = "at offset 8: version of .bnet: expected 3, found 2";
    spoil.put(8, 4, 2, says);
    for bytes in [0, 2, 4, 16] {
        let says = "layer 1: bytes of a least sum: expected 8, found ";
        spoil.put(layer(1) + 29, 1, bytes, says);
    }
    let says = "layer 3: bytes of a least sum: expected 2 or 4, found 8";
    spoil.put(layer(3) + 29, 1, 8, says);
    let says =
        "layer 1 (real conv): padding of grey values: expected padding that counts nothing, found ";
    spoil.put(layer(1) + 28, 1, 0, says);
    spoil.put(layer(1) + 28, 1, 2, says);
    for at in (layer(1) + 30..layer(1) + 32).chain(layer(4) + 12..layer(4) + 32) {
        let says = format!("at offset {at}: layer ");
        spoil.put(at, 1, 1, &says);
    }
    for real in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let says = format!("node 1 (conv): weight: expected a finite number, found {real}");
        spoil.put(weights + 4 * 100, 4, real.to_bits().into(), &says);
        let says = format!("node 7 (dense): weight: expected a finite number, found {real}");
        spoil.put(last + 4 * 100, 4, real.to_bits().into(), &says);
    }
    let says = "layer 1 (real conv): least sum: expected a number or an infinity, found NaN";
    spoil.put(thresholds + 8, 8, f64::NAN.to_bits(), says);
    let says = "bits after the inversions: expected 0, found ";
    spoil.put(thresholds + 8 * outputs + outputs / 8, 1, 0xff, says);
    // Sections of another length, or memory that would not do.
    for size in [0, 1, 36, 38, u64::from(u32::MAX)] {
        spoil.put(layer(1) + 8, 4, size, "");
        spoil.put(layer(4) + 4, 4, size, "");
        spoil.put(layer(4) + 8, 4, size, "");
    }
    // Bits are no grey values.
    let says = "layer 1 (real conv): input: expected grey values, found bits";
    spoil.put(33, 1, 0, says);
    spoil.finish();
}

/// What version 4 adds: dilation and groups.
#[test]
fn crafted_files_of_version_4_are_refused() {
    let mut spoil = Spoiler::new("grouped");
    for version in [1, 2, 3] {
        let says = format!("at offset 8: version of .bnet: expected 4, found {version}");
        spoil.put(8, 4, version, &says);
    }
    let first = 64;
    let says = "node 0 (binary conv): dilation: expected at least 1, found [0, 3]";
    spoil.put(first + 14, 1, 0, says);
    // A section of another length.
    spoil.put(first + 12, 1, 0, "");
    let says = "node 0 (binary conv): height: expected at least the window's 13 after padding";
    spoil.put(first + 14, 1, 6, says);
    let says = "at offset 94: layer 1: groups: expected at least 1, found 0";
    spoil.put(first + 30, 2, 0, says);
    let says =
        "at offset 110: layer 2: dilation and groups: expected one that is not 1, found 1, 1 and 1";
    spoil.put(first + 32 + 30, 2, 1, says);
    // The weights take other bytes.
    for groups in [1, 3, 6, 7, 65535] {
        spoil.put(first + 30, 2, groups, "");
    }
    // Without room for them there are neither.
    for kind in [2, 6, 9] {
        spoil.put(first, 2, kind, "layer 1: ");
    }
    spoil.finish();
}

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

/// Small nets (`BERNET_MUTATED_NETS` times two thousand files of each, once if it isn't set), a few
/// bytes changed under a right checksum: refused, or a graph that is planned and computes what the
/// reference does.
#[test]
fn mutated_files_do_no_harm() {
    let times = std::env::var("BERNET_MUTATED_NETS");
    let times = times.map_or(1, |times| times.parse().expect("a number"));
    let mut random = Pcg32::new(7, 0xb1);
    let (mut refused, mut ran) = (0, 0);
    for name in ["small", "wide", "grouped", "pooled", "grey"].repeat(times) {
        let valid = older(name);
        for _ in 0..2000 {
            let mut bytes = valid.clone();
            // Half of the time the tables at the beginning, which are easily spoilt.
            let whole = bytes.len() - 4;
            let start = if random.next_u32().is_multiple_of(2) {
                0
            } else {
                whole / 2
            };
            for _ in 0..1 + random.next_u32() % 3 {
                let at = start + random.next_u32() as usize % (whole - start);
                // Small values go where sizes are, single bits anywhere.
                bytes[at] = match random.next_u32() % 3 {
                    0 => (random.next_u32() % 8) as u8,
                    1 => bytes[at] ^ 1 << (random.next_u32() % 8),
                    _ => random.next_u32() as u8,
                };
            }
            match from_bytes(&seal(bytes)) {
                Ok(graph) if values(&graph) < 200_000 => {
                    runs_as_the_reference(&graph, &mut random);
                    ran += 1;
                }
                Ok(_) => {}
                Err(_) => refused += 1,
            }
        }
    }
    println!("{refused} refused, {ran} ran");
    assert!(refused > 1000 * times && ran > 500 * times);
}

/// The values and products of one item.
fn values(graph: &Graph) -> usize {
    let nodes = graph.nodes.iter();
    let products = nodes.map(|node| {
        let outputs = graph.value(node.outputs[0]).shape.len();
        match &node.op {
            Op::BinaryConv(conv) => outputs.saturating_mul(conv.weights.columns()),
            Op::BinaryDense(weights) => outputs.saturating_mul(weights.columns()),
            _ => outputs,
        }
    });
    products.fold(0, usize::saturating_add)
}

fn runs_as_the_reference(graph: &Graph, random: &mut Pcg32) {
    let inputs = testing::random_inputs(graph, 1, random.next_u64());
    let expected = reference::run(graph, &inputs).expect("its own inputs");
    let mut session = Session::new(graph, &Options::default()).expect("a plan");
    let found = session.run(&inputs).expect("its own inputs");
    if expected[0].kind() == Kind::F32 {
        // Infinite products of scales are NaN in both.
        let near = |(a, b): (&f32, &f32)| {
            (a - b).abs() <= 1e-5 * b.abs()
                || a.to_bits() == b.to_bits()
                || a.is_nan() && b.is_nan()
        };
        let (found, expected) = (found[0].to_f32(), expected[0].to_f32());
        assert!(
            found.iter().zip(&expected).all(near),
            "{found:?}, not {expected:?}"
        );
    } else {
        assert_eq!(found, expected);
    }
}
