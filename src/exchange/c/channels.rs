//! Products whose lanes are output channels: 32 sums at once.

use super::{
    code::{Code, bit_words},
    product::{Product, Row},
    sliced::{BLOCK, KEPT, Starts, pair},
};

/// Whether a product can be counted so.
pub(super) fn suits(product: &Product<'_>) -> bool {
    product.kind == bernet_runtime::graph::Kind::Bit
        && product.thresholds.is_some()
        && product.params.groups == 1
        && !product.masked()
}

/// Planes of the counters.
pub(super) fn planes(product: &Product<'_>) -> usize {
    Starts::new(product, &product.rows(), KEPT).top + 1
}

/// Blocks of 32 channels, and words of bits.
pub(super) fn blocks(product: &Product<'_>) -> [usize; 2] {
    [
        product.output.channels.div_ceil(32),
        product.columns().div_ceil(BLOCK),
    ]
}

/// Writes the weights and what the counters begin with.
pub(super) fn tables(code: &mut Code, product: &Product<'_>, rows: &[Row], names: [&str; 2]) {
    let [blocks, words] = blocks(product);
    let mut lanes = Vec::new();
    let mut planes = Vec::new();
    let starts = Starts::new(product, rows, KEPT);
    for block in 0..blocks {
        let rows_of_block = block * 32..block * 32 + 32;
        for tap in (0..words * BLOCK).step_by(2) {
            // Where x and weight agree: x ^ the complement of the weight.
            let bits = rows_of_block.clone().map(|row| {
                let differs = |tap| {
                    tap < product.columns() && row < rows.len() && !product.weight(rows, row, tap)
                };
                pair(differs(tap), differs(tap + 1))
            });
            let bits: Vec<_> = bits.collect();
            lanes.extend(bit_words(bits.iter().map(|pair| pair[0])));
            lanes.extend(bit_words(bits.iter().map(|pair| pair[1])));
        }
        for plane in 0..=starts.top {
            let start = |row: usize| {
                starts
                    .counts
                    .get(row)
                    .is_some_and(|count| count >> plane & 1 == 1)
            };
            planes.extend(bit_words(rows_of_block.clone().map(start)));
        }
    }
    code.array("uint32_t", names[0], &lanes);
    code.array("uint32_t", names[1], &planes);
}

/// Writes the loop over the blocks of a position.
pub(super) fn body(
    code: &mut Code,
    product: &Product<'_>,
    names: [&str; 2],
    source: &str,
    prefix: &str,
) {
    let [blocks, words] = blocks(product);
    let planes = planes(product);
    let [lanes, starts] = names;
    let channels = product.output.channels;
    let call = |block: &str| {
        let at = |stride: usize| match block {
            "" => String::new(),
            block => format!(" + {block} * {stride}u"),
        };
        format!(
            "{prefix}_sliced({lanes}{}, {source}, {words}u, {starts}{}, {planes}u)",
            at(words * BLOCK),
            at(planes)
        )
    };
    if channels.is_multiple_of(32) {
        if blocks > 1 {
            code.count("block", blocks);
            code.line(format!("y[at++] = {};", call("block")));
            code.close(1);
        } else {
            code.line(format!("y[at++] = {};", call("")));
        }
        return;
    }
    code.count("block", blocks);
    code.line(format!("const uint32_t bits = {};", call("block")));
    let last = channels % 32;
    let count = if blocks == 1 {
        format!("{last}u")
    } else {
        format!("block < {}u ? 32u : {last}u", blocks - 1)
    };
    code.line(format!("const uint32_t count = {count};"));
    code.line(format!("{prefix}_copy_bits(y, at, &bits, 0u, count);"));
    code.line("at += count;");
    code.close(1);
}
