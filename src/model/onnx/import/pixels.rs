//! Quantisers of the image, which leave its grey values what they are.

use super::{Why, arithmetic::divided};
use crate::model::onnx::{
    constant::Constant,
    exact::{Exact, Inexact},
    graph::Node,
    signal::{Base, Map, Signal},
};

/// A quantiser of the image to 8 bits, `(q(x / scale + zero) − zero) · scale`, where `q` gives the nearest integer that 8 bits hold.
/// From one grey value to the next that integer has to change by the same step everywhere; so what follows is linear in the
/// grey value.
pub(super) fn quantised(
    image: &Signal,
    node: &Node,
    scale: &Constant,
    zero: &Constant,
) -> Result<Signal, Why> {
    let exactly = |error: Inexact| error.to_string();
    let mode = node.text("rounding_mode", "ROUND")?.to_uppercase();
    if !["ROUND", "HALF_EVEN", "HALF_UP", "HALF_DOWN"].contains(&mode.as_str()) {
        return Err(format!(
            "the rounding mode {mode:?} of an 8-bit image is not known"
        ));
    }
    let narrow = i64::from(node.integer("narrow", 0) != 0);
    let range = if node.integer("signed", 1) != 0 {
        [narrow - 128, 127]
    } else {
        [0, 255 - narrow]
    };
    let (scale, zero) = (image.per_channel(scale)?, image.per_channel(zero)?);
    let scaled = divided(image, &scale, &zero)?;
    let (first, scale, zero) = (&scaled.maps[0], &scale[0], &zero[0]);
    if scaled.maps.iter().any(|map| map != first) {
        return Err("the image's quantiser differs between channels".into());
    }
    let level = |grey: i64| {
        let value = first
            .scale
            .multiply(&image.base.number(grey).map_err(exactly)?);
        let value = value
            .and_then(|value| value.add(&first.bias))
            .map_err(exactly)?;
        let real = value.to_f64();
        if (real - real.round()).abs() > 0.499 {
            return Err(format!(
                "the grey value {grey} lies in the middle between two integers"
            ));
        }
        Ok((real.round() as i64).clamp(range[0], range[1]))
    };
    let levels: Vec<_> = (0..=255).map(level).collect::<Result<_, Why>>()?;
    let step = levels[1] - levels[0];
    let uneven = |pair: &[i64]| pair[1] - pair[0] != step || step == 0;
    if let Some(grey) = levels.windows(2).position(uneven) {
        let [low, high] = [levels[grey], levels[grey + 1]];
        return Err(format!(
            "of 8 bits, the grey values {grey} and {} become {low} and {high}: expected the same step, which is not 0, between all",
            grey + 1
        ));
    }
    let map = Map {
        scale: scale.multiply(&Exact::integer(step)).map_err(exactly)?,
        bias: Exact::integer(levels[0])
            .subtract(zero)
            .and_then(|level| level.multiply(scale))
            .map_err(exactly)?,
    };
    Ok(Signal {
        base: Base::Image { bytes: true },
        maps: vec![map; image.maps.len()].into(),
        ..image.clone()
    })
}
