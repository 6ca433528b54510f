//! All numbers at once.
//!
//! Up to 1024 factors are convolved. More are had window by window: the sum is tilted to a number, its masses within [`REACH`]
//! standard deviations come from one spectrum, and the next window begins where this one ends. From the mean outwards, until
//! masses leave the range of f64 (about 15 windows, whatever the number of factors), or, for logarithms, over all numbers
//! (about `√m/4` windows). A pass over the factors serves as many windows as its power sums reach (`anchor.rs`), all of them for a hundred
//! thousand factors: whole distributions take `O(m)`, not `O(m²)` or `O(m log² m)`.
//!
//! Each tail is summed from its own end up to where it is ½, and is 1 less the other from there on.

use super::{
    anchor::Anchor,
    direct, single,
    spectrum::{Purpose, REACH, Spectrum},
    tilt::{Groups, Middle, Tilted},
    wide::Wide,
};
use alloc::{vec, vec::Vec};

/// A window is right as far as its masses are at least this part of the largest.
const SHARE: f64 = 1.0 / 100.0;
/// 2 to this power is below every f64.
const NOTHING: i64 = -1080;
/// Distances of tilts that an anchor is to reach, in standard deviations: masses leave the range of f64 at 38.
const SPANS: [f64; 4] = [38.0, 19.0, 9.5, 4.75];

/// `P(K = k)`, `P(K ≤ k)` and `P(K > k)` for `k` = 0 … m.
#[derive(Clone, Debug)]
pub(super) struct Masses {
    pub(super) mass: Vec<f64>,
    pub(super) lower: Vec<f64>,
    pub(super) upper: Vec<f64>,
}

/// All masses that an f64 holds, 0 elsewhere.
pub(super) fn masses(groups: &Groups, middle: &Middle) -> Vec<f64> {
    if groups.count() <= direct::MOST {
        return direct::masses(groups);
    }
    let mut masses = vec![0.0; groups.count() + 1];
    windows(groups, middle, true, |k, mass| {
        masses[k as usize] = mass.value();
    });
    masses
}

impl Masses {
    pub(super) fn new(groups: &Groups, middle: &Middle) -> Self {
        let mass = masses(groups, middle);
        let mut lower = vec![0.0; mass.len()];
        let mut upper = vec![0.0; mass.len()];
        let mut sum = 0.0;
        for (to, mass) in lower.iter_mut().zip(&mass) {
            sum += mass;
            *to = sum;
        }
        sum = 0.0;
        for k in (0..mass.len()).rev() {
            upper[k] = sum;
            sum += mass[k];
        }
        for (lower, upper) in lower.iter_mut().zip(&mut upper) {
            if *lower <= *upper {
                *upper = 1.0 - *lower;
            } else {
                *lower = 1.0 - *upper;
            }
        }
        Self { mass, lower, upper }
    }
}

/// `ln P(K = k)` for all `k`.
pub(super) fn log_masses(groups: &Groups, middle: &Middle) -> Vec<f64> {
    let mut logs = vec![f64::NEG_INFINITY; groups.count() + 1];
    windows(groups, middle, false, |k, mass| {
        logs[k as usize] = mass.ln();
    });
    logs
}

/// Tilts for windows, from as few passes over the factors as reach.
struct Tilts<'a> {
    groups: &'a Groups,
    /// Of the sum as it is, and farther out in the direction of travel.
    anchors: [Option<Anchor<'a>>; 2],
    /// Anchors are of use.
    sharing: bool,
}

impl<'a> Tilts<'a> {
    fn new(groups: &'a Groups, middle: &Middle) -> Self {
        let whole = Tilted::untilted(groups, middle);
        let distances = SPANS.map(|span| span / libm::sqrt(middle.variance));
        let anchor = distances
            .into_iter()
            .find_map(|distance| Anchor::new(whole, distance));
        Self {
            groups,
            sharing: anchor.is_some(),
            anchors: [anchor, None],
        }
    }

    /// Before the first window of a direction.
    fn turn(&mut self) {
        self.anchors[1] = None;
        self.sharing = self.anchors[0].is_some();
    }

    /// The sum tilted to `centre`, from an estimate of the logarithm of the odds, and the masses up to a distance; `sign` says
    /// on which side the next ones will be wanted.
    fn window(&mut self, centre: i64, start: f64, sign: i64) -> (Tilted<'a>, i64, Spectrum) {
        let target = centre as f64;
        let count = self.groups.count() as i64;
        let half = |variance: f64| (libm::ceil(REACH * libm::sqrt(variance)) as i64 + 1).min(count);
        if self.sharing {
            let [whole, last] = &self.anchors;
            let of = |anchor: &Option<Anchor<'a>>| anchor.as_ref()?.saddle(target);
            let mut shift = of(last).or_else(|| of(whole));
            if shift.is_none() {
                let ahead = self.ahead(start, sign as f64);
                shift = of(&ahead);
                self.anchors[1] = ahead;
                self.sharing = shift.is_some();
            }
            if let Some(shift) = shift {
                let half = half(shift.tilted.middle.variance);
                let spectrum = Spectrum::shifted(&shift, centre, Purpose::Window(half));
                return (shift.tilted, half, spectrum);
            }
        }
        let tilted = self.groups.saddle(target, start);
        let half = half(tilted.middle.variance);
        let spectrum = Spectrum::new(&tilted, centre, Purpose::Window(half));
        (tilted, half, spectrum)
    }

    /// An anchor from whose nearer side the tilt `start` is within reach.
    fn ahead(&self, start: f64, sign: f64) -> Option<Anchor<'a>> {
        let deviation = libm::sqrt(self.groups.middle(start).variance);
        let distances = SPANS.map(|span| span / deviation).into_iter();
        // Farther there are no series.
        distances
            .filter(|&distance| distance < 0.6)
            .find_map(|distance| {
                let theta = start + 0.8 * sign * distance;
                let middle = self.groups.middle(theta);
                Anchor::new(Tilted::new(self.groups, theta, middle), distance)
            })
    }
}

/// Masses from the mean outwards, each to a function; only those that an f64 holds if `values`.
fn windows(groups: &Groups, middle: &Middle, values: bool, mut put: impl FnMut(i64, Wide)) {
    let count = groups.count() as i64;
    if count < 2 {
        for k in 0..=count {
            put(k, single::mass(groups, middle, k));
        }
        return;
    }
    let first = (libm::rint(middle.mean) as i64).clamp(1, count - 1);
    let mut tilts = Tilts::new(groups, middle);
    for upwards in [true, false] {
        let sign = if upwards { 1 } else { -1 };
        tilts.turn();
        // The first number that is still wanted, in this direction.
        let mut next = if upwards { first } else { first - 1 };
        let (mut theta, mut variance, mut at) = (0.0, middle.variance.max(0.01), middle.mean);
        let mut ended = false;
        while next > 0 && next < count && !ended {
            // As far ahead as leaves the wanted number within reach, should the variance stay as it is.
            let mut ahead = (0.8 * REACH * libm::sqrt(variance)) as i64;
            loop {
                let centre = (next + sign * ahead).clamp(1, count - 1);
                let start = theta + ((centre as f64 - at) / variance).clamp(-5.0, 5.0);
                let (tilted, half, spectrum) = tilts.window(centre, start, sign);
                let window = spectrum.window(half);
                let peak = window
                    .iter()
                    .flatten()
                    .fold(0.0, |most: f64, &x| most.max(x));
                // At a distance from the centre: in the direction of travel, or against it.
                let side = |distance: i64| usize::from((distance < 0) == upwards);
                let entry = |distance: i64| {
                    window
                        .get(distance.unsigned_abs() as usize)
                        .map_or(0.0, |pair| pair[side(distance)])
                };
                let mut from = (centre - next) * sign;
                if from > 0 && (0..=from).any(|back| entry(-back) < SHARE * peak) {
                    ahead /= 2;
                    continue;
                }
                from = -from;
                let per = if upwards {
                    tilted.per_step()
                } else {
                    Wide::ONE.over(tilted.per_step())
                };
                let mut scale = spectrum.scale(next);
                for distance in from..=half {
                    let (k, mass) = (centre + sign * distance, entry(distance));
                    if k <= 0 || k >= count || distance > 0 && mass < SHARE * peak {
                        break;
                    }
                    let mass = scale.scaled(mass.max(0.0));
                    if values && mass.is_below(NOTHING) {
                        ended = true;
                        break;
                    }
                    put(k, mass);
                    next = k + sign;
                    scale = scale.times(per);
                }
                (theta, variance, at) = (
                    tilted.theta,
                    tilted.middle.variance.max(0.01),
                    tilted.middle.mean,
                );
                break;
            }
        }
        if !ended {
            let end = if upwards { count } else { 0 };
            put(end, single::end(groups, upwards));
        }
    }
}

/// `ln P(K ≤ k)` and `ln P(K > k)` for all `k`, from the logarithms of the masses and the tails themselves.
pub(super) fn log_tails(logs: &[f64], table: &Masses) -> [Vec<f64>; 2] {
    let last = logs.len() - 1;
    let (mut lower, mut upper) = (vec![0.0; last + 1], vec![f64::NEG_INFINITY; last + 1]);
    // The tail in parts of its last mass: 1 + the tail before it in parts of this one.
    let mut ratio = 0.0;
    for k in 0..=last {
        ratio = 1.0
            + if k > 0 {
                ratio * libm::exp(logs[k - 1] - logs[k])
            } else {
                0.0
            };
        lower[k] = logs[k] + libm::log(ratio);
        if table.lower[k] > 0.5 {
            break;
        }
    }
    for k in (0..last).rev() {
        let after = if k + 1 < last {
            ratio * libm::exp(logs[k + 2] - logs[k + 1])
        } else {
            0.0
        };
        ratio = 1.0 + after;
        upper[k] = logs[k + 1] + libm::log(ratio);
        if table.upper[k] > 0.5 {
            break;
        }
    }
    for k in 0..=last {
        if table.lower[k] > 0.5 {
            lower[k] = libm::log1p(-table.upper[k]);
        }
        if table.upper[k] > 0.5 {
            upper[k] = libm::log1p(-table.lower[k]);
        }
    }
    [lower, upper]
}
