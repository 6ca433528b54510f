//! What is known of a tensor that depends on the image.
//!
//! Each of its values is `scale · n + bias`, exactly, of an integer `n`: a grey value (or pixel/255 in float32, of that), a sum of ±1
//! products, or an activation of ±1. Scale and bias belong to the channel; where the value lies in the tensor and where its integer comes from
//! is a list of places. So reshapes, transpositions and slices only move places, arithmetic with constants only changes
//! scale and bias, and nothing has to be recognised as a pattern of operators.

use super::{
    constant::{Constant, count},
    exact::{Exact, Inexact},
};
use crate::model::{MaxPool, RealThreshold, VALUES_LIMIT};
use bernet_kernels::{
    bits::Shape,
    xnor::{Threshold, Window},
};
use std::{cmp::Ordering, rc::Rc};

/// The most channels: each has a map of exact numbers, which take memory.
const CHANNELS_LIMIT: usize = 1 << 13;

/// The most values of an image: each has a place of four bytes, and a small file may ask for that many.
const PLACES_LIMIT: usize = VALUES_LIMIT / 4;

/// A value that is no integer of the base but a constant around it.
pub(super) const PADDING: u32 = u32::MAX;

/// A tensor that depends on the image.
#[derive(Clone, Debug)]
pub(super) struct Signal {
    /// Sizes of its axes, the first being the images of a batch.
    pub(super) dims: Vec<usize>,
    /// For each value of one image, row by row, the index of its integer in the base, or [`PADDING`].
    pub(super) places: Rc<[u32]>,
    /// The value of the padding, where there is some.
    pub(super) padding: Option<f64>,
    pub(super) base: Base,
    /// The shape of one image of the base, whose order is line, pixel, channel.
    pub(super) shape: Shape,
    /// One for each channel of the base.
    pub(super) maps: Rc<[Map]>,
}

/// Integers that a signal's values come from.
#[derive(Clone, Debug)]
pub(super) enum Base {
    /// The image's grey values, 0 to 255: as they are, or as the float32 numbers pixel/255.
    Image { bytes: bool },
    /// The output of a layer, by its number; 0 is the binarised image.
    Bits(usize),
    /// The sums over all positions of the output of a layer.
    BitTotals(usize, Shape),
    /// Sums that have no layer yet.
    Sums(Rc<Product>),
}

/// A convolution whose activations are still to come.
#[derive(Clone, Debug)]
pub(super) struct Product {
    /// The number of the layer that it reads.
    pub(super) source: usize,
    /// The shape of an image of that.
    pub(super) image: Shape,
    pub(super) window: Window,
    pub(super) weights: Weights,
    /// The sums' largest in each window.
    pub(super) pool: Option<MaxPool>,
    /// The sums are added up over all positions.
    pub(super) total: bool,
    /// The sums are of grey values.
    pub(super) grey: bool,
}

impl Product {
    pub(super) fn is_real(&self) -> bool {
        matches!(self.weights, Weights::Reals(..))
    }
}

/// The weights of a product, row by row.
#[derive(Clone, Debug)]
pub(super) enum Weights {
    /// ±1, of which true is +1; what they are times is in the maps.
    Bits(Vec<bool>),
    /// Any numbers, on the image's grey values or for the logits; and why they are no ±1.
    Reals(Vec<f32>, String),
}

impl Weights {
    /// The weights of the other sign in the rows that the list says, which are so long.
    pub(super) fn negate(&mut self, rows: &[bool], depth: usize) {
        let rows = rows.iter().enumerate().filter(|(_, negative)| **negative);
        for (row, _) in rows {
            let range = row * depth..(row + 1) * depth;
            match self {
                Self::Bits(bits) => bits[range].iter_mut().for_each(|bit| *bit = !*bit),
                Self::Reals(reals, _) => reals[range].iter_mut().for_each(|real| *real = -*real),
            }
        }
    }
}

/// `scale · n + bias`
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Map {
    pub(super) scale: Exact,
    pub(super) bias: Exact,
}

impl Map {
    /// The map of activations whose −1 stands for `low` and +1 for `high`.
    pub(super) fn of_bits(low: &Exact, high: &Exact) -> Result<Self, Inexact> {
        let half = Exact::fraction(1, 2);
        Ok(Self {
            scale: high.subtract(low)?.multiply(&half)?,
            bias: high.add(low)?.multiply(&half)?,
        })
    }

    pub(super) fn apply(&self, integer: i64) -> Result<Exact, Inexact> {
        self.scale
            .multiply(&Exact::integer(integer))?
            .add(&self.bias)
    }

    /// For which integers `n` of a range `scale · number(n) + bias` is at least the limit (or, strictly, above it). The number
    /// must not fall as its integer grows; so a bisection finds where.
    pub(super) fn threshold(
        &self,
        limit: &Exact,
        strict: bool,
        range: [i32; 2],
        number: impl Fn(i64) -> Result<Exact, Inexact>,
    ) -> Result<Threshold, Inexact> {
        let reaches = |integer: i64| {
            let value = self.scale.multiply(&number(integer)?)?.add(&self.bias)?;
            let order = value.subtract(limit)?.sign();
            Ok(order == Ordering::Greater || !strict && order == Ordering::Equal)
        };
        let invert = self.scale.sign() == Ordering::Less;
        // The least integer from which on it is reached or, inverted, no longer reached; one past the end if none is.
        let (mut least, mut end) = (i64::from(range[0]), i64::from(range[1]) + 1);
        while least < end {
            let middle = least + (end - least) / 2;
            if reaches(middle)? == invert {
                least = middle + 1;
            } else {
                end = middle;
            }
        }
        Ok(Threshold {
            at_least: least as i32,
            invert,
        })
    }

    /// For which real `s` the number `scale · s + bias` is at least the limit (or, strictly, above it): those on one side of
    /// `(limit − bias) / scale`, and the threshold is the first number in double precision that is.
    pub(super) fn real_threshold(
        &self,
        limit: &Exact,
        strict: bool,
    ) -> Result<RealThreshold, Inexact> {
        let sign = self.scale.sign();
        let above = limit.subtract(&self.bias)?;
        if sign == Ordering::Equal {
            let reached = above.sign()
                < if strict {
                    Ordering::Equal
                } else {
                    Ordering::Greater
                };
            let at_least = if reached {
                f64::NEG_INFINITY
            } else {
                f64::INFINITY
            };
            return Ok(RealThreshold {
                at_least,
                invert: false,
            });
        }
        // With a scale below 0 it is reached up to there, which is to say not reached beyond.
        let invert = sign == Ordering::Less;
        Ok(RealThreshold {
            at_least: above.divide(&self.scale)?.ceiling(strict != invert)?,
            invert,
        })
    }
}

impl Base {
    /// The number that an integer of the base is.
    pub(super) fn number(&self, integer: i64) -> Result<Exact, Inexact> {
        match self {
            // The engine that runs the graph is handed the nearest float32, and 102/255 is not 0.4.
            Self::Image { bytes: false } => Exact::from_f64((integer as f32 / 255.0).into()),
            _ => Ok(Exact::integer(integer)),
        }
    }
}

impl Signal {
    /// A signal in the layout of its base: `[1, channels, height, width]`.
    pub(super) fn planes(base: Base, shape: Shape, maps: Vec<Map>) -> Self {
        Self {
            dims: vec![1, shape.channels, shape.height, shape.width],
            places: plane_places(shape).into(),
            padding: None,
            base,
            shape,
            maps: maps.into(),
        }
    }

    /// The number of values of one image.
    pub(super) fn values(&self) -> usize {
        self.places.len()
    }

    /// Every value of every channel by another map.
    pub(super) fn mapped(
        &self,
        map: impl Fn(usize, &Map) -> Result<Map, Inexact>,
    ) -> Result<Self, String> {
        self.check_unpadded()?;
        let maps: Result<Vec<_>, _> = self
            .maps
            .iter()
            .enumerate()
            .map(|(c, m)| map(c, m))
            .collect();
        Ok(Self {
            maps: maps.map_err(|error| error.to_string())?.into(),
            ..self.clone()
        })
    }

    pub(super) fn check_unpadded(&self) -> Result<(), String> {
        match self.padding {
            None => Ok(()),
            Some(_) => Err("padding that is not that of a convolution".into()),
        }
    }

    /// The value that a constant, broadcast, has for each channel.
    pub(super) fn per_channel(&self, constant: &Constant) -> Result<Vec<Exact>, String> {
        let exact = |value: f64| Exact::from_f64(value).map_err(|error| error.to_string());
        let dims = &constant.dims;
        if dims.len() > self.dims.len() {
            return Err(format!(
                "a constant of dimensions {dims:?} on a tensor of {:?}",
                self.dims
            ));
        }
        if let Some(value) = constant.single() {
            return Ok(vec![exact(value)?; self.maps.len()]);
        }
        let missing = self.dims.len() - dims.len();
        let mut strides = vec![0; self.dims.len()];
        let mut stride = 1;
        for (axis, &dim) in dims.iter().enumerate().rev() {
            if dim != 1 && (dim != self.dims[missing + axis] || missing + axis == 0) {
                return Err(format!(
                    "a constant of dimensions {dims:?} on a tensor of {:?}",
                    self.dims
                ));
            }
            strides[missing + axis] = if dim == 1 { 0 } else { stride };
            stride *= dim;
        }
        let mut found: Vec<Option<f64>> = vec![None; self.maps.len()];
        let indices = strided(&self.dims[1..], &strides[1..], 0);
        for (&place, index) in self.places.iter().zip(indices) {
            if place == PADDING {
                continue;
            }
            let (channel, value) = (place as usize % self.maps.len(), constant.values[index]);
            if *found[channel].get_or_insert(value) != value {
                return Err(format!("a constant that differs within channel {channel}"));
            }
        }
        // A channel of which nothing is left may have any value.
        found
            .into_iter()
            .map(|value| exact(value.unwrap_or(0.0)))
            .collect()
    }

    /// The same values with other dimensions.
    pub(super) fn reshaped(&self, dims: Vec<usize>) -> Result<Self, String> {
        let values = count(dims.get(1..).unwrap_or_default());
        if dims.first() != self.dims.first() || values != Some(self.values()) {
            return Err(format!(
                "dimensions {dims:?} for a tensor of {:?} (the axis of the batch has to stay)",
                self.dims
            ));
        }
        Ok(Self {
            dims,
            ..self.clone()
        })
    }

    /// The values at other places: those at `indices`, row by row of the new dimensions.
    pub(super) fn moved(&self, dims: Vec<usize>, indices: impl Iterator<Item = usize>) -> Self {
        Self {
            dims,
            places: indices.map(|index| self.places[index]).collect(),
            ..self.clone()
        }
    }

    /// With more of a constant value around two of its axes: before and after each axis.
    pub(super) fn padded(&self, pads: &[[usize; 2]], value: f64) -> Result<Self, String> {
        if self.padding.is_some_and(|there| there != value) {
            return Err("paddings of different values".into());
        }
        let grown = self
            .dims
            .iter()
            .zip(pads)
            .map(|(&dim, [before, after])| dim.checked_add(*before)?.checked_add(*after));
        let dims: Vec<usize> = grown
            .collect::<Option<_>>()
            .ok_or("padding beyond all bounds")?;
        check_size(&dims)?;
        let mut places = vec![PADDING; dims[1..].iter().product()];
        let mut strides = vec![1; dims.len()];
        for axis in (1..dims.len()).rev() {
            strides[axis - 1] = strides[axis] * dims[axis];
        }
        let start = pads
            .iter()
            .zip(&strides)
            .skip(1)
            .map(|([before, _], stride)| before * stride)
            .sum();
        for (index, &place) in
            strided(&self.dims[1..], &strides[1..], start).zip(self.places.iter())
        {
            places[index] = place;
        }
        Ok(Self {
            dims,
            places: places.into(),
            padding: Some(value),
            ..self.clone()
        })
    }
}

/// Whether that many channels may have a map.
pub(super) fn check_channels(channels: usize) -> Result<(), String> {
    if channels <= CHANNELS_LIMIT {
        Ok(())
    } else {
        Err(format!(
            "channels: expected at most {CHANNELS_LIMIT}, found {channels}"
        ))
    }
}

/// Whether an image of a batch stays within what a model may have.
pub(super) fn check_size(dims: &[usize]) -> Result<(), String> {
    let values = dims
        .iter()
        .skip(1)
        .try_fold(1usize, |product, &dim| product.checked_mul(dim));
    match values {
        Some(1..=PLACES_LIMIT) => Ok(()),
        _ => Err(format!(
            "dimensions {dims:?}: expected 1 to {PLACES_LIMIT} values an image"
        )),
    }
}

/// The indices `start + Σ index · stride` of a tensor of these dimensions, row by row.
pub(super) fn strided(
    dims: &[usize],
    strides: &[usize],
    start: usize,
) -> impl Iterator<Item = usize> + use<> {
    let axes: Vec<_> = dims.iter().copied().zip(strides.iter().copied()).collect();
    let values: usize = dims.iter().product();
    let mut indices = vec![0; dims.len()];
    let mut at = start;
    (0..values).map(move |_| {
        let here = at;
        for (index, &(dim, stride)) in indices.iter_mut().zip(&axes).rev() {
            *index += 1;
            at += stride;
            if *index < dim {
                break;
            }
            at -= dim * stride;
            *index = 0;
        }
        here
    })
}

/// The places of an image in the order channel, line, pixel.
pub(super) fn plane_places(shape: Shape) -> Vec<u32> {
    let strides = [1, shape.width * shape.channels, shape.channels];
    strided(&[shape.channels, shape.height, shape.width], &strides, 0)
        .map(|place| place as u32)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(scale: f64, bias: f64) -> Map {
        Map {
            scale: Exact::from_f64(scale).unwrap(),
            bias: Exact::from_f64(bias).unwrap(),
        }
    }

    /// Every limit against trying every integer.
    #[test]
    fn thresholds_are_those_of_the_map() {
        for scale in [-2.0, -0.75, 0.0, 0.5, 3.0] {
            for bias in [-1.5, 0.0, 0.25] {
                for limit in [-100.0, -1.5, 0.0, 0.25, 1.0, 100.0] {
                    for strict in [false, true] {
                        let found = map(scale, bias)
                            .threshold(&Exact::from_f64(limit).unwrap(), strict, [-9, 9], |n| {
                                Ok(Exact::integer(n))
                            })
                            .unwrap();
                        for n in -9..=9 {
                            let value = scale * f64::from(n) + bias;
                            let reached = if strict {
                                value > limit
                            } else {
                                value >= limit
                            };
                            assert_eq!(found.apply(n), reached, "{scale} {bias} {limit} {n}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn real_thresholds_are_those_of_the_map() {
        let third = Exact::fraction(1, 3);
        let map = |scale: Exact| Map {
            scale,
            bias: Exact::integer(-1),
        };
        let half = Exact::fraction(1, 2);
        for (scale, limit, strict, at_least, invert) in [
            (&half, Exact::integer(1), false, 4.0, false),
            (&half, Exact::integer(1), true, 4f64.next_up(), false),
            (
                &half.negate(),
                Exact::integer(1),
                false,
                (-4f64).next_up(),
                true,
            ),
            (&half.negate(), Exact::integer(1), true, -4.0, true),
            // 3 · 1.1 with the 1.1 of double precision is no number of that precision.
            (
                &third,
                Exact::from_f64(0.1).unwrap(),
                false,
                (3.0f64 * 1.1).next_up(),
                false,
            ),
            (
                &Exact::integer(0),
                Exact::integer(-1),
                false,
                f64::NEG_INFINITY,
                false,
            ),
            (
                &Exact::integer(0),
                Exact::integer(-1),
                true,
                f64::INFINITY,
                false,
            ),
        ] {
            let found = map(scale.clone()).real_threshold(&limit, strict).unwrap();
            let close = (found.at_least - at_least).abs() <= 1e-15 * at_least.abs().min(10.0);
            assert!(close || found.at_least == at_least, "{found:?} {at_least}");
            assert_eq!(found.invert, invert);
            if scale.sign() == Ordering::Equal {
                continue;
            }
            for (number, side) in [(found.at_least, true), (found.at_least.next_down(), false)] {
                let value = scale.multiply(&Exact::from_f64(number).unwrap()).unwrap();
                let order = value
                    .subtract(&Exact::integer(1))
                    .and_then(|value| value.subtract(&limit))
                    .unwrap()
                    .sign();
                let reached = order == Ordering::Greater || !strict && order == Ordering::Equal;
                assert_eq!(reached, side != invert, "{number}");
            }
        }
    }

    /// 0.1 as f32 is above a tenth, which makes 10 · 0.1 more than 1, whatever f32 arithmetic says.
    #[test]
    fn rounding_decides_nothing() {
        let found = map(0.1_f32.into(), -1.0)
            .threshold(&Exact::integer(0), true, [0, 20], |n| Ok(Exact::integer(n)))
            .unwrap();
        assert_eq!(found.at_least, 10);
    }

    #[test]
    fn moving_and_padding() {
        let shape = Shape {
            batch: 1,
            height: 2,
            width: 2,
            channels: 2,
        };
        let signal = Signal::planes(Base::Bits(0), shape, vec![map(1.0, 0.0), map(2.0, 0.0)]);
        assert_eq!(signal.places[..], [0, 2, 4, 6, 1, 3, 5, 7]);
        let padded = signal
            .padded(&[[0, 0], [0, 0], [1, 0], [0, 1]], -1.0)
            .unwrap();
        assert_eq!(padded.dims, [1, 2, 3, 3]);
        let p = PADDING;
        assert_eq!(
            padded.places[..],
            [p, p, p, 0, 2, p, 4, 6, p, p, p, p, 1, 3, p, 5, 7, p]
        );
        let channels = Constant::new(
            super::super::constant::Kind::Single,
            vec![2, 1, 1],
            vec![3.0, 4.0],
        );
        let found = signal.per_channel(&channels).unwrap();
        assert_eq!(found, [Exact::integer(3), Exact::integer(4)]);
        let pixels = Constant::new(
            super::super::constant::Kind::Single,
            vec![1, 2],
            vec![3.0, 4.0],
        );
        assert!(
            signal
                .per_channel(&pixels)
                .unwrap_err()
                .contains("within channel 0")
        );
    }
}
