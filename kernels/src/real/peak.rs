//! The ceiling of products of floats: multiply-adds on registers alone.

use crate::{
    arch::float::{Float, Kernel},
    isa::{Level, dispatch},
};
use core::hint::black_box;

/// Sums that do not depend on each other, enough to cover the latency of a multiply-add.
const SUMS: usize = 12;

/// Runs the multiply-adds of a tile on registers alone, `rounds` times; returns how many
/// multiply-accumulates they are.
pub fn peak_throughput(level: Level, rounds: u64) -> u64 {
    dispatch!(level, token => token.run(Peak(rounds)))
}

struct Peak(u64);

impl Kernel for Peak {
    type Output = u64;

    #[inline(always)]
    fn call<F: Float>(self, float: F) -> u64 {
        let (scale, shift) = (float.splat(black_box(0.5)), float.splat(black_box(1.0)));
        let mut sums = [shift; SUMS];
        for _ in 0..self.0 {
            for sum in &mut sums {
                *sum = float.mul_add(*sum, scale, shift);
            }
        }
        let mut lanes = [0.0; 16];
        for sum in sums {
            float.store(sum, &mut lanes);
            black_box(&lanes);
        }
        self.0 * (SUMS * F::LANES) as u64
    }
}
