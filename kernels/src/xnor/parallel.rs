//! Splitting work over threads, at lines of the output: each part writes lines of its own, so that the result is the same for
//! any number of parts.

#[cfg(feature = "rayon")]
use crate::threads;
use core::ops::Range;

/// Products below this are not worth a thread: about 20 µs of work, where waking one takes a few.
#[cfg(feature = "rayon")]
const PART: usize = 8 << 20;

/// Into how many parts to split `lines` lines that take `work` multiply-accumulates in all. The threads are asked
/// for last: the first who asks starts them.
#[cfg(feature = "rayon")]
pub(super) fn parts(lines: usize, work: usize) -> usize {
    match (work / PART).min(lines) {
        0 | 1 => 1,
        _ if ALONE.get() => 1,
        most => most.min(threads::number()),
    }
}

#[cfg(not(feature = "rayon"))]
pub(super) fn parts(_: usize, _: usize) -> usize {
    1
}

#[cfg(feature = "rayon")]
std::thread_local! {
    /// Whether this thread is to do all its products by itself.
    static ALONE: core::cell::Cell<bool> = const { core::cell::Cell::new(false) };
}

/// Does some work whose products are not split: the calling thread does them all, and Rayon's threads are not even started.
///
/// ```
/// use bernet_kernels::{bits::BitMatrix, isa::Level, xnor::{PackedWeights, gemm_i32, on_this_thread}};
///
/// let weights = PackedWeights::new(Level::best(), &BitMatrix::zeros(64, 4096));
/// let mut out = vec![0; 256 * 64];
/// on_this_thread(|| gemm_i32(&BitMatrix::zeros(256, 4096), &weights, &mut out))?;
/// assert!(out.iter().all(|&sum| sum == 4096));
/// # Ok::<(), bernet_kernels::Error>(())
/// ```
pub fn on_this_thread<R>(work: impl FnOnce() -> R) -> R {
    /// What was before comes back, even where the work panics.
    #[cfg(feature = "rayon")]
    struct Before(bool);
    #[cfg(feature = "rayon")]
    impl Drop for Before {
        fn drop(&mut self) {
            ALONE.set(self.0);
        }
    }
    #[cfg(feature = "rayon")]
    let _before = Before(ALONE.replace(true));
    work()
}

/// Does `work` on all lines, in as many parts as there are workers; `split` cuts a stage after some lines.
pub(super) fn over<S: Send, W: Send>(
    lines: Range<usize>,
    stage: S,
    workers: &mut [W],
    split: &(impl Fn(S, usize) -> (S, S) + Sync),
    work: &(impl Fn(Range<usize>, S, &mut W) + Sync),
) {
    #[cfg(feature = "rayon")]
    if workers.len() > 1 {
        return threads::install(|| joined(lines, stage, workers, split, work))
            .expect("`parts` has made the pool, in this process");
    }
    joined(lines, stage, workers, split, work);
}

fn joined<S: Send, W: Send>(
    lines: Range<usize>,
    stage: S,
    workers: &mut [W],
    split: &(impl Fn(S, usize) -> (S, S) + Sync),
    work: &(impl Fn(Range<usize>, S, &mut W) + Sync),
) {
    match workers {
        [] => unreachable!("there is at least one part"),
        [worker] => work(lines, stage, worker),
        workers => {
            let (before, after) = workers.split_at_mut(workers.len() / 2);
            let middle = lines.start + lines.len() * before.len() / (before.len() + after.len());
            let (first, second) = split(stage, middle - lines.start);
            join(
                || joined(lines.start..middle, first, before, split, work),
                || joined(middle..lines.end, second, after, split, work),
            );
        }
    }
}

#[cfg(feature = "rayon")]
use rayon::join;

#[cfg(not(feature = "rayon"))]
fn join(first: impl FnOnce(), second: impl FnOnce()) {
    first();
    second();
}
