//! f32 vectors of WebAssembly: 4 lanes.

use super::float::{Float, ROUND};
use crate::isa::Simd128;
use core::arch::wasm32::*;

// SAFETY: the vector type is LANES f32.
unsafe impl Float for Simd128 {
    type Vector = v128;
    type Mask = v128;
    const LANES: usize = 4;
    type Narrow = Self;

    #[inline(always)]
    fn narrow(self) -> Self {
        self
    }

    #[inline(always)]
    fn splat(self, x: f32) -> v128 {
        f32x4_splat(x)
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> v128 {
        let from = &from[..Self::LANES];
        // SAFETY: the slice has 4 values.
        unsafe { v128_load(from.as_ptr().cast()) }
    }
    #[inline(always)]
    fn store(self, x: v128, to: &mut [f32]) {
        let to = &mut to[..Self::LANES];
        // SAFETY: the slice has room for 4 values.
        unsafe { v128_store(to.as_mut_ptr().cast(), x) }
    }
    #[inline(always)]
    fn add(self, a: v128, b: v128) -> v128 {
        f32x4_add(a, b)
    }
    #[inline(always)]
    fn sub(self, a: v128, b: v128) -> v128 {
        f32x4_sub(a, b)
    }
    #[inline(always)]
    fn mul(self, a: v128, b: v128) -> v128 {
        f32x4_mul(a, b)
    }
    #[inline(always)]
    fn div(self, a: v128, b: v128) -> v128 {
        f32x4_div(a, b)
    }
    // Rounded twice: WebAssembly has no fused instruction of one meaning everywhere.
    #[inline(always)]
    fn mul_add(self, a: v128, b: v128, c: v128) -> v128 {
        f32x4_add(f32x4_mul(a, b), c)
    }
    #[inline(always)]
    fn neg_mul_add(self, a: v128, b: v128, c: v128) -> v128 {
        f32x4_sub(c, f32x4_mul(a, b))
    }
    // One instruction on most machines, where `f32x4.min` takes several to treat NaN and zeros as it must.
    #[inline(always)]
    fn min(self, a: v128, b: v128) -> v128 {
        f32x4_pmin(b, a)
    }
    #[inline(always)]
    fn max(self, a: v128, b: v128) -> v128 {
        f32x4_pmax(b, a)
    }
    #[inline(always)]
    fn sqrt(self, a: v128) -> v128 {
        f32x4_sqrt(a)
    }
    #[inline(always)]
    fn less(self, a: v128, b: v128) -> v128 {
        f32x4_lt(a, b)
    }
    #[inline(always)]
    fn at_least(self, a: v128, b: v128) -> v128 {
        f32x4_ge(a, b)
    }
    #[inline(always)]
    fn select(self, mask: v128, yes: v128, no: v128) -> v128 {
        v128_bitselect(yes, no, mask)
    }
    #[inline(always)]
    fn bits(self, mask: v128) -> u32 {
        u32::from(u32x4_bitmask(mask))
    }
    #[inline(always)]
    fn power_of_two(self, n: v128) -> v128 {
        i32x4_shl(f32x4_add(n, f32x4_splat(ROUND + 127.0)), 23)
    }
}
