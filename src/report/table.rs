//! Tables of text.

use super::{csv, escape};
use comfy_table::{CellAlignment, presets};

/// Where the text of a column stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers: give all of a column the same number of decimals.
    Right,
}

/// A table that can be shown on a terminal, in HTML, in Markdown and as CSV.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Table {
    columns: Vec<(String, Align)>,
    rows: Vec<Row>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Row {
    cells: Vec<String>,
    strong: bool,
}

impl Table {
    /// An empty table with these columns.
    pub fn new<Name: Into<String>>(columns: impl IntoIterator<Item = (Name, Align)>) -> Self {
        let columns = columns
            .into_iter()
            .map(|(name, align)| (name.into(), align))
            .collect();
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    /// Adds a row, a cell a column.
    ///
    /// # Panics
    /// Where there are more or fewer cells than columns.
    pub fn row<Cell: Into<String>>(&mut self, cells: impl IntoIterator<Item = Cell>) -> &mut Self {
        self.push(cells.into_iter().map(Into::into).collect(), false)
    }

    /// Adds a row that HTML and Markdown set in bold: the one that the table is about.
    ///
    /// # Panics
    /// Where there are more or fewer cells than columns.
    pub fn strong_row<Cell: Into<String>>(
        &mut self,
        cells: impl IntoIterator<Item = Cell>,
    ) -> &mut Self {
        self.push(cells.into_iter().map(Into::into).collect(), true)
    }

    fn push(&mut self, cells: Vec<String>, strong: bool) -> &mut Self {
        assert_eq!(
            cells.len(),
            self.columns.len(),
            "a cell a column: {cells:?}"
        );
        self.rows.push(Row { cells, strong });
        self
    }

    /// For a terminal: columns in line, without colours, as wide as it needs; no line break at the
    /// end.
    pub fn to_text(&self) -> String {
        let mut text = comfy_table::Table::new();
        text.load_style(presets::UTF8_BORDERS_ONLY)
            .set_header(self.columns.iter().map(|(name, _)| name));
        text.add_rows(self.rows.iter().map(|row| &row.cells));
        for (column, (_, align)) in text.column_iter_mut().zip(&self.columns) {
            column.set_cell_alignment(match align {
                Align::Left => CellAlignment::Left,
                Align::Right => CellAlignment::Right,
            });
        }
        text.to_string()
    }

    /// A `<table>`.
    pub fn to_html(&self) -> String {
        let cells = |tag, cells: &mut dyn Iterator<Item = &String>| -> String {
            let class = |align| {
                if align == Align::Right {
                    " class=\"right\""
                } else {
                    ""
                }
            };
            let aligned = cells.zip(&self.columns);
            aligned
                .map(|(cell, &(_, align))| {
                    format!("<{tag}{}>{}</{tag}>", class(align), escape(cell))
                })
                .collect()
        };
        let head = cells("th", &mut self.columns.iter().map(|(name, _)| name));
        let row = |row: &Row| {
            let class = if row.strong { " class=\"strong\"" } else { "" };
            format!("<tr{class}>{}</tr>\n", cells("td", &mut row.cells.iter()))
        };
        let body: String = self.rows.iter().map(row).collect();
        format!("<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n")
    }

    /// A table in GitHub's Markdown.
    pub fn to_markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let text = |cell: &String| {
            cell.replace('\\', "\\\\")
                .replace('|', "\\|")
                .replace('\n', " ")
        };
        let mut markdown = line(self.columns.iter().map(|(name, _)| text(name)).collect());
        let rule = |align| if align == Align::Right { "---:" } else { "---" };
        markdown += &line(
            self.columns
                .iter()
                .map(|&(_, align)| rule(align).to_owned())
                .collect(),
        );
        for Row { cells, strong } in &self.rows {
            let cell = |cell| match text(cell) {
                text if *strong && !text.is_empty() => format!("**{text}**"),
                text => text,
            };
            markdown += &line(cells.iter().map(cell).collect());
        }
        markdown
    }

    /// Comma-separated values, header first (RFC 4180 with `\n`).
    pub fn to_csv(&self) -> String {
        let mut text = csv::line(self.columns.iter().map(|(name, _)| name.as_str()));
        for row in &self.rows {
            text += &csv::line(row.cells.iter().map(String::as_str));
        }
        text
    }
}
