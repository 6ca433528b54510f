//! Operators that make bits: each asks whether a value reaches a limit.

use super::{Importer, Value, Why, arithmetic::divided, pixels};
use crate::model::{
    Conv, Layer, RealConv, RealThreshold,
    onnx::{
        constant::Constant,
        exact::{Exact, Inexact},
        folding,
        graph::Node,
        signal::{Base, Map, Product, Signal, Weights},
    },
};
use bernet_kernels::{
    bits::BitMatrix,
    xnor::{Geometry, PaddingValue, Threshold, Window},
};
use std::{cmp::Ordering, rc::Rc};

/// A question to each value of a signal, and what its answers stand for; everything for each channel.
struct Question {
    limit: Vec<Exact>,
    /// Whether the limit itself is not enough.
    strict: bool,
    low: Vec<Exact>,
    high: Vec<Exact>,
}

impl Importer {
    pub(super) fn bipolar_quant(&mut self, node: &Node) -> Result<Value, Why> {
        let scale = self.constant(node, 1)?;
        if let Value::Constant(constant) = self.value(node, 0)? {
            return folding::bipolar(constant, scale)
                .map(|folded| Value::Constant(Rc::new(folded)));
        }
        let signal = self.signal(node, 0)?.clone();
        let high = signal.per_channel(scale)?;
        let question = Question {
            limit: vec![Exact::integer(0); high.len()],
            strict: false,
            low: high.iter().map(Exact::negate).collect(),
            high,
        };
        self.ask(&signal, &question).map(Value::Signal)
    }

    /// A quantiser to one bit: `(q(x / scale + zero) − zero) · scale`, where `q` gives the sign or, unsigned, 0 or 1.
    pub(super) fn quant(&mut self, node: &Node) -> Result<Value, Why> {
        let [scale, zero, bits] = [1, 2, 3].map(|index| self.constant(node, index));
        let (scale, zero, bits) = (scale?, zero?, bits?.single());
        if let (Some(8.0), Value::Signal(image)) = (bits, self.value(node, 0)?)
            && matches!(image.base, Base::Image { .. })
        {
            return pixels::quantised(image, node, scale, zero).map(Value::Signal);
        }
        if let (Some(bits), Value::Constant(constant)) = (bits, self.value(node, 0)?)
            && bits != 1.0
        {
            return folding::quantised(constant, scale, zero, bits, node)
                .map(|folded| Value::Constant(Rc::new(folded)));
        }
        if bits != Some(1.0) {
            let bits = bits.map_or("several numbers of".into(), |bits| bits.to_string());
            return Err(format!("a quantiser to {bits} bits, expected 1"));
        }
        let signed = node.integer("signed", 1) != 0;
        if let Value::Constant(constant) = self.value(node, 0)? {
            if !signed || zero.values.iter().any(|&zero| zero != 0.0) {
                return Err("constants are only quantised to a sign".into());
            }
            let signs = folding::binary("Div", constant, scale)?;
            return folding::bipolar(&signs, scale).map(|folded| Value::Constant(Rc::new(folded)));
        }
        let signal = self.signal(node, 0)?.clone();
        let (scale, zero) = (signal.per_channel(scale)?, signal.per_channel(zero)?);
        let half = Exact::fraction(1, 2);
        let (limit, strict, low) = if signed {
            (Exact::integer(0), false, -1)
        } else if node.integer("narrow", 0) != 0 {
            return Err("a narrow range of one bit is a single value".into());
        } else {
            // Where rounding goes from 0 to 1, and which of the two that place itself becomes.
            let (limit, strict) = match node.text("rounding_mode", "ROUND")?.to_uppercase().as_str()
            {
                "ROUND" | "HALF_EVEN" | "HALF_DOWN" => (half, true),
                "HALF_UP" => (half, false),
                "CEIL" | "UP" => (Exact::integer(0), true),
                "FLOOR" | "DOWN" => (Exact::integer(1), false),
                mode => return Err(format!("the rounding mode {mode:?} is not known")),
            };
            (limit, strict, 0)
        };
        let output = |integer: i64| {
            let pairs = scale.iter().zip(&zero);
            let values =
                pairs.map(|(scale, zero)| Exact::integer(integer).subtract(zero)?.multiply(scale));
            values
                .collect::<Result<Vec<_>, Inexact>>()
                .map_err(|error| error.to_string())
        };
        let question = Question {
            limit: vec![limit; scale.len()],
            strict,
            low: output(low)?,
            high: output(1)?,
        };
        self.ask(&divided(&signal, &scale, &zero)?, &question)
            .map(Value::Signal)
    }

    /// How many of a channel's thresholds a value reaches; one threshold makes a bit.
    pub(super) fn multi_threshold(&mut self, node: &Node) -> Result<Value, Why> {
        let signal = self.signal(node, 0)?.clone();
        let thresholds = self.constant(node, 1)?;
        let [_, 1] = *thresholds.dims else {
            return Err(format!(
                "thresholds of dimensions {:?}, expected one for each channel: more make more than a bit",
                thresholds.dims
            ));
        };
        let rank = signal.dims.len();
        let layout = match node.text("data_layout", "")? {
            "" => "NCHW".get(..rank).unwrap_or_default(),
            layout => layout,
        };
        // Without a place for it the channel is the second axis.
        let axis = layout.find('C').unwrap_or(1);
        if rank == 3 && node.text("data_layout", "")?.is_empty() || axis >= rank {
            return Err("which axis is the channel is not clear".into());
        }
        let mut dims = vec![1; rank];
        dims[axis] = thresholds.values.len();
        let limit = signal.per_channel(&Constant::new(
            thresholds.kind,
            dims,
            thresholds.values.clone(),
        ))?;
        let exact = |value: f32| Exact::from_f64(value.into()).map_err(|error| error.to_string());
        let low = exact(node.float("out_bias", 0.0))?;
        let scale = exact(node.float("out_scale", 1.0))?;
        let high = low.add(&scale).map_err(|error| error.to_string())?;
        let question = Question {
            strict: false,
            low: vec![low; limit.len()],
            high: vec![high; limit.len()],
            limit,
        };
        self.ask(&signal, &question).map(Value::Signal)
    }

    /// The sign, which of 0 is 0: so there must be no sum whose value is 0.
    pub(super) fn sign(&mut self, node: &Node) -> Result<Value, Why> {
        if let Value::Constant(constant) = self.value(node, 0)? {
            return Ok(Value::Constant(Rc::new(folding::unary("Sign", constant))));
        }
        let signal = self.signal(node, 0)?.clone();
        if let Some((channel, number)) = zero_of(&signal)? {
            return Err(format!(
                "in channel {channel} the sum {number} makes a value of 0, whose sign is 0 and no bit \
                 (BipolarQuant or GreaterOrEqual say what a bit is to be)"
            ));
        }
        let question = Question::of(signal.maps.len(), Exact::integer(0), false, [-1, 1]);
        self.ask(&signal, &question).map(Value::Signal)
    }

    /// A comparison with a constant: 0 or 1.
    pub(super) fn comparison(&mut self, node: &Node) -> Result<Value, Why> {
        let constant_first = matches!(self.value(node, 0)?, Value::Constant(_));
        let [signal, constant] = if constant_first { [1, 0] } else { [0, 1] };
        let signal = self.signal(node, signal)?.clone();
        let limit = signal.per_channel(self.constant(node, constant)?)?;
        // c < x is x > c.
        let (strict, answers) = match (node.op()?, constant_first) {
            ("Greater", false) | ("Less", true) => (true, [0, 1]),
            ("GreaterOrEqual", false) | ("LessOrEqual", true) => (false, [0, 1]),
            ("Less", false) | ("Greater", true) => (false, [1, 0]),
            _ => (true, [1, 0]),
        };
        let question = Question {
            limit,
            ..Question::of(signal.maps.len(), Exact::integer(0), strict, answers)
        };
        self.ask(&signal, &question).map(Value::Signal)
    }

    /// `1 − x` of a condition.
    pub(super) fn not(&self, node: &Node) -> Result<Value, Why> {
        let one = Exact::integer(1);
        let map = |_: usize, map: &Map| {
            Ok(Map {
                scale: map.scale.negate(),
                bias: one.subtract(&map.bias)?,
            })
        };
        self.signal(node, 0)?.mapped(map).map(Value::Signal)
    }

    /// One of two constants by a condition `x` of 0 or 1: `b + (a − b) · x`.
    pub(super) fn choice(&self, node: &Node) -> Result<Value, Why> {
        let signal = self.signal(node, 0)?;
        let yes = signal.per_channel(self.constant(node, 1)?)?;
        let no = signal.per_channel(self.constant(node, 2)?)?;
        let map = |channel: usize, map: &Map| {
            let difference = yes[channel].subtract(&no[channel])?;
            Ok(Map {
                scale: map.scale.multiply(&difference)?,
                bias: map.bias.multiply(&difference)?.add(&no[channel])?,
            })
        };
        signal.mapped(map).map(Value::Signal)
    }

    /// Bits from a signal. Those of sums are a layer.
    fn ask(&mut self, signal: &Signal, question: &Question) -> Result<Signal, Why> {
        signal.check_unpadded()?;
        let exactly = |error: Inexact| error.to_string();
        let thresholds = match &signal.base {
            Base::Sums(product) if product.is_real() => Vec::new(),
            _ => question.thresholds(signal).map_err(exactly)?,
        };
        let shape = signal.shape;
        let maps = |inverted: &dyn Fn(usize) -> bool| {
            let map = |channel: usize| {
                let (low, high) = (&question.low[channel], &question.high[channel]);
                if inverted(channel) {
                    Map::of_bits(high, low)
                } else {
                    Map::of_bits(low, high)
                }
            };
            (0..shape.channels)
                .map(map)
                .collect::<Result<Rc<[_]>, _>>()
                .map_err(exactly)
        };
        let (base, maps) = match &signal.base {
            Base::Image { .. } if self.grey => {
                return Err(
                    "grey values become bits that have been multiplied with weights before".into(),
                );
            }
            Base::Image { .. } => {
                let first = thresholds[0];
                if thresholds.iter().any(|&other| other != first) {
                    return Err("the grey values that are +1 differ between channels".into());
                }
                let at_least = u8::try_from(first.at_least)
                    .map_err(|_| "no grey value is large enough to make a difference")?;
                if self.threshold.is_some_and(|there| there != at_least) {
                    return Err("the image is binarised more than once".into());
                }
                self.threshold = Some(at_least);
                (Base::Bits(0), maps(&|_| first.invert)?)
            }
            Base::Bits(layer) => {
                // Of the two values of a bit, one reaches the limit and the other does not.
                if thresholds
                    .iter()
                    .any(|threshold| ![0, 1].contains(&threshold.at_least))
                {
                    return Err("a comparison whose result is always the same".into());
                }
                (
                    Base::Bits(*layer),
                    maps(&|channel| thresholds[channel].invert)?,
                )
            }
            Base::BitTotals(..) => return Err("activations of averages are not known".into()),
            Base::Sums(product) if product.total => {
                return Err("activations of averages are not known".into());
            }
            Base::Sums(product) => {
                let flipped = self.emit(product, signal, question, thresholds)?;
                (
                    Base::Bits(self.layers.len()),
                    maps(&|channel| flipped[channel])?,
                )
            }
        };
        Ok(Signal {
            base,
            maps,
            ..signal.clone()
        })
    }

    /// Appends a convolution, and its pool; for each channel whether +1 stands for the answer no.
    fn emit(
        &mut self,
        product: &Product,
        signal: &Signal,
        question: &Question,
        mut thresholds: Vec<Threshold>,
    ) -> Result<Vec<bool>, Why> {
        self.check_chain(product.source)?;
        let exactly = |error: Inexact| error.to_string();
        let Window { geometry, options } = product.window;
        // The larger answer is +1, so that a pool takes it. After a pool, which is a disjunction of sums that reach a
        // limit, the bits that do are +1, and what reads them takes care of the rest.
        let flip = |(channel, invert): (usize, &mut bool)| {
            let flipped = if product.pool.is_some() {
                *invert
            } else {
                question.falls(channel)?
            };
            *invert ^= flipped;
            Ok(flipped)
        };
        let (layer, flipped) = match &product.weights {
            Weights::Bits(bits) => {
                let depth = product.window.depth();
                let inverts = thresholds.iter_mut().map(|threshold| &mut threshold.invert);
                let flipped: Result<_, _> = inverts.enumerate().map(flip).collect();
                let weights = BitMatrix::from_fn(geometry.outputs, depth, |row, column| {
                    bits[row * depth + column]
                });
                let conv = Conv {
                    geometry,
                    options,
                    weights,
                    thresholds,
                };
                (Layer::Conv(conv), flipped)
            }
            Weights::Reals(_, why) if !product.grey => return Err(why.clone()),
            Weights::Reals(weights, _) => {
                let mut thresholds = question.real_thresholds(signal).map_err(exactly)?;
                let inverts = thresholds.iter_mut().map(|threshold| &mut threshold.invert);
                let flipped: Result<_, _> = inverts.enumerate().map(flip).collect();
                let conv = RealConv {
                    geometry: Geometry {
                        padding_value: PaddingValue::Zero,
                        ..geometry
                    },
                    options,
                    weights: weights.clone(),
                    thresholds,
                };
                (Layer::RealConv(conv), flipped)
            }
        };
        self.grey |= product.grey;
        self.layers.push(layer);
        self.layers.extend(product.pool.map(Layer::MaxPool));
        flipped.map_err(exactly)
    }
}

impl Question {
    fn of(channels: usize, limit: Exact, strict: bool, [low, high]: [i64; 2]) -> Self {
        Self {
            limit: vec![limit; channels],
            strict,
            low: vec![Exact::integer(low); channels],
            high: vec![Exact::integer(high); channels],
        }
    }

    /// For each channel, which integers say yes.
    fn thresholds(&self, signal: &Signal) -> Result<Vec<Threshold>, Inexact> {
        let range = range(signal);
        let maps = signal.maps.iter().zip(&self.limit);
        maps.map(|(map, limit)| {
            map.threshold(limit, self.strict, range, |integer| {
                signal.base.number(integer)
            })
        })
        .collect()
    }

    /// For each channel, which real sums say yes.
    fn real_thresholds(&self, signal: &Signal) -> Result<Vec<RealThreshold>, Inexact> {
        let maps = signal.maps.iter().zip(&self.limit);
        maps.map(|(map, limit)| map.real_threshold(limit, self.strict))
            .collect()
    }

    /// Whether the answer yes stands for the smaller number.
    fn falls(&self, channel: usize) -> Result<bool, Inexact> {
        Ok(self.high[channel].subtract(&self.low[channel])?.sign() == Ordering::Less)
    }
}

/// The least and the largest integer of a signal's base.
fn range(signal: &Signal) -> [i32; 2] {
    match &signal.base {
        Base::Image { .. } => [0, 255],
        Base::Bits(_) => [-1, 1],
        Base::BitTotals(_, shape) => {
            let positions = (shape.height * shape.width) as i32;
            [-positions, positions]
        }
        Base::Sums(product) => {
            let depth = product.window.depth() as i32;
            let most = if product.grey { 255 * depth } else { depth };
            [-most, most]
        }
    }
}

/// A channel and an integer (or a sum) that its base can have, whose value is 0.
fn zero_of(signal: &Signal) -> Result<Option<(usize, f64)>, Why> {
    let exactly = |error: Inexact| error.to_string();
    if let Base::Sums(product) = &signal.base
        && product.is_real()
    {
        let ask = |strict| Question::of(signal.maps.len(), Exact::integer(0), strict, [-1, 1]);
        let [weak, strong] = [false, true].map(|strict| ask(strict).real_thresholds(signal));
        let (weak, strong) = (weak.map_err(exactly)?, strong.map_err(exactly)?);
        let mut pairs = weak.iter().zip(&strong).enumerate();
        return Ok(pairs.find_map(|(channel, (weak, strong))| {
            let same = weak.at_least == strong.at_least;
            (!same).then(|| (channel, weak.at_least.min(strong.at_least)))
        }));
    }
    let zeros = |strict| {
        Question::of(signal.maps.len(), Exact::integer(0), strict, [-1, 1])
            .thresholds(signal)
            .map_err(exactly)
    };
    // Sums of ±1 are odd or even as their number is; a tap on padding that counts nothing spoils this.
    let possible = |integer: i32| match &signal.base {
        Base::Bits(_) => integer != 0,
        Base::Sums(product) => {
            let geometry = product.window.geometry;
            let spoilt = geometry.padding != [0; 4] && geometry.padding_value == PaddingValue::Zero;
            product.grey || spoilt || (product.window.depth() as i32 - integer) % 2 == 0
        }
        _ => true,
    };
    for (channel, (weak, strong)) in zeros(false)?.into_iter().zip(zeros(true)?).enumerate() {
        let between = weak.at_least.min(strong.at_least)..weak.at_least.max(strong.at_least);
        if let Some(integer) = between.into_iter().find(|&integer| possible(integer)) {
            return Ok(Some((channel, integer.into())));
        }
    }
    Ok(None)
}
