//! The axis of a chart: its range, and where its ticks stand.

/// A range of values on an axis.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    log: bool,
}

/// Ticks that a reader takes in at a glance, and that phones have room for.
const TICKS: f64 = 5.0;

impl Scale {
    /// The smallest range that holds all values; a logarithmic one leaves out what is not positive.
    /// No values give 0 to 1 (or 1 to 10).
    pub(super) fn tight(values: impl Iterator<Item = f64>, log: bool) -> Self {
        let range = values.filter(|&value| drawable(value, log)).fold(
            None,
            |range: Option<(f64, f64)>, value| {
                let (low, high) = range.unwrap_or((value, value));
                Some((low.min(value), high.max(value)))
            },
        );
        let (low, high) = range.unwrap_or(if log { (1.0, 10.0) } else { (0.0, 1.0) });
        Self::between(low, high, log)
    }

    /// The given range; one without extent is widened around its value.
    pub(super) fn between(low: f64, high: f64, log: bool) -> Self {
        let (low, high) = match (high > low, log) {
            (true, _) => (low, high),
            (false, true) => (low / 2.0, low * 2.0),
            (false, false) => (
                low - low.abs().max(1.0) * 0.1,
                low + low.abs().max(1.0) * 0.1,
            ),
        };
        Self { low, high, log }
    }

    /// The range, extended so that it begins and ends on a tick.
    pub(super) fn rounded(self) -> Self {
        if self.log {
            let nearest = |value: f64, fits: &dyn Fn(f64) -> bool| {
                let power = 10f64.powf(value.log10().floor());
                let ticks = self
                    .digits()
                    .iter()
                    .chain(&[10.0])
                    .map(|digit| digit * power);
                ticks
                    .filter(|&tick| fits(tick))
                    .min_by(|a, b| (a - value).abs().total_cmp(&(b - value).abs()))
            };
            let low = nearest(self.low, &|tick| tick <= self.low * 1.001).unwrap_or(self.low);
            let high = nearest(self.high, &|tick| tick >= self.high * 0.999).unwrap_or(self.high);
            return Self { low, high, ..self };
        }
        let step = self.step();
        Self {
            low: (self.low / step).floor() * step,
            high: (self.high / step).ceil() * step,
            ..self
        }
    }

    /// Where a value stands between the ends, 0 to 1 inside the range; `None` for what cannot be
    /// drawn.
    pub(super) fn place(&self, value: f64) -> Option<f64> {
        let map = |value: f64| if self.log { value.log10() } else { value };
        drawable(value, self.log)
            .then(|| (map(value) - map(self.low)) / (map(self.high) - map(self.low)))
    }

    /// The ticks within the range, with their labels.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        if !self.log {
            let step = self.step();
            let decimals = decimals(step);
            let indices =
                (self.low / step - 1e-9).ceil() as i64..=(self.high / step + 1e-9).floor() as i64;
            return indices
                .map(|index| index as f64 * step)
                .map(|value| (value, label(value, decimals)))
                .collect();
        }
        let (first, last) = (
            self.low.log10().floor() as i32,
            self.high.log10().ceil() as i32,
        );
        let every = (self.decades() / TICKS).ceil().max(1.0) as usize;
        let powers = (first..=last).step_by(every).map(|power| 10f64.powi(power));
        let values = powers.flat_map(|power| self.digits().iter().map(move |digit| digit * power));
        let inside = values.filter(|value| (self.low * 0.999..=self.high * 1.001).contains(value));
        inside
            .map(|value| (value, label(value, decimals(value))))
            .collect()
    }

    fn decades(&self) -> f64 {
        self.high.log10() - self.low.log10()
    }

    /// The first digits that ticks of a logarithmic axis have.
    fn digits(&self) -> &'static [f64] {
        if self.decades() > 1.7 {
            &[1.0]
        } else {
            &[1.0, 2.0, 5.0]
        }
    }

    /// A value as the legend states it: a digit finer than the ticks.
    pub(super) fn state(&self, value: f64) -> String {
        let finest = if self.log {
            value.abs() / 10.0
        } else {
            self.step() / 10.0
        };
        label(value, decimals(finest))
    }

    /// 1, 2 or 5 times a power of ten, so that about [`TICKS`] steps cover the range.
    fn step(&self) -> f64 {
        let least = (self.high - self.low) / TICKS;
        let power = 10f64.powf(least.log10().floor());
        [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|digit| digit * power)
            .find(|&step| step >= least * 0.999)
            .unwrap_or(least)
    }
}

/// Not a number, and numbers so large that their differences overflow, are left out.
fn drawable(value: f64, log: bool) -> bool {
    value.abs() < 1e100 && (!log || value > 1e-100)
}

/// Decimals that show a number of this size with one significant digit.
fn decimals(size: f64) -> usize {
    if size > 0.0 {
        (-(size * 1.001).log10().floor()).clamp(0.0, 9.0) as usize
    } else {
        0
    }
}

fn label(value: f64, decimals: usize) -> String {
    let text = match value.abs() {
        0.0 => "0".to_owned(),
        1e-3..1e6 => format!("{value:.decimals$}"),
        _ => format!("{value:.1e}").replace(".0e", "e"),
    };
    text.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: Scale) -> Vec<String> {
        scale.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn linear_ticks() {
        let cases: [(f64, f64, &[&str]); 6] = [
            (0.0, 30.0, &["0", "10", "20", "30"]),
            (97.13, 98.4, &["97.0", "97.5", "98.0", "98.5"]),
            (
                -0.011,
                0.03,
                &["−0.02", "−0.01", "0", "0.01", "0.02", "0.03"],
            ),
            (5.0, 5.0, &["4.5", "5.0", "5.5"]),
            (0.0, 2e7, &["0", "5e6", "1e7", "1.5e7", "2e7"]),
            (1.0, 40.0, &["0", "10", "20", "30", "40"]),
        ];
        for (low, high, expected) in cases {
            assert_eq!(
                labels(Scale::tight([low, high].into_iter(), false).rounded()),
                expected,
                "{low} to {high}"
            );
        }
    }

    #[test]
    fn logarithmic_ticks() {
        let cases: [(f64, f64, &[&str]); 3] = [
            (0.03, 0.9, &["0.02", "0.05", "0.1", "0.2", "0.5", "1"]),
            (1.0, 1e5, &["1", "10", "100", "1000", "10000", "100000"]),
            (
                1e-20,
                1.0,
                &["1e−20", "1e−16", "1e−12", "1e−8", "1e−4", "1"],
            ),
        ];
        for (low, high, expected) in cases {
            assert_eq!(
                labels(Scale::tight([low, high].into_iter(), true).rounded()),
                expected,
                "{low} to {high}"
            );
        }
    }

    #[test]
    fn values_that_cannot_be_drawn() {
        let scale = Scale::tight(
            [f64::NAN, 1.0, f64::INFINITY, f64::MAX, -1e200, 3.0].into_iter(),
            false,
        );
        assert_eq!(
            scale,
            Scale {
                low: 1.0,
                high: 3.0,
                log: false
            }
        );
        assert_eq!(scale.place(f64::NAN), None);
        assert_eq!(scale.place(2.0), Some(0.5));
        assert_eq!(Scale::tight([0.0, -1.0].into_iter(), true).place(0.0), None);
        assert_eq!(
            Scale::tight(std::iter::empty(), false).place(0.25),
            Some(0.25)
        );
    }

    #[test]
    fn every_range_has_a_few_ticks() {
        for exponent in -90..90 {
            for (low, span) in [(0.0, 1.0), (-3.0, 7.0), (1.0, 1e-3), (9.99, 0.02)] {
                let unit = 10f64.powi(exponent);
                for log in [false, true] {
                    let low = if log { f64::max(low, 0.5) } else { low };
                    let scale = Scale::between(low * unit, (low + span) * unit, log);
                    let ticks = scale.rounded().ticks().len();
                    assert!(
                        (usize::from(!log) * 2..=10).contains(&ticks),
                        "{ticks} ticks on {scale:?}"
                    );
                }
            }
        }
    }
}
