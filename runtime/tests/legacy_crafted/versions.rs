//! What versions 2 to 4 brought.

use crate::spoiler::Spoiler;

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
