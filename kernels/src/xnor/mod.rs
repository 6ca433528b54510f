//! XNOR-popcount matrix products and convolutions.

mod binary_conv;
mod bits_out;
mod border;
mod byte_conv;
mod bytes;
mod conv;
pub mod epilogue;
mod gather;
mod gemm;
mod inside;
mod max_pool;
mod pack;
mod parallel;
mod params;
mod patches;
mod product;
mod reals;
mod tables;
mod words;
mod workspace;
mod writer;

use crate::{
    arch::tile::Tile,
    isa::{Level, dispatch},
};

/// Carries out the inner tile's instruction mix on registers alone, `rounds` times: the ceiling of a level, to be timed beside
/// its products. Returns how many multiply-accumulates that stands for.
///
/// ```
/// use bernet_kernels::{isa::Level, xnor};
///
/// let start = std::time::Instant::now();
/// let count = xnor::peak_throughput(Level::best(), 1000);
/// println!("at most {} multiply-accumulates a second", count as f64 / start.elapsed().as_secs_f64());
/// ```
pub fn peak_throughput(level: Level, rounds: u64) -> u64 {
    rounds * dispatch!(level, token => token.peak_throughput(rounds))
}

/// As [`peak_throughput`], of products with bytes: the inner tile alone, on operands in the first-level cache.
pub fn peak_throughput_bytes(level: Level, rounds: u64) -> u64 {
    rounds * dispatch!(level, token => bytes::Bytes(token).peak_throughput(rounds))
}

pub use binary_conv::BinaryConv2d;
pub use byte_conv::ByteConv2d;
pub use conv::Conv2d;
pub use epilogue::{
    Activation, Affine, Epilogue, PixelBias, Residual, Rows, RowsMut, Signs, Threshold, Transform,
};
pub use gemm::{gemm, gemm_affine, gemm_bits, gemm_i32, gemm_threads};
pub use max_pool::{max_pool, sum_pool};
pub use pack::PackedWeights;
pub use params::{ConvParams, PaddingValue};
pub use reals::Real;
pub use workspace::Workspace;
