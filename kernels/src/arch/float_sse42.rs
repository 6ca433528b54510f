//! f32 vectors of SSE4.2: 8 lanes in two registers, so that results are those of `portable`.

use super::float::{Float, ROUND};
use crate::isa::Sse42;
use core::arch::x86_64::*;

/// Eight lanes.
type Pair = [__m128; 2];

/// An expression of intrinsics for both registers, called where the token is at hand.
macro_rules! each {
    ($i:ident => $half:expr) => {
        // SAFETY: a token exists only where the CPU has the level's features, and these are of SSE to SSE4.1;
        // what is loaded or stored begins with four values.
        unsafe {
            [
                {
                    const $i: usize = 0;
                    $half
                },
                {
                    const $i: usize = 1;
                    $half
                },
            ]
        }
    };
}

// SAFETY: the vector type is LANES f32.
unsafe impl Float for Sse42 {
    type Vector = Pair;
    type Mask = Pair;
    const LANES: usize = 8;
    type Narrow = Self;

    #[inline(always)]
    fn narrow(self) -> Self {
        self
    }
    #[inline(always)]
    fn splat(self, x: f32) -> Pair {
        // SAFETY: the token proves SSE.
        [unsafe { _mm_set1_ps(x) }; 2]
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> Pair {
        let from: &[f32; 8] = from.first_chunk().expect("as many values as lanes");
        each!(I => _mm_loadu_ps(from[4 * I..].as_ptr()))
    }
    #[inline(always)]
    fn store(self, x: Pair, to: &mut [f32]) {
        let to: &mut [f32; 8] = to
            .first_chunk_mut()
            .expect("room for as many values as lanes");
        let _: [(); 2] = each!(I => _mm_storeu_ps(to[4 * I..].as_mut_ptr(), x[I]));
    }
    #[inline(always)]
    fn add(self, a: Pair, b: Pair) -> Pair {
        each!(I => _mm_add_ps(a[I], b[I]))
    }
    #[inline(always)]
    fn sub(self, a: Pair, b: Pair) -> Pair {
        each!(I => _mm_sub_ps(a[I], b[I]))
    }
    #[inline(always)]
    fn mul(self, a: Pair, b: Pair) -> Pair {
        each!(I => _mm_mul_ps(a[I], b[I]))
    }
    #[inline(always)]
    fn div(self, a: Pair, b: Pair) -> Pair {
        each!(I => _mm_div_ps(a[I], b[I]))
    }
    #[inline(always)]
    fn mul_add(self, a: Pair, b: Pair, c: Pair) -> Pair {
        each!(I => _mm_add_ps(_mm_mul_ps(a[I], b[I]), c[I]))
    }
    #[inline(always)]
    fn neg_mul_add(self, a: Pair, b: Pair, c: Pair) -> Pair {
        each!(I => _mm_sub_ps(c[I], _mm_mul_ps(a[I], b[I])))
    }
    #[inline(always)]
    fn min(self, a: Pair, b: Pair) -> Pair {
        each!(I => _mm_min_ps(a[I], b[I]))
    }
    #[inline(always)]
    fn max(self, a: Pair, b: Pair) -> Pair {
        each!(I => _mm_max_ps(a[I], b[I]))
    }
    // The steps of `float_portable.rs`, and so its bits.
    #[inline(always)]
    fn sqrt(self, a: Pair) -> Pair {
        each!(I => {
            let guess = _mm_srli_epi32::<1>(_mm_castps_si128(a[I]));
            let mut root = _mm_castsi128_ps(_mm_add_epi32(_mm_set1_epi32(0x1fbd_1df5), guess));
            let half = _mm_set1_ps(0.5);
            root = _mm_mul_ps(half, _mm_add_ps(root, _mm_div_ps(a[I], root)));
            root = _mm_mul_ps(half, _mm_add_ps(root, _mm_div_ps(a[I], root)));
            root = _mm_mul_ps(half, _mm_add_ps(root, _mm_div_ps(a[I], root)));
            _mm_and_ps(_mm_cmpgt_ps(a[I], _mm_setzero_ps()), root)
        })
    }
    #[inline(always)]
    fn less(self, a: Pair, b: Pair) -> Pair {
        each!(I => _mm_cmplt_ps(a[I], b[I]))
    }
    #[inline(always)]
    fn at_least(self, a: Pair, b: Pair) -> Pair {
        each!(I => _mm_cmpge_ps(a[I], b[I]))
    }
    #[inline(always)]
    fn select(self, mask: Pair, yes: Pair, no: Pair) -> Pair {
        each!(I => _mm_blendv_ps(no[I], yes[I], mask[I]))
    }
    #[inline(always)]
    fn bits(self, mask: Pair) -> u32 {
        let [low, high] = each!(I => _mm_movemask_ps(mask[I]) as u32);
        low | high << 4
    }
    #[inline(always)]
    fn power_of_two(self, n: Pair) -> Pair {
        each!(I => {
            let exponent = _mm_castps_si128(_mm_add_ps(n[I], _mm_set1_ps(ROUND + 127.0)));
            _mm_castsi128_ps(_mm_slli_epi32::<23>(exponent))
        })
    }
}
