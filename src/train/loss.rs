//! Softmax cross-entropy of integer logits, with a learned scale.
//!
//! The logits of a binary net are sums of ±1 and as large as the last layer is deep; they are divided by a positive scale `s`
//! before the softmax. `s = e^g` is trained with the net; it does not change which class wins.

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
pub(crate) fn cross_entropy(
    logits: &[f32],
    labels: &[u8],
    classes: usize,
    scale: f32,
    gradient: &mut [f32],
) -> Loss {
    let mut loss = Loss::default();
    let batch = labels.len() as f64;
    let rows = logits
        .chunks_exact(classes)
        .zip(gradient.chunks_exact_mut(classes));
    for ((logits, gradient), &label) in rows.zip(labels) {
        let best = first_maximum(logits);
        loss.right += usize::from(best == usize::from(label));
        let exponentials: Vec<f64> = logits
            .iter()
            .map(|logit| (f64::from(logit - logits[best]) / f64::from(scale)).exp())
            .collect();
        let sum: f64 = exponentials.iter().sum();
        loss.total +=
            sum.ln() - f64::from(logits[usize::from(label)] - logits[best]) / f64::from(scale);
        for (class, exponential) in exponentials.iter().enumerate() {
            let difference = exponential / sum - f64::from(u8::from(class == usize::from(label)));
            let by_scaled_logit = difference / batch;
            loss.scale_gradient -= by_scaled_logit * f64::from(logits[class] / scale);
            gradient[class] = (by_scaled_logit / f64::from(scale)) as f32;
        }
    }
    loss
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
    use super::cross_entropy;

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let logits = [3.0, -1.0, 0.5, 2.0, 2.0, -4.0_f32];
        let labels = [2, 0];
        let mean = |logits: &[f32], scale: f32| {
            cross_entropy(logits, &labels, 3, scale, &mut [0.0; 6]).total / labels.len() as f64
        };
        let mut gradient = [0.0; 6];
        let loss = cross_entropy(&logits, &labels, 3, 2.0, &mut gradient);
        for index in 0..6 {
            let (mut above, mut below) = (logits, logits);
            above[index] += 0.01;
            below[index] -= 0.01;
            let numeric = (mean(&above, 2.0) - mean(&below, 2.0)) / 0.02;
            assert!(
                (numeric - f64::from(gradient[index])).abs() < 1e-4,
                "{index}: {numeric} {}",
                gradient[index]
            );
        }
        let step = 0.01_f32;
        let numeric = (mean(&logits, 2.0 * step.exp()) - mean(&logits, 2.0 * (-step).exp())) / 0.02;
        assert!(
            (numeric - loss.scale_gradient).abs() < 1e-4,
            "{numeric} {}",
            loss.scale_gradient
        );
        assert_eq!(loss.right, 1, "equal logits: the first wins");
    }
}
