//! Splitting a step over threads, at lines of its output: each part writes lines of its own, so that
//! the result is the same for any number of parts.

use core::ops::Range;

/// Into how many parts to split work that is worth so many, for at most `threads` threads.
pub(crate) fn parts(worth: usize, threads: usize) -> usize {
    if cfg!(feature = "threads") {
        worth.clamp(1, threads.max(1))
    } else {
        1
    }
}

/// Does `work` on all lines, in `parts` parts of about as many each. `split` cuts what they write
/// after some lines; it is also told how many of the parts come before.
pub(crate) fn over<S: Send>(
    parts: usize,
    lines: Range<usize>,
    out: S,
    split: &(impl Fn(S, usize, usize) -> (S, S) + Sync),
    work: &(impl Fn(Range<usize>, S) + Sync),
) {
    if parts <= 1 || lines.len() <= 1 {
        return work(lines, out);
    }
    let before = parts / 2;
    let middle = lines.start + lines.len() * before / parts;
    let (first, second) = split(out, middle - lines.start, before);
    join(
        || over(before, lines.start..middle, first, split, work),
        || over(parts - before, middle..lines.end, second, split, work),
    );
}

#[cfg(feature = "threads")]
use rayon::join;

#[cfg(not(feature = "threads"))]
fn join(first: impl FnOnce(), second: impl FnOnce()) {
    first();
    second();
}
