//! What an export is told beside the graph.

use super::error::ExportError;

/// Names in the files of C.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// The prefix of functions, and in capitals of macros: `net`.
    pub name: String,
    /// What the net is, the first line of the files: name, bytes, hash.
    pub source: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "net".into(),
            source: "A net of bits.".into(),
        }
    }
}

/// The headers of C99: a file of such a name would be included in their place.
const HEADERS: [&str; 24] = [
    "assert", "complex", "ctype", "errno", "fenv", "float", "inttypes", "iso646", "limits",
    "locale", "math", "setjmp", "signal", "stdarg", "stdbool", "stddef", "stdint", "stdio",
    "stdlib", "string", "tgmath", "time", "wchar", "wctype",
];

impl Options {
    /// Refuses a prefix that is no identifier.
    pub(super) fn check(&self) -> Result<(), ExportError> {
        let name = &self.name;
        let first = name.bytes().next().is_some_and(|c| c.is_ascii_alphabetic());
        let rest = name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_');
        if first && rest && name.len() <= 40 && !HEADERS.contains(&name.to_lowercase().as_str()) {
            Ok(())
        } else {
            Err(ExportError::Name(name.clone()))
        }
    }
}
