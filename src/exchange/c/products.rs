//! Products of bits and bytes with weights of ±1, and the thresholds after them.
//!
//! The values under a window are copied into one run, the patch; each output channel is the number
//! of places where patch and weights differ (bits), or twice the sum where the weight is +1 less
//! the sum of all (bytes). Thresholds become numbers of differing places. Where the core has no
//! instruction that counts bits and it takes fewer instructions, 32 channels are counted at once.

use super::{
    byte_lines::ByteLines,
    channels,
    code::{Code, clear, integer, words},
    counts,
    lines::Lines,
    net::{Net, Step},
    product::{Product, Row},
};
use bernet_kernels::xnor::PaddingValue;
use bernet_runtime::graph::{Kind, Op, Shape};

/// Words of scratch memory that a step needs: the patch, and where its places are real.
pub(super) fn scratch(net: &Net<'_>, step: &Step<'_>) -> usize {
    if let Some(lines) = Lines::of(net, step) {
        return lines.scratch();
    }
    if let Some(lines) = ByteLines::of(net, step) {
        return lines.scratch();
    }
    match Product::of(net, step) {
        Some(product) if !product.direct() => {
            let patch = words(product.kind, product.columns());
            patch * if product.masked() { 2 } else { 1 }
        }
        _ => 0,
    }
}

/// Planes of counters, if a step counts 32 channels at once on cores that do not count bits.
pub(super) fn planes(net: &Net<'_>, step: &Step<'_>) -> Option<usize> {
    let product = Product::of(net, step).filter(counts::sliced)?;
    Some(channels::planes(&product))
}

/// Writes the arrays and the function of a product.
pub(super) fn write(code: &mut Code, net: &Net<'_>, step: &Step<'_>, prefix: &str) {
    let Some(product) = Product::of(net, step) else {
        return;
    };
    let index = step.index;
    let rows = product.rows();
    let [weights, limits, lanes, starts] =
        ["weights", "thresholds", "lanes", "starts"].map(|name| format!("{prefix}_{name}_{index}"));
    let sliced = counts::sliced(&product);
    if sliced {
        // Constants are counted as cores without such an instruction have them.
        let before = code.constant_bytes;
        code.directive(format!("#if {}_HAS_POPCOUNT", prefix.to_uppercase()));
        row_tables(code, &product, &rows, &weights, &limits);
        code.constant_bytes = before;
        code.directive("#else");
        channels::tables(code, &product, &rows, [&lanes, &starts]);
        code.directive("#endif");
    } else {
        row_tables(code, &product, &rows, &weights, &limits);
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
    if sliced {
        code.directive(format!("#if {}_HAS_POPCOUNT", prefix.to_uppercase()));
    }
    row_loop(code, &product, [&weights, &limits, &source], prefix);
    if sliced {
        code.directive("#else");
        channels::body(code, &product, [&lanes, &starts], &source, prefix);
        code.directive("#endif");
    }
    code.close(usize::from(groups > 1) + if single { 0 } else { 2 });
    code.close(1);
    code.line("");
}

fn row_tables(code: &mut Code, product: &Product<'_>, rows: &[Row], weights: &str, limits: &str) {
    code.array("uint32_t", weights, &product.weight_words(rows));
    if product.thresholds.is_some() {
        let (kind, numbers) = limits_of(product, rows);
        code.array(kind, limits, &numbers);
    }
}

/// Writes the loop over the output channels of a group.
fn row_loop(
    code: &mut Code,
    product: &Product<'_>,
    [weights, limits, source]: [&str; 3],
    prefix: &str,
) {
    let groups = product.params.groups;
    let outputs = product.output.channels / groups;
    let row = if groups > 1 {
        format!("(group * {outputs}u + row)")
    } else {
        String::from("row")
    };
    code.count("row", outputs);
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
                product,
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
                product,
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
                product,
                "sum",
                &format!("sum >= {limits}[{row}]"),
                prefix,
            );
        }
    }
    code.line("at++;");
    code.close(1);
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

/// Whether the first step takes the image line by line.
pub(super) fn is_lined(net: &Net<'_>) -> bool {
    let by_lines = |step| Lines::of(net, step).is_some() || ByteLines::of(net, step).is_some();
    net.steps.first().is_some_and(by_lines)
}
