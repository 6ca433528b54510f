//! Text of C: lines, blocks, arrays.

use bernet_runtime::graph::Kind;
use std::fmt::Write;

/// Lines with their indentation.
#[derive(Default)]
pub(super) struct Code {
    text: String,
    depth: usize,
    /// Bytes of the constant arrays.
    pub(super) constant_bytes: usize,
}

impl Code {
    /// Adds a line.
    pub(super) fn line(&mut self, text: impl AsRef<str>) {
        let text = text.as_ref();
        if !text.is_empty() {
            self.text.push_str(&"    ".repeat(self.depth));
            self.text.push_str(text);
        }
        self.text.push('\n');
    }

    /// A line for the preprocessor.
    pub(super) fn directive(&mut self, text: impl AsRef<str>) {
        self.text.push_str(text.as_ref());
        self.text.push('\n');
    }

    /// A line that opens a block.
    pub(super) fn open(&mut self, text: impl AsRef<str>) {
        self.line(format!("{} {{", text.as_ref()).trim_start());
        self.depth += 1;
    }

    /// The beginning of a function.
    pub(super) fn function(&mut self, signature: impl AsRef<str>) {
        self.line(signature);
        self.line("{");
        self.depth += 1;
    }

    /// A loop over the numbers below `end`.
    pub(super) fn count(&mut self, variable: &str, end: usize) {
        self.open(format!(
            "for (uint32_t {variable} = 0u; {variable} < {end}u; {variable}++)"
        ));
    }

    /// Closes so many blocks.
    pub(super) fn close(&mut self, blocks: usize) {
        for _ in 0..blocks {
            self.depth -= 1;
            self.line("}");
        }
    }

    /// Closes a block with a text of its own.
    pub(super) fn end(&mut self, text: &str) {
        self.depth -= 1;
        self.line(text);
    }

    /// A constant array, as many numbers a line as fit.
    pub(super) fn array(&mut self, kind: &str, name: &str, numbers: &[String]) {
        let bytes = match kind {
            "uint8_t" => 1,
            "uint16_t" => 2,
            _ => 4,
        };
        self.constant_bytes += bytes * numbers.len();
        self.line(format!(
            "static const {kind} {name}[{}] = {{",
            numbers.len()
        ));
        let mut line = String::from("   ");
        for number in numbers {
            if line.len() + number.len() + 2 > 96 {
                self.line(&line);
                line = String::from("   ");
            }
            let _ = write!(line, " {number},");
        }
        self.line(&line);
        self.line("};");
    }

    /// The text.
    pub(super) fn into_text(self) -> String {
        self.text
    }
}

/// The type of C that holds the elements of a value: bits are 32 a word.
pub(super) fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Bit => "uint32_t",
        Kind::U8 => "uint8_t",
        Kind::I32 => "int32_t",
        Kind::F32 => unreachable!("floats are refused"),
    }
}

/// 32-bit words that hold a value of so many elements.
pub(super) fn words(kind: Kind, len: usize) -> usize {
    match kind {
        Kind::Bit => len.div_ceil(32),
        Kind::U8 => len.div_ceil(4),
        Kind::I32 | Kind::F32 => len,
    }
}

/// An integer as C spells it; the least of all has no literal.
pub(super) fn integer(value: i32) -> String {
    if value == i32::MIN {
        "(-2147483647 - 1)".into()
    } else {
        value.to_string()
    }
}

/// Words of bits as C spells them.
pub(super) fn bit_words(bits: impl Iterator<Item = bool>) -> Vec<String> {
    let bits: Vec<_> = bits.collect();
    bits.chunks(32)
        .map(|chunk| {
            let bits = chunk.iter().enumerate();
            let word = bits.fold(0_u32, |word, (at, &bit)| word | u32::from(bit) << at);
            format!("0x{word:08x}u")
        })
        .collect()
}

/// A text from elsewhere as part of a comment: printable ASCII that ends no comment.
pub(super) fn comment(text: &str) -> String {
    let safe = |c: char| match c {
        '*' | '?' | '\\' => '.',
        ' '..='~' => c,
        _ => '.',
    };
    text.chars().take(200).map(safe).collect()
}

/// Zeros words.
pub(super) fn clear(code: &mut Code, name: &str, words: usize) {
    code.count("i", words);
    code.line(format!("{name}[i] = 0u;"));
    code.close(1);
}
