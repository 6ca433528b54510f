//! One file per instruction set, the same function names in each. This file and `isa.rs` hold the only
//! `cfg(target_arch)`.

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
#[cfg(target_arch = "wasm32")]
mod simd128;
#[cfg(target_arch = "x86_64")]
mod sse42;
pub(crate) mod tile;
