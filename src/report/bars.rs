//! Horizontal bars as an SVG file, a row for each, with a darker part from the left.
//!
//! ```
//! use bernet::report::{Bar, bars_svg};
//!
//! let bar = Bar { label: "conv".into(), note: "2.0 ms".into(), value: 2.0, part: 1.2, kind: 0 };
//! assert!(bars_svg("Time", &["products"], &[bar]).contains(">conv</text>"));
//! ```

use super::escape;
use std::fmt::Write;

/// A row.
#[derive(Clone, PartialEq, Debug)]
pub struct Bar {
    /// What stands left of the bar.
    pub label: String,
    /// What stands right of it.
    pub note: String,
    /// The length, at least 0, in a unit that all bars share.
    pub value: f64,
    /// The length of the darker part.
    pub part: f64,
    /// The number of its colour, and of its entry in the legend.
    pub kind: usize,
}

/// Fill of a bar and of its darker part, for each kind; further kinds begin again.
const COLOURS: [[&str; 2]; 4] = [
    ["#b9d3f0", "#2a6fb8"],
    ["#f6d3a6", "#c26a12"],
    ["#cfe3c4", "#4f8a35"],
    ["#d9d9de", "#7b7b86"],
];

/// Sizes, in units of the picture.
const LABELS: usize = 330;
const BARS: usize = 420;
const NOTES: usize = 190;
const ROW: usize = 17;
const TOP: usize = 56;

/// The bars below each other, the longest as long as there is room.
pub fn bars_svg(title: &str, legend: &[&str], bars: &[Bar]) -> String {
    let (width, height) = (LABELS + BARS + NOTES, TOP + bars.len() * ROW + 12);
    let longest = bars.iter().map(|bar| bar.value).fold(0.0, f64::max);
    let length = |value: f64| {
        let share = value / longest;
        BARS as f64
            * if share.is_finite() {
                share.clamp(0.0, 1.0)
            } else {
                0.0
            }
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"12\" y=\"20\" font-size=\"14\" font-weight=\"bold\">{}</text>\n",
        escape(title)
    );
    let mut x = 12;
    for (kind, name) in legend.iter().enumerate() {
        let [fill, dark] = COLOURS[kind % COLOURS.len()];
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"32\" width=\"9\" height=\"12\" fill=\"{dark}\"/>\
             <rect x=\"{}\" y=\"32\" width=\"9\" height=\"12\" fill=\"{fill}\"/>\
             <text x=\"{}\" y=\"42\">{}</text>",
            x + 9,
            x + 24,
            escape(name)
        );
        x += 44 + 7 * name.chars().count();
    }
    for (row, bar) in bars.iter().enumerate() {
        let [fill, dark] = COLOURS[bar.kind % COLOURS.len()];
        let (y, whole) = (TOP + row * ROW, length(bar.value));
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{LABELS}\" y=\"{y}\" width=\"{whole:.1}\" height=\"13\" fill=\"{fill}\"/>\
             <rect x=\"{LABELS}\" y=\"{y}\" width=\"{:.1}\" height=\"13\" fill=\"{dark}\"/>\
             <text x=\"{:.1}\" y=\"{}\">{}</text>",
            LABELS - 8,
            y + 11,
            escape(&bar.label),
            length(bar.part).min(whole),
            LABELS as f64 + whole + 6.0,
            y + 11,
            escape(&bar.note)
        );
    }
    svg.push_str("</svg>\n");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_values() {
        let bar = |value, part| Bar {
            label: "a < b".into(),
            note: format!("{value}"),
            value,
            part,
            kind: 5,
        };
        let svg = bars_svg(
            "t & t",
            &["x"],
            &[bar(2.0, 3.0), bar(1.0, 0.5), bar(0.0, f64::NAN)],
        );
        assert!(svg.contains("t &amp; t") && svg.contains("a &lt; b"));
        let widths: Vec<_> = svg
            .split("width=\"")
            .skip(4)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        assert_eq!(
            widths,
            ["9", "420.0", "420.0", "210.0", "105.0", "0.0", "0.0"]
        );
        assert!(!bars_svg("none", &[], &[]).contains("NaN"));
    }
}
