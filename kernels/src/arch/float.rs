//! Vectors of f32, one file per instruction set: what a floating-point kernel is written in.
//!
//! The methods belong to a level's token, which proves that its instructions exist, so that the vectors are plain
//! values and a kernel needs no `unsafe`. A kernel is a [`Kernel`]; [`Float::run`] compiles it once per level.

use crate::isa::Token;

/// Arithmetic of one level. Every method works lane by lane and is inlined into the function that
/// [`run`](Self::run) compiled.
///
/// # Safety
/// A `Vector` is exactly [`LANES`](Self::LANES) f32 without padding, aligned to at most 64 bytes, and `LANES` divides 16.
pub(crate) unsafe trait Float: Token {
    /// A vector of [`LANES`](Self::LANES) f32.
    type Vector: Copy;
    /// A truth value per lane.
    type Mask: Copy;
    /// The number of f32 in a vector.
    const LANES: usize;
    /// A level of vectors of 8 lanes or fewer that a CPU of this level has too.
    type Narrow: Float;
    /// Its token.
    fn narrow(self) -> Self::Narrow;

    /// Compiles `kernel` with the level's instructions and runs it.
    #[inline(always)]
    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        self.vectorize(
            #[inline(always)]
            || kernel.call(self),
        )
    }

    /// `x` in every lane.
    fn splat(self, x: f32) -> Self::Vector;
    /// The first [`LANES`](Self::LANES) values. Panics where there are fewer.
    fn load(self, from: &[f32]) -> Self::Vector;
    /// Writes the first [`LANES`](Self::LANES) values. Panics where there are fewer.
    fn store(self, x: Self::Vector, to: &mut [f32]);
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn sub(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn mul(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn div(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `a·b + c`, rounded once where the level has a fused instruction.
    fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// `c − a·b`, rounded once where the level has a fused instruction.
    fn neg_mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    fn min(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn max(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn sqrt(self, a: Self::Vector) -> Self::Vector;
    fn less(self, a: Self::Vector, b: Self::Vector) -> Self::Mask;
    /// `a ≥ b`; false where one is NaN.
    fn at_least(self, a: Self::Vector, b: Self::Vector) -> Self::Mask;
    /// `yes` in the lanes where the mask is set, else `no`.
    fn select(self, mask: Self::Mask, yes: Self::Vector, no: Self::Vector) -> Self::Vector;
    /// Lane `i` of the mask as bit `i`.
    fn bits(self, mask: Self::Mask) -> u32;
    /// `2^n` for whole numbers `n` from −126 to 127.
    fn power_of_two(self, n: Self::Vector) -> Self::Vector;

    /// Memory as vectors.
    #[inline(always)]
    fn vectors(self, lines: &mut [Line]) -> &mut [Self::Vector] {
        let count = lines.len() * (16 / Self::LANES);
        // SAFETY: a line is 16 f32 aligned to 64 bytes, and the trait's contract lets vectors tile it.
        unsafe { core::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), count) }
    }
    /// Vectors as their lanes: lane `l` of vector `i` is value `i · LANES + l`.
    #[inline(always)]
    fn lanes(self, vectors: &[Self::Vector]) -> &[f32] {
        // SAFETY: the trait's contract: a vector is `LANES` f32 without padding.
        unsafe { core::slice::from_raw_parts(vectors.as_ptr().cast(), vectors.len() * Self::LANES) }
    }
    /// [`lanes`](Self::lanes), to write.
    #[inline(always)]
    fn lanes_mut(self, vectors: &mut [Self::Vector]) -> &mut [f32] {
        // SAFETY: the trait's contract: a vector is `LANES` f32 without padding.
        unsafe {
            core::slice::from_raw_parts_mut(
                vectors.as_mut_ptr().cast(),
                vectors.len() * Self::LANES,
            )
        }
    }
}

/// A cache line of f32: memory for vectors of any level.
#[derive(Clone, Copy, Default, Debug)]
#[repr(C, align(64))]
pub(crate) struct Line([f32; 16]);

/// A computation that can be compiled for every level.
pub(crate) trait Kernel {
    type Output;
    /// Implementations are `#[inline(always)]`, as is every function that they call with `float`: only then do the
    /// level's instructions reach them.
    fn call<F: Float>(self, float: F) -> Self::Output;
}

/// Added to a small f32 it leaves the nearest whole number in the low bits of the mantissa.
pub(crate) const ROUND: f32 = 12_582_912.0; // 1.5 · 2²³
