//! The functions that the header declares.

use super::{
    code::{Code, clear, type_of, words},
    file::File,
    products,
};
use bernet_runtime::graph::{Kind, Pixels};

impl File<'_> {
    /// Writes the functions that the header declares.
    pub(super) fn entry(&self, code: &mut Code) {
        if self.takes_lines() {
            self.push_line(code);
            self.begin(code, "void", "finish", "int32_t *logits");
            code.line(format!("{}_layers(memory);", self.prefix()));
            self.store(code);
            code.close(1);
            code.line("");
        }
        self.begin(
            code,
            "void",
            "run",
            "const uint8_t *pixels, int32_t *logits",
        );
        self.prepare(code);
        self.store(code);
        code.close(1);
        code.line("");
        self.classify(code);
        if self.packs() {
            code.line("");
            self.run_packed(code);
        }
    }

    fn begin(&self, code: &mut Code, result: &str, name: &str, arguments: &str) {
        let comma = if arguments.is_empty() { "" } else { ", " };
        code.function(format!(
            "{result} {}_{name}(void *arena{comma}{arguments})",
            self.prefix()
        ));
        code.line("uint32_t *memory = (uint32_t *)arena;");
    }

    /// Writes the call of the first step for a line in `bits`.
    fn first_step(&self, code: &mut Code) {
        let step = &self.net.steps[0];
        code.line(format!(
            "{}_step_{}(memory + {}u, {}, line, {});",
            self.prefix(),
            step.index,
            self.arena.scratch[0],
            self.place(step.output),
            if self.packs() { "bits" } else { "pixels" }
        ));
    }

    /// Writes the function that packs a line of pixels, and hands it to the first step if that
    /// takes lines.
    fn push_line(&self, code: &mut Code) {
        let shape = self.net.value(self.net.input).shape;
        let values = shape.width * shape.channels;
        let pixels = &self.net.graph.inputs[0].pixels;
        self.begin(
            code,
            "void",
            "push_line",
            "uint32_t line, const uint8_t *pixels",
        );
        let bit = match pixels {
            Pixels::AtLeast(0) => String::from("1u"),
            Pixels::AtLeast(limit) => format!("(uint32_t)(pixels[i] >= {limit}u)"),
            _ => String::from("(uint32_t)(pixels[i] != 0u)"),
        };
        if self.packs() && *pixels == Pixels::AtLeast(0) {
            code.line("(void)pixels;");
        }
        if !self.packs() {
            self.first_step(code);
        } else if products::is_lined(self.net) {
            code.line("uint32_t bits = 0u;");
            code.count("i", values);
            code.line(format!("bits |= {bit} << i;"));
            code.close(1);
            self.first_step(code);
        } else {
            let count = words(Kind::Bit, shape.len());
            code.line(format!("uint32_t *image = {};", self.place(self.net.input)));
            code.line(format!("uint32_t at = line * {values}u;"));
            code.open("if (line == 0u)");
            clear(code, "image", count);
            code.close(1);
            code.count("i", values);
            code.line(format!("image[at >> 5] |= {bit} << (at & 31u);"));
            code.line("at++;");
            code.close(1);
        }
        code.close(1);
        code.line("");
    }

    /// Writes the calls that compute the output of pixels.
    fn prepare(&self, code: &mut Code) {
        let prefix = self.prefix();
        if self.takes_lines() {
            let shape = self.net.value(self.net.input).shape;
            code.count("line", shape.height);
            code.line(format!(
                "{prefix}_push_line(arena, line, &pixels[line * {}u]);",
                shape.width * shape.channels
            ));
            code.close(1);
            code.line(format!("{prefix}_layers(memory);"));
        } else {
            code.line(format!("{prefix}_layers(memory, pixels);"));
        }
    }

    fn values(&self, code: &mut Code) {
        let net = self.net;
        code.line(format!(
            "const {} *values = {};",
            type_of(net.value(net.output).kind),
            self.place(net.output)
        ));
    }

    fn read(&self, index: &str) -> String {
        match self.net.value(self.net.output).kind {
            Kind::Bit => format!("{}_sign(values, {index})", self.prefix()),
            Kind::U8 => format!("(int32_t)values[{index}]"),
            _ => format!("values[{index}]"),
        }
    }

    fn store(&self, code: &mut Code) {
        self.values(code);
        code.count("i", self.net.value(self.net.output).shape.len());
        code.line(format!("logits[i] = {};", self.read("i")));
        code.close(1);
    }

    fn classify(&self, code: &mut Code) {
        self.begin(code, "int", "classify", "const uint8_t *pixels");
        code.line("uint32_t best = 0u;");
        self.prepare(code);
        self.values(code);
        code.open(format!(
            "for (uint32_t i = 1u; i < {}_CLASSES; i++)",
            self.prefix().to_uppercase()
        ));
        code.open(format!("if ({} > {})", self.read("i"), self.read("best")));
        code.line("best = i;");
        code.close(2);
        code.line("return (int)best;");
        code.close(1);
    }

    fn run_packed(&self, code: &mut Code) {
        let shape = self.net.value(self.net.input).shape;
        let count = words(Kind::Bit, shape.len());
        self.begin(
            code,
            "void",
            "run_packed",
            "const uint32_t *image, int32_t *logits",
        );
        if products::is_lined(self.net) {
            self.packed_lines(code, shape.height, shape.width);
        } else {
            code.line(format!("uint32_t *to = {};", self.place(self.net.input)));
            code.count("i", count);
            code.line("to[i] = image[i];");
            code.close(1);
            if !shape.len().is_multiple_of(32) {
                let mask = (1_u32 << (shape.len() % 32)) - 1;
                code.line(format!("to[{}] &= 0x{mask:08x}u;", count - 1));
            }
        }
        code.line(format!("{}_layers(memory);", self.prefix()));
        self.store(code);
        code.close(1);
    }

    /// Writes the loop over the lines of packed bits, each of at most 32.
    fn packed_lines(&self, code: &mut Code, height: usize, width: usize) {
        code.count("line", height);
        if width == 32 {
            code.line("const uint32_t bits = image[line];");
        } else {
            code.line(format!("const uint32_t at = line * {width}u;"));
            code.line("uint32_t bits = image[at >> 5] >> (at & 31u);");
            code.open(format!("if ((at & 31u) > {}u)", 32 - width));
            code.line("bits |= image[(at >> 5) + 1u] << (32u - (at & 31u));");
            code.close(1);
            code.line(format!("bits &= 0x{:08x}u;", (1_u32 << width) - 1));
        }
        self.first_step(code);
        code.close(1);
    }
}
