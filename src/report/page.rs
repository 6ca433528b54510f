//! The HTML file.

use super::{Chart, Confusion, Picture, Table, Weights, escape};
use std::io;
use std::path::Path;

/// A report: title, summary, the figures that matter most, sections, a last line. All text is plain
/// and is escaped.
#[derive(Clone, PartialEq, Debug)]
pub struct Report {
    title: String,
    summary: Vec<String>,
    figures: Vec<(String, String)>,
    sections: Vec<Section>,
    footer: String,
}

impl Report {
    /// A report that has only a title yet.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            summary: Vec::new(),
            figures: Vec::new(),
            sections: Vec::new(),
            footer: String::new(),
        }
    }

    /// Adds a paragraph below the title: what was done and what came out, for a reader who knows
    /// nothing of it.
    pub fn summary(mut self, paragraph: impl Into<String>) -> Self {
        self.summary.push(paragraph.into());
        self
    }

    /// Adds one of the three to five figures that stand large at the top, such as ("97.12 %", "of
    /// the test digits read right").
    pub fn figure(mut self, value: impl Into<String>, meaning: impl Into<String>) -> Self {
        self.figures.push((value.into(), meaning.into()));
        self
    }

    /// Adds a section.
    pub fn section(mut self, section: Section) -> Self {
        self.sections.push(section);
        self
    }

    /// Sets the last line: which program made the report, and when.
    pub fn footer(mut self, text: impl Into<String>) -> Self {
        self.footer = text.into();
        self
    }

    /// The whole file. It needs no network and no scripts.
    pub fn to_html(&self) -> String {
        let paragraphs = |texts: &[String]| -> String {
            texts
                .iter()
                .map(|text| format!("<p>{}</p>\n", escape(text)))
                .collect()
        };
        let figure = |(value, meaning): &(String, String)| {
            format!(
                "<div><strong>{}</strong><span>{}</span></div>\n",
                escape(value),
                escape(meaning)
            )
        };
        let figures: String = self.figures.iter().map(figure).collect();
        let sections: String = self.sections.iter().map(Section::to_html).collect();
        let (title, summary, footer) = (
            escape(&self.title),
            paragraphs(&self.summary),
            escape(&self.footer),
        );
        let style = include_str!("page.css");
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n<style>\n{style}</style>\n</head>\n\
             <body>\n<main>\n<header>\n<h1>{title}</h1>\n{summary}</header>\n<div class=\"figures\">\n{figures}</div>\n\
             {sections}<footer>{footer}</footer>\n</main>\n</body>\n</html>\n"
        )
    }

    /// Writes the file as a whole: readers find the old one or the new one, never a part.
    ///
    /// # Errors
    /// What the system says, with the path.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        super::write(path, &self.to_html())
    }
}

/// A heading with paragraphs, tables, charts and pictures below it, each with words that say what
/// it shows.
#[derive(Clone, PartialEq, Debug)]
pub struct Section {
    title: String,
    html: String,
}

impl Section {
    /// A section that has only a heading yet.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            html: String::new(),
        }
    }

    /// Adds a paragraph.
    pub fn text(mut self, paragraph: impl AsRef<str>) -> Self {
        self.html += &format!("<p>{}</p>\n", escape(paragraph.as_ref()));
        self
    }

    /// Adds a command, or other text in which spaces and lines count.
    pub fn code(mut self, text: impl AsRef<str>) -> Self {
        self.html += &format!("<pre>{}</pre>\n", escape(text.as_ref()));
        self
    }

    /// Adds a table.
    pub fn table(self, table: Table, caption: impl AsRef<str>) -> Self {
        self.block("wide", &table.to_html(), caption)
    }

    /// Adds a chart.
    pub fn chart(self, chart: Chart, caption: impl AsRef<str>) -> Self {
        self.block("charts", &chart.to_html(), caption)
    }

    /// Adds charts with one caption, one below the other, so that their x axes can be compared.
    pub fn charts(self, charts: impl IntoIterator<Item = Chart>, caption: impl AsRef<str>) -> Self {
        self.block(
            "charts",
            &charts
                .into_iter()
                .map(|chart| chart.to_html())
                .collect::<String>(),
            caption,
        )
    }

    /// Adds a confusion matrix.
    pub fn confusion(self, confusion: Confusion, caption: impl AsRef<str>) -> Self {
        self.block("wide", &confusion.to_html(), caption)
    }

    /// Adds small pictures side by side.
    pub fn pictures(
        self,
        pictures: impl IntoIterator<Item = Picture>,
        caption: impl AsRef<str>,
    ) -> Self {
        self.block(
            "pictures",
            &pictures
                .into_iter()
                .map(|picture| picture.to_html())
                .collect::<String>(),
            caption,
        )
    }

    /// Adds the weights of layers, one picture below the other.
    pub fn weights(
        self,
        layers: impl IntoIterator<Item = Weights>,
        caption: impl AsRef<str>,
    ) -> Self {
        let html: String = layers.into_iter().map(|layer| layer.to_html()).collect();
        self.block("weights", &html, caption)
    }

    fn block(mut self, class: &str, html: &str, caption: impl AsRef<str>) -> Self {
        self.html += &format!(
            "<div class=\"{class}\">\n{html}</div>\n<p class=\"caption\">{}</p>\n",
            escape(caption.as_ref())
        );
        self
    }

    fn to_html(&self) -> String {
        format!(
            "<section>\n<h2>{}</h2>\n{}</section>\n",
            escape(&self.title),
            self.html
        )
    }
}
