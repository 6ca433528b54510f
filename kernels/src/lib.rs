//! Kernels of binary neural nets.
#![no_std]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

mod arch;
pub mod bits;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod error;
pub mod isa;
pub mod packing;
pub mod poisson_binomial;
pub mod portable;
pub mod xnor;

pub use error::Error;
