//! The number below which a given probability lies.
//!
//! The answer is the least `k` whose `P(K ≤ k)`, as [`cdf`](super::PoissonBinomial::cdf) computes it, is at least `q`: exact with respect to it, because the
//! search ends between two neighbouring numbers that have both been evaluated.
//!
//! Start: the normal quantile with a Cornish–Fisher correction for skewness. Then Newton's method on the logarithm of the tail, whose
//! derivative is mass over tail, inside a bracket that every step narrows; the tail is log-concave, so that few steps are needed: 2 to 6
//! evaluations, each in time proportional to the number of trials.

use super::{PoissonBinomial, single};

/// What a search asks of a distribution, for one kind of tail.
pub(super) trait Tail {
    /// Whether `k` is large enough, and how many numbers from `k` the wanted probability is estimated to lie.
    fn at(&self, k: i64) -> (bool, f64);
}

/// The least `k` from `low` to `high` that is large enough, where `high` is known to be; from a start.
pub(super) fn search(tail: &impl Tail, low: i64, high: i64, start: i64) -> i64 {
    // `below` is too small, `enough` is large enough.
    let (mut below, mut enough) = (low - 1, high);
    let mut k = start.clamp(low, high);
    let mut steps = 0;
    while enough - below > 1 {
        k = k.clamp(below + 1, enough - 1);
        let (large, distance) = tail.at(k);
        if large {
            enough = k;
        } else {
            below = k;
        }
        steps += 1;
        let next = k as f64 + distance;
        k = if steps > 12 || !next.is_finite() {
            below + (enough - below) / 2
        } else if large {
            // The neighbour too, when the estimate stays here.
            (libm::ceil(next) as i64).min(k - 1)
        } else {
            (libm::ceil(next) as i64).max(k + 1)
        };
    }
    enough
}

/// `x` with `Φ(x) = q`, to three digits: Abramowitz and Stegun 26.2.23.
pub(super) fn normal_quantile(q: f64) -> f64 {
    let small = q.min(1.0 - q);
    if small <= 0.0 {
        return if q < 0.5 { -39.0 } else { 39.0 };
    }
    let t = libm::sqrt(-2.0 * libm::log(small));
    let above = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let below = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    let x = t - above / below;
    if q < 0.5 { -x } else { x }
}

impl PoissonBinomial {
    /// The least `k` with `P(K ≤ k) ≥ q`, the percent point function; the least possible number for `q ≤ 0`.
    ///
    /// # Panics
    /// If `q` is NaN or above 1.
    pub fn quantile(&self, q: f64) -> i64 {
        assert!(q <= 1.0, "quantile: q is {q}, expected 0 to 1");
        self.search(q, 1.0 - q, Which::Lower)
    }

    /// The least `k` with `P(K > k) ≤ q`, the inverse survival function; the largest possible number for `q ≤ 0`.
    ///
    /// # Panics
    /// If `q` is NaN or above 1.
    pub fn survival_quantile(&self, q: f64) -> i64 {
        assert!(q <= 1.0, "survival_quantile: q is {q}, expected 0 to 1");
        self.search(1.0 - q, q, Which::Upper)
    }

    /// The least `k` with `P(K ≤ k) ≥ lower`, or with `P(K > k) ≤ upper`; of the two sum to 1 the one that `which` names is exact.
    fn search(&self, lower: f64, upper: f64, which: Which) -> i64 {
        let open = self.open.count() as i64;
        let target = Target {
            sum: self,
            lower,
            upper,
            which,
        };
        if open == 0
            || which == Which::Lower && lower <= 0.0
            || which == Which::Upper && upper >= 1.0
        {
            return self.ones();
        }
        if which == Which::Upper && upper <= 0.0 {
            return self.ones() + open;
        }
        let deviation = libm::sqrt(self.variance());
        let x = if which == Which::Lower {
            normal_quantile(lower)
        } else {
            -normal_quantile(upper)
        };
        let corrected = x + self.skewness() * (x * x - 1.0) / 6.0;
        let start = libm::floor(self.middle.mean + deviation * corrected + 0.5);
        self.ones() + search(&target, 0, open, start as i64)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Which {
    Lower,
    Upper,
}

struct Target<'a> {
    sum: &'a PoissonBinomial,
    lower: f64,
    upper: f64,
    which: Which,
}

impl Tail for Target<'_> {
    fn at(&self, k: i64) -> (bool, f64) {
        let (open, middle) = (&self.sum.open, &self.sum.middle);
        let [below, above] = single::tails(open, middle, k);
        let large = match self.which {
            Which::Lower => below.value() >= self.lower,
            Which::Upper => above.value() <= self.upper,
        };
        let mass = single::mass(open, middle, k);
        let (tail, wanted, sign) = if self.lower <= self.upper {
            (below, self.lower, 1.0)
        } else {
            (above, self.upper, -1.0)
        };
        let log = if wanted > 0.0 {
            libm::log(wanted)
        } else {
            -745.0
        };
        let per = tail.over(mass).value();
        (large, sign * (log - tail.ln()) * per)
    }
}
