//! Products of bits and bytes with weights of ±1, and the thresholds after them.
//!
//! The values under a window are copied into one run, the patch; each output channel is the number
//! of places where patch and weights differ (bits), or twice the sum where the weight is +1 less
//! the sum of all (bytes). Thresholds become numbers of differing places.

use super::{
    code::{Code, bit_words, integer, words},
    net::{Net, Step},
};
use bernet_kernels::{
    bits::BitMatrix,
    xnor::{PaddingValue, Threshold},
};
use bernet_runtime::graph::{ConvParams, Kind, Op, Shape};

/// A product with its geometry; a dense layer is a window as large as the image.
struct Product<'a> {
    weights: &'a BitMatrix,
    params: ConvParams,
    kind: Kind,
    input: Shape,
    output: Shape,
    thresholds: Option<&'a [Threshold]>,
}

impl<'a> Product<'a> {
    fn of(net: &Net<'a>, step: &Step<'a>) -> Option<Self> {
        let input = net.value(step.node.inputs[0]);
        let output = net.value(step.output).shape;
        let (weights, params) = match &step.node.op {
            Op::BinaryConv(conv) => (&conv.weights, conv.params),
            Op::BinaryDense(weights) => {
                let whole = [input.shape.height, input.shape.width];
                (weights, ConvParams::valid(whole))
            }
            _ => return None,
        };
        Some(Self {
            weights,
            params,
            kind: input.kind,
            input: input.shape,
            output,
            thresholds: step.thresholds,
        })
    }

    /// Values under a window, of one group.
    fn columns(&self) -> usize {
        self.weights.columns()
    }

    /// Channels of a group.
    fn depth(&self) -> usize {
        self.input.channels / self.params.groups
    }

    fn padded(&self) -> bool {
        self.params.padding != [0; 4]
    }

    /// Whether taps outside do not count, so that their places are to be known.
    fn masked(&self) -> bool {
        self.padded() && self.kind == Kind::Bit && self.params.padding_value == PaddingValue::Zero
    }

    /// Values that lie next to one another in image and patch, and how many such runs a line of
    /// the window has.
    fn runs(&self) -> (usize, usize) {
        let wide = self.params.kernel[1];
        if self.params.groups == 1 && (self.params.dilation[1] == 1 || wide == 1) && !self.padded()
        {
            (wide * self.depth(), 1)
        } else {
            (self.depth(), wide)
        }
    }

    /// Whether each window is one run of the image that begins with a word, so that no patch is
    /// copied.
    fn direct(&self) -> bool {
        let [tall, wide] = self.params.kernel;
        let (run, runs) = self.runs();
        let one = runs == 1
            && (tall == 1
                || (run == self.input.width * self.input.channels && self.params.dilation[0] == 1));
        let line = self.input.width * self.input.channels;
        let single = self.output.height == 1 && self.output.width == 1;
        let whole = tall == self.input.height && wide == self.input.width;
        let aligned = |values: usize| self.kind == Kind::U8 || values.is_multiple_of(32);
        let steps = aligned(self.params.stride[0] * line)
            && aligned(self.params.stride[1] * self.input.channels)
            && aligned(self.columns());
        one && self.params.groups == 1 && !self.padded() && (steps || (single && whole))
    }
}

/// Words of scratch memory that a step needs: the patch, and where its places are real.
pub(super) fn scratch(net: &Net<'_>, step: &Step<'_>) -> usize {
    match Product::of(net, step) {
        Some(product) if !product.direct() => {
            let patch = words(product.kind, product.columns());
            patch * if product.masked() { 2 } else { 1 }
        }
        _ => 0,
    }
}

/// A row's weights and threshold, so that a sum at least the threshold is +1: where the threshold
/// is inverted, the weights are.
struct Row {
    flip: bool,
    at_least: i64,
}

impl Product<'_> {
    /// The rows; thresholds are at most just outside of what sums reach.
    fn rows(&self) -> Vec<Row> {
        let most = self.columns() as i64 * if self.kind == Kind::U8 { 255 } else { 1 };
        (0..self.weights.rows())
            .map(|row| {
                let Some(thresholds) = self.thresholds else {
                    return Row {
                        flip: false,
                        at_least: 0,
                    };
                };
                let Threshold { at_least, invert } = thresholds[row.min(thresholds.len() - 1)];
                let at_least = i64::from(at_least);
                // sum < t, that is −sum ≥ 1 − t.
                let at_least = if invert { 1 - at_least } else { at_least };
                Row {
                    flip: invert,
                    at_least: at_least.clamp(-most, most + 1),
                }
            })
            .collect()
    }

    fn weight_words(&self, rows: &[Row]) -> Vec<String> {
        let row = |(index, row): (usize, &Row)| {
            bit_words((0..self.columns()).map(|column| self.weights.get(index, column) != row.flip))
        };
        rows.iter().enumerate().flat_map(row).collect()
    }
}

/// Writes the arrays and the function of a product.
pub(super) fn write(code: &mut Code, net: &Net<'_>, step: &Step<'_>, prefix: &str) {
    let Some(product) = Product::of(net, step) else {
        return;
    };
    let index = step.index;
    let rows = product.rows();
    let weights = format!("{prefix}_weights_{index}");
    let limits = format!("{prefix}_thresholds_{index}");
    code.array("uint32_t", &weights, &product.weight_words(&rows));
    if product.thresholds.is_some() {
        let (kind, numbers) = limits_of(&product, &rows);
        code.array(kind, &limits, &numbers);
    }
    code.line("");
    let element = super::code::type_of(product.kind);
    let result = if product.thresholds.is_some() {
        "uint32_t"
    } else {
        "int32_t"
    };
    let patch = if product.direct() {
        String::new()
    } else {
        format!(", {element} *patch")
    };
    let valid = if product.masked() {
        ", uint32_t *valid"
    } else {
        ""
    };
    code.function(format!(
        "static void {prefix}_step_{index}(const {element} *x, {result} *y{patch}{valid})"
    ));
    code.line("uint32_t at = 0u;");
    if product.thresholds.is_some() {
        clear(code, "y", product.output.len().div_ceil(32));
    }
    let single = product.output.height == 1 && product.output.width == 1;
    if !single {
        code.count("oy", product.output.height);
        code.count("ox", product.output.width);
    }
    let groups = product.params.groups;
    if groups > 1 {
        code.count("group", groups);
    }
    let source = gather(code, &product, prefix);
    let mut outputs = product.output.channels / groups;
    let mut row = String::from("row");
    if groups > 1 {
        row = format!("(group * {outputs}u + row)");
    }
    code.count("row", std::mem::take(&mut outputs));
    let count = product.columns().div_ceil(32);
    let weights = format!("&{weights}[{row} * {count}u]");
    let columns = product.columns();
    match product.kind {
        Kind::Bit if product.masked() => {
            code.line(format!(
                "const int32_t sum = (int32_t)taps - 2 * (int32_t){prefix}_differ_in({source}, \
                 {weights}, valid, {count}u);"
            ));
            finish(
                code,
                &product,
                "sum",
                &format!("sum >= {limits}[{row}]"),
                prefix,
            );
        }
        Kind::Bit => {
            code.line(format!(
                "const uint32_t differ = {prefix}_differ({source}, {weights}, {count}u);"
            ));
            let sum = format!("{columns} - 2 * (int32_t)differ");
            finish(
                code,
                &product,
                &sum,
                &format!("differ < {limits}[{row}]"),
                prefix,
            );
        }
        _ => {
            code.line(format!(
                "const int32_t sum = 2 * {prefix}_chosen({source}, {weights}, {columns}u) - all;"
            ));
            finish(
                code,
                &product,
                "sum",
                &format!("sum >= {limits}[{row}]"),
                prefix,
            );
        }
    }
    code.line("at++;");
    code.close(1 + usize::from(groups > 1) + if single { 0 } else { 2 });
    code.close(1);
    code.line("");
}

/// Thresholds as a function of the row compares them.
fn limits_of(product: &Product<'_>, rows: &[Row]) -> (&'static str, Vec<String>) {
    let columns = product.columns() as i64;
    let plain = product.kind == Kind::Bit && !product.masked();
    let numbers: Vec<i64> = rows
        .iter()
        .map(|row| {
            if plain {
                // columns − 2·differ ≥ t, that is differ < (columns − t) / 2 + 1.
                (columns - row.at_least).div_euclid(2) + 1
            } else {
                row.at_least
            }
        })
        .collect();
    let most = numbers.iter().copied().max().unwrap_or(0);
    let kind = match (plain, most) {
        (true, ..256) => "uint8_t",
        (true, ..65536) => "uint16_t",
        (true, _) => "uint32_t",
        (false, _) => "int32_t",
    };
    // Within ±(2²⁸·255 + 1) only where the graph's own limit on sums allows it: 32 bits.
    (
        kind,
        numbers
            .iter()
            .map(|&number| integer(number as i32))
            .collect(),
    )
}

fn finish(code: &mut Code, product: &Product<'_>, sum: &str, holds: &str, prefix: &str) {
    if product.thresholds.is_some() {
        code.line(format!("{prefix}_set(y, at, {holds});"));
    } else {
        code.line(format!("y[at] = {sum};"));
    }
}

/// Zeros words.
pub(super) fn clear(code: &mut Code, name: &str, words: usize) {
    code.count("i", words);
    code.line(format!("{name}[i] = 0u;"));
    code.close(1);
}

/// Writes the copy of a patch; returns where its values are.
fn gather(code: &mut Code, product: &Product<'_>, prefix: &str) -> String {
    let single = product.output.height == 1 && product.output.width == 1;
    let [tall, _] = product.params.kernel;
    let [down, across] = product.params.stride;
    let [dilate_y, dilate_x] = product.params.dilation;
    let Shape {
        height,
        width,
        channels,
    } = product.input;
    let (columns, depth) = (product.columns(), product.depth());
    let bits = product.kind == Kind::Bit;
    let (oy, ox) = if single { ("0u", "0u") } else { ("oy", "ox") };
    if product.direct() {
        let at = if single {
            String::from("x")
        } else {
            let (line, pixel) = (down * width * channels, across * channels);
            let unit = if bits { 32 } else { 1 };
            let (line, pixel) = (line / unit, pixel / unit);
            format!("&x[oy * {line}u + ox * {pixel}u]")
        };
        if !bits {
            code.line(format!(
                "const int32_t all = {prefix}_total({at}, {columns}u);"
            ));
        }
        return at;
    }
    if bits {
        clear(code, "patch", columns.div_ceil(32));
    }
    if product.masked() {
        clear(code, "valid", columns.div_ceil(32));
        code.line("uint32_t taps = 0u;");
    }
    let group = if product.params.groups > 1 {
        format!(" + group * {depth}u")
    } else {
        String::new()
    };
    let (run, runs) = product.runs();
    code.count("ky", tall);
    let [top, left, ..] = product.params.padding;
    if runs == 1 && !product.padded() {
        let copy = if bits { "copy_bits" } else { "copy_bytes" };
        code.line(format!(
            "{prefix}_{copy}(patch, ky * {run}u, x, (({oy} * {down}u + ky * {dilate_y}u) * {width}u \
             + {ox} * {across}u) * {channels}u{group}, {run}u);"
        ));
        code.close(1);
    } else {
        code.count("kx", runs);
        code.line("/* Before the first line or pixel these wrap and are too large. */");
        code.line(format!(
            "const uint32_t iy = {oy} * {down}u + ky * {dilate_y}u - {top}u;"
        ));
        code.line(format!(
            "const uint32_t ix = {ox} * {across}u + kx * {dilate_x}u - {left}u;"
        ));
        code.line(format!(
            "const uint32_t to = (ky * {runs}u + kx) * {depth}u;"
        ));
        let from = format!("(iy * {width}u + ix) * {channels}u{group}");
        code.open(format!("if (iy < {height}u && ix < {width}u)"));
        if bits {
            code.line(format!(
                "{prefix}_copy_bits(patch, to, x, {from}, {depth}u);"
            ));
            if product.masked() {
                code.line(format!("{prefix}_ones(valid, to, {depth}u);"));
                code.line(format!("taps += {depth}u;"));
            }
        } else {
            code.line(format!(
                "{prefix}_copy_bytes(patch, to, x, {from}, {depth}u);"
            ));
        }
        if product.padded() && bits && product.params.padding_value == PaddingValue::PlusOne {
            code.close(1);
            code.open("else");
            code.line(format!("{prefix}_ones(patch, to, {depth}u);"));
        }
        if !bits && product.padded() {
            code.close(1);
            code.open("else");
            code.line(format!("for (uint32_t i = 0u; i < {depth}u; i++) {{"));
            code.line("    patch[to + i] = 0u;");
            code.line("}");
        }
        code.close(3);
    }
    if !bits {
        code.line(format!(
            "const int32_t all = {prefix}_total(patch, {columns}u);"
        ));
    }
    "patch".into()
}

/// How a step is called, after its input and output.
pub(super) fn scratch_arguments(net: &Net<'_>, step: &Step<'_>, start: usize) -> String {
    let Some(product) = Product::of(net, step).filter(|product| !product.direct()) else {
        return String::new();
    };
    let words = words(product.kind, product.columns());
    let patch = match product.kind {
        Kind::U8 => format!(", (uint8_t *)(memory + {start}u)"),
        _ => format!(", memory + {start}u"),
    };
    if product.masked() {
        format!("{patch}, memory + {}u", start + words)
    } else {
        patch
    }
}

/// What a product does, for a comment.
pub(super) fn describe(net: &Net<'_>, step: &Step<'_>) -> String {
    let Some(product) = Product::of(net, step) else {
        return String::new();
    };
    let [tall, wide] = product.params.kernel;
    let [down, across] = product.params.stride;
    match step.node.op {
        Op::BinaryConv(_) => format!("{tall}x{wide}, stride {down}x{across}, "),
        _ => String::new(),
    }
}
