//! f32 vectors in plain Rust: 8 lanes, which the compiler spreads over whatever registers the target has.

use super::float::{Float, ROUND};
use crate::isa::Portable;
use core::array::from_fn;

#[derive(Clone, Copy)]
#[repr(C, align(32))]
pub(crate) struct Eight([f32; 8]);

impl Eight {
    #[inline(always)]
    fn each(f: impl FnMut(usize) -> f32) -> Self {
        Self(from_fn(f))
    }
}

// SAFETY: the vector type is LANES f32.
unsafe impl Float for Portable {
    type Vector = Eight;
    type Mask = [bool; 8];
    const LANES: usize = 8;
    type Narrow = Self;

    #[inline(always)]
    fn narrow(self) -> Self {
        self
    }
    #[inline(always)]
    fn splat(self, x: f32) -> Eight {
        Eight([x; 8])
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> Eight {
        let from = &from[..Self::LANES];
        Eight::each(|i| from[i])
    }
    #[inline(always)]
    fn store(self, x: Eight, to: &mut [f32]) {
        to[..Self::LANES].copy_from_slice(&x.0);
    }
    #[inline(always)]
    fn add(self, a: Eight, b: Eight) -> Eight {
        Eight::each(|i| a.0[i] + b.0[i])
    }
    #[inline(always)]
    fn sub(self, a: Eight, b: Eight) -> Eight {
        Eight::each(|i| a.0[i] - b.0[i])
    }
    #[inline(always)]
    fn mul(self, a: Eight, b: Eight) -> Eight {
        Eight::each(|i| a.0[i] * b.0[i])
    }
    #[inline(always)]
    fn div(self, a: Eight, b: Eight) -> Eight {
        Eight::each(|i| a.0[i] / b.0[i])
    }
    // Rounded twice: `f32::mul_add` is a library call where the target has no fused instruction.
    #[inline(always)]
    fn mul_add(self, a: Eight, b: Eight, c: Eight) -> Eight {
        Eight::each(|i| a.0[i] * b.0[i] + c.0[i])
    }
    #[inline(always)]
    fn neg_mul_add(self, a: Eight, b: Eight, c: Eight) -> Eight {
        Eight::each(|i| c.0[i] - a.0[i] * b.0[i])
    }
    #[inline(always)]
    fn min(self, a: Eight, b: Eight) -> Eight {
        Eight::each(|i| if a.0[i] < b.0[i] { a.0[i] } else { b.0[i] })
    }
    #[inline(always)]
    fn max(self, a: Eight, b: Eight) -> Eight {
        Eight::each(|i| if a.0[i] > b.0[i] { a.0[i] } else { b.0[i] })
    }
    #[inline(always)]
    fn sqrt(self, a: Eight) -> Eight {
        Eight::each(|i| square_root(a.0[i]))
    }
    #[inline(always)]
    fn less(self, a: Eight, b: Eight) -> [bool; 8] {
        from_fn(|i| a.0[i] < b.0[i])
    }
    #[inline(always)]
    fn at_least(self, a: Eight, b: Eight) -> [bool; 8] {
        from_fn(|i| a.0[i] >= b.0[i])
    }
    #[inline(always)]
    fn select(self, mask: [bool; 8], yes: Eight, no: Eight) -> Eight {
        Eight::each(|i| if mask[i] { yes.0[i] } else { no.0[i] })
    }
    #[inline(always)]
    fn bits(self, mask: [bool; 8]) -> u32 {
        (0..8).map(|i| u32::from(mask[i]) << i).sum()
    }
    #[inline(always)]
    fn power_of_two(self, n: Eight) -> Eight {
        Eight::each(|i| f32::from_bits((n.0[i] + (ROUND + 127.0)).to_bits() << 23))
    }
}

/// Square root without std: halving the exponent gives a first guess to 4 %, and each of Newton's steps doubles the
/// number of right digits.
#[inline(always)]
fn square_root(x: f32) -> f32 {
    let mut root = f32::from_bits(0x1fbd_1df5 + (x.to_bits() >> 1));
    for _ in 0..3 {
        root = 0.5 * (root + x / root);
    }
    if x > 0.0 { root } else { 0.0 }
}
