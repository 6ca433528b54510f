//! The operators of Larq Compute Engine (LCE).
//!
//! LCE's bits are inverted, 1 is −1, and packed into 32-bit words along the channels, so that
//! each pixel begins a new word. A sum is `K − 2a` where `a` counts the differing bits of `K`.
//! LCE computes floats of it as `f32(x)·(−m) + f32(b + K·m)` with `x = 2a`, `m` the multiplier
//! and `b` the bias, the second sum in double precision. Ours is the sum `s = K − x`, so that
//! `x = K − s`, exact in floats, and the same two roundings follow: equal to the last bit. Where
//! the border is padded with nothing, LCE rounds more often, and so do we: see `border`.

use super::{
    border::Border,
    builder::{Step, View},
    error::ImportError,
    file::{FLOAT32, INT32, kind_name},
    flex::Map,
};
use bernet_kernels::{
    bits::BitMatrix,
    xnor::{PaddingValue, Threshold},
};
use bernet_runtime::graph::{BinaryConv, ConvParams, Kind, Op, PoolKind, UnaryOp, ValueId};

/// Sums below this are exact in floats.
const EXACT_IN_FLOAT: usize = 1 << 24;

impl<'a> Step<'_, 'a> {
    /// LceQuantize: +1 where a number is not below 0.
    pub(super) fn lce_quantize(&mut self) -> Result<(), ImportError> {
        let view = self.value(0)?;
        let kind = self.builder.graph.value(view.id).kind;
        let id = match kind {
            Kind::F32 => self.add(Op::Sign, &[view.id])?,
            // A bool: false is −1.
            Kind::Bit => view.id,
            _ => return Err(self.error("input 0", "float32", kind.name())),
        };
        self.finish(View { id, ..view })
    }

    /// LceDequantize: floats of ±1.
    pub(super) fn lce_dequantize(&mut self) -> Result<(), ImportError> {
        let view = self.bits(0)?;
        let id = self.add(Op::Cast(Kind::F32), &[view.id])?;
        self.finish(View { id, ..view })
    }

    /// LceBMaxPool2d: the largest of the bits inside the image.
    pub(super) fn lce_max_pool(&mut self) -> Result<(), ImportError> {
        let view = self.bits(0)?;
        let options = self.map()?;
        let [tall, wide] = [
            self.option(options, "filter_height")?,
            self.option(options, "filter_width")?,
        ];
        let stride = [
            self.option(options, "stride_height")?,
            self.option(options, "stride_width")?,
        ];
        let same = self.same(self.option(options, "padding")?.into())?;
        let id = self.pooled(&view, PoolKind::Max, [tall, wide], stride, same)?;
        self.finish(self.image_view(id, view.batched))
    }

    /// LceBconv2d: a binary convolution, and numbers or bits of its sums.
    pub(super) fn lce_conv(&mut self) -> Result<(), ImportError> {
        let kind = self.output_kind(0);
        self.check(
            matches!(kind, FLOAT32 | INT32),
            "output",
            "float32 or bits: LCE's int8 models are not supported, convert the net without \
             quantization to int8",
            kind_name(kind),
        )?;
        let view = self.bits(0)?;
        let input = self.image(&view)?;
        let options = self.map()?;
        let channels = self.option(options, "channels_in")?;
        self.check(
            usize::try_from(channels) == Ok(input.channels),
            "channels_in",
            input.channels,
            channels,
        )?;
        let (weights, kernel, groups) = self.binary_weights(input.channels)?;
        let mut params = ConvParams::valid(kernel);
        params.groups = groups;
        for (axis, side) in ["height", "width"].into_iter().enumerate() {
            let stride = format!("stride_{side}");
            params.stride[axis] = self.positive(&stride, self.option(options, &stride)?)?;
            let dilation = format!("dilation_{side}_factor");
            params.dilation[axis] = self.positive(&dilation, self.option(options, &dilation)?)?;
        }
        let same = self.same(self.option(options, "padding")?.into())?;
        params.padding = Self::padding(same, input, params.span(), params.stride);
        let pads = params.padding != [0; 4];
        params.padding_value = match self.option(options, "pad_values")? {
            0 => PaddingValue::Zero,
            1 => PaddingValue::PlusOne,
            other => return Err(self.error("pad_values", "0 or 1", other)),
        };
        let depth = weights.columns();
        let activation = self.option(options, "fused_activation_function")?;
        let mut border = None;
        // LCE has no activation there.
        if kind == FLOAT32 && activation == 0 {
            self.spend(input.height + input.width)?;
            border = Border::new(&params, input, &weights);
        }
        if border.is_some() {
            params.padding_value = PaddingValue::PlusOne;
        }
        let conv = BinaryConv { params, weights };
        let sums = self.add(Op::BinaryConv(conv), &[view.id])?;
        let id = if kind == FLOAT32 {
            self.floats_of_sums(sums, depth, activation, border)?
        } else {
            let zeros = pads && params.padding_value == PaddingValue::Zero;
            self.check(!zeros, "pad_values where the output is bits", 1, 0)?;
            self.bits_of_sums(sums, depth)?
        };
        self.finish(self.image_view(id, view.batched))
    }

    /// The filter as rows of bits, its height and width, and the groups it makes of the channels.
    fn binary_weights(
        &mut self,
        channels: usize,
    ) -> Result<(BitMatrix, [usize; 2], usize), ImportError> {
        let Some((constant, dims)) = self.optional_constant(1)? else {
            return Err(self.error("filter", "a constant", "none"));
        };
        self.spend(4 * constant.size())?;
        let found = kind_name(constant.kind);
        let words = constant
            .words()
            .ok_or_else(|| self.error("filter", "int32", found))?;
        let &[outputs, height, width, words_of_group] = &dims[..] else {
            return Err(self.error("filter: axes", 4, dims.len()));
        };
        // With groups, each has a whole number of words.
        let all_words = channels.div_ceil(32);
        let groups = all_words / words_of_group.max(1);
        let fits = groups > 0
            && groups * words_of_group == all_words
            && (groups == 1 || channels.is_multiple_of(32));
        self.check(
            fits && outputs > 0 && height > 0 && width > 0,
            "filter: sizes",
            format!("[outputs, height, width, words of a group of {channels} channels]"),
            format!("{dims:?}"),
        )?;
        let depth = channels / groups;
        let row_words = height * width * words_of_group;
        let weights = BitMatrix::from_fn(outputs, height * width * depth, |row, column| {
            let (tap, channel) = (column / depth, column % depth);
            let word = words[row * row_words + tap * words_of_group + channel / 32];
            word >> (channel % 32) & 1 == 0
        });
        Ok((weights, [height, width], groups))
    }

    /// Activation, multiplier and bias of each channel.
    fn floats_of_sums(
        &mut self,
        sums: ValueId,
        depth: usize,
        activation: i32,
        border: Option<Border>,
    ) -> Result<ValueId, ImportError> {
        self.check(
            depth < EXACT_IN_FLOAT,
            "taps of a filter",
            format!("below {EXACT_IN_FLOAT}"),
            depth,
        )?;
        let (multiplier, _) = self.numbers(2)?;
        let (bias, _) = self.numbers(3)?;
        self.check(
            multiplier.len() == bias.len(),
            "biases",
            multiplier.len(),
            bias.len(),
        )?;
        self.check(
            !multiplier.is_empty(),
            "multipliers",
            "one for each output",
            0,
        )?;
        let function = match activation {
            0 => None,
            1 => Some(UnaryOp::Relu),
            2 => Some(UnaryOp::Clip {
                low: -1.0,
                high: 1.0,
            }),
            3 => Some(UnaryOp::Clip {
                low: 0.0,
                high: 6.0,
            }),
            other => return Err(self.error("fused_activation_function", "0 to 3", other)),
        };
        let mut id = sums;
        if let Some(function) = function {
            id = self.add(Op::Cast(Kind::F32), &[id])?;
            id = self.add(Op::Unary(function), &[id])?;
        }
        let double_count = Op::Affine {
            scale: vec![-1.0],
            bias: vec![depth as f32],
        };
        id = self.add(double_count, &[id])?;
        let bias_of = |(&multiplier, &bias): (&f32, &f32)| {
            (f64::from(bias) + depth as f64 * f64::from(multiplier)) as f32
        };
        let bias = multiplier.iter().zip(&bias).map(bias_of).collect();
        let scale = multiplier.iter().map(|multiplier| -multiplier).collect();
        id = self.add(Op::Affine { scale, bias }, &[id])?;
        match border {
            None => Ok(id),
            Some(border) => self.add(Op::PixelBias(border.bias(&multiplier)), &[id]),
        }
    }

    /// Bits: −1 where more bits differ than a threshold τ says, so that +1 is a sum of at least
    /// `K − 2τ`.
    fn bits_of_sums(&mut self, sums: ValueId, depth: usize) -> Result<ValueId, ImportError> {
        let counts = self.integers(4)?;
        let threshold = |&count: &i64| {
            let at_least = (depth as i64).saturating_sub(count.saturating_mul(2));
            let at_least = at_least.clamp(i32::MIN.into(), i32::MAX.into()) as i32;
            Threshold {
                at_least,
                invert: false,
            }
        };
        let thresholds = counts.iter().map(threshold).collect();
        self.add(Op::Threshold(thresholds), &[sums])
    }

    /// A value of bits.
    fn bits(&self, place: usize) -> Result<View, ImportError> {
        let view = self.value(place)?;
        let kind = self.builder.graph.value(view.id).kind;
        self.check(
            kind == Kind::Bit,
            format!("input {place}"),
            "packed bits",
            kind.name(),
        )?;
        Ok(view)
    }

    /// The options of a custom operator.
    fn map(&self) -> Result<Map<'a>, ImportError> {
        let options = self.operator.custom_options();
        let map = options.and_then(|options| Map::new(options.bytes()));
        map.ok_or_else(|| self.error("options", "a flexbuffer with a map", "something else"))
    }

    /// An integer among them.
    fn option(&self, options: Map<'_>, name: &str) -> Result<i32, ImportError> {
        let found = options
            .integer(name)
            .and_then(|number| i32::try_from(number).ok());
        found.ok_or_else(|| self.error(format!("option {name}"), "an integer", "none"))
    }
}
