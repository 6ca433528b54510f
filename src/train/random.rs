//! Random numbers that depend on what they are for, and not on what was drawn before.
//!
//! Each use has its own stream, keyed by the run's seed, the purpose and a counter such as the step. So a resumed run draws
//! what the uninterrupted one would have drawn, and no thread waits for another.

use rand_pcg::{
    Pcg64Mcg,
    rand_core::{Rng, SeedableRng},
};

/// What numbers are drawn for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    Initial = 1,
    Order = 2,
    Shift = 3,
    Weights = 4,
    Recover = 5,
    Warp = 6,
    Noise = 7,
}

/// A pinned generator for one purpose.
#[derive(Clone, Debug)]
pub(crate) struct Random(Pcg64Mcg);

impl Random {
    pub(crate) fn new(seed: u64, purpose: Purpose, counter: u64) -> Self {
        // Odd multipliers keep different keys apart; seed_from_u64 scatters neighbouring ones.
        let key = (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
            .wrapping_add((purpose as u64).wrapping_mul(0xbf58_476d_1ce4_e5b9))
            .wrapping_add(counter.wrapping_mul(0x94d0_49bb_1331_11eb));
        Self(Pcg64Mcg::seed_from_u64(key))
    }

    /// Uniform in [0, 1), a multiple of 2⁻²⁴.
    pub(crate) fn uniform(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / 16_777_216.0
    }

    /// A key for streams of its own.
    pub(crate) fn key(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform below `bound`, which is far below 2³² here, so that the modulo's bias does not matter.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.0.next_u64() % bound as u64) as usize
    }

    /// Standard normal (Box and Muller).
    pub(crate) fn normal(&mut self) -> f32 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f32::consts::TAU * self.uniform()).cos()
    }

    /// A permutation of `0..n` (Fisher and Yates).
    pub(crate) fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for last in (1..n).rev() {
            order.swap(last, self.below(last + 1));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::{Purpose, Random};

    #[test]
    fn streams_are_repeatable_and_distinct() {
        let draw = |seed, purpose, counter| {
            let mut random = Random::new(seed, purpose, counter);
            (random.uniform(), random.below(1 << 30), random.normal())
        };
        assert_eq!(draw(1, Purpose::Order, 2), draw(1, Purpose::Order, 2));
        assert_ne!(draw(1, Purpose::Order, 2), draw(1, Purpose::Order, 3));
        assert_ne!(draw(1, Purpose::Order, 2), draw(1, Purpose::Shift, 2));
        assert_ne!(draw(1, Purpose::Order, 2), draw(2, Purpose::Order, 2));
    }

    #[test]
    fn permutation_holds_every_index_once() {
        let mut order = Random::new(7, Purpose::Order, 0).permutation(1000);
        assert_ne!(order, (0..1000).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..1000).collect::<Vec<_>>());
    }
}
