//! The arena cut into what a step writes and what lies between, which it may read.

use core::ops::Range;

/// Up to three pieces of an arena, by the word that each begins at.
pub(super) struct Split<'a> {
    pieces: [(usize, &'a [u64]); 3],
}

impl<'a> Split<'a> {
    /// All of it, to be read.
    pub(super) fn whole(arena: &'a [u64]) -> Self {
        Self {
            pieces: [(0, arena), (0, &[]), (0, &[])],
        }
    }

    /// At most two pieces to be written, which do not overlap, and the rest.
    pub(super) fn around<const N: usize>(
        arena: &'a mut [u64],
        ranges: [Range<usize>; N],
    ) -> (Self, [&'a mut [u64]; N]) {
        const { assert!(N == 1 || N == 2) };
        let mut order: [usize; N] = core::array::from_fn(|index| index);
        order.sort_unstable_by_key(|&index| ranges[index].start);
        let mut pieces: [(usize, &'a [u64]); 3] = [(0, &[]); 3];
        let mut written: [&'a mut [u64]; N] = core::array::from_fn(|_| &mut [][..]);
        let (mut rest, mut at) = (arena, 0);
        for (piece, index) in pieces.iter_mut().zip(order) {
            let range = &ranges[index];
            let (before, from) = rest.split_at_mut(range.start - at);
            let (write, after) = from.split_at_mut(range.len());
            *piece = (at, before);
            written[index] = write;
            (rest, at) = (after, range.end);
        }
        pieces[N] = (at, rest);
        (Self { pieces }, written)
    }

    /// Some words, if they are not among those that are written.
    pub(super) fn get(&self, range: Range<usize>) -> Option<&'a [u64]> {
        self.pieces.iter().find_map(|&(start, words)| {
            let first = range.start.checked_sub(start)?;
            words.get(first..first + range.len())
        })
    }
}
