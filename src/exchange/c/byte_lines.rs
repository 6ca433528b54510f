//! The first layer of an image of bytes, fed line by line: weights are part of the code.
//!
//! A word holds a value of two neighbouring positions, 16 bits each. A channel adds the values of
//! the fewer of its +1 and −1 weights; with all values' sum that is its sum, and with
//! `0x8000 − threshold` added the upper bit of each half is the result: no half overflows, since
//! a sum of at most 64 bytes, twice, is below 2¹⁵.

use super::{
    code::{Code, clear},
    net::{Net, Step},
    product::{Product, Row},
};
use bernet_runtime::graph::Kind;

/// Values that are added in the code of all channels, at most.
const MOST_ADDED: usize = 1024;

/// A first layer on bytes.
pub(super) struct ByteLines<'a> {
    pub(super) product: Product<'a>,
    /// Of each channel: the taps that are added, and whether their weights are +1.
    channels: Vec<(Vec<usize>, bool)>,
}

impl<'a> ByteLines<'a> {
    /// The first step of a net, if it is such a layer and nothing else reads the image.
    pub(super) fn of(net: &Net<'a>, step: &Step<'a>) -> Option<Self> {
        if !net.takes_image_alone(step) {
            return None;
        }
        let product = Product::of(net, step)?;
        let suits = product.kind == Kind::U8
            && product.thresholds.is_some()
            && product.params.groups == 1
            && product.params.dilation == [1, 1]
            && !product.padded()
            && product.input == net.value(net.input).shape
            && product.columns() < 64
            && matches!(product.params.stride[0], 1 | 2 | 4)
            && product.output.width.is_multiple_of(2);
        if !suits {
            return None;
        }
        let rows = product.rows();
        let added = |row| {
            let of = |sign| {
                let taps = 0..product.columns();
                taps.filter(|&tap| product.weight(&rows, row, tap) == sign)
                    .collect::<Vec<_>>()
            };
            let (plus, minus) = (of(true), of(false));
            if plus.len() <= minus.len() {
                (plus, true)
            } else {
                (minus, false)
            }
        };
        let channels: Vec<_> = (0..rows.len()).map(added).collect();
        let total: usize = channels.iter().map(|(taps, _)| taps.len()).sum();
        (total <= MOST_ADDED).then_some(Self { product, channels })
    }

    fn line(&self) -> usize {
        self.product.input.width * self.product.input.channels
    }

    fn ring(&self) -> usize {
        self.product.params.kernel[0].next_power_of_two()
    }

    fn ring_words(&self) -> usize {
        (self.ring() * self.line()).div_ceil(4)
    }

    /// Words of scratch memory: the lines and the taps of two positions.
    pub(super) fn scratch(&self) -> usize {
        self.ring_words() + self.product.columns()
    }

    /// Additions of all channels at a position.
    pub(super) fn added(&self) -> usize {
        self.channels.iter().map(|(taps, _)| taps.len()).sum()
    }

    /// Writes the function that takes a line.
    pub(super) fn write(&self, code: &mut Code, index: usize, prefix: &str) {
        let product = &self.product;
        let (tall, down) = (product.params.kernel[0], product.params.stride[0]);
        let (line, last) = (self.line(), self.ring() - 1);
        code.function(format!(
            "static void {prefix}_step_{index}(uint32_t *scratch, uint32_t *y, uint32_t line, \
             const uint8_t *pixels)"
        ));
        code.line("uint8_t *ring = (uint8_t *)scratch;");
        code.line(format!("uint32_t *taps = &scratch[{}];", self.ring_words()));
        code.line("/* Before the first lines this wraps, and is not used. */");
        code.line(format!("const uint32_t first = line - {}u;", tall - 1));
        code.line(format!(
            "uint32_t at = first / {down}u * {}u;",
            product.output.width * product.output.channels
        ));
        code.open("if (line == 0u)");
        clear(code, "y", product.output.len().div_ceil(32));
        code.close(1);
        code.count("i", line);
        code.line(format!("ring[(line & {last}u) * {line}u + i] = pixels[i];"));
        code.close(1);
        let mut missing = Vec::new();
        if tall > 1 {
            missing.push(format!("line < {}u", tall - 1));
        }
        if down > 1 {
            missing.push(format!("(first & {}u) != 0u", down - 1));
        }
        if !missing.is_empty() {
            code.open(format!("if ({})", missing.join(" || ")));
            code.line("return;");
            code.close(1);
        }
        code.open(format!(
            "for (uint32_t ox = 0u; ox < {}u; ox += 2u)",
            product.output.width
        ));
        self.gather(code);
        let rows = product.rows();
        for slice in (0..rows.len()).step_by(16) {
            self.channels(code, &rows, slice, prefix);
        }
        code.line(format!("at += {}u;", 2 * product.output.channels));
        code.close(2);
        code.line("");
    }

    /// Writes how the words of the taps are made, and their sum.
    fn gather(&self, code: &mut Code) {
        let product = &self.product;
        let [tall, wide] = product.params.kernel;
        let depth = product.input.channels;
        let step = product.params.stride[1] * depth;
        let run = wide * depth;
        code.line("uint32_t all = 0u;");
        code.count("ky", tall);
        code.line(format!(
            "const uint8_t *p = &ring[((first + ky) & {}u) * {}u + ox * {step}u];",
            self.ring() - 1,
            self.line()
        ));
        for value in (0..step + run).filter(|&value| value < run || value >= step) {
            code.line(format!("const uint32_t p{value} = p[{value}];"));
        }
        for tap in 0..run {
            code.line(format!(
                "taps[ky * {run}u + {tap}u] = p{tap} | (p{} << 16);",
                tap + step
            ));
            code.line(format!("all += p{tap} | (p{} << 16);", tap + step));
        }
        code.close(1);
    }

    /// Writes the sums of up to 16 channels, and where their bits go.
    fn channels(&self, code: &mut Code, rows: &[Row], slice: usize, prefix: &str) {
        let channels = self.product.output.channels;
        let count = (channels - slice).min(16);
        code.open("");
        code.line("uint32_t bits = 0u;");
        code.line("uint32_t sum;");
        for place in 0..count {
            let (taps, plus) = &self.channels[slice + place];
            let mut line = String::from("sum = ");
            for (at, tap) in taps.iter().enumerate() {
                let term = format!("{}taps[{tap}]", if at > 0 { " + " } else { "" });
                if line.len() + term.len() > 84 {
                    code.line(std::mem::take(&mut line));
                    line.push_str("   ");
                }
                line.push_str(&term);
            }
            if taps.is_empty() {
                line.push_str("0u");
            }
            code.line(format!("{line};"));
            let bias = (0x8000 - rows[slice + place].at_least) as u32;
            let bias = format!("0x{:08x}u", bias * 0x1_0001);
            let sum = if *plus {
                format!("{bias} - all + 2u * sum")
            } else {
                format!("{bias} + all - 2u * sum")
            };
            code.line(format!(
                "bits |= (({sum}) & 0x80008000u) >> {};",
                15 - place
            ));
        }
        match channels {
            8 => {
                code.line("y[at >> 5] |= ((bits & 0xffu) | ((bits >> 8) & 0xff00u)) << (at & 31u);")
            }
            _ => {
                for (at, from) in [(slice, 0), (channels + slice, 16)] {
                    code.line(format!(
                        "{prefix}_copy_bits(y, at + {at}u, &bits, {from}u, {count}u);"
                    ));
                }
            }
        }
        code.close(1);
    }
}
