//! What a model consists of, as a table.

use super::{
    Layer, Model, ModelError,
    format::{self, FileLayout},
};
use bernet_kernels::{
    bits::Shape,
    xnor::{Geometry, Options, PaddingValue, Window},
};
use std::fmt;

/// A model's layers and the parts of its file. Displayed, it is a table whose bytes add up to the file's size:
///
/// ```
/// use bernet::model::{Input, Layer, Model};
/// use bernet_kernels::bits::BitMatrix;
///
/// let model = Model {
///     input: Input { height: 28, width: 28, channels: 1, threshold: Some(128) },
///     layers: vec![Layer::Expectation { weights: BitMatrix::zeros(10, 1) }],
///     metadata: Default::default(),
/// };
/// let summary = model.summary()?;
/// assert_eq!(summary.macs(), 7840);
/// assert_eq!(summary.file.total(), model.to_bytes()?.len() as u64);
/// println!("{summary}");
/// # Ok::<(), bernet::model::ModelError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Summary {
    /// The shape of one image.
    pub input: Shape,
    /// The layers, first to last.
    pub layers: Vec<LayerSummary>,
    /// The parts of the file.
    pub file: FileLayout,
}

/// A row of the table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LayerSummary {
    /// Kind and geometry in a few words.
    pub description: String,
    /// The shape of one image's output.
    pub output: Shape,
    /// Number of weights: bits, and float32 numbers where a layer is real.
    pub weights: u64,
    /// Bytes of the weights in the file.
    pub weight_bytes: u64,
    /// Bytes of the thresholds, or of scales and biases, in the file.
    pub threshold_bytes: u64,
    /// Products of a weight and an activation for one image; taps on padding count.
    pub macs: u64,
}

impl Model {
    /// Its layers and the parts of its file.
    ///
    /// # Errors
    /// As [`Model::validate`].
    pub fn summary(&self) -> Result<Summary, ModelError> {
        let shapes = self.shapes()?;
        let inputs = std::iter::once(self.input.shape()).chain(shapes.iter().copied());
        let rows = self.layers.iter().zip(inputs).zip(&shapes);
        let layers = rows
            .map(|((layer, input), &output)| LayerSummary::of(layer, input, output))
            .collect();
        Ok(Summary {
            input: self.input.shape(),
            layers,
            file: self.file_layout()?,
        })
    }
}

impl Summary {
    /// Number of weights: bits, and float32 numbers where a layer is real.
    pub fn weights(&self) -> u64 {
        self.layers.iter().map(|layer| layer.weights).sum()
    }

    /// Products of a weight and an activation for one image.
    pub fn macs(&self) -> u64 {
        self.layers.iter().map(|layer| layer.macs).sum()
    }
}

impl LayerSummary {
    fn of(layer: &Layer, input: Shape, output: Shape) -> Self {
        // The expectation layer's shape is that of its sum; its weights serve every position of its input, or they are for
        // the whole image.
        let positions = match layer {
            Layer::Conv(_) | Layer::RealConv(_) => output.height * output.width,
            Layer::Expectation { weights } => {
                input.height * input.width * input.channels / weights.columns()
            }
            Layer::RealExpectation(last) => {
                input.height * input.width * input.channels / last.columns()
            }
            Layer::Crop { .. } | Layer::MaxPool(_) | Layer::Affine { .. } => 0,
        };
        let bits = layer.weights().map_or(0, |weights| {
            weights.rows() as u64 * weights.columns() as u64
        });
        let weights = bits + layer.real_weights().len() as u64;
        let (weight_bytes, threshold_bytes) = format::layer_bytes(layer);
        Self {
            description: describe(layer),
            output,
            weights,
            weight_bytes,
            threshold_bytes,
            macs: positions as u64 * weights,
        }
    }
}

fn describe(layer: &Layer) -> String {
    match layer {
        Layer::Crop {
            top,
            left,
            height,
            width,
        } => format!("crop {height}×{width} from {top}, {left}"),
        Layer::Conv(conv) => convolution("conv", conv.window()),
        Layer::RealConv(conv) => convolution("real conv", conv.window()),
        Layer::MaxPool(pool) => {
            let [height, width] = pool.kernel;
            let text = format!("max pool {height}×{width}");
            text + &pair("stride", pool.stride) + &paddings(pool.padding, "−1")
        }
        Layer::Expectation { weights } => {
            format!("expectation {}→{}", weights.columns(), weights.rows())
        }
        Layer::RealExpectation(last) => {
            format!("real expectation {}→{}", last.columns(), last.classes)
        }
        Layer::Affine { .. } => "affine".into(),
    }
}

fn convolution(kind: &str, Window { geometry, options }: Window) -> String {
    let Geometry {
        channels, outputs, ..
    } = geometry;
    let [height, width] = geometry.kernel;
    let Options { dilation, groups } = options;
    let mut text = format!("{kind} {channels}→{outputs}, {height}×{width}");
    text += &pair("dilation", dilation);
    if groups > 1 {
        text += &format!(", {groups} groups");
    }
    let value = match geometry.padding_value {
        PaddingValue::MinusOne => "−1",
        PaddingValue::Zero => "0",
        PaddingValue::PlusOne => "+1",
    };
    text + &pair("stride", geometry.stride) + &paddings(geometry.padding, value)
}

/// Steps down and across, unless they are 1.
fn pair(name: &str, steps: [usize; 2]) -> String {
    match steps {
        [1, 1] => String::new(),
        [down, across] if down == across => format!(", {name} {down}"),
        [down, across] => format!(", {name} {down}×{across}"),
    }
}

fn paddings(padding: [usize; 4], value: &str) -> String {
    match padding {
        [0, 0, 0, 0] => String::new(),
        [top, left, bottom, right] if [left, bottom, right] == [top; 3] => {
            format!(", padding {top} by {value}")
        }
        [top, left, bottom, right] => {
            format!(", padding {top}, {left}, {bottom}, {right} by {value}")
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = |shape: Shape| format!("{}×{}×{}", shape.height, shape.width, shape.channels);
        let mut rows = vec![
            [
                "",
                "layer",
                "output",
                "weights",
                "weight bytes",
                "threshold bytes",
                "MACs",
            ]
            .map(String::from),
            ["", "input", &shape(self.input), "", "", "", ""].map(String::from),
        ];
        let numbers = |weights: u64, bytes: u64, thresholds: u64, macs: u64| {
            [weights, bytes, thresholds, macs].map(|number| number.to_string())
        };
        for (index, layer) in self.layers.iter().enumerate() {
            let [weights, bytes, thresholds, macs] = numbers(
                layer.weights,
                layer.weight_bytes,
                layer.threshold_bytes,
                layer.macs,
            );
            let number = (index + 1).to_string();
            rows.push([
                number,
                layer.description.clone(),
                shape(layer.output),
                weights,
                bytes,
                thresholds,
                macs,
            ]);
        }
        let [weights, bytes, thresholds, macs] = numbers(
            self.weights(),
            self.file.weights,
            self.file.thresholds,
            self.macs(),
        );
        rows.push([
            String::new(),
            "total".into(),
            String::new(),
            weights,
            bytes,
            thresholds,
            macs,
        ]);

        let width = |column: usize| {
            rows.iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: [usize; 7] = std::array::from_fn(width);
        for row in &rows {
            // Text to the left, numbers to the right.
            let [number, layer, output, numbers @ ..] = row;
            let [wide, wider, widest, widths @ ..] = widths;
            let mut line = format!("{number:>wide$}  {layer:<wider$}  {output:<widest$}");
            for (number, width) in numbers.iter().zip(widths) {
                line += &format!("  {number:>width$}");
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        write!(f, "\n{}", self.file)
    }
}

impl fmt::Display for FileLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            ("header", self.header),
            ("layer table", self.layer_table),
            ("section table", self.section_table),
            ("weights", self.weights),
            ("thresholds", self.thresholds),
            ("metadata", self.metadata),
            ("alignment", self.alignment),
            ("checksum", self.checksum),
        ];
        let total = self.total().to_string();
        writeln!(f, "bytes of the file")?;
        for (name, bytes) in parts {
            writeln!(f, "  {name:<13}  {bytes:>0$}", total.len())?;
        }
        write!(f, "  {:<13}  {total}", "total")
    }
}
