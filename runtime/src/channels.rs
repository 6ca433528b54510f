//! The channels of a pixel, some at a time in registers.

/// Channels that are worked on together, and fewer at the end.
const MANY: usize = 64;
const FEW: usize = 16;

/// What computes the channels of a pixel.
pub(crate) trait Channels {
    /// `N` of them, from `first` on. Implementations are `#[inline(always)]`, so that they are compiled
    /// with the instructions of the caller's level.
    fn some<const N: usize>(&self, first: usize) -> [f32; N];
}

/// Writes all channels of a pixel.
#[inline(always)]
pub(crate) fn write(channels: &impl Channels, out: &mut [f32]) {
    let count = out.len();
    let (many, rest) = out.as_chunks_mut::<MANY>();
    for (index, out) in many.iter_mut().enumerate() {
        *out = channels.some(index * MANY);
    }
    let first = count - rest.len();
    let (few, rest) = rest.as_chunks_mut::<FEW>();
    for (index, out) in few.iter_mut().enumerate() {
        *out = channels.some(first + index * FEW);
    }
    let first = count - rest.len();
    for (index, out) in rest.iter_mut().enumerate() {
        [*out] = channels.some(first + index);
    }
}
