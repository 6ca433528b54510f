//! f32 vectors of NEON: 4 lanes.

use super::float::{Float, ROUND};
use crate::isa::Neon;
use core::arch::aarch64::*;

// SAFETY: the vector type is LANES f32.
unsafe impl Float for Neon {
    type Vector = float32x4_t;
    type Mask = uint32x4_t;
    const LANES: usize = 4;
    type Narrow = Self;

    #[inline(always)]
    fn narrow(self) -> Self {
        self
    }

    #[inline(always)]
    fn splat(self, x: f32) -> float32x4_t {
        intrinsic!(vdupq_n_f32(x))
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> float32x4_t {
        let from = &from[..Self::LANES];
        // SAFETY: the slice has 4 values, and the token proves NEON.
        unsafe { vld1q_f32(from.as_ptr()) }
    }
    #[inline(always)]
    fn store(self, x: float32x4_t, to: &mut [f32]) {
        let to = &mut to[..Self::LANES];
        // SAFETY: the slice has room for 4 values, and the token proves NEON.
        unsafe { vst1q_f32(to.as_mut_ptr(), x) }
    }
    #[inline(always)]
    fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        intrinsic!(vaddq_f32(a, b))
    }
    #[inline(always)]
    fn sub(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        intrinsic!(vsubq_f32(a, b))
    }
    #[inline(always)]
    fn mul(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        intrinsic!(vmulq_f32(a, b))
    }
    #[inline(always)]
    fn div(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        intrinsic!(vdivq_f32(a, b))
    }
    #[inline(always)]
    fn mul_add(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        intrinsic!(vfmaq_f32(c, a, b))
    }
    #[inline(always)]
    fn neg_mul_add(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        intrinsic!(vfmsq_f32(c, a, b))
    }
    #[inline(always)]
    fn min(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        intrinsic!(vminq_f32(a, b))
    }
    #[inline(always)]
    fn max(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        intrinsic!(vmaxq_f32(a, b))
    }
    #[inline(always)]
    fn sqrt(self, a: float32x4_t) -> float32x4_t {
        intrinsic!(vsqrtq_f32(a))
    }
    #[inline(always)]
    fn less(self, a: float32x4_t, b: float32x4_t) -> uint32x4_t {
        intrinsic!(vcltq_f32(a, b))
    }
    #[inline(always)]
    fn at_least(self, a: float32x4_t, b: float32x4_t) -> uint32x4_t {
        intrinsic!(vcgeq_f32(a, b))
    }
    #[inline(always)]
    fn select(self, mask: uint32x4_t, yes: float32x4_t, no: float32x4_t) -> float32x4_t {
        intrinsic!(vbslq_f32(mask, yes, no))
    }
    #[inline(always)]
    fn bits(self, mask: uint32x4_t) -> u32 {
        // SAFETY: a load of the array; the token proves NEON.
        let weights = unsafe { vld1q_u32([1, 2, 4, 8].as_ptr()) };
        intrinsic!(vaddvq_u32(intrinsic!(vandq_u32(mask, weights))))
    }
    #[inline(always)]
    fn power_of_two(self, n: float32x4_t) -> float32x4_t {
        let biased = intrinsic!(vaddq_f32(n, intrinsic!(vdupq_n_f32(ROUND + 127.0))));
        let exponent = intrinsic!(vshlq_n_s32::<23>(intrinsic!(vreinterpretq_s32_f32(biased))));
        intrinsic!(vreinterpretq_f32_s32(exponent))
    }
}
