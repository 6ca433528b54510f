//! XNOR-popcount matrix products and convolutions.

mod conv;
mod gemm;
mod output;
mod pack;
mod patches;
mod product;
pub(crate) mod tile;

pub use conv::{Conv2d, Geometry, PaddingValue};
pub use gemm::{gemm_bits, gemm_i32};
pub use output::Threshold;
pub use pack::PackedWeights;
