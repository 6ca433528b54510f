//! How fast the recursion could be: its operations on registers alone.
//!
//! **Count.** A pass applies four factors, and a place that it computes takes one multiplication, four multiply-adds and one addition of
//! whole vectors; for four places together eight loads and four stores (`forward.rs`). A Zen has two ports for products, two others for
//! additions, loads two and stores one vector of 32 bytes a cycle: 2.5 cycles a place, of products alone. Where additions share the
//! products' two ports, as on Intel's, it is 3.
//!
//! ```
//! use bernet_kernels::{isa::Level, poisson_binomial::*};
//!
//! // One vector of sums of eight factors: five places in the first pass, nine in the second.
//! let (v, mut workspace) = ([0.5; 8], Workspace::default());
//! assert_eq!(places(Level::best(), Form::Full, Factors::new(&v, 1)?, 4, &mut workspace), 14);
//! assert_eq!(peak_throughput(Level::best(), 1000), 10_000);
//! # Ok::<(), bernet_kernels::Error>(())
//! ```

use super::{Factors, Form, Workspace, forward};
use crate::{
    arch::float::{Float, Kernel},
    isa::{Level, dispatch},
};
use alloc::vec;

/// Places side by side: enough that none waits for itself, few enough for sixteen registers.
const PLACES: usize = 10;

/// Computes the operations of `PLACES` places a round on registers alone; the number of places.
pub fn peak_throughput(level: Level, rounds: u64) -> u64 {
    dispatch!(level, float => float.run(PeakThroughput { rounds }));
    rounds * PLACES as u64
}

/// How many places [`survival`](fn@super::survival) computes, each a vector of as many sums as the level has lanes; 0 for the forms
/// without a recursion.
pub fn places(
    level: Level,
    form: Form,
    factors: Factors<'_>,
    cut: i32,
    workspace: &mut Workspace,
) -> u64 {
    let (survival, mass) = (
        &mut *vec![0.0; factors.sums()],
        &mut *vec![0.0; factors.sums()],
    );
    dispatch!(level, float => float.run(forward::Survival { form, factors, cut, survival, mass, workspace }))
}

struct PeakThroughput {
    rounds: u64,
}

impl Kernel for PeakThroughput {
    type Output = ();

    #[inline(always)]
    fn call<F: Float>(self, float: F) {
        // Unknown to the compiler, and such that the values settle near 1.
        let [half, one] = core::hint::black_box([0.5f32, 1.0]).map(|x| float.splat(x));
        let mut y = [one; PLACES];
        for _ in 0..self.rounds {
            for y in &mut y {
                let mut x = float.mul(*y, half);
                for _ in 0..4 {
                    x = float.mul_add(x, half, half);
                }
                *y = float.add(x, half);
            }
        }
        let total = y.into_iter().fold(one, |total, y| float.add(total, y));
        let mut lanes = [0.0; super::block::MAX_LANES];
        float.store(total, &mut lanes);
        core::hint::black_box(lanes);
    }
}
