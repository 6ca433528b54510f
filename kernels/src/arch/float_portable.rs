//! f32 vectors in plain Rust: 8 lanes, which the compiler spreads over whatever registers the target has.

use super::float::{Float, ROUND};
use crate::isa::Portable;

#[derive(Clone, Copy)]
#[repr(C, align(32))]
pub(crate) struct Eight([f32; 8]);

/// An array of an expression for each lane, written out: a loop or a closure takes the compiler far longer, and there are thousands.
macro_rules! lanes {
    ($i:ident => $lane:expr) => {
        [
            lanes!(0, $i => $lane),
            lanes!(1, $i => $lane),
            lanes!(2, $i => $lane),
            lanes!(3, $i => $lane),
            lanes!(4, $i => $lane),
            lanes!(5, $i => $lane),
            lanes!(6, $i => $lane),
            lanes!(7, $i => $lane),
        ]
    };
    ($lane:literal, $i:ident => $value:expr) => {{
        const $i: usize = $lane;
        $value
    }};
}

// SAFETY: the vector type is LANES f32.
unsafe impl Float for Portable {
    type Vector = Eight;
    type Mask = [bool; 8];
    const LANES: usize = 8;

    #[inline(always)]
    fn splat(self, x: f32) -> Eight {
        Eight([x; 8])
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> Eight {
        Eight(*from.first_chunk().expect("as many values as lanes"))
    }
    #[inline(always)]
    fn store(self, x: Eight, to: &mut [f32]) {
        to[..Self::LANES].copy_from_slice(&x.0);
    }
    #[inline(always)]
    fn add(self, a: Eight, b: Eight) -> Eight {
        Eight(lanes!(I => a.0[I] + b.0[I]))
    }
    #[inline(always)]
    fn sub(self, a: Eight, b: Eight) -> Eight {
        Eight(lanes!(I => a.0[I] - b.0[I]))
    }
    #[inline(always)]
    fn mul(self, a: Eight, b: Eight) -> Eight {
        Eight(lanes!(I => a.0[I] * b.0[I]))
    }
    #[inline(always)]
    fn div(self, a: Eight, b: Eight) -> Eight {
        Eight(lanes!(I => a.0[I] / b.0[I]))
    }
    // Rounded twice: `f32::mul_add` is a library call where the target has no fused instruction.
    #[inline(always)]
    fn mul_add(self, a: Eight, b: Eight, c: Eight) -> Eight {
        Eight(lanes!(I => a.0[I] * b.0[I] + c.0[I]))
    }
    #[inline(always)]
    fn neg_mul_add(self, a: Eight, b: Eight, c: Eight) -> Eight {
        Eight(lanes!(I => c.0[I] - a.0[I] * b.0[I]))
    }
    #[inline(always)]
    fn min(self, a: Eight, b: Eight) -> Eight {
        Eight(lanes!(I => if a.0[I] < b.0[I] { a.0[I] } else { b.0[I] }))
    }
    #[inline(always)]
    fn max(self, a: Eight, b: Eight) -> Eight {
        Eight(lanes!(I => if a.0[I] > b.0[I] { a.0[I] } else { b.0[I] }))
    }
    #[inline(always)]
    fn sqrt(self, a: Eight) -> Eight {
        Eight(lanes!(I => square_root(a.0[I])))
    }
    #[inline(always)]
    fn less(self, a: Eight, b: Eight) -> [bool; 8] {
        lanes!(I => a.0[I] < b.0[I])
    }
    #[inline(always)]
    fn select(self, mask: [bool; 8], yes: Eight, no: Eight) -> Eight {
        Eight(lanes!(I => if mask[I] { yes.0[I] } else { no.0[I] }))
    }
    #[inline(always)]
    fn bits(self, mask: [bool; 8]) -> u32 {
        lanes!(I => u32::from(mask[I]) << I).into_iter().sum()
    }
    #[inline(always)]
    fn power_of_two(self, n: Eight) -> Eight {
        Eight(lanes!(I => f32::from_bits((n.0[I] + (ROUND + 127.0)).to_bits() << 23)))
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
