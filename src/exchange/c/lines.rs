//! The first layer of an image of bits, fed line by line: lanes are output positions.
//!
//! Lines wait in a ring of as many as some output rows need. Then each tap becomes a word with a
//! bit for each position of these rows, and each channel counts its taps by straight-line adders.

use super::{
    code::{Code, bit_words},
    net::{Net, Step},
    product::Product,
    sliced::{Adders, Starts, pair},
};
use bernet_runtime::graph::Kind;

/// A first layer with its arrangement in words.
pub(super) struct Lines<'a> {
    pub(super) product: Product<'a>,
    /// Output rows of a word.
    rows: usize,
    /// Lanes from one output row to the next.
    pitch: usize,
    /// Words of the ring, a power of two.
    ring: usize,
}

impl<'a> Lines<'a> {
    /// The first step of a net, if it is such a layer and nothing else reads the image.
    pub(super) fn of(net: &Net<'a>, step: &Step<'a>) -> Option<Self> {
        if !net.takes_image_alone(step) {
            return None;
        }
        let product = Product::of(net, step)?;
        let shape = net.value(net.input).shape;
        let [down, across] = product.params.stride;
        let suits = product.kind == Kind::Bit
            && product.thresholds.is_some()
            && product.params.groups == 1
            && product.params.dilation == [1, 1]
            && !product.padded()
            && product.input == shape
            && shape.channels == 1
            && shape.width <= 32
            && product.columns() <= 64
            && matches!(down, 1 | 2 | 4)
            && matches!(across, 1 | 2);
        if !suits {
            return None;
        }
        let width = shape.width.div_ceil(across);
        let rows = [4, 2, 1]
            .into_iter()
            .find(|rows| width <= 32 / rows && product.output.height.is_multiple_of(*rows))?;
        let lines = (rows - 1) * down + product.params.kernel[0];
        Some(Self {
            product,
            rows,
            pitch: 32 / rows,
            ring: lines.next_power_of_two(),
        })
    }

    fn lines(&self) -> usize {
        (self.rows - 1) * self.product.params.stride[0] + self.product.params.kernel[0]
    }

    fn taps(&self) -> usize {
        self.product.columns().next_multiple_of(2)
    }

    /// Words of scratch memory: the ring, the taps, eight results.
    pub(super) fn scratch(&self) -> usize {
        self.ring + self.taps() + 8
    }

    /// Groups of output rows, and channels as they are computed.
    pub(super) fn work(&self) -> [usize; 2] {
        [
            self.product.output.height / self.rows,
            self.product.output.channels.next_multiple_of(8),
        ]
    }

    /// Whether four positions are one word of the output.
    fn whole(&self) -> bool {
        self.product.output.channels == 8
            && self.product.output.width.is_multiple_of(4)
            && self.pitch.is_multiple_of(4)
    }

    /// Writes the arrays and the function that takes a line.
    pub(super) fn write(&self, code: &mut Code, index: usize, prefix: &str) {
        let product = &self.product;
        let rows = product.rows();
        let starts = Starts::new(product, &rows, 1);
        let columns = product.columns();
        let words = columns.div_ceil(32);
        let channels = product.output.channels.next_multiple_of(8);
        let mut weights = Vec::new();
        let mut counts = Vec::new();
        for channel in 0..channels {
            let differs = |tap: usize| {
                channel < rows.len() && tap < columns && !product.weight(&rows, channel, tap)
            };
            let pairs = (0..columns.next_multiple_of(2))
                .step_by(2)
                .flat_map(|tap| pair(differs(tap), differs(tap + 1)));
            weights.extend(bit_words(pairs));
            counts.push(starts.counts.get(channel).copied().unwrap_or(0).to_string());
        }
        code.array("uint32_t", &format!("{prefix}_weights_{index}"), &weights);
        let kind = if starts.top < 8 {
            "uint8_t"
        } else {
            "uint16_t"
        };
        code.array(kind, &format!("{prefix}_starts_{index}"), &counts);
        code.line("");
        code.line(format!(
            "/* Takes line `line`, a bit a pixel; ring has {} words. */",
            self.scratch()
        ));
        code.function(format!(
            "static void {prefix}_step_{index}(uint32_t *ring, uint32_t *y, uint32_t line, uint32_t bits)"
        ));
        self.keep(code);
        self.gather(code);
        self.channels(code, index, prefix, starts.top, words);
        code.close(1);
        code.line("");
    }

    /// Writes how a line is kept, and the end where lines are missing.
    fn keep(&self, code: &mut Code) {
        let product = &self.product;
        let before = self.lines() - 1;
        code.line(format!("uint32_t *lanes = &ring[{}];", self.ring));
        code.line(format!("uint32_t *results = &lanes[{}];", self.taps()));
        code.line("/* Before the first lines these wrap, and are not used. */");
        code.line(format!("const uint32_t first = line - {before}u;"));
        if !self.whole() {
            code.open("if (line == 0u)");
            super::code::clear(code, "y", product.output.len().div_ceil(32));
            code.close(1);
        }
        if product.params.stride[1] == 2 {
            code.line("uint32_t swap;");
            code.line("/* Even columns go to the lower half, odd ones to the upper half. */");
            for (shift, mask) in [
                (1, "0x22222222u"),
                (2, "0x0c0c0c0cu"),
                (4, "0x00f000f0u"),
                (8, "0x0000ff00u"),
            ] {
                code.line(format!("swap = (bits ^ (bits >> {shift})) & {mask};"));
                code.line(format!("bits ^= swap ^ (swap << {shift});"));
            }
        }
        code.line(format!("ring[line & {}u] = bits;", self.ring - 1));
        let step = self.rows * product.params.stride[0];
        let mut missing = Vec::new();
        if before > 0 {
            missing.push(format!("line < {before}u"));
        }
        if step > 1 {
            missing.push(format!("(first & {}u) != 0u", step - 1));
        }
        if !missing.is_empty() {
            code.open(format!("if ({})", missing.join(" || ")));
            code.line("return;");
            code.close(1);
        }
    }

    /// Writes how the words of the taps are made.
    fn gather(&self, code: &mut Code) {
        let product = &self.product;
        let [tall, wide] = product.params.kernel;
        let [down, across] = product.params.stride;
        code.count("ky", tall);
        for row in 0..self.rows {
            code.line(format!(
                "const uint32_t line{row} = ring[(first + ky + {}u) & {}u];",
                row * down,
                self.ring - 1
            ));
        }
        let low = if self.pitch == 32 {
            u32::MAX
        } else {
            (1 << self.pitch) - 1
        };
        let join = |part: &dyn Fn(usize) -> String| {
            let shifted = |row: usize| match row * self.pitch {
                0 => part(row),
                shift => format!("({} << {shift})", part(row)),
            };
            (0..self.rows).map(shifted).collect::<Vec<_>>().join(" | ")
        };
        if across == 2 {
            let mask = low & 0xffff;
            let even = join(&|row| format!("(line{row} & 0x{mask:x}u)"));
            code.line(format!("const uint32_t even = {even};"));
            // A kernel of one column has even columns alone.
            if wide > 1 {
                let odd = join(&|row| format!("(line{row} >> 16)"));
                code.line(format!("const uint32_t odd = {odd};"));
            }
        } else {
            let all = join(&|row| format!("line{row}"));
            code.line(format!("const uint32_t even = {all};"));
        }
        let plane = |kx: usize| {
            let plane = if kx % across == 1 { "odd" } else { "even" };
            match kx / across {
                0 => plane.into(),
                shift => format!("({plane} >> {shift})"),
            }
        };
        let pairs = wide.is_multiple_of(2);
        for kx in 0..wide {
            let tap = if pairs && kx.is_multiple_of(2) {
                format!("{} ^ {}", plane(kx), plane(kx + 1))
            } else {
                plane(kx)
            };
            code.line(format!("lanes[ky * {wide}u + {kx}u] = {tap};"));
        }
        code.close(1);
        if pairs {
            return;
        }
        let taps = product.columns();
        if taps % 2 == 1 {
            code.line(format!("lanes[{taps}] = 0u;"));
        }
        code.open(format!(
            "for (uint32_t i = 0u; i < {}u; i += 2u)",
            self.taps()
        ));
        code.line("lanes[i] ^= lanes[i + 1u];");
        code.close(1);
    }

    /// Writes the counts of each channel, and where eight of them go.
    fn channels(&self, code: &mut Code, index: usize, prefix: &str, top: usize, words: usize) {
        let product = &self.product;
        let channels = product.output.channels.next_multiple_of(8);
        let columns = product.columns();
        code.count("channel", channels);
        code.line(format!(
            "const uint32_t start = {prefix}_starts_{index}[channel];"
        ));
        for word in 0..words {
            let at = match words {
                1 => String::from("channel"),
                _ => format!("channel * {words}u + {word}u"),
            };
            code.line(format!(
                "const uint32_t w{word} = {prefix}_weights_{index}[{at}];"
            ));
        }
        let upper = prefix.to_uppercase();
        for plane in 0..top {
            code.line(format!("uint32_t s{plane} = {upper}_MASK(start, {plane});"));
        }
        code.line(format!("uint32_t top = {upper}_MASK(start, {top});"));
        let mut adders = Adders::new(prefix, top, "top |= t;");
        adders.declare(code, columns);
        for word in 0..words {
            let taps = (columns - 32 * word).min(32);
            adders.taps(code, 32 * word, &format!("w{word}"), taps);
        }
        adders.finish(code);
        code.line("results[channel & 7u] = top;");
        if channels > 8 {
            code.open("if ((channel & 7u) == 7u)");
            self.spread(code, prefix);
            code.close(2);
        } else {
            code.close(1);
            self.spread(code, prefix);
        }
    }

    /// Writes how eight results, a bit a position, become bits of positions.
    fn spread(&self, code: &mut Code, prefix: &str) {
        let product = &self.product;
        let (wide, channels) = (product.output.width, product.output.channels);
        code.line(format!("{prefix}_transpose(results);"));
        let row = format!("first / {}u", product.params.stride[0]);
        if self.whole() {
            code.line(format!("uint32_t *to = &y[{row} * {}u];", wide / 4));
            for row in 0..self.rows {
                for column in (0..wide).step_by(4) {
                    let lane = row * self.pitch + column;
                    let bytes: Vec<_> = (0..4)
                        .map(|at| byte(&format!("results[{}]", (lane + at) % 8), lane / 8, at))
                        .collect();
                    let word = row * wide / 4 + column / 4;
                    code.line(format!("to[{word}] = {};", bytes.join(" | ")));
                }
            }
            return;
        }
        let slice = if channels > 8 {
            "(channel & ~7u)"
        } else {
            "0u"
        };
        code.count("row", self.rows);
        code.count("column", wide);
        code.line(format!(
            "const uint32_t lane = row * {}u + column;",
            self.pitch
        ));
        code.line("const uint32_t byte = results[lane & 7u] >> (lane & 24u);");
        code.line(format!(
            "const uint32_t at = (({row} + row) * {wide}u + column) * {channels}u + {slice};"
        ));
        let count = if channels < 8 {
            format!("{channels}u")
        } else if channels.is_multiple_of(8) {
            "8u".into()
        } else {
            format!("channel < {}u ? 8u : {}u", channels / 8 * 8, channels % 8)
        };
        code.line(format!("{prefix}_copy_bits(y, at, &byte, 0u, {count});"));
        code.close(2);
    }
}

/// Byte `from` of a word as byte `to`.
fn byte(word: &str, from: usize, to: usize) -> String {
    let down = match from {
        0 => String::from(word),
        _ => format!("({word} >> {})", 8 * from),
    };
    match (from, to) {
        (_, 0) => format!("({down} & 0xffu)"),
        (_, 3) => format!("({down} << 24)"),
        _ => format!("(({down} & 0xffu) << {})", 8 * to),
    }
}
