//! Instructions of each form of a product, counted for a core like a Cortex-M4.
//!
//! What the counts rest on: a word of a row costs two loads, an xor and, where the core does not
//! count bits by itself, five operations of an adder or twelve that count one word. A pair of taps
//! costs ten operations in 32 lanes, and its carries five more for every four, eight and sixteen.

use super::{byte_lines::ByteLines, channels, lines::Lines, product::Product};
use bernet_runtime::graph::{Kind, PoolParams, Shape};

/// Of a word of 32 taps in 32 lanes.
const SLICED_WORD: usize = 275;

/// Of one more block: what the counters begin with, and the call.
const SLICED_BLOCK: usize = 50;

/// Of all rows of a position, on a core that does not count bits.
pub(super) fn rows(product: &Product<'_>) -> usize {
    let words = product.columns().div_ceil(32);
    let row = if words < 8 {
        16 * words + 16
    } else {
        words / 8 * 72 + words % 8 * 16 + 70
    };
    product.output.channels * row
}

/// Of all channels of a position, 32 at once.
pub(super) fn blocks(product: &Product<'_>) -> usize {
    let [blocks, words] = channels::blocks(product);
    blocks * (words * SLICED_WORD + SLICED_BLOCK)
}

/// Whether 32 channels at once take fewer instructions without an instruction that counts bits.
pub(super) fn sliced(product: &Product<'_>) -> bool {
    channels::suits(product) && blocks(product) < rows(product)
}

/// Of the copy of a patch.
pub(super) fn gather(product: &Product<'_>) -> usize {
    let (run, runs) = product.runs();
    let copies = product.params.kernel[0] * runs;
    let copy = match product.kind {
        Kind::Bit => 25 + 18 * run.div_ceil(32),
        _ => 15 + 6 * run,
    };
    copies * copy + 4 * product.columns().div_ceil(32)
}

/// Of the largest bits of windows, which are copied one over the other.
pub(super) fn pool(pool: &PoolParams, output: Shape) -> usize {
    let copies = output.height * output.width * pool.kernel[0] * pool.kernel[1];
    copies * (25 + 18 * output.channels.div_ceil(32))
}

/// Of a first layer that is fed line by line, from bits.
pub(super) fn lines(lines: &Lines<'_>) -> usize {
    let product = &lines.product;
    let [groups, channels] = lines.work();
    let taps = 28 * product.params.kernel[0] + 150;
    let spread = if product.output.channels == 8 {
        60
    } else {
        900
    };
    let channel = 41 * product.columns() / 5 + 30;
    let keep = 45 * product.input.height;
    keep + groups * (taps + channels * channel + channels / 8 * spread)
}

/// Of a first layer on bytes that is fed line by line.
pub(super) fn byte_lines(lines: &ByteLines<'_>) -> usize {
    let product = &lines.product;
    let pairs = product.output.height * product.output.width / 2;
    let keep = 5 * product.input.len();
    let channels = 2 * lines.added() + 8 * product.output.channels;
    keep + pairs * (6 * product.columns() + channels + 30)
}
