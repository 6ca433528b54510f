//! Kernels of binary neural nets.
#![no_std]
#![cfg_attr(
    not(any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "wasm32"
    )),
    allow(
        dead_code,
        unused_imports,
        unused_macros,
        reason = "what the levels share, where there is none but the portable one"
    )
)]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

#[cfg_attr(
    not(feature = "poisson-binomial"),
    allow(dead_code, reason = "lanes of floats serve the distributions")
)]
mod arch;
pub mod bits;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod error;
pub mod isa;
pub mod packing;
#[cfg(feature = "poisson-binomial")]
pub mod poisson_binomial;
pub mod real;
pub mod reference;
#[cfg(feature = "rayon")]
pub mod threads;
mod threshold;
pub mod xnor;

pub use error::Error;
