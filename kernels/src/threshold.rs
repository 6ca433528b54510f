//! Thresholds of integer sums.

/// The activation of one output channel: `+1` where the sum is at least `at_least` (or, inverted, where it is less).
///
/// Batch normalisation and sign fold into it: `sign(γ (S − μ)/σ + β)` with `c = μ − β σ/γ` is `S ≥ ⌈c⌉` for γ > 0, and
/// `S ≤ ⌊c⌋`, that is not `S ≥ ⌊c⌋ + 1`, for γ < 0.
///
/// ```
/// use bernet_kernels::xnor::Threshold;
///
/// assert!(Threshold { at_least: 3, invert: false }.apply(3));
/// assert!(!Threshold { at_least: 3, invert: true }.apply(3));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(C)]
pub struct Threshold {
    /// The least sum that counts.
    pub at_least: i32,
    /// Whether the result is inverted.
    pub invert: bool,
}

impl Threshold {
    /// The activation of a sum; `true` is +1.
    pub fn apply(self, sum: i32) -> bool {
        (sum >= self.at_least) != self.invert
    }
}
