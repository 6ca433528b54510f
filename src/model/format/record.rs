//! A row of the layer table: 32 bytes.
//!
//! | bytes | crop | conv | expectation | max pool | affine |
//! |---|---|---|---|---|---|
//! | 0..2 | kind 1 | kind 2, 6 if real | kind 3, 7 if real | kind 4 | kind 5 |
//! | 2..4 | source | source | source | source | source |
//! | 4..8 | top | channels | columns | 0 | classes |
//! | 8..12 | left | outputs | classes | 0 | 0 |
//! | 12..16 | height | kernel height, width | 0 | window height, width | 0 |
//! | 16..20 | width | stride down, across | 0 | stride down, across | 0 |
//! | 20..28 | 0 | padding top, left, bottom, right | 0 | padding top, left, bottom, right | 0 |
//! | 28 | 0 | padding value: 0 is −1, 1 is 0, 2 is +1 | 0 | 0 | 0 |
//! | 29 | 0 | bytes of a least sum: 2 or 4, or 8 if real | 0 | 0 | 0 |
//! | 30..32 | 0 | 0 | 0 | 0 | 0 |
//!
//! A convolution with dilation or groups is of kind 8, or 9 if it is real. Its row is that of a convolution but for 12..16, a byte each
//! for kernel height and width and dilation down and across, and 30..32, the groups.
//!
//! The source is the number of the layer whose output the layer reads, 0 being the image. A net is a chain, so that layer
//! `n` reads `n − 1`.

use super::{FormatError, dense};
use crate::model::{Layer, MaxPool};
use bernet_kernels::xnor::{Geometry, Options, PaddingValue, Threshold, Window};

/// Bytes of a real least sum.
const REAL_BYTES: u8 = size_of::<f64>() as u8;

/// What the layer table says of a layer: all but its weights and thresholds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Record {
    Crop {
        top: u32,
        left: u32,
        height: u32,
        width: u32,
    },
    Conv(ConvRecord),
    MaxPool(Windows),
    Expectation {
        columns: u32,
        classes: u32,
    },
    Affine {
        classes: u32,
    },
    RealConv(ConvRecord),
    RealExpectation {
        columns: u32,
        classes: u32,
    },
}

/// Windows over an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Windows {
    kernel: [u16; 2],
    stride: [u16; 2],
    padding: [u16; 4],
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ConvRecord {
    channels: u32,
    outputs: u32,
    windows: Windows,
    dilation: [u8; 2],
    groups: u16,
    padding_value: PaddingValue,
    threshold_bytes: u8,
}

impl Record {
    /// Bytes in the file.
    pub(super) const BYTES: usize = 32;

    /// The record of a layer of a model that is valid, so that every number fits.
    pub(super) fn of(layer: &Layer) -> Self {
        match layer {
            &Layer::Crop {
                top,
                left,
                height,
                width,
            } => Self::Crop {
                top: top as u32,
                left: left as u32,
                height: height as u32,
                width: width as u32,
            },
            Layer::Conv(conv) => {
                let threshold_bytes = least_sum_bytes(&conv.thresholds);
                Self::Conv(ConvRecord::of(conv.window(), threshold_bytes))
            }
            Layer::RealConv(conv) => Self::RealConv(ConvRecord::of(conv.window(), REAL_BYTES)),
            Layer::RealExpectation(last) => Self::RealExpectation {
                columns: last.columns() as u32,
                classes: last.classes as u32,
            },
            Layer::MaxPool(pool) => {
                Self::MaxPool(Windows::of(pool.kernel, pool.stride, pool.padding))
            }
            Layer::Expectation { weights } => Self::Expectation {
                columns: weights.columns() as u32,
                classes: weights.rows() as u32,
            },
            Layer::Affine { scale, .. } => Self::Affine {
                classes: scale.len() as u32,
            },
        }
    }

    /// Its bytes, as layer `number`, from 1.
    pub(super) fn to_bytes(self, number: u16) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(2, &(number - 1).to_le_bytes());
        let kind: u16 = match self {
            Self::Crop {
                top,
                left,
                height,
                width,
            } => {
                for (at, value) in [(4, top), (8, left), (12, height), (16, width)] {
                    put(at, &value.to_le_bytes());
                }
                1
            }
            Self::Conv(conv) | Self::RealConv(conv) => {
                put(4, &conv.channels.to_le_bytes());
                put(8, &conv.outputs.to_le_bytes());
                put(12, &conv.windows.to_bytes());
                let padding_value = match conv.padding_value {
                    PaddingValue::MinusOne => 0,
                    PaddingValue::Zero => 1,
                    PaddingValue::PlusOne => 2,
                };
                put(28, &[padding_value, conv.threshold_bytes]);
                if conv.has_options() {
                    let [height, width] = conv.windows.kernel.map(|size| size as u8);
                    let [down, across] = conv.dilation;
                    put(12, &[height, width, down, across]);
                    put(30, &conv.groups.to_le_bytes());
                }
                match (self, conv.has_options()) {
                    (Self::Conv(_), false) => 2,
                    (Self::Conv(_), true) => 8,
                    (_, false) => 6,
                    (_, true) => 9,
                }
            }
            Self::Expectation { columns, classes } | Self::RealExpectation { columns, classes } => {
                put(4, &columns.to_le_bytes());
                put(8, &classes.to_le_bytes());
                if matches!(self, Self::Expectation { .. }) {
                    3
                } else {
                    7
                }
            }
            Self::MaxPool(windows) => {
                put(12, &windows.to_bytes());
                4
            }
            Self::Affine { classes } => {
                put(4, &classes.to_le_bytes());
                5
            }
        };
        put(0, &kind.to_le_bytes());
        bytes
    }

    /// Reads the record of layer `number`, from 1, which is at `offset` in the file.
    pub(super) fn from_bytes(
        bytes: &[u8; Self::BYTES],
        number: usize,
        offset: u64,
    ) -> Result<Self, FormatError> {
        let short = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let long = |at: usize| u32::from(short(at)) | u32::from(short(at + 2)) << 16;
        let wrong = |at: usize, what: &str, expected: &str, found: String| FormatError::Field {
            offset: offset + at as u64,
            what: format!("layer {number}: {what}"),
            expected: expected.into(),
            found,
        };
        let windows = || Windows {
            kernel: [short(12), short(14)],
            stride: [short(16), short(18)],
            padding: [short(20), short(22), short(24), short(26)],
        };
        let mut unused = 0..0;
        let (record, end) = match short(0) {
            1 => (
                Self::Crop {
                    top: long(4),
                    left: long(8),
                    height: long(12),
                    width: long(16),
                },
                20,
            ),
            kind @ (2 | 6 | 8 | 9) => {
                let padding_value = match bytes[28] {
                    0 => PaddingValue::MinusOne,
                    1 => PaddingValue::Zero,
                    2 => PaddingValue::PlusOne,
                    found => {
                        return Err(wrong(28, "padding value", "0, 1 or 2", found.to_string()));
                    }
                };
                let threshold_bytes = bytes[29];
                let (known, expected): (&[u8], _) = match kind {
                    2 | 8 => (&[2, 4], "2 or 4"),
                    _ => (&[REAL_BYTES], "8"),
                };
                if !known.contains(&threshold_bytes) {
                    let found = threshold_bytes.to_string();
                    return Err(wrong(29, "bytes of a least sum", expected, found));
                }
                let mut conv = ConvRecord {
                    channels: long(4),
                    outputs: long(8),
                    windows: windows(),
                    dilation: [1, 1],
                    groups: 1,
                    padding_value,
                    threshold_bytes,
                };
                if kind > 7 {
                    conv.windows.kernel = [bytes[12].into(), bytes[13].into()];
                    conv.dilation = [bytes[14], bytes[15]];
                    conv.groups = short(30);
                    if conv.groups == 0 {
                        return Err(wrong(30, "groups", "at least 1", "0".into()));
                    }
                    if !conv.has_options() {
                        let what = "dilation and groups";
                        return Err(wrong(14, what, "one that is not 1", "1, 1 and 1".into()));
                    }
                }
                let record = match kind {
                    2 | 8 => Self::Conv(conv),
                    _ => Self::RealConv(conv),
                };
                (record, if kind > 7 { Self::BYTES } else { 30 })
            }
            kind @ (3 | 7) => {
                let (columns, classes) = (long(4), long(8));
                let record = if kind == 3 {
                    Self::Expectation { columns, classes }
                } else {
                    Self::RealExpectation { columns, classes }
                };
                (record, 12)
            }
            4 => {
                unused = 4..12;
                (Self::MaxPool(windows()), 28)
            }
            5 => (Self::Affine { classes: long(4) }, 8),
            kind => {
                return Err(wrong(
                    0,
                    "kind",
                    "1 (crop), 2 (conv), 3 (expectation), 4 (max pool), 5 (affine), 6 (real conv), 7 (real expectation), \
                     8 (conv with dilation or groups) or 9 (such a real conv)",
                    kind.to_string(),
                ));
            }
        };
        if usize::from(short(2)) != number - 1 {
            return Err(wrong(
                2,
                "source",
                &(number - 1).to_string(),
                short(2).to_string(),
            ));
        }
        match unused.chain(end..Self::BYTES).find(|&at| bytes[at] != 0) {
            Some(at) => Err(wrong(at, "unused byte", "0", bytes[at].to_string())),
            None => Ok(record),
        }
    }

    /// Rows and columns of its weights; the columns are `None` where the product does not fit.
    pub(super) fn weights(&self) -> (u64, Option<u64>) {
        match *self {
            Self::Crop { .. } | Self::MaxPool(_) | Self::Affine { .. } => (0, Some(0)),
            Self::Conv(conv) | Self::RealConv(conv) => {
                let [height, width] = conv.windows.kernel;
                let area = u64::from(height) * u64::from(width);
                let channels = conv.channels / u32::from(conv.groups);
                (conv.outputs.into(), area.checked_mul(channels.into()))
            }
            Self::Expectation { columns, classes } | Self::RealExpectation { columns, classes } => {
                (classes.into(), Some(columns.into()))
            }
        }
    }

    /// Whether its weights are float32 numbers rather than bits.
    pub(super) fn has_real_weights(&self) -> bool {
        matches!(self, Self::RealConv(_) | Self::RealExpectation { .. })
    }

    /// Bytes of its weights in the file; `None` where the product does not fit.
    pub(super) fn weight_bytes(&self) -> Option<u64> {
        let (rows, columns) = self.weights();
        let weights = rows.checked_mul(columns?)?;
        if self.has_real_weights() {
            weights.checked_mul(size_of::<f32>() as u64)
        } else {
            Some(dense::bytes(weights))
        }
    }

    /// Thresholds, and the bytes of the least sum of each.
    pub(super) fn thresholds(&self) -> (u64, u64) {
        match self {
            Self::Conv(conv) | Self::RealConv(conv) => {
                (conv.outputs.into(), conv.threshold_bytes.into())
            }
            _ => (0, 0),
        }
    }

    /// Numbers of an affine layer: a scale and a bias for each class.
    pub(super) fn reals(&self) -> u64 {
        match *self {
            Self::Affine { classes } => 2 * u64::from(classes),
            _ => 0,
        }
    }

    /// Bytes of its thresholds, or of its scales and biases, in the file.
    pub(super) fn threshold_bytes(&self) -> u64 {
        let (count, bytes) = self.thresholds();
        count * bytes + dense::bytes(count) + 8 * self.reals()
    }
}

impl Windows {
    fn of(kernel: [usize; 2], stride: [usize; 2], padding: [usize; 4]) -> Self {
        Self {
            kernel: kernel.map(|size| size as u16),
            stride: stride.map(|size| size as u16),
            padding: padding.map(|size| size as u16),
        }
    }

    fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let sizes = self.kernel.iter().chain(&self.stride).chain(&self.padding);
        for (pair, size) in bytes.chunks_exact_mut(2).zip(sizes) {
            pair.copy_from_slice(&size.to_le_bytes());
        }
        bytes
    }

    pub(super) fn max_pool(self) -> MaxPool {
        MaxPool {
            kernel: self.kernel.map(usize::from),
            stride: self.stride.map(usize::from),
            padding: self.padding.map(usize::from),
        }
    }
}

impl ConvRecord {
    fn of(Window { geometry, options }: Window, threshold_bytes: u8) -> Self {
        Self {
            channels: geometry.channels as u32,
            outputs: geometry.outputs as u32,
            windows: Windows::of(geometry.kernel, geometry.stride, geometry.padding),
            dilation: options.dilation.map(|size| size as u8),
            groups: options.groups as u16,
            padding_value: geometry.padding_value,
            threshold_bytes,
        }
    }

    /// Whether there is dilation, or more than one group.
    fn has_options(&self) -> bool {
        self.dilation != [1, 1] || self.groups != 1
    }

    pub(super) fn options(&self) -> Options {
        Options {
            dilation: self.dilation.map(usize::from),
            groups: self.groups.into(),
        }
    }

    pub(super) fn geometry(&self) -> Geometry {
        Geometry {
            channels: self.channels as usize,
            outputs: self.outputs as usize,
            kernel: self.windows.kernel.map(usize::from),
            stride: self.windows.stride.map(usize::from),
            padding: self.windows.padding.map(usize::from),
            padding_value: self.padding_value,
        }
    }
}

/// Bytes of a least sum: 2 where all fit, else 4.
pub(super) fn least_sum_bytes(thresholds: &[Threshold]) -> u8 {
    let short = thresholds
        .iter()
        .all(|threshold| i16::try_from(threshold.at_least).is_ok());
    if short { 2 } else { 4 }
}
