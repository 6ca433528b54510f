//! The geometry, weights and thresholds of a product.

use super::{
    code::bit_words,
    net::{Net, Step},
};
use bernet_kernels::{
    bits::BitMatrix,
    xnor::{PaddingValue, Threshold},
};
use bernet_runtime::graph::{ConvParams, Kind, Op, Shape};

/// A product with its geometry; a dense layer is a window as large as the image.
pub(super) struct Product<'a> {
    pub(super) weights: &'a BitMatrix,
    pub(super) params: ConvParams,
    pub(super) kind: Kind,
    pub(super) input: Shape,
    pub(super) output: Shape,
    pub(super) thresholds: Option<&'a [Threshold]>,
}

impl<'a> Product<'a> {
    pub(super) fn of(net: &Net<'a>, step: &Step<'a>) -> Option<Self> {
        let input = net.value(step.node.inputs[0]);
        let output = net.value(step.output).shape;
        let (weights, params) = match &step.node.op {
            Op::BinaryConv(conv) => (&conv.weights, conv.params),
            Op::BinaryDense(weights) => {
                let whole = [input.shape.height, input.shape.width];
                (weights, ConvParams::valid(whole))
            }
            _ => return None,
        };
        Some(Self {
            weights,
            params,
            kind: input.kind,
            input: input.shape,
            output,
            thresholds: step.thresholds,
        })
    }

    /// Values under a window, of one group.
    pub(super) fn columns(&self) -> usize {
        self.weights.columns()
    }

    /// Channels of a group.
    pub(super) fn depth(&self) -> usize {
        self.input.channels / self.params.groups
    }

    pub(super) fn padded(&self) -> bool {
        self.params.padding != [0; 4]
    }

    /// Whether taps outside do not count, so that their places are to be known.
    pub(super) fn masked(&self) -> bool {
        self.padded() && self.kind == Kind::Bit && self.params.padding_value == PaddingValue::Zero
    }

    /// Values that lie next to one another in image and patch, and how many such runs a line of
    /// the window has.
    pub(super) fn runs(&self) -> (usize, usize) {
        let wide = self.params.kernel[1];
        if self.params.groups == 1 && (self.params.dilation[1] == 1 || wide == 1) && !self.padded()
        {
            (wide * self.depth(), 1)
        } else {
            (self.depth(), wide)
        }
    }

    /// Whether each window is one run of the image that begins with a word, so that no patch is
    /// copied.
    pub(super) fn direct(&self) -> bool {
        let [tall, wide] = self.params.kernel;
        let (run, runs) = self.runs();
        let one = runs == 1
            && (tall == 1
                || (run == self.input.width * self.input.channels && self.params.dilation[0] == 1));
        let line = self.input.width * self.input.channels;
        let single = self.output.height == 1 && self.output.width == 1;
        let whole = tall == self.input.height && wide == self.input.width;
        let aligned = |values: usize| self.kind == Kind::U8 || values.is_multiple_of(32);
        let steps = aligned(self.params.stride[0] * line)
            && aligned(self.params.stride[1] * self.input.channels)
            && aligned(self.columns());
        one && self.params.groups == 1 && !self.padded() && (steps || (single && whole))
    }
}

/// A row's weights and threshold, so that a sum at least the threshold is +1: where the threshold
/// is inverted, the weights are.
pub(super) struct Row {
    pub(super) flip: bool,
    pub(super) at_least: i64,
}

impl Product<'_> {
    /// The rows; thresholds are at most just outside of what sums reach.
    pub(super) fn rows(&self) -> Vec<Row> {
        let most = self.columns() as i64 * if self.kind == Kind::U8 { 255 } else { 1 };
        (0..self.weights.rows())
            .map(|row| {
                let Some(thresholds) = self.thresholds else {
                    return Row {
                        flip: false,
                        at_least: 0,
                    };
                };
                let Threshold { at_least, invert } = thresholds[row.min(thresholds.len() - 1)];
                let at_least = i64::from(at_least);
                // sum < t, that is −sum ≥ 1 − t.
                let at_least = if invert { 1 - at_least } else { at_least };
                Row {
                    flip: invert,
                    at_least: at_least.clamp(-most, most + 1),
                }
            })
            .collect()
    }

    pub(super) fn weight_words(&self, rows: &[Row]) -> Vec<String> {
        let row = |(index, row): (usize, &Row)| {
            bit_words((0..self.columns()).map(|column| self.weights.get(index, column) != row.flip))
        };
        rows.iter().enumerate().flat_map(row).collect()
    }

    /// The weight of a row and column, +1 as true, as [`rows`](Self::rows) has it.
    pub(super) fn weight(&self, rows: &[Row], row: usize, column: usize) -> bool {
        row < rows.len()
            && column < self.columns()
            && self.weights.get(row, column) != rows[row].flip
    }

    /// How many places of a row have to agree for +1: 0 to one more than there are.
    pub(super) fn least_agreeing(&self, row: &Row) -> usize {
        // 2·agree − columns ≥ t.
        let least = (row.at_least + self.columns() as i64 + 1).div_euclid(2);
        least.clamp(0, self.columns() as i64 + 1) as usize
    }
}
