//! Which bits a layer reads, and where in the tensor they are.

use super::{Importer, Why};
use crate::model::{
    Layer,
    onnx::{
        exact::{Exact, Inexact},
        signal::{Base, Map, PADDING, Signal, plane_places},
    },
};
use bernet_kernels::{bits::Shape, xnor::PaddingValue};
use std::rc::Rc;

/// Bits that a layer reads: the whole output of the last layer.
pub(super) struct Source {
    /// The number of that layer.
    pub(super) layer: usize,
    /// What it puts out.
    pub(super) shape: Shape,
    /// For each value of the tensor the index of its bit, or [`PADDING`].
    pub(super) places: Vec<u32>,
    pub(super) maps: Rc<[Map]>,
    /// Whether each value is the total over all positions.
    pub(super) total: bool,
    /// Whether they are no bits but grey values.
    pub(super) grey: bool,
}

impl Importer {
    /// A chain of layers is all there is: each reads the one before it.
    pub(super) fn check_chain(&self, layer: usize) -> Result<(), Why> {
        if layer == self.layers.len() {
            Ok(())
        } else {
            Err(format!(
                "it reads what layer {layer} puts out, but layer {} came after that: only chains of layers are known",
                self.layers.len()
            ))
        }
    }

    /// The bits that a tensor consists of. Where it is a part of an image, a crop is appended.
    pub(super) fn source(&mut self, signal: &Signal) -> Result<Source, Why> {
        let (layer, shape, total) = match signal.base {
            Base::Bits(layer) => (layer, signal.shape, false),
            Base::BitTotals(layer, shape) => (layer, shape, true),
            Base::Image { .. } => (0, signal.shape, false),
            Base::Sums(_) => {
                return Err("sums are multiplied with weights before they have become bits".into());
            }
        };
        self.check_chain(layer)?;
        let grey = matches!(signal.base, Base::Image { .. });
        if grey && self.threshold.is_some() {
            return Err(
                "grey values are multiplied with weights that have become bits before".into(),
            );
        }
        let maps = match signal.base {
            Base::Image { bytes: false } => of_pixels(&signal.maps)?,
            _ => signal.maps.clone(),
        };
        let mut source = Source {
            layer,
            shape,
            places: signal.places.to_vec(),
            maps,
            total,
            grey,
        };
        let [top, left, height, width] = rectangle(&signal.places, signal.shape)?;
        if [height, width] == [signal.shape.height, signal.shape.width] {
            return Ok(source);
        }
        if grey {
            return Err("only a part of the grey values is multiplied with weights".into());
        }
        if total {
            return Err("only some of the channels of an average are used".into());
        }
        self.layers.push(Layer::Crop {
            top,
            left,
            height,
            width,
        });
        let Shape {
            width: old_width,
            channels,
            ..
        } = shape;
        for place in source.places.iter_mut().filter(|place| **place != PADDING) {
            let old = *place as usize;
            let (y, x) = (
                old / channels / old_width - top,
                old / channels % old_width - left,
            );
            *place = ((y * width + x) * channels + old % channels) as u32;
        }
        source.layer = self.layers.len();
        source.shape = Shape {
            height,
            width,
            ..shape
        };
        Ok(source)
    }
}

impl Source {
    /// Whether its values are in the order of its bits.
    pub(super) fn is_in_order(&self) -> bool {
        self.places.iter().copied().eq(0..self.places.len() as u32)
    }

    /// The padding at the top, left, bottom and right of a tensor `[batch, channels, height, width]` that is the image with
    /// something around it.
    pub(super) fn planes_padding(&self, dims: &[usize]) -> Result<[usize; 4], Why> {
        let wrong =
            || format!("dimensions {dims:?} that are not channels, lines and pixels of an image");
        let [_, channels, height, width] = *dims else {
            return Err(wrong());
        };
        if channels != self.shape.channels {
            return Err(wrong());
        }
        let first = self
            .places
            .iter()
            .position(|&place| place != PADDING)
            .unwrap_or_default();
        let [top, left] = [first / width % height, first % width];
        let [inner_height, inner_width] = [self.shape.height, self.shape.width];
        if top + inner_height > height || left + inner_width > width {
            return Err(wrong());
        }
        let mut inner = plane_places(self.shape).into_iter();
        for (index, &place) in self.places.iter().enumerate() {
            let [y, x] = [index / width % height, index % width];
            let inside =
                (top..top + inner_height).contains(&y) && (left..left + inner_width).contains(&x);
            let expected = if inside {
                inner.next().unwrap_or(PADDING)
            } else {
                PADDING
            };
            if place != expected {
                return Err(wrong());
            }
        }
        Ok([
            top,
            left,
            height - inner_height - top,
            width - inner_width - left,
        ])
    }

    /// What a padding of this value is, as a bit or none: the same in every channel.
    pub(super) fn padding_value(&self, value: f64) -> Result<PaddingValue, Why> {
        let exactly = |error: Inexact| error.to_string();
        let value = Exact::from_f64(value).map_err(exactly)?;
        let candidates = [
            (PaddingValue::Zero, 0),
            (PaddingValue::MinusOne, -1),
            (PaddingValue::PlusOne, 1),
        ];
        // Around grey values there is but 0.
        let candidates = candidates.into_iter().take(if self.grey { 1 } else { 3 });
        for (padding, integer) in candidates {
            let same = self
                .maps
                .iter()
                .map(|map| Ok(map.apply(integer)?.subtract(&value)?.is_zero()));
            if same
                .collect::<Result<Vec<_>, _>>()
                .map_err(exactly)?
                .into_iter()
                .all(|same| same)
            {
                return Ok(padding);
            }
        }
        let expected = if self.grey {
            "is not what a grey value of 0 becomes"
        } else {
            "is neither of the two values nor the middle between them"
        };
        Err(format!("the padding {} {expected}", value.to_f64()))
    }
}

/// The maps of grey values from those of pixel/255.
fn of_pixels(maps: &[Map]) -> Result<Rc<[Map]>, Why> {
    let pixel = Exact::fraction(1, 255);
    let map = |map: &Map| {
        Ok(Map {
            scale: map.scale.multiply(&pixel)?,
            bias: map.bias.clone(),
        })
    };
    let maps: Result<_, Inexact> = maps.iter().map(map).collect();
    maps.map_err(|error| error.to_string())
}

/// The rectangle that places fill without a gap: top, left, height, width.
fn rectangle(places: &[u32], shape: Shape) -> Result<[usize; 4], Why> {
    let Shape {
        width, channels, ..
    } = shape;
    let mut seen = vec![false; shape.height * width * channels];
    let (mut lines, mut pixels) = ([usize::MAX, 0], [usize::MAX, 0]);
    let mut values = 0;
    for &place in places.iter().filter(|&&place| place != PADDING) {
        let place = place as usize;
        if std::mem::replace(&mut seen[place], true) {
            return Err("a value is read more than once".into());
        }
        let (y, x) = (place / channels / width, place / channels % width);
        lines = [lines[0].min(y), lines[1].max(y + 1)];
        pixels = [pixels[0].min(x), pixels[1].max(x + 1)];
        values += 1;
    }
    if values == 0 || values != (lines[1] - lines[0]) * (pixels[1] - pixels[0]) * channels {
        return Err("what is read of the image is not a rectangle with all channels".into());
    }
    Ok([
        lines[0],
        pixels[0],
        lines[1] - lines[0],
        pixels[1] - pixels[0],
    ])
}
