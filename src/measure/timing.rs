//! Two things timed in turns.

use super::MeasureError;
use bernet_kernels::threads::{ThreadsError, checked};
use std::time::{Duration, Instant};

/// Turns that each of the two takes.
const ROUNDS: usize = 31;

/// How long a turn lasts: long beside the clock's resolution, short beside the time for which a machine's load stays as it is.
const TURN: Duration = Duration::from_millis(6);

/// A number of threads that share one kernel's work.
#[derive(Debug)]
pub struct Threads(rayon::ThreadPool);

impl Threads {
    /// As many threads.
    ///
    /// # Errors
    /// [`MeasureError::Threads`] where there are none or too many, or the system does not give them.
    pub fn new(threads: usize) -> Result<Self, MeasureError> {
        let number = checked(threads)?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(number).build();
        let pool = pool.map_err(|cause| ThreadsError::System {
            number,
            cause: cause.to_string(),
        })?;
        Ok(Self(pool))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.current_num_threads()
    }

    /// Runs `body` so that its parallel parts use these threads.
    pub(super) fn install<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        self.0.install(body)
    }

    /// Runs `body` on every thread at once; the sum of what they return.
    pub(super) fn broadcast(&self, body: impl Fn() -> u64 + Sync) -> u64 {
        self.0.broadcast(|_| body()).into_iter().sum()
    }
}

/// What came of the turns.
pub(super) struct Pace {
    /// Work a second: the median of the turns.
    pub(super) median: f64,
    /// The fastest turn.
    pub(super) best: f64,
    /// The median of each turn's pace in parts of its neighbour's, the ceiling's.
    pub(super) share: f64,
}

/// Work a second of `case`, beside `ceiling`; both return how much work a call of theirs did.
pub(super) fn in_turns(mut case: impl FnMut() -> u64, mut ceiling: impl FnMut() -> u64) -> Pace {
    let (calls, bound_calls) = (calls(&mut case), calls(&mut ceiling));
    let mut paces = Vec::with_capacity(ROUNDS);
    let mut shares = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let bound = pace(&mut ceiling, bound_calls);
        let found = pace(&mut case, calls);
        paces.push(found);
        shares.push(found / bound);
    }
    Pace {
        median: median(&mut paces),
        best: paces.iter().copied().fold(0.0, f64::max),
        share: median(&mut shares),
    }
}

/// How many calls fill a turn. The first call warms caches and is not counted.
fn calls(body: &mut impl FnMut() -> u64) -> u32 {
    body();
    let (start, mut calls) = (Instant::now(), 0);
    while start.elapsed() < TURN {
        body();
        calls += 1;
    }
    calls
}

fn pace(body: &mut impl FnMut() -> u64, calls: u32) -> f64 {
    let start = Instant::now();
    let work: u64 = (0..calls).map(|_| body()).sum();
    work as f64 / start.elapsed().as_secs_f64()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Work a second of `case`, median of the turns, beside nothing.
pub(super) fn alone(mut case: impl FnMut() -> u64) -> f64 {
    let calls = calls(&mut case);
    let mut paces: Vec<_> = (0..ROUNDS).map(|_| pace(&mut case, calls)).collect();
    median(&mut paces)
}
