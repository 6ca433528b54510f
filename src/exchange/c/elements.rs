//! Operators that compute or move single elements.

use super::{
    code::{Code, clear, integer, type_of, words},
    net::{Net, Step},
};
use bernet_runtime::graph::{Axis, BinaryOp, Kind, Op, PoolKind, PoolParams, ReduceKind, Shape};

/// What functions of one step need.
struct Context<'a> {
    code: &'a mut Code,
    prefix: &'a str,
    output: Kind,
}

impl Context<'_> {
    /// An element as an integer; bits are ±1.
    fn number(&self, kind: Kind, array: &str, index: &str) -> String {
        match kind {
            Kind::Bit => format!("{}_sign({array}, {index})", self.prefix),
            Kind::U8 => format!("(int32_t){array}[{index}]"),
            _ => format!("{array}[{index}]"),
        }
    }

    /// Stores an integer; of a bit its sign.
    fn store(&mut self, index: &str, number: &str) {
        match self.output {
            Kind::Bit => self.store_bit(index, &format!("({number}) > 0")),
            Kind::U8 => self.code.line(format!("y[{index}] = (uint8_t)({number});")),
            _ => self.code.line(format!("y[{index}] = {number};")),
        }
    }

    fn store_bit(&mut self, index: &str, holds: &str) {
        let prefix = self.prefix;
        self.code
            .line(format!("{prefix}_set(y, {index}, {holds});"));
    }

    /// Stores an element of an array of the output's type.
    fn copy(&mut self, index: &str, array: &str, from: &str) {
        match self.output {
            Kind::Bit => {
                let holds = format!("{}_bit({array}, {from})", self.prefix);
                self.store_bit(index, &holds);
            }
            _ => self.code.line(format!("y[{index}] = {array}[{from}];")),
        }
    }

    /// Loops over the places of a shape; `i` counts them.
    fn places(&mut self, shape: Shape) {
        self.code.line("uint32_t i = 0u;");
        for (variable, size) in ["h", "w", "c"].iter().zip(shape.dims()) {
            self.code.count(variable, size);
        }
    }

    fn end_places(&mut self) {
        self.code.line("i++;");
        self.code.close(3);
    }
}

/// The index of the place `h, w, c` in a value of which an axis of size 1 serves every place.
fn broadcast(shape: Shape) -> String {
    let Shape {
        height,
        width,
        channels,
    } = shape;
    let axis =
        |name: &str, size: usize, stride: usize| (size > 1).then(|| format!("{name} * {stride}u"));
    let terms: Vec<_> = [
        axis("h", height, width * channels),
        axis("w", width, channels),
        axis("c", channels, 1),
    ]
    .into_iter()
    .flatten()
    .collect();
    if terms.is_empty() {
        "0u".into()
    } else {
        terms.join(" + ")
    }
}

/// Writes the function of a step that is no product.
pub(super) fn write(code: &mut Code, net: &Net<'_>, step: &Step<'_>, prefix: &str) {
    let index = step.index;
    let output = net.value(step.output);
    let inputs: Vec<_> = step.node.inputs.iter().map(|&id| net.value(id)).collect();
    let first = inputs[0];
    if let Op::Threshold(thresholds) = &step.node.op {
        let numbers: Vec<_> = thresholds.iter().map(|one| integer(one.at_least)).collect();
        code.array("int32_t", &format!("{prefix}_thresholds_{index}"), &numbers);
        let numbers: Vec<_> = thresholds
            .iter()
            .map(|one| u8::from(one.invert).to_string())
            .collect();
        code.array("uint8_t", &format!("{prefix}_inverted_{index}"), &numbers);
        code.line("");
    }
    let arguments: Vec<_> = inputs
        .iter()
        .enumerate()
        .map(|(at, value)| format!("const {} *{}", type_of(value.kind), name(at, inputs.len())))
        .collect();
    let result = type_of(output.kind);
    code.function(format!(
        "static void {prefix}_step_{index}({}, {result} *y)",
        arguments.join(", ")
    ));
    if output.kind == Kind::Bit {
        clear(code, "y", words(Kind::Bit, output.shape.len()));
    }
    let mut context = Context {
        code,
        prefix,
        output: output.kind,
    };
    match &step.node.op {
        Op::Sign => {
            context.places(output.shape);
            let x = context.number(first.kind, "x", "i");
            context.store_bit("i", &format!("{x} >= 0"));
            context.end_places();
        }
        Op::Threshold(thresholds) => {
            context.places(output.shape);
            let channel = if thresholds.len() == 1 { "0u" } else { "c" };
            let x = context.number(first.kind, "x", "i");
            let holds = format!(
                "({x} >= {prefix}_thresholds_{index}[{channel}]) != ({prefix}_inverted_{index}[{channel}] != 0u)"
            );
            context.store_bit("i", &holds);
            context.end_places();
        }
        Op::Cast(_) => {
            context.places(output.shape);
            let x = context.number(first.kind, "x", "i");
            context.store("i", &x);
            context.end_places();
        }
        Op::Binary(op) => {
            context.places(output.shape);
            let a = context.number(first.kind, "a", &broadcast(first.shape));
            let b = context.number(inputs[1].kind, "b", &broadcast(inputs[1].shape));
            context.code.line(format!("const int32_t p = {a};"));
            context.code.line(format!("const int32_t q = {b};"));
            binary(&mut context, *op);
            context.end_places();
        }
        Op::Select => {
            context.places(output.shape);
            let condition = format!("{prefix}_bit(a, {})", broadcast(first.shape));
            context.code.open(format!("if ({condition} != 0)"));
            context.copy("i", "b", &broadcast(inputs[1].shape));
            context.code.close(1);
            context.code.open("else");
            context.copy("i", "d", &broadcast(inputs[2].shape));
            context.code.close(1);
            context.end_places();
        }
        Op::Pool(pool) => pooled(&mut context, first.kind, first.shape, output.shape, pool),
        Op::Reduce { kind, axes } => {
            let dims = first.shape.dims();
            let kernel = [0, 1, 2].map(|axis| if axes[axis] { dims[axis] } else { 1 });
            let kind_of = first.kind;
            context.places(output.shape);
            begin_fold(&mut context, *kind, kind_of);
            for (variable, size) in ["kh", "kw", "kc"].iter().zip(kernel) {
                context.code.count(variable, size);
            }
            let from = format!(
                "((h + kh) * {}u + w + kw) * {}u + c + kc",
                first.shape.width, first.shape.channels
            );
            fold(&mut context, *kind, kind_of, &from);
            context.code.close(3);
            end_fold(&mut context, *kind);
            context.end_places();
        }
        Op::ArgMax => {
            let channels = first.shape.channels;
            context.places(output.shape);
            context.code.line("uint32_t best = 0u;");
            context.code.count("k", channels);
            let at = |context: &Context<'_>, k: &str| {
                context.number(first.kind, "x", &format!("i * {channels}u + {k}"))
            };
            let (one, other) = (at(&context, "k"), at(&context, "best"));
            context.code.open(format!("if ({one} > {other})"));
            context.code.line("best = k;");
            context.code.close(2);
            context.store("i", "(int32_t)best");
            context.end_places();
        }
        Op::Concat(axis) => concat(
            &mut context,
            *axis,
            output.shape,
            &inputs.iter().map(|value| value.shape).collect::<Vec<_>>(),
        ),
        &Op::Slice {
            axis, start, step, ..
        } => {
            context.places(output.shape);
            let along = |own: Axis, name: &str| {
                if own == axis {
                    format!("({start}u + {name} * {step}u)")
                } else {
                    name.into()
                }
            };
            let from = format!(
                "({} * {}u + {}) * {}u + {}",
                along(Axis::Height, "h"),
                first.shape.width,
                along(Axis::Width, "w"),
                first.shape.channels,
                along(Axis::Channels, "c")
            );
            context.copy("i", "x", &from);
            context.end_places();
        }
        Op::Pad { before, value, .. } => {
            let [h, w, c] = before;
            let Shape {
                height,
                width,
                channels,
            } = first.shape;
            context.places(output.shape);
            context
                .code
                .line("/* Before the first place these wrap and are too large. */");
            context.code.line(format!("const uint32_t ih = h - {h}u;"));
            context.code.line(format!("const uint32_t iw = w - {w}u;"));
            context.code.line(format!("const uint32_t ic = c - {c}u;"));
            context.code.open(format!(
                "if (ih < {height}u && iw < {width}u && ic < {channels}u)"
            ));
            context.copy(
                "i",
                "x",
                &format!("(ih * {width}u + iw) * {channels}u + ic"),
            );
            context.code.close(1);
            context.code.open("else");
            match context.output {
                Kind::Bit => context.store_bit("i", if *value >= 0.0 { "1" } else { "0" }),
                Kind::U8 => context.store("i", &(*value as u8).to_string()),
                _ => context.store("i", &integer(*value as i32)),
            }
            context.code.close(1);
            context.end_places();
        }
        Op::Transpose { dims, perm, .. } => transpose(&mut context, dims, perm),
        _ => unreachable!(
            "products, constants and reshapes are written elsewhere; others are refused"
        ),
    }
    code.close(1);
    code.line("");
}

/// The name of an argument.
fn name(at: usize, count: usize) -> String {
    match count {
        1 => "x".into(),
        2 | 3 => ["a", "b", "d"][at].into(),
        _ => format!("x{at}"),
    }
}

fn binary(context: &mut Context<'_>, op: BinaryOp) {
    let wrapping = |sign: &str| format!("(int32_t)((uint32_t)p {sign} (uint32_t)q)");
    match op {
        BinaryOp::Add => context.store("i", &wrapping("+")),
        BinaryOp::Sub => context.store("i", &wrapping("-")),
        BinaryOp::Mul => context.store("i", &wrapping("*")),
        BinaryOp::Min => context.store("i", "p < q ? p : q"),
        BinaryOp::Max => context.store("i", "p > q ? p : q"),
        BinaryOp::Greater => context.store_bit("i", "p > q"),
        BinaryOp::GreaterOrEqual => context.store_bit("i", "p >= q"),
        BinaryOp::Equal => context.store_bit("i", "p == q"),
        BinaryOp::Div => unreachable!("only floats are divided"),
    }
}

fn begin_fold(context: &mut Context<'_>, kind: ReduceKind, _: Kind) {
    context.code.line(match kind {
        ReduceKind::Max => "int32_t value = -2147483647 - 1;",
        ReduceKind::Min => "int32_t value = 2147483647;",
        _ => "uint32_t value = 0u;",
    });
}

fn fold(context: &mut Context<'_>, kind: ReduceKind, of: Kind, from: &str) {
    let next = context.number(of, "x", from);
    context.code.line(format!("const int32_t next = {next};"));
    context.code.line(match kind {
        ReduceKind::Max => "value = next > value ? next : value;",
        ReduceKind::Min => "value = next < value ? next : value;",
        _ => "value += (uint32_t)next;",
    });
}

fn end_fold(context: &mut Context<'_>, kind: ReduceKind) {
    match kind {
        ReduceKind::Max | ReduceKind::Min => context.store("i", "value"),
        _ => context.store("i", "(int32_t)value"),
    }
}

fn pooled(context: &mut Context<'_>, of: Kind, input: Shape, output: Shape, pool: &PoolParams) {
    let [tall, wide] = pool.kernel;
    let [down, across] = pool.stride;
    let [top, left, ..] = pool.padding;
    let Shape {
        height,
        width,
        channels,
    } = input;
    let bits = of == Kind::Bit && pool.kind == PoolKind::Max;
    if bits {
        // The largest of bits is their or, and copies are added by or.
        context.code.count("h", output.height);
        context.code.count("w", output.width);
    } else {
        context.places(output);
    }
    let kind = if pool.kind == PoolKind::Max {
        ReduceKind::Max
    } else {
        ReduceKind::Sum
    };
    if !bits {
        begin_fold(context, kind, of);
    }
    context.code.count("kh", tall);
    context.code.count("kw", wide);
    let minus = |padding: usize| {
        if padding > 0 {
            format!(" - {padding}u")
        } else {
            String::new()
        }
    };
    context.code.line(format!(
        "const uint32_t ih = h * {down}u + kh{};",
        minus(top)
    ));
    context.code.line(format!(
        "const uint32_t iw = w * {across}u + kw{};",
        minus(left)
    ));
    let padded = pool.padding != [0; 4];
    if padded {
        context
            .code
            .line("/* Before the first line or pixel these wrap and are too large. */");
        context
            .code
            .open(format!("if (ih < {height}u && iw < {width}u)"));
    }
    if bits {
        let prefix = context.prefix;
        context.code.line(format!(
            "{prefix}_copy_bits(y, (h * {}u + w) * {channels}u, x, (ih * {width}u + iw) * {channels}u, {channels}u);",
            output.width
        ));
    } else {
        fold(
            context,
            kind,
            of,
            &format!("(ih * {width}u + iw) * {channels}u + c"),
        );
    }
    context.code.close(2 + usize::from(padded));
    if bits {
        context.code.close(2);
    } else {
        end_fold(context, kind);
        context.end_places();
    }
}

fn concat(context: &mut Context<'_>, axis: Axis, output: Shape, inputs: &[Shape]) {
    let mut start = 0;
    for (at, shape) in inputs.iter().enumerate() {
        for (variable, size) in ["h", "w", "c"].iter().zip(shape.dims()) {
            context.code.count(variable, size);
        }
        let along = |own: Axis, name: &str| {
            if own == axis {
                format!("({start}u + {name})")
            } else {
                name.into()
            }
        };
        let to = format!(
            "({} * {}u + {}) * {}u + {}",
            along(Axis::Height, "h"),
            output.width,
            along(Axis::Width, "w"),
            output.channels,
            along(Axis::Channels, "c")
        );
        let from = format!("(h * {}u + w) * {}u + c", shape.width, shape.channels);
        context.copy(&to, &name(at, inputs.len()), &from);
        context.code.close(3);
        start += shape.dims()[axis.index()];
    }
}

fn transpose(context: &mut Context<'_>, dims: &[usize], perm: &[usize]) {
    let mut strides = vec![1; dims.len()];
    for axis in (1..dims.len()).rev() {
        strides[axis - 1] = strides[axis] * dims[axis];
    }
    context.code.line("uint32_t i = 0u;");
    let mut terms = Vec::new();
    for (at, &axis) in perm.iter().enumerate() {
        context.code.count(&format!("d{at}"), dims[axis]);
        terms.push(format!("d{at} * {}u", strides[axis]));
    }
    let from = if terms.is_empty() {
        "0u".into()
    } else {
        terms.join(" + ")
    };
    context.copy("i", "x", &from);
    context.code.line("i++;");
    context.code.close(perm.len());
}
