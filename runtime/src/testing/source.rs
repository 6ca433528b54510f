//! Where random numbers come from: PCG64, from a seed.

use alloc::{vec, vec::Vec};
use rand_pcg::{
    Pcg64,
    rand_core::{Rng, SeedableRng},
};

/// Random numbers of the kinds that tests of graphs need.
///
/// ```
/// use bernet_runtime::testing::Source;
///
/// assert!(Source::new(1).below(10) < 10);
/// assert_eq!(Source::new(1).float(), Source::new(1).float());
/// ```
#[derive(Debug)]
pub struct Source(Pcg64);

impl Source {
    /// A source whose numbers follow from the seed.
    pub fn new(seed: u64) -> Self {
        Self(Pcg64::seed_from_u64(seed))
    }

    /// A number below `end`, which is at least 1.
    ///
    /// # Panics
    /// Where `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.0.next_u64() % end as u64) as usize
    }

    /// `true` in so many of 100 cases.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of a list.
    ///
    /// # Panics
    /// Where the list is empty.
    pub fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    /// An integer from `−most` to `most`; seldom one of all 32 bits.
    pub fn integer(&mut self, most: usize) -> i32 {
        if self.chance(1) {
            return self.0.next_u64() as i32;
        }
        self.below(2 * most + 1) as i32 - most as i32
    }

    /// Mostly a multiple of 1/8 from −4 to 4, else any float from −2 to 2.
    pub fn float(&mut self) -> f32 {
        if self.chance(97) {
            (self.below(65) as i32 - 32) as f32 / 8.0
        } else {
            (self.0.next_u64() >> 40) as f32 / (1 << 22) as f32 - 2.0
        }
    }

    /// One number or one for each channel, now and then all equal; where `optional`, also none.
    pub fn list(&mut self, channels: usize, optional: bool) -> Vec<f32> {
        match self.below(5) {
            0 if optional => Vec::new(),
            1 => vec![self.float()],
            2 => vec![self.float(); channels],
            _ => (0..channels).map(|_| self.float()).collect(),
        }
    }

    /// Factors of a number, 1 to 5 of them, in any order.
    pub(super) fn split(&mut self, number: usize) -> Vec<usize> {
        let mut factors = vec![number];
        for _ in 0..self.below(5) {
            let index = self.below(factors.len());
            let whole = factors[index];
            let divisors: Vec<_> = (1..=whole).filter(|part| whole % part == 0).collect();
            let part = self.pick(&divisors);
            factors[index] = whole / part;
            factors.insert(self.below(factors.len() + 1), part);
        }
        factors
    }

    /// The numbers below `count` in any order.
    pub(super) fn permutation(&mut self, count: usize) -> Vec<usize> {
        let mut numbers: Vec<_> = (0..count).collect();
        for last in (1..count).rev() {
            numbers.swap(last, self.below(last + 1));
        }
        numbers
    }
}
