//! What the pixels of a picture become at an input of a net from elsewhere.
//!
//! ```
//! use bernet::exchange::pixels::Reading;
//!
//! let reading: Reading = "-1..1".parse()?;
//! assert_eq!(reading.apply(0, 255), 1.0);
//! let imagenet: Reading = "mean=0.485/0.456/0.406,std=0.229/0.224/0.225".parse()?;
//! assert_eq!(imagenet.channels(), 3);
//! # Ok::<(), bernet::exchange::pixels::ReadingError>(())
//! ```

use bernet_runtime::{
    graph::{Graph, GraphError, Kind, Op, Pixels, Shape, UnaryOp, ValueId},
    reference,
    tensor::{Data, Tensor},
};
use std::{collections::HashMap, str::FromStr};
use thiserror::Error;

/// `pixel · scale + bias`, one pair for all channels or one for each.
#[derive(Clone, PartialEq, Debug)]
pub struct Reading {
    scale: Vec<f32>,
    bias: Vec<f32>,
}

/// A text that is no reading of pixels.
#[derive(Clone, PartialEq, Debug, Error)]
#[error(
    "pixels: expected 0..1, 0..255, -1..1 or mean=M,std=S (numbers for several channels separated \
     by /), found {0:?}"
)]
pub struct ReadingError(String);

/// A reading that does not suit an input.
#[derive(Clone, PartialEq, Debug, Error)]
pub enum ReadingMismatch {
    /// The numbers are not one, or one for each channel.
    #[error("pixels of input {input:?}: expected 1 or {channels} numbers, found {found}")]
    Channels {
        /// The input's name.
        input: String,
        /// Its channels.
        channels: usize,
        /// The numbers.
        found: usize,
    },
    /// The input is not of floats.
    #[error("pixels of input {input:?}: expected an input of floats, found {found}")]
    Kind {
        /// The input's name.
        input: String,
        /// Its type.
        found: &'static str,
    },
}

impl FromStr for Reading {
    type Err = ReadingError;

    fn from_str(text: &str) -> Result<Self, ReadingError> {
        let error = || ReadingError(text.into());
        let one = |scale, bias| Self {
            scale: vec![scale],
            bias: vec![bias],
        };
        match text {
            "0..1" => return Ok(one(1.0 / 255.0, 0.0)),
            "0..255" => return Ok(one(1.0, 0.0)),
            "-1..1" => return Ok(one(2.0 / 255.0, -1.0)),
            _ => {}
        }
        let (mean, std) = text
            .strip_prefix("mean=")
            .and_then(|rest| rest.split_once(",std="))
            .ok_or_else(error)?;
        let numbers = |list: &str| -> Result<Vec<f64>, ReadingError> {
            let numbers: Result<Vec<f64>, _> = list.split('/').map(str::parse).collect();
            let numbers = numbers.map_err(|_| error())?;
            if numbers.iter().all(|number| number.is_finite()) {
                Ok(numbers)
            } else {
                Err(error())
            }
        };
        let (mean, std) = (numbers(mean)?, numbers(std)?);
        if mean.len() != std.len() || std.iter().any(|&std| std <= 0.0) {
            return Err(error());
        }
        // (pixel/255 − mean) / std
        let scale: Vec<f32> = std.iter().map(|std| (1.0 / (255.0 * std)) as f32).collect();
        let bias: Vec<f32> = mean
            .iter()
            .zip(&std)
            .map(|(mean, std)| (-mean / std) as f32)
            .collect();
        if scale.iter().chain(&bias).all(|number| number.is_finite()) {
            Ok(Self { scale, bias })
        } else {
            Err(error())
        }
    }
}

impl Reading {
    /// The number that a pixel of a channel becomes.
    pub fn apply(&self, channel: usize, pixel: u8) -> f32 {
        let of = |list: &[f32]| list[channel % list.len()];
        f32::from(pixel) * of(&self.scale) + of(&self.bias)
    }

    /// 1 for all channels, or their number.
    pub fn channels(&self) -> usize {
        self.scale.len()
    }
}

impl From<Reading> for Pixels {
    fn from(Reading { scale, bias }: Reading) -> Self {
        Self::Affine { scale, bias }
    }
}

/// Sets what a picture becomes at the inputs of floats of a graph.
///
/// # Errors
/// [`ReadingMismatch`] where no input is of floats, or one has other channels.
pub fn set(graph: &mut Graph, pixels: &Pixels) -> Result<(), ReadingMismatch> {
    let mut set = false;
    for index in 0..graph.inputs.len() {
        let value = graph.value(graph.inputs[index].value);
        if value.kind != Kind::F32 {
            continue;
        }
        if let Pixels::Affine { scale, bias } = pixels {
            let channels = value.shape.channels;
            let fits = |found: usize| found == 1 || found == channels;
            if !fits(scale.len()) || !fits(bias.len()) {
                return Err(ReadingMismatch::Channels {
                    input: graph.inputs[index].name.clone(),
                    channels,
                    found: scale.len().max(bias.len()),
                });
            }
        }
        graph.inputs[index].pixels = pixels.clone();
        set = true;
    }
    match graph.inputs.first() {
        Some(input) if !set => Err(ReadingMismatch::Kind {
            input: input.name.clone(),
            found: graph.value(input.value).kind.name(),
        }),
        _ => Ok(()),
    }
}

/// What a picture's pixels become, in words.
pub fn describe(pixels: &Pixels) -> String {
    match pixels {
        Pixels::Unsaid => "what a picture's pixels become is not said".into(),
        Pixels::AtLeast(limit) => format!("a pixel is +1 where it is at least {limit}"),
        Pixels::Bytes => "a pixel is the byte 0 to 255".into(),
        Pixels::Affine { scale, bias } => {
            format!("a pixel 0 to 255 becomes pixel · {scale:?} + {bias:?}")
        }
    }
}

/// What a picture becomes at each input, and thresholds that no picture changes; sentences to
/// print.
pub fn notes(graph: &Graph) -> Vec<String> {
    let mut notes = Vec::new();
    for (index, input) in graph.inputs.iter().enumerate() {
        let value = graph.value(input.value);
        let what = format!(
            "input {:?}: {} {}",
            input.name,
            value.kind.name(),
            value.shape
        );
        match &input.pixels {
            Pixels::Unsaid if value.kind == Kind::F32 => {
                notes.push(format!(
                    "{what}; the file does not say what a picture's pixels become here: say it by \
                     --pixels 0..1, 0..255, -1..1 or mean=M,std=S"
                ));
                for text in ["0..1", "0..255", "-1..1"] {
                    let Ok(reading) = text.parse::<Reading>() else {
                        continue;
                    };
                    let table = |pixel, channel| reading.apply(channel, pixel);
                    for node in constant_thresholds(graph, index, &table) {
                        notes.push(format!("with --pixels {text}, {node}"));
                    }
                }
            }
            Pixels::Unsaid => notes.push(format!("{what}; it takes no pictures")),
            said @ Pixels::AtLeast(_) => notes.push(format!("{what}; {}", describe(said))),
            said @ Pixels::Bytes => {
                notes.push(format!("{what}; {}", describe(said)));
                let table = |pixel: u8, _| f32::from(pixel);
                notes.extend(warnings(constant_thresholds(graph, index, &table)));
            }
            said @ Pixels::Affine { scale, bias } => {
                let reading = Reading {
                    scale: scale.clone(),
                    bias: bias.clone(),
                };
                notes.push(format!("{what}; {}", describe(said)));
                let table = |pixel, channel| reading.apply(channel, pixel);
                notes.extend(warnings(constant_thresholds(graph, index, &table)));
            }
        }
    }
    notes
}

fn warnings(nodes: Vec<String>) -> impl Iterator<Item = String> {
    nodes
        .into_iter()
        .map(|node| format!("warning: {node}; does --pixels say what the net was trained on?"))
}

/// The first thresholds after an input that give the same for each of 256 pixel values: a sentence
/// for each.
fn constant_thresholds(
    graph: &Graph,
    input: usize,
    table: &dyn Fn(u8, usize) -> f32,
) -> Vec<String> {
    probe(graph, input, table).unwrap_or_default()
}

/// Runs the nodes that compute each pixel by itself on all 256 pixel values.
fn probe(
    graph: &Graph,
    input: usize,
    table: &dyn Fn(u8, usize) -> f32,
) -> Result<Vec<String>, GraphError> {
    let declared = &graph.inputs[input];
    let value = graph.value(declared.value);
    let shape = Shape::flat(value.shape.channels);
    let mut small = Graph::default();
    let mut known: HashMap<ValueId, ValueId> = HashMap::new();
    let mut constants: HashMap<ValueId, &Op> = HashMap::new();
    known.insert(
        declared.value,
        small.add_input("pixels", value.kind, shape)?,
    );
    // Names of the nodes that give bits, and their values.
    let mut thresholds = Vec::new();
    for node in &graph.nodes {
        if let Op::Constant(tensor) = &node.op {
            if tensor.shape().height == 1 && tensor.shape().width == 1 {
                constants.insert(node.outputs[0], &node.op);
            }
            continue;
        }
        let reads_pixels = node.inputs.iter().any(|id| known.contains_key(id));
        let (pointwise, bits) = match &node.op {
            Op::Affine { .. } | Op::Prelu(_) | Op::Quantize(_) | Op::Cast(_) => (true, false),
            Op::Unary(op) => (true, *op == UnaryOp::Sign),
            Op::Sign | Op::RealThreshold(_) | Op::Threshold(_) => (true, true),
            Op::Binary(op) => (true, op.is_comparison()),
            _ => (false, false),
        };
        if !reads_pixels || !pointwise {
            continue;
        }
        let mut inputs = Vec::new();
        for id in &node.inputs {
            if let Some(&id) = known.get(id) {
                inputs.push(id);
            } else if let Some(&op) = constants.get(id) {
                inputs.push(small.add_node(op.clone(), &[])?);
            }
        }
        if inputs.len() != node.inputs.len() {
            continue;
        }
        // Another shape is no function of each pixel by itself.
        let Ok(result) = small.add_node(node.op.clone(), &inputs) else {
            continue;
        };
        if small.value(result).shape != shape {
            continue;
        }
        if bits {
            thresholds.push((node.name.clone(), result));
        } else {
            known.insert(node.outputs[0], result);
        }
    }
    let Some((_, last)) = thresholds.last() else {
        return Ok(Vec::new());
    };
    small.add_output("bits", *last)?;
    let pixels = (0..=255_u8).flat_map(|pixel| (0..shape.channels).map(move |c| (pixel, c)));
    let data = match value.kind {
        Kind::U8 => Data::U8(pixels.map(|(pixel, _)| pixel).collect()),
        Kind::F32 => Data::F32(
            pixels
                .map(|(pixel, channel)| table(pixel, channel))
                .collect(),
        ),
        _ => return Ok(Vec::new()),
    };
    let values = reference::trace(&small, &[Tensor::new(256, shape, data)?])?;
    let mut notes = Vec::new();
    for (name, id) in thresholds {
        let bits = values[id.index()].to_f32();
        let constant = |channel: usize, high: bool| {
            let of_channel = bits.iter().skip(channel).step_by(shape.channels);
            of_channel.clone().all(|&bit| (bit > 0.0) == high)
        };
        for (high, how) in [(true, "every pixel passes"), (false, "no pixel passes")] {
            let count = (0..shape.channels)
                .filter(|&channel| constant(channel, high))
                .count();
            if count > 0 {
                notes.push(format!(
                    "{how} the threshold of node {name:?} in {count} of {} channels",
                    shape.channels
                ));
            }
        }
    }
    Ok(notes)
}

#[cfg(test)]
mod tests {
    use super::{Reading, notes, set};
    use bernet_runtime::graph::{Graph, Kind, Op, Pixels, RealThreshold, Shape};

    /// A net whose first threshold, for each of two channels, is this.
    fn net(limits: [f32; 2]) -> Graph {
        let mut graph = Graph::default();
        let x = graph
            .add_input("x", Kind::F32, Shape::new(4, 4, 2))
            .expect("an input");
        let thresholds = limits.map(|at_least| RealThreshold {
            at_least,
            invert: false,
        });
        let bits = graph
            .add_named("first", Op::RealThreshold(thresholds.to_vec()), &[x])
            .expect("a node")[0];
        graph.add_output("bits", bits).expect("an output");
        graph
    }

    fn with(text: &str, limits: [f32; 2]) -> Vec<String> {
        let mut graph = net(limits);
        let reading: Reading = text.parse().expect("a reading");
        set(&mut graph, &Pixels::from(reading)).expect("a reading of the input");
        graph.validate().expect("a valid graph");
        notes(&graph)
    }

    #[test]
    fn readings_by_name_and_by_numbers() {
        let reading = |text: &str| text.parse::<Reading>().expect("a reading");
        assert_eq!(reading("0..1").apply(0, 255), 1.0);
        assert_eq!(reading("0..255").apply(0, 255), 255.0);
        assert_eq!(reading("-1..1").apply(0, 0), -1.0);
        let two = reading("mean=0.5/0,std=0.5/1");
        assert_eq!((two.apply(0, 0), two.apply(1, 0)), (-1.0, 0.0));
        for wrong in [
            "",
            "0..2",
            "mean=1",
            "mean=1,std=0",
            "mean=1/2,std=1",
            "mean=x,std=1",
        ] {
            assert!(wrong.parse::<Reading>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn thresholds_that_no_picture_changes_are_warned_of() {
        let found = with("0..255", [0.5, 300.0]);
        assert!(
            found[1].contains("no pixel passes") && found[1].contains("1 of 2"),
            "{found:?}"
        );
        let found = with("0..255", [-1.0, 0.0]);
        assert!(found[1].contains("every pixel passes"), "{found:?}");
        assert_eq!(with("0..1", [0.5, 0.25]).len(), 1);
    }

    #[test]
    fn a_reading_has_the_inputs_channels() {
        let reading: Reading = "mean=1/2/3,std=1/1/1".parse().expect("a reading");
        let error = set(&mut net([0.0; 2]), &reading.into()).unwrap_err();
        assert!(error.to_string().contains("1 or 2"), "{error}");
    }

    #[test]
    fn what_is_not_said_is_asked_for() {
        let found = notes(&net([100.0, 100.0]));
        assert!(found[0].contains("--pixels"), "{found:?}");
        assert!(
            found[1].contains("0..1") && found[1].contains("no pixel"),
            "{found:?}"
        );
    }
}
