//! Splitting work over threads, at lines of the output: each part writes lines of its own, so that the result is the same for
//! any number of parts.

#[cfg(feature = "rayon")]
use crate::threads as pool;
use core::ops::Range;

/// Products below this are not worth a thread: about 20 µs of work, where waking one takes a few.
const PART: usize = 8 << 20;

/// Into how many parts to split `lines` lines that take `work` multiply-accumulates in all, for at most `threads` threads.
pub(super) fn parts(lines: usize, work: usize, threads: usize) -> usize {
    // (One thread is asked for most: a division takes longer than a small product.)
    if threads <= 1 {
        return 1;
    }
    (work / PART).min(lines).clamp(1, available(threads))
}

/// At most so many threads, of those that the process' pool has.
#[cfg(feature = "rayon")]
fn available(threads: usize) -> usize {
    threads.min(pool::number()).max(1)
}

#[cfg(not(feature = "rayon"))]
fn available(_: usize) -> usize {
    1
}

/// Does `work` on all lines, in as many parts as there are workers; `split` cuts a part of the
/// output after some lines.
pub(super) fn over<Part: Send, Worker: Send>(
    lines: Range<usize>,
    part: Part,
    workers: &mut [Worker],
    split: &(impl Fn(Part, usize) -> (Part, Part) + Sync),
    work: &(impl Fn(Range<usize>, Part, &mut Worker) + Sync),
) {
    #[cfg(feature = "rayon")]
    if workers.len() > 1 {
        return pool::install(|| joined(lines, part, workers, split, work))
            .expect("`available` has made the pool, in this process");
    }
    joined(lines, part, workers, split, work);
}

fn joined<Part: Send, Worker: Send>(
    lines: Range<usize>,
    part: Part,
    workers: &mut [Worker],
    split: &(impl Fn(Part, usize) -> (Part, Part) + Sync),
    work: &(impl Fn(Range<usize>, Part, &mut Worker) + Sync),
) {
    match workers {
        [] => unreachable!("there is at least one part"),
        [worker] => work(lines, part, worker),
        workers => {
            let (before, after) = workers.split_at_mut(workers.len() / 2);
            let middle = lines.start + lines.len() * before.len() / (before.len() + after.len());
            let (first, second) = split(part, middle - lines.start);
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
