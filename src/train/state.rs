//! The parts of a training's state, as they come from a file.

use super::{
    config::Config,
    epoch::Epoch,
    error::TrainError,
    layer::{LayerState, Place},
    methods,
    parameter::Parameter,
};

/// Every part of a stored state has the size that the net asks for.
pub(super) fn check(
    config: &Config,
    places: &[Place],
    layers: &[LayerState],
    scale: &Parameter,
    history: &[Epoch],
) -> Result<(), TrainError> {
    let equal = |what: String, expected: usize, found: usize| {
        if expected == found {
            Ok(())
        } else {
            Err(TrainError::State {
                what,
                expected,
                found,
            })
        }
    };
    equal("layers".into(), places.len(), layers.len())?;
    equal("scale of the logits".into(), 1, scale.len().unwrap_or(0))?;
    let finite = |what: &dyn Fn() -> String, parameter: &Parameter| match parameter.not_finite() {
        Some(found) => Err(TrainError::NotFinite {
            what: what(),
            found,
        }),
        None => Ok(()),
    };
    finite(&|| "scale of the logits".into(), scale)?;
    equal(
        "epochs at most".into(),
        history.len().min(config.epochs as usize),
        history.len(),
    )?;
    for (index, (place, layer)) in places.iter().zip(layers).enumerate() {
        let (k, n) = (place.depth(), place.outputs());
        let what = |part: &str| format!("layer {}: {part}", index + 1);
        equal(what("latents"), k * n, layer.latent.len().unwrap_or(0))?;
        equal(what("frozen weights"), k * n, layer.frozen.len())?;
        equal(
            what("numbers that the method learns"),
            methods::method(config).learned().len(),
            layer.learned.len().unwrap_or(0),
        )?;
        let hidden = index + 1 < places.len();
        equal(
            what("batch normalisations"),
            usize::from(hidden || place.scaled),
            usize::from(layer.norm.is_some()),
        )?;
        if let Some(norm) = &layer.norm {
            equal(what("γ"), n, norm.gamma.len().unwrap_or(0))?;
            equal(what("β"), n, norm.beta.len().unwrap_or(0))?;
        }
        for (part, parameter) in layer.parameters() {
            finite(&|| what(part), parameter)?;
        }
    }
    Ok(())
}
