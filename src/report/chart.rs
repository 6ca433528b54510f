//! Line charts as inline SVG.

use super::escape;
use super::scale::Scale;
use std::fmt::Write;

/// Size of the drawing, in units that are CSS pixels on a wide screen. A phone shows it at half
/// that and doubles the letters (`page.css`).
const WIDTH: f64 = 704.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 16.0;
const BOTTOM: f64 = 52.0;

/// Several curves over one axis, with marks where something happens. Curves differ in colour and in
/// dashes; colours follow the page's light or dark mode.
///
/// ```
/// use bernet::report::Chart;
///
/// let svg = Chart::new("Loss", "epoch", "nats")
///     .series("training", [(1.0, 2.0), (2.0, 0.3), (3.0, 0.04)])
///     .event("weights begin to freeze", [2.0])
///     .logarithmic()
///     .to_html();
/// assert!(svg.contains("<polyline") && svg.contains("weights begin to freeze"));
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct Chart {
    title: String,
    x_label: String,
    y_label: String,
    height: f64,
    log: bool,
    range: Option<(f64, f64)>,
    series: Vec<Series>,
    events: Vec<Event>,
}

#[derive(Clone, PartialEq, Debug)]
struct Series {
    name: String,
    points: Vec<(f64, f64)>,
}

#[derive(Clone, PartialEq, Debug)]
struct Event {
    label: String,
    places: Vec<f64>,
}

impl Chart {
    /// An empty chart; the labels say quantity and unit.
    pub fn new(
        title: impl Into<String>,
        x_label: impl Into<String>,
        y_label: impl Into<String>,
    ) -> Self {
        let (title, x_label, y_label) = (title.into(), x_label.into(), y_label.into());
        Self {
            title,
            x_label,
            y_label,
            height: 260.0,
            log: false,
            range: None,
            series: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Adds a curve through (x, y), in this order. A point that is not finite, or not positive on a
    /// logarithmic axis, leaves a gap.
    pub fn series(
        mut self,
        name: impl Into<String>,
        points: impl IntoIterator<Item = (f64, f64)>,
    ) -> Self {
        self.series.push(Series {
            name: name.into(),
            points: points.into_iter().collect(),
        });
        self
    }

    /// Adds vertical marks at these x: one kind of event, with a letter that the legend explains.
    pub fn event(
        mut self,
        label: impl Into<String>,
        places: impl IntoIterator<Item = f64>,
    ) -> Self {
        self.events.push(Event {
            label: label.into(),
            places: places.into_iter().collect(),
        });
        self
    }

    /// Makes the y axis logarithmic.
    pub fn logarithmic(mut self) -> Self {
        self.log = true;
        self
    }

    /// Sets the range of the y axis, which otherwise holds all points; curves are cut off at it.
    pub fn range(mut self, low: f64, high: f64) -> Self {
        self.range = Some((low, high));
        self
    }

    /// Makes the chart lower, for one of several that share their x axis.
    pub fn low(mut self) -> Self {
        self.height = 190.0;
        self
    }

    /// A `<figure>` with title, legend (each curve with its last value) and drawing.
    pub fn to_html(&self) -> String {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let x = Scale::tight(points().map(|point| point.0), false);
        let y = match self.range {
            Some((low, high)) => Scale::between(low, high, self.log),
            None => Scale::tight(points().map(|point| point.1), self.log).rounded(),
        };
        let mut html = format!(
            "<figure class=\"chart\">\n<div class=\"title\"><strong>{}</strong> {}</div>\n",
            escape(&self.title),
            escape(&self.y_label)
        );
        self.write_legend(&mut html, y);
        // The letters of the events stand above the plot.
        let top = if self.events.is_empty() { 10.0 } else { 24.0 };
        let plot = Plot {
            x,
            y,
            top,
            width: WIDTH - LEFT - RIGHT,
            height: self.height - top - BOTTOM,
        };
        self.write_drawing(&mut html, &plot);
        html += "</figure>\n";
        html
    }

    fn write_legend(&self, html: &mut String, y: Scale) {
        *html += "<ul class=\"legend\">\n";
        for (at, Series { name, points }) in self.series.iter().enumerate() {
            let last = points.iter().rev().find(|point| y.place(point.1).is_some());
            let last = last.map_or(String::new(), |point| {
                format!(" <b>{}</b>", y.state(point.1))
            });
            let line = "<svg class=\"key\" viewBox=\"0 0 28 8\"><path d=\"M1 4h26\"/></svg>";
            put(
                html,
                format_args!(
                    "<li class=\"{}\">{line}{}{last}</li>\n",
                    style(at),
                    escape(name)
                ),
            );
        }
        for (event, letter) in self.events.iter().zip('a'..) {
            put(
                html,
                format_args!(
                    "<li><span class=\"mark\">{letter}</span>{}</li>\n",
                    escape(&event.label)
                ),
            );
        }
        *html += "</ul>\n";
    }

    fn write_drawing(&self, svg: &mut String, plot: &Plot) {
        let (right, bottom) = (LEFT + plot.width, plot.top + plot.height);
        let label = format!("{}: {} by {}", self.title, self.y_label, self.x_label);
        let size = format!("viewBox=\"0 0 {WIDTH} {}\"", self.height);
        put(
            svg,
            format_args!(
                "<svg {size} role=\"img\" aria-label=\"{}\">\n",
                escape(&label)
            ),
        );
        for (value, label) in plot.y.ticks() {
            let y = plot.y_at(plot.y.place(value));
            put(
                svg,
                format_args!("<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/>"),
            );
            put(
                svg,
                format_args!(
                    "<text class=\"y\" x=\"{}\" y=\"{y:.1}\">{label}</text>\n",
                    LEFT - 8.0
                ),
            );
        }
        for (value, label) in plot.x.ticks() {
            let x = plot.x_at(plot.x.place(value));
            put(
                svg,
                format_args!("<path class=\"axis\" d=\"M{x:.1} {bottom}v5\"/>"),
            );
            put(
                svg,
                format_args!(
                    "<text class=\"x\" x=\"{x:.1}\" y=\"{}\">{label}</text>\n",
                    bottom + 8.0
                ),
            );
        }
        put(
            svg,
            format_args!("<path class=\"axis\" d=\"M{LEFT} {bottom}H{right}\"/>"),
        );
        let middle = LEFT + plot.width / 2.0;
        put(
            svg,
            format_args!(
                "<text class=\"x label\" x=\"{middle}\" y=\"{}\">{}</text>\n",
                bottom + 29.0,
                escape(&self.x_label)
            ),
        );
        for (event, letter) in self.events.iter().zip('a'..) {
            let inside = |place: &f64| {
                plot.x
                    .place(*place)
                    .filter(|place| (0.0..=1.0).contains(place))
            };
            for (number, place) in event.places.iter().filter_map(inside).enumerate() {
                let x = plot.x_at(Some(place));
                put(
                    svg,
                    format_args!(
                        "<path class=\"event\" d=\"M{x:.1} {}V{bottom}\"/>",
                        plot.top
                    ),
                );
                if number == 0 {
                    put(
                        svg,
                        format_args!(
                            "<text class=\"event\" x=\"{x:.1}\" y=\"{}\">{letter}</text>\n",
                            plot.top - 5.0
                        ),
                    );
                }
            }
        }
        // A nested drawing cuts the curves off at the plot's edges (and half a stroke outside),
        // without an identifier that a second chart on the page would repeat.
        let (top, width, height) = (plot.top - 2.0, plot.width, plot.height + 4.0);
        let place = format!("x=\"{LEFT}\" y=\"{top}\" width=\"{width}\" height=\"{height}\"");
        put(
            svg,
            format_args!("<svg {place} viewBox=\"{LEFT} {top} {width} {height}\">\n"),
        );
        for (at, series) in self.series.iter().enumerate() {
            plot.write_curve(svg, style(at), &series.points);
        }
        *svg += "</svg>\n";
        for (at, series) in self.series.iter().enumerate() {
            let visible = |&(x, y): &(f64, f64)| {
                Some((
                    plot.x.place(x)?,
                    plot.y.place(y).filter(|y| (0.0..=1.0).contains(y))?,
                ))
            };
            if let Some((x, y)) = series.points.iter().rev().find_map(visible) {
                let (x, y) = (plot.x_at(Some(x)), plot.y_at(Some(y)));
                put(
                    svg,
                    format_args!(
                        "<circle class=\"{}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>\n",
                        style(at)
                    ),
                );
            }
        }
        *svg += "</svg>\n";
    }
}

/// The rectangle that the curves are drawn in.
struct Plot {
    x: Scale,
    y: Scale,
    top: f64,
    width: f64,
    height: f64,
}

impl Plot {
    fn x_at(&self, place: Option<f64>) -> f64 {
        LEFT + place.unwrap_or(0.0) * self.width
    }

    fn y_at(&self, place: Option<f64>) -> f64 {
        self.top + (1.0 - place.unwrap_or(0.0)) * self.height
    }

    /// A polyline for each stretch without a gap. Values far outside a set range are moved to just
    /// outside it, to keep the numbers small.
    fn write_curve(&self, svg: &mut String, style: &str, points: &[(f64, f64)]) {
        let places = points
            .iter()
            .map(|&(x, y)| Some((self.x.place(x)?, self.y.place(y)?.clamp(-1.0, 2.0))));
        let places: Vec<_> = places.collect();
        for stretch in places
            .split(Option::is_none)
            .filter(|stretch| !stretch.is_empty())
        {
            put(svg, format_args!("<polyline class=\"{style}\" points=\""));
            for &(x, y) in stretch.iter().flatten() {
                put(
                    svg,
                    format_args!("{:.1},{:.1} ", self.x_at(Some(x)), self.y_at(Some(y))),
                );
            }
            *svg += "\"/>\n";
        }
    }
}

/// The class that gives a curve its colour and dashes; the seventh looks like the first.
fn style(series: usize) -> &'static str {
    ["s0", "s1", "s2", "s3", "s4", "s5"][series % 6]
}

fn put(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments)
        .expect("writing to a string succeeds");
}
