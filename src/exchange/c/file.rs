//! The two files of C: header and source.

use super::{
    arena::Arena,
    byte_lines::ByteLines,
    code::{Code, bit_words, comment, integer, type_of},
    elements, helpers,
    lines::Lines,
    net::{Net, Step},
    options::Options,
    products, sliced,
};
use bernet_runtime::{
    graph::{Kind, Op, Pixels, ValueId},
    tensor::Data,
};

/// A net, where its values are, and how it is called.
pub(super) struct File<'a> {
    pub(super) net: &'a Net<'a>,
    pub(super) arena: &'a Arena,
    pub(super) options: &'a Options,
}

impl File<'_> {
    pub(super) fn prefix(&self) -> &str {
        &self.options.name
    }

    pub(super) fn packs(&self) -> bool {
        self.net.value(self.net.input).kind == Kind::Bit
    }

    /// Whether there is a function that takes a line of pixels.
    pub(super) fn takes_lines(&self) -> bool {
        self.packs() || products::is_lined(self.net)
    }

    /// Bytes of the caller's array.
    pub(super) fn arena_bytes(&self) -> usize {
        4 * self.arena.words.max(1)
    }

    /// Where a value is, as a pointer.
    pub(super) fn place(&self, id: ValueId) -> String {
        let net = self.net;
        let holder = net.holder[id.index()];
        if holder == net.input && !self.packs() {
            return "pixels".into();
        }
        match self.arena.values[holder.index()] {
            None => format!("{}_constant_{}", self.prefix(), holder.0),
            Some(0) if net.value(holder).kind == Kind::Bit => "memory".into(),
            Some(start) => match net.value(holder).kind {
                Kind::Bit => format!("memory + {start}u"),
                kind => format!("({} *)(memory + {start}u)", type_of(kind)),
            },
        }
    }

    /// Whether a value is read where the caller holds it.
    fn is_pixels(&self, id: ValueId) -> bool {
        !self.packs() && self.net.holder[id.index()] == self.net.input
    }

    fn title(&self) -> Vec<String> {
        let metadata = &self.net.graph.metadata;
        let mut lines = vec![comment(&self.options.source)];
        let of = |key: &str| metadata.get(key).map(|text| comment(text));
        for key in ["net", "licence", "license"] {
            lines.extend(of(key).map(|text| format!("{key}: {text}")));
        }
        lines
    }

    /// `net.h`.
    pub(super) fn header(&self, constant_bytes: usize) -> String {
        let net = self.net;
        let (prefix, upper) = (self.prefix(), self.prefix().to_uppercase());
        let input = net.value(net.input);
        let output = net.value(net.output);
        let declared = &net.graph.inputs[0];
        let mut code = Code::default();
        code.line("/*");
        for line in self.title() {
            code.line(format!(" * {line}"));
        }
        code.line(" *");
        code.line(format!(
            " * Constants: {constant_bytes} bytes. Working memory: {} bytes.",
            self.arena_bytes()
        ));
        for note in &net.notes {
            code.line(format!(" * Note: {}.", comment(note)));
        }
        code.line(" */");
        code.line(format!("#ifndef {upper}_H"));
        code.line(format!("#define {upper}_H"));
        code.line("");
        code.line("#include <stdint.h>");
        code.line("");
        code.line("/* Working memory: an array of uint32_t of the caller's of so many bytes. */");
        code.line(format!(
            "#define {upper}_ARENA_BYTES {}",
            self.arena_bytes()
        ));
        let shape = input.shape;
        code.line(format!(
            "/* Pixels: {} lines of {} of {} bytes, a byte a value. */",
            shape.height, shape.width, shape.channels
        ));
        code.line(format!("#define {upper}_INPUT_BYTES {}", shape.len()));
        if self.takes_lines() {
            code.line("/* Lines of an image, and bytes of a line. */");
            code.line(format!("#define {upper}_LINES {}", shape.height));
            code.line(format!(
                "#define {upper}_LINE_BYTES {}",
                shape.width * shape.channels
            ));
        }
        if self.packs() {
            code.line("/* The same as bits, the first in the lowest bit of the first word. */");
            code.line(format!(
                "#define {upper}_INPUT_WORDS {}",
                shape.len().div_ceil(32)
            ));
        }
        let shape = output.shape;
        code.line(format!(
            "/* Logits: {} lines of {} of {} integers. */",
            shape.height, shape.width, shape.channels
        ));
        code.line(format!("#define {upper}_CLASSES {}", shape.len()));
        code.line("");
        code.line("#ifdef __cplusplus");
        code.line("extern \"C\" {");
        code.line("#endif");
        code.line("");
        let bytes = match (&declared.pixels, self.packs()) {
            (Pixels::AtLeast(limit), true) => {
                format!("A byte of at least {limit} is +1, any other -1.")
            }
            (_, true) => "A byte of 0 is -1, any other +1.".into(),
            _ => "Bytes are 0 to 255.".into(),
        };
        code.line(format!(
            "/* The logits of an image of {upper}_INPUT_BYTES bytes. {bytes} */"
        ));
        code.line(format!(
            "void {prefix}_run(void *arena, const uint8_t *pixels, int32_t *logits);"
        ));
        code.line("");
        code.line("/* The class of the largest logit, the first of several. */");
        code.line(format!(
            "int {prefix}_classify(void *arena, const uint8_t *pixels);"
        ));
        code.line("");
        if self.takes_lines() {
            code.line("/* Takes line `line` of an image, line 0 first; the image need not lie in memory. */");
            code.line(format!(
                "void {prefix}_push_line(void *arena, uint32_t line, const uint8_t *pixels);"
            ));
            code.line("");
            code.line("/* The logits, after all lines. */");
            code.line(format!(
                "void {prefix}_finish(void *arena, int32_t *logits);"
            ));
            code.line("");
        }
        if self.packs() {
            code.line(format!(
                "/* The logits of an image of {upper}_INPUT_WORDS words; a bit of 1 is +1, of 0 -1. */"
            ));
            code.line(format!(
                "void {prefix}_run_packed(void *arena, const uint32_t *image, int32_t *logits);"
            ));
            code.line("");
        }
        code.line("#ifdef __cplusplus");
        code.line("}");
        code.line("#endif");
        code.line("");
        code.line("#endif");
        code.into_text()
    }

    /// `net.c`, and the bytes of its constants.
    pub(super) fn source(&self) -> (String, usize) {
        let net = self.net;
        let prefix = self.prefix();
        let mut body = Code::default();
        self.constants(&mut body);
        self.adders(&mut body);
        for step in &net.steps {
            body.line(format!("/* {} */", self.describe(step)));
            self.step(&mut body, step);
        }
        self.layers(&mut body);
        self.entry(&mut body);
        let constant_bytes = body.constant_bytes;
        let body = body.into_text();
        let mut code = Code::default();
        code.line("/*");
        for line in self.title() {
            code.line(format!(" * {line}"));
        }
        code.line(" *");
        code.line(" * C99 without a library; written by bernet export --c.");
        code.line(" */");
        code.line(format!("#include \"{prefix}.h\""));
        code.line("");
        let mut text = code.into_text();
        text.push_str(&helpers::called(&body, prefix));
        text.push_str(&body);
        (text, constant_bytes)
    }

    /// Writes the function of a step, and its constants.
    fn step(&self, code: &mut Code, step: &Step<'_>) {
        let (net, prefix) = (self.net, self.prefix());
        match step.node.op {
            Op::BinaryConv(_) | Op::BinaryDense(_) => {
                if let Some(lines) = Lines::of(net, step) {
                    lines.write(code, step.index, prefix);
                } else if let Some(lines) = ByteLines::of(net, step) {
                    lines.write(code, step.index, prefix);
                } else {
                    products::write(code, net, step, prefix);
                }
            }
            _ => elements::write(code, net, step, prefix),
        }
    }

    /// Bytes of the constants of a step.
    pub(super) fn step_bytes(&self, step: &Step<'_>) -> usize {
        let mut code = Code::default();
        self.step(&mut code, step);
        code.constant_bytes
    }

    /// The macros and the function of products that count 32 sums at once.
    fn adders(&self, code: &mut Code) {
        let net = self.net;
        let (prefix, lined) = (self.prefix(), products::is_lined(net) && self.packs());
        let steps = net.steps.iter().skip(usize::from(products::is_lined(net)));
        let planes = steps.filter_map(|step| products::planes(net, step)).max();
        if lined || planes.is_some() {
            code.directive(sliced::macros(prefix).trim_end());
            code.line("");
        }
        if let Some(planes) = planes {
            code.directive(format!("#if !{}_HAS_POPCOUNT", prefix.to_uppercase()));
            sliced::function(code, prefix, planes);
            code.directive("#endif");
            code.line("");
        }
    }

    /// The constants that steps read.
    fn constants(&self, code: &mut Code) {
        let net = self.net;
        for node in &net.graph.nodes {
            let Op::Constant(tensor) = &node.op else {
                continue;
            };
            let id = node.outputs[0];
            let reads = net.steps.iter().flat_map(|step| &step.node.inputs);
            if !reads
                .chain([&net.output])
                .any(|read| net.holder[read.index()] == id)
            {
                continue;
            }
            let numbers = match tensor.data() {
                Data::Bit(values) => bit_words(values.iter().copied()),
                Data::U8(values) => values.iter().map(u8::to_string).collect(),
                Data::I32(values) => values.iter().map(|&value| integer(value)).collect(),
                Data::F32(_) => unreachable!("floats are refused"),
            };
            let name = format!("{}_constant_{}", self.prefix(), id.0);
            code.array(type_of(tensor.kind()), &name, &numbers);
            code.line("");
        }
    }

    /// What a step is.
    pub(super) fn describe(&self, step: &Step<'_>) -> String {
        let net = self.net;
        let value = |id: ValueId| {
            let value = net.value(id);
            let [height, width, channels] = value.shape.dims();
            format!("{} {height}x{width}x{channels}", value.kind.name())
        };
        let inputs: Vec<_> = step.node.inputs.iter().map(|&id| value(id)).collect();
        let name = match step.node.name.as_str() {
            "" => String::new(),
            name => format!(" {}", comment(name)),
        };
        format!(
            "{}{name}: {}{}, {}{} to {}",
            step.index,
            step.node.op.name(),
            if step.thresholds.is_some() {
                " and threshold"
            } else {
                ""
            },
            products::describe(net, step),
            inputs.join(", "),
            value(step.output)
        )
    }

    /// The function that runs all steps.
    fn layers(&self, code: &mut Code) {
        let net = self.net;
        let prefix = self.prefix();
        let pixels = if self.takes_lines() {
            ""
        } else {
            ", const uint8_t *pixels"
        };
        code.function(format!(
            "static void {prefix}_layers(uint32_t *memory{pixels})"
        ));
        if net.steps.len() == usize::from(products::is_lined(net)) {
            code.line("(void)memory;");
        }
        let mut reads = net.steps.iter().flat_map(|step| &step.node.inputs);
        if !self.takes_lines() && !reads.any(|&id| self.is_pixels(id)) {
            code.line("(void)pixels;");
        }
        // A first step that takes lines has its own call.
        let first = usize::from(products::is_lined(net));
        for (at, step) in net.steps.iter().enumerate().skip(first) {
            let inputs: Vec<_> = step.node.inputs.iter().map(|&id| self.place(id)).collect();
            code.line(format!(
                "{prefix}_step_{}({}, {}{});",
                step.index,
                inputs.join(", "),
                self.place(step.output),
                products::scratch_arguments(net, step, self.arena.scratch[at])
            ));
        }
        code.close(1);
        code.line("");
    }
}
