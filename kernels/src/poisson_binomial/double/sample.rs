//! Random numbers of successes.
//!
//! By inversion: a uniform number of 53 bits, halfway between its neighbours, is looked up in the table of both tails. The same seed gives the same
//! numbers on every machine. The generator is PCG XSL RR 128/64 (O'Neill 2014), the one that NumPy and the crate `rand_pcg` have.

use super::{PoissonBinomial, table::Masses};

/// 128 bits of state, 64 of output.
pub(super) struct Pcg64 {
    state: u128,
}

const MULTIPLIER: u128 = 0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645;
const INCREMENT: u128 = 0x5851_f42d_4c95_7f2d_1405_7b7e_f767_814f;

impl Pcg64 {
    pub(super) fn new(seed: u64) -> Self {
        let mut generator = Self {
            state: INCREMENT.wrapping_add(seed.into()),
        };
        generator.step();
        generator
    }

    fn step(&mut self) {
        self.state = self.state.wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT);
    }

    pub(super) fn word(&mut self) -> u64 {
        self.step();
        let folded = (self.state >> 64) as u64 ^ self.state as u64;
        folded.rotate_right((self.state >> 122) as u32)
    }

    /// Between 0 and 1, neither.
    pub(super) fn uniform(&mut self) -> f64 {
        ((self.word() >> 11) as f64 + 0.5) * (1.0 / (1u64 << 53) as f64)
    }
}

/// The least `k` with `P(K ≤ k) ≥ u`.
pub(super) fn invert(table: &Masses, u: f64) -> i64 {
    let below = |k: usize| {
        if table.lower[k] <= table.upper[k] {
            table.lower[k] < u
        } else {
            table.upper[k] > 1.0 - u
        }
    };
    let (mut low, mut high) = (0, table.mass.len() - 1);
    while low < high {
        let middle = low + (high - low) / 2;
        if below(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low as i64
}

impl PoissonBinomial {
    /// Fills `out` with independent numbers of successes; the same seed gives the same.
    ///
    /// ```
    /// use bernet_kernels::poisson_binomial::double::PoissonBinomial;
    ///
    /// let mut drawn = [0; 1000];
    /// PoissonBinomial::new(&[0.25; 100])?.sample(7, &mut drawn);
    /// let mean = drawn.iter().sum::<i64>() as f64 / 1000.0;
    /// assert!((mean - 25.0).abs() < 1.0);
    /// # Ok::<(), bernet_kernels::Error>(())
    /// ```
    pub fn sample(&self, seed: u64, out: &mut [i64]) {
        let table = Masses::new(&self.open, &self.middle);
        let mut generator = Pcg64::new(seed);
        for out in out {
            *out = self.ones() + invert(&table, generator.uniform());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_pcg::{Pcg64 as Reference, rand_core::Rng};

    #[test]
    fn the_generator_is_pcg64() {
        let mut reference = Reference::new(9, INCREMENT >> 1);
        let mut ours = Pcg64::new(9);
        for _ in 0..100 {
            assert_eq!(ours.word(), reference.next_u64());
        }
    }
}
