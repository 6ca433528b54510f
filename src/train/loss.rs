//! The loss of integer logits, with a learned scale: softmax cross-entropy, or the squared hinge.
//!
//! The logits of a binary net are sums of ±1 and as large as the last layer is deep; they are divided by a positive scale `s`
//! first. `s = e^g` is trained with the net; it does not change which class wins.

use serde::{Deserialize, Serialize};

/// What the scaled logits `o` of an image are judged by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// `−log softmax(o)` at the label.
    #[default]
    CrossEntropy,
    /// `Σ_c max(0, 1 − y_c o_c)²`, with `y_c` = 1 at the label and −1 elsewhere: the loss of Hubara et al. (2016).
    SquaredHinge,
}

/// What a batch's logits say.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct Loss {
    /// The sum of the images' losses.
    pub(crate) total: f64,
    /// How many images have the largest logit at their label (the first of equals).
    pub(crate) right: usize,
    /// dLoss/dg of the batch's mean loss.
    pub(crate) scale_gradient: f64,
}

/// The loss of `logits [B × classes]`, and `gradient [B × classes]` of its mean.
pub(crate) fn loss_and_grad(
    objective: Objective,
    logits: &[f32],
    labels: &[u8],
    classes: usize,
    scale: f32,
    gradient: &mut [f32],
) -> Loss {
    let mut loss = Loss::default();
    let batch = labels.len() as f64;
    let mut by_scaled = vec![0.0; classes];
    let rows = logits
        .chunks_exact(classes)
        .zip(gradient.chunks_exact_mut(classes));
    for ((logits, gradient), &label) in rows.zip(labels) {
        loss.right += usize::from(first_maximum(logits) == usize::from(label));
        loss.total += match objective {
            Objective::CrossEntropy => cross_entropy(logits, label, scale, &mut by_scaled),
            Objective::SquaredHinge => squared_hinge(logits, label, scale, &mut by_scaled),
        };
        for (class, by_scaled) in by_scaled.iter().enumerate() {
            let by_scaled_logit = by_scaled / batch;
            loss.scale_gradient -= by_scaled_logit * f64::from(logits[class] / scale);
            gradient[class] = (by_scaled_logit / f64::from(scale)) as f32;
        }
    }
    loss
}

/// One image's loss, and its derivative by each logit over the scale.
fn cross_entropy(logits: &[f32], label: u8, scale: f32, gradient: &mut [f64]) -> f64 {
    let most = logits[first_maximum(logits)];
    for (exponential, logit) in gradient.iter_mut().zip(logits) {
        *exponential = (f64::from(logit - most) / f64::from(scale)).exp();
    }
    let sum: f64 = gradient.iter().sum();
    for (class, gradient) in gradient.iter_mut().enumerate() {
        *gradient = *gradient / sum - f64::from(u8::from(class == usize::from(label)));
    }
    sum.ln() - f64::from(logits[usize::from(label)] - most) / f64::from(scale)
}

/// One image's loss, and its derivative by each logit over the scale.
fn squared_hinge(logits: &[f32], label: u8, scale: f32, gradient: &mut [f64]) -> f64 {
    let mut total = 0.0;
    for (class, gradient) in gradient.iter_mut().enumerate() {
        let wanted = if class == usize::from(label) {
            1.0
        } else {
            -1.0
        };
        let missing = (1.0 - wanted * f64::from(logits[class]) / f64::from(scale)).max(0.0);
        total += missing * missing;
        *gradient = -2.0 * wanted * missing;
    }
    total
}

/// The place of the largest value, the first of equals.
pub(crate) fn first_maximum(values: &[f32]) -> usize {
    (1..values.len()).fold(0, |best, index| {
        if values[index] > values[best] {
            index
        } else {
            best
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{Objective, loss_and_grad};

    /// No scaled logit is at a corner of the hinge.
    const SCALE: f32 = 2.5;

    #[test]
    fn gradients_are_those_of_finite_differences() {
        for objective in [Objective::CrossEntropy, Objective::SquaredHinge] {
            let logits = [3.0, -1.0, 0.5, 2.0, 2.0, -4.0_f32];
            let labels = [2, 0];
            let mean = |logits: &[f32], scale: f32| {
                loss_and_grad(objective, logits, &labels, 3, scale, &mut [0.0; 6]).total
                    / labels.len() as f64
            };
            let mut gradient = [0.0; 6];
            let loss = loss_and_grad(objective, &logits, &labels, 3, SCALE, &mut gradient);
            for index in 0..6 {
                let (mut above, mut below) = (logits, logits);
                above[index] += 0.01;
                below[index] -= 0.01;
                let numeric = (mean(&above, SCALE) - mean(&below, SCALE)) / 0.02;
                assert!(
                    (numeric - f64::from(gradient[index])).abs() < 1e-4,
                    "{objective:?} {index}: {numeric} {}",
                    gradient[index]
                );
            }
            let step = 0.01_f32;
            let numeric =
                (mean(&logits, SCALE * step.exp()) - mean(&logits, SCALE * (-step).exp())) / 0.02;
            assert!(
                (numeric - loss.scale_gradient).abs() < 1e-3,
                "{objective:?}: {numeric} {}",
                loss.scale_gradient
            );
            assert_eq!(loss.right, 1, "equal logits: the first wins");
        }
    }
}
