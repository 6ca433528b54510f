//! How fast the kernels are on this machine: every case checks its answer first, and is timed in turns with the ceiling of its
//! instruction set, so that a share of the ceiling means the same on a machine that is busy or throttled.
//!
//! ```
//! use bernet::measure::{Output, Threads, gemm};
//! use bernet_kernels::isa::Level;
//!
//! let threads = Threads::new(1)?;
//! let found = gemm(Level::best(), [8, 16, 64], Output::Bits, &threads)?;
//! assert!(found.checked && found.gmac_per_s > 0.0);
//! # Ok::<(), bernet::measure::MeasureError>(())
//! ```

mod ceilings;
mod clock;
mod host;
mod poisson_binomial;
mod timing;
mod xnor;

pub use ceilings::Ceilings;
pub use clock::thread_time;
pub use host::Host;
pub use poisson_binomial::{BernoulliSpeed, Way, bernoulli, bernoulli_layer};
pub use timing::Threads;
pub use xnor::{Output, XnorSpeed, convolution, first_layer, gemm};

/// Why a case was not measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MeasureError {
    /// A size that the kernels refuse.
    #[error(transparent)]
    Kernel(#[from] bernet_kernels::Error),
    /// An answer that differs from the scalar reference: nothing is timed.
    #[error("wrong answer: {0}")]
    Wrong(String),
    /// Threads that the system does not give.
    #[error(transparent)]
    Threads(#[from] bernet_kernels::threads::ThreadsError),
}
