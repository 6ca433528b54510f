//! One file per instruction set, the same function names in each. This file and `isa.rs` hold the only
//! `cfg(target_arch)`.

/// One call of an intrinsic whose only condition is the level's features, where the level's token is at hand.
#[cfg(not(target_arch = "wasm32"))]
macro_rules! intrinsic {
    ($name:ident $(::<$constant:tt>)? ($($argument:expr),* $(,)?)) => {{
        #[allow(unused_unsafe, reason = "an argument may be such a call as well")]
        // SAFETY: a token exists only where the CPU has the level's features; the intrinsic needs no more of them.
        let result = unsafe { $name $(::<$constant>)? ($($argument),*) };
        result
    }};
}

pub(crate) mod float;
mod float_portable;
mod portable;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx2_narrow;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx512_popcount;
#[cfg(target_arch = "x86_64")]
mod avx512_words;
#[cfg(any(
    target_arch = "x86_64",
    target_arch = "wasm32",
    all(target_arch = "aarch64", target_endian = "little")
))]
mod bytes;
#[cfg(target_arch = "x86_64")]
mod float_avx2;
#[cfg(target_arch = "x86_64")]
mod float_avx512;
#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
mod float_neon;
#[cfg(target_arch = "wasm32")]
mod float_simd128;
#[cfg(target_arch = "x86_64")]
mod float_sse42;
#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
mod neon;
#[cfg(target_arch = "x86_64")]
mod nibbles;
#[cfg(target_arch = "x86_64")]
mod products;
#[cfg(target_arch = "wasm32")]
mod simd128;
#[cfg(target_arch = "x86_64")]
mod sse42;
pub(crate) mod tile;
