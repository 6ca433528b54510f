//! Kernels of binary neural nets.
#![no_std]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

mod arch;
pub mod bits;
mod error;
pub mod isa;
pub mod poisson_binomial;
pub mod portable;
pub mod xnor;

pub use error::Error;
