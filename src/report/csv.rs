//! Comma-separated values, RFC 4180 with `\n` as line end.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes a CSV file row by row. Each row reaches the file in one piece before [`row`](Self::row)
/// returns, so that a run that is stopped leaves all it has measured.
///
/// ```
/// use bernet::report::CsvWriter;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("metrics.csv");
/// let mut metrics = CsvWriter::create(&path, &["epoch", "note"])?;
/// metrics.row(&["1".into(), "warm-up, \"slow\"".into()])?;
/// assert_eq!(std::fs::read_to_string(&path)?, "epoch,note\n1,\"warm-up, \"\"slow\"\"\"\n");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct CsvWriter {
    path: PathBuf,
    file: File,
    columns: usize,
}

impl CsvWriter {
    /// Creates the file, or empties it, and writes the header.
    ///
    /// # Errors
    /// What the system says, with the path.
    pub fn create(path: &Path, header: &[&str]) -> io::Result<Self> {
        let file = File::create(path).map_err(|error| named(path, error))?;
        let mut writer = Self {
            path: path.to_owned(),
            file,
            columns: header.len(),
        };
        writer.write(&line(header.iter().copied()))?;
        Ok(writer)
    }

    /// Appends a row.
    ///
    /// # Errors
    /// What the system says, with the path.
    ///
    /// # Panics
    /// Where there are more or fewer fields than columns.
    pub fn row(&mut self, fields: &[String]) -> io::Result<()> {
        assert_eq!(fields.len(), self.columns, "a field a column: {fields:?}");
        self.write(&line(fields.iter().map(String::as_str)))
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        self.file
            .write_all(line.as_bytes())
            .map_err(|error| named(&self.path, error))
    }
}

/// An error of the system with the file it is about.
pub(super) fn named(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

pub(super) fn line<'a>(fields: impl Iterator<Item = &'a str>) -> String {
    let mut line = fields.map(field).collect::<Vec<_>>().join(",");
    line.push('\n');
    line
}

fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
