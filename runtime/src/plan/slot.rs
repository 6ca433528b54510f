//! Where a program keeps its values.

use crate::graph::{Kind, Shape, Value};

/// Names a slot of one program.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub(crate) struct SlotId(pub(crate) usize);

/// A value that memory is kept for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Slot {
    pub(crate) kind: Kind,
    pub(crate) shape: Shape,
    pub(crate) place: Place,
}

/// Where a value is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// In the caller's buffer of an input.
    Input(usize),
    /// Among the program's constants.
    Constant(usize),
    /// At a word of the arena.
    Arena(usize),
    /// In another slot's memory.
    View(SlotId),
}

impl Slot {
    pub(crate) fn new(value: Value, place: Place) -> Self {
        let Value { kind, shape } = value;
        Self { kind, shape, place }
    }

    /// Words of `items` items: bits a line at a time, everything else without gaps.
    pub(crate) fn words(&self, items: usize) -> usize {
        words(self.kind, self.shape, items)
    }

    /// Whether it is the same for every item.
    pub(crate) fn is_constant(&self) -> bool {
        matches!(self.place, Place::Constant(_))
    }
}

/// Words of a line of bits.
pub(crate) fn line_words(shape: Shape) -> usize {
    shape
        .width
        .saturating_mul(shape.channels)
        .div_ceil(u64::BITS as usize)
}

/// As [`Slot::words`]; saturates.
pub(crate) fn words(kind: Kind, shape: Shape, items: usize) -> usize {
    let bytes = match kind {
        Kind::Bit => {
            return items
                .saturating_mul(shape.height)
                .saturating_mul(line_words(shape));
        }
        Kind::U8 => 1,
        Kind::I32 | Kind::F32 => 4,
    };
    items
        .saturating_mul(shape.len())
        .saturating_mul(bytes)
        .div_ceil(size_of::<u64>())
}
