//! Files of versions 1 to 4 that were crafted to deceive are refused, each with the right words.

mod metadata;
mod mutated;
mod spoiler;
mod versions;

use spoiler::{LARGE, Spoiler, seal};

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
