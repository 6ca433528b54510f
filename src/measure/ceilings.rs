//! What a machine can do at most, on registers and in memory.

use bernet_kernels::{isa::Level, real, xnor};
use std::{hint::black_box, time::Instant};

/// Bursts of each kind, of which the fastest counts: long beside the clock's resolution, short
/// beside the turns that a busy machine gives.
const BURSTS: usize = 40;
/// Floats that are copied: more than a second-level cache holds, with their copies.
const FLOATS: usize = 1 << 19;

/// The fastest paces of one thread.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Ceilings {
    /// Multiply-accumulates of bits a nanosecond, on registers.
    pub binary: f64,
    /// Multiply-accumulates of floats a nanosecond, on registers.
    pub real: f64,
    /// Bytes read and written a nanosecond, by a copy that no second-level cache holds.
    pub bytes: f64,
}

impl Ceilings {
    /// Measures them, which takes some tens of milliseconds.
    pub fn measure(level: Level) -> Self {
        let from = vec![1.0_f32; FLOATS];
        let mut to = vec![0.0_f32; FLOATS];
        Self {
            binary: fastest(|| xnor::peak_throughput(level, 5_000)),
            real: fastest(|| real::peak_throughput(level, 50_000)),
            bytes: fastest(|| {
                black_box(&mut to).copy_from_slice(black_box(&from));
                2 * size_of_val(&from[..]) as u64
            }),
        }
    }

    /// The least milliseconds of that work on so many threads: of the products, or, where there are
    /// none, of the bytes.
    pub fn bound(&self, binary_macs: u64, real_macs: u64, bytes: u64, threads: usize) -> f64 {
        let nanoseconds = match (binary_macs, real_macs) {
            (0, 0) => bytes as f64 / self.bytes,
            _ => binary_macs as f64 / self.binary + real_macs as f64 / self.real,
        };
        nanoseconds / 1e6 / threads.max(1) as f64
    }
}

/// Work a nanosecond in the fastest of some bursts.
fn fastest(mut burst: impl FnMut() -> u64) -> f64 {
    (0..BURSTS)
        .map(|_| {
            let start = Instant::now();
            let work = burst();
            work as f64 / (start.elapsed().as_nanos() as f64).max(1.0)
        })
        .fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_of_products_or_of_bytes() {
        let ceilings = Ceilings {
            binary: 1000.0,
            real: 50.0,
            bytes: 20.0,
        };
        assert_eq!(ceilings.bound(2_000_000_000, 0, 1, 1), 2.0);
        assert_eq!(ceilings.bound(0, 100_000_000, 1, 2), 1.0);
        assert_eq!(ceilings.bound(0, 0, 40_000_000, 1), 2.0);
        let found = Ceilings::measure(Level::best());
        assert!(found.binary > found.real && found.real > 0.0 && found.bytes > 0.0);
    }
}
