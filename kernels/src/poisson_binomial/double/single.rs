//! One mass, or the two tails beside one number, as [`Wide`] numbers.
//!
//! Few factors are convolved (`direct.rs`). Else the sum is tilted to the number (`tilt.rs`) and read from its characteristic function
//! (`spectrum.rs`), in time proportional to the number of factors. Within [`NEAR`] standard deviations of the mean no tilting is
//! needed: there a mass is at least a seventh of the largest and a tail at least 1/45. Broad sums are then read without groups (`broad.rs`).
//!
//! Of the two tails the one on whose side the number lies is computed, and the other is 1 less it. Should the computed one be above ¾
//! (where σ is small), the other is computed instead. So each has its relative accuracy, and their sum is 1.

use super::{
    Function,
    check::{FEW, NEAR},
    direct,
    spectrum::{Purpose, Spectrum},
    tilt::{Groups, Middle, Tilted},
    wide::{Wide, beside},
};

/// Below it a convolution's entries are near the end of f64.
const LEAST: f64 = 1e-280;
/// Standard deviation from which on.
const BROAD: f64 = 3.0;

/// The sum near `target`, tilted if need be.
fn tilted<'a>(groups: &'a Groups, middle: &Middle, target: i64) -> Tilted<'a> {
    let distance = target as f64 - middle.mean;
    let deviation = libm::sqrt(middle.variance);
    if deviation >= BROAD && distance.abs() <= NEAR * deviation {
        return Tilted::untilted(groups, middle);
    }
    let start = (distance / middle.variance).clamp(-5.0, 5.0);
    groups.saddle(target as f64, start)
}

/// `P(K = 0)`, or `P(K = m)`.
pub(super) fn end(groups: &Groups, all: bool) -> Wide {
    let (small, rest) = if all {
        (&groups.low, &groups.high)
    } else {
        (&groups.high, &groups.low)
    };
    let small = small.iter().map(|&x| Wide::new(x, 0.0));
    let rest = rest.iter().map(|&x| Wide::complement(x));
    Wide::product(small.chain(rest))
}

/// `P(K = k)`.
pub(super) fn mass(groups: &Groups, middle: &Middle, k: i64) -> Wide {
    let count = groups.count() as i64;
    if k < 0 || k > count {
        return Wide::new(0.0, 0.0);
    }
    if k == 0 || k == count {
        return end(groups, k != 0);
    }
    if let Some(broad) = &groups.broad
        && let Some(mass) = broad.mass(&groups.all, k + groups.ones)
    {
        return mass;
    }
    if groups.count() <= FEW {
        let mass = direct::masses(groups)[k as usize];
        if mass > LEAST {
            return Wide::new(mass, 0.0);
        }
    }
    let tilted = tilted(groups, middle, k);
    let spectrum = Spectrum::new(&tilted, k, Purpose::Window(0));
    spectrum.scale(k).scaled(spectrum.mass().max(0.0))
}

/// `P(K ≤ k)` and `P(K > k)`.
pub(super) fn tails(groups: &Groups, middle: &Middle, k: i64) -> [Wide; 2] {
    let count = groups.count() as i64;
    let zero = Wide::new(0.0, 0.0);
    if k < 0 {
        return [zero, Wide::ONE];
    }
    if k >= count {
        return [Wide::ONE, zero];
    }
    if let Some(broad) = &groups.broad
        && let Some(tails) = broad.tails(&groups.all, k + groups.ones)
    {
        return tails;
    }
    if groups.count() <= FEW {
        let masses = direct::masses(groups);
        let (low, high) = masses.split_at(k as usize + 1);
        // Each from its own end.
        let lower: f64 = low.iter().sum();
        let upper: f64 = high.iter().rev().sum();
        if lower.min(upper) > LEAST {
            return beside(lower > upper, Wide::new(lower.min(upper), 0.0));
        }
    }
    let upper = k as f64 + 0.5 > middle.mean;
    let tail = |upper| {
        if upper {
            tail(groups, middle, k + 1, true)
        } else {
            tail(groups, middle, k, false)
        }
    };
    let found = tail(upper);
    if found.value() <= 0.75 {
        return beside(upper, found);
    }
    beside(!upper, tail(!upper))
}

/// A function at `k`, from masses and pairs of tails (`P(K ≤ k)`, `P(K > k)`); `None` where these are.
#[inline]
pub(super) fn value(
    function: Function,
    k: i64,
    mass: impl Fn(i64) -> Option<Wide>,
    tails: impl Fn(i64) -> Option<[Wide; 2]>,
) -> Option<f64> {
    Some(match function {
        Function::Pmf => mass(k)?.value(),
        Function::LogPmf => {
            let mass = mass(k)?;
            if mass.value() <= 0.5 {
                return Some(mass.ln());
            }
            // Near 1 from what is left.
            let [below, _] = tails(k.saturating_sub(1))?;
            let [_, above] = tails(k)?;
            libm::log1p(-(below.value() + above.value()))
        }
        Function::Cdf | Function::LogCdf => {
            let [lower, upper] = tails(k)?;
            side(function == Function::LogCdf, lower, upper)
        }
        Function::Survival | Function::LogSurvival => {
            let [lower, upper] = tails(k.saturating_sub(1))?;
            side(function == Function::LogSurvival, upper, lower)
        }
    })
}

/// A tail, or its logarithm: from the other one where that is smaller.
fn side(log: bool, tail: Wide, other: Wide) -> f64 {
    let value = tail.value();
    if !log {
        value
    } else if value > 0.5 {
        libm::log1p(-other.value())
    } else {
        tail.ln()
    }
}

/// `P(K ≥ k)`, or `P(K ≤ k)`.
fn tail(groups: &Groups, middle: &Middle, k: i64, upper: bool) -> Wide {
    if k == if upper { groups.count() as i64 } else { 0 } {
        return end(groups, upper);
    }
    let mut tilted = tilted(groups, middle, k);
    // Tilted the other way the weights would grow; so near the mean that is not needed.
    if (tilted.theta < 0.0) == upper && tilted.theta != 0.0 {
        tilted = Tilted::untilted(groups, middle);
    }
    let spectrum = Spectrum::new(&tilted, k, Purpose::Tail);
    spectrum.scale(k).scaled(spectrum.tail(upper).max(0.0))
}
