//! The whole distribution of few factors, by convolution.
//!
//! `P_{j+1}(k) = (1 − p) P_j(k) + p P_j(k − 1)`, four factors a pass. All terms are positive: a factor adds at most 3 roundings to an entry's
//! relative error, so that `m` factors leave at most `3m·2⁻⁵³`, 3.5e-13 for 1024; in practice `√m` of it.
//!
//! The start is `2⁶⁰⁰` and not 1. So nothing is subnormal that counts: an entry below 2⁻⁴⁶⁰ (1e-319 of the total) is dropped from the
//! ends, where it could have added `m·1e-319` to an entry above 1e-300.

use super::{lanes, tilt::Groups};
use crate::isa::Level;
use alloc::{vec, vec::Vec};

/// Up to so many factors.
pub(super) const MOST: usize = 1024;
/// 2⁶⁰⁰
const START: f64 = f64::from_bits((600 + 1023) << 52);
/// 2⁻⁶⁰⁰
const PER_START: f64 = f64::from_bits((1023 - 600) << 52);
/// 2⁻⁴⁶⁰
const LEAST: f64 = f64::from_bits((1023 - 460) << 52);
/// Factors a pass.
const GROUP: usize = 4;

/// `P(K = k)` for `k` = 0 … m.
pub(super) fn masses(groups: &Groups) -> Vec<f64> {
    let factors = groups.low.iter().map(|&x| [1.0 - x, x]);
    let factors = factors.chain(groups.high.iter().map(|&x| [x, 1.0 - x]));
    lanes::run(Level::best(), Convolve(&factors.collect::<Vec<_>>()))
}

/// `q` and `p` of every factor.
struct Convolve<'a>(&'a [[f64; 2]]);

impl lanes::Loop for Convolve<'_> {
    type Output = Vec<f64>;

    #[inline(always)]
    fn run(self) -> Vec<f64> {
        let count = self.0.len();
        // Entry k stands at k + 4, so that a pass may read below the first.
        let mut from = vec![0.0; count + 2 * GROUP + 1];
        let mut to = from.clone();
        from[GROUP] = START;
        // The entries low .. high hold something.
        let (mut low, mut high) = (0, 1);
        for group in self.0.chunks(GROUP) {
            let mut four = [[1.0, 0.0]; GROUP];
            four[..group.len()].copy_from_slice(group);
            let c = coefficients(four);
            from[low..low + GROUP].fill(0.0);
            from[high + GROUP..high + 2 * GROUP].fill(0.0);
            let length = high + GROUP - low;
            let out = &mut to[low + GROUP..][..length];
            let window = |shift: usize| &from[low + GROUP - shift..][..length];
            let (y0, y1, y2, y3, y4) = (window(0), window(1), window(2), window(3), window(4));
            for k in 0..length {
                let inner = (c[1] * y1[k] + c[3] * y3[k]) + c[2] * y2[k];
                out[k] = (c[0] * y0[k] + c[4] * y4[k]) + inner;
            }
            high = (high + GROUP).min(count + 1);
            while low + 1 < high && to[low + GROUP] < LEAST {
                low += 1;
            }
            while low + 1 < high && to[high - 1 + GROUP] < LEAST {
                high -= 1;
            }
            core::mem::swap(&mut from, &mut to);
        }
        let mut masses = vec![0.0; count + 1];
        for k in low..high {
            masses[k] = from[k + GROUP] * PER_START;
        }
        masses
    }
}

/// Of the product of four factors `q + p x`.
#[inline(always)]
fn coefficients(four: [[f64; 2]; GROUP]) -> [f64; GROUP + 1] {
    let pair = |a: [f64; 2], b: [f64; 2]| [a[0] * b[0], a[0] * b[1] + a[1] * b[0], a[1] * b[1]];
    let (a, b) = (pair(four[0], four[1]), pair(four[2], four[3]));
    [
        a[0] * b[0],
        a[0] * b[1] + a[1] * b[0],
        (a[0] * b[2] + a[2] * b[0]) + a[1] * b[1],
        a[1] * b[2] + a[2] * b[1],
        a[2] * b[2],
    ]
}
