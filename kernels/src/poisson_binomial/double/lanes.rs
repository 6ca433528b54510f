//! The loops over all factors, compiled for every level.
//!
//! They are written for the compiler to vectorise: eight lanes side by side, products and sums that are rounded one by one and
//! always in the same order. So the results are the same bits on every level.

use super::wide::{Wide, exponent_of, multiply, power_of_two, two_product, two_sum};
use crate::{
    arch::float::{Float, Kernel},
    isa::{Level, dispatch},
};
use alloc::vec::Vec;

/// Numbers that are worked on side by side.
const LANES: usize = 8;
/// Values whose powers are summed together before they are added to the totals: 8 vectors.
const BLOCK: usize = 8 * LANES;
/// The most power sums.
pub(super) const DEGREES: usize = 44;

/// A loop over factors. Implementations are `#[inline(always)]`, as is what they call.
pub(super) trait Loop {
    type Output;
    fn run(self) -> Self::Output;
}

struct Compiled<L>(L);

impl<L: Loop> Kernel for Compiled<L> {
    type Output = L::Output;

    #[inline(always)]
    fn call<F: Float>(self, _: F) -> L::Output {
        self.0.run()
    }
}

/// Runs a loop with the instructions of the best level.
pub(super) fn run<L: Loop>(level: Level, kernel: L) -> L::Output {
    dispatch!(level, float => float.run(Compiled(kernel)))
}

/// The sum of the lanes, halves upon halves.
#[inline(always)]
fn total(lanes: [f64; LANES]) -> f64 {
    let four: [f64; 4] = core::array::from_fn(|l| lanes[l] + lanes[l + 4]);
    (four[0] + four[2]) + (four[1] + four[3])
}

/// `Σ x^d` for `d` = 1 … degree.
pub(super) struct PowerSums<'a> {
    pub(super) values: &'a [f64],
    pub(super) degree: usize,
}

impl Loop for PowerSums<'_> {
    type Output = [f64; DEGREES];

    #[inline(always)]
    fn run(self) -> [f64; DEGREES] {
        let mut sums = [[0.0; LANES]; DEGREES];
        let sums_used = &mut sums[..self.degree];
        let (blocks, rest) = self.values.as_chunks::<BLOCK>();
        for block in blocks {
            powers(block, sums_used);
        }
        if !rest.is_empty() {
            let mut block = [0.0; BLOCK];
            block[..rest.len()].copy_from_slice(rest);
            powers(&block, sums_used);
        }
        sums.map(total)
    }
}

/// Adds the powers of a block to the sums.
#[inline(always)]
fn powers(block: &[f64; BLOCK], sums: &mut [[f64; LANES]]) {
    let mut x = *block;
    for sum in sums {
        for l in 0..LANES {
            let [a, b, c, d] = [0, 1, 2, 3].map(|i| x[i * LANES + l] + x[(i + 4) * LANES + l]);
            sum[l] += (a + c) + (b + d);
        }
        for i in 0..BLOCK {
            x[i] *= block[i];
        }
    }
}

/// Sums of `t`, `1 − t` and `t(1 − t)` for `t = x r/(1 − x + x r)`, the probabilities `x` multiplied by odds of `r`.
pub(super) struct Moments<'a> {
    pub(super) values: &'a [f64],
    pub(super) r: f64,
}

impl Loop for Moments<'_> {
    type Output = [f64; 3];

    #[inline(always)]
    fn run(self) -> [f64; 3] {
        let mut sums = [[0.0; LANES]; 3];
        let gain = self.r - 1.0;
        let (chunks, rest) = self.values.as_chunks::<LANES>();
        let mut chunk = |x: &[f64; LANES]| {
            for l in 0..LANES {
                let per = 1.0 / (1.0 + x[l] * gain);
                let (t, not) = (x[l] * self.r * per, (1.0 - x[l]) * per);
                sums[0][l] += t;
                sums[1][l] += not;
                sums[2][l] += t * not;
            }
        };
        for x in chunks {
            chunk(x);
        }
        if !rest.is_empty() {
            let mut x = [0.0; LANES];
            x[..rest.len()].copy_from_slice(rest);
            chunk(&x);
            // The values that fill up have t = 0 and 1 − t = 1.
            sums[1][LANES - 1] -= (LANES - rest.len()) as f64;
        }
        sums.map(total)
    }
}

/// The tilted values `x r/f` and `(1 − x)/f`, `f = 1 + x(r − 1)`, and the product of all `f`.
pub(super) struct Tilt<'a> {
    pub(super) values: &'a [f64],
    pub(super) r: f64,
    /// `r − 1` as a sum of two.
    pub(super) gain: (f64, f64),
    /// Receives `x r/f` and `(1 − x)/f`, one after the other for each value: the tilted probability and its complement.
    pub(super) tilted: &'a mut Vec<[f64; 2]>,
}

/// Factors of a lane after which its product is given a new exponent.
const STEPS: usize = 4;

impl Loop for Tilt<'_> {
    type Output = Wide;

    #[inline(always)]
    fn run(self) -> Wide {
        let (mut hi, mut lo) = ([1.0; LANES], [0.0; LANES]);
        let mut exponents = [0i64; LANES];
        self.tilted.clear();
        self.tilted.reserve(self.values.len() + LANES);
        for values in self.values.chunks(LANES * STEPS) {
            for chunk in values.chunks(LANES) {
                let mut x = [0.0; LANES];
                x[..chunk.len()].copy_from_slice(chunk);
                let mut pairs = [[0.0; 2]; LANES];
                for l in 0..LANES {
                    let (product, error) = two_product(x[l], self.gain.0);
                    let (f, rest) = two_sum(1.0, product);
                    let rest = rest + (error + x[l] * self.gain.1);
                    (hi[l], lo[l]) = multiply((hi[l], lo[l]), (f, rest));
                    let per = 1.0 / f;
                    pairs[l] = [x[l] * self.r * per, (1.0 - x[l]) * per];
                }
                self.tilted.extend_from_slice(&pairs[..chunk.len()]);
            }
            for l in 0..LANES {
                let by = exponent_of(hi[l]);
                exponents[l] += by;
                let scale = power_of_two(-by);
                (hi[l], lo[l]) = (hi[l] * scale, lo[l] * scale);
            }
        }
        Wide::product((0..LANES).map(|l| Wide::new(hi[l], lo[l]).shifted(exponents[l])))
    }
}
