//! Whole distributions, for every number of successes.
//!
//! They come from the full triangle (`forward.rs`): all terms are positive, so that the *relative* error of an entry is small too, far
//! out in the tails, down to 1e-33, where f32 nearly ends. Cumulated from its own end each tail keeps that: [`cdf`] adds from 0 up,
//! [`survivals`] from `N` down, and neither is 1 less the other.
//!
//! ```
//! use bernet_kernels::{isa::Level, poisson_binomial::*};
//!
//! // One sum of three factors: 0 to 3 successes.
//! let factors = Factors::new(&[0.5, 0.1, 0.2], 1)?;
//! let (mut mass, mut tail, mut workspace) = ([0.0; 4], [0.0; 4], Workspace::default());
//! pmf(Level::best(), factors, &mut mass, &mut workspace)?;
//! survivals(Level::best(), factors, &mut tail, &mut workspace)?;
//! for (found, right) in mass.iter().zip([0.36, 0.49, 0.14, 0.01]) {
//!     assert!((found - right).abs() < 1e-6);
//! }
//! assert!((tail[2] - 0.15).abs() < 1e-6);
//! # Ok::<(), bernet_kernels::Error>(())
//! ```

use super::{
    Factors, Form, Workspace,
    block::{self, Block, Columns, MAX_LANES},
    forward::{self, Total},
};
use crate::{
    Error,
    arch::float::{Float, Kernel},
    isa::{Level, dispatch},
};

/// `pmf[k · sums + s] = P(K_s = k)` for `k` = 0 … N.
///
/// # Errors
/// [`Error::Size`] where `pmf` is not `(N + 1) · sums` long.
pub fn pmf(
    level: Level,
    factors: Factors<'_>,
    pmf: &mut [f32],
    workspace: &mut Workspace,
) -> Result<(), Error> {
    run(level, factors, Cumulate::Nothing, pmf, workspace)
}

/// `cdf[k · sums + s] = P(K_s ≤ k)` for `k` = 0 … N.
///
/// # Errors
/// [`Error::Size`] where `cdf` is not `(N + 1) · sums` long.
pub fn cdf(
    level: Level,
    factors: Factors<'_>,
    cdf: &mut [f32],
    workspace: &mut Workspace,
) -> Result<(), Error> {
    run(level, factors, Cumulate::Up, cdf, workspace)
}

/// `survivals[k · sums + s] = P(K_s ≥ k)` for `k` = 0 … N: [`survival`](fn@super::survival) at all cuts.
///
/// # Errors
/// [`Error::Size`] where `survivals` is not `(N + 1) · sums` long.
pub fn survivals(
    level: Level,
    factors: Factors<'_>,
    survivals: &mut [f32],
    workspace: &mut Workspace,
) -> Result<(), Error> {
    run(level, factors, Cumulate::Down, survivals, workspace)
}

/// `mean[s] = Σ_j v_j` and `variance[s] = Σ_j v_j (1 − v_j)`, summed in f64 and rounded once.
///
/// # Errors
/// [`Error::Size`] where `mean` or `variance` is not as long as there are sums.
pub fn moments(factors: Factors<'_>, mean: &mut [f32], variance: &mut [f32]) -> Result<(), Error> {
    let sums = factors.sums();
    Error::check_size("mean (sums)", sums, mean.len())?;
    Error::check_size("variance (sums)", sums, variance.len())?;
    let out = mean
        .chunks_mut(MAX_LANES)
        .zip(variance.chunks_mut(MAX_LANES));
    for (i, (mean, variance)) in out.enumerate() {
        let mut totals = [[0.0; MAX_LANES]; 2];
        for j in 0..factors.count() {
            let row = &factors.row(j)[i * MAX_LANES..][..mean.len()];
            for (l, &v) in row.iter().enumerate() {
                let v = f64::from(v);
                totals[0][l] += v;
                totals[1][l] += v * (1.0 - v);
            }
        }
        for l in 0..mean.len() {
            (mean[l], variance[l]) = (totals[0][l] as f32, totals[1][l] as f32);
        }
    }
    Ok(())
}

/// Which entries are added up.
#[derive(Clone, Copy, PartialEq)]
enum Cumulate {
    Nothing,
    Up,
    Down,
}

fn run(
    level: Level,
    factors: Factors<'_>,
    cumulate: Cumulate,
    out: &mut [f32],
    workspace: &mut Workspace,
) -> Result<(), Error> {
    let size = (factors.count() + 1) * factors.sums();
    Error::check_size("out ((factors + 1) · sums)", size, out.len())?;
    dispatch!(level, float => float.run(Whole { factors, cumulate, out, workspace }));
    Ok(())
}

struct Whole<'a> {
    factors: Factors<'a>,
    cumulate: Cumulate,
    out: &'a mut [f32],
    workspace: &'a mut Workspace,
}

impl Kernel for Whole<'_> {
    type Output = ();

    #[inline(always)]
    fn call<F: Float>(self, float: F) {
        let (count, sums) = (self.factors.count(), self.factors.sums());
        let memory = block::rows(count) + forward::places(count);
        let memory = self.workspace.vectors(float, memory);
        let (rows, memory) = memory.split_at_mut(block::rows(count));
        for first in (0..sums).step_by(F::LANES) {
            let range = first..(first + F::LANES).min(sums);
            let source = Columns {
                factors: self.factors,
                first,
            };
            let block = Block::gather(float, source, 0, false, rows);
            let rows = &rows[..block::rows(block.count)];
            let y = forward::distribution(float, Form::Full, true, &block, rows, memory);
            let per_total = float.div(float.splat(1.0), y.total);
            let lanes = float.lanes(y.places);
            for k in 0..=count {
                let mut entries = [0.0; MAX_LANES];
                for (l, entry) in entries.iter_mut().enumerate().take(F::LANES) {
                    if let Some(place) = block.place(l, y.top, k) {
                        *entry = lanes[place * F::LANES + l];
                    }
                }
                let entries = float.mul(float.load(&entries), per_total);
                block::store(float, entries, &mut self.out[k * sums..][range.clone()]);
            }
            if self.cumulate == Cumulate::Nothing {
                continue;
            }
            let mut total = Total::new(float);
            for i in 0..=count {
                let k = if self.cumulate == Cumulate::Up {
                    i
                } else {
                    count - i
                };
                let row = &mut self.out[k * sums..][range.clone()];
                total.add(float, block::load(float, row));
                let value = float.min(total.value(float), float.splat(1.0));
                block::store(float, value, row);
            }
        }
    }
}
