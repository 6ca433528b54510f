//! A row of the layer table: 32 bytes, all of a layer but its weights and thresholds.

use super::{long, short};
use crate::{
    format::error::{FormatError, check, field},
    graph::{ConvParams, PoolKind, PoolParams},
};
use alloc::format;
use bernet_kernels::xnor::PaddingValue;

/// What the layer table says of a layer.
#[derive(Clone, Copy)]
pub(super) enum Record {
    Crop {
        start: [usize; 2],
        size: [usize; 2],
    },
    Conv(ConvRecord),
    MaxPool(PoolParams),
    Expectation {
        columns: usize,
        classes: usize,
        real: bool,
    },
    Affine {
        classes: usize,
    },
}

/// A convolution and its activations.
#[derive(Clone, Copy)]
pub(super) struct ConvRecord {
    pub(super) channels: usize,
    pub(super) outputs: usize,
    pub(super) params: ConvParams,
    /// Bytes of a least sum: 2 or 4, or 8 where weights and sums are real.
    pub(super) sum_bytes: usize,
    pub(super) real: bool,
}

impl Record {
    /// Bytes in the file.
    pub(super) const BYTES: usize = 32;

    /// Reads the record of layer `number`, from 1, which is at `offset` in the file.
    pub(super) fn read(body: &[u8], number: usize, offset: usize) -> Result<Self, FormatError> {
        let row = &body[offset..][..Self::BYTES];
        let size = |at| long(row, at) as usize;
        let what = |what: &str| format!("layer {number}: {what}");
        let kind = short(row, 0);
        let mut unused = 0..0;
        let (record, end) = match kind {
            1 => {
                let (start, size) = ([size(4), size(8)], [size(12), size(16)]);
                (Self::Crop { start, size }, 20)
            }
            2 | 6 | 8 | 9 => {
                let conv = ConvRecord::read(row, kind, offset, &what)?;
                (Self::Conv(conv), if kind > 7 { Self::BYTES } else { 30 })
            }
            3 | 7 => {
                let record = Self::Expectation {
                    columns: size(4),
                    classes: size(8),
                    real: kind == 7,
                };
                (record, 12)
            }
            4 => {
                unused = 4..12;
                let [kernel, stride, before, after] = windows(row);
                let pool = PoolParams {
                    kind: PoolKind::Max,
                    kernel,
                    stride,
                    padding: [before[0], before[1], after[0], after[1]],
                };
                (Self::MaxPool(pool), 28)
            }
            5 => (Self::Affine { classes: size(4) }, 8),
            _ => {
                let expected = "1 (crop), 2 (conv), 3 (expectation), 4 (max pool), 5 (affine), \
                    6 (real conv), 7 (real expectation), 8 (conv with dilation or groups) or \
                    9 (such a real conv)";
                return Err(field(offset, what("kind"), expected, kind));
            }
        };
        let source = usize::from(short(row, 2));
        check(
            source == number - 1,
            offset + 2,
            what("source"),
            number - 1,
            source,
        )?;
        match unused.chain(end..Self::BYTES).find(|&at| row[at] != 0) {
            Some(at) => Err(field(offset + at, what("unused byte"), 0, row[at])),
            None => Ok(record),
        }
    }

    /// Its kind in errors.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Crop { .. } => "crop",
            Self::Conv(ConvRecord { real: false, .. }) => "conv",
            Self::Conv(_) => "real conv",
            Self::MaxPool(_) => "max pool",
            Self::Expectation { real: false, .. } => "expectation",
            Self::Expectation { .. } => "real expectation",
            Self::Affine { .. } => "affine",
        }
    }

    /// Whether it makes logits of activations.
    pub(super) fn is_expectation(&self) -> bool {
        matches!(self, Self::Expectation { .. })
    }

    fn is_real(&self) -> bool {
        matches!(
            self,
            Self::Conv(ConvRecord { real: true, .. }) | Self::Expectation { real: true, .. }
        )
    }

    /// Rows and columns of its weights; what cannot be counted saturates.
    pub(super) fn weights(&self) -> [usize; 2] {
        match self {
            Self::Crop { .. } | Self::MaxPool(_) | Self::Affine { .. } => [0, 0],
            Self::Conv(conv) => [conv.outputs, conv.depth()],
            &Self::Expectation {
                columns, classes, ..
            } => [classes, columns],
        }
    }

    /// Bytes of its weights in the file; saturates.
    pub(super) fn weight_bytes(&self) -> usize {
        let [rows, columns] = self.weights();
        let weights = rows.saturating_mul(columns);
        if self.is_real() {
            weights.saturating_mul(4)
        } else {
            weights.div_ceil(8)
        }
    }

    /// Bytes of its thresholds, or scales and biases, in the file; saturates.
    pub(super) fn threshold_bytes(&self) -> usize {
        match self {
            Self::Conv(conv) => {
                let sums = conv.outputs.saturating_mul(conv.sum_bytes);
                sums.saturating_add(conv.outputs.div_ceil(8))
            }
            Self::Affine { classes } => classes.saturating_mul(16),
            _ => 0,
        }
    }

    /// Memory that its nodes will take; saturates.
    pub(super) fn memory(&self) -> usize {
        let [rows, columns] = self.weights();
        let weights = if self.is_real() {
            self.weight_bytes()
        } else {
            rows.saturating_mul(columns.div_ceil(64)).saturating_mul(8)
        };
        weights.saturating_add(self.threshold_bytes().saturating_mul(8))
    }

    /// Whether it has dilation or groups.
    pub(super) fn has_options(&self) -> bool {
        matches!(self, Self::Conv(conv) if conv.has_options())
    }
}

/// Kernel, stride, padding before and after.
fn windows(row: &[u8]) -> [[usize; 2]; 4] {
    [12, 16, 20, 24].map(|at| [short(row, at).into(), short(row, at + 2).into()])
}

impl ConvRecord {
    fn read(
        row: &[u8],
        kind: u16,
        offset: usize,
        what: &impl Fn(&str) -> alloc::string::String,
    ) -> Result<Self, FormatError> {
        let [kernel, stride, before, after] = windows(row);
        let mut params = ConvParams {
            stride,
            padding: [before[0], before[1], after[0], after[1]],
            ..ConvParams::valid(kernel)
        };
        params.padding_value = match row[28] {
            0 => PaddingValue::MinusOne,
            1 => PaddingValue::Zero,
            2 => PaddingValue::PlusOne,
            found => {
                return Err(field(
                    offset + 28,
                    what("padding value"),
                    "0, 1 or 2",
                    found,
                ));
            }
        };
        let real = matches!(kind, 6 | 9);
        let (known, expected): (&[u8], _) = if real {
            (&[8], "8")
        } else {
            (&[2, 4], "2 or 4")
        };
        let fits = known.contains(&row[29]);
        check(
            fits,
            offset + 29,
            what("bytes of a least sum"),
            expected,
            row[29],
        )?;
        if kind > 7 {
            params.kernel = [row[12].into(), row[13].into()];
            params.dilation = [row[14].into(), row[15].into()];
            params.groups = short(row, 30).into();
            check(
                params.groups > 0,
                offset + 30,
                what("groups"),
                "at least 1",
                0,
            )?;
        }
        let conv = Self {
            channels: long(row, 4) as usize,
            outputs: long(row, 8) as usize,
            params,
            sum_bytes: row[29].into(),
            real,
        };
        check(
            kind <= 7 || conv.has_options(),
            offset + 14,
            what("dilation and groups"),
            "one that is not 1",
            "1, 1 and 1",
        )?;
        Ok(conv)
    }

    fn has_options(&self) -> bool {
        self.params.dilation != [1, 1] || self.params.groups != 1
    }

    /// Products in a sum; saturates.
    fn depth(&self) -> usize {
        let [tall, wide] = self.params.kernel;
        let area = tall.saturating_mul(wide);
        area.saturating_mul(self.channels / self.params.groups)
    }
}
