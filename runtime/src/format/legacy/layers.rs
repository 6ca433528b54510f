//! The nodes that each layer of a chain becomes.

use super::{Record, record::ConvRecord, short};
use crate::{
    format::{
        error::{FormatError, at_most, check, field},
        lists,
        source::Source,
    },
    graph::{
        Axis, BinaryConv, Conv, ConvParams, Dense, Graph, Kind, Op, RealThreshold, ReduceKind,
        Shape, ValueId,
    },
};
use alloc::{format, string::String, vec::Vec};
use bernet_kernels::xnor::{PaddingValue, Threshold};

/// Most values of an image in any tensor of a chain.
const VALUES_LIMIT: usize = 1 << 24;
/// Most products of a sum of grey values, each kernel line filled up to a multiple of 64.
const GREY_DEPTH_LIMIT: usize = (1 << 22) - 1;

/// The layer that is read, and where its weights and thresholds are.
pub(super) struct Layer<'a> {
    pub(super) record: Record,
    pub(super) number: usize,
    /// Where its record is.
    pub(super) offset: usize,
    pub(super) weights: Source<'a>,
    pub(super) thresholds: Source<'a>,
}

impl Layer<'_> {
    fn what(&self, what: &str) -> String {
        format!("layer {} ({}): {what}", self.number, self.record.kind())
    }

    fn check_equal(&self, what: &str, expected: usize, found: usize) -> Result<(), FormatError> {
        check(
            expected == found,
            self.offset,
            self.what(what),
            expected,
            found,
        )
    }

    fn check_values(&self, what: &str, [h, w, c]: [usize; 3]) -> Result<(), FormatError> {
        check_values(self.offset, self.what(what), [h, w, c])
    }

    /// Adds the nodes of the layer; returns their result.
    pub(super) fn add(
        &mut self,
        graph: &mut Graph,
        input: ValueId,
    ) -> Result<ValueId, FormatError> {
        let value = match self.record {
            Record::Crop { start, size } => self.crop(graph, input, start, size)?,
            Record::Conv(conv) => self.conv(graph, input, conv)?,
            Record::MaxPool(pool) => {
                self.check_padded(graph.value(input).shape, pool.padding)?;
                graph.add_node(Op::Pool(pool), &[input])?
            }
            Record::Expectation {
                columns,
                classes,
                real,
            } => self.expectation(graph, input, [classes, columns], real)?,
            Record::Affine { classes } => self.affine(graph, input, classes)?,
        };
        self.check_values("output", graph.value(value).shape.dims())?;
        Ok(value)
    }

    fn crop(
        &self,
        graph: &mut Graph,
        mut value: ValueId,
        start: [usize; 2],
        size: [usize; 2],
    ) -> Result<ValueId, FormatError> {
        for (axis, what) in [(Axis::Height, "lines"), (Axis::Width, "pixels a line")] {
            let (start, size) = (start[axis.index()], size[axis.index()]);
            let all = graph.value(value).shape.dims()[axis.index()];
            let fits = size > 0 && start.checked_add(size).is_some_and(|end| end <= all);
            let expected = format!("at least 1, within {all}");
            let found = format!("{size} from {start}");
            check(fits, self.offset, self.what(what), expected, found)?;
            if size < all {
                let slice = Op::Slice {
                    axis,
                    start,
                    length: size,
                    step: 1,
                };
                value = graph.add_node(slice, &[value])?;
            }
        }
        Ok(value)
    }

    fn check_padded(&self, input: Shape, padding: [usize; 4]) -> Result<(), FormatError> {
        let [top, left, bottom, right] = padding;
        let (height, width) = (input.height + top + bottom, input.width + left + right);
        self.check_values("padded input", [height, width, input.channels])
    }

    fn conv(
        &mut self,
        graph: &mut Graph,
        input: ValueId,
        conv: ConvRecord,
    ) -> Result<ValueId, FormatError> {
        let value = graph.value(input);
        self.check_equal("input channels", value.shape.channels, conv.channels)?;
        self.check_padded(value.shape, conv.params.padding)?;
        let mut params = conv.params;
        if conv.real {
            return self.real_conv(graph, input, conv);
        }
        if value.kind == Kind::U8 {
            self.check_grey_depth(&params, conv.channels)?;
            // Without padding the value of a tap on it makes no difference.
            if params.padding == [0; 4] {
                params.padding_value = PaddingValue::Zero;
            }
        }
        let [rows, columns] = self.record.weights();
        let weights = lists::matrix(&mut self.weights, rows, columns)?;
        let conv = Op::BinaryConv(BinaryConv { params, weights });
        let sums = graph.add_node(conv, &[input])?;
        let thresholds = self.thresholds(rows)?;
        Ok(graph.add_node(Op::Threshold(thresholds), &[sums])?)
    }

    /// Lines are filled up to whole registers. So a sum is far from the ends of 32 bits.
    fn check_grey_depth(&self, params: &ConvParams, channels: usize) -> Result<(), FormatError> {
        let line = params.kernel[1].saturating_mul(channels / params.groups);
        let depth = line
            .checked_next_multiple_of(64)
            .and_then(|line| line.checked_mul(params.kernel[0]));
        let fits = depth.is_some_and(|depth| depth <= GREY_DEPTH_LIMIT);
        let what = self.what("depth of a kernel on grey values, lines filled up to 64");
        let found = format!("{}×{line}", params.kernel[0]);
        check(fits, self.offset, what, at_most(GREY_DEPTH_LIMIT), found)
    }

    fn thresholds(&mut self, count: usize) -> Result<Vec<Threshold>, FormatError> {
        let Record::Conv(ConvRecord { sum_bytes, .. }) = self.record else {
            return Ok(Vec::new());
        };
        let sums = self.thresholds.elements("least sums", count, sum_bytes)?;
        let inverted = lists::bits(&mut self.thresholds, "inversions", count)?;
        let sum = |bytes: &[u8]| match *bytes {
            [a, b] => i16::from_le_bytes([a, b]).into(),
            _ => i32::from(short(bytes, 0)) | i32::from(short(bytes, 2)) << 16,
        };
        let sums = sums.chunks_exact(sum_bytes).map(sum);
        let threshold = |(at_least, invert)| Threshold { at_least, invert };
        let thresholds: Vec<_> = sums.zip(inverted).map(threshold).collect();
        let short = |one: &Threshold| i16::try_from(one.at_least).is_ok();
        let needed = if thresholds.iter().all(short) { 2 } else { 4 };
        let what = format!("layer {}: bytes of a least sum", self.number);
        check(
            needed == sum_bytes,
            self.offset + 29,
            what,
            needed,
            sum_bytes,
        )?;
        Ok(thresholds)
    }

    fn real_conv(
        &mut self,
        graph: &mut Graph,
        input: ValueId,
        conv: ConvRecord,
    ) -> Result<ValueId, FormatError> {
        let padding = conv.params.padding_value;
        check(
            padding == PaddingValue::Zero,
            self.offset + 28,
            self.what("padding of grey values"),
            "padding that counts nothing",
            format!("{padding:?}"),
        )?;
        let weights = self.real_weights()?;
        let floats = graph.add_node(Op::Cast(Kind::F32), &[input])?;
        let outputs = conv.outputs;
        let conv = Op::Conv(Conv {
            params: conv.params,
            outputs,
            weights,
            bias: Vec::new(),
        });
        let sums = graph.add_node(conv, &[floats])?;
        let least = self.reals("least sums", outputs)?;
        let inverted = lists::bits(&mut self.thresholds, "inversions", outputs)?;
        let mut thresholds = Vec::with_capacity(outputs);
        for (at_least, invert) in least.into_iter().zip(inverted) {
            let what = || self.what("least sum");
            check(
                !at_least.is_nan(),
                self.offset,
                what(),
                "a number or an infinity",
                "NaN",
            )?;
            let at_least = round_up(at_least);
            thresholds.push(RealThreshold { at_least, invert });
        }
        Ok(graph.add_node(Op::RealThreshold(thresholds), &[sums])?)
    }

    fn real_weights(&mut self) -> Result<Vec<f32>, FormatError> {
        let [rows, columns] = self.record.weights();
        let bytes = self.weights.elements("weights", rows * columns, 4)?;
        let (floats, _) = bytes.as_chunks();
        Ok(floats.iter().copied().map(f32::from_le_bytes).collect())
    }

    /// Numbers in double precision.
    fn reals(&mut self, what: &str, count: usize) -> Result<Vec<f64>, FormatError> {
        let bytes = self.thresholds.elements(what, count, 8)?;
        let (reals, _) = bytes.as_chunks();
        Ok(reals.iter().copied().map(f64::from_le_bytes).collect())
    }

    /// One weight for each value, or one for each channel, which serves every position.
    fn expectation(
        &mut self,
        graph: &mut Graph,
        input: ValueId,
        [classes, columns]: [usize; 2],
        real: bool,
    ) -> Result<ValueId, FormatError> {
        let shape = graph.value(input).shape;
        let what = self.what("classes (rows of the weights)");
        check(classes >= 2, self.offset, what, "at least 2", classes)?;
        self.check_values("sums", [shape.height, shape.width, classes])?;
        let everywhere = columns != shape.len();
        if everywhere {
            let what = "columns of the weights (input channels)";
            self.check_equal(what, shape.channels, columns)?;
        }
        let params = ConvParams::valid([1, 1]);
        let mut from = input;
        let product = if real {
            from = graph.add_node(Op::Cast(Kind::F32), &[input])?;
            let (outputs, weights, bias) = (classes, self.real_weights()?, Vec::new());
            if everywhere {
                Op::Conv(Conv {
                    params,
                    outputs,
                    weights,
                    bias,
                })
            } else {
                Op::Dense(Dense {
                    outputs,
                    weights,
                    bias,
                })
            }
        } else {
            let weights = lists::matrix(&mut self.weights, classes, columns)?;
            if everywhere {
                Op::BinaryConv(BinaryConv { params, weights })
            } else {
                Op::BinaryDense(weights)
            }
        };
        let sums = graph.add_node(product, &[from])?;
        if !everywhere {
            return Ok(sums);
        }
        let kind = ReduceKind::Sum;
        let axes = [true, true, false];
        Ok(graph.add_node(Op::Reduce { kind, axes }, &[sums])?)
    }

    fn affine(
        &mut self,
        graph: &mut Graph,
        input: ValueId,
        classes: usize,
    ) -> Result<ValueId, FormatError> {
        self.check_equal("scales", graph.value(input).shape.channels, classes)?;
        let scale = self.reals("scales", classes)?;
        let bias = self.reals("biases", classes)?;
        let wrong = scale
            .iter()
            .find(|scale| !(scale.is_finite() && **scale > 0.0));
        if let Some(scale) = wrong {
            return Err(field(
                self.offset,
                self.what("scale"),
                "a finite number above 0",
                scale,
            ));
        }
        if let Some(bias) = bias.iter().find(|bias| !bias.is_finite()) {
            return Err(field(
                self.offset,
                self.what("bias"),
                "a finite number",
                bias,
            ));
        }
        let single = |list: Vec<f64>| list.into_iter().map(|number| number as f32).collect();
        let (scale, bias) = (single(scale), single(bias));
        Ok(graph.add_node(Op::Affine { scale, bias }, &[input])?)
    }
}

pub(super) fn check_values(
    offset: usize,
    what: String,
    [height, width, channels]: [usize; 3],
) -> Result<(), FormatError> {
    let values = Shape::new(height, width, channels).len();
    let fits = (1..=VALUES_LIMIT).contains(&values);
    let found = format!("{height}×{width}×{channels}");
    check(
        fits,
        offset,
        what,
        format!("1 to {VALUES_LIMIT} values"),
        found,
    )
}

/// The least float that is at least so large: every float is at least one where it is at least the
/// other.
fn round_up(number: f64) -> f32 {
    let nearest = number as f32;
    if f64::from(nearest) < number {
        nearest.next_up()
    } else {
        nearest
    }
}

#[cfg(test)]
mod tests {
    use super::round_up;

    #[test]
    fn thresholds_decide_floats_as_before() {
        for number in [0.1, -0.1, 1.0, 1e-60, -1e-60, 3.5e38, -3.5e38, 16_777_217.0] {
            let rounded = round_up(number);
            for float in [rounded, rounded.next_up(), rounded.next_down()] {
                assert_eq!(
                    f64::from(float) >= number,
                    float >= rounded,
                    "{number} {float}"
                );
            }
        }
        assert_eq!(round_up(f64::INFINITY), f32::INFINITY);
        assert_eq!(round_up(f64::NEG_INFINITY), f32::NEG_INFINITY);
    }
}
