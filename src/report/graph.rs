//! A graph as a picture: for Graphviz, or as an SVG file that needs no other program.
//!
//! ```
//! use bernet::report;
//! use bernet_runtime::graph::{Graph, Kind, Op, Shape};
//!
//! let mut graph = Graph::default();
//! let x = graph.add_input("x", Kind::F32, Shape::flat(3))?;
//! let y = graph.add_node(Op::Sign, &[x])?;
//! graph.add_output("y", y)?;
//! assert!(report::graph_dot(&graph).contains("label=\"sign\""));
//! assert!(report::graph_svg(&graph).starts_with("<svg"));
//! # Ok::<(), bernet_runtime::graph::GraphError>(())
//! ```

use bernet_runtime::graph::{Graph, Op, ValueId};
use std::fmt::Write;

/// What is drawn as one box.
struct Item {
    /// Its lines of text, none of which is escaped.
    text: Vec<String>,
    kind: ItemKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ItemKind {
    /// An input or an output.
    Edge,
    /// A node with weights.
    Weights,
    /// Another node.
    Node,
}

impl ItemKind {
    /// The colour that fills its box.
    fn fill(self) -> &'static str {
        match self {
            Self::Edge => "#e8eef7",
            Self::Weights => "#fbe9d0",
            Self::Node => "#ffffff",
        }
    }
}

/// A line from one box to another, with the value that goes along it.
struct Line {
    from: usize,
    to: usize,
    value: String,
}

/// Boxes in the order in which they are computed, and the lines between them.
struct Drawing {
    items: Vec<Item>,
    lines: Vec<Line>,
}

impl Drawing {
    /// Inputs, nodes but constants, outputs.
    fn new(graph: &Graph) -> Self {
        let mut drawing = Self {
            items: Vec::new(),
            lines: Vec::new(),
        };
        let mut made_by = vec![None; graph.values.len()];
        for input in &graph.inputs {
            made_by[input.value.index()] = Some(drawing.items.len());
            drawing.add(vec![input.name.clone()], ItemKind::Edge);
        }
        for node in &graph.nodes {
            if matches!(node.op, Op::Constant(_)) {
                continue;
            }
            let at = drawing.items.len();
            let (text, weighs) = describe(&node.op);
            let kind = if weighs {
                ItemKind::Weights
            } else {
                ItemKind::Node
            };
            drawing.add(text, kind);
            for input in &node.inputs {
                drawing.connect(graph, &made_by, *input, at);
            }
            for output in &node.outputs {
                made_by[output.index()] = Some(at);
            }
        }
        for output in &graph.outputs {
            let at = drawing.items.len();
            drawing.add(vec![output.name.clone()], ItemKind::Edge);
            drawing.connect(graph, &made_by, output.value, at);
        }
        drawing
    }

    fn add(&mut self, text: Vec<String>, kind: ItemKind) {
        let text = text.iter().map(|line| shortened(line)).collect();
        self.items.push(Item { text, kind });
    }

    fn connect(&mut self, graph: &Graph, made_by: &[Option<usize>], value: ValueId, to: usize) {
        // Constants are not drawn.
        if let Some(from) = made_by[value.index()] {
            let value = graph.value(value).to_string();
            self.lines.push(Line { from, to, value });
        }
    }
}

/// What a node's box says, and whether it has weights.
fn describe(op: &Op) -> (Vec<String>, bool) {
    let name = op.name().to_owned();
    match op {
        Op::BinaryConv(conv) => (
            vec![name, window(conv.params.kernel, conv.params.stride)],
            true,
        ),
        Op::Conv(conv) => (
            vec![name, window(conv.params.kernel, conv.params.stride)],
            true,
        ),
        Op::Pool(pool) => (vec![name, window(pool.kernel, pool.stride)], false),
        Op::BinaryDense(_) | Op::Dense(_) => (vec![name], true),
        _ => (vec![name], false),
    }
}

fn window([height, width]: [usize; 2], [down, across]: [usize; 2]) -> String {
    match [down, across] {
        [1, 1] => format!("{height}×{width}"),
        _ => format!("{height}×{width}, stride {down}×{across}"),
    }
}

/// At most 32 characters of a text.
fn shortened(text: &str) -> String {
    const LIMIT: usize = 32;
    if text.chars().count() <= LIMIT {
        return text.into();
    }
    text.chars().take(LIMIT - 1).chain(['…']).collect()
}

/// The graph in the language of Graphviz.
pub fn graph_dot(graph: &Graph) -> String {
    let drawing = Drawing::new(graph);
    let mut dot = String::from(
        "digraph net {\n  node [shape=box, style=filled, fontname=\"sans-serif\"];\n  \
         edge [fontname=\"sans-serif\", fontsize=10];\n",
    );
    // A quotation mark and a backslash end a text or begin a code.
    let escaped = |text: &str| {
        let plain: String = text.chars().filter(|c| !c.is_control()).collect();
        plain.replace('\\', "\\\\").replace('"', "\\\"")
    };
    for (index, item) in drawing.items.iter().enumerate() {
        let lines: Vec<_> = item.text.iter().map(|line| escaped(line)).collect();
        let _ = writeln!(
            dot,
            "  n{index} [label=\"{}\", fillcolor=\"{}\"];",
            lines.join("\\n"),
            item.kind.fill()
        );
    }
    for line in &drawing.lines {
        let value = escaped(&line.value);
        let _ = writeln!(dot, "  n{} -> n{} [label=\"{value}\"];", line.from, line.to);
    }
    dot.push_str("}\n");
    dot
}

/// Sizes of a picture, in its units.
const WIDTH: usize = 230;
const LINE: usize = 16;
const GAP: usize = 26;
const ROW: usize = 2 * LINE + 12 + GAP;

/// The graph as an SVG file. A row holds what lies equally many nodes behind the inputs, at most.
pub fn graph_svg(graph: &Graph) -> String {
    let drawing = Drawing::new(graph);
    let mut row_of = vec![0; drawing.items.len()];
    for line in &drawing.lines {
        row_of[line.to] = row_of[line.to].max(row_of[line.from] + 1);
    }
    let rows = row_of.iter().max().map_or(0, |last| last + 1);
    let mut filled = vec![0; rows];
    let places: Vec<_> = row_of
        .iter()
        .map(|&row| {
            filled[row] += 1;
            [(filled[row] - 1) * (WIDTH + GAP) + GAP, row * ROW + GAP]
        })
        .collect();
    let width = filled.iter().max().unwrap_or(&0) * (WIDTH + GAP) + GAP;
    let height = rows * ROW + GAP;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    let tall = |item: &Item| item.text.len() * LINE + 12;
    for line in &drawing.lines {
        let ([x0, y0], [x1, y1]) = (places[line.from], places[line.to]);
        let (x0, y0) = (x0 + WIDTH / 2, y0 + tall(&drawing.items[line.from]));
        let x1 = x1 + WIDTH / 2;
        let _ = writeln!(
            svg,
            "<path d=\"M{x0} {y0}C{x0} {} {x1} {} {x1} {y1}\" fill=\"none\" stroke=\"#7a869a\">\
             <title>{}</title></path>",
            y0 + GAP,
            y1.saturating_sub(GAP),
            markup(&line.value)
        );
    }
    for (item, [x, y]) in drawing.items.iter().zip(&places) {
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{}\" rx=\"4\" fill=\"{}\" \
             stroke=\"#7a869a\"/>",
            tall(item),
            item.kind.fill()
        );
        for (at, text) in item.text.iter().enumerate() {
            let _ = writeln!(
                svg,
                "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                x + WIDTH / 2,
                y + (at + 1) * LINE + 1,
                markup(text)
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// A text without what has a meaning in XML, or none.
fn markup(text: &str) -> String {
    let plain: String = text.chars().filter(|c| !c.is_control()).collect();
    plain
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::{graph_dot, graph_svg};
    use bernet_runtime::testing;

    #[test]
    fn pictures_of_any_graph_hold_every_box_and_line() {
        for seed in 0..40 {
            let mut graph = testing::random_graph(seed, 12);
            graph.inputs[0].name = "a \"b\" <c> & \\d\n".into();
            let constants = graph
                .nodes
                .iter()
                .filter(|node| node.op.name() == "constant");
            let boxes = graph.inputs.len() + graph.nodes.len() + graph.outputs.len();
            let boxes = boxes - constants.count();
            let dot = graph_dot(&graph);
            assert_eq!(dot.matches("fillcolor").count(), boxes);
            assert!(dot.contains("a \\\"b\\\" <c> & \\\\d"));
            let svg = graph_svg(&graph);
            assert_eq!(svg.matches("rx=\"4\"").count(), boxes);
            assert_eq!(svg.matches("<path").count(), dot.matches(" -> ").count());
            assert!(svg.contains("a \"b\" &lt;c&gt; &amp; \\d"));
        }
    }
}
