//! Reports: tables, curves, confusion matrices and pictures in one self-contained HTML file, and
//! metrics as CSV. It knows no trainer and no model; whoever has results hands them over as text
//! and numbers.
//!
//! ```
//! use bernet::report::{Align, Chart, Report, Section, Table};
//!
//! let mut table = Table::new([("method", Align::Left), ("accuracy, %", Align::Right)]);
//! table.row(["binary", "97.12"]);
//! let loss = Chart::new("Training loss", "epoch", "nats an image")
//!     .series("loss", [(1.0, 0.9), (2.0, 0.4), (3.0, 0.3)]);
//!
//! let results = Section::new("Results").table(table, "On the test set.").chart(loss, "It falls.");
//! let report = Report::new("A small run").summary("Three epochs.").section(results);
//!
//! let folder = tempfile::tempdir()?;
//! report.write(&folder.path().join("report.html"))?;
//! assert!(report.to_html().contains("<td class=\"right\">97.12</td>"));
//! # Ok::<(), std::io::Error>(())
//! ```

mod bars;
mod chart;
mod confusion;
mod csv;
mod graph;
mod page;
mod picture;
mod scale;
mod table;
mod tensorboard;
mod weights;

pub use bars::{Bar, bars_svg};
pub use chart::Chart;
pub use confusion::Confusion;
pub use csv::CsvWriter;
pub use graph::{graph_dot, graph_svg};
pub use page::{Report, Section};
pub use picture::Picture;
pub use table::{Align, Table};
pub use tensorboard::EventWriter;
pub use weights::Weights;

use crate::durable;
use std::{io, path::Path};

/// Writes a file as a whole: readers find the old one or the new one, never a part.
///
/// # Errors
/// What the system says, with the path.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    durable::write(path, text.as_bytes()).map_err(|error| csv::named(path, error))
}

/// Text as it must stand in HTML and SVG, in contents and in quoted attributes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(character),
        }
    }
    escaped
}
