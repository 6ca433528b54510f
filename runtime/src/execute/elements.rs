//! Elements of a tensor one by one, whatever their type.

use super::TensorRef;
use crate::{graph::Shape, tensor::sign};

/// Elements of any type, by their place.
#[derive(Clone, Copy)]
pub(super) enum Elements<'a> {
    /// Words, bits of a line, words of a line.
    Bit(&'a [u64], usize, usize),
    U8(&'a [u8]),
    I32(&'a [i32]),
    F32(&'a [f32]),
}

impl<'a> Elements<'a> {
    pub(super) fn new(tensor: TensorRef<'a>, shape: Shape) -> Self {
        match tensor {
            TensorRef::Bit(words) => {
                let columns = shape.width * shape.channels;
                Self::Bit(words, columns, columns.div_ceil(64))
            }
            TensorRef::U8(values) => Self::U8(values),
            TensorRef::I32(values) => Self::I32(values),
            TensorRef::F32(values) => Self::F32(values),
        }
    }

    #[inline(always)]
    pub(super) fn bit(self, index: usize) -> bool {
        match self {
            Self::Bit(words, columns, line) => {
                let (y, x) = (index / columns, index % columns);
                words[y * line + x / 64] >> (x % 64) & 1 == 1
            }
            _ => self.real(index) > 0.0,
        }
    }

    #[inline(always)]
    pub(super) fn int(self, index: usize) -> i32 {
        match self {
            Self::Bit(..) => sign(self.bit(index)),
            Self::U8(values) => values[index].into(),
            Self::I32(values) => values[index],
            Self::F32(values) => values[index] as i32,
        }
    }

    #[inline(always)]
    pub(super) fn real(self, index: usize) -> f32 {
        match self {
            Self::F32(values) => values[index],
            _ => self.int(index) as f32,
        }
    }
}
