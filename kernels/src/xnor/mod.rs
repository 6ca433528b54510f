//! XNOR-popcount matrix products and convolutions.

mod activations;
mod byte_conv;
pub(crate) mod bytes;
mod conv;
mod gather;
mod gemm;
mod geometry;
mod output;
mod pack;
mod parallel;
mod patches;
mod pool;
mod product;
mod tables;
pub(crate) mod tile;
mod words;

use crate::isa::{Level, dispatch};
use tile::Tile;

/// Carries out the inner tile's instruction mix on registers alone, `rounds` times: the ceiling of a level, to be timed beside
/// its products. Returns how many multiply-accumulates that stands for.
///
/// ```
/// use bernet_kernels::{isa::Level, xnor};
///
/// let start = std::time::Instant::now();
/// let count = xnor::spin(Level::best(), 1000);
/// println!("at most {} multiply-accumulates a second", count as f64 / start.elapsed().as_secs_f64());
/// ```
pub fn spin(level: Level, rounds: u64) -> u64 {
    rounds * dispatch!(level, token => token.spin(rounds))
}

/// As [`spin`], of products with bytes: the inner tile alone, on operands in the first-level cache.
pub fn spin_bytes(level: Level, rounds: u64) -> u64 {
    rounds * dispatch!(level, token => bytes::Bytes(token).spin(rounds))
}

pub use byte_conv::ByteConv2d;
pub use conv::{BinaryConv2d, Conv2d, Scratch};
pub use gemm::{RowsMut, gemm_affine, gemm_bits, gemm_i32};
pub use geometry::{Geometry, Options, PaddingValue, Window};
pub use output::{Affine, Real, Threshold};
pub use pack::PackedWeights;
pub use parallel::on_this_thread;
pub use pool::{max_pool, sum_pool};
